// SPDX-License-Identifier: BSL-1.0
// Bodies of told_records.
#include "support/told_records.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string_view>

namespace cokafka_test {

namespace {

std::uint64_t mixed(std::uint64_t number) {  // splitmix64: equal for equal numbers, otherwise without a pattern
  number += 0x9e3779b97f4a7c15U;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9U;
  number = (number ^ (number >> 27)) * 0x94d049bb133111ebU;
  return number ^ (number >> 31);
}

std::string bytes(std::uint64_t seed, std::size_t size) {
  std::string made(size, '\0');
  for (std::size_t i = 0; i != size; ++i) made[i] = static_cast<char>(mixed(seed + i / 8) >> (8 * (i % 8)));
  return made;
}

void put_hex(std::string& out, std::string_view raw) {
  constexpr char digits[] = "0123456789abcdef";
  for (const char each : raw) {
    out += digits[static_cast<unsigned char>(each) >> 4];
    out += digits[static_cast<unsigned char>(each) & 15];
  }
}

void put_hex(std::string& out, const std::optional<std::string>& raw) {
  if (raw) {
    put_hex(out, std::string_view(*raw));
  } else {
    out += '-';
  }
}

}  // namespace

cokafka::record_view sample_record::view() {
  header_views_.clear();
  for (const auto& [name, content] : headers) {
    cokafka::header_view header;
    header.key = name;
    if (content) header.value = cokafka::bytes_view(*content);
    header_views_.push_back(header);
  }
  cokafka::record_view seen;
  seen.topic = topic;
  if (key) seen.key = cokafka::bytes_view(*key);
  if (value) seen.value = cokafka::bytes_view(*value);
  seen.headers = header_views_;
  seen.partition = partition;
  if (timestamp)
    seen.timestamp = std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(*timestamp));
  return seen;
}

sample_record make_sample(std::uint64_t number, const std::vector<std::string>& topics, std::int32_t partitions) {
  const std::uint64_t chance = mixed(number);
  sample_record made;
  made.topic = topics[chance % topics.size()];
  switch ((chance >> 8) % 8) {
    case 0: break;
    case 1: made.key = ""; break;
    case 2: made.key = bytes(chance, 1 + (chance >> 12) % 40); break;
    default: made.key = "key-" + std::to_string((chance >> 12) % 5000); break;
  }
  switch ((chance >> 24) % 16) {
    case 0: break;  // a tombstone
    case 1: made.value = ""; break;
    case 2: made.value = bytes(chance, 1000 + (chance >> 28) % 3000); break;
    default: made.value = std::to_string(number) + ":" + bytes(chance, (chance >> 28) % 120); break;
  }
  if ((chance >> 40) % 4 == 0) {
    made.headers.emplace_back("trace", bytes(chance, 16));
    if ((chance >> 42) % 2 == 0) made.headers.emplace_back("same", std::to_string(number));
    if ((chance >> 42) % 2 == 0) made.headers.emplace_back("same", "second");
    if ((chance >> 43) % 2 == 0) made.headers.emplace_back("null", std::nullopt);
    if ((chance >> 44) % 2 == 0) made.headers.emplace_back("", "");
    if ((chance >> 45) % 2 == 0) made.headers.emplace_back("same", "second");
  }
  if ((chance >> 48) % 4 == 0)
    made.timestamp = std::int64_t{1'600'000'000'000} + static_cast<std::int64_t>(chance >> 30);
  if ((chance >> 52) % 8 == 0)
    made.partition = static_cast<std::int32_t>((chance >> 55) % static_cast<unsigned>(partitions));
  return made;
}

told_file::told_file() {
  path_ = (std::filesystem::temp_directory_path() / "cokafka-told-XXXXXX").string();
  const int made = ::mkstemp(path_.data());
  file_ = made < 0 ? nullptr : ::fdopen(made, "w");
  if (file_ == nullptr) throw std::runtime_error("no temporary file " + path_);
}

told_file::~told_file() {
  std::fclose(file_);
  ::unlink(path_.c_str());
}

void told_file::add(std::uint64_t number, const sample_record& sent, const cokafka::record_metadata& told) {
  const std::int64_t timestamp = told.timestamp.time_since_epoch().count();
  std::string line = std::to_string(number) + "\t" + std::string(told.topic.str()) + "\t" +
                     std::to_string(told.partition) + "\t" + (told.offset ? std::to_string(*told.offset) : "-") + "\t" +
                     std::to_string(timestamp) + "\t";
  put_hex(line, sent.key);
  line += '\t';
  put_hex(line, sent.value);
  line += '\t';
  for (const auto& [name, content] : sent.headers) {
    put_hex(line, std::string_view(name));
    line += '=';
    put_hex(line, content);
    line += ',';
  }
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), file_);
  ++count_;
}

const std::string& told_file::path() {
  std::fflush(file_);
  return path_;
}

}  // namespace cokafka_test
