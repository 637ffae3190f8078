// SPDX-License-Identifier: BSL-1.0
// All topics by name; the last one asked for is found without hashing.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_TOPIC_REGISTRY_HPP
#define COKAFKA_DETAIL_CORE_TOPIC_REGISTRY_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/topic.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Thread safety: shared objects safe. Topics live as long as the registry.
class topic_registry {
 public:
  explicit topic_registry(std::uint64_t seed) : seed_(seed) {}

  /// The topic that was asked for last, if it is this one.
  topic* find_recent(std::string_view name) const noexcept {
    topic* last = last_.load(std::memory_order_acquire);
    return last != nullptr && last->name.str() == name ? last : nullptr;
  }

  topic& find_or_add(std::string_view name) {
    std::scoped_lock guard(mutex_);
    auto found = by_name_.find(name);
    if (found == by_name_.end()) {
      topics_.push_back(std::make_unique<topic>(topic_name(name), next_random(seed_)));
      found = by_name_.emplace(topics_.back()->name.str(), topics_.back().get()).first;
    }
    last_.store(found->second, std::memory_order_release);
    return *found->second;
  }

  topic* find(std::string_view name) const {
    std::scoped_lock guard(mutex_);
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

  /// All topics, in the order in which they were first named.
  std::vector<topic*> all() const {
    std::scoped_lock guard(mutex_);
    std::vector<topic*> listed;
    listed.reserve(topics_.size());
    for (const auto& each : topics_) listed.push_back(each.get());
    return listed;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string_view, topic*> by_name_;
  std::vector<std::unique_ptr<topic>> topics_;
  std::atomic<topic*> last_{nullptr};
  std::uint64_t seed_;
};

/// Kafka's rule for the names of topics: 1 to 249 of a-z A-Z 0-9 . _ -, and neither "." nor "..".
constexpr bool is_valid_topic_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 249 || name == "." || name == "..") return false;
  for (const char c : name) {
    const bool legal = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!legal) return false;
  }
  return true;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
