// SPDX-License-Identifier: BSL-1.0
// What the producer knows of one topic: its partitions as senders see them, and the records parked until it is known.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_TOPIC_HPP
#define COKAFKA_DETAIL_CORE_TOPIC_HPP

#include "cokafka/detail/base/broker_errors.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/if_memory.hpp"
#include "cokafka/detail/core/partition_queue.hpp"
#include "cokafka/detail/core/sticky_partitioner.hpp"
#include "cokafka/detail/wire/types.hpp"
#include "cokafka/topic_name.hpp"

#include <algorithm>
#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <memory>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Partitions among which a record without a key may go. They change in place while senders read them without a lock:
/// who does gets one of the old ones or of the new ones. One writer at a time.
class available_partitions {
 public:
  available_partitions& operator=(const std::vector<partition_queue*>& now) {
    make_room(now.size());
    take(now);
    return *this;
  }
  /// A list or another of these. Precondition: there is room.
  template <class Partitions>
  void take(const Partitions& now) noexcept {
    for (std::size_t i = 0; i < now.size(); ++i) slots_[i].store(now[i], std::memory_order_release);
    size_.store(now.size(), std::memory_order_release);  // after the slots; those above keep what they have
  }
  /// Before the first sender reads it, for as many as there may ever be.
  void make_room(std::size_t capacity) {
    if (capacity <= capacity_) return;
    const std::vector<partition_queue*> before = list();
    slots_ = std::make_unique<std::atomic<partition_queue*>[]>(capacity);
    capacity_ = capacity;
    for (std::size_t i = 0; i < before.size(); ++i) slots_[i].store(before[i], std::memory_order_release);
  }
  std::size_t size() const noexcept { return size_.load(std::memory_order_acquire); }
  /// Precondition: less than a size that was read.
  partition_queue* operator[](std::size_t index) const noexcept {
    return slots_[index].load(std::memory_order_acquire);
  }
  std::vector<partition_queue*> list() const {
    std::vector<partition_queue*> listed(size());
    for (std::size_t i = 0; i < listed.size(); ++i) listed[i] = (*this)[i];
    return listed;
  }
  bool operator==(const available_partitions& other) const { return list() == other.list(); }

 private:
  std::unique_ptr<std::atomic<partition_queue*>[]> slots_{};
  std::size_t capacity_ = 0;
  std::atomic<std::size_t> size_{0};
};

/// The partitions of a topic at one moment. But for those that are available it is immutable: senders read it without a
/// lock.
struct partition_table {
  wire::uuid topic_id{};  // zero where the broker gave none
  std::vector<partition_queue*> all{};
  available_partitions available{};      // those with a leader; all of them when none has
  std::vector<partition_queue*> gone{};  // of former lives of the topic, which had more
  bool operator==(const partition_table&) const = default;
  /// But for the leaders.
  bool is_of_same_topic(const partition_table& other) const {
    return topic_id == other.topic_id && all == other.all && gone == other.gone;
  }
};

/// Owned by the registry of topics, and for as long as they need it by who has found it there. Once it has partitions
/// it lives as long as the core, and plain pointers to it may be kept. Fields other than atomics belong to the home
/// strand.
class topic : public boost::intrusive_ref_counter<topic, boost::thread_safe_counter>, public topic_facts {
 public:
  topic(topic_name of, std::uint64_t seed) : topic_facts{std::move(of)}, sticky(seed) {}
  topic(const topic&) = delete;
  topic& operator=(const topic&) = delete;

  sticky_partitioner sticky;

  /// Null until the topic's metadata is known and its parked records are placed.
  std::atomic<const partition_table*> table{nullptr};
  /// Records parked until the metadata is known: later sends to the topic park behind them.
  std::atomic<std::uint32_t> parked{0};
  /// Not `none`: sends fail at once (not authorized, invalid name).
  std::atomic<broker_errc> refused{broker_errc::none};
  /// The last error that metadata had for it while senders wait; named when they time out.
  std::atomic<broker_errc> last_error{broker_errc::none};
  std::atomic<bool> is_kept{false};       // it has partitions: the registry never gives it up
  std::atomic<bool> wanted{false};        // the engine has been told
  std::atomic<bool> used{true};           // somebody has sent to it since the engine looked last
  std::atomic<bool> is_forgotten{false};  // nobody did for metadata.max.idle.ms: it is not asked for
  bool asked_for = false;                 // metadata has been, once at least
  std::size_t waiting = 0;                // parked for its metadata or a partition of it; under the parking lot's mutex
  std::uint32_t refusals = 0;             // in a row
  clock_time used_at{};
  clock_time ask_again_at{};  // while it is refused and somebody sends to it all the same

  /// The partition, made when first mentioned.
  partition_queue& partition(std::int32_t index, const settings& rules, buffer_memory& memory, flush_tracker& flushes) {
    while (partitions_.size() <= static_cast<std::size_t>(index)) {
      const auto next = static_cast<std::int32_t>(partitions_.size());
      partitions_.push_back(std::make_unique<partition_queue>(rules, memory, flushes, *this, *this, next));
    }
    return *partitions_[static_cast<std::size_t>(index)];
  }
  const std::vector<std::unique_ptr<partition_queue>>& partitions() const noexcept { return partitions_; }

  /// What publish() needs of memory, which it may not find.
  void make_room_to_publish(partition_table& next) {
    make_room_for_one(tables_);
    next.available.make_room(next.all.size());
  }
  /// Makes a new table visible to senders. Older tables are kept, since a sender may be reading one, and used again:
  /// one for each life of the topic and each number of partitions in it. Leaders come and go in place.
  /// Precondition: make_room_to_publish().
  void publish(std::unique_ptr<partition_table> next) noexcept {
    auto same =
        std::find_if(tables_.begin(), tables_.end(), [&](const auto& each) { return each->is_of_same_topic(*next); });
    if (same == tables_.end()) {
      same = tables_.insert(tables_.end(), std::move(next));
    } else {
      (*same)->available.take(next->available);
    }
    table.store(same->get(), std::memory_order_release);
    sticky.reset();
  }

 private:
  std::vector<std::unique_ptr<partition_queue>> partitions_;
  std::vector<std::unique_ptr<partition_table>> tables_;
};

using topic_ptr = boost::intrusive_ptr<topic>;

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
