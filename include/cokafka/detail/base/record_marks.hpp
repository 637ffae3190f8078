// SPDX-License-Identifier: BSL-1.0
// Which records of a batch are marked, one bit each, and how many of the marked ones stand before a given one.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_RECORD_MARKS_HPP
#define COKAFKA_DETAIL_BASE_RECORD_MARKS_HPP

#include "cokafka/detail/base/config.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// A set of indexes, which grows by bits: ten thousand records cost 1.25 KiB, and half of that again once they are
/// counted. Thread safety: distinct objects safe; shared objects safe for reading.
class record_marks {
 public:
  /// From now on set() finds its memory for every index below `end`.
  void make_room(std::uint32_t end) {
    const std::size_t words = (std::size_t{end} + 63) / 64;
    if (words > words_.size()) words_.resize(words);
  }

  /// False when it was marked already.
  bool set(std::uint32_t index) {
    const std::size_t word = index / 64;
    if (word >= words_.size()) words_.resize(word + 1);
    const std::uint64_t bit = std::uint64_t{1} << (index % 64);
    if ((words_[word] & bit) != 0) return false;
    words_[word] |= bit;
    ++count_;
    return true;
  }

  /// Unmarks it; false when it was not marked.
  bool take(std::uint32_t index) noexcept {
    if (!test(index)) return false;
    words_[index / 64] &= ~(std::uint64_t{1} << (index % 64));
    --count_;
    return true;
  }

  bool test(std::uint32_t index) const noexcept {
    const std::size_t word = index / 64;
    return word < words_.size() && (words_[word] >> (index % 64) & 1) != 0;
  }

  /// Calls visit(index) for each, in order.
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t word = 0; word < words_.size(); ++word) {
      for (std::uint64_t left = words_[word]; left != 0; left &= left - 1) {
        visit(static_cast<std::uint32_t>(word * 64) + static_cast<std::uint32_t>(std::countr_zero(left)));
      }
    }
  }

  std::uint32_t count() const noexcept { return count_; }

  /// How many of [first, end) are marked: linear in their number, 64 at a time.
  std::uint32_t count_between(std::uint32_t first, std::uint32_t end) const noexcept {
    if (first >= end || first / 64 >= words_.size()) return 0;
    std::uint32_t sum = 0;
    const std::size_t last = std::min<std::size_t>(end / 64, words_.size());
    for (std::size_t i = first / 64; i < last; ++i) sum += static_cast<std::uint32_t>(std::popcount(words_[i]));
    if (last < words_.size()) sum += low_bits(last, end % 64);
    return sum - low_bits(first / 64, first % 64);
  }

  /// Counts once, so that below() need not: nothing is marked after this.
  void finish() {
    before_.resize(words_.size());
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      before_[i] = sum;
      sum += static_cast<std::uint32_t>(std::popcount(words_[i]));
    }
  }

  /// How many marked ones are less than `index`, in constant time. Precondition: finish().
  std::uint32_t below(std::uint32_t index) const noexcept {
    const std::size_t word = index / 64;
    return word < words_.size() ? before_[word] + low_bits(word, index % 64) : count_;
  }

 private:
  std::uint32_t low_bits(std::size_t word, std::uint32_t bits) const noexcept {
    return static_cast<std::uint32_t>(std::popcount(words_[word] & ((std::uint64_t{1} << bits) - 1)));
  }

  std::vector<std::uint64_t> words_;
  std::vector<std::uint32_t> before_;  // marked ones before each word
  std::uint32_t count_ = 0;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
