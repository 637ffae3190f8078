// SPDX-License-Identifier: BSL-1.0
// The list of all described messages; what needs to know them all (header versions by key, tests) walks it.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_KNOWN_APIS_HPP
#define COKAFKA_DETAIL_MESSAGES_KNOWN_APIS_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/add_offsets_to_txn.hpp"
#include "cokafka/detail/messages/add_partitions_to_txn.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/messages/api_versions.hpp"
#include "cokafka/detail/messages/create_topics.hpp"
#include "cokafka/detail/messages/end_txn.hpp"
#include "cokafka/detail/messages/fetch.hpp"
#include "cokafka/detail/messages/find_coordinator.hpp"
#include "cokafka/detail/messages/init_producer_id.hpp"
#include "cokafka/detail/messages/list_offsets.hpp"
#include "cokafka/detail/messages/metadata.hpp"
#include "cokafka/detail/messages/produce.hpp"
#include "cokafka/detail/messages/sasl_authenticate.hpp"
#include "cokafka/detail/messages/sasl_handshake.hpp"
#include "cokafka/detail/messages/txn_offset_commit.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

template <class... Requests>
struct request_list {};

using known_requests =
    request_list<produce_request, fetch_request, list_offsets_request, metadata_request, find_coordinator_request,
                 sasl_handshake_request, api_versions_request, create_topics_request, init_producer_id_request,
                 add_partitions_to_txn_request, add_offsets_to_txn_request, end_txn_request, txn_offset_commit_request,
                 sasl_authenticate_request>;

namespace known {
template <class... Requests>
constexpr std::int16_t flexible_from(api_key key, request_list<Requests...>) noexcept {
  std::int16_t first = wire::no_version;
  ((Requests::key == key ? void(first = Requests::flexible_from) : void()), ...);
  return first;
}
}  // namespace known

// The first version of an API whose headers have tagged fields; no version for an API that is not described here.
constexpr std::int16_t flexible_from(api_key key) noexcept { return known::flexible_from(key, known_requests{}); }

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
