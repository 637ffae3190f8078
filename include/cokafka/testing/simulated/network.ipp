// SPDX-License-Identifier: BSL-1.0
// Bodies of network.hpp.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_NETWORK_IPP
#define COKAFKA_TESTING_SIMULATED_NETWORK_IPP

#include "cokafka/testing/simulated/network.hpp"

#include "cokafka/testing/simulated/simulated_stream.hpp"

#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing {

namespace simulated {

/// True: the set has changed.
inline bool set_member(std::set<std::string, std::less<>>& of, std::string_view name, bool on) {
  if (on) return of.emplace(name).second;
  const auto found = of.find(name);
  if (found == of.end()) return false;
  of.erase(found);
  return true;
}

inline side writer_of(direction way) noexcept { return way == direction::to_broker ? side::client : side::broker; }

}  // namespace simulated

COKAFKA_DECL network& network::delay(duration least, duration most) {
  state_.nature.habits.least_delay = least;
  state_.nature.habits.most_delay = most;
  return *this;
}

COKAFKA_DECL network& network::slice(std::size_t at_most) {
  state_.nature.habits.slice = at_most;
  return *this;
}

COKAFKA_DECL network& network::window(std::size_t bytes) {
  state_.nature.habits.window = bytes;
  return *this;
}

COKAFKA_DECL network& network::straggle(duration at_most) {
  state_.nature.habits.straggling = at_most;
  return *this;
}

COKAFKA_DECL network& network::odds(const network_odds& wanted) {
  state_.nature.habits.odds = wanted;
  return *this;
}

COKAFKA_DECL std::vector<simulated::conversation*> network::open(std::string_view place) const {
  std::vector<simulated::conversation*> found;
  for (const auto& [id, each] : state_.all) {
    if (each->is_open() && (place.empty() || each->place() == place)) found.push_back(each);
  }
  return found;
}

COKAFKA_DECL std::size_t network::connections(std::string_view place) const { return open(place).size(); }

COKAFKA_DECL std::size_t network::cut(std::string_view place) {
  const auto found = open(place);
  for (simulated::conversation* each : found) each->cut();
  return found.size();
}

COKAFKA_DECL bool network::cut_one() {
  const auto found = open({});
  if (found.empty()) return false;
  found[state_.nature.dice.below(found.size())]->cut();
  return true;
}

COKAFKA_DECL std::size_t network::half_close(direction way, std::string_view place) {
  const auto found = open(place);
  for (simulated::conversation* each : found) each->half_close(simulated::writer_of(way));
  return found.size();
}

COKAFKA_DECL bool network::half_close_one(direction way) {
  const auto found = open({});
  if (found.empty()) return false;
  found[state_.nature.dice.below(found.size())]->half_close(simulated::writer_of(way));
  return true;
}

COKAFKA_DECL network& network::black_hole(std::string_view place, bool on) {
  if (!simulated::set_member(state_.black_holes, place, on)) return *this;
  for (const auto& [id, each] : state_.all) {
    if (!place.empty() && each->place() != place) continue;
    if (on) {
      each->hold();
    } else if (!state_.is_black_hole(each->place())) {
      each->release();
    }
  }
  if (!on) simulated::retry_attempts(state_);
  return *this;
}

COKAFKA_DECL network& network::hang(std::string_view place, bool on) {
  if (simulated::set_member(state_.hanging, place, on) && !on) simulated::retry_attempts(state_);
  return *this;
}

COKAFKA_DECL network& network::refuse(std::string_view place, bool on) {
  simulated::set_member(state_.refusing, place, on);
  return *this;
}

COKAFKA_DECL network& network::host(std::string name, std::vector<std::string> addresses) {
  state_.names.insert_or_assign(std::move(name), std::move(addresses));
  return *this;
}

COKAFKA_DECL network& network::fail_lookups(std::string_view name, bool on) {
  simulated::set_member(state_.failing_lookups, name, on);
  return *this;
}

COKAFKA_DECL network& network::hang_lookups(std::string_view name, bool on) {
  if (simulated::set_member(state_.hanging_lookups, name, on) && !on) simulated::retry_attempts(state_);
  return *this;
}

COKAFKA_DECL network& network::no_descriptors(bool on) {
  state_.has_no_descriptors = on;
  return *this;
}

COKAFKA_DECL void network::heal() {
  const auto holes = std::exchange(state_.black_holes, {});
  if (!holes.empty()) {
    for (const auto& [id, each] : state_.all) each->release();
  }
  state_.hanging.clear();
  state_.refusing.clear();
  state_.failing_lookups.clear();
  state_.hanging_lookups.clear();
  state_.has_no_descriptors = false;
  state_.nature.habits.odds = {};
  simulated::retry_attempts(state_);
}

}  // namespace cokafka::inline COKAFKA_ABI::testing

#endif
