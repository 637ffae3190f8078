// SPDX-License-Identifier: BSL-1.0
// No memory for any one allocation of a step: nothing is placed twice, nobody is forgotten, nothing stays counted.
#include "cokafka/detail/core/accumulator.hpp"
#include "support/core_bench.hpp"
#include "support/core_inputs.hpp"
#include "support/replaced_new.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <utility>

namespace {

thread_local int allocations_left = -1;  // before the one that finds no memory; less than 0: all find some
thread_local bool stops_at_next = false;
std::atomic<bool> stopped{false}, may_go_on{false};

}  // namespace

void* cokafka_test::test_allocation(std::size_t size) noexcept {
  if (std::exchange(stops_at_next, false)) {
    stopped = true;
    while (!may_go_on) std::this_thread::yield();
  }
  if (allocations_left >= 0 && allocations_left-- == 0) return nullptr;
  return plain_allocation(size);
}

#if !defined(COKAFKA_TEST_KEEPS_NEW)
using namespace cokafka_test;

namespace {

/// Takes the step with the first, the second, ... allocation failing, until none fails: `begin()` returns a world,
/// `step` is taken again when it found no memory, and `judge` says what must hold then.
template <class Begin, class Step, class Judge>
void without_each_allocation(Begin begin, Step step, Judge judge) {
  int failed = 0;
  for (bool found = false; !found; ++failed) {
    auto world = begin();
    allocations_left = failed;
    try {
      step(*world);
      found = allocations_left >= 0;
    } catch (const std::bad_alloc&) {
    }
    allocations_left = -1;
    if (!found) step(*world);
    INFO("allocation " << failed);
    judge(*world);
  }
  CHECK(failed > 3);  // or this test would test nothing
}

struct parked_world : lot_bench {
  explicit parked_world(const cokafka::config& user = with_memory(8192)) : lot_bench(user) {}

  void expect_one_copy() {
    REQUIRE(queue("t", 1).outstanding().records == 1);
    CHECK(lot.outstanding().records == 1);
    CHECK(owners[0].wakes > wakes_before);
    acknowledge(queue("t", 1), 7);
    CHECK(parked.offset() == 7);
    deliver_answers(out);
    CHECK(waiting.source != nullptr);
    CHECK(lot.outstanding().records == 0);
    counting_operation flushing;
    CHECK_FALSE(lot.flushes.begin(flushing));  // nothing is counted that will never be answered
    CHECK(lot.memory.available() == lot.memory.total());
    CHECK(owners[0].share.used == 0);
  }

  sent_record parked;
  counting_waiter waiting{0};
  int wakes_before = 0;
};

}  // namespace

TEST_CASE("a record that is parked for memory is placed once, whichever allocation fails", "[core]") {
  without_each_allocation(
      [] {
        auto world = std::make_unique<parked_world>();
        world->publish("t", 2);
        world->send("t", large_value, 0);
        world->parked = world->send("t", large_value, 1);
        REQUIRE(world->parked.done->attach(world->waiting));
        world->acknowledge(world->queue("t", 0));
        world->wakes_before = world->owners[0].wakes;
        return world;
      },
      [](parked_world& world) { world.place(); }, [](parked_world& world) { world.expect_one_copy(); });
}

TEST_CASE("a record is appended once or not at all, whichever allocation fails", "[core]") {
  without_each_allocation(
      [] {
        auto world = std::make_unique<parked_world>();
        world->publish("t", 2);
        return world;
      },
      [](parked_world& world) { world.parked = world.send("t", "v", 1); },
      [](parked_world& world) {
        REQUIRE(world.parked.done->attach(world.waiting));
        world.expect_one_copy();
      });
}

TEST_CASE("close waits for senders that are being served, also those of a topic that has just been forgotten",
          "[core]") {
  lot_bench bench;
  topic& of = bench.publish("t", 1);
  may_go_on = stopped = false;
  auto sending = std::async(std::launch::async, [&bench] {
    stops_at_next = true;  // under the lock of the partition: the record begins a batch
    bench.send("t", "v");
  });
  while (!stopped) std::this_thread::yield();
  if (GENERATE(false, true)) of.table = nullptr;
  bench.lot.close();
  auto closing = std::async(std::launch::async, [&bench] { bench.lot.await_senders(); });
  CHECK(closing.wait_for(50ms) == std::future_status::timeout);
  may_go_on = true;
  sending.get();
  closing.get();
  counting_operation flushing;
  CHECK(bench.lot.flushes.begin(flushing));
  bench.acknowledge(*of.partitions()[0]);
  CHECK(bench.out.ended.size() == 1);
  bench.out.ended.clear();
}

TEST_CASE("the list of a batch's deadlines finds no memory twice: the record is appended once", "[core]") {
  lot_bench bench;
  partition_queue& queue = bench.publish("t", 1).partition(0, bench.rules, bench.lot.memory, bench.lot.flushes);
  for (int i = 0; i != 18; ++i) {
    const auto send = [&] { return queue.append(with_value("v"), 0, bench.now, 10s + i * 1s); };
    // The list takes memory for its first place, and for the one behind sixteen.
    for (int attempt = 0; attempt != 2 && (i == 1 || i == 17); ++attempt) {
      INFO("record " << i << ", attempt " << attempt);
      allocations_left = 0;
      bool found = true;
      try {
        send();
      } catch (const std::bad_alloc&) {
        found = false;
      }
      allocations_left = -1;
      CHECK_FALSE(found);
    }
    if (i == 17) break;
    CHECK(send().state == append_outcome::status::appended);
  }
  CHECK(queue.outstanding().records == 17);
  CHECK(bench.acknowledge(queue) == 17);
  CHECK(bench.is_whole());
}

#endif
