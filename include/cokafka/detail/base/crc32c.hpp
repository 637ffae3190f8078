// SPDX-License-Identifier: BSL-1.0
// CRC-32C (Castagnoli), the checksum of record batches, by the processor's instructions where it has them.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_CRC32C_HPP
#define COKAFKA_DETAIL_BASE_CRC32C_HPP

#include "cokafka/detail/base/config.hpp"

#include <cstddef>
#include <cstdint>

namespace cokafka::inline COKAFKA_ABI::detail {

// Continues `crc` over `size` more bytes; the checksum of nothing is 0. The implementation is chosen once, at run time.
COKAFKA_DECL std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t size) noexcept;

// The checksum of a followed by b, from the checksums of both and the size of b, in time that grows with the logarithm
// of that size: a batch's records are summed while they are alone, its header when it is final.
COKAFKA_DECL std::uint32_t crc32c_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::size_t size_b) noexcept;

// The portable implementation, by itself so that tests can hold the others against it.
COKAFKA_DECL std::uint32_t crc32c_table(std::uint32_t crc, const void* data, std::size_t size) noexcept;

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/base/crc32c.ipp"
#endif

#endif
