// SPDX-License-Identifier: BSL-1.0
// A seeded stream of random numbers: the same seed gives the same numbers with every compiler.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_CHANCE_HPP
#define COKAFKA_TESTING_SIMULATED_CHANCE_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/deadline_heap.hpp"
#include "cokafka/detail/core/sticky_partitioner.hpp"

#include <cstdint>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

/// Thread safety: distinct objects safe.
class chance {
 public:
  /// Streams of one seed and different purposes have nothing in common: a draw from one does not shift the others.
  chance(std::uint64_t seed, std::uint64_t purpose) noexcept : state_(seed) {
    state_ = detail::next_random(state_) ^ (purpose * 0x9e3779b97f4a7c15ULL);
  }

  std::uint64_t next() noexcept { return detail::next_random(state_); }
  /// 0 <= result < limit; 0 for a limit of 0.
  std::uint64_t below(std::uint64_t limit) noexcept { return limit < 2 ? 0 : next() % limit; }
  /// Never for 0, always for 1.
  bool one_in(std::uint32_t n) noexcept { return n != 0 && below(n) == 0; }
  /// least <= result <= most; `least` where that is the larger one.
  detail::clock_duration between(detail::clock_duration least, detail::clock_duration most) noexcept {
    if (most <= least) return least;
    return least + detail::clock_duration(below(static_cast<std::uint64_t>((most - least).count()) + 1));
  }

 private:
  std::uint64_t state_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#endif
