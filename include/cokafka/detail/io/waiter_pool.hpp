// SPDX-License-Identifier: BSL-1.0
// Memory for waiting operations: one co_await per record must not mean one malloc per record.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_WAITER_POOL_HPP
#define COKAFKA_DETAIL_IO_WAITER_POOL_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/spin_lock.hpp"

#include <array>
#include <cstddef>
#include <mutex>
#include <new>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Blocks of up to 512 bytes in steps of 64, kept for reuse until the pool goes. Thread safety: shared objects safe.
class waiter_pool {
 public:
  waiter_pool() = default;
  waiter_pool(const waiter_pool&) = delete;
  waiter_pool& operator=(const waiter_pool&) = delete;
  ~waiter_pool() {
    for (block* list : free_) {
      while (list != nullptr) {
        block* const next = list->next;
        ::operator delete(list);
        list = next;
      }
    }
  }

  void* allocate(std::size_t size) {
    const std::size_t slot = slot_of(size);
    if (slot >= free_.size()) return ::operator new(size);
    {
      std::scoped_lock guard(lock_);
      if (block* found = free_[slot]) {
        free_[slot] = found->next;
        return found;
      }
    }
    return ::operator new((slot + 1) * step);
  }

  void deallocate(void* memory, std::size_t size) noexcept {
    const std::size_t slot = slot_of(size);
    if (slot >= free_.size()) return ::operator delete(memory);
    auto* freed = static_cast<block*>(memory);
    std::scoped_lock guard(lock_);
    freed->next = free_[slot];
    free_[slot] = freed;
  }

 private:
  struct block {
    block* next;
  };
  static constexpr std::size_t step = 64;
  static constexpr std::size_t slot_of(std::size_t size) noexcept { return size == 0 ? 0 : (size - 1) / step; }

  spin_lock lock_;
  std::array<block*, 8> free_{};
};

/// The pool as a standard allocator: the default associated allocator of our operations.
template <class T>
class pool_allocator {
 public:
  using value_type = T;
  explicit pool_allocator(waiter_pool& pool) noexcept : pool_(&pool) {}
  template <class U>
  pool_allocator(const pool_allocator<U>& other) noexcept : pool_(other.pool_) {}

  T* allocate(std::size_t n) { return static_cast<T*>(pool_->allocate(n * sizeof(T))); }
  void deallocate(T* memory, std::size_t n) noexcept { pool_->deallocate(memory, n * sizeof(T)); }
  template <class U>
  bool operator==(const pool_allocator<U>& other) const noexcept {
    return pool_ == other.pool_;
  }

  waiter_pool* pool_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
