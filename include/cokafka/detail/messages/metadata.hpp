// SPDX-License-Identifier: BSL-1.0
// Metadata: brokers, topics, partitions and their leaders.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_METADATA_HPP
#define COKAFKA_DETAIL_MESSAGES_METADATA_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::always;
using wire::between;
using wire::since;

struct metadata_response;

// What a broker says about authorized operations that it was not asked for.
inline constexpr std::int32_t unknown_operations = std::numeric_limits<std::int32_t>::min();

struct metadata_request {
  using response_type = metadata_response;
  static constexpr api_key key = api_key::metadata;
  static constexpr wire::version_range versions{0, 13};
  static constexpr std::int16_t flexible_from = 9;

  struct topic {
    wire::uuid topic_id{};
    std::optional<std::string> name{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.topic_id, since(10));
      f.field(self.name, always.nullable_since(10));
    }
    bool operator==(const topic&) const = default;
  };

  std::optional<std::vector<topic>> topics = std::vector<topic>{};  // null: all topics
  bool allow_auto_topic_creation = true;
  bool include_cluster_authorized_operations = false;
  bool include_topic_authorized_operations = false;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.topics, always.nullable_since(1));
    f.field(self.allow_auto_topic_creation, since(4));
    f.field(self.include_cluster_authorized_operations, between(8, 10));
    f.field(self.include_topic_authorized_operations, since(8));
  }
  bool operator==(const metadata_request&) const = default;
};

struct metadata_response {
  static constexpr api_key key = api_key::metadata;
  static constexpr wire::version_range versions = metadata_request::versions;
  static constexpr std::int16_t flexible_from = metadata_request::flexible_from;

  struct broker {
    std::int32_t node_id = 0;
    std::string host{};
    std::int32_t port = 0;
    std::optional<std::string> rack{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.node_id);
      f.field(self.host);
      f.field(self.port);
      f.field(self.rack, since(1));
    }
    bool operator==(const broker&) const = default;
  };

  struct partition {
    std::int16_t error_code = 0;
    std::int32_t partition_index = 0;
    std::int32_t leader_id = -1;
    std::int32_t leader_epoch = -1;
    std::vector<std::int32_t> replica_nodes{};
    std::vector<std::int32_t> isr_nodes{};
    std::vector<std::int32_t> offline_replicas{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.error_code);
      f.field(self.partition_index);
      f.field(self.leader_id);
      f.field(self.leader_epoch, since(7));
      f.field(self.replica_nodes);
      f.field(self.isr_nodes);
      f.field(self.offline_replicas, since(5));
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::int16_t error_code = 0;
    std::optional<std::string> name{};
    wire::uuid topic_id{};
    bool is_internal = false;
    std::vector<partition> partitions{};
    std::int32_t topic_authorized_operations = unknown_operations;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.error_code);
      f.field(self.name, always.nullable_since(12));
      f.field(self.topic_id, since(10));
      f.field(self.is_internal, since(1));
      f.field(self.partitions);
      f.field(self.topic_authorized_operations, since(8));
    }
    bool operator==(const topic&) const = default;
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<broker> brokers{};
  std::optional<std::string> cluster_id{};
  std::int32_t controller_id = -1;
  std::vector<topic> topics{};
  std::int32_t cluster_authorized_operations = unknown_operations;
  std::int16_t error_code = 0;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms, since(3));
    f.field(self.brokers);
    f.field(self.cluster_id, since(2));
    f.field(self.controller_id, since(1));
    f.field(self.topics);
    f.field(self.cluster_authorized_operations, between(8, 10));
    f.field(self.error_code, since(13));
  }
  bool operator==(const metadata_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
