// SPDX-License-Identifier: BSL-1.0
// Produce: batches to the logs of the partitions that this broker leads.
// Layer 8.
#ifndef COKAFKA_TESTING_HANDLERS_PRODUCE_IPP
#define COKAFKA_TESTING_HANDLERS_PRODUCE_IPP

#include "cokafka/testing/handlers.hpp"

#include <set>
#include <string_view>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace produce {

using partition_answer = messages::produce_response::partition;

inline partition_answer failed(std::int32_t partition, broker_errc error) {
  partition_answer answer;
  answer.index = partition;
  answer.error_code = code_of(error);
  return answer;
}

// A leader that has looked at sequences or single records tells where its log begins, even when it refuses the batch.
inline bool tells_log_start(const append_result& result) noexcept {
  return result.error == broker_errc::none || result.error == broker_errc::out_of_order_sequence_number ||
         result.error == broker_errc::invalid_producer_epoch || !result.bad_records.empty();
}

inline partition_answer answer_of(std::int32_t index, append_result&& result, std::int64_t log_start_offset) {
  partition_answer answer = failed(index, result.error);
  answer.base_offset = result.base_offset;
  answer.log_append_time_ms = result.log_append_time;
  if (tells_log_start(result)) answer.log_start_offset = log_start_offset;
  for (bad_record& bad : result.bad_records) answer.record_errors.push_back({bad.index, std::move(bad.message)});
  if (!result.message.empty()) answer.error_message = std::move(result.message);
  return answer;
}

// zstd came with version 7 (KIP-110).
inline bool is_too_new_codec(std::int16_t version, std::string_view records) noexcept {
  constexpr std::int16_t first_with_zstd = 7;
  constexpr int zstd = 4;
  constexpr std::size_t low_byte_of_attributes = 22;
  return version < first_with_zstd && records.size() > low_byte_of_attributes &&
         (records[low_byte_of_attributes] & 0x07) == zstd;
}

inline partition_answer append(exchange& e, topic_state* topic, const messages::produce_request::partition& asked,
                               std::int16_t acks, messages::produce_response& response) {
  if (topic == nullptr) {
    constexpr std::int16_t first_with_ids = 13;
    const bool by_id = e.version >= first_with_ids;
    return failed(asked.index, by_id ? broker_errc::unknown_topic_id : broker_errc::unknown_topic_or_partition);
  }
  const auto said = e.cluster.topic_errors.find(topic->name);
  if (said != e.cluster.topic_errors.end() && said->second != broker_errc::none)
    return failed(asked.index, said->second);
  const std::string_view records = asked.records.bytes.value_or(std::string_view{});
  if (is_too_new_codec(e.version, records)) return failed(asked.index, broker_errc::unsupported_compression_type);
  partition_state* partition = e.cluster.find(topic, asked.index);
  if (partition == nullptr) return failed(asked.index, broker_errc::unknown_topic_or_partition);
  if (partition->leader != e.broker) {
    partition_answer answer = failed(asked.index, broker_errc::not_leader_or_follower);
    answer.current_leader = cluster_state::hint(*partition);
    e.cluster.add_endpoint(response.node_endpoints, partition->leader);
    return answer;
  }
  constexpr std::int16_t all = -1;
  if (acks == all && !e.cluster.has_enough_in_sync(*topic, *partition)) {
    return failed(asked.index, broker_errc::not_enough_replicas);
  }
  append_result result =
      partition->log.append(records, e.cluster.rules_of(*topic), partition->leader_epoch, wall_ms(e.environment));
  if (result.error == broker_errc::none && !result.duplicate) {
    e.appended = true;
    ++e.cluster.appends;
  }
  return answer_of(asked.index, std::move(result), partition->log.start_offset());
}

// What a client hears of it: without acks nothing, and of an error only that the connection ends.
inline reaction reaction_of(const messages::produce_request& request, const messages::produce_response& response) {
  if (request.acks != 0) return reaction::answer;
  for (const auto& topic : response.responses) {
    for (const auto& partition : topic.partitions) {
      if (partition.error_code != 0) return reaction::close;
    }
  }
  return reaction::silence;
}

}  // namespace produce

COKAFKA_DECL reaction execute(exchange& e, const messages::produce_request& request,
                              messages::produce_response& response) {
  if (request.acks < -1 || request.acks > 1) return refuse(request, broker_errc::invalid_required_acks, response);
  constexpr std::int16_t first_with_ids = 13;
  std::set<std::pair<const topic_state*, std::int32_t>> seen;
  for (const auto& asked : request.topics) {
    topic_state* topic = e.version >= first_with_ids ? e.cluster.find(asked.topic_id) : e.cluster.find(asked.name);
    messages::produce_response::topic answer;
    answer.name = asked.name;
    answer.topic_id = asked.topic_id;
    for (const auto& partition : asked.partitions) {
      const bool again = topic != nullptr && !seen.emplace(topic, partition.index).second;
      answer.partitions.push_back(again ? produce::failed(partition.index, broker_errc::invalid_request)
                                        : produce::append(e, topic, partition, request.acks, response));
    }
    response.responses.push_back(std::move(answer));
  }
  return produce::reaction_of(request, response);
}

COKAFKA_DECL reaction refuse(const messages::produce_request& request, broker_errc error,
                             messages::produce_response& response) {
  response = {};
  for (const auto& asked : request.topics) {
    messages::produce_response::topic answer;
    answer.name = asked.name;
    answer.topic_id = asked.topic_id;
    for (const auto& partition : asked.partitions) answer.partitions.push_back(produce::failed(partition.index, error));
    response.responses.push_back(std::move(answer));
  }
  return produce::reaction_of(request, response);
}

// As when the wait for the followers ends without them: the error takes the place of the success, and the offset stays.
COKAFKA_DECL reaction fail_executed(const messages::produce_request& request, broker_errc error,
                                    messages::produce_response& response) {
  for (auto& topic : response.responses) {
    for (auto& partition : topic.partitions) {
      if (partition.error_code == 0) partition.error_code = code_of(error);
    }
  }
  return produce::reaction_of(request, response);
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
