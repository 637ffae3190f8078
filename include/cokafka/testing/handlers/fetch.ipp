// SPDX-License-Identifier: BSL-1.0
// Fetch: batches from the logs, without sessions; waits until there is enough or it takes too long.
// Layer 8.
#ifndef COKAFKA_TESTING_HANDLERS_FETCH_IPP
#define COKAFKA_TESTING_HANDLERS_FETCH_IPP

#include "cokafka/testing/handlers.hpp"

#include <algorithm>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace fetch {

using partition_answer = messages::fetch_response::partition;
using partition_question = messages::fetch_request::partition;

inline partition_answer failed(std::int32_t partition, broker_errc error) {
  partition_answer answer;
  answer.partition_index = partition;
  answer.error_code = code_of(error);
  answer.high_watermark = -1;
  answer.records.bytes = std::string_view{};
  return answer;
}

// What is left of the limits of one request.
struct limits {
  std::size_t bytes = 0;
  bool nothing_yet = true;  // the first batch comes even when it is larger than the limits (KIP-74)
  bool any_error = false;
};

inline std::size_t limit_of(std::int32_t asked) noexcept { return static_cast<std::size_t>(std::max(asked, 0)); }

inline broker_errc check(exchange& e, topic_state* topic, const partition_state* partition,
                         const partition_question& asked) {
  constexpr std::int16_t first_with_ids = 13;
  if (topic == nullptr && e.version >= first_with_ids) return broker_errc::unknown_topic_id;
  if (partition == nullptr) return broker_errc::unknown_topic_or_partition;
  if (asked.current_leader_epoch >= 0 && asked.current_leader_epoch < partition->leader_epoch) {
    return broker_errc::fenced_leader_epoch;
  }
  if (asked.current_leader_epoch > partition->leader_epoch) return broker_errc::unknown_leader_epoch;
  if (partition->leader != e.broker) return broker_errc::not_leader_or_follower;
  if (asked.fetch_offset < partition->log.start_offset() || asked.fetch_offset > partition->log.end_offset()) {
    return broker_errc::offset_out_of_range;
  }
  return broker_errc::none;
}

inline partition_answer read(exchange& e, topic_state* topic, const partition_question& asked, limits& left,
                             messages::fetch_response& response) {
  const partition_state* partition = e.cluster.find(topic, asked.partition_index);
  const broker_errc error = check(e, topic, partition, asked);
  partition_answer answer = failed(asked.partition_index, error);
  if (error != broker_errc::none) {
    left.any_error = true;
    if (error == broker_errc::not_leader_or_follower || error == broker_errc::fenced_leader_epoch) {
      answer.current_leader = cluster_state::hint(*partition);
      e.cluster.add_endpoint(response.node_endpoints, partition->leader);
    }
    return answer;
  }
  answer.high_watermark = partition->log.end_offset();
  answer.last_stable_offset = partition->log.end_offset();
  answer.log_start_offset = partition->log.start_offset();
  const std::size_t limit = std::min(left.bytes, limit_of(asked.partition_max_bytes));
  std::string bytes = partition->log.read(asked.fetch_offset, limit, left.nothing_yet);
  if (!bytes.empty()) left.nothing_yet = false;
  left.bytes -= std::min(left.bytes, bytes.size());
  answer.records.bytes = e.storage.emplace_back(std::move(bytes));
  return answer;
}

inline bool has_enough(const exchange& e, const messages::fetch_request& request) {
  std::size_t bytes = 0;
  for (const std::string& stored : e.storage) bytes += stored.size();
  return bytes >= limit_of(request.min_bytes);
}

}  // namespace fetch

COKAFKA_DECL reaction execute(exchange& e, const messages::fetch_request& request, messages::fetch_response& response) {
  constexpr std::int16_t first_with_ids = 13;
  if (request.session_id != 0) {
    response.error_code = code_of(broker_errc::fetch_session_id_not_found);
    return reaction::answer;
  }
  fetch::limits left{fetch::limit_of(request.max_bytes)};
  for (const auto& asked : request.topics) {
    topic_state* topic = e.version >= first_with_ids ? e.cluster.find(asked.topic_id) : e.cluster.find(asked.name);
    messages::fetch_response::topic answer;
    answer.name = asked.name;
    answer.topic_id = asked.topic_id;
    for (const auto& partition : asked.partitions) {
      answer.partitions.push_back(fetch::read(e, topic, partition, left, response));
    }
    response.responses.push_back(std::move(answer));
  }
  e.wait_at_most = std::chrono::milliseconds(std::max(request.max_wait_ms, 0));
  const bool now = left.any_error || e.waited_enough || request.topics.empty() || fetch::has_enough(e, request);
  return now ? reaction::answer : reaction::wait;
}

COKAFKA_DECL reaction refuse(const messages::fetch_request& request, broker_errc error,
                             messages::fetch_response& response) {
  response = {};
  for (const auto& asked : request.topics) {
    messages::fetch_response::topic answer;
    answer.name = asked.name;
    answer.topic_id = asked.topic_id;
    for (const auto& partition : asked.partitions) {
      answer.partitions.push_back(fetch::failed(partition.partition_index, error));
    }
    response.responses.push_back(std::move(answer));
  }
  return reaction::answer;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
