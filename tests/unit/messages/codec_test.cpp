// SPDX-License-Identifier: BSL-1.0
// Frames and headers: which header which version has, bytes sent from elsewhere, and how old brokers answer.
#include "cokafka/detail/messages/codec.hpp"
#include "cokafka/detail/messages/known_apis.hpp"
#include "support/catch.hpp"
#include "support/vectors.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace cokafka::detail::messages;
namespace wire = cokafka::detail::wire;
using cokafka_test::from_hex;
using cokafka_test::to_hex;
using cokafka_test::vector_named;

namespace {

produce_request two_partitions(wire::records_field first, wire::records_field second) {
  produce_request request{.timeout_ms = 30000};
  request.topics.push_back(
      {.name = "t1", .partitions = {{.index = 0, .records = first}, {.index = 1, .records = second}}});
  return request;
}

template <class Response>
bool decode(const std::string& hex, std::int16_t version, Response& response) {
  std::int32_t correlation_id = 0;
  return decode_response(from_hex(hex), version, response, correlation_id);
}

}  // namespace

TEST_CASE("bytes that are sent from elsewhere count in the frame size and are noted as cuts", "[messages]") {
  const std::string& first = vector_named("B1");
  const std::string& second = vector_named("B2");
  for (const std::int16_t version : {std::int16_t{3}, std::int16_t{9}}) {
    std::string whole = "earlier bytes in the same buffer";
    const std::size_t start = whole.size();
    encode_request(whole, nullptr, two_partitions({.bytes = first}, {.bytes = second}), version, 4, "cli");

    std::string framing = "earlier bytes in the same buffer";
    std::vector<wire::cut> cuts;
    const auto external = two_partitions({.external_size = first.size()}, {.external_size = second.size()});
    encode_request(framing, &cuts, external, version, 4, "cli");
    REQUIRE(cuts.size() == 2);
    CHECK(cuts[0].size == first.size());
    CHECK(cuts[1].size == second.size());
    CHECK(cuts[0].position_in_buffer > start);

    std::string gathered = framing.substr(0, cuts[0].position_in_buffer) + first;
    gathered += framing.substr(cuts[0].position_in_buffer, cuts[1].position_in_buffer - cuts[0].position_in_buffer);
    gathered += second + framing.substr(cuts[1].position_in_buffer);
    CHECK(to_hex(gathered) == to_hex(whole));
  }
}

TEST_CASE("request headers have tagged fields from an API's flexible version on", "[messages]") {
  CHECK(flexible_from(api_key::produce) == 9);
  CHECK(flexible_from(api_key::api_versions) == 3);
  CHECK(flexible_from(api_key::sasl_handshake) == wire::no_version);
  CHECK(flexible_from(static_cast<api_key>(999)) == wire::no_version);

  request_header header;
  std::string_view body;
  const std::string unknown = from_hex("03e70063000000070003636c69aabb");
  REQUIRE(decode_request_header(unknown, header, body));
  CHECK(static_cast<int>(header.key) == 999);
  CHECK(header.version == 99);
  CHECK(body == from_hex("aabb"));

  const std::string flexible =
      from_hex("0012006300000007ffff0105026869cc");  // ApiVersions v99, one unknown tagged field
  REQUIRE(decode_request_header(flexible, header, body));
  CHECK(header.client_id == std::nullopt);
  CHECK(body == from_hex("cc"));
}

TEST_CASE("a request header that is cut short or has an illegal client id is refused", "[messages]") {
  request_header header;
  std::string_view body;
  const std::string whole = from_hex(
      "0012000300000007"
      "0003636c6900");
  REQUIRE(decode_request_header(whole, header, body));
  CHECK(header.client_id == "cli");
  for (std::size_t size = 0; size != whole.size(); ++size) {
    CHECK_FALSE(decode_request_header(whole.substr(0, size), header, body));
  }
  CHECK_FALSE(decode_request_header(from_hex("0012000300000007fffe00"), header, body));
}

TEST_CASE("response headers have tagged fields in flexible versions, except those of ApiVersions", "[messages]") {
  std::string out;
  encode_response(out, end_txn_response{}, 3, 5);
  CHECK(to_hex(out) ==
        "0000000c"
        "00000005"
        "00"
        "00000000"
        "0000"
        "00");
  out.clear();
  encode_response(out, end_txn_response{}, 2, 5);
  CHECK(to_hex(out) ==
        "0000000a"
        "00000005"
        "00000000"
        "0000");
  out.clear();
  encode_response(out, api_versions_response{}, 3, 5);
  CHECK(to_hex(out) ==
        "0000000c"
        "00000005"
        "0000"
        "01"
        "00000000"
        "00");

  end_txn_response tagged;
  CHECK(
      decode("00000005"
             "010301ff"
             "00000000"
             "0033"
             "00",
             3, tagged));
  CHECK(tagged.error_code == 0x33);
  CHECK_FALSE(
      decode("00000005"
             "0103",
             3, tagged));
}

TEST_CASE("an ApiVersions answer of a broker that is too old is read in its own layout", "[messages]") {
  api_versions_response response;
  REQUIRE(
      decode("00000001"
             "0023"
             "00000001"
             "001200000002",
             3, response));
  CHECK(response.error_code == 35);
  REQUIRE(response.api_keys.size() == 1);
  CHECK(response.api_keys[0].api_key == 18);
  CHECK(response.api_keys[0].max_version == 2);

  for (const std::string rest : {"", "00000000", "01", "7fffffff", "000000010012"}) {
    INFO(rest);
    REQUIRE(
        decode("00000001"
               "0023" +
                   rest,
               4, response));
    CHECK(response.error_code == 35);
    CHECK(response.api_keys.empty());
  }
  CHECK_FALSE(
      decode("00000001"
             "0022"
             "00000000",
             3, response));
}

TEST_CASE("unknown tagged fields are skipped and known ones must ascend and fit", "[messages]") {
  const auto body = [](const std::string& tags) {
    return "00000005"
           "00"
           "01"
           "00000000" +
           tags;
  };
  produce_response response;
  CHECK(decode(body("00"), 10, response));
  CHECK(decode(body("02"
                    "0001"
                    "01"
                    "0903aabbcc"),
               10, response));  // no endpoints; tag 9
  CHECK(decode(body("01"
                    "8001"
                    "02aabb"),
               10, response));  // tag 128
  CHECK_FALSE(decode(body("02"
                          "0903aabbcc"
                          "0001"
                          "01"),
                     10, response));  // descending
  CHECK_FALSE(decode(body("02"
                          "0001"
                          "01"
                          "0001"
                          "01"),
                     10, response));  // twice the same
  CHECK_FALSE(decode(body("01"
                          "0002"
                          "01"
                          "00"),
                     10, response));  // larger than its contents
  CHECK_FALSE(decode(body("01"
                          "0904aabbcc"),
                     10, response));                      // larger than the frame
  CHECK_FALSE(decode(body("ffffffff0f"), 10, response));  // four billion fields
  CHECK(decode(body("01"
                    "0001"
                    "01"),
               9, response));  // known only from version 10 on
}

TEST_CASE("a null where the version has none is refused, and written as empty", "[messages]") {
  metadata_request request;
  CHECK(decode_request_body(from_hex("ffffffff"), 1, request));
  CHECK(request.topics == std::nullopt);
  CHECK_FALSE(decode_request_body(from_hex("ffffffff"), 0, request));
  CHECK_FALSE(decode_request_body(from_hex("fffffffe"), 1, request));
  CHECK_FALSE(decode_request_body(from_hex("00000001"
                                           "ffff"),
                                  1, request));

  std::string out;
  encode_request(out, nullptr, metadata_request{.topics = std::nullopt}, 0, 1, std::nullopt);
  CHECK(to_hex(out).substr(28) == "00000000");
}

TEST_CASE("a count that the remaining bytes cannot hold is refused before memory is taken", "[messages]") {
  metadata_response metadata;
  produce_response produce;
  CHECK_FALSE(decode_body(from_hex("7fffffff"), 0, metadata));
  CHECK_FALSE(decode_body(from_hex("00000000"
                                   "ffffffff0f"),
                          9, metadata));
  CHECK_FALSE(decode_body(from_hex("feffffff07"), 9, produce));
  // One partition of a version 0 response takes 14 bytes: with 14 bytes behind it a count of 2 is a lie.
  const std::string partition =
      "00000000"
      "0000"
      "ffffffffffffffff";
  CHECK(decode_body(from_hex("00000001"
                             "0000"
                             "00000001" +
                             partition),
                    0, produce));
  CHECK_FALSE(decode_body(from_hex("00000001"
                                   "0000"
                                   "00000002" +
                                   partition),
                          0, produce));
}

TEST_CASE("versions that are not described are refused", "[messages]") {
  api_versions_request request;
  CHECK(decode_request_body("", 0, request));
  CHECK_FALSE(decode_request_body("", -1, request));
  CHECK_FALSE(decode_request_body("", 6, request));
}

TEST_CASE("decoding starts from defaults, whatever the struct held before", "[messages]") {
  metadata_response response;
  response.controller_id = 12;
  response.cluster_id = "old";
  response.brokers.resize(3);
  REQUIRE(decode_body(from_hex("00000000"
                               "00000000"),
                      0, response));
  CHECK(response == metadata_response{});
}
