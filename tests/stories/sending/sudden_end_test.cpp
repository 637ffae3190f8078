// SPDX-License-Identifier: BSL-1.0
// The producer or its io_context ends with records in flight: every delivery completes or is dropped with its waiter.
#include "cokafka/producer.hpp"
#include "cokafka/testing.hpp"
#include "support/catch.hpp"
#include "support/patience.hpp"
#include "support/sending.hpp"

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>
#include <utility>

namespace asio = boost::asio;
using namespace cokafka_test;
using namespace std::chrono_literals;
using cokafka::testing::cluster;

// --- everything ends with records in flight --------------------------------------------------------------------------

namespace {

struct counted_answers {
  int values = 0;
  int errors = 0;
  int destroyed = 0;
};

// A handler that is either called or destroyed; both are counted.
class counting_handler {
 public:
  explicit counting_handler(counted_answers& into) : into_(&into) {}
  counting_handler(counting_handler&& other) noexcept : into_(std::exchange(other.into_, nullptr)) {}
  counting_handler(const counting_handler&) = delete;
  ~counting_handler() {
    if (into_ != nullptr) ++into_->destroyed;
  }
  void operator()(answer said) {
    ++(said ? std::exchange(into_, nullptr)->values : std::exchange(into_, nullptr)->errors);
  }

 private:
  counted_answers* into_;
};

// Records that are parked, in open batches and in flight to a broker that does not answer.
void send_in_all_states(cluster& kafka, cokafka::producer& producer, asio::io_context& io, counted_answers& counted) {
  kafka.create_topic("t", 2);
  answer first;
  run_program(io, send_one(producer, {.topic = "t", .value = "first"}, first));
  REQUIRE(first.has_value());
  kafka.freeze(0);
  for (int i = 0; i != 20; ++i) producer.send({.topic = "t", .value = "v"}, counting_handler(counted));
  io.restart();
  io.run_for(30ms);
  for (int i = 0; i != 20; ++i) producer.send({.topic = "t", .value = "v"}, counting_handler(counted));
  for (int i = 0; i != 20; ++i) producer.send({.topic = "parked", .value = "v"}, counting_handler(counted));
  io.restart();
  io.run_for(30ms);
}

}  // namespace

TEST_CASE("a producer that is destroyed with records in flight completes every delivery and says how many",
          "[stories]") {
  counted_answers counted;
  log_lines log;
  {
    asio::io_context io;
    cluster kafka(io);
    cokafka::config settings = patient(kafka.bootstrap_servers());
    settings.log_sink = log.sink();
    {
      cokafka::producer producer(io, settings);
      send_in_all_states(kafka, producer, io, counted);
      CHECK(counted.values + counted.errors + counted.destroyed == 0);
    }
    io.restart();
    for (int i = 0; i != 500 && counted.errors != 60; ++i) io.run_for(10ms);
    CHECK(counted.errors == 60);
  }
  CHECK(counted.values == 0);
  CHECK(counted.destroyed == 0);
  CHECK(log.contain("60 records"));
}

TEST_CASE("an io_context that is destroyed with records in flight destroys every waiter", "[stories]") {
  counted_answers counted;
  {
    std::optional<cokafka::producer> producer;
    asio::io_context io;
    cluster kafka(io);
    cokafka::config settings = patient(kafka.bootstrap_servers());
    producer.emplace(io, settings);
    send_in_all_states(kafka, *producer, io, counted);
    io.stop();
    producer.reset();  // its deliveries can only be told by the io_context, which does not run any more
  }
  CHECK(counted.values + counted.errors + counted.destroyed == 60);
  CHECK(counted.values == 0);
}

TEST_CASE("a producer may outlive its io_context", "[stories]") {
  counted_answers counted;
  std::optional<cokafka::producer> producer;
  {
    asio::io_context io;
    cluster kafka(io);
    producer.emplace(io, patient(kafka.bootstrap_servers()));
    send_in_all_states(kafka, *producer, io, counted);
  }
  CHECK(counted.values + counted.errors + counted.destroyed == 60);
  producer.reset();
}

TEST_CASE("an io_context that is stopped and restarted with records in flight delivers them all", "[stories]") {
  counted_answers counted;
  asio::io_context io;
  cluster kafka(io);
  cokafka::config settings = patient(kafka.bootstrap_servers());
  cokafka::producer producer(io, settings);
  send_in_all_states(kafka, producer, io, counted);
  io.stop();
  CHECK(io.run() == 0);
  io.restart();
  kafka.unfreeze(0);
  run_program(io, finish(producer));
  io.restart();
  io.run_for(10ms);
  CHECK(counted.values == 60);
  CHECK(kafka.records("t", 0).size() + kafka.records("t", 1).size() == 41);
  CHECK(kafka.records("parked", 0).size() == 20);
}
