// SPDX-License-Identifier: BSL-1.0
// Bodies of accumulator: the parking lot, who waits there, in which order it empties.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PARKING_IPP
#define COKAFKA_DETAIL_CORE_PARKING_IPP

#include "cokafka/detail/core/accumulator.hpp"

#include <algorithm>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL send_outcome accumulator::park(const record_view& record, topic& to, parked_for reason,
                                            partition_queue* behind, std::int64_t timestamp, clock_time now) {
  auto parked = std::make_unique<parked_record>();
  parked->reason = reason;
  parked->of = &to;
  parked->record.emplace(record);
  parked->timestamp = timestamp;
  parked->sent_at = now;
  parked->timeout = settings_.timeout_of(record.timeout);
  parked->memory = sizeof(parked_record) + parked->record->memory();
  parked->done.reset(new completion(to.name, record.partition.value_or(-1)));
  parked->done->notes_dropped = settings_.reports_failures();
  send_outcome out;
  out.done = parked->done;
  out.ticket.timestamp = timestamp;
  if (record.key) out.ticket.key_size = static_cast<std::int32_t>(record.key->size());
  if (record.value) out.ticket.value_size = static_cast<std::int32_t>(record.value->size());
  {
    std::scoped_lock guard(mutex_);
    // What the sender looked at may have changed since: who parks now must not miss the end, or the topic's metadata.
    if (is_closed()) return failed(record, &to, error(errc::closed), timestamp);
    if (auto refused = refusal(to)) return failed(record, &to, *std::move(refused), timestamp);
    if (reason == parked_for::metadata && to.table.load(std::memory_order_acquire) != nullptr) {
      reason = parked->reason = parked_for::memory;
    }
    if (parked_bytes_ + parked->memory > static_cast<std::size_t>(settings_.user.parked_memory)) {
      return failed(record, &to, error(errc::buffer_full), timestamp);
    }
    parked_bytes_ += parked->memory;
    parked->generation = flushes.enter();
    deadlines_.set(parked->expiry, now + std::min(clock_duration(settings_.user.max_block), parked->timeout));
    switch (reason) {
      case parked_for::metadata:
        // The answer that nobody knows the topic may have come after the look-up, when nothing was parked, or it has been
        // forgotten: ask again.
        if (to.parked.fetch_add(1, std::memory_order_seq_cst) == 0 &&
            (to.last_error.load(std::memory_order_seq_cst) != broker_errc::none ||
             to.is_forgotten.load(std::memory_order_seq_cst))) {
          to.wanted.store(true, std::memory_order_release);
        }
        break;
      case parked_for::share:
        parked->behind = behind;
        behind->parked.fetch_add(1, std::memory_order_relaxed);
        break;
      case parked_for::memory: waiting_for_memory_.fetch_add(1, std::memory_order_relaxed); break;
      case parked_for::partition: parked->asked_before = refreshes_begun_; break;
      case parked_for::space: break;
    }
    parking_line& line = line_of(*parked);
    if (&line == &memory_line_) memory.somebody_waits(true);
    parked->done->parked = parked.get();
    parked->at = line.insert(line.end(), nullptr);
    *parked->at = std::move(parked);
  }
  home_.attention();
  return out;
}

// Undoes what parking counted. Under the mutex; a record that was placed is in its batch by then, so that nobody
// overtakes it.
COKAFKA_DECL void accumulator::leave_line(parked_record& parked) noexcept {
  deadlines_.clear(parked.expiry);
  parked_bytes_ -= parked.memory;
  parked.memory = 0;
  if (parked.reason == parked_for::metadata) parked.of->parked.fetch_sub(1, std::memory_order_release);
  if (parked.reason == parked_for::memory || parked.reason == parked_for::space) {
    waiting_for_memory_.fetch_sub(1, std::memory_order_release);
  }
  if (parked.behind != nullptr) parked.behind->parked.fetch_sub(1, std::memory_order_release);
}

// Under the mutex. What it waits for from now on is counted before the old reason is not: a sender that looks in
// between must see one of them (guarantee.md, rule 22). Once behind a partition it stays there.
COKAFKA_DECL void accumulator::wait_on(parked_record& parked, parked_for reason, partition_queue* behind) noexcept {
  if (behind != nullptr && parked.behind == nullptr) {
    parked.behind = behind;
    behind->parked.fetch_add(1, std::memory_order_relaxed);
  }
  const parked_for before = std::exchange(parked.reason, reason);
  if (reason == parked_for::metadata) parked.of->parked.fetch_add(1, std::memory_order_relaxed);
  if (reason == parked_for::memory) waiting_for_memory_.fetch_add(1, std::memory_order_relaxed);
  if (before == parked_for::metadata) parked.of->parked.fetch_sub(1, std::memory_order_release);
  if (before == parked_for::memory) waiting_for_memory_.fetch_sub(1, std::memory_order_release);
  if (reason == parked_for::memory || reason == parked_for::share) memory.somebody_waits(true);
}

// One refresh that is yet to begin decides, and nobody waits behind it.
COKAFKA_DECL void accumulator::wait_for_partition(parked_record& parked) noexcept {
  wait_on(parked, parked_for::partition, nullptr);
  parked.asked_before = refreshes_begun_;
}

// Under the mutex. True when the record has found its batch; else its reason says what it waits for now. `full` are the
// owners whose share was full in this pass.
COKAFKA_DECL bool accumulator::place_parked(parked_record& parked, const partition_table& table,
                                            std::vector<partition_owner*>& full, effects& out) {
  std::size_t slot = sticky_slots;
  partition_queue* into =
      parked.behind != nullptr ? parked.behind : choose(parked.record->view(), *parked.of, table, slot);
  const auto waits_for_share = [&] {
    into->blocked_in_pass = pass_;
    if (slot != sticky_slots) parked.of->sticky.leave(slot);
    wait_on(parked, parked_for::share, into);
    return false;
  };
  // The partition itself is asked as well: its owner may change during the pass. Who comes from the metadata line is
  // behind all that wait for this partition already.
  const bool is_last = parked.reason == parked_for::metadata || parked.reason == parked_for::partition;
  if (into->blocked_in_pass == pass_ || (is_last && into->parked.load(std::memory_order_relaxed) > 0))
    return waits_for_share();
  partition_owner* owner = into->owner.load(std::memory_order_acquire);
  if (std::find(full.begin(), full.end(), owner) != full.end()) return waits_for_share();
  append_outcome appended =
      into->append_parked(parked.record->view(), parked.timestamp, parked.sent_at, parked.timeout, parked.generation);
  switch (appended.state) {
    case append_outcome::status::appended: break;
    case append_outcome::status::no_memory: wait_on(parked, parked_for::memory, nullptr); return false;
    case append_outcome::status::closed: return waits_for_share();  // all parked records are about to fail
    case append_outcome::status::over_share: full.push_back(owner); return waits_for_share();
  }
  if (slot != sticky_slots) parked.of->sticky.produced(slot, appended.bytes, appended.new_batch, settings_.batch_size);
  out.answer(
      parked.done->forward(std::move(appended.done), appended.index, static_cast<std::uint32_t>(appended.bytes)));
  leave_line(parked);
  if (appended.wake) to_wake_.push_back(into);
  return true;
}

COKAFKA_DECL void accumulator::publish(topic& of, std::unique_ptr<const partition_table> table, clock_time now,
                                       effects& out) {
  std::vector<partition_queue*> woken;
  bool waits_for_memory = false;
  {
    std::scoped_lock guard(mutex_);
    const partition_table& now_known = table ? *table : *of.table.load(std::memory_order_acquire);
    of.last_error.store(broker_errc::none, std::memory_order_relaxed);
    of.refused.store(broker_errc::none, std::memory_order_relaxed);
    ++pass_;
    std::vector<partition_owner*> full;
    for (auto next = metadata_line_.begin(); next != metadata_line_.end();) {
      const auto here = next++;
      parked_record& each = **here;
      if (each.of != &of) continue;
      // Behind records that wait for memory nothing is placed: first in, first out.
      const bool wait = waiting_for_memory_.load(std::memory_order_relaxed) > 0;
      const auto& wanted = each.record->view().partition;
      if (wanted && static_cast<std::size_t>(*wanted) >= now_known.all.size()) {
        if (each.reason == parked_for::partition && each.asked_before < refreshes_answered_) {
          fail_without_partition(each, now_known, now, out);
          metadata_line_.erase(here);
        } else if (each.reason != parked_for::partition) {
          wait_for_partition(each);
        }
        continue;
      }
      if (wait) {
        wait_on(each, parked_for::memory, nullptr);
      } else if (place_parked(each, now_known, full, out)) {
        metadata_line_.erase(here);
        continue;
      }
      memory_line_.splice(memory_line_.end(), metadata_line_, here);
      waits_for_memory = true;
    }
    if (table) of.publish(std::move(table));
    woken.swap(to_wake_);
  }
  for (partition_queue* each : woken) wake(*each);
  // Memory may have come back between the look at it and the word that somebody waits: look once more.
  if (waits_for_memory) home_.attention();
}

COKAFKA_DECL void accumulator::fail_without_partition(parked_record& parked, const partition_table& table,
                                                      clock_time now, effects& out) {
  error_details why;
  why.code = errc::unknown_partition;
  why.message = "topic " + std::string(parked.of->name.str()) + " has " + std::to_string(table.all.size()) +
                " partitions, there is no partition " + std::to_string(parked.record->view().partition.value_or(-1));
  fail_one(parked, std::move(why), now, out);
}

COKAFKA_DECL bool accumulator::place_waiting(effects& out) {
  std::vector<partition_queue*> woken;
  bool somebody_waits = false;
  {
    std::scoped_lock guard(mutex_);
    place_memory_line(out);
    somebody_waits = !memory_line_.empty();
    memory.somebody_waits(somebody_waits);
    woken.swap(to_wake_);
  }
  for (partition_queue* each : woken) wake(*each);
  return somebody_waits;
}

COKAFKA_DECL void accumulator::place_memory_line(effects& out) {
  ++pass_;
  std::vector<partition_owner*> full;
  for (auto next = memory_line_.begin(); next != memory_line_.end();) {
    const auto here = next++;
    parked_record& first = **here;
    if (first.reason == parked_for::space) {
      if (memory.available() < first.space_wanted) break;
      leave_line(first);
      out.ended.push_back(*std::exchange(first.space_waiter, nullptr));
      memory_line_.erase(here);
      continue;
    }
    const partition_table* table = first.of->table.load(std::memory_order_acquire);
    if (table == nullptr) {  // forgotten just when it was parked
      first.of->wanted.store(true, std::memory_order_release);
      wait_on(first, parked_for::metadata, nullptr);
      metadata_line_.splice(metadata_line_.end(), memory_line_, here);
      home_.attention();
      continue;
    }
    const auto& wanted = first.record->view().partition;
    if (first.behind == nullptr && wanted && static_cast<std::size_t>(*wanted) >= table->all.size()) {
      wait_for_partition(first);
      metadata_line_.splice(metadata_line_.end(), memory_line_, here);
    } else if (place_parked(first, *table, full, out)) {
      memory_line_.erase(here);
    } else if (first.reason == parked_for::memory) {
      break;
    }
  }
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
