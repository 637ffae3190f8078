// SPDX-License-Identifier: BSL-1.0
// What happens to records and handlers when producer, io_context or both end early. ASan and LSan look on.
#include "support/catch.hpp"
#include "support/shop.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using namespace cokafka_tests;
using cokafka::errc;
using cokafka::fate;

namespace {

/// Counts how handlers end: called, with what; or destroyed.
struct tally {
  int called = 0, closed = 0, maybe = 0;
  std::shared_ptr<int> alive = std::make_shared<int>(0);  // one more reference per handler that exists

  auto handler() {
    return [this, guest = alive](const outcome& sent) {
      ++called;
      if (sent) return;
      if (sent.error() == errc::closed) ++closed;
      if (sent.error().fate() == fate::maybe_written) ++maybe;
    };
  }
  long waiting() const { return alive.use_count() - 1; }
};

cokafka::record_view record_of(std::string_view topic) { return {.topic = topic, .key = "k", .value = "v"}; }

/// One record of each kind: in flight (sent, and the broker is silent), placed but not sent, parked.
struct three_kinds {
  explicit three_kinds(cokafka::testing::cluster& kafka, asio::io_context& on)
      : shop(std::in_place, on, settings(kafka)), io(on) {
    bool warm = false;
    shop->warm_up("orders")([&](const auto& done) { warm = done.has_value(); });
    REQUIRE(run_until(io, [&] { return warm; }));
    kafka.freeze(0);
    in_flight.emplace(shop->send(record_of("orders")));
    REQUIRE(run_until(io, [&] { return shop->outstanding().records == 1; }));
    io.run_for(50ms);
    placed.emplace(shop->send(record_of("orders")));
    parked.emplace(shop->send(record_of("nobody-knows")));
  }
  static cokafka::config settings(const cokafka::testing::cluster& kafka) {
    cokafka::config made = config_for(kafka);
    made.request_timeout = 30s;
    return made;
  }
  void await_all(tally& into) {
    std::move (*in_flight)(into.handler());
    std::move (*placed)(into.handler());
    std::move (*parked)(into.handler());
  }

  std::optional<cokafka::producer> shop;
  asio::io_context& io;
  std::optional<cokafka::delivery> in_flight, placed, parked;
};

}  // namespace

TEST_CASE("asio.md 38: flush and close complete when each record has its answer; its handler may be on its way",
          "[lifetime]") {
  shop_and_kafka world;
  asio::io_context elsewhere;
  int called = 0;
  for (int i = 0; i != 10; ++i) {
    world.shop.send(one)(asio::bind_executor(elsewhere, [&](const outcome& answer) { called += answer.has_value(); }));
  }
  std::optional<cokafka::result<void>> flushed, closed;
  world.shop.flush([&](const auto& done) { flushed = done; });
  CHECK(run_until(world.io, [&] { return flushed.has_value(); }));
  CHECK(world.kafka.records("orders", 0).size() == 10);
  world.shop.close(patience, [&](const auto& done) { closed = done; });
  CHECK(run_until(world.io, [&] { return closed.has_value(); }));
  CHECK(called == 0);
  elsewhere.run();
  CHECK(called == 10);
}

TEST_CASE("asio.md 34: a producer that is destroyed ends every wait with errc::closed and the record's fate",
          "[lifetime]") {
  kafka_elsewhere broker;
  asio::io_context io;
  tally seen;
  three_kinds sent(broker.kafka, io);
  sent.await_all(seen);
  sent.shop.reset();
  CHECK(seen.called == 0);
  CHECK(run_until(io, [&] { return seen.called == 3; }));
  CHECK(seen.closed == 3);
  CHECK(seen.maybe == 1);
  CHECK(seen.waiting() == 0);
  io.restart();
  CHECK(io.run_for(patience) < 1000);  // and nothing keeps the context busy any more
  CHECK(io.stopped());
}

TEST_CASE("asio.md 34: so does close, when the producer is destroyed before it has ended", "[lifetime]") {
  kafka_elsewhere broker;
  asio::io_context io;
  std::optional<cokafka::producer> shop(std::in_place, io, config_for(broker.kafka));
  broker.kafka.freeze(0);
  shop->send({.topic = "t", .value = "v"}).detach();
  std::optional<cokafka::result<void>> closed;
  shop->close(60s, [&](cokafka::result<void> said) { closed = std::move(said); });
  io.poll();
  shop.reset();
  CHECK(run_until(io, [&] { return closed.has_value(); }));
  REQUIRE(closed);
  REQUIRE_FALSE(closed->has_value());
  CHECK(closed->error() == errc::closed);
}

TEST_CASE("asio.md 35: a context that is destroyed first destroys the handlers without calling them", "[lifetime]") {
  kafka_elsewhere broker;
  tally seen;
  std::optional<cokafka::producer> shop;
  std::optional<cokafka::topic_handle> handle;
  std::optional<cokafka::delivery> kept_in_flight, kept_parked;
  {
    asio::io_context io;
    three_kinds sent(broker.kafka, io);
    kept_in_flight.emplace(sent.shop->send(record_of("orders")));
    handle.emplace(sent.shop->topic("orders"));
    kept_parked.emplace(sent.shop->send(record_of("nobody-knows")));
    sent.await_all(seen);
    shop.emplace(*std::move(sent.shop));
  }
  CHECK(seen.called == 0);
  CHECK(seen.waiting() == 0);
  CHECK(kept_in_flight->ready());
  CHECK(kept_in_flight->get().error() == errc::closed);
  CHECK(kept_parked->get().error() == errc::closed);
  CHECK(kept_parked->get().error().fate() == fate::not_written);
  CHECK(handle->send(record_of({})).get().error() == errc::closed);
  CHECK(shop->send(record_of("orders")).get().error() == errc::closed);
  CHECK(shop->try_send(record_of("orders")).error() == errc::closed);
  // Nowhere to run: handlers are dropped, nothing throws, nothing waits for ever.
  shop->send(record_of("orders"))(seen.handler());
  shop->flush([guest = seen.alive](const cokafka::result<void>&) {});
  shop->close(1s, [guest = seen.alive](const cokafka::result<void>&) {});
  shop->wait_for_space(10, [guest = seen.alive](const cokafka::result<void>&) {});
  shop->partitions_for("orders", [guest = seen.alive](const auto&) {});
  CHECK(seen.called == 0);
  CHECK(seen.waiting() == 0);
  CHECK(shop->outstanding().records < 10);
}

TEST_CASE("operations that wait when the context is destroyed are destroyed with it", "[lifetime]") {
  kafka_elsewhere broker;
  std::optional<cokafka::producer> shop;
  auto guest = std::make_shared<int>(0);
  {
    asio::io_context io;
    cokafka::config settings = three_kinds::settings(broker.kafka);
    settings.buffer_memory = 40'000;
    shop.emplace(io, settings);
    REQUIRE(run_coroutine(
        io, [](cokafka::producer& in) -> asio::awaitable<void> { (void)co_await in.warm_up("orders"); }(*shop)));
    broker.kafka.freeze(0);
    const std::string large(30'000, 'x');
    shop->send({.topic = "orders", .value = large}).detach();
    shop->flush([guest](const cokafka::result<void>&) {});
    shop->wait_for_space(30'000, [guest](const cokafka::result<void>&) {});
    shop->partitions_for("nobody-knows", [guest](const auto&) {});
    shop->close(1h, [guest](const cokafka::result<void>&) {});
    io.run_for(50ms);
    CHECK(guest.use_count() == 5);
  }
  CHECK(guest.use_count() == 1);
}

TEST_CASE("asio.md 36: a context that was stopped and is restarted goes on where it was", "[lifetime]") {
  shop_and_kafka world;
  int answered = 0;
  for (int i = 0; i < 10; ++i) {
    world.shop.send(record_of("orders"))([&](const outcome& sent) { answered += sent.has_value(); });
    world.io.run_one_for(10ms);
    world.io.stop();
    world.io.restart();
  }
  CHECK(run_until(world.io, [&] { return answered == 10; }));
}

TEST_CASE("a producer that is destroyed with a context that never runs again leaks nothing", "[lifetime]") {
  kafka_elsewhere broker;
  tally seen;
  std::optional<cokafka::topic_handle> handle;
  std::optional<cokafka::delivery> kept;
  {
    asio::io_context io;
    three_kinds sent(broker.kafka, io);
    sent.await_all(seen);
    kept.emplace(sent.shop->send(record_of("orders")));
    if (GENERATE(false, true)) handle.emplace(sent.shop->topic("orders"));
    sent.shop.reset();
  }
  CHECK(seen.called == 0);
  CHECK(seen.waiting() == 0);
  CHECK(kept->get().error() == errc::closed);
  if (handle) CHECK(handle->send(record_of({})).get().error() == errc::closed);
}

TEST_CASE("handlers that were posted and never ran are destroyed with the context", "[lifetime]") {
  kafka_elsewhere broker;
  tally seen;
  {
    asio::io_context io;
    cokafka::producer shop(io, config_for(broker.kafka));
    auto failed = shop.send(record_of("not a topic"));
    std::move(failed)(seen.handler());
    shop.send(record_of("orders"))(seen.handler());
  }
  CHECK(seen.called == 0);
  CHECK(seen.waiting() == 0);
}

TEST_CASE("coroutines that own the producer and wait are destroyed with the context", "[lifetime]") {
  kafka_elsewhere broker;
  auto guest = std::make_shared<int>(0);
  {
    asio::io_context io;
    for (int i = 0; i < 3; ++i) {
      asio::co_spawn(
          io,
          [](cokafka::testing::cluster& kafka, std::shared_ptr<int>) -> asio::awaitable<void> {
            auto executor = co_await asio::this_coro::executor;
            cokafka::config settings = config_for(kafka);
            cokafka::producer own(executor, settings);
            for (;;) (void)co_await own.send(record_of("orders"));
          }(broker.kafka, guest),
          asio::detached);
    }
    io.run_for(200ms);
    CHECK(guest.use_count() == 4);
  }
  CHECK(guest.use_count() == 1);
  CHECK(broker.kafka.records("orders", 0).size() > 3);
}

TEST_CASE("asio.md 32: a delivery that outlives its producer has its answer", "[lifetime]") {
  shop_and_kafka world;
  std::optional<cokafka::producer> shop(std::in_place, world.io, config_for(world.kafka));
  auto acknowledged = shop->send(record_of("orders"));
  REQUIRE(run_until(world.io, [&] { return acknowledged.ready(); }));
  auto parked = shop->send(record_of("nobody-knows"));
  shop.reset();
  REQUIRE(run_until(world.io, [&] { return parked.ready(); }));
  CHECK(parked.get().error() == errc::closed);
  int called = 0;
  std::move(acknowledged)([&](const outcome& sent) { called += sent.has_value(); });
  std::move(parked)([&](const outcome& sent) { called += !sent; });
  CHECK(run_until(world.io, [&] { return called == 2; }));
}

TEST_CASE("asio.md 37: a delivery that outlives the context can be awaited elsewhere", "[lifetime]") {
  kafka_elsewhere broker;
  std::optional<cokafka::delivery> first, second;
  {
    asio::io_context io;
    // On a strand: the executor that deliveries know must not outlive its context.
    cokafka::producer shop(asio::any_io_executor(asio::make_strand(io)), config_for(broker.kafka));
    first.emplace(shop.send(record_of("orders")));
    second.emplace(shop.send(record_of("orders")));
  }
  asio::thread_pool pool(1);
  auto answer = std::move(*first)(asio::bind_executor(pool.get_executor(), asio::use_future));
  CHECK(answer.get().error() == errc::closed);
  asio::io_context other;
  CHECK(run_coroutine(other, [](cokafka::delivery waiting) -> asio::awaitable<void> {
    auto sent = co_await std::move(waiting);
    CHECK(sent.error() == errc::closed);
  }(*std::move(second))));
  pool.join();
}

TEST_CASE("handlers on a foreign executor are destroyed with the producer's context, and let their own go",
          "[lifetime]") {
  kafka_elsewhere broker;
  tally seen;
  asio::thread_pool pool(1);
  {
    asio::io_context io;
    three_kinds sent(broker.kafka, io);
    sent.shop->send(record_of("orders"))(asio::bind_executor(pool, seen.handler()));
    sent.shop->send(record_of("nobody-knows"))(asio::bind_executor(pool, seen.handler()));
  }
  CHECK(seen.waiting() == 0);
  pool.join();  // returns: the handlers were its outstanding work
  CHECK(seen.called == 0);
}

TEST_CASE("a moved-from producer may be destroyed and assigned; assigning ends what was there", "[lifetime]") {
  shop_and_kafka world;
  cokafka::producer first(world.io, config_for(world.kafka));
  cokafka::producer second(std::move(first));
  first = cokafka::producer(world.io, config_for(world.kafka));
  tally seen;
  first.send(record_of("nobody-knows"))(seen.handler());
  first = std::move(second);
  CHECK(run_until(world.io, [&] { return seen.called == 1; }));
  CHECK(seen.closed == 1);
  first.send(record_of("orders"))(seen.handler());
  CHECK(run_until(world.io, [&] { return seen.called == 2; }));
  CHECK(seen.closed == 1);
}

TEST_CASE("a topic handle that was moved from is as good as before, and outlives its producer", "[lifetime]") {
  shop_and_kafka world;
  std::optional<cokafka::producer> shop(std::in_place, world.io, config_for(world.kafka));
  cokafka::topic_handle first = shop->topic("orders");
  cokafka::topic_handle second = std::move(first);
  auto sent = first.send(record_of({}));
  CHECK(run_until(world.io, [&] { return sent.ready(); }));
  CHECK(sent.get());
  shop.reset();
  CHECK(first.send(record_of({})).get().error() == errc::closed);
  CHECK(second.send(record_of({})).get().error() == errc::closed);
}

namespace {

// Posts to a context, or throws: a pool that is full.
struct refusing_executor {
  asio::io_context* io;
  const bool* refuses;

  template <class Function>
  void execute(Function&& function) const {
    if (*refuses) throw std::runtime_error("the pool is full");
    asio::post(*io, std::forward<Function>(function));
  }
  asio::execution_context& query(asio::execution::context_t) const noexcept { return *io; }
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }
  refusing_executor require(asio::execution::blocking_t::never_t) const noexcept { return *this; }
  bool operator==(const refusing_executor&) const noexcept = default;
};

}  // namespace

TEST_CASE("a handler whose executor refuses it is destroyed, and the others hear of their records", "[lifetime]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  cokafka::producer shop(io, config_for(kafka));
  bool refuses = false;
  int called = 0;
  const auto kept = std::make_shared<int>(0);
  shop.send(one, asio::bind_executor(refusing_executor{&io, &refuses}, [&called, kept](const outcome&) { ++called; }));
  shop.send(one, [&called](const outcome& said) { called += said.has_value() ? 10 : 100; });
  refuses = true;
  CHECK(run_until(io, [&] { return called == 10; }));
  CHECK(kept.use_count() == 1);
  CHECK(shop.outstanding().records == 0);
}

// Asio gives up a strand that its executor has refused once: what is asked of it afterwards ends with the context.
TEST_CASE("a producer whose executor refuses its work loses handlers, not the process", "[lifetime]") {
  const auto kept = std::make_shared<int>(0);
  {
    asio::io_context io;
    cokafka::testing::cluster kafka(io);
    bool refuses = false;
    cokafka::producer shop(refusing_executor{&io, &refuses}, config_for(kafka));
    const auto handler = [kept](const auto&) {};
    bool is_warm = false;
    shop.warm_up("orders", [&](const auto& done) { is_warm = done.has_value(); });
    REQUIRE(run_until(io, [&] { return is_warm; }));
    kafka.freeze(0);
    shop.send(record_of("orders"), handler);
    io.run_for(50ms);
    REQUIRE(shop.outstanding().records == 1);
    refuses = true;
    const auto ask = GENERATE(0, 1, 2, 3, 4, 5);
    if (ask == 0) CHECK_NOTHROW(shop.flush(handler));
    if (ask == 1) CHECK_NOTHROW(shop.flush(1s, handler));
    if (ask == 2) CHECK_NOTHROW(shop.warm_up("nobody-knows", handler));
    if (ask == 3) CHECK_NOTHROW(shop.partitions_for("nobody-knows", handler));
    if (ask == 4) CHECK_NOTHROW(shop.send(record_of("nobody-knows"), handler));
    if (ask == 5) CHECK_NOTHROW(shop.send(record_of("orders"), handler));
    refuses = false;
    io.run_for(10ms);
  }
  CHECK(kept.use_count() == 1);
}

TEST_CASE("the destructor of a producer whose executor refuses its work returns", "[lifetime]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  bool refuses = false;
  {
    cokafka::producer shop(refusing_executor{&io, &refuses}, config_for(kafka));
    bool is_warm = false;
    shop.warm_up("orders", [&](const auto& done) { is_warm = done.has_value(); });
    REQUIRE(run_until(io, [&] { return is_warm; }));
    refuses = true;
  }
  refuses = false;
  io.run_for(10ms);
}

TEST_CASE("what is begun on an executor that refuses it throws, and its handler is destroyed", "[lifetime]") {
  const auto kept = std::make_shared<int>(0);
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  bool refuses = false;
  cokafka::producer shop(refusing_executor{&io, &refuses}, config_for(kafka));
  const auto handler = [kept](const auto&) {};
  refuses = true;
  const auto ask = GENERATE(0, 1, 2);
  if (ask == 0) CHECK_THROWS_AS(shop.flush(handler), std::runtime_error);  // there is nothing to wait for
  if (ask == 1) CHECK_THROWS_AS(shop.close(1s, handler), std::runtime_error);
  if (ask == 2) CHECK_THROWS_AS(shop.warm_up("no topic", handler), std::runtime_error);
  refuses = false;
  io.run_for(10ms);
  CHECK(kept.use_count() == 2);  // ours, and the handler that was copied from
}

TEST_CASE("a refused handler of one wait concerns neither the others nor the producer", "[lifetime]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  cokafka::producer shop(io, config_for(kafka));
  bool refuses = false, heard = false, written = false, closed = false;
  const auto kept = std::make_shared<int>(0);
  const refusing_executor full{&io, &refuses};
  shop.partitions_for("orders", asio::bind_executor(full, [kept](const auto&) {}));
  shop.partitions_for("orders", [&](const auto& known) { heard = known.has_value(); });
  refuses = true;
  CHECK(run_until(io, [&] { return heard; }));
  CHECK(kept.use_count() == 1);
  shop.send(record_of("payments"), [&](const outcome& said) { written = said.has_value(); });
  CHECK(run_until(io, [&] { return written; }));  // the metadata of another topic
  shop.close(5s, [&](const auto& said) { closed = said.has_value(); });
  CHECK(run_until(io, [&] { return closed; }));
}

TEST_CASE("a destroyed producer ends although the executor of a waiting handler refuses it", "[lifetime]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  std::optional<cokafka::producer> shop(std::in_place, io, config_for(kafka));
  bool refuses = false, is_warm = false, closed = false;
  shop->warm_up("orders", [&](const auto& done) { is_warm = done.has_value(); });
  REQUIRE(run_until(io, [&] { return is_warm; }));
  kafka.freeze(0);
  shop->send(record_of("orders"), [&](const outcome& said) { closed = said.error() == errc::closed; });
  const refusing_executor full{&io, &refuses};
  const auto kept = std::make_shared<int>(0);
  shop->partitions_for("nobody-knows", asio::bind_executor(full, [kept](const auto&) {}));
  io.run_for(20ms);
  refuses = true;
  shop.reset();
  CHECK(run_until(io, [&] { return closed; }));
  CHECK(kept.use_count() == 1);
}

TEST_CASE("an executor that refuses the rest of a long run ends those handlers, not the process", "[lifetime]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  cokafka::config rules = config_for(kafka);
  rules.linger = 50ms;
  rules.linger_policy = cokafka::linger_policy::always;
  cokafka::producer shop(io, rules);
  bool refuses = false;
  int called = 0;
  const auto kept = std::make_shared<int>(0);
  const refusing_executor full{&io, &refuses};
  for (int i = 0; i != 2000; ++i) {
    shop.send(record_of("orders"), asio::bind_executor(full, [&, kept](const outcome&) {
                ++called;
                refuses = true;
              }));
  }
  CHECK(run_until(io, [&] { return kept.use_count() == 1; }));
  CHECK(called >= 16);
  CHECK(called < 2000);
  CHECK(shop.outstanding().records == 0);
}

TEST_CASE("a run of handlers may end at the very handler behind which it would be interrupted", "[lifetime]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  cokafka::config rules = config_for(kafka);
  rules.linger = 50ms;
  rules.linger_policy = cokafka::linger_policy::always;
  cokafka::producer shop(io, rules);
  int called = 0;
  for (int i = 0; i != 16; ++i) {
    shop.send(record_of("orders"), [&](const outcome&) {
      ++called;
      std::this_thread::sleep_for(100us);
    });
  }
  CHECK(run_until(io, [&] { return called == 16; }));
}

TEST_CASE("failed records that nobody waits for do no harm where the executor refuses their report", "[lifetime]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  bool refuses = true;
  int shown = 0;
  cokafka::config rules = config_for(kafka);
  rules.on_delivery_failed = [&](const auto&...) { ++shown; };
  {
    cokafka::producer shop(refusing_executor{&io, &refuses}, rules);
    CHECK_NOTHROW(shop.send(record_of("no topic")).detach());
    refuses = false;
    shop.send(record_of("no topic")).detach();
    CHECK(run_until(io, [&] { return shown == 1; }));
  }
}

TEST_CASE("close has succeeded although its producer is destroyed at once, where nothing was left", "[lifetime]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  std::optional<cokafka::producer> shop(std::in_place, io, config_for(kafka));
  bool closed = false;
  shop->close(5s, [&](const auto& said) { closed = said.has_value(); });
  shop.reset();
  CHECK(run_until(io, [&] { return closed; }));
}

TEST_CASE("a send that fails at once is unheard where its delivery is dropped unread", "[lifetime]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  cokafka::producer shop(io, config_for(kafka));
  CHECK(shop.send(record_of("no topic")).get().error() == errc::invalid_topic);
  CHECK(shop.metrics().unheard_failures == 0);
  shop.send(record_of("no topic")).detach();
  { const cokafka::delivery dropped = shop.send(record_of("no topic")); }
  CHECK(shop.metrics().unheard_failures == 2);
}
