// SPDX-License-Identifier: BSL-1.0
// The small shared result of a batch (or of one parked record): what deliveries refer to and waiters are linked into.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_COMPLETION_HPP
#define COKAFKA_DETAIL_CORE_COMPLETION_HPP

#include "cokafka/detail/base/config.hpp"
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
#include <optional>

namespace cokafka::inline COKAFKA_ABI::detail {

/// How a batch ended: a failure, or the offset of its first record where the broker told it.
struct batch_outcome {
  std::optional<error> failure{};
  std::optional<std::int64_t> base_offset{};
  std::optional<std::int64_t> log_append_time{};  // milliseconds; set where the topic stamps records itself
};

/// A waiter for one record.
class record_waiter : public waiter {
 public:
  record_ticket ticket{};
  /// Set when the completion that it was linked into has ended; the result is read from there.
  boost::intrusive_ptr<class completion> source{};

 protected:
  ~record_waiter() = default;
};

/// States: pending -> done, or pending -> forwarded (a parked record found its batch) and from then on the state of that
/// batch's completion. Owned by its batch or parked record and by the deliveries; it never keeps records' bytes.
/// Thread safety: shared objects safe. Lock order: a parked record's completion before its batch's.
class completion : public boost::intrusive_ref_counter<completion, boost::thread_safe_counter> {
 public:
  completion(topic_name topic, std::int32_t partition) : topic_(std::move(topic)), partition_(partition) {}
  /// One that has failed already.
  completion(topic_name topic, std::int32_t partition, error failure);

  bool is_ready() const noexcept;

  /// The result of one record. Precondition: is_ready().
  result<record_metadata> get(const record_ticket& ticket) const;

  /// Links the waiter; false when the answer is there already (its `source` is set then, and it is not linked).
  bool attach(record_waiter& added);
  /// Unlinks the waiter; false when it is not linked any more, which means that its completion is on the way.
  bool detach(record_waiter& gone);

  /// Ends it and hands out who waited, in record order. Calls after the first change nothing and return none.
  waiter_list complete(batch_outcome outcome);

  /// To be called until it returns none when what complete() handed out has been posted: who attached meanwhile had to queue
  /// up behind them.
  waiter_list hand_out_rest();

  /// From now on this record is number `index` of the batch behind `target`; whoever waits here waits there. Returns
  /// the waiters that must be completed at once because the batch has ended in the meantime.
  waiter_list forward(boost::intrusive_ptr<completion> target, std::uint32_t index);

  /// Hands out all waiters without an answer, for destruction; for deliveries that outlive the execution context it has
  /// failed with errc::closed.
  waiter_list abandon(fate known);

 private:
  enum class state : std::uint8_t { pending, done, forwarded };

  void unlink(waiter_list& list, record_waiter& gone) { list.erase(waiter_list::s_iterator_to(gone)); }

  mutable spin_lock lock_;
  std::atomic<state> state_{state::pending};
  bool in_order_ = true;
  bool handing_out_ = false;  // complete() has handed out waiters, and they may not have been posted yet
  topic_name topic_;
  std::int32_t partition_;
  std::uint32_t forwarded_index_ = 0;
  waiter_list waiters_;
  batch_outcome outcome_;
  boost::intrusive_ptr<completion> target_;
};

using completion_ptr = boost::intrusive_ptr<completion>;

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/core/completion.ipp"
#endif

#endif
