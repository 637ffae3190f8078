// SPDX-License-Identifier: BSL-1.0
// Scripts of guarantee.md, rule 10: what happens to batches in flight when their partition gets another leader.
#include "cokafka/detail/core/partition_queue.hpp"
#include "support/core_bench.hpp"

#include <vector>

using namespace cokafka_test;

namespace {

// Three batches in flight to the old leader, then another leader.
struct moved_bench : partition_bench {
  moved_bench() {
    open_window();
    for (const char* each : {"a", "b", "c"}) records.push_back(send_alone(each));
    sent = take_all();
    REQUIRE(sent.size() == 3);
    for (const auto& each : sent) stamps.push_back(*each->stamp);
    REQUIRE(queue.leave_leader());
  }
  std::vector<sent_record> records;
  std::vector<batch_ptr> sent;
  std::vector<batch_stamp> stamps;
};

}  // namespace

TEST_CASE("under a new leader what was not answered goes again at once, unchanged, in order, one at a time", "[core]") {
  moved_bench bench;
  CHECK(bench.queue.in_flight() == 0);
  for (std::size_t i = 0; i != 3; ++i) {
    const auto again = bench.take_all();
    REQUIRE(again.size() == 1);
    CHECK(again[0] == bench.sent[i]);
    CHECK(*again[0]->stamp == bench.stamps[i]);
    CHECK(again[0]->attempts == 2);
    bench.acknowledge(again[0], static_cast<std::int64_t>(10 + i));
    CHECK(bench.records[i].offset() == static_cast<std::int64_t>(10 + i));
  }
}

TEST_CASE("a move cuts a backoff short: the new leader has refused nothing", "[core]") {
  partition_bench bench;
  bench.send("a");
  bench.backoff = std::chrono::seconds(1);
  bench.answer(bench.take(), broker_errc::not_leader_or_follower);
  CHECK(bench.look().is == readiness::state::backing_off);
  REQUIRE(bench.queue.leave_leader());
  CHECK(bench.look().is == readiness::state::ready);
}

TEST_CASE("a late success from the old leader counts, and that batch is not sent again", "[core]") {
  moved_bench bench;
  bench.queue.acknowledged_late(*bench.sent[0], success_at(20), bench.out);
  CHECK(bench.records[0].offset() == 20);
  const auto again = bench.take_all();
  REQUIRE(again.size() == 1);
  CHECK(again[0] == bench.sent[1]);
}

TEST_CASE("a late success for a batch that is in flight again counts; what the new leader says changes nothing",
          "[core]") {
  moved_bench bench;
  const auto again = bench.take();
  REQUIRE(again == bench.sent[0]);
  bench.queue.acknowledged_late(*again, success_at(20), bench.out);
  CHECK(bench.records[0].offset() == 20);
  CHECK(bench.queue.in_flight() == 1);  // its place in the window stays taken
  const auto said =
      GENERATE(broker_errc::none, broker_errc::duplicate_sequence_number, broker_errc::not_leader_or_follower,
               broker_errc::out_of_order_sequence_number, broker_errc::topic_authorization_failed);
  const verdict judged = bench.answer(again, said, 99);
  CHECK(judged.action == verdict_action::complete);
  CHECK_FALSE(judged.new_epoch);
  CHECK(bench.records[0].offset() == 20);
  const auto next = bench.take();
  REQUIRE(next == bench.sent[1]);
  CHECK(*next->stamp == bench.stamps[1]);
}

TEST_CASE("a late refusal by the old leader changes nothing", "[core]") {
  moved_bench bench;
  broker_answer refused;
  refused.code = broker_errc::invalid_record;
  bench.queue.acknowledged_late(*bench.sent[0], refused, bench.out);
  CHECK_FALSE(bench.records[0].is_ready());
  CHECK(bench.take() == bench.sent[0]);
}

TEST_CASE("a batch that falls due after the move is maybe_written, and the partition goes on under a new epoch",
          "[core]") {
  moved_bench bench;
  bench.expire_after(bench.rules.delivery_timeout + std::chrono::seconds(1));
  for (const auto& each : bench.records) {
    CHECK(each.failure() == errc::timed_out);
    CHECK(each.failure().fate() == cokafka::fate::maybe_written);
  }
  bench.send("next");
  const auto next = bench.take();
  REQUIRE(next);
  CHECK(*next->stamp == batch_stamp{4711, 1, 0});
  bench.queue.acknowledged_late(*bench.sent[0], success_at(20), bench.out);  // too late to be told
  CHECK(bench.records[0].failure() == errc::timed_out);
}

TEST_CASE("a batch that fell due in flight is sent to the new leader only for the sake of one behind it", "[core]") {
  partition_bench bench;
  bench.open_window();
  const auto early = bench.send_alone("early", std::chrono::seconds(1));
  SECTION("nobody is behind it") {
    REQUIRE(bench.take());
    bench.expire_after(std::chrono::seconds(2));
    REQUIRE(bench.queue.leave_leader());
    CHECK(bench.take_all().empty());
    bench.send("next");
    CHECK(*bench.take()->stamp == batch_stamp{4711, 1, 0});
  }
  SECTION("one that may be in the log, and cannot be before it") {
    const auto late = bench.send_alone("late", std::chrono::seconds(50));
    const auto sent = bench.take_all();
    REQUIRE(sent.size() == 2);
    const std::vector<batch_stamp> stamps = {*sent[0]->stamp, *sent[1]->stamp};
    bench.expire_after(std::chrono::seconds(2));
    REQUIRE(bench.queue.leave_leader());
    for (std::size_t i = 0; i != 2; ++i) {
      const auto again = bench.take_all();
      REQUIRE(again.size() == 1);
      CHECK(again[0] == sent[i]);
      CHECK(*again[0]->stamp == stamps[i]);
      bench.acknowledge(again[0], static_cast<std::int64_t>(10 + i));
    }
    CHECK(late.offset() == 11);
  }
  CHECK(early.failure().fate() == cokafka::fate::maybe_written);
}

TEST_CASE("without idempotence a partition keeps its leader until everything in flight is answered", "[core]") {
  cokafka::config user;
  user.enable_idempotence = false;
  partition_bench bench(user);
  bench.send("a");
  const auto sent = bench.take();
  CHECK_FALSE(bench.queue.leave_leader());
  CHECK(bench.queue.in_flight() == 1);
  bench.acknowledge(sent);
  CHECK(bench.queue.leave_leader());
}

TEST_CASE("what a former leader acknowledged does not open the window of the new one", "[core]") {
  moved_bench bench;
  const auto again = bench.take();
  bench.queue.acknowledged_late(*again, success_at(20), bench.out);
  bench.queue.acknowledged_late(*bench.sent[1], success_at(21), bench.out);
  bench.queue.acknowledged_late(*bench.sent[2], success_at(22), bench.out);
  for (const char* each : {"d", "e"}) bench.send_alone(each);
  CHECK(bench.answer(again, broker_errc::not_leader_or_follower).refresh_metadata);
  CHECK(bench.out.refresh_metadata);
  CHECK(bench.take_all().size() == 1);
}
