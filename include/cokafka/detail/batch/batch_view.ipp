// SPDX-License-Identifier: BSL-1.0
// How a record batch and its records are checked.
// Layer 3.
#ifndef COKAFKA_DETAIL_BATCH_BATCH_VIEW_IPP
#define COKAFKA_DETAIL_BATCH_BATCH_VIEW_IPP

#include "cokafka/detail/batch/batch_view.hpp"

#include "cokafka/detail/base/crc32c.hpp"

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL std::string_view to_string(batch_error error) noexcept {
  switch (error) {
    case batch_error::none: return "none";
    case batch_error::too_short: return "too short";
    case batch_error::bad_length: return "bad length";
    case batch_error::trailing_bytes: return "trailing bytes";
    case batch_error::bad_magic: return "bad magic";
    case batch_error::bad_crc: return "bad checksum";
    case batch_error::bad_codec: return "unknown compression type";
    case batch_error::bad_record_count: return "bad record count";
    case batch_error::bad_record: return "bad record";
    case batch_error::bad_offset_delta: return "bad offset delta";
    case batch_error::compressed: return "compressed";
    case batch_error::control_batch: return "control batch from a client";
    case batch_error::missing_base_sequence: return "producer id without a base sequence";
  }
  return "unknown";
}

namespace batch_parts {

// A string with a varint length where -1 is null; any other negative length makes the reader fail.
inline std::optional<std::string_view> read_nullable(wire::reader& in) noexcept {
  const std::int32_t size = in.varint();
  if (size >= 0 && in.ok()) return in.bytes(static_cast<std::size_t>(size));
  if (size != -1) in.fail();
  return std::nullopt;
}

inline record_header_entry read_header(wire::reader& in) noexcept {
  const auto key = read_nullable(in);
  if (!key) in.fail();
  return {key.value_or(std::string_view{}), read_nullable(in)};
}

}  // namespace batch_parts

COKAFKA_DECL record_header_list::iterator::iterator(std::string_view bytes, std::uint32_t left) noexcept
    : bytes_(bytes), left_(left) {
  read();
}

COKAFKA_DECL record_header_list::iterator& record_header_list::iterator::operator++() noexcept {
  --left_;
  read();
  return *this;
}

COKAFKA_DECL void record_header_list::iterator::read() noexcept {
  if (left_ == 0) return;
  wire::reader in(bytes_);
  current_ = batch_parts::read_header(in);
  bytes_.remove_prefix(in.position());
}

COKAFKA_DECL batch_error read_record(wire::reader& in, std::int64_t base_timestamp, record_entry& record) noexcept {
  const std::int32_t size = in.varint();
  if (size < 0) in.fail();
  const std::string_view bytes = in.bytes(static_cast<std::size_t>(size));
  if (!in.ok()) return batch_error::bad_record;

  wire::reader body(bytes);
  body.int8();  // attributes: no bit has a meaning yet
  // Deltas wrap around like Java's, so that no header can cause undefined behaviour.
  record.timestamp = static_cast<std::int64_t>(static_cast<std::uint64_t>(base_timestamp) +
                                               static_cast<std::uint64_t>(body.varlong()));
  record.offset_delta = body.varint();
  record.key = batch_parts::read_nullable(body);
  record.value = batch_parts::read_nullable(body);
  const std::int32_t headers = body.varint();
  if (headers < 0) body.fail();
  const std::size_t headers_begin = body.position();
  for (std::int32_t i = 0; i < headers && body.ok(); ++i) batch_parts::read_header(body);
  if (!body.ok() || body.remaining() != 0) return batch_error::bad_record;
  record.headers = {bytes.substr(headers_begin), static_cast<std::uint32_t>(headers)};
  return batch_error::none;
}

COKAFKA_DECL std::optional<std::size_t> batch_view::size_at_front(std::string_view bytes) noexcept {
  constexpr std::size_t log_overhead = 12;  // base offset and batch length, which do not count themselves
  wire::reader in(bytes);
  in.int64();
  const std::int32_t length = in.int32();
  if (!in.ok() || length < static_cast<std::int32_t>(header_size - log_overhead)) return std::nullopt;
  return log_overhead + static_cast<std::size_t>(length);
}

COKAFKA_DECL batch_error batch_view::parse(std::string_view bytes, batch_view& view) noexcept {
  constexpr std::size_t magic_offset = 16;
  constexpr std::size_t crc_begin = 21;
  constexpr int last_codec = 4;

  if (bytes.size() > magic_offset && bytes[magic_offset] != 2) return batch_error::bad_magic;
  if (bytes.size() < header_size) return batch_error::too_short;
  const auto size = size_at_front(bytes);
  if (!size) return batch_error::bad_length;
  if (bytes.size() < *size) return batch_error::too_short;
  if (bytes.size() > *size) return batch_error::trailing_bytes;

  batch_view candidate;
  candidate.bytes_ = bytes;
  if (crc32c(0, bytes.data() + crc_begin, bytes.size() - crc_begin) != candidate.crc()) return batch_error::bad_crc;
  if (candidate.codec() > last_codec) return batch_error::bad_codec;
  if (candidate.record_count() <= 0 || candidate.record_count() - 1 != candidate.last_offset_delta()) {
    return batch_error::bad_record_count;
  }
  view = candidate;
  return batch_error::none;
}

COKAFKA_DECL batch_error batch_view::check_records() const noexcept {
  return for_each([](const record_entry&) {});
}

COKAFKA_DECL batch_error batch_view::check_from_client() const noexcept {
  if (is_control()) return batch_error::control_batch;
  if (producer_id() >= 0 && base_sequence() < 0) return batch_error::missing_base_sequence;
  return batch_error::none;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
