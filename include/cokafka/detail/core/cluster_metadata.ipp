// SPDX-License-Identifier: BSL-1.0
// Bodies of cluster_metadata.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_CLUSTER_METADATA_IPP
#define COKAFKA_DETAIL_CORE_CLUSTER_METADATA_IPP

#include "cokafka/detail/core/cluster_metadata.hpp"

#include <algorithm>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace describing {

constexpr bool is_port(std::int32_t port) noexcept { return port > 0 && port <= 65535; }

// One more than the largest index that can be. Indexes are dense in every answer of a real broker.
inline std::size_t count_partitions(const messages::metadata_response::topic& told) noexcept {
  std::int64_t count = 0;
  for (const auto& each : told.partitions) count = std::max(count, std::int64_t{each.partition_index} + 1);
  return std::min(static_cast<std::size_t>(count), told.partitions.size());
}

}  // namespace describing

COKAFKA_DECL std::vector<topic_news> cluster_metadata::merge(const messages::metadata_response& response) {
  // An answer without brokers comes from a broker that is still starting; what we know is better.
  if (!response.brokers.empty()) {
    brokers_.clear();
    for (const auto& each : response.brokers) {
      if (each.node_id >= 0 && describing::is_port(each.port)) brokers_.insert_or_assign(each.node_id, each);
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
    const auto found = topics_.find(news.name);
    if (found != topics_.end() && news.error == broker_errc::unknown_topic_or_partition)
      found->second.was_missing = true;
    return news;
  }
  const std::size_t count = describing::count_partitions(told);
  if (count == 0 || count > most_partitions) {
    news.error = broker_errc::leader_not_available;
    return news;
  }
  news.is = topic_news::kind::known;
  topic_state& cached = topics_[news.name];
  const relation is = compare(cached, told, count);
  news.made_anew = is == relation::another && !cached.partitions.empty();
  news.doubtful = is == relation::outdated;
  const bool other_id = !cached.id.is_zero() && !told.topic_id.is_zero() && cached.id != told.topic_id;
  if (news.doubtful && other_id) return news;  // nothing in it is of this topic
  take_partitions(cached, told, count, is != relation::another);
  for (const auto& each : cached.partitions) news.complete = news.complete && each.leader >= 0;
  return news;
}

// With ids there is no doubt. Without them a topic that was deleted and made anew has older epochs or fewer partitions,
// and would keep leaders of its former life for ever (KAFKA-12257).
COKAFKA_DECL auto cluster_metadata::compare(topic_state& cached, const messages::metadata_response::topic& told,
                                            std::size_t count) -> relation {
  const bool was_missing = std::exchange(cached.was_missing, false);
  if (cached.partitions.empty()) return relation::another;
  if (!cached.id.is_zero() && !told.topic_id.is_zero()) {
    cached.backwards = 0;
    if (cached.id == told.topic_id) return relation::same;
    const bool is_over = std::find(cached.former.begin(), cached.former.end(), told.topic_id) != cached.former.end();
    return is_over ? relation::outdated : relation::another;
  }
  const auto is_older = [&](const auto& each) {
    const auto index = static_cast<std::size_t>(each.partition_index);
    return each.partition_index >= 0 && index < cached.partitions.size() && each.leader_epoch >= 0 &&
           each.leader_epoch < cached.partitions[index].leader_epoch;
  };
  const bool back =
      count < cached.partitions.size() || std::any_of(told.partitions.begin(), told.partitions.end(), is_older);
  cached.backwards = back ? cached.backwards + 1 : 0;
  if (!back) return relation::same;
  if (!was_missing && cached.backwards < believed_after) return relation::outdated;
  cached.backwards = 0;
  return relation::another;
}

COKAFKA_DECL void cluster_metadata::take_partitions(topic_state& cached, const messages::metadata_response::topic& told,
                                                    std::size_t count, bool same_topic) const {
  constexpr std::size_t most_former = 8;
  const std::vector<partition_state> before = std::exchange(cached.partitions, {});
  if (!same_topic && !cached.id.is_zero() && cached.id != told.topic_id) {
    if (cached.former.size() == most_former) cached.former.erase(cached.former.begin());
    cached.former.push_back(cached.id);
  }
  // A broker that is too old to tell ids says nothing against the one that is known.
  if (!same_topic || !told.topic_id.is_zero()) cached.id = told.topic_id;
  cached.partitions.resize(count);
  for (const auto& each : told.partitions) {
    const auto index = static_cast<std::size_t>(each.partition_index);
    if (each.partition_index < 0 || index >= count) continue;
    partition_state& state = cached.partitions[index];
    const bool is_older =
        same_topic && index < before.size() && each.leader_epoch >= 0 && each.leader_epoch < before[index].leader_epoch;
    if (is_older) {
      state = before[index];
    } else {
      state = {each.leader_id, each.leader_epoch, each.replica_nodes, each.isr_nodes};
    }
  }
  // A topic never loses partitions while it is the same; a broker that lags behind may not know all.
  if (same_topic && count < before.size()) {
    cached.partitions.insert(cached.partitions.end(), before.begin() + static_cast<std::ptrdiff_t>(count),
                             before.end());
  }
  for (auto& each : cached.partitions) {
    if (!brokers_.contains(each.leader)) each.leader = -1;
  }
}

COKAFKA_DECL std::vector<std::string> cluster_metadata::learn(const leader_news& news) {
  std::vector<std::string> changed;
  for (const auto& each : news.moved) {
    const auto found = topics_.find(each.topic);
    if (found == topics_.end() || found->second.id != each.topic_id) continue;
    auto& partitions = found->second.partitions;
    const auto index = static_cast<std::size_t>(each.index);
    if (index >= partitions.size() || each.leader_epoch <= partitions[index].leader_epoch) continue;
    if (!take_endpoint(each.leader, news.endpoints)) continue;
    partitions[index].leader = each.leader;
    partitions[index].leader_epoch = each.leader_epoch;
    if (changed.empty() || changed.back() != each.topic) changed.push_back(each.topic);
  }
  return changed;
}

// False when nobody has said where the broker is.
COKAFKA_DECL bool cluster_metadata::take_endpoint(std::int32_t id,
                                                  const std::vector<messages::node_endpoint>& endpoints) {
  for (const auto& each : endpoints) {
    if (each.node_id == id && !each.host.empty() && describing::is_port(each.port)) {
      brokers_.insert_or_assign(id, messages::metadata_response::broker{id, each.host, each.port, each.rack});
    }
  }
  return brokers_.contains(id);
}

COKAFKA_DECL void cluster_metadata::forget(const std::string& name) { topics_.erase(name); }

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
