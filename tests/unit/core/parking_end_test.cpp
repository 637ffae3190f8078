// SPDX-License-Identifier: BSL-1.0
// How parking ends: by time, by space, by a flush, by a refusal, by the end of the producer.
#include "cokafka/detail/core/accumulator.hpp"
#include "support/core_bench.hpp"
#include "support/core_inputs.hpp"

#include <cstdint>
#include <string>
#include <vector>

using namespace cokafka_test;

TEST_CASE("nobody waits longer than max.block.ms, and says why", "[core]") {
  lot_bench bench;
  const auto sent = bench.send("t", "v");
  bench.expire_after(59s);
  CHECK_FALSE(sent.is_ready());
  REQUIRE(bench.lot.earliest_parked_deadline() == bench.now + 1s);
  SECTION("no broker") {
    bench.expire_after(1s, "nobody at localhost:9092");
    CHECK(sent.failure() == errc::no_brokers);
    CHECK(sent.failure().message() == "nobody at localhost:9092");
  }
  SECTION("the topic does not exist") {
    bench.lot.topics.find("t")->last_error = broker_errc::unknown_topic_or_partition;
    bench.expire_after(1s);
    CHECK(sent.failure() == broker_errc::unknown_topic_or_partition);
  }
  SECTION("no answer") {
    bench.expire_after(1s);
    CHECK(sent.failure() == errc::metadata_timed_out);
  }
  CHECK(sent.failure().fate() == fate::not_written);
  CHECK(sent.failure().elapsed() == 60s);
  CHECK_FALSE(bench.lot.earliest_parked_deadline());
  CHECK(bench.lot.topics.find("t")->parked == 0);
}

TEST_CASE("a record's own timeout is shorter than max.block.ms", "[core]") {
  lot_bench bench;
  record_view record = with_value("v");
  record.topic = "t";
  record.timeout = 10ms;
  const auto sent = bench.send(record);
  bench.expire_after(10ms);
  CHECK(sent.failure() == errc::metadata_timed_out);
}

TEST_CASE("when the first in the memory line gives up, those behind it are placed and nobody waits any more",
          "[core]") {
  lot_bench bench(with_memory(8192));
  bench.publish("a", 2);
  const auto held = bench.send("a", large_value, 0);
  record_view hasty = with_value(large_value);
  hasty.topic = "a";
  hasty.partition = 1;
  hasty.timeout = 10ms;
  const auto first = bench.send(hasty);
  const auto second = bench.send("a", "small", 0);
  CHECK(bench.queue("a", 0).outstanding().records == 1);
  bench.expire_after(10ms);
  CHECK(first.failure() == errc::buffer_timed_out);
  CHECK(bench.queue("a", 0).outstanding().records == 2);
  CHECK_FALSE(bench.lot.memory.is_somebody_waiting());
  bench.acknowledge(bench.queue("a", 0));
  CHECK(second.is_ready());
  CHECK(bench.is_whole());
}

TEST_CASE("parked copies are bounded by parked.memory; beyond it send fails at once", "[core]") {
  cokafka::config user;
  user.parked_memory = 20'000;
  lot_bench bench(user);
  std::vector<sent_record> sent;
  for (int i = 0; i < 20; ++i) sent.push_back(bench.send("t", large_value));
  std::size_t waiting = 0;
  for (const auto& each : sent) waiting += each.is_ready() ? 0 : 1;
  CHECK(waiting >= 4);
  CHECK(waiting <= 6);
  CHECK(sent.back().failure() == errc::buffer_full);
  bench.expire_after(60s);
  CHECK_FALSE(bench.send("t", large_value).is_ready());  // it was given back
}

TEST_CASE("who waits for space is served in turn, and cancelling lets the next one by", "[core]") {
  lot_bench bench(with_memory(40'000));
  bench.publish("t", 1);
  counting_operation unbothered;
  CHECK_FALSE(bench.lot.wait_for_space(unbothered, 1000, bench.now));
  CHECK_FALSE(bench.lot.memory.is_somebody_waiting());
  const auto held = bench.send("t", std::string(20'000, 'v'));
  counting_operation first;
  counting_operation second;
  REQUIRE(bench.lot.wait_for_space(first, 30'000, bench.now));
  REQUIRE(bench.lot.wait_for_space(second, 1, bench.now));
  const auto behind = bench.send("t", "v");
  CHECK(bench.queue("t", 0).outstanding().records == 1);
  SECTION("in turn") {
    bench.acknowledge(bench.queue("t", 0));
    bench.place();
    REQUIRE(bench.out.ended.size() == 2);
    CHECK(&bench.out.ended.front() == &first);
    CHECK(deliver_all(bench.out.ended) == 2);
    CHECK_FALSE(first.failure);
  }
  SECTION("cancelled") {
    const int calls = bench.home.calls;
    CHECK(bench.lot.cancel_space(first));
    CHECK_FALSE(bench.lot.cancel_space(first));
    CHECK(bench.home.calls > calls);
    CHECK(bench.lot.cancel_space(second));
    bench.place();
    CHECK(bench.out.ended.empty());
  }
  SECTION("timed out") {
    bench.expire_after(60s);
    CHECK(deliver_all(bench.out.ended) == 2);
    CHECK(first.failure.value() == errc::buffer_timed_out);
    CHECK(behind.failure() == errc::buffer_timed_out);
  }
  CHECK_FALSE(bench.lot.memory.is_somebody_waiting());
  counting_operation too_much;
  CHECK_FALSE(bench.lot.wait_for_space(too_much, 40'001, bench.now));
  CHECK(too_much.failure.value() == errc::record_too_large);
}

TEST_CASE("a flush waits for parked records and for the batches they were forwarded to", "[core]") {
  lot_bench bench;
  const auto parked = bench.send("t", "v");
  counting_operation flush;
  REQUIRE(bench.lot.flushes.begin(flush));
  CHECK(bench.lot.flushes.is_flushing());
  bench.publish("t", 1);
  const auto later = bench.send("t", "in the same batch");
  CHECK(bench.out.ended.empty());
  bench.acknowledge(bench.queue("t", 0));
  CHECK(deliver_all(bench.out.ended) == 1);
  CHECK_FALSE(bench.lot.flushes.is_flushing());
  CHECK(parked.is_ready());

  counting_operation again;
  const auto fails = bench.send("unknown", "v");
  REQUIRE(bench.lot.flushes.begin(again));
  bench.send("t", "after the flush");
  bench.expire_after(60s);
  CHECK(fails.is_ready());
  CHECK(deliver_all(bench.out.ended) == 1);
  CHECK_FALSE(again.failure);
}

TEST_CASE("a parked record's waiter moves to its batch and is answered there once", "[core]") {
  lot_bench bench;
  const auto sent = bench.send("t", "v");
  counting_waiter waiter;
  REQUIRE(sent.done->attach(waiter));
  counting_waiter gone;
  REQUIRE(sent.done->attach(gone));
  bench.publish("t", 1);
  CHECK(sent.done->detach(gone));
  CHECK_FALSE(sent.done->detach(gone));
  counting_waiter late;
  REQUIRE(sent.done->attach(late));
  bench.acknowledge(bench.queue("t", 0), 8);
  CHECK(deliver_answers(bench.out) == 2);
  CHECK(waiter.source->get(waiter.ticket).value().offset == 8);
  counting_waiter too_late;
  CHECK_FALSE(sent.done->attach(too_late));
  CHECK(too_late.source->get(too_late.ticket).value().offset == 8);
}

TEST_CASE("the end fails or abandons everything that is parked", "[core]") {
  lot_bench bench(with_memory(8192));
  bench.publish("t", 2);
  bench.send("t", large_value);
  std::vector<sent_record> parked{bench.send("t", large_value, 1), bench.send("unknown", "v"), bench.send("t", "v", 9)};
  std::vector<counting_waiter> waiters(3);
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(parked[i].done->attach(waiters[i]));
  counting_operation space;
  REQUIRE(bench.lot.wait_for_space(space, 1, bench.now));
  SECTION("failed") {
    error_details why;
    why.code = make_error_code(errc::closed);
    bench.lot.fail_parked(why, bench.now, bench.out);
    CHECK(deliver_answers(bench.out) == 3);
    CHECK(deliver_all(bench.out.ended) == 1);
    CHECK(space.failure.value() == errc::closed);
    CHECK(parked[0].failure() == errc::closed);
    CHECK_FALSE(bench.lot.memory.is_somebody_waiting());
    CHECK(bench.lot.outstanding().records == 1);
  }
  SECTION("abandoned") {
    waiter_list all;
    bench.lot.abandon(all);
    CHECK(all.size() == 4);
    all.clear();
  }
}

TEST_CASE("a refused topic fails its parked records with the broker's reason", "[core]") {
  lot_bench bench;
  const auto sent = bench.send("t", "v");
  const auto other = bench.send("other", "v");
  bench.lot.refuse(*bench.lot.topics.find("t"), broker_errc::topic_authorization_failed, "not yours", bench.now,
                   bench.out);
  CHECK(sent.failure() == broker_errc::topic_authorization_failed);
  CHECK(sent.failure().message() == "not yours");
  CHECK_FALSE(other.is_ready());
}

TEST_CASE("who waits for space does not wait behind records whose broker holds its share", "[core]") {
  lot_bench bench(with_memory(64 * 1024));
  bench.lot.memory.limit_shares(true);
  bench.publish("t", 2);
  lot_bench::give(bench.queue("t", 1), bench.owners[1]);
  while (bench.queue("t", 0).parked == 0) bench.send("t", large_value);
  CHECK(bench.owners[0].share.waited_for);
  CHECK_FALSE(bench.owners[1].share.waited_for);
  CHECK_FALSE(bench.lot.is_memory_short());  // so that nobody else's batches go early
  counting_operation space;
  CHECK_FALSE(bench.lot.wait_for_space(space, 100, bench.now));
  CHECK(bench.lot.memory.is_somebody_waiting());  // those behind the share must hear of memory that comes back
  while (bench.acknowledge(bench.queue("t", 0)) > 0) bench.place();
  CHECK(bench.queue("t", 0).parked == 0);
  CHECK_FALSE(bench.owners[0].share.waited_for);
  CHECK_FALSE(bench.lot.memory.is_somebody_waiting());
}
