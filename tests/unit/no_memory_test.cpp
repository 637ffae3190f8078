// SPDX-License-Identifier: BSL-1.0
// No memory for any one allocation of a step: nothing is placed twice, nobody is forgotten, nothing stays counted.
#include "cokafka/detail/core/accumulator.hpp"
#include "cokafka/detail/core/produce_request.hpp"
#include "support/core_bench.hpp"
#include "support/core_inputs.hpp"
#include "support/replaced_new.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <list>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <utility>

namespace {

thread_local int allocations_left = -1;         // before the one that finds no memory; less than 0: all find some
thread_local bool all_fail_from_there = false;  // all those behind that one as well
thread_local bool stops_at_next = false;
std::atomic<bool> stopped{false}, may_go_on{false};

}  // namespace

void* cokafka_test::test_allocation(std::size_t size) noexcept {
  if (std::exchange(stops_at_next, false)) {
    stopped = true;
    while (!may_go_on) std::this_thread::yield();
  }
  if (allocations_left == 0 && all_fail_from_there) return nullptr;
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

namespace {

/// The whole way of some records through the core, in which the n-th allocation finds no memory. A step that says so is
/// taken again, as the tasks do it.
class short_world : public lot_bench {
 public:
  explicit short_world(int allocations) : lot_bench(user()), left_(allocations) {}

  bool has_failed() const { return left_ < 0; }

  template <class Step>
  void take(Step step) {
    allocations_left = left_;
    bool again = false;
    try {
      step();
    } catch (const std::bad_alloc&) {
      again = true;
    }
    left_ = std::exchange(allocations_left, -1);
    if (again) step();
    deliver_answers(out);
    deliver_all(out.ended);
  }

  void send(std::string_view to, std::string_view value, std::int32_t partition, clock_duration timeout = 2min) {
    record_view record = with_value(value);
    record.topic = to;
    record.partition = partition;
    record.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(timeout);
    all.emplace_back();
    take([&] { all.back().sent = lot_bench::send(record); });
    all.back().waiting.ticket = all.back().sent.ticket;
    if (!all.back().sent.done->attach(all.back().waiting)) ++all.back().waiting.delivered;
  }
  void withdraw_last() {
    bool withdrawn = false;
    take([&] { withdrawn = lot.withdraw(*all.back().sent.done, all.back().waiting, out); });
    if (withdrawn) ++all.back().waiting.delivered;
    withdrawn_ += withdrawn;
  }
  /// Takes what may go, and answers the oldest batch in flight.
  void drive(partition_queue& of, broker_errc code, bool names_first = false) {
    if (of.look(now, {true}).is == readiness::state::ready) {
      batch_ptr taken;
      take([&] { taken = of.take(producer_identity{1, 0}); });
      if (taken) flying_.emplace_back(&of, taken);
    }
    const auto oldest = std::find_if(flying_.begin(), flying_.end(), [&](auto& each) { return each.first == &of; });
    if (oldest == flying_.end()) return;
    partition_queue::answer said = success_at(code == broker_errc::none ? offset_ += 10 : -1);
    said.code = code;
    if (names_first) said.culprits.push_back({0, "this one"});
    take([&] { of.answered(*oldest->second, said, now, out); });
    flying_.erase(oldest);
  }
  void lose_all(partition_queue& of) {
    take([&] { of.leave_leader(); });
    flying_.remove_if([&](auto& each) { return each.first == &of; });
  }
  void pass(clock_duration time) {
    now += time;
    for (const auto& each : lot.topics.find("t")->partitions()) take([&] { each->expire(now, {}, out); });
    take([&] { lot.expire(now, "nobody answers", {}, 256, out); });
  }
  /// Until nothing is left.
  void settle() {
    for (int i = 0; i != 40; ++i) {
      pass(20ms);
      take([&] { place(); });
      for (const auto& each : lot.topics.find("t")->partitions()) drive(*each, broker_errc::none);
    }
  }
  void expect_whole() {
    for (auto& each : all) CHECK(each.waiting.delivered == 1);
    CHECK(out.counted.records_written + out.counted.records_failed + withdrawn_ == all.size());
    CHECK(lot.outstanding().records == 0);
    CHECK(lot.outstanding().bytes == 0);
    CHECK(lot.parked_bytes() == 0);
    CHECK(is_whole());
    CHECK(owners[0].share.used == 0);
    counting_operation flushing;
    CHECK_FALSE(lot.flushes.begin(flushing));  // nothing is counted that will never be answered
  }

  struct tracked {
    sent_record sent{};
    counting_waiter waiting{};
  };
  std::list<tracked> all;

 private:
  static cokafka::config user() {
    cokafka::config made = with_memory(20000);
    made.max_block = 1s;
    return made;
  }
  int left_;
  std::uint64_t withdrawn_ = 0;
  std::int64_t offset_ = 0;
  std::list<std::pair<partition_queue*, batch_ptr>> flying_;
};

// Parking, batches that grow, wait, are divided, fall due and are withdrawn; a flush, and somebody who waits for space.
void play(short_world& world) {
  world.send("t", "parked", 0);
  world.send("t", "parked as well", 1);
  world.send("t", "for no partition", 7);
  world.take([&] { world.publish("t", 2); });
  world.take([&] { world.publish("t", 2); });
  partition_queue& first = world.queue("t", 0);
  partition_queue& second = world.queue("t", 1);
  world.settle();
  counting_operation flushing, space;
  for (int i = 0; i != 3; ++i) world.send("t", "a", 0);
  world.drive(first, broker_errc::none);
  for (int i = 0; i != 4; ++i) world.send("t", "b", 0, 1s + i * 1s);
  world.take([&] { world.lot.flushes.begin(flushing); });
  world.drive(first, broker_errc::record_list_too_large);
  world.drive(first, broker_errc::not_leader_or_follower);
  for (int i = 0; i != 3; ++i) world.send("t", "c", 1, 1s + i * 1s);
  world.withdraw_last();
  world.drive(second, broker_errc::invalid_record, true);
  for (int i = 0; i != 3; ++i) world.send("t", "d", 1, 500ms + i * 1s);
  world.send("t", "e", 1);
  world.withdraw_last();
  world.pass(600ms);
  world.drive(second, broker_errc::request_timed_out);
  world.drive(second, broker_errc::out_of_order_sequence_number);
  world.lose_all(first);
  for (int i = 0; i != 4; ++i) world.send("t", large_value, i % 2);
  bool waits = false;
  world.take([&] { waits = waits || world.lot.wait_for_space(space, 1, world.now); });
  world.settle();
  CHECK(flushing.delivered == 1);
  CHECK(space.delivered == (waits ? 1 : 0));
  world.send("t", "f", 0);
  world.send("u", "of no topic", 0);
  world.take([&] { world.lot.close(); });
  error_details why;
  why.code = errc::closed;
  why.message = "a message that is too long to stand in the string itself";
  world.take([&] { world.lot.fail_parked(why, world.now, world.out); });
  world.take([&] { first.fail_all(why, world.now, world.out); });
  world.take([&] { second.fail_all(why, world.now, world.out); });
}

}  // namespace

TEST_CASE("whichever allocation of a long script fails, every record is answered once and no memory stays charged",
          "[core]") {
  int allocations = 0;
  for (bool failed = true; failed; ++allocations) {
    INFO("allocation " << allocations);
    short_world world(allocations);
    play(world);
    world.expect_whole();
    failed = world.has_failed();
  }
  CHECK(allocations > 100);  // or this test would test little
}

TEST_CASE("the end of a partition needs no memory at all", "[core]") {
  partition_bench bench;
  bench.open_window();
  counting_waiter waiting[4];
  sent_record sent[4];
  for (int i = 0; i != 4; ++i) {
    sent[i] = bench.send_alone("v");
    REQUIRE(sent[i].done->attach(waiting[i]));
    if (i < 2) bench.take();
  }
  error_details why;
  why.code = errc::closed;
  why.message = "a message that is too long to stand in the string itself";
  bench.identity.reset();
  allocations_left = 0;
  all_fail_from_there = true;
  bench.queue.leave_leader();
  bench.queue.expire(bench.now + 1h, {}, bench.out);
  bench.queue.fail_all(why, bench.now + 1h, bench.out);
  all_fail_from_there = false;
  allocations_left = -1;
  deliver_answers(bench.out);
  for (int i = 0; i != 4; ++i) {
    CHECK(waiting[i].delivered == 1);
    CHECK(sent[i].failure() == errc::timed_out);
    CHECK(sent[i].failure().fate() == (i < 2 ? fate::maybe_written : fate::not_written));
  }
}

TEST_CASE("a request that finds no memory to be encoded keeps its batches", "[core]") {
  struct encoding_world : lot_bench {
    produce_request asked;
    bool lost = false;
  };
  without_each_allocation(
      [] {
        auto world = std::make_unique<encoding_world>();
        for (const char* const name : {"a", "b"}) {
          world->publish(name, 2);
          for (const std::int32_t p : {0, 1}) {
            world->send(name, "v", p);
            partition_queue& from = world->queue(name, p);
            REQUIRE(from.look(world->now, {true}).is == readiness::state::ready);
            world->asked.batches.push_back({&from, from.take(producer_identity{1, 0}), {}});
          }
        }
        std::swap(world->asked.batches[1], world->asked.batches[2]);
        world->asked.version = 9;
        return world;
      },
      [](encoding_world& world) {
        for (const auto& each : world.asked.batches) world.lost = world.lost || each.what == nullptr;
        if (!world.lost) encode_produce_request(world.asked, world.rules);
      },
      [](encoding_world& world) { REQUIRE_FALSE(world.lost); });
}

#endif
