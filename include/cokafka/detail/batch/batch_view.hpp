// SPDX-License-Identifier: BSL-1.0
// Reads one record batch v2 (KIP-98) in wire form as strictly as a broker does, without copying it.
// Layer 3.
#ifndef COKAFKA_DETAIL_BATCH_BATCH_VIEW_HPP
#define COKAFKA_DETAIL_BATCH_BATCH_VIEW_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/wire/reader.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>
#include <type_traits>

namespace cokafka::inline COKAFKA_ABI::detail {

// What is wrong with a batch; the first thing found.
enum class batch_error : std::uint8_t {
  none,
  too_short,             // fewer bytes than a header, or than the batch length says
  bad_length,            // a batch length that no batch can have
  trailing_bytes,        // bytes behind the batch, or behind its last record
  bad_magic,             // another format than 2
  bad_crc,               // the checksum does not fit the bytes
  bad_codec,             // a compression type that does not exist
  bad_record_count,      // none at all, or not lastOffsetDelta + 1
  bad_record,            // a record whose fields do not fill its length exactly, or with an illegal length
  bad_offset_delta,      // the records do not count 0, 1, 2, ...
  compressed,            // the records cannot be read before they are decompressed
  control_batch,         // only brokers write these
  missing_base_sequence  // a producer id without a sequence
};

COKAFKA_DECL std::string_view to_string(batch_error error) noexcept;

struct record_header_entry {
  std::string_view key{};
  std::optional<std::string_view> value{};

  bool operator==(const record_header_entry&) const = default;
};

// The headers of one record: a range over bytes that were checked before it was made.
class record_header_list {
 public:
  class iterator {
   public:
    using value_type = record_header_entry;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using reference = const value_type&;
    using pointer = const value_type*;

    iterator() = default;
    COKAFKA_DECL iterator(std::string_view bytes, std::uint32_t left) noexcept;

    reference operator*() const noexcept { return current_; }
    pointer operator->() const noexcept { return &current_; }
    COKAFKA_DECL iterator& operator++() noexcept;
    iterator operator++(int) noexcept {
      iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const iterator& other) const noexcept { return left_ == other.left_; }

   private:
    COKAFKA_DECL void read() noexcept;

    std::string_view bytes_{};
    std::uint32_t left_ = 0;
    record_header_entry current_{};
  };

  record_header_list() = default;
  record_header_list(std::string_view bytes, std::uint32_t count) noexcept : bytes_(bytes), count_(count) {}

  std::size_t size() const noexcept { return count_; }
  bool empty() const noexcept { return count_ == 0; }
  iterator begin() const noexcept { return {bytes_, count_}; }
  iterator end() const noexcept { return {}; }

 private:
  std::string_view bytes_{};
  std::uint32_t count_ = 0;
};

// One record of a batch; its strings are views into the batch.
struct record_entry {
  std::int32_t offset_delta = 0;
  std::int64_t timestamp = 0;
  std::optional<std::string_view> key{};
  std::optional<std::string_view> value{};
  record_header_list headers{};
};

// Reads the next record, its length included. None when it is whole and legal.
COKAFKA_DECL batch_error read_record(wire::reader& in, std::int64_t base_timestamp, record_entry& record) noexcept;

// Calls `visit(const record_entry&)` for each of `count` records in uncompressed bytes and stops at the first error; a
// visitor may return bool, where false stops, too, without an error.
template <class Visit>
batch_error for_each_record(std::string_view records, std::int32_t count, std::int64_t base_timestamp, Visit&& visit) {
  wire::reader in(records);
  for (std::int32_t i = 0; i != count; ++i) {
    record_entry record;
    if (const auto error = read_record(in, base_timestamp, record); error != batch_error::none) return error;
    if (record.offset_delta != i) return batch_error::bad_offset_delta;
    if constexpr (std::is_same_v<decltype(visit(record)), bool>) {
      if (!visit(record)) return batch_error::none;
    } else {
      visit(record);
    }
  }
  return in.remaining() == 0 ? batch_error::none : batch_error::trailing_bytes;
}

// A record batch in bytes that it does not own.
// Thread safety: distinct objects safe; shared objects safe for reading.
class batch_view {
 public:
  static constexpr std::size_t header_size = 61;

  // The size of the batch that `bytes` begin with, for walking a log of several; empty when that cannot be told.
  COKAFKA_DECL static std::optional<std::size_t> size_at_front(std::string_view bytes) noexcept;

  // Checks length, format, checksum, codec and count of the batch that `bytes` hold from the first to the last. `view`
  // is only set on success. The records are not read: for_each() and check_records() do that.
  COKAFKA_DECL static batch_error parse(std::string_view bytes, batch_view& view) noexcept;

  std::int64_t base_offset() const noexcept { return at(0).int64(); }
  std::int32_t batch_length() const noexcept { return at(8).int32(); }
  std::int32_t partition_leader_epoch() const noexcept { return at(12).int32(); }
  std::uint32_t crc() const noexcept { return at(17).uint32(); }
  std::int16_t attributes() const noexcept { return at(21).int16(); }
  std::int32_t last_offset_delta() const noexcept { return at(23).int32(); }
  std::int64_t base_timestamp() const noexcept { return at(27).int64(); }
  std::int64_t max_timestamp() const noexcept { return at(35).int64(); }
  std::int64_t producer_id() const noexcept { return at(43).int64(); }
  std::int16_t producer_epoch() const noexcept { return at(51).int16(); }
  std::int32_t base_sequence() const noexcept { return at(53).int32(); }
  std::int32_t record_count() const noexcept { return at(57).int32(); }

  // 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
  int codec() const noexcept { return attributes() & 0x07; }
  bool is_compressed() const noexcept { return codec() != 0; }
  bool has_log_append_time() const noexcept { return (attributes() & 0x08) != 0; }
  bool is_transactional() const noexcept { return (attributes() & 0x10) != 0; }
  bool is_control() const noexcept { return (attributes() & 0x20) != 0; }

  // All bytes, header included, and the bytes behind the header as they stand: one compressed blob, or the records.
  std::string_view bytes() const noexcept { return bytes_; }
  std::string_view records() const noexcept { return bytes_.substr(header_size); }

  // As for_each_record(); `compressed` where the records have to be decompressed first.
  template <class Visit>
  batch_error for_each(Visit&& visit) const {
    if (is_compressed()) return batch_error::compressed;
    return for_each_record(records(), record_count(), base_timestamp(), visit);
  }

  // Whether all records are legal.
  COKAFKA_DECL batch_error check_records() const noexcept;

  // What a broker demands of a batch from a client beyond its format.
  COKAFKA_DECL batch_error check_from_client() const noexcept;

 private:
  wire::reader at(std::size_t offset) const noexcept {
    return wire::reader(bytes_.size() < header_size ? std::string_view{} : bytes_.substr(offset));
  }

  std::string_view bytes_{};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/batch/batch_view.ipp"
#endif

#endif
