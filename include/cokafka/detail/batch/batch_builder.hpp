// SPDX-License-Identifier: BSL-1.0
// Builds one record batch v2 (KIP-98) in wire form, straight from the caller's bytes into pooled chunks.
// Layer 3.
#ifndef COKAFKA_DETAIL_BATCH_BATCH_BUILDER_HPP
#define COKAFKA_DETAIL_BATCH_BATCH_BUILDER_HPP

#include "cokafka/detail/base/chunk_pool.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/record_marks.hpp"
#include "cokafka/record.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Who wrote a batch and as which: the part of the header that makes retries safe (KIP-98). -1 without idempotence.
struct batch_stamp {
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;

  bool operator==(const batch_stamp&) const = default;
};

/// Bytes of a batch's header before the records.
inline constexpr std::size_t batch_header_size = 61;

/// The bytes a record may cost at most in a batch of its own, header included: what `max.request.size` and
/// `buffer.memory` are checked against (an estimate from above, as in Java: 61 + 21 + the fields).
std::size_t record_size_upper_bound(const record_view& record) noexcept;

/// Builder of one batch. Legal order of calls: append* (each after add_chunks where shortfall() asks for it), remove at
/// most once, seal once, then stamp any number of times; header() and chunks() are valid after stamp.
///
///   header (61 bytes, in the object)   chunks (records, back to back; a record may span chunks)
///   [lengths | crc | stamp | count] -> [ 1 KiB ] -> [ 4 KiB ] -> ... -> [ 16 KiB ]
///
/// Owned by a batch of the core, which also returns the chunks. Thread safety: distinct objects safe.
class batch_builder {
 public:
  /// Size of the record behind its length prefix, and with it.
  struct record_shape {
    std::size_t body = 0;
    std::size_t total = 0;
  };

  /// The exact shape the record has if it is appended next with this timestamp (milliseconds since the epoch).
  record_shape shape_of(const record_view& record, std::int64_t timestamp) const noexcept;

  /// How many bytes of a record of `total` bytes do not fit in the chunks at hand.
  std::size_t shortfall(std::size_t total) const noexcept {
    const std::size_t room = room_in_chain();
    return total > room ? total - room : 0;
  }
  void add_chunks(chunk_chain&& added) noexcept;

  /// Appends the record. Precondition: `shape` is shape_of(record, timestamp) and shortfall(shape.total) is 0.
  /// Returns its index in the batch.
  std::uint32_t append(const record_view& record, std::int64_t timestamp, record_shape shape) noexcept;

  /// The same for a record of another batch: `from` stands behind its deltas, `rest` bytes before its end. Its offset
  /// and timestamp deltas are written anew.
  record_shape shape_of_copy(std::size_t rest, std::int64_t timestamp) const noexcept;
  void append_copy(class chunk_reader& from, std::size_t rest, std::int64_t timestamp, record_shape shape) noexcept;

  /// Takes the marked records out, but not all of them; the others keep their order and are counted from 0 again.
  /// Linear in the bytes, once. Nothing may be appended afterwards. Returns the chunks that are empty now.
  chunk_chain remove(const record_marks& gone) noexcept;

  /// Computes the checksum of the records; nothing may be appended afterwards.
  void seal() noexcept;

  /// Writes the header with this stamp. The records are not read again: their checksum is combined with the header's.
  void stamp(const batch_stamp& by) noexcept;

  std::uint32_t count() const noexcept { return count_; }
  bool is_sealed() const noexcept { return sealed_; }
  /// Bytes on the wire, header included.
  std::size_t size() const noexcept { return batch_header_size + body_size_; }
  std::size_t chunk_capacity() const noexcept { return chain_.capacity; }
  std::int64_t base_timestamp() const noexcept { return base_timestamp_; }
  std::int64_t max_timestamp() const noexcept { return max_timestamp_; }

  std::span<const char> header() const noexcept { return header_; }
  /// The chunks with the records, in order, for a gather write.
  const chunk* chunks() const noexcept { return chain_.head; }

  /// Gives the chunks up, to be returned to the pool.
  chunk_chain release_chunks() noexcept;

 private:
  std::size_t room_in_chain() const noexcept { return chain_.capacity - body_size_; }
  void put(const char* bytes, std::size_t size) noexcept;
  void put_varint_across(std::int64_t value) noexcept;
  void append_across(const record_view& record, std::int64_t timestamp_delta, record_shape shape) noexcept;

  chunk_chain chain_;
  chunk* current_ = nullptr;  // the chunk that takes the next byte; those behind it are empty
  std::size_t body_size_ = 0;
  std::int64_t base_timestamp_ = 0;
  std::int64_t max_timestamp_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t body_crc_ = 0;
  bool sealed_ = false;
  std::array<char, batch_header_size> header_{};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/batch/batch_builder.ipp"
#include "cokafka/detail/batch/batch_thinning.ipp"
#endif

#endif
