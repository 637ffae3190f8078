// SPDX-License-Identifier: BSL-1.0
// What a user gets who names a wrong topic, partition or value of the configuration, or sends a record that is too
// large.
#include "cokafka/producer.hpp"
#include "cokafka/testing.hpp"
#include "support/catch.hpp"
#include "support/embedded.hpp"
#include "support/patience.hpp"
#include "support/sending.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <initializer_list>
#include <string>

namespace asio = boost::asio;
using namespace cokafka_test;
using namespace std::chrono_literals;
using cokafka::broker_errc;
using cokafka::errc;
using cokafka::testing::api_key;

// --- topics, partitions, sizes ---------------------------------------------------------------------------------------

TEST_CASE("an unknown topic without auto-creation is an error after max.block.ms", "[stories]") {
  embedded world({.auto_create_topics = false});
  cokafka::producer producer(world.io, impatient(world.kafka.bootstrap_servers()));
  answer said;
  const auto begin = std::chrono::steady_clock::now();
  run_program(world.io, send_one(producer, {.topic = "nowhere", .value = "v"}, said));
  const auto elapsed = std::chrono::steady_clock::now() - begin;
  REQUIRE_FALSE(said.has_value());
  CHECK(said.error() == broker_errc::unknown_topic_or_partition);
  CHECK(said.error().message().find("nowhere") != std::string::npos);
  CHECK(said.error().fate() == cokafka::fate::not_written);
  CHECK(elapsed >= 490ms);
  CHECK(elapsed < 5s);
  CHECK(world.kafka.request_count(api_key::metadata) <= 20);  // asked again with a backoff
  CHECK(world.kafka.request_count(api_key::metadata) > 1);
}

TEST_CASE("a topic that is made while a record waits for it takes the record", "[stories]") {
  embedded world({.auto_create_topics = false});
  cokafka::producer producer = world.make();
  asio::steady_timer later(world.io, 150ms);
  later.async_wait([&](auto) { world.kafka.create_topic("late", 1); });
  answer said;
  run_program(world.io, send_one(producer, {.topic = "late", .value = "v"}, said));
  REQUIRE(said.has_value());
  CHECK(world.kafka.records("late", 0).size() == 1);
}

TEST_CASE("a topic name that breaks the rules is an error at once", "[stories]") {
  embedded world;
  cokafka::producer producer = world.make();
  for (const std::string& name : {std::string(), std::string("a b"), std::string(250, 'x'), std::string("."),
                                  std::string(".."), std::string("a\0b", 3), std::string("\xc3\xa4")}) {
    CAPTURE(name);
    const cokafka::delivery sent = producer.send({.topic = name, .value = "v"});
    REQUIRE(sent.ready());
    CHECK(sent.get().error() == errc::invalid_topic);
    CHECK(sent.get().error().fate() == cokafka::fate::not_written);
  }
  CHECK(world.kafka.request_count(api_key::metadata) == 0);
}

TEST_CASE("a partition out of range is an error after one forced refresh", "[stories]") {
  embedded world;
  world.kafka.create_topic("t", 2);
  cokafka::producer producer = world.make();
  answer said;
  run_program(world.io, send_one(producer, {.topic = "t", .value = "v", .partition = 1}, said));
  REQUIRE(said.has_value());
  const std::size_t before = world.kafka.request_count(api_key::metadata);
  const auto begin = std::chrono::steady_clock::now();
  run_program(world.io, send_one(producer, {.topic = "t", .value = "v", .partition = 2}, said));
  REQUIRE_FALSE(said.has_value());
  CHECK(said.error() == errc::unknown_partition);
  CHECK(said.error().message().find("2") != std::string::npos);
  CHECK(world.kafka.request_count(api_key::metadata) == before + 1);
  CHECK(std::chrono::steady_clock::now() - begin < 5s);  // not max.block.ms
}

TEST_CASE("a partition out of range of a topic that nobody has asked for yet is found out as well", "[stories]") {
  embedded world;
  world.kafka.create_topic("t", 2);
  cokafka::producer producer = world.make();
  answer said;
  const auto begin = std::chrono::steady_clock::now();
  run_program(world.io, send_one(producer, {.topic = "t", .value = "v", .partition = 7}, said));
  REQUIRE_FALSE(said.has_value());
  CHECK(said.error() == errc::unknown_partition);
  CHECK(world.kafka.request_count(api_key::metadata) == 2);
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("a record that is too large is an error at once and disturbs nothing else", "[stories]") {
  embedded world;
  world.kafka.create_topic("t", 1);
  cokafka::config settings = patient(world.kafka.bootstrap_servers());
  settings.max_request_size = 100'000;
  cokafka::producer producer(world.io, settings);
  const std::string large(100'001, 'x');
  cokafka::delivery before = producer.send({.topic = "t", .value = "before"});
  const cokafka::delivery refused = producer.send({.topic = "t", .value = large});
  cokafka::delivery after = producer.send({.topic = "t", .value = "after"});
  REQUIRE(refused.ready());
  CHECK(refused.get().error() == errc::record_too_large);
  CHECK(refused.get().error().fate() == cokafka::fate::not_written);
  CHECK(refused.get().error().message().find("max.request.size") != std::string::npos);
  run_program(world.io, finish(producer));
  CHECK(before.get().has_value());
  CHECK(after.get().has_value());
  CHECK(world.kafka.records("t", 0).size() == 2);
}

TEST_CASE("a record larger than buffer.memory is an error at once", "[stories]") {
  embedded world;
  cokafka::config settings = impatient(world.kafka.bootstrap_servers());
  settings.buffer_memory = 50'000;
  cokafka::producer producer(world.io, settings);
  const std::string large(60'000, 'x');
  const cokafka::delivery refused = producer.send({.topic = "t", .value = large});
  REQUIRE(refused.ready());
  CHECK(refused.get().error() == errc::record_too_large);
  CHECK(refused.get().error().message().find("buffer.memory") != std::string::npos);
}

// --- configuration ---------------------------------------------------------------------------------------------------

namespace {

// What the constructor of a producer says to it; empty when it takes it.
std::string refusal(const std::function<void(cokafka::config&)>& change) {
  asio::io_context io;
  cokafka::config settings;
  change(settings);
  try {
    cokafka::producer producer(io, settings);
    return {};
  } catch (const cokafka::config_error& refused) {
    CHECK(refused.error() == errc::config_error);
    return refused.what();
  }
}

bool names(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts) {
    if (text.find(part) == std::string::npos) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("a configuration that breaks a rule is refused with property, value and rule", "[stories]") {
  CHECK(refusal([](cokafka::config&) {}).empty());
  const std::string negative = refusal([](cokafka::config& c) { c.linger = -1ms; });
  CHECK(names(negative, {"linger.ms", "-1", "0"}));
  const std::string idempotent = refusal([](cokafka::config& c) {
    c.acks = cokafka::acks::leader;
    c.enable_idempotence = true;
  });
  CHECK(names(idempotent, {"acks", "1", "enable.idempotence"}));
  const std::string window = refusal([](cokafka::config& c) { c.max_in_flight_requests_per_connection = 6; });
  CHECK(names(window, {"max.in.flight.requests.per.connection", "6", "5"}));
  const std::string deadline = refusal([](cokafka::config& c) { c.delivery_timeout = 1000ms; });
  CHECK(names(deadline, {"delivery.timeout.ms", "1000", "linger.ms", "request.timeout.ms"}));
  const std::string bootstrap = refusal([](cokafka::config& c) { c.bootstrap_servers = "host:99999"; });
  CHECK(names(bootstrap, {"bootstrap.servers", "99999"}));
  const std::string nobody = refusal([](cokafka::config& c) { c.bootstrap_servers = ""; });
  CHECK(names(nobody, {"bootstrap.servers"}));
}

TEST_CASE("an unknown property is refused with the nearest name", "[stories]") {
  cokafka::config settings;
  const auto unknown = settings.set("linger.msec", "5");
  REQUIRE_FALSE(unknown.has_value());
  CHECK(unknown.error() == errc::config_error);
  CHECK(names(unknown.error().message(), {"linger.msec", "linger.ms\""}));
  const auto text = settings.set("linger.ms", "soon");
  REQUIRE_FALSE(text.has_value());
  CHECK(names(text.error().message(), {"linger.ms", "soon"}));
}
