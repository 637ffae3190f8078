// SPDX-License-Identifier: BSL-1.0
// Which versions of which APIs a cluster offers, after the releases of Kafka it can pretend to be.
// Layer 8.
#ifndef COKAFKA_TESTING_VERSION_TABLE_HPP
#define COKAFKA_TESTING_VERSION_TABLE_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/wire/types.hpp"
#include "cokafka/testing/options.hpp"
#include "cokafka/testing/stored.hpp"

#include <cstdint>
#include <map>
#include <optional>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

/// Thread safety: distinct objects safe.
class version_table {
 public:
  COKAFKA_DECL explicit version_table(kafka_version version);

  /// What ApiVersions tells, by API number.
  const std::map<api_key, detail::wire::version_range>& offered() const noexcept { return offered_; }
  /// An empty range takes the API out.
  COKAFKA_DECL void offer(api_key api, detail::wire::version_range versions);
  /// Whether a request is answered. 4.x offers Produce from 0 for the sake of old clients' checks, and refuses it below
  /// 3 (KAFKA-18659); batches are never converted down, so Fetch starts at 4.
  COKAFKA_DECL bool serves(api_key api, std::int16_t version) const;

 private:
  std::map<api_key, detail::wire::version_range> offered_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/version_table.ipp"
#endif

#endif
