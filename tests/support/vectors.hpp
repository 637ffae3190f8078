// SPDX-License-Identifier: BSL-1.0
// Byte vectors that Kafka's own classes wrote, by name, and hexadecimal text as tests want it.
#ifndef COKAFKA_TESTS_SUPPORT_VECTORS_HPP
#define COKAFKA_TESTS_SUPPORT_VECTORS_HPP

#include <cstddef>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#ifndef COKAFKA_TEST_DATA
#define COKAFKA_TEST_DATA "tests/support"
#endif

namespace cokafka_test {

/// The time of the first record of the vectors, ms since 1970.
inline constexpr std::int64_t t = 1700000000000;

inline std::string from_hex(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1]));
  }
  return bytes;
}

inline std::string to_hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    text += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    text += "0123456789abcdef"[static_cast<unsigned char>(c) & 0x0f];
  }
  return text;
}

// All of vectors.txt: name to bytes. COKAFKA_TEST_DATA names the folder where the file lies.
inline const std::map<std::string, std::string>& vectors() {
  static const std::map<std::string, std::string> all = [] {
    std::map<std::string, std::string> read;
    std::ifstream file(COKAFKA_TEST_DATA "/vectors.txt");
    for (std::string line; std::getline(file, line);) {
      const std::size_t space = line.rfind(' ');
      if (line.empty() || line.front() == '#' || space == std::string::npos) continue;
      read.emplace(line.substr(0, space), from_hex(std::string_view(line).substr(space + 1)));
    }
    if (read.empty()) throw std::runtime_error("no vectors in " COKAFKA_TEST_DATA "/vectors.txt");
    return read;
  }();
  return all;
}

inline const std::string& vector_named(const std::string& name) { return vectors().at(name); }

}  // namespace cokafka_test

#endif
