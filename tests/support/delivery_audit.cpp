// SPDX-License-Identifier: BSL-1.0
// Bodies of delivery_audit.hpp.
#include "support/delivery_audit.hpp"

#include "cokafka/error.hpp"

#include <algorithm>

namespace cokafka_tests {

using cokafka::errc;
using cokafka::fate;
using cokafka::testing::stored_record;

namespace {

constexpr std::size_t violations_kept = 10;

std::string seconds(delivery_audit::moment time) {
  return std::to_string(std::chrono::duration<double>(time).count()) + " s";
}

// What a client gets when there was no time left, and not because of its own limits.
bool is_for_lack_of_time(const cokafka::error& why) {
  return why == errc::timed_out || why == errc::metadata_timed_out || why == errc::no_brokers;
}

}  // namespace

std::string delivery_audit::value_of(std::uint64_t number, std::size_t size) {
  std::string value = std::to_string(number) + ":";
  while (value.size() < size) value += static_cast<char>('a' + value.size() % 26);
  return value;
}

std::string delivery_audit::header_key_of(std::uint64_t number, std::size_t index) {
  return "h" + std::to_string(number % 7) + std::to_string(index);
}

std::size_t delivery_audit::add_producer(const producer_promise& promised) {
  producers_.push_back({promised});
  return producers_.size() - 1;
}

auto delivery_audit::due(const sent_record& record) const -> moment {
  return record.at + record.timeout.value_or(producers_[record.producer].promised.delivery_timeout);
}

std::uint64_t delivery_audit::sent(sent_record record) {
  moment& latest = producers_[record.producer].latest_due;
  latest = std::max(latest, due(record));
  records_.push_back({std::move(record)});
  return records_.size() - 1;
}

void delivery_audit::detached(std::uint64_t number) {
  page& of = records_[number];
  if (of.is == state::unanswered) of.is = state::detached;
}

void delivery_audit::closed(std::size_t producer, bool reports) {
  producers_[producer].closed = true;
  producers_[producer].reports = reports;
}

void delivery_audit::reported(const std::string& value, const cokafka::error& why) {
  const auto number = number_in(value);
  if (!number || *number >= records_.size()) return violated("a record that nobody has sent is reported");
  page& of = records_[*number];
  // Whoever has stopped waiting knows less: the record lives on then.
  const bool was_left = of.is == state::failed && of.fate == fate::maybe_written && of.was_cancelled;
  if (of.is != state::detached && !was_left)
    return violated("reported, and somebody waits or was told: " + describe(*number));
  if (producers_[of.record.producer].closed) violated("reported after close(): " + describe(*number));
  if (!was_left) ++failed_;
  of.is = state::failed;
  of.fate = why.fate();
  of.said = why.message();
  of.was_cancelled = false;
  check_failure(of, *number, why, std::nullopt);
  if (watches_logs_) compare_told(of, *number);
}

void delivery_audit::producer_ended(std::size_t producer, moment at) { producers_[producer].ended = at; }

void delivery_audit::purged(std::size_t producer, moment at) {
  producers_[producer].purged = at;
  for (page& each : records_) {
    const bool is_open = each.is == state::unanswered || each.is == state::detached;
    if (each.record.producer == producer && is_open && !each.purged) each.purged = at;
  }
  std::vector<std::uint64_t> waiting;
  for (const auto& [when, number] : awaited_) {
    if (records_[number].purged == at && records_[number].record.producer == producer) waiting.push_back(number);
  }
  for (const std::uint64_t number : waiting) awaited(number);
}

void delivery_audit::has_partitions(const std::string& topic, int count) {
  const auto found = fewest_partitions_.emplace(topic, count).first;
  found->second = std::min(found->second, count);
}

void delivery_audit::violated(std::string sentence) {
  if (violations_.size() < violations_kept) violations_.push_back(std::move(sentence));
}

std::string delivery_audit::describe(std::uint64_t number) const {
  const page& of = records_[number];
  std::string text = "record " + std::to_string(number) + " (producer " + std::to_string(of.record.producer) + ", " +
                     of.record.topic + (of.record.partition ? "-" + std::to_string(*of.record.partition) : "") +
                     ", sent at " + seconds(of.record.at);
  if (of.record.timeout) text += ", timeout " + seconds(*of.record.timeout);
  text += "; told: ";
  switch (of.is) {
    case state::unanswered: text += "nothing"; break;
    case state::detached: text += "nobody asked"; break;
    case state::written:
      text += "written to " + std::to_string(of.partition) + " @ " + (of.offset ? std::to_string(*of.offset) : "?");
      break;
    case state::failed: text += of.said + ", " + std::string(to_string(of.fate)); break;
  }
  return text + ")";
}

std::map<std::string, std::uint64_t> delivery_audit::failures() const {
  std::map<std::string, std::uint64_t> counted;
  for (const page& each : records_) {
    if (each.is == state::failed) ++counted[each.said.substr(0, 60)];
  }
  return counted;
}

// --- answers ---------------------------------------------------------------------------------------------------------

void delivery_audit::answered(std::uint64_t number, const answer& said, std::optional<moment> at) {
  page& of = records_[number];
  if (of.is == state::written || of.is == state::failed) return violated("answered twice: " + describe(number));
  if (said) {
    const cokafka::record_metadata& told = said.value();
    of.is = state::written;
    of.partition = told.partition;
    of.offset = told.offset;
    of.timestamp = told.timestamp.time_since_epoch().count();
    ++written_;
    if (told.topic.str() != of.record.topic) violated("the metadata name another topic: " + describe(number));
    if (told.key_size.has_value() != of.record.key.has_value() ||
        (told.key_size && *told.key_size != of.record.key->size()) || told.value_size != of.record.value_size)
      violated("the metadata tell other sizes: " + describe(number));
    if (of.record.partition && *of.record.partition != told.partition)
      violated("written to another partition: " + describe(number));
  } else {
    of.is = state::failed;
    of.fate = said.error().fate();
    of.said = said.error().message();
    of.was_cancelled = said.error() == errc::cancelled;
    ++failed_;
    check_failure(of, number, said.error(), at);
  }
  if (at) check_time(of, number, *at);
  if (watches_logs_) compare_told(of, number);
}

void delivery_audit::check_overdue(moment now) {
  while (!awaited_.empty() && awaited_.begin()->first + rounding < now) {
    const std::uint64_t number = awaited_.begin()->second;
    awaited_.erase(awaited_.begin());
    if (records_[number].is == state::unanswered) violated("not answered by its deadline: " + describe(number));
  }
}

void delivery_audit::check_time(const page& of, std::uint64_t number, moment at) {
  const moment last = answer_due(of) + rounding;
  if (at > last) violated("answered " + seconds(at - last) + " after its deadline: " + describe(number));
  const auto& within = producers_[of.record.producer].promised.answer_within;
  if (within && at - of.record.at > *within && !excused_.contains(of.record.topic))
    violated("took " + seconds(at - of.record.at) + " where nothing hindered it: " + describe(number));
}

void delivery_audit::check_failure(const page& of, std::uint64_t number, const cokafka::error& why,
                                   std::optional<moment> at) {
  const books_of_producer& by = producers_[of.record.producer];
  failed_with_.insert(why.code());
  if (why.fate() == fate::written) violated("failed and written at once: " + describe(number));
  check_purge(of, number, why);
  check_partition(of, number, why);
  if (!at || by.ended) return;
  const bool blocked = why == errc::metadata_timed_out || why == errc::buffer_timed_out || why == errc::no_brokers;
  const moment limit =
      blocked ? std::min(by.promised.max_block, due(of.record) - of.record.at) : due(of.record) - of.record.at;
  const bool by_time = blocked || why == errc::timed_out;
  if (by_time && *at < of.record.at + limit) violated("timed out before it was due: " + describe(number));
  if (blocked && *at > of.record.at + limit + rounding)
    violated("waited longer than max.block.ms: " + describe(number));
  if (!is_for_lack_of_time(why) || !healed_ || !by.promised.recovers_within || excused_.contains(of.record.topic))
    return;
  if (of.record.at + limit > std::max(*healed_, of.record.at) + *by.promised.recovers_within)
    violated("failed for lack of time long after the world was healed at " + seconds(*healed_) + ": " +
             describe(number));
}

// --- logs ------------------------------------------------------------------------------------------------------------

void delivery_audit::add_log(const std::string& topic, std::int32_t partition,
                             const std::vector<stored_record>& records, bool in_order) {
  std::vector<std::optional<std::uint64_t>> newest(producers_.size());  // by producer
  std::int64_t offset = 0;
  ++logs_;
  for (std::size_t at = 0; at < records.size(); ++at) {
    const stored_record& stored = records[at];
    const std::string here = place(topic, partition, stored.offset);
    if (stored.offset != offset++) violated("a gap in the log before " + here);
    const auto number = number_in(stored.value);
    if (!number || *number >= records_.size()) {
      violated("nobody has sent what is at " + here);
      continue;
    }
    page& of = records_[*number];
    check_stored(of, *number, topic, partition, records, at);
    if (of.log != logs_) of.copies = 0;
    of.log = logs_;
    const bool first = of.most_copies == 0;
    ++of.copies;
    of.most_copies = std::max(of.most_copies, of.copies);
    const producer_promise& promised = producers_[of.record.producer].promised;
    if (!in_order || !promised.in_order || (!promised.idempotent && (!first || of.is != state::written))) continue;
    auto& before = newest[of.record.producer];
    if (before && *before >= *number)
      violated(describe(*number) + " stands behind " + describe(*before) + " at " + here);
    before = *number;
  }
}

void delivery_audit::check_stored(page& of, std::uint64_t number, const std::string& topic, std::int32_t partition,
                                  const std::vector<stored_record>& records, std::size_t at) {
  const stored_record& stored = records[at];
  check_contents(of, number, place(topic, partition, stored.offset), partition, topic, stored);
  if (of.is != state::written || of.partition != partition || of.offset != stored.offset) return;
  const bool right_before = of.offset_found && !of.other_timestamp;
  of.offset_found = true;
  of.other_timestamp = stored.timestamp;
  const bool is_excused = may_be_own(of, stored.timestamp) && is_time_of_newest(records, at);
  if (right_before || of.timestamp == stored.timestamp || is_excused) of.other_timestamp.reset();
}

// Whether a record that may be of the same batch was told the batch's stamp, or was told nothing.
bool delivery_audit::is_time_of_newest(const std::vector<stored_record>& records, std::size_t at) const {
  const stored_record& one = records[at];
  const auto is_of_batch = [&](const stored_record& other) {
    return other.timestamp == one.timestamp && other.producer_id == one.producer_id;
  };
  const auto may_be_newest = [&](const stored_record& other) {
    const auto number = number_in(other.value);
    if (!number || *number >= records_.size()) return false;
    const page& of = records_[*number];
    return of.is != state::written || of.timestamp == one.timestamp;
  };
  for (std::size_t i = at + 1; i < records.size() && is_of_batch(records[i]); ++i) {
    if (may_be_newest(records[i])) return true;
  }
  for (std::size_t i = at; i > 0 && is_of_batch(records[i - 1]); --i) {
    if (may_be_newest(records[i - 1])) return true;
  }
  return false;
}

void delivery_audit::check_contents(const page& of, std::uint64_t number, const std::string& here,
                                    std::int32_t partition, const std::string& topic, const stored_record& stored) {
  const sent_record& sent = of.record;
  if (sent.topic != topic || (sent.partition && *sent.partition != partition))
    violated(describe(number) + " is in another partition: " + here);
  if (*stored.value != value_of(number, sent.value_size) || stored.key != sent.key)
    violated(describe(number) + " has other bytes in the log: " + here);
  bool headers_right = stored.headers.size() == sent.headers;
  for (std::size_t i = 0; headers_right && i < sent.headers; ++i)
    headers_right = stored.headers[i].key == header_key_of(number, i);
  if (!headers_right) violated(describe(number) + " has other headers in the log: " + here);
}

void delivery_audit::check_logs() {
  for (std::uint64_t number = 0; number < records_.size(); ++number) check_page(records_[number], number);
}

void delivery_audit::check_page(const page& of, std::uint64_t number) {
  const producer_promise& promised = producers_[of.record.producer].promised;
  if (of.is == state::unanswered) violated("never answered: " + describe(number));
  const books_of_producer& by = producers_[of.record.producer];
  if (of.is == state::detached && by.closed && by.reports && promised.acknowledged && of.most_copies == 0)
    violated("in no log, and never reported: " + describe(number));
  if (of.is == state::failed && of.fate == fate::not_written && of.most_copies > 0)
    violated("in the log although not_written: " + describe(number));
  if (promised.never_twice && of.most_copies > 1)
    violated("in the log " + std::to_string(of.most_copies) + " times: " + describe(number));
  if (of.is != state::written || !promised.acknowledged) return;
  if (of.most_copies == 0) violated("lost: " + describe(number));
  if (of.offset && !of.offset_found) violated("not where the metadata say: " + describe(number));
  if (of.other_timestamp)
    violated("was told the timestamp " + std::to_string(of.timestamp) + ", the log has " +
             std::to_string(*of.other_timestamp) + ": " + describe(number));
}

}  // namespace cokafka_tests
