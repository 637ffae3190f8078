// SPDX-License-Identifier: BSL-1.0
// What the answers of one Produce request tell of new leaders (KIP-951).
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_LEADER_NEWS_HPP
#define COKAFKA_DETAIL_CORE_LEADER_NEWS_HPP

#include "cokafka/detail/base/broker_errors.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/produce_queue.hpp"
#include "cokafka/detail/messages/leader_hint.hpp"
#include "cokafka/detail/messages/produce.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Collected on the broker's strand, judged on the home strand by cluster_metadata.
struct leader_news {
  struct partition {
    std::string topic{};
    wire::uuid topic_id{};  // as the request was made; zero where there was none
    std::int32_t index = 0;
    std::int32_t leader = -1;
    std::int32_t leader_epoch = -1;
  };
  std::vector<partition> moved{};
  std::vector<messages::node_endpoint> endpoints{};

  /// Takes note where the broker refuses the batch because others lead, and says who.
  void note(const planned_batch& sent, const messages::produce_response::partition& said) {
    const auto code = static_cast<broker_errc>(said.error_code);
    if (code != broker_errc::not_leader_or_follower && code != broker_errc::fenced_leader_epoch) return;
    if (said.current_leader.leader_id < 0 || said.current_leader.leader_epoch < 0) return;
    moved.push_back({std::string(sent.partition->called().str()), sent.topic_id, sent.partition->index(),
                     said.current_leader.leader_id, said.current_leader.leader_epoch});
  }
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
