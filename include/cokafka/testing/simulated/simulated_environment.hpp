// SPDX-License-Identifier: BSL-1.0
// The environment of a simulation: virtual clock, seeded chance, simulated network.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_SIMULATED_ENVIRONMENT_HPP
#define COKAFKA_TESTING_SIMULATED_SIMULATED_ENVIRONMENT_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/io/environment.hpp"
#include "cokafka/testing/simulated/agenda.hpp"
#include "cokafka/testing/simulated/chance.hpp"
#include "cokafka/testing/simulated/network_state.hpp"
#include "cokafka/testing/simulated/trace.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

class simulated_timer final : public detail::timer, public agenda_item {
 public:
  using handler = asio::any_completion_handler<void(error_code)>;

  simulated_timer(agenda& clock, asio::any_io_executor executor) : agenda_item(clock), executor_(std::move(executor)) {}
  ~simulated_timer() override { cancel(); }

  COKAFKA_DECL void wait_until(clock_time at, handler then) override;
  void cancel() noexcept override { finish(asio::error::operation_aborted); }

 private:
  void due() override { finish(error_code()); }
  void drop() noexcept override { const handler dying = take_handler(handler_); }
  COKAFKA_DECL void finish(error_code failed);

  const asio::any_io_executor executor_;
  handler handler_;
};

/// Everything in it happens in one thread. Thread safety: none.
class simulated_environment final : public detail::environment {
 public:
  COKAFKA_DECL explicit simulated_environment(std::uint64_t seed);

  clock_time now() const noexcept override { return clock.now(); }
  std::chrono::system_clock::time_point wall_now() const noexcept override {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(clock.now().time_since_epoch() + wall_offset));
  }
  std::uint64_t random() override { return dice_.next(); }
  std::unique_ptr<detail::timer> make_timer(asio::any_io_executor executor) override {
    return std::make_unique<simulated_timer>(clock, std::move(executor));
  }
  COKAFKA_DECL std::unique_ptr<detail::stream> make_stream(asio::any_io_executor executor,
                                                           const detail::socket_options& options) override;
  COKAFKA_DECL std::unique_ptr<detail::listener> listen(asio::any_io_executor executor, const std::string& host,
                                                        std::uint16_t port) override;

  agenda clock;
  trace log;
  network_state network;
  clock_duration wall_offset;

 private:
  chance dice_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/simulated/simulated_environment.ipp"
#endif

#endif
