// SPDX-License-Identifier: BSL-1.0
// Reads Kafka's primitive types from contiguous bytes; a failure is remembered and every later read gives zero.
// Layer 1.
#ifndef COKAFKA_DETAIL_WIRE_READER_HPP
#define COKAFKA_DETAIL_WIRE_READER_HPP

#include "cokafka/detail/base/config.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace cokafka::inline COKAFKA_ABI::detail::wire {

// A cursor over bytes that it does not own. Callers read a whole group of fields and ask ok() once: a read past the end
// or an illegal varint makes the reader fail for good, with nothing remaining, so that loops over it end.
class reader {
 public:
  constexpr explicit reader(std::string_view bytes) noexcept : bytes_(bytes) {}

  constexpr bool ok() const noexcept { return !failed_; }
  constexpr std::size_t remaining() const noexcept { return bytes_.size() - position_; }
  constexpr std::size_t position() const noexcept { return position_; }

  constexpr void fail() noexcept {
    failed_ = true;
    position_ = bytes_.size();
  }

  constexpr std::int8_t int8() noexcept { return static_cast<std::int8_t>(big_endian<std::uint8_t>()); }
  constexpr std::int16_t int16() noexcept { return static_cast<std::int16_t>(big_endian<std::uint16_t>()); }
  constexpr std::int32_t int32() noexcept { return static_cast<std::int32_t>(big_endian<std::uint32_t>()); }
  constexpr std::int64_t int64() noexcept { return static_cast<std::int64_t>(big_endian<std::uint64_t>()); }
  constexpr std::uint32_t uint32() noexcept { return big_endian<std::uint32_t>(); }

  // At most five bytes; bits beyond the 32nd are illegal.
  constexpr std::uint32_t unsigned_varint() noexcept { return varying<std::uint32_t>(); }

  constexpr std::int32_t varint() noexcept {
    const std::uint32_t raw = varying<std::uint32_t>();
    return static_cast<std::int32_t>((raw >> 1) ^ (0U - (raw & 1U)));
  }

  // At most ten bytes; bits beyond the 64th are illegal.
  constexpr std::int64_t varlong() noexcept {
    const std::uint64_t raw = varying<std::uint64_t>();
    return static_cast<std::int64_t>((raw >> 1) ^ (std::uint64_t{0} - (raw & 1U)));
  }

  // The next `size` bytes as they stand.
  constexpr std::string_view bytes(std::size_t size) noexcept {
    if (size > remaining()) {
      fail();
      return {};
    }
    const std::string_view taken = bytes_.substr(position_, size);
    position_ += size;
    return taken;
  }

 private:
  template <class Unsigned>
  constexpr Unsigned big_endian() noexcept {
    if (remaining() < sizeof(Unsigned)) {
      fail();
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i != sizeof(Unsigned); ++i) value = value << 8 | byte_at(position_ + i);
    position_ += sizeof(Unsigned);
    return static_cast<Unsigned>(value);
  }

  template <class Unsigned>
  constexpr Unsigned varying() noexcept {
    constexpr unsigned bits = sizeof(Unsigned) * 8;
    Unsigned value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
      if (remaining() == 0) break;
      const std::uint8_t byte = byte_at(position_++);
      const Unsigned payload = byte & 0x7fU;
      if (bits - shift < 7 && payload >> (bits - shift) != 0) break;
      value = static_cast<Unsigned>(value | payload << shift);
      if (byte < 0x80) return value;
    }
    fail();
    return 0;
  }

  constexpr std::uint8_t byte_at(std::size_t index) const noexcept { return static_cast<std::uint8_t>(bytes_[index]); }

  std::string_view bytes_;
  std::size_t position_ = 0;
  bool failed_ = false;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

#endif
