// SPDX-License-Identifier: BSL-1.0
// Brokers to which no connection can be made, and one that ends it instead of an answer; in virtual time.
#include "support/catch.hpp"
#include "support/sending.hpp"
#include "support/shop.hpp"

#include <boost/asio/error.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

using namespace cokafka_tests;
using cokafka::errc;
using cokafka::testing::api_key;
using cokafka::testing::cluster;
using cokafka::testing::simulation;

namespace {

// In virtual time, with broker 0 as the bootstrap server and topic "t" of one partition.
struct simulated_shop {
  explicit simulated_shop(std::int32_t leader) : kafka(net.make_cluster({.brokers = 2})) {
    settings.bootstrap_servers = kafka->address(0);
    settings.log_level = cokafka::log_level::debug;
    settings.log_sink = log.sink();
    kafka->create_topic("t", 1);
    kafka->set_leader("t", 0, leader);
  }

  cokafka::delivery send() {
    if (!shop) shop.emplace(net.make_producer(settings));
    return shop->send({.topic = "t", .value = "v", .partition = 0});
  }
  outcome wait_for(const cokafka::delivery& sent) {
    REQUIRE(net.run_until([&] { return sent.ready(); }));
    return sent.get();
  }
  std::size_t written() const { return kafka->records("t", 0).size(); }
  std::size_t times_logged(std::string_view what) const {
    const std::string text = log.text();
    std::size_t times = 0;
    for (auto at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++times;
    return times;
  }

  simulation net{3};
  std::unique_ptr<cluster> kafka;
  cokafka_test::log_lines log;
  cokafka::config settings;
  std::optional<cokafka::producer> shop;
};

}  // namespace

TEST_CASE("without file descriptors records wait and nothing spins, and when there are some again they are written",
          "[stories]") {
  const bool from_the_start = GENERATE(true, false);
  simulated_shop here(1);
  if (!from_the_start) REQUIRE(here.wait_for(here.send()).has_value());
  here.net.network().no_descriptors().cut();
  const std::uint64_t before = here.net.steps();
  const cokafka::delivery waiting = here.send();
  here.net.run_for(30s);
  CAPTURE(here.log.text());
  CHECK_FALSE(waiting.ready());
  const std::size_t attempts = here.times_logged(make_error_code(asio::error::no_descriptors).message());
  CHECK(attempts >= 20);
  CHECK(attempts <= 120);  // two connections, with a second between the attempts in the end
  CHECK(here.net.steps() - before < 3000);
  here.net.network().no_descriptors(false);
  const auto begin = here.net.elapsed();
  CHECK(here.wait_for(waiting).has_value());
  CHECK(here.net.elapsed() - begin < 5s);
  CHECK(here.written() == (from_the_start ? 1 : 2));
}

TEST_CASE("an advertised listener that cannot be reached is named in the error of the record, with the reason",
          "[stories]") {
  struct kind {
    bool silent;
    std::chrono::milliseconds timeout;
    std::string_view reason;
  };
  const kind tried = GENERATE(kind{false, 5s, "Connection refused"}, kind{true, 40s, "no connection to the broker"},
                              kind{true, 5s, "not connected"});  // the first attempt has not ended
  simulated_shop here(1);
  here.settings.request_timeout = 3s;
  here.settings.delivery_timeout = tried.timeout;
  const std::string place = here.kafka->address(1);
  tried.silent ? here.net.network().hang(place) : here.net.network().refuse(place);
  const outcome said = here.wait_for(here.send());
  REQUIRE_FALSE(said.has_value());
  CAPTURE(said.error().message());
  CHECK(said.error() == errc::timed_out);
  CHECK(said.error().fate() == cokafka::fate::not_written);
  CHECK(said.error().attempts() == 0);
  CHECK(said.error().message().find("broker 1 at " + place) != std::string::npos);
  CHECK(said.error().message().find(tried.reason) != std::string::npos);
  CHECK(here.net.elapsed() >= tried.timeout);
  here.net.network().heal();
  CHECK(here.wait_for(here.send()).has_value());
}

TEST_CASE(
    "a broker that refuses records with acks=0 ends the connection: the log says so, and later ones find the leader",
    "[stories]") {
  simulated_shop here(0);
  here.settings.acks = cokafka::acks::none;
  REQUIRE(here.wait_for(here.send()).has_value());
  here.net.run_for(1s);
  REQUIRE(here.written() == 1);
  const std::size_t asked = here.kafka->request_count(api_key::metadata);
  here.kafka->set_leader("t", 0, 1);
  CHECK(here.wait_for(here.send()).has_value());  // the socket took it: more is not known with acks=0
  here.net.run_for(1s);
  CHECK(here.written() == 1);
  CHECK(here.kafka->request_count(api_key::metadata) == asked + 1);
  CHECK(here.log.contain("with acks=0 that is how a broker refuses records"));
  for (std::size_t i = 2; i != 5; ++i) {
    CHECK(here.wait_for(here.send()).has_value());
    here.net.run_for(1s);
    CHECK(here.written() == i);
  }
}

TEST_CASE("the time that an attempt to connect may take doubles up to its maximum, for metadata and for records",
          "[stories]") {
  const bool for_metadata = GENERATE(true, false);
  simulated_shop here(1);
  here.settings.socket_connection_setup_timeout = 1s;
  here.settings.socket_connection_setup_timeout_max = 4s;
  here.settings.reconnect_backoff = 1ms;
  here.settings.reconnect_backoff_max = 1ms;
  here.net.network().hang(here.kafka->address(for_metadata ? 0 : 1));
  const cokafka::delivery waiting = here.send();
  const std::string_view failed = for_metadata ? "no metadata from" : "cannot be reached";
  auto before = here.net.elapsed();
  for (const auto expected : {1s, 2s, 4s, 4s}) {
    const std::size_t seen = here.times_logged(failed);
    REQUIRE(here.net.run_until([&] { return here.times_logged(failed) > seen; }, 30s));
    const auto took = here.net.elapsed() - before;
    CHECK(took >= 790ms * (expected / 1s));
    CHECK(took <= 1210ms * (expected / 1s) + 100ms);
    before = here.net.elapsed();
  }
}

TEST_CASE("a bootstrap server that takes connections and says nothing costs five seconds, then the next is asked",
          "[stories]") {
  simulated_shop here(1);
  here.settings.bootstrap_servers = here.kafka->address(0) + "," + here.kafka->address(1);
  here.kafka->freeze(0);
  CHECK(here.wait_for(here.send()).has_value());
  CHECK(here.net.elapsed() > 4s);
  CHECK(here.net.elapsed() < 6s);
}

TEST_CASE("a frozen broker that is being connected to does not hold its partitions either", "[stories]") {
  simulated_shop here(1);
  here.kafka->freeze(1);
  const cokafka::delivery waiting = here.send();
  here.net.run_for(3s);
  CHECK_FALSE(waiting.ready());
  here.kafka->set_leader("t", 0, 0);
  const auto begin = here.net.elapsed();
  CHECK(here.wait_for(waiting).has_value());
  CHECK(here.net.elapsed() - begin < 1500ms);  // a second of silence, and a refresh
}

TEST_CASE("of several silent servers each costs five seconds to connect to, and more in the fourth round",
          "[stories]") {
  simulated_shop here(1);
  here.settings.bootstrap_servers = here.kafka->address(0) + "," + here.kafka->address(1);
  here.settings.reconnect_backoff = here.settings.reconnect_backoff_max = 1ms;
  here.settings.delivery_timeout = 300s;
  here.settings.max_block = 300s;
  for (const int broker : {0, 1}) here.net.network().hang(here.kafka->address(broker));
  const cokafka::delivery waiting = here.send();
  here.net.run_for(31s);
  CHECK(here.times_logged("no metadata from") == 6);
  here.net.run_for(5s);
  CHECK(here.times_logged("no metadata from") == 6);
  here.net.run_for(20s);
  CHECK(here.times_logged("no metadata from") >= 8);
}
