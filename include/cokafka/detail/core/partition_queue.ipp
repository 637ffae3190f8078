// SPDX-License-Identifier: BSL-1.0
// Bodies of partition_queue: appending, taking, stamping.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PARTITION_QUEUE_IPP
#define COKAFKA_DETAIL_CORE_PARTITION_QUEUE_IPP

#include "cokafka/detail/core/partition_queue.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <limits>
#include <mutex>
#include <string>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL partition_queue::partition_queue(const settings& rules, buffer_memory& memory, flush_tracker& flushes,
                                              topic& of, topic_facts& shared, std::int32_t index)
    : expiry(static_cast<int>(deadline_kind::partition_expiry), this),
      wake_at(static_cast<int>(deadline_kind::partition_wake), this),
      settings_(rules),
      memory_(memory),
      flushes_(flushes),
      topic_(of),
      shared_(shared),
      index_(index),
      batch_limit_(rules.batch_limit),
      next_sequence_(rules.first_sequence) {}

// --- senders ---------------------------------------------------------------------------------------------------------

COKAFKA_DECL batch* partition_queue::open_batch(clock_time due, clock_time now, std::size_t record_bytes) noexcept {
  if (pending_.empty()) return nullptr;
  batch& last = *pending_.back();
  if (batch_limit_ != settings_.batch_limit && now >= limited_until_) batch_limit_ = settings_.batch_limit;
  const bool fits = last.records.size() + record_bytes <= batch_limit_;
  const bool lists =
      last.deadlines.takes(due, last.records.size() - batch_header_size) && last.list_fits(record_bytes, due);
  return fits && lists ? &last : nullptr;
}

COKAFKA_DECL batch_ptr partition_queue::make_batch(clock_time sent_at) {
  partition_owner* waits_for = owner.load(std::memory_order_acquire);
  completion_ptr done(new completion(called(), index_, this));
  batch_ptr made(new batch(memory_, waits_for != nullptr ? &waits_for->share : nullptr, std::move(done)));
  made->done->notes_dropped = settings_.reports_failures();
  made->created = sent_at;
  return made;
}

COKAFKA_DECL append_outcome partition_queue::append(const record_view& record, std::int64_t timestamp,
                                                    clock_time sent_at, clock_duration timeout) {
  std::scoped_lock guard(lock_);
  if (flushes_.is_closed()) return {.state = append_outcome::status::closed};
  return append_locked(record, timestamp, sent_at, timeout, std::nullopt);
}

COKAFKA_DECL append_outcome partition_queue::append_parked(const record_view& record, std::int64_t timestamp,
                                                           clock_time sent_at, clock_duration timeout,
                                                           flush_tracker::generation counted) {
  std::scoped_lock guard(lock_);
  return append_locked(record, timestamp, sent_at, timeout, counted);
}

COKAFKA_DECL append_outcome partition_queue::append_locked(const record_view& record, std::int64_t timestamp,
                                                           clock_time sent_at, clock_duration timeout,
                                                           std::optional<flush_tracker::generation> counted) {
  append_outcome out;
  if (closed_) {
    out.state = append_outcome::status::closed;
    return out;
  }
  const clock_time due = sent_at + timeout;
  // A new batch's first record has deltas of zero, so its shape there is no larger than here.
  batch* into = pending_.empty() ? nullptr : pending_.back().get();
  batch_builder::record_shape shape = into ? into->records.shape_of(record, timestamp) : batch_builder::record_shape{};
  if (into != nullptr) into = open_batch(due, sent_at, shape.total);
  batch_ptr fresh;
  if (into == nullptr) {
    fresh = make_batch(sent_at);
    into = fresh.get();
    shape = into->records.shape_of(record, timestamp);
  }
  switch (into->make_room(shape.total, due)) {
    case buffer_memory::outcome::taken: break;
    case buffer_memory::outcome::exhausted: out.state = append_outcome::status::no_memory; return out;
    case buffer_memory::outcome::over_share: out.state = append_outcome::status::over_share; return out;
  }
  const std::size_t before = into->records.size();
  out.index = into->records.append(record, timestamp, shape);
  out.state = append_outcome::status::appended;
  out.bytes = shape.total;
  out.new_batch = fresh != nullptr;
  const bool earlier = into->deadlines.add(out.index, before - batch_header_size, due);
  if (fresh) {
    pending_.push_back(fresh);
    try {
      fresh->generation = counted ? *counted : flushes_.enter();
    } catch (...) {
      pending_.pop_back();
      throw;
    }
  } else if (counted) {
    into->generation = flushes_.merge(*counted, into->generation);
  }
  outstanding_.records += 1;
  outstanding_.bytes += shape.total;
  out.done = into->done;
  out.wake =
      out.new_batch || earlier || (before < settings_.batch_size && into->records.size() >= settings_.batch_size);
  return out;
}

COKAFKA_DECL auto partition_queue::outstanding() -> outstanding_count {
  std::scoped_lock guard(lock_);
  return outstanding_;
}

// A broker forgets a producer id that it has not heard of for long (producer.id.expiration.ms, a day by default); then
// rule 4 begins again. Far less costs nothing: one batch that goes alone after such a pause.
constexpr clock_duration state_trusted_for = std::chrono::minutes(1);

// --- the owner: when and what to send --------------------------------------------------------------------------------

COKAFKA_DECL std::size_t partition_queue::window() const noexcept {
  if (settings_.idempotent && !window_open_) return 1;
  return static_cast<std::size_t>(settings_.partition_window);
}

COKAFKA_DECL bool partition_queue::has_pending() {
  if (!retry_.empty()) return true;
  std::scoped_lock guard(lock_);
  return !pending_.empty();
}

COKAFKA_DECL readiness partition_queue::look(clock_time now, drain_conditions conditions) {
  using state = readiness::state;
  const bool retrying = !retry_.empty();
  readiness seen{state::ready, {}};
  if (!retrying) {
    std::scoped_lock guard(lock_);
    if (pending_.empty()) return {state::empty, {}};
    const batch& first = *pending_.front();
    const clock_time lingered = first.created + settings_.user.linger;
    const bool full = pending_.size() > 1 || first.records.size() >= settings_.batch_size;
    if (!full && !conditions.at_once && lingered > now) seen = {state::lingering, lingered};
  }
  if (state_shown_at_ && now - *state_shown_at_ > state_trusted_for) {
    window_open_ = false;
    state_shown_at_.reset();
  }
  const bool alone = settings_.idempotent && (retrying || new_epoch_);
  if (in_flight_.size() >= (alone ? 1 : window())) return {state::blocked, {}};
  if (backoff_until_ > now) return {state::backing_off, backoff_until_};
  return seen;
}

COKAFKA_DECL std::size_t partition_queue::next_size() {
  if (!retry_.empty()) return (*next_retry())->records.size();
  std::scoped_lock guard(lock_);
  return pending_.empty() ? 0 : pending_.front()->records.size();
}

// The first. Two have to let others pass: a told batch that was refused gives way to the one behind it, in turns, for
// that one may be in the log already. And where the first only waits for the epoch to end, which its sequence is out of
// order in, it is the turn of those that the end of the epoch waits for: a broker without state would take it, and it
// would stand before the first.
COKAFKA_DECL batch_line::iterator partition_queue::next_retry() noexcept {
  const auto turn = std::find_if(retry_.begin(), retry_.end(), [](const batch_ptr& each) { return !each->gives_way; });
  if (turn != retry_.begin() && turn != retry_.end()) return turn;
  const batch& first = *retry_.front();
  const bool is_out_of_order = first.last_cause == broker_errc::out_of_order_sequence_number;
  if (!new_epoch_ || !state_shown_at_ || first.unknown || !is_out_of_order) return retry_.begin();
  const auto held = std::find_if(retry_.begin(), retry_.end(), [](const batch_ptr& each) { return each->unknown; });
  return held == retry_.end() ? retry_.begin() : held;
}

COKAFKA_DECL void partition_queue::begin_anew() noexcept {
  last_offset_ = -1;
  window_open_ = false;
  state_shown_at_.reset();
  backoff_until_ = {};
  if (identity_) new_epoch_ = true;
  for_each_sent([](batch& each) { each.behind_gap = false; });
}

COKAFKA_DECL batch_ptr partition_queue::take(const std::optional<producer_identity>& latest, std::size_t at_most) {
  if (settings_.idempotent) {
    settle_epoch(latest);
    if (!identity_) return nullptr;
  }
  batch_line alone;
  if (!retry_.empty()) {
    const auto next = next_retry();
    if ((*next)->records.size() > at_most) return nullptr;
    alone.splice(alone.end(), retry_, next);
  } else {
    std::scoped_lock guard(lock_);
    // Senders may have made it larger since next_size() was asked.
    if (pending_.empty() || pending_.front()->records.size() > at_most) return nullptr;
    if (auto& removed = pending_.front()->done->removed) removed->finish();  // may find no memory
    alone.splice(alone.end(), pending_, pending_.begin());
  }
  batch& taken = *alone.front();
  if (!taken.records.is_sealed()) {
    if (taken.done->removed && taken.done->removed->count() > 0) thin(taken);
    taken.records.seal();
    if (taken.stamp) taken.records.stamp(*taken.stamp);  // a piece of a batch that was split
  }
  if (!taken.stamp) stamp(taken);
  ++taken.attempts;
  in_flight_.splice(in_flight_.end(), alone);
  return &taken;
}

// Rule 1: the stamp is given in queue order, when the request goes to the socket.
COKAFKA_DECL void partition_queue::stamp(batch& sent) {
  batch_stamp by;
  if (settings_.idempotent) {
    by = {identity_->id, identity_->epoch, next_sequence_};
    next_sequence_ = advance_sequence(next_sequence_, static_cast<std::int32_t>(sent.records.count()));
  }
  sent.stamp = by;
  sent.records.stamp(by);
}

// Rules 6 and 7: a new epoch starts with nothing in flight, and only when no batch that waits for its retry may be in
// the log; those that are proven absent get new sequences, in their old order.
COKAFKA_DECL void partition_queue::settle_epoch(const std::optional<producer_identity>& latest) {
  if (new_epoch_ && in_flight_.empty() && identity_ &&
      std::none_of(retry_.begin(), retry_.end(), [](const batch_ptr& each) { return each->unknown; })) {
    new_epoch_ = false;
    window_open_ = false;
    state_shown_at_.reset();
    next_sequence_ = 0;
    for (auto& each : retry_) {
      each->stamp.reset();
      each->behind_gap = false;
    }
    if (identity_->epoch < std::numeric_limits<std::int16_t>::max()) {
      ++identity_->epoch;
    } else {
      used_up_id_ = identity_->id;
      identity_.reset();
    }
  }
  if (!identity_ && latest && latest->id != used_up_id_) identity_ = latest;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
