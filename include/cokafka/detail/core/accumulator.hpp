// SPDX-License-Identifier: BSL-1.0
// Where a record goes when it is sent: into the open batch of its partition, or into the parking lot, or back.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_ACCUMULATOR_HPP
#define COKAFKA_DETAIL_CORE_ACCUMULATOR_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/buffer_memory.hpp"
#include "cokafka/detail/core/effects.hpp"
#include "cokafka/detail/core/flush_tracker.hpp"
#include "cokafka/detail/core/parked_record.hpp"
#include "cokafka/detail/core/settings.hpp"
#include "cokafka/detail/core/topic_registry.hpp"
#include "cokafka/result.hpp"

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Told, from any thread and under no lock, that the home strand has something to look at.
class attention_listener {
 public:
  /// False where nobody will look: there was no memory for the word of it, or the executor refused it. What there is to
  /// see stays as it is, and the next word that is heard is of this as well.
  virtual bool attention() noexcept = 0;

 protected:
  ~attention_listener() = default;
};

/// What became of a send.
struct send_outcome {
  completion_ptr done{};
  record_ticket ticket{};
};

///  send -> topic known, memory there -> partition_queue::append
///       \-> topic unknown ------------> metadata line   (first in first out per topic)
///        |-> memory missing ----------> memory line     (first in first out over all)
///         \-> its broker's share full --> share line      (one per partition)
///
/// While a topic or partition has a parked record, later sends to it park behind it (guarantee.md, rule 22).
/// Thread safety: the functions of senders may be called from any thread, the others on the home strand.
class accumulator {
 public:
  accumulator(const settings& rules, attention_listener& home, std::uint64_t seed);

  // --- senders -------------------------------------------------------------------------------------------------------

  /// Takes the record in. Never blocks and never fails for run-time reasons: a record that is refused has a completion
  /// that has failed. `to` saves the look-up of record.topic.
  send_outcome send(const record_view& record, topic* to, clock_time now);
  /// The same, but an error where send() would have to park.
  result<send_outcome> try_send(const record_view& record, topic* to, clock_time now);

  /// Links the waiter until `bytes` may be taken; false when they may be taken now or never (then `failure` says so).
  bool wait_for_space(operation_waiter& waiting, std::size_t bytes, clock_time now);
  bool cancel_space(operation_waiter& waiting);

  /// Takes the record that the waiter waits for out of the producer, where it is parked or in a batch that is not
  /// sealed (guarantee.md, rule 16). False when it is too late; else the waiter is linked nowhere any more.
  bool withdraw(completion& of, record_waiter& asked, effects& out);

  /// Valid names only; makes the topic known to the engine.
  topic_ptr want_topic(std::string_view name);

  struct outstanding_total {
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
  };
  outstanding_total outstanding();

  // --- the home strand -----------------------------------------------------------------------------------------------

  /// New metadata of a topic: places its parked records, then lets senders see the table (null: nothing new in it).
  void publish(topic& of, std::unique_ptr<partition_table> table, clock_time now, effects& out);
  /// Metadata says that the topic cannot be used: its parked records fail.
  void refuse(topic& of, broker_errc why, const std::string& message, clock_time now, effects& out);
  /// Memory was given back: places what waits for it. True when somebody still waits, and not only for a broker's
  /// share.
  bool place_waiting(effects& out);
  /// Fails what has waited too long, at most so many: the others are still due then. `unreachable` says why metadata is
  /// missing, where that is known.
  void expire(clock_time now, const std::string& unreachable, boost::system::error_code cause, std::size_t most,
              effects& out);
  void fail_parked(const error_details& why, clock_time now, effects& out) noexcept;
  /// Parked records fail with errc::purged, and every owner is told to purge its partitions.
  void purge(clock_time now, effects& out);
  std::optional<clock_time> earliest_parked_deadline();
  bool is_partition_missing();  // somebody waits for a partition that is not there
  /// A refresh of the metadata begins, and its answer has come. A record for a partition that is not there fails by an
  /// answer to a question that was asked after it was parked.
  void refresh_begins();
  void refresh_answered();
  void abandon(waiter_list& out) noexcept;

  /// Of `parked.memory`.
  std::size_t parked_bytes() const noexcept { return parked_bytes_.load(std::memory_order_relaxed); }
  /// Somebody waits for memory (not only for a broker's share of it): every batch should go.
  bool is_memory_short() const noexcept { return waiting_for_memory_.load(std::memory_order_relaxed) > 0; }
  /// From now on sends fail with errc::closed.
  void close() noexcept { flushes.close(); }
  bool is_closed() const noexcept { return flushes.is_closed(); }
  /// After close(): a flush that begins when this has returned waits for every record that was not refused.
  void await_senders();
  /// Wall clock minus steady clock, so that a send reads only one of them.
  void set_wall_offset(std::chrono::nanoseconds offset) noexcept {
    wall_offset_.store(offset.count(), std::memory_order_relaxed);
  }

  buffer_memory memory;
  flush_tracker flushes;
  topic_registry topics;
  const std::shared_ptr<report_budget> reports;

 private:
  std::optional<error> check(const record_view& record) const;
  static std::optional<error> refusal(const topic& of);
  std::optional<error> find_topic(const record_view& record, topic*& to, topic_ptr& needed);
  std::int64_t timestamp_of(const record_view& record, clock_time now) const noexcept;
  partition_queue* choose(const record_view& record, topic& to, const partition_table& table, std::size_t& slot) const;
  bool place_directly(const record_view& record, topic& to, std::int64_t timestamp, clock_time now, send_outcome& out,
                      parked_for& otherwise, partition_queue*& behind);
  send_outcome park(const record_view& record, topic& to, parked_for reason, partition_queue* behind,
                    std::int64_t timestamp, clock_time now);
  send_outcome failed(const record_view& record, topic* to, error why, std::int64_t timestamp) const;
  void wake(partition_queue& partition);

  bool place_parked(parked_record& parked, const partition_table* table, std::vector<partition_owner*>& full,
                    effects& out);
  void wait_for_partition(parked_record& parked);
  void leave_line(parked_record& parked) noexcept;
  void take_out(parked_record& parked) noexcept;
  void wait_on(parked_record& parked, parked_for reason, partition_queue* behind);
  parking_line::iterator place_in(parking_line& line, std::uint64_t number) noexcept;
  void begin_pass() noexcept {
    ++pass_;
    last_moved_ = nullptr;
  }
  void enter(parked_ptr entering, partition_queue* behind);
  share_line& share_line_of(partition_queue& partition);
  std::size_t topic_memory(const topic& to, parked_for reason) const noexcept;
  parked_record* next_to_place(const std::vector<partition_queue*>& open) noexcept;
  void block(std::vector<partition_queue*>& open, const partition_queue& blocked,
             const std::vector<partition_owner*>& full) noexcept;
  void note_waited_shares();
  void fail_without_partition(parked_record& parked, const partition_table& table, clock_time now,
                              effects& out) noexcept;
  void fail_one(parked_record& parked, error_details why, clock_time now, effects& out) noexcept;
  void note_unheard(parked_record& parked, const error& why, effects& out) noexcept;
  void want(topic& of) noexcept;
  void place_memory_line(effects& out);
  parking_line& line_of(const parked_record& parked) noexcept {
    if (parked.behind != nullptr) return parked.behind->line->waiting;
    const bool needs_metadata = parked.reason == parked_for::metadata || parked.reason == parked_for::partition;
    return needs_metadata ? metadata_line_ : memory_line_;
  }

  template <class Visit>
  void for_each_line(Visit visit) {
    visit(metadata_line_);
    visit(memory_line_);
    for (share_line& each : share_lines_) visit(each.waiting);
  }

  const settings& settings_;
  attention_listener& home_;
  std::atomic<bool> unheard_{false};  // the last word of a wanted topic
  std::atomic<std::int64_t> wall_offset_{0};
  std::atomic<std::uint32_t> waiting_for_memory_{0};  // parked for memory, or for space

  std::mutex mutex_;  // guards what follows; a partition's lock may be taken under it
  parking_line metadata_line_;
  parking_line memory_line_;
  std::list<share_line> share_lines_;         // those that are not empty
  std::vector<partition_owner*> waited_for_;  // whose shares are
  std::uint64_t entered_ = 0;                 // records, into a line
  std::size_t waiting_for_partition_ = 0;     // parked for that
  std::atomic<std::size_t> share_bytes_{0};   // of parked_bytes_, behind a full share
  std::atomic<std::size_t> parked_bytes_{0};  // written under the mutex
  std::uint64_t refreshes_begun_ = 0;
  std::uint64_t refreshes_answered_ = 0;
  std::uint64_t pass_ = 0;               // number of the pass over a line that is being made
  parked_record* last_moved_ = nullptr;  // from one line to another, in this pass
  deadline_heap deadlines_;
  std::vector<partition_queue*> to_wake_;  // by placing; woken after the mutex is released
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/core/accumulator.ipp"
#include "cokafka/detail/core/parking.ipp"
#include "cokafka/detail/core/parking_end.ipp"
#include "cokafka/detail/core/parking_pass.ipp"
#endif

#endif
