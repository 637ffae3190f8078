// SPDX-License-Identifier: BSL-1.0
// ApiVersions: which APIs and versions a broker speaks (KIP-511, KIP-584).
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_API_VERSIONS_HPP
#define COKAFKA_DETAIL_MESSAGES_API_VERSIONS_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;

struct api_versions_response;

struct api_versions_request {
  using response_type = api_versions_response;
  static constexpr api_key key = api_key::api_versions;
  static constexpr wire::version_range versions{0, 5};
  static constexpr std::int16_t flexible_from = 3;

  std::string client_software_name{};
  std::string client_software_version{};
  std::optional<std::string> cluster_id{};
  std::int32_t node_id = -1;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.client_software_name, since(3));
    f.field(self.client_software_version, since(3));
    f.field(self.cluster_id, since(5));
    f.field(self.node_id, since(5));
  }
  bool operator==(const api_versions_request&) const = default;
};

// The response header has no tagged fields in any version, so that a client can read an answer older than its question.
struct api_versions_response {
  static constexpr api_key key = api_key::api_versions;
  static constexpr wire::version_range versions = api_versions_request::versions;
  static constexpr std::int16_t flexible_from = api_versions_request::flexible_from;

  struct api {
    std::int16_t api_key = 0;
    std::int16_t min_version = 0;
    std::int16_t max_version = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.api_key);
      f.field(self.min_version);
      f.field(self.max_version);
    }
    bool operator==(const api&) const = default;
  };

  struct supported_feature {
    std::string name{};
    std::int16_t min_version = 0;
    std::int16_t max_version = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.min_version);
      f.field(self.max_version);
    }
    bool operator==(const supported_feature&) const = default;
  };

  struct finalized_feature {
    std::string name{};
    std::int16_t max_version_level = 0;
    std::int16_t min_version_level = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.max_version_level);
      f.field(self.min_version_level);
    }
    bool operator==(const finalized_feature&) const = default;
  };

  std::int16_t error_code = 0;
  std::vector<api> api_keys{};
  std::int32_t throttle_time_ms = 0;
  std::vector<supported_feature> supported_features{};
  std::int64_t finalized_features_epoch = -1;
  std::vector<finalized_feature> finalized_features{};
  bool zk_migration_ready = false;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.error_code);
    f.field(self.api_keys);
    f.field(self.throttle_time_ms, since(1));
    f.tagged(0, self.supported_features, since(3));
    f.tagged(1, self.finalized_features_epoch, since(3), std::int64_t{-1});
    f.tagged(2, self.finalized_features, since(3));
    f.tagged(3, self.zk_migration_ready, since(3));
  }
  bool operator==(const api_versions_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
