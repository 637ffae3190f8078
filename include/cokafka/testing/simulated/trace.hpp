// SPDX-License-Identifier: BSL-1.0
// What has happened in a simulated world: the newest lines as text, and a number that stands for all of it.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_TRACE_HPP
#define COKAFKA_TESTING_SIMULATED_TRACE_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/testing/simulated/agenda.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

/// What a connection did; lines are made of it only when somebody reads them.
enum class network_event : std::uint8_t {
  none,
  asks,  // a client wants a connection
  connected,
  refused,
  unanswered,   // the attempt to connect hangs
  client_sent,  // value: bytes
  broker_sent,
  client_read,
  broker_read,
  client_closed,
  broker_closed,
  cut,
  client_half_closed,  // the direction from the client ends
  broker_half_closed,
  silent,  // a black hole begins
  healed
};

constexpr std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) noexcept {
  return (std::rotl(hash, 7) ^ value) * 0x9e3779b97f4a7c15ULL;
}

/// Thread safety: distinct objects safe.
class trace {
 public:
  explicit trace(const agenda& clock) : clock_(clock), begin_(clock.now()) {}

  COKAFKA_DECL void line(std::string_view text);
  /// `extra` counts in the fingerprint only.
  COKAFKA_DECL void event(network_event what, std::uint64_t connection, std::uint64_t value = 0,
                          std::uint64_t extra = 0);
  /// Counts something that makes no line.
  void mix(std::uint64_t value) noexcept { hash_ = mixed(hash_, value); }

  /// Equal for equal runs.
  std::uint64_t fingerprint() const noexcept { return hash_; }
  /// The newest lines, each with the seconds since the beginning.
  COKAFKA_DECL std::string text() const;
  /// How many of the newest lines are kept.
  COKAFKA_DECL void keep(std::size_t lines);

 private:
  struct entry {
    clock_time at{};
    std::string text{};
    network_event what = network_event::none;  // none: the text
    std::uint64_t connection = 0;
    std::uint64_t value = 0;
  };

  COKAFKA_DECL void add(entry added);
  COKAFKA_DECL static std::string text_of(const entry& of);

  const agenda& clock_;
  const clock_time begin_;
  std::uint64_t hash_ = 0x9e3779b97f4a7c15ULL;
  std::size_t kept_ = 500;
  std::deque<entry> newest_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/simulated/trace.ipp"
#endif

#endif
