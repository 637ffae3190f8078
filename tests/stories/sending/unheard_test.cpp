// SPDX-License-Identifier: BSL-1.0
// Failed records that nobody waits for are counted, logged and shown (guarantee.md, rule 17).
#include "support/catch.hpp"
#include "support/shop.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace cokafka_tests;
using asio::cancellation_type;
using cokafka::broker_errc;
using cokafka::bytes_view;
using cokafka::errc;
using cokafka::fate;
using cokafka::testing::api_key;

namespace {

struct shown_record {
  cokafka::error why;
  std::string topic;
  std::optional<std::int32_t> partition;
  std::optional<std::string> key, value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  std::int64_t timestamp;
};

std::optional<std::string> text_of(const std::optional<bytes_view>& field) {
  if (!field) return std::nullopt;
  return std::string(field->str());
}

/// A producer whose failures are written down.
struct listening_shop {
  explicit listening_shop(bool listens = true) : kafka(io), shop(io, settings(listens)) {
    kafka.create_topic("t", 1);
    CHECK(run_coroutine(io,
                        [](cokafka::producer& in) -> asio::awaitable<void> { (void)co_await in.warm_up("t"); }(shop)));
  }
  cokafka::config settings(bool listens) {
    cokafka::config made = config_for(kafka);
    made.log_sink = [this](cokafka::log_level, std::string_view line) { lines.emplace_back(line); };
    if (!listens) return made;
    made.on_delivery_failed = [this](const cokafka::error& why, const cokafka::record_view& record) {
      shown_record copy{why,
                        std::string(record.topic),
                        record.partition,
                        text_of(record.key),
                        text_of(record.value),
                        {},
                        record.timestamp ? record.timestamp->time_since_epoch().count() : -1};
      for (const auto& each : record.headers) copy.headers.emplace_back(each.key, text_of(each.value));
      shown.push_back(std::move(copy));
      if (throws) throw std::runtime_error("the hook is broken");
    };
    return made;
  }
  bool shows(std::size_t count) {
    return run_until(io, [&] { return shown.size() == count; });
  }
  bool settled() {
    return run_until(io, [&] { return shop.outstanding().records == 0; });
  }
  bool is_logged(std::string_view text) const {
    for (const auto& each : lines) {
      if (each.find(text) != std::string::npos) return true;
    }
    return false;
  }
  void close() {
    bool closed = false;
    shop.close(patience, [&](const cokafka::result<void>&) { closed = true; });
    CHECK(run_until(io, [&] { return closed; }));
  }

  asio::io_context io;
  cokafka::testing::cluster kafka;
  std::vector<shown_record> shown;
  std::vector<std::string> lines;
  bool throws = false;
  cokafka::producer shop;
};

}  // namespace

// asio.md 31: what is let go and fails is told.
TEST_CASE("a dropped delivery's failure is shown with its record, those that somebody holds are not", "[stories]") {
  listening_shop world;
  world.kafka.fail_next(api_key::produce, broker_errc::invalid_record);
  const cokafka::header_view headers[] = {{"h", bytes_view("1")}, {"null", {}}};
  const auto when = std::chrono::sys_time<std::chrono::milliseconds>{1700000000123ms};
  world.shop.send({.topic = "t", .key = "k", .value = "detached", .headers = headers, .timestamp = when}).detach();
  auto held = world.shop.send({.topic = "t", .value = "held"});
  bool answered = false;
  world.shop.send({.topic = "t", .value = "awaited"})([&](const outcome&) { answered = true; });
  { const auto destroyed = world.shop.send({.topic = "t"}); }
  const std::string large(40'000, 'x');  // over several chunks
  world.shop.send({.topic = "t", .value = large}).detach();
  CHECK(world.shows(3));
  CHECK(world.settled());
  CHECK(answered);
  CHECK(held.get().error() == broker_errc::invalid_record);
  const auto& first = world.shown[0];
  CHECK(first.why == broker_errc::invalid_record);
  CHECK(first.why.fate() == fate::not_written);
  CHECK(first.topic == "t");
  CHECK(first.partition == 0);
  CHECK(first.key == "k");
  CHECK(first.value == "detached");
  REQUIRE(first.headers.size() == 2);
  CHECK(first.headers[0].second == "1");
  CHECK_FALSE(first.headers[1].second);
  CHECK(first.timestamp == 1700000000123);
  CHECK_FALSE(world.shown[1].key);
  CHECK_FALSE(world.shown[1].value);
  CHECK(world.shown[2].value == large);
  CHECK(world.is_logged("3 records failed and nobody waits for them; the first, of t-0, is not_written"));
  CHECK(world.shop.metrics().unheard_failures == 3);
  CHECK(world.shop.metrics().records_failed == 5);  // with those that somebody holds
}

TEST_CASE("records that fall due before their batch, in it or parked are shown, and what was withdrawn is not",
          "[stories]") {
  listening_shop world;
  world.kafka.delay_next(api_key::produce, 150ms);
  world.shop.send({.topic = "t", .value = "in flight", .timeout = 60ms}).detach();
  auto stays = world.shop.send({.topic = "t", .value = "stays"});
  CHECK(run_until(world.io, [&] { return world.kafka.request_count(api_key::produce) == 1; }));
  world.shop.send({.topic = "t", .value = "open", .timeout = 20ms}).detach();
  auto goes_on = world.shop.send({.topic = "t", .value = "goes on"});
  asio::cancellation_signal withdraws, stops;
  world.shop.send({.topic = "t", .value = "withdrawn", .timeout = 20ms})(
      asio::bind_cancellation_slot(withdraws.slot(), [](const outcome&) {}));
  world.shop.send({.topic = "t", .value = "given up", .timeout = 40ms})(
      asio::bind_cancellation_slot(stops.slot(), [](const outcome&) {}));
  world.shop.send({.topic = "unknown", .value = "parked", .timeout = 1ms}).detach();
  withdraws.emit(cancellation_type::total);
  stops.emit(cancellation_type::partial);
  CHECK(world.shows(4));
  CHECK(world.settled());
  CHECK(goes_on.get().value().offset == 2);
  std::vector<std::string> values;
  for (const auto& each : world.shown) {
    values.push_back(each.value.value());
    CHECK(each.why.fate() == (each.value == "in flight" ? fate::maybe_written : fate::not_written));
    CHECK(each.topic == (each.value == "parked" ? "unknown" : "t"));
  }
  CHECK(values == std::vector<std::string>{"parked", "open", "given up", "in flight"});
}

TEST_CASE("what send() refuses is shown when its delivery is dropped unread", "[stories]") {
  listening_shop world;
  world.shop.send({.topic = "not a topic", .value = "lost"}).detach();
  CHECK(world.shown.empty());  // posted
  CHECK(world.shows(1));
  CHECK(world.shown[0].why == errc::invalid_topic);
  CHECK(world.shown[0].topic == "not a topic");
  CHECK(world.shown[0].value == "lost");
}

TEST_CASE("a lazy operation that is dropped before it has begun is nobody who waits", "[stories]") {
  listening_shop world;
  world.kafka.fail_next(api_key::produce, broker_errc::invalid_record);
  { const auto never_begun = world.shop.send({.topic = "t", .value = "accepted"}, asio::deferred); }
  { const auto refused = world.shop.send({.topic = "not a topic", .value = "refused"}, asio::deferred); }
  { const auto never_awaited = world.shop.send({.topic = "t", .value = "awaitable"}, asio::use_awaitable); }
  bool answered = false;
  {
    const auto op = world.shop.send({.topic = "t", .value = "begun"}, asio::deferred);
    auto copy = op;
    std::move(copy)([&](const outcome&) { answered = true; });
  }
  REQUIRE(world.shows(3));
  CHECK(world.settled());
  CHECK(run_until(world.io, [&] { return answered; }));
  CHECK(world.shown[0].value == "refused");
  CHECK(world.shown[0].why == errc::invalid_topic);
  CHECK(world.shown[1].value == "accepted");
  CHECK(world.shown[2].value == "awaitable");
  CHECK(world.shown[2].why == broker_errc::invalid_record);
  CHECK(world.shop.metrics().unheard_failures == 3);
  CHECK(world.is_logged("2 records failed and nobody waits for them"));
}

TEST_CASE("many failures are shown in order, a hook that throws is logged, and close waits for the last of them",
          "[stories]") {
  listening_shop world;
  world.throws = true;
  world.kafka.fail_next(api_key::produce, broker_errc::invalid_record);
  for (int i = 0; i != 1000; ++i) world.shop.send({.topic = "t", .value = std::to_string(i)}).detach();
  world.close();
  REQUIRE(world.shown.size() == 1000);
  for (std::size_t i = 0; i != 1000; ++i) CHECK(world.shown[i].value == std::to_string(i));
  CHECK(world.is_logged("on_delivery_failed has thrown: the hook is broken"));
  world.shop.send({.topic = "t", .value = "after the end"}).detach();
  world.io.restart();
  world.io.poll();
  CHECK(world.shown.size() == 1000);
}

TEST_CASE("what is dropped unread after close() is neither shown nor logged", "[stories]") {
  listening_shop world;
  std::optional<cokafka::delivery> refused(world.shop.send({.topic = "not a topic", .value = "lost"}));
  world.close();
  const std::size_t logged = world.lines.size();
  refused.reset();
  world.io.restart();
  world.io.poll();
  CHECK(world.shown.empty());
  CHECK(world.lines.size() == logged);
}

TEST_CASE("without a handler failures that nobody waits for are counted and logged all the same", "[stories]") {
  listening_shop world(false);
  world.kafka.fail_next(api_key::produce, broker_errc::invalid_record);
  for (int i = 0; i != 5; ++i) world.shop.send({.topic = "t", .value = "v"}).detach();
  const auto held = world.shop.send({.topic = "t", .value = "v"});
  CHECK(world.settled());
  CHECK(run_until(world.io, [&] { return world.is_logged("5 records failed and nobody waits for them"); }));
  CHECK(world.shop.metrics().unheard_failures == 5);
}
