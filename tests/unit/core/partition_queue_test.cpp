// SPDX-License-Identifier: BSL-1.0
// Scripts of one partition: when a batch may go, what an answer does to it and to those behind it, how it ends.
#include "cokafka/detail/core/partition_queue.hpp"
#include "support/core_bench.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

using namespace cokafka_test;

namespace {

constexpr auto not_leader = broker_errc::not_leader_or_follower;
constexpr auto out_of_order = broker_errc::out_of_order_sequence_number;
constexpr auto invalid = broker_errc::invalid_record;
constexpr auto broker_timeout = broker_errc::request_timed_out;

cokafka::config not_idempotent(cokafka::acks acks = cokafka::acks::leader) {
  cokafka::config user;
  user.acks = acks;
  return user;
}

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
    const auto timeout = bench.rules.delivery_timeout + std::chrono::seconds(i);
    for (int n = 0; n <= i; ++n) bench.send("v", timeout);
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
  bench.answer(sent[1], broker_timeout);  // may be in the log
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

TEST_CASE("what expires before it was written is not_written, and the sequences do not notice", "[core]") {
  partition_bench bench;
  bench.open_window();
  const auto late = bench.send("late", 10s);
  const auto early = bench.send("early", 60s);
  bench.expire_after(10s);
  CHECK(late.failure() == errc::timed_out);
  CHECK(late.failure().fate() == fate::not_written);
  CHECK(late.failure().attempts() == 0);
  CHECK_FALSE(early.is_ready());
  CHECK(bench.queue.earliest_deadline() == bench.now + 50s);
  const auto sent = bench.take();
  REQUIRE(sent);
  CHECK(*sent->stamp == batch_stamp{4711, 0, 1});
}

TEST_CASE("what expires in flight is maybe_written; a late success still counts for those behind", "[core]") {
  partition_bench bench;
  bench.open_window();
  const auto a = bench.send("a", 10s);
  const auto b = bench.send("b", 60s);
  const auto sent = bench.take_all();
  REQUIRE(sent.size() == 2);
  bench.expire_after(10s);
  CHECK(a.failure().fate() == fate::maybe_written);
  CHECK(a.failure().attempts() == 1);

  SECTION("a late success leaves the epoch alone") {
    bench.acknowledge(sent[0], 1);
    bench.acknowledge(sent[1], 2);
    CHECK(b.offset() == 2);
    CHECK(a.failure() == errc::timed_out);
    bench.send("c");
    CHECK(bench.take()->stamp->producer_epoch == 0);
  }
  SECTION("any other answer ends it, and a new epoch follows") {
    CHECK(bench.answer(sent[0], not_leader).action == verdict_action::fail);
    CHECK(bench.answer(sent[1], out_of_order).action == verdict_action::retry);
    REQUIRE(bench.take() == sent[1]);
    CHECK(*sent[1]->stamp == batch_stamp{4711, 1, 0});
  }
}

TEST_CASE("a retried batch that expires is maybe_written if an attempt is unknown, else not_written", "[core]") {
  partition_bench bench;
  bench.open_window();
  const auto sent = bench.send("v", 10s);
  const auto taken = bench.take();
  SECTION("refused before the append") {
    bench.answer(taken, broker_errc::not_enough_replicas);
    bench.expire_after(10s);
    CHECK(sent.failure().fate() == fate::not_written);
    CHECK(sent.failure().cause() == make_error_code(broker_errc::not_enough_replicas));
  }
  SECTION("no answer") {
    bench.lose(taken);
    bench.expire_after(10s);
    CHECK(sent.failure().fate() == fate::maybe_written);
  }
  CHECK(sent.failure().attempts() == 1);
  bench.send("next");
  const auto next = bench.take();
  REQUIRE(next);
  CHECK(*next->stamp == batch_stamp{4711, 1, 0});
}

TEST_CASE("records that expire together are told in their order, whatever has become of them", "[core]") {
  partition_bench bench;
  bench.open_window();
  std::vector<sent_record> records;
  for (int i = 0; i < 7; ++i) records.push_back(bench.send("v", std::chrono::seconds(20 - i)));
  auto sent = bench.take_all();
  REQUIRE(sent.size() == 5);
  for (const auto& each : sent) bench.lose(each);
  REQUIRE(bench.take() == sent[0]);  // one in flight, four to retry, two never sent
  std::vector<counting_waiter> waiters(7);
  for (std::size_t i = 0; i < 7; ++i) REQUIRE(records[i].done->attach(waiters[i]));
  deliver_all(bench.out.answered);
  SECTION("by their deadline") { bench.expire_after(1h); }
  SECTION("by the end of the producer") {
    error_details why;
    why.code = make_error_code(errc::closed);
    bench.queue.fail_all(why, bench.now, bench.out);
  }
  std::size_t at = 0;
  for (auto& each : bench.out.answered) CHECK(&each == &waiters[at++]);
  CHECK(at == 7);
  CHECK(records[4].failure().fate() == fate::maybe_written);
  CHECK(records[5].failure().fate() == fate::not_written);
  bench.out.answered.clear();
  bench.lose(sent[0]);
  CHECK(bench.memory.available() < bench.memory.total());
  sent.clear();
  CHECK(bench.memory.available() == bench.memory.total());
}

TEST_CASE("after the end nothing is taken in any more", "[core]") {
  partition_bench bench;
  error_details why;
  why.code = make_error_code(errc::closed);
  bench.queue.fail_all(why, bench.now, bench.out);
  const auto refused = bench.queue.append(with_value("v"), 7, bench.now, 1s);
  CHECK(refused.state == append_outcome::status::closed);
  CHECK(bench.memory.available() == bench.memory.total());
  CHECK_FALSE(bench.queue.has_pending());
}

TEST_CASE("the number of retries is limited where the configuration says so", "[core]") {
  cokafka::config user;
  user.retries = 2;
  partition_bench bench(user);
  const auto sent = bench.send("v");
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const auto taken = bench.take();
    REQUIRE(taken);
    bench.answer(taken, not_leader);
  }
  CHECK(sent.failure() == not_leader);
  CHECK(sent.failure().attempts() == 3);
  CHECK(sent.failure().fate() == fate::maybe_written);
}

TEST_CASE("a retry waits for its backoff, which the success of a later batch does not shorten", "[core]") {
  partition_bench bench;
  bench.open_window();
  bench.backoff = 100ms;
  bench.send_alone("a");
  bench.send_alone("b");
  const auto sent = bench.take_all();
  bench.answer(sent[0], broker_timeout);
  bench.acknowledge(sent[1], 9);
  CHECK(bench.look().is == readiness::state::backing_off);
  CHECK(bench.look().until == bench.now + 100ms);
  bench.now += 100ms;
  CHECK(bench.take() == sent[0]);
}

TEST_CASE("without idempotence the window is open from the start and retries keep their order", "[core]") {
  partition_bench bench(not_idempotent());
  for (int i = 0; i < 7; ++i) bench.send_alone("v");
  const auto sent = bench.take_all();
  REQUIRE(sent.size() == 5);
  CHECK(*sent[0]->stamp == batch_stamp{});
  bench.lose(sent[0]);
  bench.lose(sent[1]);
  const auto again = bench.take_all();
  REQUIRE(again.size() == 2);
  CHECK(again[0] == sent[0]);
  CHECK(again[1] == sent[1]);
}

TEST_CASE("with acks=0 a written batch is complete without an offset, a lost one maybe_written", "[core]") {
  partition_bench bench(not_idempotent(cokafka::acks::none));
  const auto a = bench.send_alone("a");
  const auto b = bench.send_alone("b");
  const auto sent = bench.take_all();
  REQUIRE(sent.size() == 2);
  bench.queue.written_unacknowledged(*sent[0], bench.out);
  CHECK(a.get().has_value());
  CHECK_FALSE(a.get().value().offset);
  CHECK(bench.lose(sent[1]).action == verdict_action::fail);
  CHECK(b.failure() == errc::disconnected);
  CHECK(b.failure().fate() == fate::maybe_written);
  CHECK_FALSE(bench.queue.has_pending());
}

TEST_CASE("a batch lingers until it is full, until its time is up, or until nobody may linger", "[core]") {
  partition_bench bench;
  bench.send("v");
  CHECK(bench.look(false).is == readiness::state::lingering);
  CHECK(bench.look(false).until == bench.now + 5ms);
  CHECK(bench.look(true).is == readiness::state::ready);
  SECTION("time") { bench.now += 5ms; }
  SECTION("size") { bench.send(std::string(20000, 'v')); }
  SECTION("another batch behind it") { bench.send_alone("v"); }
  CHECK(bench.look(false).is == readiness::state::ready);
}

TEST_CASE("the open batch of a partition without a slot grows past batch.size, up to what a request takes", "[core]") {
  partition_bench bench;
  bench.send_alone("first");
  const auto blocking = bench.take();
  for (int i = 0; i < 600; ++i) bench.send(std::string(4000, 'v'));
  bench.acknowledge(blocking);
  const auto sent = bench.take_all();
  REQUIRE(sent.size() == 3);
  CHECK(sent[0]->records.size() > bench.rules.batch_limit - 4100);
  for (const auto& each : sent) CHECK(each->records.size() <= bench.rules.batch_limit);
}

TEST_CASE("the owner is woken by a new batch, a full one and an earlier deadline, not by each record", "[core]") {
  partition_bench bench;
  const auto wakes = [&](std::size_t size, clock_time at) {
    return bench.queue.append(with_value(std::string(size, 'v')), 7, at, 60s).wake;
  };
  CHECK(wakes(10, bench.now));
  CHECK_FALSE(wakes(10, bench.now));
  CHECK_FALSE(wakes(10, bench.now + 1s));
  CHECK(wakes(10, bench.now - 1s));
  CHECK(wakes(16384, bench.now));
  CHECK_FALSE(wakes(10, bench.now));
}

TEST_CASE("a batch that has grown too large for the rest of a request is left where it is", "[core]") {
  partition_bench bench;
  bench.send(std::string(1000, 'v'));
  CHECK_FALSE(bench.queue.take(bench.identity, 1000));
  CHECK(bench.queue.has_pending());
  CHECK(bench.queue.take(bench.identity, 2000));
}

TEST_CASE("chunks go back to the budget when the last reference to a batch goes", "[core]") {
  partition_bench bench;
  const auto record = bench.send(std::string(30000, 'v'));
  auto sent = bench.take();
  bench.acknowledge(sent, 4);
  CHECK(record.offset() == 4);
  CHECK(bench.memory.available() < bench.memory.total());  // a socket may still read them
  CHECK(bench.owner.share.used > 0);
  sent.reset();
  CHECK(bench.memory.available() == bench.memory.total());
  CHECK(bench.owner.share.used == 0);
  CHECK(bench.queue.outstanding().records == 0);
  CHECK(bench.queue.outstanding().bytes == 0);
}

TEST_CASE("offset, time and sizes of a record come from its batch and its ticket", "[core]") {
  partition_bench bench;
  bench.send("a");
  auto b = bench.send("b");
  b.ticket.value_size = 1;
  b.ticket.timestamp = 55;
  const auto sent = bench.take();
  partition_queue::answer said;
  said.code = broker_errc::none;
  said.base_offset = 40;
  said.log_append_time = GENERATE(-1, 77);
  bench.queue.answered(*sent, said, bench.now, bench.out);
  const auto metadata = b.get().value();
  CHECK(metadata.offset == 41);
  CHECK(metadata.partition == 0);
  CHECK(metadata.topic.str() == "t");
  CHECK_FALSE(metadata.key_size);
  CHECK(metadata.value_size == 1);
  CHECK(metadata.timestamp.time_since_epoch().count() == (said.log_append_time < 0 ? 55 : 77));
}

TEST_CASE("abandoning a partition hands out its waiters without an answer", "[core]") {
  partition_bench bench;
  bench.open_window();
  counting_waiter waiters[3];
  std::vector<sent_record> records;
  for (auto& each : waiters) {
    records.push_back(bench.send_alone("v"));
    REQUIRE(records.back().done->attach(each));
    if (records.size() == 1) bench.lose(bench.take());
  }
  const auto flying = bench.take();
  waiter_list all;
  bench.queue.abandon(all);
  CHECK(all.size() == 3);
  all.clear();
}
