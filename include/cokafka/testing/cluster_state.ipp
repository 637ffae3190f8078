// SPDX-License-Identifier: BSL-1.0
// How topics are made and leaders move.
// Layer 8.
#ifndef COKAFKA_TESTING_CLUSTER_STATE_IPP
#define COKAFKA_TESTING_CLUSTER_STATE_IPP

#include "cokafka/testing/cluster_state.hpp"

#include <algorithm>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

COKAFKA_DECL cluster_state::cluster_state(const cluster_options& with, detail::wire::uuid id)
    : options(with),
      versions(with.version),
      cluster_id(to_string(id)),
      brokers(static_cast<std::size_t>(std::max(with.brokers, 1))) {}

COKAFKA_DECL bool cluster_state::is_legal_name(std::string_view name) noexcept {
  constexpr std::size_t longest = 249;
  constexpr std::string_view legal = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.size() <= longest && name != "." && name != ".." &&
         name.find_first_not_of(legal) == std::string_view::npos;
}

COKAFKA_DECL topic_state* cluster_state::find(std::string_view name) noexcept {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : &found->second;
}

COKAFKA_DECL topic_state* cluster_state::find(const detail::wire::uuid& id) noexcept {
  const auto found = names_.find(id);
  return found == names_.end() ? nullptr : find(found->second);
}

COKAFKA_DECL partition_state* cluster_state::find(topic_state* topic, std::int32_t partition) noexcept {
  if (topic == nullptr || partition < 0) return nullptr;
  const auto index = static_cast<std::size_t>(partition);
  return index < topic->partitions.size() ? &topic->partitions[index] : nullptr;
}

COKAFKA_DECL topic_state& cluster_state::create_topic(std::string name, int partitions, const topic_options& with,
                                                      detail::wire::uuid id) {
  topic_state made{name, id, with, {}};
  add_partitions(made, partitions);
  names_[id] = name;
  return topics_.insert_or_assign(std::move(name), std::move(made)).first->second;
}

COKAFKA_DECL void cluster_state::add_partitions(topic_state& topic, int total) {
  while (topic.partitions.size() < static_cast<std::size_t>(total)) add_partition(topic);
}

// Its replicas are the brokers from its own number on.
COKAFKA_DECL void cluster_state::add_partition(topic_state& topic) const {
  const auto nodes = static_cast<std::int32_t>(brokers.size());
  const std::int32_t wanted = topic.options.replication;
  const std::int32_t copies = wanted > 0 ? std::min<std::int32_t>(wanted, nodes) : nodes;
  const auto index = static_cast<std::int32_t>(topic.partitions.size());
  std::vector<std::int32_t> replicas;
  for (std::int32_t r = 0; r != copies; ++r) replicas.push_back((index + r) % nodes);
  place(topic.partitions.emplace_back(), std::move(replicas));
}

COKAFKA_DECL void cluster_state::place(partition_state& partition, std::vector<std::int32_t> replicas) const {
  partition.replicas = std::move(replicas);
  const auto leader = std::find_if(partition.replicas.begin(), partition.replicas.end(),
                                   [&](std::int32_t broker) { return can_lead(partition, broker); });
  partition.leader = leader == partition.replicas.end() ? -1 : *leader;
}

COKAFKA_DECL void cluster_state::delete_topic(std::string_view name) {
  const auto gone = topics_.find(name);
  names_.erase(gone->second.id);
  topics_.erase(gone);
}

COKAFKA_DECL log_rules cluster_state::rules_of(const topic_state& topic) const noexcept {
  constexpr std::int64_t one_hour = 3'600'000;  // the default since 4.0 (KIP-1030)
  log_rules applied;
  applied.max_message_bytes = topic.options.max_message_bytes.value_or(options.max_message_bytes);
  applied.log_append_time = topic.options.log_append_time;
  applied.compacted = topic.options.compacted;
  if (topic.options.retention_bytes) applied.retention_bytes = *topic.options.retention_bytes;
  if (options.version >= kafka_version::v4_0) applied.timestamp_after_max_ms = one_hour;
  return applied;
}

COKAFKA_DECL bool cluster_state::can_lead(const partition_state& partition, std::int32_t broker) const noexcept {
  return brokers[static_cast<std::size_t>(broker)].running &&
         std::find(partition.replicas.begin(), partition.replicas.end(), broker) != partition.replicas.end();
}

COKAFKA_DECL void cluster_state::lead(partition_state& partition, std::int32_t leader) noexcept {
  if (partition.leader >= 0) partition.last_leader = partition.leader;
  partition.leader = leader;
  ++partition.leader_epoch;
}

COKAFKA_DECL void cluster_state::stop(std::int32_t broker) {
  broker_state& stopped = brokers[static_cast<std::size_t>(broker)];
  if (!stopped.running) return;
  stopped.running = false;
  ++stopped.generation;
  for (auto& [name, topic] : topics_) {
    for (partition_state& partition : topic.partitions) {
      if (partition.leader != broker) continue;
      std::int32_t next = -1;
      for (const std::int32_t replica : partition.replicas) {
        if (next < 0 && can_lead(partition, replica)) next = replica;
      }
      lead(partition, next);
    }
  }
}

COKAFKA_DECL void cluster_state::start(std::int32_t broker, std::int64_t now) {
  brokers[static_cast<std::size_t>(broker)].running = true;
  for (auto& [name, topic] : topics_) {
    for (partition_state& partition : topic.partitions) {
      if (partition.leader >= 0 || !can_lead(partition, broker)) continue;
      partition.log.restart(now);
      lead(partition, broker);
    }
  }
}

COKAFKA_DECL std::vector<std::int32_t> cluster_state::in_sync(const partition_state& partition) const {
  std::vector<std::int32_t> running;
  for (const std::int32_t replica : partition.replicas) {
    if (brokers[static_cast<std::size_t>(replica)].running) running.push_back(replica);
  }
  const bool keeps_last = options.version < kafka_version::v4_1;
  if (running.empty() && keeps_last && partition.last_leader >= 0) running.push_back(partition.last_leader);
  return running;
}

COKAFKA_DECL bool cluster_state::has_enough_in_sync(const topic_state& topic, const partition_state& partition) const {
  const auto wanted = static_cast<std::size_t>(std::max(topic.options.min_insync_replicas, 1));
  return in_sync(partition).size() >= std::min(wanted, partition.replicas.size());
}

COKAFKA_DECL detail::messages::leader_and_epoch cluster_state::hint(const partition_state& partition) noexcept {
  return {partition.leader, partition.leader_epoch};
}

COKAFKA_DECL void cluster_state::add_endpoint(std::vector<detail::messages::node_endpoint>& to,
                                              std::int32_t broker) const {
  if (broker < 0 || std::any_of(to.begin(), to.end(), [&](const auto& known) { return known.node_id == broker; }))
    return;
  const broker_state& node = brokers[static_cast<std::size_t>(broker)];
  to.push_back({broker, node.host, node.port, std::nullopt});
}

COKAFKA_DECL std::int32_t cluster_state::controller() const noexcept {
  const auto first = std::find_if(brokers.begin(), brokers.end(), [](const broker_state& b) { return b.running; });
  return first == brokers.end() ? -1 : static_cast<std::int32_t>(first - brokers.begin());
}

COKAFKA_DECL void cluster_state::note(const seen_request& request) {
  constexpr std::size_t kept = 10'000;
  ++counts_[request.api];
  requests_.push_back(request);
  if (requests_.size() > kept) requests_.pop_front();
}

COKAFKA_DECL std::size_t cluster_state::request_count(api_key api) const noexcept {
  const auto found = counts_.find(api);
  return found == counts_.end() ? 0 : found->second;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
