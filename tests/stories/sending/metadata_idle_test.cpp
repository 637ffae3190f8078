// SPDX-License-Identifier: BSL-1.0
// What is kept of topics that nobody sends to any more, and of brokers that are gone; in virtual time.
#include "cokafka/testing/simulation.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using cokafka::testing::api_key;
using cokafka::testing::simulation;

namespace {

struct idle_world {
  idle_world() {
    settings.bootstrap_servers = kafka->bootstrap_servers();
    settings.metadata_max_age = 1s;
    settings.metadata_max_idle = 5s;
    settings.delivery_timeout = 20s;
    settings.request_timeout = 10s;
    settings.max_block = 2s;
    settings.log_level = cokafka::log_level::debug;
    settings.log_sink = [this](cokafka::log_level, std::string_view line) { log.append(line).append("\n"); };
  }
  ~idle_world() { shop.reset(); }

  cokafka::producer& producer() {
    if (!shop) shop.emplace(world.make_producer(settings));
    return *shop;
  }
  bool send(const std::string& topic, std::int32_t partition = 0) {
    auto sent = producer().send({.topic = topic, .value = "v", .partition = partition});
    world.run_until([&] { return sent.ready(); }, 30s);
    return sent.ready() && sent.get().has_value();
  }
  // Bytes of the newest Metadata request: names that are no longer asked for make it smaller.
  std::size_t asked() const {
    std::size_t size = 0;
    for (const auto& each : kafka->requests()) {
      if (each.api == api_key::metadata) size = each.size;
    }
    return size;
  }
  bool logged(const std::string& text) const { return log.find(text) != std::string::npos; }

  simulation world{11};
  std::unique_ptr<cokafka::testing::cluster> kafka = world.make_cluster({.brokers = 3, .auto_create_topics = false});
  cokafka::config settings;
  std::string log;
  std::optional<cokafka::producer> shop;
};

}  // namespace

TEST_CASE("a topic that nobody sends to for metadata.max.idle.ms is no longer asked for, and is found again",
          "[idle]") {
  idle_world here;
  here.kafka->create_topic("busy", 1);
  here.kafka->create_topic("quiet", 1);
  auto handle = here.producer().topic("quiet");
  REQUIRE(here.send("busy"));
  REQUIRE(here.send("quiet"));
  here.world.run_for(2s);
  const std::size_t both = here.asked();
  for (int i = 0; i < 3; ++i) {
    REQUIRE(here.send("busy"));
    here.world.run_for(1s);
  }
  CHECK(here.asked() == both);  // 5 s have not passed
  for (int i = 0; i < 4; ++i) {
    REQUIRE(here.send("busy"));
    here.world.run_for(1s);
  }
  CHECK(here.logged("topic quiet is forgotten"));
  CHECK_FALSE(here.logged("topic busy is forgotten"));
  CHECK(here.asked() < both);
  // Its leader has moved meanwhile; it is asked for at once, whoever sends and however.
  here.kafka->set_leader("quiet", 0, 2);
  const auto begun = here.world.elapsed();
  SECTION("by name") { CHECK(here.send("quiet")); }
  SECTION("through a handle") {
    auto sent = handle.send({.value = "v", .partition = 0});
    CHECK(here.world.run_until([&] { return sent.ready(); }, 30s));
    CHECK(sent.get().has_value());
  }
  SECTION("by try_send, the second time") {
    CHECK_FALSE(handle.try_send({.value = "v"}));
    here.world.run_for(100ms);
    CHECK(handle.try_send({.value = "v"}).has_value());
  }
  SECTION("by asking for its partitions") {
    std::optional<cokafka::result<std::vector<cokafka::partition_info>>> told;
    here.producer().partitions_for("quiet", [&](auto answer) { told = std::move(answer); });
    CHECK(here.world.run_until([&] { return told.has_value(); }, 30s));
    CHECK(told->value().at(0).leader == 2);
  }
  CHECK(here.world.elapsed() - begun < 500ms);
  here.world.run_for(2s);
  CHECK(here.asked() == both);
}

TEST_CASE("a topic with records that are not answered is not forgotten", "[idle]") {
  idle_world here;
  here.settings.request_timeout = 10s;
  here.kafka->create_topic("t", 1);
  REQUIRE(here.send("t"));
  here.kafka->freeze(here.kafka->leader("t", 0));
  here.kafka->delay_next(api_key::metadata, 60s, 100, cokafka::testing::moment::before, here.kafka->leader("t", 0));
  auto sent = here.producer().send({.topic = "t", .value = "v", .partition = 0});
  here.world.run_for(8s);
  CHECK_FALSE(sent.ready());
  CHECK_FALSE(here.logged("is forgotten"));
  here.kafka->unfreeze(here.kafka->leader("t", 0));
  CHECK(here.world.run_until([&] { return sent.ready(); }, 30s));
  CHECK(sent.get().has_value());
  here.world.run_for(8s);
  CHECK(here.logged("topic t is forgotten"));
}

TEST_CASE("names that nobody knows are asked for while somebody waits, and not for ever", "[idle]") {
  idle_world here;
  here.kafka->create_topic("t", 1);
  REQUIRE(here.send("t"));
  here.world.run_for(2s);
  const std::size_t before = here.asked();
  for (int i = 0; i < 100; ++i) here.producer().send({.topic = "no-" + std::to_string(i), .value = "v"}).detach();
  here.world.run_for(3s);
  CHECK(here.asked() > before + 500);
  for (int i = 0; i < 8; ++i) {
    REQUIRE(here.send("t"));
    here.world.run_for(1s);
  }
  CHECK(here.asked() == before);
}

TEST_CASE("the link to a broker that is gone ends, and serves the next broker that comes", "[idle]") {
  idle_world here;
  here.kafka->create_topic("t", 3);
  for (std::int32_t i = 0; i < 3; ++i) REQUIRE(here.send("t", i));
  for (int round = 0; round < 3; ++round) {
    const std::int32_t gone = round % 3;
    here.kafka->stop_broker(gone);
    here.world.run_for(4s);
    CHECK(here.logged("broker " + std::to_string(gone) + " at"));
    CHECK(here.logged("is no longer part of the cluster"));
    here.log.clear();
    here.kafka->start_broker(gone);
    here.world.run_for(2s);
    here.kafka->set_leader("t", gone, gone);
    for (std::int32_t i = 0; i < 3; ++i) REQUIRE(here.send("t", i));
  }
  for (std::int32_t i = 0; i < 3; ++i) CHECK(here.kafka->records("t", i).size() == 4);
}
