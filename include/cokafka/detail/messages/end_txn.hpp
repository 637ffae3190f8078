// SPDX-License-Identifier: BSL-1.0
// EndTxn: commit or abort the running transaction.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_END_TXN_HPP
#define COKAFKA_DETAIL_MESSAGES_END_TXN_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <string>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;

struct end_txn_response;

struct end_txn_request {
  using response_type = end_txn_response;
  static constexpr api_key key = api_key::end_txn;
  static constexpr wire::version_range versions{0, 5};
  static constexpr std::int16_t flexible_from = 3;

  std::string transactional_id{};
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  bool committed = false;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.transactional_id);
    f.field(self.producer_id);
    f.field(self.producer_epoch);
    f.field(self.committed);
  }
  bool operator==(const end_txn_request&) const = default;
};

struct end_txn_response {
  static constexpr api_key key = api_key::end_txn;
  static constexpr wire::version_range versions = end_txn_request::versions;
  static constexpr std::int16_t flexible_from = end_txn_request::flexible_from;

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms);
    f.field(self.error_code);
    f.field(self.producer_id, since(5));
    f.field(self.producer_epoch, since(5));
  }
  bool operator==(const end_txn_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
