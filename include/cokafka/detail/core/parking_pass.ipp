// SPDX-License-Identifier: BSL-1.0
// Bodies of accumulator: the pass over those who wait for memory, oldest first, past those whose broker's share is
// full. Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PARKING_PASS_IPP
#define COKAFKA_DETAIL_CORE_PARKING_PASS_IPP

#include "cokafka/detail/core/accumulator.hpp"

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL bool accumulator::place_waiting(effects& out) {
  std::vector<partition_queue*> woken;
  {
    std::scoped_lock guard(mutex_);
    try {
      place_memory_line(out);
      note_waited_shares();
    } catch (const std::bad_alloc&) {
      // The next pass goes on, when memory is given back or somebody parks; what has been placed is not held up.
    }
    memory.somebody_waits(!memory_line_.empty() || !share_lines_.empty());
    woken.swap(to_wake_);
  }
  for (partition_queue* each : woken) wake(*each);
  return is_memory_short();
}

// The oldest of all lines that may go on; `open` are the partitions whose share lines may.
COKAFKA_DECL parked_record* accumulator::next_to_place(const std::vector<partition_queue*>& open) noexcept {
  parked_record* oldest = memory_line_.empty() ? nullptr : memory_line_.front().get();
  for (const partition_queue* each : open) {
    parked_record& first = *each->line->waiting.front();
    if (oldest == nullptr || first.number < oldest->number) oldest = &first;
  }
  return oldest;
}

// A frozen broker's partitions may have thousands of records in their lines: only the first of one of them is tried,
// and those behind it are not even looked at.
COKAFKA_DECL void accumulator::place_memory_line(effects& out) {
  begin_pass();
  std::vector<partition_owner*> full;
  std::vector<partition_queue*> open;
  for (const share_line& each : share_lines_) {
    if (!each.waiting.empty()) open.push_back(each.of);  // empty where there was no memory for who came first
  }
  while (parked_record* const first = next_to_place(open)) {
    partition_queue* const behind = first->behind;
    if (first->reason == parked_for::space) {
      if (memory.available() < first->space_wanted) break;
      leave_line(*first);
      out.ended.push_back(*std::exchange(first->space_waiter, nullptr));
      take_out(*first);
      continue;
    }
    const partition_table* table = first->of->table.load(std::memory_order_acquire);
    if (table == nullptr) {  // forgotten just when it was parked
      if (behind == nullptr || first->of->is_forgotten.load(std::memory_order_seq_cst)) {
        first->of->wanted.store(true, std::memory_order_release);
        home_.attention();
      }
      if (behind == nullptr) {
        wait_on(*first, parked_for::metadata, nullptr);
        continue;
      }
    }
    const auto& wanted = first->record->view().partition;
    if (behind == nullptr && wanted && static_cast<std::size_t>(*wanted) >= table->all.size()) {
      wait_for_partition(*first);
    } else if (place_parked(*first, table, full, out)) {
      take_out(*first);
      if (behind != nullptr && behind->line == nullptr) std::erase(open, behind);
    } else if (first->reason == parked_for::memory) {
      break;
    } else {
      block(open, *first->behind, full);
    }
  }
}

// The partition's line, and those of all whose owner's share is full, do not go on in this pass; nor may anybody else
// who comes to these partitions.
COKAFKA_DECL void accumulator::block(std::vector<partition_queue*>& open, const partition_queue& blocked,
                                     const std::vector<partition_owner*>& full) noexcept {
  std::erase_if(open, [&](partition_queue* each) {
    const auto* owner = each->owner.load(std::memory_order_acquire);
    if (each != &blocked && std::find(full.begin(), full.end(), owner) == full.end()) return false;
    each->blocked_in_pass = pass_;
    return true;
  });
}

// Under the mutex. A partition may have another owner by now.
COKAFKA_DECL void accumulator::note_waited_shares() {
  const auto is_over = [this](partition_owner* owner) {
    const bool waits = std::any_of(share_lines_.begin(), share_lines_.end(), [&](const share_line& each) {
      return each.of->owner.load(std::memory_order_acquire) == owner;
    });
    if (!waits) owner->share.waited_for.store(false, std::memory_order_relaxed);
    return !waits;
  };
  std::erase_if(waited_for_, is_over);
  for (const share_line& each : share_lines_) share_line_of(*each.of);  // without memory the next pass does it
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
