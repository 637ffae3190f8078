// SPDX-License-Identifier: BSL-1.0
// Bodies of watch.hpp.
#include "simulation/watch.hpp"

#include <ctime>
#include <utility>

namespace cokafka_tests {

namespace {

constexpr auto grace = std::chrono::seconds(5);
constexpr auto between_looks = std::chrono::milliseconds(500);

// Other programs may keep this one waiting: what it has computed counts.
std::chrono::steady_clock::time_point computed() {
  const std::chrono::duration<double> seconds(static_cast<double>(std::clock()) / CLOCKS_PER_SEC);
  return std::chrono::steady_clock::time_point(std::chrono::duration_cast<std::chrono::nanoseconds>(seconds));
}

}  // namespace

watchdog::watchdog(std::chrono::seconds patience, std::function<void(std::uint64_t, std::uint64_t)> hopeless)
    : patience_(patience), hopeless_(std::move(hopeless)), thread_([this] { look(); }) {}

watchdog::~watchdog() {
  {
    const std::scoped_lock guard(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

story_watch& watchdog::begin(std::uint64_t seed) {
  const std::scoped_lock guard(mutex_);
  watch_.steps = 0;
  watch_.enough = false;
  seed_ = seed;
  began_ = computed();
  running_ = true;
  return watch_;
}

void watchdog::end() {
  const std::scoped_lock guard(mutex_);
  running_ = false;
}

void watchdog::look() {
  std::unique_lock guard(mutex_);
  while (!over_) {
    changed_.wait_for(guard, between_looks);
    if (!running_) continue;
    const auto took = computed() - began_;
    if (took > patience_) watch_.enough = true;
    if (took > patience_ + grace) hopeless_(seed_, watch_.steps);
  }
}

}  // namespace cokafka_tests
