// SPDX-License-Identifier: BSL-1.0
// The log of one partition: what a leader checks before it appends a batch, and what readers get.
// Layer 8.
#ifndef COKAFKA_TESTING_PARTITION_LOG_HPP
#define COKAFKA_TESTING_PARTITION_LOG_HPP

#include "cokafka/detail/base/broker_errors.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/batch/batch_view.hpp"
#include "cokafka/testing/producer_states.hpp"
#include "cokafka/testing/stored.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

/// The rules of a topic that the log enforces.
struct log_rules {
  std::size_t max_message_bytes = 1'048'588;
  bool log_append_time = false;
  bool compacted = false;  // a record without a key is refused
  std::size_t retention_bytes = std::numeric_limits<std::size_t>::max();
  /// `message.timestamp.after.max.ms`: how far ahead of the broker's clock a record may be.
  std::int64_t timestamp_after_max_ms = std::numeric_limits<std::int64_t>::max();
};

struct bad_record {
  std::int32_t index = 0;
  std::string message;
};

struct append_result {
  broker_errc error = broker_errc::none;
  std::int64_t base_offset = -1;
  std::int64_t log_append_time = -1;
  std::vector<bad_record> bad_records{};
  std::string message{};
  bool duplicate = false;
};

/// An offset with its timestamp; -1 where there is none.
struct indexed_offset {
  std::int64_t offset = -1;
  std::int64_t timestamp = -1;
};

/// Thread safety: distinct objects safe.
class partition_log {
 public:
  /// Checks the records of a Produce request, which must be exactly one batch, and appends them. `now` is the wall
  /// clock in milliseconds since 1970.
  COKAFKA_DECL append_result append(std::string_view records, const log_rules& rules, std::int32_t leader_epoch,
                                    std::int64_t now);

  std::int64_t start_offset() const noexcept { return start_offset_; }
  std::int64_t end_offset() const noexcept { return end_offset_; }

  /// Whole batches from the one that holds `offset` on, up to `max_bytes`; with `at_least_one` the first comes even
  /// when it is larger. Precondition: start_offset() <= offset <= end_offset().
  COKAFKA_DECL std::string read(std::int64_t offset, std::size_t max_bytes, bool at_least_one) const;
  /// How many bytes read() would give without a limit, or `enough` when it is at least that.
  COKAFKA_DECL std::size_t bytes_from(std::int64_t offset, std::size_t enough) const;

  /// The first record that is not older than `timestamp`.
  COKAFKA_DECL indexed_offset first_since(std::int64_t timestamp) const;
  /// The first record with the largest timestamp.
  COKAFKA_DECL indexed_offset newest() const;

  /// Those from an offset on.
  COKAFKA_DECL std::vector<stored_record> records(std::int64_t from = 0) const;
  COKAFKA_DECL std::vector<stored_batch> batches() const;

  /// Readers begin at `before` from now on; nothing is forgotten of the producers (DeleteRecords).
  /// Precondition: start_offset() <= before <= end_offset().
  COKAFKA_DECL void delete_before(std::int64_t before);
  /// Batches that reach behind `end` are gone, and known of their producers is only what the others tell.
  /// Precondition: start_offset() <= end <= end_offset().
  COKAFKA_DECL void truncate(std::int64_t end);

  /// The only broker that holds it was restarted at `now`.
  void restart(std::int64_t now) { producers_.restart(now); }

 private:
  struct entry {
    std::int64_t base_offset = 0;
    std::string bytes;
  };

  COKAFKA_DECL append_result take(const detail::batch_view& batch, const log_rules& rules, std::int32_t leader_epoch,
                                  std::int64_t now);
  COKAFKA_DECL std::size_t index_of(std::int64_t offset) const;
  COKAFKA_DECL void drop_first();
  COKAFKA_DECL static std::int64_t end_of(const entry& batch) noexcept;

  std::deque<entry> entries_;
  std::size_t bytes_ = 0;          // of the entries
  std::int64_t start_offset_ = 0;  // in the first entry, or the end
  std::int64_t end_offset_ = 0;
  producer_states producers_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/partition_log.ipp"
#endif

#endif
