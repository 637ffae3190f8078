// SPDX-License-Identifier: BSL-1.0
// Errors: the tables of codes, what they prove, and the object that carries them.
#include "cokafka/error.hpp"

#include <atomic>
#include <boost/system/errc.hpp>
#include <set>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/replaced_new.hpp"

namespace {

std::atomic<int> allocations{0};

}  // namespace

void* cokafka_test::test_allocation(std::size_t size) noexcept {
  ++allocations;
  return plain_allocation(size);
}

using cokafka::broker_errc;
using cokafka::errc;
using cokafka::error;
using cokafka::fate;
using namespace std::chrono_literals;
namespace detail = cokafka::detail;
using detail::error_class;

namespace {

// Codes of the table for which the predicate holds.
template <class Predicate>
std::set<int> codes_where(Predicate predicate) {
  std::set<int> codes;
  for (const auto& row : detail::broker_error_table) {
    if (predicate(row)) codes.insert(static_cast<int>(row.code));
  }
  return codes;
}

}  // namespace

TEST_CASE("the broker's codes are dense from -1 to 136 and each has a name and a meaning", "[public]") {
  int expected = -1;
  std::set<std::string_view> names, meanings;
  for (const auto& row : detail::broker_error_table) {
    CHECK(static_cast<int>(row.code) == expected);
    CHECK(detail::find_broker_error(row.code) == &row);
    CHECK(names.insert(row.name).second);
    CHECK(meanings.insert(row.meaning).second);
    CHECK(row.meaning.size() > 5);
    CHECK_FALSE(row.meaning.ends_with('.'));
    ++expected;
  }
  CHECK(expected == 137);
}

TEST_CASE("the retriable codes are Kafka's", "[public]") {
  const std::set<int> kafka = {2,  3,  5,  6,  7,  9,  13, 14, 15, 16, 19,  20,  41,  51,  56,  70,
                               71, 72, 74, 75, 78, 80, 83, 84, 88, 89, 100, 103, 106, 122, 123, 133};
  CHECK(codes_where([](auto& row) { return has(row.kind, error_class::retriable); }) == kafka);
}

TEST_CASE("the codes that ask for new metadata are Kafka's, and all are retriable", "[public]") {
  const std::set<int> kafka = {3, 5, 6, 9, 13, 56, 72, 74, 80, 83, 84, 100, 103};
  CHECK(codes_where([](auto& row) { return has(row.kind, error_class::refreshes); }) == kafka);
  CHECK(codes_where([](auto& row) {
          return has(row.kind, error_class::refreshes) && !has(row.kind, error_class::retriable);
        }).empty());
}

TEST_CASE("fatal and abortable codes are neither both nor retriable", "[public]") {
  CHECK(codes_where([](auto& row) { return has(row.kind, error_class::fatal); }) ==
        std::set<int>{31, 35, 49, 50, 53, 90});
  CHECK(codes_where([](auto& row) { return has(row.kind, error_class::abortable); }) ==
        std::set<int>{22, 25, 29, 30, 45, 47, 48, 55, 59, 69, 82, 113, 120});
  CHECK(codes_where([](auto& row) {
          return has(row.kind, error_class::retriable) &&
                 (has(row.kind, error_class::fatal) || has(row.kind, error_class::abortable));
        }).empty());
}

TEST_CASE("only the closed list of codes proves that a batch was not written", "[public]") {
  const std::set<int> proof = {10, 17, 18, 19, 21, 29, 31, 32, 42, 44, 47, 76, 87, 100};
  CHECK(codes_where([](auto& row) { return detail::fate_of_answer(row.code, false) == fate::not_written; }) == proof);
  std::set<int> only_attempt = proof;
  only_attempt.insert(45);
  CHECK(codes_where([](auto& row) { return detail::fate_of_answer(row.code, true) == fate::not_written; }) ==
        only_attempt);
  CHECK(codes_where([](auto& row) { return detail::fate_of_answer(row.code, true) == fate::written; }) ==
        std::set<int>{0, 46});
  for (const int code : {-1, 3, 5, 6, 7, 9, 20, 56, 137, -2, 32767, -32768})
    CHECK(detail::fate_of_answer(static_cast<broker_errc>(code), true) == fate::maybe_written);
}

TEST_CASE("a code that is newer than the table fails without further consequences", "[public]") {
  const auto newer = static_cast<broker_errc>(137);
  CHECK(detail::find_broker_error(newer) == nullptr);
  CHECK(detail::find_broker_error(static_cast<broker_errc>(-2)) == nullptr);
  CHECK(detail::classify(newer) == error_class::nothing);
  CHECK(to_string(newer) == "unknown");
  CHECK(error(newer).message() == "unknown broker error 137");
  CHECK(error(newer).fate() == fate::maybe_written);
}

TEST_CASE("every client code has its own number, name and meaning", "[public]") {
  int expected = 1;
  std::set<std::string_view> names;
  for (const auto& row : detail::client_error_table) {
    CHECK(static_cast<int>(row.code) == expected);
    CHECK(names.insert(row.name).second);
    CHECK_FALSE(row.meaning.empty());
    CHECK(error(row.code).message() == row.meaning);
    ++expected;
  }
  CHECK(to_string(errc::buffer_full) == "buffer_full");
  CHECK(to_string(static_cast<errc>(0)) == "unknown");
  CHECK(to_string(static_cast<errc>(expected)) == "unknown");
  CHECK(make_error_code(static_cast<errc>(999)).message() == "unknown client error 999");
}

TEST_CASE("codes convert to error codes of the categories cokafka and kafka", "[public]") {
  const boost::system::error_code client = errc::closed;
  const boost::system::error_code broker = broker_errc::not_leader_or_follower;
  CHECK(std::string(client.category().name()) == "cokafka");
  CHECK(std::string(broker.category().name()) == "kafka");
  CHECK(broker.value() == 6);
  CHECK(broker.message() == "NOT_LEADER_OR_FOLLOWER: the broker is neither leader nor follower of the partition");
  CHECK(to_string(broker_errc::not_leader_or_follower) == "not_leader_or_follower");
  CHECK(client != broker);
  CHECK_FALSE(boost::system::error_code(broker_errc::none));
  CHECK(boost::system::error_code(broker_errc::unknown_server_error));
}

TEST_CASE("codes of both categories are classified, foreign ones are nothing", "[public]") {
  CHECK(has(detail::classify(make_error_code(errc::disconnected)), error_class::refreshes));
  CHECK(has(detail::classify(make_error_code(broker_errc::fenced_leader_epoch)), error_class::refreshes));
  CHECK(detail::classify(make_error_code(boost::system::errc::timed_out)) == error_class::nothing);
}

TEST_CASE("a default error says that there is no result", "[public]") {
  const error none;
  CHECK(none == errc::no_result);
  CHECK(none.fate() == fate::maybe_written);
  CHECK(none.attempts() == 0);
  CHECK_FALSE(none.broker());
  CHECK(none.elapsed() == 0ms);
  CHECK_FALSE(none.cause());
}

TEST_CASE("an error that is only a code allocates nothing", "[public]") {
  const int before = allocations;
  const error full(errc::buffer_full);
  const error broker(broker_errc::invalid_record);
  const bool right = full == errc::buffer_full && broker == broker_errc::invalid_record && full.is_retriable();
  CHECK(allocations == before);
  CHECK(right);
  CHECK(full.fate() == fate::not_written);
  CHECK(broker.fate() == fate::not_written);
}

TEST_CASE("a code alone claims not_written only where that is proven", "[public]") {
  CHECK(error(errc::closed).fate() == fate::not_written);
  CHECK(error(errc::timed_out).fate() == fate::maybe_written);
  CHECK(error(errc::disconnected).fate() == fate::maybe_written);
  CHECK(error(errc::not_ready).fate() == fate::maybe_written);
  CHECK(error(broker_errc::request_timed_out).fate() == fate::maybe_written);
  CHECK(error(broker_errc::message_too_large).fate() == fate::not_written);
}

TEST_CASE("an error carries its details, and copying it allocates nothing", "[public]") {
  const error made(cokafka::error_details{.code = errc::timed_out,
                                          .message = "",
                                          .fate = fate::maybe_written,
                                          .attempts = 3,
                                          .broker = 2,
                                          .elapsed = 1500ms,
                                          .cause = errc::connection_failed});
  const int before = allocations;
  const error copy = made;
  error assigned;
  assigned = copy;
  error moved = std::move(assigned);
  CHECK(allocations == before);
  CHECK(moved == errc::timed_out);
  CHECK(moved.fate() == fate::maybe_written);
  CHECK(moved.attempts() == 3);
  CHECK(moved.broker() == 2);
  CHECK(moved.elapsed() == 1500ms);
  CHECK(moved.cause() == make_error_code(errc::connection_failed));
  CHECK(sizeof(error) <= 2 * sizeof(void*));
}

TEST_CASE("an error's text is its own, or its code's with the cause", "[public]") {
  using cokafka::error_details;
  CHECK(error(error_details{.code = errc::invalid_record, .message = "timestamp -1: must not be negative"}).message() ==
        "timestamp -1: must not be negative");
  CHECK(error(error_details{.code = errc::closed}).message() == "the producer is closed");
  CHECK(error(error_details{.code = errc::timed_out, .cause = errc::disconnected}).message() ==
        "delivery.timeout.ms passed before the record was acknowledged (the connection was lost before the answer "
        "came)");
  CHECK(error(error_details{.code = errc::disconnected, .cause = errc::disconnected}).message() ==
        "the connection was lost before the answer came");
}

TEST_CASE("an error is never a success", "[public]") {
  CHECK(error(cokafka::error_details{}) == errc::no_result);
  CHECK(error(cokafka::error_details{.code = broker_errc::none}).code());
  CHECK(error(broker_errc::none).code());
}

TEST_CASE("errors say what can be done about them", "[public]") {
  CHECK(error(errc::buffer_full).is_retriable());
  CHECK(error(broker_errc::not_enough_replicas).is_retriable());
  CHECK_FALSE(error(errc::closed).is_retriable());
  CHECK(error(errc::producer_fatal).is_fatal());
  CHECK(error(broker_errc::producer_fenced).is_fatal());
  CHECK(error(broker_errc::transaction_abortable).is_abortable());
  CHECK_FALSE(error(broker_errc::transaction_abortable).is_fatal());
  CHECK(error(cokafka::error_details{.code = broker_errc::leader_not_available}).is_retriable());
}

TEST_CASE("an error moved from can still be asked", "[public]") {
  error from(cokafka::error_details{.code = errc::closed});
  const error to = std::move(from);
  CHECK(to == errc::closed);
  CHECK(from.code());
}

TEST_CASE("fates have names and the worst of two is known", "[public]") {
  CHECK(to_string(fate::not_written) == "not_written");
  CHECK(to_string(fate::maybe_written) == "maybe_written");
  CHECK(to_string(fate::written) == "written");
  CHECK(worst(fate::not_written, fate::not_written) == fate::not_written);
  CHECK(worst(fate::not_written, fate::maybe_written) == fate::maybe_written);
  CHECK(worst(fate::maybe_written, fate::not_written) == fate::maybe_written);
  CHECK(worst(fate::maybe_written, fate::written) == fate::written);
}

TEST_CASE("exceptions carry the error and its text", "[public]") {
  const cokafka::exception thrown{error(errc::closed)};
  CHECK(std::string(thrown.what()) == "the producer is closed");
  CHECK(thrown.error() == errc::closed);
  CHECK(thrown.code() == make_error_code(errc::closed));
  const cokafka::config_error refused(
      error(cokafka::error_details{.code = errc::config_error, .message = "acks=1: must be all"}));
  CHECK(std::string(refused.what()) == "acks=1: must be all");
  CHECK(refused.error() == errc::config_error);
}
