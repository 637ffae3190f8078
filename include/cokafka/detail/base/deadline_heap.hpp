// SPDX-License-Identifier: BSL-1.0
// A binary heap of deadlines whose entries live inside the objects that wait: no allocation per deadline but the slot.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_DEADLINE_HEAP_HPP
#define COKAFKA_DETAIL_BASE_DEADLINE_HEAP_HPP

#include "cokafka/detail/base/config.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

using clock_time = std::chrono::steady_clock::time_point;
using clock_duration = std::chrono::steady_clock::duration;

/// One deadline. The object that holds it must outlive its stay in a heap, and is found again by `kind` and its own
/// type.
struct deadline_entry {
  static constexpr std::size_t idle = static_cast<std::size_t>(-1);

  explicit deadline_entry(int what, void* whose) noexcept : kind(what), owner(whose) {}
  deadline_entry(const deadline_entry&) = delete;
  deadline_entry& operator=(const deadline_entry&) = delete;

  bool is_set() const noexcept { return slot != idle; }

  int kind;
  void* owner;
  clock_time at{};
  std::size_t slot = idle;
};

/// Earliest deadline first. Setting, moving and clearing an entry cost O(log n). Equal times pop in an order that
/// depends only on the history of calls, never on addresses. Thread safety: distinct objects safe.
class deadline_heap {
 public:
  void set(deadline_entry& entry, clock_time at) {
    if (!entry.is_set()) {
      entries_.push_back(&entry);
      entry.at = at;
      entry.slot = entries_.size() - 1;
      sift_up(entry.slot);
      return;
    }
    const bool earlier = at < entry.at;
    entry.at = at;
    if (earlier) {
      sift_up(entry.slot);
    } else {
      sift_down(entry.slot);
    }
  }

  void clear(deadline_entry& entry) noexcept {
    if (!entry.is_set()) return;
    const std::size_t slot = std::exchange(entry.slot, deadline_entry::idle);
    deadline_entry* last = entries_.back();
    entries_.pop_back();
    if (last == &entry) return;
    place(slot, last);
    sift_up(slot);
    sift_down(last->slot);
  }

  std::optional<clock_time> earliest() const noexcept {
    if (entries_.empty()) return std::nullopt;
    return entries_.front()->at;
  }

  /// Removes and returns an entry that is due at `now`, or nullptr.
  deadline_entry* pop_due(clock_time now) noexcept {
    if (entries_.empty() || entries_.front()->at > now) return nullptr;
    deadline_entry* due = entries_.front();
    clear(*due);
    return due;
  }

  std::size_t size() const noexcept { return entries_.size(); }

 private:
  void place(std::size_t slot, deadline_entry* entry) noexcept {
    entries_[slot] = entry;
    entry->slot = slot;
  }

  void sift_up(std::size_t slot) noexcept {
    deadline_entry* moved = entries_[slot];
    while (slot > 0) {
      const std::size_t parent = (slot - 1) / 2;
      if (entries_[parent]->at <= moved->at) break;
      place(slot, entries_[parent]);
      slot = parent;
    }
    place(slot, moved);
  }

  void sift_down(std::size_t slot) noexcept {
    deadline_entry* moved = entries_[slot];
    for (;;) {
      std::size_t child = 2 * slot + 1;
      if (child >= entries_.size()) break;
      if (child + 1 < entries_.size() && entries_[child + 1]->at < entries_[child]->at) ++child;
      if (moved->at <= entries_[child]->at) break;
      place(slot, entries_[child]);
      slot = child;
    }
    place(slot, moved);
  }

  std::vector<deadline_entry*> entries_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
