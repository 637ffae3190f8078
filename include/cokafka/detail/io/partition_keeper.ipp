// SPDX-License-Identifier: BSL-1.0
// Bodies of partition_keeper.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_PARTITION_KEEPER_IPP
#define COKAFKA_DETAIL_IO_PARTITION_KEEPER_IPP

#include "cokafka/detail/io/partition_keeper.hpp"

#include <new>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL void partition_keeper::wake(partition_queue& woken) {
  if (woken_.push(woken)) tell_woken();
}

COKAFKA_DECL void partition_keeper::wake_again() {
  if (woken_.take_unheard()) tell_woken();
}

COKAFKA_DECL void partition_keeper::tell_woken() noexcept {
  try {
    on_strand([this] { take_woken(); });
  } catch (...) {       // no memory, or an executor that refuses
    woken_.not_told();  // the record is in its batch all the same: whoever comes next tells of it
  }
}

COKAFKA_DECL void partition_keeper::adopt_soon(partition_queue& added) {
  on_strand([this, &added] {
    if (added.owner.load(std::memory_order_acquire) == this && added.adopted_by != this) adopt(added);
  });
}

// May find no memory: then the next word of it brings it here.
COKAFKA_DECL void partition_keeper::adopt(partition_queue& added) {
  if (!ended_) {
    heed_its_topic(added, host_.env().now());
    purge_if_wanted(added, host_.env().now());
    queue_.adopt(added, host_.env().now(), conditions());
  }
  added.adopted_by = this;
  if (ended_) return fail_one(added);
  hand_over_if_wanted(added);
  if (added.parked.load(std::memory_order_relaxed) > 0) host_.link_changed();  // our share may have room for them
  news();
  deadlines_.update();
}

COKAFKA_DECL void partition_keeper::reconsider_owner_soon(partition_queue& moved) {
  on_strand([this, &moved] {
    partition_owner* const owner = moved.owner.load(std::memory_order_acquire);
    // Handed over meanwhile: the news must not be lost, the new owner may have taken it over before the wish changed.
    if (owner != this) return owner->reconsider_owner_soon(moved);
    moved.adopted_by == this ? reconsider(moved, host_.env().now()) : adopt(moved);
  });
}

COKAFKA_DECL void partition_keeper::acknowledged_late_soon(partition_queue& moved, batch_ptr written,
                                                           broker_answer said) {
  on_strand([this, &moved, written = std::move(written), said = std::move(said)]() mutable {
    partition_owner* const owner = moved.owner.load(std::memory_order_acquire);
    // Not here any more, or not yet: hand-overs are messages too, and this one may have overtaken them.
    if (owner != this || moved.adopted_by != this) {
      return owner->acknowledged_late_soon(moved, std::move(written), std::move(said));
    }
    effects out;
    moved.acknowledged_late(*written, said, out);
    carry_out(out);
    reconsider(moved, host_.env().now());
    news();
    deadlines_.update();
  });
}

COKAFKA_DECL void partition_keeper::poke() {
  on_strand([this] {
    queue_.reconsider_all(host_.env().now(), conditions());
    news();
    deadlines_.update();
  });
}

COKAFKA_DECL void partition_keeper::take_woken() {
  const clock_time now = host_.env().now();
  woken_.take_all([&](partition_queue& woken) {
    partition_owner* owner = woken.owner.load(std::memory_order_acquire);
    if (owner != this) {  // handed over while the news was on its way
      if (!woken.wake_pending.exchange(true, std::memory_order_acq_rel)) owner->wake(woken);
    } else {
      woken.adopted_by == this ? reconsider(woken, now) : adopt(woken);
    }
  });
  news();
  deadlines_.update();
}

COKAFKA_DECL void partition_keeper::reconsider(partition_queue& seen, clock_time now) {
  // Two lost requests may name one partition: it may have been handed over for the first, and is the next owner's then.
  if (seen.owner.load(std::memory_order_acquire) != this) return;
  heed_its_topic(seen, now);
  hand_over_if_wanted(seen);
  if (seen.owner.load(std::memory_order_acquire) != this) return;
  if (seen.adopted_by != this) return;
  purge_if_wanted(seen, now);
  queue_.reconsider(seen, now, conditions());
}

COKAFKA_DECL void partition_keeper::purge_if_wanted(partition_queue& seen, clock_time now) {
  if (!seen.purge_wanted.load(std::memory_order_acquire)) return;
  seen.purge_wanted.store(false, std::memory_order_relaxed);
  error_details why;
  why.code = errc::purged;
  effects out;
  seen.fail_queued(why, now, out);
  carry_out(out);
}

// A topic that was deleted and made anew: sequences begin again, and where it has fewer partitions there is nowhere to
// go.
COKAFKA_DECL void partition_keeper::heed_its_topic(partition_queue& seen, clock_time now) {
  if (seen.is_made_anew.exchange(false, std::memory_order_acq_rel)) seen.begin_anew();
  if (!seen.is_gone.load(std::memory_order_acquire)) return;
  error_details why;
  why.code = broker_errc::unknown_topic_or_partition;
  why.message = "topic " + std::string(seen.called().str()) + " was deleted and made anew without partition " +
                std::to_string(seen.index());
  effects out;
  seen.fail_queued(why, now, out);
  carry_out(out);
}

// Rule 10: a partition moves at once, and what was not answered here is sent again there; without idempotence it moves
// when nothing of it is in flight here any more.
COKAFKA_DECL void partition_keeper::hand_over_if_wanted(partition_queue& seen) {
  if (seen.adopted_by != this || !seen.is_leaving() || !seen.leave_leader()) return;
  queue_.release(seen);
  forget_answers(seen);
  seen.adopted_by = nullptr;
  partition_owner* next = seen.desired_owner.load(std::memory_order_acquire);
  seen.owner.store(next, std::memory_order_release);
  next->adopt_soon(seen);
}

COKAFKA_DECL bool partition_keeper::handle_partition_deadline(deadline_entry& due, clock_time now, effects& out) {
  const auto kind = static_cast<deadline_kind>(due.kind);
  if (kind != deadline_kind::partition_expiry && kind != deadline_kind::partition_wake) return false;
  auto& partition = *static_cast<partition_queue*>(due.owner);
  if (kind == deadline_kind::partition_expiry) partition.expire(now, why_stalled(), out);
  reconsider(partition, now);
  return true;
}

COKAFKA_DECL void partition_keeper::identity_refused_soon(error_details why) {
  on_strand([this, why = std::move(why)] {
    const clock_time now = host_.env().now();
    effects out;
    for (partition_queue* each : queue_.partitions()) {
      if (each->needs_identity()) each->fail_unsent(why, now, out);
    }
    carry_out(out);
    queue_.reconsider_all(now, conditions());
    news();
    deadlines_.update();
  });
}

COKAFKA_DECL void partition_keeper::carry_out(effects& wanted) {
  if (wanted.refresh_metadata) host_.want_metadata();
  host_.carry_out(wanted);
}

COKAFKA_DECL void partition_keeper::fail_partitions(error_details why) {
  ended_ = std::move(why);
  for (partition_queue* each : queue_.partitions()) fail_one(*each);
}

COKAFKA_DECL void partition_keeper::fail_one(partition_queue& partition) {
  effects out;
  partition.fail_all(*ended_, host_.env().now(), out);
  host_.carry_out(out);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
