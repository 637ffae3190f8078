// SPDX-License-Identifier: BSL-1.0
// The hash with which Kafka's Java client, and so everyone, assigns keyed records to partitions.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_MURMUR2_HPP
#define COKAFKA_DETAIL_BASE_MURMUR2_HPP

#include "cokafka/detail/base/config.hpp"

#include <cstdint>
#include <string_view>

namespace cokafka::inline COKAFKA_ABI::detail {

// MurmurHash2, 32 bits, with Kafka's seed.
COKAFKA_DECL std::int32_t murmur2(std::string_view key) noexcept;

// Clears the sign bit. (Not the absolute value: partitions depend on it.)
constexpr std::int32_t to_positive(std::int32_t number) noexcept { return number & 0x7fffffff; }

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/base/murmur2.ipp"
#endif

#endif
