// SPDX-License-Identifier: BSL-1.0
// Waits that must neither last too long nor end too early, and questions that must not be asked too often.
#include "support/catch.hpp"
#include "support/recording_environment.hpp"
#include "support/shop.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <optional>
#include <string>
#include <vector>

using namespace cokafka_tests;
using cokafka::testing::api_key;

TEST_CASE("every flush and close hurries what lingers, also after an earlier flush", "[stories]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  cokafka::config rules = config_for(kafka);
  rules.linger_policy = cokafka::linger_policy::always;
  rules.linger = 5s;
  cokafka::producer shop(io, rules);
  const auto begun = std::chrono::steady_clock::now();
  CHECK(run_coroutine(io, [](cokafka::producer& in) -> asio::awaitable<void> {
    asio::steady_timer pause(co_await asio::this_coro::executor);
    for (int i = 0; i < 3; ++i) {
      auto sent = in.send({.topic = "orders", .value = "v"});
      pause.expires_after(20ms);  // it lingers by now
      co_await pause.async_wait(asio::deferred);
      const auto flushed = co_await in.flush();
      CHECK(flushed);
      CHECK(sent.ready());
    }
    auto last = in.send({.topic = "orders", .value = "v"});
    pause.expires_after(20ms);
    co_await pause.async_wait(asio::deferred);
    const auto closed = co_await in.close(20s);
    CHECK(closed);
    CHECK(last.get().has_value());
  }(shop)));
  CHECK(std::chrono::steady_clock::now() - begun < 4s);
}

TEST_CASE("the longest time that close can be given is for ever", "[stories]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  kafka.delay_next(api_key::produce, 200ms);
  cokafka::producer shop(io, config_for(kafka));
  CHECK(run_coroutine(io, [](cokafka::producer& in) -> asio::awaitable<void> {
    auto sent = in.send({.topic = "orders", .value = "v"});
    auto closed = co_await in.close(std::chrono::milliseconds::max());
    CHECK(closed.has_value());
    CHECK(sent.get().has_value());
  }(shop)));
}

TEST_CASE("sends to a topic that does not exist, between sends to one that does, do not multiply metadata requests",
          "[stories]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io, {.auto_create_topics = false});
  kafka.create_topic("orders", 1);
  cokafka::producer shop(io, config_for(kafka));
  const bool done = run_coroutine(io, [](cokafka::producer& in) -> asio::awaitable<void> {
    asio::steady_timer pause(co_await asio::this_coro::executor);
    for (int i = 0; i < 200; ++i) {
      in.send({.topic = "missing", .value = "v"}).detach();
      in.send({.topic = "orders", .value = "v"}).detach();
      pause.expires_after(5ms);
      co_await pause.async_wait(asio::deferred);
    }
  }(shop));
  CHECK(done);
  CHECK(kafka.request_count(api_key::metadata) < 30);  // 1 s with a backoff of 0.1 to 1 s
}

TEST_CASE("a warm-up goes on when a leader could not be reached at first", "[stories]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io, {.brokers = 2, .default_partitions = 4});
  cokafka::config rules = config_for(kafka);
  rules.max_block = 10s;
  cokafka::producer shop(io, rules);
  // The control connection takes the first broker's first answer; the second broker's link meets a closed door once.
  kafka.drop_connection_on_next(api_key::api_versions, 1, cokafka::testing::moment::before, 1);
  std::optional<cokafka::result<void>> warm;
  shop.warm_up("orders", [&](cokafka::result<void> answer) { warm = answer; });
  CHECK(run_until(io, [&] { return warm.has_value(); }));
  REQUIRE(warm);
  CHECK(warm->has_value());
}

TEST_CASE("records parked behind a frozen broker's share of the memory follow their partition to its next leader",
          "[stories]") {
  cokafka::testing::simulation world;
  const auto kafka = world.make_cluster({.brokers = 2});
  kafka->create_topic("busy", 1);
  kafka->create_topic("moves", 1);
  const std::int32_t frozen = 1;  // the first one is asked for metadata
  kafka->set_leader("busy", 0, frozen);
  kafka->set_leader("moves", 0, frozen);
  kafka->create_topic("other", 2);
  cokafka::config rules = config_for(*kafka);
  rules.buffer_memory = 65'536;
  rules.max_block = 10s;
  rules.request_timeout = 60s;
  cokafka::producer shop = world.make_producer(rules);
  std::vector<cokafka::delivery> known;
  known.push_back(shop.send({.topic = "busy", .value = "v"}));
  known.push_back(shop.send({.topic = "moves", .value = "v"}));
  for (const std::int32_t p : {0, 1}) known.push_back(shop.send({.topic = "other", .value = "v", .partition = p}));
  for (const auto& each : known) REQUIRE(world.run_until([&] { return each.ready(); }, 10s));
  kafka->freeze(frozen);
  const std::string padding(1000, 'x');
  for (int i = 0; i != 80; ++i) shop.send({.topic = "busy", .value = padding}).detach();
  const cokafka::delivery parked = shop.send({.topic = "moves", .value = "v"});
  world.run_for(100ms);
  CHECK_FALSE(parked.ready());
  kafka->set_leader("moves", 0, 1 - frozen);
  const auto begun = world.elapsed();
  REQUIRE(world.run_until([&] { return parked.ready(); }, 60s));
  CAPTURE(world.trace_text());
  CHECK(parked.get().has_value());
  CHECK(world.elapsed() - begun < 2s);  // a refresh, and not request.timeout.ms
}
