// SPDX-License-Identifier: BSL-1.0
// CRC-32C three ways: SSE4.2 in three interleaved streams, the CRC extension of ARMv8, eight tables.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_CRC32C_IPP
#define COKAFKA_DETAIL_BASE_CRC32C_IPP

#include "cokafka/detail/base/crc32c.hpp"

#include <array>
#include <cstring>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define COKAFKA_CRC32C_SSE42 1
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__linux__) && !defined(__AARCH64EB__)
#define COKAFKA_CRC32C_ARMV8 1
#include <sys/auxv.h>
#endif

namespace cokafka::inline COKAFKA_ABI::detail {

// Polynomials over GF(2) modulo CRC-32C's, with reflected bits: the highest bit is the coefficient of 1.
namespace castagnoli {

inline constexpr std::uint32_t one = 0x80000000U;

constexpr std::uint32_t times_x(std::uint32_t polynomial) noexcept {
  return polynomial >> 1 ^ (0x82f63b78U & (0U - (polynomial & 1U)));
}

constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) noexcept {
  std::uint32_t product = 0;
  for (int bit = 0; bit != 32; ++bit, a <<= 1, b = times_x(b)) product ^= b & (0U - (a >> 31));  // no branch to guess
  return product;
}

// x to the power of 8 * 2^n: what 2^n bytes of zeros multiply a checksum by.
inline constexpr auto zero_bytes_powers = [] {
  std::array<std::uint32_t, 64> powers{};
  std::uint32_t power = one >> 8;
  for (std::uint32_t& entry : powers) {
    entry = power;
    power = multiply(power, power);
  }
  return powers;
}();

constexpr std::uint32_t append_zero_bytes(std::uint32_t crc, std::uint64_t count) noexcept {
  for (std::size_t n = 0; count != 0; ++n, count >>= 1) {
    if ((count & 1U) != 0) crc = multiply(zero_bytes_powers[n], crc);
  }
  return crc;
}

using tables = std::array<std::array<std::uint32_t, 256>, 8>;

// Entry [k][b]: what byte b contributes when k bytes follow it.
inline constexpr tables slices = [] {
  tables all{};
  for (std::uint32_t b = 0; b != 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit != 8; ++bit) crc = times_x(crc);
    all[0][b] = crc;
  }
  for (std::size_t k = 1; k != 8; ++k) {
    for (std::size_t b = 0; b != 256; ++b) all[k][b] = all[k - 1][b] >> 8 ^ all[0][all[k - 1][b] & 0xffU];
  }
  return all;
}();

inline std::uint32_t load_little_endian(const unsigned char* at) noexcept {
  return static_cast<std::uint32_t>(at[0]) | static_cast<std::uint32_t>(at[1]) << 8 |
         static_cast<std::uint32_t>(at[2]) << 16 | static_cast<std::uint32_t>(at[3]) << 24;
}

#if defined(COKAFKA_CRC32C_SSE42)

// Entry [k][b]: byte k of a checksum, with value b, after `Size` bytes of zeros.
template <std::size_t Size>
inline constexpr auto shifted = [] {
  std::array<std::array<std::uint32_t, 256>, 4> all{};
  for (std::size_t k = 0; k != 4; ++k) {
    for (std::uint32_t bit = 1; bit != 256; bit <<= 1) {
      const std::uint32_t moved = append_zero_bytes(bit << (8 * k), Size);
      for (std::uint32_t b = 0; b != 256; ++b) all[k][b] ^= (b & bit) != 0 ? moved : 0U;
    }
  }
  return all;
}();

template <std::size_t Size>
inline std::uint32_t shift(std::uint32_t crc) noexcept {
  return shifted<Size>[0][crc & 0xffU] ^ shifted<Size>[1][crc >> 8 & 0xffU] ^ shifted<Size>[2][crc >> 16 & 0xffU] ^
         shifted<Size>[3][crc >> 24];
}

__attribute__((target("sse4.2"))) inline std::uint64_t step(std::uint64_t crc, const unsigned char* at) noexcept {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return _mm_crc32_u64(crc, word);
}

// The instruction takes a new word each cycle but answers after three: three streams keep it busy.
template <std::size_t Size>
__attribute__((target("sse4.2"))) inline std::uint64_t three_streams(std::uint64_t crc, const unsigned char*& at,
                                                                     std::size_t& size) noexcept {
  for (; size >= 3 * Size; size -= 3 * Size, at += 3 * Size) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i != Size; i += 8) {
      crc = step(crc, at + i);
      second = step(second, at + Size + i);
      third = step(third, at + 2 * Size + i);
    }
    crc = shift<Size>(shift<Size>(static_cast<std::uint32_t>(crc)) ^ static_cast<std::uint32_t>(second)) ^ third;
  }
  return crc;
}

__attribute__((target("sse4.2"))) inline std::uint32_t hardware(std::uint32_t crc, const void* data,
                                                                std::size_t size) noexcept {
  const auto* at = static_cast<const unsigned char*>(data);
  std::uint64_t state = ~crc;
  state = three_streams<4096>(state, at, size);
  state = three_streams<256>(state, at, size);
  for (; size >= 8; size -= 8, at += 8) state = step(state, at);
  auto rest = static_cast<std::uint32_t>(state);
  for (; size != 0; --size, ++at) rest = _mm_crc32_u8(rest, *at);
  return ~rest;
}

inline bool has_hardware() noexcept {
  __builtin_cpu_init();
  return __builtin_cpu_supports("sse4.2") != 0;
}

#elif defined(COKAFKA_CRC32C_ARMV8)

#if defined(__clang__)
#define COKAFKA_CRC32C_TARGET __attribute__((target("crc")))
#define COKAFKA_CRC32C_BYTE __builtin_arm_crc32cb
#define COKAFKA_CRC32C_WORD __builtin_arm_crc32cd
#else
#define COKAFKA_CRC32C_TARGET __attribute__((target("+crc")))
#define COKAFKA_CRC32C_BYTE __builtin_aarch64_crc32cb
#define COKAFKA_CRC32C_WORD __builtin_aarch64_crc32cx
#endif

COKAFKA_CRC32C_TARGET inline std::uint32_t hardware(std::uint32_t crc, const void* data, std::size_t size) noexcept {
  const auto* at = static_cast<const unsigned char*>(data);
  crc = ~crc;
  for (; size >= 8; size -= 8, at += 8) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    crc = COKAFKA_CRC32C_WORD(crc, word);
  }
  for (; size != 0; --size, ++at) crc = COKAFKA_CRC32C_BYTE(crc, *at);
  return ~crc;
}

inline bool has_hardware() noexcept {
  constexpr unsigned long crc32_capability = 1UL << 7;  // HWCAP_CRC32
  return (getauxval(AT_HWCAP) & crc32_capability) != 0;
}

#undef COKAFKA_CRC32C_TARGET
#undef COKAFKA_CRC32C_BYTE
#undef COKAFKA_CRC32C_WORD

#endif

}  // namespace castagnoli

COKAFKA_DECL std::uint32_t crc32c_table(std::uint32_t crc, const void* data, std::size_t size) noexcept {
  const auto* at = static_cast<const unsigned char*>(data);
  crc = ~crc;
  for (; size >= 8; size -= 8, at += 8) {
    const std::uint32_t low = crc ^ castagnoli::load_little_endian(at);
    const std::uint32_t high = castagnoli::load_little_endian(at + 4);
    crc = 0;
    for (std::size_t k = 0; k != 4; ++k) {
      crc ^= castagnoli::slices[7 - k][low >> (8 * k) & 0xffU] ^ castagnoli::slices[3 - k][high >> (8 * k) & 0xffU];
    }
  }
  for (; size != 0; --size, ++at) crc = crc >> 8 ^ castagnoli::slices[0][(crc ^ *at) & 0xffU];
  return ~crc;
}

COKAFKA_DECL std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t size) noexcept {
#if defined(COKAFKA_CRC32C_SSE42) || defined(COKAFKA_CRC32C_ARMV8)
  static const auto chosen = castagnoli::has_hardware() ? &castagnoli::hardware : &crc32c_table;
  return chosen(crc, data, size);
#else
  return crc32c_table(crc, data, size);
#endif
}

COKAFKA_DECL std::uint32_t crc32c_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::size_t size_b) noexcept {
  return castagnoli::append_zero_bytes(crc_a, size_b) ^ crc_b;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#undef COKAFKA_CRC32C_SSE42
#undef COKAFKA_CRC32C_ARMV8

#endif
