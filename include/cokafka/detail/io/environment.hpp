// SPDX-License-Identifier: BSL-1.0
// Where time, chance and connections come from: the one door through which layers 5 and 6 see the world.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_ENVIRONMENT_HPP
#define COKAFKA_DETAIL_IO_ENVIRONMENT_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/deadline_heap.hpp"
#include "cokafka/detail/io/stream.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

/// One wait at a time; belongs to the strand it was made for.
class timer {
 public:
  virtual ~timer() = default;
  /// Completes at `at`, or with operation_aborted when cancelled; a second call cancels the first wait.
  virtual void wait_until(clock_time at, asio::any_completion_handler<void(error_code)> handler) = 0;
  virtual void cancel() noexcept = 0;
};

template <class Token>
auto async_wait_until(timer& on, clock_time at, Token&& token) {
  return asio::async_initiate<Token, void(error_code)>(
      [](auto handler, timer* waiting, clock_time until) { waiting->wait_until(until, std::move(handler)); }, token,
      &on, at);
}

/// Options of a TCP connection.
struct socket_options {
  std::uint32_t attempt =
      0;  // a host's addresses are tried in turn, from this one on: the first may be dead and take all the time
  std::int32_t send_buffer = -1;  // bytes; -1: as the system has it
  std::int32_t receive_buffer = -1;
};

/// The system's, or a simulated one: the same producer runs in both. Shared by everything that runs in it and outlives
/// it. Thread safety: shared objects safe.
class environment {
 public:
  virtual ~environment() = default;

  virtual clock_time now() const noexcept = 0;
  virtual std::chrono::system_clock::time_point wall_now() const noexcept = 0;
  virtual std::uint64_t random() = 0;
  virtual std::unique_ptr<timer> make_timer(asio::any_io_executor executor) = 0;
  virtual std::unique_ptr<stream> make_stream(asio::any_io_executor executor, const socket_options& options) = 0;
  /// Port 0: one that is free. Throws boost::system::system_error when the address cannot be had.
  virtual std::unique_ptr<listener> listen(asio::any_io_executor executor, const std::string& host,
                                           std::uint16_t port) = 0;
};

/// Clock, timers and TCP sockets of the machine; one per process is enough.
std::shared_ptr<environment> system_environment();

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/io/system_environment.ipp"
#endif

#endif
