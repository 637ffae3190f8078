// SPDX-License-Identifier: BSL-1.0
// A strand that owns partitions: how it learns of news, takes partitions over and lets them go, and obeys their
// deadlines. Layer 5.
#ifndef COKAFKA_DETAIL_IO_PARTITION_KEEPER_HPP
#define COKAFKA_DETAIL_IO_PARTITION_KEEPER_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/partition_queue.hpp"
#include "cokafka/detail/core/produce_queue.hpp"
#include "cokafka/detail/io/deadline_timer.hpp"
#include "cokafka/detail/io/link_host.hpp"
#include "cokafka/detail/io/woken_stack.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <memory>
#include <optional>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

/// What a broker's strand and the home strand (for partitions without a leader) have in common. A partition has one
/// keeper at a time; hand-over is a message. Thread safety: the functions of partition_owner, and poke, from any
/// thread; the rest on the strand.
class partition_keeper : public partition_owner {
 public:
  void wake(partition_queue& woken) final;
  void wake_again() final;
  void adopt_soon(partition_queue& added) final;
  void reconsider_owner_soon(partition_queue& moved) final;
  void acknowledged_late_soon(partition_queue& moved, batch_ptr written, broker_answer said) final;
  /// Circumstances have changed (flush, memory, producer id): look at every partition again.
  void poke();
  /// The cluster refuses to give a producer id: what needs one fails (not_written).
  void identity_refused_soon(error_details why);

  std::uint64_t timer_wake_ups() const noexcept { return deadlines_.wake_ups(); }
  /// Some partition has records, sent or not. On the strand.
  bool has_work() const { return queue_.has_work(); }

 protected:
  partition_keeper(link_host& host, asio::any_io_executor strand)
      : host_(host),
        strand_(std::move(strand)),
        deadlines_(host.env(), strand_),
        queue_(host.rules(), deadlines_.heap) {}
  ~partition_keeper() = default;

  template <class Function>
  void on_strand(Function function) {
    auto alive = host_.keep_alive();
    if (!alive) return;
    asio::post(strand_, [alive = std::move(alive), function = std::move(function)]() mutable { function(); });
  }

  /// There is something new in the queue: the tasks should look.
  virtual void news() = 0;
  /// The partition leaves: answers to what is in flight here are no longer this owner's to judge.
  virtual void forget_answers(partition_queue&) {}
  /// What to tell records that fall due here.
  virtual stall why_stalled() const noexcept = 0;

  /// Everybody's, and that records are parked because our share of the memory is full.
  drain_conditions conditions() const {
    drain_conditions all = host_.conditions();
    all.at_once = all.at_once || share.waited_for.load(std::memory_order_relaxed);
    return all;
  }
  void reconsider(partition_queue& seen, clock_time now);
  /// Handles an entry of a partition; false for other kinds.
  bool handle_partition_deadline(deadline_entry& due, clock_time now, effects& out);
  void carry_out(effects& wanted);
  /// Calls function(effects) and carries those out, also where it throws: who has been unlinked must be told.
  template <class Function>
  void with_effects(Function function) {
    effects out;
    try {
      function(out);
    } catch (...) {
      carry_out(out);
      throw;
    }
    carry_out(out);
  }
  /// The end: fails what the partitions hold, and those of partitions that are still on their way here.
  void fail_partitions(error_details why);

  link_host& host_;
  asio::any_io_executor strand_;
  deadline_timer deadlines_;
  produce_queue queue_;

 private:
  void take_woken();
  void tell_woken() noexcept;
  void adopt(partition_queue& added);
  void fail_one(partition_queue& partition);
  void heed_its_topic(partition_queue& seen, clock_time now);
  void purge_if_wanted(partition_queue& seen, clock_time now);
  void hand_over_if_wanted(partition_queue& seen);

  woken_stack woken_;
  std::optional<error_details> ended_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/io/partition_keeper.ipp"
#endif

#endif
