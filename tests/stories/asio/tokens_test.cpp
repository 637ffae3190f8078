// SPDX-License-Identifier: BSL-1.0
// Every use of a completion token that compiles (compile/tokens/expected.txt) also sends a record and gets its
// metadata.
#include "support/catch.hpp"
#include "support/shop.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/consign.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/co_spawn.hpp>
#include <boost/asio/experimental/coro.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/experimental/promise.hpp>
#include <boost/asio/experimental/use_coro.hpp>
#include <boost/asio/experimental/use_promise.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/version.hpp>
#if BOOST_VERSION >= 108600
#include <boost/asio/cancel_after.hpp>
#endif
#include <memory>
#include <vector>

using namespace cokafka_tests;

namespace {

struct token_world : shop_and_kafka {
  int taken = 0;

  void take(const outcome& sent) {
    REQUIRE(sent);
    CHECK(sent.value().topic.str() == "orders");
    CHECK(sent.value().partition == 0);
    CHECK(sent.value().offset == taken);
    CHECK(sent.value().value_size == 3U);
    ++taken;
  }
  auto taker() {
    return [this](const outcome& sent) { take(sent); };
  }
  /// Runs until so many results have been taken and as many records are in the log.
  void expect(int count) {
    CHECK(run_until(io, [&] { return taken >= count; }));
    CHECK(kafka.records("orders", 0).size() == static_cast<std::size_t>(count));
  }
  void run(asio::awaitable<void> body, int count = 1) {
    CHECK(run_coroutine(io, std::move(body)));
    expect(count);
  }
  asio::steady_timer never{io, 1h};
};

using world = token_world;

asio::experimental::coro<void, void> in_coro(asio::io_context&, world& w, int how) {
  if (how == 0) {
    auto sent = co_await w.shop.send(one);
    w.take(sent);
  }
#if BOOST_VERSION >= 108600
  if (how == 1) {
    auto sent = co_await w.shop.send(one)(asio::experimental::use_coro);
    w.take(sent);
  }
#endif
}

}  // namespace

TEST_CASE("token direct: a delivery is awaited as it is", "[asio]") {
  world w;
  w.run([](world& in) -> asio::awaitable<void> { in.take(co_await in.shop.send(one)); }(w));
}

TEST_CASE("token await_nodiscard: a result that nobody looks at is a record that was sent", "[asio]") {
  world w;
  CHECK(run_coroutine(w.io, [](world& in) -> asio::awaitable<void> { (void)co_await in.shop.send(one); }(w)));
  CHECK(w.kafka.records("orders", 0).size() == 1);
}

TEST_CASE("token deferred", "[asio]") {
  world w;
  w.run([](world& in) -> asio::awaitable<void> { in.take(co_await in.shop.send(one)(asio::deferred)); }(w));
}

TEST_CASE("token def_then: deferred with a continuation", "[asio]") {
  world w;
  w.shop.send(one)(asio::deferred([](outcome sent) { return asio::deferred.values(std::move(sent)); }))(w.taker());
  w.expect(1);
}

TEST_CASE("token use_awaitable, and use_awaitable3: as the second argument", "[asio]") {
  world w;
  w.run(
      [](world& in) -> asio::awaitable<void> {
        in.take(co_await in.shop.send(one)(asio::use_awaitable));
        in.take(co_await in.shop.send(one, asio::use_awaitable));
      }(w),
      2);
}

TEST_CASE("token as_tuple_def, and as_tuple_ua", "[asio]") {
  world w;
  w.run(
      [](world& in) -> asio::awaitable<void> {
        auto [first] = co_await in.shop.send(one)(asio::as_tuple(asio::deferred));
        in.take(first);
        auto [second] = co_await in.shop.send(one)(asio::as_tuple(asio::use_awaitable));
        in.take(second);
      }(w),
      2);
}

TEST_CASE("token redirect", "[asio]") {
  world w;
  w.run([](world& in) -> asio::awaitable<void> {
    boost::system::error_code code;
    in.take(co_await in.shop.send(one)(asio::redirect_error(asio::use_awaitable, code)));
  }(w));
}

TEST_CASE("token cb_byref: handlers that take the result by reference", "[asio]") {
  world w;
  w.shop.send(one)([&](const outcome& sent) { w.take(sent); });
  w.shop.send(one)([&](auto&& sent) { w.take(sent); });
  w.expect(2);
}

TEST_CASE("token moveonly: a handler that can only be moved", "[asio]") {
  world w;
  w.shop.send(one)([&w, owned = std::make_unique<int>(1)](const outcome& sent) {
    CHECK(*owned == 1);
    w.take(sent);
  });
  w.expect(1);
}

TEST_CASE("token any_handler: a type-erased handler", "[asio]") {
  world w;
  w.shop.send(one)(asio::any_completion_handler<void(outcome)>(w.taker()));
  w.expect(1);
}

TEST_CASE("token detached, both ways to pass it", "[asio]") {
  world w;
  w.shop.send(one)(asio::detached);
  w.shop.send(one, asio::detached);
  CHECK(run_until(w.io, [&] { return w.kafka.records("orders", 0).size() == 2; }));
}

TEST_CASE("token bind_alloc", "[asio]") {
  world w;
  w.shop.send(one)(asio::bind_allocator(std::allocator<int>(), w.taker()));
  w.expect(1);
}

TEST_CASE("token consign: keeps its guest until the handler has run", "[asio]") {
  world w;
  auto guest = std::make_shared<int>(1);
  w.shop.send(one)(asio::consign(w.taker(), guest));
  CHECK(guest.use_count() > 1);
  w.expect(1);
  CHECK(guest.use_count() == 1);
}

TEST_CASE("token bind_exec: the handler runs on its own context", "[asio]") {
  world w;
  asio::io_context other;
  w.shop.send(one)(asio::bind_executor(other, w.taker()));
  CHECK(run_until(w.io, [&] { return w.kafka.records("orders", 0).size() == 1 && other.poll_one() > 0; }));
  CHECK(w.taken == 1);
}

TEST_CASE("token bind_exec_def", "[asio]") {
  world w;
  w.run([](world& in) -> asio::awaitable<void> {
    in.take(co_await in.shop.send(one)(asio::bind_executor(in.io, asio::deferred)));
  }(w));
}

TEST_CASE("token bind_slot_lambda, and bind_slot_ua", "[asio]") {
  world w;
  asio::cancellation_signal signal;
  w.shop.send(one)(asio::bind_cancellation_slot(signal.slot(), w.taker()));
  w.expect(1);
  asio::cancellation_signal another;
  w.run(
      [](world& in, asio::cancellation_signal& by) -> asio::awaitable<void> {
        in.take(co_await in.shop.send(one)(asio::bind_cancellation_slot(by.slot(), asio::use_awaitable)));
      }(w, another),
      2);
}

TEST_CASE("token channel: results go through a channel", "[asio]") {
  world w;
  using pipe = asio::experimental::channel<void(boost::system::error_code, outcome)>;
  pipe results(w.io, 4);
  w.shop.send(one)([&](const outcome& sent) { CHECK(results.try_send(boost::system::error_code(), sent)); });
  w.run([](world& in, pipe& from) -> asio::awaitable<void> {
    in.take(co_await from.async_receive(asio::use_awaitable));
  }(w, results));
}

TEST_CASE("token promise: started now, awaited later", "[asio]") {
  world w;
  w.run(
      [](world& in) -> asio::awaitable<void> {
        auto promised = in.shop.send(one)(asio::experimental::use_promise);
        // Boost 1.81 hands a moved-from result to who waits already when the answer comes: this one comes first.
        in.shop.send(one).detach();
        (void)co_await in.shop.flush();
        in.take(co_await std::move(promised)(asio::use_awaitable));
        ++in.taken;
      }(w),
      2);
}

TEST_CASE("token coro_dlv: a delivery awaited inside an experimental coro", "[asio]") {
  world w;
  bool done = false;
  asio::experimental::co_spawn(in_coro(w.io, w, 0), [&](std::exception_ptr) { done = true; });
  CHECK(run_until(w.io, [&] { return done; }));
  w.expect(1);
}

TEST_CASE("token oper_and_ua: two records joined by &&", "[asio]") {
  using namespace asio::experimental::awaitable_operators;
  world w;
  w.run(
      [](world& in) -> asio::awaitable<void> {
        auto [first, second] =
            co_await (in.shop.send(one)(asio::use_awaitable) && in.shop.send(one)(asio::use_awaitable));
        in.take(first);
        in.take(second);
      }(w),
      2);
}

TEST_CASE("token oper_or_ua: a record is faster than an hour", "[asio]") {
  using namespace asio::experimental::awaitable_operators;
  world w;
  w.run([](world& in) -> asio::awaitable<void> {
    auto first = co_await (in.shop.send(one)(asio::use_awaitable) || in.never.async_wait(asio::use_awaitable));
    REQUIRE(first.index() == 0);
    in.take(std::get<0>(first));
  }(w));
}

TEST_CASE("token pgroup, and pgroup_def", "[asio]") {
  world w;
  w.run(
      [](world& in) -> asio::awaitable<void> {
        auto [order, sent, code] =
            co_await asio::experimental::make_parallel_group(in.shop.send(one), in.never.async_wait(asio::deferred))
                .async_wait(asio::experimental::wait_for_one(), asio::deferred);
        CHECK(order[0] == 0);
        in.take(sent);
        auto [order2, sent2, code2] = co_await asio::experimental::make_parallel_group(
                                          in.shop.send(one)(asio::deferred), in.never.async_wait(asio::deferred))
                                          .async_wait(asio::experimental::wait_for_one(), asio::deferred);
        CHECK(order2[0] == 0);
        in.take(sent2);
      }(w),
      2);
}

TEST_CASE("token pgroup_vec, and pgroup_vec_def", "[asio]") {
  world w;
  w.run(
      [](world& in) -> asio::awaitable<void> {
        std::vector<cokafka::delivery> plain;
        for (int i = 0; i < 3; ++i) plain.push_back(in.shop.send(one));
        auto [order, sent] = co_await asio::experimental::make_parallel_group(std::move(plain))
                                 .async_wait(asio::experimental::wait_for_all(), asio::deferred);
        for (const auto& each : sent) in.take(each);
        std::vector<decltype(in.shop.send(one)(asio::deferred))> lazy;
        for (int i = 0; i < 3; ++i) lazy.push_back(in.shop.send(one)(asio::deferred));
        auto [order2, sent2] = co_await asio::experimental::make_parallel_group(std::move(lazy))
                                   .async_wait(asio::experimental::wait_for_all(), asio::deferred);
        for (const auto& each : sent2) in.take(each);
      }(w),
      6);
}

TEST_CASE("token spawn_awres_lambda, spawn_awres_det, and spawn_md", "[asio]") {
  world w;
  asio::co_spawn(
      w.io, [](world& in) -> asio::awaitable<outcome> { co_return co_await in.shop.send(one); }(w),
      [&](std::exception_ptr, const outcome& sent) { w.take(sent); });
  w.expect(1);
  asio::co_spawn(
      w.io, [](world& in) -> asio::awaitable<outcome> { co_return co_await in.shop.send(one); }(w), asio::detached);
  asio::co_spawn(
      w.io,
      [](world& in) -> asio::awaitable<cokafka::record_metadata> { co_return (co_await in.shop.send(one)).value(); }(w),
      asio::detached);
  CHECK(run_until(w.io, [&] { return w.kafka.records("orders", 0).size() == 3; }));
}

TEST_CASE("token use_future, and thread_local_ex: through a thread pool", "[asio]") {
  running_context context;
  cokafka::testing::cluster kafka(context.io);
  cokafka::producer shop(context.io, config_for(kafka));
  auto first = shop.send(one)(asio::use_future);
  CHECK(first.get().value().offset == 0);
  asio::thread_pool pool(1);
  auto second = shop.send(one)(asio::bind_executor(pool.get_executor(), asio::use_future));
  CHECK(second.get().value().offset == 1);
#if BOOST_VERSION >= 108600
  // token future_as_tuple
  auto third = shop.send(one)(asio::as_tuple(asio::use_future));
  auto [sent] = third.get();
  CHECK(sent.value().offset == 2);
#endif
  pool.join();
  context.stop();
}

#if BOOST_VERSION >= 108600
// What Boost 1.81 lacks; tests/compile/tokens/run builds this file with the newest Boost as well.

TEST_CASE("token as_tuple_bare, and bind_slot_def", "[asio]") {
  world w;
  asio::cancellation_signal signal;
  w.run(
      [](world& in, asio::cancellation_signal& by) -> asio::awaitable<void> {
        auto [sent] = co_await in.shop.send(one)(asio::as_tuple);
        in.take(sent);
        in.take(co_await in.shop.send(one)(asio::bind_cancellation_slot(by.slot(), asio::deferred)));
      }(w, signal),
      2);
}

TEST_CASE("token ca_bare, ca_def, ca_three, ca_three_bare, ca_ua, and ca_flush", "[asio]") {
  world w;
  w.run(
      [](world& in) -> asio::awaitable<void> {
        in.take(co_await in.shop.send(one)(asio::cancel_after(1min)));
        in.take(co_await in.shop.send(one)(asio::cancel_after(1min, asio::deferred)));
        in.take(co_await in.shop.send(one, asio::cancel_after(1min, asio::deferred)));
        in.take(co_await in.shop.send(one, asio::cancel_after(1min)));
        in.take(co_await in.shop.send(one)(asio::cancel_after(1min, asio::use_awaitable)));
        auto flushed = co_await in.shop.flush(asio::cancel_after(1min));
        CHECK(flushed);
      }(w),
      5);
}

TEST_CASE("token ca_lambda", "[asio]") {
  world w;
  w.shop.send(one)(asio::cancel_after(1min, w.taker()));
  w.expect(1);
}

TEST_CASE("token ca_def: when the time is over, the wait ends and the record lives on", "[asio]") {
  world w;
  CHECK(run_coroutine(w.io, [](world& in) -> asio::awaitable<void> {
    (void)co_await in.shop.warm_up("orders");  // or the time may be over before the record has left
    in.kafka.delay_next(cokafka::testing::api_key::produce, 300ms);
    auto sent = co_await in.shop.send(one)(asio::cancel_after(100ms, asio::deferred));
    REQUIRE_FALSE(sent);
    CHECK(sent.error() == cokafka::errc::cancelled);
    CHECK(sent.error().fate() == cokafka::fate::maybe_written);
  }(w)));
  CHECK(run_until(w.io, [&] { return w.kafka.records("orders", 0).size() == 1; }));
}

TEST_CASE("token coro: use_coro inside an experimental coro", "[asio]") {
  world w;
  bool done = false;
  asio::experimental::co_spawn(in_coro(w.io, w, 1), [&](std::exception_ptr) { done = true; });
  CHECK(run_until(w.io, [&] { return done; }));
  w.expect(1);
}
#endif
