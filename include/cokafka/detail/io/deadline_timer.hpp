// SPDX-License-Identifier: BSL-1.0
// All deadlines of one strand behind one timer.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_DEADLINE_TIMER_HPP
#define COKAFKA_DETAIL_IO_DEADLINE_TIMER_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/deadline_heap.hpp"
#include "cokafka/detail/io/environment.hpp"

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

/// The heap of a strand's deadlines and the timer that follows its earliest entry. Deadlines that move later are
/// noticed when the timer fires, or at once by settle(): arming costs a microsecond, and traffic moves deadlines all
/// the time. Belongs to its strand.
class deadline_timer {
 public:
  /// `due` is called on the strand with the time; it pops what is due. `owner` keeps the object alive while the timer
  /// runs.
  deadline_timer(environment& env, asio::any_io_executor strand) : env_(env), strand_(std::move(strand)) {}

  void start(std::weak_ptr<void> owner, std::function<void()> due);

  deadline_heap heap;

  /// Arms the timer where the earliest deadline is before the time it waits for.
  void update();

  /// Makes the timer follow the earliest deadline exactly: nothing is in flight, so nothing but a deadline shall wake
  /// us.
  void settle();

  /// No wake-ups any more.
  void stop() noexcept;

  /// How often the timer has fired.
  std::uint64_t wake_ups() const noexcept { return wake_ups_.load(std::memory_order_relaxed); }

 private:
  void arm(clock_time at);

  environment& env_;
  asio::any_io_executor strand_;
  std::weak_ptr<void> owner_;
  std::function<void()> due_;
  std::unique_ptr<timer> timer_;
  std::optional<clock_time> armed_for_;
  std::uint64_t generation_ = 0;
  std::atomic<std::uint64_t> wake_ups_{0};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/io/deadline_timer.ipp"
#endif

#endif
