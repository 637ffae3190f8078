// SPDX-License-Identifier: BSL-1.0
// Which partitions go into the next request, and the bytes of that request.
#include "cokafka/detail/core/produce_queue.hpp"
#include "cokafka/detail/batch/batch_view.hpp"
#include "cokafka/detail/core/produce_request.hpp"
#include "cokafka/detail/messages/codec.hpp"
#include "support/core_bench.hpp"

#include <cstdint>
#include <string>
#include <vector>

using namespace cokafka_test;

namespace {

class queue_bench : public lot_bench {
 public:
  explicit queue_bench(std::int32_t partitions, const cokafka::config& user = {})
      : lot_bench(user), queue_of_owner(rules, heap) {
    publish("t", partitions);
    for (std::int32_t i = 0; i < partitions; ++i) queue_of_owner.adopt(queue("t", i), now, {});
  }
  ~queue_bench() {
    for (auto* each : std::vector<partition_queue*>(queue_of_owner.partitions())) queue_of_owner.release(*each);
  }

  void fill(std::int32_t partition, std::size_t size) {
    send("t", std::string(size, 'v'), partition);
    queue_of_owner.reconsider(queue("t", partition), now, {});
  }
  std::vector<planned_batch> next(bool idle = false, bool at_once = false) {
    return queue_of_owner.next_request(now, idle, {at_once}, identity);
  }
  static std::string indexes(const std::vector<planned_batch>& request) {
    std::string listed;
    for (const auto& each : request) listed += std::to_string(each.partition->index());
    return listed;
  }
  void acknowledge_all(const std::vector<planned_batch>& request) {
    for (const auto& each : request) {
      partition_queue::answer said;
      said.code = broker_errc::none;
      said.base_offset = 0;
      each.partition->answered(*each.what, said, now, out);
      queue_of_owner.reconsider(*each.partition, now, {});
    }
  }

  deadline_heap heap;
  produce_queue queue_of_owner;
  std::optional<producer_identity> identity = producer_identity{1, 0};
};

constexpr std::size_t full = 20'000;

}  // namespace

TEST_CASE("one request carries one batch of each ready partition; who was served goes to the end", "[core]") {
  queue_bench bench(4);
  for (std::int32_t i = 0; i < 4; ++i) bench.fill(i, full);
  const auto first = bench.next();
  CHECK(queue_bench::indexes(first) == "0123");
  bench.fill(2, full);
  bench.fill(0, full);
  CHECK(bench.next().empty());  // their first batches are alone
  bench.acknowledge_all(first);
  bench.fill(1, full);
  const auto second = bench.next();
  CHECK(queue_bench::indexes(second) == "021");
}

TEST_CASE("what lingers goes when the link is idle or nobody may linger, else when its time is up", "[core]") {
  queue_bench bench(2);
  bench.fill(0, 10);
  CHECK_FALSE(bench.queue_of_owner.has_candidates(false));
  CHECK(bench.queue_of_owner.has_candidates(true));
  CHECK(bench.next(false).empty());
  REQUIRE(bench.heap.earliest() == bench.now + 5ms);
  SECTION("idle") { CHECK(bench.next(true).size() == 1); }
  SECTION("at once") {
    bench.queue_of_owner.reconsider_all(bench.now, {true});
    CHECK(bench.next(false).size() == 1);
  }
  SECTION("time") {
    bench.now += 5ms;
    bench.queue_of_owner.reconsider_all(bench.now, {});
    CHECK(bench.next(false).size() == 1);
  }
  CHECK_FALSE(bench.queue("t", 0).wake_at.is_set());
  CHECK(bench.queue("t", 0).expiry.is_set());  // in flight it can still fall due
}

TEST_CASE("with Java's linger an idle link waits, too", "[core]") {
  cokafka::config user;
  user.linger_policy = cokafka::linger_policy::always;
  queue_bench bench(1, user);
  bench.fill(0, 10);
  CHECK_FALSE(bench.queue_of_owner.has_candidates(true));
  CHECK(bench.next(true).empty());
}

TEST_CASE("a request stays below max.request.size; what does not fit is first in the next one", "[core]") {
  cokafka::config user;
  user.max_request_size = 50'000;
  queue_bench bench(4, user);
  bench.fill(0, 30'000);
  bench.fill(1, 30'000);
  bench.fill(2, 16'500);
  bench.fill(3, 30'000);
  const auto first = bench.next();
  CHECK(queue_bench::indexes(first) == "02");
  CHECK(queue_bench::indexes(bench.next()) == "1");
  CHECK(queue_bench::indexes(bench.next()) == "3");
  produce_request sent;
  sent.version = 9;
  sent.batches = first;
  encode_produce_request(sent, bench.rules);
  CHECK(sent.size <= 50'000);
}

TEST_CASE("without a producer id nothing goes, nobody spins, and the identity's arrival starts everything", "[core]") {
  queue_bench bench(2);
  bench.identity.reset();
  bench.fill(0, full);
  bench.fill(1, full);
  CHECK(bench.next().empty());
  CHECK(bench.queue_of_owner.is_identity_missing());
  CHECK_FALSE(bench.queue_of_owner.has_candidates(true));
  CHECK(bench.queue_of_owner.has_work());
  bench.identity = producer_identity{9, 0};
  bench.queue_of_owner.reconsider_all(bench.now, {});
  CHECK(bench.next().size() == 2);
  CHECK_FALSE(bench.queue_of_owner.is_identity_missing());
}

TEST_CASE("a blocked partition does not end the pass, a leaving one sends nothing", "[core]") {
  queue_bench bench(3);
  bench.fill(0, full);
  const auto flying = bench.next();
  bench.fill(0, full);
  bench.fill(1, full);
  bench.fill(2, full);
  bench.queue("t", 1).desired_owner = &bench.owners[1];
  bench.queue_of_owner.reconsider(bench.queue("t", 1), bench.now, {});
  CHECK(queue_bench::indexes(bench.next()) == "2");
  bench.queue_of_owner.release(bench.queue("t", 1));
  CHECK_FALSE(bench.queue("t", 1).expiry.is_set());
  CHECK(bench.queue("t", 1).has_pending());
  CHECK(bench.queue_of_owner.partitions().size() == 2);
}

TEST_CASE("a request reads back as what was planned, grouped by topic, in every version", "[core]") {
  queue_bench bench(2);
  bench.publish("u", 1);
  bench.queue_of_owner.adopt(bench.queue("u", 0), bench.now, {});
  bench.fill(0, full);
  bench.send("u", "value of u");
  bench.queue_of_owner.reconsider(bench.queue("u", 0), bench.now, {true});
  bench.fill(1, 30'000);
  CHECK_FALSE(has_all_topic_ids(std::vector<planned_batch>{{&bench.queue("t", 0), {}}}));
  produce_request sent;
  sent.version = static_cast<std::int16_t>(GENERATE(range(3, 13)));
  sent.correlation_id = 77;
  sent.batches = bench.next();
  REQUIRE(sent.batches.size() == 3);
  encode_produce_request(sent, bench.rules);
  std::string frame;
  for (const auto& part : sent.gather) frame.append(part.begin(), part.end());
  REQUIRE(frame.size() == sent.size);
  messages::request_header header;
  std::string_view body;
  REQUIRE(messages::decode_request_header(std::string_view(frame).substr(4), header, body));
  CHECK(header.correlation_id == 77);
  messages::produce_request read;
  REQUIRE(messages::decode_request_body(body, sent.version, read));
  CHECK(read.acks == -1);
  CHECK(read.timeout_ms == 30'000);
  REQUIRE(read.topics.size() == 2);
  CHECK(read.topics[0].name == "t");
  CHECK(read.topics[0].partitions.size() == 2);
  CHECK(read.topics[1].name == "u");

  messages::produce_response response;
  response.responses.resize(1);
  response.responses[0].name = "t";
  response.responses[0].partitions.resize(2);
  response.responses[0].partitions[1].index = 1;
  const planned_batch of_t{&bench.queue("t", 1), nullptr, {}};
  const planned_batch of_u{&bench.queue("u", 0), nullptr, {}};
  CHECK(find_answer(response, of_t, sent.version) == &response.responses[0].partitions[1]);
  CHECK(find_answer(response, of_u, sent.version) == nullptr);

  // From version 13 on the id counts that the request was sent with, whatever the topic is called by now.
  response.responses[0].topic_id = wire::uuid::from_halves(1, 2);
  planned_batch by_id{&bench.queue("t", 1), nullptr};
  by_id.topic_id = wire::uuid::from_halves(1, 2);
  CHECK(find_answer(response, by_id, 13) == &response.responses[0].partitions[1]);
  CHECK(find_answer(response, of_t, 13) == nullptr);
}

TEST_CASE("answers are found in whatever order the broker gives them, thousands of them soon", "[core]") {
  queue_bench bench(2);
  bench.publish("u", 3000);
  const auto version = static_cast<std::int16_t>(GENERATE(9, 13));
  const auto id_of = [](std::uint64_t number) { return wire::uuid::from_halves(number, 7); };
  messages::produce_response response;
  response.responses.resize(3);
  const std::string_view names[] = {"u", "t", "another"};
  for (std::size_t i = 0; i < 3; ++i) {
    response.responses[i].name = std::string(names[i]);
    response.responses[i].topic_id = id_of(3 - i);
    for (std::int32_t at = 0; at < 3000; ++at) {
      auto& made = response.responses[i].partitions.emplace_back();
      made.index = (at * 1009 + 5) % 3000;
      made.base_offset = made.index + 10'000 * static_cast<std::int64_t>(i);
    }
  }
  put_in_order(response, version);
  for (std::int32_t i = 0; i < 3000; ++i) {
    planned_batch sent{&bench.queue("u", i), nullptr, {}};
    sent.topic_id = id_of(3);
    const auto* const found = find_answer(response, sent, version);
    REQUIRE(found != nullptr);
    CHECK(found->base_offset == i);
  }
  planned_batch sent{&bench.queue("t", 1), nullptr, {}};
  sent.topic_id = id_of(2);
  REQUIRE(find_answer(response, sent, version) != nullptr);
  CHECK(find_answer(response, sent, version)->base_offset == 10'001);
  response.responses[1].partitions.clear();  // t, in both orders
  CHECK(find_answer(response, sent, version) == nullptr);
}
