// SPDX-License-Identifier: BSL-1.0
// Bodies of batch_builder: the encoding of records and of the batch header.
// Layer 3.
#ifndef COKAFKA_DETAIL_BATCH_BATCH_BUILDER_IPP
#define COKAFKA_DETAIL_BATCH_BATCH_BUILDER_IPP

#include "cokafka/detail/batch/batch_builder.hpp"

#include "cokafka/detail/base/crc32c.hpp"
#include "cokafka/detail/base/varint.hpp"

#include <cassert>
#include <cstring>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace batch_encoding {

// Offsets in the header that other offsets are derived from.
inline constexpr std::size_t length_ends_at = 12;  // batchLength counts what follows it
inline constexpr std::size_t crc_covers_from = 21;

inline std::size_t nullable_size(const std::optional<bytes_view>& field) noexcept {
  if (!field) return 1;  // length -1
  return varint_size(static_cast<std::int64_t>(field->size())) + field->size();
}

inline std::size_t headers_size(std::span<const header_view> headers) noexcept {
  std::size_t size = varint_size(static_cast<std::int64_t>(headers.size()));
  for (const auto& each : headers) {
    size += varint_size(static_cast<std::int64_t>(each.key.size())) + each.key.size() + nullable_size(each.value);
  }
  return size;
}

inline char* put_bytes(char* at, const char* bytes, std::size_t size) noexcept {
  if (size != 0) std::memcpy(at, bytes, size);
  return at + size;
}

inline char* put_nullable(char* at, const std::optional<bytes_view>& field) noexcept {
  if (!field) return put_varint(at, -1);
  at = put_varint(at, static_cast<std::int64_t>(field->size()));
  return put_bytes(at, field->data(), field->size());
}

}  // namespace batch_encoding

COKAFKA_DECL std::size_t record_size_upper_bound(const record_view& record) noexcept {
  constexpr std::size_t overhead = 21;  // length, attributes, timestamp and offset deltas at their longest
  return batch_header_size + overhead + batch_encoding::nullable_size(record.key) +
         batch_encoding::nullable_size(record.value) + batch_encoding::headers_size(record.headers);
}

COKAFKA_DECL auto batch_builder::shape_of(const record_view& record, std::int64_t timestamp) const noexcept
    -> record_shape {
  const std::int64_t delta = count_ == 0 ? 0 : timestamp - base_timestamp_;
  const std::size_t body = 1 + varint_size(delta) + varint_size(count_) + batch_encoding::nullable_size(record.key) +
                           batch_encoding::nullable_size(record.value) + batch_encoding::headers_size(record.headers);
  return {body, varint_size(static_cast<std::int64_t>(body)) + body};
}

COKAFKA_DECL void batch_builder::add_chunks(chunk_chain&& added) noexcept {
  if (current_ == nullptr) current_ = added.head;
  chain_.splice(std::move(added));
}

COKAFKA_DECL std::uint32_t batch_builder::append(const record_view& record, std::int64_t timestamp,
                                                 record_shape shape) noexcept {
  assert(!sealed_ && shortfall(shape.total) == 0);
  if (count_ == 0) {
    base_timestamp_ = timestamp;
    max_timestamp_ = timestamp;
  }
  max_timestamp_ = std::max(max_timestamp_, timestamp);
  const std::int64_t delta = timestamp - base_timestamp_;
  if (current_->room() >= shape.total) {
    char* at = current_->data() + current_->size;
    at = put_varint(at, static_cast<std::int64_t>(shape.body));
    *at++ = 0;  // attributes of a record are unused
    at = put_varint(at, delta);
    at = put_varint(at, count_);
    at = batch_encoding::put_nullable(at, record.key);
    at = batch_encoding::put_nullable(at, record.value);
    at = put_varint(at, static_cast<std::int64_t>(record.headers.size()));
    for (const auto& each : record.headers) {
      at = put_varint(at, static_cast<std::int64_t>(each.key.size()));
      at = batch_encoding::put_bytes(at, each.key.data(), each.key.size());
      at = batch_encoding::put_nullable(at, each.value);
    }
    assert(at == current_->data() + current_->size + shape.total);
    current_->size += static_cast<std::uint32_t>(shape.total);
  } else {
    append_across(record, delta, shape);
  }
  body_size_ += shape.total;
  return count_++;
}

COKAFKA_DECL void batch_builder::put(const char* bytes, std::size_t size) noexcept {
  while (size > 0) {
    if (current_->room() == 0) current_ = current_->next;
    const std::size_t part = std::min(size, current_->room());
    std::memcpy(current_->data() + current_->size, bytes, part);
    current_->size += static_cast<std::uint32_t>(part);
    bytes += part;
    size -= part;
  }
}

COKAFKA_DECL void batch_builder::put_varint_across(std::int64_t value) noexcept {
  char encoded[10];
  put(encoded, static_cast<std::size_t>(put_varint(encoded, value) - encoded));
}

// The slow way for a record that does not fit in the current chunk: field by field, over as many chunks as it takes.
COKAFKA_DECL void batch_builder::append_across(const record_view& record, std::int64_t timestamp_delta,
                                               record_shape shape) noexcept {
  const auto put_nullable = [this](const std::optional<bytes_view>& field) {
    put_varint_across(field ? static_cast<std::int64_t>(field->size()) : -1);
    if (field) put(field->data(), field->size());
  };
  put_varint_across(static_cast<std::int64_t>(shape.body));
  put("\0", 1);
  put_varint_across(timestamp_delta);
  put_varint_across(count_);
  put_nullable(record.key);
  put_nullable(record.value);
  put_varint_across(static_cast<std::int64_t>(record.headers.size()));
  for (const auto& each : record.headers) {
    put_varint_across(static_cast<std::int64_t>(each.key.size()));
    put(each.key.data(), each.key.size());
    put_nullable(each.value);
  }
}

COKAFKA_DECL void batch_builder::seal() noexcept {
  assert(!sealed_ && count_ > 0);
  for (const chunk* each = chain_.head; each != nullptr && each->size > 0; each = each->next) {
    body_crc_ = crc32c(body_crc_, each->data(), each->size);
  }
  sealed_ = true;
}

COKAFKA_DECL void batch_builder::stamp(const batch_stamp& by) noexcept {
  assert(sealed_);
  using namespace batch_encoding;
  char* at = header_.data();
  at = put_big_endian<std::int64_t>(at, 0);                                                   // base offset
  at = put_big_endian<std::int32_t>(at, static_cast<std::int32_t>(size() - length_ends_at));  // batch length
  at = put_big_endian<std::int32_t>(at, -1);                                                  // partition leader epoch
  *at++ = 2;                                                                                  // magic
  char* const crc = at;
  at += 4;
  at = put_big_endian<std::int16_t>(at, 0);                                      // attributes
  at = put_big_endian<std::int32_t>(at, static_cast<std::int32_t>(count_ - 1));  // last offset delta
  at = put_big_endian<std::int64_t>(at, base_timestamp_);
  at = put_big_endian<std::int64_t>(at, max_timestamp_);
  at = put_big_endian<std::int64_t>(at, by.producer_id);
  at = put_big_endian<std::int16_t>(at, by.producer_epoch);
  at = put_big_endian<std::int32_t>(at, by.base_sequence);
  at = put_big_endian<std::int32_t>(at, static_cast<std::int32_t>(count_));
  const std::uint32_t header_crc = crc32c(0, header_.data() + crc_covers_from, batch_header_size - crc_covers_from);
  put_big_endian<std::uint32_t>(crc, crc32c_combine(header_crc, body_crc_, body_size_));
}

COKAFKA_DECL chunk_chain batch_builder::release_chunks() noexcept {
  current_ = nullptr;
  return std::exchange(chain_, chunk_chain{});
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
