// SPDX-License-Identifier: BSL-1.0
// Bodies of conversation.hpp.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_CONVERSATION_IPP
#define COKAFKA_TESTING_SIMULATED_CONVERSATION_IPP

#include "cokafka/testing/simulated/conversation.hpp"

#include "cokafka/detail/base/crc32c.hpp"

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

COKAFKA_DECL conversation::conversation(network_nature& nature, conversations& in, std::uint64_t id, std::string place)
    : nature_(nature), in_(in), id_(id), place_(std::move(place)), pipes_{{{nature, id, true}, {nature, id, false}}} {
  in_.emplace(id_, this);
}

COKAFKA_DECL void conversation::write(side at, std::span<const asio::const_buffer> from,
                                      const asio::any_io_executor& executor, pipe::size_handler handler) {
  std::uint32_t checksum = 0;
  for (const auto& each : from) checksum = detail::crc32c(checksum, each.data(), each.size());
  nature_.log.event(at == side::client ? network_event::client_sent : network_event::broker_sent, id_,
                    asio::buffer_size(from), checksum);
  pipe_from(at).write(from, executor, std::move(handler));
  if (!is_open()) return;
  if (nature_.dice.one_in(nature_.habits.odds.cut)) return cut();
  if (nature_.dice.one_in(nature_.habits.odds.half_close)) half_close(at);
}

COKAFKA_DECL void conversation::close(side at) {
  if (std::exchange(is_closed_[static_cast<std::size_t>(at)], true)) return;
  nature_.log.event(at == side::client ? network_event::client_closed : network_event::broker_closed, id_);
  pipe_from(at).stop_writing();
  pipe_from(other(at)).stop_reading();
  tell_writers();
}

// The end of the stream from an end that has closed tells the writer at the other end that nobody reads.
COKAFKA_DECL void conversation::tell_writers() {
  for (const side closed : {side::client, side::broker}) {
    if (!is_closed_[static_cast<std::size_t>(closed)]) continue;
    pipe_from(other(closed)).refuse_writes(pipe_from(closed).end_arrives());
  }
}

COKAFKA_DECL void conversation::cut() {
  if (std::exchange(is_cut_, true)) return;
  nature_.log.event(network_event::cut, id_);
  for (pipe& each : pipes_) each.cut();
}

COKAFKA_DECL void conversation::half_close(side from) {
  nature_.log.event(from == side::client ? network_event::client_half_closed : network_event::broker_half_closed, id_);
  pipe_from(from).half_close();
}

COKAFKA_DECL void conversation::hold() {
  nature_.log.event(network_event::silent, id_);
  for (pipe& each : pipes_) each.hold();
  tell_writers();
}

COKAFKA_DECL void conversation::release() {
  nature_.log.event(network_event::healed, id_);
  for (pipe& each : pipes_) each.release();
  tell_writers();
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#endif
