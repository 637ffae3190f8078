// SPDX-License-Identifier: BSL-1.0
// The API versions of Kafka's releases.
// Layer 8.
#ifndef COKAFKA_TESTING_VERSION_TABLE_IPP
#define COKAFKA_TESTING_VERSION_TABLE_IPP

#include "cokafka/testing/version_table.hpp"

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace versions {

struct row {
  api_key api;
  detail::wire::version_range v2_1, v3_9, v4_0, v4_1;
};

inline constexpr row table[] = {
    {api_key::produce, {0, 7}, {0, 11}, {0, 12}, {0, 13}},
    {api_key::fetch, {0, 10}, {0, 17}, {4, 17}, {4, 18}},
    {api_key::list_offsets, {0, 4}, {0, 9}, {1, 10}, {1, 10}},
    {api_key::metadata, {0, 7}, {0, 12}, {0, 13}, {0, 13}},
    {api_key::find_coordinator, {0, 2}, {0, 6}, {0, 6}, {0, 6}},
    {api_key::api_versions, {0, 2}, {0, 4}, {0, 4}, {0, 4}},
    {api_key::create_topics, {0, 3}, {0, 7}, {2, 7}, {2, 7}},
    {api_key::init_producer_id, {0, 1}, {0, 5}, {0, 5}, {0, 5}},
};

inline detail::wire::version_range of(const row& api, kafka_version version) noexcept {
  switch (version) {
    case kafka_version::v2_1: return api.v2_1;
    case kafka_version::v3_9: return api.v3_9;
    case kafka_version::v4_0: return api.v4_0;
    case kafka_version::v4_1: break;
  }
  return api.v4_1;
}

}  // namespace versions

COKAFKA_DECL version_table::version_table(kafka_version version) {
  for (const versions::row& api : versions::table) offered_[api.api] = versions::of(api, version);
}

COKAFKA_DECL void version_table::offer(api_key api, detail::wire::version_range versions) {
  if (versions.min > versions.max) {
    offered_.erase(api);
  } else {
    offered_[api] = versions;
  }
}

COKAFKA_DECL bool version_table::serves(api_key api, std::int16_t version) const {
  const auto found = offered_.find(api);
  if (found == offered_.end() || !found->second.contains(version)) return false;
  return !(api == api_key::produce && version < 3) && !(api == api_key::fetch && version < 4);
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
