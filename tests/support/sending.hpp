// SPDX-License-Identifier: BSL-1.0
// Programs that send numbered records, pipelined and awaited, and write down what they were told.
#ifndef COKAFKA_TESTS_SUPPORT_SENDING_HPP
#define COKAFKA_TESTS_SUPPORT_SENDING_HPP

#include "cokafka/producer.hpp"
#include "support/told_records.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace cokafka_test {

// What one run of a program sends, and what came of it. One thread.
struct sending {
  std::vector<std::string> topics;
  std::int32_t partitions = 1;
  told_file told{};
  std::uint64_t next = 0;  // the number of the next record: the order of send
  std::uint64_t failed = 0;
  std::string first_failure{};
  std::function<void(sample_record&)> adjust{};  // changes a record before it is sent
  std::function<void(std::uint64_t)> on_told{};

  sample_record make(std::uint64_t number) const {
    sample_record made = make_sample(number, topics, partitions);
    if (adjust) adjust(made);
    return made;
  }
  void settle(std::uint64_t number, const cokafka::result<cokafka::record_metadata>& answer);
};

// `count` records in a row, at most `window` of them unanswered.
boost::asio::awaitable<void> send_pipelined(cokafka::producer& producer, sending& run, std::uint64_t count,
                                            std::size_t window);
// `count` records, each awaited before the next.
boost::asio::awaitable<void> send_awaited(cokafka::producer& producer, sending& run, std::uint64_t count);
// flush, then close; throws cokafka::exception when either fails.
boost::asio::awaitable<void> finish(cokafka::producer& producer);

// Keeps the lines of a producer's log.
class log_lines {
 public:
  cokafka::log_sink sink();
  bool contain(const std::string& text) const;
  std::string text() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

// Runs the coroutine until it ends, at most so long; rethrows what it threw. What else runs on the context is left
// there.
void run_program(boost::asio::io_context& io, boost::asio::awaitable<void> program,
                 std::chrono::seconds at_most = std::chrono::seconds(60));

}  // namespace cokafka_test

#endif
