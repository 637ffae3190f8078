// SPDX-License-Identifier: BSL-1.0
// The sentences of docs/asio.md up to 21 that are not shown elsewhere (threads_test, lifetime_test).
#include "support/catch.hpp"
#include "support/shop.hpp"

#include <atomic>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

using namespace cokafka_tests;
using cokafka::errc;

namespace {

constexpr cokafka::record_view bad{.topic = "not a topic", .value = "one"};

/// A token that tells the executor of the initiation instead of beginning it.
struct ask_executor {};

std::size_t stored(const shop_and_kafka& world) { return world.kafka.records("orders", 0).size(); }

void warm(shop_and_kafka& world) {
  REQUIRE(run_coroutine(world.io, [](cokafka::producer& shop) -> asio::awaitable<void> {
    const auto done = co_await shop.warm_up("orders");
    CHECK(done);
  }(world.shop)));
}

}  // namespace

template <class Signature>
struct boost::asio::async_result<ask_executor, Signature> {
  template <class Initiation, class... Arguments>
  static boost::asio::any_io_executor initiate(Initiation&& initiation, ask_executor, Arguments&&...) {
    if constexpr (requires { initiation.get_executor(); }) return initiation.get_executor();
    return {};
  }
};

TEST_CASE("asio.md 1: send takes the record in and returns an operation", "[asio]") {
  shop_and_kafka world;
  cokafka::delivery delivery = world.shop.send(one);
  CHECK(world.shop.outstanding().records == 1);
  std::optional<std::int64_t> offset;
  std::move(delivery)([&](cokafka::result<cokafka::record_metadata> sent) { offset = sent.value().offset; });
  CHECK(run_until(world.io, [&] { return offset == 0; }));
}

TEST_CASE("asio.md 2: with a lazy token the record has been taken in, and its bytes are free", "[asio]") {
  shop_and_kafka world;
  {
    std::string value = "gone soon";
    auto never_begun = world.shop.send({.topic = "orders", .value = value}, asio::deferred);
    value.assign(value.size(), 'x');
  }
  CHECK(run_until(world.io, [&] { return stored(world) == 1; }));
  CHECK(world.kafka.records("orders", 0)[0].value == "gone soon");
}

TEST_CASE("asio.md 3: flush and its like have results too, and begin when their token does", "[asio]") {
  shop_and_kafka world;
  world.shop.send(one).detach();
  {
    auto never_begun = world.shop.close(1s);  // deferred: destroying it closes nothing
  }
  int done = 0;
  world.shop.flush([&](cokafka::result<void> flushed) { done += flushed.has_value(); });
  world.shop.wait_for_space(100, [&](cokafka::result<void> space) { done += space.has_value(); });
  world.shop.warm_up("orders", [&](cokafka::result<void> warm) { done += warm.has_value(); });
  world.shop.partitions_for("orders", [&](cokafka::result<std::vector<cokafka::partition_info>> found) {
    done += found.value().size() == 1;
  });
  CHECK(run_until(world.io, [&] { return done == 4; }));
  world.shop.close(1s, [&](cokafka::result<void> closed) { done += closed.has_value(); });
  CHECK(run_until(world.io, [&] { return done == 5; }));
}

TEST_CASE("asio.md 4: operations and deliveries are awaited without a token", "[asio]") {
  shop_and_kafka world;
  CHECK(run_coroutine(world.io, [](cokafka::producer& shop) -> asio::awaitable<void> {
    const auto sent = co_await shop.send(one);
    CHECK(sent);
    const auto flushed = co_await shop.flush();
    CHECK(flushed);
    const auto closed = co_await shop.close(1s);
    CHECK(closed);
  }(world.shop)));
}

TEST_CASE("asio.md 5: a named delivery is moved into its await", "[asio]") {
  const auto handler = [](const outcome&) {};
  STATIC_REQUIRE(std::is_invocable_v<cokafka::delivery, decltype(handler)>);
  STATIC_REQUIRE_FALSE(std::is_invocable_v<cokafka::delivery&, decltype(handler)>);
  shop_and_kafka world;
  CHECK(run_coroutine(world.io, [](cokafka::producer& shop) -> asio::awaitable<void> {
    auto named = shop.send(one);
    const auto sent = co_await std::move(named);
    CHECK(sent);
  }(world.shop)));
}

TEST_CASE("asio.md 6, 7 and 11: awaiting does not throw, redirect_error changes nothing, value() throws", "[asio]") {
  shop_and_kafka world;
  CHECK(run_coroutine(world.io, [](cokafka::producer& shop) -> asio::awaitable<void> {
    const auto sent = co_await shop.send(bad);
    CHECK(sent.error() == errc::invalid_topic);
    CHECK_THROWS_AS(sent.value(), cokafka::exception);
    auto code = make_error_code(boost::system::errc::address_in_use);
    const auto again = co_await shop.send(bad)(asio::redirect_error(asio::use_awaitable, code));
    CHECK(again.error() == errc::invalid_topic);
    CHECK(code == boost::system::errc::address_in_use);
  }(world.shop)));
}

TEST_CASE("asio.md 8 and 9: || and && see a failed record as completed", "[asio]") {
  using namespace asio::experimental::awaitable_operators;
  shop_and_kafka world;
  asio::steady_timer hour(world.io, 1h);
  asio::steady_timer moment(world.io, 10ms);
  CHECK(run_coroutine(
      world.io,
      [](cokafka::producer& shop, asio::steady_timer& late, asio::steady_timer& soon) -> asio::awaitable<void> {
        const auto first = co_await (shop.send(bad)(asio::use_awaitable) || late.async_wait(asio::use_awaitable));
        REQUIRE(first.index() == 0);
        CHECK(std::get<0>(first).error() == errc::invalid_topic);
        // A cancelled wait would throw.
        const auto both = co_await (shop.send(bad)(asio::use_awaitable) && soon.async_wait(asio::use_awaitable));
        CHECK(both.error() == errc::invalid_topic);
      }(world.shop, hour, moment)));
}

TEST_CASE("asio.md 10: future.get() returns a result", "[asio]") {
  running_context context;
  cokafka::producer shop(context.io);
  CHECK(shop.send(bad)(asio::use_future).get().error() == errc::invalid_topic);
  context.stop();
}

TEST_CASE("asio.md 12: a default-constructed result is errc::no_result", "[asio]") {
  CHECK(outcome().error() == errc::no_result);
}

TEST_CASE("asio.md 14: no handler runs inside the call that begins its operation", "[asio]") {
  shop_and_kafka world;
  int called = 0;
  world.shop.send(bad)([&](const outcome&) { ++called; });
  world.shop.flush([&](const cokafka::result<void>&) { ++called; });
  world.shop.wait_for_space(1, [&](const cokafka::result<void>&) { ++called; });
  world.shop.partitions_for("not a topic", [&](const auto&) { ++called; });
  CHECK(called == 0);
  CHECK(run_until(world.io, [&] { return called == 4; }));
  // Also inside a handler of the same executor, where Asio's dispatch would run it at once.
  auto ready = world.shop.send(one);
  REQUIRE(run_until(world.io, [&] { return ready.ready(); }));
  bool inside = false;
  asio::post(world.io, [&] {
    bool done = false;
    std::move(ready)([&](const outcome&) { ++called; });
    inside = called != 4 || done;
  });
  CHECK(run_until(world.io, [&] { return called == 5; }));
  CHECK_FALSE(inside);
}

TEST_CASE("asio.md 15: initiations know the producer's executor", "[asio]") {
  shop_and_kafka world;
  const asio::any_io_executor executor = world.shop.get_executor();
  CHECK(world.shop.send(bad)(ask_executor()) == executor);
  CHECK(world.shop.flush(ask_executor()) == executor);
  CHECK(world.shop.close(1s, ask_executor()) == executor);
  CHECK(world.shop.wait_for_space(1, ask_executor()) == executor);
  CHECK(world.shop.partitions_for("orders", ask_executor()) == executor);
  CHECK(world.shop.warm_up("orders", ask_executor()) == executor);
}

TEST_CASE("asio.md 16 and 18: a batch is one post, but at most 256 handlers or 100 microseconds of it", "[asio]") {
  const auto pause = GENERATE(0us, 30us);
  shop_and_kafka world;
  warm(world);
  constexpr int records = 1000;
  int called = 0, in_a_row = 0, most = 0, turns = 0;
  for (int i = 0; i < records; ++i) {
    world.shop.send(one)([&, pause](const outcome&) {
      const auto until = std::chrono::steady_clock::now() + pause;
      while (std::chrono::steady_clock::now() < until) {
      }
      ++called;
      most = std::max(most, ++in_a_row);
    });
  }
  // Somebody else who always wants to run.
  std::function<void()> other = [&] {
    turns += in_a_row > 0;
    in_a_row = 0;
    if (called < records) asio::post(world.io, other);
  };
  asio::post(world.io, other);
  CHECK(run_until(world.io, [&] { return called == records; }));
  CHECK(most <= 256);
  if (pause > 0us) CHECK(most <= 16);
  if (pause == 0us) CHECK(most >= 16);  // one post per handler would give 1
  CHECK(turns >= records / 256);
}

TEST_CASE("asio.md 19: a handler on another executor is outstanding work there", "[asio]") {
  shop_and_kafka world;
  asio::io_context other;
  bool called = false;
  world.shop.send(one)(asio::bind_executor(other, [&](const outcome&) { called = true; }));
  world.shop.send(bad).detach();
  CHECK(other.run_for(20ms) == 0);
  CHECK_FALSE(other.stopped());  // run() would return at once without work
  CHECK(run_until(world.io, [&] { return stored(world) == 1 && other.poll() > 0; }));
  CHECK(called);
  CHECK(other.stopped());
}

TEST_CASE("asio.md 20: what a handler throws leaves run(), and the others run all the same", "[asio]") {
  shop_and_kafka world;
  warm(world);
  int called = 0, thrown = 0;
  for (int i = 0; i < 100; ++i) {
    world.shop.send(one)([&, i](const outcome&) {
      ++called;
      if (i % 10 == 0) throw std::runtime_error("a handler's own trouble");
    });
  }
  for (int turns = 0; turns < 1000 && called < 100; ++turns) {
    try {
      run_until(world.io, [&] { return called == 100; });
    } catch (const std::runtime_error&) {
      ++thrown;
    }
  }
  CHECK(called == 100);
  CHECK(thrown == 10);
}

TEST_CASE("asio.md 21: an idle connected producer keeps run() going until it is closed or destroyed", "[asio]") {
  const bool by_close = GENERATE(true, false);
  kafka_elsewhere broker;
  asio::io_context io;
  std::optional<cokafka::producer> shop(std::in_place, io, config_for(broker.kafka));
  bool sent = false;
  shop->send(one)([&](const outcome& answer) { sent = answer.has_value(); });
  io.run_for(300ms);
  CHECK(run_until(io, [&] { return sent; }));
  io.restart();
  io.run_for(100ms);
  CHECK_FALSE(io.stopped());
  if (by_close) {
    shop->close(5s, [](const cokafka::result<void>&) {});
  } else {
    shop.reset();
  }
  io.run_for(patience);
  CHECK(io.stopped());
}
