// SPDX-License-Identifier: BSL-1.0
// Bodies of cluster_metadata.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_CLUSTER_METADATA_IPP
#define COKAFKA_DETAIL_CORE_CLUSTER_METADATA_IPP

#include "cokafka/detail/core/cluster_metadata.hpp"

#include <algorithm>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL std::vector<topic_news> cluster_metadata::merge(const messages::metadata_response& response) {
  // An answer without brokers comes from a broker that is still starting; what we know is better.
  if (!response.brokers.empty()) {
    brokers_.clear();
    for (const auto& each : response.brokers) {
      const bool is_possible = each.node_id >= 0 && each.port > 0 && each.port <= 65535;
      if (is_possible) brokers_.insert_or_assign(each.node_id, each);
    }
  }
  std::vector<topic_news> news;
  for (const auto& each : response.topics) {
    if (each.name) news.push_back(merge_topic(each));
  }
  return news;
}

COKAFKA_DECL topic_news cluster_metadata::merge_topic(const messages::metadata_response::topic& told) {
  topic_news news;
  news.name = *told.name;
  news.error = static_cast<broker_errc>(told.error_code);
  if (news.error != broker_errc::none) {
    const bool passes = has(classify(news.error), error_class::retriable);
    news.is = passes ? topic_news::kind::waiting : topic_news::kind::refused;
    return news;
  }
  const auto is_numbered = [](const auto& each) { return each.partition_index >= 0; };
  if (std::none_of(told.partitions.begin(), told.partitions.end(), is_numbered)) {
    news.error = broker_errc::leader_not_available;
    return news;
  }
  topic_state& cached = topics_[news.name];
  const bool same_topic = cached.id == told.topic_id;
  topic_state fresh;
  fresh.id = told.topic_id;
  std::int64_t count = 0;
  for (const auto& each : told.partitions) count = std::max(count, std::int64_t{each.partition_index} + 1);
  // Indexes are dense in every answer of a real broker; a gap would be a partition without a leader.
  fresh.partitions.resize(std::min(static_cast<std::size_t>(count), told.partitions.size() * 2));
  // A topic never loses partitions while it is the same; a broker that lags behind may not know all.
  if (same_topic && !told.topic_id.is_zero() && fresh.partitions.size() < cached.partitions.size()) {
    const auto known = static_cast<std::ptrdiff_t>(fresh.partitions.size());
    fresh.partitions.insert(fresh.partitions.end(), cached.partitions.begin() + known, cached.partitions.end());
  }
  for (const auto& each : told.partitions) {
    const auto index = static_cast<std::size_t>(each.partition_index);
    if (each.partition_index < 0 || index >= fresh.partitions.size()) continue;
    partition_state& state = fresh.partitions[index];
    state = {each.leader_id, each.leader_epoch, each.replica_nodes, each.isr_nodes};
    if (same_topic && index < cached.partitions.size() && each.leader_epoch >= 0 &&
        each.leader_epoch < cached.partitions[index].leader_epoch) {
      state = cached.partitions[index];
    }
  }
  for (auto& each : fresh.partitions) {
    if (each.leader < 0 || !brokers_.contains(each.leader)) {
      each.leader = -1;
      news.complete = false;
    }
  }
  cached = std::move(fresh);
  news.is = topic_news::kind::known;
  return news;
}

COKAFKA_DECL const topic_state* cluster_metadata::find(const std::string& name) const {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : &found->second;
}

COKAFKA_DECL std::vector<partition_info> cluster_metadata::describe(const std::string& name) const {
  std::vector<partition_info> listed;
  if (const topic_state* state = find(name)) {
    for (std::size_t i = 0; i < state->partitions.size(); ++i) {
      const partition_state& each = state->partitions[i];
      partition_info info;
      info.id = static_cast<std::int32_t>(i);
      if (each.leader >= 0) info.leader = each.leader;
      info.replicas = each.replicas;
      info.in_sync_replicas = each.in_sync;
      listed.push_back(std::move(info));
    }
  }
  return listed;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
