// SPDX-License-Identifier: BSL-1.0
// Bodies of sending.
#include "support/sending.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <stdexcept>
#include <utility>

namespace cokafka_test {

void sending::settle(std::uint64_t number, const cokafka::result<cokafka::record_metadata>& answer) {
  if (answer) {
    told.add(number, make(number), answer.value());
    if (on_told) on_told(number);
    return;
  }
  if (failed++ == 0) {
    first_failure = "record " + std::to_string(number) + ": " + answer.error().message() + " (" +
                    std::string(to_string(answer.error().fate())) + ")";
  }
}

boost::asio::awaitable<void> send_pipelined(cokafka::producer& producer, sending& run, std::uint64_t count,
                                            std::size_t window) {
  std::deque<std::pair<std::uint64_t, cokafka::delivery>> waiting;
  while (count > 0 || !waiting.empty()) {
    if (count == 0 || waiting.size() >= window) {
      const std::uint64_t number = waiting.front().first;
      cokafka::delivery oldest = std::move(waiting.front().second);
      waiting.pop_front();
      const auto answer = co_await std::move(oldest)(boost::asio::use_awaitable);
      run.settle(number, answer);
      continue;
    }
    --count;
    const std::uint64_t number = run.next++;
    sample_record made = run.make(number);
    waiting.emplace_back(number, producer.send(made.view()));
  }
}

boost::asio::awaitable<void> send_awaited(cokafka::producer& producer, sending& run, std::uint64_t count) {
  while (count-- > 0) {
    const std::uint64_t number = run.next++;
    sample_record made = run.make(number);
    cokafka::delivery sent = producer.send(made.view());
    const auto answer = co_await std::move(sent)(boost::asio::use_awaitable);
    run.settle(number, answer);
  }
}

boost::asio::awaitable<void> finish(cokafka::producer& producer) {
  const auto flushed = co_await producer.flush(boost::asio::use_awaitable);
  flushed.value();
  const auto closed = co_await producer.close(std::chrono::seconds(30), boost::asio::use_awaitable);
  closed.value();
}

cokafka::log_sink log_lines::sink() {
  return [this](cokafka::log_level level, std::string_view line) {
    std::scoped_lock guard(mutex_);
    lines_.push_back(std::string(to_string(level)) + ": " + std::string(line));
  };
}

bool log_lines::contain(const std::string& text) const {
  std::scoped_lock guard(mutex_);
  for (const std::string& line : lines_) {
    if (line.find(text) != std::string::npos) return true;
  }
  return false;
}

std::string log_lines::text() const {
  std::scoped_lock guard(mutex_);
  std::string all;
  for (const std::string& line : lines_) all += line + "\n";
  return all;
}

void run_program(boost::asio::io_context& io, boost::asio::awaitable<void> program, std::chrono::seconds at_most) {
  bool ended = false;
  std::exception_ptr thrown;
  boost::asio::co_spawn(io, std::move(program), [&](std::exception_ptr error) {
    ended = true;
    thrown = error;
  });
  const auto deadline = std::chrono::steady_clock::now() + at_most;
  io.restart();
  while (!ended && std::chrono::steady_clock::now() < deadline) {
    if (io.run_one_until(deadline) == 0) break;
  }
  if (!ended) throw std::runtime_error("the program did not end in time");
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace cokafka_test
