// SPDX-License-Identifier: BSL-1.0
// An embedded broker ends the connection of a peer that does not speak Kafka, and goes on serving the others.
#include "cokafka/testing.hpp"
#include "support/catch.hpp"
#include "support/simple_batch.hpp"
#include "support/wire_client.hpp"

#include <cstdint>
#include <random>
#include <string>

using namespace cokafka::detail::messages;
using cokafka_test::running_cluster;
using cokafka_test::wire_client;

namespace {

std::string frame_of(const std::string& body) {
  std::string frame;
  cokafka::detail::wire::writer out(frame);
  out.int32(static_cast<std::int32_t>(body.size()));
  out.raw(body);
  return frame;
}

bool is_dropped(running_cluster& kafka, const std::string& bytes) {
  wire_client client(kafka->port(0));
  client.send_raw(bytes);
  const bool dropped = client.is_closed_by_peer();
  wire_client other(kafka->port(0));
  CHECK(other.call(metadata_request{}, 9).brokers.size() == 1);
  return dropped;
}

}  // namespace

TEST_CASE("what is not a request ends its connection and no other", "[testing]") {
  running_cluster kafka;
  CHECK(is_dropped(kafka, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));                // a length of a gigabyte
  CHECK(is_dropped(kafka, std::string("\x7f\xff\xff\xff", 4)));                         // two gigabytes
  CHECK(is_dropped(kafka, std::string("\xff\xff\xff\xff", 4)));                         // a negative length
  CHECK(is_dropped(kafka, std::string("\x16\x03\x01\x02\x00\x01\x00", 7)));             // TLS
  CHECK(is_dropped(kafka, frame_of("")));                                               // no header
  CHECK(is_dropped(kafka, frame_of(std::string("\0\x12\0\0\0\0\0\1\x7f\xff", 10))));    // a client id beyond the frame
  CHECK(is_dropped(kafka, frame_of(std::string("\x03\xe7\0\0\0\0\0\1\xff\xff", 10))));  // API 999
}

TEST_CASE("a body that is cut off or too long ends its connection", "[testing]") {
  running_cluster kafka;
  metadata_request request;
  request.topics->push_back({{}, "topic"});
  std::string whole;
  encode_request(whole, nullptr, request, 9, 1, "client");
  const std::string body = whole.substr(4);
  for (std::size_t size = 0; size != body.size(); ++size) CHECK(is_dropped(kafka, frame_of(body.substr(0, size))));
  CHECK(is_dropped(kafka, frame_of(body + '\0')));
  CHECK_FALSE(is_dropped(kafka, frame_of(body)));
  CHECK(kafka->partition_count("topic") == 1);
}

TEST_CASE("a peer that leaves in the middle of a frame leaves nothing behind", "[testing]") {
  running_cluster kafka;
  for (int i = 0; i != 20; ++i) {
    wire_client client(kafka->port(0));
    client.send_raw(std::string("\0\0\1\0half", 8));
  }
  wire_client other(kafka->port(0));
  CHECK(other.call(metadata_request{}, 9).brokers.size() == 1);
}

TEST_CASE("requests that arrive byte by byte or many at once are answered in order", "[testing]") {
  running_cluster kafka;
  wire_client client(kafka->port(0));
  std::string frames;
  for (std::int32_t i = 0; i != 50; ++i) encode_request(frames, nullptr, metadata_request{}, 9, i, "client");
  const std::size_t half = frames.size() / 50;
  for (std::size_t i = 0; i != half; ++i) client.send_raw(frames.substr(i, 1));
  client.send_raw(frames.substr(half));
  for (std::int32_t i = 0; i != 50; ++i) {
    client.receive<metadata_response>(9);
    CHECK(client.last_correlation() == i);
  }
}

TEST_CASE("damaged requests never disturb the cluster", "[testing]") {
  running_cluster kafka;
  kafka->create_topic("t", 1);
  const std::string batch = cokafka_test::encoded({});
  std::mt19937 random(20240101);
  for (int round = 0; round != 300; ++round) {
    produce_request request;
    request.topics.push_back({"t", {}, {{0, {batch}}}});
    std::string frame;
    encode_request(frame, nullptr, request, static_cast<std::int16_t>(3 + round % 10), 1, "client");
    for (int change = 0; change != 3; ++change) {
      frame[4 + random() % (frame.size() - 4)] = static_cast<char>(random() % 256);
    }
    wire_client client(kafka->port(0));
    client.send_raw(frame);
    client.close();
  }
  wire_client other(kafka->port(0));
  CHECK(other.call(metadata_request{}, 9).brokers.size() == 1);
  for (const auto& record : kafka->records("t", 0)) CHECK(record.value == "value");
}
