// SPDX-License-Identifier: BSL-1.0
// Records that cannot be placed yet: nobody overtakes, nobody is forgotten, memory and waiting are bounded (rule 22).
#include "cokafka/detail/base/murmur2.hpp"
#include "cokafka/detail/core/accumulator.hpp"
#include "support/core_bench.hpp"
#include "support/core_inputs.hpp"

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <limits>
#include <string>
#include <vector>

using namespace cokafka_test;

namespace {

cokafka::config with_little_memory() {
  cokafka::config made;
  made.buffer_memory = 64 * 1024;
  return made;
}

}  // namespace

TEST_CASE("records of an unknown topic park and are placed in their order before senders see the topic", "[core]") {
  lot_bench bench;
  std::vector<sent_record> parked;
  for (int i = 0; i < 5; ++i) parked.push_back(bench.send("t", std::to_string(i)));
  const auto other = bench.send("elsewhere", "v");
  CHECK(bench.lot.outstanding().records == 6);
  CHECK(bench.home.calls > 0);
  bench.publish("t", 1);
  CHECK(bench.owners[0].wakes == 1);
  const auto direct = bench.send("t", "5");
  CHECK(bench.acknowledge(bench.queue("t", 0), 100) == 6);
  for (std::size_t i = 0; i < 5; ++i) CHECK(parked[i].offset() == static_cast<std::int64_t>(100 + i));
  CHECK(direct.offset() == 105);
  CHECK_FALSE(other.is_ready());
  CHECK(bench.lot.outstanding().records == 1);
}

TEST_CASE("a record that parks for metadata when it has just arrived is placed all the same", "[core]") {
  // What a sender sees that is overtaken by publish() between its look and its parking.
  lot_bench bench;
  topic& of = bench.publish("t", 1);
  of.parked = 1;
  const auto late = bench.send("t", "late");
  of.parked = 0;
  const auto behind = bench.send("t", "behind");
  bench.place();
  REQUIRE(bench.acknowledge(bench.queue("t", 0), 7) == 2);
  CHECK(late.offset() == 7);
  CHECK(behind.offset() == 8);
  of.parked = 1;
  const auto nowhere = bench.send("t", "v", 9);
  of.parked = 0;
  bench.place();
  CHECK_FALSE(nowhere.is_ready());  // the table that it sees may be old
  bench.publish("t", 1);
  CHECK(nowhere.failure() == errc::unknown_partition);
}

TEST_CASE("without memory everybody parks, first in first out over all", "[core]") {
  lot_bench bench(with_memory(8192));
  bench.publish("a", 1);
  bench.publish("b", 1);
  const auto first = bench.send("a", large_value);
  CHECK_FALSE(bench.lot.memory.is_somebody_waiting());
  const auto second = bench.send("b", large_value);
  const auto third = bench.send("a", "fits, but is behind");
  CHECK(bench.lot.memory.is_somebody_waiting());
  CHECK(bench.queue("a", 0).outstanding().records == 1);
  const int calls = bench.home.calls;
  bench.acknowledge(bench.queue("a", 0));
  CHECK(bench.home.calls > calls);  // memory was given back
  bench.place();
  CHECK(bench.queue("b", 0).outstanding().records == 1);
  CHECK(bench.queue("a", 0).outstanding().records == 1);
  CHECK_FALSE(bench.lot.memory.is_somebody_waiting());
  bench.acknowledge(bench.queue("b", 0), 1);
  bench.acknowledge(bench.queue("a", 0), 2);
  CHECK(second.offset() == 1);
  CHECK(third.offset() == 2);
  CHECK(bench.is_whole());
}

TEST_CASE("metadata that finds no memory has the home strand look again: it may have come back meanwhile", "[core]") {
  lot_bench bench(with_memory(8192));
  bench.publish("a", 1);
  const auto first = bench.send("a", large_value);
  const auto second = bench.send("b", large_value);  // waits for metadata
  const int calls = bench.home.calls;
  bench.publish("b", 1);
  CHECK(bench.queue("b", 0).outstanding().records == 0);
  CHECK(bench.home.calls > calls);
  bench.acknowledge(bench.queue("a", 0));
  bench.place();
  bench.acknowledge(bench.queue("b", 0), 3);
  CHECK(second.offset() == 3);
}

TEST_CASE("a broker that does not drain parks only its own partitions", "[core]") {
  lot_bench bench(with_memory(64 * 1024));
  bench.lot.memory.limit_shares(true);
  bench.publish("t", 3);
  lot_bench::give(bench.queue("t", 2), bench.owners[1]);
  std::vector<sent_record> down;
  for (int i = 0; i < 40; ++i) down.push_back(bench.send("t", large_value, i % 2));
  CHECK(bench.queue("t", 0).parked > 0);
  CHECK(bench.lot.memory.available() >= 8 * 1024);
  const auto up = bench.send("t", large_value, 2);
  CHECK(bench.queue("t", 2).outstanding().records == 1);
  bench.acknowledge(bench.queue("t", 2), 5);
  CHECK(up.offset() == 5);

  // When it drains again, the order within each partition is that of the sends.
  std::int64_t next[2] = {0, 0};
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 2; ++i) {
      const auto count = bench.acknowledge(bench.queue("t", i), next[i]);
      next[i] += count;
    }
    bench.place();
  }
  for (std::size_t i = 0; i < 40; ++i) CHECK(down[i].offset() == static_cast<std::int64_t>(i / 2));
  CHECK(bench.is_whole());
  CHECK(bench.queue("t", 0).parked == 0);
  CHECK_FALSE(bench.lot.memory.is_somebody_waiting());
}

TEST_CASE("a partition that changes hands during a full share keeps its order", "[core]") {
  lot_bench bench(with_memory(64 * 1024));
  bench.lot.memory.limit_shares(true);
  bench.publish("t", 2);
  std::vector<sent_record> sent;
  while (bench.queue("t", 0).parked == 0) sent.push_back(bench.send("t", large_value));
  sent.push_back(bench.send("t", "small"));
  lot_bench::give(bench.queue("t", 0), bench.owners[1]);
  sent.push_back(bench.send("t", "last"));
  std::int64_t next = 0;
  for (int round = 0; round < 100; ++round) {
    bench.place();
    next += bench.acknowledge(bench.queue("t", 0), next);
  }
  for (std::size_t i = 0; i < sent.size(); ++i) CHECK(sent[i].offset() == static_cast<std::int64_t>(i));
}

TEST_CASE("a record that takes most of the budget goes although shares are limited", "[core]") {
  lot_bench bench(with_memory(64 * 1024));
  bench.lot.memory.limit_shares(true);
  bench.publish("t", 1);
  const auto sent = bench.send("t", std::string(50'000, 'v'));
  CHECK(bench.queue("t", 0).outstanding().records == 1);
  bench.acknowledge(bench.queue("t", 0), 1);
  CHECK(sent.offset() == 1);
}

TEST_CASE("records without a key leave a partition whose broker has its whole share", "[core]") {
  lot_bench bench(with_memory(64 * 1024));
  bench.lot.memory.limit_shares(true);
  bench.publish("t", 2);
  lot_bench::give(bench.queue("t", 1), bench.owners[1]);
  while (bench.queue("t", 0).parked == 0) bench.send("t", large_value, 0);
  int placed = 0;
  for (int i = 0; i < 40; ++i) {
    bench.send("t", "v", std::nullopt);
    placed = static_cast<int>(bench.queue("t", 1).outstanding().records);
  }
  CHECK(placed >= 10);
}

TEST_CASE("a partition that does not exist fails after one refresh that does not show it", "[core]") {
  lot_bench bench;
  const auto early = bench.send("t", "v", 3);
  const auto valid = bench.send("t", "v", 0);
  bench.publish("t", 2);
  CHECK_FALSE(early.is_ready());
  CHECK(bench.lot.is_partition_missing());
  CHECK(bench.acknowledge(bench.queue("t", 0)) == 1);  // nobody waits behind it
  CHECK(valid.is_ready());
  SECTION("it is there now") {
    bench.publish("t", 4);
    bench.acknowledge(bench.queue("t", 3), 12);
    CHECK(early.offset() == 12);
  }
  SECTION("it is still missing") {
    bench.publish("t", 2);
    CHECK(early.failure() == errc::unknown_partition);
    CHECK(early.failure().message() == "topic t has 2 partitions, there is no partition 3");
  }
  SECTION("an answer without news decides, too") {
    bench.lot.refresh_begins();
    bench.lot.refresh_answered();
    bench.lot.publish(*bench.lot.topics.find("t"), nullptr, bench.now, bench.out);
    CHECK(early.failure() == errc::unknown_partition);
  }
  CHECK_FALSE(bench.lot.is_partition_missing());
}

TEST_CASE("a partition that does not exist is not decided by an answer to a question from before the record",
          "[core]") {
  lot_bench bench;
  topic& of = bench.publish("t", 2);
  const auto publish_again = [&] { bench.lot.publish(of, nullptr, bench.now, bench.out); };
  bench.lot.refresh_begins();
  const auto sent = bench.send("t", "v", 3);
  publish_again();  // the hint of a broker: answers nothing
  CHECK_FALSE(sent.is_ready());
  bench.lot.refresh_answered();
  publish_again();
  CHECK_FALSE(sent.is_ready());
  bench.lot.refresh_begins();
  publish_again();
  CHECK_FALSE(sent.is_ready());
  bench.lot.refresh_answered();
  publish_again();
  CHECK(sent.failure() == errc::unknown_partition);
}

TEST_CASE("a record that waited for memory, and whose partition is missing then, waits for a refresh as well",
          "[core]") {
  lot_bench bench(with_little_memory());
  bench.publish("t", 4);
  for (int i = 0; i < 40; ++i) bench.send("t", std::string(4000, 'v'), 0);  // more than there is room for
  std::vector<sent_record> parked;
  for (int i = 0; i < 10; ++i) parked.push_back(bench.send("t", std::string(4000, 'v'), 3));
  bench.publish("t", 2);
  for (int i = 0; i < 100; ++i) {
    bench.acknowledge(bench.queue("t", 0));
    bench.place();
  }
  CHECK(bench.lot.is_partition_missing());
  CHECK_FALSE(parked.back().is_ready());
  bench.publish("t", 2);
  CHECK(parked.back().failure() == errc::unknown_partition);
}

namespace {

// Of partition 1 where there are two.
record_view of_partition_one(const std::string& value) {
  static const std::string key = [] {
    std::string made = "k";
    while (cokafka::detail::to_positive(cokafka::detail::murmur2(made)) % 2 == 0) made += 'k';
    return made;
  }();
  record_view record = with_value(value);
  record.topic = "t";
  record.key = key;
  return record;
}

}  // namespace

TEST_CASE("a record for a partition that is added goes before one that was sent later and waits for memory", "[core]") {
  lot_bench bench(with_little_memory());
  const std::string value(4000, 'v');
  bench.publish("t", 1);
  for (int i = 0; i < 14; ++i) bench.send("t", value, 0);
  const auto early = bench.send("t", value, 1);
  std::vector<sent_record> late;
  for (int i = 0; i < 3; ++i) late.push_back(bench.send(of_partition_one(value)));
  REQUIRE(bench.lot.is_memory_short());
  bench.publish("t", 2);
  bench.acknowledge(bench.queue("t", 0));
  bench.place();
  REQUIRE(bench.acknowledge(bench.queue("t", 1), 100) == 4);
  CHECK(early.offset() == 100);
  CHECK(late[0].offset() == 101);
}

TEST_CASE("who waited for metadata and then for memory stays before who waited for a partition meanwhile", "[core]") {
  lot_bench bench(with_little_memory());
  const std::string value(4000, 'v');
  bench.publish("other", 1);
  for (int i = 0; i < 18; ++i) bench.send("other", value, 0);  // more than there is room for
  const auto first = bench.send(of_partition_one(value));
  const auto second = bench.send("t", value, 1);
  bench.publish("t", 1);
  const auto third = bench.send(of_partition_one(value));
  bench.publish("t", 2);
  for (int i = 0; i < 4; ++i) {
    bench.acknowledge(bench.queue("other", 0));
    bench.place();
  }
  REQUIRE(bench.acknowledge(bench.queue("t", 1), 100) == 3);
  CHECK(first.offset() == 100);
  CHECK(second.offset() == 101);
  CHECK(third.offset() == 102);
}

TEST_CASE("metadata of topics that nobody waits for costs nothing for those who wait for others", "[core]") {
  cokafka::config user;
  user.parked_memory = 64 * 1024 * 1024;
  lot_bench bench(user);
  constexpr int topics = 2000;
  std::vector<topic*> known;
  for (int i = 0; i < topics; ++i) known.push_back(&bench.publish("known-" + std::to_string(i), 1));
  const auto answer_all = [&] {  // the shortest of three: other programs are busy, too
    std::clock_t shortest = std::numeric_limits<std::clock_t>::max();
    for (int round = 0; round < 3; ++round) {
      const std::clock_t begin = std::clock();
      for (topic* each : known) bench.lot.publish(*each, nullptr, bench.now, bench.out);
      shortest = std::min(shortest, std::clock() - begin);
    }
    return shortest;
  };
  const std::clock_t alone = answer_all();
  for (int i = 0; i < 10'000; ++i) bench.send("unknown", "v");
  REQUIRE(bench.lot.outstanding().records == 10'000);
  CHECK(answer_all() < 10 * alone + CLOCKS_PER_SEC / 50);
  bench.lot.refuse(*bench.lot.topics.find("unknown"), broker_errc::topic_authorization_failed, "no", bench.now,
                   bench.out);
  CHECK(bench.lot.outstanding().records == 0);
}

TEST_CASE("who waits for a topic or for one of its partitions is found among those who wait for others", "[core]") {
  lot_bench bench;
  const auto foreign = bench.send("elsewhere", "v");
  const auto early = bench.send("t", "v", 0);
  const auto missing = bench.send("t", "v", 2);
  const auto late = bench.send("t", "v", 1);
  bench.publish("t", 2);
  CHECK(bench.acknowledge(bench.queue("t", 0), 3) == 1);
  CHECK(bench.acknowledge(bench.queue("t", 1), 4) == 1);
  CHECK(early.offset() == 3);
  CHECK(late.offset() == 4);
  bench.publish("other", 1);
  CHECK_FALSE(missing.is_ready());
  bench.publish("t", 3);
  CHECK(bench.acknowledge(bench.queue("t", 2), 5) == 1);
  CHECK(missing.offset() == 5);
  bench.publish("elsewhere", 1);
  CHECK(bench.acknowledge(bench.queue("elsewhere", 0), 6) == 1);
  CHECK(foreign.offset() == 6);
}
