// SPDX-License-Identifier: BSL-1.0
// The classes an error code can belong to, and what an answer proves about a batch.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_ERROR_CLASS_HPP
#define COKAFKA_DETAIL_BASE_ERROR_CLASS_HPP

#include <cstdint>

#include "cokafka/detail/base/config.hpp"

namespace cokafka::inline COKAFKA_ABI::detail {

/// What to do about a code. Bits; `nothing` means that the operation fails and the producer goes on.
enum class error_class : std::uint8_t {
  nothing = 0,
  retriable = 1,  ///< the same request may succeed later
  refreshes = 2,  ///< what we know of the cluster is out of date
  abortable = 4,  ///< a transaction that met it can only be aborted
  fatal = 8       ///< not before somebody changes something
};

constexpr error_class operator|(error_class left, error_class right) noexcept {
  return static_cast<error_class>(static_cast<unsigned>(left) | static_cast<unsigned>(right));
}

constexpr bool has(error_class set, error_class wanted) noexcept {
  return (static_cast<unsigned>(set) & static_cast<unsigned>(wanted)) != 0;
}

/// What a code in the answer to a Produce request proves. Brokers answer most codes before or after the local append
/// alike, so that only a closed list is proof.
enum class append_proof : std::uint8_t {
  unknown,   ///< may have been appended
  rejected,  ///< refused before the append, whenever it is said
  only,      ///< refused before the append, but an earlier attempt may have been appended
  alone,     ///< appended by the one that says so, and may never reach the other replicas
  appended   ///< the batch is in the log
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
