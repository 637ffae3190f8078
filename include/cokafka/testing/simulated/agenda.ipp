// SPDX-License-Identifier: BSL-1.0
// Bodies of agenda.hpp.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_AGENDA_IPP
#define COKAFKA_TESTING_SIMULATED_AGENDA_IPP

#include "cokafka/testing/simulated/agenda.hpp"

#include <algorithm>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

COKAFKA_DECL agenda_item::agenda_item(agenda& of) : of_(of) { of.all_.push_back(*this); }

COKAFKA_DECL void agenda_item::schedule(clock_time at) {
  if (is_scheduled() && key_.first == at) return;
  unschedule();
  const std::pair<clock_time, std::uint64_t> key{std::max(at, of_.now_), ++of_.sequence_};
  of_.queue_.emplace(key, this);
  key_ = key;
}

COKAFKA_DECL void agenda_item::unschedule() noexcept {
  if (!is_scheduled()) return;
  of_.queue_.erase(key_);
  key_ = {};
}

COKAFKA_DECL void agenda::run_next() {
  const auto first = queue_.begin();
  agenda_item& item = *first->second;
  now_ = first->first.first;
  queue_.erase(first);
  item.key_ = {};
  item.due();
}

// A handler may own items, this one among them: what an item drops goes after the item has been left alone.
COKAFKA_DECL void agenda::shutdown() noexcept {
  is_over_ = true;
  while (!all_.empty()) {
    agenda_item& item = all_.front();
    all_.pop_front();
    item.drop();
  }
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#endif
