// SPDX-License-Identifier: BSL-1.0
// Scripts of guarantee.md, rules 19 and 20: batches that are too large go on in pieces, bad records are picked out.
#include "cokafka/detail/batch/batch_view.hpp"
#include "cokafka/detail/core/partition_queue.hpp"
#include "support/core_bench.hpp"

#include <cstdint>
#include <string>
#include <vector>

using namespace cokafka_test;

namespace {

constexpr auto too_large = broker_errc::message_too_large;

std::vector<std::string> values_of(const batch_ptr& sent) {
  batch_view view;
  const std::string bytes = bytes_of(sent->records);
  REQUIRE(batch_view::parse(bytes, view) == batch_error::none);
  REQUIRE(view.check_from_client() == batch_error::none);
  REQUIRE(view.check_records() == batch_error::none);
  std::vector<std::string> all;
  REQUIRE(view.for_each([&](const record_entry& each) { all.emplace_back(*each.value); }) == batch_error::none);
  return all;
}

// Refuses what is larger than the limit and appends the rest, until nothing is left; the sizes that were appended.
std::vector<std::size_t> drain_through(partition_bench& bench, std::size_t limit, std::vector<std::string>& log) {
  std::vector<std::size_t> appended;
  while (auto sent = bench.take()) {
    if (sent->records.size() > limit) {
      bench.answer(sent, too_large);
      continue;
    }
    const auto values = values_of(sent);
    bench.acknowledge(sent, static_cast<std::int64_t>(log.size()));
    log.insert(log.end(), values.begin(), values.end());
    appended.push_back(sent->records.size());
  }
  return appended;
}

verdict refuse(partition_bench& bench, const batch_ptr& sent, std::vector<std::uint32_t> places) {
  broker_answer said;
  said.code = broker_errc::invalid_timestamp;
  said.message = "the batch";
  for (const auto place : places) said.culprits.push_back({place, "record " + std::to_string(place)});
  return bench.queue.answered(*sent, said, bench.now, bench.out);
}

}  // namespace

TEST_CASE("a batch that is too large goes on in halves until its pieces fit, with the same sequences", "[core]") {
  partition_bench bench;
  std::vector<sent_record> sent;
  std::vector<std::string> expected;
  for (int i = 0; i != 100; ++i) {
    expected.push_back(std::to_string(i) + std::string(static_cast<std::size_t>(i % 7) * 20, 'x'));
    sent.push_back(bench.send(expected.back()));
  }
  const auto whole = bench.take();
  REQUIRE(whole->records.count() == 100);
  CHECK(bench.answer(whole, too_large).action == verdict_action::split);
  CHECK(bench.queue.outstanding().records == 100);
  std::int32_t sequence = 0;
  std::vector<std::string> log;
  while (auto piece = bench.take()) {
    CHECK(piece->attempts == 1);
    if (piece->records.size() > 1000) {
      bench.answer(piece, too_large);
      continue;
    }
    CHECK(*piece->stamp == batch_stamp{4711, 0, sequence});
    sequence += static_cast<std::int32_t>(piece->records.count());
    const auto values = values_of(piece);
    bench.acknowledge(piece, static_cast<std::int64_t>(500 + log.size()));
    log.insert(log.end(), values.begin(), values.end());
  }
  CHECK(log == expected);
  for (std::size_t i = 0; i != sent.size(); ++i) CHECK(sent[i].offset() == static_cast<std::int64_t>(500 + i));
  CHECK(bench.queue.outstanding().records == 0);
  CHECK(bench.queue.outstanding().bytes == 0);
}

TEST_CASE("who waits for a record of a batch that is split waits for its piece, and can stop waiting", "[core]") {
  partition_bench bench;
  std::vector<sent_record> sent;
  std::vector<counting_waiter> waiters(10);
  for (std::size_t i = 0; i != 10; ++i) {
    sent.push_back(bench.send(std::string(50, 'v')));
    waiters[i].ticket = sent[i].ticket;
    REQUIRE(sent[i].done->attach(waiters[i]));
  }
  const auto whole = bench.take();
  bench.answer(whole, too_large);
  CHECK(sent[0].done->detach(waiters[0]));
  CHECK(sent[9].done->detach(waiters[9]));
  counting_waiter late;
  late.ticket = sent[9].ticket;
  REQUIRE(sent[9].done->attach(late));
  std::vector<std::string> log;
  drain_through(bench, 400, log);
  deliver_answers(bench.out);
  for (std::size_t i = 0; i != 10; ++i) CHECK(waiters[i].delivered == (i == 0 || i == 9 ? 0 : 1));
  CHECK(late.delivered == 1);
  CHECK_FALSE(sent[9].done->detach(waiters[1]));
}

TEST_CASE("a flush that waits for a batch waits for all of its pieces", "[core]") {
  partition_bench bench;
  for (int i = 0; i != 10; ++i) bench.send(std::string(50, 'v'));
  counting_operation flush;
  REQUIRE(bench.flushes.begin(flush));
  bench.answer(bench.take(), too_large);
  const auto first = bench.take();
  bench.acknowledge(first);
  CHECK(bench.out.ended.empty());
  std::vector<std::string> log;
  drain_through(bench, 4000, log);
  CHECK(bench.out.ended.size() == 1);
  bench.out.ended.clear();
}

TEST_CASE("memory is the budget's again when the pieces are acknowledged", "[core]") {
  partition_bench bench;
  for (int i = 0; i != 2000; ++i) bench.send(std::string(40, 'v'));
  std::vector<std::string> log;
  drain_through(bench, 5000, log);
  CHECK(log.size() == 2000);
  CHECK(bench.memory.available() == bench.memory.total());
  CHECK(bench.owner.share.used == 0);
}

TEST_CASE("what was refused as too large is not filled so far again for a while", "[core]") {
  cokafka::config user;
  user.batch_size = 1'000'000;
  user.metadata_max_age = std::chrono::minutes(5);
  partition_bench bench(user);
  for (int i = 0; i != 100; ++i) bench.send(std::string(100, 'v'));
  std::vector<std::string> log;
  drain_through(bench, 6000, log);
  for (int i = 0; i != 100; ++i) bench.send(std::string(100, 'v'));
  const auto sizes = drain_through(bench, 6000, log);
  CHECK(log.size() == 200);
  for (const auto each : sizes) CHECK(each <= 6000);
  bench.now += std::chrono::minutes(6);
  for (int i = 0; i != 100; ++i) bench.send(std::string(100, 'v'));
  CHECK(bench.take()->records.count() == 100);
}

TEST_CASE("a record that alone is too large fails, and those behind it go on", "[core]") {
  partition_bench bench;
  const auto small = bench.send("small");
  const auto large = bench.send(std::string(500, 'l'));
  const auto last = bench.send("last");
  std::vector<std::string> log;
  drain_through(bench, 300, log);
  CHECK(log == std::vector<std::string>{"small", "last"});
  CHECK(small.offset() == 0);
  CHECK(last.offset() == 1);
  CHECK(large.failure() == too_large);
  CHECK(large.failure().fate() == fate::not_written);
}

TEST_CASE("a batch that may be in the log already is not split: whole, until it is due", "[core]") {
  partition_bench bench;
  bench.send("a");
  const auto b = bench.send("b");
  const auto whole = bench.take();
  bench.lose(whole);
  const auto again = bench.take();
  REQUIRE(again == whole);
  CHECK(bench.answer(again, too_large).action == verdict_action::retry);
  CHECK(bench.take() == whole);
  bench.expire_after(bench.rules.delivery_timeout + std::chrono::seconds(1));
  CHECK(b.failure().fate() == fate::maybe_written);
}

TEST_CASE("batches behind one that is split keep their place and their sequences", "[core]") {
  partition_bench bench;
  bench.open_window();
  std::vector<std::string> expected;
  for (int i = 0; i != 4; ++i) {
    expected.push_back("a" + std::to_string(i));
    bench.send(expected.back());
  }
  const auto a = bench.take();
  expected.push_back("b");
  bench.send("b");
  const auto b = bench.take();
  const batch_stamp stamp_b = *b->stamp;
  bench.answer(a, too_large);
  bench.answer(b, broker_errc::out_of_order_sequence_number);
  std::vector<std::string> log;
  drain_through(bench, 4000, log);
  CHECK(log == expected);
  CHECK(*b->stamp == stamp_b);
}

TEST_CASE("without idempotence, with one request in flight, a piece that is tried again stays before the others",
          "[core]") {
  cokafka::config user;
  user.enable_idempotence = false;
  user.max_in_flight_requests_per_connection = 1;
  partition_bench bench(user);
  for (const char* each : {"a", "b", "c", "d"}) bench.send(each);
  bench.answer(bench.take(), too_large);
  const auto first = bench.take();
  const auto its_values = values_of(first);
  REQUIRE(its_values.front() == "a");
  SECTION("it was refused") { bench.answer(first, broker_errc::not_enough_replicas); }
  SECTION("it was lost") { bench.lose(first); }
  bench.now += 1s;
  CHECK(values_of(bench.take()) == its_values);
}

TEST_CASE("only the records that the broker names fail; the others go again under a new epoch", "[core]") {
  partition_bench bench;
  std::vector<sent_record> sent;
  for (int i = 0; i != 6; ++i) sent.push_back(bench.send(std::to_string(i)));
  const auto whole = bench.take();
  const verdict said = refuse(bench, whole, {1, 4});
  CHECK(said.action == verdict_action::exclude);
  for (const std::size_t bad : {std::size_t{1}, std::size_t{4}}) {
    CHECK(sent[bad].failure() == broker_errc::invalid_timestamp);
    CHECK(sent[bad].failure().fate() == fate::not_written);
    CHECK(sent[bad].failure().message().find("record " + std::to_string(bad)) != std::string::npos);
  }
  CHECK(bench.queue.outstanding().records == 4);
  const auto rest = bench.take();
  CHECK(values_of(rest) == std::vector<std::string>{"0", "2", "3", "5"});
  CHECK(*rest->stamp == batch_stamp{4711, 1, 0});
  bench.acknowledge(rest, 70);
  CHECK(sent[0].offset() == 70);
  CHECK(sent[2].offset() == 71);
  CHECK(sent[3].offset() == 72);
  CHECK(sent[5].offset() == 73);
  CHECK(bench.queue.outstanding().bytes == 0);
}

TEST_CASE("when the broker names all records, or the batch may be in the log, all of them fail", "[core]") {
  partition_bench bench;
  const auto first = bench.send("a");
  const auto second = bench.send("b");
  const auto whole = bench.take();
  if (GENERATE(false, true)) {
    bench.lose(whole);
    REQUIRE(bench.take() == whole);
    CHECK(refuse(bench, whole, {0}).action == verdict_action::fail);
    CHECK(second.failure().fate() == fate::maybe_written);
  } else {
    CHECK(refuse(bench, whole, {0, 1}).action == verdict_action::fail);
    CHECK(second.failure().fate() == fate::not_written);
  }
  CHECK(first.is_ready());
}

TEST_CASE("records that were due or withdrawn before a split stay told, and the others keep their answers", "[core]") {
  partition_bench bench;
  std::vector<sent_record> sent;
  for (int i = 0; i != 8; ++i) sent.push_back(bench.send(std::string(50, 'v'), std::chrono::seconds(i == 2 ? 1 : 100)));
  counting_waiter asked;
  asked.ticket = sent[5].ticket;
  REQUIRE(sent[5].done->attach(asked));
  REQUIRE(bench.queue.withdraw(*sent[5].done, asked, bench.out).done);
  const auto whole = bench.take();
  REQUIRE(whole->records.count() == 7);
  bench.expire_after(std::chrono::seconds(2));
  REQUIRE(sent[2].failure() == errc::timed_out);
  bench.answer(whole, too_large);
  std::vector<std::string> log;
  drain_through(bench, 4000, log);
  CHECK(log.size() == 7);
  CHECK(sent[2].failure() == errc::timed_out);
  CHECK(sent[4].offset() == 4);
  CHECK(sent[6].offset() == 5);
  CHECK(sent[7].offset() == 6);
  CHECK(bench.queue.outstanding().records == 0);
  CHECK(bench.queue.outstanding().bytes == 0);
}

TEST_CASE("a batch whose records have been told is not divided any more", "[core]") {
  partition_bench bench;
  bench.open_window();
  bench.send("a", std::chrono::seconds(1));
  bench.send("b", std::chrono::seconds(1));
  const auto told = bench.take();
  REQUIRE(told->records.count() == 2);
  bench.send("c");
  const auto behind = bench.take();
  REQUIRE(behind);
  bench.expire_after(std::chrono::seconds(2));
  const verdict said = GENERATE(true, false) ? bench.answer(told, too_large) : refuse(bench, told, {0});
  CHECK(said.action != verdict_action::split);
  CHECK(said.action != verdict_action::exclude);
}

TEST_CASE("a piece of which every record has been told is not sent, and holds up no flush", "[core]") {
  partition_bench bench;
  for (int i = 0; i != 10; ++i) bench.send(std::string(50, 'e'), std::chrono::seconds(1));
  const auto late = bench.send(std::string(500, 'l'), std::chrono::seconds(100));
  counting_operation flush;
  REQUIRE(bench.flushes.begin(flush));
  const auto whole = bench.take();
  REQUIRE(whole->records.count() == 11);
  bench.expire_after(std::chrono::seconds(2));
  bench.answer(whole, too_large);
  CHECK(bench.queue.outstanding().records == 1);
  bench.expire_after(std::chrono::seconds(200));
  CHECK(late.is_ready());
  CHECK_FALSE(bench.queue.has_pending());
  CHECK(bench.out.ended.size() == 1);
  bench.out.ended.clear();
}

TEST_CASE("records that were told before a division are not told again, however many deadlines the batch has",
          "[core]") {
  partition_bench bench;
  std::vector<sent_record> sent;
  for (int i = 0; i != 100; ++i) {
    bench.now += std::chrono::microseconds(1500);
    sent.push_back(bench.send(std::string(80, 'v'), std::chrono::seconds(i < 50 ? 100 : 2)));
  }
  const auto whole = bench.take();
  REQUIRE(whole->records.count() == 100);
  bench.expire_after(std::chrono::seconds(3));
  CHECK(bench.queue.outstanding().records == 50);
  CHECK(refuse(bench, whole, {3}).action == verdict_action::exclude);
  bench.expire_after(std::chrono::seconds(1));
  CHECK(bench.queue.outstanding().records == 49);
  // Nor are they forgotten in the pieces, which may be divided themselves.
  CHECK(refuse(bench, bench.take(), {7}).action == verdict_action::exclude);
  CHECK(bench.queue.outstanding().records == 48);
  CHECK(bench.answer(bench.take(), too_large).action == verdict_action::split);
  CHECK(bench.answer(bench.take(), too_large).action == verdict_action::split);
  std::vector<std::string> log;
  drain_through(bench, 100'000, log);
  CHECK(bench.queue.outstanding().records == 0);
  CHECK(bench.queue.outstanding().bytes == 0);
  CHECK(sent[2].offset() == 2);
  CHECK(sent[4].offset() == 3);
}
