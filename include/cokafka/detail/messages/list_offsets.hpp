// SPDX-License-Identifier: BSL-1.0
// ListOffsets: the first, last or time-indexed offset of partitions.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_LIST_OFFSETS_HPP
#define COKAFKA_DETAIL_MESSAGES_LIST_OFFSETS_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;
using wire::until;

struct list_offsets_response;

struct list_offsets_request {
  using response_type = list_offsets_response;
  static constexpr api_key key = api_key::list_offsets;
  static constexpr wire::version_range versions{0, 10};
  static constexpr std::int16_t flexible_from = 6;

  struct partition {
    std::int32_t partition_index = 0;
    std::int32_t current_leader_epoch = -1;
    std::int64_t timestamp = -1;  // -1 latest, -2 earliest, -3 the offset of the largest timestamp
    std::int32_t max_num_offsets = 1;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.current_leader_epoch, since(4));
      f.field(self.timestamp);
      f.field(self.max_num_offsets, until(0));
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

  std::int32_t replica_id = -1;
  std::int8_t isolation_level = 0;
  std::vector<topic> topics{};
  std::int32_t timeout_ms = 0;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.replica_id);
    f.field(self.isolation_level, since(2));
    f.field(self.topics);
    f.field(self.timeout_ms, since(10));
  }
  bool operator==(const list_offsets_request&) const = default;
};

struct list_offsets_response {
  static constexpr api_key key = api_key::list_offsets;
  static constexpr wire::version_range versions = list_offsets_request::versions;
  static constexpr std::int16_t flexible_from = list_offsets_request::flexible_from;

  struct partition {
    std::int32_t partition_index = 0;
    std::int16_t error_code = 0;
    std::vector<std::int64_t> old_style_offsets{};
    std::int64_t timestamp = -1;
    std::int64_t offset = -1;
    std::int32_t leader_epoch = -1;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.error_code);
      f.field(self.old_style_offsets, until(0));
      f.field(self.timestamp, since(1));
      f.field(self.offset, since(1));
      f.field(self.leader_epoch, since(4));
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
  std::vector<topic> topics{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms, since(2));
    f.field(self.topics);
  }
  bool operator==(const list_offsets_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
