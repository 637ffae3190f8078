// SPDX-License-Identifier: BSL-1.0
// Which brokers want to be left alone by the control connection for a while (KIP-219).
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_THROTTLED_BROKERS_HPP
#define COKAFKA_DETAIL_CORE_THROTTLED_BROKERS_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/deadline_heap.hpp"
#include "cokafka/detail/base/host_port.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// By their addresses: another one may be asked meanwhile (guarantee.md, rule 23). Belongs to the home strand.
class throttled_brokers {
 public:
  /// So many are remembered; of more, those that are throttled longest.
  static constexpr std::size_t most = 64;

  /// An answer of this broker says that it shall not be asked before `until`.
  void note(const host_port& broker, clock_time until, clock_time now) {
    forget_past(now);
    const auto known = std::find_if(all_.begin(), all_.end(), [&](const auto& each) { return each.first == broker; });
    if (known != all_.end()) {
      known->second = std::max(known->second, until);
      return;
    }
    if (all_.size() == most) {
      const auto sooner = [](const auto& a, const auto& b) { return a.second < b.second; };
      all_.erase(std::min_element(all_.begin(), all_.end(), sooner));
    }
    all_.emplace_back(broker, until);
  }

  /// Until when it is; empty when it may be asked.
  std::optional<clock_time> until(const host_port& broker, clock_time now) const noexcept {
    for (const auto& [each, time] : all_) {
      if (each == broker && time > now) return time;
    }
    return std::nullopt;
  }

  /// When the first of these may be asked; empty when one of them may be now.
  std::optional<clock_time> first_free(const std::vector<host_port>& brokers, clock_time now) const noexcept {
    std::optional<clock_time> first;
    for (const host_port& each : brokers) {
      const auto time = until(each, now);
      if (!time) return std::nullopt;
      first = std::min(first.value_or(*time), *time);
    }
    return first;
  }

  bool is_any(clock_time now) const noexcept {
    return std::any_of(all_.begin(), all_.end(), [&](const auto& each) { return each.second > now; });
  }

 private:
  void forget_past(clock_time now) noexcept {
    std::erase_if(all_, [&](const auto& each) { return each.second <= now; });
  }

  std::vector<std::pair<host_port, clock_time>> all_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
