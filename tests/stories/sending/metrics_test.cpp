// SPDX-License-Identifier: BSL-1.0
// What metrics() counts, in virtual time; and what throttling does to other brokers.
#include "cokafka/testing.hpp"
#include "support/catch.hpp"

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using cokafka::broker_errc;
using cokafka::testing::api_key;
using cokafka::testing::simulation;

namespace {

struct counted_world {
  explicit counted_world(const cokafka::testing::cluster_options& options = {})
      : kafka(world.make_cluster(options)), shop(world.make_producer(settings())) {
    world.network().delay(0ns, 0ns);
  }
  cokafka::config settings() {
    cokafka::config made;
    made.bootstrap_servers = kafka->bootstrap_servers();
    made.linger = 0ms;
    return made;
  }
  /// Sends and waits for the answer; how long that took.
  simulation::duration send(std::int32_t partition = 0, bool succeeds = true) {
    const auto begin = world.elapsed();
    const cokafka::delivery sent = shop.send({.topic = "t", .value = "one", .partition = partition});
    REQUIRE(world.run_until([&] { return sent.ready(); }));
    CHECK(sent.get().has_value() == succeeds);
    return world.elapsed() - begin;
  }

  simulation world;
  std::unique_ptr<cokafka::testing::cluster> kafka;
  cokafka::producer shop;
};

}  // namespace

TEST_CASE("metrics count what was written, sent again and failed", "[stories]") {
  counted_world here;
  CHECK(here.shop.metrics() == cokafka::metrics_snapshot{});
  here.kafka->create_topic("t", 1);
  here.send();
  here.kafka->fail_next(api_key::produce, broker_errc::not_enough_replicas, 2);
  here.send();
  here.kafka->fail_next(api_key::produce, broker_errc::invalid_record);
  here.send(0, false);
  here.send(7, false);  // there is no such partition
  here.kafka->fail_next(api_key::produce, broker_errc::invalid_record);
  here.shop.send({.topic = "t", .value = "nobody waits for it"}).detach();
  here.world.run_for(1s);
  const cokafka::metrics_snapshot counted = here.shop.metrics();
  CHECK(counted.records_written == 2);
  CHECK(counted.records_retried == 2);
  CHECK(counted.records_failed == 3);
  CHECK(counted.unheard_failures == 1);
  CHECK(counted.batches_split == 0);
  CHECK(counted.vanished_logs == 0);
}

TEST_CASE("metrics count logs that have lost what they acknowledged", "[stories]") {
  counted_world here;
  here.kafka->create_topic("t", 1);
  here.send();
  here.kafka->fail_next(api_key::produce, broker_errc::out_of_order_sequence_number);
  here.send();
  CHECK(here.shop.metrics().vanished_logs == 1);
  CHECK(here.shop.metrics().records_written == 2);
}

TEST_CASE("metrics count batches that were split", "[stories]") {
  counted_world here;
  cokafka::testing::topic_options small;
  small.max_message_bytes = 1'000;
  here.kafka->create_topic("t", 1, small);
  std::vector<cokafka::delivery> sent;
  const std::string value(300, 'v');
  for (int i = 0; i != 6; ++i) sent.push_back(here.shop.send({.topic = "t", .value = value, .partition = 0}));
  REQUIRE(here.world.run_until([&] { return sent.back().ready(); }));
  CHECK(here.shop.metrics().records_written == 6);
  CHECK(here.shop.metrics().batches_split >= 1);
  CHECK(here.shop.metrics().records_failed == 0);
}

TEST_CASE("a broker that throttles delays what goes to it and nothing else", "[stories]") {
  cokafka::testing::cluster_options two;
  two.brokers = 2;
  counted_world here(two);
  here.kafka->create_topic("t", 2);
  here.kafka->set_leader("t", 0, 0);
  here.kafka->set_leader("t", 1, 1);
  here.send(0);
  here.send(1);
  here.kafka->throttle(api_key::produce, 700ms);
  CHECK(here.send(0) == 0ns);  // it is told with the answer
  here.kafka->throttle(api_key::produce, 0ms);
  CHECK(here.send(1) == 0ns);
  CHECK(here.send(0) == 700ms);
  CHECK(here.shop.metrics().throttled_responses == 1);
  CHECK(here.shop.metrics().throttle_time == 700ms);
}
