// SPDX-License-Identifier: BSL-1.0
// Records are withdrawn while they are parked or in a batch that is not sealed; their neighbours notice nothing.
#include "cokafka/detail/batch/batch_view.hpp"
#include "cokafka/detail/core/accumulator.hpp"
#include "support/core_bench.hpp"
#include "support/core_inputs.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace cokafka_test;

namespace {

// A record that somebody waits for.
struct awaited {
  awaited(const sent_record& of) : sent(of) {
    waiter.ticket = of.ticket;
    attached = of.done->attach(waiter);
  }
  sent_record sent;
  counting_waiter waiter;
  bool attached = false;
};

struct withdrawing_bench : partition_bench {
  awaited& await(const sent_record& one) { return waiting.emplace_back(one); }
  bool withdraw(awaited& one) { return queue.withdraw(*one.sent.done, one.waiter, out).done; }
  std::vector<std::string> values_of(const batch_ptr& sent) {
    std::vector<std::string> values;
    const std::string bytes = bytes_of(sent->records);
    batch_view view;
    REQUIRE(batch_view::parse(bytes, view) == batch_error::none);
    REQUIRE(view.check_from_client() == batch_error::none);
    REQUIRE(view.for_each([&](const record_entry& each) { values.emplace_back(*each.value); }) == batch_error::none);
    return values;
  }
  std::deque<awaited> waiting;
};

}  // namespace

TEST_CASE("a record withdrawn from an open batch is not sent, and those around it keep order, offset and time",
          "[core]") {
  withdrawing_bench bench;
  std::vector<sent_record> records;
  for (const char* each : {"a", "b", "c", "d", "e"}) records.push_back(bench.send(each));
  auto& first = bench.await(records[0]);
  auto& third = bench.await(records[2]);
  CHECK(bench.withdraw(first));
  CHECK_FALSE(bench.withdraw(first));
  CHECK(bench.withdraw(third));
  CHECK(bench.queue.outstanding().records == 3);
  records.push_back(bench.send("f"));
  const auto taken = bench.take();
  REQUIRE(taken);
  CHECK(bench.values_of(taken) == std::vector<std::string>{"b", "d", "e", "f"});
  CHECK(bench.queue.outstanding().bytes == taken->records.size() - batch_header_size);
  bench.acknowledge(taken, 100);
  CHECK(records[1].offset() == 100);
  CHECK(records[3].offset() == 101);
  CHECK(records[4].offset() == 102);
  CHECK(records[5].offset() == 103);
  CHECK(bench.queue.outstanding().bytes == 0);
  bench.send("next");
  CHECK(bench.take()->stamp->base_sequence == 4);
}

TEST_CASE("a batch of which everything is withdrawn goes at once, with its memory and its flush", "[core]") {
  withdrawing_bench bench;
  auto& first = bench.await(bench.send("a"));
  auto& second = bench.await(bench.send(std::string(5000, 'b')));
  counting_operation flush;
  REQUIRE(bench.flushes.begin(flush));
  CHECK(bench.withdraw(first));
  CHECK(bench.out.ended.empty());
  const auto last = bench.queue.withdraw(*second.sent.done, second.waiter, bench.out);
  CHECK(last.done);
  CHECK(last.wake);
  CHECK(deliver_all(bench.out.ended) == 1);
  CHECK(bench.memory.available() == bench.memory.total());
  CHECK(bench.queue.outstanding().records == 0);
  CHECK(bench.queue.outstanding().bytes == 0);
  CHECK(bench.look().is == readiness::state::empty);
  CHECK_FALSE(bench.queue.earliest_deadline());
}

TEST_CASE("what is sealed, in flight, in backoff or answered cannot be withdrawn any more", "[core]") {
  withdrawing_bench bench;
  auto& one = bench.await(bench.send("a"));
  const auto taken = bench.take();
  CHECK_FALSE(bench.withdraw(one));
  bench.lose(taken);
  CHECK_FALSE(bench.withdraw(one));
  bench.take();
  bench.acknowledge(taken, 3);
  CHECK_FALSE(bench.withdraw(one));
  CHECK(deliver_answers(bench.out) == 1);
  CHECK(one.sent.offset() == 3);
}

TEST_CASE("ten thousand withdrawals from one batch mark, and move its bytes once", "[core]") {
  cokafka::config user;
  user.max_request_size = 4'000'000;
  struct large_bench : withdrawing_bench {
  } bench;
  bench.rules.batch_limit = 3'000'000;
  std::vector<sent_record> records;
  for (int i = 0; i != 20'000; ++i) records.push_back(bench.send("value " + std::to_string(i)));
  for (std::size_t i = 0; i != 20'000; i += 2) bench.await(records[i]);
  // Backwards, where inserting would be slowest. A quadratic way would move 2 * 10^9 bytes, or take as many steps.
  const auto began = std::chrono::steady_clock::now();
  const std::size_t whole = bench.queue.next_size();
  for (auto each = bench.waiting.rbegin(); each != bench.waiting.rend(); ++each) REQUIRE(bench.withdraw(*each));
  CHECK(bench.queue.next_size() == whole);  // not a byte has moved yet
  const auto taken = bench.take();
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(2));
  REQUIRE(taken);
  CHECK(taken->records.count() == 10'000);
  CHECK(bench.queue.outstanding().bytes == taken->records.size() - batch_header_size);
  const auto values = bench.values_of(taken);
  for (std::size_t i = 0; i != 10'000; ++i) REQUIRE(values[i] == "value " + std::to_string(2 * i + 1));
  const std::size_t charged = bench.memory.total() - bench.memory.available();
  CHECK(charged < taken->records.size() + 2 * 16384);  // what is not needed any more has gone back
  bench.acknowledge(taken, 7);
  for (std::size_t i = 0; i != 10'000; ++i) REQUIRE(records[2 * i + 1].offset() == static_cast<std::int64_t>(7 + i));
}

TEST_CASE("a parked record is withdrawn from its line, and who waits behind it moves up", "[core]") {
  lot_bench bench;
  awaited first(bench.send("t", "a"));
  awaited second(bench.send("t", "b"));
  const auto third = bench.send("t", "c");
  counting_operation flush;
  REQUIRE(bench.lot.flushes.begin(flush));
  CHECK(bench.lot.withdraw(*first.sent.done, first.waiter, bench.out));
  CHECK_FALSE(bench.lot.withdraw(*first.sent.done, first.waiter, bench.out));
  CHECK(bench.lot.outstanding().records == 2);
  CHECK(bench.lot.topics.find("t")->parked == 2);
  SECTION("placed records are withdrawn from their batch, by whatever handle they have") {
    bench.publish("t", 1);
    CHECK(bench.lot.withdraw(*second.sent.done, second.waiter, bench.out));
    CHECK_FALSE(bench.lot.withdraw(*second.sent.done, second.waiter, bench.out));
    CHECK(bench.lot.outstanding().records == 1);
    CHECK(bench.acknowledge(bench.queue("t", 0), 30) == 1);
    CHECK(third.offset() == 30);
    CHECK(deliver_all(bench.out.ended) == 1);
  }
  SECTION("the last one ends the flush") {
    CHECK(bench.lot.withdraw(*second.sent.done, second.waiter, bench.out));
    awaited last(third);
    CHECK(bench.lot.withdraw(*third.done, last.waiter, bench.out));
    CHECK(deliver_all(bench.out.ended) == 1);
    CHECK_FALSE(bench.lot.earliest_parked_deadline());
    CHECK(bench.lot.topics.find("t")->parked == 0);
  }
  CHECK(bench.is_whole());
}

TEST_CASE("a record parked for memory is withdrawn, and the home strand looks who fits now", "[core]") {
  lot_bench bench(with_memory(8192));
  bench.publish("t", 2);
  const auto held = bench.send("t", large_value, 0);
  awaited too_large(bench.send("t", large_value, 1));
  const auto behind = bench.send("t", "small", 0);
  CHECK(bench.lot.memory.is_somebody_waiting());
  const int calls = bench.home.calls;
  CHECK(bench.lot.withdraw(*too_large.sent.done, too_large.waiter, bench.out));
  CHECK(bench.home.calls > calls);
  bench.place();
  CHECK_FALSE(bench.lot.memory.is_somebody_waiting());
  CHECK(bench.acknowledge(bench.queue("t", 0), 5) == 2);
  CHECK(behind.offset() == 6);
  CHECK(bench.is_whole());
}

TEST_CASE("a sender that withdraws and an owner that seals at the same time: each record has one end", "[core]") {
  partition_bench bench;
  constexpr std::size_t count = 20'000;
  std::vector<counting_waiter> waiters(count);
  std::vector<char> withdrawn(count, 0);
  std::vector<std::size_t> written;
  std::atomic<bool> sent_all{false};
  std::thread sender([&] {
    effects mine;
    std::deque<std::pair<completion_ptr, std::size_t>> young;  // withdrawn some records later, or too late
    for (std::size_t i = 0; i != count; ++i) {
      const std::string value = std::to_string(i);
      const auto appended = bench.queue.append(with_value(value), 7, bench.now, bench.rules.delivery_timeout);
      waiters[i].ticket.index = appended.index;
      waiters[i].ticket.bytes = static_cast<std::uint32_t>(appended.bytes);
      if (!appended.done->attach(waiters[i])) continue;
      young.emplace_back(appended.done, i);
      if (young.size() < 8) continue;
      const auto [done, which] = young.front();
      young.pop_front();
      if (which % 2 == 0) withdrawn[which] = bench.queue.withdraw(*done, waiters[which], mine).done;
    }
    sent_all = true;
  });
  effects out;
  std::size_t delivered = 0;
  const auto give_up = std::chrono::steady_clock::now() + 30s;
  while (std::chrono::steady_clock::now() < give_up) {
    const bool last_look = sent_all;
    if (bench.queue.look(bench.now, {true}).is != readiness::state::ready) {
      if (last_look) break;
      std::this_thread::yield();
      continue;
    }
    const auto taken = bench.queue.take(bench.identity);
    if (!taken) continue;
    batch_view view;
    const std::string bytes = bytes_of(taken->records);
    REQUIRE(batch_view::parse(bytes, view) == batch_error::none);
    broker_answer said;
    said.code = broker_errc::none;
    said.base_offset = static_cast<std::int64_t>(written.size());
    const auto read =
        view.for_each([&](const record_entry& each) { written.push_back(std::stoul(std::string(*each.value))); });
    REQUIRE(read == batch_error::none);
    bench.queue.answered(*taken, said, bench.now, out);
    delivered += deliver_answers(out);
  }
  sender.join();
  std::size_t gone = 0;
  for (const char each : withdrawn) gone += each != 0 ? 1 : 0;
  CHECK(gone > 0);
  CHECK(written.size() + gone == count);
  CHECK(delivered <= written.size());  // who attached after the answer was not handed out
  for (std::size_t i = 0; i != written.size(); ++i) {
    REQUIRE(withdrawn[written[i]] == 0);
    counting_waiter& told = waiters[written[i]];
    if (told.source) REQUIRE(told.source->get(told.ticket).value().offset == static_cast<std::int64_t>(i));
  }
  CHECK(bench.queue.outstanding().records == 0);
  CHECK(bench.queue.outstanding().bytes == 0);
  CHECK(bench.memory.available() == bench.memory.total());
}
