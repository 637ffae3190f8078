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
#include <optional>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Open (senders append, under the partition's lock), then sealed (owned by the strand that owns the partition), then
/// finished (its deliveries have their answer). A request on the wire keeps it alive after that: its chunks go back to
/// the budget when the last reference goes, never while a socket may still read them (KAFKA-19012).
struct batch : boost::intrusive_ref_counter<batch, boost::thread_safe_counter> {
  batch(buffer_memory& from, broker_share* charged, completion_ptr result) noexcept
      : memory(from), share(charged), done(std::move(result)) {}
  ~batch() { memory.give_back(records.release_chunks(), share); }

  batch_builder records{};
  buffer_memory& memory;
  broker_share* share;
  completion_ptr done;
  flush_tracker::generation generation = 0;

  clock_time created{};          // linger and elapsed count from here
  record_deadlines deadlines{};  // of its records, by their indexes when they were appended
  std::uint32_t ended = 0;       // records in it that were answered before it: withdrawn, or due
  std::size_t ended_bytes = 0;   // theirs
  bool withdrawn_from = false;   // so that runs of records are not as many, and as long, as they look
  bool thinned = false;          // those that were removed are not in `records` any more

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
  bool acknowledged = false;   // by a former leader, while it was sent again (rule 10)
  boost::system::error_code last_cause{};
};

using batch_ptr = boost::intrusive_ptr<batch>;

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
