// SPDX-License-Identifier: BSL-1.0
// Real brokers that die while records are sent, and the other acknowledgements, read back by a client that is not ours.
#include "cokafka/producer.hpp"
#include "support/catch.hpp"
#include "support/real_kafka.hpp"
#include "support/sending.hpp"

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using namespace cokafka_test;

namespace {

bool is_missing(const real_kafka& kafka) {
  if (!kafka.bootstrap.empty()) return false;
  WARN("skipped: no Kafka; run tools/test integration");
  return true;
}

asio::awaitable<void> send_all(cokafka::producer& producer, sending& run, std::uint64_t count) {
  co_await send_pipelined(producer, run, count, 500);
  co_await finish(producer);
}

// One topic with three partitions and settings of its own; sends, and compares with the log.
struct scene {
  explicit scene(const real_kafka& on, const std::string& purpose, const std::string& topic_settings = "") : kafka(on) {
    run.partitions = 3;
    run.topics = {kafka.fresh_topic(purpose)};
    kafka.create_topics(
        {run.topics[0] + ":3:" + std::to_string(kafka.replication()) + ":retention.ms=-1" + topic_settings});
    settings.bootstrap_servers = kafka.bootstrap;
    settings.log_sink = log.sink();
  }
  void send(std::uint64_t count) {
    asio::io_context io;
    cokafka::producer producer(io, settings);
    run_program(io, send_all(producer, run, count), std::chrono::seconds(200));
    CAPTURE(run.first_failure, log.text());
    CHECK(run.failed == 0);
    CHECK(run.told.count() == count);
  }
  // Does something on another thread as soon as so many records have been acknowledged.
  void when_told(std::uint64_t count, std::function<void()> action) {
    run.on_told = [this, count, action = std::move(action)](std::uint64_t) {
      if (run.told.count() != count) return;
      actor = std::thread([this, action] {
        try {
          action();
        } catch (const std::exception& failed) {
          problem = failed.what();
        }
      });
    };
  }
  void check_log() {
    if (actor.joinable()) actor.join();
    CHECK(problem == "");
    CHECK(kafka.differences(run.told.path()) == "");
  }

  const real_kafka& kafka;
  cokafka::config settings;
  log_lines log;
  sending run;
  std::thread actor;
  std::string problem;
};

}  // namespace

TEST_CASE("records sent with acks=0 and acks=1 are all there, with offsets where there is an answer", "[integration]") {
  const real_kafka kafka = given_kafka();
  if (is_missing(kafka)) return;
  SECTION("acks=0") {
    scene world(kafka, "acks-0");
    world.settings.acks = cokafka::acks::none;
    world.settings.max_in_flight_requests_per_connection = 1;
    world.send(2000);
    world.check_log();
  }
  SECTION("acks=1") {
    scene world(kafka, "acks-1");
    world.settings.acks = cokafka::acks::leader;
    world.send(2000);
    world.check_log();
  }
}

TEST_CASE("a topic with LogAppendTime gives records the time of the broker, and metadata tells it", "[integration]") {
  const real_kafka kafka = given_kafka();
  if (is_missing(kafka)) return;
  scene world(kafka, "append-time", ":message.timestamp.type=LogAppendTime");
  world.send(2000);
  world.check_log();
}

TEST_CASE("little memory, small batches and one request in flight deliver the same", "[integration]") {
  const real_kafka kafka = given_kafka();
  if (is_missing(kafka)) return;
  scene world(kafka, "little");
  world.settings.buffer_memory = 100'000;
  world.settings.batch_size = 500;
  world.settings.max_in_flight_requests_per_connection = 1;
  world.send(5000);
  world.check_log();
}

TEST_CASE("a broker that is killed and started again in the middle loses and duplicates nothing", "[integration]") {
  const real_kafka given = given_kafka();
  if (is_missing(given)) return;
  if (given.nodes != 1) {
    WARN("skipped: this is for a cluster of one node");
    return;
  }
  const own_kafka own(given, 1, "restart");
  scene world(*own, "restart");
  world.when_told(5000, [&own] {
    own->kill_node(1);
    own->start_node(1);
  });
  world.send(15'000);
  CHECK(world.log.contain("connection lost"));
  world.check_log();
}

TEST_CASE("a leader that is killed while it is written to loses and duplicates nothing", "[integration]") {
  const real_kafka given = given_kafka();
  if (is_missing(given)) return;
  if (given.nodes != 3) {
    WARN("skipped: this is for a cluster of three nodes");
    return;
  }
  const own_kafka own(given, 3, "leader");
  scene world(*own, "leader");
  const int leader = std::stoi(own->foreign_client("leader " + own->bootstrap + " " + world.run.topics[0] + " 0"));
  world.when_told(5000, [&own, leader] {
    own->kill_node(leader);
    own->start_node(leader);
  });
  world.send(30'000);
  CHECK(world.log.contain("connection lost"));
  world.check_log();
}

TEST_CASE("a topic that needs more in-sync replicas than live gets its records when they are back", "[integration]") {
  const real_kafka given = given_kafka();
  if (is_missing(given)) return;
  if (given.nodes != 3) {
    WARN("skipped: this is for a cluster of three nodes");
    return;
  }
  const own_kafka own(given, 3, "isr");
  scene world(*own, "isr", ":min.insync.replicas=3");
  world.when_told(2000, [&own] {
    own->kill_node(3);
    own->start_node(3);
  });
  world.send(6000);
  world.check_log();
}
