// SPDX-License-Identifier: BSL-1.0
// How batches are checked, stamped with their offsets and read again.
// Layer 8.
#ifndef COKAFKA_TESTING_PARTITION_LOG_IPP
#define COKAFKA_TESTING_PARTITION_LOG_IPP

#include "cokafka/testing/partition_log.hpp"

#include "cokafka/detail/base/crc32c.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace log_parts {

template <class Unsigned>
void put_big_endian(std::string& bytes, std::size_t at, Unsigned value) {
  for (std::size_t i = 0; i != sizeof(Unsigned); ++i) {
    bytes[at + i] = static_cast<char>(value >> (8 * (sizeof(Unsigned) - 1 - i)) & 0xffU);
  }
}

// Kafka answers 87 for what breaks a rule of the format and 2 for bytes that are damaged.
inline broker_errc code_of(detail::batch_error error) noexcept {
  switch (error) {
    case detail::batch_error::none: return broker_errc::none;
    case detail::batch_error::bad_length:
    case detail::batch_error::bad_crc: return broker_errc::corrupt_message;
    case detail::batch_error::bad_codec: return broker_errc::unknown_server_error;
    default: return broker_errc::invalid_record;
  }
}

inline append_result refused(broker_errc code, std::string why) {
  append_result result;
  result.error = code;
  result.message = std::move(why);
  return result;
}

inline append_result refused(detail::batch_error error) {
  return refused(code_of(error), std::string(to_string(error)));
}

// The records that the topic does not take: without a key where it is compacted, or from a clock that runs ahead of
// what it allows. As in the real log one bad timestamp decides which error the whole batch has.
inline append_result check_each(const detail::batch_view& batch, const log_rules& rules, std::int64_t now) {
  constexpr std::int64_t no_limit = std::numeric_limits<std::int64_t>::max();
  append_result result;
  if (batch.is_compressed()) return result;
  const bool any_time = rules.log_append_time || rules.timestamp_after_max_ms == no_limit;
  const std::int64_t limit = any_time ? no_limit : now + rules.timestamp_after_max_ms;
  bool too_late = false;
  batch.for_each([&](const detail::record_entry& record) {
    if (rules.compacted && !record.key) {
      result.bad_records.push_back({record.offset_delta, "a compacted topic takes no record without a key"});
    } else if (record.timestamp > limit) {
      too_late = true;
      result.bad_records.push_back({record.offset_delta, "timestamp " + std::to_string(record.timestamp) +
                                                             " is later than " + std::to_string(limit)});
    }
  });
  if (result.bad_records.empty()) return result;
  result.error = too_late ? broker_errc::invalid_timestamp : broker_errc::invalid_record;
  result.message = too_late ? "one or more records have been rejected due to invalid timestamp"
                            : "one or more records have been rejected";
  return result;
}

inline producer_batch stamp_of(const detail::batch_view& batch) noexcept {
  return {batch.producer_id(), batch.producer_epoch(), batch.base_sequence(), batch.record_count()};
}

// A batch that was checked when it was appended.
inline detail::batch_view view_of(const std::string& bytes) noexcept {
  detail::batch_view view;
  static_cast<void>(detail::batch_view::parse(bytes, view));
  return view;
}

inline std::int64_t time_of(const detail::batch_view& batch, const detail::record_entry& record) noexcept {
  return batch.has_log_append_time() ? batch.max_timestamp() : record.timestamp;
}

inline std::optional<std::string> copy_of(const std::optional<std::string_view>& bytes) {
  return bytes ? std::optional<std::string>(*bytes) : std::nullopt;
}

}  // namespace log_parts

COKAFKA_DECL append_result partition_log::append(std::string_view records, const log_rules& rules,
                                                 std::int32_t leader_epoch, std::int64_t now) {
  using namespace log_parts;
  constexpr std::size_t magic_offset = 16;
  if (records.empty()) return refused(broker_errc::invalid_record, "no record batch");
  if (records.size() > magic_offset && records[magic_offset] != 2) return refused(detail::batch_error::bad_magic);
  if (const auto size = detail::batch_view::size_at_front(records); size && *size < records.size()) {
    return refused(broker_errc::invalid_record, "more than one record batch");
  }
  // As the real log has it: the size is checked before the checksum.
  if (records.size() > rules.max_message_bytes) {
    return refused(broker_errc::message_too_large, "the batch of " + std::to_string(records.size()) +
                                                       " bytes is larger than max.message.bytes " +
                                                       std::to_string(rules.max_message_bytes));
  }
  detail::batch_view batch;
  if (const auto error = detail::batch_view::parse(records, batch); error != detail::batch_error::none) {
    return refused(error);
  }
  if (batch.base_offset() != 0) return refused(broker_errc::invalid_record, "the base offset is not 0");
  if (const auto error = batch.check_from_client(); error != detail::batch_error::none) return refused(error);
  if (!batch.is_compressed()) {
    if (const auto error = batch.check_records(); error != detail::batch_error::none) return refused(error);
  }
  if (auto bad = check_each(batch, rules, now); bad.error != broker_errc::none) return bad;
  return take(batch, rules, leader_epoch, now);
}

COKAFKA_DECL append_result partition_log::take(const detail::batch_view& batch, const log_rules& rules,
                                               std::int32_t leader_epoch, std::int64_t now) {
  using namespace log_parts;
  append_result result;
  if (batch.producer_id() >= 0) {
    const sequence_verdict verdict = producers_.check(stamp_of(batch));
    if (verdict.error != broker_errc::none) return refused(verdict.error, "sequence rules");
    if (verdict.duplicate_of) {
      result.base_offset = verdict.duplicate_of->base_offset;
      // The real log answers a duplicate with the batch's timestamp here, whatever the topic's timestamp type.
      result.log_append_time = verdict.duplicate_of->max_timestamp;
      result.duplicate = true;
      return result;
    }
  }
  entry added{end_offset_, std::string(batch.bytes())};
  put_big_endian(added.bytes, 0, static_cast<std::uint64_t>(end_offset_));
  put_big_endian(added.bytes, 12, static_cast<std::uint32_t>(leader_epoch));
  if (rules.log_append_time) {
    constexpr std::size_t crc_begin = 21;
    put_big_endian(added.bytes, 21, static_cast<std::uint16_t>(batch.attributes() | 0x08));
    put_big_endian(added.bytes, 35, static_cast<std::uint64_t>(now));
    put_big_endian(added.bytes, 17, detail::crc32c(0, added.bytes.data() + crc_begin, added.bytes.size() - crc_begin));
    result.log_append_time = now;
  }
  result.base_offset = end_offset_;
  if (batch.producer_id() >= 0) {
    producers_.append(stamp_of(batch), end_offset_, rules.log_append_time ? now : batch.max_timestamp());
  }
  end_offset_ += batch.record_count();
  bytes_ += added.bytes.size();
  entries_.push_back(std::move(added));
  while (bytes_ > rules.retention_bytes && entries_.size() > 1) drop_first();
  return result;
}

COKAFKA_DECL std::int64_t partition_log::end_of(const entry& batch) noexcept {
  return batch.base_offset + log_parts::view_of(batch.bytes).record_count();
}

COKAFKA_DECL void partition_log::drop_first() {
  bytes_ -= entries_.front().bytes.size();
  entries_.pop_front();
  start_offset_ = std::max(start_offset_, entries_.empty() ? end_offset_ : entries_.front().base_offset);
}

COKAFKA_DECL void partition_log::delete_before(std::int64_t before) {
  start_offset_ = before;
  while (!entries_.empty() && end_of(entries_.front()) <= before) drop_first();
}

COKAFKA_DECL void partition_log::truncate(std::int64_t end) {
  for (; !entries_.empty() && end_of(entries_.back()) > end; entries_.pop_back()) {
    bytes_ -= entries_.back().bytes.size();
    end_offset_ = entries_.back().base_offset;
  }
  start_offset_ = std::min(start_offset_, end_offset_);
  const std::set<std::int64_t> forgotten = producers_.forget_since(end_offset_);
  for (const entry& e : entries_) {
    const detail::batch_view batch = log_parts::view_of(e.bytes);
    if (!forgotten.contains(batch.producer_id())) continue;
    producers_.append(log_parts::stamp_of(batch), e.base_offset, batch.max_timestamp());
  }
}

COKAFKA_DECL std::size_t partition_log::index_of(std::int64_t offset) const {
  if (offset >= end_offset_) return entries_.size();
  const auto behind = std::upper_bound(entries_.begin(), entries_.end(), offset,
                                       [](std::int64_t at, const entry& e) { return at < e.base_offset; });
  return static_cast<std::size_t>(behind - entries_.begin()) - 1;
}

COKAFKA_DECL std::string partition_log::read(std::int64_t offset, std::size_t max_bytes, bool at_least_one) const {
  std::string bytes;
  for (std::size_t i = index_of(offset); i != entries_.size(); ++i) {
    const std::string& next = entries_[i].bytes;
    if (bytes.size() + next.size() > max_bytes && !(bytes.empty() && at_least_one)) break;
    bytes += next;
  }
  return bytes;
}

COKAFKA_DECL std::size_t partition_log::bytes_from(std::int64_t offset, std::size_t enough) const {
  std::size_t bytes = 0;
  for (std::size_t i = index_of(offset); i != entries_.size() && bytes < enough; ++i) bytes += entries_[i].bytes.size();
  return bytes;
}

COKAFKA_DECL indexed_offset partition_log::first_since(std::int64_t timestamp) const {
  indexed_offset found;
  for (const entry& e : entries_) {
    const detail::batch_view batch = log_parts::view_of(e.bytes);
    if (batch.max_timestamp() < timestamp) continue;
    if (batch.is_compressed() || batch.has_log_append_time()) return {e.base_offset, batch.max_timestamp()};
    batch.for_each([&](const detail::record_entry& record) {
      if (record.timestamp < timestamp || e.base_offset + record.offset_delta < start_offset_) return true;
      found = {e.base_offset + record.offset_delta, record.timestamp};
      return false;
    });
    if (found.offset >= 0) break;
  }
  return found;
}

COKAFKA_DECL indexed_offset partition_log::newest() const {
  std::int64_t largest = -1;
  for (const entry& e : entries_) largest = std::max(largest, log_parts::view_of(e.bytes).max_timestamp());
  return entries_.empty() ? indexed_offset{} : first_since(largest);
}

COKAFKA_DECL std::vector<stored_record> partition_log::records(std::int64_t from) const {
  std::vector<stored_record> all;
  from = std::max(from, start_offset_);
  for (std::size_t i = index_of(from); i != entries_.size(); ++i) {
    const entry& e = entries_[i];
    const detail::batch_view batch = log_parts::view_of(e.bytes);
    batch.for_each([&](const detail::record_entry& record) {
      if (e.base_offset + record.offset_delta < from) return;
      stored_record copy;
      copy.offset = e.base_offset + record.offset_delta;
      copy.timestamp = log_parts::time_of(batch, record);
      copy.key = log_parts::copy_of(record.key);
      copy.value = log_parts::copy_of(record.value);
      for (const auto& header : record.headers) {
        copy.headers.push_back({std::string(header.key), log_parts::copy_of(header.value)});
      }
      copy.producer_id = batch.producer_id();
      copy.producer_epoch = batch.producer_epoch();
      if (batch.base_sequence() >= 0) {
        copy.sequence = producer_states::last_sequence(batch.base_sequence(), record.offset_delta + 1);
      }
      all.push_back(std::move(copy));
    });
  }
  return all;
}

COKAFKA_DECL std::vector<stored_batch> partition_log::batches() const {
  std::vector<stored_batch> all;
  for (const entry& e : entries_) {
    const detail::batch_view batch = log_parts::view_of(e.bytes);
    all.push_back({e.base_offset, batch.record_count(), e.bytes.size(), batch.codec(), batch.partition_leader_epoch(),
                   batch.producer_id(), batch.producer_epoch(), batch.base_sequence()});
  }
  return all;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
