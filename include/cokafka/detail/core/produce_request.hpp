// SPDX-License-Identifier: BSL-1.0
// A Produce request as it goes to the socket: framing in one small buffer, the batches from where they are.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PRODUCE_REQUEST_HPP
#define COKAFKA_DETAIL_CORE_PRODUCE_REQUEST_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/produce_queue.hpp"
#include "cokafka/detail/core/settings.hpp"
#include "cokafka/detail/messages/produce.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// One request that was or is being written. Keeps its batches, and so their bytes, alive until it is answered.
struct produce_request {
  std::int32_t correlation_id = 0;
  std::int16_t version = 0;
  clock_time written_at{};
  std::vector<planned_batch> batches{};
  std::string framing{};
  std::vector<std::span<const char>> gather{};  // what one write sends, in order
  std::size_t size = 0;
};

/// Whether version 13 can be spoken: it names topics by id, and every topic of the request must have one.
bool has_all_topic_ids(std::span<const planned_batch> batches) noexcept;

/// Fills framing, gather and size. Batches of one topic need not be neighbours; `sent` gets them grouped by topic.
void encode_produce_request(produce_request& sent, const settings& rules);

/// So that find_answer() need not look through all of them for each batch: brokers answer in the order of a hash map.
void put_in_order(messages::produce_response& response, std::int16_t version);

/// Where the answer for a batch of the request stands in the response; null when the broker left it out.
/// Precondition: put_in_order().
const messages::produce_response::partition* find_answer(const messages::produce_response& response,
                                                         const planned_batch& sent, std::int16_t version) noexcept;

/// The records for which the answer says that their batch was refused (KIP-467), in order, each once; numbers that the
/// batch does not have are left out.
std::vector<broker_answer::culprit> culprits_of(const messages::produce_response::partition& answer, const batch& sent);

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/core/produce_request.ipp"
#endif

#endif
