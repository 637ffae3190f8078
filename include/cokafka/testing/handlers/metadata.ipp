// SPDX-License-Identifier: BSL-1.0
// Metadata: brokers, topics and leaders; makes the topics that may be made on the way.
// Layer 8.
#ifndef COKAFKA_TESTING_HANDLERS_METADATA_IPP
#define COKAFKA_TESTING_HANDLERS_METADATA_IPP

#include "cokafka/testing/handlers.hpp"

#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace metadata {

using topic_answer = messages::metadata_response::topic;

inline topic_answer failed(const messages::metadata_request::topic& asked, broker_errc error) {
  topic_answer answer;
  answer.error_code = code_of(error);
  answer.name = asked.name;
  answer.topic_id = asked.topic_id;
  return answer;
}

inline topic_answer describe(const cluster_state& cluster, const topic_state& topic) {
  topic_answer answer;
  answer.name = topic.name;
  answer.topic_id = topic.id;
  for (std::size_t p = 0; p != topic.partitions.size(); ++p) {
    const partition_state& state = topic.partitions[p];
    messages::metadata_response::partition partition;
    partition.partition_index = static_cast<std::int32_t>(p);
    partition.leader_id = state.leader;
    partition.leader_epoch = state.leader_epoch;
    partition.replica_nodes = state.replicas;
    for (const std::int32_t replica : state.replicas) {
      const bool running = cluster.brokers[static_cast<std::size_t>(replica)].running;
      if (!running) partition.offline_replicas.push_back(replica);
    }
    partition.isr_nodes = cluster.in_sync(state);
    if (state.leader < 0) partition.error_code = code_of(broker_errc::leader_not_available);
    answer.partitions.push_back(std::move(partition));
  }
  return answer;
}

// A topic that is made on the way is answered as missing once, as the real one does: the client asks again.
inline topic_answer missing(exchange& e, const messages::metadata_request& request,
                            const messages::metadata_request::topic& asked) {
  if (!cluster_state::is_legal_name(*asked.name)) return failed(asked, broker_errc::invalid_topic_exception);
  if (!e.cluster.options.auto_create_topics || !request.allow_auto_topic_creation) {
    return failed(asked, broker_errc::unknown_topic_or_partition);
  }
  e.cluster.create_topic(*asked.name, e.cluster.options.default_partitions, {}, random_id(e.environment));
  const bool old = e.cluster.options.version == kafka_version::v2_1;
  return failed(asked, old ? broker_errc::leader_not_available : broker_errc::unknown_topic_or_partition);
}

inline topic_answer look_up(exchange& e, const messages::metadata_request& request,
                            const messages::metadata_request::topic& asked) {
  if (!asked.topic_id.is_zero()) {
    const topic_state* known = e.cluster.find(asked.topic_id);
    return known ? describe(e.cluster, *known) : failed(asked, broker_errc::unknown_topic_id);
  }
  const auto said = e.cluster.topic_errors.find(*asked.name);
  if (said != e.cluster.topic_errors.end() && said->second != broker_errc::none) return failed(asked, said->second);
  const topic_state* known = e.cluster.find(*asked.name);
  return known ? describe(e.cluster, *known) : missing(e, request, asked);
}

inline bool is_left_out(cluster_state& cluster, const messages::metadata_request::topic& asked) {
  const auto found = asked.name ? cluster.left_out.find(*asked.name) : cluster.left_out.end();
  if (found == cluster.left_out.end()) return false;
  if (--found->second <= 0) cluster.left_out.erase(found);
  return true;
}

}  // namespace metadata

COKAFKA_DECL reaction execute(exchange& e, const messages::metadata_request& request,
                              messages::metadata_response& response) {
  constexpr std::int16_t first_with_null_for_all = 1;
  constexpr std::int16_t first_with_look_up_by_id = 12;
  for (std::size_t b = 0; b != e.cluster.brokers.size(); ++b) {
    const broker_state& broker = e.cluster.brokers[b];
    if (broker.running) response.brokers.push_back({static_cast<std::int32_t>(b), broker.host, broker.port, {}});
  }
  response.cluster_id = e.cluster.cluster_id;
  response.controller_id = e.cluster.controller();

  const bool all = !request.topics || (e.version < first_with_null_for_all && request.topics->empty());
  if (all) {
    for (const auto& [name, topic] : e.cluster.topics())
      response.topics.push_back(metadata::describe(e.cluster, topic));
    return reaction::answer;
  }
  for (const auto& asked : *request.topics) {
    if (!asked.name && (asked.topic_id.is_zero() || e.version < first_with_look_up_by_id)) return reaction::close;
    if (!asked.topic_id.is_zero() && e.version < first_with_look_up_by_id) return reaction::close;
    if (metadata::is_left_out(e.cluster, asked)) continue;
    response.topics.push_back(metadata::look_up(e, request, asked));
  }
  return reaction::answer;
}

COKAFKA_DECL reaction refuse(const messages::metadata_request& request, broker_errc error,
                             messages::metadata_response& response) {
  response.topics.clear();
  response.error_code = code_of(error);
  if (request.topics) {
    for (const auto& asked : *request.topics) response.topics.push_back(metadata::failed(asked, error));
  }
  return reaction::answer;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
