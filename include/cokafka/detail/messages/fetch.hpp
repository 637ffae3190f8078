// SPDX-License-Identifier: BSL-1.0
// Fetch: record batches from the leaders of their partitions.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_FETCH_HPP
#define COKAFKA_DETAIL_MESSAGES_FETCH_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/messages/leader_hint.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;
using wire::until;

struct fetch_response;

struct fetch_request {
  using response_type = fetch_response;
  static constexpr api_key key = api_key::fetch;
  static constexpr wire::version_range versions{0, 18};
  static constexpr std::int16_t flexible_from = 12;

  struct partition {
    std::int32_t partition_index = 0;
    std::int32_t current_leader_epoch = -1;
    std::int64_t fetch_offset = 0;
    std::int32_t last_fetched_epoch = -1;
    std::int64_t log_start_offset = -1;
    std::int32_t partition_max_bytes = 0;
    wire::uuid replica_directory_id{};
    std::int64_t high_watermark = std::numeric_limits<std::int64_t>::max();

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.current_leader_epoch, since(9));
      f.field(self.fetch_offset);
      f.field(self.last_fetched_epoch, since(12));
      f.field(self.log_start_offset, since(5));
      f.field(self.partition_max_bytes);
      f.tagged(0, self.replica_directory_id, since(17));
      f.tagged(1, self.high_watermark, since(18), std::numeric_limits<std::int64_t>::max());
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::string name{};
    wire::uuid topic_id{};
    std::vector<partition> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name, until(12));
      f.field(self.topic_id, since(13));
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  struct forgotten_topic {
    std::string name{};
    wire::uuid topic_id{};
    std::vector<std::int32_t> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name, until(12));
      f.field(self.topic_id, since(13));
      f.field(self.partitions);
    }
    bool operator==(const forgotten_topic&) const = default;
  };

  struct replica {
    std::int32_t replica_id = -1;
    std::int64_t replica_epoch = -1;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.replica_id);
      f.field(self.replica_epoch);
    }
    bool operator==(const replica&) const = default;
  };

  std::int32_t replica_id = -1;
  std::int32_t max_wait_ms = 0;
  std::int32_t min_bytes = 0;
  std::int32_t max_bytes = 0x7fffffff;
  std::int8_t isolation_level = 0;
  std::int32_t session_id = 0;
  std::int32_t session_epoch = -1;
  std::vector<topic> topics{};
  std::vector<forgotten_topic> forgotten_topics{};
  std::string rack_id{};
  std::optional<std::string> cluster_id{};
  replica replica_state{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.replica_id, until(14));
    f.field(self.max_wait_ms);
    f.field(self.min_bytes);
    f.field(self.max_bytes, since(3));
    f.field(self.isolation_level, since(4));
    f.field(self.session_id, since(7));
    f.field(self.session_epoch, since(7));
    f.field(self.topics);
    f.field(self.forgotten_topics, since(7));
    f.field(self.rack_id, since(11));
    f.tagged(0, self.cluster_id, since(12));
    f.tagged(1, self.replica_state, since(15));
  }
  bool operator==(const fetch_request&) const = default;
};

struct fetch_response {
  static constexpr api_key key = api_key::fetch;
  static constexpr wire::version_range versions = fetch_request::versions;
  static constexpr std::int16_t flexible_from = fetch_request::flexible_from;

  struct epoch_end_offset {
    std::int32_t epoch = -1;
    std::int64_t end_offset = -1;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.epoch);
      f.field(self.end_offset);
    }
    bool operator==(const epoch_end_offset&) const = default;
  };

  struct snapshot {
    std::int64_t end_offset = -1;
    std::int32_t epoch = -1;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.end_offset);
      f.field(self.epoch);
    }
    bool operator==(const snapshot&) const = default;
  };

  struct aborted_transaction {
    std::int64_t producer_id = 0;
    std::int64_t first_offset = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.producer_id);
      f.field(self.first_offset);
    }
    bool operator==(const aborted_transaction&) const = default;
  };

  struct partition {
    std::int32_t partition_index = 0;
    std::int16_t error_code = 0;
    std::int64_t high_watermark = 0;
    std::int64_t last_stable_offset = -1;
    std::int64_t log_start_offset = -1;
    std::optional<std::vector<aborted_transaction>> aborted_transactions{};
    std::int32_t preferred_read_replica = -1;
    wire::records_field records{};
    epoch_end_offset diverging_epoch{};
    leader_and_epoch current_leader{};
    snapshot snapshot_id{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.error_code);
      f.field(self.high_watermark);
      f.field(self.last_stable_offset, since(4));
      f.field(self.log_start_offset, since(5));
      f.field(self.aborted_transactions, since(4));
      f.field(self.preferred_read_replica, since(11));
      f.field(self.records);
      f.tagged(0, self.diverging_epoch, since(12));
      f.tagged(1, self.current_leader, since(12));
      f.tagged(2, self.snapshot_id, since(12));
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::string name{};
    wire::uuid topic_id{};
    std::vector<partition> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name, until(12));
      f.field(self.topic_id, since(13));
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::int32_t session_id = 0;
  std::vector<topic> responses{};
  std::vector<node_endpoint> node_endpoints{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms, since(1));
    f.field(self.error_code, since(7));
    f.field(self.session_id, since(7));
    f.field(self.responses);
    f.tagged(0, self.node_endpoints, since(16));
  }
  bool operator==(const fetch_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
