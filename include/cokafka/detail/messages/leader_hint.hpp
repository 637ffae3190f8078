// SPDX-License-Identifier: BSL-1.0
// What Produce and Fetch responses tell about a partition's new leader (KIP-951).
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_LEADER_HINT_HPP
#define COKAFKA_DETAIL_MESSAGES_LEADER_HINT_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

struct leader_and_epoch {
  std::int32_t leader_id = -1;
  std::int32_t leader_epoch = -1;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.leader_id);
    f.field(self.leader_epoch);
  }
  bool operator==(const leader_and_epoch&) const = default;
};

struct node_endpoint {
  std::int32_t node_id = 0;
  std::string host{};
  std::int32_t port = 0;
  std::optional<std::string> rack{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.node_id);
    f.field(self.host);
    f.field(self.port);
    f.field(self.rack);
  }
  bool operator==(const node_endpoint&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
