// SPDX-License-Identifier: BSL-1.0
// Bodies of accumulator: how parked records fail or are withdrawn, and who waits for space.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PARKING_END_IPP
#define COKAFKA_DETAIL_CORE_PARKING_END_IPP

#include "cokafka/detail/core/accumulator.hpp"

#include "cokafka/detail/core/if_memory.hpp"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

// --- endings ---------------------------------------------------------------------------------------------------------

COKAFKA_DECL void accumulator::fail_one(parked_record& parked, error_details why, clock_time now,
                                        effects& out) noexcept {
  leave_line(parked);
  if (parked.reason == parked_for::space) {
    parked.space_waiter->failure = make_error(std::move(why));
    out.ended.push_back(*std::exchange(parked.space_waiter, nullptr));
    return;
  }
  why.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - parked.sent_at);
  batch_outcome outcome;
  outcome.failure = make_error(std::move(why));
  note_unheard(parked, *outcome.failure, out);
  ++out.counted.records_failed;
  out.complete(*parked.done, std::move(outcome));
  out.end_flushes(flushes.leave(parked.generation));
}

// Before it ends. Whoever holds the delivery now can look.
COKAFKA_DECL void accumulator::note_unheard(parked_record& parked, const error& why, effects& out) noexcept {
  const record_view& record = parked.record->view();
  const bool notes_dropped = parked.done->notes_dropped;
  const bool held =
      notes_dropped ? if_memory([&] { return parked.done->take_dropped(0, 1); }).empty() : parked.done->use_count() > 1;
  if (held) return;
  const std::int32_t partition = record.partition.value_or(-1);
  out.note_unheard(1, why, parked.of->name, partition);
  if (!notes_dropped) return;
  if_memory([&] {
    auto copy = refused_record::make(record, parked.timestamp, reports);
    if (copy) out.unheard.push_back({why, parked.of->name, partition, nullptr, {}, std::move(copy)});
  });
}

COKAFKA_DECL void accumulator::fail_without_partition(parked_record& parked, const partition_table& table,
                                                      clock_time now, effects& out) noexcept {
  error_details why;
  why.code = errc::unknown_partition;
  why.message = if_memory([&] {
    return "topic " + std::string(parked.of->name.str()) + " has " + std::to_string(table.all.size()) +
           " partitions, there is no partition " + std::to_string(parked.record->view().partition.value_or(-1));
  });
  fail_one(parked, std::move(why), now, out);
}

COKAFKA_DECL void accumulator::refuse(topic& of, broker_errc why, const std::string& message, clock_time now,
                                      effects& out) {
  std::scoped_lock guard(mutex_);
  of.refused.store(why, std::memory_order_relaxed);
  const auto fails = [&](parked_ptr& each) {
    if (each->of != &of) return false;
    error_details details;
    details.code =
        why == broker_errc::invalid_topic_exception ? make_error_code(errc::invalid_topic) : make_error_code(why);
    details.message = if_memory([&] { return message; });
    fail_one(*each, std::move(details), now, out);
    return true;
  };
  if (of.waiting > 0) std::erase_if(metadata_line_, fails);
}

namespace accumulating {

// Why records are due that wait for metadata: thousands in a row of one topic get the same text.
class missing_metadata {
 public:
  explicit missing_metadata(const std::string& unreachable) : unreachable_(unreachable) {}
  void explain(const topic& of, error_details& why) noexcept {
    const broker_errc last = of.last_error.load(std::memory_order_relaxed);
    if (!unreachable_.empty()) {
      why.code = errc::no_brokers;
      why.message = if_memory([this] { return unreachable_; });
    } else if (last == broker_errc::none) {
      why.code = errc::metadata_timed_out;
    } else {
      why.code = last;
      why.message = if_memory([&] { return text_for(of, last); });
    }
  }

 private:
  const std::string& text_for(const topic& of, broker_errc last) {
    if (of_ == &of && last_ == last) return text_;
    of_ = nullptr;
    text_ = "topic " + std::string(of.name.str()) + ": " + make_error_code(last).message();
    of_ = &of;
    last_ = last;
    return text_;
  }

  const std::string& unreachable_;
  const topic* of_ = nullptr;
  broker_errc last_ = broker_errc::none;
  std::string text_{};
};

}  // namespace accumulating

COKAFKA_DECL void accumulator::expire(clock_time now, const std::string& unreachable, boost::system::error_code cause,
                                      std::size_t most, effects& out) {
  std::unique_lock guard(mutex_);
  accumulating::missing_metadata metadata(unreachable);
  bool any = false;
  for (; most > 0; --most) {
    deadline_entry* const due = deadlines_.pop_due(now);
    if (due == nullptr) break;
    any = true;
    auto& parked = *static_cast<parked_record*>(due->owner);
    error_details why;
    why.cause = cause;
    switch (parked.reason) {
      case parked_for::memory:
      case parked_for::share:
      case parked_for::space: why.code = errc::buffer_timed_out; break;
      case parked_for::partition: why.code = errc::unknown_partition; break;
      case parked_for::metadata: metadata.explain(*parked.of, why); break;
    }
    fail_one(parked, std::move(why), now, out);
    take_out(parked);
  }
  if (!any) return;
  guard.unlock();
  place_waiting(out);  // what was behind them in the line may fit
}

COKAFKA_DECL void accumulator::fail_parked(const error_details& why, clock_time now, effects& out) noexcept {
  std::scoped_lock guard(mutex_);
  for_each_line([&](parking_line& line) {
    for (auto& each : line) fail_one(*each, copied(why), now, out);
    line.clear();
  });
  for (share_line& each : share_lines_) each.of->line = nullptr;
  share_lines_.clear();
  memory.somebody_waits(false);
}

COKAFKA_DECL void accumulator::purge(clock_time now, effects& out) {
  const std::vector<topic*> kept = topics.kept();
  {
    error_details why;
    why.code = errc::purged;
    std::scoped_lock guard(mutex_);
    std::vector<parked_record*> purged;
    for_each_line([&](const parking_line& line) {
      for (const auto& each : line) {
        if (each->reason != parked_for::space) purged.push_back(each.get());
      }
    });
    for (parked_record* each : purged) {
      fail_one(*each, why, now, out);
      take_out(*each);
    }
    note_waited_shares();
  }
  for (topic* each : kept) {
    for (const auto& partition : each->partitions()) {
      if (partition->owner.load(std::memory_order_acquire) == nullptr) continue;
      partition->purge_wanted.store(true, std::memory_order_release);
      wake(*partition);
    }
  }
}

COKAFKA_DECL std::optional<clock_time> accumulator::earliest_parked_deadline() {
  std::scoped_lock guard(mutex_);
  return deadlines_.earliest();
}

COKAFKA_DECL bool accumulator::is_partition_missing() {
  std::scoped_lock guard(mutex_);
  return waiting_for_partition_ > 0;
}

COKAFKA_DECL void accumulator::refresh_begins() {
  std::scoped_lock guard(mutex_);
  ++refreshes_begun_;
}

COKAFKA_DECL void accumulator::refresh_answered() {
  std::scoped_lock guard(mutex_);
  refreshes_answered_ = refreshes_begun_;
}

COKAFKA_DECL void accumulator::abandon(waiter_list& out) noexcept {
  std::scoped_lock guard(mutex_);
  for_each_line([&](parking_line& line) {
    for (auto& each : line) {
      if (each->done) {
        waiter_list waiting = each->done->abandon(fate::not_written);
        out.splice(out.end(), waiting);
      }
      if (each->space_waiter != nullptr) out.push_back(*std::exchange(each->space_waiter, nullptr));
    }
  });
}

// --- withdrawing -----------------------------------------------------------------------------------------------------

COKAFKA_DECL bool accumulator::withdraw(completion& of, record_waiter& asked, effects& out) {
  completion* in_batch = &of;
  if (of.of == nullptr) {
    std::unique_lock guard(mutex_);
    if (parked_record* const parked = of.parked) {
      if (!of.detach(asked)) return false;
      leave_line(*parked);
      out.end_flushes(flushes.leave(parked->generation));
      take_out(*parked);
      guard.unlock();
      home_.attention();  // what was behind it in the line may fit
      return true;
    }
    in_batch = of.forwarded_to();
    if (in_batch == nullptr) return false;
  }
  const auto withdrawn = in_batch->of->withdraw(*in_batch, asked, out);
  if (withdrawn.wake) wake(*in_batch->of);
  return withdrawn.done;
}

// --- waiting for space -----------------------------------------------------------------------------------------------

COKAFKA_DECL bool accumulator::wait_for_space(operation_waiter& waiting, std::size_t bytes, clock_time now) {
  if (bytes > memory.total()) {
    waiting.failure = error(errc::record_too_large);
    return false;
  }
  // A record may have to begin a chunk, so the largest chunk must fit as well.
  const std::size_t wanted = std::min(bytes + chunk_sizes.back(), memory.total());
  {
    std::scoped_lock guard(mutex_);
    if (is_closed()) {
      waiting.failure = error(errc::closed);
      return false;
    }
    memory.somebody_waits(true);
    // Those who wait for a broker's share alone are no reason to wait behind them.
    if (!is_memory_short() && memory.available() >= wanted) {
      memory.somebody_waits(!share_lines_.empty());
      return false;
    }
    auto parked = std::make_unique<parked_record>();
    parked->reason = parked_for::space;
    parked->sent_at = now;
    parked->space_waiter = &waiting;
    parked->space_wanted = wanted;
    enter(std::move(parked), nullptr);
  }
  home_.attention();
  return true;
}

COKAFKA_DECL bool accumulator::cancel_space(operation_waiter& waiting) {
  {
    std::scoped_lock guard(mutex_);
    const auto found = std::find_if(memory_line_.begin(), memory_line_.end(),
                                    [&](const parked_ptr& each) { return each->space_waiter == &waiting; });
    if (found == memory_line_.end()) return false;
    leave_line(**found);
    take_out(**found);
  }
  home_.attention();  // what was behind it in the line may fit
  return true;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
