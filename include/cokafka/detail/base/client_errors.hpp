// SPDX-License-Identifier: BSL-1.0
// Every error the client itself can report: one table makes the enumeration, the classes and the texts.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_CLIENT_ERRORS_HPP
#define COKAFKA_DETAIL_BASE_CLIENT_ERRORS_HPP

#include <cstddef>
#include <iterator>
#include <string_view>

#include "cokafka/detail/base/error_class.hpp"
#include "cokafka/fate.hpp"

// Number, name, class, what the code alone says of a record, meaning. New rows go to the end.
// `refresh` is retriable as well.
// clang-format off
#define COKAFKA_CLIENT_ERRORS(X) \
  X(1, no_result, nothing, maybe_written, "the result was default-constructed and never given a value")              \
  X(2, not_ready, nothing, maybe_written, "the answer has not arrived yet")                                          \
  X(3, closed, nothing, not_written, "the producer is closed")                                                       \
  X(4, cancelled, nothing, maybe_written, "the operation was cancelled")                                             \
  X(5, config_error, nothing, not_written, "the configuration breaks a rule")                                        \
  X(6, invalid_topic, nothing, not_written, "the topic's name must be 1 to 249 of the characters a-z A-Z 0-9 . _ -") \
  X(7, invalid_record, nothing, not_written, "the record breaks a rule of its format")                               \
  X(8, record_too_large, nothing, not_written, "the record is larger than max.request.size or buffer.memory")        \
  X(9, unknown_partition, nothing, not_written, "the topic has no such partition")                                   \
  X(10, buffer_full, retriable, not_written, "buffer.memory and parked.memory are used up")                          \
  X(11, metadata_timed_out, refresh, not_written, "max.block.ms passed while the topic's metadata was missing")      \
  X(12, buffer_timed_out, retriable, not_written, "max.block.ms passed while buffer.memory was used up")             \
  X(13, timed_out, retriable, maybe_written, "delivery.timeout.ms passed before the record was acknowledged")        \
  X(14, request_timed_out, refresh, maybe_written, "the broker did not answer within request.timeout.ms")            \
  X(15, connection_failed, refresh, not_written, "no connection to the broker could be made")                        \
  X(16, disconnected, refresh, maybe_written, "the connection was lost before the answer came")                      \
  X(17, no_brokers, refresh, not_written, "none of the bootstrap servers could be reached")                          \
  X(18, unsupported_version, nothing, not_written, "the broker speaks no version of a request that we do")           \
  X(19, invalid_response, nothing, maybe_written, "the broker's answer could not be understood")                     \
  X(20, producer_fatal, fatal, not_written, "an earlier fatal error has ended this producer")                        \
  X(21, would_park, retriable, not_written, "send would have had to wait for the topic's metadata")         \
  X(22, purged, nothing, maybe_written, "the record was purged")
// clang-format on

namespace cokafka::inline COKAFKA_ABI {

/// What the client itself can report. The category of its error_code is "cokafka".
enum class errc : int {
#define COKAFKA_ENUMERATOR(number, name, kind, known, meaning) name = number,
  COKAFKA_CLIENT_ERRORS(COKAFKA_ENUMERATOR)
#undef COKAFKA_ENUMERATOR
};

namespace detail {

/// One row of the table.
struct client_error_row {
  errc code;
  std::string_view name;
  error_class kind;
  fate known;
  std::string_view meaning;
};

/// The words of the table's second column.
struct client_error_kinds {
  static constexpr error_class nothing = error_class::nothing;
  static constexpr error_class retriable = error_class::retriable;
  static constexpr error_class refresh = error_class::retriable | error_class::refreshes;
  static constexpr error_class fatal = error_class::fatal;
};

inline constexpr client_error_row client_error_table[] = {
#define COKAFKA_ROW(number, name, kind, known, meaning) \
  {errc::name, #name, client_error_kinds::kind, fate::known, meaning},
    COKAFKA_CLIENT_ERRORS(COKAFKA_ROW)
#undef COKAFKA_ROW
};

/// The row of a code; null for a number that is none.
constexpr const client_error_row* find_client_error(errc code) noexcept {
  const int value = static_cast<int>(code);
  if (value < 1 || value > static_cast<int>(std::size(client_error_table))) return nullptr;
  return &client_error_table[static_cast<std::size_t>(value - 1)];
}

constexpr error_class classify(errc code) noexcept {
  const client_error_row* row = find_client_error(code);
  return row ? row->kind : error_class::nothing;
}

}  // namespace detail

/// The enumerator's name, "buffer_full".
constexpr std::string_view to_string(errc code) noexcept {
  const detail::client_error_row* row = detail::find_client_error(code);
  return row ? row->name : std::string_view("unknown");
}

}  // namespace cokafka::inline COKAFKA_ABI

#undef COKAFKA_CLIENT_ERRORS

#endif
