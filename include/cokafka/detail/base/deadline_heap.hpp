// SPDX-License-Identifier: BSL-1.0
// A binary heap of deadlines whose entries live inside the objects that wait: no allocation per deadline but the slot.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_DEADLINE_HEAP_HPP
#define COKAFKA_DETAIL_BASE_DEADLINE_HEAP_HPP

#include "cokafka/detail/base/config.hpp"

#include <algorithm>
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

/// Earliest deadline first. Setting, moving and clearing an entry cost O(log n); less for deadlines that are set in
/// their order, as those of records with equal timeouts are: they stand in a line, of which the heap is spared. Times
/// are compared where they are together: a hundred thousand entries are a hundred thousand places in memory. Equal
/// times pop in an order that depends only on the history of calls, never on addresses. Thread safety: distinct objects
/// safe.
class deadline_heap {
 public:
  /// Up to so many entries are set at one time: set() finds its memory for them from now on.
  void expect(std::size_t entries) {
    if (entries <= expected_) return;
    entries = std::max(entries, 2 * expected_);
    slots_.reserve(entries);
    line_.reserve(2 * entries + least_gaps);  // see leave_line()
    expected_ = entries;
  }

  /// May find no memory for more entries than were expected: then an entry that was set may be lost.
  void set(deadline_entry& entry, clock_time at) {
    if (entry.is_set() && entry.at == at) return;
    if (entry.is_set() && is_in_line(entry)) clear(entry);
    if (!entry.is_set()) return add(entry, at);
    const bool earlier = at < entry.at;
    entry.at = at;
    slots_[entry.slot].at = at;
    if (earlier) {
      sift_up(entry.slot);
    } else {
      sift_down(entry.slot);
    }
  }

  void clear(deadline_entry& entry) noexcept {
    if (!entry.is_set()) return;
    if (is_in_line(entry)) return leave_line(entry);
    const std::size_t at = std::exchange(entry.slot, deadline_entry::idle);
    const slot last = slots_.back();
    slots_.pop_back();
    if (last.entry == &entry) return;
    place(at, last);
    sift_up(at);
    sift_down(last.entry->slot);
  }

  std::optional<clock_time> earliest() const noexcept {
    const slot* const first = first_slot();
    if (first == nullptr) return std::nullopt;
    return first->at;
  }

  /// Removes and returns an entry that is due at `now`, or nullptr.
  deadline_entry* pop_due(clock_time now) noexcept {
    const slot* const first = first_slot();
    if (first == nullptr || first->at > now) return nullptr;
    deadline_entry* due = first->entry;
    clear(*due);
    return due;
  }

  std::size_t size() const noexcept { return slots_.size() + in_line_; }

 private:
  struct slot {
    clock_time at;
    deadline_entry* entry;
  };

  static constexpr std::size_t least_gaps = 64;
  static constexpr std::size_t line_flag = ~(deadline_entry::idle >> 1);  // in deadline_entry::slot

  static bool is_in_line(const deadline_entry& entry) noexcept { return (entry.slot & line_flag) != 0; }

  const slot* first_slot() const noexcept {
    const slot* const top = slots_.empty() ? nullptr : &slots_.front();
    if (in_line_ == 0) return top;
    const slot* const front = &line_[head_];
    return top != nullptr && top->at < front->at ? top : front;
  }

  void add(deadline_entry& entry, clock_time at) {
    const bool is_last = line_.empty() || line_.back().at <= at;
    auto& into = is_last ? line_ : slots_;
    into.push_back({at, &entry});
    entry.at = at;
    entry.slot = into.size() - 1;
    if (!is_last) return sift_up(entry.slot);
    entry.slot = line_flag | (entry.slot + number_);
    ++in_line_;
  }

  // Leaves a gap, which goes when it is at an end of the line, or when there are more gaps than entries.
  void leave_line(deadline_entry& entry) noexcept {
    line_[(std::exchange(entry.slot, deadline_entry::idle) & ~line_flag) - number_].entry = nullptr;
    --in_line_;
    while (!line_.empty() && line_.back().entry == nullptr) line_.pop_back();
    while (head_ < line_.size() && line_[head_].entry == nullptr) ++head_;
    if (line_.size() >= least_gaps && in_line_ < line_.size() / 2) close_gaps();
    if (line_.empty()) head_ = number_ = 0;
  }

  void close_gaps() noexcept {
    number_ += head_;
    line_.erase(line_.begin(), line_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
    if (in_line_ == line_.size()) return;
    std::erase_if(line_, [](const slot& each) { return each.entry == nullptr; });
    for (std::size_t i = 0; i < line_.size(); ++i) line_[i].entry->slot = line_flag | (i + number_);
  }

  void place(std::size_t at, slot moved) noexcept {
    slots_[at] = moved;
    moved.entry->slot = at;
  }

  void sift_up(std::size_t at) noexcept {
    const slot moved = slots_[at];
    while (at > 0) {
      const std::size_t parent = (at - 1) / 2;
      if (slots_[parent].at <= moved.at) break;
      place(at, slots_[parent]);
      at = parent;
    }
    place(at, moved);
  }

  void sift_down(std::size_t at) noexcept {
    const slot moved = slots_[at];
    for (;;) {
      std::size_t child = 2 * at + 1;
      if (child >= slots_.size()) break;
      if (child + 1 < slots_.size() && slots_[child + 1].at < slots_[child].at) ++child;
      if (moved.at <= slots_[child].at) break;
      place(at, slots_[child]);
      at = child;
    }
    place(at, moved);
  }

  std::vector<slot> slots_;  // the heap
  std::vector<slot> line_;   // in order; gaps have no entry
  std::size_t head_ = 0;     // the first that is no gap
  std::size_t in_line_ = 0;  // entries
  std::size_t expected_ = 0;
  std::size_t number_ = 0;  // of the first place: they are counted, and do not change when those in front go
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
