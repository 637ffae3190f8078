// SPDX-License-Identifier: BSL-1.0
// Bodies of partition_queue: appending, taking, stamping, answers, expiry.
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
                                              topic& of, const topic_name& topic_called, std::int32_t index)
    : expiry(static_cast<int>(deadline_kind::partition_expiry), this),
      wake_at(static_cast<int>(deadline_kind::partition_wake), this),
      settings_(rules),
      memory_(memory),
      flushes_(flushes),
      topic_(of),
      topic_name_(topic_called),
      index_(index) {}

// --- senders ---------------------------------------------------------------------------------------------------------

COKAFKA_DECL batch* partition_queue::open_batch(clock_duration timeout, std::size_t record_bytes) noexcept {
  if (pending_.empty()) return nullptr;
  batch& last = *pending_.back();
  const bool fits = last.records.size() + record_bytes <= settings_.batch_limit;
  return fits && last.timeout == timeout ? &last : nullptr;
}

COKAFKA_DECL batch_ptr partition_queue::make_batch(clock_time sent_at, clock_duration timeout,
                                                   flush_tracker::generation generation) {
  partition_owner* waits_for = owner.load(std::memory_order_acquire);
  completion_ptr done(new completion(topic_name_, index_));
  batch_ptr made(new batch(memory_, waits_for != nullptr ? &waits_for->share : nullptr, std::move(done)));
  made->generation = generation;
  made->created = sent_at;
  made->deadline = sent_at + timeout;
  made->timeout = timeout;
  return made;
}

COKAFKA_DECL append_outcome partition_queue::append(const record_view& record, std::int64_t timestamp,
                                                    clock_time sent_at, clock_duration timeout) {
  std::scoped_lock guard(lock_);
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
  // A new batch's first record has deltas of zero, so its shape there is no larger than here.
  batch* into = pending_.empty() ? nullptr : pending_.back().get();
  batch_builder::record_shape shape = into ? into->records.shape_of(record, timestamp) : batch_builder::record_shape{};
  if (into != nullptr) into = open_batch(timeout, shape.total);
  batch_ptr fresh;
  if (into == nullptr) {
    fresh = make_batch(sent_at, timeout, 0);
    into = fresh.get();
    shape = into->records.shape_of(record, timestamp);
  }
  if (const std::size_t wanted = into->records.shortfall(shape.total); wanted > 0) {
    chunk_chain taken;
    switch (memory_.take(into->records.chunk_capacity(), wanted, into->share, taken)) {
      case buffer_memory::outcome::taken: break;
      case buffer_memory::outcome::exhausted: out.state = append_outcome::status::no_memory; return out;
      case buffer_memory::outcome::over_share: out.state = append_outcome::status::over_share; return out;
    }
    into->records.add_chunks(std::move(taken));
  }
  const std::size_t before = into->records.size();
  out.index = into->records.append(record, timestamp, shape);
  out.state = append_outcome::status::appended;
  out.bytes = shape.total;
  out.new_batch = fresh != nullptr;
  const bool earlier = sent_at + timeout < into->deadline;
  if (earlier) into->deadline = sent_at + timeout;
  if (fresh) {
    fresh->generation = counted ? *counted : flushes_.enter();
    pending_.push_back(std::move(fresh));
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
  const bool alone = settings_.idempotent && (retrying || new_epoch_);
  if (in_flight_.size() >= (alone ? 1 : window())) return {state::blocked, {}};
  if (backoff_until_ > now) return {state::backing_off, backoff_until_};
  return seen;
}

COKAFKA_DECL std::size_t partition_queue::next_size() {
  if (!retry_.empty()) return retry_.front()->records.size();
  std::scoped_lock guard(lock_);
  return pending_.empty() ? 0 : pending_.front()->records.size();
}

COKAFKA_DECL batch_ptr partition_queue::take(const std::optional<producer_identity>& latest, std::size_t at_most) {
  if (settings_.idempotent) {
    settle_epoch(latest);
    if (!identity_) return nullptr;
  }
  batch_ptr taken;
  if (!retry_.empty()) {
    if (retry_.front()->records.size() > at_most) return nullptr;
    taken = std::move(retry_.front());
    retry_.pop_front();
  } else {
    std::scoped_lock guard(lock_);
    // Senders may have made it larger since next_size() was asked.
    if (pending_.empty() || pending_.front()->records.size() > at_most) return nullptr;
    taken = std::move(pending_.front());
    pending_.pop_front();
  }
  if (!taken->records.is_sealed()) taken->records.seal();
  if (!taken->stamp) stamp(*taken);
  ++taken->attempts;
  in_flight_.push_back(taken);
  return taken;
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
    next_sequence_ = 0;
    for (auto& each : retry_) each->stamp.reset();
    if (identity_->epoch < std::numeric_limits<std::int16_t>::max()) {
      ++identity_->epoch;
    } else {
      used_up_id_ = identity_->id;
      identity_.reset();
    }
  }
  if (!identity_ && latest && latest->id != used_up_id_) identity_ = latest;
}

// --- the owner: answers ----------------------------------------------------------------------------------------------

COKAFKA_DECL bool partition_queue::is_predecessor_missing(const batch& of) const noexcept {
  if (new_epoch_) return true;
  return std::any_of(retry_.begin(), retry_.end(), [&](const batch_ptr& waiting) {
    return waiting->stamp && advance_sequence(of.stamp->base_sequence, -waiting->stamp->base_sequence) < (1 << 30) &&
           waiting.get() != &of;
  });
}

COKAFKA_DECL void partition_queue::back_to_retry_line(batch_ptr sent) {
  if (!settings_.idempotent) {
    retry_.push_back(std::move(sent));
    return;
  }
  // Those without a stamp wait for one of the new epoch, which is behind all that have one.
  const auto behind = std::find_if(retry_.begin(), retry_.end(), [&](const batch_ptr& waiting) {
    return !waiting->stamp || advance_sequence(waiting->stamp->base_sequence, -sent->stamp->base_sequence) < (1 << 30);
  });
  retry_.insert(behind, std::move(sent));
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
  facts.expired = sent.finished;
  facts.attempts = sent.attempts;
  facts.retries = static_cast<std::uint32_t>(settings_.user.retries);
  const verdict judged = judge(facts);
  if (judged.action == verdict_action::complete) {
    window_open_ = !new_epoch_ && retry_.empty();
    if (retry_.empty()) backoff_until_ = {};
    batch_outcome outcome;
    if (judged.has_offset && said.base_offset >= 0) outcome.base_offset = said.base_offset;
    if (said.log_append_time >= 0) outcome.log_append_time = said.log_append_time;
    finish(sent, std::move(outcome), out);
    return judged;
  }
  window_open_ = false;
  new_epoch_ = new_epoch_ || judged.new_epoch;
  out.refresh_metadata = out.refresh_metadata || judged.refresh_metadata;
  sent.last_cause = said.code ? make_error_code(*said.code) : said.cause;
  if (!judged.proven_absent) sent.unknown = true;
  if (judged.data_lost) {
    out.say(log_level::error, "acknowledged records have vanished from " + std::string(topic_name_.str()) + "-" +
                                  std::to_string(index_) +
                                  ": the broker has an older sequence than the last acknowledged");
  }
  if (judged.action == verdict_action::retry) {
    backoff_until_ = now + said.backoff;
    back_to_retry_line(kept);
    return judged;
  }
  error_details why;
  why.code = said.code ? make_error_code(*said.code) : said.cause;
  why.message = said.message;
  why.fate = judged.known;
  why.broker = said.broker;
  why.cause = said.cause;
  fail(sent, std::move(why), now, out);
  return judged;
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
  {
    std::scoped_lock guard(lock_);
    outstanding_.records -= ended.records.count();
    outstanding_.bytes -= ended.records.size() - batch_header_size;
  }
  out.answer(ended.done->complete(std::move(outcome)));
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
      if (!each->finished && (!earliest || each->deadline < *earliest)) earliest = each->deadline;
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
  std::vector<batch_ptr> all(retry_.begin(), retry_.end());
  all.insert(all.end(), in_flight_.begin(), in_flight_.end());
  if (!settings_.idempotent) return all;
  std::stable_sort(all.begin(), all.end(), [](const batch_ptr& a, const batch_ptr& b) {
    if (!a->stamp || !b->stamp) return a->stamp.has_value() && !b->stamp;
    return a != b && advance_sequence(b->stamp->base_sequence, -a->stamp->base_sequence) < (1 << 30);
  });
  return all;
}

COKAFKA_DECL void partition_queue::expire(clock_time now, boost::system::error_code cause, effects& out) {
  const auto is_due = [&](const batch_ptr& each) { return !each->finished && each->deadline <= now; };
  const auto fail_due = [&](batch& each, bool in_flight) {
    // Its sequence numbers leave the line with it (rule 9); a batch that was never stamped has none.
    if (!in_flight && each.stamp && settings_.idempotent) new_epoch_ = true;
    error_details why;
    why.code = errc::timed_out;
    why.fate = in_flight || each.unknown ? fate::maybe_written : fate::not_written;
    why.cause = each.last_cause ? each.last_cause : cause;
    fail(each, std::move(why), now, out);
  };
  for (auto& each : written_in_order()) {
    if (!is_due(each)) continue;
    const auto waiting = std::find(retry_.begin(), retry_.end(), each);
    fail_due(*each, waiting == retry_.end());
    if (waiting != retry_.end()) retry_.erase(waiting);
  }
  std::deque<batch_ptr> due;
  {
    std::scoped_lock guard(lock_);
    std::copy_if(pending_.begin(), pending_.end(), std::back_inserter(due), is_due);
    pending_.erase(std::remove_if(pending_.begin(), pending_.end(), is_due), pending_.end());
  }
  for (auto& each : due) fail_due(*each, false);
}

COKAFKA_DECL void partition_queue::fail_all(const error_details& why, clock_time now, effects& out) {
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
    closed_ = true;
    unsent.swap(pending_);
  }
  for (auto& each : unsent) fail_one(*each, false);
}

COKAFKA_DECL void partition_queue::abandon(waiter_list& out) {
  const auto collect = [&](std::deque<batch_ptr>& batches) {
    for (auto& each : batches) {
      waiter_list waiting = each->done->abandon();
      out.splice(out.end(), waiting);
    }
  };
  collect(retry_);
  collect(in_flight_);
  std::scoped_lock guard(lock_);
  collect(pending_);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
