// SPDX-License-Identifier: BSL-1.0
// Reading the text of properties: numbers, switches, and which known name a misspelt one resembles.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_PROPERTY_TEXT_HPP
#define COKAFKA_DETAIL_BASE_PROPERTY_TEXT_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "cokafka/detail/base/config.hpp"

namespace cokafka::inline COKAFKA_ABI::detail {

/// Without the white space around it.
COKAFKA_DECL std::string_view trimmed(std::string_view text) noexcept;

/// Equal but for the case of ASCII letters.
COKAFKA_DECL bool equal_ignoring_case(std::string_view left, std::string_view right) noexcept;

/// A decimal number and nothing else; empty also when it does not fit.
COKAFKA_DECL std::optional<std::int64_t> parse_integer(std::string_view text) noexcept;

/// "true" or "false" in any case.
COKAFKA_DECL std::optional<bool> parse_switch(std::string_view text) noexcept;

/// How many characters must be put in, left out or replaced to make one of the other. Names longer than 96 characters
/// are far from everything.
COKAFKA_DECL std::size_t edit_distance(std::string_view left, std::string_view right) noexcept;

/// Looks for the name that a misspelt one was probably meant to be: few edits, few for its length.
class nearest_name {
 public:
  explicit nearest_name(std::string_view wanted) noexcept : wanted_(wanted), limit_(2 + wanted.size() / 6) {}

  void offer(std::string_view candidate) noexcept;
  /// Empty when none came near.
  std::string_view best() const noexcept { return best_; }

 private:
  std::string_view wanted_;
  std::string_view best_{};
  std::size_t limit_;  // only what is nearer than this is taken
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/base/property_text.ipp"
#endif

#endif
