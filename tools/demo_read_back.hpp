// SPDX-License-Identifier: BSL-1.0
// Reads the demo's topic back and holds every record against its acknowledgement.
#ifndef COKAFKA_DEMO_READ_BACK_HPP
#define COKAFKA_DEMO_READ_BACK_HPP

#include "cokafka/testing.hpp"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

/// Values of the demo begin with the record's number and have this size.
inline constexpr std::size_t demo_value_size = 100;

/// Where a record was written, by its acknowledgement.
struct demo_place {
  std::int32_t partition = -1;
  std::int64_t offset = -1;
};

/// 1234567 as "1,234,567".
inline std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

/// Records are numbered in the order in which they were sent; `places` is indexed by these numbers. Returns what is
/// wrong, or nothing.
inline std::string demo_read_back(const cokafka::testing::cluster& kafka, const std::string& topic,
                                  const std::vector<demo_place>& places) {
  std::vector<bool> seen(places.size());
  std::map<std::string, std::pair<std::int32_t, std::size_t>> newest;  // by key: its partition and its last number
  std::size_t found = 0;
  for (std::int32_t partition = 0; partition < kafka.partition_count(topic); ++partition) {
    for (const auto& record : kafka.records(topic, partition)) {
      const std::string where = "partition " + std::to_string(partition) + ", offset " + std::to_string(record.offset);
      const std::string value = record.value.value_or("");
      std::size_t number = places.size();
      std::from_chars(value.data(), value.data() + value.size(), number);
      if (number >= places.size() || value.size() != demo_value_size) return where + ": not a record of the demo";
      const std::string what = ": record " + std::to_string(number);
      if (seen[number]) return where + what + " is there twice";
      seen[number] = true;
      ++found;
      const demo_place& told = places[number];
      if (told.partition != partition || told.offset != record.offset) return where + what + " was told another place";
      if (!record.key) continue;
      const auto [known, is_new] = newest.try_emplace(*record.key, partition, number);
      if (known->second.first != partition) return where + ": key " + *record.key + " is in two partitions";
      if (known->second.second > number) return where + ": key " + *record.key + " is out of order";
      known->second.second = number;
    }
  }
  return found == places.size() ? ""
                                : grouped(static_cast<std::int64_t>(places.size() - found)) + " records are missing";
}

#endif
