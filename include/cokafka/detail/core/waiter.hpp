// SPDX-License-Identifier: BSL-1.0
// Somebody who waits for an answer: the plain base class behind which layer 5 hides Asio's handlers.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_WAITER_HPP
#define COKAFKA_DETAIL_CORE_WAITER_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/error.hpp"

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <optional>

namespace cokafka::inline COKAFKA_ABI::detail {

/// What a delivery keeps of its own record; the rest of the metadata is shared by the batch. Sizes are -1 for null.
struct record_ticket {
  std::uint32_t index = 0;
  std::int32_t key_size = -1;
  std::int32_t value_size = -1;
  std::uint32_t bytes = 0;  // as encoded in its batch; 0 while it is parked
  std::int64_t timestamp = -1;
};

/// One operation that waits; linked into the list of what it waits for. Whoever unlinks it decides how it ends:
/// the list's lock makes that one party.
class waiter : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>> {
 public:
  waiter() = default;
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;

  /// Runs the handler with the result and ends the operation. Only where post() has brought it.
  virtual void deliver() = 0;
  /// Ends the operation without calling its handler: the execution context is being destroyed.
  virtual void destroy() noexcept = 0;
  /// Its handler belongs to the same executor as the other's, so that both can run in one go.
  virtual bool runs_with(const waiter& other) const noexcept = 0;
  /// Brings the waiters, which all run with this one, to their executor and delivers them there, in order.
  virtual void post(boost::intrusive::list<waiter>&& run) = 0;

  /// Tells apart the types of executors without run-time type information.
  const void* executor_type = nullptr;

 protected:
  ~waiter() = default;
};

/// A waiter for an operation without a value: flush, space, close. `failure` is set before it is ended, or stays empty.
class operation_waiter : public waiter {
 public:
  std::optional<error> failure{};

 protected:
  ~operation_waiter() = default;
};

/// Intrusive: linking and unlinking allocate nothing and cannot fail.
using waiter_list = boost::intrusive::list<waiter>;

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
