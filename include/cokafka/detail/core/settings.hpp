// SPDX-License-Identifier: BSL-1.0
// What the rules need of the configuration, computed once when the producer is made.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_SETTINGS_HPP
#define COKAFKA_DETAIL_CORE_SETTINGS_HPP

#include "cokafka/config.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/deadline_heap.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace cokafka::inline COKAFKA_ABI::detail {

/// The configuration in the units of the rules. Owned by the core; constant.
struct settings {
  explicit settings(const config& from, std::string client_id_chosen, std::int32_t first_sequence_number = 0)
      : user(from),
        client_id(std::move(client_id_chosen)),
        acks(static_cast<std::int16_t>(from.acks)),
        idempotent(from.idempotent()),
        delivery_timeout(from.effective_delivery_timeout()),
        batch_size(from.batch_size > 0 ? static_cast<std::size_t>(from.batch_size) : 1),
        max_request_size(static_cast<std::size_t>(from.max_request_size)),
        batch_limit(max_request_size > request_overhead ? max_request_size - request_overhead : 1),
        partition_window(idempotent ? 5 : from.max_in_flight_requests_per_connection),
        max_in_flight(static_cast<std::size_t>(from.max_in_flight_requests_per_connection)),
        first_sequence(first_sequence_number) {
    // Kafka's "for ever" is 2^63 - 1 ms, which is too much for a clock of nanoseconds.
    for (auto* each : {&user.max_block, &user.metadata_max_age, &user.metadata_max_idle,
                       &user.metadata_recovery_rebootstrap_trigger, &user.retry_backoff, &user.retry_backoff_max,
                       &user.reconnect_backoff, &user.reconnect_backoff_max, &user.socket_connection_setup_timeout,
                       &user.socket_connection_setup_timeout_max, &user.connections_max_idle}) {
      *each = bounded(*each);
    }
    // Without a pause a closed port would keep a processor busy.
    user.reconnect_backoff = std::max(user.reconnect_backoff, std::chrono::milliseconds(1));
  }

  /// No wait is longer than a hundred years.
  static constexpr std::chrono::milliseconds bounded(std::chrono::milliseconds wait) noexcept {
    return std::min(wait, std::chrono::milliseconds(std::chrono::hours(24 * 36525)));
  }
  /// Until when a record is tried: its own limit, or the configuration's.
  clock_duration timeout_of(const std::optional<std::chrono::milliseconds>& own) const noexcept {
    return own ? clock_duration(bounded(*own)) : delivery_timeout;
  }

  bool reports_failures() const noexcept { return static_cast<bool>(user.on_delivery_failed); }

  // A request with one batch: size, header with client id, acks, timeout, one topic of 249 characters, one partition.
  static constexpr std::size_t request_overhead = 512;

  config user;
  std::string client_id;
  std::int16_t acks;
  bool idempotent;
  clock_duration delivery_timeout;
  std::size_t batch_size;        // where a batch becomes ready
  std::size_t max_request_size;  // no request is larger, but for a single record that is
  std::size_t batch_limit;       // where a batch ends (guarantee.md, rule 5)
  std::int32_t partition_window;
  std::size_t max_in_flight;
  std::int32_t first_sequence;  // of each partition under its first producer id; not 0 in tests of the wrap
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
