// SPDX-License-Identifier: BSL-1.0
// What a producer has counted since it was made.
// Layer 0.
#ifndef COKAFKA_METRICS_HPP
#define COKAFKA_METRICS_HPP

#include <chrono>
#include <cstdint>

#include "cokafka/detail/base/config.hpp"

namespace cokafka::inline COKAFKA_ABI {

/// Totals since the producer was made; in parentheses the names of the Java client's metrics. Each number is right, but
/// they are not of one moment: strands add to them while they are read.
struct metrics_snapshot {
  std::uint64_t records_written = 0;  ///< acknowledged; with acks=0: taken by the socket (`record-send-total`)
  std::uint64_t records_failed = 0;   ///< accepted by `send`, then failed (`record-error-total`); no withdrawn ones
  std::uint64_t records_retried = 0;  ///< sent again, each time anew (`record-retry-total`)
  std::uint64_t batches_split = 0;    ///< too large for their topic, sent again in pieces (`batch-split-total`)
  std::uint64_t unheard_failures =
      0;  ///< nobody waited for these, some of which `send` refused (`config::on_delivery_failed`)
  std::uint64_t vanished_logs = 0;  ///< times a broker's log had lost what it had acknowledged to this producer
  std::uint64_t throttled_responses =
      0;  ///< answers with a throttle time (KIP-219), also about metadata and producer ids
  std::chrono::milliseconds throttle_time{};  ///< their sum (`produce-throttle-time-avg` times their number)

  metrics_snapshot& operator+=(const metrics_snapshot& more) noexcept {
    records_written += more.records_written;
    records_failed += more.records_failed;
    records_retried += more.records_retried;
    batches_split += more.batches_split;
    unheard_failures += more.unheard_failures;
    vanished_logs += more.vanished_logs;
    throttled_responses += more.throttled_responses;
    throttle_time += more.throttle_time;
    return *this;
  }
  bool operator==(const metrics_snapshot&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI

#endif
