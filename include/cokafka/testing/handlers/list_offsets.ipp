// SPDX-License-Identifier: BSL-1.0
// ListOffsets: the first, the last or a time-indexed offset.
// Layer 8.
#ifndef COKAFKA_TESTING_HANDLERS_LIST_OFFSETS_IPP
#define COKAFKA_TESTING_HANDLERS_LIST_OFFSETS_IPP

#include "cokafka/testing/handlers.hpp"

#include <algorithm>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace list_offsets {

using partition_answer = messages::list_offsets_response::partition;
using partition_question = messages::list_offsets_request::partition;

inline constexpr std::int64_t latest = -1;
inline constexpr std::int64_t earliest = -2;
inline constexpr std::int64_t largest_timestamp = -3;
inline constexpr std::int64_t earliest_local = -4;

inline partition_answer failed(std::int32_t partition, broker_errc error) {
  partition_answer answer;
  answer.partition_index = partition;
  answer.error_code = code_of(error);
  return answer;
}

// Before version 1 a client asked for the offsets at which segments begin; here all is one segment.
inline void answer_old(const partition_question& asked, const partition_log& log, partition_answer& answer) {
  if (asked.timestamp == latest && asked.max_num_offsets > 0) answer.old_style_offsets.push_back(log.end_offset());
  if (static_cast<std::int32_t>(answer.old_style_offsets.size()) < asked.max_num_offsets && log.end_offset() != 0) {
    answer.old_style_offsets.push_back(log.start_offset());
  }
}

inline indexed_offset look_up(const partition_log& log, std::int64_t timestamp) {
  switch (timestamp) {
    case latest: return {log.end_offset(), -1};
    case earliest:
    case earliest_local: return {log.start_offset(), -1};
    case largest_timestamp: return log.newest();
    default: return timestamp < 0 ? indexed_offset{} : log.first_since(timestamp);
  }
}

inline partition_answer answer_for(exchange& e, topic_state* topic, const partition_question& asked) {
  const partition_state* partition = e.cluster.find(topic, asked.partition_index);
  if (partition == nullptr) return failed(asked.partition_index, broker_errc::unknown_topic_or_partition);
  if (partition->leader != e.broker) return failed(asked.partition_index, broker_errc::not_leader_or_follower);
  if (asked.current_leader_epoch >= 0 && asked.current_leader_epoch != partition->leader_epoch) {
    const bool old = asked.current_leader_epoch < partition->leader_epoch;
    return failed(asked.partition_index, old ? broker_errc::fenced_leader_epoch : broker_errc::unknown_leader_epoch);
  }
  partition_answer answer = failed(asked.partition_index, broker_errc::none);
  if (e.version == 0) {
    answer_old(asked, partition->log, answer);
    return answer;
  }
  const indexed_offset found = look_up(partition->log, asked.timestamp);
  answer.offset = found.offset;
  answer.timestamp = found.timestamp;
  if (found.offset >= 0) answer.leader_epoch = partition->leader_epoch;
  return answer;
}

}  // namespace list_offsets

COKAFKA_DECL reaction execute(exchange& e, const messages::list_offsets_request& request,
                              messages::list_offsets_response& response) {
  for (const auto& asked : request.topics) {
    topic_state* topic = e.cluster.find(asked.name);
    messages::list_offsets_response::topic answer;
    answer.name = asked.name;
    for (const auto& partition : asked.partitions) {
      answer.partitions.push_back(list_offsets::answer_for(e, topic, partition));
    }
    response.topics.push_back(std::move(answer));
  }
  return reaction::answer;
}

COKAFKA_DECL reaction refuse(const messages::list_offsets_request& request, broker_errc error,
                             messages::list_offsets_response& response) {
  response = {};
  for (const auto& asked : request.topics) {
    messages::list_offsets_response::topic answer;
    answer.name = asked.name;
    for (const auto& partition : asked.partitions) {
      answer.partitions.push_back(list_offsets::failed(partition.partition_index, error));
    }
    response.topics.push_back(std::move(answer));
  }
  return reaction::answer;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
