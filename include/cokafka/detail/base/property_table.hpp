// SPDX-License-Identifier: BSL-1.0
// A table that says which property is kept in which member of a configuration, and what reads and checks by it.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_PROPERTY_TABLE_HPP
#define COKAFKA_DETAIL_BASE_PROPERTY_TABLE_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "cokafka/detail/base/property_text.hpp"

namespace cokafka::inline COKAFKA_ABI::detail {

/// A hundred years: longer times, which mean "for ever", could not be added to a clock.
inline constexpr std::int64_t for_ever = 3'155'760'000'000;

/// One word that a property takes, and what it stands for.
template <class Word>
struct property_word {
  std::string_view text;
  Word value;
};

/// Specialised for an enumeration that is the type of a property: `static constexpr property_word<Word> all[]`.
template <class Word>
struct property_words;

/// The first word for a value; empty when there is none.
template <class Word>
constexpr std::string_view word_of(Word value) noexcept {
  for (const auto& word : property_words<Word>::all) {
    if (word.value == value) return word.text;
  }
  return {};
}

/// One property: its name, the member it is kept in, and its range if it is a number. `Words` are the enumerations.
template <class Config, class... Words>
struct property_row {
  using config_type = Config;

  std::string_view name;
  std::variant<std::string Config::*, bool Config::*, std::optional<bool> Config::*, std::int32_t Config::*,
               std::int64_t Config::*, std::chrono::milliseconds Config::*, Words Config::*...>
      member;
  std::int64_t least = 0;
  std::int64_t most = std::numeric_limits<std::int32_t>::max();
};

/// The rule of a number's row. `milliseconds` is said because fractions are a known habit.
template <class Row>
std::string range_rule(const Row& row, bool milliseconds) {
  return std::string("must be a whole number").append(milliseconds ? " of milliseconds" : "").append(" from ") +
         std::to_string(row.least) + " to " + std::to_string(row.most);
}

template <class Number>
std::string read_value(Number& target, const auto& row, std::string_view text) {
  const auto value = parse_integer(text);
  const bool below_most = value && (*value <= row.most || row.most == for_ever);
  if (!below_most || *value < row.least) return range_rule(row, !std::is_integral_v<Number>);
  target = static_cast<Number>(std::min(*value, row.most));
  return {};
}

inline std::string read_value(std::string& target, const auto&, std::string_view text) {
  target = text;
  return {};
}

template <class Switch>
  requires std::is_same_v<Switch, bool> || std::is_same_v<Switch, std::optional<bool>>
std::string read_value(Switch& target, const auto&, std::string_view text) {
  const auto value = parse_switch(text);
  if (!value) return "must be true or false";
  target = *value;
  return {};
}

template <class Word>
  requires std::is_enum_v<Word>
std::string read_value(Word& target, const auto&, std::string_view text) {
  std::string rule = "must be one of";
  for (const auto& word : property_words<Word>::all) {
    if (equal_ignoring_case(word.text, text)) {
      target = word.value;
      return {};
    }
    rule.append(" ").append(word.text);
  }
  return rule;
}

/// Reads text into the member of a row. The rule that the text breaks, or nothing: then the member is set.
template <class Row>
std::string read_property(typename Row::config_type& target, const Row& row, std::string_view text) {
  return std::visit([&](auto member) { return read_value(target.*member, row, text); }, row.member);
}

/// What is wrong with a value, or nothing.
struct property_complaint {
  std::string value;
  std::string rule;  ///< empty: the value is right
};

template <class Row>
property_complaint check_number(const Row& row, std::int64_t value, bool milliseconds) {
  if (value >= row.least && value <= row.most) return {};
  return {std::to_string(value), range_rule(row, milliseconds)};
}

/// Holds the member of a row against the row's range.
template <class Row>
property_complaint check_property(const typename Row::config_type& subject, const Row& row) {
  return std::visit(
      [&](auto member) -> property_complaint {
        const auto& value = subject.*member;
        using type = std::remove_cvref_t<decltype(value)>;
        if constexpr (std::is_same_v<type, std::chrono::milliseconds>) {
          return check_number(row, value.count(), true);
        } else if constexpr (std::is_enum_v<type>) {
          if (!word_of(value).empty()) return {};
          return {std::to_string(static_cast<int>(value)), "must be one of the enumerators"};
        } else if constexpr (std::is_integral_v<type> && !std::is_same_v<type, bool>) {
          return check_number(row, value, false);
        } else {
          return {};
        }
      },
      row.member);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
