// SPDX-License-Identifier: BSL-1.0
// How handlers are run: one post per batch and executor, inside which the waiting handlers follow each other.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_WAITER_RUN_HPP
#define COKAFKA_DETAIL_IO_WAITER_RUN_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/waiter.hpp"
#include "cokafka/detail/io/operation_home.hpp"

#include <chrono>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

/// The function object that is posted. Delivers its waiters in order; after 256 of them or 100 µs the rest is posted
/// again, so that a pool of threads shares the work and nobody else starves. A handler that throws does not keep the
/// others from running. Destroyed without having run, it destroys its waiters: the execution context has gone.
class waiter_run {
 public:
  /// Without a home (nobody else's handlers are involved) it is never interrupted.
  explicit waiter_run(waiter_list&& run, operation_home_ptr home = {}) noexcept : home_(std::move(home)) {
    waiting_.swap(run);
  }
  waiter_run(waiter_run&& other) noexcept : home_(std::move(other.home_)) { waiting_.swap(other.waiting_); }
  waiter_run& operator=(waiter_run&&) = delete;
  ~waiter_run() {
    if (home_) home_->interrupted.give_up(waiting_);
    while (!waiting_.empty()) {
      waiter& each = waiting_.front();
      waiting_.pop_front();
      each.destroy();
    }
  }

  void operator()() {
    if (home_ && !home_->interrupted.begin(waiting_)) return;
    const rest_guard guard{waiting_, home_};
    const clock_time until = home_ ? home_->clock->now() + std::chrono::microseconds(100) : clock_time::max();
    for (int delivered = 0; !waiting_.empty(); ++delivered) {
      const bool may_end = home_ && delivered > 0 && delivered % 16 == 0;
      const bool time_is_up = may_end && (delivered >= 256 || home_->clock->now() > until);
      if (time_is_up && home_->interrupted.interrupt(waiting_)) return;
      waiter& each = waiting_.front();
      waiting_.pop_front();
      each.deliver();
    }
  }

 private:
  // What is left when a handler throws goes to the end of the executor's queue.
  struct rest_guard {
    waiter_list& rest;
    const operation_home_ptr& home;
    ~rest_guard() {
      if (!rest.empty() && home) home->interrupted.interrupt(rest);
    }
  };

  operation_home_ptr home_;
  waiter_list waiting_;
};

/// Splits the waiters into runs of equal executors and posts each run. One that finds no memory, or whose executor
/// refuses it, is destroyed without being called; the others are not concerned.
inline void post_waiters(waiter_list& waiting) noexcept {
  while (!waiting.empty()) {
    waiter& first = waiting.front();
    auto end = std::next(waiting.begin());
    while (end != waiting.end() && end->runs_with(first)) ++end;
    waiter_list run;
    run.splice(run.end(), waiting, waiting.begin(), end);
    try {
      first.post(std::move(run));
    } catch (...) {
      continue;
    }
  }
}

/// One that is linked nowhere, because its answer is there already: whoever begins it hears of an executor that
/// refuses.
inline void post_waiter(waiter& ready) {
  waiter_list alone;
  alone.push_back(ready);
  ready.post(std::move(alone));
}

/// Ends all waiters without calling their handlers.
inline void destroy_waiters(waiter_list& waiting) noexcept { const waiter_run destroys{std::move(waiting)}; }

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
