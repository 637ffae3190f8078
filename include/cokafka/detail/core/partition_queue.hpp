// SPDX-License-Identifier: BSL-1.0
// The batches of one partition, from the first append to the last answer, with its sequences and its window.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PARTITION_QUEUE_HPP
#define COKAFKA_DETAIL_CORE_PARTITION_QUEUE_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/deadline_heap.hpp"
#include "cokafka/detail/base/spin_lock.hpp"
#include "cokafka/detail/core/batch.hpp"
#include "cokafka/detail/core/deadline_kind.hpp"
#include "cokafka/detail/core/effects.hpp"
#include "cokafka/detail/core/if_memory.hpp"
#include "cokafka/detail/core/ledger.hpp"
#include "cokafka/detail/core/partition_owner.hpp"
#include "cokafka/detail/core/settings.hpp"

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <optional>
#include <span>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

class topic;
struct share_line;

/// What the partitions of a topic share.
struct topic_facts {
  const topic_name name;
  /// `message.timestamp.type=LogAppendTime`, by the last answer that told.
  std::atomic<bool> stamps_records{false};
};

/// Producer id and epoch as the broker gave them (InitProducerId).
struct producer_identity {
  std::int64_t id = -1;
  std::int16_t epoch = -1;
  bool operator==(const producer_identity&) const = default;
};

/// Why nothing moves, where that is known.
struct stall {
  boost::system::error_code cause{};
  std::string message{};
};

/// What one append came to.
struct append_outcome {
  enum class status : std::uint8_t { appended, no_memory, over_share, closed };
  status state = status::no_memory;
  bool wake = false;  // the owner should look: a new batch, a full one, an earlier deadline
  bool new_batch = false;
  std::uint32_t index = 0;
  std::size_t bytes = 0;
  completion_ptr done{};
};

/// When the owner may take a batch of this partition.
struct readiness {
  enum class state : std::uint8_t { empty, blocked, backing_off, lingering, ready };
  state is = state::empty;
  clock_time until{};  // backing_off, lingering
};

/// Circumstances that make every batch ready.
struct drain_conditions {
  bool at_once = false;  // flush, close, memory waited for
};

/// Senders append to the open batch under the lock; everything else belongs to the owner.
///
///    append -> [ open | closed ... ]  --take-->  in flight (1, then up to 5)  --answer-->  done
///                  pending                          |        ^
///                                                   v        |
///                                               retry line: stamped, in sequence order, one at a time
///
/// A partition has one batch in flight until one has been acknowledged under its (producer id, epoch, leader), and
/// falls back to one with any error (guarantee.md, rule 4).
class partition_queue
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  partition_queue(const settings& rules, buffer_memory& memory, flush_tracker& flushes, topic& of, topic_facts& shared,
                  std::int32_t index);
  partition_queue(const partition_queue&) = delete;
  partition_queue& operator=(const partition_queue&) = delete;

  // --- senders, any thread -------------------------------------------------------------------------------------------

  /// Encodes the record into the open batch. `sent_at` is when it was accepted: its deadline counts from there.
  append_outcome append(const record_view& record, std::int64_t timestamp, clock_time sent_at, clock_duration timeout);

  /// A parked record, which has been counted as `generation`, goes on in this partition; its completion is forwarded.
  append_outcome append_parked(const record_view& record, std::int64_t timestamp, clock_time sent_at,
                               clock_duration timeout, flush_tracker::generation counted);

  /// Records and bytes that were appended and not yet answered.
  struct outstanding_count {
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
  };
  outstanding_count outstanding();

  /// Takes the record of a waiter out of its batch, which must not be sealed yet (guarantee.md, rule 16): it will not
  /// be written, its neighbours notice nothing. False when it is too late; else the waiter is linked nowhere any more.
  struct withdrawal {
    bool done = false;
    bool wake = false;  // the owner should look: the batch is gone
  };
  withdrawal withdraw(completion& of, record_waiter& asked, effects& out);

  topic& of_topic() const noexcept { return topic_; }
  const topic_name& called() const noexcept { return shared_.name; }
  std::int32_t index() const noexcept { return index_; }

  std::atomic<partition_owner*> owner{nullptr};          // who must be woken
  std::atomic<partition_owner*> desired_owner{nullptr};  // where it shall go as soon as nothing is in flight
  std::atomic<bool> wake_pending{false};
  std::atomic<bool> is_gone{false};       // the topic has fewer partitions now: what is sent here fails
  std::atomic<bool> is_made_anew{false};  // of another topic than before, of the same name; the owner has to hear of it
  std::atomic<bool> purge_wanted{false};  // its owner shall purge it when it looks at it next
  std::atomic<std::uint32_t> parked{0};   // records parked behind a full share of the broker
  share_line* line = nullptr;             // they; the lot's
  std::uint64_t blocked_in_pass = 0;  // the last pass over the parking lot that left a record of it behind; the lot's
  partition_queue* woken_next = nullptr;

  // --- the owner's strand only ---------------------------------------------------------------------------------------

  readiness look(clock_time now, drain_conditions conditions);
  /// Bytes of the batch that take() would hand out.
  std::size_t next_size();
  /// Seals, stamps and hands out the next batch; it is in flight from now on. Precondition: look() said ready or
  /// lingering. Empty when it needs a producer id and `identity` is not one, or when the batch has grown past `at_most`
  /// bytes.
  batch_ptr take(const std::optional<producer_identity>& identity, std::size_t at_most = static_cast<std::size_t>(-1));

  using answer = broker_answer;
  /// Needs no memory: what would take some (dividing the batch, say) is left out where there is none.
  verdict answered(batch& sent, const answer& said, clock_time now, effects& out) noexcept;

  /// Another leader has been named. What is in flight is unknown from now on and waits to be sent again, unchanged and
  /// in order (guarantee.md, rule 10); false without idempotence, when something is in flight: its answer must be
  /// waited for.
  bool leave_leader() noexcept;
  /// The former leader has acknowledged the batch all the same.
  void acknowledged_late(batch& written, const answer& said, effects& out) noexcept;

  /// acks=0: the socket took the bytes; there is no answer.
  void written_unacknowledged(batch& sent, effects& out) noexcept;

  /// The earliest deadline of all batches; empty when there are none.
  std::optional<clock_time> earliest_deadline();
  /// Fails what is due. Where it finds no memory for telling single records of a batch, they are due a little later.
  void expire(clock_time now, const stall& by, effects& out) noexcept;
  /// Fails what has not been sent, or is proven absent, and waits for a producer id. Precondition: needs_identity().
  void fail_unsent(const error_details& why, clock_time now, effects& out) noexcept;
  /// Fails everything: `maybe_written` what is in flight or may have been appended, else `not_written`.
  void fail_queued(const error_details& why, clock_time now, effects& out) noexcept;
  /// Its topic was deleted and made anew: no broker remembers our sequences.
  void begin_anew() noexcept;
  /// The end: fails everything that is not in flight, tells the deliveries of what is, and refuses further records.
  void fail_all(const error_details& why, clock_time now, effects& out) noexcept;

  std::size_t in_flight() const noexcept { return in_flight_.size(); }
  bool has_in_flight() const noexcept { return !in_flight_.empty(); }
  bool has_pending();
  /// Another owner is meant to have it: nothing is sent from here any more.
  bool is_leaving() const noexcept {
    return desired_owner.load(std::memory_order_acquire) != owner.load(std::memory_order_relaxed);
  }
  bool needs_identity() const noexcept { return settings_.idempotent && !identity_; }
  /// A producer id whose epochs are exhausted; another must be asked for.
  std::optional<std::int64_t> used_up_producer_id() const noexcept {
    if (identity_ || used_up_id_ < 0) return std::nullopt;
    return used_up_id_;
  }
  std::optional<producer_identity> identity() const noexcept { return identity_; }
  /// Hands out all waiters without an answer, for destruction.
  void abandon(waiter_list& out) noexcept;

  partition_owner* adopted_by = nullptr;  // set when the owner has taken it over
  deadline_entry expiry;                  // earliest deadline of a batch
  deadline_entry wake_at;                 // end of linger or backoff
  enum class place : std::uint8_t { none, ready, lingering } drain_place = place::none;

 private:
  std::size_t window() const noexcept;
  batch* open_batch(clock_time due, clock_time now, std::size_t record_bytes) noexcept;
  batch_ptr make_batch(clock_time sent_at);
  batch_outcome outcome_of(const batch& written, const answer& said, const verdict& judged);
  append_outcome append_locked(const record_view& record, std::int64_t timestamp, clock_time sent_at,
                               clock_duration timeout, std::optional<flush_tracker::generation> counted);
  void stamp(batch& sent);
  void settle_epoch(const std::optional<producer_identity>& latest);
  bool holds_up(const batch& of) const noexcept;
  void drop_told();
  void drop_told_before(const batch& written);
  void back_to_retry_line(batch_line& alone) noexcept;
  void wait_for_retry(batch_line& alone, const broker_answer& said, clock_time now) noexcept;
  batch_line out_of_flight(const batch& sent) noexcept;
  attempt_facts facts_of(const batch& sent, const broker_answer& said) const noexcept;
  void confirm(batch& written, const broker_answer& said, const verdict& judged, clock_time now, effects& out) noexcept;
  bool is_predecessor_missing(const batch& of) const noexcept;
  template <class Visit>
  void for_each_sent(Visit visit) {
    for (auto& each : in_flight_) visit(*each);
    for (auto& each : retry_) visit(*each);
  }
  void leave_gap(const batch& failed) noexcept;
  void note_offset(const batch& written, const broker_answer& said, effects& out) noexcept;
  void note_vanished(const char* why, effects& out) noexcept;
  void close_gap(batch& taken) noexcept;
  batch_line::iterator next_retry() noexcept;
  /// Calls visit(place, whether it is in flight) for what has been written and is not answered, or waits for its retry.
  template <class Visit>
  void for_each_written(Visit visit);
  void expire_written(clock_time now, const stall& by, effects& out) noexcept;
  void expire_unsealed(clock_time now, const stall& by, effects& out) noexcept;
  void end_due(batch& of, clock_time now, bool remove, error_details why, effects& out) noexcept;
  void thin(batch& of) noexcept;
  struct failed_count {
    std::uint32_t records;  // that had no answer yet
    std::uint32_t holders;  // deliveries and waiters of the batch
  };
  void note_unheard(batch& of, const error& why, std::span<const record_range> which, failed_count count, bool is_open,
                    effects& out) noexcept;
  void note_dropped(batch& of, const error& why, std::span<const record_range> which, bool is_open, effects& out);
  batch_ptr copy_of(batch& of, const std::vector<std::uint32_t>& indexes);
  void finish(batch& ended, batch_outcome outcome, effects& out) noexcept;
  void fail(batch& ended, error_details why, clock_time now, effects& out) noexcept;

  const settings& settings_;
  buffer_memory& memory_;
  flush_tracker& flushes_;
  topic& topic_;
  topic_facts& shared_;
  const std::int32_t index_;

  struct division {
    batch_line pieces{};
    std::vector<completion::redirection> redirections{};
  };
  division divide(batch& whole, std::size_t at_most, const std::vector<broker_answer::culprit>& without);
  division split(batch& too_large, clock_time now);
  division exclude(batch& refused, const answer& said, clock_time now, effects& out);
  std::optional<division> divided_as(verdict& judged, batch& refused, const answer& said, clock_time now,
                                     effects& out) noexcept;
  void go_on_as(batch& whole, division made, effects& out) noexcept;

  spin_lock lock_;
  std::size_t batch_limit_;        // under lock_; what one request takes, or less where the topic refused that
  clock_time limited_until_{};     // under lock_
  batch_line pending_;             // under lock_; the last one may be open
  outstanding_count outstanding_;  // under lock_
  bool closed_ = false;            // under lock_

  batch_line retry_;      // written before, in sequence order
  batch_line in_flight_;  // in the order of their requests
  std::optional<producer_identity> identity_{};
  std::int32_t next_sequence_;
  clock_time backoff_until_{};
  bool window_open_ = false;
  // Since a batch has been acknowledged under `identity_`, when one was last: the broker holds state for it.
  std::optional<clock_time> state_shown_at_{};
  clock_time short_until_{};       // no memory was found: what is due waits for this
  std::int64_t last_offset_ = -1;  // acknowledged, of this topic
  bool new_epoch_ = false;         // sequences start again once nothing is in flight
  std::int64_t used_up_id_ = -1;
};

// In the order of the records. The visited one may leave its line.
template <class Visit>
void partition_queue::for_each_written(Visit visit) {
  // Both are in the order of their sequences; without them a retried batch stands before those still in flight.
  const auto comes_before = [&](const batch& a, const batch& b) {
    if (!settings_.idempotent) return false;
    if (!a.stamp || !b.stamp) return a.stamp.has_value() && !b.stamp;
    return is_behind(b, a);
  };
  for (auto waiting = retry_.begin(), flying = in_flight_.begin();
       waiting != retry_.end() || flying != in_flight_.end();) {
    const bool flies = waiting == retry_.end() || (flying != in_flight_.end() && comes_before(**flying, **waiting));
    const auto at = flies ? flying++ : waiting++;
    visit(at, flies);
  }
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/core/partition_answers.ipp"
#include "cokafka/detail/core/partition_endings.ipp"
#include "cokafka/detail/core/partition_queue.ipp"
#include "cokafka/detail/core/partition_unheard.ipp"
#include "cokafka/detail/core/splitting.ipp"
#include "cokafka/detail/core/withdrawal.ipp"
#endif

#endif
