// SPDX-License-Identifier: BSL-1.0
// The numbers of Kafka's APIs that the library speaks, as a client or as an embedded broker.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_API_KEY_HPP
#define COKAFKA_DETAIL_MESSAGES_API_KEY_HPP

#include "cokafka/detail/base/config.hpp"

#include <cstdint>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

// Any 16-bit value may arrive from a peer, also one without a name here.
enum class api_key : std::int16_t {
  produce = 0,
  fetch = 1,
  list_offsets = 2,
  metadata = 3,
  find_coordinator = 10,
  sasl_handshake = 17,
  api_versions = 18,
  create_topics = 19,
  init_producer_id = 22,
  add_partitions_to_txn = 24,
  add_offsets_to_txn = 25,
  end_txn = 26,
  txn_offset_commit = 28,
  sasl_authenticate = 36,
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
