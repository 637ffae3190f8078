// SPDX-License-Identifier: BSL-1.0
// What is sent to a real Kafka is what a client that is not ours reads back, and Kafka's own tool finds every batch
// valid.
#include "cokafka/producer.hpp"
#include "support/catch.hpp"
#include "support/real_kafka.hpp"
#include "support/sending.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdint>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace cokafka_test;

namespace {

constexpr std::uint64_t pipelined_records = 180'000;
constexpr std::uint64_t awaiting_coroutines = 200;
constexpr std::uint64_t awaited_records = 100;  // by each of them

asio::awaitable<void> send_everything(cokafka::producer& producer, sending& run) {
  std::uint64_t running = awaiting_coroutines;
  for (std::uint64_t i = 0; i != awaiting_coroutines; ++i) {
    asio::co_spawn(co_await asio::this_coro::executor, send_awaited(producer, run, awaited_records),
                   [&running](std::exception_ptr) { --running; });
  }
  co_await send_pipelined(producer, run, pipelined_records, 4000);
  asio::steady_timer pause(co_await asio::this_coro::executor);
  while (running > 0) {
    pause.expires_after(std::chrono::milliseconds(5));
    co_await pause.async_wait(asio::use_awaitable);
  }
  co_await finish(producer);
}

std::vector<std::string> segments_of(const std::string& data_folder, const std::vector<std::string>& topics) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data_folder)) {
    const std::string folder = entry.path().parent_path().filename().string();
    const std::string topic = folder.substr(0, folder.rfind('-'));
    if (entry.path().extension() == ".log" && std::find(topics.begin(), topics.end(), topic) != topics.end()) {
      found.push_back(entry.path().string());
    }
  }
  return found;
}

struct dump {
  std::size_t batches = 0;
  std::uint64_t records = 0;  // as far as the batches count them
  std::string complaints;
};

// Every line of a batch says `isvalid: true`; whatever else looks like trouble is a complaint.
dump read_dump(const std::string& text) {
  dump seen;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("baseOffset:", 0) == 0) {
      ++seen.batches;
      seen.records += std::stoull(line.substr(line.find(" count: ") + 8));
      if (line.find("isvalid: true") == std::string::npos) seen.complaints += line + "\n";
    } else if (line.find("isvalid: false") != std::string::npos || line.find("nvalid ") != std::string::npos ||
               line.find("on-consecutive") != std::string::npos || line.find("on-secutive") != std::string::npos ||
               line.find("xception") != std::string::npos || line.find("ismatch") != std::string::npos) {
      seen.complaints += line + "\n";
    }
  }
  return seen;
}

}  // namespace

TEST_CASE("200,000 records of every kind are read back byte for byte by a client that is not ours", "[integration]") {
  const real_kafka kafka = given_kafka();
  if (kafka.bootstrap.empty()) {
    WARN("skipped: no Kafka; run tools/test integration");
    return;
  }
  sending run;
  run.partitions = 3;
  std::string create;
  for (const int partitions : {3, 6, 12}) {
    run.topics.push_back(kafka.fresh_topic("read-back"));
    kafka.create_topics({run.topics.back() + ":" + std::to_string(partitions) + ":" +
                         std::to_string(kafka.replication()) + ":retention.ms=-1"});
  }
  log_lines log;
  {
    asio::io_context io;
    cokafka::config settings;
    settings.bootstrap_servers = kafka.bootstrap;
    settings.log_sink = log.sink();
    cokafka::producer producer(io, settings);
    run_program(io, send_everything(producer, run), std::chrono::seconds(150));
  }
  CAPTURE(log.text(), run.first_failure);
  CHECK(run.failed == 0);
  REQUIRE(run.told.count() == pipelined_records + awaiting_coroutines * awaited_records);
  CHECK(kafka.differences(run.told.path()) == "");

  // tools/kafka prints one data folder per node. What is in the first is in all.
  const char* const tool = std::getenv("COKAFKA_KAFKA_TOOL");
  REQUIRE(tool != nullptr);
  const command_output folders = run_command(std::string(tool) + " logdirs " + kafka.tool_options(), 20);
  CAPTURE(folders.text);
  REQUIRE(folders.code == 0);
  std::istringstream lines(folders.text);
  std::string folder;
  REQUIRE(std::getline(lines, folder));
  const std::vector<std::string> segments = segments_of(folder, run.topics);
  REQUIRE(segments.size() >= 21);
  std::string joined;
  for (const std::string& each : segments) joined += (joined.empty() ? "" : ",") + each;
  const command_output dumped =
      run_command(std::string(tool) + " run --version " + kafka.version +
                      " kafka.tools.DumpLogSegments --deep-iteration --files " + joined + " 2>&1",
                  120);
  CHECK(dumped.code == 0);
  const dump seen = read_dump(dumped.text);
  CHECK(seen.complaints == "");
  CHECK(seen.batches > 100);
  CHECK(seen.records == run.told.count());
}
