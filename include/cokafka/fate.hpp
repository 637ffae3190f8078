// SPDX-License-Identifier: BSL-1.0
// What is known of a record that failed.
// Layer 0.
#ifndef COKAFKA_FATE_HPP
#define COKAFKA_FATE_HPP

#include <string_view>

#include "cokafka/detail/base/config.hpp"

namespace cokafka::inline COKAFKA_ABI {

/// What is known of a failed record, over all its attempts.
enum class fate {
  not_written,    ///< proven: it is not in the log and will not get there; sending it again makes no duplicate
  maybe_written,  ///< not known: it may be in the log now or appear there later
  written         ///< the broker confirmed it; something else failed
};

/// "not_written", "maybe_written" or "written".
constexpr std::string_view to_string(fate value) noexcept {
  switch (value) {
    case fate::not_written: return "not_written";
    case fate::maybe_written: return "maybe_written";
    case fate::written: return "written";
  }
  return "unknown";
}

/// The fate of a record with one attempt of each: certainty is lost by the worst attempt and never comes back.
constexpr fate worst(fate left, fate right) noexcept {
  if (left == right) return left;
  if (left == fate::written || right == fate::written) return fate::written;
  return fate::maybe_written;
}

}  // namespace cokafka::inline COKAFKA_ABI

#endif
