// SPDX-License-Identifier: BSL-1.0
// Configurations made of properties, and what is wrong with one.
#ifndef COKAFKA_TESTS_SUPPORT_CONFIG_MADE_HPP
#define COKAFKA_TESTS_SUPPORT_CONFIG_MADE_HPP

#include "cokafka/config.hpp"

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace cokafka_test {

/// Empty when nothing is.
inline std::string complaint(const cokafka::config& subject) {
  const auto valid = subject.validate();
  return valid ? std::string() : valid.error().message();
}

inline cokafka::config with(std::initializer_list<std::pair<std::string_view, std::string_view>> properties) {
  cokafka::config subject;
  for (const auto& [name, value] : properties) subject.set(name, value).value();
  return subject;
}

}  // namespace cokafka_test

#endif
