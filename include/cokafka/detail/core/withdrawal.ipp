// SPDX-License-Identifier: BSL-1.0
// Bodies of partition_queue: how single records end before their batch, because they are due or were withdrawn.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_WITHDRAWAL_IPP
#define COKAFKA_DETAIL_CORE_WITHDRAWAL_IPP

#include "cokafka/detail/core/partition_queue.hpp"

#include "cokafka/detail/batch/chunk_cursor.hpp"

#include <algorithm>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace withdrawing {

// The bytes of these records that were not removed. Linear; asked only of batches that lost records.
inline std::size_t bytes_of(const batch& of, const std::vector<record_range>& which) {
  record_walker at(of.records.chunks());
  std::size_t sum = 0;
  std::uint32_t i = 0;
  for (const record_range& each : which) {
    for (; i < each.end; ++i) {
      const bool removed = of.done->removed && of.done->removed->test(i);
      if (removed && of.thinned) continue;
      at.next();
      if (i >= each.first && !removed) sum += at.size();
      at.skip();
    }
  }
  return sum;
}

inline std::string text_of(const stall& by) noexcept {
  return if_memory([&] {
    return by.message.empty() ? std::string() : make_error_code(errc::timed_out).message() + ": " + by.message;
  });
}

// So that records below `end` can be marked as removed without memory.
inline void make_room_to_remove(completion& of, std::uint32_t end) {
  if (!of.removed) of.removed = std::make_unique<record_marks>();
  of.removed->make_room(end);
}

}  // namespace withdrawing

// --- withdrawing -----------------------------------------------------------------------------------------------------

// The partition's lock decides: a batch that is not pending any more has been sealed, or has ended. Marking only;
// thin() does the rest, once. Where nothing is left nobody would seal the batch: it goes at once.
COKAFKA_DECL auto partition_queue::withdraw(completion& of, record_waiter& asked, effects& out) -> withdrawal {
  batch_line emptied;
  {
    std::scoped_lock guard(lock_);
    const auto found = std::find_if(pending_.rbegin(), pending_.rend(),
                                    [&](const batch_ptr& each) { return each->done.get() == &of; });
    if (found == pending_.rend()) return {};
    batch& in = **found;
    withdrawing::make_room_to_remove(of, in.records.count());  // nothing has changed yet
    if (!of.detach(asked)) return {};
    of.removed->set(asked.ticket.index);
    in.withdrawn_from = true;
    ++in.ended;
    in.ended_bytes += asked.ticket.bytes;
    outstanding_.records -= 1;
    outstanding_.bytes -= asked.ticket.bytes;
    if (in.live() > 0) return {true, false};
    in.finished = true;
    emptied.splice(emptied.end(), pending_, std::next(found).base());
  }
  out.end_flushes(flushes_.leave(emptied.front()->generation));
  return {true, true};
}

// Just before a batch is sealed, when nobody but its taker sees it any more. Precondition: its marks are finished.
COKAFKA_DECL void partition_queue::thin(batch& of) noexcept {
  const std::size_t before = of.live_bytes();
  const record_marks& gone = *of.done->removed;
  // Nobody is left to be told when the last of a run is due.
  of.deadlines.forget(of.appended(), [&](std::uint32_t first, std::uint32_t end) {
    return gone.count_between(first, end) == end - first;
  });
  memory_.give_back(of.records.remove(gone), of.share);
  of.thinned = true;
  of.ended = 0;
  of.ended_bytes = 0;
  std::scoped_lock guard(lock_);
  outstanding_.bytes -= before - of.live_bytes();  // their offset deltas may have become shorter
}

// --- deadlines -------------------------------------------------------------------------------------------------------

COKAFKA_DECL void partition_queue::expire(clock_time now, const stall& by, effects& out) noexcept {
  expire_written(now, by, out);
  expire_unsealed(now, by, out);
}

// Rule 15: a sealed batch keeps its bytes. While others of it live, a record that is due can only be told that it may
// be written; with the last of them the batch goes, and takes its sequence numbers with it where they are on the way:
// unless one behind it needs them.
COKAFKA_DECL void partition_queue::expire_written(clock_time now, const stall& by, effects& out) noexcept {
  for_each_written([&](batch_line::iterator at, bool in_flight) {
    batch& each = **at;
    if (each.finished || each.deadline() > now) return;
    const bool whole = each.deadlines.are_all_due(now);
    const bool stays = in_flight || holds_up(each);
    error_details why;
    why.code = errc::timed_out;
    why.fate = stays || each.unknown || !whole ? fate::maybe_written : fate::not_written;
    why.cause = each.last_cause ? each.last_cause : by.cause;
    why.message = withdrawing::text_of(by);
    if (!whole) return end_due(each, now, false, std::move(why), out);
    // A batch that was never stamped has no sequence numbers (rule 9).
    if (!stays && each.stamp && settings_.idempotent) new_epoch_ = true;
    fail(each, std::move(why), now, out);
    if (!stays) retry_.erase(at);
  });
  drop_told();
}

COKAFKA_DECL void partition_queue::expire_unsealed(clock_time now, const stall& by, effects& out) noexcept {
  error_details why;
  why.code = errc::timed_out;
  why.cause = by.cause;
  why.message = withdrawing::text_of(by);
  batch_line due;
  {
    std::scoped_lock guard(lock_);
    for (auto next = pending_.begin(); next != pending_.end();) {
      const auto here = next++;
      batch& each = **here;
      if (each.deadline() > now) continue;
      const bool whole = each.deadlines.are_all_due(now);
      if (!whole) end_due(each, now, true, copied(why), out);
      // Those that are not due may have been withdrawn.
      if (whole || each.live() == 0) due.splice(due.end(), pending_, here);
    }
  }
  for (auto& each : due) {
    why.cause = each->last_cause ? each->last_cause : by.cause;
    fail(*each, copied(why), now, out);
  }
}

// So long until records that are due and cannot be told are looked at again.
constexpr clock_duration memory_pause = std::chrono::milliseconds(10);

// Under the lock where the batch is not sealed: its records are removed then. All or nothing, where there is no memory.
COKAFKA_DECL void partition_queue::end_due(batch& of, clock_time now, bool remove, error_details why,
                                           effects& out) noexcept {
  why.attempts = of.attempts;
  why.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - of.created);
  const error told = make_error(std::move(why));
  failed_count failed{0, of.done->use_count() - 1};
  std::vector<record_range> all;
  std::size_t bytes = 0;
  try {
    of.deadlines.for_each_due(now, of.appended(), of.records.size() - batch_header_size,
                              [&](std::uint32_t first, std::uint32_t end, std::size_t their_bytes) {
                                all.push_back({first, end});
                                bytes += their_bytes;
                              });
    if (of.withdrawn_from || of.thinned) bytes = withdrawing::bytes_of(of, all);
    for (const record_range& each : all) {
      const std::uint32_t gone = of.done->removed ? of.done->removed->count_between(each.first, each.end) : 0;
      failed.records += each.end - each.first - gone;
    }
    if (remove) withdrawing::make_room_to_remove(*of.done, of.appended());
    // Nobody can ask any more for records that are removed and that nobody holds a delivery of.
    if (!remove || failed.holders > 0) {
      batch_outcome outcome;
      outcome.failure = told;
      out.answer(of.done->end_some(all, std::move(outcome)));
    }
  } catch (const std::bad_alloc&) {
    short_until_ = now + memory_pause;
    return;
  }
  of.deadlines.forget_due(now);
  if (remove) {
    for (const record_range& each : all) {
      for (std::uint32_t i = each.first; i < each.end; ++i) of.done->removed->set(i);
    }
  }
  of.ended += failed.records;
  of.ended_bytes += bytes;
  out.counted.records_failed += failed.records;
  {
    std::unique_lock guard(lock_, std::defer_lock);
    if (!remove) guard.lock();
    outstanding_.records -= failed.records;
    outstanding_.bytes -= bytes;
  }
  note_unheard(of, told, all, failed, remove, out);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
