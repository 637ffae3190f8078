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

/// The partitions of a topic at one moment. Immutable: senders read it without a lock.
struct partition_table {
  wire::uuid topic_id{};  // zero where the broker gave none
  std::vector<partition_queue*> all{};
  std::vector<partition_queue*> available{};  // those with a leader; all of them when none has
  std::vector<partition_queue*> gone{};       // of former lives of the topic, which had more
  bool operator==(const partition_table&) const = default;
};

/// Owned by the registry of topics, and for as long as they need it by who has found it there. Once it has partitions
/// it lives as long as the core, and plain pointers to it may be kept. Fields other than atomics belong to the home
/// strand.
class topic : public boost::intrusive_ref_counter<topic, boost::thread_safe_counter> {
 public:
  topic(topic_name of, std::uint64_t seed) : name(std::move(of)), sticky(seed) {}
  topic(const topic&) = delete;
  topic& operator=(const topic&) = delete;

  const topic_name name;
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
  std::uint32_t refusals = 0;             // in a row
  clock_time used_at{};
  clock_time ask_again_at{};  // while it is refused and somebody sends to it all the same

  /// The partition, made when first mentioned.
  partition_queue& partition(std::int32_t index, const settings& rules, buffer_memory& memory, flush_tracker& flushes) {
    while (partitions_.size() <= static_cast<std::size_t>(index)) {
      const auto next = static_cast<std::int32_t>(partitions_.size());
      partitions_.push_back(std::make_unique<partition_queue>(rules, memory, flushes, *this, name, next));
    }
    return *partitions_[static_cast<std::size_t>(index)];
  }
  const std::vector<std::unique_ptr<partition_queue>>& partitions() const noexcept { return partitions_; }

  void make_room_to_publish() { make_room_for_one(tables_); }
  /// Makes a new table visible to senders. Older tables are kept, since a sender may be reading one, and used again:
  /// there are as many as the topic has had different states. Precondition: make_room_to_publish(), which may find no
  /// memory.
  void publish(std::unique_ptr<const partition_table> next) noexcept {
    auto same = std::find_if(tables_.begin(), tables_.end(), [&](const auto& each) { return *each == *next; });
    if (same == tables_.end()) same = tables_.insert(tables_.end(), std::move(next));
    table.store(same->get(), std::memory_order_release);
    sticky.reset();
  }

 private:
  std::vector<std::unique_ptr<partition_queue>> partitions_;
  std::vector<std::unique_ptr<const partition_table>> tables_;
};

using topic_ptr = boost::intrusive_ptr<topic>;

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
