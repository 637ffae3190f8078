// SPDX-License-Identifier: BSL-1.0
// Scripts of one partition: deadlines and other endings, lingering, growing, and what its owner is told.
#include "cokafka/detail/core/partition_queue.hpp"
#include "support/core_bench.hpp"
#include "support/core_inputs.hpp"

#include <cstdint>
#include <string>
#include <vector>

using namespace cokafka_test;

namespace {

cokafka::config not_idempotent(cokafka::acks acks = cokafka::acks::leader) {
  cokafka::config user;
  user.acks = acks;
  return user;
}

}  // namespace

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
  CHECK(bench.queue.outstanding().records == 1);
  CHECK(bench.queue.earliest_deadline() == bench.now + 50s);
  const auto sent = bench.take();
  REQUIRE(sent);
  CHECK(*sent->stamp == batch_stamp{4711, 0, 1});
}

TEST_CASE("what expires in flight is maybe_written; a late success still counts for those behind", "[core]") {
  partition_bench bench;
  bench.open_window();
  const auto a = bench.send_alone("a", 10s);
  const auto b = bench.send_alone("b", 60s);
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
    // For the sake of the one behind it, which may be in the log.
    CHECK(bench.answer(sent[0], not_leader).action == verdict_action::retry);
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
  for (int i = 0; i < 7; ++i) records.push_back(bench.send_alone("v", std::chrono::seconds(20 - i)));
  auto sent = bench.take_all();
  REQUIRE(sent.size() == 5);
  for (const auto& each : sent) bench.lose(each);
  REQUIRE(bench.take() == sent[0]);  // one in flight, four to retry, two never sent
  std::vector<counting_waiter> waiters(7);
  for (std::size_t i = 0; i < 7; ++i) REQUIRE(records[i].done->attach(waiters[i]));
  deliver_answers(bench.out);
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
