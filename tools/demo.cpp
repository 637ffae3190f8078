// SPDX-License-Identifier: BSL-1.0
// The demo: many coroutines send records, then the log is read back and held against the acknowledgements.
#include "cokafka.hpp"
#include "cokafka/testing.hpp"
#include "demo_read_back.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view usage =
    "Usage: demo [--records N] [--brokers host:port,...] [--topic NAME]\n"
    "Sends N records (default 1000000) from 1000 coroutines, half of them with keys, to a topic with 6 partitions of "
    "a\n"
    "3-broker cluster inside this process, and reads them back. With --brokers it sends to that Kafka instead, to the\n"
    "topic NAME (default cokafka-demo), and reads nothing back. The exit code is 0 only if all went well.\n";

constexpr int sender_count = 1000;
constexpr int brokers = 3;
constexpr int partitions = 6;
constexpr int keys = 100;
constexpr std::int64_t most_records = 10'000'000;

using steady = std::chrono::steady_clock;

struct arguments {
  std::int64_t records = 1'000'000;
  std::string brokers;
  std::string topic = "cokafka-demo";
  bool help = false;
  bool legal = true;
};

arguments read_arguments(int count, char** values) {
  arguments read;
  for (int i = 1; i < count && read.legal; ++i) {
    const std::string_view name = values[i];
    if (name == "--help" || name == "-h") {
      read.help = true;
    } else if (i + 1 == count) {
      read.legal = false;
    } else if (name == "--records") {
      const std::string_view text = values[++i];
      const auto parsed = std::from_chars(text.data(), text.data() + text.size(), read.records);
      read.legal = parsed.ptr == text.data() + text.size() && read.records > 0 && read.records <= most_records;
    } else if (name == "--brokers") {
      read.brokers = values[++i];
    } else if (name == "--topic") {
      read.topic = values[++i];
    } else {
      read.legal = false;
    }
    if (!read.legal) std::fprintf(stderr, "demo: cannot use '%s'\n\n", values[i]);
  }
  return read;
}

/// What one partition acknowledged.
struct tally {
  std::int64_t records = 0;
  std::int64_t bytes = 0;  // of keys and values
  std::int64_t first_offset = 0;
  std::int64_t last_offset = 0;
};

/// What the coroutines share; one thread runs them all. Records are numbered in the order in which they are sent.
struct demo {
  std::string topic;
  std::int64_t wanted = 0;
  std::int64_t sent = 0;
  std::int64_t acknowledged = 0;
  std::string failure;             // of the first record that failed; nothing is sent after it
  std::vector<demo_place> places;  // by number
  std::vector<steady::duration> latencies;
  std::map<std::int32_t, tally> tallies;
  int senders = sender_count;
  steady::duration took{};

  bool goes_on() const { return sent < wanted && failure.empty(); }
};

struct sent_record {
  std::int64_t number;
  steady::time_point at;
  cokafka::delivery delivery;
};

/// The value starts with the record's number; the key, if there is one, follows from it.
sent_record send_next(cokafka::producer& producer, demo& run, bool keyed) {
  const std::int64_t number = run.sent++;
  const std::string key = "customer-" + std::to_string(number % keys);
  std::string value = std::to_string(number) + ' ';
  value.resize(demo_value_size, '.');
  cokafka::record_view record{.topic = run.topic, .value = value};
  if (keyed) record.key = key;
  return {number, steady::now(), producer.send(record)};
}

void note_answer(demo& run, const sent_record& of, const cokafka::result<cokafka::record_metadata>& answer) {
  if (!answer) {
    if (run.failure.empty()) {
      run.failure = answer.error().message() + " (" + std::string(to_string(answer.error().fate())) + ")";
    }
    return;
  }
  const cokafka::record_metadata& metadata = answer.value();
  const std::int64_t offset = metadata.offset.value_or(-1);
  run.latencies.push_back(steady::now() - of.at);
  run.places[static_cast<std::size_t>(of.number)] = {metadata.partition, offset};
  tally& partition = run.tallies[metadata.partition];
  if (partition.records++ == 0) partition.first_offset = partition.last_offset = offset;
  partition.first_offset = std::min(partition.first_offset, offset);
  partition.last_offset = std::max(partition.last_offset, offset);
  partition.bytes += static_cast<std::int64_t>(metadata.key_size.value_or(0) + metadata.value_size.value_or(0));
  ++run.acknowledged;
}

/// Senders of records with keys have four in flight, so that the order per key is put to the test.
asio::awaitable<void> send_records(cokafka::producer& producer, demo& run, bool keyed) {
  std::vector<sent_record> burst;
  while (run.goes_on()) {
    burst.clear();
    for (int i = 0; i < (keyed ? 4 : 1) && run.goes_on(); ++i) burst.push_back(send_next(producer, run, keyed));
    for (sent_record& record : burst) {
      auto answer = co_await std::move(record.delivery);
      note_answer(run, record, answer);
    }
  }
}

/// One line that is written over on a terminal; elsewhere a line for each quarter.
class progress {
 public:
  void show(const demo& run, bool last) {
    const std::string line = grouped(run.acknowledged) + " of " + grouped(run.wanted) + " records acknowledged, " +
                             grouped(run.sent - run.acknowledged) + " waiting";
    if (terminal_) {
      std::printf("\r\033[K%s%s", line.c_str(), last ? "\n" : "");
    } else if (last || run.acknowledged * 4 >= run.wanted * quarter_) {
      while (run.acknowledged * 4 >= run.wanted * quarter_) ++quarter_;
      std::printf("%s\n", line.c_str());
    }
    std::fflush(stdout);
  }

 private:
  bool terminal_ = ::isatty(STDOUT_FILENO) == 1;
  std::int64_t quarter_ = 1;
};

asio::awaitable<void> conduct(cokafka::producer& producer, demo& run) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  const auto begun = steady::now();
  const auto ended = [&run, &timer, begun](std::exception_ptr failed) {
    if (failed) run.failure = "a sender ended with an exception";
    if (--run.senders != 0) return;
    run.took = steady::now() - begun;
    timer.cancel();
  };
  for (int i = 0; i < sender_count; ++i) asio::co_spawn(executor, send_records(producer, run, i % 2 == 0), ended);
  progress line;
  while (run.senders > 0) {
    timer.expires_after(100ms);
    boost::system::error_code cancelled;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    line.show(run, run.senders == 0);
  }
  auto closed = co_await producer.close(10s);
  if (!closed && run.failure.empty()) run.failure = closed.error().message();
}

double milliseconds_at(std::vector<steady::duration>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
  return std::chrono::duration<double, std::milli>(sorted[index]).count();
}

void print_report(demo& run, const cokafka::testing::cluster* kafka) {
  std::printf("\n%9s %12s %14s %14s %14s%s\n", "partition", "records", "bytes", "first offset", "last offset",
              kafka ? "  records per request" : "");
  for (const auto& [id, partition] : run.tallies) {
    std::printf("%9d %12s %14s %14s %14s", id, grouped(partition.records).c_str(), grouped(partition.bytes).c_str(),
                grouped(partition.first_offset).c_str(), grouped(partition.last_offset).c_str());
    // A request carries at most one batch of a partition.
    if (kafka) {
      const std::size_t requests = kafka->batches(run.topic, id).size();
      std::printf(" %20.1f",
                  static_cast<double>(partition.records) / static_cast<double>(std::max<std::size_t>(requests, 1)));
    }
    std::printf("\n");
  }
  std::sort(run.latencies.begin(), run.latencies.end());
  const double seconds = std::chrono::duration<double>(run.took).count();
  std::printf("\n%s records in %.2f s", grouped(run.acknowledged).c_str(), seconds);
  if (kafka) {
    std::printf(", %s Produce requests",
                grouped(static_cast<std::int64_t>(kafka->request_count(cokafka::testing::api_key::produce))).c_str());
  }
  std::printf("\nacknowledgement latency: p50 %.2f ms, p99 %.2f ms\n", milliseconds_at(run.latencies, 0.5),
              milliseconds_at(run.latencies, 0.99));
}

int run_demo(const arguments& with) {
  asio::io_context io(1);
  demo run;
  run.topic = with.topic;
  run.wanted = with.records;
  run.places.resize(static_cast<std::size_t>(run.wanted));
  std::unique_ptr<cokafka::testing::cluster> kafka;
  cokafka::config config{.bootstrap_servers = with.brokers, .max_block = 10s};
  if (with.brokers.empty()) {
    kafka = std::make_unique<cokafka::testing::cluster>(io, cokafka::testing::cluster_options{.brokers = brokers});
    kafka->create_topic(run.topic, partitions);
    config.bootstrap_servers = kafka->bootstrap_servers();
  }
  std::printf("%s records from %d coroutines to topic %s of %s\n", grouped(run.wanted).c_str(), sender_count,
              run.topic.c_str(), kafka ? "an embedded cluster with 3 brokers" : with.brokers.c_str());
  cokafka::producer producer(io, config);
  asio::co_spawn(io, conduct(producer, run), [&](std::exception_ptr failed) {
    if (kafka) kafka->stop();
    if (failed) std::rethrow_exception(failed);
  });
  io.run();

  if (run.acknowledged > 0) print_report(run, kafka.get());
  if (run.failure.empty() && kafka) run.failure = demo_read_back(*kafka, run.topic, run.places);
  if (!run.failure.empty()) {
    std::fprintf(stderr, "demo: failed: %s\n", run.failure.c_str());
    return 1;
  }
  std::puts(kafka ? "read back: every record is there exactly once, where its acknowledgement said, in order per key"
                  : "every record was acknowledged");
  return 0;
}

}  // namespace

int main(int count, char** values) {
  const arguments read = read_arguments(count, values);
  if (read.help || !read.legal) {
    std::fputs(usage.data(), read.help ? stdout : stderr);
    return read.help ? 0 : 2;
  }
  try {
    return run_demo(read);
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "demo: %s\n", failed.what());
    return 1;
  }
}
