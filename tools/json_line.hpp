// SPDX-License-Identifier: BSL-1.0
// A line of JSON with the time and the name of what happened, as the tools of Kafka's system tests print it.
#ifndef COKAFKA_TOOLS_JSON_LINE_HPP
#define COKAFKA_TOOLS_JSON_LINE_HPP

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

// One line of JSON, from left to right.
class json_line {
 public:
  explicit json_line(std::string_view name) {
    text_ = "{\"timestamp\":" + std::to_string(wall_now());
    add("name", name);
  }
  json_line& add(std::string_view name, std::string_view value) {
    begin(name);
    quote(value);
    return *this;
  }
  json_line& add_or_null(std::string_view name, const std::optional<std::string>& value) {
    if (value) return add(name, std::string_view(*value));
    begin(name);
    text_ += "null";
    return *this;
  }
  json_line& add_number(std::string_view name, const std::string& value) {
    begin(name);
    text_ += value;
    return *this;
  }
  std::string end() && { return std::move(text_) + "}\n"; }

 private:
  static long long wall_now() {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
  }
  void begin(std::string_view name) {
    text_ += ',';
    quote(name);
    text_ += ':';
  }
  void quote(std::string_view value) {
    text_ += '"';
    for (const char each : value) {
      if (each == '"' || each == '\\') text_ += '\\';
      if (static_cast<unsigned char>(each) >= 0x20) {
        text_ += each;
        continue;
      }
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\u%04x", static_cast<unsigned>(each));
      text_ += escaped;
    }
    text_ += '"';
  }
  std::string text_;
};

#endif
