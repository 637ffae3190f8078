// SPDX-License-Identifier: BSL-1.0
// Logs that are not what they were: records are deleted, batches are lost in an unclean election, producers are
// forgotten. In virtual time.
#include "cokafka/testing.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using cokafka::errc;
using cokafka::fate;
using cokafka::testing::api_key;
using cokafka::testing::moment;

namespace {

struct log_world {
  explicit log_world(bool idempotent = true)
      : kafka(world.make_cluster({.brokers = 1})), shop(world.make_producer(settings(idempotent))) {
    world.network().delay(1ms, 1ms);
    kafka->create_topic("t", 1);
  }
  cokafka::config settings(bool idempotent) const {
    cokafka::config made;
    made.bootstrap_servers = kafka->bootstrap_servers();
    made.enable_idempotence = idempotent;
    made.max_in_flight_requests_per_connection = idempotent ? 5 : 1;
    made.linger = 0ms;
    made.request_timeout = 1s;
    made.delivery_timeout = 10s;
    return made;
  }
  cokafka::delivery begin(const std::string& value) {
    return shop.send({.topic = "t", .value = value, .partition = 0});
  }
  cokafka::result<cokafka::record_metadata> wait(cokafka::delivery& sent) {
    REQUIRE(world.run_until([&] { return sent.ready(); }));
    return sent.get();
  }
  /// Its offset.
  std::int64_t send(const std::string& value) {
    cokafka::delivery sent = begin(value);
    const auto said = wait(sent);
    CAPTURE(world.trace_text());
    REQUIRE(said.has_value());
    return said.value().offset.value();
  }
  std::vector<std::string> values() const {
    std::vector<std::string> all;
    for (const auto& each : kafka->records("t", 0)) all.push_back(each.value.value());
    return all;
  }
  std::uint64_t events() const { return shop.metrics().vanished_logs; }

  cokafka::testing::simulation world;
  std::unique_ptr<cokafka::testing::cluster> kafka;
  cokafka::producer shop;
};

using texts = std::vector<std::string>;

}  // namespace

TEST_CASE("records that an administrator deletes are nothing that a producer notices", "[stories]") {
  log_world here(GENERATE(true, false));
  for (std::int64_t i = 0; i != 3; ++i) REQUIRE(here.send("old") == i);
  here.kafka->delete_records("t", 0, 3);
  CHECK(here.send("a") == 3);
  CHECK(here.send("b") == 4);
  CHECK(here.values() == texts{"a", "b"});
  CHECK(here.events() == 0);
  CHECK(here.shop.metrics().records_retried == 0);
}

TEST_CASE("a batch that was appended and deleted before anybody heard of it is written, once", "[stories]") {
  log_world here;
  REQUIRE(here.send("a") == 0);
  here.kafka->drop_connection_on_next(api_key::produce, 1, moment::after);
  cokafka::delivery unheard = here.begin("b");
  REQUIRE(here.world.run_until([&] { return here.values().size() == 2; }));
  here.kafka->delete_records("t", 0, 2);
  const auto said = here.wait(unheard);
  REQUIRE(said.has_value());
  CHECK(said.value().offset == 1);
  CHECK(here.send("c") == 2);
  CHECK(here.values() == texts{"c"});
  CHECK(here.events() == 0);
}

TEST_CASE("acknowledged records that an unclean election loses are one event, and what follows is written once",
          "[stories]") {
  log_world here(GENERATE(true, false));
  for (std::int64_t i = 0; i != 4; ++i) REQUIRE(here.send(std::to_string(i)) == i);
  const std::int64_t kept = GENERATE(0, 1, 3);  // with 0 the leader does not know the producer at all
  CAPTURE(kept);
  here.kafka->truncate("t", 0, kept);
  CHECK(here.send("a") == kept);
  CHECK(here.events() == 1);
  CHECK(here.send("b") == kept + 1);
  CHECK(here.send("c") == kept + 2);
  texts expected{"0", "1", "2"};
  expected.resize(static_cast<std::size_t>(kept));
  expected.insert(expected.end(), {"a", "b", "c"});
  CHECK(here.values() == expected);
  CHECK(here.events() == 1);
  CHECK(here.world.trace_text().find("acknowledged records have vanished from t-0") != std::string::npos);
}

TEST_CASE("several batches in flight when acknowledged records vanish follow in order, each once", "[stories]") {
  log_world here;
  for (std::int64_t i = 0; i != 4; ++i) REQUIRE(here.send(std::to_string(i)) == i);
  here.kafka->truncate("t", 0, 2);
  texts expected{"0", "1"};
  std::vector<cokafka::delivery> sent;
  for (int i = 0; i != 4; ++i) {
    expected.push_back(std::string(1, static_cast<char>('a' + i)));
    sent.push_back(here.begin(expected.back()));
    here.world.run_for(200us);  // a batch each
  }
  for (auto& each : sent) CHECK(here.wait(each).has_value());
  CHECK(here.values() == expected);
  CHECK(here.events() == 1);
}

TEST_CASE("a batch that nobody heard of and that an unclean election loses is sent again and written", "[stories]") {
  log_world here;
  REQUIRE(here.send("a") == 0);
  here.kafka->drop_connection_on_next(api_key::produce, 1, moment::after);
  cokafka::delivery unheard = here.begin("b");
  REQUIRE(here.world.run_until([&] { return here.values().size() == 2; }));
  here.kafka->truncate("t", 0, 1);
  const auto said = here.wait(unheard);
  REQUIRE(said.has_value());
  CHECK(said.value().offset == 1);
  CHECK(here.send("c") == 2);
  CHECK(here.values() == texts{"a", "b", "c"});
  CHECK(here.events() == 0);
}

TEST_CASE("a batch that nobody heard of, behind records that have vanished, may be written, and others follow",
          "[stories]") {
  log_world here;
  REQUIRE(here.send("a") == 0);
  REQUIRE(here.send("b") == 1);
  here.kafka->drop_connection_on_next(api_key::produce, 1, moment::after);
  cokafka::delivery unheard = here.begin("c");
  REQUIRE(here.world.run_until([&] { return here.values().size() == 3; }));
  here.kafka->truncate("t", 0, 1);
  const auto said = here.wait(unheard);
  REQUIRE_FALSE(said.has_value());
  CHECK(said.error() == errc::timed_out);
  CHECK(said.error().fate() == fate::maybe_written);
  CHECK(here.send("d") == 1);
  CHECK(here.send("e") == 2);
  CHECK(here.values() == texts{"a", "d", "e"});
}

TEST_CASE("a producer that its broker has forgotten goes on where it was", "[stories]") {
  log_world here;
  REQUIRE(here.send("a") == 0);
  REQUIRE(here.send("b") == 1);
  here.world.run_for(25h);  // longer than producer.id.expiration.ms
  here.kafka->stop_broker(0);
  here.world.run_for(10ms);
  here.kafka->start_broker(0);
  CHECK(here.send("c") == 2);
  CHECK(here.send("d") == 3);
  CHECK(here.values() == texts{"a", "b", "c", "d"});
  const auto batches = here.kafka->batches("t", 0);
  CHECK(batches.back().producer_id == batches.front().producer_id);
  CHECK(here.events() == 0);
}
