// SPDX-License-Identifier: BSL-1.0
// Giving up: purge, and flush and close that do not wait for ever.
#include "support/catch.hpp"
#include "support/shop.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace cokafka_tests;
using cokafka::broker_errc;
using cokafka::errc;
using cokafka::fate;
using cokafka::testing::api_key;

namespace {

struct warm_shop : shop_and_kafka {
  warm_shop() {
    kafka.create_topic("t", 2);
    CHECK(run_coroutine(io,
                        [](cokafka::producer& in) -> asio::awaitable<void> { (void)co_await in.warm_up("t"); }(shop)));
  }
  cokafka::delivery send(const char* value, std::int32_t partition = 0) {
    return shop.send({.topic = "t", .value = cokafka::bytes_view(value), .partition = partition});
  }
  bool in_flight(std::size_t requests) {
    return run_until(io, [&] { return kafka.request_count(api_key::produce) == requests; });
  }
  using done = std::optional<cokafka::result<void>>;
  bool has(const done& answer) {
    return run_until(io, [&] { return answer.has_value(); });
  }
};

}  // namespace

TEST_CASE("purge ends whatever is not answered with its fate, and the producer goes on", "[stories]") {
  warm_shop world;
  auto before = world.send("before");
  CHECK(run_until(world.io, [&] { return before.ready(); }));
  world.kafka.delay_next(api_key::produce, 150ms);
  auto in_flight = world.send("in flight");
  CHECK(world.in_flight(2));
  auto open = world.send("open");
  auto elsewhere = world.send("open as well", 1);
  auto parked = world.shop.send({.topic = "unknown", .value = "parked"});
  world.shop.purge();
  CHECK_FALSE(open.ready());  // soon, not at once
  CHECK(run_until(world.io, [&] { return open.ready() && elsewhere.ready() && parked.ready() && in_flight.ready(); }));
  warm_shop::done flushed;
  world.shop.flush([&](const auto& done) { flushed = done; });
  CHECK(world.has(flushed));
  CHECK(flushed->has_value());
  for (const auto* each : {&in_flight, &open, &elsewhere, &parked}) {
    REQUIRE(each->ready());
    CHECK(each->get().error() == errc::purged);
    CHECK(each->get().error().fate() == (each == &in_flight ? fate::maybe_written : fate::not_written));
  }
  CHECK(world.shop.outstanding().records == 0);
  CHECK(world.shop.outstanding().bytes == 0);
  auto after = world.send("after");
  CHECK(run_until(world.io, [&] { return after.ready(); }));
  CHECK(after.get().value().offset == 2);  // "in flight" was written, as was said to be possible
  const auto records = world.kafka.records("t", 0);
  REQUIRE(records.size() == 3);
  CHECK(records[2].value == "after");
  CHECK(world.kafka.records("t", 1).empty());
}

TEST_CASE("a batch that waits for its retry is purged, and those after it are taken by the broker", "[stories]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  kafka.create_topic("t", 1);
  bool retried = false;
  cokafka::config settings = config_for(kafka);
  settings.retry_backoff = 300ms;
  settings.log_level = cokafka::log_level::debug;
  settings.log_sink = [&](cokafka::log_level, std::string_view line) {
    retried = retried || line.find("is tried again") != std::string_view::npos;
  };
  cokafka::producer shop(io, settings);
  kafka.fail_next(api_key::produce, broker_errc::not_enough_replicas);
  auto refused = shop.send({.topic = "t", .value = "refused"});
  CHECK(run_until(io, [&] { return retried; }));
  shop.purge();
  CHECK(run_until(io, [&] { return refused.ready(); }));
  CHECK(refused.get().error() == errc::purged);
  CHECK(refused.get().error().fate() == fate::not_written);
  auto after = shop.send({.topic = "t", .value = "after"});
  CHECK(run_until(io, [&] { return after.ready(); }));
  REQUIRE(after.get().has_value());
  CHECK(kafka.records("t", 0).size() == 1);
  CHECK(kafka.records("t", 0)[0].producer_epoch == 1);  // the sequence of what was purged stays unresolved
}

TEST_CASE("a flush with a timeout tells how many records and bytes are left; they live on", "[stories]") {
  warm_shop world;
  world.kafka.delay_next(api_key::produce, 200ms);
  auto first = world.send("12345");
  auto second = world.send("1234567890");
  const auto left = world.shop.outstanding();
  CHECK(left.records == 2);
  warm_shop::done late, early, none;
  world.shop.flush(20ms, [&](const auto& done) { late = done; });
  world.shop.flush(60s, [&](const auto& done) { early = done; });
  CHECK(world.has(late));
  CHECK(late->error() == errc::timed_out);
  CHECK(late->error().message() ==
        "the flush has ended with 2 records (" + std::to_string(left.bytes) + " bytes) not answered");
  CHECK_FALSE(early);
  CHECK(world.has(early));
  CHECK(early->has_value());
  CHECK(second.get().value().offset == 1);
  world.shop.flush(0ms, [&](const auto& done) { none = done; });
  CHECK(world.has(none));
  CHECK(none->has_value());
  CHECK(run_coroutine(world.io, [](cokafka::producer& in) -> asio::awaitable<void> {
    const auto flushed = co_await in.flush(1s);
    CHECK(flushed.has_value());
  }(world.shop)));
  asio::cancellation_signal stop;
  world.kafka.delay_next(api_key::produce, 100ms);
  auto third = world.send("third");
  warm_shop::done cancelled;
  world.shop.flush(60s, asio::bind_cancellation_slot(stop.slot(), [&](const auto& done) { cancelled = done; }));
  stop.emit(asio::cancellation_type::total);
  CHECK(world.has(cancelled));
  CHECK(cancelled->error() == errc::cancelled);
  CHECK(run_until(world.io, [&] { return third.ready(); }));
}

TEST_CASE("close says what it had to leave; a second and a third one end as well", "[stories]") {
  warm_shop world;
  world.kafka.freeze(0);
  auto first_sent = world.send("one");
  auto second_sent = world.send("two", 1);
  const auto left = world.shop.outstanding();
  warm_shop::done first, second, third;
  world.shop.close(60s, [&](const auto& done) { first = done; });
  world.shop.close(50ms, [&](const auto& done) { second = done; });
  CHECK(world.has(first));
  CHECK(world.has(second));
  CHECK(first->error() == errc::timed_out);
  CHECK(second->error().message() ==
        "the producer was closed before 2 records (" + std::to_string(left.bytes) + " bytes) were acknowledged");
  CHECK(first_sent.get().error() == errc::closed);
  CHECK(second_sent.get().error() == errc::closed);
  world.shop.purge();
  world.shop.close(0ms, [&](const auto& done) { third = done; });
  CHECK(world.has(third));
  CHECK(third->has_value());
  CHECK(world.send("late").get().error() == errc::closed);
}
