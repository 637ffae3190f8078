// SPDX-License-Identifier: BSL-1.0
// FindCoordinator: the broker that coordinates a group or a transactional id.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_FIND_COORDINATOR_HPP
#define COKAFKA_DETAIL_MESSAGES_FIND_COORDINATOR_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::between;
using wire::since;
using wire::until;

struct find_coordinator_response;

struct find_coordinator_request {
  using response_type = find_coordinator_response;
  static constexpr api_key key = api_key::find_coordinator;
  static constexpr wire::version_range versions{0, 6};
  static constexpr std::int16_t flexible_from = 3;

  std::string key_name{};
  std::int8_t key_type = 0;  // 0 group, 1 transaction
  std::vector<std::string> coordinator_keys{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.key_name, until(3));
    f.field(self.key_type, since(1));
    f.field(self.coordinator_keys, since(4));
  }
  bool operator==(const find_coordinator_request&) const = default;
};

struct find_coordinator_response {
  static constexpr api_key key = api_key::find_coordinator;
  static constexpr wire::version_range versions = find_coordinator_request::versions;
  static constexpr std::int16_t flexible_from = find_coordinator_request::flexible_from;

  struct coordinator {
    std::string key_name{};
    std::int32_t node_id = -1;
    std::string host{};
    std::int32_t port = -1;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.key_name);
      f.field(self.node_id);
      f.field(self.host);
      f.field(self.port);
      f.field(self.error_code);
      f.field(self.error_message);
    }
    bool operator==(const coordinator&) const = default;
  };

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message{};
  std::int32_t node_id = -1;
  std::string host{};
  std::int32_t port = -1;
  std::vector<coordinator> coordinators{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms, since(1));
    f.field(self.error_code, until(3));
    f.field(self.error_message, between(1, 3));
    f.field(self.node_id, until(3));
    f.field(self.host, until(3));
    f.field(self.port, until(3));
    f.field(self.coordinators, since(4));
  }
  bool operator==(const find_coordinator_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
