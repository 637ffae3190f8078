// SPDX-License-Identifier: BSL-1.0
// A record as the caller describes it: views of bytes, which `producer::send` copies during the call.
// Layer 0.
#ifndef COKAFKA_RECORD_HPP
#define COKAFKA_RECORD_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "cokafka/bytes_view.hpp"

namespace cokafka::inline COKAFKA_ABI {

/// One header of a record. Keys may repeat; order is kept.
struct header_view {
  std::string_view key{};             ///< UTF-8, may be empty
  std::optional<bytes_view> value{};  ///< nullopt is Kafka's null
};

/// What is to be sent, by reference. Made for designated initialisers:
///
///     co_await producer.send({.topic = "orders", .key = "order-123", .value = R"({"amount":100})"});
///
/// Lifetime: everything it points to must live until `send` has returned, not longer.
/// Thread safety: distinct objects safe; shared objects safe for reading.
struct record_view {
  std::string_view topic{};                                                     ///< empty through a topic_handle
  std::optional<bytes_view> key{};                                              ///< nullopt is null, "" is empty
  std::optional<bytes_view> value{};                                            ///< nullopt is a tombstone
  std::span<const header_view> headers{};                                       ///< order and duplicates are kept
  std::optional<std::int32_t> partition{};                                      ///< nullopt: the partitioner chooses
  std::optional<std::chrono::sys_time<std::chrono::milliseconds>> timestamp{};  ///< nullopt: now; never before 1970
  std::optional<std::chrono::milliseconds> timeout{};                           ///< its own `delivery.timeout.ms`
};

// g++ 12 destroys braced aggregates inside a co_await expression twice; trivial destruction makes that harmless.
static_assert(std::is_trivially_destructible_v<record_view>);
static_assert(std::is_trivially_copyable_v<header_view>);

}  // namespace cokafka::inline COKAFKA_ABI

#endif
