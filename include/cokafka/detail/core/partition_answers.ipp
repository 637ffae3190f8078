// SPDX-License-Identifier: BSL-1.0
// Bodies of partition_queue: what an answer does to its batches.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PARTITION_ANSWERS_IPP
#define COKAFKA_DETAIL_CORE_PARTITION_ANSWERS_IPP

#include "cokafka/detail/core/partition_queue.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <string>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace line {

// Every record's offset must be a number; what a broken broker says besides is not passed on.
inline bool has_offsets(const broker_answer& said, const batch& written) noexcept {
  const auto last_possible = std::numeric_limits<std::int64_t>::max() - std::int64_t{written.records.count()};
  return said.base_offset >= 0 && said.base_offset <= last_possible;
}

}  // namespace line

// --- the owner: answers ----------------------------------------------------------------------------------------------

COKAFKA_DECL bool partition_queue::is_predecessor_missing(const batch& of) const noexcept {
  if (new_epoch_) return true;
  return std::any_of(retry_.begin(), retry_.end(), [&](const batch_ptr& waiting) { return is_behind(of, *waiting); });
}

// What was sent behind a batch that was never appended and will never be under its stamp (guarantee.md, rule 6). Only a
// broker that holds no state would take it.
COKAFKA_DECL void partition_queue::leave_gap(const batch& failed) noexcept {
  if (!state_shown_at_) return;
  for_each_sent([&](batch& each) { each.behind_gap = each.behind_gap || is_behind(each, failed); });
}

// A broker has taken it: no gap before it keeps others out.
COKAFKA_DECL void partition_queue::close_gap(batch& taken) noexcept {
  if (!std::exchange(taken.behind_gap, false)) return;
  for_each_sent([&](batch& each) { each.behind_gap = each.behind_gap && !is_behind(each, taken); });
}

// A batch behind it may have been written under its stamp: such a one keeps that stamp (rule 6), and so no leader takes
// it before this one, whether this one's deliveries still wait or not.
COKAFKA_DECL bool partition_queue::holds_up(const batch& of) const noexcept {
  if (!settings_.idempotent || !of.stamp) return false;
  const auto waits_for_it = [&](const batch_ptr& other) { return !other->finished && is_behind(*other, of); };
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
  const auto is_before = [&](const batch_ptr& each) { return is_behind(written, *each); };
  std::erase_if(retry_, [&](const batch_ptr& each) { return each->finished && is_before(each); });
  new_epoch_ = new_epoch_ || std::any_of(retry_.begin(), retry_.end(),
                                         [&](const batch_ptr& each) { return !each->unknown && is_before(each); });
}

// The batch that stands alone takes its place.
COKAFKA_DECL void partition_queue::back_to_retry_line(batch_line& alone) noexcept {
  const batch& sent = *alone.front();
  if (!settings_.idempotent) {
    // Those that wait may be pieces of the same batch: with one request in flight they keep their order (rule 11).
    return retry_.splice(settings_.partition_window == 1 ? retry_.begin() : retry_.end(), alone);
  }
  // Those without a stamp wait for one of the new epoch, which is behind all that have one.
  const auto behind = std::find_if(retry_.begin(), retry_.end(), [&](const batch_ptr& waiting) {
    return !waiting->stamp || is_behind(*waiting, sent);
  });
  retry_.splice(behind, alone);
}

COKAFKA_DECL void partition_queue::wait_for_retry(batch_line& alone, const answer& said, clock_time now) noexcept {
  batch& sent = *alone.front();
  sent.gives_way = sent.finished && said.code;
  if (!sent.finished) for_each_sent([](batch& each) { each.gives_way = false; });  // all had their turn
  backoff_until_ = now + said.backoff;
  back_to_retry_line(alone);
}

// It stands alone, and goes with what is returned unless that is put into another line.
COKAFKA_DECL batch_line partition_queue::out_of_flight(const batch& sent) noexcept {
  const auto found =
      std::find_if(in_flight_.begin(), in_flight_.end(), [&](auto& each) { return each.get() == &sent; });
  assert(found != in_flight_.end());
  batch_line alone;
  alone.splice(alone.end(), in_flight_, found);
  return alone;
}

COKAFKA_DECL attempt_facts partition_queue::facts_of(const batch& sent, const answer& said) const noexcept {
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
  return facts;
}

COKAFKA_DECL verdict partition_queue::answered(batch& sent, const answer& said, clock_time now, effects& out) noexcept {
  batch_line alone = out_of_flight(sent);
  const batch_ptr kept = alone.front();
  verdict judged = judge(facts_of(sent, said));
  if (judged.action == verdict_action::complete) {
    confirm(sent, said, judged, now, out);
    return judged;
  }
  std::optional<division> parts = divided_as(judged, sent, said, now, out);  // may change the verdict
  window_open_ = false;
  new_epoch_ = new_epoch_ || judged.new_epoch;
  out.refresh_metadata = out.refresh_metadata || judged.refresh_metadata;
  sent.last_cause = said.code ? make_error_code(*said.code) : said.cause;
  sent.unknown = !judged.proven_absent;
  if (said.code && tells_append(*said.code)) close_gap(sent);
  const bool leaves = judged.action == verdict_action::fail || judged.action == verdict_action::exclude;
  if (leaves && judged.proven_absent && settings_.idempotent) leave_gap(sent);
  if (judged.data_lost) note_vanished("the broker has an older sequence than the last acknowledged", out);
  if (parts) {
    go_on_as(sent, *std::move(parts), out);
  } else if (judged.action == verdict_action::retry) {
    wait_for_retry(alone, said, now);
  } else {
    error_details why;
    why.code = said.code ? make_error_code(*said.code) : said.cause;
    why.message = if_memory([&] { return said.message; });
    why.fate = judged.known;
    why.broker = said.broker;
    why.cause = said.cause;
    fail(sent, std::move(why), now, out);
    if (judged.goes_again) wait_for_retry(alone, said, now);
  }
  drop_told();
  return judged;
}

// It is in the log.
COKAFKA_DECL void partition_queue::confirm(batch& written, const answer& said, const verdict& judged, clock_time now,
                                           effects& out) noexcept {
  // Here, not by a former leader.
  const bool is_confirmed = said.code && fate_of_answer(*said.code, false) == fate::written;
  if (is_confirmed) drop_told_before(written);
  window_open_ = is_confirmed && !new_epoch_ && retry_.empty();
  if (window_open_ || (is_confirmed && state_shown_at_)) state_shown_at_ = now;
  note_offset(written, said, out);
  close_gap(written);
  if (is_confirmed && retry_.empty()) backoff_until_ = {};
  out.refresh_metadata = out.refresh_metadata || judged.refresh_metadata;
  finish(written, outcome_of(written, said, judged), out);
  drop_told();
}

// Rule 8: a first copy belongs behind all that was acknowledged before it. A duplicate has the first copy's offset.
COKAFKA_DECL void partition_queue::note_offset(const batch& written, const answer& said, effects& out) noexcept {
  if (said.code != broker_errc::none || !line::has_offsets(said, written) || written.unknown) return;
  if (said.base_offset <= last_offset_) note_vanished("a new batch has the offset of an acknowledged one", out);
  last_offset_ = said.base_offset + std::int64_t{written.records.count()} - 1;
}

// Once for each loss: what comes next is not held against what is gone.
COKAFKA_DECL void partition_queue::note_vanished(const char* why, effects& out) noexcept {
  last_offset_ = -1;
  ++out.counted.vanished_logs;
  if_memory([&] {
    out.say(log_level::error, "acknowledged records have vanished from " + std::string(called().str()) + "-" +
                                  std::to_string(index_) + ": " + why);
  });
}

COKAFKA_DECL batch_outcome partition_queue::outcome_of(const batch& written, const answer& said,
                                                       const verdict& judged) {
  batch_outcome outcome;
  if (judged.has_offset && line::has_offsets(said, written)) outcome.base_offset = said.base_offset;
  if (said.code != broker_errc::none) return outcome;
  // Brokers answer a duplicate with the first copy's largest timestamp, also where the topic keeps the producer's
  // times. Where the topic is known to stamp records itself, that largest timestamp is the stamp.
  const bool may_be_largest = written.unknown && said.log_append_time == written.records.max_timestamp();
  if (!may_be_largest) shared_.stamps_records.store(said.log_append_time >= 0, std::memory_order_relaxed);
  const bool is_stamp = !may_be_largest || shared_.stamps_records.load(std::memory_order_relaxed);
  if (said.log_append_time >= 0 && is_stamp) outcome.log_append_time = said.log_append_time;
  return outcome;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
