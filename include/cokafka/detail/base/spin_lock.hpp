// SPDX-License-Identifier: BSL-1.0
// A one-byte lock for critical sections of a few dozen nanoseconds; works with std::scoped_lock.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_SPIN_LOCK_HPP
#define COKAFKA_DETAIL_BASE_SPIN_LOCK_HPP

#include "cokafka/detail/base/config.hpp"

#include <atomic>
#include <thread>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Test-and-set lock. An uncontended lock and unlock is one atomic exchange and one store, about half a std::mutex.
/// Whoever finds it taken yields: holders never block, allocate in bulk or run user code.
class spin_lock {
 public:
  spin_lock() = default;
  spin_lock(const spin_lock&) = delete;
  spin_lock& operator=(const spin_lock&) = delete;

  void lock() noexcept {
    while (taken_.exchange(true, std::memory_order_acquire)) {
      for (int spins = 0; taken_.load(std::memory_order_relaxed); ++spins) {
        if (spins > 64) std::this_thread::yield();
      }
    }
  }
  bool try_lock() noexcept { return !taken_.exchange(true, std::memory_order_acquire); }
  void unlock() noexcept { taken_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> taken_{false};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
