// SPDX-License-Identifier: BSL-1.0
// Records that failed and whose deliveries nobody waits for: what keeps their bytes until somebody has been told.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_UNHEARD_HPP
#define COKAFKA_DETAIL_CORE_UNHEARD_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/batch/chunk_cursor.hpp"
#include "cokafka/detail/core/batch.hpp"
#include "cokafka/detail/core/record_copy.hpp"
#include "cokafka/error.hpp"
#include "cokafka/record.hpp"
#include "cokafka/topic_name.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Bounds the copies of records that wait to be reported: as many bytes again as `parked.memory`.
class report_budget {
 public:
  explicit report_budget(std::size_t limit) noexcept : limit_(limit) {}
  bool take(std::size_t bytes) noexcept {
    if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= limit_) return true;
    give_back(bytes);
    return false;
  }
  void give_back(std::size_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> used_{0};
};

/// A copy of a record that never reached a batch; charged to the budget as long as it is there.
class refused_record {
 public:
  /// Null where the budget has not got the bytes.
  static std::shared_ptr<refused_record> make(const record_view& record, std::int64_t timestamp,
                                              const std::shared_ptr<report_budget>& budget) {
    const std::size_t bytes = record_size_upper_bound(record) + record.headers.size() * sizeof(header_view);
    if (!budget->take(bytes)) return nullptr;
    try {
      return std::make_shared<refused_record>(record, timestamp, budget, bytes);
    } catch (...) {
      budget->give_back(bytes);
      throw;
    }
  }
  refused_record(const record_view& of, std::int64_t at, std::shared_ptr<report_budget> from, std::size_t charged)
      : record(of), timestamp(at), budget_(std::move(from)), bytes_(charged) {}
  refused_record(const refused_record&) = delete;
  refused_record& operator=(const refused_record&) = delete;
  ~refused_record() { budget_->give_back(bytes_); }

  const record_copy record;
  const std::int64_t timestamp;

 private:
  const std::shared_ptr<report_budget> budget_;
  const std::size_t bytes_;
};

/// Some records of one batch, which keeps its chunks (charged to buffer.memory) as long, or one that was refused.
struct unheard_records {
  error why{};
  topic_name topic{};
  std::int32_t partition = -1;
  batch_ptr in{};
  std::vector<std::uint32_t> indexes{};  // ascending, as they were appended
  std::shared_ptr<refused_record> refused{};
};

/// Goes over the records one at a time, so that its user may pause.
class unheard_cursor {
 public:
  explicit unheard_cursor(unheard_records&& of);
  bool has_next() const noexcept;
  /// Shows the next record; the views are valid during the call. Precondition: has_next().
  void show_next(const std::function<void(const error&, const record_view&)>& to);

 private:
  void show_from_batch(const std::function<void(const error&, const record_view&)>& to);

  unheard_records all_;
  std::size_t next_ = 0;  // of all_.indexes
  std::uint32_t at_ = 0;  // the index of the record that the walker comes to
  record_walker walker_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/core/unheard.ipp"
#endif

#endif
