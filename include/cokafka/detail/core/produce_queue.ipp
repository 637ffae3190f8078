// SPDX-License-Identifier: BSL-1.0
// Bodies of produce_queue: the ring of ready partitions and the pass over it.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PRODUCE_QUEUE_IPP
#define COKAFKA_DETAIL_CORE_PRODUCE_QUEUE_IPP

#include "cokafka/detail/core/produce_queue.hpp"

#include "cokafka/detail/core/if_memory.hpp"
#include "cokafka/detail/core/topic.hpp"

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL void produce_queue::adopt(partition_queue& added, clock_time now, drain_conditions conditions) {
  make_room_for_one(partitions_);
  deadlines_.expect(deadlines_each * (partitions_.size() + 1) + other_deadlines);
  partitions_.push_back(&added);
  reconsider(added, now, conditions);
}

COKAFKA_DECL void produce_queue::release(partition_queue& gone) {
  put(gone, partition_queue::place::none);
  deadlines_.clear(gone.expiry);
  deadlines_.clear(gone.wake_at);
  partitions_.erase(std::remove(partitions_.begin(), partitions_.end(), &gone), partitions_.end());
}

COKAFKA_DECL void produce_queue::put(partition_queue& moved, partition_queue::place where) {
  if (moved.drain_place == where) return;
  if (moved.drain_place != partition_queue::place::none) moved.unlink();
  moved.drain_place = where;
  if (where == partition_queue::place::ready) ready_.push_back(moved);
  if (where == partition_queue::place::lingering) lingering_.push_back(moved);
}

COKAFKA_DECL void produce_queue::reconsider(partition_queue& seen, clock_time now, drain_conditions conditions) {
  readiness state = seen.look(now, conditions);
  if (seen.is_leaving()) state = {readiness::state::blocked, {}};
  switch (state.is) {
    case readiness::state::ready:
      put(seen, partition_queue::place::ready);
      deadlines_.clear(seen.wake_at);
      break;
    case readiness::state::lingering:
      put(seen, partition_queue::place::lingering);
      deadlines_.set(seen.wake_at, state.until);
      break;
    case readiness::state::backing_off:
      put(seen, partition_queue::place::none);
      deadlines_.set(seen.wake_at, state.until);
      break;
    case readiness::state::blocked:
    case readiness::state::empty:
      put(seen, partition_queue::place::none);
      deadlines_.clear(seen.wake_at);
      break;
  }
  if (const auto due = seen.earliest_deadline()) {
    if (!seen.expiry.is_set() || seen.expiry.at != *due) deadlines_.set(seen.expiry, *due);
  } else {
    deadlines_.clear(seen.expiry);
  }
}

COKAFKA_DECL void produce_queue::reconsider_all(clock_time now, drain_conditions conditions) {
  for (partition_queue* each : partitions_) reconsider(*each, now, conditions);
}

COKAFKA_DECL bool produce_queue::has_work() const {
  return std::any_of(partitions_.begin(), partitions_.end(),
                     [](partition_queue* each) { return each->has_in_flight() || each->has_pending(); });
}

COKAFKA_DECL std::vector<planned_batch> produce_queue::next_request(clock_time now, bool link_idle,
                                                                    drain_conditions conditions,
                                                                    const std::optional<producer_identity>& identity) {
  if (link_idle && idle_sends()) {
    for (auto& each : lingering_) each.drain_place = partition_queue::place::ready;
    ready_.splice(ready_.end(), lingering_);
  }
  identity_missing_ = false;
  std::vector<planned_batch> request;
  ring skipped;
  try {
    fill(request, skipped, now, conditions, identity);
  } catch (const std::bad_alloc&) {
    ready_.splice(ready_.begin(), skipped);
    if (request.empty()) throw;
    return request;  // what is in it is in flight
  }
  ready_.splice(ready_.begin(), skipped);
  return request;
}

COKAFKA_DECL void produce_queue::fill(std::vector<planned_batch>& request, ring& skipped, clock_time now,
                                      drain_conditions conditions, const std::optional<producer_identity>& identity) {
  std::size_t total = settings::request_overhead;
  for (std::size_t left = static_cast<std::size_t>(std::distance(ready_.begin(), ready_.end())); left > 0; --left) {
    partition_queue& next = ready_.front();
    // Framing of one more partition, with its topic's name where that is new.
    const std::size_t framing = next.of_topic().name.size() + 32;
    const std::size_t room = request.empty()
                                 ? static_cast<std::size_t>(-1)
                                 : settings_.max_request_size - std::min(settings_.max_request_size, total + framing);
    make_room_for_one(request);  // for what is taken
    batch_ptr taken = next.take(identity, room);
    if (!taken && !next.needs_identity() && next.next_size() > room) {
      ready_.pop_front();
      skipped.push_back(next);  // it does not fit here; it is first in the next one
      continue;
    }
    put(next, partition_queue::place::none);
    if (taken) {
      total += framing + taken->records.size();
      const partition_table* table = next.of_topic().table.load(std::memory_order_acquire);
      request.push_back({&next, std::move(taken), false, false, table != nullptr ? table->topic_id : wire::uuid{}});
    }
    reconsider_unless_waiting_for_identity(next, now, conditions);
  }
}

// Without a producer id it would be ready for ever; the identity's arrival reconsiders all.
COKAFKA_DECL void produce_queue::reconsider_unless_waiting_for_identity(partition_queue& seen, clock_time now,
                                                                        drain_conditions conditions) {
  reconsider(seen, now, conditions);
  if (!seen.needs_identity()) return;
  identity_missing_ = true;
  if (const auto used_up = seen.used_up_producer_id()) used_up_id_ = used_up;
  put(seen, partition_queue::place::none);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
