// SPDX-License-Identifier: BSL-1.0
// CreateTopics: new topics with their partitions and settings.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_CREATE_TOPICS_HPP
#define COKAFKA_DETAIL_MESSAGES_CREATE_TOPICS_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;

struct create_topics_response;

struct create_topics_request {
  using response_type = create_topics_response;
  static constexpr api_key key = api_key::create_topics;
  static constexpr wire::version_range versions{2, 7};
  static constexpr std::int16_t flexible_from = 5;

  struct assignment {
    std::int32_t partition_index = 0;
    std::vector<std::int32_t> broker_ids{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.broker_ids);
    }
    bool operator==(const assignment&) const = default;
  };

  struct setting {
    std::string name{};
    std::optional<std::string> value{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.value);
    }
    bool operator==(const setting&) const = default;
  };

  struct topic {
    std::string name{};
    std::int32_t num_partitions = -1;
    std::int16_t replication_factor = -1;
    std::vector<assignment> assignments{};
    std::vector<setting> configs{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.num_partitions);
      f.field(self.replication_factor);
      f.field(self.assignments);
      f.field(self.configs);
    }
    bool operator==(const topic&) const = default;
  };

  std::vector<topic> topics{};
  std::int32_t timeout_ms = 60000;
  bool validate_only = false;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.topics);
    f.field(self.timeout_ms);
    f.field(self.validate_only);
  }
  bool operator==(const create_topics_request&) const = default;
};

struct create_topics_response {
  static constexpr api_key key = api_key::create_topics;
  static constexpr wire::version_range versions = create_topics_request::versions;
  static constexpr std::int16_t flexible_from = create_topics_request::flexible_from;

  struct setting {
    std::string name{};
    std::optional<std::string> value{};
    bool read_only = false;
    std::int8_t config_source = -1;
    bool is_sensitive = false;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.value);
      f.field(self.read_only);
      f.field(self.config_source);
      f.field(self.is_sensitive);
    }
    bool operator==(const setting&) const = default;
  };

  struct topic {
    std::string name{};
    wire::uuid topic_id{};
    std::int16_t error_code = 0;
    std::optional<std::string> error_message{};
    std::int32_t num_partitions = -1;
    std::int16_t replication_factor = -1;
    std::optional<std::vector<setting>> configs = std::vector<setting>{};
    std::int16_t topic_config_error_code = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.topic_id, since(7));
      f.field(self.error_code);
      f.field(self.error_message);
      f.field(self.num_partitions, since(5));
      f.field(self.replication_factor, since(5));
      f.field(self.configs, since(5));
      f.tagged(0, self.topic_config_error_code, since(5));
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
  bool operator==(const create_topics_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
