// SPDX-License-Identifier: BSL-1.0
// The budget of `buffer.memory`: every chunk of every batch, and its list of deadlines, is charged here, and to the
// broker it waits for. Layer 4.
#ifndef COKAFKA_DETAIL_CORE_BUFFER_MEMORY_HPP
#define COKAFKA_DETAIL_CORE_BUFFER_MEMORY_HPP

#include "cokafka/detail/base/chunk_pool.hpp"
#include "cokafka/detail/base/config.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <new>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

/// How much of the budget waits for one broker. Owned by the broker's link; outlives the batches charged to it.
struct broker_share {
  std::atomic<std::size_t> used{0};
  std::atomic<bool> waited_for{false};  // records are parked because it is full: its batches should go
  bool was_waited_for = false;          // when the home strand looked last
};

/// Chunks against a fixed number of bytes. A broker that does not drain cannot take the whole budget from the others
/// (guarantee.md, rule 22): with more than one broker, a broker's share may grow only while it is at most three times
/// what is still free, so something always remains for a broker that answers. The first record of a broker is not
/// limited: one that takes most of the budget could never go. Thread safety: shared objects safe.
class buffer_memory {
 public:
  enum class outcome { taken, exhausted, over_share };

  explicit buffer_memory(std::size_t total) : pool_(total), total_(total), free_(static_cast<std::ptrdiff_t>(total)) {}

  /// Called, on the thread that gave memory back, when somebody said that they wait. Set before first use; does not
  /// throw.
  void on_release(std::function<void()> callback) { released_ = std::move(callback); }

  /// Chunks that grow a chain of `capacity` bytes by at least `wanted`, and `beside` bytes that the batch takes
  /// elsewhere: all or none. `share` may be null. Headers of chunks are not charged.
  outcome take(std::size_t capacity, std::size_t wanted, broker_share* share, chunk_chain& taken,
               std::size_t beside = 0) {
    const std::size_t bytes = chunk_bytes_for(capacity, wanted) + beside;
    const auto charge = static_cast<std::ptrdiff_t>(bytes);
    std::ptrdiff_t seen = free_.load(std::memory_order_seq_cst);  // after somebody_waits(), see there
    do {
      if (seen < charge) return outcome::exhausted;
      const auto left = static_cast<std::size_t>(seen - charge);
      if (share != nullptr && share_is_full(*share, bytes, left)) return outcome::over_share;
    } while (!free_.compare_exchange_weak(seen, seen - charge, std::memory_order_relaxed));
    try {
      taken = pool_.acquire(capacity, wanted);
    } catch (...) {
      free_.fetch_add(charge, std::memory_order_seq_cst);
      throw;
    }
    pool_.count_beside(static_cast<std::ptrdiff_t>(beside));
    if (share != nullptr) share->used.fetch_add(bytes, std::memory_order_relaxed);
    return outcome::taken;
  }

  /// The same without asking, for a batch that is split: it is held twice for a moment, and its pieces may need a chunk
  /// more each than it had. What is free is less than nothing then, and nobody else gets any.
  chunk_chain take_beyond(std::size_t capacity, std::size_t wanted, broker_share* share, std::size_t beside = 0) {
    chunk_chain taken = pool_.acquire(capacity, wanted);
    const std::size_t bytes = taken.capacity + beside;
    pool_.count_beside(static_cast<std::ptrdiff_t>(beside));
    free_.fetch_sub(static_cast<std::ptrdiff_t>(bytes), std::memory_order_relaxed);
    if (share != nullptr) share->used.fetch_add(bytes, std::memory_order_relaxed);
    return taken;
  }

  void give_back(chunk_chain&& chain, broker_share* share, std::size_t beside = 0) noexcept {
    const std::size_t bytes = chain.capacity + beside;
    if (bytes == 0) return;
    pool_.release(std::move(chain));
    pool_.count_beside(-static_cast<std::ptrdiff_t>(beside));
    if (share != nullptr) share->used.fetch_sub(bytes, std::memory_order_relaxed);
    free_.fetch_add(static_cast<std::ptrdiff_t>(bytes), std::memory_order_seq_cst);
    if (!somebody_waits_.load(std::memory_order_seq_cst) || !released_) return;
    released_();
  }

  /// Whoever waits says so before it looks at the budget again, so that no release is missed.
  void somebody_waits(bool waits) noexcept { somebody_waits_.store(waits, std::memory_order_seq_cst); }
  bool is_somebody_waiting() const noexcept { return somebody_waits_.load(std::memory_order_relaxed); }

  /// Limits shares: there is more than one broker.
  void limit_shares(bool limited) noexcept { limited_.store(limited, std::memory_order_relaxed); }

  std::size_t total() const noexcept { return total_; }
  /// More than total() while a batch is divided.
  std::size_t held() const noexcept {
    return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(total_) - free_.load(std::memory_order_seq_cst));
  }
  std::size_t available() const noexcept {
    return static_cast<std::size_t>(std::max<std::ptrdiff_t>(free_.load(std::memory_order_seq_cst), 0));
  }

 private:
  bool share_is_full(const broker_share& share, std::size_t bytes, std::size_t free_then) const noexcept {
    if (!limited_.load(std::memory_order_relaxed)) return false;
    const std::size_t used = share.used.load(std::memory_order_relaxed);
    return used != 0 && used + bytes > 3 * free_then;
  }

  chunk_pool pool_;
  const std::size_t total_;
  std::atomic<std::ptrdiff_t> free_;
  std::atomic<bool> limited_{false};
  std::atomic<bool> somebody_waits_{false};
  std::function<void()> released_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
