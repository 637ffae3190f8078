// SPDX-License-Identifier: BSL-1.0
// The embedded broker answers as the real one does, frame by frame, with one expectation: leaders, replicas and
// restarts.
#include "support/catch.hpp"
#include "support/conformance.hpp"

#include <cstdint>
#include <string>
#include <vector>

using namespace cokafka::detail::messages;
using namespace cokafka_test;

namespace {

std::string outcome_in(wire_client& client, const std::string& topic, const std::string& records) {
  return outcome(produce_all(client, write_to(topic, records)).responses.at(0).partitions.at(0));
}

// What a leader remembers of producers when it has been restarted.
class restart_memory {
 public:
  // An empty log, whose leader may not know yet that it leads, gets five batches: three of one producer, one of an
  // epoch, and an old one.
  void fill(wire_client& client, const std::string& topic) {
    for (int i = 0; i != 3; ++i) ids_.push_back(new_producer(client));
    for (std::int32_t s = 0; s != 3; ++s) {
      const std::string expected = "none @ " + std::to_string(s);
      CHECK(eventually([&] { return outcome_in(client, topic, stamped_now(ids_[0], 0, s)) == expected; }));
    }
    CHECK(outcome_in(client, topic, stamped_now(ids_[1], 2, 0)) == "none @ 3");
    CHECK(outcome_in(client, topic, stamped(ids_[2], 0, 0)) == "none @ 4");
  }
  void check(wire_client& client, const std::string& topic) const {
    CHECK(eventually([&] { return outcome_in(client, topic, stamped(ids_[0], 0, 2)) == "none @ 2"; }));
    CHECK(outcome_in(client, topic, stamped(ids_[0], 0, 1)) == "out_of_order_sequence_number");
    CHECK(outcome_in(client, topic, stamped(ids_[0], 0, 3)) == "none @ 5");
    CHECK(outcome_in(client, topic, stamped(ids_[1], 1, 1)) == "invalid_producer_epoch");
    CHECK(outcome_in(client, topic, stamped(ids_[2], 0, 33)) == "none @ 6");
    const std::int64_t fresh = new_producer(client);
    for (const std::int64_t id : ids_) CHECK(fresh != id);
  }

 private:
  std::vector<std::int64_t> ids_;
};

}  // namespace

TEST_CASE("both name the leader to who asks another broker, from Produce 10 on", "[integration]") {
  const auto test = [](target& kafka) {
    const std::int32_t leader = kafka.leader_id();
    const auto other = kafka.others(leader).front();
    wire_client client = kafka.broker(other);
    kafka.everywhere(kafka.topic, [&](const auto& said) { return said.error_code == 0; });
    const std::string batch = encoded({});
    produce_request request = write_to(kafka.topic, batch);
    request.topics[0].topic_id = kafka.describe(kafka.topic).topic_id;
    for (std::int16_t version = 3; version <= (is_4() ? 13 : 11); ++version) {
      CAPTURE(version);
      const auto answer = client.call(request, version);
      const auto& partition = answer.responses.at(0).partitions.at(0);
      CHECK(name_of(partition.error_code) == "not_leader_or_follower");
      CHECK(partition.base_offset == -1);
      CHECK(partition.current_leader.leader_id == (version < 10 ? -1 : leader));
      CHECK(partition.current_leader.leader_epoch == (version < 10 ? -1 : 0));
      REQUIRE(answer.node_endpoints.size() == (version < 10 ? 0U : 1U));
      if (version < 10) continue;
      CHECK(answer.node_endpoints[0].node_id == leader);
      CHECK(answer.node_endpoints[0].port == kafka.port_of(leader));
      CHECK_FALSE(answer.node_endpoints[0].host.empty());
    }
  };
  on_both(test, {.nodes = 3});
}

TEST_CASE("both let a new leader know what the former one took", "[integration]") {
  const auto test = [](target& kafka) {
    const std::int32_t former = kafka.leader_id();
    const std::int32_t next = kafka.others(former).front();
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    for (std::int32_t s = 0; s != 6; ++s) {
      CHECK(outcome(client, kafka, stamped_now(id, 1, s)) == "none @ " + std::to_string(s));
    }
    kafka.move_leader(next);
    const auto refused = client.call(write_to(kafka.topic, stamped_now(id, 1, 6)), 10);
    const auto& partition = refused.responses.at(0).partitions.at(0);
    CHECK(name_of(partition.error_code) == "not_leader_or_follower");
    CHECK(partition.current_leader.leader_id == next);
    CHECK(partition.current_leader.leader_epoch > 0);
    wire_client second = kafka.leader();
    CHECK(kafka.leader_id() == next);
    CHECK(outcome(second, kafka, stamped(id, 1, 0)) == "out_of_order_sequence_number");
    CHECK(outcome(second, kafka, stamped(id, 1, 1)) == "none @ 1");
    CHECK(outcome(second, kafka, stamped(id, 1, 5)) == "none @ 5");
    CHECK(outcome(second, kafka, stamped(id, 0, 6)) == "invalid_producer_epoch");
    CHECK(outcome(second, kafka, stamped(id, 1, 6)) == "none @ 6");
  };
  on_both(test, {.nodes = 3});
}

TEST_CASE("both know only the last batch of a producer after a restart, and none that is a day old", "[integration]") {
  const auto test = [](target& kafka) {
    const std::int32_t node = kafka.leader_id();
    const std::int32_t epoch = kafka.describe_partition().leader_epoch;
    restart_memory memory;
    {
      wire_client client = kafka.leader();
      memory.fill(client, kafka.topic);
    }
    kafka.stop(node);
    kafka.start(node);
    wire_client client = kafka.leader();
    CHECK(kafka.leader_id() == node);
    CHECK(kafka.describe_partition().leader_epoch > epoch);
    memory.check(client, kafka.topic);
  };
  // On three nodes the next case looks at it, so that no second restart is needed.
  on_both(test, {.replication = 1, .most_nodes = 1});
}

TEST_CASE("both refuse acks=all before the append while too few replicas are in sync, and say that nobody leads",
          "[integration]") {
  const auto test = [](target& kafka) {
    // kafka.topic has two replicas, of which the leader stays, and both must be in sync; `alone` has the other only.
    const std::int32_t leader = kafka.leader_id();
    const std::int32_t follower = kafka.follower_id();
    wire_client client = kafka.leader();
    const std::string alone = unique_topic();
    create_topics_request create;
    create.topics.push_back({alone, -1, -1, {{0, {follower}}}, {}});
    CHECK(name_of(client.call(create, 7).topics.at(0).error_code) == "none");
    kafka.everywhere(alone, [&](const auto& said) { return said.error_code == 0; });
    const std::int64_t id = new_producer(client);
    restart_memory memory;
    {
      wire_client second = kafka.broker(follower);
      memory.fill(second, alone);
    }
    CHECK(outcome(client, kafka, stamped_now(id, 0, 0)) == "none @ 0");
    const std::uint16_t port = kafka.port_of(leader);
    const auto told = [&](const std::string& name) { return kafka.metadata(port, name).topics.at(0); };
    kafka.stop(follower);
    CHECK(eventually([&] { return told(kafka.topic).partitions.at(0).isr_nodes.size() == 1; }));
    CHECK(outcome(client, kafka, stamped_now(id, 0, 1)) == "not_enough_replicas");
    CHECK(outcome(client, kafka, stamped_now(id, 0, 0)) == "not_enough_replicas");  // also a duplicate
    CHECK(outcome(produce(client, kafka, stamped_now(id, 0, 1), 9, 1)) == "none @ 1");
    CHECK(eventually([&] { return told(alone).partitions.at(0).leader_id == -1; }));
    const auto described = told(alone);
    CHECK(name_of(described.error_code) == "none");
    const auto partition = described.partitions.at(0);
    CHECK(name_of(partition.error_code) == "leader_not_available");
    CHECK(partition.replica_nodes == std::vector<std::int32_t>{follower});
    CHECK(partition.isr_nodes == (is_4() ? std::vector<std::int32_t>{} : std::vector<std::int32_t>{follower}));
    CHECK(partition.offline_replicas == std::vector<std::int32_t>{follower});
    const auto refused = produce_all(client, write_to(alone, encoded({})), 10);
    const auto& answer = refused.responses.at(0).partitions.at(0);
    CHECK(name_of(answer.error_code) == "not_leader_or_follower");
    CHECK(answer.current_leader.leader_id == -1);
    CHECK(refused.node_endpoints.empty());
    kafka.start(follower);
    CHECK(eventually([&] { return outcome(client, kafka, stamped_now(id, 0, 2)) == "none @ 2"; }));
    wire_client second = kafka.broker(follower);
    memory.check(second, alone);
  };
  on_both(test, {.settings = {{"min.insync.replicas", "2"}}, .replication = 2, .nodes = 3});
}

TEST_CASE("both lose in an unclean election what the new leader does not have, and what it told of producers",
          "[integration]") {
  const auto test = [](target& kafka) {
    const std::int32_t epoch = kafka.describe_partition().leader_epoch;
    std::int64_t id = -1, other = -1;
    {
      wire_client client = kafka.leader();
      id = new_producer(client);
      other = new_producer(client);
      for (std::int32_t s = 0; s != 6; ++s) {
        CHECK(outcome(client, kafka, stamped_now(id, 0, s)) == "none @ " + std::to_string(s));
      }
    }
    kafka.elect_uncleanly([&] {
      wire_client client = kafka.leader();
      CHECK(outcome(produce(client, kafka, stamped_now(id, 0, 6), 9, 1)) == "none @ 6");
      CHECK(outcome(produce(client, kafka, stamped_now(id, 0, 7), 9, 1)) == "none @ 7");
      CHECK(outcome(produce(client, kafka, stamped_now(other, 4, 0), 9, 1)) == "none @ 8");
    });
    CHECK(kafka.describe_partition().leader_epoch > epoch);
    wire_client client = kafka.leader();
    CHECK(end_offset(client, kafka) == 6);
    CHECK(eventually([&] { return outcome(client, kafka, stamped_now(id, 0, 8)) == "out_of_order_sequence_number"; }));
    CHECK(outcome(client, kafka, stamped_now(id, 0, 7)) == "out_of_order_sequence_number");
    CHECK(outcome(client, kafka, stamped_now(id, 0, 5)) == "none @ 5");
    CHECK(outcome(client, kafka, stamped_now(id, 0, 6)) == "none @ 6");
    CHECK(outcome(client, kafka, stamped_now(other, 3, 33)) == "none @ 7");
  };
  on_both(test, {.settings = {{"unclean.leader.election.enable", "true"}}, .replication = 2, .nodes = 3});
}

TEST_CASE("both may tell that the time is over although the batch was appended", "[integration]") {
  const auto test = [](target& kafka) {
    const std::int32_t follower = kafka.others(kafka.leader_id()).front();
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    const std::string batch = stamped_now(id, 0, 0);
    produce_request request = write_to(kafka.topic, batch);
    request.timeout_ms = 300;
    kafka.hold_back_follower(follower);
    const auto answer = client.call(request, 9).responses.at(0).partitions.at(0);
    kafka.thaw(follower);
    CHECK(name_of(answer.error_code) == "request_timed_out");
    CHECK(answer.base_offset == 0);
    CHECK(outcome(client, kafka, batch) == "none @ 0");
    CHECK(eventually([&] { return end_offset(client, kafka) == 1; }));
  };
  on_both(test, {.nodes = 3});
}
