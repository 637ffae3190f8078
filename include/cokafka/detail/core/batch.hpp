// SPDX-License-Identifier: BSL-1.0
// A batch on its way through the producer: its records, its deadline, and its page of the ledger.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_BATCH_HPP
#define COKAFKA_DETAIL_CORE_BATCH_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/deadline_heap.hpp"
#include "cokafka/detail/batch/batch_builder.hpp"
#include "cokafka/detail/core/buffer_memory.hpp"
#include "cokafka/detail/core/completion.hpp"
#include "cokafka/detail/core/flush_tracker.hpp"
#include "cokafka/detail/core/record_deadlines.hpp"

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <list>
#include <optional>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Open (senders append, under the partition's lock), then sealed (owned by the strand that owns the partition), then
/// finished (its deliveries have their answer). A request on the wire keeps it alive after that: its chunks go back to
/// the budget when the last reference goes, never while a socket may still read them (KAFKA-19012).
struct batch : boost::intrusive_ref_counter<batch, boost::thread_safe_counter> {
  batch(buffer_memory& from, broker_share* charged, completion_ptr result) noexcept
      : memory(from), share(charged), done(std::move(result)) {}
  ~batch() { memory.give_back(records.release_chunks(), share, beside); }

  batch_builder records{};
  buffer_memory& memory;
  broker_share* share;
  completion_ptr done;
  flush_tracker::generation generation = 0;

  clock_time created{};          // linger and elapsed count from here
  record_deadlines deadlines{};  // of its records, by their indexes when they were appended
  std::size_t beside = 0;        // bytes of `deadlines`, which are charged like those of `records`
  std::uint32_t ended = 0;       // records in it that were answered before it: withdrawn, or due
  std::size_t ended_bytes = 0;   // theirs
  bool withdrawn_from = false;   // so that runs of records are not as many, and as long, as they look
  bool thinned = false;          // those that were removed are not in `records` any more

  /// Takes chunks and a place in the list of deadlines for one more record, or nothing.
  buffer_memory::outcome make_room(std::size_t bytes, clock_time due) {
    const std::size_t wanted = records.shortfall(bytes), list = list_growth(due);
    if (wanted == 0 && list == 0) return buffer_memory::outcome::taken;
    chunk_chain taken;
    const auto came_to = memory.take(records.chunk_capacity(), wanted, share, taken, list);
    if (came_to == buffer_memory::outcome::taken) add_room(std::move(taken), list);
    return came_to;
  }
  /// The same without asking, for a piece of a batch that is divided.
  void make_room_beyond(std::size_t bytes, clock_time due) {
    const std::size_t wanted = records.shortfall(bytes), list = list_growth(due);
    if (wanted > 0 || list > 0) add_room(memory.take_beyond(records.chunk_capacity(), wanted, share, list), list);
  }
  /// Whether the list may grow for a record that is due then. Where it may not, another batch takes the record.
  bool list_fits(std::size_t bytes, clock_time due) const noexcept {
    const std::size_t list = list_growth(due);
    return list == 0 ||
           memory.available() >= list + chunk_bytes_for(records.chunk_capacity(), records.shortfall(bytes));
  }

  clock_time deadline() const noexcept { return deadlines.earliest(); }
  /// Records that still wait for their answer, and their bytes.
  std::uint32_t live() const noexcept { return records.count() - ended; }
  std::size_t live_bytes() const noexcept { return records.size() - batch_header_size - ended_bytes; }
  /// How many records were appended.
  std::uint32_t appended() const noexcept { return records.count() + (thinned ? done->removed->count() : 0); }

  // The ledger: only the owner of the partition touches what follows.
  std::optional<batch_stamp> stamp{};
  std::uint32_t attempts = 0;  // written to a socket
  bool unknown = false;        // an attempt was written and neither answered nor disproved
  bool behind_gap = false;     // one before it failed without having been appended: its sequence will not be the next
  bool finished = false;       // the deliveries have been told
  bool gives_way = false;      // finished, and refused: one behind it has its turn first
  bool acknowledged = false;   // by a former leader, while it was sent again (rule 10)
  boost::system::error_code last_cause{};

 private:
  std::size_t list_growth(clock_time due) const noexcept {
    const std::size_t needed = deadlines.memory_for(records.count(), due);
    return needed > beside ? needed - beside : 0;
  }
  void add_room(chunk_chain&& taken, std::size_t list) {
    records.add_chunks(std::move(taken));
    if (list == 0) return;
    try {
      deadlines.reserve(beside + list);
    } catch (...) {
      memory.give_back({}, share, list);
      throw;
    }
    beside += list;
  }
};

using batch_ptr = boost::intrusive_ptr<batch>;

/// Batches in a row. A list: a batch moves from one line to the next without memory, so that none is lost for want of
/// it.
using batch_line = std::list<batch_ptr>;

/// The sequence behind `count` records from `sequence` on: after 2^31 - 1 comes 0.
constexpr std::int32_t advance_sequence(std::int32_t sequence, std::int32_t count) noexcept {
  return static_cast<std::int32_t>((static_cast<std::uint32_t>(sequence) + static_cast<std::uint32_t>(count)) &
                                   0x7fffffffU);
}

/// By their stamps. A batch of another epoch is not: a former leader may acknowledge one late.
inline bool is_behind(const batch& later, const batch& earlier) noexcept {
  return &later != &earlier && later.stamp && earlier.stamp && later.stamp->producer_id == earlier.stamp->producer_id &&
         later.stamp->producer_epoch == earlier.stamp->producer_epoch &&
         advance_sequence(later.stamp->base_sequence, -earlier.stamp->base_sequence) < (1 << 30);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
