// SPDX-License-Identifier: BSL-1.0
// The name of a topic: an immutable string that is shared instead of copied.
// Layer 0.
#ifndef COKAFKA_TOPIC_NAME_HPP
#define COKAFKA_TOPIC_NAME_HPP

#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <new>
#include <string_view>

#include "cokafka/detail/base/config.hpp"

namespace cokafka::inline COKAFKA_ABI {

namespace detail {

// The characters follow the block in the same allocation.
struct topic_name_block {
  explicit topic_name_block(std::size_t n) noexcept : size(n) {}

  std::atomic<std::uint32_t> references{0};
  std::size_t size;

  char* text() noexcept { return reinterpret_cast<char*>(this + 1); }
  const char* text() const noexcept { return reinterpret_cast<const char*>(this + 1); }

  static topic_name_block* make(std::string_view name) {
    void* memory = ::operator new(sizeof(topic_name_block) + name.size());
    auto* block = ::new (memory) topic_name_block(name.size());
    std::memcpy(block->text(), name.data(), name.size());
    return block;
  }

  friend void intrusive_ptr_add_ref(topic_name_block* block) noexcept {
    block->references.fetch_add(1, std::memory_order_relaxed);
  }
  friend void intrusive_ptr_release(topic_name_block* block) noexcept {
    if (block->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      block->~topic_name_block();
      ::operator delete(block);
    }
  }
};

}  // namespace detail

/// The name of a topic. A copy costs one atomic increment; the characters never change and live as long as any copy.
/// Compares, orders and hashes by its characters (the same hash as their string_view, so that maps can be asked with
/// one). The default is the empty name, which allocates nothing.
///
/// Thread safety: distinct objects safe, also when they share their characters; shared objects safe for reading.
class topic_name {
 public:
  topic_name() noexcept = default;
  explicit topic_name(std::string_view name) : block_(name.empty() ? nullptr : detail::topic_name_block::make(name)) {}

  std::string_view str() const noexcept {
    return block_ ? std::string_view(block_->text(), block_->size) : std::string_view();
  }
  operator std::string_view() const noexcept { return str(); }
  std::size_t size() const noexcept { return block_ ? block_->size : 0; }
  bool empty() const noexcept { return !block_; }

  friend bool operator==(const topic_name& left, const topic_name& right) noexcept {
    return left.block_ == right.block_ || left.str() == right.str();
  }
  friend bool operator==(const topic_name& left, std::string_view right) noexcept { return left.str() == right; }
  friend std::strong_ordering operator<=>(const topic_name& left, const topic_name& right) noexcept {
    return left.str() <=> right.str();
  }
  friend std::strong_ordering operator<=>(const topic_name& left, std::string_view right) noexcept {
    return left.str() <=> right;
  }

 private:
  boost::intrusive_ptr<detail::topic_name_block> block_;
};

}  // namespace cokafka::inline COKAFKA_ABI

template <>
struct std::hash<cokafka::topic_name> {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>()(name); }
};

#endif
