// SPDX-License-Identifier: BSL-1.0
// Bodies of completion: linking and handing out waiters, forwarding, the result of one record.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_COMPLETION_IPP
#define COKAFKA_DETAIL_CORE_COMPLETION_IPP

#include "cokafka/detail/core/completion.hpp"

#include <cassert>
#include <mutex>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL completion::completion(topic_name topic, std::int32_t partition, error failure)
    : completion(std::move(topic), partition) {
  outcome_.failure = std::move(failure);
  state_.store(state::done, std::memory_order_release);
}

COKAFKA_DECL bool completion::is_ready() const noexcept {
  const state seen = state_.load(std::memory_order_acquire);
  return seen == state::done || (seen == state::forwarded && target_->is_ready());
}

COKAFKA_DECL result<record_metadata> completion::get(const record_ticket& ticket) const {
  if (state_.load(std::memory_order_acquire) == state::forwarded) {
    record_ticket there = ticket;
    there.index += forwarded_index_;
    return target_->get(there);
  }
  assert(is_ready());
  if (outcome_.failure) return *outcome_.failure;
  record_metadata metadata;
  metadata.topic = topic_;
  metadata.partition = partition_;
  if (outcome_.base_offset) metadata.offset = *outcome_.base_offset + ticket.index;
  metadata.timestamp = std::chrono::sys_time<std::chrono::milliseconds>{
      std::chrono::milliseconds{outcome_.log_append_time.value_or(ticket.timestamp)}};
  if (ticket.key_size >= 0) metadata.key_size = static_cast<std::size_t>(ticket.key_size);
  if (ticket.value_size >= 0) metadata.value_size = static_cast<std::size_t>(ticket.value_size);
  return metadata;
}

COKAFKA_DECL bool completion::attach(record_waiter& added) {
  std::unique_lock guard(lock_);
  switch (state_.load(std::memory_order_relaxed)) {
    case state::pending:
      if (!waiters_.empty() && static_cast<record_waiter&>(waiters_.back()).ticket.index > added.ticket.index) {
        in_order_ = false;
      }
      waiters_.push_back(added);
      return true;
    case state::forwarded:
      guard.unlock();
      added.ticket.index += forwarded_index_;
      return target_->attach(added);
    case state::done: break;
  }
  added.source.reset(this);
  if (handing_out_) waiters_.push_back(added);
  return handing_out_;
}

COKAFKA_DECL bool completion::detach(record_waiter& gone) {
  std::unique_lock guard(lock_);
  switch (state_.load(std::memory_order_relaxed)) {
    case state::pending:
      if (!gone.is_linked()) return false;
      unlink(waiters_, gone);
      return true;
    case state::forwarded: guard.unlock(); return target_->detach(gone);
    case state::done: break;
  }
  return false;
}

COKAFKA_DECL waiter_list completion::complete(batch_outcome outcome) {
  waiter_list waiting;
  {
    std::scoped_lock guard(lock_);
    if (state_.load(std::memory_order_relaxed) != state::pending) return waiting;
    outcome_ = std::move(outcome);
    waiting.swap(waiters_);
    handing_out_ = !waiting.empty();
    state_.store(state::done, std::memory_order_release);
  }
  if (!in_order_) {
    waiting.sort([](const waiter& a, const waiter& b) {
      return static_cast<const record_waiter&>(a).ticket.index < static_cast<const record_waiter&>(b).ticket.index;
    });
  }
  for (auto& each : waiting) static_cast<record_waiter&>(each).source.reset(this);
  return waiting;
}

COKAFKA_DECL waiter_list completion::hand_out_rest() {
  waiter_list waiting;
  std::scoped_lock guard(lock_);
  waiting.swap(waiters_);
  handing_out_ = !waiting.empty();
  return waiting;
}

COKAFKA_DECL waiter_list completion::forward(completion_ptr target, std::uint32_t index) {
  waiter_list ready;
  std::scoped_lock guard(lock_);
  if (state_.load(std::memory_order_relaxed) != state::pending) return ready;
  target_ = std::move(target);
  forwarded_index_ = index;
  while (!waiters_.empty()) {
    auto& each = static_cast<record_waiter&>(waiters_.front());
    waiters_.pop_front();
    each.ticket.index += index;
    if (!target_->attach(each)) ready.push_back(each);
  }
  state_.store(state::forwarded, std::memory_order_release);
  return ready;
}

COKAFKA_DECL waiter_list completion::abandon(fate known) {
  error_details why;
  why.code = errc::closed;
  why.message = "the execution context was destroyed before the record was acknowledged";
  why.fate = known;
  batch_outcome outcome;
  outcome.failure = error(std::move(why));
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
