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
#include "cokafka/detail/core/record_copy.hpp"
#include "cokafka/detail/core/topic.hpp"
#include "cokafka/detail/core/waiter.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>

namespace cokafka::inline COKAFKA_ABI::detail {

class partition_queue;

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
  topic_ptr of{};
  // Once its broker's share was full: where it goes, and whose later records park behind it.
  partition_queue* behind = nullptr;
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
  std::uint64_t number = 0;     // of those who came to wait: each line is in this order
};

/// The records that wait behind one partition, whose broker holds its whole share of the memory.
struct share_line {
  partition_queue* of;
  parking_line waiting{};
  std::list<share_line>::iterator at{};  // among all of them
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
