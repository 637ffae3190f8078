// SPDX-License-Identifier: BSL-1.0
// Partitions that senders have news of, on their way to the strand that owns them: lock-free, one post per burst.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_WOKEN_STACK_HPP
#define COKAFKA_DETAIL_IO_WOKEN_STACK_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/partition_queue.hpp"

#include <atomic>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Many threads push, one strand takes all. A partition is in at most one stack (its wake_pending flag).
class woken_stack {
 public:
  /// True when the strand must be told; who cannot says not_told(), and whoever finds that said tells it.
  bool push(partition_queue& woken) noexcept {
    partition_queue* top = top_.load(std::memory_order_relaxed);
    do {
      woken.woken_next = top;
    } while (!top_.compare_exchange_weak(top, &woken, std::memory_order_acq_rel, std::memory_order_relaxed));
    return !told_.exchange(true, std::memory_order_acq_rel);
  }
  void not_told() noexcept {
    told_.store(false, std::memory_order_release);
    unheard_.store(true, std::memory_order_release);
  }
  bool take_unheard() noexcept {
    return unheard_.load(std::memory_order_relaxed) && unheard_.exchange(false, std::memory_order_acq_rel);
  }

  /// Calls `seen` for each, in the order of pushing; the partition may be pushed again from then on.
  template <class Function>
  void take_all(Function&& seen) {
    // First, and a read as well: who pushes from here on tells again, and what others have left to us is seen below.
    told_.exchange(false, std::memory_order_acq_rel);
    partition_queue* reversed = nullptr;
    for (partition_queue* each = top_.exchange(nullptr, std::memory_order_acq_rel); each != nullptr;) {
      partition_queue* const next = each->woken_next;
      each->woken_next = reversed;
      reversed = each;
      each = next;
    }
    while (reversed != nullptr) {
      partition_queue& each = *reversed;
      reversed = each.woken_next;
      each.wake_pending.store(false, std::memory_order_release);
      seen(each);
    }
  }

 private:
  std::atomic<partition_queue*> top_{nullptr};
  std::atomic<bool> told_{false};
  std::atomic<bool> unheard_{false};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
