// SPDX-License-Identifier: BSL-1.0
// CreateTopics: as many partitions and replicas as asked for; settings that have an effect here are kept.
// Layer 8.
#ifndef COKAFKA_TESTING_HANDLERS_CREATE_TOPICS_IPP
#define COKAFKA_TESTING_HANDLERS_CREATE_TOPICS_IPP

#include "cokafka/testing/handlers.hpp"

#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace create_topics {

using topic_answer = messages::create_topics_response::topic;
using topic_question = messages::create_topics_request::topic;

inline topic_answer failed(const topic_question& asked, broker_errc error) {
  topic_answer answer;
  answer.name = asked.name;
  answer.error_code = code_of(error);
  return answer;
}

// "delete", "compact" or both; nothing is ever removed here, but compacted topics want keys.
inline bool read_policy(std::string_view value, bool& compacted) noexcept {
  compacted = value == "compact" || value == "compact,delete" || value == "delete,compact";
  return compacted || value == "delete";
}

inline broker_errc read_settings(const topic_question& asked, topic_options& options) {
  for (const auto& [name, value] : asked.configs) {
    if (!value) continue;
    if (name == "message.timestamp.type") {
      if (*value != "CreateTime" && *value != "LogAppendTime") return broker_errc::invalid_config;
      options.log_append_time = *value == "LogAppendTime";
    } else if (name == "max.message.bytes") {
      std::size_t bytes = 0;
      const char* end = value->data() + value->size();
      const auto read = std::from_chars(value->data(), end, bytes);
      if (read.ec != std::errc{} || read.ptr != end) return broker_errc::invalid_config;
      options.max_message_bytes = bytes;
    } else if (name == "cleanup.policy") {
      if (!read_policy(*value, options.compacted)) return broker_errc::invalid_config;
    } else if (name == "min.insync.replicas") {
      const char* end = value->data() + value->size();
      const auto read = std::from_chars(value->data(), end, options.min_insync_replicas);
      if (read.ec != std::errc{} || read.ptr != end || options.min_insync_replicas < 1) {
        return broker_errc::invalid_config;
      }
    }
  }
  return broker_errc::none;
}

// Partitions and replicas: either counts, where -1 is the broker's default, or a list of brokers per partition.
inline broker_errc read_shape(const cluster_state& cluster, const topic_question& asked, int& partitions,
                              topic_options& options) {
  const auto nodes = static_cast<int>(cluster.brokers.size());
  if (!asked.assignments.empty()) {
    if (asked.num_partitions != -1 || asked.replication_factor != -1) return broker_errc::invalid_request;
    partitions = static_cast<int>(asked.assignments.size());
    options.replication = static_cast<int>(asked.assignments.front().broker_ids.size());
    std::vector<bool> named(asked.assignments.size());
    for (const auto& assignment : asked.assignments) {
      const std::int32_t index = assignment.partition_index;
      if (index < 0 || index >= partitions || named[static_cast<std::size_t>(index)] ||
          assignment.broker_ids.size() != asked.assignments.front().broker_ids.size() ||
          assignment.broker_ids.empty()) {
        return broker_errc::invalid_replica_assignment;
      }
      named[static_cast<std::size_t>(index)] = true;
      for (const std::int32_t broker : assignment.broker_ids) {
        if (broker < 0 || broker >= nodes) return broker_errc::invalid_replica_assignment;
      }
    }
    return broker_errc::none;
  }
  constexpr int most_partitions = 100'000;
  partitions = asked.num_partitions == -1 ? cluster.options.default_partitions : asked.num_partitions;
  if (partitions <= 0 || partitions > most_partitions) return broker_errc::invalid_partitions;
  options.replication = asked.replication_factor == -1 ? 0 : asked.replication_factor;
  const bool possible = asked.replication_factor == -1 || (options.replication > 0 && options.replication <= nodes);
  return possible ? broker_errc::none : broker_errc::invalid_replication_factor;
}

inline topic_answer create(exchange& e, const topic_question& asked, bool only_check) {
  if (!cluster_state::is_legal_name(asked.name)) return failed(asked, broker_errc::invalid_topic_exception);
  if (e.cluster.find(asked.name) != nullptr) return failed(asked, broker_errc::topic_already_exists);
  topic_options options;
  int partitions = 0;
  broker_errc error = read_shape(e.cluster, asked, partitions, options);
  if (error == broker_errc::none) error = read_settings(asked, options);
  if (error != broker_errc::none) return failed(asked, error);
  topic_answer answer = failed(asked, broker_errc::none);
  answer.num_partitions = partitions;
  answer.replication_factor = static_cast<std::int16_t>(
      options.replication > 0 ? options.replication : static_cast<int>(e.cluster.brokers.size()));
  if (!only_check) {
    topic_state& made = e.cluster.create_topic(asked.name, partitions, options, random_id(e.environment));
    for (const auto& each : asked.assignments) {
      e.cluster.place(made.partitions[static_cast<std::size_t>(each.partition_index)], each.broker_ids);
    }
    answer.topic_id = made.id;
  }
  return answer;
}

}  // namespace create_topics

COKAFKA_DECL reaction execute(exchange& e, const messages::create_topics_request& request,
                              messages::create_topics_response& response) {
  for (const auto& asked : request.topics) {
    response.topics.push_back(create_topics::create(e, asked, request.validate_only));
  }
  return reaction::answer;
}

COKAFKA_DECL reaction refuse(const messages::create_topics_request& request, broker_errc error,
                             messages::create_topics_response& response) {
  response = {};
  for (const auto& asked : request.topics) response.topics.push_back(create_topics::failed(asked, error));
  return reaction::answer;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
