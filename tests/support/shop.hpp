// SPDX-License-Identifier: BSL-1.0
// A producer beside an embedded cluster, and ways to run both until something has happened.
#ifndef COKAFKA_TESTS_SUPPORT_SHOP_HPP
#define COKAFKA_TESTS_SUPPORT_SHOP_HPP

#include "cokafka.hpp"
#include "cokafka/testing.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace cokafka_tests {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using outcome = cokafka::result<cokafka::record_metadata>;

/// How long a test waits for what must happen; long, because sanitizers on a busy machine are slow.
inline constexpr auto patience = 60s;

inline constexpr cokafka::record_view one{.topic = "orders", .key = "k", .value = "one"};

inline cokafka::config config_for(const cokafka::testing::cluster& kafka) {
  cokafka::config made;
  made.bootstrap_servers = kafka.bootstrap_servers();
  return made;
}

/// Runs the context on this thread until `happened()`; false when it does not happen in time. What handlers throw goes
/// through.
template <class Predicate>
bool run_until(asio::io_context& io, Predicate happened) {
  const auto late = std::chrono::steady_clock::now() + patience;
  io.restart();
  while (!happened()) {
    if (std::chrono::steady_clock::now() > late) return false;
    if (io.run_one_for(100ms) == 0 && io.stopped()) io.restart();
  }
  return true;
}

/// Runs a coroutine to its end; what it throws is thrown here. False when it does not end in time.
inline bool run_coroutine(asio::io_context& io, asio::awaitable<void> body) {
  bool done = false;
  std::exception_ptr failed;
  asio::co_spawn(io, std::move(body), [&](std::exception_ptr thrown) {
    done = true;
    failed = thrown;
  });
  const bool in_time = run_until(io, [&] { return done; });
  if (failed) std::rethrow_exception(failed);
  return in_time;
}

/// Waits on this thread for something that other threads do.
template <class Predicate>
bool wait_until(Predicate happened) {
  const auto late = std::chrono::steady_clock::now() + patience;
  while (!happened()) {
    if (std::chrono::steady_clock::now() > late) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

/// Everything on one context, run by the test itself.
struct shop_and_kafka {
  explicit shop_and_kafka(cokafka::testing::cluster_options options = {}) : kafka(io, options) {}
  asio::io_context io;
  cokafka::testing::cluster kafka;
  cokafka::producer shop{io, config_for(kafka)};
};

/// A context and the threads that run it until the object goes.
class running_context {
 public:
  explicit running_context(int threads = 1) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { io.run(); });
  }
  running_context(const running_context&) = delete;
  running_context& operator=(const running_context&) = delete;
  ~running_context() { stop(); }

  /// Handlers that have not run yet stay in the context.
  void stop() {
    work_.reset();
    io.stop();
    for (auto& each : threads_) each.join();
    threads_.clear();
  }

  asio::io_context io;

 private:
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io);
  std::vector<std::thread> threads_;
};

/// A cluster on a thread of its own, so that a test may do what it likes with the producer's context.
struct kafka_elsewhere {
  explicit kafka_elsewhere(cokafka::testing::cluster_options options = {}) : kafka(context.io, options) {}
  running_context context;
  cokafka::testing::cluster kafka;
};

}  // namespace cokafka_tests

#endif
