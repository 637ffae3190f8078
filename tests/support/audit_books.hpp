// SPDX-License-Identifier: BSL-1.0
// Books of a story that a test writes by hand, to see which sentences delivery_audit has to say of it.
#ifndef COKAFKA_TESTS_SUPPORT_AUDIT_BOOKS_HPP
#define COKAFKA_TESTS_SUPPORT_AUDIT_BOOKS_HPP

#include "cokafka/error.hpp"
#include "support/delivery_audit.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cokafka_tests {

/// A world of one producer and one partition, "t-0".
class books {
 public:
  explicit books(producer_promise promised = patient()) { audit.add_producer(promised); }

  static producer_promise patient() {
    producer_promise made;
    made.delivery_timeout = std::chrono::seconds(10);
    made.max_block = std::chrono::seconds(5);
    return made;
  }
  static producer_promise without_idempotence() {
    producer_promise made = patient();
    made.idempotent = false;
    made.never_twice = false;
    return made;
  }

  std::uint64_t send(std::chrono::nanoseconds at = {}, std::optional<std::int32_t> partition = {}) {
    sent_record made;
    made.partition = partition;
    made.topic = "t";
    made.value_size = delivery_audit::value_of(audit.count(), 0).size();
    made.at = at;
    return audit.sent(made);
  }
  void written(std::uint64_t number, std::int64_t offset, std::int64_t timestamp = 1000) {
    cokafka::record_metadata told;
    told.topic = cokafka::topic_name("t");
    told.partition = 0;
    told.offset = offset;
    told.timestamp = std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(timestamp));
    told.value_size = delivery_audit::value_of(number, 0).size();
    audit.answered(number, told, std::chrono::seconds(1));
  }
  void failed(std::uint64_t number, cokafka::fate known, cokafka::errc code = cokafka::errc::cancelled,
              std::chrono::nanoseconds at = std::chrono::seconds(1)) {
    cokafka::error_details why;
    why.code = code;
    why.fate = known;
    audit.answered(number, cokafka::error(why), at);
  }
  /// The last life of the topic, after which the books are closed.
  void log(const std::vector<std::uint64_t>& numbers) {
    life(numbers);
    audit.check_logs();
  }
  void life(const std::vector<std::uint64_t>& numbers) { audit.add_log("t", 0, stored(numbers, 0)); }
  /// What comes into the watched log behind what is there.
  void append(const std::vector<std::uint64_t>& numbers, std::int32_t partition = 0) {
    audit.appended("t", partition, stored(numbers, audit.next_offset("t", partition)));
  }
  static std::vector<cokafka::testing::stored_record> stored(const std::vector<std::uint64_t>& numbers,
                                                             std::int64_t offset) {
    std::vector<cokafka::testing::stored_record> records;
    for (const std::uint64_t number : numbers) {
      cokafka::testing::stored_record made;
      made.offset = offset++;
      made.timestamp = 1000;
      made.value = delivery_audit::value_of(number, 0);
      records.push_back(made);
    }
    return records;
  }
  /// The only violation, or all of them in a line.
  std::string complaint() const {
    std::string all;
    for (const auto& each : audit.violations()) all += each + "\n";
    return all;
  }
  bool complains_of(const std::string& what) const { return complaint().find(what) != std::string::npos; }

  delivery_audit audit;
};

}  // namespace cokafka_tests

#endif
