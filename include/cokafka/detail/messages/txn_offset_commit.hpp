// SPDX-License-Identifier: BSL-1.0
// TxnOffsetCommit: offsets of a consumer group as part of the running transaction.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_TXN_OFFSET_COMMIT_HPP
#define COKAFKA_DETAIL_MESSAGES_TXN_OFFSET_COMMIT_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;
using wire::until;

struct txn_offset_commit_response;

struct txn_offset_commit_request {
  using response_type = txn_offset_commit_response;
  static constexpr api_key key = api_key::txn_offset_commit;
  static constexpr wire::version_range versions{0, 6};
  static constexpr std::int16_t flexible_from = 3;

  struct partition {
    std::int32_t partition_index = 0;
    std::int64_t committed_offset = 0;
    std::int32_t committed_leader_epoch = -1;
    std::optional<std::string> committed_metadata{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.committed_offset);
      f.field(self.committed_leader_epoch, since(2));
      f.field(self.committed_metadata);
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::string name{};
    wire::uuid topic_id{};
    std::vector<partition> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name, until(5));
      f.field(self.topic_id, since(6));
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  std::string transactional_id{};
  std::string group_id{};
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t generation_id_or_member_epoch = -1;
  std::string member_id{};
  std::optional<std::string> group_instance_id{};
  std::vector<topic> topics{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.transactional_id);
    f.field(self.group_id);
    f.field(self.producer_id);
    f.field(self.producer_epoch);
    f.field(self.generation_id_or_member_epoch, since(3));
    f.field(self.member_id, since(3));
    f.field(self.group_instance_id, since(3));
    f.field(self.topics);
  }
  bool operator==(const txn_offset_commit_request&) const = default;
};

struct txn_offset_commit_response {
  static constexpr api_key key = api_key::txn_offset_commit;
  static constexpr wire::version_range versions = txn_offset_commit_request::versions;
  static constexpr std::int16_t flexible_from = txn_offset_commit_request::flexible_from;

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
    wire::uuid topic_id{};
    std::vector<partition> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name, until(5));
      f.field(self.topic_id, since(6));
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<topic> topics{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms);
    f.field(self.topics);
  }
  bool operator==(const txn_offset_commit_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
