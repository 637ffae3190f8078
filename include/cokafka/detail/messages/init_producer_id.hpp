// SPDX-License-Identifier: BSL-1.0
// InitProducerId: a producer id and epoch, for idempotence and transactions.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_INIT_PRODUCER_ID_HPP
#define COKAFKA_DETAIL_MESSAGES_INIT_PRODUCER_ID_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;

struct init_producer_id_response;

struct init_producer_id_request {
  using response_type = init_producer_id_response;
  static constexpr api_key key = api_key::init_producer_id;
  static constexpr wire::version_range versions{0, 6};
  static constexpr std::int16_t flexible_from = 2;

  std::optional<std::string> transactional_id{};
  std::int32_t transaction_timeout_ms = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  bool enable_2pc = false;
  bool keep_prepared_txn = false;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.transactional_id);
    f.field(self.transaction_timeout_ms);
    f.field(self.producer_id, since(3));
    f.field(self.producer_epoch, since(3));
    f.field(self.enable_2pc, since(6));
    f.field(self.keep_prepared_txn, since(6));
  }
  bool operator==(const init_producer_id_request&) const = default;
};

struct init_producer_id_response {
  static constexpr api_key key = api_key::init_producer_id;
  static constexpr wire::version_range versions = init_producer_id_request::versions;
  static constexpr std::int16_t flexible_from = init_producer_id_request::flexible_from;

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int64_t ongoing_txn_producer_id = -1;
  std::int16_t ongoing_txn_producer_epoch = -1;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms);
    f.field(self.error_code);
    f.field(self.producer_id);
    f.field(self.producer_epoch);
    f.field(self.ongoing_txn_producer_id, since(6));
    f.field(self.ongoing_txn_producer_epoch, since(6));
  }
  bool operator==(const init_producer_id_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
