// SPDX-License-Identifier: BSL-1.0
// The coroutines that send through one producer, each in a way of its own, and the books they keep together.
#ifndef COKAFKA_TESTS_CHAOS_TALKERS_HPP
#define COKAFKA_TESTS_CHAOS_TALKERS_HPP

#include "cokafka/producer.hpp"
#include "told_log.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace cokafka_test {

namespace asio = boost::asio;

// What all producers of the program share. One thread, but for the log.
struct chaos_world {
  using clock = std::chrono::steady_clock;

  chaos_world(const std::string& folder, std::uint64_t seed, std::uint64_t per_second, std::vector<std::string> names);
  chaos_world(const chaos_world&) = delete;
  chaos_world& operator=(const chaos_world&) = delete;
  ~chaos_world() { std::fclose(log); }

  clock::time_point now() const { return clock::now(); }
  std::uint32_t elapsed_ms() const;
  std::uint32_t random(std::uint32_t limit) { return static_cast<std::uint32_t>(engine() % limit); }
  asio::awaitable<void> sleep(std::chrono::milliseconds time);
  asio::awaitable<void> keep_rate();

  void settle(told_line line, const cokafka::result<cokafka::record_metadata>& answer);
  void problem(const std::string& what) { problems.push_back(what); }
  cokafka::log_sink log_sink();
  // JSON
  std::string summary() const;

  asio::io_context io{1};
  told_log told;
  std::FILE* log;
  std::mt19937_64 engine;
  std::vector<std::string> topics;
  const clock::time_point begun = clock::now();
  const std::uint64_t rate;
  std::int64_t allowance = 0;                       // records that may be sent at once
  std::map<std::uint32_t, std::uint32_t> bursts{};  // records that were sent at full speed in each burst
  bool stopping = false;
  int lives = 0;
  std::vector<std::uint64_t> sent{};  // per producer
  std::uint64_t unanswered = 0;
  std::uint64_t outcomes[4] = {};  // by told_line::outcome
  std::uint64_t tried_again = 0;   // records whose first attempt was not the last, by the producer's log
  std::map<std::string, std::uint64_t> reasons{};  // of failures, "fate: name of the error"
  std::vector<std::string> problems{};
};

// One producer and those who send through it.
struct chaos_source {
  chaos_source(chaos_world& of, cokafka::config settings);
  // Sends the next record, so long and a little more; the caller awaits the answer and settles it with the line.
  cokafka::delivery send(std::size_t topic, bool keyed, std::optional<std::chrono::milliseconds> timeout,
                         std::uint32_t padding, told_line& line);

  chaos_world& world;
  std::optional<cokafka::producer> producer;
  const std::uint16_t number;
  int talkers = 0;
  bool closing = false;
};

void start_talkers(const std::shared_ptr<chaos_source>& source);
// These know no rate: in every twenty seconds they send for five as fast as the producer takes it.
void start_full_speed(const std::shared_ptr<chaos_source>& source);

}  // namespace cokafka_test

#endif
