// SPDX-License-Identifier: BSL-1.0
// What random stories (tests/simulation) have found, each reduced to what it takes.
#include "cokafka/testing.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <optional>

using namespace std::chrono_literals;
using cokafka::broker_errc;
using cokafka::testing::api_key;
using cokafka::testing::simulation;

TEST_CASE("an idle connection with a retry ahead stays open, and its timer sleeps until then", "[simulation]") {
  simulation world;
  world.allow_steps_at_one_moment(1000);
  auto kafka = world.make_cluster();
  kafka->create_topic("t", 1);
  cokafka::config settings;
  settings.bootstrap_servers = kafka->bootstrap_servers();
  settings.connections_max_idle = 200ms;
  settings.retry_backoff = 5s;
  settings.retry_backoff_max = 5s;
  auto shop = world.make_producer(settings);
  kafka->fail_next(api_key::produce, broker_errc::not_enough_replicas);
  std::optional<cokafka::result<cokafka::record_metadata>> answer;
  shop.send({.topic = "t", .value = "v"})([&](const auto& said) { answer = said; });
  REQUIRE(world.run_until([&] { return answer.has_value(); }, 10s));
  CHECK(answer->has_value());
  CHECK(world.elapsed() > 4s);
  CHECK(kafka->request_count(api_key::produce) == 2);
  CHECK(world.steps() < 1000);
}
