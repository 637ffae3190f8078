// SPDX-License-Identifier: BSL-1.0
// The embedded broker answers as the real one does, frame by frame, with one expectation: requests, connections and API
// versions.
#include "cokafka/detail/messages/api_versions.hpp"
#include "support/catch.hpp"
#include "support/conformance.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

using namespace cokafka::detail::messages;
using namespace cokafka_test;
using namespace std::chrono_literals;

namespace {

// How long since.
class stopwatch {
 public:
  std::chrono::milliseconds elapsed() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin_);
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace

TEST_CASE("both name the same errors of the request", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::string good = encoded({});
    const auto error_of = [&](const produce_request& request, std::int16_t version) {
      return name_of(client.call(request, version).responses.at(0).partitions.at(0).error_code);
    };
    for (const std::int16_t acks : std::vector<std::int16_t>{2, -2, 300}) {
      CHECK(error_of(write_to(kafka.topic, good, acks), 9) == "invalid_required_acks");
    }
    CHECK(error_of(write_to("a b", good), 9) == "unknown_topic_or_partition");
    CHECK(error_of(write_to(kafka.topic, good, -1, -1), 9) == "unknown_topic_or_partition");
    CHECK(error_of(write_to(kafka.topic, good, -1, 7), 9) == "unknown_topic_or_partition");
    CHECK(error_of(write_to("nowhere", good), 9) == "unknown_topic_or_partition");
    produce_request by_id = write_to("", good);
    by_id.topics[0].topic_id = cokafka::detail::wire::uuid::from_halves(5, 6);
    if (is_4()) CHECK(error_of(by_id, 13) == "unknown_topic_id");
    by_id.topics[0].topic_id = kafka.describe(kafka.topic).topic_id;
    if (is_4()) CHECK(error_of(by_id, 13) == "none");
    by_id.topics[0].partitions[0].index = 7;
    if (is_4()) CHECK(error_of(by_id, 13) == "unknown_topic_or_partition");
    CHECK(error_of(write_to(kafka.topic, good, 1), 9) == "none");
  });
}

TEST_CASE("both end the connection of what they cannot read", "[integration]") {
  on_both([](target& kafka) {
    const std::string good = encoded({});
    const auto closes = [&](std::string bytes) {
      wire_client client = kafka.leader();
      client.send_raw(bytes);
      return client.is_closed_by_peer();
    };
    const auto framed = [](const std::string& body) {
      std::string frame(4, '\0');
      frame[2] = static_cast<char>(body.size() >> 8);
      frame[3] = static_cast<char>(body.size() & 0xff);
      return frame + body;
    };
    std::string request;
    encode_request(request, nullptr, write_to(kafka.topic, good), 9, 1, "client");
    CHECK(closes(framed(request.substr(4, request.size() - 20))));
    CHECK(closes("GET / HTTP/1.1\r\n\r\n"));
    CHECK(closes(std::string("\xff\xff\xff\xff", 4)));
    CHECK(closes(framed(std::string("\x03\xe7\0\0\0\0\0\1\xff\xff", 10))));  // no such API
    CHECK(closes(framed("")));
    std::string too_new;
    encode_request(too_new, nullptr, write_to(kafka.topic, good), 9, 1, "client");
    too_new[7] = 99;
    CHECK(closes(too_new));
    if (is_4()) {
      wire_client client = kafka.leader();
      client.send(write_to(kafka.topic, good), 2);
      CHECK(client.is_closed_by_peer());
    }
  });
}

TEST_CASE("both tell an error of acks=0 by ending the connection", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::string good = encoded({});
    client.send(write_to(kafka.topic, good, 0), 9);
    CHECK(outcome(client, kafka, good) == "none @ 1");
    client.send(write_to(kafka.topic, good, 0, 9), 9);
    CHECK(client.is_closed_by_peer());
  });
}

TEST_CASE("both answer ApiVersions that is too new in version 0, and check the software's name", "[integration]") {
  on_both([](target& kafka) {
    wire_client client(kafka.bootstrap);
    const auto answer = client.call(api_versions_request{"a", "b", {}, -1}, 5);
    CHECK(name_of(answer.error_code) == "unsupported_version");
    REQUIRE(answer.api_keys.size() == 1);
    CHECK(answer.api_keys[0].api_key == 18);
    CHECK(answer.api_keys[0].max_version == 4);
    CHECK(name_of(client.call(api_versions_request{"-a", "b", {}, -1}, 4).error_code) == "invalid_request");
    CHECK(name_of(client.call(api_versions_request{"a", "b", {}, -1}, 4).error_code) == "none");
  });
}

TEST_CASE("both offer the same versions of the APIs that are here", "[integration]") {
  std::vector<std::vector<api_versions_response::api>> offers;
  on_both([&](target& kafka) {
    wire_client client(kafka.bootstrap);
    offers.push_back(client.call(api_versions_request{"a", "b", {}, -1}, 3).api_keys);
  });
  if (offers.size() < 2) return;
  for (const auto& ours : offers[0]) {
    for (const auto& theirs : offers[1]) {
      if (ours.api_key != theirs.api_key) continue;
      CAPTURE(ours.api_key, theirs.min_version, theirs.max_version);
      CHECK(ours == theirs);
    }
  }
}

TEST_CASE("both execute the requests of a connection one at a time and in order", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const stopwatch watch;
    std::vector<std::int32_t> sent{client.send(waiting_fetch(kafka, 400ms), 11)};
    for (int i = 0; i != 4; ++i) sent.push_back(client.send(write_to(kafka.topic, encoded({})), 9));
    // A Produce request that was executed meanwhile would end the wait, and its records would be in the answer.
    const auto fetched = client.receive<fetch_response>(11).responses.at(0).partitions.at(0);
    CHECK(client.last_correlation() == sent[0]);
    CHECK(watch.elapsed() >= 390ms);
    CHECK(fetched.records.bytes.value_or("").empty());
    for (std::size_t i = 1; i != sent.size(); ++i) {
      const auto answer = client.receive<produce_response>(9).responses.at(0).partitions.at(0);
      CHECK(client.last_correlation() == sent[i]);
      CHECK(outcome(answer) == "none @ " + std::to_string(i - 1));
    }
  });
}

TEST_CASE("both execute late what a client sent before it closed the connection", "[integration]") {
  on_both([](target& kafka) {
    wire_client witness = kafka.leader();
    wire_client client = kafka.leader();
    const stopwatch watch;
    client.send(waiting_fetch(kafka, 700ms), 11);
    client.send(write_to(kafka.topic, encoded({})), 9);
    client.close();
    const std::int64_t at_once = end_offset(witness, kafka);
    if (watch.elapsed() < 500ms) CHECK(at_once == 0);
    CHECK(eventually([&] { return end_offset(witness, kafka) == 1; }));
    CHECK(watch.elapsed() >= 650ms);
  });
}

TEST_CASE("both execute and answer all requests of a client that has ended its side of the connection",
          "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    for (int i = 0; i != 5; ++i) client.send(write_to(kafka.topic, encoded({})), 9);
    client.finish_sending();
    for (int i = 0; i != 5; ++i) {
      const auto answer = client.receive<produce_response>(9).responses.at(0).partitions.at(0);
      CHECK(outcome(answer) == "none @ " + std::to_string(i));
    }
    CHECK(client.is_closed_by_peer());
  });
}

TEST_CASE("both answer a client that they throttle at once and then do not listen to it for as long", "[integration]") {
  on_both([](target& kafka) {
    const std::string large = encoded({.values = {std::string(11'400, 'x')}});
    bool throttled = false;
    for (const std::string& name : kafka.throttled_clients()) {
      wire_client client = kafka.leader(0, name);
      wire_client other = kafka.leader();
      const stopwatch asked;
      const auto answer = client.call(write_to(kafka.topic, large), 9);
      const std::chrono::milliseconds told(answer.throttle_time_ms);
      const stopwatch answered;
      CHECK(name_of(answer.responses.at(0).partitions.at(0).error_code) == "none");
      if (told == 0ms) {  // the quota is not there yet
        std::this_thread::sleep_for(100ms);
        continue;
      }
      throttled = true;
      CAPTURE(told.count(), asked.elapsed().count());
      CHECK(asked.elapsed() < told);
      CHECK(end_offset(other, kafka) > 0);
      CHECK(answered.elapsed() < told);  // other connections are not concerned
      const auto next = client.call(api_versions_request{"a", "b", {}, -1}, 3);
      CHECK(answered.elapsed() >= told - 50ms);
      CHECK(answered.elapsed() < told + 2s);
      break;
    }
    CHECK(throttled);
  });
}

TEST_CASE("both keep the connections of a broker that is frozen, and go on where they were", "[integration]") {
  on_both([](target& kafka) {
    const std::int32_t id = kafka.leader_id();
    wire_client client = kafka.leader();
    const std::uint16_t port = kafka.port_of(id);
    kafka.freeze(id);
    client.send(write_to(kafka.topic, encoded({})), 9);
    wire_client late(port);
    late.send(api_versions_request{"a", "b", {}, -1}, 3);
    std::this_thread::sleep_for(300ms);
    CHECK(client.available() == 0);
    CHECK(late.available() == 0);
    kafka.thaw(id);
    CHECK(outcome(client.receive<produce_response>(9).responses.at(0).partitions.at(0)) == "none @ 0");
    CHECK(name_of(late.receive<api_versions_response>(3).error_code) == "none");
  });
}
