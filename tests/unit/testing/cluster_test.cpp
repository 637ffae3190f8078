// SPDX-License-Identifier: BSL-1.0
// What an embedded cluster answers over real sockets, API by API.
#include "cokafka/detail/batch/batch_view.hpp"
#include "cokafka/testing.hpp"
#include "support/catch.hpp"
#include "support/simple_batch.hpp"
#include "support/wire_client.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace messages = cokafka::detail::messages;
using namespace cokafka::detail::messages;
using cokafka::broker_errc;
using cokafka::detail::wire::uuid;
using cokafka::testing::cluster_options;
using cokafka::testing::kafka_version;
using cokafka_test::code_of;
using cokafka_test::encoded;
using cokafka_test::running_cluster;
using cokafka_test::stamped;
using cokafka_test::wire_client;

namespace {

constexpr std::int16_t no_error = 0;

metadata_request ask_for(std::vector<std::string> names, bool create = true) {
  metadata_request request;
  for (std::string& name : names) request.topics->push_back({{}, std::move(name)});
  request.allow_auto_topic_creation = create;
  return request;
}

uuid id_of(wire_client& client, const std::string& topic) {
  return client.call(ask_for({topic}, false), 12).topics.at(0).topic_id;
}

// `records` must live until the request is sent.
messages::produce_request write_to(const std::string& topic, std::int32_t partition, const std::string& records,
                                   std::int16_t acks = -1) {
  messages::produce_request request;
  request.acks = acks;
  request.topics.push_back({topic, {}, {{partition, {records}}}});
  return request;
}

produce_response::partition produce(wire_client& client, const std::string& topic, std::int32_t partition,
                                    const std::string& records, std::int16_t version = 9) {
  return client.call(write_to(topic, partition, records), version).responses.at(0).partitions.at(0);
}

fetch_request read_from(const std::string& topic, std::int64_t offset, std::int32_t max_wait_ms = 0) {
  fetch_request request;
  request.max_wait_ms = max_wait_ms;
  request.min_bytes = 1;
  fetch_request::partition partition;
  partition.fetch_offset = offset;
  partition.partition_max_bytes = 1 << 20;
  request.topics.push_back({topic, {}, {partition}});
  return request;
}

std::int64_t offset_at(wire_client& client, const std::string& topic, std::int64_t timestamp) {
  list_offsets_request request;
  list_offsets_request::partition partition;
  partition.timestamp = timestamp;
  request.topics.push_back({topic, {partition}});
  return client.call(request, 7).topics.at(0).partitions.at(0).offset;
}

}  // namespace

TEST_CASE("the cluster tells its API versions and remembers who asked", "[testing]") {
  running_cluster kafka;
  wire_client client(kafka->port(0));
  const auto answer = client.call(api_versions_request{"my-client", "1.2.3", {}, -1}, 3);
  CHECK(answer.error_code == no_error);
  const auto produce_row =
      std::find_if(answer.api_keys.begin(), answer.api_keys.end(), [](const auto& row) { return row.api_key == 0; });
  REQUIRE(produce_row != answer.api_keys.end());
  CHECK(produce_row->min_version == 0);
  CHECK(produce_row->max_version == 13);

  client.call(ask_for({}), 12);
  const auto seen = kafka->requests();
  REQUIRE(seen.size() == 2);
  CHECK(seen[1].api == api_key::metadata);
  CHECK(seen[1].version == 12);
  CHECK(seen[1].client_id == "wire_client");
  CHECK(seen[1].software_name == "my-client");
  CHECK(seen[1].software_version == "1.2.3");
  CHECK(kafka->request_count(api_key::metadata) == 1);
}

TEST_CASE("an ApiVersions request that is too new is answered in version 0", "[testing]") {
  running_cluster kafka;
  wire_client client(kafka->port(0));
  const auto answer = client.call(api_versions_request{"my-client", "1", {}, -1}, 5);
  CHECK(answer.error_code == code_of(broker_errc::unsupported_version));
  REQUIRE(answer.api_keys.size() == 1);
  CHECK(answer.api_keys[0].max_version == 4);
  CHECK(client.call(api_versions_request{"my-client", "1", {}, -1}, 4).error_code == no_error);
  CHECK(client.call(api_versions_request{"-no-", "1", {}, -1}, 4).error_code == code_of(broker_errc::invalid_request));
}

TEST_CASE("the cluster pretends to be an older Kafka", "[testing]") {
  cluster_options options;
  options.version = kafka_version::v2_1;
  running_cluster kafka(options);
  wire_client client(kafka->port(0));
  const auto too_new = client.call(api_versions_request{"my-client", "1", {}, -1}, 3);
  CHECK(too_new.error_code == code_of(broker_errc::unsupported_version));
  CHECK(too_new.api_keys.empty());
  for (const auto& row : client.call(api_versions_request{}, 2).api_keys) {
    if (row.api_key == 0) CHECK(row.max_version == 7);
  }
  kafka->create_topic("t", 1);
  const std::string batch = encoded({});
  CHECK(produce(client, "t", 0, batch, 7).error_code == no_error);
  client.send(write_to("t", 0, batch), 8);
  CHECK(client.is_closed_by_peer());
}

TEST_CASE("metadata names brokers, leaders, replicas and topic ids", "[testing]") {
  cluster_options options;
  options.brokers = 3;
  running_cluster kafka(options);
  kafka->create_topic("t", 4);
  wire_client client(kafka->port(1));
  metadata_request all;
  all.topics.reset();
  const auto answer = client.call(all, 12);
  REQUIRE(answer.brokers.size() == 3);
  CHECK(answer.brokers[2].port == kafka->port(2));
  CHECK(answer.cluster_id->size() == 22);
  CHECK(answer.controller_id == 0);
  REQUIRE(answer.topics.size() == 1);
  CHECK_FALSE(answer.topics[0].topic_id.is_zero());
  REQUIRE(answer.topics[0].partitions.size() == 4);
  CHECK(answer.topics[0].partitions[1].leader_id == 1);
  CHECK(answer.topics[0].partitions[3].leader_id == 0);
  CHECK(answer.topics[0].partitions[2].replica_nodes == std::vector<std::int32_t>{2, 0, 1});

  CHECK(client.call(ask_for({}), 12).topics.empty());
  CHECK(client.call(ask_for({}), 0).topics.size() == 1);  // in version 0 an empty list asks for all
  metadata_request by_id;
  by_id.topics->push_back({answer.topics[0].topic_id, {}});
  CHECK(client.call(by_id, 12).topics.at(0).name == "t");
  by_id.topics->at(0).topic_id = uuid::from_halves(1, 2);
  CHECK(client.call(by_id, 12).topics.at(0).error_code == code_of(broker_errc::unknown_topic_id));
}

TEST_CASE("every version of Metadata is answered", "[testing]") {
  running_cluster kafka;
  kafka->create_topic("t", 2);
  wire_client client(kafka->port(0));
  for (std::int16_t version = 0; version <= 13; ++version) {
    CAPTURE(version);
    CHECK(client.call(ask_for({"t"}), version).topics.at(0).partitions.size() == 2);
  }
}

TEST_CASE("a topic is made on the way, where client and cluster want it", "[testing]") {
  cluster_options options;
  options.default_partitions = 3;
  running_cluster kafka(options);
  wire_client client(kafka->port(0));
  const auto unknown = code_of(broker_errc::unknown_topic_or_partition);
  CHECK(client.call(ask_for({"new"}, false), 9).topics.at(0).error_code == unknown);
  CHECK(client.call(ask_for({"new"}, false), 9).topics.at(0).error_code == unknown);
  CHECK(client.call(ask_for({"new"}, true), 9).topics.at(0).error_code == unknown);  // being made
  CHECK(client.call(ask_for({"new"}, false), 9).topics.at(0).partitions.size() == 3);
  for (const std::string& name : {std::string("a b"), std::string(".."), std::string(), std::string(250, 'x')}) {
    CHECK(client.call(ask_for({name}), 9).topics.at(0).error_code == code_of(broker_errc::invalid_topic_exception));
  }

  options.auto_create_topics = false;
  running_cluster strict(options);
  wire_client other(strict->port(0));
  other.call(ask_for({"new"}), 9);
  CHECK(other.call(ask_for({"new"}), 9).topics.at(0).error_code == unknown);
}

TEST_CASE("records are produced in every version and read back", "[testing]") {
  running_cluster kafka;
  kafka->create_topic("t", 1);
  wire_client client(kafka->port(0));
  const uuid id = id_of(client, "t");
  for (std::int16_t version = 3; version <= 13; ++version) {
    CAPTURE(version);
    const std::string batch = encoded({{"value of " + std::to_string(version)}});
    messages::produce_request request = write_to("t", 0, batch);
    request.topics[0].topic_id = id;
    const auto answer = client.call(request, version);
    CHECK(answer.responses.at(0).partitions.at(0).error_code == no_error);
    CHECK(answer.responses.at(0).partitions.at(0).base_offset == version - 3);
  }
  const auto records = kafka->records("t", 0);
  REQUIRE(records.size() == 11);
  CHECK(records[10].value == "value of 13");
  CHECK(kafka->records("t", 0, 9) == std::vector(records.begin() + 9, records.end()));
  CHECK(kafka->append_count() == 11);
  CHECK(kafka->records("t", 1).empty());
  CHECK(kafka->records("nowhere", 0).empty());
}

TEST_CASE("produce requests below version 3 end the connection", "[testing]") {
  running_cluster kafka;
  kafka->create_topic("t", 1);
  wire_client client(kafka->port(0));
  const std::string batch = encoded({});
  client.send(write_to("t", 0, batch), 2);
  CHECK(client.is_closed_by_peer());
  CHECK(kafka->records("t", 0).empty());
}

TEST_CASE("each kind of wrong Produce has its error", "[testing]") {
  running_cluster kafka;
  kafka->create_topic("t", 1);
  wire_client client(kafka->port(0));
  const std::string batch = encoded({});
  CHECK(produce(client, "nowhere", 0, batch).error_code == code_of(broker_errc::unknown_topic_or_partition));
  CHECK(produce(client, "t", 1, batch).error_code == code_of(broker_errc::unknown_topic_or_partition));
  CHECK(produce(client, "t", 0, batch + batch).error_code == code_of(broker_errc::invalid_record));
  CHECK(client.call(write_to("t", 0, batch, 2), 9).responses.at(0).partitions.at(0).error_code ==
        code_of(broker_errc::invalid_required_acks));
  CHECK(client.call(write_to("t", 0, batch), 13).responses.at(0).partitions.at(0).error_code ==
        code_of(broker_errc::unknown_topic_id));
  auto twice = write_to("t", 0, batch);
  twice.topics[0].partitions.push_back(twice.topics[0].partitions[0]);
  const auto answer = client.call(twice, 9);
  CHECK(answer.responses.at(0).partitions.at(1).error_code == code_of(broker_errc::invalid_request));
  const std::string zstd = encoded({.attributes = 4});
  CHECK(produce(client, "t", 0, zstd, 6).error_code == code_of(broker_errc::unsupported_compression_type));
  CHECK(produce(client, "t", 0, zstd, 7).error_code == no_error);
}

TEST_CASE("a broker that does not lead says who does", "[testing]") {
  cluster_options options;
  options.brokers = 2;
  running_cluster kafka(options);
  kafka->create_topic("t", 1);
  kafka->set_leader("t", 0, 1);
  CHECK(kafka->leader("t", 0) == 1);
  wire_client client(kafka->port(0));
  const std::string batch = encoded({});
  const auto answer = client.call(write_to("t", 0, batch), 10);
  const auto& partition = answer.responses.at(0).partitions.at(0);
  CHECK(partition.error_code == code_of(broker_errc::not_leader_or_follower));
  CHECK(partition.current_leader.leader_id == 1);
  CHECK(partition.current_leader.leader_epoch == 1);
  REQUIRE(answer.node_endpoints.size() == 1);
  CHECK(answer.node_endpoints[0].port == kafka->port(1));
  wire_client leader(kafka->port(1));
  CHECK(produce(leader, "t", 0, batch).error_code == no_error);
}

TEST_CASE("acks=0 is not answered, and an error ends the connection", "[testing]") {
  running_cluster kafka;
  kafka->create_topic("t", 1);
  wire_client client(kafka->port(0));
  const std::string batch = encoded({});
  client.send(write_to("t", 0, batch, 0), 9);
  CHECK(produce(client, "t", 0, batch).base_offset == 1);  // the next answer is that of the next question
  client.send(write_to("t", 5, batch, 0), 9);
  CHECK(client.is_closed_by_peer());
}

TEST_CASE("producer ids are new each time and sequences are checked", "[testing]") {
  running_cluster kafka;
  kafka->create_topic("t", 1);
  wire_client client(kafka->port(0));
  std::int64_t id = -1;
  for (std::int16_t version = 0; version <= 5; ++version) {
    const auto answer = client.call(init_producer_id_request{}, version);
    CHECK(answer.error_code == no_error);
    CHECK(answer.producer_id != id);
    CHECK(answer.producer_epoch == 0);
    id = answer.producer_id;
  }
  CHECK(produce(client, "t", 0, stamped(id, 0, 0, 2)).base_offset == 0);
  CHECK(produce(client, "t", 0, stamped(id, 0, 2)).base_offset == 2);
  const auto again = produce(client, "t", 0, stamped(id, 0, 0, 2));
  CHECK(again.error_code == no_error);
  CHECK(again.base_offset == 0);
  CHECK(kafka->append_count() == 2);
  CHECK(produce(client, "t", 0, stamped(id, 0, 9)).error_code == code_of(broker_errc::out_of_order_sequence_number));
  CHECK(kafka->records("t", 0).size() == 3);
  init_producer_id_request transactional;
  transactional.transactional_id = "";
  CHECK(client.call(transactional, 4).error_code == code_of(broker_errc::invalid_request));
}

TEST_CASE("a fetch gives the batches that were produced", "[testing]") {
  running_cluster kafka;
  kafka->create_topic("t", 1);
  wire_client client(kafka->port(0));
  const std::string batch = encoded({{"a", "b"}});
  for (int i = 0; i != 2; ++i) produce(client, "t", 0, batch);
  const uuid id = id_of(client, "t");
  for (std::int16_t version = 4; version <= 18; ++version) {
    CAPTURE(version);
    fetch_request request = read_from("t", 3);
    request.topics[0].topic_id = id;
    const auto answer = client.call(request, version);
    const auto& partition = answer.responses.at(0).partitions.at(0);
    CHECK(partition.error_code == no_error);
    CHECK(partition.high_watermark == 4);
    cokafka::detail::batch_view view;
    REQUIRE(cokafka::detail::batch_view::parse(*partition.records.bytes, view) == cokafka::detail::batch_error::none);
    CHECK(view.base_offset() == 2);
    CHECK(view.record_count() == 2);
  }
  const auto beyond = client.call(read_from("t", 5), 11);
  CHECK(beyond.responses.at(0).partitions.at(0).error_code == code_of(broker_errc::offset_out_of_range));
}

TEST_CASE("a fetch waits for records, and not longer than it was told", "[testing]") {
  running_cluster kafka;
  kafka->create_topic("t", 1);
  wire_client reader(kafka->port(0));
  const auto begin = std::chrono::steady_clock::now();
  CHECK(reader.call(read_from("t", 0, 60), 11).responses.at(0).partitions.at(0).records.bytes->empty());
  CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(60));

  reader.send(read_from("t", 0, 9000), 11);
  wire_client writer(kafka->port(0));
  produce(writer, "t", 0, encoded({}));
  CHECK_FALSE(reader.receive<fetch_response>(11).responses.at(0).partitions.at(0).records.bytes->empty());
}

TEST_CASE("offsets are listed from both ends and by time", "[testing]") {
  running_cluster kafka;
  kafka->create_topic("t", 1);
  wire_client client(kafka->port(0));
  for (const std::int64_t at : {1000, 2000}) produce(client, "t", 0, encoded({.values = {"a", "b"}, .timestamp = at}));
  CHECK(offset_at(client, "t", -1) == 4);
  CHECK(offset_at(client, "t", -2) == 0);
  CHECK(offset_at(client, "t", -3) == 2);
  CHECK(offset_at(client, "t", 1001) == 2);
  CHECK(offset_at(client, "t", 2001) == -1);
}

TEST_CASE("topics are created by request, once, with their settings", "[testing]") {
  cluster_options options;
  options.brokers = 2;
  running_cluster kafka(options);
  wire_client client(kafka->port(0));
  create_topics_request request;
  request.topics.push_back({"t", 3, 1, {}, {{"message.timestamp.type", "LogAppendTime"}}});
  for (std::int16_t version = 2; version <= 7; ++version) {
    CAPTURE(version);
    const auto answer = client.call(request, version).topics.at(0);
    CHECK(answer.error_code == (version == 2 ? no_error : code_of(broker_errc::topic_already_exists)));
  }
  CHECK(kafka->partition_count("t") == 3);
  const auto written = produce(client, "t", 0, encoded({}));
  CHECK(written.log_append_time_ms > 1700000000000);

  const auto error_of = [&](const create_topics_request::topic& topic) {
    create_topics_request one;
    one.topics.push_back(topic);
    return client.call(one, 7).topics.at(0).error_code;
  };
  CHECK(error_of({"a b", 1, 1, {}, {}}) == code_of(broker_errc::invalid_topic_exception));
  CHECK(error_of({"u", 0, 1, {}, {}}) == code_of(broker_errc::invalid_partitions));
  CHECK(error_of({"u", 1, 3, {}, {}}) == code_of(broker_errc::invalid_replication_factor));
  CHECK(error_of({"u", -1, -1, {}, {}}) == no_error);
}

TEST_CASE("no group has a coordinator", "[testing]") {
  running_cluster kafka;
  wire_client client(kafka->port(0));
  find_coordinator_request request;
  request.key_name = "g";
  CHECK(client.call(request, 2).error_code == code_of(broker_errc::coordinator_not_available));
  request.coordinator_keys = {"g"};
  CHECK(client.call(request, 4).coordinators.at(0).error_code == code_of(broker_errc::coordinator_not_available));
}

TEST_CASE("a cluster may go before or after its context has stopped", "[testing]") {
  boost::asio::io_context io;
  {
    cokafka::testing::cluster kafka(io);
    kafka.create_topic("t", 1);
    io.run_for(std::chrono::milliseconds(5));
    CHECK_THROWS_AS(kafka.create_topic("t", 1), std::invalid_argument);
    CHECK_THROWS_AS(kafka.leader("t", 1), std::out_of_range);
    CHECK_THROWS_AS(kafka.stop_broker(1), std::out_of_range);
  }
  io.restart();
  io.run();  // ends: nothing of the cluster is left
  boost::asio::io_context never_run;
  cokafka::testing::cluster unused(never_run);
  SUCCEED();
}

TEST_CASE("a cluster is served by four threads and read from a fifth", "[testing]") {
  running_cluster kafka({}, 4);
  kafka->create_topic("t", 4);
  std::vector<std::thread> clients;
  for (std::int32_t p = 0; p != 4; ++p) {
    clients.emplace_back([&kafka, p] {
      wire_client client(kafka->port(0));
      for (int i = 0; i != 100; ++i) produce(client, "t", p, encoded({}));
    });
  }
  std::size_t most = 0;
  while (most != 100) {
    most = std::max(most, kafka->records("t", 0).size());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  for (std::thread& client : clients) client.join();
  for (std::int32_t p = 0; p != 4; ++p) CHECK(kafka->records("t", p).size() == 100);
}
