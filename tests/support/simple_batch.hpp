// SPDX-License-Identifier: BSL-1.0
// Record batches for tests, written field by field and not by the library's builder.
#ifndef COKAFKA_TESTS_SUPPORT_SIMPLE_BATCH_HPP
#define COKAFKA_TESTS_SUPPORT_SIMPLE_BATCH_HPP

#include "cokafka/detail/base/crc32c.hpp"
#include "cokafka/detail/wire/writer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cokafka_test {

struct simple_batch {
  std::vector<std::string> values = {"value"};
  std::int64_t producer_id = -1;
  std::int16_t epoch = -1;
  std::int32_t sequence = -1;
  std::int64_t timestamp = 1700000000000;
  std::int64_t base_offset = 0;
  std::int16_t attributes = 0;
  std::vector<std::string> keys = {};               // of the first records; "" and those that are missing are null
  std::vector<std::int64_t> timestamp_deltas = {};  // of the first records; those that are missing are 0
};

inline void put_int32(std::string& batch, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i != 4; ++i) batch[at + i] = static_cast<char>(value >> (24 - 8 * i) & 0xffU);
}

/// Makes length and checksum right again after a change, where there is a whole header.
inline std::string resealed(std::string batch) {
  if (batch.size() < 61) return batch;
  put_int32(batch, 8, static_cast<std::uint32_t>(batch.size() - 12));
  put_int32(batch, 17, cokafka::detail::crc32c(0, batch.data() + 21, batch.size() - 21));
  return batch;
}

inline std::string encoded(const simple_batch& from) {
  using cokafka::detail::wire::writer;
  std::string bytes;
  writer out(bytes);
  const auto count = static_cast<std::int32_t>(from.values.size());
  out.int64(from.base_offset);
  out.int32(0);
  out.int32(-1);
  out.int8(2);
  out.int32(0);
  out.int16(from.attributes);
  out.int32(count - 1);
  std::int64_t newest = 0;
  for (const std::int64_t delta : from.timestamp_deltas) newest = std::max(newest, delta);
  out.int64(from.timestamp);
  out.int64(from.timestamp + newest);
  out.int64(from.producer_id);
  out.int16(from.epoch);
  out.int32(from.sequence);
  out.int32(count);
  for (std::int32_t i = 0; i != count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const std::string& value = from.values[at];
    std::string body;
    writer record(body);
    record.int8(0);
    record.varlong(at < from.timestamp_deltas.size() ? from.timestamp_deltas[at] : 0);
    record.varint(i);
    if (at < from.keys.size() && !from.keys[at].empty()) {
      record.varint(static_cast<std::int32_t>(from.keys[at].size()));
      record.raw(from.keys[at]);
    } else {
      record.varint(-1);
    }
    record.varint(static_cast<std::int32_t>(value.size()));
    record.raw(value);
    record.varint(0);
    out.varint(static_cast<std::int32_t>(body.size()));
    out.raw(body);
  }
  return resealed(bytes);
}

// A batch of `count` records with a producer's stamp.
inline std::string stamped(std::int64_t producer_id, std::int16_t epoch, std::int32_t sequence, std::size_t count = 1) {
  simple_batch batch;
  batch.values.assign(count, "value");
  batch.producer_id = producer_id;
  batch.epoch = epoch;
  batch.sequence = sequence;
  return encoded(batch);
}

}  // namespace cokafka_test

#endif
