// SPDX-License-Identifier: BSL-1.0
// Which versions of which API a broker speaks, and which of them we use.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_API_VERSIONS_KNOWN_HPP
#define COKAFKA_DETAIL_CORE_API_VERSIONS_KNOWN_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/messages/api_versions.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <map>
#include <optional>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Upper limits per API, to speak an older version than both sides could: how tests force every version once.
using version_caps = std::map<messages::api_key, std::int16_t>;

/// What this client uses of each API; a message may be described in more versions than these.
constexpr wire::version_range client_versions(messages::api_key key) noexcept {
  switch (key) {
    case messages::api_key::produce: return {3, 13};  // record batch v2 begins at 3
    case messages::api_key::metadata: return {1, 13};
    case messages::api_key::api_versions: return {0, 4};
    case messages::api_key::init_producer_id: return {0, 5};
    default: return {0, -1};
  }
}

/// The result of ApiVersions on one connection.
class api_versions_known {
 public:
  void learn(const messages::api_versions_response& response, const version_caps& caps);

  /// The newest version that both sides speak.
  std::optional<std::int16_t> newest(messages::api_key key) const;

 private:
  std::map<messages::api_key, wire::version_range> ranges_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/core/api_versions_known.ipp"
#endif

#endif
