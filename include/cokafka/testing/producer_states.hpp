// SPDX-License-Identifier: BSL-1.0
// What the leader of a partition remembers of each producer id, and which batches it therefore takes (KIP-98).
// Layer 8.
#ifndef COKAFKA_TESTING_PRODUCER_STATES_HPP
#define COKAFKA_TESTING_PRODUCER_STATES_HPP

#include "cokafka/detail/base/broker_errors.hpp"
#include "cokafka/detail/base/config.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

/// The part of a batch that the rules look at.
struct producer_batch {
  std::int64_t producer_id = -1;
  std::int16_t epoch = -1;
  std::int32_t first_sequence = -1;
  std::int32_t record_count = 0;
};

/// A batch that was taken.
struct remembered_batch {
  std::int32_t first_sequence = 0;
  std::int32_t last_sequence = 0;
  std::int64_t base_offset = 0;
  std::int64_t max_timestamp = 0;
};

struct sequence_verdict {
  broker_errc error = broker_errc::none;
  std::optional<remembered_batch> duplicate_of{};  ///< answered as a success, with this batch's offset
};

/// The state of one partition, as lax as the real one:
///
///   producer id    | batch                                      | answer
///   without state  | any first sequence                         | taken (before transactions v2, KAFKA-14312)
///   same epoch     | exactly one of its last five batches       | duplicate: success with the first offset
///   same epoch     | follows the last sequence; 0 after 2^31-1  | taken
///   same epoch     | any other                                  | OUT_OF_ORDER_SEQUENCE_NUMBER
///   newer epoch    | first sequence 0                           | taken, the older epoch is forgotten
///   newer epoch    | any other                                  | OUT_OF_ORDER_SEQUENCE_NUMBER
///   older epoch    | any                                        | INVALID_PRODUCER_EPOCH
///
/// Thread safety: distinct objects safe.
class producer_states {
 public:
  /// Whether a batch of a client is taken. Precondition: it has a producer id.
  COKAFKA_DECL sequence_verdict check(const producer_batch& batch) const;

  /// The batch has been appended.
  COKAFKA_DECL void append(const producer_batch& batch, std::int64_t base_offset, std::int64_t max_timestamp);

  /// Nothing is known any more of the producers that have a batch at this offset or behind it; they are returned.
  COKAFKA_DECL std::set<std::int64_t> forget_since(std::int64_t offset);

  /// The broker was restarted at `now` (milliseconds since 1970): its snapshot holds only the last batch of each
  /// producer id, and nothing of a producer id whose last batch has a timestamp of yesterday or earlier
  /// (`producer.id.expiration.ms`), however lately it was written.
  COKAFKA_DECL void restart(std::int64_t now);

  /// 0 comes after 2^31-1.
  static constexpr std::int32_t last_sequence(std::int32_t first, std::int32_t record_count) noexcept {
    const std::int64_t last = std::int64_t{first} + record_count - 1;
    return static_cast<std::int32_t>(last & 0x7fffffff);
  }

 private:
  static constexpr std::size_t remembered = 5;

  struct state {
    std::int16_t epoch = -1;
    std::deque<remembered_batch> batches;  // newest last, never empty
  };

  std::map<std::int64_t, state> by_id_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/producer_states.ipp"
#endif

#endif
