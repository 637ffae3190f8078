// SPDX-License-Identifier: BSL-1.0
// Messages against the bytes that Kafka's own generated classes wrote.
#include "support/vectors.hpp"
#include "cokafka/detail/messages/codec.hpp"
#include "cokafka/detail/messages/known_apis.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace cokafka::detail::messages;
namespace wire = cokafka::detail::wire;
using cokafka_test::to_hex;
using cokafka_test::vector_named;

namespace {

std::vector<std::string> seen;

// Encoding the request gives the vector; decoding the vector and encoding again does, too.
template <class Request>
void check_request(const std::string& name, std::int16_t version, std::int32_t correlation_id, const Request& request,
                   std::optional<std::string_view> client_id = "cli") {
  INFO(name);
  const std::string& expected = vector_named(name);
  seen.push_back(name);
  std::string encoded;
  encode_request(encoded, nullptr, request, version, correlation_id, client_id);
  CHECK(to_hex(encoded) == to_hex(expected));

  request_header header;
  std::string_view body;
  REQUIRE(decode_request_header(std::string_view(expected).substr(4), header, body));
  CHECK(header.key == Request::key);
  CHECK(header.version == version);
  CHECK(header.correlation_id == correlation_id);
  CHECK(header.client_id == client_id);
  Request decoded;
  REQUIRE(decode_request_body(body, version, decoded));
  std::string again;
  encode_request(again, nullptr, decoded, version, correlation_id, client_id);
  CHECK(to_hex(again) == to_hex(expected));
}

template <class Request>
void check_versions(const std::string& api, std::vector<std::int16_t> versions, std::int32_t correlation_id,
                    const Request& request) {
  for (const std::int16_t version : versions) {
    check_request(api + " v" + std::to_string(version), version, correlation_id, request);
  }
}

// Decoding the vector gives the response; encoding the response gives the vector behind size and header.
template <class Response>
void check_response(const std::string& api, std::int16_t version, const Response& response) {
  const std::string name = api + " v" + std::to_string(version);
  INFO(name);
  const std::string& expected = vector_named(name);
  seen.push_back(name);
  Response decoded;
  REQUIRE(decode_body(expected, version, decoded));
  CHECK(decoded == response);

  std::string encoded;
  encode_response(encoded, response, version, 77);
  const std::string header = has_flexible_response_header<Response>(version) ? "0000004d00" : "0000004d";
  CHECK(to_hex(encoded).substr(8) == header + to_hex(expected));
  std::int32_t correlation_id = 0;
  REQUIRE(decode_response(std::string_view(encoded).substr(4), version, decoded, correlation_id));
  CHECK(decoded == response);
  CHECK(correlation_id == 77);
}

const wire::uuid id_1_2 = wire::uuid::from_halves(1, 2);

}  // namespace

TEST_CASE("requests are encoded as Kafka's own classes encode them", "[messages]") {
  seen.clear();
  check_versions("ApiVersions", {0, 3, 4}, 1,
                 api_versions_request{.client_software_name = "acme", .client_software_version = "0.1"});
  check_versions(
      "ApiVersions", {5}, 1,
      api_versions_request{
          .client_software_name = "acme", .client_software_version = "0.1", .cluster_id = "cid", .node_id = 1});
  const std::vector<metadata_request::topic> t1{{.name = "t1"}};
  check_versions("Metadata", {1, 4, 7, 9, 12, 13}, 2,
                 metadata_request{.topics = t1, .allow_auto_topic_creation = false});
  check_request("Metadata v12 all", 12, 3, metadata_request{.topics = std::nullopt}, std::nullopt);

  produce_request produce{.acks = -1, .timeout_ms = 30000, .topics = {}};
  produce.topics.push_back(
      {.name = "t1", .topic_id = id_1_2, .partitions = {{.index = 0, .records = {.bytes = vector_named("B1")}}}});
  check_versions("Produce", {3, 7, 9, 12, 13}, 4, produce);

  check_versions("InitProducerId", {0}, 5, init_producer_id_request{.transaction_timeout_ms = 60000});
  check_versions("InitProducerId", {2, 3, 5, 6}, 5,
                 init_producer_id_request{.transactional_id = "tx", .transaction_timeout_ms = 60000});
  check_versions("FindCoordinator", {0, 1, 3, 4, 6}, 6,
                 find_coordinator_request{.key_name = "tx", .key_type = 1, .coordinator_keys = {"tx"}});
  check_versions("AddPartitionsToTxn", {0, 3}, 7,
                 add_partitions_to_txn_request{.transactional_id = "tx",
                                               .producer_id = 1234,
                                               .producer_epoch = 7,
                                               .topics = {{.name = "t1", .partitions = {0, 1}}}});
  check_versions(
      "AddOffsetsToTxn", {0, 3}, 8,
      add_offsets_to_txn_request{.transactional_id = "tx", .producer_id = 1234, .producer_epoch = 7, .group_id = "g"});
  check_versions(
      "EndTxn", {0, 3, 5}, 9,
      end_txn_request{.transactional_id = "tx", .producer_id = 1234, .producer_epoch = 7, .committed = true});

  txn_offset_commit_request commit{.transactional_id = "tx", .group_id = "g", .producer_id = 1234, .producer_epoch = 7};
  commit.generation_id_or_member_epoch = 3;
  commit.member_id = "m";
  commit.topics.push_back(
      {.name = "t1", .partitions = {{.partition_index = 0, .committed_offset = 10, .committed_metadata = ""}}});
  check_versions("TxnOffsetCommit", {2, 3, 5}, 10, commit);
  check_versions("SaslHandshake", {1}, 11, sasl_handshake_request{.mechanism = "PLAIN"});
  check_versions("SaslAuthenticate", {2}, 12, sasl_authenticate_request{.auth_bytes = {std::string("\0u\0p", 4)}});
  CHECK(seen.size() == 38);
}

TEST_CASE("responses are decoded and encoded as Kafka's own classes encode them", "[messages]") {
  seen.clear();
  produce_response ok;
  ok.responses.push_back({.name = "t1", .partitions = {{.index = 0, .base_offset = 100}}});
  check_response("ProduceResp", 3, ok);
  ok.responses[0].partitions[0].log_start_offset = 0;
  check_response("ProduceResp", 5, ok);
  check_response("ProduceResp", 8, ok);
  check_response("ProduceResp", 9, ok);

  produce_response moved;
  moved.responses.push_back({.name = "t1", .partitions = {{.index = 0, .error_code = 6}}});
  moved.responses[0].partitions[0].log_start_offset = 0;
  moved.responses[0].partitions[0].current_leader = {.leader_id = 2, .leader_epoch = 5};
  moved.node_endpoints.push_back({.node_id = 2, .host = "h", .port = 9092});
  check_response("ProduceResp", 10, moved);
  moved.responses[0].name.clear();
  moved.responses[0].topic_id = id_1_2;
  check_response("ProduceResp", 13, moved);

  api_versions_response versions{.api_keys = {{.api_key = 0, .max_version = 13}, {.api_key = 18, .max_version = 4}}};
  check_response("ApiVersionsResp", 0, versions);
  versions.finalized_features_epoch = 9;
  versions.finalized_features.push_back(
      {.name = "transaction.version", .max_version_level = 2, .min_version_level = 2});
  check_response("ApiVersionsResp", 3, versions);
  CHECK(seen.size() == 8);
}
