// SPDX-License-Identifier: BSL-1.0
// Produce: record batches to the leaders of their partitions.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_PRODUCE_HPP
#define COKAFKA_DETAIL_MESSAGES_PRODUCE_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/messages/leader_hint.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;
using wire::until;

struct produce_response;

struct produce_request {
  using response_type = produce_response;
  static constexpr api_key key = api_key::produce;
  static constexpr wire::version_range versions{0, 13};
  static constexpr std::int16_t flexible_from = 9;

  struct partition {
    std::int32_t index = 0;
    wire::records_field records{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.index);
      f.field(self.records);
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

  std::optional<std::string> transactional_id{};
  std::int16_t acks = -1;
  std::int32_t timeout_ms = 0;
  std::vector<topic> topics{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.transactional_id, since(3));
    f.field(self.acks);
    f.field(self.timeout_ms);
    f.field(self.topics);
  }
  bool operator==(const produce_request&) const = default;
};

struct produce_response {
  static constexpr api_key key = api_key::produce;
  static constexpr wire::version_range versions = produce_request::versions;
  static constexpr std::int16_t flexible_from = produce_request::flexible_from;

  struct record_error {
    std::int32_t batch_index = 0;
    std::optional<std::string> message{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.batch_index);
      f.field(self.message);
    }
    bool operator==(const record_error&) const = default;
  };

  struct partition {
    std::int32_t index = 0;
    std::int16_t error_code = 0;
    std::int64_t base_offset = -1;
    std::int64_t log_append_time_ms = -1;
    std::int64_t log_start_offset = -1;
    std::vector<record_error> record_errors{};
    std::optional<std::string> error_message{};
    leader_and_epoch current_leader{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.index);
      f.field(self.error_code);
      f.field(self.base_offset);
      f.field(self.log_append_time_ms, since(2));
      f.field(self.log_start_offset, since(5));
      f.field(self.record_errors, since(8));
      f.field(self.error_message, since(8));
      f.tagged(0, self.current_leader, since(10));
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

  std::vector<topic> responses{};
  std::int32_t throttle_time_ms = 0;
  std::vector<node_endpoint> node_endpoints{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.responses);
    f.field(self.throttle_time_ms, since(1));
    f.tagged(0, self.node_endpoints, since(10));
  }
  bool operator==(const produce_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
