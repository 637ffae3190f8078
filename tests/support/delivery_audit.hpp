// SPDX-License-Identifier: BSL-1.0
// The books of a simulated world: what was sent, what was said of it, and whether the logs agree.
#ifndef COKAFKA_TESTS_SUPPORT_DELIVERY_AUDIT_HPP
#define COKAFKA_TESTS_SUPPORT_DELIVERY_AUDIT_HPP

#include "cokafka/error.hpp"
#include "cokafka/fate.hpp"
#include "cokafka/record_metadata.hpp"
#include "cokafka/result.hpp"
#include "cokafka/testing/stored.hpp"

#include <algorithm>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cokafka_tests {

/// What a producer owes its records by its configuration.
struct producer_promise {
  bool acknowledged = true;  ///< acks is not 0: what was written is in the log
  bool never_twice = true;   ///< idempotent, or acks=0
  bool in_order = true;      ///< idempotent: every record; else the first copies of those that were told written
  bool idempotent = true;
  std::chrono::nanoseconds delivery_timeout{};
  std::chrono::nanoseconds max_block{};
  /// Longer than that no record may take that was not withdrawn: in worlds in which nothing justifies it.
  std::optional<std::chrono::nanoseconds> answer_within{};
  /// With the world healed for as long, a record that is still due later must not fail for lack of time.
  std::optional<std::chrono::nanoseconds> recovers_within{};
};

/// A record as it was sent. Its value begins with its number.
struct sent_record {
  std::size_t producer = 0;
  std::string topic;
  std::optional<std::int32_t> partition{};
  std::optional<std::string> key{};
  std::size_t value_size = 0;
  std::size_t headers = 0;
  std::optional<std::int64_t> timestamp{};  ///< milliseconds since 1970, where the record said so
  std::chrono::nanoseconds at{};
  std::optional<std::chrono::nanoseconds> timeout{};  ///< its own
};

/// Records have numbers in the order they were sent. Every broken rule is one sentence in violations(); the first ones
/// are kept. Times count from the beginning of the world. Thread safety: distinct objects safe.
class delivery_audit {
 public:
  using moment = std::chrono::nanoseconds;
  using answer = cokafka::result<cokafka::record_metadata>;

  /// A deadline may be rounded up to the next whole millisecond (record_deadlines.hpp).
  static constexpr moment rounding = std::chrono::milliseconds(1);

  std::size_t add_producer(const producer_promise& promised);
  /// The number of the record.
  std::uint64_t sent(sent_record record);
  /// `at` is empty where nobody looked at the moment the answer came.
  void answered(std::uint64_t number, const answer& said, std::optional<moment> at);
  /// Somebody waits for its answer: answered() is called in the moment it comes.
  void awaited(std::uint64_t number) { awaited_.emplace(answer_due(records_[number]), number); }
  /// What is awaited and should have been answered by now; cheap.
  void check_overdue(moment now);
  /// Nobody will ask for its answer.
  void detached(std::uint64_t number);
  /// on_delivery_failed has shown the record with that value.
  void reported(const std::string& value, const cokafka::error& why);
  /// close() has completed. With `reports`, each failed record that nobody waited for has been reported before.
  void closed(std::size_t producer, bool reports);
  /// From now on nothing is broken any more.
  void healed(moment at) { healed_ = at; }
  /// Something is true of the topic, or happened to it, for which its records may wait until they are due.
  void excuse(const std::string& topic) { excused_.insert(topic); }
  bool has_excuses() const noexcept { return !excused_.empty(); }
  /// An answer from before need not have come in time any more: the producer was closed or destroyed.
  void producer_ended(std::size_t producer, moment at);
  /// Everything of it that was sent before is answered now.
  void purged(std::size_t producer, moment at);
  /// The topic has `message.timestamp.type=LogAppendTime`. What has been appended in the very millisecond of its newest
  /// record, and is heard of by a duplicate only, looks as if it had not: its records may be told their own times.
  void stamps_records(const std::string& topic) { stamping_.insert(topic); }
  /// The topic has so many partitions now: there has never been a time without the first ones of them.
  void has_partitions(const std::string& topic, int count);

  /// @name While things happen
  /// With watch_logs(), appended() is told of all that comes into a log before anybody is told of it. What is broken is
  /// noticed then: at the append or at the answer, whichever is later.
  /// @{
  void watch_logs() { watches_logs_ = true; }
  /// What came into a log of the topic's present life, from next_offset() on.
  void appended(const std::string& topic, std::int32_t partition,
                const std::vector<cokafka::testing::stored_record>& records);
  std::int64_t next_offset(const std::string& topic, std::int32_t partition) {
    return lives_[topic].logs[partition].next;
  }
  /// Its logs are gone, and empty ones are there. Not `in_order`: what is in flight may get into them, in any order.
  void begins_anew(const std::string& topic, bool in_order);
  /// @}

  /// The records of one partition, in the order of their offsets. Once for each life of its topic, in their order.
  void add_log(const std::string& topic, std::int32_t partition,
               const std::vector<cokafka::testing::stored_record>& records, bool in_order = true);
  /// Compares all that was said with all that is in the logs.
  void check_logs();

  void violated(std::string sentence);
  const std::vector<std::string>& violations() const noexcept { return violations_; }
  bool is_clean() const noexcept { return violations_.empty(); }

  /// The last moment by which every record of a producer that was sent so far must have been answered.
  moment latest_due(std::size_t producer) const { return producers_[producer].latest_due; }
  std::uint64_t count() const noexcept { return records_.size(); }
  std::uint64_t count_written() const noexcept { return written_; }
  std::uint64_t count_failed() const noexcept { return failed_; }
  std::string describe(std::uint64_t number) const;
  bool has_failed_with(boost::system::error_code code) const { return failed_with_.contains(code); }
  /// How often records failed, by what they were told.
  std::map<std::string, std::uint64_t> failures() const;

  /// "17:" and as many letters as make `size` bytes, or "17:" alone where that is longer.
  static std::string value_of(std::uint64_t number, std::size_t size);
  static std::string header_key_of(std::uint64_t number, std::size_t index);
  static std::optional<std::uint64_t> number_in(const std::optional<std::string>& value);

 private:
  enum class state : std::uint8_t { unanswered, detached, written, failed };
  struct seen_copy {
    std::uint32_t life = 0;  // of its topic
    std::int32_t partition = -1;
    std::int64_t offset = -1;
    std::int64_t timestamp = 0;
  };
  struct page {
    sent_record record;
    state is = state::unanswered;
    cokafka::fate fate = cokafka::fate::not_written;
    std::string said{};
    bool was_cancelled = false;
    std::int32_t partition = -1;
    std::optional<std::int64_t> offset{};
    std::int64_t timestamp = 0;
    std::uint32_t copies = 0;  // in the log that was looked at last
    std::uint32_t most_copies = 0;
    std::uint64_t log = 0;                          // its number
    bool offset_found = false;                      // in one of the topic's lives
    std::optional<std::int64_t> other_timestamp{};  // there; empty once the one that was told has been found
    std::optional<moment> purged{};
    std::vector<seen_copy> seen{};  // while things happen
  };
  struct watched_log {
    std::int64_t next = 0;                               // offset
    std::vector<std::optional<std::uint64_t>> newest{};  // by producer
  };
  struct topic_life {
    std::uint32_t number = 0;
    bool in_order = true;
    std::map<std::int32_t, watched_log> logs{};  // by partition
  };
  struct books_of_producer {
    producer_promise promised;
    moment latest_due{};
    std::optional<moment> ended{};
    std::optional<moment> purged{};  // the last time
    bool closed = false;
    bool reports = false;
  };

  static std::string place(const std::string& topic, std::int32_t partition, std::int64_t offset);
  moment due(const sent_record& record) const;
  moment answer_due(const page& of) const { return of.purged ? std::min(*of.purged, due(of.record)) : due(of.record); }
  void check_time(const page& of, std::uint64_t number, moment at);
  void check_failure(const page& of, std::uint64_t number, const cokafka::error& why, std::optional<moment> at);
  void check_purge(const page& of, std::uint64_t number, const cokafka::error& why);
  void check_partition(const page& of, std::uint64_t number, const cokafka::error& why);
  void check_contents(const page& of, std::uint64_t number, const std::string& here, std::int32_t partition,
                      const std::string& topic, const cokafka::testing::stored_record& stored);
  void check_stored(page& of, std::uint64_t number, const std::string& topic, std::int32_t partition,
                    const std::vector<cokafka::testing::stored_record>& records, std::size_t at);
  /// It may have been told its own time instead of the log's.
  bool may_be_own(const page& of, std::int64_t stamp) const {
    return of.timestamp < stamp && stamping_.contains(of.record.topic);
  }
  bool is_time_of_newest(const std::vector<cokafka::testing::stored_record>& records, std::size_t at) const;
  void see(page& of, std::uint64_t number, const std::string& here, const seen_copy& copy);
  void compare_told(const page& of, std::uint64_t number);
  void check_page(const page& of, std::uint64_t number);

  std::vector<books_of_producer> producers_;
  std::vector<page> records_;
  std::set<std::pair<moment, std::uint64_t>> awaited_;  // by when they are due
  std::vector<std::string> violations_;
  std::optional<moment> healed_{};
  std::set<std::string> excused_;   // topics
  std::set<std::string> stamping_;  // topics
  std::map<std::string, int> fewest_partitions_;
  std::map<std::string, topic_life> lives_;
  bool watches_logs_ = false;
  std::uint64_t written_ = 0;
  std::uint64_t failed_ = 0;
  std::set<boost::system::error_code> failed_with_;
  std::uint64_t logs_ = 0;
};

}  // namespace cokafka_tests

#endif
