// SPDX-License-Identifier: BSL-1.0
// Where a record was written.
// Layer 0.
#ifndef COKAFKA_RECORD_METADATA_HPP
#define COKAFKA_RECORD_METADATA_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "cokafka/topic_name.hpp"

namespace cokafka::inline COKAFKA_ABI {

/// The answer to a record that was written. Thread safety: distinct objects safe; shared objects safe for reading.
struct record_metadata {
  topic_name topic;
  std::int32_t partition = -1;
  std::optional<std::int64_t> offset;  ///< empty with acks=0, and where the broker only said "duplicate"
  /// The record's own time, or the broker's when the topic has `message.timestamp.type=LogAppendTime`.
  std::chrono::sys_time<std::chrono::milliseconds> timestamp{};
  std::optional<std::size_t> key_size;    ///< in bytes; empty for a null key
  std::optional<std::size_t> value_size;  ///< in bytes; empty for a tombstone
};

}  // namespace cokafka::inline COKAFKA_ABI

#endif
