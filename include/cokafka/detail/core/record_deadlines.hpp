// SPDX-License-Identifier: BSL-1.0
// When each record of a batch is due, kept as runs of records with the same deadline.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_RECORD_DEADLINES_HPP
#define COKAFKA_DETAIL_CORE_RECORD_DEADLINES_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/deadline_heap.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Records are added in their order. The first 32 runs are exact; from then on a run ends at a whole millisecond, so
/// that a million records per second cost a thousand runs. Whoever would need more memory for runs than a quarter of
/// its bytes (timeouts that alternate, tiny records) goes to another batch: takes(). Thread safety: distinct objects
/// safe.
class record_deadlines {
 public:
  static constexpr clock_time never = clock_time::max();

  /// Whether one more record may be added; `bytes` are those of the records so far.
  bool takes(clock_time at, std::size_t bytes) const noexcept {
    return is_in_last(at) || runs_.size() < 64 + bytes / 64;
  }

  /// How many bytes the list needs to take a record that is due at `at`, behind `count` others; 0 where it needs no
  /// more than it has. reserve() so many before add().
  std::size_t memory_for(std::uint32_t count, clock_time at) const noexcept {
    const bool is_full = count != 0 && !is_in_last(at) && runs_.size() == runs_.capacity();
    return is_full ? next_capacity() * sizeof(run) : 0;
  }
  void reserve(std::size_t bytes) { runs_.reserve(bytes / sizeof(run)); }

  /// The record is due at `at`, and begins `offset` bytes into the batch's records. True when the earliest deadline
  /// moves.
  bool add(std::uint32_t index, std::size_t offset, clock_time at) {
    if (is_in_last(at)) return false;
    return begin_run(index, offset, at);
  }

  /// When one record is due; never where its run has been taken.
  clock_time of(std::uint32_t index) const noexcept {
    const auto behind = std::upper_bound(runs_.begin(), runs_.end(), index,
                                         [](std::uint32_t at, const run& each) { return at < each.first; });
    return behind == runs_.begin() ? first_.at : std::prev(behind)->at;
  }

  /// The earliest deadline of a run that has not been taken; never when there is none.
  clock_time earliest() const noexcept { return earliest_; }

  /// Every run that has not been taken is due.
  bool are_all_due(clock_time now) const noexcept { return latest_ <= now; }

  /// Takes the runs of records for which `is_gone(first, end)` is true, due or not.
  template <class Predicate>
  void forget(std::uint32_t count, Predicate is_gone) {
    earliest_ = never;
    latest_ = clock_time::min();
    const std::uint32_t all = run_count();
    for (std::uint32_t i = 0; i < all; ++i) {
      if (is_gone(at(i).first, i + 1 < all ? at(i + 1).first : count)) at(i).at = never;
      earliest_ = std::min(earliest_, at(i).at);
      if (at(i).at != never) latest_ = std::max(latest_, at(i).at);
    }
    last_ = at(all - 1).at;
    blocks_.clear();
  }

  /// Takes what is due and calls visit(first, end, bytes) for each stretch of records in their order. `count` and
  /// `bytes` are those of all records that were added.
  template <class Visit>
  void take_due(clock_time now, std::uint32_t count, std::size_t bytes, Visit visit) {
    for_each_due(now, count, bytes, visit);
    forget_due(now);
  }

  /// The first half of that, which may find no memory.
  template <class Visit>
  void for_each_due(clock_time now, std::uint32_t count, std::size_t bytes, Visit visit) {
    if (blocks_.empty()) note_blocks();
    const std::uint32_t all = run_count();
    std::uint32_t began = all;  // of the stretch that is being made
    const auto end_stretch = [&](std::uint32_t i) {
      if (began == all) return;
      const run end = i < all ? at(i) : run{never, count, static_cast<std::uint32_t>(bytes)};
      visit(at(began).first, end.first, std::size_t{end.offset} - at(began).offset);
      began = all;
    };
    for (std::uint32_t block = 0; block < blocks_.size(); ++block) {
      const std::uint32_t first = block * block_size;
      if (blocks_[block] > now) {
        end_stretch(first);
        continue;
      }
      for (std::uint32_t i = first; i < std::min(all, first + block_size); ++i) {
        const bool due = at(i).at <= now;
        if (!due) end_stretch(i);
        if (due && began == all) began = i;
      }
    }
    end_stretch(all);
  }

  /// And the second. Precondition: for_each_due() for the same time.
  void forget_due(clock_time now) noexcept {
    earliest_ = never;
    const std::uint32_t all = run_count();
    for (std::uint32_t block = 0; block < blocks_.size(); ++block) {
      if (blocks_[block] <= now) {
        const std::uint32_t first = block * block_size;
        blocks_[block] = never;
        for (std::uint32_t i = first; i < std::min(all, first + block_size); ++i) {
          if (at(i).at <= now) at(i).at = never;
          blocks_[block] = std::min(blocks_[block], at(i).at);
        }
      }
      earliest_ = std::min(earliest_, blocks_[block]);
    }
    last_ = at(all - 1).at;
  }

 private:
  struct run {
    clock_time at = never;
    std::uint32_t first = 0;
    std::uint32_t offset = 0;
  };

  static constexpr std::size_t exact_runs = 32;
  static constexpr std::uint32_t block_size = 64;
  static constexpr std::uint64_t millisecond = 1'000'000;
  static_assert(clock_duration(std::chrono::milliseconds(1)).count() == millisecond);

  // Not one allocation after the other in every batch.
  std::size_t next_capacity() const noexcept { return std::max(exact_runs / 2, 2 * runs_.capacity()); }

  run& at(std::uint32_t i) noexcept { return i == 0 ? first_ : runs_[i - 1]; }
  std::uint32_t run_count() const noexcept { return static_cast<std::uint32_t>(runs_.size() + 1); }

  void note_blocks() {
    blocks_.assign(run_count() / block_size + 1, never);
    for (std::uint32_t i = 0; i < run_count(); ++i)
      blocks_[i / block_size] = std::min(blocks_[i / block_size], at(i).at);
  }

  // The usual record: as late as the one before, or up to a millisecond earlier where runs are rounded.
  bool is_in_last(clock_time at) const noexcept {
    return static_cast<std::uint64_t>(last_.time_since_epoch().count()) -
               static_cast<std::uint64_t>(at.time_since_epoch().count()) <
           width_;
  }

  bool begin_run(std::uint32_t index, std::size_t offset, clock_time at) {
    if (runs_.size() >= exact_runs && at != never) {
      at = std::chrono::ceil<std::chrono::milliseconds>(at);
      width_ = millisecond;
    }
    const run made{at, index, static_cast<std::uint32_t>(offset)};
    if (index == 0) {
      first_ = made;
    } else {
      runs_.push_back(made);
    }
    last_ = at;
    if (at != never) latest_ = std::max(latest_, at);
    if (!blocks_.empty()) blocks_.clear();
    const bool earlier = at < earliest_;
    if (earlier) earliest_ = at;
    return earlier;
  }

  clock_time last_ = never;  // of the last run
  std::uint64_t width_ = 1;
  clock_time earliest_ = never;
  clock_time latest_ = clock_time::min();
  run first_{};
  std::vector<run> runs_;           // those behind the first: a batch of one record allocates nothing
  std::vector<clock_time> blocks_;  // the earliest of 64 runs each, once something was due: not all are to be looked at
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
