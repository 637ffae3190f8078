// SPDX-License-Identifier: BSL-1.0
// What a benchmark sends, and what it measures of itself while it does.
#ifndef COKAFKA_BENCHMARKS_WORKLOAD_HPP
#define COKAFKA_BENCHMARKS_WORKLOAD_HPP

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

// Both clients send with acks=all; what is not set here is left at each client's own default.
struct workload {
  std::string brokers;
  std::uint64_t records = 2'000'000;
  std::uint64_t warm_up = 200'000;
  std::size_t size = 100;
  std::int32_t partitions = 1;
  bool round_robin = true;  // the benchmark names the partition; otherwise the client chooses
  std::optional<bool> idempotent;
  std::optional<int> linger_ms;
  std::optional<int> batch_size;
  std::optional<int> send_buffer_bytes;  // of the socket; 0: what the system chooses
  int coroutines = 0;                    // of ours, each awaiting its own records; 0: one that awaits none
  bool bare = false;                     // librdkafka keeps the limits of its queue and of a batch as well
  using properties = std::vector<std::pair<std::string, std::string>>;
  properties ours;  // set last, at one client only
  properties theirs;

  std::optional<std::int32_t> partition_of(std::uint64_t record) const {
    if (!round_robin) return std::nullopt;
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(record) % static_cast<std::uint32_t>(partitions));
  }

  // After how many records a client looks up from sending: ours for space, librdkafka for delivery reports.
  std::uint64_t stride() const {
    return std::clamp<std::uint64_t>(256 * 1024 / std::max<std::size_t>(size, 1), 1, 1000);
  }
};

// The values of records, made before the clock starts.
class payloads {
 public:
  explicit payloads(std::size_t size) : size_(size), bytes_(size * different, '\0') {
    std::mt19937 random(1);
    for (char& byte : bytes_) byte = static_cast<char>('a' + random() % 26);
  }
  std::string_view value(std::uint64_t record) const { return {bytes_.data() + record % different * size_, size_}; }

 private:
  static constexpr std::size_t different = 1024;
  std::size_t size_;
  std::string bytes_;
};

// Time that has passed and CPU time that this process has taken in it, all its threads included.
struct span_of_time {
  double wall_s = 0;
  double user_s = 0;
  double system_s = 0;

  double cpu_s() const { return user_s + system_s; }
};

class stopwatch {
 public:
  span_of_time elapsed() const {
    const rusage now = usage();
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begun_;
    return {wall.count(), seconds(now.ru_utime) - seconds(at_start_.ru_utime),
            seconds(now.ru_stime) - seconds(at_start_.ru_stime)};
  }

 private:
  static rusage usage() {
    rusage now{};
    ::getrusage(RUSAGE_SELF, &now);
    return now;
  }
  static double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  }

  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  rusage at_start_ = usage();
};

// A run ends when every record has been acknowledged; connecting and the first records are the warm-up.
struct measurement {
  span_of_time warm_up;
  span_of_time run;
};

}  // namespace bench

#endif
