// SPDX-License-Identifier: BSL-1.0
// Bodies of partition_queue: which of the records that fail nobody waits for (guarantee.md, rule 17).
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PARTITION_UNHEARD_IPP
#define COKAFKA_DETAIL_CORE_PARTITION_UNHEARD_IPP

#include "cokafka/detail/core/partition_queue.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

// The records have just failed. Without somebody who wants them reported no delivery notes that it is dropped, and only
// those are counted that must be more than the batch has deliveries and waiters. An open batch may move its bytes
// before the report is made: what it loses is copied, into memory that is charged like its own.
COKAFKA_DECL void partition_queue::note_unheard(batch& of, const error& why, std::span<const record_range> which,
                                                failed_count count, bool is_open, effects& out) noexcept {
  if (of.done->notes_dropped) return if_memory([&] { note_dropped(of, why, which, is_open, out); });
  if (of.done->is_piece) return;  // who holds them is not known here
  out.note_unheard(count.records - std::min(count.records, count.holders), why, called(), index_);
}

COKAFKA_DECL void partition_queue::note_dropped(batch& of, const error& why, std::span<const record_range> which,
                                                bool is_open, effects& out) {
  unheard_records told;
  for (const record_range& each : which) {
    const std::vector<std::uint32_t> dropped = of.done->take_dropped(each.first, each.end);
    told.indexes.insert(told.indexes.end(), dropped.begin(), dropped.end());
  }
  if (told.indexes.empty()) return;
  out.note_unheard(told.indexes.size(), why, called(), index_);
  told.why = why;
  told.topic = called();
  told.partition = index_;
  told.in.reset(&of);
  if (is_open) {
    told.in = copy_of(of, told.indexes);
    told.indexes.resize(told.in->records.count());  // fewer where the budget is used up
    std::iota(told.indexes.begin(), told.indexes.end(), 0U);
  }
  out.unheard.push_back(std::move(told));
}

COKAFKA_DECL batch_ptr partition_queue::copy_of(batch& of, const std::vector<std::uint32_t>& indexes) {
  batch_ptr copy(new batch(memory_, nullptr, nullptr));
  unheard_records read;
  read.in.reset(&of);
  read.indexes = indexes;
  unheard_cursor from(std::move(read));
  bool fits = true;
  while (fits && from.has_next()) {
    from.show_next([&](const error&, const record_view& record) {
      const std::int64_t timestamp = record.timestamp->time_since_epoch().count();
      const auto shape = copy->records.shape_of(record, timestamp);
      if (const std::size_t wanted = copy->records.shortfall(shape.total); wanted > 0) {
        chunk_chain taken;
        fits = memory_.take(copy->records.chunk_capacity(), wanted, nullptr, taken) == buffer_memory::outcome::taken;
        if (!fits) return;
        copy->records.add_chunks(std::move(taken));
      }
      copy->records.append(record, timestamp, shape);
    });
  }
  return copy;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
