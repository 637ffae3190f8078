// SPDX-License-Identifier: BSL-1.0
// What the measurements of bench_limits share: the embedded cluster on a thread of its own, and how a bar is reported.
#ifndef COKAFKA_BENCHMARKS_LIMITS_HPP
#define COKAFKA_BENCHMARKS_LIMITS_HPP

#include "cokafka.hpp"
#include "cokafka/testing.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace bench {

namespace asio = boost::asio;
using steady = std::chrono::steady_clock;
using milliseconds = std::chrono::milliseconds;

struct limit_options {
  int seconds = 0;  // 0: each measurement's own
  std::size_t records = 100'000;
  std::size_t size = 100;
  int repeat = 1;
  std::string only;                // a part of the name of what is measured; empty: all of it
  std::int64_t buffer_memory = 0;  // 0: the default
};

// The brokers run on their own thread, so that what is measured is the producer's.
class cluster_beside {
 public:
  explicit cluster_beside(const cokafka::testing::cluster_options& options = {}) : kafka(io_, options) {}
  cluster_beside(const cluster_beside&) = delete;
  ~cluster_beside() {
    kafka.stop();
    work_.reset();
    thread_.join();
  }

 private:
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};

 public:
  cokafka::testing::cluster kafka;

 private:
  std::thread thread_{[this] { io_.run(); }};
};

// VmRSS.
inline std::int64_t resident_bytes() {
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) throw std::runtime_error("/proc/self/statm cannot be read");
  long long total = 0;
  long long resident = 0;
  const int read = std::fscanf(file, "%lld %lld", &total, &resident);
  std::fclose(file);
  if (read != 2) throw std::runtime_error("/proc/self/statm cannot be read");
  return resident * ::sysconf(_SC_PAGESIZE);
}

inline double mebibytes(std::int64_t bytes) { return static_cast<double>(bytes) / (1024.0 * 1024.0); }

inline const char* json(bool value) { return value ? "true" : "false"; }

// Runs a context until `happened()`, or throws after `patience`.
template <class Predicate>
void run_until(asio::io_context& io, std::chrono::seconds patience, Predicate happened) {
  const auto late = steady::now() + patience;
  while (!happened()) {
    if (steady::now() > late) throw std::runtime_error("the measurement does not end");
    io.restart();
    io.run_one_for(milliseconds(100));
  }
}

inline void warm_up(asio::io_context& io, cokafka::producer& producer, const std::string& topic) {
  bool warm = false;
  producer.warm_up(topic, [&](const cokafka::result<void>& done) {
    done.value();
    warm = true;
  });
  run_until(io, std::chrono::seconds(30), [&] { return warm; });
}

}  // namespace bench

#endif
