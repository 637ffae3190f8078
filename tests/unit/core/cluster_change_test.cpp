// SPDX-License-Identifier: BSL-1.0
// Clusters that change: leaders that a Produce answer names, topics that are deleted and made anew, brokers that lag.
#include "cokafka/detail/core/cluster_metadata.hpp"
#include "cokafka/detail/core/metadata_schedule.hpp"
#include "support/core_bench.hpp"
#include "support/core_inputs.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace cokafka_test;

namespace {

using response = messages::metadata_response;
constexpr std::uint8_t no_id = 0;

wire::uuid id_of(std::uint8_t number) { return wire::uuid::from_halves(0, number); }

response missing() {
  response made = cluster_with(no_id, {});
  made.topics[0].error_code = static_cast<std::int16_t>(broker_errc::unknown_topic_or_partition);
  return made;
}

struct cluster_bench {
  topic_news told(const response& said) { return known.merge(said).at(0); }
  std::int32_t leader(std::size_t partition = 0) const { return known.find("t")->partitions.at(partition).leader; }
  std::size_t count() const { return known.find("t")->partitions.size(); }
  bool hint(std::int32_t leader, std::int32_t epoch, std::uint8_t id = 1, std::int32_t partition = 0,
            std::vector<messages::node_endpoint> endpoints = {}) {
    leader_news news;
    news.moved.push_back({"t", id_of(id), partition, leader, epoch});
    news.endpoints = std::move(endpoints);
    return !known.learn(news).empty();
  }
  cluster_metadata known;
};

}  // namespace

TEST_CASE("a leader that a Produce answer names is taken where its epoch is newer", "[core]") {
  cluster_bench bench;
  bench.told(cluster_with(1, {{1, 5}, {1, 5}}));
  CHECK_FALSE(bench.hint(2, 5));
  CHECK_FALSE(bench.hint(2, 4));
  CHECK(bench.leader() == 1);
  CHECK(bench.hint(2, 6));
  CHECK(bench.leader() == 2);
  CHECK(bench.leader(1) == 1);
  bench.told(cluster_with(1, {{1, 5}, {1, 5}}));  // a broker that lags does not take it back
  CHECK(bench.leader() == 2);
}

TEST_CASE("a named leader is not taken for another topic, for a partition that is not there, or without an address",
          "[core]") {
  cluster_bench bench;
  CHECK_FALSE(bench.hint(2, 6));
  bench.told(cluster_with(1, {{1, 5}}));
  CHECK_FALSE(bench.hint(2, 6, 9));
  CHECK_FALSE(bench.hint(2, 6, 1, 7));
  CHECK_FALSE(bench.hint(2, 6, 1, -1));
  CHECK_FALSE(bench.hint(3, 6));
  CHECK_FALSE(bench.hint(3, 6, 1, 0, {{3, "three", 0, {}}}));
  CHECK(bench.leader() == 1);
  CHECK(bench.hint(3, 6, 1, 0, {{3, "three", 9093, {}}}));
  CHECK(bench.leader() == 3);
  CHECK(bench.known.brokers().at(3).host == "three");
  CHECK(bench.hint(2, 7, 1, 0, {{2, "elsewhere", 9094, {}}}));
  CHECK(bench.known.brokers().at(2).port == 9094);
}

TEST_CASE("a topic with another id is another topic, and its former ids do not come back", "[core]") {
  cluster_bench bench;
  CHECK_FALSE(bench.told(cluster_with(1, {{1, 5}, {1, 5}, {1, 5}})).made_anew);
  const topic_news anew = bench.told(cluster_with(2, {{2, 0}}));
  CHECK(anew.made_anew);
  CHECK(bench.count() == 1);
  CHECK(bench.leader() == 2);
  const topic_news late = bench.told(cluster_with(1, {{1, 5}, {1, 5}, {1, 5}}));
  CHECK(late.doubtful);
  CHECK_FALSE(late.made_anew);
  CHECK(bench.count() == 1);
  CHECK(bench.leader() == 2);
  for (std::uint8_t id = 3; id < 40; ++id) CHECK(bench.told(cluster_with(id, {{1, 0}})).made_anew);
  CHECK(bench.known.find("t")->former.size() == 8);
}

TEST_CASE("an answer without topic ids does not make a topic another one, nor does the first id", "[core]") {
  cluster_bench bench;
  bench.told(cluster_with(no_id, {{1, 5}}));
  CHECK_FALSE(bench.told(cluster_with(1, {{1, 5}})).made_anew);
  CHECK_FALSE(bench.told(cluster_with(no_id, {{1, 5}})).made_anew);
  CHECK(bench.known.find("t")->id == id_of(1));
}

TEST_CASE("without ids a topic that goes backwards is believed the third time in a row", "[core]") {
  cluster_bench bench;
  bench.told(cluster_with(no_id, {{1, 5}, {1, 5}}));
  const response back = GENERATE(cluster_with(no_id, {{2, 0}, {2, 0}}), cluster_with(no_id, {{2, 0}}));
  for (int i = 1; i < cluster_metadata::believed_after; ++i) {
    const topic_news news = bench.told(back);
    CHECK(news.doubtful);
    CHECK_FALSE(news.made_anew);
    CHECK(bench.leader() == 1);
    CHECK(bench.count() == 2);
  }
  SECTION("told once more") {
    const topic_news news = bench.told(back);
    CHECK(news.made_anew);
    CHECK_FALSE(news.doubtful);
    CHECK(bench.leader() == 2);
    CHECK(bench.count() == back.topics[0].partitions.size());
  }
  SECTION("another broker knows better") {
    CHECK_FALSE(bench.told(cluster_with(no_id, {{1, 5}, {1, 6}})).doubtful);
    CHECK(bench.told(back).doubtful);
    CHECK(bench.leader() == 1);
  }
}

TEST_CASE("without ids a topic that was missing in between is believed at once", "[core]") {
  cluster_bench bench;
  bench.told(cluster_with(no_id, {{1, 5}, {1, 5}}));
  CHECK(bench.told(missing()).is == topic_news::kind::waiting);
  CHECK(bench.count() == 2);
  CHECK(bench.told(cluster_with(no_id, {{2, 0}})).made_anew);
  CHECK(bench.leader() == 2);
  CHECK(bench.count() == 1);
}

TEST_CASE("a topic with more partitions than any cluster has is not believed", "[core]") {
  cluster_bench bench;
  response absurd = cluster_with(1, leaders_and_epochs(cluster_metadata::most_partitions + 1, {1, 0}));
  CHECK(bench.told(absurd).is == topic_news::kind::waiting);
  CHECK(bench.known.find("t") == nullptr);
}

TEST_CASE("what is asked for later is asked for then, and not again", "[core]") {
  metadata_schedule schedule({100ms, 1000ms}, 5min);
  const clock_time start{1h};
  constexpr std::uint64_t middle = std::uint64_t{1} << 63;  // no jitter
  schedule.want_at(start + 400ms);
  schedule.want_at(start + 300ms);
  schedule.want_at(start + 500ms);
  CHECK(schedule.due() == start + 300ms);
  schedule.started(start);
  schedule.succeeded(start, true, middle);
  CHECK(schedule.due() == start + 5min);
  schedule.want_at(start + 10ms);
  CHECK(schedule.due() == start + 100ms);  // coalesced like everything else
  schedule.postpone(start + 700ms);        // the answer: not so soon
  CHECK(schedule.due() == start + 700ms);
  schedule.want();  // somebody else has better reasons
  CHECK(schedule.due() == start + 100ms);
}

TEST_CASE("a partition that is gone fails what it holds, each with its fate, and may come back", "[core]") {
  partition_bench bench;
  bench.open_window();
  const auto in_flight = bench.send_alone("a");
  const auto sent = bench.take();
  const auto unknown = bench.send_alone("b");
  const auto lost = bench.take();
  const auto refused = bench.send_alone("c");
  const auto taken = bench.take();
  const auto waiting = bench.send_alone("d");
  bench.lose(lost);
  bench.answer(taken, broker_errc::not_enough_replicas);
  error_details why;
  why.code = broker_errc::unknown_topic_or_partition;
  bench.queue.fail_queued(why, bench.now, bench.out);
  CHECK(in_flight.failure().fate() == fate::maybe_written);
  CHECK(unknown.failure().fate() == fate::maybe_written);
  CHECK(refused.failure().fate() == fate::not_written);
  CHECK(waiting.failure().fate() == fate::not_written);
  CHECK(waiting.failure() == broker_errc::unknown_topic_or_partition);
  CHECK(bench.queue.outstanding().records == 0);
  CHECK(bench.queue.in_flight() == 1);
  bench.answer(sent, broker_errc::unknown_topic_id);
  const auto later = bench.send("e");
  const auto again = bench.take();
  REQUIRE(again);
  CHECK(again->stamp->base_sequence == 0);
  CHECK(again->stamp->producer_epoch == 1);
  bench.acknowledge(again, 0);
  CHECK(later.offset() == 0);
}

TEST_CASE("under a topic that was made anew sequences begin again once nothing is in flight", "[core]") {
  partition_bench bench;
  bench.open_window();
  bench.send_alone("a");
  bench.send_alone("b");
  const auto first = bench.take();
  bench.queue.begin_anew();
  CHECK_FALSE(bench.take());  // one at a time, and the stamp of the former life is still out
  bench.answer(first, broker_errc::unknown_topic_id);
  const auto again = bench.take();
  REQUIRE(again == first);
  CHECK(again->stamp->base_sequence == 0);
  CHECK(again->stamp->producer_epoch == 1);
  CHECK_FALSE(bench.take());
  bench.acknowledge(again);
  CHECK(bench.take()->stamp->base_sequence == 1);
}

TEST_CASE("what falls out of a smaller table is still outstanding", "[core]") {
  lot_bench bench;
  topic& of = bench.publish("t", 3);
  bench.send("t", "v", 2);
  CHECK(bench.lot.outstanding().records == 1);
  auto table = std::make_unique<partition_table>();
  table->all = {&bench.queue("t", 0)};
  table->available = table->all;
  table->gone = {&bench.queue("t", 1), &bench.queue("t", 2)};
  bench.lot.publish(of, std::move(table), bench.now, bench.out);
  CHECK(bench.lot.outstanding().records == 1);
}

TEST_CASE("a send to a topic that is refused fails at once, and asks for those that come later", "[core]") {
  lot_bench bench;
  topic& of = bench.publish("t", 1);
  bench.lot.refuse(of, broker_errc::topic_authorization_failed, "no", bench.now, bench.out);
  of.wanted = false;
  const int calls = bench.home.calls;
  CHECK(bench.send("t", "v").failure() == broker_errc::topic_authorization_failed);
  CHECK(of.wanted);
  CHECK(bench.home.calls == calls + 1);
  CHECK(bench.send("t", "v").failure() == broker_errc::topic_authorization_failed);
  CHECK(bench.home.calls == calls + 1);  // one question is enough
  bench.publish("t", 1);
  CHECK_FALSE(bench.send("t", "v").is_ready());
}
