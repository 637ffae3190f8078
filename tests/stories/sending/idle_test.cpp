// SPDX-License-Identifier: BSL-1.0
// A connected producer that has nothing to do sleeps: no timer fires but those of metadata refresh and idle close.
#include "support/catch.hpp"
#include "support/shop.hpp"

using namespace cokafka_tests;
using cokafka::testing::api_key;

namespace {

std::uint64_t wake_ups(cokafka::producer& of) { return cokafka::detail::producer_access::core(of).timer_wake_ups(); }

/// A producer that has sent to both brokers, and has had all its answers.
struct idle_producer {
  explicit idle_producer(cokafka::config rules) : kafka(io, {.brokers = 2, .default_partitions = 4}) {
    rules.bootstrap_servers = kafka.bootstrap_servers();
    shop.emplace(io, rules);
    CHECK(run_coroutine(io, [](cokafka::producer& in) -> asio::awaitable<void> {
      (void)co_await in.warm_up("orders");
      for (int i = 0; i < 100; ++i) {
        const cokafka::record_view record{.topic = "orders", .value = "v", .partition = i % 4};
        (void)co_await in.send(record);
      }
    }(*shop)));
  }
  ~idle_producer() { shop.reset(); }

  asio::io_context io;
  cokafka::testing::cluster kafka;
  std::optional<cokafka::producer> shop;
};

}  // namespace

TEST_CASE("an idle connected producer causes no timer wake-up", "[idle]") {
  cokafka::config rules;
  // Short where an entry that is forgotten would fire; long where a wake-up is meant.
  rules.linger = 5ms;
  rules.request_timeout = 100ms;
  rules.retry_backoff = 10ms;
  rules.max_block = 200ms;
  rules.delivery_timeout = 300ms;
  idle_producer idle(rules);
  idle.io.run_for(20ms);
  const std::uint64_t before = wake_ups(*idle.shop);
  idle.io.run_for(1500ms);
  CHECK(wake_ups(*idle.shop) == before);
  CHECK_FALSE(idle.io.stopped());
}

TEST_CASE("an idle producer wakes up once for each metadata refresh", "[idle]") {
  cokafka::config rules;
  rules.metadata_max_age = 400ms;
  rules.request_timeout = 300ms;
  rules.delivery_timeout = 350ms;
  idle_producer idle(rules);
  const auto asked = [&] { return idle.kafka.request_count(api_key::metadata); };
  const auto await_refreshes = [&](std::size_t count) {
    const std::size_t before = asked();
    CHECK(run_until(idle.io, [&] { return asked() >= before + count; }));
  };
  // Counted from refresh to refresh: each has had its wake-up by then, and the next is far.
  await_refreshes(1);
  const auto begin = std::chrono::steady_clock::now();
  const std::uint64_t before = wake_ups(*idle.shop);
  const std::size_t first = asked();
  await_refreshes(4);
  const std::uint64_t woken = wake_ups(*idle.shop) - before;
  CHECK(woken >= asked() - first);
  CHECK(woken <= asked() - first + 1);  // the next refresh may be on its way
  CHECK(std::chrono::steady_clock::now() - begin >= 1500ms);
}

TEST_CASE("an idle producer wakes up once for each connection that it closes, then sleeps", "[idle]") {
  cokafka::config rules;
  rules.connections_max_idle = 200ms;
  idle_producer idle(rules);
  const std::uint64_t before = wake_ups(*idle.shop);
  idle.io.run_for(1000ms);
  // A timer armed while there was traffic may fire once early and be set again.
  CHECK(wake_ups(*idle.shop) - before >= 3);  // two brokers, and the one that is asked for metadata
  CHECK(wake_ups(*idle.shop) - before <= 6);
  const std::uint64_t asleep = wake_ups(*idle.shop);
  idle.io.run_for(1000ms);
  CHECK(wake_ups(*idle.shop) == asleep);
  // It was only asleep.
  bool sent = false;
  idle.shop->send({.topic = "orders", .value = "v"})([&](const outcome& answer) { sent = answer.has_value(); });
  CHECK(run_until(idle.io, [&] { return sent; }));
}

TEST_CASE("a producer that has never sent has nothing to wake up for", "[idle]") {
  asio::io_context io;
  cokafka::producer shop(io);
  CHECK(io.run_for(patience) < 10);  // and does not keep the context busy
  CHECK(io.stopped());
  CHECK(wake_ups(shop) == 0);
}

TEST_CASE("a topic that nobody knew is asked for again as soon as somebody sends to it", "[idle]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io, {.auto_create_topics = false});
  cokafka::config rules = config_for(kafka);
  rules.max_block = 400ms;
  cokafka::producer shop(io, rules);
  auto orders = shop.topic("orders");
  std::optional<outcome> first, second;
  orders.send({.value = "too early"})([&](const outcome& answer) { first = answer; });
  CHECK(run_until(io, [&] { return first.has_value(); }));
  CHECK(first->error() == cokafka::broker_errc::unknown_topic_or_partition);
  io.run_for(1500ms);  // the producer gives up asking: nobody waits
  const std::size_t asked = kafka.request_count(api_key::metadata);
  io.run_for(500ms);
  CHECK(kafka.request_count(api_key::metadata) == asked);
  kafka.create_topic("orders", 1);
  orders.send({.value = "in time"})([&](const outcome& answer) { second = answer; });
  CHECK(run_until(io, [&] { return second.has_value(); }));
  CHECK(second->has_value());
}
