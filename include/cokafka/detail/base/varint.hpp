// SPDX-License-Identifier: BSL-1.0
// Variable-length integers as Kafka's records use them: sizes, and encoding to a raw pointer for the hot path.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_VARINT_HPP
#define COKAFKA_DETAIL_BASE_VARINT_HPP

#include "cokafka/detail/base/config.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Zig-zag: small magnitudes of either sign become small unsigned numbers.
constexpr std::uint64_t zigzag(std::int64_t value) noexcept {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

/// Bytes of an unsigned base-128 integer, 1 to 10.
constexpr std::size_t unsigned_varint_size(std::uint64_t value) noexcept {
  return static_cast<std::size_t>(std::bit_width(value | 1) + 6) / 7;
}

/// Bytes of a zig-zag integer: at most 5 for what fits 32 bits, else at most 10.
constexpr std::size_t varint_size(std::int64_t value) noexcept { return unsigned_varint_size(zigzag(value)); }

/// Writes base-128, least significant group first; returns the position behind.
inline char* put_unsigned_varint(char* at, std::uint64_t value) noexcept {
  while (value >= 0x80) {
    *at++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<char>(value);
  return at;
}

inline char* put_varint(char* at, std::int64_t value) noexcept { return put_unsigned_varint(at, zigzag(value)); }

/// Big-endian store of the low `sizeof(Int)` bytes.
template <class Int>
char* put_big_endian(char* at, Int value) noexcept {
  auto rest = static_cast<std::uint64_t>(value);
  for (std::size_t i = sizeof(Int); i-- > 0; rest >>= 8) at[i] = static_cast<char>(rest & 0xff);
  return at + sizeof(Int);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
