// SPDX-License-Identifier: BSL-1.0
// What a rule wants done: handlers to run, lines to log, news for the engine. The tasks carry it out.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_EFFECTS_HPP
#define COKAFKA_DETAIL_CORE_EFFECTS_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/completion.hpp"
#include "cokafka/detail/core/if_memory.hpp"
#include "cokafka/detail/core/unheard.hpp"
#include "cokafka/detail/core/waiter.hpp"
#include "cokafka/logger.hpp"
#include "cokafka/metrics.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Filled under no lock, carried out on a strand, outside every lock. To be carried out also where what filled it has
/// thrown: who is linked here is linked nowhere else.
struct effects {
  waiter_list answered{};                  // record_waiters, in record order per batch
  completion_line handed_out{};            // whose: once those have been posted, who came meanwhile is behind them
  waiter_list ended{};                     // operation_waiters: flushes that have ended, space that is there
  std::vector<unheard_records> unheard{};  // failed, and nobody waits for them: to be reported
  metrics_snapshot counted{};              // unheard_failures: these, and those that nobody wants reported
  error unheard_why{};                     // of the first, and where it was going
  std::string unheard_where{};
  bool refresh_metadata = false;
  std::vector<std::pair<log_level, std::string>> log{};

  /// Ends it, and takes over who waited.
  void complete(completion& ended_one, batch_outcome outcome) noexcept {
    waiter_list more = ended_one.complete(std::move(outcome));
    if (more.empty()) return;
    if (!ended_one.has_one_record) handed_out.push_back(ended_one);
    answered.splice(answered.end(), more);
  }
  /// The waiters of single records, as end_some() and forward() hand them out: nobody queues up behind those.
  void answer(waiter_list&& more) noexcept { answered.splice(answered.end(), more); }
  void note_unheard(std::uint64_t count, const error& why, const topic_name& topic, std::int32_t partition) noexcept {
    const bool is_first = count > 0 && counted.unheard_failures == 0;
    counted.unheard_failures += count;
    if (!is_first) return;
    unheard_why = why;
    unheard_where = if_memory(
        [&] { return std::string(topic.str()) + (partition >= 0 ? "-" + std::to_string(partition) : std::string()); });
  }
  void end_flushes(waiter_list&& more) noexcept { ended.splice(ended.end(), more); }
  void say(log_level level, std::string line) { log.emplace_back(level, std::move(line)); }
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
