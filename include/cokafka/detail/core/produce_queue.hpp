// SPDX-License-Identifier: BSL-1.0
// Which partitions of one broker go into its next Produce request.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PRODUCE_QUEUE_HPP
#define COKAFKA_DETAIL_CORE_PRODUCE_QUEUE_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/deadline_heap.hpp"
#include "cokafka/detail/core/partition_queue.hpp"
#include "cokafka/detail/core/settings.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <optional>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// One batch of a request.
struct planned_batch {
  partition_queue* partition = nullptr;
  batch_ptr what{};
  bool moved = false;     // the partition has another owner by now, and has sent the batch again (rule 10)
  bool settled = false;   // its answer has been obeyed
  wire::uuid topic_id{};  // as it was when the request was made: the topic may be made anew before the answer
};

/// The partitions that one owner drains. A partition is in one of three places: `ready` (a ring: who has been served
/// goes to the end, so the start rotates), `lingering` (would be sent at once if the link were idle), or nowhere
/// (empty, its window is full, or it backs off), and comes back by wake, answer or deadline. A blocked partition never
/// ends a pass. Belongs to the owner's strand.
class produce_queue {
 public:
  produce_queue(const settings& rules, deadline_heap& deadlines) : settings_(rules), deadlines_(deadlines) {}

  void adopt(partition_queue& added, clock_time now, drain_conditions conditions);
  /// Forgets the partition; its batches stay with it.
  void release(partition_queue& gone);
  /// Looks again after news of the partition: puts it where it belongs and sets its deadlines.
  void reconsider(partition_queue& seen, clock_time now, drain_conditions conditions);
  void reconsider_all(clock_time now, drain_conditions conditions);

  /// The batches of the next request, now in flight; empty when nothing may go. At most one per partition, and not more
  /// than max.request.size in all unless a single batch is larger. `link_idle`: nothing is in flight on this broker, so
  /// nobody lingers.
  /// What finds no memory is left out; throws where that is everything, and has taken nothing then.
  std::vector<planned_batch> next_request(clock_time now, bool link_idle, drain_conditions conditions,
                                          const std::optional<producer_identity>& identity);

  /// Something might go into a request now.
  bool has_candidates(bool link_idle) const noexcept {
    return !ready_.empty() || (link_idle && idle_sends() && !lingering_.empty());
  }
  /// Some partition has records, sent or not.
  bool has_work() const;
  /// The last pass left partitions out that need a producer id, or another one than used_up_id().
  bool is_identity_missing() const noexcept { return identity_missing_; }
  std::optional<std::int64_t> used_up_id() const noexcept { return used_up_id_; }
  const std::vector<partition_queue*>& partitions() const noexcept { return partitions_; }

 private:
  /// Per partition, and those of the owner itself.
  static constexpr std::size_t deadlines_each = 2, other_deadlines = 16;

  using ring = boost::intrusive::list<partition_queue, boost::intrusive::constant_time_size<false>>;

  void fill(std::vector<planned_batch>& request, ring& skipped, clock_time now, drain_conditions conditions,
            const std::optional<producer_identity>& identity);
  bool idle_sends() const noexcept { return settings_.user.linger_policy == linger_policy::when_busy; }
  void reconsider_unless_waiting_for_identity(partition_queue& seen, clock_time now, drain_conditions conditions);
  void put(partition_queue& moved, partition_queue::place where);

  const settings& settings_;
  deadline_heap& deadlines_;
  std::vector<partition_queue*> partitions_;
  ring ready_;
  ring lingering_;
  bool identity_missing_ = false;
  std::optional<std::int64_t> used_up_id_{};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/core/produce_queue.ipp"
#endif

#endif
