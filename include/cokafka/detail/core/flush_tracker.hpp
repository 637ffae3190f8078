// SPDX-License-Identifier: BSL-1.0
// Knows when everything that was accepted before a flush has been answered (guarantee.md, rule 18).
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_FLUSH_TRACKER_HPP
#define COKAFKA_DETAIL_CORE_FLUSH_TRACKER_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/waiter.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <mutex>
#include <optional>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Counts batches and parked records by generation; each flush starts a new one and waits for all older. One entry per
/// batch, not per record. Thread safety: shared objects safe.
class flush_tracker {
 public:
  using generation = std::uint64_t;

  /// A batch or a parked record begins; it must leave() exactly once.
  generation enter() {
    std::scoped_lock guard(mutex_);
    if (generations_.empty()) generations_.emplace_back();
    ++generations_.back().alive;
    return first_ + generations_.size() - 1;
  }

  /// A batch goes on as this many more: each leaves for itself.
  void multiply(generation entered, std::size_t more) {
    std::scoped_lock guard(mutex_);
    at(entered).alive += more;
  }

  /// It has been answered. Returns the flushes that this ends.
  [[nodiscard]] waiter_list leave(generation entered) {
    std::scoped_lock guard(mutex_);
    --at(entered).alive;
    return take_ended();
  }

  /// A parked record goes on as part of a batch: the batch takes over the older of both generations, the record's place
  /// is given up. Returns the batch's generation from now on.
  generation merge(generation parked, generation batch) {
    std::scoped_lock guard(mutex_);
    if (parked >= batch) {
      --at(parked).alive;
      return batch;
    }
    --at(batch).alive;
    return parked;
  }

  /// Starts a flush; empty when nothing is outstanding (the waiter is not linked then). Each flush has a generation of
  /// its own.
  std::optional<generation> begin(waiter& flushing) {
    std::scoped_lock guard(mutex_);
    const bool outstanding = std::any_of(generations_.begin(), generations_.end(), [](auto& g) { return g.alive > 0; });
    if (!outstanding || ended_) return std::nullopt;
    generations_.emplace_back();  // may find no memory
    std::prev(generations_.end(), 2)->waiting.push_back(flushing);
    flushing_.fetch_add(1, std::memory_order_relaxed);
    return first_ + generations_.size() - 2;
  }

  /// Stops waiting; false when the flush has ended already.
  bool cancel(waiter& flushing) {
    std::scoped_lock guard(mutex_);
    // Not by is_linked(): a flush that has ended is in a list that another thread is working on.
    for (auto& each : generations_) {
      auto found = std::find_if(each.waiting.begin(), each.waiting.end(), [&](waiter& w) { return &w == &flushing; });
      if (found == each.waiting.end()) continue;
      each.waiting.erase(found);
      flushing_.fetch_sub(1, std::memory_order_relaxed);
      return true;
    }
    return false;
  }

  /// The same by the flush's generation: its waiter, or null when it has ended already.
  waiter* cancel(generation begun) {
    std::scoped_lock guard(mutex_);
    if (!is_waiting_locked(begun)) return nullptr;
    waiter& gone = at(begun).waiting.front();
    at(begun).waiting.pop_front();
    flushing_.fetch_sub(1, std::memory_order_relaxed);
    return &gone;
  }
  bool is_waiting(generation begun) const {
    std::scoped_lock guard(mutex_);
    return is_waiting_locked(begun);
  }

  /// Hands out all flushes, for destruction or forced close; there is nothing to wait for any more.
  waiter_list abandon() {
    std::scoped_lock guard(mutex_);
    ended_ = true;
    waiter_list all;
    for (auto& each : generations_) all.splice(all.end(), each.waiting);
    flushing_.store(0, std::memory_order_relaxed);
    return all;
  }

  /// No record is let in any more but those that have been counted. Partitions and parking ask under their locks: who takes
  /// each of these once afterwards knows that the next flush waits for all that were let in.
  void close() noexcept { closed_.store(true, std::memory_order_release); }
  bool is_closed() const noexcept { return closed_.load(std::memory_order_acquire); }

  /// While a flush waits, no batch lingers.
  bool is_flushing() const noexcept { return flushing_.load(std::memory_order_relaxed) > 0; }

 private:
  struct counted {
    std::size_t alive = 0;
    waiter_list waiting;
  };

  bool is_waiting_locked(generation begun) const {
    return begun >= first_ && begun - first_ < generations_.size() &&
           !generations_[static_cast<std::size_t>(begun - first_)].waiting.empty();
  }

  counted& at(generation entered) { return generations_[static_cast<std::size_t>(entered - first_)]; }

  waiter_list take_ended() {
    waiter_list ended;
    while (!generations_.empty() && generations_.front().alive == 0) {
      auto& oldest = generations_.front();
      flushing_.fetch_sub(oldest.waiting.size(), std::memory_order_relaxed);
      ended.splice(ended.end(), oldest.waiting);
      generations_.pop_front();
      ++first_;
    }
    return ended;
  }

  mutable std::mutex mutex_;
  std::deque<counted> generations_;
  generation first_ = 0;
  bool ended_ = false;
  std::atomic<bool> closed_{false};
  std::atomic<std::size_t> flushing_{0};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
