// SPDX-License-Identifier: BSL-1.0
// What every simulated connection has in common: the clock, chance, the trace, and how well bytes travel.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_NETWORK_NATURE_HPP
#define COKAFKA_TESTING_SIMULATED_NETWORK_NATURE_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/testing/simulated/agenda.hpp"
#include "cokafka/testing/simulated/chance.hpp"
#include "cokafka/testing/simulated/trace.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace cokafka::inline COKAFKA_ABI::testing {

/// How often something goes wrong by itself: one in so many times, 0 for never.
struct network_odds {
  std::uint32_t cut = 0;             ///< of writes: the connection is cut while their bytes travel
  std::uint32_t half_close = 0;      ///< of writes: the stream ends behind them, and the writer is not told
  std::uint32_t refuse = 0;          ///< of attempts to connect: refused
  std::uint32_t hang = 0;            ///< of attempts to connect: not answered before network::heal()
  std::uint32_t lookup_failure = 0;  ///< of look-ups of a name
};

namespace simulated {

/// Of the bytes that are sent from now on.
struct network_habits {
  clock_duration least_delay = std::chrono::microseconds(200);  // one way
  clock_duration most_delay = std::chrono::microseconds(800);
  clock_duration straggling{};  // bytes in flight to a broker arrive up to that much later when their connection ends
  std::size_t slice = 0;        // a read gives 1 to that many bytes; 0: all that are there
  std::size_t window = 256 * 1024;  // sent and not read
  network_odds odds{};
};

/// Part of the network; outlives every connection.
struct network_nature {
  agenda& clock;
  trace& log;
  chance dice;
  network_habits habits{};

  clock_duration delay() noexcept { return dice.between(habits.least_delay, habits.most_delay); }
};

}  // namespace simulated

}  // namespace cokafka::inline COKAFKA_ABI::testing

#endif
