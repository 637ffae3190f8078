// SPDX-License-Identifier: BSL-1.0
// MurmurHash2 as Kafka's Utils.murmur2 computes it.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_MURMUR2_IPP
#define COKAFKA_DETAIL_BASE_MURMUR2_IPP

#include "cokafka/detail/base/murmur2.hpp"

#include <cstddef>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL std::int32_t murmur2(std::string_view key) noexcept {
  constexpr std::uint32_t seed = 0x9747b28cU;
  constexpr std::uint32_t multiplier = 0x5bd1e995U;
  const auto byte = [key](std::size_t i) { return static_cast<std::uint32_t>(static_cast<std::uint8_t>(key[i])); };

  std::uint32_t hash = seed ^ static_cast<std::uint32_t>(key.size());
  std::size_t i = 0;
  for (; key.size() - i >= 4; i += 4) {
    std::uint32_t word = byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24;
    word *= multiplier;
    word ^= word >> 24;
    word *= multiplier;
    hash = hash * multiplier ^ word;
  }
  if (i != key.size()) {
    for (std::size_t rest = key.size(); rest-- != i;) hash ^= byte(rest) << (8 * (rest - i));
    hash *= multiplier;
  }
  hash ^= hash >> 13;
  hash *= multiplier;
  hash ^= hash >> 15;
  return static_cast<std::int32_t>(hash);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
