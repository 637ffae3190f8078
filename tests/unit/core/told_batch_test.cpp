// SPDX-License-Identifier: BSL-1.0
// Scripts of guarantee.md, rules 6 and 9: a batch that was told it is too late or was refused, and those that were
// written behind it.
#include "cokafka/detail/core/partition_queue.hpp"
#include "support/core_bench.hpp"
#include "support/core_inputs.hpp"

#include <vector>

using namespace cokafka_test;
using namespace std::chrono_literals;

namespace {

// A batch with a short deadline and two with long ones, in flight.
struct told_bench : partition_bench {
  told_bench() {
    open_window();
    early = send_alone("early", 1s);
    late.push_back(send_alone("late", 50s));
    late.push_back(send_alone("later", 60s));
    sent = take_all();
    REQUIRE(sent.size() == 3);
    for (const auto& each : sent) stamps.push_back(*each->stamp);
  }
  void lose_all() {
    for (const auto& each : sent) lose(each);
  }
  // Takes what is next, which must be the batch with this number, with its old stamp.
  batch_ptr take_again(std::size_t number) {
    const auto again = take_all();
    REQUIRE(again.size() == 1);
    CHECK(again[0] == sent[number]);
    CHECK(*again[0]->stamp == stamps[number]);
    return again[0];
  }
  sent_record early;
  std::vector<sent_record> late;
  std::vector<batch_ptr> sent;
  std::vector<batch_stamp> stamps;
};

}  // namespace

TEST_CASE("a batch that is due is sent again while one behind it may be in the log", "[core]") {
  told_bench bench;
  SECTION("due in flight") {
    bench.expire_after(2s);
    bench.lose_all();
  }
  SECTION("due in the retry line") {
    bench.lose_all();
    bench.expire_after(2s);
  }
  CHECK(bench.early.failure() == errc::timed_out);
  CHECK(bench.early.failure().fate() == cokafka::fate::maybe_written);
  bench.acknowledge(bench.take_again(0), 10);
  // Without it the broker would answer OUT_OF_ORDER_SEQUENCE_NUMBER to this one until it is due.
  bench.acknowledge(bench.take_again(1), 11);
  bench.acknowledge(bench.take_again(2), 12);
  CHECK(bench.late[0].offset() == 11);
  CHECK(bench.late[1].offset() == 12);
  bench.send("next");
  CHECK(*bench.take()->stamp == batch_stamp{4711, 0, 4});  // nothing is missing: the epoch goes on
}

TEST_CASE("a batch that is due is given up with the last one behind it", "[core]") {
  told_bench bench;
  bench.lose_all();
  bench.expire_after(2s);
  bench.lose(bench.take_again(0));
  bench.expire_after(50s);
  CHECK(bench.late[0].failure().fate() == cokafka::fate::maybe_written);
  bench.lose(bench.take_again(0));
  bench.expire_after(10s);
  CHECK(bench.late[1].failure().fate() == cokafka::fate::maybe_written);
  CHECK_FALSE(bench.queue.has_pending());
  bench.send("next");
  CHECK(*bench.take()->stamp == batch_stamp{4711, 1, 0});
}

TEST_CASE("a refused batch that is due goes again for one behind it, and is told that it may be written then",
          "[core]") {
  told_bench bench;
  bench.answer(bench.sent[0], broker_errc::not_enough_replicas);
  bench.lose(bench.sent[1]);
  bench.lose(bench.sent[2]);
  bench.expire_after(2s);
  CHECK(bench.early.failure().fate() == cokafka::fate::maybe_written);
  bench.acknowledge(bench.take_again(0), 10);
  bench.acknowledge(bench.take_again(1), 11);
  CHECK(bench.late[0].offset() == 11);
}

TEST_CASE("a batch that is due is not sent for those behind it that were refused: they get new sequences", "[core]") {
  told_bench bench;
  for (const auto& each : bench.sent) bench.answer(each, broker_errc::not_enough_replicas);
  bench.expire_after(2s);
  CHECK(bench.early.failure().fate() == cokafka::fate::not_written);
  const auto next = bench.take();
  CHECK(next == bench.sent[1]);
  CHECK(*next->stamp == batch_stamp{4711, 1, 0});
}

TEST_CASE("the memory of a batch that is due and waits for those behind it comes back with its answer", "[core]") {
  told_bench bench;
  bench.lose_all();
  bench.expire_after(2s);
  bench.sent.clear();
  for (int i = 0; i != 3; ++i) {
    const auto again = bench.take();
    REQUIRE(again);
    bench.acknowledge(again, i);
  }
  CHECK(bench.memory.available() == bench.memory.total());
}

TEST_CASE("lost batches behind a refused one get new sequences once the broker has refused theirs", "[core]") {
  told_bench bench;
  SECTION("both are lost") {
    bench.answer(bench.sent[0], broker_errc::invalid_record);
    bench.lose(bench.sent[1]);
    bench.lose(bench.sent[2]);
    bench.answer(bench.take_again(1), out_of_order);
  }
  SECTION("one is answered and one is lost") {
    bench.answer(bench.sent[0], broker_errc::invalid_record);
    bench.answer(bench.sent[1], out_of_order);
    bench.lose(bench.sent[2]);
  }
  SECTION("the next attempt is lost, too") {
    bench.answer(bench.sent[0], broker_errc::invalid_record);
    bench.lose(bench.sent[1]);
    bench.lose(bench.sent[2]);
    bench.lose(bench.take_again(1));
    bench.answer(bench.take_again(1), out_of_order);
  }
  SECTION("the next attempt is refused for a reason that proves nothing of the first") {
    bench.answer(bench.sent[0], broker_errc::invalid_record);
    bench.lose(bench.sent[1]);
    bench.lose(bench.sent[2]);
    bench.answer(bench.take_again(1), broker_errc::not_enough_replicas);
    bench.answer(bench.take_again(1), out_of_order);
  }
  SECTION("the first is refused for good at its second attempt") {
    bench.answer(bench.sent[0], broker_errc::not_enough_replicas);
    bench.lose(bench.sent[1]);
    bench.lose(bench.sent[2]);
    bench.answer(bench.take_again(0), broker_errc::invalid_record);
    bench.answer(bench.take_again(1), out_of_order);
  }
  SECTION("the broker answers with what may follow an append, or not") {
    bench.answer(bench.sent[0], broker_errc::invalid_record);
    bench.answer(bench.sent[1], broker_errc::not_leader_or_follower);
    bench.lose(bench.sent[2]);
    bench.answer(bench.take_again(1), out_of_order);
  }
  SECTION("the leader changes before") {
    bench.answer(bench.sent[0], broker_errc::invalid_record);
    bench.queue.leave_leader();
    bench.answer(bench.take_again(1), out_of_order);
  }
  CHECK(bench.early.failure().fate() == cokafka::fate::not_written);
  bench.answer(bench.take_again(2), out_of_order);
  for (std::int32_t i = 1; i != 3; ++i) {
    const auto again = bench.take();
    CHECK(again == bench.sent[static_cast<std::size_t>(i)]);
    CHECK(*again->stamp == batch_stamp{4711, 1, i - 1});
    bench.acknowledge(again, 10 + i);
  }
  CHECK(bench.late[1].offset() == 12);
}

TEST_CASE("a lost batch behind a refused one that is in the log after all is written", "[core]") {
  told_bench bench;  // by a broker that has forgotten the producer, which takes any sequence
  bench.answer(bench.sent[0], broker_errc::invalid_record);
  SECTION("and so is the next") {
    bench.lose(bench.sent[1]);
    bench.lose(bench.sent[2]);
    bench.acknowledge(bench.take_again(1), 11);
    bench.acknowledge(bench.take_again(2), 12);
  }
  SECTION("and the one before it is not") {
    bench.answer(bench.sent[1], broker_errc::out_of_order_sequence_number);
    bench.lose(bench.sent[2]);
    bench.acknowledge(bench.take_again(2), 12);
    const auto again = bench.take();
    CHECK(*again->stamp == batch_stamp{4711, 1, 0});
    bench.acknowledge(again, 13);
  }
  CHECK(bench.late[1].offset() == 12);
}

TEST_CASE("where the broker took a batch behind the gap, a lost one behind that keeps its sequence", "[core]") {
  told_bench bench;
  bench.answer(bench.sent[0], broker_errc::invalid_record);
  SECTION("it said so") { bench.acknowledge(bench.sent[1], 11); }
  SECTION("it may have") {
    bench.answer(bench.sent[1], broker_errc::not_enough_replicas_after_append);
    bench.lose(bench.sent[2]);
    bench.acknowledge(bench.take_again(1), 11);
  }
  SECTION("it did before the leader changed") {
    bench.queue.leave_leader();
    bench.queue.acknowledged_late(*bench.sent[1], success_at(11), bench.out);
  }
  if (bench.queue.in_flight() > 0) bench.lose(bench.sent[2]);
  // A broker that was restarted remembers one batch of the producer, and that may be a later one.
  for (int i = 0; i != 3; ++i) bench.answer(bench.take_again(2), broker_errc::out_of_order_sequence_number);
  bench.expire_after(61s);
  CHECK(bench.late[1].failure().fate() == cokafka::fate::maybe_written);
}

TEST_CASE("after a topic was made anew a gap proves nothing", "[core]") {
  told_bench bench;
  bench.answer(bench.sent[0], broker_errc::invalid_record);
  bench.lose(bench.sent[1]);
  bench.lose(bench.sent[2]);
  bench.queue.begin_anew();
  for (int i = 0; i != 3; ++i) bench.answer(bench.take_again(1), broker_errc::out_of_order_sequence_number);
  bench.expire_after(51s);
  CHECK(bench.late[0].failure().fate() == cokafka::fate::maybe_written);
}

TEST_CASE("a batch that was told it is too late and is acknowledged late by a former leader is not sent again",
          "[core]") {
  told_bench bench;
  bench.expire_after(2s);
  bench.queue.leave_leader();
  bench.queue.acknowledged_late(*bench.sent[0], success_at(10), bench.out);
  CHECK(bench.early.failure().fate() == cokafka::fate::maybe_written);  // it was told, and stays so
  bench.acknowledge(bench.take_again(1), 11);
  bench.acknowledge(bench.take_again(2), 12);
  bench.send("next");
  CHECK(*bench.take()->stamp == batch_stamp{4711, 0, 4});
}

TEST_CASE("a lost batch does not pass those before it where the topic was made anew", "[core]") {
  told_bench bench;
  bench.answer(bench.sent[0], broker_errc::invalid_record);
  bench.answer(bench.sent[1], broker_errc::out_of_order_sequence_number);
  bench.lose(bench.sent[2]);
  bench.queue.begin_anew();  // its broker takes any sequence
  bench.acknowledge(bench.take_again(1), 0);
  bench.acknowledge(bench.take_again(2), 1);
}

TEST_CASE("after a minute without an acknowledgement a batch goes alone again", "[core]") {
  partition_bench bench;
  bench.open_window();
  bench.now += 59s;
  bench.send_alone("a");
  bench.send_alone("b");
  auto sent = bench.take_all();
  CHECK(sent.size() == 2);
  for (const auto& each : sent) bench.acknowledge(each, 1);
  bench.now += 61s;
  bench.send_alone("c");
  bench.send_alone("d");
  sent = bench.take_all();
  REQUIRE(sent.size() == 1);
  bench.acknowledge(sent[0], 3);
  CHECK(bench.take_all().size() == 1);
}

TEST_CASE("a lost batch behind one that may be in the log keeps its sequence whatever the broker says", "[core]") {
  told_bench bench;
  bench.lose_all();
  bench.answer(bench.take_again(0), broker_errc::invalid_record);
  CHECK(bench.early.failure().fate() == cokafka::fate::maybe_written);
  for (int i = 0; i != 3; ++i) {
    bench.answer(bench.take_again(1), broker_errc::out_of_order_sequence_number);
    bench.answer(bench.take_again(0), broker_errc::invalid_record);
  }
  bench.expire_after(51s);
  CHECK(bench.late[0].failure().fate() == cokafka::fate::maybe_written);
}

TEST_CASE("a batch that fails for good and may be in the log goes again for those behind it that were lost", "[core]") {
  told_bench bench;
  CHECK(bench.answer(bench.sent[0], broker_errc::unknown_server_error).goes_again);
  CHECK(bench.early.failure() == broker_errc::unknown_server_error);
  CHECK(bench.early.failure().fate() == cokafka::fate::maybe_written);
  bench.lose(bench.sent[1]);
  bench.lose(bench.sent[2]);
  bench.answer(bench.take_again(0), broker_errc::unknown_server_error);
  bench.answer(bench.take_again(1), broker_errc::out_of_order_sequence_number);  // it is its turn
  bench.answer(bench.take_again(0), broker_errc::unknown_server_error);
  bench.lose(bench.take_again(1));
  bench.acknowledge(bench.take_again(0), 10);
  bench.acknowledge(bench.take_again(1), 11);
  bench.acknowledge(bench.take_again(2), 12);
  CHECK(bench.late[1].offset() == 12);
  bench.send("next");
  CHECK(*bench.take()->stamp == batch_stamp{4711, 0, 4});
}

TEST_CASE(
    "a told batch that is refused every time does not keep those behind it, which are in the log, from being found",
    "[core]") {
  told_bench bench;
  SECTION("refused for good") {
    bench.lose_all();
    bench.answer(bench.take_again(0), broker_errc::invalid_timestamp);
    bench.acknowledge(bench.take_again(1), 11);
  }
  SECTION("forgotten by a broker that was restarted, after it had fallen due") {
    bench.lose_all();
    bench.expire_after(2s);
    bench.answer(bench.take_again(0), broker_errc::out_of_order_sequence_number);
    bench.acknowledge(bench.take_again(1), 11);
  }
  SECTION("and the one behind it is told, too") {
    bench.lose_all();
    bench.answer(bench.take_again(0), broker_errc::invalid_timestamp);
    bench.answer(bench.take_again(1), broker_errc::unknown_server_error);
    CHECK(bench.late[0].failure() == broker_errc::unknown_server_error);
  }
  // Nothing is missing before the one that is left.
  bench.acknowledge(bench.take_again(2), 12);
  CHECK_FALSE(bench.queue.has_pending());
  bench.send("next");
  CHECK(*bench.take()->stamp == batch_stamp{4711, 0, 4});
}

TEST_CASE("where every batch is refused, those behind a told one fail by that, not by their deadlines", "[core]") {
  told_bench bench;
  bench.lose_all();
  for (std::size_t i = 0; i != 3; ++i) bench.answer(bench.take_again(i), broker_errc::topic_authorization_failed);
  CHECK(bench.late[0].failure() == broker_errc::topic_authorization_failed);
  CHECK(bench.late[1].failure() == broker_errc::topic_authorization_failed);
  CHECK(bench.late[1].failure().fate() == cokafka::fate::maybe_written);
  CHECK_FALSE(bench.queue.has_pending());
}

TEST_CASE("a told batch is not sent again when a former leader has acknowledged one behind it", "[core]") {
  told_bench bench;
  bench.answer(bench.sent[0], broker_errc::unknown_server_error);
  bench.queue.leave_leader();
  bench.queue.acknowledged_late(*bench.sent[1], success_at(11), bench.out);
  bench.acknowledge(bench.take_again(2), 12);
}

TEST_CASE("a told batch stays for those behind it when a former leader acknowledges one of another epoch", "[core]") {
  told_bench bench;
  bench.acknowledge(bench.sent[0], 10);
  bench.queue.leave_leader();
  bench.expire_after(61s);  // both are given up: the next batches are of another epoch
  bench.send_alone("a");
  bench.acknowledge(bench.take(), 11);
  bench.send_alone("b");
  bench.send_alone("c");
  const auto sent = bench.take_all();
  REQUIRE(sent.size() == 2);
  bench.answer(sent[0], broker_errc::unknown_server_error);
  bench.lose(sent[1]);
  bench.queue.acknowledged_late(*bench.sent[2], success_at(12), bench.out);
  REQUIRE(bench.take() == sent[0]);
  bench.acknowledge(sent[0], 13);
  REQUIRE(bench.take() == sent[1]);
}

TEST_CASE(
    "what a broker refused because a told batch was missing follows under another epoch, and nothing has vanished",
    "[core]") {
  told_bench bench;
  bench.answer(bench.sent[0], broker_errc::unknown_server_error);
  bench.answer(bench.sent[1], broker_errc::out_of_order_sequence_number);
  bench.acknowledge(bench.sent[2], 12);  // by then the broker had forgotten the producer
  const auto again = bench.take();
  REQUIRE(again == bench.sent[1]);
  CHECK(*again->stamp == batch_stamp{4711, 1, 0});
  CHECK(bench.out.counted.vanished_logs == 0);
}

TEST_CASE("a told batch goes with the last one behind it when the broker picks that one's records", "[core]") {
  told_bench bench;
  bench.answer(bench.sent[0], broker_errc::unknown_server_error);
  bench.answer(bench.sent[1], broker_errc::invalid_record);
  bench.open_again();
  bench.expire_after(51s);
  cokafka::detail::broker_answer said;
  said.code = broker_errc::invalid_record;
  said.culprits.push_back({0, "bad"});
  bench.queue.answered(*bench.sent[2], said, bench.now, bench.out);
  CHECK_FALSE(bench.queue.has_pending());
}

TEST_CASE("a batch that fails for good does not go again when those behind it are in the log, or are not", "[core]") {
  told_bench bench;
  bench.answer(bench.sent[0], broker_errc::unknown_server_error);
  SECTION("they are") {
    bench.acknowledge(bench.sent[1], 11);
    bench.acknowledge(bench.sent[2], 12);
    CHECK_FALSE(bench.queue.has_pending());
    bench.send("next");
    CHECK(*bench.take()->stamp == batch_stamp{4711, 0, 4});
  }
  SECTION("they are not") {
    bench.answer(bench.sent[1], broker_errc::out_of_order_sequence_number);
    bench.answer(bench.sent[2], broker_errc::out_of_order_sequence_number);
    const auto next = bench.take();
    CHECK(next == bench.sent[1]);
    CHECK(*next->stamp == batch_stamp{4711, 1, 0});
  }
}

TEST_CASE("a batch whose retries are used up goes again for those behind it that were lost", "[core]") {
  cokafka::config user;
  user.retries = 1;
  partition_bench bench(user);
  bench.open_window();
  const auto first = bench.send_alone("first");
  const auto second = bench.send_alone("second");
  const auto sent = bench.take_all();
  REQUIRE(sent.size() == 2);
  for (const auto& each : sent) bench.lose(each);
  REQUIRE(bench.take() == sent[0]);
  bench.answer(sent[0], broker_errc::request_timed_out);
  CHECK(first.failure() == broker_errc::request_timed_out);
  CHECK(first.failure().fate() == cokafka::fate::maybe_written);
  REQUIRE(bench.take() == sent[1]);
  SECTION("they are in the log") {
    bench.acknowledge(sent[1], 2);
    CHECK(second.offset() == 2);
  }
  SECTION("they use up theirs") {
    bench.answer(sent[1], broker_errc::request_timed_out);
    CHECK(second.failure() == broker_errc::request_timed_out);
  }
  CHECK_FALSE(bench.queue.has_pending());
}
