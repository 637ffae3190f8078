// SPDX-License-Identifier: BSL-1.0
// ApiVersions: which APIs the broker serves, and who the client is.
// Layer 8.
#ifndef COKAFKA_TESTING_HANDLERS_API_VERSIONS_IPP
#define COKAFKA_TESTING_HANDLERS_API_VERSIONS_IPP

#include "cokafka/testing/handlers.hpp"

#include <string_view>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace api_versions {

// Letters, digits, '-' and '.'; the first and the last a letter or digit (KIP-511).
inline bool is_legal_software(std::string_view text) noexcept {
  constexpr std::string_view inside = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
  const auto at_end = [](char c) { return c != '-' && c != '.'; };
  return !text.empty() && text.find_first_not_of(inside) == std::string_view::npos && at_end(text.front()) &&
         at_end(text.back());
}

inline messages::api_versions_response::api row(api_key api, detail::wire::version_range versions) {
  return {static_cast<std::int16_t>(api), versions.min, versions.max};
}

}  // namespace api_versions

COKAFKA_DECL messages::api_versions_response too_new(const cluster_state& cluster) {
  messages::api_versions_response response;
  response.error_code = code_of(broker_errc::unsupported_version);
  const auto& offered = cluster.versions.offered();
  const auto own = offered.find(api_key::api_versions);
  // The list of what would do came with 2.4 (KIP-511).
  if (cluster.options.version != kafka_version::v2_1 && own != offered.end()) {
    response.api_keys.push_back(api_versions::row(own->first, own->second));
  }
  return response;
}

COKAFKA_DECL reaction execute(exchange& e, const messages::api_versions_request& request,
                              messages::api_versions_response& response) {
  constexpr std::int16_t first_with_software = 3;
  if (e.version >= first_with_software) {
    if (!api_versions::is_legal_software(request.client_software_name) ||
        !api_versions::is_legal_software(request.client_software_version)) {
      return refuse(request, broker_errc::invalid_request, response);
    }
    e.client = {request.client_software_name, request.client_software_version};
  }
  for (const auto& [api, versions] : e.cluster.versions.offered()) {
    response.api_keys.push_back(api_versions::row(api, versions));
  }
  return reaction::answer;
}

COKAFKA_DECL reaction refuse(const messages::api_versions_request&, broker_errc error,
                             messages::api_versions_response& response) {
  response = {};
  response.error_code = code_of(error);
  return reaction::answer;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
