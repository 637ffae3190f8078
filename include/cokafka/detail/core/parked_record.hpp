// SPDX-License-Identifier: BSL-1.0
// A record (or somebody who waits for space) that cannot be placed yet: a copy of its bytes, and until when it waits.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PARKED_RECORD_HPP
#define COKAFKA_DETAIL_CORE_PARKED_RECORD_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/deadline_heap.hpp"
#include "cokafka/detail/core/completion.hpp"
#include "cokafka/detail/core/deadline_kind.hpp"
#include "cokafka/detail/core/flush_tracker.hpp"
#include "cokafka/detail/core/waiter.hpp"
#include "cokafka/record.hpp"

#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

class topic;
class partition_queue;

/// The bytes of a record_view, owned.
class record_copy {
 public:
  explicit record_copy(const record_view& from) : view_(from) {
    std::size_t size = (from.key ? from.key->size() : 0) + (from.value ? from.value->size() : 0);
    for (const auto& each : from.headers) size += each.key.size() + (each.value ? each.value->size() : 0);
    bytes_.reserve(size);  // no reallocation below: views point into it
    if (from.key) view_.key = keep(from.key->str());
    if (from.value) view_.value = keep(from.value->str());
    headers_.reserve(from.headers.size());
    for (const auto& each : from.headers) {
      header_view kept;
      kept.key = keep(each.key).str();
      if (each.value) kept.value = keep(each.value->str());
      headers_.push_back(kept);
    }
    view_.headers = headers_;
    view_.topic = {};
  }
  record_copy(const record_copy&) = delete;
  record_copy& operator=(const record_copy&) = delete;

  const record_view& view() const noexcept { return view_; }
  std::size_t memory() const noexcept { return bytes_.capacity() + headers_.capacity() * sizeof(header_view); }

 private:
  bytes_view keep(std::string_view part) {
    const std::size_t at = bytes_.size();
    bytes_.append(part);
    return {bytes_.data() + at, part.size()};
  }

  std::string bytes_;
  std::vector<header_view> headers_;
  record_view view_;
};

/// Why it waits. The queue that it waits in follows from it.
enum class parked_for : std::uint8_t {
  metadata,   // the topic is not known
  partition,  // the topic has no partition of that number; one refresh is forced
  memory,     // buffer.memory is used up
  share,      // the partition's broker holds its whole share of buffer.memory
  space       // nothing to send: wait_for_space()
};

struct parked_record;
using parked_ptr = std::unique_ptr<parked_record>;
/// First in, first out; a list, because any of them may be withdrawn.
using parking_line = std::list<parked_ptr>;

/// One place in the parking lot; all fields are guarded by the lot's mutex.
struct parked_record {
  parked_record() : expiry(static_cast<int>(deadline_kind::parked_expiry), this) {}
  ~parked_record() {
    if (done) done->parked = nullptr;
  }

  parked_for reason = parked_for::metadata;
  std::uint64_t asked_before = 0;  // partition: refreshes that had begun when it was parked; a later one decides
  topic* of = nullptr;
  partition_queue* behind =
      nullptr;  // once its broker's share was full: where it goes, and whose later records park behind it
  std::optional<record_copy> record{};
  std::int64_t timestamp = 0;
  clock_time sent_at{};
  clock_duration timeout{};
  std::size_t memory = 0;  // charged to parked.memory
  completion_ptr done{};
  flush_tracker::generation generation = 0;
  operation_waiter* space_waiter = nullptr;
  std::size_t space_wanted = 0;
  deadline_entry expiry;
  parking_line::iterator at{};  // in its line
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
