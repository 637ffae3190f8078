// SPDX-License-Identifier: BSL-1.0
// The embedded broker answers as the real one does, frame by frame, with one expectation: topics come, grow and go.
#include "support/catch.hpp"
#include "support/conformance.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

using namespace cokafka::detail::messages;
using namespace cokafka_test;

namespace {

const cokafka::detail::wire::uuid no_topic = cokafka::detail::wire::uuid::from_halves(5, 6);

metadata_response::topic describe_id(wire_client& client, const cokafka::detail::wire::uuid& id) {
  metadata_request request;
  request.topics->push_back({id, {}});
  return client.call(request, 12).topics.at(0);
}

// Produce 13, which names topics by their ids.
std::string outcome_by_id(wire_client& client, const cokafka::detail::wire::uuid& id, const std::string& records) {
  produce_request request = write_to("", records);
  request.topics[0].topic_id = id;
  return outcome(client.call(request, 13).responses.at(0).partitions.at(0));
}

}  // namespace

TEST_CASE("both describe topics in the same way", "[integration]") {
  on_both([](target& kafka) {
    CHECK(name_of(kafka.describe("a b").error_code) == "invalid_topic_exception");
    CHECK(name_of(kafka.describe("a b", true).error_code) == "invalid_topic_exception");
    CHECK(name_of(kafka.describe("nowhere").error_code) == "unknown_topic_or_partition");
    const std::string made = unique_topic();
    CHECK(name_of(kafka.describe(made, true).error_code) == "unknown_topic_or_partition");
    CHECK(eventually([&] { return kafka.describe(made, true).error_code == 0; }));
    wire_client client(kafka.bootstrap);
    const auto unknown = describe_id(client, no_topic);
    CHECK(name_of(unknown.error_code) == "unknown_topic_id");
    CHECK_FALSE(unknown.name);
    CHECK(describe_id(client, kafka.describe(kafka.topic).topic_id).name == kafka.topic);
  });
}

TEST_CASE("both create topics once and check what they are told", "[integration]") {
  on_both([](target& kafka) {
    wire_client client(kafka.bootstrap);
    const auto error_of = [&](const create_topics_request::topic& topic) {
      create_topics_request request;
      request.topics.push_back(topic);
      return name_of(client.call(request, 7).topics.at(0).error_code);
    };
    CHECK(error_of({kafka.topic, 1, 1, {}, {}}) == "topic_already_exists");
    CHECK(error_of({"a b", 1, 1, {}, {}}) == "invalid_topic_exception");
    CHECK(error_of({unique_topic(), 0, 1, {}, {}}) == "invalid_partitions");
    CHECK(error_of({unique_topic(), 1, 30, {}, {}}) == "invalid_replication_factor");
    const std::int32_t leader = kafka.leader_id();
    CHECK(error_of({unique_topic(), -1, -1, {{0, {leader}}}, {}}) == "none");
    CHECK(error_of({unique_topic(), -1, -1, {{1, {leader}}, {0, {leader}}}, {}}) == "none");
    CHECK(error_of({unique_topic(), -1, -1, {{1, {leader}}}, {}}) == "invalid_replica_assignment");
    CHECK(error_of({unique_topic(), -1, -1, {{0, {leader}}, {0, {leader}}}, {}}) == "invalid_replica_assignment");
    CHECK(error_of({unique_topic(), -1, -1, {{0, {99}}}, {}}) == "invalid_replica_assignment");
    CHECK(error_of({unique_topic(), 2, 1, {{0, {leader}}}, {}}) == "invalid_request");
    CHECK(error_of({unique_topic(), 1, 1, {}, {{"max.message.bytes", "x"}}}) == "invalid_config");
    CHECK(error_of({unique_topic(), 1, 1, {}, {{"cleanup.policy", "x"}}}) == "invalid_config");
    CHECK(error_of({unique_topic(), 1, 1, {}, {{"min.insync.replicas", "0"}}}) == "invalid_config");
  });
}

TEST_CASE("both allow the same names", "[integration]") {
  on_both([](target& kafka) {
    for (const std::string& name : {std::string("."), std::string(".."), std::string(250, 'a'), std::string("a/b"),
                                    std::string("\xc3\xa4"), std::string("a\0b", 3)}) {
      CAPTURE(name);
      CHECK(name_of(kafka.describe(name, true).error_code) == "invalid_topic_exception");
    }
    const std::string longest = unique_topic() + "._-" + std::string(200, 'Z');
    CHECK(name_of(kafka.describe(longest.substr(0, 249), true).error_code) == "unknown_topic_or_partition");
    CHECK(eventually([&] { return kafka.describe(longest.substr(0, 249)).error_code == 0; }));
  });
}

TEST_CASE("both make a topic on the way only for those who want it", "[integration]") {
  on_both([](target& kafka) {
    wire_client client(kafka.bootstrap);
    // Before version 4 nobody could say that he does not.
    for (const std::int16_t version : std::vector<std::int16_t>{1, 3, 4, 9, 12}) {
      CAPTURE(version);
      const std::string name = unique_topic();
      metadata_request request;
      request.topics->push_back({{}, name});
      request.allow_auto_topic_creation = false;
      CHECK(name_of(client.call(request, version).topics.at(0).error_code) == "unknown_topic_or_partition");
      const bool made = eventually([&] { return kafka.describe(name).error_code == 0; }, version < 4 ? 10 : 0);
      CHECK(made == (version < 4));
    }
    // Produce makes none.
    const std::string name = unique_topic();
    produce_all(client, write_to(name, encoded({})));
    CHECK(name_of(kafka.describe(name).error_code) == "unknown_topic_or_partition");
  });
}

TEST_CASE("both describe all topics, some, or none, and the brokers each time", "[integration]") {
  on_both([](target& kafka) {
    const std::int32_t leader = kafka.leader_id();
    wire_client client(kafka.bootstrap);
    metadata_request request;
    const auto none = client.call(request, 12);
    CHECK(none.topics.empty());
    CHECK(none.brokers.size() == static_cast<std::size_t>(kafka.nodes()));
    CHECK(none.cluster_id);
    CHECK(none.controller_id >= 0);
    request.topics.reset();
    bool found = false;
    for (const auto& each : client.call(request, 12).topics) found = found || each.name == kafka.topic;
    CHECK(found);
    request.topics.emplace();
    request.topics->push_back({{}, "nowhere"});
    request.topics->push_back({{}, kafka.topic});
    request.allow_auto_topic_creation = false;
    std::set<std::string> said;
    for (const auto& each : client.call(request, 12).topics) said.insert(*each.name + " " + name_of(each.error_code));
    CHECK(said == std::set<std::string>{"nowhere unknown_topic_or_partition", kafka.topic + " none"});
    const auto partition = kafka.describe(kafka.topic).partitions.at(0);
    CHECK(partition.leader_id == leader);
    CHECK(partition.leader_epoch == 0);
    CHECK(partition.replica_nodes.size() == static_cast<std::size_t>(kafka.nodes()));
    CHECK(partition.isr_nodes.size() == static_cast<std::size_t>(kafka.nodes()));
    CHECK(partition.offline_replicas.empty());
  });
}

TEST_CASE("both know nothing of a topic that was deleted, neither its name nor its id", "[integration]") {
  on_both([](target& kafka) {
    const auto id = kafka.describe(kafka.topic).topic_id;
    wire_client client = kafka.leader();
    CHECK(outcome(client, kafka, encoded({})) == "none @ 0");
    kafka.delete_topic();
    CHECK(outcome(client, kafka, encoded({})) == "unknown_topic_or_partition");
    CHECK(outcome(client, kafka, encoded({}), is_4() ? 12 : 11) == "unknown_topic_or_partition");
    if (is_4()) CHECK(outcome_by_id(client, id, encoded({})) == "unknown_topic_id");
    CHECK(name_of(kafka.describe(kafka.topic).error_code) == "unknown_topic_or_partition");
    CHECK(name_of(describe_id(client, id).error_code) == "unknown_topic_id");
  });
}

TEST_CASE("both begin anew with a topic that is made again: id, epochs, offsets and producers", "[integration]") {
  on_both([](target& kafka) {
    const auto before = kafka.describe(kafka.topic).topic_id;
    std::int64_t id = -1;
    {
      wire_client client = kafka.leader();
      id = new_producer(client);
      CHECK(outcome(client, kafka, stamped(id, 2, 0, 3)) == "none @ 0");
      CHECK(outcome(client, kafka, stamped(id, 2, 3)) == "none @ 3");
    }
    kafka.delete_topic();
    kafka.create_topic();
    wire_client client = kafka.leader();
    const auto after = kafka.describe(kafka.topic);
    CHECK_FALSE(after.topic_id == before);
    CHECK(after.partitions.at(0).leader_epoch == 0);
    if (is_4()) CHECK(outcome_by_id(client, before, stamped(id, 2, 4)) == "unknown_topic_id");
    CHECK(outcome(client, kafka, stamped(id, 1, 57)) == "none @ 0");  // any first sequence, an older epoch as well
    if (is_4()) CHECK(outcome_by_id(client, after.topic_id, stamped(id, 1, 58)) == "none @ 1");
    CHECK(name_of(describe_id(client, before).error_code) == "unknown_topic_id");
  });
}

TEST_CASE("both add partitions beside those that are there, which notice nothing", "[integration]") {
  on_both([](target& kafka) {
    const auto before = kafka.describe(kafka.topic);
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    CHECK(outcome(client, kafka, stamped(id, 0, 0)) == "none @ 0");
    CHECK(outcome_at(client, kafka, 2, encoded({})) == "unknown_topic_or_partition");
    kafka.add_partitions(3);
    const auto after = kafka.describe(kafka.topic);
    CHECK(after.topic_id == before.topic_id);
    REQUIRE(after.partitions.size() == 3);
    for (const auto& each : after.partitions) {
      if (each.partition_index == 0) CHECK(each.leader_id == before.partitions.at(0).leader_id);
      CHECK(each.leader_epoch == 0);
    }
    wire_client second = kafka.leader(2);
    CHECK(outcome_at(second, kafka, 2, stamped(id, 0, 9)) == "none @ 0");
    CHECK(outcome(client, kafka, stamped(id, 0, 1)) == "none @ 1");
  });
}
