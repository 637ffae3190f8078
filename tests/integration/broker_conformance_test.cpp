// SPDX-License-Identifier: BSL-1.0
// The embedded broker answers as the real one does: each case runs on both, frame by frame, with one expectation.
#include "cokafka/detail/batch/batch_view.hpp"
#include "cokafka/testing.hpp"
#include "support/catch.hpp"
#include "support/simple_batch.hpp"
#include "support/wire_client.hpp"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace cokafka::detail::messages;
using cokafka::broker_errc;
using cokafka::testing::cluster_options;
using cokafka::testing::kafka_version;
using cokafka_test::encoded;
using cokafka_test::resealed;
using cokafka_test::running_cluster;
using cokafka_test::simple_batch;
using cokafka_test::stamped;
using cokafka_test::wire_client;

namespace {

constexpr std::int32_t max_sequence = std::numeric_limits<std::int32_t>::max();

std::string name_of(std::int16_t code) { return std::string(to_string(static_cast<broker_errc>(code))); }

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_4() { return setting("COKAFKA_KAFKA_VERSION").substr(0, 1) != "3"; }

// A cluster to talk to, and a topic of its own with one partition.
struct target {
  std::uint16_t bootstrap = 0;
  std::string topic;
  std::vector<create_topics_request::setting> settings;

  void create_topic() const {
    create_topics_request request;
    request.topics.push_back({topic, 1, -1, {}, settings});
    wire_client client(bootstrap);
    REQUIRE(name_of(client.call(request, 7).topics.at(0).error_code) == "none");
  }

  metadata_response::topic describe(const std::string& name, bool create = false) const {
    metadata_request request;
    request.topics->push_back({{}, name});
    request.allow_auto_topic_creation = create;
    wire_client client(bootstrap);
    return client.call(request, 12).topics.at(0);
  }

  // A connection to the leader, as soon as there is one and it knows that it leads.
  wire_client leader() const {
    for (int i = 0; i != 200; ++i) {
      metadata_request request;
      request.topics->push_back({{}, topic});
      wire_client client(bootstrap);
      const auto answer = client.call(request, 12);
      for (const auto& broker : answer.brokers) {
        if (answer.topics.at(0).error_code != 0) break;
        if (broker.node_id != answer.topics[0].partitions.at(0).leader_id) continue;
        wire_client candidate(static_cast<std::uint16_t>(broker.port));
        if (leads(candidate)) return candidate;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    throw std::runtime_error("no leader");
  }

  bool leads(wire_client& candidate) const {
    list_offsets_request request;
    request.topics.push_back({topic, {{}}});
    if (candidate.call(request, 7).topics.at(0).partitions.at(0).error_code != 0) return false;
    metadata_request known;
    known.topics->push_back({{}, topic});
    return candidate.call(known, 12).topics.at(0).error_code == 0;
  }
};

std::string unique_topic() {
  static int count = 0;
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return "conformance-" + std::to_string(now) + "-" + std::to_string(++count);
}

// Runs a case on the embedded broker, and on the real one where the environment names it.
void on_both(const std::function<void(target&)>& test, std::vector<create_topics_request::setting> settings = {}) {
  {
    INFO("embedded");
    cluster_options options;
    options.version = is_4() ? kafka_version::v4_1 : kafka_version::v3_9;
    running_cluster kafka(options);
    target embedded{kafka->port(0), unique_topic(), settings};
    embedded.create_topic();
    test(embedded);
  }
  const std::string servers = setting("COKAFKA_BOOTSTRAP");
  if (servers.empty()) {
    WARN("skipped: COKAFKA_BOOTSTRAP is not set");
    return;
  }
  INFO("real");
  const std::string first = servers.substr(0, servers.find(','));
  target real{static_cast<std::uint16_t>(std::stoi(first.substr(first.rfind(':') + 1))), unique_topic(), settings};
  real.create_topic();
  test(real);
}

produce_request write_to(const std::string& topic, const std::string& records, std::int16_t acks = -1,
                         std::int32_t partition = 0) {
  produce_request request;
  request.acks = acks;
  request.timeout_ms = 5000;
  request.topics.push_back({topic, {}, {{partition, {records}}}});
  return request;
}

produce_response::partition produce(wire_client& client, const target& to, const std::string& records,
                                    std::int16_t version = 9) {
  return client.call(write_to(to.topic, records), version).responses.at(0).partitions.at(0);
}

// "none @ <offset>", or the error.
std::string outcome(wire_client& client, const target& to, const std::string& records, std::int16_t version = 9) {
  const auto answer = produce(client, to, records, version);
  const std::string error = name_of(answer.error_code);
  return answer.error_code == 0 ? error + " @ " + std::to_string(answer.base_offset) : error;
}

std::string changed(std::string batch, std::size_t at, char by) {
  batch[at] = static_cast<char>(batch[at] ^ by);
  return batch;
}

std::int64_t new_producer(wire_client& client) {
  init_producer_id_request request;
  request.transaction_timeout_ms = std::numeric_limits<std::int32_t>::max();
  for (int i = 0; i != 100; ++i) {
    const auto answer = client.call(request, 4);
    if (answer.error_code == 0) return answer.producer_id;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  throw std::runtime_error("no producer id");
}

}  // namespace

TEST_CASE("both refuse the same batches with the same errors", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::string good = encoded({});
    CHECK(outcome(client, kafka, good) == "none @ 0");
    CHECK(outcome(client, kafka, "") == "invalid_record");
    CHECK(outcome(client, kafka, good + good) == "invalid_record");
    CHECK(outcome(client, kafka, good.substr(0, good.size() - 1)) == "invalid_record");
    CHECK(outcome(client, kafka, good.substr(0, 30)) == "invalid_record");
    CHECK(outcome(client, kafka, changed(good, 16, 3)) == "invalid_record");       // magic 1
    CHECK(outcome(client, kafka, changed(good, 8, 0x40)) == "invalid_record");     // a huge batch length
    CHECK(outcome(client, kafka, changed(good, 8, '\x80')) == "corrupt_message");  // a negative one
    CHECK(outcome(client, kafka, changed(good, good.size() - 1, 1)) == "corrupt_message");
    CHECK(outcome(client, kafka, changed(good, 20, 1)) == "corrupt_message");              // checksum
    CHECK(outcome(client, kafka, resealed(changed(good, 60, 3))) == "invalid_record");     // record count
    CHECK(outcome(client, kafka, resealed(changed(good, 60, 1))) == "invalid_record");     // none
    CHECK(outcome(client, kafka, resealed(changed(good, 26, 1))) == "invalid_record");     // last offset delta
    CHECK(outcome(client, kafka, resealed(changed(good, 22, 0x20))) == "invalid_record");  // control
    CHECK(outcome(client, kafka, resealed(changed(good, 7, 9))) == "invalid_record");      // base offset
    CHECK(outcome(client, kafka, resealed(good + "x")) == "invalid_record");
    CHECK(outcome(client, kafka, resealed(changed(good, 61, 2))) == "invalid_record");  // the record's length
    CHECK(outcome(client, kafka, stamped(1, 0, -1)) == "invalid_record");
    CHECK(outcome(client, kafka, encoded({.attributes = 4}), 6) == "unsupported_compression_type");
    CHECK(outcome(client, kafka, good) == "none @ 1");
  });
}

TEST_CASE("both name the same errors of the request", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::string good = encoded({});
    const auto error_of = [&](const produce_request& request, std::int16_t version) {
      return name_of(client.call(request, version).responses.at(0).partitions.at(0).error_code);
    };
    CHECK(error_of(write_to(kafka.topic, good, 2), 9) == "invalid_required_acks");
    CHECK(error_of(write_to(kafka.topic, good, -1, 7), 9) == "unknown_topic_or_partition");
    CHECK(error_of(write_to("nowhere", good), 9) == "unknown_topic_or_partition");
    produce_request by_id = write_to("", good);
    by_id.topics[0].topic_id = cokafka::detail::wire::uuid::from_halves(5, 6);
    if (is_4()) CHECK(error_of(by_id, 13) == "unknown_topic_id");
  });
}

TEST_CASE("both keep to max.message.bytes before they look at the checksum", "[integration]") {
  const auto test = [](target& kafka) {
    wire_client client = kafka.leader();
    const std::string large = encoded({.values = {std::string(1000, 'x')}});
    CHECK(outcome(client, kafka, large) == "message_too_large");
    CHECK(outcome(client, kafka, changed(large, 20, 1)) == "message_too_large");
    CHECK(outcome(client, kafka, encoded({})) == "none @ 0");
  };
  on_both(test, {{"max.message.bytes", "1000"}});
}

TEST_CASE("both stamp the records of a LogAppendTime topic", "[integration]") {
  const auto test = [](target& kafka) {
    wire_client client = kafka.leader();
    const auto before = std::chrono::system_clock::now() - std::chrono::minutes(1);
    const auto answer = produce(client, kafka, encoded({}));
    CHECK(answer.log_append_time_ms >
          std::chrono::duration_cast<std::chrono::milliseconds>(before.time_since_epoch()).count());
  };
  on_both(test, {{"message.timestamp.type", "LogAppendTime"}});
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    CHECK(produce(client, kafka, encoded({})).log_append_time_ms == -1);
  });
}

TEST_CASE("both refuse records of the future only since 4.0", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const auto later = std::chrono::system_clock::now() + std::chrono::hours(2);
    simple_batch batch;
    batch.timestamp = std::chrono::duration_cast<std::chrono::milliseconds>(later.time_since_epoch()).count();
    const auto answer = produce(client, kafka, encoded(batch));
    CHECK(name_of(answer.error_code) == (is_4() ? "invalid_timestamp" : "none"));
    CHECK(answer.record_errors.size() == (is_4() ? 1U : 0U));
  });
}

TEST_CASE("both take any first sequence of an unknown producer and then go on without a gap", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    CHECK(outcome(client, kafka, stamped(id, 0, 17, 3)) == "none @ 0");
    CHECK(outcome(client, kafka, stamped(id, 0, 21)) == "out_of_order_sequence_number");
    CHECK(outcome(client, kafka, stamped(id, 0, 20)) == "none @ 3");
    CHECK(outcome(client, kafka, stamped(id, 0, 18)) == "out_of_order_sequence_number");
    CHECK(outcome(client, kafka, stamped(id, 0, 17, 2)) == "out_of_order_sequence_number");
    CHECK(outcome(client, kafka, stamped(id, 0, 17, 3)) == "none @ 0");
    CHECK(outcome(client, kafka, stamped(id + 1'000'000, 3, 5)) == "none @ 4");  // an id that was never given out
  });
}

TEST_CASE("both remember five batches", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    for (std::int32_t s = 0; s != 6; ++s) {
      CHECK(outcome(client, kafka, stamped(id, 0, s)) == "none @ " + std::to_string(s));
    }
    CHECK(outcome(client, kafka, stamped(id, 0, 0)) == "out_of_order_sequence_number");
    CHECK(outcome(client, kafka, stamped(id, 0, 1)) == "none @ 1");
    CHECK(outcome(client, kafka, stamped(id, 0, 5)) == "none @ 5");
  });
}

TEST_CASE("both answer a duplicate with its timestamp", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    CHECK(produce(client, kafka, stamped(id, 0, 0)).log_append_time_ms == -1);
    CHECK(produce(client, kafka, stamped(id, 0, 0)).log_append_time_ms == 1700000000000);
  });
}

TEST_CASE("both fence older epochs and let newer ones begin at 0 only", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    CHECK(outcome(client, kafka, stamped(id, 0, 0)) == "none @ 0");
    CHECK(outcome(client, kafka, stamped(id, 2, 1)) == "out_of_order_sequence_number");
    CHECK(outcome(client, kafka, stamped(id, 2, 0)) == "none @ 1");
    CHECK(outcome(client, kafka, stamped(id, 1, 0)) == "invalid_producer_epoch");
    CHECK(outcome(client, kafka, stamped(id, 0, 0)) == "invalid_producer_epoch");  // also a former duplicate
    CHECK(outcome(client, kafka, stamped(id, 2, 0)) == "none @ 1");
  });
}

TEST_CASE("both count sequences from 2^31-1 to 0", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    CHECK(outcome(client, kafka, stamped(id, 0, max_sequence - 1, 4)) == "none @ 0");
    CHECK(outcome(client, kafka, stamped(id, 0, 1)) == "out_of_order_sequence_number");
    CHECK(outcome(client, kafka, stamped(id, 0, 2)) == "none @ 4");
    CHECK(outcome(client, kafka, stamped(id, 0, max_sequence - 1, 4)) == "none @ 0");
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

TEST_CASE("both describe topics in the same way", "[integration]") {
  on_both([](target& kafka) {
    CHECK(name_of(kafka.describe("a b").error_code) == "invalid_topic_exception");
    CHECK(name_of(kafka.describe("a b", true).error_code) == "invalid_topic_exception");
    CHECK(name_of(kafka.describe("nowhere").error_code) == "unknown_topic_or_partition");
    const std::string made = unique_topic();
    CHECK(name_of(kafka.describe(made, true).error_code) == "unknown_topic_or_partition");
    bool there = false;
    for (int i = 0; i != 100 && !there; ++i) {
      there = kafka.describe(made, true).error_code == 0;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    CHECK(there);
    wire_client client(kafka.bootstrap);
    metadata_request by_id;
    by_id.topics->push_back({cokafka::detail::wire::uuid::from_halves(5, 6), {}});
    const auto unknown = client.call(by_id, 12).topics.at(0);
    CHECK(name_of(unknown.error_code) == "unknown_topic_id");
    CHECK_FALSE(unknown.name);
    by_id.topics->at(0).topic_id = kafka.describe(kafka.topic).topic_id;
    CHECK(client.call(by_id, 12).topics.at(0).name == kafka.topic);
  });
}

TEST_CASE("both keep offsets and epochs in the batches they give back", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    for (int i = 0; i != 3; ++i) produce(client, kafka, encoded({.values = {"a", "b"}}));
    const auto read = [&](std::int64_t offset, std::int32_t epoch = -1) {
      fetch_request request;
      request.min_bytes = 1;
      fetch_request::partition partition;
      partition.fetch_offset = offset;
      partition.current_leader_epoch = epoch;
      partition.partition_max_bytes = 1;
      request.topics.push_back({kafka.topic, {}, {partition}});
      return client.call(request, 11).responses.at(0).partitions.at(0);
    };
    const auto answer = read(3);
    CHECK(answer.high_watermark == 6);
    cokafka::detail::batch_view view;
    const auto size = cokafka::detail::batch_view::size_at_front(*answer.records.bytes);
    REQUIRE(size);
    CHECK(*size == answer.records.bytes->size());
    REQUIRE(cokafka::detail::batch_view::parse(*answer.records.bytes, view) == cokafka::detail::batch_error::none);
    CHECK(view.base_offset() == 2);
    CHECK(view.partition_leader_epoch() == 0);
    CHECK(name_of(read(7).error_code) == "offset_out_of_range");
    CHECK(name_of(read(0, 9).error_code) == "unknown_leader_epoch");
    CHECK(name_of(read(6).error_code) == "none");
  });
}

TEST_CASE("both list offsets from both ends and by time", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const auto at = [&](std::int64_t timestamp) {
      list_offsets_request request;
      list_offsets_request::partition partition;
      partition.timestamp = timestamp;
      request.topics.push_back({kafka.topic, {partition}});
      const auto answer = client.call(request, 7).topics.at(0).partitions.at(0);
      return std::pair(answer.offset, answer.timestamp);
    };
    using found = std::pair<std::int64_t, std::int64_t>;
    CHECK(at(-1) == found(0, -1));
    CHECK(at(-3) == found(-1, -1));
    for (const std::int64_t t : {1000, 3000, 2000})
      produce(client, kafka, encoded({.values = {"a", "b"}, .timestamp = t}));
    CHECK(at(-1) == found(6, -1));
    CHECK(at(-2) == found(0, -1));
    CHECK(at(-3) == found(2, 3000));
    CHECK(at(1500) == found(2, 3000));
    CHECK(at(1000) == found(0, 1000));
    CHECK(at(3001) == found(-1, -1));
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
    CHECK(error_of({unique_topic(), 1, 1, {}, {{"max.message.bytes", "x"}}}) == "invalid_config");
  });
}
