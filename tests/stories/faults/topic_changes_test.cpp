// SPDX-License-Identifier: BSL-1.0
// Topics that are deleted, made anew, grown, refused or left out while records are sent to them.
#include "support/catch.hpp"
#include "support/patience.hpp"
#include "support/sending.hpp"
#include "support/shop.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace cokafka_tests;
using cokafka::broker_errc;
using cokafka::errc;
using cokafka::fate;
using cokafka::testing::api_key;
using cokafka::testing::cluster;
using cokafka::testing::kafka_version;
using cokafka::testing::simulation;

namespace {

struct topic_world {
  explicit topic_world(kafka_version version = kafka_version::v4_1, bool auto_create = false)
      : kafka(io, {.brokers = 2, .auto_create_topics = auto_create, .version = version}) {}

  cokafka::producer& shop() {
    if (!shop_) {
      settings.log_sink = log.sink();
      settings.bootstrap_servers = kafka.bootstrap_servers();
      shop_.emplace(io, settings);
    }
    return *shop_;
  }

  outcome send(std::int32_t partition, cokafka::topic_handle* through = nullptr) {
    cokafka::record_view record{.topic = "t", .value = "v", .partition = partition};
    auto sent = through != nullptr ? through->send(record) : shop().send(record);
    return wait_for(sent);
  }
  outcome wait_for(cokafka::delivery& sent) {
    REQUIRE(run_until(io, [&] { return sent.ready(); }));
    return sent.get();
  }
  bool wait(std::function<bool()> happened) { return run_until(io, happened); }

  asio::io_context io;
  cluster kafka;
  cokafka_test::log_lines log;
  cokafka::config settings = cokafka_test::patient("");

 private:
  std::optional<cokafka::producer> shop_;
};

}  // namespace

TEST_CASE("a topic that is deleted and made anew takes the records that come after, also through a handle",
          "[stories]") {
  topic_world here(GENERATE(kafka_version::v4_1, kafka_version::v3_9, kafka_version::v2_1));
  here.kafka.create_topic("t", 2);
  auto handle = here.shop().topic("t");
  for (int i = 0; i < 3; ++i) REQUIRE(here.send(1, &handle).has_value());
  here.kafka.recreate_topic("t", 2);
  for (int i = 0; i < 3; ++i) {
    const auto said = here.send(1, &handle);
    CAPTURE(here.log.text());
    REQUIRE(said.has_value());
    CHECK(said.value().offset == i);
  }
  CHECK(here.kafka.records("t", 1).size() == 3);
}

TEST_CASE("with topic ids or without, leaders of a former life of the topic are not kept", "[stories]") {
  topic_world here(GENERATE(kafka_version::v4_1, kafka_version::v2_1));
  here.kafka.create_topic("t", 1);
  for (int i = 0; i < 4; ++i) here.kafka.set_leader("t", 0, i % 2);  // led by broker 1 in epoch 4
  REQUIRE(here.send(0).has_value());
  here.kafka.recreate_topic("t", 1);  // led by broker 0 in epoch 0
  const auto said = here.send(0);
  CAPTURE(here.log.text());
  REQUIRE(said.has_value());
  CHECK(said.value().offset == 0);
}

TEST_CASE("a topic that is made anew with fewer partitions fails what waits for those that are gone", "[stories]") {
  topic_world here;
  here.settings.max_in_flight_requests_per_connection = 1;
  here.settings.request_timeout = 1s;
  here.kafka.create_topic("t", 2);
  REQUIRE(here.send(1).has_value());
  // In flight to a broker that does not answer, and behind it.
  const std::int32_t leader = here.kafka.leader("t", 1);
  here.kafka.delay_next(api_key::produce, 60s, 1, cokafka::testing::moment::before, leader);
  auto in_flight = here.shop().send({.topic = "t", .value = "in flight", .partition = 1});
  const std::size_t before = here.kafka.request_count(api_key::produce);
  REQUIRE(here.wait([&] { return here.kafka.request_count(api_key::produce) > before; }));
  auto behind = here.shop().send({.topic = "t", .value = "behind", .partition = 1});
  here.kafka.recreate_topic("t", 1);
  // Somebody asks for another topic: the refresh tells it.
  here.kafka.create_topic("other", 1);
  auto other = here.shop().send({.topic = "other", .value = "v"});
  const outcome first = here.wait_for(in_flight);
  const outcome second = here.wait_for(behind);
  REQUIRE_FALSE(first.has_value());
  CHECK(first.error() == broker_errc::unknown_topic_or_partition);
  CHECK(first.error().fate() == fate::maybe_written);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error() == broker_errc::unknown_topic_or_partition);
  CHECK(second.error().fate() == fate::not_written);
  CHECK(here.shop().outstanding().records <= 1);
  // Explicit: there is no such partition. Without: those that are there.
  const outcome nowhere = here.send(1);
  REQUIRE_FALSE(nowhere.has_value());
  CHECK(nowhere.error() == errc::unknown_partition);
  auto anywhere = here.shop().send({.topic = "t", .key = "k", .value = "v"});
  REQUIRE(here.wait_for(anywhere).has_value());
  // And it grows again.
  here.kafka.add_partitions("t", 2);
  const outcome again = here.send(1);
  CAPTURE(here.log.text());
  REQUIRE(again.has_value());
  CHECK(here.kafka.records("t", 1).size() == 1);
}

TEST_CASE("partitions that are added are used by explicit records at once, and by the others after a refresh",
          "[stories]") {
  topic_world here;
  here.settings.metadata_max_age = 50ms;
  here.settings.batch_size = 0;
  here.kafka.create_topic("t", 1);
  auto handle = here.shop().topic("t");
  REQUIRE(here.send(0, &handle).has_value());
  here.kafka.add_partitions("t", 4);
  REQUIRE(here.send(3, &handle).has_value());
  std::vector<cokafka::delivery> sent;
  for (int i = 0; i < 200; ++i) {
    sent.push_back(handle.send({.value = "v"}));
    sent.push_back(handle.send({.key = std::to_string(i), .value = "v"}));
  }
  for (auto& each : sent) REQUIRE(here.wait_for(each).has_value());
  for (std::int32_t i = 0; i < 4; ++i) CHECK(here.kafka.records("t", i).size() > 20);
}

TEST_CASE("records to a topic that is deleted for good fail by their deadline, and say why", "[stories]") {
  topic_world here(GENERATE(kafka_version::v4_1, kafka_version::v2_1));
  here.settings.request_timeout = 500ms;
  here.settings.delivery_timeout = 1s;
  here.kafka.create_topic("t", 1);
  REQUIRE(here.send(0).has_value());
  here.kafka.delete_topic("t");
  const outcome said = here.send(0);
  REQUIRE_FALSE(said.has_value());
  CHECK(said.error() == errc::timed_out);
  const bool named = said.error().cause() == make_error_code(broker_errc::unknown_topic_or_partition) ||
                     said.error().cause() == make_error_code(broker_errc::unknown_topic_id);
  CHECK(named);
  CHECK(here.shop().outstanding().records == 0);
  here.kafka.create_topic("t", 1);
  REQUIRE(here.send(0).has_value());
}

TEST_CASE("a topic that is deleted is made again where brokers may make it", "[stories]") {
  topic_world here(kafka_version::v4_1, true);
  here.kafka.create_topic("t", 2);
  REQUIRE(here.send(0).has_value());
  here.kafka.delete_topic("t");
  const outcome said = here.send(0);
  CAPTURE(here.log.text());
  REQUIRE(said.has_value());
  CHECK(here.kafka.partition_count("t") == 1);
}

TEST_CASE("sends to a refused topic fail at once, and the permission is noticed soon after it has come back",
          "[stories]") {
  const broker_errc error = GENERATE(broker_errc::topic_authorization_failed, broker_errc::invalid_topic_exception,
                                     static_cast<broker_errc>(3999));
  const auto expected =
      error == broker_errc::invalid_topic_exception ? make_error_code(errc::invalid_topic) : make_error_code(error);
  topic_world here;
  here.kafka.create_topic("t", 1);
  const bool from_the_start = GENERATE(true, false);
  if (!from_the_start) REQUIRE(here.send(0).has_value());
  here.kafka.set_topic_error("t", error);
  if (!from_the_start) {
    here.kafka.create_topic("other", 1);  // whose refresh tells it
    here.shop().send({.topic = "other", .value = "v"}).detach();
    REQUIRE(here.wait([&] { return here.kafka.records("other", 0).size() == 1; }));
  }
  const outcome said = here.send(0);
  REQUIRE_FALSE(said.has_value());
  CHECK(said.error().code() == expected);
  CHECK(said.error().fate() == fate::not_written);
  // Many sends are few questions: they back off from 20 to 100 ms.
  const std::size_t before = here.kafka.request_count(api_key::metadata);
  const auto begun = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begun < 500ms) {
    auto refused = here.shop().send({.topic = "t", .value = "v"});
    CHECK(refused.ready());
    run_until(here.io, [n = 0]() mutable { return ++n > 2; });
  }
  const std::size_t asked = here.kafka.request_count(api_key::metadata) - before;
  CHECK(asked >= 2);
  CHECK(asked <= 12);
  here.kafka.set_topic_error("t", broker_errc::none);
  REQUIRE(here.wait([&] {
    auto sent = here.shop().send({.topic = "t", .value = "v"});
    return !sent.ready() || sent.get().has_value();
  }));
  REQUIRE(here.send(0).has_value());
  CHECK(std::chrono::steady_clock::now() - begun < 10s);
}

TEST_CASE("a topic that an answer leaves out is asked for again", "[stories]") {
  topic_world here;
  here.kafka.create_topic("t", 1);
  here.kafka.leave_out_topic("t", 3);
  const outcome said = here.send(0);
  REQUIRE(said.has_value());
  CHECK(here.kafka.request_count(api_key::metadata) == 4);
}

TEST_CASE("warm_up waits for a leader that is elected meanwhile, whether the topic was known before or not",
          "[stories]") {
  const bool was_known = GENERATE(false, true);
  simulation world;
  auto kafka = world.make_cluster();
  kafka->create_topic("t", 2);
  const std::int32_t leader = kafka->leader("t", 1);
  kafka->set_leader("t", 1, -1);
  cokafka::config settings;
  settings.bootstrap_servers = kafka->bootstrap_servers();
  auto shop = world.make_producer(settings);
  if (was_known) {
    bool listed = false;
    shop.partitions_for("t", [&](const auto& said) { listed = said.has_value(); });
    REQUIRE(world.run_until([&] { return listed; }, 10s));
  }
  std::optional<cokafka::result<void>> warm;
  shop.warm_up("t", [&](const auto& said) { warm = said; });
  world.run_for(200ms);
  CHECK_FALSE(warm);
  kafka->set_leader("t", 1, leader);
  REQUIRE(world.run_until([&] { return warm.has_value(); }, 2s));
  CHECK(warm->has_value());
  const std::size_t asked = kafka->request_count(api_key::metadata);
  world.run_for(10s);
  CHECK(kafka->request_count(api_key::metadata) <= asked + 1);
}

TEST_CASE("who asks for the partitions of a refused topic notices that the permission has come back", "[stories]") {
  simulation world;
  auto kafka = world.make_cluster();
  kafka->create_topic("t", 1);
  kafka->create_topic("other", 1);
  cokafka::config settings;
  settings.bootstrap_servers = kafka->bootstrap_servers();
  auto shop = world.make_producer(settings);
  const auto ask = [&](std::string_view topic) {
    std::optional<bool> listed;
    shop.partitions_for(topic, [&](const auto& said) { listed = said.has_value(); });
    REQUIRE(world.run_until([&] { return listed.has_value(); }, 10s));
    return *listed;
  };
  REQUIRE(ask("t"));
  kafka->set_topic_error("t", broker_errc::topic_authorization_failed);
  world.run_for(1s);
  REQUIRE(ask("other"));  // whose refresh tells it
  CHECK_FALSE(ask("t"));
  kafka->set_topic_error("t", broker_errc::none);
  bool noticed = false;
  for (int i = 0; i < 30 && !noticed; ++i) {
    noticed = ask("t");
    world.run_for(100ms);
  }
  CHECK(noticed);
}

TEST_CASE("try_send to a partition that is not there asks for it, and seldom", "[stories]") {
  simulation world;
  auto kafka = world.make_cluster();
  kafka->create_topic("t", 1);
  cokafka::config settings;
  settings.bootstrap_servers = kafka->bootstrap_servers();
  auto shop = world.make_producer(settings);
  shop.send({.topic = "t", .value = "v"}).detach();
  REQUIRE(world.run_until([&] { return kafka->records("t", 0).size() == 1; }, 10s));
  world.run_for(1s);
  const auto is_taken = [&] { return shop.try_send({.topic = "t", .value = "v", .partition = 1}).has_value(); };
  const std::size_t before = kafka->request_count(api_key::metadata);
  for (int i = 0; i < 1000; ++i) {
    CHECK_FALSE(is_taken());
    world.run_for(1ms);
  }
  const std::size_t asked = kafka->request_count(api_key::metadata) - before;
  CHECK(asked >= 5);
  CHECK(asked <= 15);
  kafka->add_partitions("t", 2);
  bool taken = false;
  for (int i = 0; i < 100 && !taken; ++i) {
    world.run_for(10ms);
    taken = is_taken();
  }
  CHECK(taken);
}
