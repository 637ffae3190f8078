// SPDX-License-Identifier: BSL-1.0
// Batches are built byte for byte as Kafka's own classes write them, and read back whatever they hold.
#include "cokafka/detail/batch/batch_builder.hpp"
#include "cokafka/detail/base/crc32c.hpp"
#include "cokafka/detail/base/record_marks.hpp"
#include "cokafka/detail/batch/batch_view.hpp"
#include "support/catch.hpp"
#include "support/vectors.hpp"

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

using namespace cokafka::detail;
using cokafka::bytes_view;
using cokafka::header_view;
using cokafka::record_view;
using cokafka_test::to_hex;
using cokafka_test::t;
using cokafka_test::vector_named;

namespace {

struct owned_header {
  std::string key;
  std::optional<std::string> value;
};

struct owned_record {
  std::int64_t timestamp = t;
  std::optional<std::string> key{};
  std::optional<std::string> value{};
  std::vector<owned_header> headers{};
};

class building {
 public:
  ~building() { pool.release(batch.release_chunks()); }

  std::uint32_t add(const record_view& record, std::int64_t timestamp) {
    const auto shape = batch.shape_of(record, timestamp);
    if (const auto wanted = batch.shortfall(shape.total))
      batch.add_chunks(pool.acquire(batch.chunk_capacity(), wanted));
    return batch.append(record, timestamp, shape);
  }
  std::uint32_t add(const owned_record& from) {
    record_view record;
    if (from.key) record.key = bytes_view(*from.key);
    if (from.value) record.value = bytes_view(*from.value);
    std::vector<header_view> headers;
    for (const auto& each : from.headers) {
      headers.push_back({each.key, {}});
      if (each.value) headers.back().value = bytes_view(*each.value);
    }
    record.headers = headers;
    return add(record, from.timestamp);
  }
  std::string bytes() const {
    std::string all(batch.header().begin(), batch.header().end());
    for (const chunk* each = batch.chunks(); each != nullptr; each = each->next) all.append(each->data(), each->size);
    return all;
  }

  chunk_pool pool;
  batch_builder batch;
};

void check_read_back(const building& built, const std::vector<owned_record>& records, const batch_stamp& stamp,
                     std::optional<std::int64_t> base = {}) {
  const std::string bytes = built.bytes();
  REQUIRE(bytes.size() == built.batch.size());
  batch_view view;
  REQUIRE(batch_view::parse(bytes, view) == batch_error::none);
  REQUIRE(view.check_from_client() == batch_error::none);
  REQUIRE(view.record_count() == static_cast<std::int32_t>(records.size()));
  CHECK(batch_stamp{view.producer_id(), view.producer_epoch(), view.base_sequence()} == stamp);
  std::size_t wrong = 0;
  std::size_t at = 0;
  std::int64_t newest = records.front().timestamp;
  REQUIRE(view.for_each([&](const record_entry& read) {
    const owned_record& wanted = records[at++];
    newest = std::max(newest, wanted.timestamp);
    std::vector<owned_header> headers;
    bool same = read.timestamp == wanted.timestamp && read.headers.size() == wanted.headers.size() &&
                read.key.has_value() == wanted.key.has_value() && read.value.has_value() == wanted.value.has_value() &&
                (!wanted.key || *read.key == *wanted.key) && (!wanted.value || *read.value == *wanted.value);
    std::size_t h = 0;
    for (const auto& each : read.headers) {
      const owned_header& expected = wanted.headers[h++];
      same = same && each.key == expected.key && each.value.has_value() == expected.value.has_value() &&
             (!expected.value || *each.value == *expected.value);
    }
    wrong += same ? 0 : 1;
  }) == batch_error::none);
  CHECK(wrong == 0);
  CHECK(view.max_timestamp() == newest);
  CHECK(view.base_timestamp() == base.value_or(records.front().timestamp));
}

}  // namespace

TEST_CASE("batches equal those of Kafka's own classes", "[batch]") {
  SECTION("one record without idempotence") {
    building made;
    made.add({t, "key", "value", {}});
    made.batch.seal();
    made.batch.stamp({});
    CHECK(to_hex(made.bytes()) == to_hex(vector_named("B1")));
  }
  SECTION("nulls, empties, headers, times out of order, idempotence") {
    building made;
    CHECK(made.add({t, std::nullopt, "a", {}}) == 0);
    CHECK(made.add({t + 5, "k", std::nullopt, {{"h1", "v1"}, {"h2", std::nullopt}, {"", ""}}}) == 1);
    CHECK(made.add({t - 3, "", "", {}}) == 2);
    made.batch.seal();
    made.batch.stamp({1234, 7, 42});
    CHECK(to_hex(made.bytes()) == to_hex(vector_named("B2")));
  }
}

TEST_CASE("a batch that is stamped again has the checksum of one that was stamped afresh", "[batch]") {
  building again;
  building fresh;
  for (int i = 0; i < 500; ++i) {
    again.add({t + i, std::to_string(i), std::string(100, 'v'), {}});
    fresh.add({t + i, std::to_string(i), std::string(100, 'v'), {}});
  }
  again.batch.seal();
  again.batch.stamp({1, 2, 3});
  again.batch.stamp({9, 0, 2147483647});
  fresh.batch.seal();
  fresh.batch.stamp({9, 0, 2147483647});
  CHECK(again.bytes() == fresh.bytes());
  batch_view view;
  CHECK(batch_view::parse(again.bytes(), view) == batch_error::none);
}

TEST_CASE("records of every size fill chunks to their last byte and span them", "[batch]") {
  for (std::size_t size = 960; size < 1030; ++size) {
    building made;
    std::vector<owned_record> records{{t, "k", std::string(size, 'a'), {}},
                                      {t, "k", std::string(5000, 'b'), {}},
                                      {t, std::nullopt, std::nullopt, {}},
                                      {t, "k", std::string(40000, 'c'), {}}};
    for (const auto& each : records) made.add(each);
    made.batch.seal();
    made.batch.stamp({});
    check_read_back(made, records, {});
  }
}

TEST_CASE("random records read back as they were, and their estimate was from above", "[batch]") {
  std::mt19937 random(20240607);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  const auto text = [&](std::size_t longest) {
    std::string made(below(longest + 1), '\0');
    for (char& c : made) c = static_cast<char>(random());
    return made;
  };
  for (int round = 0; round < 200; ++round) {
    building made;
    std::vector<owned_record> records(1 + below(60));
    for (auto& each : records) {
      each.timestamp =
          below(4) == 0 ? static_cast<std::int64_t>(below(1u << 31)) * 1000 : t + static_cast<int>(below(9)) - 4;
      if (below(3) != 0) each.key = text(20);
      if (below(5) != 0) each.value = text(below(10) == 0 ? 20000 : 200);
      for (std::size_t i = below(4); i > 0; --i) {
        each.headers.push_back({text(10), {}});
        if (below(3) != 0) each.headers.back().value = text(200);
      }
    }
    std::size_t bound = 0;
    for (const auto& each : records) {
      std::vector<header_view> headers;
      for (const auto& h : each.headers) {
        headers.push_back({h.key, {}});
        if (h.value) headers.back().value = bytes_view(*h.value);
      }
      record_view record;
      if (each.key) record.key = bytes_view(*each.key);
      if (each.value) record.value = bytes_view(*each.value);
      record.headers = headers;
      bound += record_size_upper_bound(record);
      made.add(each);
    }
    REQUIRE(made.batch.size() <= bound);
    REQUIRE(made.batch.chunk_capacity() - (made.batch.size() - batch_header_size) < 16384);
    made.batch.seal();
    const batch_stamp stamp{static_cast<std::int64_t>(below(1000)), 3, static_cast<std::int32_t>(below(1000))};
    made.batch.stamp(stamp);
    check_read_back(made, records, stamp);
  }
}

TEST_CASE("the estimate of a record's size is Java's", "[batch]") {
  record_view record;
  CHECK(record_size_upper_bound(record) == 61 + 21 + 1 + 1 + 1);
  record.key = bytes_view("key");
  record.value = bytes_view("");
  const header_view headers[] = {{"h", bytes_view("v")}};
  record.headers = headers;
  CHECK(record_size_upper_bound(record) == 61 + 21 + (1 + 3) + 1 + (1 + 1 + 1 + 1 + 1));
}

TEST_CASE("records that are taken out leave a batch like one that never had them, but for its base timestamp",
          "[batch]") {
  std::mt19937 random(20241121);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  for (int round = 0; round < 200; ++round) {
    building made;
    std::vector<owned_record> records(2 + below(400));
    record_marks gone;
    std::vector<owned_record> left;
    for (std::size_t i = 0; i != records.size(); ++i) {
      owned_record& each = records[i];
      each.timestamp = t + static_cast<int>(below(1000)) - 500;
      if (below(3) != 0) each.key = std::string(below(20), 'k');
      if (below(5) != 0)
        each.value = std::string(below(10) == 0 ? below(20000) : below(200), static_cast<char>(random()));
      if (below(4) == 0) each.headers.push_back({"h", std::string(below(30), 'x')});
      made.add(each);
      if (below(2) == 0 && (i + 1 != records.size() || !left.empty())) {
        CHECK(gone.set(static_cast<std::uint32_t>(i)));
      } else {
        left.push_back(each);
      }
    }
    const std::size_t capacity = made.batch.chunk_capacity();
    chunk_chain spare = made.batch.remove(gone);
    CHECK(made.batch.chunk_capacity() + spare.capacity == capacity);
    CHECK(made.batch.chunk_capacity() - (made.batch.size() - batch_header_size) <= 16384);
    made.pool.release(std::move(spare));
    made.batch.seal();
    made.batch.stamp({5, 1, 9});
    check_read_back(made, left, {5, 1, 9}, records.front().timestamp);
  }
}

TEST_CASE("marks know how many of them stand before a record", "[batch]") {
  record_marks marks;
  for (const std::uint32_t each : {3u, 64u, 65u, 200u}) CHECK(marks.set(each));
  CHECK_FALSE(marks.set(64));
  CHECK(marks.count() == 4);
  CHECK(marks.count_between(0, 1000) == 4);
  CHECK(marks.count_between(4, 65) == 1);
  CHECK(marks.count_between(66, 200) == 0);
  CHECK(marks.test(200));
  CHECK_FALSE(marks.test(201));
  CHECK_FALSE(marks.test(100'000));
  marks.finish();
  CHECK(marks.below(0) == 0);
  CHECK(marks.below(3) == 0);
  CHECK(marks.below(4) == 1);
  CHECK(marks.below(66) == 3);
  CHECK(marks.below(200) == 3);
  CHECK(marks.below(201) == 4);
  CHECK(marks.below(100'000) == 4);
}
