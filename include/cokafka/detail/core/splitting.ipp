// SPDX-License-Identifier: BSL-1.0
// Bodies of partition_queue: a batch goes on in pieces, or without single records (guarantee.md, rules 19 and 20).
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_SPLITTING_IPP
#define COKAFKA_DETAIL_CORE_SPLITTING_IPP

#include "cokafka/detail/core/partition_queue.hpp"

#include "cokafka/detail/batch/chunk_cursor.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace splitting {

// Walks the records of a sealed batch with the indexes they had when they were appended.
class original_indexes {
 public:
  explicit original_indexes(const batch& of) : removed_(of.done->removed.get()) { skip_removed(); }
  std::uint32_t next() noexcept {
    const std::uint32_t found = at_++;
    skip_removed();
    return found;
  }

 private:
  void skip_removed() noexcept {
    while (removed_ != nullptr && removed_->test(at_)) ++at_;
  }
  const record_marks* removed_;
  std::uint32_t at_ = 0;
};

// Which records have been answered already, though their bytes are still in the batch.
class answered_before {
 public:
  explicit answered_before(const completion& of) {
    of.for_each_ended([this](std::uint32_t first, std::uint32_t end) { all_.emplace_back(first, end); });
  }
  bool contains(std::uint32_t index) const noexcept {
    const auto behind = std::upper_bound(all_.begin(), all_.end(), index,
                                         [](std::uint32_t at, const auto& each) { return at < each.first; });
    return behind != all_.begin() && index < std::prev(behind)->second;
  }

 private:
  std::vector<std::pair<std::uint32_t, std::uint32_t>> all_;  // in order
};

// Of a piece: records that were answered while the batch was whole. Their deliveries never ask the piece, but it may be
// divided itself.
class told_records {
 public:
  void add(batch& piece, std::uint32_t index, std::size_t bytes) {
    ++piece.ended;
    piece.ended_bytes += bytes;
    if (!all_.empty() && all_.back().end == index) {
      ++all_.back().end;
    } else {
      all_.push_back({index, index + 1});
    }
  }
  void note_in(batch& piece) {
    piece.done->end_some(all_, {});
    all_.clear();
  }

 private:
  std::vector<record_range> all_;
};

}  // namespace splitting

// New batches with the records of `whole`, in order, in pieces of at most `at_most` bytes (or one record), and where
// its deliveries find them. Changes nothing yet.
COKAFKA_DECL auto partition_queue::divide(batch& whole, std::size_t at_most,
                                          const std::vector<broker_answer::culprit>& without) -> division {
  division made;
  auto& [pieces, redirections] = made;
  splitting::original_indexes indexes(whole);
  const splitting::answered_before answered(*whole.done);
  splitting::told_records told;
  chunk_reader from(whole.records.chunks());
  auto culprit = without.begin();
  bool interrupted = false;
  for (std::uint32_t position = 0; position < whole.records.count(); ++position) {
    const std::uint32_t index = indexes.next();
    const record_start record = read_record_start(from);
    if (culprit != without.end() && culprit->place == position) {
      from.skip(record.rest);
      ++culprit;
      interrupted = true;
      continue;
    }
    const std::int64_t timestamp = whole.records.base_timestamp() + record.timestamp_delta;
    batch_builder::record_shape shape{};
    if (!pieces.empty()) shape = pieces.back()->records.shape_of_copy(record.rest, timestamp);
    if (pieces.empty() || pieces.back()->records.size() + shape.total > at_most) {
      if (!pieces.empty()) told.note_in(*pieces.back());
      pieces.push_back(make_batch(whole.created));
      pieces.back()->done->is_piece = true;
      shape = pieces.back()->records.shape_of_copy(record.rest, timestamp);
      interrupted = true;
    }
    batch& into = *pieces.back();
    if (std::exchange(interrupted, false)) redirections.push_back({position, into.done, into.records.count(), 0});
    const clock_time due = whole.deadlines.of(index);
    into.make_room_beyond(shape.total, due);
    into.deadlines.add(into.records.count(), into.records.size() - batch_header_size, due);
    into.records.append_copy(from, record.rest, timestamp, shape);
    if (answered.contains(index)) told.add(into, into.records.count() - 1, shape.total);
  }
  if (!pieces.empty()) told.note_in(*pieces.back());
  return made;
}

// Null where the verdict is another, or becomes another: without memory the batch is tried again whole.
COKAFKA_DECL auto partition_queue::divided_as(verdict& judged, batch& refused, const answer& said, clock_time now,
                                              effects& out) noexcept -> std::optional<division> {
  try {
    if (judged.action == verdict_action::split) {
      division halves = split(refused, now);
      ++out.counted.batches_split;
      return halves;
    }
    if (judged.action == verdict_action::exclude) return exclude(refused, said, now, out);
  } catch (const std::bad_alloc&) {
    judged.action = verdict_action::retry;
    judged.new_epoch = false;
  }
  return std::nullopt;
}

// The pieces take the place of the batch: in the order of their records, at the front of the line, and for the flushes
// that wait for it. Of a piece whose records have all been told nobody waits for anything: it is proven absent, and
// goes.
COKAFKA_DECL void partition_queue::go_on_as(batch& whole, division made, effects& out) noexcept {
  auto& [pieces, redirections] = made;
  whole.finished = true;
  whole.done->split(std::move(redirections));
  const auto is_told = [](const batch_ptr& each) { return each->live() == 0; };
  if (std::erase_if(pieces, is_told) > 0 && settings_.idempotent) {  // a gap in the sequence
    new_epoch_ = true;
    leave_gap(whole);
  }
  if (pieces.empty()) {
    out.end_flushes(flushes_.leave(whole.generation));
  } else {
    flushes_.multiply(whole.generation, pieces.size() - 1);
  }
  std::size_t bytes = 0;
  for (auto& each : pieces) {
    each->generation = whole.generation;
    each->last_cause = whole.last_cause;
    each->behind_gap = whole.behind_gap;
    bytes += each->live_bytes();
  }
  {
    std::scoped_lock guard(lock_);
    outstanding_.bytes += bytes;
    outstanding_.bytes -= whole.live_bytes();
  }
  if (!settings_.idempotent) return retry_.splice(retry_.begin(), pieces);
  while (!pieces.empty()) {
    batch_line alone;
    alone.splice(alone.end(), pieces, pieces.begin());
    back_to_retry_line(alone);
  }
}

// Halves: what the topic takes is not told, and is found in few steps. New batches are not filled further for a while.
COKAFKA_DECL auto partition_queue::split(batch& too_large, clock_time now) -> division {
  const std::size_t half = too_large.records.size() / 2;
  division made = divide(too_large, half, {});
  {
    std::scoped_lock guard(lock_);
    batch_limit_ = std::min(batch_limit_, half);
    limited_until_ = now + clock_duration(settings_.user.metadata_max_age);
  }
  std::optional<batch_stamp> stamp = too_large.stamp;
  for (auto& each : made.pieces) {
    each->attempts = too_large.attempts - 1;  // splitting takes no retry
    each->stamp = stamp;
    if (!settings_.idempotent) continue;
    stamp->base_sequence = advance_sequence(stamp->base_sequence, static_cast<std::int32_t>(each->records.count()));
  }
  return made;
}

// First everything that may find no memory; the records that were named are told last of that, all or none of them.
COKAFKA_DECL auto partition_queue::exclude(batch& refused, const answer& said, clock_time now, effects& out)
    -> division {
  division rest = divide(refused, std::numeric_limits<std::size_t>::max(), said.culprits);
  assert(rest.pieces.size() == 1);
  rest.pieces.front()->attempts = refused.attempts;
  rest.pieces.front()->stamp = refused.stamp;  // its place in the line until the new epoch begins
  const splitting::answered_before answered(*refused.done);
  splitting::original_indexes indexes(refused);
  std::uint32_t index = indexes.next();
  std::uint32_t position = 0;
  std::vector<completion::single_end> ends;
  std::vector<error> told;
  ends.reserve(said.culprits.size());
  told.reserve(said.culprits.size());
  for (const auto& each : said.culprits) {
    for (; position < each.place; ++position) index = indexes.next();
    if (answered.contains(index)) continue;
    error_details why;
    why.code = make_error_code(*said.code);
    why.message = each.message.empty() ? said.message : each.message;
    why.fate = fate::not_written;
    why.broker = said.broker;
    why.attempts = refused.attempts;
    why.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - refused.created);
    told.emplace_back(std::move(why));
    ends.push_back({index, {}});
    ends.back().outcome.failure = told.back();
  }
  const failed_count alone{1, refused.done->use_count() - 1};
  out.answer(refused.done->end_each(ends));
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const record_range which{ends[i].index, ends[i].index + 1};
    note_unheard(refused, told[i], {&which, 1}, alone, false, out);
  }
  {
    std::scoped_lock guard(lock_);
    outstanding_.records -= ends.size();
  }
  out.counted.records_failed += ends.size();
  return rest;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
