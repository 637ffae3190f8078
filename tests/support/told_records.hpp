// SPDX-License-Identifier: BSL-1.0
// Records made from their numbers, and the file that says of each where the producer was told it lies.
#ifndef COKAFKA_TESTS_SUPPORT_TOLD_RECORDS_HPP
#define COKAFKA_TESTS_SUPPORT_TOLD_RECORDS_HPP

#include "cokafka/record.hpp"
#include "cokafka/record_metadata.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cokafka_test {

// A record that owns its bytes.
struct sample_record {
  std::string topic;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  std::optional<std::int64_t> timestamp;
  std::optional<std::int32_t> partition;

  // Views of this object, which must outlive them.
  cokafka::record_view view();

 private:
  std::vector<cokafka::header_view> header_views_;
};

// The record with a number: keyed, key-less, empty keys, tombstones, empty values, values from one byte to some
// kilobytes with every byte value, headers (none, several, equal names, null and empty values), given timestamps, given
// partitions.
sample_record make_sample(std::uint64_t number, const std::vector<std::string>& topics, std::int32_t partitions);

// The file that foreign_client.py compares with the log.
class told_file {
 public:
  told_file();
  told_file(const told_file&) = delete;
  told_file& operator=(const told_file&) = delete;
  ~told_file();
  void add(std::uint64_t number, const sample_record& sent, const cokafka::record_metadata& told);
  std::size_t count() const { return count_; }
  // Flushed, and readable by others.
  const std::string& path();

 private:
  std::string path_;
  std::FILE* file_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace cokafka_test

#endif
