// SPDX-License-Identifier: BSL-1.0
// The small shared result of a batch (or of one parked record): what deliveries refer to and waiters are linked into.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_COMPLETION_HPP
#define COKAFKA_DETAIL_CORE_COMPLETION_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/record_marks.hpp"
#include "cokafka/detail/base/spin_lock.hpp"
#include "cokafka/detail/core/waiter.hpp"
#include "cokafka/error.hpp"
#include "cokafka/record_metadata.hpp"
#include "cokafka/result.hpp"
#include "cokafka/topic_name.hpp"

#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

class partition_queue;
class refused_record;
struct parked_record;

/// How a batch ended: a failure, or the offset of its first record where the broker told it.
struct batch_outcome {
  std::optional<error> failure{};
  std::optional<std::int64_t> base_offset{};
  std::optional<std::int64_t> log_append_time{};  // milliseconds; set where the topic stamps records itself
};

/// Records [first, end) of a batch, by their indexes when they were appended.
struct record_range {
  std::uint32_t first;
  std::uint32_t end;
};

/// A waiter for one record.
class record_waiter : public waiter {
 public:
  record_ticket ticket{};
  /// The completion whose list it is, or was, linked into: its batch's, or that of the piece of a batch that was split.
  std::atomic<class completion*> in{nullptr};
  /// Set when the completion that it was linked into has ended; the result is read from there.
  boost::intrusive_ptr<class completion> source{};

 protected:
  ~record_waiter() = default;
};

/// States: pending -> done, or pending -> forwarded (a parked record found its batch; a batch was split) and from then
/// on the state of that batch's, or of each piece's completion. While it is pending, stretches of its records may have
/// ended already (they were due, say); and records may have been taken out of the batch before it was sealed, so that
/// those behind them are nearer to its first offset than their index says. Owned by its batch or parked record and by
/// the deliveries; it never keeps records' bytes. Thread safety: shared objects safe. Lock order: a parked record's
/// completion before its batch's.
class completion : public boost::intrusive_ref_counter<completion, boost::thread_safe_counter> {
 public:
  completion(topic_name topic, std::int32_t partition, partition_queue* queue = nullptr)
      : of(queue), topic_(std::move(topic)), partition_(partition) {}
  /// One that has failed already.
  completion(topic_name topic, std::int32_t partition, error failure);

  bool is_ready(const record_ticket& ticket) const noexcept;

  /// The result of one record. Precondition: is_ready(ticket).
  result<record_metadata> get(const record_ticket& ticket) const;

  /// Links the waiter; false when the answer is there already (its `source` is set then, and it is not linked).
  bool attach(record_waiter& added);
  /// Unlinks the waiter; false when it is not linked any more, which means that its completion is on the way.
  bool detach(record_waiter& gone);

  /// Ends it and hands out who waited, in record order. Calls after the first change nothing and return none.
  waiter_list complete(batch_outcome outcome) noexcept;
  /// Ends these records alone (in order, none twice); the others are not concerned. Hands out who waited for them, in
  /// record order. `base_offset` is that of the first of them. May find no memory: then nothing has changed.
  waiter_list end_some(std::span<const record_range> which, batch_outcome outcome);
  /// The same for single records (in order, none twice), each of which ends in its own way.
  struct single_end {
    std::uint32_t index = 0;
    batch_outcome outcome{};
  };
  waiter_list end_each(std::span<single_end> all);

  /// To be called until it returns none when what complete() handed out has been posted: who attached meanwhile had to
  /// queue up behind them.
  waiter_list hand_out_rest();

  /// From now on this record is number `index` of the batch behind `target`, `bytes` long; whoever waits here waits
  /// there. Returns the waiters that must be completed at once because the batch has ended in the meantime.
  /// Precondition: make_room_to_forward(), which may find no memory.
  waiter_list forward(boost::intrusive_ptr<completion> target, std::uint32_t index, std::uint32_t bytes) noexcept;
  void make_room_to_forward();
  const topic_name& called() const noexcept { return topic_; }
  std::int32_t partition() const noexcept { return partition_; }

  /// Nobody waits for this record any more: its delivery was dropped. Noted where `notes_dropped` says so, and only
  /// while it has no answer: who held a delivery when the answer came could have looked.
  void drop(std::uint32_t index);
  /// Which of [first, end) have been dropped; each is told once, or, where there is no memory, never.
  std::vector<std::uint32_t> take_dropped(std::uint32_t first, std::uint32_t end);

  /// The batch's completion that this one, a parked record's, was forwarded to, or null.
  completion* forwarded_to() const noexcept {
    return state_.load(std::memory_order_acquire) == state::forwarded ? redirections_.front().target.get() : nullptr;
  }

  /// From `first` on, up to that of the next, records of the batch are those from `index` on of another one.
  struct redirection {
    std::uint32_t first = 0;  // counted without the records that were removed
    boost::intrusive_ptr<completion> target{};
    std::uint32_t index = 0;
    std::uint32_t bytes = 0;  // of a parked record where it is now
  };
  /// The batch goes on in pieces, which nobody knows yet: who waits here waits there. Records that have ended stay as
  /// they are.
  void split(std::vector<redirection> pieces) noexcept;
  /// Calls visit(first, end) for each stretch of records that have ended.
  template <class Visit>
  void for_each_ended(Visit visit) const {
    std::scoped_lock guard(lock_);
    const auto all = static_cast<std::uint32_t>(ended_by_.size());
    for (std::uint32_t first = 0; first < all;) {
      std::uint32_t end = first;
      while (end < all && ended_by_[end] != 0) ++end;
      if (end > first) visit(first, end);
      first = end + 1;
    }
  }

  /// Hands out all waiters without an answer, for destruction; for deliveries that outlive the execution context it has
  /// failed with errc::closed.
  waiter_list abandon(fate known) noexcept;

  bool is_piece = false;            // of a batch that was divided: its deliveries hold that one's completion; constant
  partition_queue* const of;        // of a batch; null for a parked record
  parked_record* parked = nullptr;  // while it is in the parking lot; under the lot's mutex
  /// Records that are not in the batch any more. Under the partition's lock until the batch is sealed, constant after
  /// that.
  std::unique_ptr<record_marks> removed{};
  bool has_one_record = false;                // a parked one: nobody can queue up behind its waiter; constant
  bool notes_dropped = false;                 // somebody wants to know of failures that nobody waits for; constant
  bool was_refused = false;                   // send() has failed at once
  std::shared_ptr<refused_record> refused{};  // a copy where send() refused it; for its only delivery

 private:
  friend class completion_line;
  enum class state : std::uint8_t { pending, done, forwarded };
  struct early_end {
    std::uint32_t first;
    batch_outcome outcome;
  };

  void unlink(record_waiter& gone);
  void add_waiters_of(record_range which, std::vector<record_waiter*>& found);
  void make_room_to_end(std::uint32_t end, std::size_t more);
  waiter_list hand_out(const std::vector<record_waiter*>& concerned) noexcept;
  const early_end* find_early_end(std::uint32_t index) const noexcept;
  std::uint32_t place_of(std::uint32_t index) const noexcept { return removed ? index - removed->below(index) : index; }
  void put_in_order(waiter_list& waiting);
  bool link(record_waiter& added);
  completion& redirect(record_ticket& ticket) const noexcept;

  mutable spin_lock lock_;
  std::atomic<state> state_{state::pending};
  bool in_order_ = true;
  bool handing_out_ = false;  // complete() has handed out waiters, and they may not have been posted yet
  topic_name topic_;
  std::int32_t partition_;
  waiter_list waiters_;
  // By the indexes of their records, made when records end that are not the first who are waited for: a hundred that
  // end one by one must not be looked for among ten thousand a hundred times. Null where one has gone.
  std::vector<std::pair<std::uint32_t, record_waiter*>> by_index_;
  batch_outcome outcome_;
  // Records that have ended before the batch. Thousands may do so one by one: four bytes each, no node of a tree.
  std::atomic<bool> has_early_ends_{false};
  std::vector<std::uint32_t> ended_by_;                    // of each record: 1 + a place in what follows, or 0
  std::vector<std::unique_ptr<const early_end>> ended_{};  // under the lock; what they point to is constant
  std::vector<redirection> redirections_;                  // in order; constant once it is forwarded
  record_marks dropped_;                                   // under the lock
  boost::intrusive_ptr<completion> next_in_line_{};        // the line's
};

using completion_ptr = boost::intrusive_ptr<completion>;

/// Completions in a row, linked through themselves: joining allocates nothing and cannot fail. Each joins one line,
/// once. Thread safety: distinct objects safe.
class completion_line {
 public:
  completion_line() = default;
  completion_line(const completion_line&) = delete;
  completion_line& operator=(const completion_line&) = delete;
  ~completion_line() {
    while (pop_front()) {
    }
  }

  void push_back(completion& joining) noexcept {
    (last_ != nullptr ? last_->next_in_line_ : first_).reset(&joining);
    last_ = &joining;
  }
  /// Null when there is none.
  completion_ptr pop_front() noexcept {
    completion_ptr front = std::move(first_);
    if (!front) return front;
    first_ = std::move(front->next_in_line_);
    if (!first_) last_ = nullptr;
    return front;
  }

 private:
  completion_ptr first_{};
  completion* last_ = nullptr;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/core/completion.ipp"
#include "cokafka/detail/core/redirection.ipp"
#endif

#endif
