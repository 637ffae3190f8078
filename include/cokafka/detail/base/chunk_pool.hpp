// SPDX-License-Identifier: BSL-1.0
// Byte chunks of three sizes, the chains they form, and the pool that hands them out and keeps them for reuse.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_CHUNK_POOL_HPP
#define COKAFKA_DETAIL_BASE_CHUNK_POOL_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/spin_lock.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

/// A block of `capacity` bytes behind this header; the first `size` are in use.
struct chunk {
  chunk* next = nullptr;
  std::uint32_t size = 0;
  std::uint32_t capacity = 0;

  char* data() noexcept { return reinterpret_cast<char*>(this + 1); }
  const char* data() const noexcept { return reinterpret_cast<const char*>(this + 1); }
  std::size_t room() const noexcept { return capacity - size; }
};

/// A singly linked list of chunks with its total capacity. Plain data: who holds it gives it back to the pool.
struct chunk_chain {
  chunk* head = nullptr;
  chunk* tail = nullptr;
  std::size_t capacity = 0;

  bool empty() const noexcept { return head == nullptr; }
  void push_back(chunk* added) noexcept {
    (tail ? tail->next : head) = added;
    tail = added;
    capacity += added->capacity;
  }
  /// Moves all chunks of `other` behind ours.
  void splice(chunk_chain&& other) noexcept {
    if (other.empty()) return;
    (tail ? tail->next : head) = other.head;
    tail = other.tail;
    capacity += other.capacity;
    other = chunk_chain{};
  }
};

/// Chunks grow within a batch: 1 KiB, then 4 KiB, then 16 KiB, so that ten thousand partitions with one record each
/// cost 10 MiB and a full batch costs few chunks. Counted without the header of a chunk.
inline constexpr std::array<std::size_t, 3> chunk_sizes{1024, 4096, 16384};

/// The size of the next chunk of a chain that holds `capacity` bytes already.
constexpr std::size_t next_chunk_size(std::size_t capacity) noexcept {
  return capacity == 0 ? chunk_sizes[0] : capacity < chunk_sizes[2] ? chunk_sizes[1] : chunk_sizes[2];
}

/// How many bytes of chunks a chain of `capacity` bytes takes to grow by at least `wanted` bytes.
constexpr std::size_t chunk_bytes_for(std::size_t capacity, std::size_t wanted) noexcept {
  std::size_t taken = 0;
  while (taken < wanted) taken += next_chunk_size(capacity + taken);
  return taken;
}

/// Free lists of chunks, one per size; owned by the memory budget of one producer. What is in use, here and beside, and what
/// is kept for reuse is together not more than `limit`, as long as no more than that is in use: where chunks of one size
/// are wanted, free ones of other sizes go. Thread safety: shared objects safe.
class chunk_pool {
 public:
  explicit chunk_pool(std::size_t limit = static_cast<std::size_t>(-1)) noexcept : limit_(limit) {}
  chunk_pool(const chunk_pool&) = delete;
  chunk_pool& operator=(const chunk_pool&) = delete;
  ~chunk_pool() {
    for (auto& list : free_) {
      while (chunk* top = list) {
        list = top->next;
        ::operator delete(top);
      }
    }
  }

  /// A chain that grows one of `capacity` bytes by at least `wanted` bytes. Throws std::bad_alloc only.
  chunk_chain acquire(std::size_t capacity, std::size_t wanted) {
    chunk_chain taken;
    try {
      while (taken.capacity < wanted) taken.push_back(acquire_one(next_chunk_size(capacity + taken.capacity)));
    } catch (...) {
      release(std::move(taken));
      throw;
    }
    return taken;
  }

  /// Bytes of all chunks that exist, in use or free.
  std::size_t made() noexcept {
    std::scoped_lock guard(lock_);
    return made_;
  }

  /// So many bytes more (or less) are in use beside the chunks: as many free ones go.
  void count_beside(std::ptrdiff_t bytes) noexcept {
    if (bytes == 0) return;
    std::scoped_lock guard(lock_);
    beside_ += static_cast<std::size_t>(bytes);
    make_room(0);
  }

  void release(chunk_chain&& chain) noexcept {
    std::scoped_lock guard(lock_);
    for (chunk* each = chain.head; each != nullptr;) {
      chunk* following = each->next;
      each->next = std::exchange(free_[class_of(each->capacity)], each);
      each = following;
    }
    chain = chunk_chain{};
  }

 private:
  static constexpr std::size_t class_of(std::size_t size) noexcept {
    return size == chunk_sizes[0] ? 0 : size == chunk_sizes[1] ? 1 : 2;
  }

  chunk* acquire_one(std::size_t size) {
    {
      std::scoped_lock guard(lock_);
      if (chunk*& top = free_[class_of(size)]) {
        chunk* found = top;
        top = found->next;
        found->next = nullptr;
        found->size = 0;
        return found;
      }
      make_room(size);
    }
    void* const memory = ::operator new(sizeof(chunk) + size, std::nothrow);
    if (memory == nullptr) {
      std::scoped_lock guard(lock_);
      made_ -= size;
      throw std::bad_alloc();
    }
    auto* made = ::new (memory) chunk;
    made->capacity = static_cast<std::uint32_t>(size);
    return made;
  }

  // Counts a chunk that is about to be made, and frees others where it is too many. Under the lock.
  void make_room(std::size_t size) noexcept {
    made_ += size;
    for (auto& list : free_) {
      while (made_ + beside_ > limit_ && list != nullptr) {
        chunk* const gone = std::exchange(list, list->next);
        made_ -= gone->capacity;
        ::operator delete(gone);
      }
    }
  }

  const std::size_t limit_;
  std::size_t made_ = 0;    // bytes of all chunks that exist
  std::size_t beside_ = 0;  // bytes that are charged with them
  spin_lock lock_;
  std::array<chunk*, chunk_sizes.size()> free_{};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
