// SPDX-License-Identifier: BSL-1.0
// Record batches written by Kafka's own classes are read as documented; every broken one is refused for its reason.
#include "cokafka/detail/batch/batch_view.hpp"
#include "cokafka/detail/base/crc32c.hpp"
#include "support/catch.hpp"
#include "support/simple_batch.hpp"
#include "support/vectors.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace cokafka::detail;
using cokafka_test::from_hex;
using cokafka_test::put_int32;
using cokafka_test::resealed;
using cokafka_test::t;
using cokafka_test::vector_named;

namespace {

batch_view view_of(std::string_view bytes) {
  batch_view view;
  REQUIRE(batch_view::parse(bytes, view) == batch_error::none);
  return view;
}

std::vector<record_entry> records_of(const batch_view& view) {
  std::vector<record_entry> records;
  REQUIRE(view.for_each([&](const record_entry& record) { records.push_back(record); }) == batch_error::none);
  return records;
}

std::string with(std::string batch, std::size_t at, const std::string& hex) {
  const std::string bytes = from_hex(hex);
  return batch.replace(at, bytes.size(), bytes);
}

batch_error parse_error(const std::string& bytes) {
  batch_view view;
  return batch_view::parse(bytes, view);
}

// What reading all records of a batch with these record bytes gives.
batch_error record_error(const std::string& records_hex, std::int32_t count = 1) {
  std::string batch = vector_named("B1").substr(0, 61) + from_hex(records_hex);
  put_int32(batch, 23, static_cast<std::uint32_t>(count - 1));
  put_int32(batch, 57, static_cast<std::uint32_t>(count));
  batch = resealed(batch);
  return view_of(batch).check_records();
}

}  // namespace

TEST_CASE("a batch with one record is read", "[batch]") {
  const batch_view view = view_of(vector_named("B1"));
  CHECK(view.base_offset() == 0);
  CHECK(view.batch_length() == 0x40);
  CHECK(view.partition_leader_epoch() == -1);
  CHECK(view.crc() == 0xdb5e9cddU);
  CHECK(view.attributes() == 0);
  CHECK(view.base_timestamp() == t);
  CHECK(view.max_timestamp() == t);
  CHECK(view.producer_id() == -1);
  CHECK(view.producer_epoch() == -1);
  CHECK(view.base_sequence() == -1);
  CHECK(view.record_count() == 1);
  CHECK_FALSE(view.is_transactional());
  CHECK_FALSE(view.is_control());
  CHECK_FALSE(view.has_log_append_time());
  CHECK(view.check_from_client() == batch_error::none);
  const auto records = records_of(view);
  REQUIRE(records.size() == 1);
  CHECK(records[0].timestamp == t);
  CHECK(records[0].key == "key");
  CHECK(records[0].value == "value");
  CHECK(records[0].headers.empty());
}

TEST_CASE("nulls, empty strings, headers and timestamps that go back are read", "[batch]") {
  const batch_view view = view_of(vector_named("B2"));
  CHECK(view.producer_id() == 1234);
  CHECK(view.producer_epoch() == 7);
  CHECK(view.base_sequence() == 42);
  CHECK(view.base_timestamp() == t);
  CHECK(view.max_timestamp() == t + 5);
  const auto records = records_of(view);
  REQUIRE(records.size() == 3);
  CHECK(records[0].offset_delta == 0);
  CHECK(records[0].key == std::nullopt);
  CHECK(records[0].value == "a");
  CHECK(records[1].timestamp == t + 5);
  CHECK(records[1].key == "k");
  CHECK(records[1].value == std::nullopt);
  REQUIRE(records[1].headers.size() == 3);
  const std::vector<record_header_entry> headers(records[1].headers.begin(), records[1].headers.end());
  CHECK(headers == std::vector<record_header_entry>{{"h1", "v1"}, {"h2", std::nullopt}, {"", ""}});
  CHECK(records[2].offset_delta == 2);
  CHECK(records[2].timestamp == t - 3);
  CHECK(records[2].key == "");
  CHECK(records[2].value == "");
}

TEST_CASE("a transactional batch at the last sequence is read", "[batch]") {
  const batch_view view = view_of(vector_named("B3txn"));
  CHECK(view.is_transactional());
  CHECK_FALSE(view.is_control());
  CHECK(view.base_sequence() == 2147483647);
  const auto records = records_of(view);
  REQUIRE(records.size() == 2);
  CHECK(records[0].value == "v0");
  CHECK(records[1].value == "v1");
  CHECK(records[1].key == "k");
  CHECK(records[1].timestamp == t + 1);
}

TEST_CASE("headers of compressed batches are read and their records are not", "[batch]") {
  int codec = 3;
  for (const std::string name : {"B4lz4", "B5gzip", "B6snappy"}) {
    INFO(name);
    const batch_view view = view_of(vector_named(name));
    CHECK(view.codec() == codec);
    codec = codec == 3 ? 1 : 2;
    CHECK(view.is_compressed());
    CHECK(view.record_count() == 2);
    CHECK(view.base_timestamp() == t);
    CHECK(view.check_records() == batch_error::compressed);
    CHECK(view.records().size() == vector_named(name).size() - 61);
  }
}

TEST_CASE("a batch cut short or with bytes behind it is refused", "[batch]") {
  const std::string& whole = vector_named("B2");
  for (std::size_t size = 0; size != whole.size(); ++size) {
    const std::unique_ptr<char[]> exact(new char[size]);
    whole.copy(exact.get(), size);
    batch_view view;
    REQUIRE(batch_view::parse({exact.get(), size}, view) == batch_error::too_short);
  }
  CHECK(parse_error(whole + '\0') == batch_error::trailing_bytes);
  CHECK(batch_view::size_at_front(whole + "more") == whole.size());
  CHECK(batch_view::size_at_front(std::string_view(whole).substr(0, 11)) == std::nullopt);
}

TEST_CASE("a flipped bit under the checksum is found", "[batch]") {
  const std::string& whole = vector_named("B1");
  for (std::size_t at = 17; at != whole.size(); ++at) {
    std::string broken = whole;
    broken[at] = static_cast<char>(broken[at] ^ 0x10);
    CHECK(parse_error(broken) == batch_error::bad_crc);
  }
}

TEST_CASE("a header that no producer writes is refused", "[batch]") {
  const std::string& good = vector_named("B1");
  CHECK(parse_error(with(good, 16, "01")) == batch_error::bad_magic);
  CHECK(parse_error(with(good, 8, "00000030")) == batch_error::bad_length);
  CHECK(parse_error(with(good, 8, "ffffffff")) == batch_error::bad_length);
  CHECK(parse_error(with(good, 8, "7fffffff")) == batch_error::too_short);
  CHECK(parse_error(resealed(with(good, 21, "0005"))) == batch_error::bad_codec);
  CHECK(parse_error(resealed(with(good, 23, "00000001"))) == batch_error::bad_record_count);
  CHECK(parse_error(resealed(with(good, 57, "00000000"))) == batch_error::bad_record_count);
  CHECK(parse_error(resealed(with(with(good, 57, "00000000"), 23, "ffffffff"))) == batch_error::bad_record_count);
  CHECK(parse_error(resealed(with(with(good, 57, "80000000"), 23, "7fffffff"))) == batch_error::bad_record_count);
}

TEST_CASE("what only brokers may write, and a producer id without a sequence, is refused from a client", "[batch]") {
  const std::string control = resealed(with(vector_named("B3txn"), 21, "0030"));
  CHECK(view_of(control).is_control());
  CHECK(view_of(control).check_from_client() == batch_error::control_batch);
  const std::string unsequenced = resealed(with(vector_named("B2"), 53, "ffffffff"));
  CHECK(view_of(unsequenced).check_from_client() == batch_error::missing_base_sequence);
}

TEST_CASE("records are checked to their last byte", "[batch]") {
  CHECK(record_error("0c000000010261") == batch_error::bad_record);  // header count missing
  CHECK(record_error("0e000000010261"
                     "00") == batch_error::none);  // null key, "a"
  CHECK(record_error("0e000000010261"
                     "00"
                     "00") == batch_error::trailing_bytes);
  CHECK(record_error("10000000010261"
                     "0000") == batch_error::bad_record);  // a byte behind the headers
  CHECK(record_error("0e000000030261"
                     "00") == batch_error::bad_record);  // key length -2
  CHECK(record_error("0e000000010461"
                     "00") == batch_error::bad_record);  // value longer than the record
  CHECK(record_error("0e000000010261"
                     "01") == batch_error::bad_record);  // header count -1
  CHECK(record_error("0e000000010261"
                     "02") == batch_error::bad_record);  // header that is not there
  CHECK(record_error("120000000102610201"
                     "00") == batch_error::bad_record);  // header key null
  CHECK(record_error("120000000102610200"
                     "01") == batch_error::none);                  // empty header key, null value
  CHECK(record_error("01") == batch_error::bad_record);            // record length -1
  CHECK(record_error("808080808000") == batch_error::bad_record);  // six-byte length
  CHECK(record_error("fe") == batch_error::bad_record);
  CHECK(record_error("0e000002010261"
                     "00") == batch_error::bad_offset_delta);
  CHECK(record_error("0e000000010261"
                     "00"
                     "0e000000010261"
                     "00",
                     2) == batch_error::bad_offset_delta);
  CHECK(record_error("0e000000010261"
                     "00"
                     "0e000002010261"
                     "00",
                     2) == batch_error::none);
  CHECK(record_error("0e000000010261"
                     "00",
                     2) == batch_error::bad_record);
  CHECK(record_error("0e000000010261"
                     "00"
                     "0e000002010261"
                     "00",
                     1) == batch_error::trailing_bytes);
}

TEST_CASE("a visitor that returns false ends the walk", "[batch]") {
  int seen = 0;
  const auto stop = [&](const record_entry&) { return ++seen < 2; };
  CHECK(view_of(vector_named("B2")).for_each(stop) == batch_error::none);
  CHECK(seen == 2);
}
