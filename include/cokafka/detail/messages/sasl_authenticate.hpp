// SPDX-License-Identifier: BSL-1.0
// SaslAuthenticate: one step of a SASL exchange.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_SASL_AUTHENTICATE_HPP
#define COKAFKA_DETAIL_MESSAGES_SASL_AUTHENTICATE_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;

struct sasl_authenticate_response;

struct sasl_authenticate_request {
  using response_type = sasl_authenticate_response;
  static constexpr api_key key = api_key::sasl_authenticate;
  static constexpr wire::version_range versions{0, 2};
  static constexpr std::int16_t flexible_from = 2;

  wire::bytes auth_bytes{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.auth_bytes);
  }
  bool operator==(const sasl_authenticate_request&) const = default;
};

struct sasl_authenticate_response {
  static constexpr api_key key = api_key::sasl_authenticate;
  static constexpr wire::version_range versions = sasl_authenticate_request::versions;
  static constexpr std::int16_t flexible_from = sasl_authenticate_request::flexible_from;

  std::int16_t error_code = 0;
  std::optional<std::string> error_message{};
  wire::bytes auth_bytes{};
  std::int64_t session_lifetime_ms = 0;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.error_code);
    f.field(self.error_message);
    f.field(self.auth_bytes);
    f.field(self.session_lifetime_ms, since(1));
  }
  bool operator==(const sasl_authenticate_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
