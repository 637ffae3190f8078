// SPDX-License-Identifier: BSL-1.0
// Scripts of one partition: windows, sequences, epochs, and what an answer does to a batch and to those behind it.
#include "cokafka/detail/core/partition_queue.hpp"
#include "support/core_bench.hpp"
#include "support/core_inputs.hpp"

#include <cstdint>
#include <string>
#include <vector>

using namespace cokafka_test;

namespace {

constexpr auto invalid = broker_errc::invalid_record;

}  // namespace

TEST_CASE("the first batch goes alone; an acknowledgement opens the window to five", "[core]") {
  partition_bench bench;
  for (int i = 0; i < 8; ++i) bench.send_alone("v");
  const auto first = bench.take_all();
  REQUIRE(first.size() == 1);
  CHECK(bench.look().is == readiness::state::blocked);
  bench.acknowledge(first[0]);
  CHECK(bench.take_all().size() == 5);
  CHECK(bench.queue.in_flight() == 5);
}

TEST_CASE("batches are stamped in queue order with contiguous sequences", "[core]") {
  partition_bench bench;
  bench.open_window();
  for (int i = 0; i < 3; ++i) {
    bench.send_alone("v");
    bench.open_again();
    for (int n = 0; n < i; ++n) bench.send("v");
    bench.close_open_batch();
  }
  const auto all = bench.take_all();
  REQUIRE(all.size() == 3);
  CHECK(*all[0]->stamp == batch_stamp{4711, 0, 1});
  CHECK(*all[1]->stamp == batch_stamp{4711, 0, 2});
  CHECK(*all[2]->stamp == batch_stamp{4711, 0, 4});
}

TEST_CASE("any error falls back to one batch in flight until one is acknowledged with nothing left to retry",
          "[core]") {
  partition_bench bench;
  bench.open_window();
  for (int i = 0; i < 6; ++i) bench.send_alone("v");
  auto flying = bench.take_all();
  REQUIRE(flying.size() == 5);
  CHECK(bench.answer(flying[0], broker_timeout).action == verdict_action::retry);
  CHECK(bench.look().is == readiness::state::blocked);
  for (std::size_t i = 1; i < 5; ++i) {
    bench.acknowledge(flying[i], 10);  // the broker had the first one all the same
    CHECK(bench.take_all().size() == (i == 4 ? 1 : 0));
  }
  CHECK(bench.take_all().empty());  // its retry is alone, although the others were acknowledged
  CHECK(bench.queue.in_flight() == 1);
  bench.answer(flying[0], broker_errc::duplicate_sequence_number);
  CHECK(bench.take_all().size() == 1);
}

TEST_CASE("A refused by an old leader and B out of order behind it go again in order, unchanged", "[core]") {
  partition_bench bench;
  bench.open_window();
  const auto a = bench.send_alone("a");
  const auto b = bench.send_alone("b");
  const auto c = bench.send_alone("c");
  const auto sent = bench.take_all();
  REQUIRE(sent.size() == 3);
  const auto stamp_a = *sent[0]->stamp;
  const auto stamp_b = *sent[1]->stamp;
  CHECK(bench.answer(sent[0], not_leader).refresh_metadata);
  const verdict said = bench.answer(sent[1], out_of_order);
  CHECK(said.action == verdict_action::retry);
  CHECK_FALSE(said.data_lost);
  CHECK_FALSE(said.new_epoch);
  bench.lose(sent[2]);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto again = bench.take_all();
    REQUIRE(again.size() == 1);
    CHECK(again[0] == sent[i]);
    CHECK(again[0]->attempts == 2);
    bench.acknowledge(again[0], static_cast<std::int64_t>(100 + i));
  }
  CHECK(*sent[0]->stamp == stamp_a);
  CHECK(*sent[1]->stamp == stamp_b);
  CHECK(a.offset() == 100);
  CHECK(b.offset() == 101);
  CHECK(c.offset() == 102);
}

TEST_CASE("a batch that was retried alone and fails again stays in front of those behind it", "[core]") {
  partition_bench bench;
  bench.open_window();
  for (int i = 0; i < 3; ++i) bench.send_alone("v");
  const auto sent = bench.take_all();
  for (const auto& each : sent) bench.lose(each);
  const auto again = bench.take();
  REQUIRE(again == sent[0]);
  bench.lose(again);
  CHECK(bench.take() == sent[0]);
}

TEST_CASE("a failed batch makes a new epoch once the partition has drained; those behind it are stamped anew",
          "[core]") {
  partition_bench bench;
  bench.open_window();
  const auto a = bench.send_alone("a");
  const auto b = bench.send_alone("b");
  const auto c = bench.send_alone("c");
  const auto sent = bench.take_all();
  REQUIRE(sent.size() == 3);
  bench.answer(sent[0], invalid);
  CHECK(a.failure() == invalid);
  CHECK(a.failure().fate() == fate::not_written);
  CHECK_FALSE(bench.take());  // not while something of the old epoch is in flight
  bench.answer(sent[1], out_of_order);
  CHECK_FALSE(bench.take());
  bench.answer(sent[2], out_of_order);
  auto again = bench.take_all();
  REQUIRE(again.size() == 1);
  CHECK(again[0] == sent[1]);
  CHECK(*sent[1]->stamp == batch_stamp{4711, 1, 0});
  CHECK_FALSE(sent[2]->stamp);

  SECTION("and go on in order") {
    bench.acknowledge(sent[1], 5);
    again = bench.take_all();
    REQUIRE(again.size() == 1);
    CHECK(*sent[2]->stamp == batch_stamp{4711, 1, 1});
    bench.acknowledge(sent[2], 6);
    CHECK(b.offset() == 5);
    CHECK(c.offset() == 6);
  }
  SECTION("also when the first of them has to be retried before the next has its new stamp") {
    bench.answer(sent[1], broker_errc::not_enough_replicas);
    again = bench.take_all();
    REQUIRE(again.size() == 1);
    CHECK(again[0] == sent[1]);
    CHECK(*sent[1]->stamp == batch_stamp{4711, 1, 0});
    bench.acknowledge(sent[1], 5);
    CHECK(bench.take() == sent[2]);
  }
}

TEST_CASE("no epoch changes while an unknown batch waits for its retry", "[core]") {
  partition_bench bench;
  bench.open_window();
  bench.send_alone("a");
  const auto b = bench.send_alone("b");
  auto sent = bench.take_all();
  REQUIRE(sent.size() == 2);
  bench.answer(sent[0], invalid);
  bench.answer(sent[1], broker_timeout);  // may be in the log: the broker may have had no state
  auto again = bench.take();
  REQUIRE(again == sent[1]);
  CHECK(*again->stamp == batch_stamp{4711, 0, 2});
  bench.answer(again, out_of_order);  // proves nothing: the broker may have forgotten it
  again = bench.take();
  REQUIRE(again == sent[1]);
  CHECK(*again->stamp == batch_stamp{4711, 0, 2});
  bench.lose(again);
  bench.expire_after(bench.rules.delivery_timeout + 1s);
  CHECK(b.failure() == errc::timed_out);
  CHECK(b.failure().fate() == fate::maybe_written);
  bench.send_alone("c");
  again = bench.take();
  REQUIRE(again);
  CHECK(*again->stamp == batch_stamp{4711, 1, 0});
}

TEST_CASE("OUT_OF_ORDER at the head of the line is reported as lost data and goes on under a new epoch", "[core]") {
  partition_bench bench;
  bench.open_window();
  bench.send_alone("a");
  bench.send_alone("b");
  const auto sent = bench.take_all();
  CHECK(bench.answer(sent[0], out_of_order).data_lost);
  CHECK(bench.out.log.size() == 1);
  CHECK_FALSE(bench.answer(sent[1], out_of_order).data_lost);
  REQUIRE(bench.take() == sent[0]);
  CHECK(*sent[0]->stamp == batch_stamp{4711, 1, 0});
}

TEST_CASE("after the last epoch another producer id is needed, and the old one is not taken again", "[core]") {
  partition_bench bench;
  bench.identity = producer_identity{7, 32767};
  bench.open_window();
  bench.send_alone("a");
  bench.answer(bench.take(), invalid);
  const auto b = bench.send_alone("b");
  CHECK_FALSE(bench.take());
  CHECK(bench.queue.needs_identity());
  CHECK(bench.queue.used_up_producer_id() == 7);
  CHECK_FALSE(bench.take());
  bench.identity = producer_identity{8, 0};
  const auto sent = bench.take();
  REQUIRE(sent);
  CHECK(*sent->stamp == batch_stamp{8, 0, 0});
  CHECK_FALSE(bench.queue.used_up_producer_id());
  bench.acknowledge(sent, 3);
  CHECK(b.offset() == 3);
}

TEST_CASE("sequences wrap from 2^31 - 1 to 0", "[core]") {
  STATIC_REQUIRE(advance_sequence(2147483647, 1) == 0);
  STATIC_REQUIRE(advance_sequence(2147483640, 10) == 2);
  STATIC_REQUIRE(advance_sequence(5, -10) == 2147483643);
  STATIC_REQUIRE(advance_sequence(0, 2147483647) == 2147483647);
}

TEST_CASE("batches that are sent again keep their stamps and their order across the wrap", "[core]") {
  partition_bench bench({}, 2147483646);
  bench.open_window();
  for (int i = 0; i != 3; ++i) bench.send_alone("v");
  const std::vector<batch_ptr> sent = bench.take_all();
  REQUIRE(sent.size() == 3);
  CHECK(*sent[0]->stamp == batch_stamp{4711, 0, 2147483647});
  CHECK(*sent[1]->stamp == batch_stamp{4711, 0, 0});
  CHECK(*sent[2]->stamp == batch_stamp{4711, 0, 1});
  CHECK(is_behind(*sent[1], *sent[0]));
  CHECK_FALSE(is_behind(*sent[0], *sent[2]));
  for (const auto& each : {sent[1], sent[2], sent[0]})
    bench.lose(each);  // they wait for their retry in their old order
  for (const auto& each : sent) {
    const auto again = bench.take();
    REQUIRE(again == each);
    bench.acknowledge(again);
  }
  CHECK(bench.queue.outstanding().records == 0);
}

TEST_CASE("a new batch at the offset of an acknowledged one shows that records have vanished", "[core]") {
  partition_bench bench;
  const auto write = [&](std::int64_t offset) {
    bench.send_alone("v");
    bench.acknowledge(bench.take(), offset);
    return bench.out.counted.vanished_logs;
  };
  CHECK(write(5) == 0);
  CHECK(write(6) == 0);
  SECTION("it is told") {
    CHECK(write(6) == 1);
    CHECK(write(7) == 1);
  }
  SECTION("not by a duplicate, which has the offset of the first copy") {
    bench.send_alone("v");
    const auto sent = bench.take();
    bench.lose(sent);
    REQUIRE(bench.take() == sent);
    bench.acknowledge(sent, 3);
    CHECK(bench.out.counted.vanished_logs == 0);
  }
  SECTION("not of a topic that was made anew") {
    bench.queue.begin_anew();
    CHECK(write(0) == 0);
  }
  SECTION("not by what is no offset") {
    CHECK(write(-1) == 0);
    CHECK(write(std::numeric_limits<std::int64_t>::max()) == 0);
    CHECK(write(7) == 0);
  }
}
