// SPDX-License-Identifier: BSL-1.0
// Bodies of completion: its records go on in another one, a parked record or the pieces of a divided batch.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_REDIRECTION_IPP
#define COKAFKA_DETAIL_CORE_REDIRECTION_IPP

#include "cokafka/detail/core/completion.hpp"
#include "cokafka/detail/core/if_memory.hpp"

#include <algorithm>
#include <cassert>
#include <mutex>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

// The ticket becomes that of the same record where it is now. Precondition: forwarded, and it has not ended here.
COKAFKA_DECL completion& completion::redirect(record_ticket& ticket) const noexcept {
  const std::uint32_t place = place_of(ticket.index);
  auto to = std::upper_bound(redirections_.begin(), redirections_.end(), place,
                             [](std::uint32_t at, const redirection& each) { return at < each.first; });
  --to;
  ticket.index = place - to->first + to->index;
  if (to->bytes != 0) ticket.bytes = to->bytes;
  return *to->target;
}

COKAFKA_DECL void completion::make_room_to_forward() {
  std::scoped_lock guard(lock_);
  redirections_.reserve(1);
}

COKAFKA_DECL waiter_list completion::forward(completion_ptr target, std::uint32_t index, std::uint32_t bytes) noexcept {
  waiter_list ready;
  std::scoped_lock guard(lock_);
  if (state_.load(std::memory_order_relaxed) != state::pending) return ready;
  redirections_.push_back({0, std::move(target), index, bytes});
  by_index_ = {};
  while (!waiters_.empty()) {
    auto& each = static_cast<record_waiter&>(waiters_.front());
    waiters_.pop_front();
    if (!redirect(each.ticket).attach(each)) ready.push_back(each);
  }
  // Should it fail, that will not be reported as unheard where this finds no memory.
  if (dropped_.count() > 0) if_memory([&] { redirections_.front().target->drop(index); });
  state_.store(state::forwarded, std::memory_order_release);
  return ready;
}

COKAFKA_DECL void completion::split(std::vector<redirection> pieces) noexcept {
  std::scoped_lock guard(lock_);
  assert(state_.load(std::memory_order_relaxed) == state::pending && !pieces.empty());
  redirections_ = std::move(pieces);
  by_index_ = {};
  while (!waiters_.empty()) {
    auto& each = static_cast<record_waiter&>(waiters_.front());
    waiters_.pop_front();
    completion& there = redirect(each.ticket);
    const std::scoped_lock its(there.lock_);
    there.link(each);  // nobody has ended it yet, or it would not wait
  }
  dropped_.for_each([this](std::uint32_t index) {
    record_ticket there;
    there.index = index;
    completion& target = redirect(there);
    if_memory([&] { target.drop(there.index); });
  });
  state_.store(state::forwarded, std::memory_order_release);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
