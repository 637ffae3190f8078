// SPDX-License-Identifier: BSL-1.0
// What the log of an embedded partition takes, refuses and gives back.
#include "cokafka/testing/partition_log.hpp"

#include "support/catch.hpp"
#include "support/simple_batch.hpp"
#include "support/vectors.hpp"

#include <cstdint>
#include <string>

using cokafka::broker_errc;
using cokafka::testing::embedded::append_result;
using cokafka::testing::embedded::log_rules;
using cokafka::testing::embedded::partition_log;
using cokafka_test::encoded;
using cokafka_test::resealed;
using cokafka_test::simple_batch;
using cokafka_test::stamped;

namespace {

constexpr std::int64_t t = 1700000000000;

append_result append(partition_log& log, const std::string& records, const log_rules& rules = {}) {
  return log.append(records, rules, 3, t + 5);
}

broker_errc refusal(const std::string& records, const log_rules& rules = {}) {
  partition_log log;
  const append_result result = append(log, records, rules);
  CHECK(log.end_offset() == 0);
  CHECK(result.base_offset == -1);
  return result.error;
}

std::string changed(std::string batch, std::size_t at, char by) {
  batch[at] = static_cast<char>(batch[at] ^ by);
  return batch;
}

}  // namespace

TEST_CASE("appended batches get offsets and the leader's epoch and stay valid", "[testing]") {
  partition_log log;
  simple_batch batch;
  batch.values = {"a", "b"};
  CHECK(append(log, encoded(batch)).base_offset == 0);
  batch.values = {"c"};
  const append_result second = append(log, encoded(batch));
  CHECK(second.error == broker_errc::none);
  CHECK(second.base_offset == 2);
  CHECK(second.log_append_time == -1);

  const auto records = log.records();
  REQUIRE(records.size() == 3);
  CHECK(records[2].offset == 2);
  CHECK(records[2].value == "c");
  CHECK_FALSE(records[2].key);
  CHECK(records[2].timestamp == t);
  const auto batches = log.batches();
  REQUIRE(batches.size() == 2);
  CHECK(batches[1].base_offset == 2);
  CHECK(batches[1].leader_epoch == 3);
  CHECK(batches[0].record_count == 2);
}

TEST_CASE("keys, headers and stamps of batches by Kafka's own classes come back", "[testing]") {
  partition_log log;
  REQUIRE(append(log, cokafka_test::vector_named("B1")).error == broker_errc::none);
  const auto records = log.records();
  REQUIRE_FALSE(records.empty());
  CHECK(records.size() == static_cast<std::size_t>(log.end_offset()));
}

TEST_CASE("records that are not exactly one whole batch are refused", "[testing]") {
  const std::string good = encoded({});
  CHECK(refusal("") == broker_errc::invalid_record);
  CHECK(refusal(good + good) == broker_errc::invalid_record);
  CHECK(refusal(good.substr(0, good.size() - 1)) == broker_errc::invalid_record);
  CHECK(refusal(good.substr(0, 30)) == broker_errc::invalid_record);
  CHECK(refusal(changed(good, 16, 3)) == broker_errc::invalid_record);  // magic 1
}

TEST_CASE("a damaged batch is corrupt", "[testing]") {
  const std::string good = encoded({});
  CHECK(refusal(changed(good, good.size() - 1, 1)) == broker_errc::corrupt_message);
  CHECK(refusal(changed(good, 20, 1)) == broker_errc::corrupt_message);
}

TEST_CASE("a well-sealed batch that breaks a rule is an invalid record", "[testing]") {
  const std::string good = encoded({});
  CHECK(refusal(resealed(changed(good, 60, 3))) == broker_errc::invalid_record);     // count
  CHECK(refusal(resealed(changed(good, 22, 0x20))) == broker_errc::invalid_record);  // a control batch
  CHECK(refusal(resealed(changed(good, 7, 9))) == broker_errc::invalid_record);      // base offset
  CHECK(refusal(resealed(good + "x")) == broker_errc::invalid_record);               // bytes behind the record
  CHECK(refusal(stamped(1, 0, -1)) == broker_errc::invalid_record);
}

TEST_CASE("the size of a batch is checked before its checksum", "[testing]") {
  log_rules rules;
  simple_batch batch;
  batch.values = {std::string(100, 'x')};
  rules.max_message_bytes = encoded(batch).size();
  partition_log log;
  CHECK(append(log, encoded(batch), rules).error == broker_errc::none);
  --rules.max_message_bytes;
  CHECK(refusal(changed(encoded(batch), 20, 1), rules) == broker_errc::message_too_large);
}

TEST_CASE("LogAppendTime replaces every timestamp and keeps the checksum right", "[testing]") {
  partition_log log;
  log_rules rules;
  rules.log_append_time = true;
  const append_result result = append(log, encoded({}), rules);
  CHECK(result.log_append_time == t + 5);
  const auto records = log.records();
  REQUIRE(records.size() == 1);
  CHECK(records[0].timestamp == t + 5);
}

TEST_CASE("a compacted log refuses records without keys by their indexes", "[testing]") {
  log_rules rules;
  rules.compacted = true;
  partition_log log;
  simple_batch batch;
  batch.values = {"a", "b", "c"};
  batch.keys = {"", "k", ""};
  const append_result result = append(log, encoded(batch), rules);
  CHECK(result.error == broker_errc::invalid_record);
  REQUIRE(result.bad_records.size() == 2);
  CHECK(result.bad_records[0].index == 0);
  CHECK(result.bad_records[1].index == 2);
  batch.keys = {"k", "k", "k"};
  CHECK(append(log, encoded(batch), rules).base_offset == 0);
}

TEST_CASE("a record from too far in the future is refused by its index", "[testing]") {
  log_rules rules;
  rules.timestamp_after_max_ms = 1000;
  partition_log log;
  simple_batch batch;
  batch.values = {"a", "b"};
  batch.timestamp = t + 1005;
  CHECK(append(log, encoded(batch), rules).error == broker_errc::none);
  batch.timestamp = t + 1006;
  const append_result result = append(log, encoded(batch), rules);
  CHECK(result.error == broker_errc::invalid_timestamp);
  CHECK(result.bad_records.size() == 2);
}

TEST_CASE("a duplicate is a success with the first offset and appends nothing", "[testing]") {
  partition_log log;
  CHECK(append(log, stamped(9, 0, 0, 2)).base_offset == 0);
  CHECK(append(log, stamped(9, 0, 2)).base_offset == 2);
  const append_result again = append(log, stamped(9, 0, 0, 2));
  CHECK(again.error == broker_errc::none);
  CHECK(again.base_offset == 0);
  CHECK(again.duplicate);
  CHECK(log.end_offset() == 3);
  CHECK(append(log, stamped(9, 0, 5)).error == broker_errc::out_of_order_sequence_number);
  CHECK(log.records()[1].sequence == 1);
}

TEST_CASE("compressed batches are kept as they are and left out of the records", "[testing]") {
  partition_log log;
  simple_batch batch;
  batch.attributes = 4;
  CHECK(append(log, encoded(batch)).error == broker_errc::none);
  CHECK(log.records().empty());
  REQUIRE(log.batches().size() == 1);
  CHECK(log.batches()[0].codec == 4);
  CHECK(log.end_offset() == 1);
}

TEST_CASE("reads give whole batches within the limit, and the first one even beyond it", "[testing]") {
  partition_log log;
  const std::string batch = encoded({});
  for (int i = 0; i != 3; ++i) append(log, batch);
  CHECK(log.read(0, 1 << 20, true).size() == 3 * batch.size());
  CHECK(log.read(1, 1 << 20, true).size() == 2 * batch.size());
  CHECK(log.read(0, 2 * batch.size() + 1, true).size() == 2 * batch.size());
  CHECK(log.read(0, 1, true).size() == batch.size());
  CHECK(log.read(0, 1, false).empty());
  CHECK(log.read(3, 1 << 20, true).empty());
}

TEST_CASE("offsets are found by time", "[testing]") {
  partition_log log;
  CHECK(log.newest().offset == -1);
  for (const std::int64_t at : {t, t + 20, t + 10}) {
    simple_batch batch;
    batch.timestamp = at;
    append(log, encoded(batch));
  }
  CHECK(log.first_since(t).offset == 0);
  CHECK(log.first_since(t + 1).offset == 1);
  CHECK(log.first_since(t + 21).offset == -1);
  CHECK(log.newest().offset == 1);
  CHECK(log.newest().timestamp == t + 20);
}

TEST_CASE("what is beyond retention.bytes is deleted by the batch, the newest stays", "[testing]") {
  partition_log log;
  simple_batch batch;
  batch.values = {"a", "b"};
  const std::string one = encoded(batch);
  log_rules rules;
  rules.retention_bytes = 3 * one.size();
  for (int i = 0; i != 10; ++i) CHECK(append(log, one, rules).base_offset == 2 * i);
  CHECK(log.start_offset() == 14);
  CHECK(log.end_offset() == 20);
  CHECK(log.batches().size() == 3);
  CHECK(log.records().front().offset == 14);
  CHECK(log.read(17, 10 * one.size(), false).size() == 2 * one.size());
  CHECK(log.records(3).size() == 6);
  CHECK(log.records(17).size() == 3);
  CHECK(log.records(17).front().offset == 17);
  CHECK(log.records(20).empty());
  CHECK(log.records(25).empty());
  rules.retention_bytes = 0;
  append(log, one, rules);
  CHECK(log.batches().size() == 1);
}

TEST_CASE(
    "records that are deleted are gone for readers, also from the middle of a batch, and no producer is forgotten",
    "[testing]") {
  partition_log log;
  CHECK(append(log, stamped(7, 0, 0, 3)).base_offset == 0);
  CHECK(append(log, stamped(7, 0, 3, 2)).base_offset == 3);
  log.delete_before(2);
  CHECK(log.start_offset() == 2);
  CHECK(log.batches().size() == 2);
  REQUIRE(log.records().size() == 3);
  CHECK(log.records().front().offset == 2);
  CHECK(log.first_since(t).offset == 2);
  log.delete_before(3);
  CHECK(log.batches().size() == 1);
  log.delete_before(5);
  CHECK(log.records().empty());
  CHECK(log.start_offset() == 5);
  CHECK(log.end_offset() == 5);
  CHECK(append(log, stamped(7, 0, 0, 3)).base_offset == 0);  // a duplicate
  CHECK(append(log, stamped(7, 0, 6)).error == broker_errc::out_of_order_sequence_number);
  CHECK(append(log, stamped(7, 0, 5)).base_offset == 5);
}

TEST_CASE("a log that is truncated knows of its producers what the other batches tell", "[testing]") {
  partition_log log;
  for (std::int32_t s = 0; s != 7; ++s) append(log, stamped(7, 0, 2 * s, 2));
  append(log, stamped(8, 1, 0));
  log.truncate(log.end_offset());
  CHECK(append(log, stamped(8, 1, 0)).base_offset == 14);  // nothing is gone
  log.truncate(13);                                        // in the middle of the seventh batch
  CHECK(log.end_offset() == 12);
  CHECK(log.records().size() == 12);
  CHECK(append(log, stamped(7, 0, 0, 2)).error == broker_errc::out_of_order_sequence_number);  // the sixth to the last
  CHECK(append(log, stamped(7, 0, 2, 2)).base_offset == 2);
  CHECK(append(log, stamped(7, 0, 14, 2)).error == broker_errc::out_of_order_sequence_number);
  CHECK(append(log, stamped(7, 0, 12, 2)).base_offset == 12);
  CHECK(append(log, stamped(8, 0, 5)).base_offset == 14);  // unknown
  log.truncate(0);
  CHECK(log.end_offset() == 0);
  CHECK(append(log, stamped(7, 0, 99)).base_offset == 0);
}

TEST_CASE("a log that is truncated behind deleted records begins at its end", "[testing]") {
  partition_log log;
  append(log, stamped(7, 0, 0, 4));
  append(log, stamped(7, 0, 4, 4));
  log.delete_before(5);
  log.truncate(6);
  CHECK(log.start_offset() == 4);
  CHECK(log.end_offset() == 4);
  CHECK(append(log, encoded({})).base_offset == 4);
}
