// SPDX-License-Identifier: BSL-1.0
// Ours, in two forms: a loop that never awaits its records but waits for space, and coroutines that await each of
// theirs.
#ifndef COKAFKA_BENCHMARKS_CLIENT_COKAFKA_HPP
#define COKAFKA_BENCHMARKS_CLIENT_COKAFKA_HPP

#include "workload.hpp"

#include "cokafka.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>

namespace bench {

class cokafka_client {
 public:
  explicit cokafka_client(const workload& work)
      : work_(work), payloads_(work.size), producer_(io_, settings(work)), topic_(producer_.topic("bench")) {}

  measurement measure() {
    measurement taken;
    std::exception_ptr failure;
    boost::asio::co_spawn(io_, run(taken), [&](std::exception_ptr thrown) {
      failure = thrown;
      if (thrown) io_.stop();  // the producer, still open, would keep it running
    });
    io_.run();
    if (failure) std::rethrow_exception(failure);
    return taken;
  }

  static std::string version() { return COKAFKA_VERSION; }

 private:
  static cokafka::config settings(const workload& work) {
    cokafka::config chosen;
    chosen.bootstrap_servers = work.brokers;
    if (work.idempotent) chosen.enable_idempotence = *work.idempotent;
    if (work.linger_ms) chosen.linger = std::chrono::milliseconds(*work.linger_ms);
    if (work.batch_size) chosen.batch_size = *work.batch_size;
    if (work.send_buffer_bytes) chosen.send_buffer_bytes = *work.send_buffer_bytes == 0 ? -1 : *work.send_buffer_bytes;
    for (const auto& [name, value] : work.ours) chosen.set(name, value).value();
    return chosen;
  }

  cokafka::record_view record(std::uint64_t number) const {
    return {.value = payloads_.value(number), .partition = work_.partition_of(number)};
  }

  boost::asio::awaitable<void> run(measurement& taken) {
    (co_await producer_.warm_up("bench")).value();
    const stopwatch before;
    co_await send(work_.warm_up);
    taken.warm_up = before.elapsed();
    const stopwatch clock;
    co_await send(work_.records);
    taken.run = clock.elapsed();
    (co_await producer_.close(std::chrono::seconds(10))).value();
  }

  boost::asio::awaitable<void> send(std::uint64_t records) {
    return work_.coroutines == 0 ? send_and_forget(records) : send_and_await(records);
  }

  boost::asio::awaitable<void> send_and_forget(std::uint64_t records) {
    const std::uint64_t stride = work_.stride();
    for (std::uint64_t i = 0; i < records; i += stride) {
      (co_await producer_.wait_for_space(stride * work_.size)).value();
      const std::uint64_t end = std::min(i + stride, records);
      for (std::uint64_t each = i; each != end; ++each) topic_.send(record(each)).detach();
    }
    (co_await producer_.flush()).value();
  }

  boost::asio::awaitable<void> send_and_await(std::uint64_t records) {
    boost::asio::steady_timer done(io_, boost::asio::steady_timer::time_point::max());
    std::uint64_t next = 0;
    int running = work_.coroutines;
    std::exception_ptr failure;
    const auto on_end = [&](std::exception_ptr thrown) {
      if (thrown) failure = thrown;
      if (--running == 0) done.cancel();
    };
    for (int i = 0; i != work_.coroutines; ++i) boost::asio::co_spawn(io_, await_each(next, records), on_end);
    co_await done.async_wait(boost::asio::as_tuple(boost::asio::deferred));
    if (failure) std::rethrow_exception(failure);
  }

  boost::asio::awaitable<void> await_each(std::uint64_t& next, std::uint64_t records) {
    while (next != records) {
      const cokafka::record_view mine = record(next++);
      auto sent = co_await topic_.send(mine);
      sent.value();
    }
  }

  workload work_;
  payloads payloads_;
  boost::asio::io_context io_{1};
  cokafka::producer producer_;
  cokafka::topic_handle topic_;
};

}  // namespace bench

#endif
