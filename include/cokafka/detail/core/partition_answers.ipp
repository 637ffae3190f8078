// SPDX-License-Identifier: BSL-1.0
// Bodies of partition_queue: what an answer or the end of the producer does to its batches.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PARTITION_ANSWERS_IPP
#define COKAFKA_DETAIL_CORE_PARTITION_ANSWERS_IPP

#include "cokafka/detail/core/partition_queue.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <limits>
#include <mutex>
#include <new>
#include <string>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace line {

// By their stamps. A batch of another epoch is not: a former leader may acknowledge one late.
inline bool is_behind(const batch& later, const batch& earlier) noexcept {
  return &later != &earlier && later.stamp && earlier.stamp && later.stamp->producer_id == earlier.stamp->producer_id &&
         later.stamp->producer_epoch == earlier.stamp->producer_epoch &&
         advance_sequence(later.stamp->base_sequence, -earlier.stamp->base_sequence) < (1 << 30);
}

// Every record's offset must be a number; what a broken broker says besides is not passed on.
inline bool has_offsets(const broker_answer& said, const batch& written) noexcept {
  const auto last_possible = std::numeric_limits<std::int64_t>::max() - std::int64_t{written.records.count()};
  return said.base_offset >= 0 && said.base_offset <= last_possible;
}

}  // namespace line

// --- the owner: answers ----------------------------------------------------------------------------------------------

COKAFKA_DECL bool partition_queue::is_predecessor_missing(const batch& of) const noexcept {
  if (new_epoch_) return true;
  return std::any_of(retry_.begin(), retry_.end(),
                     [&](const batch_ptr& waiting) { return line::is_behind(of, *waiting); });
}

// What was sent behind a batch that was never appended and will never be under its stamp (guarantee.md, rule 6). Only a
// broker that holds no state would take it.
COKAFKA_DECL void partition_queue::leave_gap(const batch& failed) noexcept {
  if (!state_shown_) return;
  for_each_sent([&](batch& each) { each.behind_gap = each.behind_gap || line::is_behind(each, failed); });
}

// A broker has taken it: no gap before it keeps others out.
COKAFKA_DECL void partition_queue::close_gap(batch& taken) noexcept {
  if (!std::exchange(taken.behind_gap, false)) return;
  for_each_sent([&](batch& each) { each.behind_gap = each.behind_gap && !line::is_behind(each, taken); });
}

// A batch behind it may have been written under its stamp: such a one keeps that stamp (rule 6), and so no leader takes
// it before this one, whether this one's deliveries still wait or not.
COKAFKA_DECL bool partition_queue::holds_up(const batch& of) const noexcept {
  if (!settings_.idempotent || !of.stamp) return false;
  const auto waits_for_it = [&](const batch_ptr& other) { return !other->finished && line::is_behind(*other, of); };
  return std::any_of(in_flight_.begin(), in_flight_.end(), waits_for_it) ||
         std::any_of(retry_.begin(), retry_.end(), [&](auto& each) { return each->unknown && waits_for_it(each); });
}

// Told batches that wait for another attempt for the sake of those behind them, when there are none any more.
COKAFKA_DECL void partition_queue::drop_told() {
  const auto is_idle = [this](const batch_ptr& each) { return each->finished && !holds_up(*each); };
  for (auto idle = retry_.begin(); (idle = std::find_if(retry_.begin(), retry_.end(), is_idle)) != retry_.end();) {
    retry_.erase(idle);
    new_epoch_ = true;
  }
}

// Told batches that were kept for this one, which is in the log: nothing is missing before it any more. What is proven
// absent and stood behind them has to follow under another epoch.
COKAFKA_DECL void partition_queue::drop_told_before(const batch& written) {
  if (!settings_.idempotent) return;
  const auto is_before = [&](const batch_ptr& each) { return line::is_behind(written, *each); };
  std::erase_if(retry_, [&](const batch_ptr& each) { return each->finished && is_before(each); });
  new_epoch_ = new_epoch_ || std::any_of(retry_.begin(), retry_.end(),
                                         [&](const batch_ptr& each) { return !each->unknown && is_before(each); });
}

COKAFKA_DECL void partition_queue::back_to_retry_line(batch_ptr sent) {
  if (!settings_.idempotent) {
    // Those that wait may be pieces of the same batch: with one request in flight they keep their order (rule 11).
    retry_.insert(settings_.partition_window == 1 ? retry_.begin() : retry_.end(), std::move(sent));
    return;
  }
  // Those without a stamp wait for one of the new epoch, which is behind all that have one.
  const auto behind = std::find_if(retry_.begin(), retry_.end(), [&](const batch_ptr& waiting) {
    return !waiting->stamp || line::is_behind(*waiting, *sent);
  });
  retry_.insert(behind, std::move(sent));
}

COKAFKA_DECL void partition_queue::wait_for_retry(const batch_ptr& sent, const answer& said, clock_time now) {
  sent->gives_way = sent->finished && said.code;
  if (!sent->finished) for_each_sent([](batch& each) { each.gives_way = false; });  // all had their turn
  backoff_until_ = now + said.backoff;
  back_to_retry_line(sent);
}

COKAFKA_DECL verdict partition_queue::answered(batch& sent, const answer& said, clock_time now, effects& out) {
  const auto found =
      std::find_if(in_flight_.begin(), in_flight_.end(), [&](auto& each) { return each.get() == &sent; });
  assert(found != in_flight_.end());
  const batch_ptr kept = *found;
  in_flight_.erase(found);
  attempt_facts facts;
  facts.code = said.code;
  facts.idempotent = settings_.idempotent;
  facts.acknowledged = settings_.acks != 0;
  facts.earlier_unknown = sent.unknown;
  facts.predecessor_missing = settings_.idempotent && is_predecessor_missing(sent);
  facts.behind_gap = sent.behind_gap;
  facts.holds_up = holds_up(sent);
  facts.expired = sent.finished && !facts.holds_up;
  facts.acknowledged_before = sent.acknowledged;
  facts.divisible = !sent.finished && sent.records.count() > 1;
  facts.names_culprits = !sent.finished && !said.culprits.empty() && said.culprits.size() < sent.records.count();
  facts.attempts = sent.attempts;
  facts.retries = static_cast<std::uint32_t>(settings_.user.retries);
  verdict judged = judge(facts);
  if (judged.action == verdict_action::complete) {
    const bool is_confirmed =
        said.code && fate_of_answer(*said.code, false) == fate::written;  // here, not by a former leader
    if (is_confirmed) drop_told_before(sent);
    window_open_ = is_confirmed && !new_epoch_ && retry_.empty();
    state_shown_ = state_shown_ || window_open_;
    if (is_confirmed) acknowledged_at_ = now;
    note_offset(sent, said, out);
    close_gap(sent);
    if (is_confirmed && retry_.empty()) backoff_until_ = {};
    out.refresh_metadata = out.refresh_metadata || judged.refresh_metadata;
    finish(sent, outcome_of(sent, said, judged), out);
    drop_told();
    return judged;
  }
  window_open_ = false;
  new_epoch_ = new_epoch_ || judged.new_epoch;
  out.refresh_metadata = out.refresh_metadata || judged.refresh_metadata;
  sent.last_cause = said.code ? make_error_code(*said.code) : said.cause;
  sent.unknown = !judged.proven_absent;
  if (said.code && tells_append(*said.code)) close_gap(sent);
  const bool leaves = judged.action == verdict_action::fail || judged.action == verdict_action::exclude;
  if (leaves && judged.proven_absent && settings_.idempotent) leave_gap(sent);
  if (judged.data_lost) note_vanished("the broker has an older sequence than the last acknowledged", out);
  try {
    if (judged.action == verdict_action::split) {
      split(kept, now, out);
      ++out.counted.batches_split;
    }
    if (judged.action == verdict_action::exclude) exclude(kept, said, now, out);
  } catch (const std::bad_alloc&) {
    judged.action = verdict_action::retry;  // whole, and later
  }
  if (judged.action == verdict_action::split || judged.action == verdict_action::exclude) {
    drop_told();
    return judged;
  }
  if (judged.action == verdict_action::retry) {
    wait_for_retry(kept, said, now);
    drop_told();
    return judged;
  }
  error_details why;
  why.code = said.code ? make_error_code(*said.code) : said.cause;
  why.message = said.message;
  why.fate = judged.known;
  why.broker = said.broker;
  why.cause = said.cause;
  fail(sent, std::move(why), now, out);
  if (judged.goes_again) wait_for_retry(kept, said, now);
  drop_told();
  return judged;
}

// Rule 8: a first copy belongs behind all that was acknowledged before it. A duplicate has the first copy's offset.
COKAFKA_DECL void partition_queue::note_offset(const batch& written, const answer& said, effects& out) {
  if (said.code != broker_errc::none || !line::has_offsets(said, written) || written.unknown) return;
  if (said.base_offset <= last_offset_) note_vanished("a new batch has the offset of an acknowledged one", out);
  last_offset_ = said.base_offset + std::int64_t{written.records.count()} - 1;
}

// Once for each loss: what comes next is not held against what is gone.
COKAFKA_DECL void partition_queue::note_vanished(const char* why, effects& out) {
  last_offset_ = -1;
  ++out.counted.vanished_logs;
  out.say(log_level::error, "acknowledged records have vanished from " + std::string(topic_name_.str()) + "-" +
                                std::to_string(index_) + ": " + why);
}

COKAFKA_DECL batch_outcome partition_queue::outcome_of(const batch& written, const answer& said,
                                                       const verdict& judged) {
  batch_outcome outcome;
  if (judged.has_offset && line::has_offsets(said, written)) outcome.base_offset = said.base_offset;
  // Brokers answer a duplicate with the first copy's largest timestamp, also where the topic keeps the producer's
  // times. Where the topic is known to stamp records itself, that largest timestamp is the stamp.
  if (!written.unknown && said.code == broker_errc::none) stamps_records_ = said.log_append_time >= 0;
  const bool may_be_duplicate = written.unknown && !stamps_records_;
  const bool is_duplicate = may_be_duplicate && said.log_append_time == written.records.max_timestamp();
  if (said.log_append_time >= 0 && !is_duplicate) outcome.log_append_time = said.log_append_time;
  return outcome;
}

// --- the owner: another leader ---------------------------------------------------------------------------------------

COKAFKA_DECL bool partition_queue::leave_leader() {
  if (!settings_.idempotent && !in_flight_.empty()) return false;
  window_open_ = false;
  backoff_until_ = {};
  std::deque<batch_ptr> unanswered;
  unanswered.swap(in_flight_);
  for (auto& each : unanswered) each->unknown = true;
  std::for_each(unanswered.rbegin(), unanswered.rend(), [this](batch_ptr& each) {
    if (!each->finished || (!each->acknowledged && holds_up(*each))) {
      back_to_retry_line(std::move(each));
    } else if (!each->acknowledged) {
      new_epoch_ = true;  // it has fallen due, and its sequence stays unresolved (rule 9)
    }
  });
  return true;
}

// With acks=all it is in the log of every leader to come. Of a refusal nothing follows: the batch has been sent again.
COKAFKA_DECL void partition_queue::acknowledged_late(batch& written, const answer& said, effects& out) {
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

COKAFKA_DECL void partition_queue::written_unacknowledged(batch& sent, effects& out) {
  const auto found =
      std::find_if(in_flight_.begin(), in_flight_.end(), [&](auto& each) { return each.get() == &sent; });
  assert(found != in_flight_.end());
  const batch_ptr kept = *found;
  in_flight_.erase(found);
  finish(sent, batch_outcome{}, out);
}

// --- the owner: endings ----------------------------------------------------------------------------------------------

COKAFKA_DECL void partition_queue::finish(batch& ended, batch_outcome outcome, effects& out) {
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
  out.answer(ended.done->complete(std::move(outcome)));
  if (failure) note_unheard(ended, *failure, {&all, 1}, count, false, out);
  out.end_flushes(flushes_.leave(ended.generation));
}

COKAFKA_DECL void partition_queue::fail(batch& ended, error_details why, clock_time now, effects& out) {
  why.attempts = ended.attempts;
  why.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - ended.created);
  if (!why.cause) why.cause = ended.last_cause;
  batch_outcome outcome;
  outcome.failure = error(std::move(why));
  finish(ended, std::move(outcome), out);
}

COKAFKA_DECL std::optional<clock_time> partition_queue::earliest_deadline() {
  std::optional<clock_time> earliest;
  const auto consider = [&](const std::deque<batch_ptr>& batches) {
    for (const auto& each : batches) {
      if (!each->finished && each->deadline() < earliest.value_or(record_deadlines::never)) earliest = each->deadline();
    }
  };
  consider(retry_);
  consider(in_flight_);
  std::scoped_lock guard(lock_);
  consider(pending_);
  return earliest;
}

// What has been written and is not answered, or waits for its retry: in the order of the records.
COKAFKA_DECL std::vector<batch_ptr> partition_queue::written_in_order() const {
  // Both are in the order of their sequences; without them a retried batch stands before those still in flight.
  const auto comes_before = [&](const batch_ptr& a, const batch_ptr& b) {
    if (!settings_.idempotent) return false;
    if (!a->stamp || !b->stamp) return a->stamp.has_value() && !b->stamp;
    return line::is_behind(*b, *a);
  };
  std::vector<batch_ptr> all;
  std::merge(retry_.begin(), retry_.end(), in_flight_.begin(), in_flight_.end(), std::back_inserter(all), comes_before);
  return all;
}

COKAFKA_DECL void partition_queue::fail_all(const error_details& why, clock_time now, effects& out) {
  {
    std::scoped_lock guard(lock_);
    closed_ = true;
  }
  fail_queued(why, now, out);
}

COKAFKA_DECL void partition_queue::fail_queued(const error_details& why, clock_time now, effects& out) {
  const auto fail_one = [&](batch& each, bool maybe) {
    error_details its = why;
    its.fate = maybe ? fate::maybe_written : fate::not_written;
    fail(each, std::move(its), now, out);
  };
  for (auto& each : written_in_order()) {
    const bool waits = std::find(retry_.begin(), retry_.end(), each) != retry_.end();
    fail_one(*each, !waits || each->unknown);
  }
  if (!retry_.empty() && settings_.idempotent) new_epoch_ = true;
  retry_.clear();
  std::deque<batch_ptr> unsent;
  {
    std::scoped_lock guard(lock_);
    unsent.swap(pending_);
  }
  for (auto& each : unsent) fail_one(*each, false);
}

COKAFKA_DECL void partition_queue::fail_unsent(const error_details& why, clock_time now, effects& out) {
  assert(needs_identity() && in_flight_.empty());
  std::deque<batch_ptr> unsent;
  unsent.swap(retry_);  // without a stamp: an epoch has ended, which takes proof that none of them is in the log
  {
    std::scoped_lock guard(lock_);
    std::move(pending_.begin(), pending_.end(), std::back_inserter(unsent));
    pending_.clear();
  }
  for (auto& each : unsent) {
    error_details its = why;
    its.fate = each->unknown ? fate::maybe_written : fate::not_written;
    fail(*each, std::move(its), now, out);
  }
}

// The batches go too: they give their memory back to owners, which are destroyed before the partitions.
COKAFKA_DECL void partition_queue::abandon(waiter_list& out) {
  std::deque<batch_ptr> unsent;
  {
    std::scoped_lock guard(lock_);
    closed_ = true;
    unsent.swap(pending_);
  }
  const auto collect = [&](std::deque<batch_ptr>& batches, bool in_flight) {
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
