// SPDX-License-Identifier: BSL-1.0
// Bodies of completion: linking and handing out waiters, the result of one record.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_COMPLETION_IPP
#define COKAFKA_DETAIL_CORE_COMPLETION_IPP

#include "cokafka/detail/core/completion.hpp"

#include "cokafka/detail/core/if_memory.hpp"

#include <algorithm>
#include <cassert>
#include <mutex>
#include <string>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL completion::completion(topic_name topic, std::int32_t partition, error failure)
    : completion(std::move(topic), partition) {
  outcome_.failure = std::move(failure);
  state_.store(state::done, std::memory_order_release);
}

// Under the lock. Null for a record that ends with its batch.
COKAFKA_DECL auto completion::find_early_end(std::uint32_t index) const noexcept -> const early_end* {
  if (index >= ended_by_.size() || ended_by_[index] == 0) return nullptr;
  return ended_[ended_by_[index] - 1].get();
}

COKAFKA_DECL bool completion::is_ready(const record_ticket& ticket) const noexcept {
  switch (state_.load(std::memory_order_acquire)) {
    case state::done: return true;
    case state::forwarded:
    case state::pending: break;
  }
  if (has_early_ends_.load(std::memory_order_acquire)) {
    std::scoped_lock guard(lock_);
    if (find_early_end(ticket.index) != nullptr) return true;
  }
  if (state_.load(std::memory_order_acquire) != state::forwarded)
    return state_.load(std::memory_order_acquire) == state::done;
  record_ticket there = ticket;
  return redirect(there).is_ready(there);
}

COKAFKA_DECL result<record_metadata> completion::get(const record_ticket& ticket) const {
  const batch_outcome* outcome = &outcome_;
  std::uint32_t first = 0;
  if (has_early_ends_.load(std::memory_order_acquire)) {
    std::scoped_lock guard(lock_);
    if (const auto* const found = find_early_end(ticket.index)) {  // stays as it is, and where it is
      first = found->first;
      outcome = &found->outcome;
    }
  }
  if (outcome == &outcome_ && state_.load(std::memory_order_acquire) == state::forwarded) {
    record_ticket there = ticket;
    return redirect(there).get(there);
  }
  assert(outcome != &outcome_ || state_ == state::done);
  if (outcome->failure) return *outcome->failure;
  record_metadata metadata;
  metadata.topic = topic_;
  metadata.partition = partition_;
  if (outcome->base_offset) metadata.offset = *outcome->base_offset + place_of(ticket.index) - place_of(first);
  metadata.timestamp = std::chrono::sys_time<std::chrono::milliseconds>{
      std::chrono::milliseconds{outcome->log_append_time.value_or(ticket.timestamp)}};
  if (ticket.key_size >= 0) metadata.key_size = static_cast<std::size_t>(ticket.key_size);
  if (ticket.value_size >= 0) metadata.value_size = static_cast<std::size_t>(ticket.value_size);
  return metadata;
}

COKAFKA_DECL bool completion::attach(record_waiter& added) {
  std::unique_lock guard(lock_);
  switch (state_.load(std::memory_order_relaxed)) {
    case state::pending: return link(added);
    case state::forwarded: {
      if (find_early_end(added.ticket.index) != nullptr) {
        added.source.reset(this);
        return false;
      }
      guard.unlock();
      return redirect(added.ticket).attach(added);
    }
    case state::done: break;
  }
  added.source.reset(this);
  if (handing_out_) waiters_.push_back(added);
  return handing_out_;
}

// Under the lock of a pending one.
COKAFKA_DECL bool completion::link(record_waiter& added) {
  if (find_early_end(added.ticket.index) != nullptr) {
    added.source.reset(this);
    return false;
  }
  if (!waiters_.empty() && static_cast<record_waiter&>(waiters_.back()).ticket.index > added.ticket.index) {
    in_order_ = false;
  }
  added.in.store(this, std::memory_order_release);
  waiters_.push_back(added);
  if (!by_index_.empty()) by_index_.clear();
  return true;
}

// Under the lock.
COKAFKA_DECL void completion::unlink(record_waiter& gone) {
  waiters_.erase(waiter_list::s_iterator_to(gone));
  if (by_index_.empty()) return;
  auto at = std::lower_bound(by_index_.begin(), by_index_.end(), gone.ticket.index,
                             [](const auto& each, std::uint32_t index) { return each.first < index; });
  while (at->second != &gone) ++at;
  at->second = nullptr;
}

// Under the lock. In record order.
COKAFKA_DECL void completion::add_waiters_of(record_range which, std::vector<record_waiter*>& found) {
  const auto [first, end] = which;
  const auto index_of = [](waiter& each) { return static_cast<record_waiter&>(each).ticket.index; };
  if (waiters_.empty() || (in_order_ && index_of(waiters_.front()) >= end)) return;
  if (in_order_ && index_of(waiters_.front()) >= first) {
    for (waiter& each : waiters_) {
      if (index_of(each) >= end) break;
      found.push_back(static_cast<record_waiter*>(&each));
    }
    return;
  }
  const auto comes_before = [](const auto& each, std::uint32_t index) { return each.first < index; };
  if (by_index_.empty()) {
    by_index_.reserve(waiters_.size());
    for (waiter& each : waiters_) by_index_.emplace_back(index_of(each), static_cast<record_waiter*>(&each));
    std::sort(by_index_.begin(), by_index_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  for (auto at = std::lower_bound(by_index_.begin(), by_index_.end(), first, comes_before);
       at != by_index_.end() && at->first < end; ++at) {
    if (at->second != nullptr) found.push_back(at->second);
  }
}

// It may move on to a piece of its batch until that completion's lock is held; this one keeps all pieces alive.
COKAFKA_DECL bool completion::detach(record_waiter& gone) {
  for (;;) {
    completion* const at = gone.in.load(std::memory_order_acquire);
    if (at == nullptr) return false;
    std::scoped_lock guard(at->lock_);
    if (gone.in.load(std::memory_order_acquire) != at) continue;
    if (at->state_.load(std::memory_order_relaxed) != state::pending) return false;
    if (gone.source || !gone.is_linked()) return false;  // with a source it has been handed out
    at->unlink(gone);
    return true;
  }
}

COKAFKA_DECL waiter_list completion::complete(batch_outcome outcome) noexcept {
  waiter_list waiting;
  {
    std::scoped_lock guard(lock_);
    if (state_.load(std::memory_order_relaxed) != state::pending) return waiting;
    outcome_ = std::move(outcome);
    waiting.swap(waiters_);
    by_index_ = {};
    handing_out_ = !waiting.empty() && !has_one_record;
    state_.store(state::done, std::memory_order_release);
  }
  put_in_order(waiting);
  for (auto& each : waiting) static_cast<record_waiter&>(each).source.reset(this);
  return waiting;
}

COKAFKA_DECL void completion::put_in_order(waiter_list& waiting) {
  if (in_order_) return;
  waiting.sort([](const waiter& a, const waiter& b) {
    return static_cast<const record_waiter&>(a).ticket.index < static_cast<const record_waiter&>(b).ticket.index;
  });
}

COKAFKA_DECL waiter_list completion::end_some(std::span<const record_range> which, batch_outcome outcome) {
  std::scoped_lock guard(lock_);
  if (state_.load(std::memory_order_relaxed) != state::pending || which.empty()) return {};
  // What may find no memory comes first.
  std::vector<record_waiter*> concerned;
  for (const record_range& each : which) add_waiters_of(each, concerned);
  make_room_to_end(which.back().end, 1);
  ended_.push_back(std::make_unique<const early_end>(early_end{which.front().first, std::move(outcome)}));
  for (const record_range& each : which) {
    std::fill(ended_by_.begin() + each.first, ended_by_.begin() + each.end, static_cast<std::uint32_t>(ended_.size()));
  }
  return hand_out(concerned);
}

COKAFKA_DECL waiter_list completion::end_each(std::span<single_end> all) {
  std::scoped_lock guard(lock_);
  if (state_.load(std::memory_order_relaxed) != state::pending || all.empty()) return {};
  std::vector<record_waiter*> concerned;
  std::vector<std::unique_ptr<const early_end>> made;
  made.reserve(all.size());
  make_room_to_end(all.back().index + 1, all.size());
  for (single_end& each : all) {
    add_waiters_of({each.index, each.index + 1}, concerned);
    made.push_back(std::make_unique<const early_end>(early_end{each.index, std::move(each.outcome)}));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    ended_.push_back(std::move(made[i]));
    ended_by_[all[i].index] = static_cast<std::uint32_t>(ended_.size());
  }
  return hand_out(concerned);
}

// Under the lock. For records before `end`, with `more` answers.
COKAFKA_DECL void completion::make_room_to_end(std::uint32_t end, std::size_t more) {
  if (end > ended_by_.size()) ended_by_.resize(end);
  if (ended_.size() + more > ended_.capacity()) ended_.reserve(std::max(ended_.size() + more, 2 * ended_.size()));
}

// Under the lock. Their records have ended.
COKAFKA_DECL waiter_list completion::hand_out(const std::vector<record_waiter*>& concerned) noexcept {
  waiter_list waiting;
  has_early_ends_.store(true, std::memory_order_release);
  for (record_waiter* each : concerned) {
    unlink(*each);
    each->source.reset(this);
    waiting.push_back(*each);
  }
  return waiting;
}

COKAFKA_DECL waiter_list completion::hand_out_rest() {
  waiter_list waiting;
  std::scoped_lock guard(lock_);
  if (state_.load(std::memory_order_relaxed) != state::done) return waiting;  // only some of its records have ended
  waiting.swap(waiters_);
  handing_out_ = !waiting.empty();
  return waiting;
}

COKAFKA_DECL void completion::drop(std::uint32_t index) {
  std::unique_lock guard(lock_);
  if (find_early_end(index) != nullptr) return;
  switch (state_.load(std::memory_order_relaxed)) {
    case state::pending: dropped_.set(index); return;
    case state::forwarded: {
      guard.unlock();
      record_ticket there;
      there.index = index;
      completion& target = redirect(there);
      return target.drop(there.index);
    }
    case state::done: return;
  }
}

COKAFKA_DECL std::vector<std::uint32_t> completion::take_dropped(std::uint32_t first, std::uint32_t end) {
  std::vector<std::uint32_t> taken;
  std::scoped_lock guard(lock_);
  if (dropped_.count() == 0) return taken;
  for (std::uint32_t i = first; i < end; ++i) {
    if (dropped_.take(i)) taken.push_back(i);
  }
  return taken;
}

COKAFKA_DECL waiter_list completion::abandon(fate known) noexcept {
  error_details why;
  why.code = errc::closed;
  why.message =
      if_memory([] { return std::string("the execution context was destroyed before the record was acknowledged"); });
  why.fate = known;
  batch_outcome outcome;
  outcome.failure = make_error(std::move(why));
  waiter_list waiting = complete(std::move(outcome));
  // Nobody is posted: who comes now need not queue up. Who queued up behind an answer on its way goes with it.
  waiter_list late = hand_out_rest();
  waiting.splice(waiting.end(), late);
  std::scoped_lock guard(lock_);
  handing_out_ = false;
  return waiting;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
