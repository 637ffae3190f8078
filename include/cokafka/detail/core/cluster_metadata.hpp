// SPDX-License-Identifier: BSL-1.0
// What the cluster told us of itself: brokers, and leaders of partitions, never older than what was known before.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_CLUSTER_METADATA_HPP
#define COKAFKA_DETAIL_CORE_CLUSTER_METADATA_HPP

#include "cokafka/detail/base/broker_errors.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/metadata.hpp"
#include "cokafka/detail/wire/types.hpp"
#include "cokafka/partition_info.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// One partition as the metadata has it; leader -1: none.
struct partition_state {
  std::int32_t leader = -1;
  std::int32_t leader_epoch = -1;
  std::vector<std::int32_t> replicas{};
  std::vector<std::int32_t> in_sync{};
};

struct topic_state {
  wire::uuid id{};
  std::vector<partition_state> partitions{};
};

/// What an answer says of one topic that was asked for.
struct topic_news {
  enum class kind : std::uint8_t { known, waiting, refused };
  std::string name{};
  kind is = kind::waiting;
  broker_errc error = broker_errc::none;  // why it is waited for, or refused
  bool complete = true;                   // known: every partition has a leader
};

/// The cache. Belongs to the home strand; brokers in the order of their ids.
class cluster_metadata {
 public:
  /// Takes an answer in and says what it means for each topic in it. A partition keeps its cached leader where the answer is of
  /// an older leader epoch (same topic id), guarantee.md rule 10.
  std::vector<topic_news> merge(const messages::metadata_response& response);

  const std::map<std::int32_t, messages::metadata_response::broker>& brokers() const noexcept { return brokers_; }
  const topic_state* find(const std::string& name) const;
  std::vector<partition_info> describe(const std::string& name) const;

 private:
  topic_news merge_topic(const messages::metadata_response::topic& told);

  std::map<std::int32_t, messages::metadata_response::broker> brokers_;
  std::map<std::string, topic_state> topics_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/core/cluster_metadata.ipp"
#endif

#endif
