// SPDX-License-Identifier: BSL-1.0
// Leaders move, connections drop and memory runs out: every record is there once, in its order; flush and close keep
// their word.
#include "cokafka/producer.hpp"
#include "cokafka/testing.hpp"
#include "support/catch.hpp"
#include "support/embedded.hpp"
#include "support/patience.hpp"
#include "support/sending.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace cokafka_test;
using namespace std::chrono_literals;
using cokafka::broker_errc;
using cokafka::errc;
using cokafka::testing::api_key;
using cokafka::testing::cluster;
using cokafka::testing::moment;

namespace {

// A sequence of records to one partition; `value` counts.
asio::awaitable<void> send_sequence(cokafka::producer& producer, int count, std::vector<cokafka::delivery>& sent) {
  for (int i = 0; i != count; ++i) {
    const std::string value = std::to_string(sent.size());
    sent.push_back(producer.send({.topic = "t", .value = value, .partition = 0}));
    // Others run between the records, so that there are many batches.
    if (i % 5 == 0) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  }
}

// Every record once, in the order of send, at the offset that its delivery tells.
void check_exactly_once(const cluster& kafka, const std::vector<cokafka::delivery>& sent) {
  const auto stored = kafka.records("t", 0);
  REQUIRE(stored.size() == sent.size());
  for (std::size_t i = 0; i != sent.size(); ++i) {
    CAPTURE(i);
    REQUIRE(stored[i].value == std::to_string(i));
    REQUIRE(sent[i].ready());
    const answer said = sent[i].get();
    CAPTURE(said ? std::string() : said.error().message());
    REQUIRE(said.has_value());
    if (said.value().offset) REQUIRE(said.value().offset == static_cast<std::int64_t>(i));
  }
}

// Sends in rounds with `trouble` between them.
template <class Trouble>
void send_through(embedded& world, Trouble trouble) {
  world.kafka.create_topic("t", 1);
  cokafka::producer producer(world.io, world.settings());
  std::vector<cokafka::delivery> sent;
  for (int round = 0; round != 6; ++round) {
    run_program(world.io, send_sequence(producer, 100, sent));
    trouble(round);
  }
  run_program(world.io, finish(producer));
  check_exactly_once(world.kafka, sent);
}

}  // namespace

TEST_CASE("records are there once and in order when the leader moves while they are sent", "[stories]") {
  embedded world({.brokers = 3});
  send_through(world, [&](int round) { world.kafka.set_leader("t", 0, (round + 1) % 3); });
}

TEST_CASE("records are there once and in order when there is no leader for a while", "[stories]") {
  embedded world({.brokers = 3});
  send_through(world, [&](int round) { world.kafka.set_leader("t", 0, round % 2 == 0 ? -1 : round % 3); });
}

TEST_CASE("records are there once and in order when connections drop before and after the append", "[stories]") {
  embedded world;
  send_through(world, [&](int round) {
    world.kafka.drop_connection_on_next(api_key::produce, 2, round % 2 == 0 ? moment::after : moment::before);
  });
}

TEST_CASE("records are there once and in order when the broker answers errors after the append", "[stories]") {
  embedded world;
  send_through(world, [&](int round) {
    world.kafka.fail_after_append(api_key::produce, round % 2 == 0 ? broker_errc::not_enough_replicas_after_append
                                                                   : broker_errc::request_timed_out);
  });
}

TEST_CASE("records are there once and in order when a broker stops and starts", "[stories]") {
  embedded world({.brokers = 2});
  send_through(world, [&](int round) {
    if (round % 2 == 0) {
      world.kafka.stop_broker(world.kafka.leader("t", 0));
    } else {
      for (const std::int32_t each : {0, 1}) {
        if (each != world.kafka.leader("t", 0)) world.kafka.start_broker(each);
      }
    }
  });
}

TEST_CASE("flush sends what lingers and waits for all of it, and succeeds when a record failed", "[stories]") {
  embedded world;
  world.kafka.create_topic("t", 1);
  cokafka::config settings = world.settings();
  settings.linger = 60s;
  settings.linger_policy = cokafka::linger_policy::always;
  settings.delivery_timeout = 120s;
  cokafka::producer producer(world.io, settings);
  std::vector<cokafka::delivery> sent;
  run_program(world.io, send_sequence(producer, 10, sent));
  world.io.restart();
  world.io.run_for(50ms);
  CHECK_FALSE(sent.back().ready());
  const auto flush = [](cokafka::producer& of) -> asio::awaitable<void> {
    const auto flushed = co_await of.flush(asio::use_awaitable);
    flushed.value();
  };
  run_program(world.io, flush(producer));
  check_exactly_once(world.kafka, sent);

  world.kafka.fail_next(api_key::produce, broker_errc::topic_authorization_failed);
  const cokafka::delivery refused = producer.send({.topic = "t", .value = "refused", .partition = 0});
  run_program(world.io, flush(producer));
  REQUIRE(refused.ready());
  CHECK(refused.get().error() == broker_errc::topic_authorization_failed);
  CHECK(refused.get().error().fate() == cokafka::fate::not_written);
}

TEST_CASE("close fails what is not acknowledged in its time, and says how much that is", "[stories]") {
  embedded world;
  world.kafka.create_topic("t", 1);
  cokafka::producer producer(world.io, world.settings());
  std::vector<cokafka::delivery> sent;
  run_program(world.io, send_sequence(producer, 3, sent));
  const auto flush = [](cokafka::producer& of) -> asio::awaitable<void> {
    const auto flushed = co_await of.flush(asio::use_awaitable);
    flushed.value();
  };
  run_program(world.io, flush(producer));
  world.kafka.freeze(0);
  run_program(world.io, send_sequence(producer, 7, sent));
  cokafka::result<void> closed;
  const auto close = [](cokafka::producer& of, cokafka::result<void>& said) -> asio::awaitable<void> {
    said = co_await of.close(std::chrono::milliseconds(100), asio::use_awaitable);
  };
  const auto begin = std::chrono::steady_clock::now();
  run_program(world.io, close(producer, closed));
  CHECK(std::chrono::steady_clock::now() - begin < 3s);
  REQUIRE_FALSE(closed.has_value());
  CHECK(closed.error() == errc::timed_out);
  CHECK(closed.error().message().find("7 records") != std::string::npos);
  for (std::size_t i = 3; i != 10; ++i) {
    REQUIRE(sent[i].ready());
    CHECK(sent[i].get().error() == errc::closed);
  }
  CHECK(sent[3].get().error().fate() == cokafka::fate::maybe_written);
  CHECK(producer.send({.topic = "t", .value = "late"}).get().error() == errc::closed);
}

TEST_CASE("a loop that never awaits its deliveries gets along with little memory by waiting for space", "[stories]") {
  embedded world;
  world.kafka.create_topic("t", 1);
  cokafka::config settings = world.settings();
  settings.buffer_memory = 65'536;
  settings.parked_memory = 0;  // nothing can park: a send without space fails at once
  cokafka::producer producer(world.io, settings);
  const auto loop = [](cokafka::producer& of, int& full) -> asio::awaitable<void> {
    const auto warmed = co_await of.warm_up("t", asio::use_awaitable);
    warmed.value();
    const std::string padding(1000, 'x');
    for (int i = 0; i != 1000; ++i) {
      const auto space = co_await of.wait_for_space(1100, asio::use_awaitable);
      space.value();
      const std::string value = std::to_string(i) + padding;
      cokafka::delivery sent = of.send({.topic = "t", .value = value, .partition = 0});
      if (sent.ready() && !sent.get()) ++full;
      std::move(sent).detach();
    }
  };
  int full = 0;
  run_program(world.io, loop(producer, full));
  run_program(world.io, finish(producer));
  CHECK(full == 0);
  const auto stored = world.kafka.records("t", 0);
  REQUIRE(stored.size() == 1000);
  for (std::size_t i = 0; i != stored.size(); ++i) {
    REQUIRE(stored[i].value->substr(0, std::to_string(i).size() + 1) == std::to_string(i) + "x");
  }
}

TEST_CASE("waiting for space that does not come ends after max.block.ms", "[stories]") {
  embedded world;
  world.kafka.create_topic("t", 1);
  cokafka::config settings = world.settings();
  settings.buffer_memory = 65'536;
  settings.max_block = 300ms;
  cokafka::producer producer(world.io, settings);
  std::vector<cokafka::delivery> sent;
  run_program(world.io, send_sequence(producer, 1, sent));
  const auto flush = [](cokafka::producer& of) -> asio::awaitable<void> {
    const auto flushed = co_await of.flush(asio::use_awaitable);
    flushed.value();
  };
  run_program(world.io, flush(producer));
  world.kafka.freeze(0);
  const std::string padding(1000, 'x');
  for (int i = 0; i != 100; ++i) producer.send({.topic = "t", .value = padding}).detach();
  cokafka::result<void> said;
  const auto wait = [](cokafka::producer& of, cokafka::result<void>& into) -> asio::awaitable<void> {
    into = co_await of.wait_for_space(1000, asio::use_awaitable);
  };
  run_program(world.io, wait(producer, said));
  REQUIRE_FALSE(said.has_value());
  CHECK(said.error() == errc::buffer_timed_out);
}

TEST_CASE("a frozen leader stalls nothing once the partition has another one", "[stories]") {
  embedded world({.brokers = 2});
  world.kafka.create_topic("t", 1);
  cokafka::config settings = world.settings();
  settings.request_timeout = 60s;
  settings.delivery_timeout = 120s;
  cokafka::producer producer(world.io, settings);
  std::vector<cokafka::delivery> sent;
  const auto flush = [](cokafka::producer& of) -> asio::awaitable<void> {
    const auto flushed = co_await of.flush(asio::use_awaitable);
    flushed.value();
  };
  run_program(world.io, send_sequence(producer, 20, sent));
  run_program(world.io, flush(producer));
  const std::int32_t frozen = world.kafka.leader("t", 0);
  world.kafka.freeze(frozen);
  run_program(world.io, send_sequence(producer, 20, sent));
  world.io.restart();
  world.io.run_for(30ms);  // some of them are on their way to the frozen broker
  world.kafka.set_leader("t", 0, 1 - frozen);
  const auto begin = std::chrono::steady_clock::now();
  run_program(world.io, flush(producer));
  CHECK(std::chrono::steady_clock::now() - begin < 20s);  // not request.timeout.ms
  check_exactly_once(world.kafka, sent);
  world.kafka.unfreeze(frozen);  // the old leader executes what it had received, and refuses it
  run_program(world.io, send_sequence(producer, 20, sent));
  run_program(world.io, finish(producer));
  check_exactly_once(world.kafka, sent);
}

TEST_CASE("batches that are larger than the topic takes are split, and every record arrives once and in order",
          "[stories]") {
  embedded world;
  cokafka::testing::topic_options small;
  small.max_message_bytes = 2'000;
  world.kafka.create_topic("t", 1, small);
  cokafka::config settings = world.settings();
  settings.linger = 50ms;
  settings.linger_policy = cokafka::linger_policy::always;
  cokafka::producer producer(world.io, settings);
  std::vector<cokafka::delivery> sent;
  run_program(world.io, send_sequence(producer, 1000, sent));
  const cokafka::delivery lone = producer.send({.topic = "t", .value = std::string(3'000, 'v'), .partition = 0});
  run_program(world.io, finish(producer));
  check_exactly_once(world.kafka, sent);
  REQUIRE(lone.ready());
  CHECK(lone.get().error() == broker_errc::message_too_large);
  CHECK(lone.get().error().fate() == cokafka::fate::not_written);
  for (const auto& each : world.kafka.batches("t", 0)) CHECK(each.size <= 2'000);
}

TEST_CASE("only those records of a batch fail that the broker refuses", "[stories]") {
  embedded world;  // as Kafka 4: timestamps may not be more than an hour in the future
  world.kafka.create_topic("t", 1);
  cokafka::config settings = world.settings();
  settings.linger = 50ms;
  settings.linger_policy = cokafka::linger_policy::always;
  cokafka::producer producer(world.io, settings);
  const auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  std::vector<cokafka::delivery> sent;
  for (int i = 0; i != 20; ++i) {
    const std::string value = std::to_string(i);
    const auto timestamp = now + (i % 5 == 3 ? 48h : 0h);
    sent.push_back(producer.send({.topic = "t", .value = value, .partition = 0, .timestamp = timestamp}));
  }
  run_program(world.io, finish(producer));
  const auto stored = world.kafka.records("t", 0);
  REQUIRE(stored.size() == 16);
  for (std::size_t i = 0; i != sent.size(); ++i) {
    CAPTURE(i);
    REQUIRE(sent[i].ready());
    const answer said = sent[i].get();
    if (i % 5 == 3) {
      CHECK(said.error() == broker_errc::invalid_timestamp);
      CHECK(said.error().fate() == cokafka::fate::not_written);
    } else {
      REQUIRE(said.has_value());
      CHECK(stored.at(static_cast<std::size_t>(said.value().offset.value())).value == std::to_string(i));
    }
  }
}
