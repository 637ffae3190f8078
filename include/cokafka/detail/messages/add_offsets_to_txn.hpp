// SPDX-License-Identifier: BSL-1.0
// AddOffsetsToTxn: a consumer group whose offsets the running transaction will commit.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_ADD_OFFSETS_TO_TXN_HPP
#define COKAFKA_DETAIL_MESSAGES_ADD_OFFSETS_TO_TXN_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <string>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

struct add_offsets_to_txn_response;

struct add_offsets_to_txn_request {
  using response_type = add_offsets_to_txn_response;
  static constexpr api_key key = api_key::add_offsets_to_txn;
  static constexpr wire::version_range versions{0, 4};
  static constexpr std::int16_t flexible_from = 3;

  std::string transactional_id{};
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::string group_id{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.transactional_id);
    f.field(self.producer_id);
    f.field(self.producer_epoch);
    f.field(self.group_id);
  }
  bool operator==(const add_offsets_to_txn_request&) const = default;
};

struct add_offsets_to_txn_response {
  static constexpr api_key key = api_key::add_offsets_to_txn;
  static constexpr wire::version_range versions = add_offsets_to_txn_request::versions;
  static constexpr std::int16_t flexible_from = add_offsets_to_txn_request::flexible_from;

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms);
    f.field(self.error_code);
  }
  bool operator==(const add_offsets_to_txn_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
