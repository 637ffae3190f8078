// SPDX-License-Identifier: BSL-1.0
// What the cluster told us of itself: brokers, and leaders of partitions, never older than what was known before.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_CLUSTER_METADATA_HPP
#define COKAFKA_DETAIL_CORE_CLUSTER_METADATA_HPP

#include "cokafka/detail/base/broker_errors.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/leader_news.hpp"
#include "cokafka/detail/messages/leader_hint.hpp"
#include "cokafka/detail/messages/metadata.hpp"
#include "cokafka/detail/wire/types.hpp"
#include "cokafka/partition_info.hpp"

#include <cstddef>
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
  wire::uuid id{};  // zero while no answer told it (Metadata before version 10)
  std::vector<partition_state> partitions{};
  std::vector<wire::uuid> former{};  // of topics of this name that were deleted: a broker that lags may still tell them
  int backwards = 0;         // answers in a row that were older than what is known, as far as one can see without ids
  bool was_missing = false;  // the last answer did not know it
};

/// What an answer says of one topic that was asked for.
struct topic_news {
  enum class kind : std::uint8_t { known, waiting, refused };
  std::string name{};
  kind is = kind::waiting;
  broker_errc error = broker_errc::none;  // why it is waited for, or refused
  bool complete = true;                   // known: every partition has a leader
  bool made_anew = false;                 // known: another topic than before, of the same name
  bool doubtful = false;                  // known: the answer was older than the cache, or seemed so; ask again
};

/// The cache. Belongs to the home strand; brokers in the order of their ids.
class cluster_metadata {
 public:
  /// A topic with more is not believed: what is kept per partition is a hundred times what the answer spends on it.
  static constexpr std::size_t most_partitions = 200'000;
  /// Without topic ids a topic that was made anew looks like an answer of a broker that lags. Such a broker catches up;
  /// what is told so many times in a row is true.
  static constexpr int believed_after = 3;

  /// Takes an answer in and says what it means for each topic in it. A partition keeps its cached leader where the
  /// answer is of an older leader epoch of the same topic, guarantee.md rule 10.
  std::vector<topic_news> merge(const messages::metadata_response& response);
  /// Takes the leaders in that a Produce answer named, where their epochs are newer than what is known (KIP-951). The
  /// names of the topics that have changed.
  std::vector<std::string> learn(const leader_news& news);
  /// The brokers are to be learned anew, from the bootstrap servers (KIP-899).
  void forget_brokers() noexcept { brokers_.clear(); }
  void forget(const std::string& name);

  const std::map<std::int32_t, messages::metadata_response::broker>& brokers() const noexcept { return brokers_; }
  const topic_state* find(const std::string& name) const;
  std::vector<partition_info> describe(const std::string& name) const;

 private:
  enum class relation : std::uint8_t { same, another, outdated };

  topic_news merge_topic(const messages::metadata_response::topic& told);
  static relation compare(topic_state& cached, const messages::metadata_response::topic& told, std::size_t count);
  void take_partitions(topic_state& cached, const messages::metadata_response::topic& told, std::size_t count,
                       bool same_topic) const;
  bool take_endpoint(std::int32_t id, const std::vector<messages::node_endpoint>& endpoints);

  std::map<std::int32_t, messages::metadata_response::broker> brokers_;
  std::map<std::string, topic_state> topics_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/core/cluster_metadata.ipp"
#endif

#endif
