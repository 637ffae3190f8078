// SPDX-License-Identifier: BSL-1.0
// Log lines go to a function of the user's choice; without one the library is silent.
// Layer 0.
#ifndef COKAFKA_LOGGER_HPP
#define COKAFKA_LOGGER_HPP

#include <functional>
#include <string_view>
#include <utility>

#include "cokafka/detail/base/config.hpp"

namespace cokafka::inline COKAFKA_ABI {

/// How grave a line is. As a threshold: lines of this level and graver ones are given to the sink.
enum class log_level { trace, debug, info, warning, error, off };

/// "trace", "debug", "info", "warning", "error" or "off".
constexpr std::string_view to_string(log_level level) noexcept {
  switch (level) {
    case log_level::trace: return "trace";
    case log_level::debug: return "debug";
    case log_level::info: return "info";
    case log_level::warning: return "warning";
    case log_level::error: return "error";
    case log_level::off: return "off";
  }
  return "unknown";
}

/// Takes one line, without a line end. The text is valid during the call only. May be called from several threads at
/// once; never under a lock of the library. What it throws is swallowed.
using log_sink = std::function<void(log_level, std::string_view)>;

/// A threshold and a sink. Thread safety: shared objects safe for `enabled` and `log`.
class logger {
 public:
  /// Silent.
  logger() = default;
  logger(log_level threshold, log_sink sink) : threshold_(threshold), sink_(std::move(sink)) {}

  /// Whether a line of this level would be seen: ask before building an expensive text.
  bool enabled(log_level level) const noexcept { return sink_ && level >= threshold_ && level != log_level::off; }

  void log(log_level level, std::string_view message) const noexcept {
    if (!enabled(level)) return;
    try {
      sink_(level, message);
    } catch (...) {
      // A sink that fails must not take a delivery with it, and there is nowhere left to say so.
    }
  }

 private:
  log_level threshold_ = log_level::off;
  log_sink sink_;
};

}  // namespace cokafka::inline COKAFKA_ABI

#endif
