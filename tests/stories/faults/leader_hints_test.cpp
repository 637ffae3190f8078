// SPDX-License-Identifier: BSL-1.0
// A broker that does not lead any more says who does (KIP-951): nobody waits for metadata then.
#include "support/catch.hpp"
#include "support/patience.hpp"
#include "support/sending.hpp"
#include "support/shop.hpp"

#include <optional>
#include <string>

using namespace cokafka_tests;
using cokafka::broker_errc;
using cokafka::testing::api_key;
using cokafka::testing::cluster;

namespace {

// One topic of one partition, led by broker 0; the producer has sent a record, and from then on metadata does not come.
struct old_knowledge {
  explicit old_knowledge(int brokers, cokafka::testing::kafka_version version = cokafka::testing::kafka_version::v4_1)
      : kafka(io, {.brokers = brokers, .version = version}) {
    kafka.create_topic("t", 1);
    for (std::int32_t hidden = 2; hidden < brokers; ++hidden) kafka.stop_broker(hidden);
    cokafka::config settings = cokafka_test::patient(kafka.bootstrap_servers());
    settings.retry_backoff = 5s;  // a hint does not wait for that
    settings.retry_backoff_max = 5s;
    settings.log_level = cokafka::log_level::debug;
    settings.log_sink = log.sink();
    shop.emplace(io, settings);
    REQUIRE(send().has_value());
    for (std::int32_t hidden = 2; hidden < brokers; ++hidden) kafka.start_broker(hidden);
    kafka.delay_next(api_key::metadata, 60s, 100);
  }

  outcome send() {
    std::optional<outcome> said;
    const auto begun = std::chrono::steady_clock::now();
    shop->send({.topic = "t", .value = "v", .partition = 0}, [&](outcome answer) { said = std::move(answer); });
    REQUIRE(run_until(io, [&] { return said.has_value(); }));
    took = std::chrono::steady_clock::now() - begun;
    return *said;
  }

  asio::io_context io;
  cluster kafka;
  cokafka_test::log_lines log;
  std::optional<cokafka::producer> shop;
  std::chrono::steady_clock::duration took{};
};

}  // namespace

TEST_CASE("a partition moves to the leader that the old one names, without metadata and without a wait", "[stories]") {
  const auto version = GENERATE(cokafka::testing::kafka_version::v4_1, cokafka::testing::kafka_version::v3_9);
  old_knowledge world(2, version);
  world.kafka.set_leader("t", 0, 1);
  const outcome said = world.send();
  CAPTURE(world.log.text());
  REQUIRE(said.has_value());
  CHECK(said.value().offset == 1);
  CHECK(world.took < 4s);
  CHECK(world.kafka.records("t", 0).size() == 2);
  world.kafka.set_leader("t", 0, 0);
  REQUIRE(world.send().has_value());
  CHECK(world.took < 4s);
}

TEST_CASE("a leader that metadata has never named is reached at the address that the hint tells", "[stories]") {
  old_knowledge world(3);
  REQUIRE(run_until(world.io, [&] { return world.kafka.port(2) != 0; }));
  world.kafka.set_leader("t", 0, 2);
  const outcome said = world.send();
  CAPTURE(world.log.text());
  REQUIRE(said.has_value());
  CHECK(said.value().offset == 1);
  CHECK(world.took < 4s);
}

TEST_CASE("without a hint the partition waits for metadata", "[stories]") {
  old_knowledge world(2, cokafka::testing::kafka_version::v2_1);  // Produce 7: before there were hints
  world.kafka.set_leader("t", 0, 1);
  world.kafka.clear_script();
  const outcome said = world.send();
  REQUIRE(said.has_value());
  CHECK(world.kafka.request_count(api_key::metadata) >= 2);
}
