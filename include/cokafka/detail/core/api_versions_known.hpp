// SPDX-License-Identifier: BSL-1.0
// Which versions of which API a broker speaks, and which of them we use.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_API_VERSIONS_KNOWN_HPP
#define COKAFKA_DETAIL_CORE_API_VERSIONS_KNOWN_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/messages/api_versions.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Upper limits per API, to speak an older version than both sides could: how tests force every version once.
using version_caps = std::map<messages::api_key, std::int16_t>;

/// What this client uses of each API; a message may be described in more versions than these.
constexpr wire::version_range client_versions(messages::api_key key) noexcept {
  switch (key) {
    case messages::api_key::produce: return {3, 13};  // record batch v2 begins at 3
    case messages::api_key::metadata: return {1, 13};
    case messages::api_key::api_versions: return {0, 4};
    case messages::api_key::init_producer_id: return {0, 5};
    default: return {0, -1};
  }
}

/// The result of ApiVersions on one connection.
class api_versions_known {
 public:
  void learn(const messages::api_versions_response& response, const version_caps& caps) {
    ranges_.clear();
    for (const auto& each : response.api_keys) {
      const auto key = static_cast<messages::api_key>(each.api_key);
      wire::version_range ours = client_versions(key);
      if (const auto cap = caps.find(key); cap != caps.end()) ours.max = std::min(ours.max, cap->second);
      const wire::version_range both{std::max(ours.min, each.min_version), std::min(ours.max, each.max_version)};
      if (both.min <= both.max) ranges_[key] = both;
    }
  }

  /// The newest version that both sides speak.
  std::optional<std::int16_t> newest(messages::api_key key) const {
    const auto found = ranges_.find(key);
    if (found == ranges_.end()) return std::nullopt;
    return found->second.max;
  }

 private:
  std::map<messages::api_key, wire::version_range> ranges_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
