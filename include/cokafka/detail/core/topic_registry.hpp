// SPDX-License-Identifier: BSL-1.0
// All topics by name; the last one asked for is found without hashing.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_TOPIC_REGISTRY_HPP
#define COKAFKA_DETAIL_CORE_TOPIC_REGISTRY_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/topic.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Topics that have partitions live as long as the registry: there are not more than the cluster has had. Of the
/// others, which anybody can name, the latest are remembered, and those that somebody needs: a parked record, a handle,
/// a call that is under way. Thread safety: shared objects safe.
class topic_registry {
 public:
  /// So many topics without partitions are remembered although nobody needs them. Forgetting one costs an early
  /// question to the cluster when it is named again.
  static constexpr std::size_t most_unneeded = 1000;

  explicit topic_registry(std::uint64_t seed) : seed_(seed) {}

  /// The topic that was asked for last, if it is this one and has partitions.
  topic* find_recent(std::string_view name) const noexcept {
    topic* last = last_.load(std::memory_order_acquire);
    return last != nullptr && last->name.str() == name ? last : nullptr;
  }

  topic_ptr find_or_add(std::string_view name) {
    std::scoped_lock guard(mutex_);
    auto found = by_name_.find(name);
    if (found == by_name_.end()) {
      give_up_some();
      passing_.push_back(topic_ptr(new topic(topic_name(name), next_random(seed_))));
      try {
        found = by_name_.emplace(passing_.back()->name.str(), std::prev(passing_.end())).first;
      } catch (...) {
        passing_.pop_back();
        throw;
      }
    }
    const topic_ptr& of = *found->second;
    if (of->is_kept.load(std::memory_order_relaxed)) last_.store(of.get(), std::memory_order_release);
    return of;
  }

  topic_ptr find(std::string_view name) const {
    std::scoped_lock guard(mutex_);
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : *found->second;
  }

  /// It is about to get partitions.
  void keep(topic& of) {
    if (of.is_kept.load(std::memory_order_relaxed)) return;
    std::scoped_lock guard(mutex_);
    of.is_kept.store(true, std::memory_order_relaxed);
    kept_.splice(kept_.end(), passing_, by_name_.find(of.name.str())->second);
  }

  /// Those with partitions, in the order in which they got them.
  std::vector<topic*> kept() const {
    std::scoped_lock guard(mutex_);
    std::vector<topic*> listed;
    listed.reserve(kept_.size());
    for (const auto& each : kept_) listed.push_back(each.get());
    return listed;
  }
  /// All of them.
  std::vector<topic_ptr> all() const {
    std::vector<topic_ptr> listed;
    for_each([&](topic& each) { listed.emplace_back(&each); });
    return listed;
  }
  /// Calls visit(topic) for each, under the registry's lock.
  template <class Visit>
  void for_each(Visit visit) const {
    std::scoped_lock guard(mutex_);
    for (const auto& each : kept_) visit(*each);
    for (const auto& each : passing_) visit(*each);
  }
  bool empty() const {
    std::scoped_lock guard(mutex_);
    return by_name_.empty();
  }

 private:
  using list = std::list<topic_ptr>;

  // Under the mutex, under which alone a topic that nobody else has is found. A few steps each time: those that are
  // needed go to the end.
  void give_up_some() noexcept {
    for (int steps = 4; steps > 0 && passing_.size() >= most_unneeded; --steps) {
      const topic_ptr& oldest = passing_.front();
      if (oldest->use_count() == 1) {
        by_name_.erase(oldest->name.str());
        passing_.pop_front();
      } else {
        passing_.splice(passing_.end(), passing_, passing_.begin());
      }
    }
  }

  mutable std::mutex mutex_;
  std::unordered_map<std::string_view, list::iterator> by_name_;
  list kept_;
  list passing_;  // the oldest first, as far as nobody needed it
  std::atomic<topic*> last_{nullptr};
  std::uint64_t seed_;
};

/// Kafka's rule for the names of topics: 1 to 249 of a-z A-Z 0-9 . _ -, and neither "." nor "..".
constexpr bool is_valid_topic_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 249 || name == "." || name == "..") return false;
  for (const char c : name) {
    const bool legal =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!legal) return false;
  }
  return true;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
