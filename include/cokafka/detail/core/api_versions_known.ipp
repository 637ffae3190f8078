// SPDX-License-Identifier: BSL-1.0
// Bodies of api_versions_known.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_API_VERSIONS_KNOWN_IPP
#define COKAFKA_DETAIL_CORE_API_VERSIONS_KNOWN_IPP

#include "cokafka/detail/core/api_versions_known.hpp"

#include <algorithm>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL void api_versions_known::learn(const messages::api_versions_response& response, const version_caps& caps) {
  ranges_.clear();
  for (const auto& each : response.api_keys) {
    const auto key = static_cast<messages::api_key>(each.api_key);
    wire::version_range ours = client_versions(key);
    if (const auto cap = caps.find(key); cap != caps.end()) ours.max = std::min(ours.max, cap->second);
    const wire::version_range both{std::max(ours.min, each.min_version), std::min(ours.max, each.max_version)};
    if (both.min <= both.max) ranges_[key] = both;
  }
}

COKAFKA_DECL std::optional<std::int16_t> api_versions_known::newest(messages::api_key key) const {
  const auto found = ranges_.find(key);
  if (found == ranges_.end()) return std::nullopt;
  return found->second.max;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
