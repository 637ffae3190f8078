// SPDX-License-Identifier: BSL-1.0
// What only an administrator asks of a cluster, each in one version: topics go, grow and move, clients get quotas.
#ifndef COKAFKA_TESTS_SUPPORT_ADMIN_REQUESTS_HPP
#define COKAFKA_TESTS_SUPPORT_ADMIN_REQUESTS_HPP

#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cokafka_test {

using cokafka::detail::messages::api_key;
using cokafka::detail::wire::no_version;
using cokafka::detail::wire::version_range;

// One answer per topic, as DeleteTopics 3 gives it.
struct delete_topics_response {
  static constexpr api_key key{20};
  static constexpr version_range versions{3, 3};
  static constexpr std::int16_t flexible_from = no_version;

  struct topic {
    std::string name{};
    std::int16_t error_code = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.error_code);
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
};

struct delete_topics_request {
  using response_type = delete_topics_response;
  static constexpr api_key key{20};
  static constexpr version_range versions{3, 3};
  static constexpr std::int16_t flexible_from = no_version;

  std::vector<std::string> topics{};
  std::int32_t timeout_ms = 10'000;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.topics);
    f.field(self.timeout_ms);
  }
};

// One answer per topic, as CreatePartitions 1 gives it.
struct create_partitions_response {
  static constexpr api_key key{37};
  static constexpr version_range versions{1, 1};
  static constexpr std::int16_t flexible_from = no_version;

  struct topic {
    std::string name{};
    std::int16_t error_code = 0;
    std::optional<std::string> error_message{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.error_code);
      f.field(self.error_message);
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
};

struct create_partitions_request {
  using response_type = create_partitions_response;
  static constexpr api_key key{37};
  static constexpr version_range versions{1, 1};
  static constexpr std::int16_t flexible_from = no_version;

  struct topic {
    std::string name{};
    std::int32_t count = 0;
    std::optional<std::vector<std::int32_t>> assignments{};  // always null here

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.count);
      f.field(self.assignments);
    }
    bool operator==(const topic&) const = default;
  };

  std::vector<topic> topics{};
  std::int32_t timeout_ms = 10'000;
  bool validate_only = false;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.topics);
    f.field(self.timeout_ms);
    f.field(self.validate_only);
  }
};

// AlterPartitionReassignments 0: another list of replicas for a partition.
struct move_partition_response {
  static constexpr api_key key{45};
  static constexpr version_range versions{0, 0};
  static constexpr std::int16_t flexible_from = 0;

  struct partition {
    std::int32_t index = 0;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.index);
      f.field(self.error_code);
      f.field(self.error_message);
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
  std::int16_t error_code = 0;
  std::optional<std::string> error_message{};
  std::vector<topic> topics{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms);
    f.field(self.error_code);
    f.field(self.error_message);
    f.field(self.topics);
  }
};

struct move_partition_request {
  using response_type = move_partition_response;
  static constexpr api_key key{45};
  static constexpr version_range versions{0, 0};
  static constexpr std::int16_t flexible_from = 0;

  struct partition {
    std::int32_t index = 0;
    std::vector<std::int32_t> replicas{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.index);
      f.field(self.replicas);
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

  std::int32_t timeout_ms = 10'000;
  std::vector<topic> topics{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.timeout_ms);
    f.field(self.topics);
  }
};

// AlterClientQuotas 0.
struct client_quotas_response {
  static constexpr api_key key{49};
  static constexpr version_range versions{0, 0};
  static constexpr std::int16_t flexible_from = no_version;

  struct entity {
    std::string type{};
    std::optional<std::string> name{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.type);
      f.field(self.name);
    }
    bool operator==(const entity&) const = default;
  };

  struct entry {
    std::int16_t error_code = 0;
    std::optional<std::string> error_message{};
    std::vector<entity> who{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.error_code);
      f.field(self.error_message);
      f.field(self.who);
    }
    bool operator==(const entry&) const = default;
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<entry> entries{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms);
    f.field(self.entries);
  }
};

struct client_quotas_request {
  using response_type = client_quotas_response;
  static constexpr api_key key{49};
  static constexpr version_range versions{0, 0};
  static constexpr std::int16_t flexible_from = no_version;

  struct quota {
    std::string name{};
    std::int64_t value = 0;  // the bits of a double
    bool remove = false;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.value);
      f.field(self.remove);
    }
    bool operator==(const quota&) const = default;
  };

  struct entry {
    std::vector<client_quotas_response::entity> who{};
    std::vector<quota> quotas{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.who);
      f.field(self.quotas);
    }
    bool operator==(const entry&) const = default;
  };

  std::vector<entry> entries{};
  bool validate_only = false;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.entries);
    f.field(self.validate_only);
  }
};

}  // namespace cokafka_test

#endif
