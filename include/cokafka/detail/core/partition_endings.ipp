// SPDX-License-Identifier: BSL-1.0
// Bodies of partition_queue: another leader, and how batches end. None of them needs memory.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PARTITION_ENDINGS_IPP
#define COKAFKA_DETAIL_CORE_PARTITION_ENDINGS_IPP

#include "cokafka/detail/core/partition_queue.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <mutex>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

// --- the owner: another leader ---------------------------------------------------------------------------------------

COKAFKA_DECL bool partition_queue::leave_leader() noexcept {
  if (!settings_.idempotent && !in_flight_.empty()) return false;
  window_open_ = false;
  backoff_until_ = {};
  batch_line unanswered;
  unanswered.swap(in_flight_);
  for (auto& each : unanswered) each->unknown = true;
  while (!unanswered.empty()) {
    batch_line alone;
    alone.splice(alone.end(), unanswered, std::prev(unanswered.end()));
    const batch& last = *alone.front();
    if (!last.finished || (!last.acknowledged && holds_up(last))) {
      back_to_retry_line(alone);
    } else if (!last.acknowledged) {
      new_epoch_ = true;  // it has fallen due, and its sequence stays unresolved (rule 9)
    }
  }
  return true;
}

// With acks=all it is in the log of every leader to come. Of a refusal nothing follows: the batch has been sent again.
COKAFKA_DECL void partition_queue::acknowledged_late(batch& written, const answer& said, effects& out) noexcept {
  attempt_facts facts;
  facts.code = said.code;
  facts.earlier_unknown = true;
  const verdict judged = judge(facts);
  if (judged.action != verdict_action::complete) return;
  written.acknowledged = true;
  close_gap(written);
  const auto waiting = std::find_if(retry_.begin(), retry_.end(), [&](auto& each) { return each.get() == &written; });
  const batch_ptr kept = waiting != retry_.end() ? *waiting : nullptr;
  if (kept) retry_.erase(waiting);
  finish(written, outcome_of(written, said, judged), out);
  drop_told_before(written);
  drop_told();
}

COKAFKA_DECL void partition_queue::written_unacknowledged(batch& sent, effects& out) noexcept {
  const batch_line alone = out_of_flight(sent);
  finish(sent, batch_outcome{}, out);
}

// --- the owner: endings ----------------------------------------------------------------------------------------------

COKAFKA_DECL void partition_queue::finish(batch& ended, batch_outcome outcome, effects& out) noexcept {
  if (ended.finished) return;
  ended.finished = true;
  (outcome.failure ? out.counted.records_failed : out.counted.records_written) += ended.live();
  {
    std::scoped_lock guard(lock_);
    outstanding_.records -= ended.live();
    outstanding_.bytes -= ended.live_bytes();
  }
  const std::optional<error> failure = outcome.failure;
  const record_range all{0, ended.appended()};
  const failed_count count{ended.live(), ended.done->use_count() - 1};
  out.complete(*ended.done, std::move(outcome));
  if (failure) note_unheard(ended, *failure, {&all, 1}, count, false, out);
  out.end_flushes(flushes_.leave(ended.generation));
}

COKAFKA_DECL void partition_queue::fail(batch& ended, error_details why, clock_time now, effects& out) noexcept {
  why.attempts = ended.attempts;
  why.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - ended.created);
  if (!why.cause) why.cause = ended.last_cause;
  batch_outcome outcome;
  outcome.failure = make_error(std::move(why));
  finish(ended, std::move(outcome), out);
}

COKAFKA_DECL std::optional<clock_time> partition_queue::earliest_deadline() {
  std::optional<clock_time> earliest;
  const auto consider = [&](const batch_line& batches) {
    for (const auto& each : batches) {
      if (!each->finished && each->deadline() < earliest.value_or(record_deadlines::never)) earliest = each->deadline();
    }
  };
  consider(retry_);
  consider(in_flight_);
  std::scoped_lock guard(lock_);
  consider(pending_);
  if (earliest) *earliest = std::max(*earliest, short_until_);
  return earliest;
}

COKAFKA_DECL void partition_queue::fail_all(const error_details& why, clock_time now, effects& out) noexcept {
  {
    std::scoped_lock guard(lock_);
    closed_ = true;
  }
  fail_queued(why, now, out);
}

COKAFKA_DECL void partition_queue::fail_queued(const error_details& why, clock_time now, effects& out) noexcept {
  const auto fail_one = [&](batch& each, bool maybe) {
    error_details its = copied(why);
    its.fate = maybe ? fate::maybe_written : fate::not_written;
    fail(each, std::move(its), now, out);
  };
  for_each_written([&](batch_line::iterator at, bool in_flight) { fail_one(**at, in_flight || (*at)->unknown); });
  if (!retry_.empty() && settings_.idempotent) new_epoch_ = true;
  retry_.clear();
  batch_line unsent;
  {
    std::scoped_lock guard(lock_);
    unsent.swap(pending_);
  }
  for (auto& each : unsent) fail_one(*each, false);
}

COKAFKA_DECL void partition_queue::fail_unsent(const error_details& why, clock_time now, effects& out) noexcept {
  assert(needs_identity() && in_flight_.empty());
  batch_line unsent;
  unsent.swap(retry_);  // without a stamp: an epoch has ended, which takes proof that none of them is in the log
  {
    std::scoped_lock guard(lock_);
    unsent.splice(unsent.end(), pending_);
  }
  for (auto& each : unsent) {
    error_details its = copied(why);
    its.fate = each->unknown ? fate::maybe_written : fate::not_written;
    fail(*each, std::move(its), now, out);
  }
}

// The batches go too: they give their memory back to owners, which are destroyed before the partitions.
COKAFKA_DECL void partition_queue::abandon(waiter_list& out) noexcept {
  batch_line unsent;
  {
    std::scoped_lock guard(lock_);
    closed_ = true;
    unsent.swap(pending_);
  }
  const auto collect = [&](batch_line& batches, bool in_flight) {
    for (auto& each : batches) {
      waiter_list waiting = each->done->abandon(in_flight || each->unknown ? fate::maybe_written : fate::not_written);
      out.splice(out.end(), waiting);
    }
    batches.clear();
  };
  collect(retry_, false);
  collect(in_flight_, true);
  collect(unsent, false);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
