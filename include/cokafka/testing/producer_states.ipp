// SPDX-License-Identifier: BSL-1.0
// The rules of sequences on the leader's side.
// Layer 8.
#ifndef COKAFKA_TESTING_PRODUCER_STATES_IPP
#define COKAFKA_TESTING_PRODUCER_STATES_IPP

#include "cokafka/testing/producer_states.hpp"

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

COKAFKA_DECL sequence_verdict producer_states::check(const producer_batch& batch) const {
  const auto found = by_id_.find(batch.producer_id);
  if (found == by_id_.end()) return {};
  const state& known = found->second;
  if (batch.epoch < known.epoch) return {broker_errc::invalid_producer_epoch};
  if (batch.epoch > known.epoch) {
    return {batch.first_sequence == 0 ? broker_errc::none : broker_errc::out_of_order_sequence_number};
  }
  const std::int32_t last = last_sequence(batch.first_sequence, batch.record_count);
  for (const remembered_batch& taken : known.batches) {
    if (taken.first_sequence == batch.first_sequence && taken.last_sequence == last) return {broker_errc::none, taken};
  }
  if (batch.first_sequence == last_sequence(known.batches.back().last_sequence, 2)) return {};
  return {broker_errc::out_of_order_sequence_number};
}

COKAFKA_DECL void producer_states::append(const producer_batch& batch, std::int64_t base_offset,
                                          std::int64_t max_timestamp) {
  state& known = by_id_[batch.producer_id];
  if (known.epoch != batch.epoch) known = state{batch.epoch, {}};
  known.batches.push_back(
      {batch.first_sequence, last_sequence(batch.first_sequence, batch.record_count), base_offset, max_timestamp});
  if (known.batches.size() > remembered) known.batches.pop_front();
}

COKAFKA_DECL std::set<std::int64_t> producer_states::forget_since(std::int64_t offset) {
  std::set<std::int64_t> forgotten;
  for (const auto& [id, known] : by_id_) {
    if (known.batches.back().base_offset >= offset) forgotten.insert(id);
  }
  std::erase_if(by_id_, [&](const auto& entry) { return forgotten.contains(entry.first); });
  return forgotten;
}

COKAFKA_DECL void producer_states::restart(std::int64_t now) {
  constexpr std::int64_t one_day = 86'400'000;
  std::erase_if(by_id_, [&](const auto& entry) { return now - entry.second.batches.back().max_timestamp >= one_day; });
  for (auto& [id, known] : by_id_) known.batches.erase(known.batches.begin(), known.batches.end() - 1);
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
