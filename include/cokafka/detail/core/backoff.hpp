// SPDX-License-Identifier: BSL-1.0
// Exponential backoff with jitter (KIP-580), for retries, reconnects and connection set-up timeouts.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_BACKOFF_HPP
#define COKAFKA_DETAIL_CORE_BACKOFF_HPP

#include "cokafka/detail/base/config.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Doubles from `base` to `max`, each time with a jitter of 20 % up or down; the result never exceeds `max`.
struct backoff_policy {
  std::chrono::milliseconds base{100};
  std::chrono::milliseconds max{1000};

  /// The wait before attempt number `attempts` + 1, 1 being the first that failed. `random` is any 64 random bits.
  std::chrono::microseconds delay(std::uint32_t attempts, std::uint64_t random) const noexcept {
    const double factor = static_cast<double>(std::uint64_t{1} << std::min<std::uint32_t>(attempts ? attempts - 1 : 0, 30));
    const double jitter = 0.8 + 0.4 * (static_cast<double>(random >> 11) / 9007199254740992.0);
    const double wanted = static_cast<double>(std::chrono::microseconds(base).count()) * factor * jitter;
    const double limit = static_cast<double>(std::chrono::microseconds(std::max(base, max)).count());
    return std::chrono::microseconds(static_cast<std::int64_t>(std::min(wanted, limit)));
  }
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
