// SPDX-License-Identifier: BSL-1.0
// Bodies of engine: topics that nobody sends to any more, and links to brokers that are gone.
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_EXPIRY_IPP
#define COKAFKA_DETAIL_ENGINE_EXPIRY_IPP

#include "cokafka/detail/engine/engine.hpp"

#include <algorithm>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

// KIP-526, looked at whenever metadata is about to be fetched. A sender only marks the topic; the time is read here.
COKAFKA_DECL bool engine::is_idle(topic& of, clock_time now) {
  if (of.used.exchange(false, std::memory_order_acq_rel)) {
    of.used_at = now;
    of.is_forgotten.store(false, std::memory_order_release);
  }
  if (of.is_forgotten.load(std::memory_order_relaxed)) return false;
  if (now - of.used_at < clock_duration(settings_.user.metadata_max_idle)) return false;
  if (of.parked.load(std::memory_order_seq_cst) > 0) return false;
  const bool has_records = std::any_of(of.partitions().begin(), of.partitions().end(), [](const auto& each) {
    return each->outstanding().records > 0 || each->parked.load(std::memory_order_seq_cst) > 0;
  });
  if (has_records) return false;
  std::scoped_lock guard(mutex_);
  return std::none_of(watches_.begin(), watches_.end(), [&](const topic_watch& each) { return each.of == &of; });
}

// As if it had never been asked for. A sender that is just reading the old table may still append to a partition, which
// then waits on the home strand for metadata.
COKAFKA_DECL void engine::forget_topic(topic& idle) {
  say(log_level::debug, "topic " + std::string(idle.name.str()) + " is forgotten: nobody sends to it");
  idle.is_forgotten.store(true, std::memory_order_seq_cst);  // before the table goes, see accumulator::park
  idle.asked_for = false;
  idle.refusals = 0;
  idle.last_error.store(broker_errc::none, std::memory_order_relaxed);
  idle.refused.store(broker_errc::none, std::memory_order_relaxed);
  idle.table.store(nullptr, std::memory_order_release);
  metadata_.forget(std::string(idle.name.str()));
  for (const auto& each : idle.partitions()) {
    if (each->owner.load(std::memory_order_acquire) != nullptr) assign(*each, home_, false);
  }
}

// A link is never destroyed before the engine: a sender may be on its way to wake it. It is used again for the next
// broker that comes, so that there are never more than were needed at one time.
COKAFKA_DECL void engine::spare_links() {
  if (metadata_.brokers().empty()) return;
  for (auto next = links_.begin(); next != links_.end();) {
    const auto here = next++;
    if (metadata_.brokers().contains(here->first) || is_needed(*here->second)) continue;
    here->second->let_go();
    std::scoped_lock guard(mutex_);
    spare_.push_back(std::move(here->second));
    links_.erase(here);
  }
  accumulator_.memory.limit_shares(links_.size() > 1);
}

COKAFKA_DECL bool engine::is_needed(const broker_link& link) const {
  if (link.share.used.load(std::memory_order_acquire) != 0) return true;
  for (const topic* of : accumulator_.topics.kept()) {
    const bool owns = std::any_of(of->partitions().begin(), of->partitions().end(), [&](const auto& each) {
      return each->owner.load(std::memory_order_acquire) == &link ||
             each->desired_owner.load(std::memory_order_acquire) == &link;
    });
    if (owns) return true;
  }
  return false;
}

COKAFKA_DECL broker_link& engine::make_link(std::int32_t id, const endpoint& at) {
  std::scoped_lock guard(mutex_);
  std::unique_ptr<broker_link>& made = links_[id];
  if (spare_.empty()) {
    made = std::make_unique<broker_link>(*this, operations_->executor, id, at);
  } else {
    made = std::move(spare_.back());
    spare_.pop_back();
    made->take_on(id, at);
  }
  accumulator_.memory.limit_shares(links_.size() > 1);
  return *made;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
