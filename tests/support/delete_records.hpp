// SPDX-License-Identifier: BSL-1.0
// DeleteRecords 1, which only an administrator asks for: a partition's readers begin at a later offset.
#ifndef COKAFKA_TESTS_SUPPORT_DELETE_RECORDS_HPP
#define COKAFKA_TESTS_SUPPORT_DELETE_RECORDS_HPP

#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace cokafka_test {

struct delete_records_response {
  static constexpr cokafka::detail::messages::api_key key{21};
  static constexpr cokafka::detail::wire::version_range versions{1, 1};
  static constexpr std::int16_t flexible_from = cokafka::detail::wire::no_version;

  struct partition {
    std::int32_t index = 0;
    std::int64_t low_watermark = -1;
    std::int16_t error_code = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.index);
      f.field(self.low_watermark);
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
  std::vector<topic> topics{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms);
    f.field(self.topics);
  }
};

struct delete_records_request {
  using response_type = delete_records_response;
  static constexpr cokafka::detail::messages::api_key key{21};
  static constexpr cokafka::detail::wire::version_range versions{1, 1};
  static constexpr std::int16_t flexible_from = cokafka::detail::wire::no_version;

  struct partition {
    std::int32_t index = 0;
    std::int64_t before = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.index);
      f.field(self.before);
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

  std::vector<topic> topics{};
  std::int32_t timeout_ms = 10'000;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.topics);
    f.field(self.timeout_ms);
  }
};

}  // namespace cokafka_test

#endif
