// SPDX-License-Identifier: BSL-1.0
// The embedded broker answers as the real one does, frame by frame, with one expectation: which batches are taken, and
// how they are read again.
#include "cokafka/detail/batch/batch_view.hpp"
#include "support/catch.hpp"
#include "support/conformance.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace cokafka::detail::messages;
using namespace cokafka_test;

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

TEST_CASE("both keep to max.message.bytes before they look at the checksum", "[integration]") {
  const auto test = [](target& kafka) {
    wire_client client = kafka.leader();
    const std::string large = encoded({.values = {std::string(1000, 'x')}});
    CHECK(outcome(client, kafka, large) == "message_too_large");
    CHECK(outcome(client, kafka, changed(large, 20, 1)) == "message_too_large");
    CHECK(outcome(client, kafka, encoded({})) == "none @ 0");
  };
  on_both(test, {.settings = {{"max.message.bytes", "1000"}}});
}

TEST_CASE("both stamp the records of a LogAppendTime topic", "[integration]") {
  const auto test = [](target& kafka) {
    wire_client client = kafka.leader();
    const auto before = std::chrono::system_clock::now() - std::chrono::minutes(1);
    const auto answer = produce(client, kafka, encoded({}));
    CHECK(answer.log_append_time_ms >
          std::chrono::duration_cast<std::chrono::milliseconds>(before.time_since_epoch()).count());
  };
  on_both(test, {.settings = {{"message.timestamp.type", "LogAppendTime"}}});
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

TEST_CASE("both name the records without a key that a compacted topic refuses", "[integration]") {
  const auto test = [](target& kafka) {
    wire_client client = kafka.leader();
    simple_batch batch;
    batch.values = {"a", "b", "c", "d"};
    batch.keys = {"k", "", "k", ""};
    const auto answer = produce(client, kafka, encoded(batch));
    CHECK(name_of(answer.error_code) == "invalid_record");
    CHECK(answer.error_message);
    CHECK(answer.base_offset == -1);
    CHECK(answer.log_start_offset == 0);
    REQUIRE(answer.record_errors.size() == 2);
    CHECK(answer.record_errors[0].batch_index == 1);
    CHECK(answer.record_errors[0].message);
    CHECK(answer.record_errors[1].batch_index == 3);
    CHECK(produce(client, kafka, encoded(batch), 7).record_errors.empty());
    batch.keys = {"k", "k", "k", "k"};
    CHECK(outcome(client, kafka, encoded(batch)) == "none @ 0");
  };
  on_both(test, {.settings = {{"cleanup.policy", "compact"}}});
  on_both(test, {.settings = {{"cleanup.policy", "compact,delete"}}});
}

TEST_CASE("both name each record that is too far in the future, and tell that before a missing key", "[integration]") {
  const auto test = [](target& kafka) {
    wire_client client = kafka.leader();
    simple_batch batch;
    batch.values = {"a", "b", "c"};
    batch.keys = {"k", "", "k"};
    batch.timestamp = now_ms();
    batch.timestamp_deltas = {0, 0, 7'200'000};
    const auto answer = produce(client, kafka, encoded(batch));
    CHECK(name_of(answer.error_code) == (is_4() ? "invalid_timestamp" : "invalid_record"));
    std::vector<std::int32_t> named;
    for (const auto& each : answer.record_errors) named.push_back(each.batch_index);
    CHECK(named == (is_4() ? std::vector<std::int32_t>{1, 2} : std::vector<std::int32_t>{1}));
  };
  on_both(test, {.settings = {{"cleanup.policy", "compact"}}});
}

TEST_CASE("both append the good batches of a request beside the bad ones", "[integration]") {
  const auto test = [](target& kafka) {
    wire_client client = kafka.leader();
    const std::string good = encoded({});
    produce_request request = write_to(kafka.topic, good);
    const std::string bad = changed(good, 20, 1);
    request.topics[0].partitions.push_back({1, {bad}});
    request.topics[0].partitions.push_back({7, {good}});
    request.topics.push_back({"nowhere", {}, {{0, {good}}}});
    const auto answer = client.call(request, 9);
    const auto error_of = [&](const std::string& topic, std::int32_t partition) {
      for (const auto& each : answer.responses) {
        for (const auto& inside : each.partitions) {
          if (each.name == topic && inside.index == partition) return name_of(inside.error_code);
        }
      }
      return std::string("not answered");
    };
    CHECK(error_of(kafka.topic, 0) == "none");
    CHECK(error_of(kafka.topic, 1) == "corrupt_message");
    CHECK(error_of(kafka.topic, 7) == "unknown_topic_or_partition");
    CHECK(error_of("nowhere", 0) == "unknown_topic_or_partition");
    CHECK(end_offset(client, kafka) == 1);
  };
  on_both(test, {.partitions = 2, .on_one_broker = true});
}

TEST_CASE("both tell where the log begins with a success, and with a refusal that has looked into the batch",
          "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    const auto taken = produce(client, kafka, stamped(id, 0, 0));
    CHECK(taken.log_start_offset == 0);
    CHECK_FALSE(taken.error_message);
    CHECK(produce(client, kafka, stamped(id, 0, 0)).log_start_offset == 0);
    for (const std::string& batch : {stamped(id, 0, 5), stamped(id, 1, 5), changed(encoded({}), 20, 1)}) {
      const auto refused = produce(client, kafka, batch);
      CAPTURE(name_of(refused.error_code));
      CHECK(refused.base_offset == -1);
      CHECK(refused.log_append_time_ms == -1);
      CHECK(refused.log_start_offset == (name_of(refused.error_code) == "corrupt_message" ? -1 : 0));
      CHECK(refused.record_errors.empty());
    }
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
