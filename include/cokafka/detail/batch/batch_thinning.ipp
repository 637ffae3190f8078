// SPDX-License-Identifier: BSL-1.0
// Bodies of batch_builder: records leave a batch before it is sealed.
// Layer 3.
#ifndef COKAFKA_DETAIL_BATCH_BATCH_THINNING_IPP
#define COKAFKA_DETAIL_BATCH_BATCH_THINNING_IPP

#include "cokafka/detail/batch/batch_builder.hpp"

#include "cokafka/detail/base/varint.hpp"
#include "cokafka/detail/batch/chunk_cursor.hpp"

#include <cassert>
#include <limits>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

// Front to back in place: what is written is never longer than what was read, for offset deltas only shrink. The base
// timestamp stays, also when its record goes: a later one might need longer deltas. Brokers read the largest timestamp
// from the header, so that one is computed anew.
COKAFKA_DECL chunk_chain batch_builder::remove(const record_marks& gone) noexcept {
  assert(!sealed_ && gone.count_between(0, count_) < count_);
  chunk_reader from(chain_.head);
  chunk_writer to(chain_.head);
  std::uint32_t kept = 0;
  body_size_ = 0;
  max_timestamp_ = std::numeric_limits<std::int64_t>::min();
  for (std::uint32_t i = 0; i < count_; ++i) {
    const record_start record = read_record_start(from);
    if (gone.test(i)) {
      from.skip(record.rest);
      continue;
    }
    const std::size_t body = record.body - varint_size(record.offset_delta) + varint_size(kept);
    to.put_varint(static_cast<std::int64_t>(body));
    to.put({"\0", 1});
    to.put_varint(record.timestamp_delta);
    to.put_varint(kept);
    for (std::size_t left = record.rest; left > 0;) {
      const std::string_view part = from.part(left);
      to.put(part);
      left -= part.size();
    }
    body_size_ += varint_size(static_cast<std::int64_t>(body)) + body;
    max_timestamp_ = std::max(max_timestamp_, base_timestamp_ + record.timestamp_delta);
    ++kept;
  }
  count_ = kept;
  current_ = to.finish();
  chunk_chain spare;
  while (chunk* const next = current_->next) {
    current_->next = next->next;
    next->next = nullptr;
    chain_.capacity -= next->capacity;
    spare.push_back(next);
  }
  chain_.tail = current_;
  return spare;
}

COKAFKA_DECL auto batch_builder::shape_of_copy(std::size_t rest, std::int64_t timestamp) const noexcept
    -> record_shape {
  const std::int64_t delta = count_ == 0 ? 0 : timestamp - base_timestamp_;
  const std::size_t body = 1 + varint_size(delta) + varint_size(count_) + rest;
  return {body, varint_size(static_cast<std::int64_t>(body)) + body};
}

COKAFKA_DECL void batch_builder::append_copy(chunk_reader& from, std::size_t rest, std::int64_t timestamp,
                                             record_shape shape) noexcept {
  assert(!sealed_ && shortfall(shape.total) == 0);
  if (count_ == 0) {
    base_timestamp_ = timestamp;
    max_timestamp_ = timestamp;
  }
  max_timestamp_ = std::max(max_timestamp_, timestamp);
  put_varint_across(static_cast<std::int64_t>(shape.body));
  put("\0", 1);
  put_varint_across(timestamp - base_timestamp_);
  put_varint_across(count_);
  while (rest > 0) {
    const std::string_view part = from.part(rest);
    put(part.data(), part.size());
    rest -= part.size();
  }
  body_size_ += shape.total;
  ++count_;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
