// SPDX-License-Identifier: BSL-1.0
// What a test can make an embedded cluster do: errors, delays, lost connections, other leaders, stops, frost.
#include "cokafka/testing.hpp"
#include "support/catch.hpp"
#include "support/simple_batch.hpp"
#include "support/wire_client.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

using namespace cokafka::detail::messages;
using namespace std::chrono_literals;
using cokafka::broker_errc;
using cokafka::testing::cluster_options;
using cokafka::testing::moment;
using cokafka_test::code_of;
using cokafka_test::encoded;
using cokafka_test::running_cluster;
using cokafka_test::simple_batch;
using cokafka_test::stamped;
using cokafka_test::wire_client;

namespace {

produce_request write_to(const std::string& records) {
  produce_request request;
  request.topics.push_back({"t", {}, {{0, {records}}}});
  return request;
}

std::int16_t produce(wire_client& client, const std::string& records = encoded({})) {
  return client.call(write_to(records), 9).responses.at(0).partitions.at(0).error_code;
}

metadata_response metadata(wire_client& client) {
  metadata_request all;
  all.topics.reset();
  return client.call(all, 9);
}

template <class Condition>
bool soon(Condition&& holds) {
  for (int i = 0; i != 500; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

struct one_broker {
  one_broker() { kafka->create_topic("t", 1); }
  running_cluster kafka;
  wire_client client{kafka->port(0)};
};

struct three_brokers {
  static cluster_options options() {
    cluster_options three;
    three.brokers = 3;
    return three;
  }
  three_brokers() { kafka->create_topic("t", 1); }
  running_cluster kafka{options()};
};

}  // namespace

TEST_CASE_METHOD(one_broker, "an error is answered as often as scripted and nothing is appended", "[testing]") {
  kafka->fail_next(api_key::produce, broker_errc::not_enough_replicas, 2);
  CHECK(produce(client) == code_of(broker_errc::not_enough_replicas));
  CHECK(produce(client) == code_of(broker_errc::not_enough_replicas));
  CHECK(kafka->records("t", 0).empty());
  CHECK(produce(client) == 0);
}

TEST_CASE_METHOD(one_broker, "an error may be answered although the batch was appended", "[testing]") {
  kafka->fail_after_append(api_key::produce, broker_errc::not_enough_replicas_after_append);
  CHECK(produce(client, stamped(1, 0, 0)) == code_of(broker_errc::not_enough_replicas_after_append));
  CHECK(kafka->records("t", 0).size() == 1);
  CHECK(produce(client, stamped(1, 0, 0)) == 0);  // a duplicate
  CHECK(kafka->records("t", 0).size() == 1);
}

TEST_CASE_METHOD(one_broker, "a batch that is refused is not said to have been appended", "[testing]") {
  REQUIRE(produce(client, stamped(1, 0, 0)) == 0);
  kafka->fail_after_append(api_key::produce, broker_errc::request_timed_out);
  CHECK(produce(client, stamped(1, 0, 5)) == code_of(broker_errc::out_of_order_sequence_number));
  CHECK(produce(client, stamped(1, 0, 1)) == 0);
}

TEST_CASE_METHOD(one_broker, "every API can be made to fail", "[testing]") {
  for (const api_key api : {api_key::metadata, api_key::api_versions, api_key::init_producer_id, api_key::create_topics,
                            api_key::list_offsets, api_key::fetch, api_key::find_coordinator}) {
    kafka->fail_next(api, broker_errc::cluster_authorization_failed);
  }
  const auto expected = code_of(broker_errc::cluster_authorization_failed);
  metadata_request topic;
  topic.topics->push_back({{}, "t"});
  CHECK(client.call(topic, 9).topics.at(0).error_code == expected);
  CHECK(client.call(api_versions_request{"a", "b", {}, -1}, 3).error_code == expected);
  CHECK(client.call(init_producer_id_request{}, 3).error_code == expected);
  create_topics_request create;
  create.topics.push_back({"u", 1, 1, {}, {}});
  CHECK(client.call(create, 5).topics.at(0).error_code == expected);
  CHECK(kafka->partition_count("u") == 0);
  list_offsets_request list;
  list.topics.push_back({"t", {{}}});
  CHECK(client.call(list, 5).topics.at(0).partitions.at(0).error_code == expected);
  fetch_request fetch;
  fetch.topics.push_back({"t", {}, {{}}});
  CHECK(client.call(fetch, 11).responses.at(0).partitions.at(0).error_code == expected);
  CHECK(client.call(find_coordinator_request{}, 1).error_code == expected);
}

TEST_CASE_METHOD(one_broker, "a delayed request holds up what is behind it on the connection, and nothing else",
                 "[testing]") {
  kafka->delay_next(api_key::produce, 100ms);
  const auto begin = std::chrono::steady_clock::now();
  const std::string batch = encoded({});
  const auto first = client.send(write_to(batch), 9);
  client.send(metadata_request{}, 9);
  wire_client other(kafka->port(0));
  metadata(other);
  CHECK(std::chrono::steady_clock::now() - begin < 100ms);
  client.receive<produce_response>(9);
  CHECK(client.last_correlation() == first);
  CHECK(std::chrono::steady_clock::now() - begin >= 100ms);
  client.receive<metadata_response>(9);
  CHECK(client.last_correlation() == first + 1);
}

TEST_CASE_METHOD(one_broker, "a delayed request is executed although its client has gone", "[testing]") {
  kafka->delay_next(api_key::produce, 50ms);
  const std::string batch = encoded({});
  client.send(write_to(batch), 9);
  REQUIRE(soon([&] { return kafka->request_count(api_key::produce) == 1; }));
  client.close();
  CHECK(kafka->records("t", 0).empty());
  CHECK(soon([&] { return kafka->records("t", 0).size() == 1; }));
}

TEST_CASE_METHOD(one_broker, "an answer may be late although the batch was appended at once", "[testing]") {
  kafka->delay_next(api_key::produce, 200ms, 1, moment::after);
  const std::string batch = encoded({});
  client.send(write_to(batch), 9);
  CHECK(soon([&] { return kafka->records("t", 0).size() == 1; }));
  CHECK(client.available() == 0);
  client.receive<produce_response>(9);
}

TEST_CASE_METHOD(one_broker, "a connection is dropped before or after the append", "[testing]") {
  kafka->drop_connection_on_next(api_key::produce);
  kafka->drop_connection_on_next(api_key::produce, 1, moment::after);
  const std::string batch = encoded({});
  client.send(write_to(batch), 9);
  CHECK(client.is_closed_by_peer());
  CHECK(kafka->records("t", 0).empty());
  wire_client second(kafka->port(0));
  second.send(write_to(batch), 9);
  CHECK(second.is_closed_by_peer());
  CHECK(kafka->records("t", 0).size() == 1);
  wire_client third(kafka->port(0));
  CHECK(produce(third) == 0);
}

TEST_CASE_METHOD(one_broker, "a throttled client is answered at once and not listened to meanwhile", "[testing]") {
  kafka->throttle(api_key::produce, 100ms);
  const auto begin = std::chrono::steady_clock::now();
  CHECK(client.call(write_to(encoded({})), 9).throttle_time_ms == 100);
  CHECK(std::chrono::steady_clock::now() - begin < 100ms);
  CHECK(metadata(client).throttle_time_ms == 0);
  CHECK(std::chrono::steady_clock::now() - begin >= 100ms);
  kafka->clear_script();
  CHECK(client.call(write_to(encoded({})), 9).throttle_time_ms == 0);
}

TEST_CASE_METHOD(one_broker, "a frozen broker answers nothing until it thaws", "[testing]") {
  kafka->freeze(0);
  const std::string batch = encoded({});
  client.send(write_to(batch), 9);
  wire_client late(kafka->port(0));  // connects all the same
  late.send(metadata_request{}, 9);
  std::this_thread::sleep_for(50ms);
  CHECK(client.available() == 0);
  CHECK(late.available() == 0);
  CHECK(kafka->request_count(api_key::metadata) == 0);
  CHECK(kafka->records("t", 0).empty());
  kafka->unfreeze(0);
  client.receive<produce_response>(9);
  late.receive<metadata_response>(9);
  CHECK(kafka->records("t", 0).size() == 1);
}

TEST_CASE_METHOD(three_brokers, "an error may be meant for one broker only", "[testing]") {
  kafka->fail_next(api_key::init_producer_id, broker_errc::coordinator_load_in_progress, 1, 1);
  wire_client zero(kafka->port(0));
  wire_client one(kafka->port(1));
  CHECK(zero.call(init_producer_id_request{}, 3).error_code == 0);
  CHECK(one.call(init_producer_id_request{}, 3).error_code == code_of(broker_errc::coordinator_load_in_progress));
  CHECK_THROWS_AS(kafka->fail_next(api_key::produce, broker_errc::none, 1, 3), std::out_of_range);
}

TEST_CASE_METHOD(three_brokers, "a stopped broker is gone, another leads, and it comes back at its port", "[testing]") {
  wire_client zero(kafka->port(0));
  CHECK(produce(zero) == 0);
  kafka->stop_broker(0);
  CHECK(zero.is_closed_by_peer());
  CHECK(kafka->leader("t", 0) == 1);
  wire_client one(kafka->port(1));
  const auto seen = metadata(one);
  CHECK(seen.brokers.size() == 2);
  CHECK(seen.controller_id == 1);
  CHECK(seen.topics.at(0).partitions.at(0).leader_epoch == 1);
  CHECK(seen.topics.at(0).partitions.at(0).offline_replicas == std::vector<std::int32_t>{0});
  CHECK(produce(one) == 0);

  kafka->start_broker(0);
  const auto connects = [&] {
    try {
      wire_client again(kafka->port(0));
      return metadata(again).brokers.size() == 3;
    } catch (const std::exception&) {
      return false;
    }
  };
  CHECK(soon(connects));
  CHECK(kafka->leader("t", 0) == 1);
  CHECK(kafka->records("t", 0).size() == 2);
}

TEST_CASE_METHOD(three_brokers, "a topic that wants more replicas than run takes nothing with acks=all", "[testing]") {
  kafka->create_topic("two", 1, {.replication = 2, .min_insync_replicas = 2});
  const std::string batch = encoded({});
  produce_request request = write_to(batch);
  request.topics[0].name = "two";
  wire_client zero(kafka->port(0));
  const auto error = [&] { return zero.call(request, 9).responses.at(0).partitions.at(0).error_code; };
  CHECK(error() == 0);
  kafka->stop_broker(1);
  CHECK(error() == code_of(broker_errc::not_enough_replicas));
  request.acks = 1;
  CHECK(error() == 0);
}

TEST_CASE_METHOD(one_broker, "the only broker forgets all but the last batch of a producer when it restarts",
                 "[testing]") {
  simple_batch batch;
  batch.producer_id = 5;
  batch.epoch = 0;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  batch.timestamp = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  for (batch.sequence = 0; batch.sequence != 3; ++batch.sequence) CHECK(produce(client, encoded(batch)) == 0);
  kafka->stop_broker(0);
  CHECK(kafka->leader("t", 0) == -1);
  kafka->stop_broker(0);
  kafka->start_broker(0);
  REQUIRE(soon([&] {
    try {
      wire_client probe(kafka->port(0));
      return metadata(probe).topics.at(0).partitions.at(0).leader_epoch == 2;
    } catch (const std::exception&) {
      return false;
    }
  }));
  wire_client again(kafka->port(0));
  CHECK(produce(again, stamped(5, 0, 1)) == code_of(broker_errc::out_of_order_sequence_number));
  CHECK(produce(again, stamped(5, 0, 2)) == 0);
  CHECK(produce(again, stamped(5, 0, 3)) == 0);
  CHECK(kafka->records("t", 0).size() == 4);
}

TEST_CASE("a cluster keeps run() going while all its brokers are stopped, until it is stopped itself", "[testing]") {
  boost::asio::io_context io;
  cokafka::testing::cluster kafka(io.get_executor());
  kafka.stop_broker(0);
  io.run_for(std::chrono::milliseconds(50));
  CHECK_FALSE(io.stopped());
  kafka.stop();
  io.run_for(std::chrono::seconds(5));
  CHECK(io.stopped());
}

TEST_CASE_METHOD(one_broker, "a partition without a leader says so", "[testing]") {
  kafka->set_leader("t", 0, -1);
  const auto partition = metadata(client).topics.at(0).partitions.at(0);
  CHECK(partition.error_code == code_of(broker_errc::leader_not_available));
  CHECK(partition.leader_id == -1);
  CHECK(produce(client) == code_of(broker_errc::not_leader_or_follower));
}

TEST_CASE_METHOD(one_broker, "an API can be capped or taken away", "[testing]") {
  kafka->set_api_versions(api_key::metadata, 0, 5);
  kafka->set_api_versions(api_key::init_producer_id, 1, 0);
  const auto answer = client.call(api_versions_request{"a", "b", {}, -1}, 3);
  for (const auto& row : answer.api_keys) {
    CHECK(row.api_key != static_cast<std::int16_t>(api_key::init_producer_id));
    if (row.api_key == static_cast<std::int16_t>(api_key::metadata)) CHECK(row.max_version == 5);
  }
  client.send(metadata_request{}, 6);
  CHECK(client.is_closed_by_peer());
}
