// SPDX-License-Identifier: BSL-1.0
// Bodies of property_text.hpp.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_PROPERTY_TEXT_IPP
#define COKAFKA_DETAIL_BASE_PROPERTY_TEXT_IPP

#include "cokafka/detail/base/property_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace cokafka::inline COKAFKA_ABI::detail {

inline constexpr char ascii_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

COKAFKA_DECL std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view white = " \t\r\n\f\v";
  const std::size_t first = text.find_first_not_of(white);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(white) - first + 1);
}

COKAFKA_DECL bool equal_ignoring_case(std::string_view left, std::string_view right) noexcept {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return ascii_lower(a) == ascii_lower(b); });
}

COKAFKA_DECL std::optional<std::int64_t> parse_integer(std::string_view text) noexcept {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc() || stopped != end) return std::nullopt;
  return value;
}

COKAFKA_DECL std::optional<bool> parse_switch(std::string_view text) noexcept {
  if (equal_ignoring_case(text, "true")) return true;
  if (equal_ignoring_case(text, "false")) return false;
  return std::nullopt;
}

COKAFKA_DECL std::size_t edit_distance(std::string_view left, std::string_view right) noexcept {
  constexpr std::size_t longest = 96;
  if (left.size() > longest || right.size() > longest) return std::numeric_limits<std::size_t>::max();
  std::array<std::size_t, longest + 1> row{};  // row[j]: from the left characters seen so far to the first j of right
  for (std::size_t j = 0; j <= right.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const std::size_t replaced = diagonal + (ascii_lower(left[i - 1]) == ascii_lower(right[j - 1]) ? 0u : 1u);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[right.size()];
}

COKAFKA_DECL void nearest_name::offer(std::string_view candidate) noexcept {
  const std::size_t distance = edit_distance(wanted_, candidate);
  if (distance >= limit_) return;
  limit_ = distance;
  best_ = candidate;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
