// SPDX-License-Identifier: BSL-1.0
// What a test reads back from an embedded cluster: records, batches and the requests that were seen.
// Layer 8.
#ifndef COKAFKA_TESTING_STORED_HPP
#define COKAFKA_TESTING_STORED_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::testing {

/// Kafka's number of an API: `api_key::produce`, `api_key::metadata`, ...
using api_key = detail::messages::api_key;

struct stored_header {
  std::string key;
  std::optional<std::string> value;

  bool operator==(const stored_header&) const = default;
};

/// One record as a consumer would get it.
struct stored_record {
  std::int64_t offset = 0;
  std::int64_t timestamp = 0;  ///< milliseconds since 1970
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<stored_header> headers;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t sequence = -1;

  bool operator==(const stored_record&) const = default;
};

/// One batch as it lies in the log.
struct stored_batch {
  std::int64_t base_offset = 0;
  std::int32_t record_count = 0;
  std::size_t size = 0;  ///< bytes, header included
  int codec = 0;         ///< 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; records() leaves compressed batches out
  std::int32_t leader_epoch = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;

  bool operator==(const stored_batch&) const = default;
};

/// A request that reached a broker, also one that was refused.
struct seen_request {
  api_key api{};
  std::int16_t version = 0;
  std::int32_t broker = 0;
  std::size_t size = 0;  ///< bytes of the frame behind its length
  std::int32_t correlation_id = 0;
  std::optional<std::string> client_id;
  std::string software_name;  ///< from the connection's ApiVersions request (KIP-511); empty when it sent none
  std::string software_version;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing

#endif
