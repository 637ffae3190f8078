// SPDX-License-Identifier: BSL-1.0
// What the cluster says of one partition.
// Layer 0.
#ifndef COKAFKA_PARTITION_INFO_HPP
#define COKAFKA_PARTITION_INFO_HPP

#include <cstdint>
#include <optional>
#include <vector>

#include "cokafka/detail/base/config.hpp"

namespace cokafka::inline COKAFKA_ABI {

/// One partition of a topic, as the newest metadata describes it. Brokers are named by their ids.
/// Thread safety: distinct objects safe; shared objects safe for reading.
struct partition_info {
  std::int32_t id = -1;
  std::optional<std::int32_t> leader;          ///< empty while none is elected
  std::vector<std::int32_t> replicas;          ///< all brokers that hold it
  std::vector<std::int32_t> in_sync_replicas;  ///< those that have caught up
};

}  // namespace cokafka::inline COKAFKA_ABI

#endif
