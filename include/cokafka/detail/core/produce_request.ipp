// SPDX-License-Identifier: BSL-1.0
// Bodies of the Produce request: grouping by topic, framing, the list of a gather write.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PRODUCE_REQUEST_IPP
#define COKAFKA_DETAIL_CORE_PRODUCE_REQUEST_IPP

#include "cokafka/detail/core/produce_request.hpp"

#include "cokafka/detail/core/topic.hpp"
#include "cokafka/detail/messages/codec.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace producing {

// Batches of one topic next to each other, topics in the order of their first batch.
inline void group_by_topic(std::vector<planned_batch>& batches) {
  std::unordered_map<const topic*, std::size_t> groups;  // asked, never iterated: the order is that of the batches
  for (const auto& each : batches) groups.try_emplace(&each.partition->of_topic(), groups.size());
  if (groups.size() == 1) return;
  std::vector<std::vector<planned_batch>> grouped(groups.size());
  for (const auto& each : batches) grouped[groups.at(&each.partition->of_topic())].push_back(each);
  auto at = batches.begin();
  for (auto& group : grouped) at = std::move(group.begin(), group.end(), at);
}

inline void append_batch(std::vector<std::span<const char>>& gather, const batch& sent) {
  gather.push_back(sent.records.header());
  for (const chunk* each = sent.records.chunks(); each != nullptr && each->size > 0; each = each->next) {
    gather.emplace_back(each->data(), each->size);
  }
}

}  // namespace producing

COKAFKA_DECL bool has_all_topic_ids(std::span<const planned_batch> batches) noexcept {
  return std::none_of(batches.begin(), batches.end(),
                      [](const planned_batch& each) { return each.topic_id.is_zero(); });
}

COKAFKA_DECL void encode_produce_request(produce_request& sent, const settings& rules) {
  producing::group_by_topic(sent.batches);
  messages::produce_request message;
  message.acks = rules.acks;
  message.timeout_ms = static_cast<std::int32_t>(rules.user.request_timeout.count());
  const topic* last = nullptr;
  for (auto& each : sent.batches) {
    if (&each.partition->of_topic() != last) {
      last = &each.partition->of_topic();
      message.topics.emplace_back();
      message.topics.back().name = std::string(last->name.str());
      message.topics.back().topic_id = each.topic_id;
    }
    each.topic_id =
        message.topics.back().topic_id;  // one topic, one id, although metadata may arrive on another thread
    message.topics.back().partitions.push_back({each.partition->index(), {std::nullopt, each.what->records.size()}});
  }
  std::vector<wire::cut> cuts;
  messages::encode_request(sent.framing, &cuts, message, sent.version, sent.correlation_id, rules.client_id);
  std::size_t from = 0;
  sent.size = sent.framing.size();
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    sent.gather.emplace_back(sent.framing.data() + from, cuts[i].position_in_buffer - from);
    producing::append_batch(sent.gather, *sent.batches[i].what);
    from = cuts[i].position_in_buffer;
    sent.size += cuts[i].size;
  }
  if (from < sent.framing.size()) sent.gather.emplace_back(sent.framing.data() + from, sent.framing.size() - from);
}

COKAFKA_DECL void put_in_order(messages::produce_response& response, std::int16_t version) {
  std::sort(response.responses.begin(), response.responses.end(),
            [&](const auto& a, const auto& b) { return version >= 13 ? a.topic_id < b.topic_id : a.name < b.name; });
  for (auto& topic : response.responses) {
    std::sort(topic.partitions.begin(), topic.partitions.end(),
              [](const auto& a, const auto& b) { return a.index < b.index; });
  }
}

COKAFKA_DECL const messages::produce_response::partition* find_answer(const messages::produce_response& response,
                                                                      const planned_batch& sent,
                                                                      std::int16_t version) noexcept {
  const std::string_view name = sent.partition->called().str();
  const std::int32_t index = sent.partition->index();
  auto topic = std::partition_point(response.responses.begin(), response.responses.end(), [&](const auto& each) {
    return version >= 13 ? each.topic_id < sent.topic_id : each.name < name;
  });
  for (; topic != response.responses.end(); ++topic) {  // one, unless the broker repeats itself
    if (version >= 13 ? topic->topic_id != sent.topic_id : topic->name != name) break;
    const auto found = std::partition_point(topic->partitions.begin(), topic->partitions.end(),
                                            [&](const auto& each) { return each.index < index; });
    if (found != topic->partitions.end() && found->index == index) return &*found;
  }
  return nullptr;
}

COKAFKA_DECL std::vector<broker_answer::culprit> culprits_of(const messages::produce_response::partition& answer,
                                                             const batch& sent) {
  std::vector<broker_answer::culprit> found;
  for (const auto& each : answer.record_errors) {
    if (each.batch_index < 0 || static_cast<std::uint32_t>(each.batch_index) >= sent.records.count()) continue;
    found.push_back({static_cast<std::uint32_t>(each.batch_index), each.message.value_or(std::string())});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.place < b.place; });
  const auto is_same = [](const auto& a, const auto& b) { return a.place == b.place; };
  found.erase(std::unique(found.begin(), found.end(), is_same), found.end());
  return found;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
