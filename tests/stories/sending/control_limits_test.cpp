// SPDX-License-Identifier: BSL-1.0
// How often the cluster is asked: not while a broker throttles, and not without pause for names that are no topics.
#include "cokafka/testing.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <memory>
#include <string>

using namespace std::chrono_literals;
using cokafka::testing::api_key;
using cokafka::testing::simulation;

namespace {

struct asking_world {
  explicit asking_world(int brokers, std::chrono::milliseconds max_block = 60s)
      : kafka(world.make_cluster({.brokers = brokers, .auto_create_topics = false})),
        shop(world.make_producer(settings(max_block))) {
    world.network().delay(0ns, 0ns);
    for (const char* name : {"t", "u", "v", "w"}) kafka->create_topic(name, 1);
  }
  cokafka::config settings(std::chrono::milliseconds max_block) {
    cokafka::config made;
    made.bootstrap_servers = kafka->bootstrap_servers();
    made.linger = 0ms;
    made.max_block = max_block;
    return made;
  }
  /// Sends and waits for the answer; how long that took.
  simulation::duration send(const std::string& topic) {
    const auto begin = world.elapsed();
    const cokafka::delivery sent = shop.send({.topic = topic, .value = "one"});
    REQUIRE(world.run_until([&] { return sent.ready(); }));
    CHECK(sent.get().has_value());
    return world.elapsed() - begin;
  }
  /// Who was asked for metadata last.
  std::int32_t asked_last() const {
    std::int32_t broker = -1;
    for (const auto& each : kafka->requests()) {
      if (each.api == api_key::metadata) broker = each.broker;
    }
    return broker;
  }

  simulation world;
  std::unique_ptr<cokafka::testing::cluster> kafka;
  cokafka::producer shop;
};

}  // namespace

TEST_CASE("a broker that throttles metadata or producer ids is not asked again before its time", "[stories]") {
  asking_world here(1);
  const api_key api = GENERATE(api_key::metadata, api_key::init_producer_id);
  if (api == api_key::metadata) here.send("t");
  here.kafka->throttle(api, 7s);
  CHECK(here.send("u") == 0ns);  // it is told with the answer
  here.kafka->clear_script();
  CHECK(here.send("v") == 7s);
  CHECK(here.send("u") == 0ns);  // records have a connection of their own
  CHECK(here.send("w") == 0ns);
  CHECK(here.shop.metrics().throttled_responses == 1);
  CHECK(here.shop.metrics().throttle_time == 7s);
}

TEST_CASE("the only broker is not asked by another name while it throttles", "[stories]") {
  asking_world here(1);
  cokafka::config by_name = here.settings(60s);
  by_name.bootstrap_servers = "localhost" + by_name.bootstrap_servers.substr(by_name.bootstrap_servers.find(':'));
  here.shop = here.world.make_producer(by_name);
  here.send("t");
  here.kafka->throttle(api_key::metadata, 7s);
  CHECK(here.send("u") == 0ns);
  here.kafka->clear_script();
  CHECK(here.send("v") == 7s);
}

TEST_CASE("a throttle time that no broker means ends after a minute", "[stories]") {
  asking_world here(1, 120s);
  here.send("t");
  here.kafka->throttle(api_key::metadata, 24h);
  CHECK(here.send("u") == 0ns);
  here.kafka->clear_script();
  CHECK(here.send("v") <= 66s);  // and the patience with a connection that nobody listens to
}

TEST_CASE("while one broker throttles metadata another one is asked", "[stories]") {
  asking_world here(2);
  here.send("t");
  here.kafka->throttle(api_key::metadata, 7s);
  here.send("u");
  const std::int32_t throttled = here.asked_last();
  CHECK(here.send("v") == 0ns);  // throttles as well
  CHECK(here.asked_last() == 1 - throttled);
  here.kafka->clear_script();
  CHECK(here.send("w") == 7s);
  CHECK(here.shop.metrics().throttled_responses == 2);
}

TEST_CASE("names that are no topics do not become requests without a pause, and hold up no topic for long",
          "[stories]") {
  asking_world here(1, 400ms);
  here.send("t");
  for (int i = 0; i != 1500; ++i) {
    here.shop.send({.topic = "dead-" + std::to_string(i), .value = "v"}).detach();
    here.world.run_for(1ms);
  }
  CHECK(here.kafka->request_count(api_key::metadata) < 60);  // one per retry.backoff.ms, but for the first ones
  CHECK(here.send("u") <= 100ms);
  here.world.run_for(10s);
  here.shop.send({.topic = "dead-once-more", .value = "v"}).detach();
  CHECK(here.send("v") == 0ns);
}
