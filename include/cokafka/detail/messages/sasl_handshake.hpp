// SPDX-License-Identifier: BSL-1.0
// SaslHandshake: which SASL mechanism the connection will use.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_SASL_HANDSHAKE_HPP
#define COKAFKA_DETAIL_MESSAGES_SASL_HANDSHAKE_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

struct sasl_handshake_response;

struct sasl_handshake_request {
  using response_type = sasl_handshake_response;
  static constexpr api_key key = api_key::sasl_handshake;
  static constexpr wire::version_range versions{0, 1};
  static constexpr std::int16_t flexible_from = wire::no_version;

  std::string mechanism{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.mechanism);
  }
  bool operator==(const sasl_handshake_request&) const = default;
};

struct sasl_handshake_response {
  static constexpr api_key key = api_key::sasl_handshake;
  static constexpr wire::version_range versions = sasl_handshake_request::versions;
  static constexpr std::int16_t flexible_from = sasl_handshake_request::flexible_from;

  std::int16_t error_code = 0;
  std::vector<std::string> mechanisms{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.error_code);
    f.field(self.mechanisms);
  }
  bool operator==(const sasl_handshake_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
