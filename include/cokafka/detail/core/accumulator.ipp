// SPDX-License-Identifier: BSL-1.0
// Bodies of accumulator: what senders call.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_ACCUMULATOR_IPP
#define COKAFKA_DETAIL_CORE_ACCUMULATOR_IPP

#include "cokafka/detail/core/accumulator.hpp"

#include "cokafka/detail/base/murmur2.hpp"
#include "cokafka/detail/core/if_memory.hpp"

#include <algorithm>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL accumulator::accumulator(const settings& rules, attention_listener& home, std::uint64_t seed)
    : memory(static_cast<std::size_t>(rules.user.buffer_memory)),
      topics(seed),
      reports(std::make_shared<report_budget>(static_cast<std::size_t>(rules.user.parked_memory))),
      settings_(rules),
      home_(home) {
  memory.on_release([this] { home_.attention(); });
}

// --- checks ----------------------------------------------------------------------------------------------------------

COKAFKA_DECL std::optional<error> accumulator::check(const record_view& record) const {
  if (is_closed()) return error(errc::closed);
  const auto invalid = [](std::string message) {
    error_details why;
    why.code = errc::invalid_record;
    why.message = std::move(message);
    return error(std::move(why));
  };
  if (record.partition && *record.partition < 0) {
    return invalid("partition " + std::to_string(*record.partition) + " is negative");
  }
  if (record.timestamp && record.timestamp->time_since_epoch().count() < 0)
    return invalid("the timestamp is before 1970");
  if (record.timeout && record.timeout->count() < 0) return invalid("the timeout is negative");
  const std::size_t size = record_size_upper_bound(record);
  // Memory is taken in whole chunks: what they come to must fit as well, or the record would wait for ever.
  if (size > settings_.max_request_size || size > memory.total() ||
      chunk_bytes_for(0, size - batch_header_size) > memory.total()) {
    error_details why;
    why.code = errc::record_too_large;
    why.message = "the record may take " + std::to_string(size) + " bytes; max.request.size is " +
                  std::to_string(settings_.max_request_size) + " and buffer.memory " + std::to_string(memory.total());
    return error(std::move(why));
  }
  return std::nullopt;
}

COKAFKA_DECL void accumulator::want(topic& of) noexcept {
  if (of.wanted.exchange(true) && !unheard_.load(std::memory_order_relaxed)) return;  // it has been told
  unheard_.store(!home_.attention(), std::memory_order_relaxed);
}

COKAFKA_DECL topic_ptr accumulator::want_topic(std::string_view name) {
  topic_ptr found = topics.find_or_add(name);
  found->used.store(true, std::memory_order_relaxed);
  // What is refused may be allowed by now.
  const bool is_open_question = found->table.load(std::memory_order_acquire) == nullptr ||
                                found->refused.load(std::memory_order_relaxed) != broker_errc::none;
  if (is_open_question) want(*found);
  return found;
}

// `needed` keeps the topic where the registry might give it up.
COKAFKA_DECL std::optional<error> accumulator::find_topic(const record_view& record, topic*& to, topic_ptr& needed) {
  if (to == nullptr) {
    to = topics.find_recent(record.topic);
    if (to == nullptr) {
      if (!is_valid_topic_name(record.topic)) {
        error_details why;
        why.code = errc::invalid_topic;
        why.message = "the topic name \"" + std::string(record.topic.substr(0, 260)) +
                      "\" is not 1 to 249 of the characters a-z A-Z 0-9 . _ -";
        return error(std::move(why));
      }
      needed = want_topic(record.topic);
      to = needed.get();
    }
  }
  auto refused = refusal(*to);
  // The permission may have come back: who is refused asks for those that come later.
  if (refused) want(*to);
  return refused;
}

COKAFKA_DECL std::optional<error> accumulator::refusal(const topic& of) {
  const broker_errc refused = of.refused.load(std::memory_order_relaxed);
  if (refused == broker_errc::none) return std::nullopt;
  if (refused == broker_errc::invalid_topic_exception) return error(errc::invalid_topic);
  error_details why;  // told by Metadata: nothing was written
  why.code = refused;
  return error(std::move(why));
}

COKAFKA_DECL std::int64_t accumulator::timestamp_of(const record_view& record, clock_time now) const noexcept {
  if (record.timestamp) return record.timestamp->time_since_epoch().count();
  const auto wall = std::chrono::nanoseconds(now.time_since_epoch()) +
                    std::chrono::nanoseconds(wall_offset_.load(std::memory_order_relaxed));
  return std::chrono::duration_cast<std::chrono::milliseconds>(wall).count();
}

COKAFKA_DECL send_outcome accumulator::failed(const record_view& record, topic* to, error why,
                                              std::int64_t timestamp) const {
  const topic_name name = to != nullptr ? to->name : topic_name(record.topic.substr(0, 260));
  completion_ptr done(new completion(name, record.partition.value_or(-1), std::move(why)));
  done->was_refused = done->notes_dropped = !is_closed();
  if (settings_.reports_failures() && !is_closed()) done->refused = refused_record::make(record, timestamp, reports);
  return {std::move(done), {}};
}

// --- placing ---------------------------------------------------------------------------------------------------------

// Explicit, else murmur2 over all partitions for keyed records, else sticky over those with a leader.
COKAFKA_DECL partition_queue* accumulator::choose(const record_view& record, topic& to, const partition_table& table,
                                                  std::size_t& slot) const {
  if (record.partition) {
    const auto index = static_cast<std::size_t>(*record.partition);
    return index < table.all.size() ? table.all[index] : nullptr;
  }
  if (record.key && !settings_.user.partitioner_ignore_keys) {
    const auto hash = static_cast<std::uint32_t>(to_positive(murmur2(record.key->str())));
    return table.all[hash % table.all.size()];
  }
  slot = thread_slot();
  return table.available[to.sticky.choose(slot, table.available.size())];
}

COKAFKA_DECL bool accumulator::place_directly(const record_view& record, topic& to, std::int64_t timestamp,
                                              clock_time now, send_outcome& out, parked_for& otherwise,
                                              partition_queue*& behind) {
  if (!to.used.load(std::memory_order_relaxed)) to.used.store(true, std::memory_order_relaxed);
  const partition_table* table = to.table.load(std::memory_order_acquire);
  otherwise = parked_for::metadata;
  // In this order, and acquiring: a record that is moved from one line to another is counted there first.
  if (table == nullptr || to.parked.load(std::memory_order_acquire) > 0) return false;
  std::size_t slot = sticky_slots;
  partition_queue* into = choose(record, to, *table, slot);
  otherwise = parked_for::partition;
  if (into == nullptr) return false;
  otherwise = parked_for::memory;
  if (waiting_for_memory_.load(std::memory_order_acquire) > 0) return false;
  otherwise = parked_for::share;
  behind = into;
  append_outcome appended;
  appended.state = append_outcome::status::over_share;
  if (into->parked.load(std::memory_order_acquire) == 0) {
    appended = into->append(record, timestamp, now, settings_.timeout_of(record.timeout));
  }
  if (appended.state == append_outcome::status::no_memory) otherwise = parked_for::memory;
  if (appended.state == append_outcome::status::over_share && slot != sticky_slots) to.sticky.leave(slot);
  if (appended.state != append_outcome::status::appended) return false;
  if (slot != sticky_slots) to.sticky.produced(slot, appended.bytes, appended.new_batch, settings_.batch_size);
  if (appended.wake) wake(*into);
  out.done = std::move(appended.done);
  out.ticket.index = appended.index;
  out.ticket.bytes = static_cast<std::uint32_t>(appended.bytes);
  return true;
}

COKAFKA_DECL void accumulator::wake(partition_queue& partition) {
  const bool is_woken = partition.wake_pending.exchange(true, std::memory_order_acq_rel);
  partition_owner& owner = *partition.owner.load(std::memory_order_acquire);
  is_woken ? owner.wake_again() : owner.wake(partition);
}

namespace accumulating {

inline record_ticket ticket_of(const record_view& record, std::int64_t timestamp) noexcept {
  record_ticket ticket;
  if (record.key) ticket.key_size = static_cast<std::int32_t>(record.key->size());
  if (record.value) ticket.value_size = static_cast<std::int32_t>(record.value->size());
  ticket.timestamp = timestamp;
  return ticket;
}

}  // namespace accumulating

COKAFKA_DECL send_outcome accumulator::send(const record_view& record, topic* to, clock_time now) {
  const std::int64_t timestamp = timestamp_of(record, now);
  if (auto refused = check(record)) return failed(record, to, *std::move(refused), timestamp);
  topic_ptr needed;
  if (auto refused = find_topic(record, to, needed)) return failed(record, to, *std::move(refused), timestamp);
  send_outcome out;
  out.ticket = accumulating::ticket_of(record, timestamp);
  parked_for otherwise{};
  partition_queue* behind = nullptr;
  if (place_directly(record, *to, timestamp, now, out, otherwise, behind)) return out;
  return park(record, *to, otherwise, behind, timestamp, now);
}

COKAFKA_DECL result<send_outcome> accumulator::try_send(const record_view& record, topic* to, clock_time now) {
  if (auto refused = check(record)) return *std::move(refused);
  topic_ptr needed;
  if (auto refused = find_topic(record, to, needed)) return *std::move(refused);
  send_outcome out;
  const std::int64_t timestamp = timestamp_of(record, now);
  out.ticket = accumulating::ticket_of(record, timestamp);
  parked_for otherwise{};
  partition_queue* behind = nullptr;
  if (place_directly(record, *to, timestamp, now, out, otherwise, behind)) return out;
  if (is_closed()) return error(errc::closed);
  error_details why;
  switch (otherwise) {
    case parked_for::metadata:
      want(*to);
      why.code = errc::would_park;
      why.message = "the metadata of topic " + std::string(to->name.str()) + " has not arrived yet";
      break;
    case parked_for::partition:
      want(*to);  // it may have been added
      why.code = errc::unknown_partition;
      break;
    default: why.code = errc::buffer_full; break;
  }
  return error(std::move(why));
}

// Takes every lock once that a sender may hold: also of topics that have just been forgotten, whose table it may have
// seen.
COKAFKA_DECL void accumulator::await_senders() {
  for (topic* each : topics.kept()) {
    for (const auto& partition : each->partitions()) static_cast<void>(partition->outstanding());
  }
  std::scoped_lock guard(mutex_);
}

COKAFKA_DECL auto accumulator::outstanding() -> outstanding_total {
  outstanding_total total;
  for (topic* each : topics.kept()) {
    const partition_table* table = each->table.load(std::memory_order_acquire);
    if (table == nullptr) continue;
    for (const auto* partitions : {&table->all, &table->gone}) {
      for (partition_queue* partition : *partitions) {
        const auto counted = partition->outstanding();
        total.records += counted.records;
        total.bytes += counted.bytes;
      }
    }
  }
  std::scoped_lock guard(mutex_);
  for_each_line([&](const parking_line& line) {
    for (const auto& each : line) {
      if (!each->record) continue;
      total.records += 1;
      total.bytes += each->record->memory();
    }
  });
  return total;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
