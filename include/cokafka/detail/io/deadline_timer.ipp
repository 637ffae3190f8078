// SPDX-License-Identifier: BSL-1.0
// Bodies of deadline_timer.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_DEADLINE_TIMER_IPP
#define COKAFKA_DETAIL_IO_DEADLINE_TIMER_IPP

#include "cokafka/detail/io/deadline_timer.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <new>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL void deadline_timer::start(std::weak_ptr<void> owner, std::function<void()> due) {
  owner_ = std::move(owner);
  due_ = std::move(due);
  timer_ = env_.make_timer(strand_);
}

COKAFKA_DECL void deadline_timer::update() {
  const auto earliest = heap.earliest();
  if (!timer_ || !earliest || (armed_for_ && *armed_for_ <= *earliest)) return;
  arm(*earliest);
}

COKAFKA_DECL void deadline_timer::settle() {
  const auto earliest = heap.earliest();
  if (!timer_ || earliest == armed_for_) return;
  if (earliest) return arm(*earliest);
  armed_for_.reset();
  ++generation_;
  timer_->cancel();
}

COKAFKA_DECL void deadline_timer::stop() noexcept {
  armed_for_.reset();
  ++generation_;
  timer_.reset();
  strand_ = asio::any_io_executor();
}

COKAFKA_DECL void deadline_timer::arm(clock_time at) {
  armed_for_.reset();  // until it is: without memory the next update() tries again
  const std::uint64_t mine = ++generation_;
  auto fire = [this, mine, alive = owner_](error_code failed) {
    const auto owner = alive.lock();
    if (!owner || failed || mine != generation_) return;
    armed_for_.reset();
    wake_ups_.fetch_add(1, std::memory_order_relaxed);
    try {
      due_();
    } catch (const std::bad_alloc&) {  // what is still due follows at once
    }
    update();
  };
  if (at <= env_.now()) {  // behind what is posted already: a timer would cost a system call and come no sooner
    asio::post(strand_, [fire = std::move(fire)] { fire(error_code()); });
  } else {
    timer_->wait_until(at, asio::bind_executor(strand_, std::move(fire)));
  }
  armed_for_ = at;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
