// SPDX-License-Identifier: BSL-1.0
// The handle to a record that has been taken in: await it, ask it, or let it go.
// Layer 7.
#ifndef COKAFKA_DELIVERY_HPP
#define COKAFKA_DELIVERY_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/completion.hpp"
#include "cokafka/detail/io/waiter_op.hpp"
#include "cokafka/record_metadata.hpp"
#include "cokafka/result.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <utility>

namespace cokafka::inline COKAFKA_ABI {

namespace asio = boost::asio;

namespace detail {

/// How an awaited delivery gets its answer and how it is cancelled.
struct delivery_source {
  using base = record_waiter;
  completion_ptr target;
  bool cancelled = false;

  result<record_metadata> result_of(record_waiter& op) const {
    if (cancelled) return error(errc::cancelled);
    return op.source->get(op.ticket);
  }
  // partial and terminal stop waiting: the record lives on. total could only be obeyed without a side effect.
  bool cancel(record_waiter& op, asio::cancellation_type type) {
    if ((type & (asio::cancellation_type::partial | asio::cancellation_type::terminal)) == asio::cancellation_type::none) {
      return false;
    }
    if (cancelled || !target->detach(op)) return false;  // once: after that it is linked into the run that was posted
    cancelled = true;
    return true;
  }
};

}  // namespace detail

/// The handle to one record, itself an asynchronous operation with the signature `void(result<record_metadata>)`:
///
///     auto sent = co_await producer.send({.topic = "orders", .value = "1"});   // waits for the acknowledgement
///     delivery later = producer.send({.topic = "orders", .value = "2"});       // goes on; co_await std::move(later)
///
/// Awaiting never completes inside the call; the handler runs through its associated executor, by default the producer's.
/// Cancellation: `partial` and `terminal` stop waiting with `errc::cancelled`, fate maybe_written; the record lives on.
/// `total` is ignored. Destroying a delivery is detach(): the record is sent all the same.
/// Lifetime: may outlive its producer. Thread safety: distinct objects safe.
class [[nodiscard]] delivery {
 public:
  delivery(delivery&&) noexcept = default;
  delivery& operator=(delivery&&) noexcept = default;
  ~delivery() = default;

  /// Waits for the answer. Completion signature: `void(result<record_metadata>)`.
  template <asio::completion_token_for<void(result<record_metadata>)> Token>
  auto operator()(Token&& token) && {
    return asio::async_initiate<Token, void(result<record_metadata>)>(initiation{home_}, token, std::move(done_), ticket_);
  }

  /// The answer is there: get() has it, and awaiting it does not wait.
  bool ready() const noexcept { return done_->is_ready(); }

  /// The answer without waiting. Errors: errc::not_ready, or the record's own.
  result<record_metadata> get() const {
    if (!done_->is_ready()) return error(errc::not_ready);
    return done_->get(ticket_);
  }

  /// Fire and forget, said out loud.
  void detach() && { done_.reset(); }

 private:
  friend class producer;
  friend class topic_handle;

  class initiation {
   public:
    using executor_type = asio::any_io_executor;
    explicit initiation(detail::operation_home_ptr home) : home_(std::move(home)) {}
    executor_type get_executor() const noexcept { return home_->executor; }

    template <class Handler>
    void operator()(Handler&& handler, detail::completion_ptr done, detail::record_ticket ticket) const {
      using op = detail::waiter_op<detail::delivery_source, std::decay_t<Handler>>;
      std::decay_t<Handler> own(std::forward<Handler>(handler));
      op& made = op::make(home_, detail::delivery_source{done}, std::move(own));
      made.ticket = ticket;
      made.listen_for_cancellation();
      if (done->attach(made)) return;
      detail::post_waiter(made);
    }

   private:
    detail::operation_home_ptr home_;
  };

  delivery(detail::operation_home_ptr home, detail::completion_ptr done, const detail::record_ticket& ticket) noexcept
      : home_(std::move(home)), done_(std::move(done)), ticket_(ticket) {}

  detail::operation_home_ptr home_;
  detail::completion_ptr done_;
  detail::record_ticket ticket_;
};

}  // namespace cokafka::inline COKAFKA_ABI

#endif
