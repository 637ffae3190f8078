// SPDX-License-Identifier: BSL-1.0
// Virtual time: everything happens exactly when it is due, and waiting costs nothing.
#include "cokafka/testing.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using cokafka::testing::simulation;
using outcome = cokafka::result<cokafka::record_metadata>;

namespace {

using moment = simulation::duration;

asio::awaitable<void> note_after(simulation& world, moment time, std::string name, std::vector<std::string>& into) {
  co_await world.sleep_for(time);
  into.push_back(name + " at " + std::to_string(world.elapsed() / 1ns));
}

asio::awaitable<void> throw_after(simulation& world, moment time) {
  co_await world.sleep_for(time);
  throw std::runtime_error("a story that fails");
}

struct answered {
  outcome what;
  moment at;
};

// Sends one record; when it is answered, writes down how and when.
void send(simulation& world, cokafka::producer& shop, const cokafka::record_view& record,
          std::optional<answered>& into) {
  shop.send(record)([&](outcome said) { into = answered{std::move(said), world.elapsed()}; });
}

cokafka::config patient(const cokafka::testing::cluster& kafka) {
  cokafka::config made;
  made.bootstrap_servers = kafka.bootstrap_servers();
  made.request_timeout = 2s;
  made.delivery_timeout = 3s;
  made.max_block = 10s;
  return made;
}

}  // namespace

TEST_CASE("a timer that is set for a moment fires at that moment, and equal ones in the order they were set",
          "[simulation]") {
  simulation world;
  std::vector<std::string> seen;
  world.spawn(note_after(world, 5ms + 1ns, "late", seen));
  world.spawn(note_after(world, 5ms, "first", seen));
  world.spawn(note_after(world, 5ms, "second", seen));
  world.spawn(note_after(world, 0ms, "at once", seen));
  CHECK(world.run());
  CHECK(seen == std::vector<std::string>{"at once at 0", "first at 5000000", "second at 5000000", "late at 5000001"});
  CHECK(world.elapsed() == 5ms + 1ns);
}

TEST_CASE("virtual time moves only as far as it is told", "[simulation]") {
  simulation world;
  std::vector<std::string> seen;
  world.spawn(note_after(world, 10h, "story", seen));
  CHECK_FALSE(world.run(9h));
  CHECK(world.elapsed() == 9h);
  world.run_for(30min);
  CHECK(world.elapsed() == 9h + 30min);
  CHECK(seen.empty());
  world.run_for(30min);
  CHECK(seen.size() == 1);
  CHECK(world.now().time_since_epoch() > 10h);  // does not begin at 0
}

TEST_CASE("a simulation in which nothing can happen any more ends where it stands", "[simulation]") {
  simulation world;
  auto kafka = world.make_cluster();
  world.run_for(1ms);
  CHECK(world.is_idle());
  CHECK_FALSE(world.run_until([] { return false; }));
  CHECK(world.elapsed() == 1ms);
}

TEST_CASE("a sleep can be cancelled", "[simulation]") {
  simulation world;
  asio::cancellation_signal signal;
  std::optional<boost::system::error_code> ended;
  world.sleep_for(1h,
                  asio::bind_cancellation_slot(signal.slot(), [&](boost::system::error_code said) { ended = said; }));
  world.run_for(1s);
  CHECK_FALSE(ended);
  signal.emit(asio::cancellation_type::total);
  CHECK_FALSE(ended);  // not inside the call
  CHECK(world.run_until([&] { return ended.has_value(); }));
  CHECK(*ended == asio::error::operation_aborted);
  CHECK(world.elapsed() == 1s);
}

TEST_CASE("what a story or a handler throws comes out of the run function", "[simulation]") {
  simulation world;
  world.spawn(throw_after(world, 1s));
  CHECK_THROWS_WITH(world.run(), "a story that fails");
  asio::post(world.context(), [] { throw std::logic_error("a handler that fails"); });
  CHECK_THROWS_WITH(world.run_for(1s), "a handler that fails");
  world.after_every_step([] { throw std::domain_error("an invariant"); });
  asio::post(world.context(), [] {});
  CHECK_THROWS_AS(world.run_for(1s), std::domain_error);
}

TEST_CASE("every handler is followed by the check of the invariants", "[simulation]") {
  simulation world;
  std::uint64_t checked = 0;
  world.after_every_step([&] { ++checked; });
  for (int i = 0; i != 10; ++i) asio::post(world.context(), [] {});
  world.run_for(1s);
  CHECK(checked == 10);
  CHECK(world.steps() == 10);
}

TEST_CASE("handlers that never let time pass are a livelock", "[simulation]") {
  simulation world;
  world.allow_steps_at_one_moment(1000);
  std::function<void()> again = [&] { asio::post(world.context(), again); };
  again();
  CHECK_THROWS_WITH(world.run_for(1h), Catch::Contains("1000 handlers ran"));
}

TEST_CASE("a stopped context goes on with the next run", "[simulation]") {
  simulation world;
  bool ran = false;
  world.context().stop();
  asio::post(world.context(), [&] { ran = true; });
  CHECK(world.run_until([&] { return ran; }));
}

TEST_CASE("a record to a broker that nothing gets to fails at exactly its deadline", "[simulation]") {
  simulation world(7);
  auto kafka = world.make_cluster();
  auto shop = world.make_producer(patient(*kafka));
  std::optional<answered> first, written, unsent;
  send(world, shop, {.topic = "orders", .value = "1"}, first);
  REQUIRE(world.run_until([&] { return first.has_value(); }));
  REQUIRE(first->what.has_value());

  world.network().black_hole(kafka->address(0));
  const moment sent = world.elapsed();
  send(world, shop, {.topic = "orders", .value = "2"}, written);
  REQUIRE(world.run_until([&] { return written.has_value(); }));
  CHECK(written->at - sent == 3s);
  CHECK(written->what.error() == cokafka::errc::timed_out);
  CHECK(written->what.error().fate() == cokafka::fate::maybe_written);

  const moment sent_later = world.elapsed() + 100ms;
  world.run_for(100ms);
  send(world, shop, {.topic = "orders", .value = "3", .timeout = 1234ms}, unsent);
  REQUIRE(world.run_until([&] { return unsent.has_value(); }));
  CHECK(unsent->at - sent_later == 1234ms);
  CHECK_THAT(unsent->what.error().message(), Catch::Contains(kafka->address(0) + " is not connected"));
  CHECK(unsent->what.error().fate() == cokafka::fate::not_written);
}

TEST_CASE("each deadline is exact wherever its record waits", "[simulation]") {
  const std::string state = GENERATE("parked", "open", "in backoff", "in flight");
  simulation world(11);
  auto kafka = world.make_cluster({.auto_create_topics = false});
  auto config = patient(*kafka);
  config.delivery_timeout = 20s;
  if (state == "open") {
    config.linger_policy = cokafka::linger_policy::always;
    config.linger = 10s;
  }
  config.retry_backoff = config.retry_backoff_max = 10s;
  auto shop = world.make_producer(config);
  if (state != "parked") kafka->create_topic("orders", 1);
  if (state == "in backoff" || state == "in flight") {
    std::optional<answered> first;
    send(world, shop, {.topic = "orders", .value = "first"}, first);
    REQUIRE(world.run_until([&] { return first.has_value(); }));
    REQUIRE(first->what.has_value());
    if (state == "in flight") kafka->freeze(0);
    if (state == "in backoff") {
      kafka->fail_next(cokafka::testing::api_key::produce, cokafka::broker_errc::not_enough_replicas, 1000);
    }
  }
  world.run_for(123'457ns);
  const moment sent = world.elapsed();
  std::vector<std::optional<answered>> told(30);
  std::vector<std::chrono::milliseconds> timeouts;
  for (auto& each : told) {
    timeouts.push_back(500ms + std::chrono::milliseconds(world.random(1000)));
    send(world, shop, {.topic = "orders", .value = "v", .timeout = timeouts.back()}, each);
  }
  REQUIRE(world.run_until([&] { return std::all_of(told.begin(), told.end(), [](auto& each) { return !!each; }); }));
  for (std::size_t i = 0; i < told.size(); ++i) {
    CHECK(told[i]->at - sent == timeouts[i]);
    REQUIRE_FALSE(told[i]->what.has_value());
    // A sealed batch goes on for the sake of those that are not due yet.
    const bool is_sealed = state == "in backoff" || state == "in flight";
    if (!is_sealed) CHECK(told[i]->what.error().fate() == cokafka::fate::not_written);
    if (state == "in flight") CHECK(told[i]->what.error().fate() == cokafka::fate::maybe_written);
  }
}

TEST_CASE("a frozen broker whose records are parked does not make the batches of others go early", "[simulation]") {
  simulation world(12);
  world.network().delay(0ns, 0ns);
  auto kafka = world.make_cluster({.brokers = 2});
  kafka->create_topic("orders", 2);
  auto config = patient(*kafka);
  config.linger = 7ms;
  config.linger_policy = cokafka::linger_policy::always;
  config.buffer_memory = 128 * 1024;
  auto shop = world.make_producer(config);
  std::optional<answered> first, second;
  send(world, shop, {.topic = "orders", .value = "1", .partition = 1}, first);
  REQUIRE(world.run_until([&] { return first.has_value(); }));
  kafka->freeze(kafka->leader("orders", 0));
  const std::string large(3000, 'v');
  for (int i = 0; i != 60; ++i) shop.send({.topic = "orders", .value = large, .partition = 0}).detach();
  world.run_for(1s);
  CHECK(shop.outstanding().records == 60);
  const moment sent = world.elapsed();
  send(world, shop, {.topic = "orders", .value = "2", .partition = 1}, second);
  REQUIRE(world.run_until([&] { return second.has_value(); }));
  CHECK(second->what.has_value());
  CHECK(second->at - sent == 7ms);
}

TEST_CASE("a batch lingers exactly linger.ms", "[simulation]") {
  simulation world;
  world.network().delay(0ns, 0ns);
  auto kafka = world.make_cluster();
  auto config = patient(*kafka);
  config.linger = 7ms;
  config.linger_policy = cokafka::linger_policy::always;
  auto shop = world.make_producer(config);
  std::optional<answered> first, second;
  send(world, shop, {.topic = "orders", .value = "1"}, first);
  REQUIRE(world.run_until([&] { return first.has_value(); }));
  world.run_for(1s);
  const moment sent = world.elapsed();
  send(world, shop, {.topic = "orders", .value = "2"}, second);
  REQUIRE(world.run_until([&] { return second.has_value(); }));
  CHECK(second->what.has_value());
  CHECK(second->at - sent == 7ms);
}

TEST_CASE("a far broker has five requests of a megabyte under way, also with batch.size at 16 KiB", "[simulation]") {
  for (const int partitions : {1, 6}) {
    simulation world;
    world.network().delay(25ms, 25ms).window(16 * 1024 * 1024);
    auto kafka = world.make_cluster();
    kafka->create_topic("orders", partitions);
    auto shop = world.make_producer({.bootstrap_servers = kafka->bootstrap_servers()});
    bool warm = false, flushed = false;
    shop.warm_up("orders", [&](cokafka::result<void> said) { warm = said.has_value(); });
    REQUIRE(world.run_until([&] { return warm; }));
    const moment begin = world.elapsed();
    const std::string value(1000, 'v');
    for (int i = 0; i != 12'000; ++i) {
      shop.send({.topic = "orders", .value = value, .partition = i % partitions}).detach();
    }
    shop.flush([&](cokafka::result<void>) { flushed = true; });
    REQUIRE(world.run_until([&] { return flushed; }));
    // Twelve megabytes: the first batch of a partition goes alone (guarantee.md, rule 4), the rest five at a time.
    CHECK(world.elapsed() - begin >= 150ms);
    CHECK(world.elapsed() - begin < 201ms);
    std::size_t written = 0;
    for (int i = 0; i != partitions; ++i) written += kafka->records("orders", i).size();
    CHECK(written == 12'000);
  }
}

TEST_CASE("a refused batch is tried again after retry.backoff.ms, 20 % more or less", "[simulation]") {
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U}) {
    simulation world(seed);
    world.network().delay(0ns, 0ns);
    auto kafka = world.make_cluster();
    auto config = patient(*kafka);
    config.retry_backoff = 100ms;
    auto shop = world.make_producer(config);
    std::optional<answered> first, second;
    send(world, shop, {.topic = "orders", .value = "1"}, first);
    REQUIRE(world.run_until([&] { return first.has_value(); }));
    kafka->fail_next(cokafka::testing::api_key::produce, cokafka::broker_errc::not_enough_replicas);
    const moment sent = world.elapsed();
    send(world, shop, {.topic = "orders", .value = "2"}, second);
    REQUIRE(world.run_until([&] { return second.has_value(); }));
    CHECK(second->what.has_value());
    CHECK(second->at - sent >= 80ms);
    CHECK(second->at - sent <= 120ms);
    CHECK(second->at - sent != 100ms);  // jitter
  }
}

TEST_CASE("the wall clock can jump without any timer noticing", "[simulation]") {
  simulation world;
  auto kafka = world.make_cluster();
  kafka->create_topic("orders", 1, {.log_append_time = true});
  auto shop = world.make_producer(patient(*kafka));
  std::vector<std::string> seen;
  world.spawn(note_after(world, 1s, "story", seen));
  const auto before = world.wall_now();
  world.jump_wall_clock(-48h);
  CHECK(world.wall_now() == before - 48h);
  std::optional<answered> first;
  send(world, shop, {.topic = "orders", .value = "1"}, first);
  CHECK(world.run());
  CHECK(seen == std::vector<std::string>{"story at 1000000000"});
  REQUIRE(first);
  REQUIRE(first->what);
  const auto stamped = first->what.value().timestamp;
  CHECK(stamped > before - 48h);
  CHECK(stamped < before - 47h);
}

TEST_CASE("the trace keeps the newest lines, and the fingerprint counts all of them", "[simulation]") {
  simulation one, other;
  one.keep_trace(2);
  for (simulation* each : {&one, &other}) {
    each->trace("first");
    each->run_for(1500ms);
    each->trace("second");
    each->trace("");
  }
  CHECK(one.trace_text() == "   1.500000000  second\n   1.500000000  \n");
  CHECK_THAT(other.trace_text(), Catch::Contains("0.000000000  first\n"));
  CHECK(one.fingerprint() == other.fingerprint());
  other.trace("third");
  CHECK(one.fingerprint() != other.fingerprint());
}

TEST_CASE("stories draw numbers that depend on the seed only", "[simulation]") {
  simulation one(5), same(5), other(6);
  auto kafka = same.make_cluster();  // draws from another stream
  bool differs = false;
  for (int i = 0; i != 100; ++i) {
    const auto drawn = one.random(1000);
    CHECK(drawn < 1000);
    CHECK(drawn == same.random(1000));
    if (drawn != other.random(1000)) differs = true;
  }
  CHECK(differs);
  CHECK(one.random(0) == 0);
}
