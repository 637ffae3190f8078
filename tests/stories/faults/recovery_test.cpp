// SPDX-License-Identifier: BSL-1.0
// Brokers that are all gone, that move to another address, or that are asked too often or too seldom.
#include "support/catch.hpp"
#include "support/patience.hpp"
#include "support/sending.hpp"
#include "support/shop.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

using namespace cokafka_tests;
using cokafka::broker_errc;
using cokafka::errc;
using cokafka::metadata_recovery;
using cokafka::testing::api_key;
using cokafka::testing::cluster;

namespace {

struct world {
  explicit world(int brokers) : kafka(io, {.brokers = brokers}) {
    settings.bootstrap_servers = kafka.bootstrap_servers();
    settings.log_level = cokafka::log_level::debug;
    settings.log_sink = log.sink();
  }

  outcome send(std::int32_t partition = 0) {
    if (!shop) shop.emplace(io, settings);
    auto sent = shop->send({.topic = "t", .value = "v", .partition = partition});
    REQUIRE(run_until(io, [&] { return sent.ready(); }));
    return sent.get();
  }
  std::size_t asked_of(std::int32_t broker, api_key api) const {
    const auto all = kafka.requests();
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [&](const auto& each) { return each.broker == broker && each.api == api; }));
  }
  void move(std::int32_t broker, bool keep_connections) {
    const auto before = kafka.port(broker);
    kafka.move_broker(broker, keep_connections);
    REQUIRE(run_until(io, [&] { return kafka.port(broker) != before; }));
  }

  asio::io_context io;
  cluster kafka;
  cokafka_test::log_lines log;
  cokafka::config settings = cokafka_test::patient("");
  std::optional<cokafka::producer> shop;
};

// The producer has met broker 1 only, which is gone; broker 0 has come, and is one of the bootstrap servers.
struct stranded : world {
  explicit stranded(metadata_recovery strategy) : world(2) {
    settings.metadata_recovery_strategy = strategy;
    settings.request_timeout = 500ms;
    settings.delivery_timeout = 3s;
    kafka.create_topic("t", 1);
    kafka.stop_broker(0);
    REQUIRE(send().has_value());
    kafka.start_broker(0);
    REQUIRE(run_until(io, [n = 0]() mutable { return ++n > 3; }));
    kafka.stop_broker(1);
  }
};

}  // namespace

TEST_CASE("when no broker that it knows can be reached, the producer asks the bootstrap servers again", "[stories]") {
  stranded here(metadata_recovery::rebootstrap);
  const outcome said = here.send();
  CAPTURE(here.log.text());
  REQUIRE(said.has_value());
  CHECK(here.kafka.leader("t", 0) == 0);
  CHECK(here.log.contain("back to the bootstrap servers"));
}

TEST_CASE("brokers that were given up are asked again where the bootstrap servers are gone", "[stories]") {
  world here(2);
  here.settings.bootstrap_servers = here.kafka.address(0);
  here.settings.reconnect_backoff = here.settings.reconnect_backoff_max = 20ms;
  here.kafka.create_topic("t", 1);
  REQUIRE(here.send().has_value());
  here.kafka.stop_broker(0);
  here.kafka.stop_broker(1);
  auto waiting = here.shop->send({.topic = "t", .value = "v"});
  REQUIRE(run_until(here.io, [&] { return here.log.contain("back to the bootstrap servers"); }));
  here.kafka.start_broker(1);  // not 0, the only bootstrap server
  CHECK(run_until(here.io, [&] { return waiting.ready(); }));
  CAPTURE(here.log.text());
  CHECK(waiting.get().has_value());
}

TEST_CASE("with metadata.recovery.strategy=none the known brokers are tried again and nobody else", "[stories]") {
  stranded here(metadata_recovery::none);
  const outcome said = here.send();
  CAPTURE(here.log.text());
  REQUIRE_FALSE(said.has_value());
  CHECK(said.error() == errc::timed_out);
  CHECK(here.asked_of(0, api_key::metadata) == 0);
  here.kafka.start_broker(1);
  CHECK(here.send().has_value());
}

TEST_CASE("without metadata for metadata.recovery.rebootstrap.trigger.ms the bootstrap servers are asked",
          "[stories]") {
  world here(3);
  here.settings.bootstrap_servers = "127.0.0.1:" + std::to_string(here.kafka.port(2));
  here.settings.metadata_recovery_rebootstrap_trigger = 0ms;
  here.kafka.create_topic("t", 1);
  REQUIRE(here.send().has_value());
  here.kafka.drop_connection_on_next(api_key::metadata, 1, cokafka::testing::moment::before, 2);
  here.kafka.create_topic("u", 1);
  auto other = here.shop->send({.topic = "u", .value = "v"});
  REQUIRE(run_until(here.io, [&] { return other.ready(); }));
  CAPTURE(here.log.text());
  CHECK(other.get().has_value());
  CHECK(here.log.contain("back to the bootstrap servers"));
  CHECK(here.asked_of(0, api_key::metadata) == 0);  // the brokers that are known were not all tried first
  CHECK(here.asked_of(1, api_key::metadata) == 0);
}

TEST_CASE("a broker that says REBOOTSTRAP_REQUIRED sends the producer back to the bootstrap servers", "[stories]") {
  world here(2);
  here.kafka.create_topic("t", 1);
  REQUIRE(here.send().has_value());
  here.kafka.fail_next(api_key::metadata, broker_errc::rebootstrap_required);
  here.kafka.set_leader("t", 0, 1);
  REQUIRE(here.send().has_value());
  REQUIRE(run_until(here.io, [&] { return here.log.contain("back to the bootstrap servers"); }));
  REQUIRE(here.send().has_value());
}

TEST_CASE("bootstrap servers that all say REBOOTSTRAP_REQUIRED are not asked in a loop", "[stories]") {
  world here(2);
  here.settings.max_block = 500ms;
  here.kafka.fail_next(api_key::api_versions, broker_errc::rebootstrap_required, 1'000'000);
  const outcome said = here.send();
  REQUIRE_FALSE(said.has_value());
  CHECK(said.error() == errc::no_brokers);
  CHECK(here.kafka.request_count(api_key::api_versions) < 40);
}

TEST_CASE("a broker that is at another address is found there", "[stories]") {
  world here(2);
  here.kafka.create_topic("t", 2);
  here.settings.reconnect_backoff = 20ms;
  REQUIRE(here.send(1).has_value());
  here.move(1, false);
  for (int i = 1; i < 4; ++i) {
    const outcome said = here.send(1);
    CAPTURE(here.log.text());
    REQUIRE(said.has_value());
    CHECK(said.value().offset == i);
  }
}

TEST_CASE("a link leaves an address that is no longer the broker's, although somebody still answers there",
          "[stories]") {
  world here(2);
  const bool idempotent = GENERATE(true, false);
  here.settings.enable_idempotence = idempotent;
  here.settings.metadata_max_age = 50ms;
  here.kafka.create_topic("t", 2);
  REQUIRE(here.send(1).has_value());
  here.kafka.delay_next(api_key::produce, 300ms, 1, cokafka::testing::moment::before, 1);
  auto on_the_way = here.shop->send({.topic = "t", .value = "v", .partition = 1});
  REQUIRE(run_until(here.io, [&] { return here.asked_of(1, api_key::produce) == 2; }));
  here.move(1, true);
  REQUIRE(run_until(here.io, [&] { return here.log.contain("is now at"); }));
  REQUIRE(run_until(here.io, [&] { return on_the_way.ready(); }));
  CHECK(on_the_way.get().has_value());
  REQUIRE(here.send(1).has_value());
  // A new connection, and no record twice: neither by the one that was read at the old address, nor without
  // idempotence.
  const std::string connected = "broker 1 at 127.0.0.1:" + std::to_string(here.kafka.port(1)) + ": connected";
  CHECK(here.log.contain(connected));
  CHECK(here.kafka.records("t", 1).size() == 3);
}

TEST_CASE("metadata.max.age.ms=0 with retry.backoff.ms=0 does not ask in a loop", "[stories]") {
  world here(1);
  here.settings.metadata_max_age = 0ms;
  here.settings.retry_backoff = 0ms;
  here.kafka.create_topic("t", 1);
  REQUIRE(here.send().has_value());
  const std::size_t before = here.kafka.request_count(api_key::metadata);
  here.io.run_for(500ms);
  const std::size_t asked = here.kafka.request_count(api_key::metadata) - before;
  CHECK(asked > 3);
  CHECK(asked <= 51);
}

TEST_CASE("the connection for metadata is closed when it is idle, and opened again", "[stories]") {
  world here(1);
  here.settings.connections_max_idle = 100ms;
  here.kafka.create_topic("t", 1);
  here.kafka.create_topic("u", 1);
  REQUIRE(here.send().has_value());
  REQUIRE(run_until(here.io, [&] { return here.log.contain("the connection for metadata is closed"); }));
  const std::size_t before = here.kafka.request_count(api_key::api_versions);
  auto other = here.shop->send({.topic = "u", .value = "v"});
  REQUIRE(run_until(here.io, [&] { return other.ready(); }));
  CHECK(other.get().has_value());
  CHECK(here.kafka.request_count(api_key::api_versions) > before);
}
