// SPDX-License-Identifier: BSL-1.0
// Places in the bytes of a chain of chunks, to read and to write: records run across the borders of chunks.
// Layer 3.
#ifndef COKAFKA_DETAIL_BATCH_CHUNK_CURSOR_HPP
#define COKAFKA_DETAIL_BATCH_CHUNK_CURSOR_HPP

#include "cokafka/detail/base/chunk_pool.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/varint.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Reads on from the first byte of a chain. All chunks are full but the last, so that a reader may follow a writer that
/// has not set their sizes yet; whoever reads knows how many bytes there are.
class chunk_reader {
 public:
  explicit chunk_reader(const chunk* first) noexcept : at_(first) {}

  /// The next bytes that lie together, at most `limit`, and behind them. Precondition: there is a next byte.
  std::string_view part(std::size_t limit) noexcept {
    if (offset_ == at_->capacity) {
      at_ = at_->next;
      offset_ = 0;
    }
    const std::size_t size = std::min<std::size_t>(limit, at_->capacity - offset_);
    const std::string_view found(at_->data() + offset_, size);
    offset_ += size;
    return found;
  }

  void skip(std::size_t size) noexcept {
    while (size > 0) size -= part(size).size();
  }

  /// A zig-zag varint that we wrote ourselves.
  std::int64_t varint() noexcept {
    std::uint64_t raw = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(part(1).front());
      raw |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return static_cast<std::int64_t>(raw >> 1) ^ -static_cast<std::int64_t>(raw & 1);
  }

 private:
  const chunk* at_;
  std::size_t offset_ = 0;
};

/// What stands in a record before its key, and how many bytes follow.
struct record_start {
  std::size_t body = 0;
  std::int64_t timestamp_delta = 0;
  std::int64_t offset_delta = 0;
  std::size_t rest = 0;
};

inline record_start read_record_start(chunk_reader& from) noexcept {
  record_start read;
  read.body = static_cast<std::size_t>(from.varint());
  from.skip(1);  // attributes of a record are unused
  read.timestamp_delta = from.varint();
  read.offset_delta = from.varint();
  read.rest = read.body - 1 - varint_size(read.timestamp_delta) - varint_size(read.offset_delta);
  return read;
}

/// Writes over a chain from its first byte on. It may follow a reader through the same chain, never overtake it.
class chunk_writer {
 public:
  explicit chunk_writer(chunk* first) noexcept : at_(first) {}

  void put(std::string_view bytes) noexcept {
    while (!bytes.empty()) {
      if (offset_ == at_->capacity) {
        at_->size = at_->capacity;
        at_ = at_->next;
        offset_ = 0;
      }
      const std::size_t size = std::min<std::size_t>(bytes.size(), at_->capacity - offset_);
      std::memmove(at_->data() + offset_, bytes.data(), size);
      offset_ += size;
      bytes.remove_prefix(size);
    }
  }

  void put_varint(std::int64_t value) noexcept {
    char encoded[10];
    put({encoded, static_cast<std::size_t>(detail::put_varint(encoded, value) - encoded)});
  }

  /// The chunk that the last byte went into; it ends there.
  chunk* finish() noexcept {
    at_->size = static_cast<std::uint32_t>(offset_);
    return at_;
  }

 private:
  chunk* at_;
  std::size_t offset_ = 0;
};

/// Goes from record to record of a batch as batch_builder writes them.
class record_walker {
 public:
  explicit record_walker(const chunk* first) noexcept : in_(first) {}

  /// To the next record. Precondition: there is one, and the last has been left by skip() or copy().
  void next() noexcept { body_ = static_cast<std::size_t>(in_.varint()); }
  /// Its bytes, the length before it included.
  std::size_t size() const noexcept { return varint_size(static_cast<std::int64_t>(body_)) + body_; }
  void skip() noexcept { in_.skip(body_); }
  /// Appends it, the length before it included, to a string.
  template <class String>
  void copy(String& to) {
    char encoded[10];
    to.append(encoded, static_cast<std::size_t>(put_varint(encoded, static_cast<std::int64_t>(body_)) - encoded));
    for (std::size_t left = body_; left > 0;) {
      const std::string_view part = in_.part(left);
      to.append(part);
      left -= part.size();
    }
  }

 private:
  chunk_reader in_;
  std::size_t body_ = 0;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
