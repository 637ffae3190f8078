// SPDX-License-Identifier: BSL-1.0
// Each cell of (state of a record x type of cancellation), as guarantee.md, rule 16 has it.
#include "support/catch.hpp"
#include "support/shop.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace cokafka_tests;
using asio::cancellation_type;
using cokafka::broker_errc;
using cokafka::errc;
using cokafka::fate;
using cokafka::testing::api_key;

namespace {

enum class state {
  parked_for_metadata,
  parked_for_partition,
  parked_for_memory,
  parked_for_share,
  in_open_batch,
  in_full_batch,
  in_backoff,
  in_flight,
  in_piece,
  at_new_leader,
  answered
};

/// What a delivery says in the end.
enum class told { withdrawn, stopped_waiting, delivered };

/// One record on its way, and one before and one behind it in the same partition.
class one_record {
 public:
  explicit one_record(state which) : kafka(io, {.brokers = 2}), which_(which), shop(io, settings_of(kafka)) {
    cokafka::testing::topic_options rules;
    if (which == state::in_piece) rules.max_message_bytes = 1'000;
    kafka.create_topic("t", 2, rules);
    for (const std::int32_t p : {0, 1}) kafka.set_leader("t", p, 1);  // broker 0 is asked for metadata
    if (which != state::parked_for_metadata) warm_up("t");
    switch (which) {
      case state::parked_for_partition:
      case state::parked_for_memory:
      case state::parked_for_share: park(); break;
      case state::parked_for_metadata:
      case state::in_open_batch:
        before = shop.send(with("before"));
        await();
        break;
      default: place(); break;
    }
    behind = shop.send(with("behind"));
  }

  told end_of_it() {
    CHECK(run_until(io, [&] { return answer.has_value(); }));
    if (answer->has_value()) return told::delivered;
    CHECK(answer->error() == errc::cancelled);
    return answer->error().fate() == fate::not_written ? told::withdrawn : told::stopped_waiting;
  }
  /// The neighbours are delivered, their offsets are their places, and the record is in the log or not.
  void check_log(bool holds_it) {
    if (which_ == state::parked_for_partition) kafka.add_partitions("t", 3);
    if (which_ == state::parked_for_share) kafka.unfreeze(1);
    CHECK(run_until(io, [&] { return before->ready() && behind->ready(); }));
    CHECK(before->get().value().offset == 0);
    CHECK(behind->get().value().offset == (holds_it ? 2 : 1));
    const auto records = kafka.records("t", to_);
    CHECK(records.size() == (holds_it ? 3u : 2u));
    CHECK(records.back().value == "behind");
    CHECK(run_until(io, [&] { return shop.outstanding().records == 0; }));
    CHECK(shop.outstanding().bytes == 0);
  }

  asio::io_context io;
  cokafka::testing::cluster kafka;
  const state which_;
  cokafka::producer shop;
  asio::cancellation_signal signal;
  std::optional<outcome> answer{};
  std::optional<cokafka::delivery> before{};
  std::optional<cokafka::delivery> behind{};
  bool retried = false;

 private:
  void park() {
    switch (which_) {
      case state::parked_for_partition:
        to_ = 2;
        before = shop.send(with("before"));
        await();
        break;
      case state::parked_for_share:
        kafka.create_topic("busy", 1);
        kafka.set_leader("busy", 0, 1);
        kafka.create_topic("other", 1);
        kafka.set_leader("other", 0, 0);  // of one broker alone the share has no limit
        warm_up("busy");
        warm_up("other");
        kafka.freeze(1);
        for (int i = 0; i != 80; ++i) shop.send({.topic = "busy", .value = cokafka::bytes_view(padding_)}).detach();
        before = shop.send(with("before"));
        await();
        CHECK(cokafka::detail::producer_access::core(shop).parked_bytes() > 0);
        break;
      case state::parked_for_memory:
        kafka.delay_next(api_key::produce, 200ms);
        before = shop.send(with(large_));
        await(large_);
        break;
      default: break;
    }
  }
  void place() {
    switch (which_) {
      case state::in_full_batch:
        kafka.delay_next(api_key::produce, 200ms);
        before = shop.send(with("before"));
        CHECK(run_until(io, [&] { return kafka.request_count(api_key::produce) > 0; }));
        await(full_);
        break;
      case state::in_backoff:
        kafka.fail_next(api_key::produce, broker_errc::not_enough_replicas);
        before = shop.send(with("before"));
        await();
        CHECK(run_until(io, [&] { return retried; }));
        break;
      case state::in_flight:
        kafka.delay_next(api_key::produce, 200ms);
        before = shop.send(with("before"));
        await();
        CHECK(run_until(io, [&] { return kafka.request_count(api_key::produce) > 0; }));
        break;
      case state::in_piece:
        kafka.delay_next(api_key::produce, 100ms, 5);
        before = shop.send(with(padding_));
        await(padding_);
        CHECK(run_until(io, [&] { return shop.metrics().batches_split > 0; }));
        break;
      case state::at_new_leader:
        kafka.delay_next(api_key::produce, 200ms, 1, cokafka::testing::moment::before, 0);
        kafka.freeze(1);
        before = shop.send(with("before"));
        await();
        io.restart();
        io.run_for(20ms);
        kafka.set_leader("t", 0, 0);
        CHECK(run_until(io, [&] { return kafka.request_count(api_key::produce) > 0; }));
        break;
      case state::answered: {
        before = shop.send(with("before"));
        cokafka::delivery sent = shop.send(with("cancelled"));
        CHECK(run_until(io, [&] { return sent.ready(); }));
        await(std::move(sent));
        break;
      }
      default: break;
    }
  }
  cokafka::record_view with(std::string_view value) const {
    return {.topic = "t", .value = cokafka::bytes_view(value), .partition = to_};
  }

  cokafka::config settings_of(const cokafka::testing::cluster& of) {
    cokafka::config made = config_for(of);
    made.bootstrap_servers = of.address(0);
    made.buffer_memory = 40'000;
    made.retry_backoff = 200ms;
    made.log_level = cokafka::log_level::debug;
    made.log_sink = [this](cokafka::log_level, std::string_view line) {
      retried = retried || line.find("is tried again") != std::string_view::npos;
    };
    return made;
  }
  void warm_up(std::string_view topic) {
    bool is_warm = false;
    shop.warm_up(topic)([&](const auto& done) { is_warm = done.has_value(); });
    CHECK(run_until(io, [&] { return is_warm; }));
  }
  void await(std::string_view value = "cancelled") { await(shop.send(with(value))); }
  void await(cokafka::delivery sent) {
    std::move(sent)(asio::bind_cancellation_slot(signal.slot(), [this](const outcome& said) { answer = said; }));
  }

  const std::string large_ = std::string(25'000, 'v');
  const std::string full_ = std::string(17'000, 'v');  // more than batch.size
  const std::string padding_ = std::string(700, 'v');
  std::int32_t to_ = 0;
};

struct cell {
  state in;
  const char* name;
  told total;
  told partial;
  told terminal;
};

constexpr cell table[] = {
    {state::parked_for_metadata, "parked for metadata", told::withdrawn, told::stopped_waiting, told::withdrawn},
    {state::parked_for_partition, "parked for a partition", told::withdrawn, told::stopped_waiting, told::withdrawn},
    {state::parked_for_memory, "parked for memory", told::withdrawn, told::stopped_waiting, told::withdrawn},
    {state::parked_for_share, "parked for a broker's share", told::withdrawn, told::stopped_waiting, told::withdrawn},
    {state::in_open_batch, "in an open batch", told::withdrawn, told::stopped_waiting, told::withdrawn},
    {state::in_full_batch, "in a full batch, not sealed", told::withdrawn, told::stopped_waiting, told::withdrawn},
    {state::in_backoff, "sealed, in backoff", told::delivered, told::stopped_waiting, told::stopped_waiting},
    {state::in_flight, "in flight", told::delivered, told::stopped_waiting, told::stopped_waiting},
    {state::in_piece, "in a piece of its batch", told::delivered, told::stopped_waiting, told::stopped_waiting},
    {state::at_new_leader, "sent again to a new leader", told::delivered, told::stopped_waiting, told::stopped_waiting},
    {state::answered, "answered", told::delivered, told::delivered, told::delivered},
};

}  // namespace

TEST_CASE(
    "each type of cancellation does in each state of a record what rule 16 says, and its neighbours notice nothing",
    "[stories]") {
  for (const cell& each : table) {
    const std::pair<cancellation_type, told> types[] = {
        {cancellation_type::total, each.total},
        {cancellation_type::partial, each.partial},
        {cancellation_type::terminal, each.terminal},
        {cancellation_type::all, each.terminal},
    };
    for (const auto& [type, expected] : types) {
      INFO(each.name << ", type " << static_cast<int>(type));
      one_record record(each.in);
      record.signal.emit(type);
      CHECK_FALSE(record.answer.has_value());  // never inside emit()
      CHECK(record.end_of_it() == expected);
      record.check_log(expected != told::withdrawn);
    }
  }
}

TEST_CASE("a record with a short timeout fails alone, and the others of its batch go on", "[stories]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  kafka.create_topic("t", 1);
  cokafka::producer shop(io, config_for(kafka));
  CHECK(
      run_coroutine(io, [](cokafka::producer& in) -> asio::awaitable<void> { (void)co_await in.warm_up("t"); }(shop)));
  kafka.delay_next(api_key::produce, 150ms);
  auto first = shop.send({.topic = "t", .value = "in flight for long"});
  auto hasty_in_flight = shop.send({.topic = "t", .value = "hasty", .timeout = 50ms});
  CHECK(run_until(io, [&] { return kafka.request_count(api_key::produce) == 1; }));
  auto open = shop.send({.topic = "t", .value = "open"});
  auto hasty_in_batch = shop.send({.topic = "t", .value = "hasty as well", .timeout = 20ms});
  auto last = shop.send({.topic = "t", .value = "last"});
  CHECK(run_until(io, [&] { return hasty_in_batch.ready(); }));
  CHECK(hasty_in_batch.get().error() == errc::timed_out);
  CHECK(hasty_in_batch.get().error().fate() == fate::not_written);
  CHECK(run_until(io, [&] { return hasty_in_flight.ready(); }));
  CHECK(hasty_in_flight.get().error().fate() == fate::maybe_written);
  CHECK_FALSE(first.ready());
  CHECK(run_until(io, [&] { return last.ready(); }));
  CHECK(first.get().value().offset == 0);
  CHECK(open.get().value().offset == 2);
  CHECK(last.get().value().offset == 3);
  CHECK(kafka.records("t", 0).size() == 4);
}
