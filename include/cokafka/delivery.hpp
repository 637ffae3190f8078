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
#include <cstdint>
#include <utility>

namespace cokafka::inline COKAFKA_ABI {

namespace asio = boost::asio;

namespace detail {

/// How an awaited delivery gets its answer and how it is cancelled (guarantee.md, rule 16).
struct delivery_source {
  using base = record_waiter;
  enum class end : std::uint8_t { answer, stopped_waiting, withdrawn };
  completion_ptr target;
  end how = end::answer;

  result<record_metadata> result_of(record_waiter& op) const {
    if (how == end::answer) return op.source->get(op.ticket);
    error_details why;
    why.code = errc::cancelled;
    why.fate = how == end::withdrawn ? fate::not_written : fate::maybe_written;
    return error(std::move(why));
  }
  // total takes the record back, partial stops waiting, terminal does what of both is possible. Once: after that the
  // operation is linked into the run that was posted.
  template <class Op>
  bool cancel(Op& op, asio::cancellation_type type) {
    using asio::cancellation_type;
    const auto asks = [&](cancellation_type for_one) { return (type & for_one) != cancellation_type::none; };
    if (how != end::answer) return false;
    if (asks(cancellation_type::total | cancellation_type::terminal)) {
      const auto core = op.home().core.lock();
      if (core && core->withdraw(*target, op)) {
        how = end::withdrawn;
        return true;
      }
    }
    if (!asks(cancellation_type::partial | cancellation_type::terminal) || !target->detach(op)) return false;
    how = end::stopped_waiting;
    if (target->notes_dropped) op.in.load(std::memory_order_acquire)->drop(op.ticket.index);  // nobody waits any more
    return true;
  }
};

/// A record whose answer somebody may still ask for: held by a delivery, and by a lazy operation that has not begun.
/// Who gives it up unasked is noted, where somebody wants failures reported that nobody waits for. Of copies the
/// latest answers for that.
class held_record {
 public:
  held_record(operation_home_ptr home, completion_ptr done, const record_ticket& ticket) noexcept
      : home_(std::move(home)), done_(std::move(done)), ticket_(ticket) {}
  held_record(held_record&&) noexcept = default;  // leaves nothing behind
  held_record(const held_record& other) noexcept
      : home_(other.home_), done_(other.done_), ticket_(other.ticket_), notes_(std::exchange(other.notes_, false)) {}
  held_record& operator=(held_record&& other) noexcept {
    if (this == &other) return *this;
    let_go();
    home_ = std::move(other.home_);
    done_ = std::move(other.done_);
    ticket_ = other.ticket_;
    notes_ = other.notes_;
    return *this;
  }
  ~held_record() { let_go(); }

  const operation_home_ptr& home() const noexcept { return home_; }
  completion& done() const noexcept { return *done_; }
  const record_ticket& ticket() const noexcept { return ticket_; }
  /// Somebody waits from now on.
  completion_ptr take() noexcept { return std::move(done_); }

  /// The answer has been looked at. What a batch fails with is noted before: nobody held the delivery then.
  void seen() const noexcept {
    if (done_->was_refused) notes_ = false;
  }

  void let_go() noexcept {
    const completion_ptr gone = std::move(done_);
    if (!gone || !notes_ || !gone->notes_dropped) return;
    if (const auto core = home_->core.lock()) core->let_go(*gone, ticket_);
  }

 private:
  operation_home_ptr home_;
  completion_ptr done_;
  record_ticket ticket_;
  mutable bool notes_ = true;
};

}  // namespace detail

/// The handle to one record, itself an asynchronous operation with the signature `void(result<record_metadata>)`:
///
///     auto sent = co_await producer.send({.topic = "orders", .value = "1"});   // waits for the acknowledgement
///     delivery later = producer.send({.topic = "orders", .value = "2"});       // goes on; co_await std::move(later)
///
/// Awaiting never completes inside the call; the handler runs through its associated executor, by default the
/// producer's. Cancellation: `total` withdraws a record that is parked or in a batch that is not sealed yet:
/// `errc::cancelled`, fate not_written, and the records around it notice nothing; later it is ignored. `partial` stops
/// waiting: `errc::cancelled`, fate maybe_written, and the record lives on. `terminal` withdraws where that is
/// possible, else stops waiting. (A spawned coroutine, `cancel_after` and `||` emit terminal unless told otherwise.)
/// Destroying a delivery is detach(): the record is sent all the same. Lifetime: may outlive its producer. Thread
/// safety: distinct objects safe.
class [[nodiscard]] delivery {
 public:
  delivery(delivery&&) noexcept = default;
  delivery& operator=(delivery&&) noexcept = default;

  /// Waits for the answer. Completion signature: `void(result<record_metadata>)`.
  template <asio::completion_token_for<void(result<record_metadata>)> Token>
  auto operator()(Token&& token) && {
    return asio::async_initiate<Token, void(result<record_metadata>)>(initiation{held_.home()}, token,
                                                                      std::move(held_));
  }

  /// The answer is there: get() has it, and awaiting it does not wait.
  bool ready() const noexcept { return held_.done().is_ready(held_.ticket()); }

  /// The answer without waiting. Errors: errc::not_ready, or the record's own.
  result<record_metadata> get() const {
    if (!held_.done().is_ready(held_.ticket())) return error(errc::not_ready);
    held_.seen();
    return held_.done().get(held_.ticket());
  }

  /// Fire and forget, said out loud.
  void detach() && { held_.let_go(); }

 private:
  friend class producer;
  friend class topic_handle;

  class initiation {
   public:
    using executor_type = asio::any_io_executor;
    explicit initiation(detail::operation_home_ptr home) : home_(std::move(home)) {}
    executor_type get_executor() const noexcept { return home_->executor; }

    template <class Handler>
    void operator()(Handler&& handler, detail::held_record held) const {
      using op = detail::waiter_op<detail::delivery_source, std::decay_t<Handler>>;
      std::decay_t<Handler> own(std::forward<Handler>(handler));
      op& made = op::make(home_, detail::delivery_source{&held.done()}, std::move(own));
      const detail::completion_ptr done = held.take();
      made.ticket = held.ticket();
      made.listen_for_cancellation();
      if (done->attach(made)) return;
      detail::post_waiter(made);
    }

   private:
    detail::operation_home_ptr home_;
  };

  delivery(detail::operation_home_ptr home, detail::completion_ptr done, const detail::record_ticket& ticket) noexcept
      : held_(std::move(home), std::move(done), ticket) {}

  detail::held_record held_;
};

}  // namespace cokafka::inline COKAFKA_ABI

#endif
