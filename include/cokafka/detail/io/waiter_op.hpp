// SPDX-License-Identifier: BSL-1.0
// Asio's handlers behind the core's plain waiters: executor, allocator, outstanding work, cancellation.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_WAITER_OP_HPP
#define COKAFKA_DETAIL_IO_WAITER_OP_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/completion.hpp"
#include "cokafka/detail/core/waiter.hpp"
#include "cokafka/detail/io/operation_home.hpp"
#include "cokafka/detail/io/waiter_pool.hpp"
#include "cokafka/detail/io/waiter_run.hpp"
#include "cokafka/result.hpp"

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/require.hpp>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace asio = boost::asio;

/// The part of an operation that depends on its handler's executor. A handler on a foreign executor counts as
/// outstanding work there while it waits.
template <class Base, class Executor>
class waiter_on : public Base {
 public:
  bool runs_with(const waiter& other) const noexcept final {
    if (other.executor_type != &type_tag) return false;
    const auto& same_type = static_cast<const waiter_on&>(other);
    return is_own_ == same_type.is_own_ && (is_own_ || executor_ == same_type.executor_);
  }

  void post(waiter_list&& run) final {
    const operation_home_ptr home = home_;  // this waiter may end before post returns
    waiter_run posted(std::move(run), home);
    if constexpr (asio::can_require<Executor, asio::execution::blocking_t::never_t>::value) {
      // Straight to the handler's executor: by way of the producer's, two runs could overtake each other.
      if (!is_own_) return asio::post(executor_, std::move(posted));
    } else if (home->executor && !is_own_) {
      return asio::post(home->executor, asio::bind_executor(executor_, std::move(posted)));
    }
    // Without an executor the execution context has gone, and `posted` destroys its waiters.
    if (home->executor) asio::post(home->executor, std::move(posted));
  }

  const operation_home& home() const noexcept { return *home_; }

 protected:
  waiter_on(operation_home_ptr home, const Executor& executor)
      : home_(std::move(home)), executor_(executor), is_own_(is_own(home_->executor, executor)) {
    this->executor_type = &type_tag;
    if (!is_own_) work_.emplace(executor_);
  }
  ~waiter_on() = default;

  operation_home_ptr home_;

 private:
  static constexpr char type_tag = 0;

  static bool is_own(const asio::any_io_executor& own, const Executor& executor) noexcept {
    if constexpr (std::is_same_v<Executor, asio::any_io_executor>) {
      return own == executor;
    } else if constexpr (std::is_same_v<Executor, asio::any_completion_executor>) {
      return asio::any_completion_executor(own) == executor;
    } else {
      const Executor* same_type = own.template target<Executor>();
      return same_type != nullptr && *same_type == executor;
    }
  }

  Executor executor_;
  bool is_own_;
  std::optional<asio::executor_work_guard<Executor>> work_;
};

/// One operation: the handler, and how its result is read. `Source` gives `Base` (the core's waiter class),
/// `result_of(op)`, and `cancel(op, type)`, which returns true when the operation ends now (it is unlinked then).
template <class Source, class Handler>
class waiter_op final
    : public waiter_on<typename Source::base, asio::associated_executor_t<Handler, asio::any_io_executor>> {
  using executor = asio::associated_executor_t<Handler, asio::any_io_executor>;
  using parent = waiter_on<typename Source::base, executor>;
  using allocator = typename std::allocator_traits<
      asio::associated_allocator_t<Handler, pool_allocator<void>>>::template rebind_alloc<waiter_op>;

 public:
  /// Makes the operation; whoever ends it frees it.
  static waiter_op& make(operation_home_ptr home, Source source, Handler&& handler) {
    allocator memory(asio::get_associated_allocator(handler, pool_allocator<void>(home->pool)));
    waiter_op* made = std::allocator_traits<allocator>::allocate(memory, 1);
    try {
      return *::new (static_cast<void*>(made)) waiter_op(std::move(home), std::move(source), std::move(handler));
    } catch (...) {
      std::allocator_traits<allocator>::deallocate(memory, made, 1);
      throw;
    }
  }

  void deliver() override {
    auto answer = source_.result_of(*this);
    Handler handler = release();
    std::move(handler)(std::move(answer));
  }

  // The handler may own the last reference to things that look at this operation: it goes last.
  void destroy() noexcept override { [[maybe_unused]] const Handler handler = release(); }

  /// Lets the handler's cancellation slot end the operation. Called once, before it can be completed by anybody else.
  void listen_for_cancellation() {
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (!slot.is_connected()) return;
    slot.assign([this](asio::cancellation_type type) {
      if (!source_.cancel(*this, type)) return;
      post_waiter(*this);
    });
  }

  Source& source() noexcept { return source_; }

 private:
  waiter_op(operation_home_ptr home, Source&& source, Handler&& handler)
      : parent(home, asio::get_associated_executor(handler, home->executor)),
        source_(std::move(source)),
        handler_(std::move(handler)) {}
  ~waiter_op() = default;

  // Ends the operation and frees its memory, before the handler runs.
  Handler release() noexcept {
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) slot.clear();
    const operation_home_ptr home = this->home_;
    allocator memory(asio::get_associated_allocator(handler_, pool_allocator<void>(home->pool)));
    Handler handler = std::move(handler_);
    this->~waiter_op();
    std::allocator_traits<allocator>::deallocate(memory, this, 1);
    return handler;
  }

  Source source_;
  Handler handler_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
