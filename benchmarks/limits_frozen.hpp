// SPDX-License-Identifier: BSL-1.0
// What the partitions of two brokers get through while a third broker is frozen, against what they did before.
#ifndef COKAFKA_BENCHMARKS_LIMITS_FROZEN_HPP
#define COKAFKA_BENCHMARKS_LIMITS_FROZEN_HPP

#include "limits.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <string_view>

namespace bench {

enum class senders {
  await,  // one coroutine per partition, each with a window of its own records
  space,  // one coroutine per partition, each awaits space and lets its records go; it pauses where one is refused
  single  // one coroutine for all partitions that awaits space
};

inline const char* name_of(senders mode) {
  switch (mode) {
    case senders::await: return "await";
    case senders::space: return "space";
    case senders::single: return "single";
  }
  return "";
}

class frozen_run {
 public:
  frozen_run(senders mode, int seconds, const limit_options& chosen)
      : mode_(mode), seconds_(seconds), chosen_(chosen), value_(chosen.size, 'v'), producer_(io_, settings()) {}

  bool measure() {
    cokafka::testing::topic_options topic;
    topic.retention_bytes = 16 << 20;
    beside_.kafka.create_topic("orders", partitions, topic);
    for (int i = 0; i != partitions; ++i) is_frozen_[index(i)] = beside_.kafka.leader("orders", i) == 0;
    warm_up(io_, producer_, "orders");
    if (mode_ == senders::single) {
      asio::co_spawn(io_, send_to_all(), asio::detached);
    } else {
      for (int i = 0; i != partitions; ++i) asio::co_spawn(io_, send_to(i), asio::detached);
    }
    run_for(milliseconds(1000));  // not counted: buffers reach their size
    const int before_s = std::clamp(seconds_ / 4, 2, 15);
    const double before = rate_over(milliseconds(1000 * before_s));
    beside_.kafka.freeze(0);
    const milliseconds window(std::min(5000, 1000 * seconds_));
    std::vector<double> rates;
    for (milliseconds done(0); done < milliseconds(1000 * seconds_); done += window) rates.push_back(rate_over(window));
    stopping_ = true;
    return report(before, rates, window);
  }

 private:
  static constexpr int partitions = 6;
  static constexpr int stride = 500;
  static std::size_t index(int partition) { return static_cast<std::size_t>(partition); }

  cokafka::config settings() const {
    cokafka::config made;
    made.bootstrap_servers = beside_.kafka.bootstrap_servers();
    if (chosen_.buffer_memory > 0) made.buffer_memory = chosen_.buffer_memory;
    return made;
  }

  void run_for(milliseconds time) {
    const auto until = steady::now() + time;
    while (steady::now() < until) {
      io_.restart();
      io_.run_until(until);
    }
  }

  // Records per second to the brokers that are never frozen.
  double rate_over(milliseconds time) {
    const std::uint64_t written = healthy_;
    const auto begun = steady::now();
    run_for(time);
    const std::chrono::duration<double> passed = steady::now() - begun;
    return static_cast<double>(healthy_ - written) / passed.count();
  }

  // The last record of a stride speaks for it: those of a partition are written in order.
  cokafka::delivery send_stride(int partition) {
    cokafka::record_view record;
    record.topic = "orders";
    record.value = value_;
    record.partition = partition;
    for (int i = 1; i != stride; ++i) producer_.send(record).detach();
    return producer_.send(record);
  }

  void note(int partition, const cokafka::result<cokafka::record_metadata>& said) {
    const bool frozen = is_frozen_[index(partition)];
    if (said && !frozen) healthy_ += stride;
    if (!said && !frozen) ++healthy_strides_failed_;
    if (!said && frozen) ++frozen_strides_failed_;
  }

  asio::awaitable<void> send_to(int partition) {
    return mode_ == senders::await ? send_and_await(partition) : send_for_space(partition);
  }

  asio::awaitable<void> send_and_await(int partition) {
    constexpr std::size_t window = 20;
    std::deque<cokafka::delivery> sent;
    while (!stopping_) {
      sent.push_back(send_stride(partition));
      if (sent.size() < window) continue;
      cokafka::delivery oldest = std::move(sent.front());
      sent.pop_front();
      const auto said = co_await std::move(oldest)(asio::use_awaitable);
      note(partition, said);
    }
  }

  asio::awaitable<void> send_for_space(int partition) {
    while (!stopping_) {
      const bool refused = co_await send_when_there_is_space(partition);
      if (refused) co_await pause();
    }
  }

  asio::awaitable<void> send_to_all() {
    for (int next = 0; !stopping_; next = (next + 1) % partitions) co_await send_when_there_is_space(next);
  }

  asio::awaitable<bool> send_when_there_is_space(int partition) {
    const auto space = co_await producer_.wait_for_space(stride * (value_.size() + 16), asio::use_awaitable);
    if (!space) co_return true;
    cokafka::delivery last = send_stride(partition);
    const bool refused = last.ready();
    std::move(last)([this, partition](const auto& said) { note(partition, said); });
    co_return refused;
  }

  asio::awaitable<void> pause() {
    asio::steady_timer timer(io_, milliseconds(10));
    co_await timer.async_wait(asio::use_awaitable);
  }

  bool report(double before, const std::vector<double>& rates, milliseconds window) const {
    constexpr double bar = 0.9;
    const double least = *std::min_element(rates.begin(), rates.end());
    double sum = 0;
    std::string list;
    for (const double each : rates) {
      sum += each;
      list += (list.empty() ? "" : ",") + std::to_string(static_cast<long long>(each));
    }
    // A single loop is measured for what it is; the promise is for senders that do not wait for the frozen broker.
    const bool has_bar = mode_ != senders::single;
    const bool ok = !has_bar || least >= bar * before;
    std::printf(
        "{\"measure\":\"frozen\",\"senders\":\"%s\",\"seconds\":%d,\"size\":%zu,\"buffer_memory\":%lld,"
        "\"records_per_s_before\":%.0f,\"records_per_s\":[%s],\"window_ms\":%lld,\"mean_ratio\":%.3f,"
        "\"least_ratio\":%.3f,\"strides_failed\":{\"healthy\":%llu,\"frozen\":%llu},\"bar_ratio\":%s,\"ok\":%s}\n",
        name_of(mode_), seconds_, chosen_.size, static_cast<long long>(settings().buffer_memory), before, list.c_str(),
        static_cast<long long>(window.count()), sum / static_cast<double>(rates.size()) / before, least / before,
        static_cast<unsigned long long>(healthy_strides_failed_),
        static_cast<unsigned long long>(frozen_strides_failed_), has_bar ? "0.9" : "null", json(ok));
    std::fflush(stdout);
    return ok;
  }

  const senders mode_;
  const int seconds_;
  const limit_options& chosen_;
  const std::string value_;
  cluster_beside beside_{cokafka::testing::cluster_options{.brokers = 3}};
  asio::io_context io_{1};
  cokafka::producer producer_;
  std::array<bool, partitions> is_frozen_{};
  bool stopping_ = false;
  std::uint64_t healthy_ = 0;
  std::uint64_t healthy_strides_failed_ = 0;
  std::uint64_t frozen_strides_failed_ = 0;
};

inline bool measure_frozen(const limit_options& chosen) {
  bool ok = true;
  for (const senders mode : {senders::await, senders::space, senders::single}) {
    if (std::string_view(name_of(mode)).find(chosen.only) == std::string_view::npos) continue;
    for (int i = 0; i != chosen.repeat; ++i) {
      ok = frozen_run(mode, chosen.seconds > 0 ? chosen.seconds : 60, chosen).measure() && ok;
    }
  }
  return ok;
}

}  // namespace bench

#endif
