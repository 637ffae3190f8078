// SPDX-License-Identifier: BSL-1.0
// The asynchronous operations of a producer besides send: how each is begun, answered and cancelled.
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_OPERATIONS_HPP
#define COKAFKA_DETAIL_ENGINE_OPERATIONS_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/engine/engine.hpp"
#include "cokafka/detail/io/waiter_op.hpp"
#include "cokafka/partition_info.hpp"
#include "cokafka/result.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

struct producer_access;

/// The answer of an operation without a value, and its cancellation through one of the engine's functions.
template <class Base, bool (engine::*Cancel)(Base&)>
struct void_source {
  using base = Base;
  std::shared_ptr<engine> core;

  result<void> result_of(Base& op) const {
    if (op.failure) return *op.failure;
    return success();
  }
  bool cancel(Base& op, asio::cancellation_type) {
    if (!(core.get()->*Cancel)(op)) return false;
    error_details why;
    why.code = errc::cancelled;
    op.failure = error(std::move(why));
    return true;
  }
};

struct partitions_source : void_source<topic_waiter, &engine::cancel_watch> {
  result<std::vector<partition_info>> result_of(topic_waiter& op) const {
    if (op.failure) return *op.failure;
    return std::move(op.partitions);
  }
};

/// An initiation: a named class with an executor, because cancel_after and others ask for it. `Begin`, a function of
/// the engine, links the operation.
template <class Source, auto Begin>
class operation_initiation {
 public:
  using executor_type = asio::any_io_executor;
  explicit operation_initiation(std::shared_ptr<engine> core) : core_(std::move(core)) {}
  executor_type get_executor() const noexcept { return core_->home()->executor; }

  template <class Handler, class... Arguments>
  void operator()(Handler&& handler, Arguments&&... arguments) const {
    using op = waiter_op<Source, std::decay_t<Handler>>;
    std::decay_t<Handler> own(std::forward<Handler>(handler));
    op& made = op::make(core_->home(), Source{{core_}}, std::move(own));
    made.listen_for_cancellation();
    (core_.get()->*Begin)(made, std::forward<Arguments>(arguments)...);
  }

 private:
  std::shared_ptr<engine> core_;
};

using flush_initiation = operation_initiation<void_source<operation_waiter, &engine::cancel_flush>, &engine::flush>;
using flush_for_initiation =
    operation_initiation<void_source<operation_waiter, &engine::cancel_flush>, &engine::flush_for>;
using space_initiation =
    operation_initiation<void_source<operation_waiter, &engine::cancel_space>, &engine::wait_for_space>;
using close_initiation = operation_initiation<void_source<operation_waiter, &engine::cancel_close>, &engine::close>;
using partitions_initiation = operation_initiation<partitions_source, &engine::watch_partitions>;
using warm_up_initiation =
    operation_initiation<void_source<topic_waiter, &engine::cancel_watch>, &engine::watch_until_warm>;

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
