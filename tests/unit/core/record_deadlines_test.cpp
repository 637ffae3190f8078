// SPDX-License-Identifier: BSL-1.0
// Each record has a deadline of its own, whatever batch it is in and wherever that is (guarantee.md, rule 15).
#include "cokafka/detail/core/record_deadlines.hpp"
#include "cokafka/detail/core/partition_queue.hpp"
#include "support/core_bench.hpp"

#include <cstdint>
#include <string>
#include <vector>

using namespace cokafka_test;

TEST_CASE("records with different timeouts share a batch; who is due before it is sealed is removed", "[core]") {
  partition_bench bench;
  const auto a = bench.send("a", 60s);
  const auto b = bench.send("b", 10s);
  const auto c = bench.send("c", 30s);
  const auto d = bench.send("d", 10s);
  counting_waiter waiters[2] = {counting_waiter(1), counting_waiter(3)};
  REQUIRE(b.done->attach(waiters[1 - 1]));
  REQUIRE(d.done->attach(waiters[1]));
  CHECK(bench.queue.earliest_deadline() == bench.now + 10s);
  bench.expire_after(10s - 1ns);
  CHECK_FALSE(b.is_ready());
  bench.expire_after(1ns);
  for (const auto* each : {&b, &d}) {
    CHECK(each->failure() == errc::timed_out);
    CHECK(each->failure().fate() == fate::not_written);
    CHECK(each->failure().elapsed() == 10s);
  }
  CHECK_FALSE(a.is_ready());
  CHECK_FALSE(c.is_ready());
  CHECK(deliver_answers(bench.out) == 2);
  CHECK(waiters[0].source->get(waiters[0].ticket).error() == errc::timed_out);
  CHECK(bench.queue.outstanding().records == 2);
  CHECK(bench.queue.earliest_deadline() == bench.now + 20s);
  counting_waiter late(1);
  CHECK_FALSE(b.done->attach(late));
  CHECK(late.source->get(late.ticket).error() == errc::timed_out);
  const auto taken = bench.take();
  REQUIRE(taken);
  CHECK(taken->records.count() == 2);
  CHECK(bench.queue.outstanding().bytes == taken->records.size() - batch_header_size);
  bench.acknowledge(taken, 50);
  CHECK(a.offset() == 50);
  CHECK(c.offset() == 51);
  CHECK(b.failure() == errc::timed_out);
  CHECK(bench.queue.outstanding().bytes == 0);
}

TEST_CASE("who is due in flight is told maybe_written, and the others of its batch get their answer", "[core]") {
  partition_bench bench;
  bench.open_window();
  const auto a = bench.send("a", 60s);
  const auto b = bench.send("b", 10s);
  const auto c = bench.send("c", 60s);
  const auto taken = bench.take();
  REQUIRE(taken);
  bench.expire_after(10s);
  CHECK(b.failure().fate() == fate::maybe_written);
  CHECK(b.failure().attempts() == 1);
  CHECK(bench.queue.outstanding().records == 2);
  CHECK(bench.queue.earliest_deadline() == bench.now + 50s);
  SECTION("answered") {
    bench.acknowledge(taken, 20);
    CHECK(a.offset() == 20);
    CHECK(c.offset() == 22);  // it was written in its place all the same
  }
  SECTION("sent again for those that are left, until they are due") {
    bench.lose(taken);
    REQUIRE(bench.take() == taken);
    bench.expire_after(50s);
    CHECK(a.failure().fate() == fate::maybe_written);
    CHECK(a.failure().attempts() == 2);
  }
  CHECK(b.failure() == errc::timed_out);
  CHECK(bench.queue.outstanding().records == 0);
  CHECK(bench.queue.outstanding().bytes == 0);
}

TEST_CASE("a sealed batch that may not be in the log is not_written only when it is dropped whole", "[core]") {
  partition_bench bench;
  bench.open_window();
  const auto a = bench.send("a", 10s);
  const auto b = bench.send("b", 20s);
  const auto taken = bench.take();
  bench.answer(taken, broker_errc::not_enough_replicas);  // proven absent, waits for its retry
  bench.expire_after(10s);
  CHECK(a.failure().fate() == fate::maybe_written);
  CHECK(bench.queue.has_pending());
  SECTION("with the last of its records it goes") {
    bench.expire_after(10s);
    CHECK(b.failure().fate() == fate::not_written);
    CHECK_FALSE(bench.queue.has_pending());
  }
  SECTION("or it is written, with the record that was given up") {
    REQUIRE(bench.take() == taken);
    CHECK(taken->records.count() == 2);
    bench.acknowledge(taken, 8);
    CHECK(b.offset() == 9);
  }
  CHECK(bench.queue.outstanding().records == 0);
  CHECK(bench.queue.outstanding().bytes == 0);
}

TEST_CASE("withdrawals and deadlines in one batch: everybody is answered once, and the sums are right", "[core]") {
  partition_bench bench;
  std::vector<sent_record> records;
  std::vector<counting_waiter> waiters(6);
  for (int i = 0; i != 6; ++i) {
    records.push_back(bench.send(std::string(static_cast<std::size_t>(10 * i), 'v'), i % 2 == 0 ? 10s : 60s));
    waiters[static_cast<std::size_t>(i)].ticket = records.back().ticket;
    REQUIRE(records.back().done->attach(waiters[static_cast<std::size_t>(i)]));
  }
  for (const std::size_t i : {2u, 3u}) CHECK(bench.queue.withdraw(*records[i].done, waiters[i], bench.out).done);
  SECTION("before it is sealed") {
    bench.expire_after(10s);
    CHECK(deliver_answers(bench.out) == 2);
    const auto taken = bench.take();
    REQUIRE(taken);
    CHECK(taken->records.count() == 2);
    bench.acknowledge(taken, 1);
    CHECK(records[1].offset() == 1);
    CHECK(records[5].offset() == 2);
  }
  SECTION("after that") {
    const auto taken = bench.take();
    REQUIRE(taken);
    CHECK(taken->records.count() == 4);
    CHECK(bench.queue.outstanding().bytes == taken->records.size() - batch_header_size);
    bench.expire_after(10s);
    CHECK(deliver_answers(bench.out) == 2);
    bench.acknowledge(taken, 1);
    CHECK(records[1].offset() == 2);
    CHECK(records[5].offset() == 4);
  }
  SECTION("what is left is dropped when those that are not due were withdrawn") {
    for (const std::size_t i : {1u, 5u}) CHECK(bench.queue.withdraw(*records[i].done, waiters[i], bench.out).done);
    bench.expire_after(10s);
    CHECK(deliver_answers(bench.out) == 2);
    CHECK_FALSE(bench.queue.has_pending());
    CHECK(records[0].failure().fate() == fate::not_written);
    CHECK(bench.memory.available() == bench.memory.total());
  }
  deliver_answers(bench.out);
  CHECK(bench.queue.outstanding().records == 0);
  CHECK(bench.queue.outstanding().bytes == 0);
}

TEST_CASE("a sealed batch whose last live records are due goes at once, although withdrawn ones were due later",
          "[core]") {
  partition_bench bench;
  const auto a = bench.send("a", 10s);
  const auto b = bench.send("b", 60s);
  counting_waiter waiter(1);
  waiter.ticket = b.ticket;
  REQUIRE(b.done->attach(waiter));
  CHECK(bench.queue.withdraw(*b.done, waiter, bench.out).done);
  const auto taken = bench.take();
  bench.lose(taken);
  bench.expire_after(10s);
  CHECK(a.failure().fate() == fate::maybe_written);
  CHECK_FALSE(bench.queue.has_pending());
}

TEST_CASE("deadlines are kept in runs: exact at first, then to the millisecond, a batch of one allocates none",
          "[core]") {
  const clock_time start{std::chrono::hours(1)};
  record_deadlines due;
  for (std::uint32_t i = 0; i != 100'000; ++i) {
    REQUIRE(due.takes(start + std::chrono::microseconds(i), i));
    due.add(i, i, start + std::chrono::microseconds(i));
  }
  std::uint32_t next = 0;
  for (int ms = 0; ms <= 101; ++ms) {
    const clock_time now = start + std::chrono::milliseconds(ms);
    due.take_due(now, 100'000, 100'000, [&](std::uint32_t first, std::uint32_t end, std::size_t bytes) {
      CHECK(first == next);
      CHECK(bytes == end - first);
      next = end;
    });
    REQUIRE(next <= static_cast<std::uint32_t>(ms * 1000 + 1));  // nobody early
    REQUIRE(
        (next + 1000 >= static_cast<std::uint32_t>(ms * 1000) || next == 100'000));  // nobody later than a millisecond
  }
  CHECK(next == 100'000);
  CHECK(due.earliest() == record_deadlines::never);
}

TEST_CASE("timeouts that alternate end a batch before their list is a quarter of its bytes", "[core]") {
  partition_bench bench;
  std::vector<sent_record> records;
  for (int i = 0; i != 1000; ++i) records.push_back(bench.send("v", i % 2 == 0 ? 10s : 60s));
  CHECK(records.front().done != records.back().done);
  CHECK(records.front().done == records[60].done);
  for (int i = 0; i != 1000; ++i) records.push_back(bench.send(std::string(100, 'v'), i % 2 == 0 ? 10s : 60s));
  CHECK(records[1200].done == records.back().done);
}

TEST_CASE("the list of a batch's deadlines is charged with its records and given back with them", "[core]") {
  partition_bench bench;
  const auto charged = [&bench] { return bench.memory.total() - bench.memory.available(); };
  bench.send("v", 10s);
  bench.send("v", 10s);
  CHECK(charged() == 1024);  // one chunk; one run of records is kept in the batch itself
  for (int i = 0; i != 40; ++i) bench.send("v", 20s + i * 1s);
  CHECK(charged() == 1024 + 64 * 16);
  batch_ptr taken = bench.take();
  REQUIRE(taken->records.count() == 42);
  bench.acknowledge(taken, 0);
  taken.reset();
  CHECK(charged() == 0);
}
