// SPDX-License-Identifier: BSL-1.0
// Bodies of simulated_environment.hpp.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_SIMULATED_ENVIRONMENT_IPP
#define COKAFKA_TESTING_SIMULATED_SIMULATED_ENVIRONMENT_IPP

#include "cokafka/testing/simulated/simulated_environment.hpp"

#include "cokafka/testing/simulated/simulated_stream.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

// Neither clock begins at 0, which a program could take for "never". Wall time begins with the year 2026.
constexpr clock_time first_moment{std::chrono::hours(1000)};
constexpr std::chrono::seconds first_wall_time{1'767'225'600};

COKAFKA_DECL simulated_environment::simulated_environment(std::uint64_t seed)
    : clock(first_moment),
      log(clock),
      network(clock, log, seed),
      wall_offset(first_wall_time - first_moment.time_since_epoch()),
      dice_(seed, 1) {
  network.names.emplace("localhost", std::vector<std::string>{"127.0.0.1"});
}

COKAFKA_DECL std::unique_ptr<detail::stream> simulated_environment::make_stream(asio::any_io_executor executor,
                                                                                const detail::socket_options& options) {
  return std::make_unique<simulated_stream>(network, std::move(executor), options);
}

COKAFKA_DECL std::unique_ptr<detail::listener> simulated_environment::listen(asio::any_io_executor executor,
                                                                             const std::string& host,
                                                                             std::uint16_t port) {
  const auto addresses = network.addresses_of(host);
  if (addresses.empty()) throw boost::system::system_error(asio::error::host_not_found, "listen at " + host);
  if (port == 0) {
    while (network.listeners.contains(place_of(addresses.front(), network.next_port))) ++network.next_port;
    port = network.next_port++;
  } else if (network.listeners.contains(place_of(addresses.front(), port))) {
    throw boost::system::system_error(asio::error::address_in_use, "listen at " + place_of(addresses.front(), port));
  }
  return std::make_unique<simulated_listener>(network, std::move(executor), addresses.front(), port);
}

COKAFKA_DECL void simulated_timer::wait_until(clock_time at, handler then) {
  cancel();
  handler_.swap(then);
  schedule(at);
}

COKAFKA_DECL void simulated_timer::finish(error_code failed) {
  if (!handler_) return;
  unschedule();
  of_.complete(executor_, take_handler(handler_), failed);
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#endif
