// SPDX-License-Identifier: BSL-1.0
// A thread looks at the stories: one that does not end, be it inside one handler, must not hang whoever runs it.
#ifndef COKAFKA_TESTS_SIMULATION_WATCH_HPP
#define COKAFKA_TESTS_SIMULATION_WATCH_HPP

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace cokafka_tests {

/// What a story and its watcher tell each other.
struct story_watch {
  std::atomic<std::uint64_t> steps{0};  ///< handlers that have run
  std::atomic<bool> enough{false};      ///< the story ends after the next one
};

/// A thread that looks at one story after the other. Thread safety: used by one thread.
class watchdog {
 public:
  /// `hopeless` is called, on the watchdog's thread, when a story computes for longer than `patience`, is told so, and
  /// does not end for some seconds: one handler runs for ever. It must end the process.
  watchdog(std::chrono::seconds patience, std::function<void(std::uint64_t seed, std::uint64_t steps)> hopeless);
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;
  ~watchdog();

  /// For the next story.
  story_watch& begin(std::uint64_t seed);
  void end();

 private:
  using clock = std::chrono::steady_clock;
  void look();

  const std::chrono::seconds patience_;
  const std::function<void(std::uint64_t, std::uint64_t)> hopeless_;
  story_watch watch_;
  std::mutex mutex_;
  std::condition_variable changed_;
  clock::time_point began_{};
  std::uint64_t seed_ = 0;
  bool running_ = false;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace cokafka_tests

#endif
