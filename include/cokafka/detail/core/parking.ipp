// SPDX-License-Identifier: BSL-1.0
// Bodies of accumulator: the parking lot, who waits there, in which order it empties.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PARKING_IPP
#define COKAFKA_DETAIL_CORE_PARKING_IPP

#include "cokafka/detail/core/accumulator.hpp"

#include "cokafka/detail/core/if_memory.hpp"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL send_outcome accumulator::park(const record_view& record, topic& to, parked_for reason,
                                            partition_queue* behind, std::int64_t timestamp, clock_time now) {
  // Who pushes on although the lot is full shall not cost more than who is served.
  const std::size_t limit = static_cast<std::size_t>(settings_.user.parked_memory);
  const std::size_t least = sizeof(parked_record) + record_copy::least_memory(record);
  const bool is_full = parked_bytes_.load(std::memory_order_relaxed) + least > limit;
  if (is_full || (reason == parked_for::share && share_bytes_.load(std::memory_order_relaxed) + least > limit / 2)) {
    return failed(record, &to, error(is_closed() ? errc::closed : errc::buffer_full), timestamp);
  }
  auto parked = std::make_unique<parked_record>();
  parked->reason = reason;
  parked->of.reset(&to);
  parked->record.emplace(record);
  parked->timestamp = timestamp;
  parked->sent_at = now;
  parked->timeout = settings_.timeout_of(record.timeout);
  parked->done.reset(new completion(to.name, record.partition.value_or(-1)));
  parked->done->notes_dropped = settings_.reports_failures();
  parked->done->has_one_record = true;
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
    parked->memory = sizeof(parked_record) + parked->record->memory() + topic_memory(to, reason);
    // Nor does a broker that does not drain take the whole lot.
    const bool is_over =
        reason == parked_for::share && share_bytes_.load(std::memory_order_relaxed) + parked->memory > limit / 2;
    if (is_over || parked_bytes_.load(std::memory_order_relaxed) + parked->memory > limit) {
      return failed(record, &to, error(errc::buffer_full), timestamp);
    }
    enter(std::move(parked), behind);
  }
  home_.attention();
  return out;
}

// Names that are sent to once must not cost more than is charged for them.
COKAFKA_DECL std::size_t accumulator::topic_memory(const topic& to, parked_for reason) const noexcept {
  constexpr std::size_t name_and_places = 256;  // in the registry
  const bool is_first = reason == parked_for::metadata && to.parked.load(std::memory_order_relaxed) == 0;
  return is_first && !to.is_kept.load(std::memory_order_relaxed) ? sizeof(topic) + name_and_places : 0;
}

// Under the mutex. To the end of the line that its reason leads to.
COKAFKA_DECL void accumulator::enter(parked_ptr entering, partition_queue* behind) {
  parked_record& parked = *entering;
  if (parked.reason == parked_for::share) {
    share_line_of(*behind);
    parked.behind = behind;
  }
  const clock_duration patience = settings_.user.max_block;
  const bool is_record = parked.reason != parked_for::space;
  parking_line& line = line_of(parked);
  parked.at = line.insert(line.end(), nullptr);
  try {
    deadlines_.set(parked.expiry, parked.sent_at + (is_record ? std::min(patience, parked.timeout) : patience));
    if (is_record) parked.generation = flushes.enter();
  } catch (...) {
    deadlines_.clear(parked.expiry);
    line.erase(parked.at);
    throw;
  }
  parked.number = ++entered_;
  if (&line == &metadata_line_) ++parked.of->waiting;
  parked_bytes_.fetch_add(parked.memory, std::memory_order_relaxed);
  if (&line != &metadata_line_) memory.somebody_waits(true);
  switch (parked.reason) {
    case parked_for::metadata:
      // The answer that nobody knows the topic may have come after the look-up, when nothing was parked, or it has been
      // forgotten: ask again.
      if (parked.of->parked.fetch_add(1, std::memory_order_seq_cst) == 0 &&
          (parked.of->last_error.load(std::memory_order_seq_cst) != broker_errc::none ||
           parked.of->is_forgotten.load(std::memory_order_seq_cst))) {
        parked.of->wanted.store(true, std::memory_order_release);
      }
      break;
    case parked_for::share:
      share_bytes_.fetch_add(parked.memory, std::memory_order_relaxed);
      behind->parked.fetch_add(1, std::memory_order_relaxed);
      break;
    case parked_for::memory:
    case parked_for::space: waiting_for_memory_.fetch_add(1, std::memory_order_relaxed); break;
    case parked_for::partition:
      ++waiting_for_partition_;
      parked.asked_before = refreshes_begun_;
      break;
  }
  if (is_record) parked.done->parked = &parked;
  *parked.at = std::move(entering);
}

// Undoes what entering counted. Under the mutex; a record that was placed is in its batch by then, so that nobody
// overtakes it.
COKAFKA_DECL void accumulator::leave_line(parked_record& parked) noexcept {
  deadlines_.clear(parked.expiry);
  if (&line_of(parked) == &metadata_line_) --parked.of->waiting;
  if (parked.behind != nullptr) share_bytes_.fetch_sub(parked.memory, std::memory_order_relaxed);
  parked_bytes_.fetch_sub(std::exchange(parked.memory, 0), std::memory_order_relaxed);
  if (parked.reason == parked_for::metadata) parked.of->parked.fetch_sub(1, std::memory_order_release);
  if (parked.reason == parked_for::partition) --waiting_for_partition_;
  if (parked.reason == parked_for::memory || parked.reason == parked_for::space) {
    waiting_for_memory_.fetch_sub(1, std::memory_order_release);
  }
  if (parked.behind != nullptr) parked.behind->parked.fetch_sub(1, std::memory_order_release);
}

// Under the mutex. After this there is nothing of it.
COKAFKA_DECL void accumulator::take_out(parked_record& parked) noexcept {
  partition_queue* const behind = parked.behind;
  parking_line& line = line_of(parked);
  if (last_moved_ == &parked) last_moved_ = nullptr;
  line.erase(parked.at);
  if (behind == nullptr || !line.empty()) return;
  share_lines_.erase(std::exchange(behind->line, nullptr)->at);
}

COKAFKA_DECL share_line& accumulator::share_line_of(partition_queue& partition) {
  partition_owner* const owner = partition.owner.load(std::memory_order_acquire);
  if (std::find(waited_for_.begin(), waited_for_.end(), owner) == waited_for_.end()) waited_for_.push_back(owner);
  owner->share.waited_for.store(true, std::memory_order_relaxed);
  if (partition.line == nullptr) {
    share_lines_.push_back({&partition});
    share_lines_.back().at = std::prev(share_lines_.end());
    partition.line = &share_lines_.back();
  }
  return *partition.line;
}

// Under the mutex. What it waits for from now on is counted before the old reason is not: a sender that looks in
// between must see one of them (guarantee.md, rule 22). Once behind a partition it stays there. Who has waited for
// metadata goes to the end of its new line: those of its topic that stand there came before it. Who has waited for
// something else goes before those that came after it.
COKAFKA_DECL void accumulator::wait_on(parked_record& parked, parked_for reason, partition_queue* behind) {
  if (behind != nullptr) share_line_of(*behind);  // may find no memory; nothing has changed yet
  parking_line& from = line_of(parked);
  if (behind != nullptr && parked.behind == nullptr) {
    parked.behind = behind;
    share_bytes_.fetch_add(parked.memory, std::memory_order_relaxed);
    behind->parked.fetch_add(1, std::memory_order_relaxed);
  }
  const parked_for before = std::exchange(parked.reason, reason);
  if (reason == parked_for::metadata) parked.of->parked.fetch_add(1, std::memory_order_relaxed);
  if (reason == parked_for::memory) waiting_for_memory_.fetch_add(1, std::memory_order_relaxed);
  if (reason == parked_for::partition) ++waiting_for_partition_;
  if (before == parked_for::partition) --waiting_for_partition_;
  if (before == parked_for::metadata) parked.of->parked.fetch_sub(1, std::memory_order_release);
  if (before == parked_for::memory) waiting_for_memory_.fetch_sub(1, std::memory_order_release);
  if (reason == parked_for::memory || reason == parked_for::share) memory.somebody_waits(true);
  parking_line& to = line_of(parked);
  if (&from == &metadata_line_) --parked.of->waiting;
  if (&to == &metadata_line_) ++parked.of->waiting;
  const bool had_no_metadata = before == parked_for::metadata;
  if (had_no_metadata) parked.number = ++entered_;
  if (&to == &from && !had_no_metadata) return;
  to.splice(had_no_metadata ? to.end() : place_in(to, parked.number), from, parked.at);
  last_moved_ = &parked;
}

// Those that are moved in one pass come in order: each is looked for behind the one before.
COKAFKA_DECL parking_line::iterator accumulator::place_in(parking_line& line, std::uint64_t number) noexcept {
  auto place = line.end();
  if (last_moved_ != nullptr && &line_of(*last_moved_) == &line && last_moved_->number < number) {
    place = std::next(last_moved_->at);
    while (place != line.end() && (*place)->number < number) ++place;
  } else {
    while (place != line.begin() && (*std::prev(place))->number > number) --place;
  }
  return place;
}

// One refresh that is yet to begin decides, and nobody waits behind it.
COKAFKA_DECL void accumulator::wait_for_partition(parked_record& parked) {
  wait_on(parked, parked_for::partition, nullptr);
  parked.asked_before = refreshes_begun_;
}

// Under the mutex. True when the record has found its batch; else its reason says what it waits for now. `full` are the
// owners whose share was full in this pass.
COKAFKA_DECL bool accumulator::place_parked(parked_record& parked, const partition_table* table,
                                            std::vector<partition_owner*>& full, effects& out) {
  std::size_t slot = sticky_slots;
  partition_queue* into =
      parked.behind != nullptr ? parked.behind : choose(parked.record->view(), *parked.of, *table, slot);
  const auto waits_for_share = [&] {
    into->blocked_in_pass = pass_;
    if (slot != sticky_slots) parked.of->sticky.leave(slot);
    wait_on(parked, parked_for::share, into);
    return false;
  };
  // The partition itself is asked as well: its owner may change during the pass. Who comes from the metadata line joins
  // those that wait for this partition already.
  const bool is_last = parked.reason == parked_for::metadata || parked.reason == parked_for::partition;
  if (into->blocked_in_pass == pass_ || (is_last && into->parked.load(std::memory_order_relaxed) > 0))
    return waits_for_share();
  partition_owner* owner = into->owner.load(std::memory_order_acquire);
  if (std::find(full.begin(), full.end(), owner) != full.end()) return waits_for_share();
  // What may find no memory comes first: a record that is in a batch must leave its line.
  parked.done->make_room_to_forward();
  make_room_for_one(to_wake_);
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

COKAFKA_DECL void accumulator::publish(topic& of, std::unique_ptr<partition_table> table, clock_time now,
                                       effects& out) {
  std::vector<partition_queue*> woken;
  bool waits_for_memory = false;
  {
    std::scoped_lock guard(mutex_);
    if (table) of.make_room_to_publish(*table);  // may find no memory; nothing has changed yet
    const partition_table& now_known = table ? *table : *of.table.load(std::memory_order_acquire);
    of.last_error.store(broker_errc::none, std::memory_order_relaxed);
    of.refused.store(broker_errc::none, std::memory_order_relaxed);
    begin_pass();
    std::vector<partition_owner*> full;
    // Of thousands of topics few are waited for: the line is walked no further than to the last who does.
    std::size_t left = of.waiting;
    for (auto next = metadata_line_.begin(); left > 0 && next != metadata_line_.end();) {
      parked_record& each = **next++;
      if (each.of != &of) continue;
      --left;
      // Behind records that wait for memory nothing is placed: first in, first out.
      const bool wait = waiting_for_memory_.load(std::memory_order_relaxed) > 0;
      const auto& wanted = each.record->view().partition;
      if (wanted && static_cast<std::size_t>(*wanted) >= now_known.all.size()) {
        if (each.reason == parked_for::partition && each.asked_before < refreshes_answered_) {
          fail_without_partition(each, now_known, now, out);
          take_out(each);
        } else if (each.reason != parked_for::partition) {
          wait_for_partition(each);
        }
        continue;
      }
      try {
        if (wait) {
          wait_on(each, parked_for::memory, nullptr);
        } else if (place_parked(each, &now_known, full, out)) {
          take_out(each);
          continue;
        }
      } catch (const std::bad_alloc&) {  // as if the budget were used up; nobody else is held up
        wait_on(each, parked_for::memory, nullptr);
      }
      waits_for_memory = true;
    }
    if (table) of.publish(std::move(table));
    woken.swap(to_wake_);
  }
  for (partition_queue* each : woken) wake(*each);
  // Memory may have come back between the look at it and the word that somebody waits: look once more.
  if (waits_for_memory) home_.attention();
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
