// SPDX-License-Identifier: BSL-1.0
// AddPartitionsToTxn: partitions that the running transaction will write to.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_ADD_PARTITIONS_TO_TXN_HPP
#define COKAFKA_DETAIL_MESSAGES_ADD_PARTITIONS_TO_TXN_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

struct add_partitions_to_txn_response;

struct add_partitions_to_txn_request {
  using response_type = add_partitions_to_txn_response;
  static constexpr api_key key = api_key::add_partitions_to_txn;
  static constexpr wire::version_range versions{0, 3};
  static constexpr std::int16_t flexible_from = 3;

  struct topic {
    std::string name{};
    std::vector<std::int32_t> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  std::string transactional_id{};
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::vector<topic> topics{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.transactional_id);
    f.field(self.producer_id);
    f.field(self.producer_epoch);
    f.field(self.topics);
  }
  bool operator==(const add_partitions_to_txn_request&) const = default;
};

struct add_partitions_to_txn_response {
  static constexpr api_key key = api_key::add_partitions_to_txn;
  static constexpr wire::version_range versions = add_partitions_to_txn_request::versions;
  static constexpr std::int16_t flexible_from = add_partitions_to_txn_request::flexible_from;

  struct partition {
    std::int32_t partition_index = 0;
    std::int16_t error_code = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.error_code);
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::string name{};
    std::vector<partition> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<topic> results{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms);
    f.field(self.results);
  }
  bool operator==(const add_partitions_to_txn_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
