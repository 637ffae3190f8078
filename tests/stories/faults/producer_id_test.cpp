// SPDX-License-Identifier: BSL-1.0
// No producer id: what passes is waited for, what does not is told at once, and a permission that comes back is
// noticed.
#include "cokafka/producer.hpp"
#include "cokafka/testing.hpp"
#include "support/catch.hpp"
#include "support/sending.hpp"
#include "support/shop.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <optional>
#include <string>

using namespace cokafka_tests;
using cokafka::broker_errc;
using cokafka::errc;
using cokafka::fate;
using cokafka::testing::api_key;

namespace {

outcome send_one(shop_and_kafka& world) {
  outcome said;
  REQUIRE(run_coroutine(world.io, [](shop_and_kafka& in, outcome& to) -> asio::awaitable<void> {
    to = co_await in.shop.send({.topic = "t", .value = "v", .partition = 0}, asio::use_awaitable);
  }(world, said)));
  return said;
}

// Refused for as long as the script says; then everything is well again.
void check_refusal(shop_and_kafka& world, boost::system::error_code expected) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i != 2; ++i) {
    const outcome refused = send_one(world);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code() == expected);
    CHECK(refused.error().fate() == fate::not_written);
    CHECK(refused.error().attempts() == 0);
    CHECK(refused.error().message().find("no producer id") != std::string::npos);
  }
  CHECK(std::chrono::steady_clock::now() - begin < 20s);  // not delivery.timeout.ms
  CHECK(world.kafka.records("t", 0).empty());
  CHECK(world.shop.outstanding().records == 0);
}

}  // namespace

TEST_CASE("a coordinator that is still loading is asked until it gives a producer id", "[stories]") {
  shop_and_kafka world;
  world.kafka.create_topic("t", 1);
  world.kafka.fail_next(api_key::init_producer_id, broker_errc::coordinator_load_in_progress, 3);
  const outcome said = send_one(world);
  REQUIRE(said.has_value());
  CHECK(world.kafka.request_count(api_key::init_producer_id) == 4);
}

TEST_CASE("without the permission for a producer id records fail at once, until it is given", "[stories]") {
  shop_and_kafka world;
  world.kafka.create_topic("t", 1);
  world.kafka.fail_next(api_key::init_producer_id, broker_errc::cluster_authorization_failed, 1000);
  check_refusal(world, make_error_code(broker_errc::cluster_authorization_failed));
  world.kafka.clear_script();
  CHECK(send_one(world).has_value());
  CHECK(world.kafka.records("t", 0).size() == 1);
}

TEST_CASE("a cluster that knows no producer ids is too old for idempotence, and says so until it is upgraded",
          "[stories]") {
  shop_and_kafka world;
  world.kafka.create_topic("t", 1);
  world.kafka.set_api_versions(api_key::init_producer_id, 1, 0);
  check_refusal(world, make_error_code(errc::unsupported_version));
  CHECK(send_one(world).error().message().find("InitProducerId") != std::string::npos);
  world.kafka.set_api_versions(api_key::init_producer_id, 0, 1);
  CHECK(send_one(world).has_value());
  CHECK(world.kafka.records("t", 0).size() == 1);
}

TEST_CASE("warm_up tells that the cluster gives no producer id", "[stories]") {
  shop_and_kafka world;
  world.kafka.create_topic("t", 1);
  world.kafka.fail_next(api_key::init_producer_id, broker_errc::cluster_authorization_failed, 1000);
  cokafka::result<void> warm;
  REQUIRE(run_coroutine(world.io, [](shop_and_kafka& in, cokafka::result<void>& to) -> asio::awaitable<void> {
    to = co_await in.shop.warm_up("t", asio::use_awaitable);
  }(world, warm)));
  REQUIRE_FALSE(warm.has_value());
  CHECK(warm.error() == broker_errc::cluster_authorization_failed);
}

TEST_CASE("when one broker cannot give a producer id the next one is asked", "[stories]") {
  cokafka::testing::cluster_options options;
  options.brokers = 3;
  shop_and_kafka world(options);
  world.kafka.create_topic("t", 1);
  for (const int broker : {0, 1}) {
    world.kafka.fail_next(api_key::init_producer_id, broker_errc::coordinator_not_available, 1000, broker);
  }
  CHECK(send_one(world).has_value());
}

TEST_CASE("a broker that answers without a producer id is asked again after the backoff, and is not called unreachable",
          "[stories]") {
  cokafka::testing::simulation world;
  auto kafka = world.make_cluster();
  kafka->create_topic("t", 1);
  kafka->fail_next(api_key::init_producer_id, broker_errc::coordinator_load_in_progress, 3);
  cokafka_test::log_lines log;
  cokafka::config settings;
  settings.bootstrap_servers = kafka->bootstrap_servers();
  settings.log_sink = log.sink();
  auto shop = world.make_producer(settings);
  std::optional<outcome> answer;
  shop.send({.topic = "t", .value = "v"})([&](const outcome& said) { answer = said; });
  REQUIRE(world.run_until([&] { return answer.has_value(); }, 10s));
  CHECK(answer->has_value());
  CHECK(world.elapsed() > 500ms);
  CHECK(kafka->request_count(api_key::init_producer_id) == 4);
  CHECK(kafka->request_count(api_key::metadata) == 1);
  CHECK(log.text().find("no producer id") != std::string::npos);
  CHECK(log.text().find("reached") == std::string::npos);
  CHECK(log.text().find("bootstrap") == std::string::npos);
}
