// SPDX-License-Identifier: BSL-1.0
// Which time a record is told: the broker's, or its own where the answer only looks like the broker's.
#include "cokafka/detail/core/partition_queue.hpp"
#include "support/core_bench.hpp"

#include <cstdint>

using namespace cokafka_test;

TEST_CASE("a duplicate is answered with the first copy's largest timestamp, which is no append time", "[core]") {
  partition_bench bench;
  auto record = bench.send("a");
  record.ticket.timestamp = 55;
  const auto first = bench.take();
  const std::int64_t largest = first->records.max_timestamp();
  bench.lose(first);
  bench.now += 2s;
  const auto again = bench.take();
  REQUIRE(again == first);
  partition_queue::answer said;
  said.code = broker_errc::none;
  said.base_offset = 7;
  said.log_append_time = largest;
  bench.queue.answered(*again, said, bench.now, bench.out);
  CHECK(record.get().value().timestamp.time_since_epoch().count() == 55);
  CHECK(record.offset() == 7);
}

TEST_CASE("a topic may cease to stamp records", "[core]") {
  partition_bench bench;
  bench.of.stamps_records = true;
  bench.send("a");
  bench.acknowledge(bench.take(), 7);
  CHECK_FALSE(bench.of.stamps_records);
}

TEST_CASE("a batch that was refused before is no duplicate: what it is told is the append time", "[core]") {
  partition_bench bench;
  auto record = bench.send("a");
  record.ticket.timestamp = 55;
  const auto first = bench.take();
  bench.answer(first, broker_errc::not_enough_replicas);
  bench.now += 2s;
  const auto again = bench.take();
  REQUIRE(again == first);
  partition_queue::answer said;
  said.code = broker_errc::none;
  said.base_offset = 7;
  said.log_append_time = first->records.max_timestamp();  // appended in the millisecond of its newest record
  bench.queue.answered(*again, said, bench.now, bench.out);
  CHECK(record.get().value().timestamp.time_since_epoch().count() == said.log_append_time);
}

TEST_CASE("where the topic stamps records itself a duplicate's time is the first copy's append time", "[core]") {
  partition_bench bench;
  partition_queue::answer said;
  said.code = broker_errc::none;
  said.base_offset = 7;
  said.log_append_time = 77;
  const auto answer = [&](bool lost) {
    bench.send("a");
    const auto before = bench.take();
    if (lost) {
      bench.lose(before);
      bench.now += 2s;
      REQUIRE(bench.take() == before);
    }
    bench.queue.answered(*before, said, bench.now, bench.out);
  };
  SECTION("as a plain success tells") { answer(false); }
  SECTION("as a duplicate tells whose time is not of its records") { answer(true); }
  SECTION("as another partition of it has heard") {
    partition_queue& other = bench.of.partition(1, bench.rules, bench.memory, bench.flushes);
    other.owner = other.desired_owner = &bench.owner;
    other.append(with_value("a"), 7, bench.now, 10s);
    REQUIRE(other.look(bench.now, {true}).is == readiness::state::ready);
    other.answered(*other.take(bench.identity), said, bench.now, bench.out);
  }
  auto record = bench.send("b");
  record.ticket.timestamp = 55;
  const auto first = bench.take();
  bench.lose(first);
  bench.now += 2s;
  const auto again = bench.take();
  REQUIRE(again == first);
  said.base_offset = 8;
  said.log_append_time = first->records.max_timestamp();
  bench.queue.answered(*again, said, bench.now, bench.out);
  CHECK(record.get().value().timestamp.time_since_epoch().count() == said.log_append_time);
}
