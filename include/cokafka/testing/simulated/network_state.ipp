// SPDX-License-Identifier: BSL-1.0
// Bodies of network_state.hpp.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_NETWORK_STATE_IPP
#define COKAFKA_TESTING_SIMULATED_NETWORK_STATE_IPP

#include "cokafka/testing/simulated/network_state.hpp"

#include <boost/asio/ip/address.hpp>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

COKAFKA_DECL std::string place_of(const std::string& address, std::uint16_t port) {
  const bool is_v6 = address.find(':') != std::string::npos;
  return (is_v6 ? "[" + address + "]:" : address + ":") + std::to_string(port);
}

COKAFKA_DECL bool is_address(const std::string& host) {
  error_code not_an_address;
  asio::ip::make_address(host, not_an_address);
  return !not_an_address;
}

COKAFKA_DECL std::vector<std::string> network_state::addresses_of(const std::string& host) const {
  if (is_address(host)) return {host};
  const auto found = names.find(host);
  return found == names.end() ? std::vector<std::string>() : found->second;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#endif
