// SPDX-License-Identifier: BSL-1.0
// Bodies of delivery_audit.hpp: what is compared while things happen.
#include "support/delivery_audit.hpp"

#include <algorithm>
#include <charconv>

namespace cokafka_tests {

using cokafka::errc;
using cokafka::fate;
using cokafka::testing::stored_record;

std::string delivery_audit::place(const std::string& topic, std::int32_t partition, std::int64_t offset) {
  return topic + "-" + std::to_string(partition) + " @ " + std::to_string(offset);
}

std::optional<std::uint64_t> delivery_audit::number_in(const std::optional<std::string>& value) {
  if (!value) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (failed != std::errc{} || end == value->data() + value->size() || *end != ':') return std::nullopt;
  return number;
}

void delivery_audit::begins_anew(const std::string& topic, bool in_order) {
  topic_life& begun = lives_[topic];
  ++begun.number;
  begun.in_order = in_order;
  begun.logs.clear();
}

void delivery_audit::appended(const std::string& topic, std::int32_t partition,
                              const std::vector<stored_record>& records) {
  topic_life& life = lives_[topic];
  watched_log& log = life.logs[partition];
  log.newest.resize(producers_.size());
  for (const stored_record& stored : records) {
    const std::string here = place(topic, partition, stored.offset);
    if (stored.offset != log.next) violated("a gap in the log before " + here);
    log.next = stored.offset + 1;
    const auto number = number_in(stored.value);
    if (!number || *number >= records_.size()) {
      violated("nobody has sent what came to " + here);
      continue;
    }
    page& of = records_[*number];
    check_contents(of, *number, here, partition, topic, stored);
    see(of, *number, here, {life.number, partition, stored.offset, stored.timestamp});
    // The order of first copies depends on what is told later: add_log() looks at it.
    if (!life.in_order || !producers_[of.record.producer].promised.idempotent) continue;
    auto& before = log.newest[of.record.producer];
    if (before && *before >= *number) violated(describe(*number) + " came behind " + describe(*before) + " to " + here);
    before = *number;
  }
}

// A topic's next life may hold what its former one held; the partitions of one life may not.
void delivery_audit::see(page& of, std::uint64_t number, const std::string& here, const seen_copy& copy) {
  const bool again =
      std::any_of(of.seen.begin(), of.seen.end(), [&](const auto& each) { return each.life == copy.life; });
  if (again && producers_[of.record.producer].promised.never_twice)
    violated("came a second time, to " + here + ": " + describe(number));
  if (of.is == state::failed && of.fate == fate::not_written)
    violated("came to " + here + " after it was told not_written: " + describe(number));
  of.seen.push_back(copy);
}

// A broker appends first and answers then.
void delivery_audit::compare_told(const page& of, std::uint64_t number) {
  if (of.is == state::failed && of.fate == fate::not_written && !of.seen.empty())
    violated("told not_written, and it is in the log: " + describe(number));
  if (of.is != state::written || !producers_[of.record.producer].promised.acknowledged) return;
  if (of.seen.empty()) return violated("told written, and it is in no log: " + describe(number));
  if (!of.offset) return;
  std::optional<std::int64_t> there{};
  for (const seen_copy& each : of.seen) {
    if (each.partition != of.partition || each.offset != *of.offset) continue;
    if (each.timestamp == of.timestamp || may_be_own(of, each.timestamp)) return;  // add_log() knows the batch
    there = each.timestamp;
  }
  if (!there) return violated("told an offset at which it is not: " + describe(number));
  violated("told the timestamp " + std::to_string(of.timestamp) + ", the log has " + std::to_string(*there) + ": " +
           describe(number));
}

void delivery_audit::check_purge(const page& of, std::uint64_t number, const cokafka::error& why) {
  if (!(why == errc::purged) || of.purged) return;
  // What is sent while a purge happens may go as well.
  const auto& last = producers_[of.record.producer].purged;
  if (!last || of.record.at > *last + rounding) violated("purged, and nobody had purged it: " + describe(number));
}

void delivery_audit::check_partition(const page& of, std::uint64_t number, const cokafka::error& why) {
  if (!(why == errc::unknown_partition)) return;
  const auto fewest = fewest_partitions_.find(of.record.topic);
  if (!of.record.partition || (fewest != fewest_partitions_.end() && *of.record.partition < fewest->second))
    violated("told of an unknown partition, which was always there: " + describe(number));
}

}  // namespace cokafka_tests
