// SPDX-License-Identifier: BSL-1.0
// Who listens where in a simulated network, which connections there are, and what is wrong with which place.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_NETWORK_STATE_HPP
#define COKAFKA_TESTING_SIMULATED_NETWORK_STATE_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/testing/simulated/conversation.hpp"
#include "cokafka/testing/simulated/network_nature.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

class attempt;
class simulated_listener;

/// A place is "address:port", as text. Part of the environment.
struct network_state {
  network_state(agenda& clock, trace& log, std::uint64_t seed) : nature{clock, log, chance(seed, 2)} {}

  network_nature nature;
  std::map<std::string, std::vector<std::string>, std::less<>> names;  // to addresses
  std::map<std::string, simulated_listener*, std::less<>> listeners;   // by place
  conversations all;
  std::map<std::uint64_t, attempt*> attempts;  // that are not over; by the id of the connection they may become
  std::set<std::string, std::less<>> black_holes;
  std::set<std::string, std::less<>> hanging;  // for attempts to connect
  std::set<std::string, std::less<>> refusing;
  std::set<std::string, std::less<>> failing_lookups;
  std::set<std::string, std::less<>> hanging_lookups;
  bool has_no_descriptors = false;
  std::uint64_t last_id = 0;
  std::uint16_t next_port = 9092;

  /// The address literal itself, or those of the name; none: the name is not known.
  COKAFKA_DECL std::vector<std::string> addresses_of(const std::string& host) const;
  bool is_black_hole(const std::string& place) const { return has(black_holes, place); }
  bool is_silent(const std::string& place) const { return is_black_hole(place) || has(hanging, place); }
  bool is_refusing(const std::string& place) const { return has(refusing, place); }
  /// An empty place stands for all.
  static bool has(const std::set<std::string, std::less<>>& places, const std::string& place) {
    return !places.empty() && (places.contains(place) || places.contains(std::string_view()));
  }
};

COKAFKA_DECL std::string place_of(const std::string& address, std::uint16_t port);
COKAFKA_DECL bool is_address(const std::string& host);

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/simulated/network_state.ipp"
#endif

#endif
