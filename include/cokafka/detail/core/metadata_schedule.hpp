// SPDX-License-Identifier: BSL-1.0
// When cluster metadata is fetched: at once for a new topic, with backoff for news that do not help, and every
// metadata.max.age.ms. Layer 4.
#ifndef COKAFKA_DETAIL_CORE_METADATA_SCHEDULE_HPP
#define COKAFKA_DETAIL_CORE_METADATA_SCHEDULE_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/deadline_heap.hpp"
#include "cokafka/detail/core/backoff.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Requests are coalesced: however many ask, one refresh answers them. Belongs to the home strand.
class metadata_schedule {
 public:
  /// Between two refreshes, whatever `retry.backoff.ms` and `metadata.max.age.ms` say: only a new topic is faster.
  static constexpr std::chrono::milliseconds shortest_pause{10};

  metadata_schedule(backoff_policy again, clock_duration max_age) : again_(again), max_age_(max_age) {}

  /// Somebody met a sign that the metadata is out of date.
  void want() noexcept { wanted_ = true; }
  /// Does not wait for a backoff.
  void want_now() noexcept { at_once_ = true; }
  /// A topic that has never been asked for: nor does it, unless names that are no topics have been asked for just so.
  void want_topic() noexcept { new_topic_ = true; }
  /// So many of those in a row, until one of them is a topic; then one per `retry.backoff.ms`.
  static constexpr int most_in_vain = 10;

  /// Not before that time.
  void want_at(clock_time at) noexcept { later_ = std::min(later_.value_or(at), at); }

  /// What was wanted for later, while the refresh was under way, is wanted later still.
  void postpone(clock_time at) noexcept {
    if (later_) later_ = std::max(*later_, at);
  }

  /// When the next refresh is due; empty when nothing was ever wanted.
  std::optional<clock_time> due() const noexcept {
    if (at_once_) return clock_time::min();
    std::optional<clock_time> at = later_;
    if (succeeded_at_) at = std::min(at.value_or(clock_time::max()), *succeeded_at_ + max_age_);
    if (at) at = std::max(*at, not_before_);  // never without a pause
    if (wanted_) at = not_before_;
    if (new_topic_) at = std::min(at.value_or(clock_time::max()), new_topic_at());
    return at;
  }

  /// A refresh begins; what is wanted from now on is for the next one.
  void started(clock_time now) noexcept {
    if (new_topic_) in_vain_until_ = std::max(in_vain_until_, now) + shortest(again_.base);
    wanted_ = false;
    at_once_ = false;
    new_topic_ = false;
    later_.reset();
  }
  /// Among the names that were asked for was a topic that had not been known.
  void found_topic() noexcept { in_vain_until_ = clock_time::min(); }
  /// It was answered. `helped`: everything that was waited for is known now.
  void succeeded(clock_time now, bool helped, std::uint64_t random) noexcept {
    succeeded_at_ = now;
    attempts_ = helped ? 0 : attempts_ + 1;
    not_before_ = now + pause(std::max<std::uint32_t>(attempts_, 1), random);
    wanted_ = wanted_ || !helped;
  }
  void failed(clock_time now, std::uint64_t random) noexcept {
    wanted_ = true;
    not_before_ = now + pause(++attempts_, random);
  }

 private:
  static clock_duration shortest(clock_duration pause) noexcept {
    return std::max<clock_duration>(shortest_pause, pause);
  }
  clock_duration pause(std::uint32_t attempts, std::uint64_t random) const noexcept {
    return shortest(again_.delay(attempts, random));
  }
  // Each question takes a pause that it does not wait for, up to so many.
  clock_time new_topic_at() const noexcept {
    if (in_vain_until_ == clock_time::min()) return in_vain_until_;
    return in_vain_until_ - (most_in_vain - 1) * shortest(again_.base);
  }

  backoff_policy again_;
  clock_duration max_age_;
  bool wanted_ = false;
  bool at_once_ = false;
  bool new_topic_ = false;
  clock_time in_vain_until_ = clock_time::min();
  std::optional<clock_time> later_{};
  std::uint32_t attempts_ = 0;
  clock_time not_before_ = clock_time::min();
  std::optional<clock_time> succeeded_at_{};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
