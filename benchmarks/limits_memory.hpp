// SPDX-License-Identifier: BSL-1.0
// How much the process grows while no broker can be reached and senders go on pushing records that nobody waits for.
#ifndef COKAFKA_BENCHMARKS_LIMITS_MEMORY_HPP
#define COKAFKA_BENCHMARKS_LIMITS_MEMORY_HPP

#include "limits.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <optional>

namespace bench {

struct memory_case {
  const char* name;
  bool known;          // the topic is, and the producer was connected before the brokers went
  bool random_topics;  // every record goes to a topic of its own
  std::size_t size;
  bool mixed_timeouts;  // of one to ten seconds, and failures that nobody waits for are reported
  int threads;          // 0: coroutines on the producer's context
};

inline constexpr memory_case memory_cases[] = {
    {"known topic", true, false, 100, false, 0},
    {"known topic, many small records", true, false, 2, false, 0},
    {"known topic, records that fall due", true, false, 100, true, 0},
    {"unknown topic", false, false, 100, false, 0},
    {"unknown topic, many small records", false, false, 2, false, 0},
    {"random topics", false, true, 100, false, 0},
    {"random topics after a known one", true, true, 2, true, 0},
    {"known topic, from threads", true, false, 100, false, 2},
    {"random topics, from threads", false, true, 2, false, 2},
};

class memory_run {
 public:
  memory_run(const memory_case& of, int seconds) : case_(of), seconds_(seconds) {}

  bool measure() {
    auto beside = std::make_unique<cluster_beside>(cokafka::testing::cluster_options{.brokers = 3});
    beside->kafka.create_topic("orders", 6);
    settings_.bootstrap_servers = beside->kafka.bootstrap_servers();
    if (case_.mixed_timeouts) {
      settings_.on_delivery_failed = [this](const cokafka::error&, const cokafka::record_view&) { ++reported_; };
    }
    producer_.emplace(io_, settings_);
    if (case_.known) warm_up(io_, *producer_, "orders");
    beside->kafka.stop();
    const std::int64_t before = resident_bytes();
    until_ = steady::now() + std::chrono::seconds(seconds_);
    std::vector<std::thread> threads;
    for (int i = 0; i != case_.threads; ++i) threads.emplace_back([this, i] { push_from_thread(i); });
    for (int i = 0; i != (case_.threads == 0 ? 4 : 0); ++i) asio::co_spawn(io_, push(i), asio::detached);
    while (steady::now() < until_) {
      io_.restart();
      io_.run_for(milliseconds(50));
      most_ = std::max(most_, resident_bytes());
    }
    for (auto& each : threads) each.join();
    return report(before);
  }

 private:
  asio::awaitable<void> push(int number) {
    std::mt19937 random(static_cast<unsigned>(number));
    while (steady::now() < until_) {
      push_some(random);
      co_await asio::post(asio::use_awaitable);
    }
  }

  void push_from_thread(int number) {
    std::mt19937 random(static_cast<unsigned>(number));
    while (steady::now() < until_) push_some(random);
  }

  void push_some(std::mt19937& random) {
    const std::string value(case_.size, 'v');
    std::string topic = "orders";
    cokafka::record_view record;
    for (int i = 0; i != 500; ++i) {
      if (case_.random_topics) topic = "topic-" + std::to_string(random());
      record.topic = topic;
      record.value = value;
      if (case_.mixed_timeouts) record.timeout = milliseconds(1000 + random() % 9000);
      cokafka::delivery sent = producer_->send(record);
      if (sent.ready()) refused_.fetch_add(1, std::memory_order_relaxed);
      std::move(sent).detach();
    }
    sent_.fetch_add(500, std::memory_order_relaxed);
  }

  bool report(std::int64_t before) {
    const std::int64_t bar = settings_.buffer_memory + settings_.parked_memory + (16 << 20);
    const bool ok = most_ - before <= bar;
    const auto left = producer_->outstanding();
    std::printf(
        "{\"measure\":\"memory\",\"case\":\"%s\",\"seconds\":%d,\"size\":%zu,\"threads\":%d,\"sent\":%llu,"
        "\"refused\":%llu,\"reported\":%llu,\"outstanding\":{\"records\":%llu,\"bytes\":%llu},\"rss_before_mib\":%.1f,"
        "\"growth_mib\":%.1f,\"bar_mib\":%.1f,\"ok\":%s}\n",
        case_.name, seconds_, case_.size, case_.threads, static_cast<unsigned long long>(sent_.load()),
        static_cast<unsigned long long>(refused_.load()), static_cast<unsigned long long>(reported_),
        static_cast<unsigned long long>(left.records), static_cast<unsigned long long>(left.bytes), mebibytes(before),
        mebibytes(most_ - before), mebibytes(bar), json(ok));
    std::fflush(stdout);
    return ok;
  }

  const memory_case& case_;
  const int seconds_;
  cokafka::config settings_;
  asio::io_context io_;
  std::optional<cokafka::producer> producer_;
  steady::time_point until_;
  std::int64_t most_ = 0;
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::uint64_t reported_ = 0;
};

// Each case in a process of its own: what another has left to malloc must not count, or be counted on.
inline bool measure_memory(const limit_options& chosen) {
  bool ok = true;
  for (const memory_case& each : memory_cases) {
    if (std::string_view(each.name).find(chosen.only) == std::string_view::npos) continue;
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        ::_exit(memory_run(each, chosen.seconds > 0 ? chosen.seconds : 60).measure() ? 0 : 1);
      } catch (const std::exception& problem) {
        std::fprintf(stderr, "bench_limits: %s\n", problem.what());
        ::_exit(1);
      }
    }
    if (child < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
    int status = 0;
    ::waitpid(child, &status, 0);
    ok = status == 0 && ok;
  }
  return ok;
}

}  // namespace bench

#endif
