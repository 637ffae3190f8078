// SPDX-License-Identifier: BSL-1.0
// What the brokers see and the caller gets with each way of sending: acknowledgements, window, partitions, times,
// names.
#include "cokafka/producer.hpp"
#include "cokafka/testing.hpp"
#include "cokafka/version.hpp"
#include "support/catch.hpp"
#include "support/embedded.hpp"
#include "support/patience.hpp"
#include "support/recording_environment.hpp"
#include "support/sending.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace cokafka_test;
using namespace std::chrono_literals;
using cokafka::broker_errc;
using cokafka::errc;
using cokafka::testing::api_key;

namespace {

struct observed : embedded {
  using embedded::embedded;
  // What one record came to.
  answer send(cokafka::producer& producer, const cokafka::record_view& record) {
    answer said;
    run_program(io, send_one(producer, record, said));
    return said;
  }
  std::vector<cokafka::testing::seen_request> seen(api_key api) {
    std::vector<cokafka::testing::seen_request> found;
    for (const auto& each : kafka.requests()) {
      if (each.api == api) found.push_back(each);
    }
    return found;
  }
};

}  // namespace

TEST_CASE("with acks=0 a record completes without an offset and without an answer", "[stories]") {
  observed world;
  world.kafka.create_topic("t", 1);
  cokafka::config settings = world.settings();
  settings.acks = cokafka::acks::none;
  cokafka::producer producer(world.io, settings);
  for (int i = 0; i != 20; ++i) {
    const answer said = world.send(producer, {.topic = "t", .value = "v"});
    REQUIRE(said.has_value());
    CHECK_FALSE(said.value().offset.has_value());
    CHECK(said.value().partition == 0);
  }
  run_program(world.io, finish(producer));
  for (int i = 0; i != 500 && world.kafka.records("t", 0).size() != 20; ++i) world.io.run_for(10ms);
  CHECK(world.kafka.records("t", 0).size() == 20);
  CHECK(world.kafka.request_count(api_key::init_producer_id) == 0);
}

TEST_CASE("with acks=1 a record has an offset and no producer id", "[stories]") {
  observed world;
  world.kafka.create_topic("t", 1);
  cokafka::config settings = world.settings();
  settings.acks = cokafka::acks::leader;
  cokafka::producer producer(world.io, settings);
  for (std::int64_t i = 0; i != 5; ++i) {
    const answer said = world.send(producer, {.topic = "t", .value = "v"});
    REQUIRE(said.has_value());
    CHECK(said.value().offset == i);
  }
  for (const auto& record : world.kafka.records("t", 0)) CHECK(record.producer_id == -1);
  CHECK(world.kafka.request_count(api_key::init_producer_id) == 0);
}

namespace {

// How many Produce requests are written while the first of them is not answered.
std::uint64_t requests_ahead(int max_in_flight) {
  observed world;
  world.kafka.create_topic("t", 3);
  cokafka::config settings = world.settings();
  settings.max_in_flight_requests_per_connection = max_in_flight;
  auto environment = std::make_shared<recording_environment>();
  cokafka::detail::engine_options options;
  options.env = environment;
  auto producer = cokafka::detail::producer_access::make(world.io.get_executor(), settings, std::move(options));
  REQUIRE(world.send(producer, {.topic = "t", .value = "first", .partition = 0}).has_value());
  const std::uint64_t before = environment->count_of(api_key::produce);
  world.kafka.freeze(0);
  for (std::int32_t i = 0; i != 3; ++i) {
    producer.send({.topic = "t", .value = "v", .partition = i}).detach();
    world.io.restart();
    world.io.run_for(50ms);
  }
  const std::uint64_t ahead = environment->count_of(api_key::produce) - before;
  world.kafka.unfreeze(0);
  run_program(world.io, finish(producer));
  for (int i = 0; i != 3; ++i) CHECK(world.kafka.records("t", i).size() == (i == 0 ? 2 : 1));
  return ahead;
}

}  // namespace

TEST_CASE("max.in.flight.requests.per.connection bounds the requests that wait for an answer", "[stories]") {
  CHECK(requests_ahead(1) == 1);
  CHECK(requests_ahead(2) == 2);
  CHECK(requests_ahead(5) == 3);
}

TEST_CASE("allow.auto.create.topics=false makes no topic, the default does", "[stories]") {
  observed world;
  cokafka::config settings = world.settings();
  settings.allow_auto_create_topics = false;
  settings.max_block = 300ms;
  cokafka::producer careful(world.io, settings);
  const answer refused = world.send(careful, {.topic = "made", .value = "v"});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error() == broker_errc::unknown_topic_or_partition);
  CHECK(world.kafka.partition_count("made") == 0);
  cokafka::producer usual(world.io, world.settings());
  REQUIRE(world.send(usual, {.topic = "made", .value = "v"}).has_value());
  CHECK(world.kafka.records("made", 0).size() == 1);
}

TEST_CASE("brokers see the client id and the name and version of our software", "[stories]") {
  observed world;
  cokafka::config settings = world.settings();
  settings.client_id = "till-7";
  cokafka::producer producer(world.io, settings);
  REQUIRE(world.send(producer, {.topic = "t", .value = "v"}).has_value());
  const auto requests = world.kafka.requests();
  REQUIRE(requests.size() >= 5);  // ApiVersions twice, Metadata, InitProducerId, Produce
  for (const auto& each : requests) {
    CHECK(each.client_id == "till-7");
    if (each.api == api_key::api_versions) continue;  // the names arrive with it
    CHECK(each.software_name == "cokafka");
    CHECK(each.software_version == COKAFKA_VERSION);
  }
}

TEST_CASE("producers without a client id get names of their own", "[stories]") {
  observed world;
  std::set<std::string> ids;
  for (int i = 0; i != 2; ++i) {
    cokafka::producer producer(world.io, world.settings());
    REQUIRE(world.send(producer, {.topic = "t", .value = "v"}).has_value());
    ids.insert(*world.kafka.requests().back().client_id);
  }
  CHECK(ids.size() == 2);
  for (const std::string& each : ids) CHECK(each.rfind("producer-", 0) == 0);
}

TEST_CASE("an explicit partition wins over the key", "[stories]") {
  observed world({.brokers = 3});
  world.kafka.create_topic("t", 6);
  cokafka::producer producer(world.io, world.settings());
  for (std::int32_t i = 0; i != 6; ++i) {
    const answer said = world.send(producer, {.topic = "t", .key = "same", .value = "v", .partition = i});
    REQUIRE(said.has_value());
    CHECK(said.value().partition == i);
    CHECK(world.kafka.records("t", i).size() == 1);
  }
  std::set<std::int32_t> keyed;
  for (int i = 0; i != 5; ++i) {
    keyed.insert(world.send(producer, {.topic = "t", .key = "same", .value = "v"}).value().partition);
  }
  CHECK(keyed.size() == 1);
}

TEST_CASE("the metadata of a record has its own time, or the broker's where the topic says LogAppendTime",
          "[stories]") {
  observed world;
  world.kafka.create_topic("own", 1);
  cokafka::testing::topic_options appended;
  appended.log_append_time = true;
  world.kafka.create_topic("appended", 1, appended);
  cokafka::producer producer(world.io, world.settings());
  const std::chrono::sys_time<std::chrono::milliseconds> given(1'234'567'890'123ms);
  const answer own = world.send(producer, {.topic = "own", .value = "v", .timestamp = given});
  REQUIRE(own.has_value());
  CHECK(own.value().timestamp == given);
  const answer brokers = world.send(producer, {.topic = "appended", .value = "v", .timestamp = given});
  REQUIRE(brokers.has_value());
  CHECK(brokers.value().timestamp > given);
  CHECK(brokers.value().timestamp.time_since_epoch().count() == world.kafka.records("appended", 0).at(0).timestamp);
}

TEST_CASE("partitions_for tells leaders and replicas", "[stories]") {
  observed world({.brokers = 3});
  world.kafka.create_topic("t", 4);
  cokafka::producer producer(world.io, world.settings());
  cokafka::result<std::vector<cokafka::partition_info>> told;
  const auto ask = [](cokafka::producer& of, const char* topic, auto& into) -> asio::awaitable<void> {
    into = co_await of.partitions_for(topic, asio::use_awaitable);
  };
  run_program(world.io, ask(producer, "t", told));
  REQUIRE(told.has_value());
  REQUIRE(told.value().size() == 4);
  for (std::int32_t i = 0; i != 4; ++i) {
    const auto& each = told.value()[static_cast<std::size_t>(i)];
    CHECK(each.id == i);
    CHECK(each.leader == world.kafka.leader("t", i));
    CHECK(each.replicas.size() == 3);
    CHECK(each.in_sync_replicas.size() == 3);
  }
  run_program(world.io, ask(producer, "not a name", told));
  CHECK(told.error() == errc::invalid_topic);
}

TEST_CASE("after a warm-up the first record takes one request", "[stories]") {
  observed world({.brokers = 3});
  world.kafka.create_topic("t", 6);
  cokafka::producer producer(world.io, world.settings());
  const auto warm = [](cokafka::producer& of) -> asio::awaitable<void> {
    const auto warmed = co_await of.warm_up("t", asio::use_awaitable);
    warmed.value();
  };
  run_program(world.io, warm(producer));
  CHECK(world.kafka.request_count(api_key::init_producer_id) == 1);
  CHECK(world.kafka.request_count(api_key::produce) == 0);
  const std::size_t before = world.kafka.requests().size();
  REQUIRE(world.send(producer, {.topic = "t", .value = "v"}).has_value());
  CHECK(world.kafka.requests().size() == before + 1);
}
