// SPDX-License-Identifier: BSL-1.0
// What operations need of their producer when it is gone, and the order of runs that had to let others go first.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_OPERATION_HOME_HPP
#define COKAFKA_DETAIL_IO_OPERATION_HOME_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/spin_lock.hpp"
#include "cokafka/detail/core/completion.hpp"
#include "cokafka/detail/core/waiter.hpp"
#include "cokafka/detail/io/environment.hpp"
#include "cokafka/detail/io/waiter_pool.hpp"

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace asio = boost::asio;

/// A run of handlers that is interrupted, for its time is up or a handler threw, is posted again behind what its
/// executor has in its queue: runs of later records among it. Those queue up behind the interrupted one instead of
/// overtaking it. Thread safety: shared objects safe.
class interrupted_runs {
 public:
  /// When a run begins. False: it has been queued up, and is empty. An interrupted one gets back what it left here.
  bool begin(waiter_list& run) {
    if (count_.load(std::memory_order_acquire) == 0 || run.empty()) return true;
    std::scoped_lock guard(lock_);
    if (take_behind(run)) return true;
    for (auto& each : all_) {
      if (!each.head->runs_with(run.front())) continue;
      each.behind.splice(each.behind.end(), run);
      return false;
    }
    return true;
  }

  /// Puts the rest of a run, which is not empty, aside and posts its first waiter, which begin() will know again. An
  /// executor that refuses it ends the rest, uncalled. False, and nothing has changed, where there is no memory to put
  /// it aside.
  bool interrupt(waiter_list& rest) noexcept {
    waiter& head = rest.front();
    waiter_list posted;
    try {
      std::scoped_lock guard(lock_);
      for (auto& each : all_) {
        if (!each.head->runs_with(head)) continue;
        each.behind.splice(each.behind.end(), rest);  // only a pool of threads comes here, where no order is promised
        return true;
      }
      all_.emplace_back().head = &head;
      rest.pop_front();
      posted.push_back(head);
      all_.back().behind.swap(rest);
      count_.fetch_add(1, std::memory_order_release);
    } catch (const std::bad_alloc&) {
      return false;
    }
    try {
      head.post(std::move(posted));
    } catch (...) {
      return true;  // what was posted has ended, and has taken with it what it left here: give_up()
    }
    return true;
  }

  /// A run that will never run, because its execution context has gone, takes with it what it left here.
  void give_up(waiter_list& run) noexcept {
    if (count_.load(std::memory_order_acquire) == 0 || run.empty()) return;
    std::scoped_lock guard(lock_);
    take_behind(run);
  }

 private:
  struct interrupted {
    const waiter* head = nullptr;  // posted, so it lives until begin() or give_up() has erased this
    waiter_list behind{};
  };

  bool take_behind(waiter_list& run) noexcept {
    for (auto at = all_.begin(); at != all_.end(); ++at) {
      if (at->head != &run.front()) continue;
      run.splice(run.end(), at->behind);
      all_.erase(at);
      count_.fetch_sub(1, std::memory_order_relaxed);
      return true;
    }
    return false;
  }

  spin_lock lock_;
  std::list<interrupted> all_;  // at most one per executor
  std::atomic<std::size_t> count_{0};
};

/// What deliveries ask of their producer; implemented by the engine.
class delivery_host {
 public:
  /// Any thread, under no lock. False when it is too late; else the waiter is linked nowhere any more.
  virtual bool withdraw(completion& of, record_waiter& asked) = 0;
  /// A delivery is dropped, where its completion notes that.
  virtual void let_go(completion& of, const record_ticket& ticket) noexcept = 0;

 protected:
  ~delivery_host() = default;
};

/// Shared by the core, its handles and every waiting operation. Thread safety: shared objects safe.
struct operation_home : boost::intrusive_ref_counter<operation_home, boost::thread_safe_counter> {
  operation_home(asio::any_io_executor on, std::shared_ptr<environment> env)
      : executor(std::move(on)), clock(std::move(env)) {}
  asio::any_io_executor executor;  // empty once the execution context is being destroyed
  const std::shared_ptr<environment> clock;
  waiter_pool pool;
  interrupted_runs interrupted;
  std::weak_ptr<delivery_host> core{};  // set before it is shared
};
using operation_home_ptr = boost::intrusive_ptr<operation_home>;

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
