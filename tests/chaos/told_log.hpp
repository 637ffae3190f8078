// SPDX-License-Identifier: BSL-1.0
// What the sender was told of each record, one fixed line of binary numbers per record; chaos.py reads it.
#ifndef COKAFKA_TESTS_CHAOS_TOLD_LOG_HPP
#define COKAFKA_TESTS_CHAOS_TOLD_LOG_HPP

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace cokafka_test {

// As it is in the file, in the machine's byte order: struct format "<QqIIIiHBB4x".
struct told_line {
  std::uint64_t number = 0;  // of the record, counted per producer from 0 in the order of send
  std::int64_t offset = -1;
  std::uint32_t checksum = 0;  // CRC-32 of key and value
  std::uint32_t sent_ms = 0;   // both since the sender began
  std::uint32_t answered_ms = 0;
  std::int32_t partition = -1;
  std::uint16_t producer = 0;
  std::uint8_t topic = 0;
  enum : std::uint8_t { written, not_written, maybe_written, failed_written } outcome = written;
};
static_assert(sizeof(told_line) == 40);

class told_log {
 public:
  explicit told_log(const std::string& path) : file_(std::fopen(path.c_str(), "wb")) {
    if (file_ == nullptr) throw std::runtime_error("cannot write " + path);
  }
  told_log(const told_log&) = delete;
  told_log& operator=(const told_log&) = delete;
  ~told_log() { std::fclose(file_); }
  void add(const told_line& line) {
    if (std::fwrite(&line, sizeof(line), 1, file_) != 1) throw std::runtime_error("cannot write what was told");
  }

 private:
  std::FILE* file_;
};

}  // namespace cokafka_test

#endif
