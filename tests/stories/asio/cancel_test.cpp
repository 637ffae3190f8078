// SPDX-License-Identifier: BSL-1.0
// The sentences 22 to 33 of docs/asio.md: memory, cancellation, letting a delivery go.
#include "support/catch.hpp"
#include "support/shop.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

using namespace cokafka_tests;
using asio::cancellation_type;
using cokafka::errc;
using cokafka::fate;
using cokafka::testing::api_key;

namespace {

struct counts {
  int allocated = 0;
  int alive = 0;
};

template <class T>
struct counting_allocator {
  using value_type = T;
  explicit counting_allocator(counts& in) : seen(&in) {}
  template <class U>
  counting_allocator(const counting_allocator<U>& other) : seen(other.seen) {}
  T* allocate(std::size_t n) {
    ++seen->allocated;
    ++seen->alive;
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* memory, std::size_t n) {
    --seen->alive;
    std::allocator<T>().deallocate(memory, n);
  }
  template <class U>
  bool operator==(const counting_allocator<U>& other) const {
    return seen == other.seen;
  }
  counts* seen;
};

/// A producer that is connected, and a record of it in each state.
struct waiting_records {
  shop_and_kafka world;
  std::vector<asio::cancellation_signal> signals{3};
  std::vector<std::optional<outcome>> answers{3};

  waiting_records() {
    CHECK(run_coroutine(world.io, [](cokafka::producer& shop) -> asio::awaitable<void> {
      (void)co_await shop.warm_up("orders");
    }(world.shop)));
    world.kafka.delay_next(api_key::produce, 300ms);
    await(0, one);  // in flight
    world.io.run_for(30ms);
    await(1, one);                                  // in its batch
    await(2, {.topic = "others", .value = "one"});  // parked: the topic is not known yet
  }
  void await(std::size_t i, const cokafka::record_view& record) {
    world.shop.send(record)(
        asio::bind_cancellation_slot(signals[i].slot(), [this, i](const outcome& sent) { answers[i] = sent; }));
  }
  void cancel_all(cancellation_type type) {
    for (auto& each : signals) each.emit(type);
  }
  bool all_answered() {
    return run_until(world.io, [&] { return answers[0] && answers[1] && answers[2]; });
  }
  bool all_stored() {
    return run_until(world.io, [&] {
      return world.kafka.records("orders", 0).size() == 2 && world.kafka.records("others", 0).size() == 1;
    });
  }
  /// How many records each topic has when nothing of them is left in the producer.
  std::pair<std::size_t, std::size_t> stored_after_flush() {
    bool flushed = false;
    world.shop.flush([&](const cokafka::result<void>& done) { flushed = done.has_value(); });
    CHECK(run_until(world.io, [&] { return flushed; }));
    CHECK(world.shop.outstanding().records == 0);
    CHECK(world.shop.outstanding().bytes == 0);
    return {world.kafka.records("orders", 0).size(), world.kafka.records("others", 0).size()};
  }
};

}  // namespace

TEST_CASE("asio.md 22 and 24: the handler's allocator is used, and its memory free before the handler runs", "[asio]") {
  counts seen;  // before the world: the last handler dies with it
  shop_and_kafka world;
  int alive_inside = -1;
  world.shop.send(one)(
      asio::bind_allocator(counting_allocator<void>(seen), [&](const outcome&) { alive_inside = seen.alive; }));
  CHECK(seen.allocated == 1);
  CHECK(seen.alive == 1);
  CHECK(run_until(world.io, [&] { return alive_inside >= 0; }));
  CHECK(alive_inside == 0);
  world.shop.flush(asio::bind_allocator(counting_allocator<void>(seen), [](const cokafka::result<void>&) {}));
  CHECK(seen.allocated >= 2);
}

TEST_CASE("asio.md 23: the memory of an operation is used again", "[asio]") {
  cokafka::detail::waiter_pool pool;
  void* const first = pool.allocate(200);
  void* const other = pool.allocate(200);
  pool.deallocate(first, 200);
  CHECK(pool.allocate(220) == first);  // the same step of 64 bytes
  pool.deallocate(first, 220);
  pool.deallocate(other, 200);
  void* const large = pool.allocate(10'000);
  pool.deallocate(large, 10'000);
}

TEST_CASE("asio.md 25: total withdraws what is not sealed, and is ignored in flight", "[asio]") {
  waiting_records records;
  records.cancel_all(cancellation_type::total);
  CHECK_FALSE(records.answers[1].has_value());  // posted, not called from emit()
  CHECK(records.all_answered());
  CHECK(records.answers[0]->has_value());
  for (const std::size_t i : {1u, 2u}) {
    CHECK(records.answers[i]->error() == errc::cancelled);
    CHECK(records.answers[i]->error().fate() == fate::not_written);
  }
  CHECK(records.stored_after_flush() == std::pair<std::size_t, std::size_t>(1, 0));
}

TEST_CASE("asio.md 26: partial stops waiting in every state, and the record lives on", "[asio]") {
  waiting_records records;
  records.cancel_all(cancellation_type::partial);
  CHECK_FALSE(records.answers[0].has_value());
  CHECK(records.all_answered());
  for (const auto& each : records.answers) {
    CHECK(each->error() == errc::cancelled);
    CHECK(each->error().fate() == fate::maybe_written);
  }
  CHECK(records.stored_after_flush() == std::pair<std::size_t, std::size_t>(2, 1));
}

TEST_CASE("asio.md 27: terminal withdraws what is not sealed, and stops waiting in flight", "[asio]") {
  waiting_records records;
  records.cancel_all(cancellation_type::terminal);
  CHECK(records.all_answered());
  for (const auto& each : records.answers) CHECK(each->error() == errc::cancelled);
  CHECK(records.answers[0]->error().fate() == fate::maybe_written);
  CHECK(records.answers[1]->error().fate() == fate::not_written);
  CHECK(records.answers[2]->error().fate() == fate::not_written);
  CHECK(records.stored_after_flush() == std::pair<std::size_t, std::size_t>(1, 0));
}

TEST_CASE("asio.md 28: cancelling flush and close stops the wait and nothing else", "[asio]") {
  waiting_records records;
  asio::cancellation_signal flush_signal, close_signal;
  std::optional<cokafka::result<void>> flushed, closed;
  auto& shop = records.world.shop;
  shop.flush(asio::bind_cancellation_slot(flush_signal.slot(), [&](const auto& done) { flushed = done; }));
  flush_signal.emit(cancellation_type::total);
  CHECK(run_until(records.world.io, [&] { return flushed.has_value(); }));
  CHECK(flushed->error() == errc::cancelled);
  shop.close(patience, asio::bind_cancellation_slot(close_signal.slot(), [&](const auto& done) { closed = done; }));
  records.world.io.poll();
  close_signal.emit(cancellation_type::terminal);
  CHECK(run_until(records.world.io, [&] { return closed.has_value(); }));
  CHECK(closed->error() == errc::cancelled);
  CHECK(shop.send(one).get().error() == errc::closed);
  CHECK(records.all_answered());
  for (const auto& each : records.answers) CHECK(each->has_value());
  CHECK(records.all_stored());
  std::optional<cokafka::result<void>> again;
  shop.close(patience, [&](const auto& done) { again = done; });
  CHECK(run_until(records.world.io, [&] { return again.has_value(); }));
  CHECK(again->has_value());
}

TEST_CASE("asio.md 29: waits for space, metadata and warmth end for every type", "[asio]") {
  const auto type = GENERATE(cancellation_type::partial, cancellation_type::terminal, cancellation_type::total);
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  cokafka::config small = config_for(kafka);
  small.buffer_memory = 40'000;
  cokafka::producer shop(io, small);
  CHECK(run_coroutine(
      io, [](cokafka::producer& in) -> asio::awaitable<void> { (void)co_await in.warm_up("orders"); }(shop)));
  kafka.delay_next(api_key::produce, 200ms);
  const std::string large(30'000, 'x');
  bool sent = false;
  shop.send({.topic = "orders", .value = large})([&](const outcome& answer) { sent = answer.has_value(); });
  std::vector<asio::cancellation_signal> signals(3);
  int cancelled = 0;
  const auto count = [&](const auto& done) { cancelled += done.has_error() && done.error() == errc::cancelled; };
  shop.wait_for_space(30'000, asio::bind_cancellation_slot(signals[0].slot(), count));
  shop.partitions_for("others", asio::bind_cancellation_slot(signals[1].slot(), count));
  shop.warm_up("others", asio::bind_cancellation_slot(signals[2].slot(), count));
  for (auto& each : signals) each.emit(type);
  CHECK(run_until(io, [&] { return cancelled == 3; }));
  bool space = false;
  shop.wait_for_space(30'000, [&](const auto& done) { space = done.has_value(); });
  CHECK(run_until(io, [&] { return space && sent; }));
}

TEST_CASE("asio.md 30: a wait is cancelled once, and not after its answer", "[asio]") {
  waiting_records records;
  records.cancel_all(cancellation_type::partial);
  records.cancel_all(cancellation_type::terminal);
  records.cancel_all(cancellation_type::all);
  int calls = 0;
  asio::cancellation_signal signal;
  auto ready = records.world.shop.send({.topic = "not a topic"});
  std::move(ready)(asio::bind_cancellation_slot(signal.slot(), [&](const outcome& sent) {
    ++calls;
    CHECK(sent.error() == errc::invalid_topic);
  }));
  signal.emit(cancellation_type::terminal);
  CHECK(records.all_answered());
  CHECK(run_until(records.world.io, [&] { return calls > 0; }));
  signal.emit(cancellation_type::terminal);
  records.cancel_all(cancellation_type::terminal);
  CHECK(records.all_stored());
  CHECK(calls == 1);
}

TEST_CASE("asio.md 31 and 33: a delivery can be let go, or asked without waiting", "[asio]") {
  shop_and_kafka world;
  world.shop.send(one).detach();
  { auto destroyed = world.shop.send(one); }
  auto asked = world.shop.send(one);
  CHECK_FALSE(asked.ready());
  CHECK(asked.get().error() == errc::not_ready);
  CHECK(run_until(world.io, [&] { return asked.ready(); }));
  CHECK(asked.get().value().offset == 2);
  CHECK(world.kafka.records("orders", 0).size() == 3);
}
