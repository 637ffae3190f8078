// SPDX-License-Identifier: BSL-1.0
// A simulated connection between a client and a broker: two pipes, and what can befall both at once.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_CONVERSATION_HPP
#define COKAFKA_TESTING_SIMULATED_CONVERSATION_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/testing/simulated/network_nature.hpp"
#include "cokafka/testing/simulated/pipe.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

enum class side : std::uint8_t { client, broker };
constexpr side other(side of) noexcept { return of == side::client ? side::broker : side::client; }

class conversation;
/// Those that exist, in the order they were made.
using conversations = std::map<std::uint64_t, conversation*>;

/// Shared by its two streams. Functions that end it may be called more than once.
class conversation {
 public:
  COKAFKA_DECL conversation(network_nature& nature, conversations& in, std::uint64_t id, std::string place);
  conversation(const conversation&) = delete;
  conversation& operator=(const conversation&) = delete;
  ~conversation() { in_.erase(id_); }

  void read(side at, asio::mutable_buffer into, const asio::any_io_executor& executor, pipe::size_handler handler) {
    pipe_from(other(at)).read(into, executor, std::move(handler));
  }
  COKAFKA_DECL void write(side at, std::span<const asio::const_buffer> from, const asio::any_io_executor& executor,
                          pipe::size_handler handler);
  COKAFKA_DECL void close(side at);

  COKAFKA_DECL void cut();
  COKAFKA_DECL void half_close(side from);
  COKAFKA_DECL void hold();
  COKAFKA_DECL void release();

  /// Neither closed nor cut.
  bool is_open() const noexcept { return !is_cut_ && !is_closed_[0] && !is_closed_[1]; }
  std::uint64_t id() const noexcept { return id_; }
  /// "host:port" of the broker.
  const std::string& place() const noexcept { return place_; }

 private:
  pipe& pipe_from(side at) noexcept { return pipes_[static_cast<std::size_t>(at)]; }
  COKAFKA_DECL void tell_writers();

  network_nature& nature_;
  conversations& in_;
  const std::uint64_t id_;
  const std::string place_;
  std::array<pipe, 2> pipes_;  // by the side that writes
  std::array<bool, 2> is_closed_{};
  bool is_cut_ = false;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/simulated/conversation.ipp"
#endif

#endif
