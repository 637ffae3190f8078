// SPDX-License-Identifier: BSL-1.0
// What a test may do to a simulated network: delays, slices, cuts, black holes, names that are not found.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_NETWORK_HPP
#define COKAFKA_TESTING_SIMULATED_NETWORK_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/testing/simulated/network_state.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::testing {

/// One direction of a connection.
enum class direction : std::uint8_t { to_broker, to_client };

/// The network of a simulation, from `simulation::network()`. As TCP it loses and reorders nothing within a connection;
/// connections overtake each other. A place is "address:port", as cluster::address() tells it; an empty one stands for
/// all places. Chance is the simulation's: the same seed, the same faults. Thread safety: none.
class network {
 public:
  using duration = std::chrono::nanoseconds;

  explicit network(simulated::network_state& state) : state_(state) {}
  network(const network&) = delete;
  network& operator=(const network&) = delete;

  /// @name How bytes travel from now on, on all connections
  /// @{
  /// Each piece takes a random time between the two, one way, but overtakes none of its connection. Default: 200 to
  /// 800 microseconds.
  COKAFKA_DECL network& delay(duration least, duration most);
  /// A read gives a random number of bytes, 1 to `at_most`; 0 (the default): all that have arrived.
  COKAFKA_DECL network& slice(std::size_t at_most);
  /// How many bytes may be sent and not read; a write waits for the rest. Default: 256 KiB.
  COKAFKA_DECL network& window(std::size_t bytes);
  /// What is in flight to a broker on a connection that ends arrives up to that much later: the requests of a client
  /// that has gone are executed late. Default: 0.
  COKAFKA_DECL network& straggle(duration at_most);
  /// What goes wrong by itself. Default: nothing.
  COKAFKA_DECL network& odds(const network_odds& wanted);
  /// @}

  /// @name Connections
  /// @{
  COKAFKA_DECL std::size_t connections(std::string_view place = {}) const;
  /// Both ends see connection_reset; of the bytes in flight all, the first few or none arrive before it. How many
  /// connections it were.
  COKAFKA_DECL std::size_t cut(std::string_view place = {});
  /// One of the open connections, by chance. False: there is none.
  COKAFKA_DECL bool cut_one();
  /// The stream of one direction ends; whoever writes into it is not told.
  COKAFKA_DECL std::size_t half_close(direction way, std::string_view place = {});
  COKAFKA_DECL bool half_close_one(direction way);
  /// @}

  /// @name Places
  /// @{
  /// Nothing gets there or back, and nobody is told: bytes and attempts to connect wait until it is switched off, as
  /// TCP repeats what is lost.
  COKAFKA_DECL network& black_hole(std::string_view place, bool on = true);
  /// Attempts to connect are not answered; connections that stand are well.
  COKAFKA_DECL network& hang(std::string_view place, bool on = true);
  /// Attempts to connect are refused although somebody listens.
  COKAFKA_DECL network& refuse(std::string_view place, bool on = true);
  /// @}

  /// @name Names and descriptors
  /// @{
  /// Gives a name addresses ("10.0.0.1"), which clients try in this order, and again from the next one on.
  /// "localhost" is 127.0.0.1 from the beginning.
  COKAFKA_DECL network& host(std::string name, std::vector<std::string> addresses);
  COKAFKA_DECL network& fail_lookups(std::string_view name, bool on = true);
  /// Look-ups are not answered until it is switched off.
  COKAFKA_DECL network& hang_lookups(std::string_view name, bool on = true);
  /// Attempts to connect fail with asio::error::no_descriptors.
  COKAFKA_DECL network& no_descriptors(bool on = true);
  /// @}

  /// Ends what is wrong with places, names and descriptors, and sets the odds to nothing; what waited goes on. Delays,
  /// slices, windows and stragglers stay.
  COKAFKA_DECL void heal();

 private:
  COKAFKA_DECL std::vector<simulated::conversation*> open(std::string_view place) const;
  simulated::network_state& state_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/simulated/network.ipp"
#endif

#endif
