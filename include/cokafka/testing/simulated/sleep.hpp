// SPDX-License-Identifier: BSL-1.0
// A wait in virtual time as an asynchronous operation of its own, which can be cancelled.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_SLEEP_HPP
#define COKAFKA_TESTING_SIMULATED_SLEEP_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/io/environment.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <memory>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

/// A named class, because `cancel_after` asks for the executor.
class sleep_initiation {
 public:
  using executor_type = boost::asio::any_io_executor;

  sleep_initiation(detail::environment& in, executor_type executor) : in_(&in), executor_(std::move(executor)) {}
  executor_type get_executor() const noexcept { return executor_; }

  template <class Handler>
  void operator()(Handler handler, detail::clock_time until) const {
    const std::shared_ptr<detail::timer> sleeper = in_->make_timer(executor_);
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
      slot.assign([weak = std::weak_ptr(sleeper)](boost::asio::cancellation_type) {
        if (const auto alive = weak.lock()) alive->cancel();
      });
    }
    auto executor = boost::asio::get_associated_executor(handler, executor_);
    auto awake = [sleeper, slot, handler = std::move(handler)](detail::error_code failed) mutable {
      if (slot.is_connected()) slot.clear();
      std::move(handler)(failed);
    };
    sleeper->wait_until(until, boost::asio::bind_executor(executor, std::move(awake)));
  }

 private:
  detail::environment* in_;
  executor_type executor_;
};

template <class Token>
auto async_sleep(detail::environment& in, boost::asio::any_io_executor executor, detail::clock_time until,
                 Token&& token) {
  return boost::asio::async_initiate<Token, void(detail::error_code)>(sleep_initiation(in, std::move(executor)), token,
                                                                      until);
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#endif
