// SPDX-License-Identifier: BSL-1.0
// What is known of the cluster and when it is asked for; backoff, versions, memory, flushes, the sticky choice.
#include "cokafka/detail/core/api_versions_known.hpp"
#include "cokafka/detail/core/backoff.hpp"
#include "cokafka/detail/core/cluster_metadata.hpp"
#include "cokafka/detail/core/metadata_schedule.hpp"
#include "cokafka/detail/core/throttled_brokers.hpp"
#include "support/core_bench.hpp"
#include "support/core_inputs.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

using namespace cokafka_test;

TEST_CASE("a leader of an older epoch is ignored, unless the topic is another one", "[core]") {
  cluster_metadata known;
  known.merge(cluster_with(1, {{1, 5}, {2, 5}}));
  known.merge(cluster_with(1, {{2, 4}, {1, 6}}));
  CHECK(known.find("t")->partitions[0].leader == 1);
  CHECK(known.find("t")->partitions[1].leader == 1);
  known.merge(cluster_with(2, {{2, 0}}));
  CHECK(known.find("t")->partitions[0].leader == 2);
  CHECK(known.find("t")->partitions.size() == 1);
}

TEST_CASE("a topic keeps the partitions that a lagging broker does not know", "[core]") {
  cluster_metadata known;
  known.merge(cluster_with(1, {{1, 0}, {2, 0}, {1, 0}}));
  const auto news = known.merge(cluster_with(1, {{2, 1}}));
  CHECK(news[0].is == topic_news::kind::known);
  REQUIRE(known.find("t")->partitions.size() == 3);
  CHECK(known.find("t")->partitions[0].leader == 2);
  CHECK(known.find("t")->partitions[2].leader == 1);
}

TEST_CASE("a broker with an address that cannot be is not known, and leads nothing", "[core]") {
  cluster_metadata known;
  auto odd = cluster_with(1, {{1, 0}, {2, 0}});
  odd.brokers[0].port = 65536 + 9092;
  odd.brokers.push_back({-7, "three", 9092, {}});
  known.merge(odd);
  CHECK(known.brokers().size() == 1);
  CHECK(known.find("t")->partitions[0].leader == -1);
  CHECK(known.find("t")->partitions[1].leader == 2);
}

TEST_CASE("an answer that names no usable partition is no answer", "[core]") {
  cluster_metadata known;
  auto odd = cluster_with(1, {});
  CHECK(known.merge(odd)[0].is == topic_news::kind::waiting);
  odd = cluster_with(1, {{1, 0}});
  odd.topics[0].partitions[0].partition_index = -5;
  CHECK(known.merge(odd)[0].is == topic_news::kind::waiting);
  CHECK(known.find("t") == nullptr);
  odd.topics[0].partitions[0].partition_index = 2147483647;
  known.merge(odd);
  CHECK(known.find("t")->partitions.size() == 1);  // not two thousand millions
}

TEST_CASE("leaders that are not in the list of brokers are none; errors of a topic wait or refuse", "[core]") {
  cluster_metadata known;
  auto news = known.merge(cluster_with(1, {{3, 0}, {1, 0}}));
  CHECK_FALSE(news[0].complete);
  CHECK(known.find("t")->partitions[0].leader == -1);
  CHECK_FALSE(known.describe("t")[0].leader);
  CHECK(known.describe("t")[1].leader == 1);
  auto said = cluster_with(1, {});
  said.brokers.clear();
  said.topics[0].error_code = 3;
  news = known.merge(said);
  CHECK(news[0].is == topic_news::kind::waiting);
  CHECK(news[0].error == broker_errc::unknown_topic_or_partition);
  CHECK(known.brokers().size() == 2);
  CHECK(known.find("t")->partitions.size() == 2);
  for (const auto refusing : {std::int16_t{17}, std::int16_t{29}}) {
    said.topics[0].error_code = refusing;
    CHECK(known.merge(said)[0].is == topic_news::kind::refused);
  }
}

TEST_CASE("metadata is asked for at once for a new topic, with backoff after failures, and when it is old", "[core]") {
  metadata_schedule schedule({100ms, 1000ms}, 5min);
  const clock_time start{1h};
  constexpr std::uint64_t middle = std::uint64_t{1} << 63;  // no jitter
  CHECK_FALSE(schedule.due());
  schedule.want_now();
  CHECK(schedule.due() <= start);
  schedule.started(start);
  CHECK_FALSE(schedule.due());
  schedule.failed(start, middle);
  CHECK(schedule.due() == start + 100ms);
  schedule.started(start);
  schedule.failed(start, middle);
  CHECK(schedule.due() == start + 200ms);
  schedule.started(start);
  schedule.want();  // while it is under way: for the next one
  schedule.succeeded(start, true, middle);
  CHECK(schedule.due() == start + 100ms);
  schedule.started(start);
  schedule.succeeded(start, true, middle);
  CHECK(schedule.due() == start + 5min);
  schedule.started(start);
  schedule.succeeded(start, false, middle);
  CHECK(schedule.due() == start + 100ms);

  metadata_schedule restless({100ms, 1000ms}, 0ms);
  restless.want_now();
  restless.started(start);
  restless.succeeded(start, true, middle);
  CHECK(restless.due() == start + 100ms);  // metadata.max.age.ms=0 does not ask in a loop
}

TEST_CASE("names that are no topics are asked for ten times at once, then with a pause, until one of them is a topic",
          "[core]") {
  metadata_schedule schedule({100ms, 1000ms}, 5min);
  clock_time now{1h};
  constexpr std::uint64_t middle = std::uint64_t{1} << 63;  // no jitter
  const auto ask = [&] {
    schedule.want_topic();
    const bool at_once = schedule.due() <= now;
    if (!at_once) now = schedule.due().value();
    schedule.started(now);
    schedule.succeeded(now, true, middle);
    return at_once;
  };
  for (int i = 0; i != metadata_schedule::most_in_vain; ++i) CHECK(ask());
  const clock_time before = now;
  for (int i = 0; i != 5; ++i) CHECK_FALSE(ask());
  CHECK(now - before == 500ms);
  schedule.want_now();  // other reasons do not wait
  CHECK(schedule.due() <= now);
  schedule.started(now);
  schedule.found_topic();
  CHECK(ask());
  now += 10s;  // nor does a name after a pause
  for (int i = 0; i != metadata_schedule::most_in_vain; ++i) CHECK(ask());
}

TEST_CASE("throttled brokers are left alone, and the first that is free again is known", "[core]") {
  throttled_brokers throttled;
  const clock_time start{1h};
  const host_port one{"one", 1}, two{"two", 2};
  CHECK_FALSE(throttled.is_any(start));
  throttled.note(one, start + 2s, start);
  throttled.note(one, start + 1s, start);  // an older answer
  CHECK(throttled.until(one, start) == start + 2s);
  CHECK_FALSE(throttled.first_free({one, two}, start));
  throttled.note(two, start + 3s, start);
  CHECK(throttled.first_free({one, two}, start) == start + 2s);
  CHECK_FALSE(throttled.until(one, start + 2s));
  for (int i = 0; i != 1000; ++i) throttled.note({"many", static_cast<std::uint16_t>(i)}, start + 10s, start);
  CHECK_FALSE(throttled.until(two, start));  // bounded: the shortest waits are forgotten
  CHECK_FALSE(throttled.is_any(start + 10s));
}

TEST_CASE("backoff doubles with a jitter of a fifth and never exceeds its maximum", "[core]") {
  const backoff_policy policy{100ms, 1000ms};
  for (const std::uint64_t random : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 62}) {
    CHECK(policy.delay(1, random) >= 80ms);
    CHECK(policy.delay(1, random) <= 120ms);
    CHECK(policy.delay(2, random) >= 160ms);
    CHECK(policy.delay(3, random) <= 480ms);
    CHECK(policy.delay(10, random) == 1000ms);
    CHECK(policy.delay(4'000'000'000, random) == 1000ms);
  }
  CHECK(backoff_policy{0ms, 0ms}.delay(5, 1) == 0ms);
  CHECK(backoff_policy{100ms, 10ms}.delay(9, 1) == 100ms);
}

TEST_CASE("the newest version is one that both sides and the cap allow", "[core]") {
  messages::api_versions_response told;
  told.api_keys = {{0, 0, 9}, {3, 13, 20}, {22, 6, 7}};
  api_versions_known known;
  known.learn(told, {});
  CHECK(known.newest(messages::api_key::produce) == 9);
  CHECK(known.newest(messages::api_key::metadata) == 13);
  CHECK_FALSE(known.newest(messages::api_key::init_producer_id));
  CHECK_FALSE(known.newest(messages::api_key::api_versions));
  known.learn(told, {{messages::api_key::produce, 4}, {messages::api_key::metadata, 12}});
  CHECK(known.newest(messages::api_key::produce) == 4);
  CHECK_FALSE(known.newest(messages::api_key::metadata));
}

TEST_CASE("memory is taken all or none, charged to a share, and one share leaves something to the others", "[core]") {
  buffer_memory memory(64 * 1024);
  int released = 0;
  memory.on_release([&] { ++released; });
  broker_share share;
  chunk_chain one;
  REQUIRE(memory.take(0, 1000, &share, one) == buffer_memory::outcome::taken);
  CHECK(share.used == 1024);
  CHECK(memory.available() == 63 * 1024);
  chunk_chain none;
  CHECK(memory.take(0, 64 * 1024, &share, none) == buffer_memory::outcome::exhausted);
  CHECK(none.empty());
  memory.limit_shares(true);
  CHECK(memory.take(1024, 40'000, &share, none) == buffer_memory::outcome::over_share);
  CHECK(memory.available() == 63 * 1024);
  memory.give_back(std::move(one), &share);
  CHECK(released == 0);
  REQUIRE(memory.take(1024, 40'000, &share, one) == buffer_memory::outcome::taken);  // its first is not limited
  memory.somebody_waits(true);
  memory.give_back(std::move(one), &share);
  CHECK(released == 1);
  CHECK(share.used == 0);
  CHECK(memory.available() == memory.total());
}

TEST_CASE("each flush waits for what is older than it and for nothing younger", "[core]") {
  flush_tracker tracker;
  counting_operation none;
  CHECK_FALSE(tracker.begin(none));
  const auto a = tracker.enter();
  counting_operation first;
  REQUIRE(tracker.begin(first));
  const auto b = tracker.enter();
  counting_operation second;
  counting_operation third;
  REQUIRE(tracker.begin(second));
  REQUIRE(tracker.begin(third));
  const auto c = tracker.enter();
  waiter_list ended = tracker.leave(b);
  CHECK(ended.empty());
  CHECK(tracker.cancel(third));
  CHECK_FALSE(tracker.cancel(third));
  ended = tracker.leave(a);
  CHECK(ended.size() == 2);
  CHECK_FALSE(tracker.cancel(first));
  CHECK_FALSE(tracker.is_flushing());
  ended.clear();

  // A parked record of an older generation goes on in a batch that is younger: the batch counts as the older.
  counting_operation waits_for_c;
  REQUIRE(tracker.begin(waits_for_c));
  const auto younger = tracker.enter();
  const auto merged = tracker.merge(c, younger);
  CHECK(merged == c);
  ended = tracker.leave(merged);
  CHECK(ended.size() == 1);
  ended.clear();
  CHECK_FALSE(tracker.begin(none));
}

TEST_CASE("waiters are handed out in record order, once, and never after they left", "[core]") {
  completion_ptr done(new completion(cokafka::topic_name("t"), 3));
  counting_waiter waiters[] = {counting_waiter(5), counting_waiter(1), counting_waiter(9), counting_waiter(3)};
  for (auto& each : waiters) REQUIRE(done->attach(each));
  CHECK(done->detach(waiters[2]));
  CHECK_FALSE(done->detach(waiters[2]));
  batch_outcome outcome;
  outcome.base_offset = 100;
  waiter_list all = done->complete(outcome);
  REQUIRE(all.size() == 3);
  std::vector<std::uint32_t> order;
  for (auto& each : all) order.push_back(static_cast<record_waiter&>(each).ticket.index);
  CHECK(order == std::vector<std::uint32_t>{1, 3, 5});
  CHECK_FALSE(done->detach(waiters[0]));
  all.clear();
  CHECK(done->complete({}).empty());
  record_ticket ticket;
  ticket.index = 5;
  CHECK(done->get(ticket).value().offset == 105);
}

TEST_CASE("the sticky choice stays for a batch, is bounded, and each thread slot has its own", "[core]") {
  sticky_partitioner sticky(42);
  const auto first = sticky.choose(0, 10);
  CHECK(sticky.choose(0, 10) == first);
  sticky.produced(0, 1000, false, 1000);
  CHECK(sticky.choose(0, 10) == first);  // full, but its batch has not ended
  sticky.produced(0, 10, true, 1000);    // the next batch begins: leave
  int moved = 0;
  for (int i = 0; i < 50; ++i) {
    const auto before = sticky.choose(1, 10);
    sticky.produced(1, 2000, false, 1000);
    moved += sticky.choose(1, 10) != before ? 1 : 0;
  }
  CHECK(moved > 30);
  CHECK(sticky.choose(1, 1) == 0);
  int left = 0;
  for (int i = 0; i < 50; ++i) {
    const auto before = sticky.choose(2, 10);
    sticky.leave(2);
    left += sticky.choose(2, 10) != before ? 1 : 0;
  }
  CHECK(left > 30);
  CHECK(thread_slot() < sticky_slots);
}

TEST_CASE("records that end in any order find those who wait for them, also when some have gone", "[core]") {
  completion_ptr batch(new completion(cokafka::topic_name("t"), 0));
  std::vector<std::unique_ptr<counting_waiter>> waiting;
  for (std::uint32_t i = 0; i < 20; ++i) {
    waiting.push_back(std::make_unique<counting_waiter>(i));
    REQUIRE(batch->attach(*waiting.back()));
  }
  const auto end = [&](std::uint32_t first, std::uint32_t behind) {
    const record_range which{first, behind};
    waiter_list told = batch->end_some({&which, 1}, {});
    std::vector<std::uint32_t> indexes;
    for (auto& each : told) indexes.push_back(static_cast<record_waiter&>(each).ticket.index);
    deliver_all(told);
    return indexes;
  };
  CHECK(end(10, 12) == std::vector<std::uint32_t>{10, 11});
  CHECK(batch->detach(*waiting[15]));
  CHECK(end(14, 17) == std::vector<std::uint32_t>{14, 16});
  CHECK(end(0, 2) == std::vector<std::uint32_t>{0, 1});
  counting_waiter late(30);
  REQUIRE(batch->attach(late));
  CHECK(end(18, 40) == std::vector<std::uint32_t>{18, 19, 30});
  CHECK(end(3, 4) == std::vector<std::uint32_t>{3});
  CHECK(end(40, 50).empty());
  waiter_list rest = batch->complete({});
  CHECK(deliver_all(rest) == 10);  // 2, 4 to 9, 12, 13 and 17
}
