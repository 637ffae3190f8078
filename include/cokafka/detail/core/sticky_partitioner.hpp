// SPDX-License-Identifier: BSL-1.0
// The partition of records without a key: stay for a batch, then move on (KIP-794), per thread slot.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_STICKY_PARTITIONER_HPP
#define COKAFKA_DETAIL_CORE_STICKY_PARTITIONER_HPP

#include "cokafka/detail/base/config.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace cokafka::inline COKAFKA_ABI::detail {

/// The slot of the calling thread. Threads spread over slots, and so over partitions, instead of fighting for one
/// partition's lock.
inline constexpr std::size_t sticky_slots = 8;
inline std::size_t& thread_slot_of_caller() noexcept {
  static std::atomic<std::size_t> threads{0};
  thread_local std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed) % sticky_slots;
  return mine;
}
inline std::size_t thread_slot() noexcept { return thread_slot_of_caller(); }
/// For simulations: which thread runs them must not matter.
inline void use_thread_slot(std::size_t slot) noexcept { thread_slot_of_caller() = slot % sticky_slots; }

/// splitmix64: one step of a seeded generator; chance is injected, never taken from the system here.
constexpr std::uint64_t next_random(std::uint64_t& state) noexcept {
  std::uint64_t mixed = (state += 0x9e3779b97f4a7c15ULL);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
  return mixed ^ (mixed >> 31);
}

/// One topic's choice, per slot. A slot is a handful of relaxed atomics: two threads that share one may count a few
/// bytes too few, which only moves the moment of the next choice. Thread safety: shared objects safe.
class sticky_partitioner {
 public:
  static constexpr std::uint32_t unset = 0xffffffff;

  explicit sticky_partitioner(std::uint64_t seed) {
    for (auto& each : slots_) each.random.store(next_random(seed), std::memory_order_relaxed);
  }

  /// An index into a list of `available` partitions (at least one).
  std::uint32_t choose(std::size_t slot, std::size_t available) noexcept {
    auto& mine = slots_[slot];
    std::uint32_t current = mine.current.load(std::memory_order_relaxed);
    if (current == unset || current >= available) {
      std::uint64_t state = mine.random.load(std::memory_order_relaxed);
      current = static_cast<std::uint32_t>(next_random(state) % available);
      mine.random.store(state, std::memory_order_relaxed);
      mine.current.store(current, std::memory_order_relaxed);
      mine.produced.store(0, std::memory_order_relaxed);
    }
    return current;
  }

  /// `bytes` went to the chosen partition. It is left after `batch_size` bytes when a batch begins, and after twice as
  /// many in any case: a batch that grows because its partition has no slot must not collect everything.
  void produced(std::size_t slot, std::size_t bytes, bool began_batch, std::size_t batch_size) noexcept {
    auto& mine = slots_[slot];
    const std::size_t before = mine.produced.load(std::memory_order_relaxed);
    const std::size_t total = before + bytes;
    mine.produced.store(total, std::memory_order_relaxed);
    if ((began_batch && before >= batch_size) || total >= 2 * batch_size) {
      mine.current.store(unset, std::memory_order_relaxed);
    }
  }

  /// The chosen partition cannot take anything now: the next record chooses again.
  void leave(std::size_t slot) noexcept { slots_[slot].current.store(unset, std::memory_order_relaxed); }

  /// The list of available partitions has changed: every slot chooses again.
  void reset() noexcept {
    for (auto& each : slots_) each.current.store(unset, std::memory_order_relaxed);
  }

 private:
  struct alignas(64) slot_state {
    std::atomic<std::uint32_t> current{unset};
    std::atomic<std::size_t> produced{0};
    std::atomic<std::uint64_t> random{0};
  };
  std::array<slot_state, sticky_slots> slots_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
