// SPDX-License-Identifier: BSL-1.0
// Bodies of pipe.hpp.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_PIPE_IPP
#define COKAFKA_TESTING_SIMULATED_PIPE_IPP

#include "cokafka/testing/simulated/pipe.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

// --- the reading end -------------------------------------------------------------------------------------------------

COKAFKA_DECL void pipe::read(asio::mutable_buffer into, const asio::any_io_executor& executor, size_handler handler) {
  reader_.into = into;
  reader_.executor = executor;
  reader_.handler.swap(handler);
  serve();
}

COKAFKA_DECL void pipe::stop_reading() {
  is_abandoned_ = true;
  bytes_.clear();
  head_ = ready_ = 0;
  in_flight_.clear();
  finish_read(asio::error::operation_aborted, 0);
  rearm();
}

// Bytes before the end: what has arrived is read also when the connection has been reset since, as on Linux.
COKAFKA_DECL void pipe::try_read() {
  if (!reader_.handler) return;
  if (ready_ == 0) {
    if (seen_end_) finish_read(seen_end_, 0);
    return;
  }
  std::size_t size = std::min(ready_, reader_.into.size());
  if (nature_.habits.slice != 0) size = std::min(size, 1 + nature_.dice.below(nature_.habits.slice));
  std::copy_n(bytes_.data() + head_, size, static_cast<char*>(reader_.into.data()));
  head_ += size;
  ready_ -= size;
  if (unread() == 0) {
    bytes_.clear();
    head_ = 0;
  } else if (head_ > 64 * 1024 && head_ > bytes_.size() / 2) {
    bytes_.erase(0, head_);
    head_ = 0;
  }
  nature_.log.event(to_broker_ ? network_event::broker_read : network_event::client_read, connection_, size);
  finish_read(error_code(), size);
  push();
}

COKAFKA_DECL void pipe::finish_read(error_code failed, std::size_t size) {
  if (!reader_.handler) return;
  of_.complete(reader_.executor, take_handler(reader_.handler), failed, size);
}

// --- the writing end -------------------------------------------------------------------------------------------------

COKAFKA_DECL void pipe::write(std::span<const asio::const_buffer> from, const asio::any_io_executor& executor,
                              size_handler handler) {
  writer_.from = from;
  writer_.total = asio::buffer_size(from);
  writer_.taken = 0;
  writer_.executor = executor;
  writer_.handler.swap(handler);
  if (is_cut_ || (refused_from_ && *refused_from_ <= of_.now())) return finish_write(asio::error::broken_pipe);
  if (is_ended_ || is_abandoned_) {  // nobody has told the writer yet
    writer_.taken = writer_.total;
    return finish_write(error_code());
  }
  push();
  serve();
}

// What does not fit into the window waits until half of it is free, so that it does not go in single bytes.
COKAFKA_DECL void pipe::push() {
  if (!writer_.handler || is_abandoned_) return;
  const std::size_t window = std::max<std::size_t>(nature_.habits.window, 1);
  const std::size_t left = writer_.total - writer_.taken;
  const std::size_t room = window - std::min(unread(), window);
  if (left > room && room < (window + 1) / 2) return;
  append(std::min(left, room));
  if (writer_.taken == writer_.total) finish_write(error_code());
}

COKAFKA_DECL void pipe::append(std::size_t size) {
  if (size == 0) return;
  std::size_t skip = writer_.taken;
  std::size_t wanted = size;
  for (const asio::const_buffer& each : writer_.from) {
    if (skip >= each.size()) {
      skip -= each.size();
      continue;
    }
    const std::size_t part = std::min(each.size() - skip, wanted);
    bytes_.append(static_cast<const char*>(each.data()) + skip, part);
    skip = 0;
    wanted -= part;
    if (wanted == 0) break;
  }
  writer_.taken += size;
  in_flight_.push_back({size, next_arrival(), error_code()});
}

COKAFKA_DECL void pipe::finish_write(error_code failed) {
  if (!writer_.handler) return;
  of_.complete(writer_.executor, take_handler(writer_.handler), failed, writer_.taken);
}

COKAFKA_DECL void pipe::refuse_writes(std::optional<clock_time> from) {
  if (refused_from_ && *refused_from_ <= of_.now()) return;
  refused_from_ = from;
  serve();
}

// --- how it ends -----------------------------------------------------------------------------------------------------

COKAFKA_DECL void pipe::stop_writing() {
  finish_write(asio::error::operation_aborted);
  if (is_ended_) return;
  delay_what_is_left();
  end_with(asio::error::eof);
}

COKAFKA_DECL void pipe::half_close() {
  if (is_ended_) return;
  end_with(asio::error::eof);
  writer_.taken = writer_.total;
  finish_write(error_code());
}

COKAFKA_DECL void pipe::cut() {
  if (is_cut_) return;
  is_cut_ = true;
  finish_write(asio::error::connection_reset);
  if (is_ended_) return;
  arrive();
  std::size_t kept = unread() - ready_;
  const std::uint64_t luck = nature_.dice.below(3);
  if (luck == 0) kept = 0;
  if (luck == 1) kept = nature_.dice.below(kept + 1);
  bytes_.resize(head_ + ready_ + kept);
  std::size_t counted = 0;
  for (auto each = in_flight_.begin(); each != in_flight_.end(); ++each) {
    each->size = std::min(each->size, kept - counted);
    counted += each->size;
  }
  std::erase_if(in_flight_, [](const piece& each) { return each.size == 0; });
  last_arrival_ = in_flight_.empty() ? of_.now() : in_flight_.back().arrives;
  delay_what_is_left();
  is_ended_ = true;
  in_flight_.push_back({0, last_arrival_, asio::error::connection_reset});
  serve();
}

COKAFKA_DECL void pipe::end_with(error_code how) {
  is_ended_ = true;
  if (!is_abandoned_) in_flight_.push_back({0, next_arrival(), how});
  serve();
}

// Behind a connection that ends, bytes may linger in buffers on the way: a request is executed late.
COKAFKA_DECL void pipe::delay_what_is_left() {
  arrive();
  if (!to_broker_ || in_flight_.empty() || nature_.habits.straggling.count() == 0) return;
  const clock_duration late = nature_.dice.between(clock_duration::zero(), nature_.habits.straggling);
  for (piece& each : in_flight_) each.arrives += late;
  last_arrival_ += late;
}

// --- on the way ------------------------------------------------------------------------------------------------------

COKAFKA_DECL clock_time pipe::next_arrival() {
  last_arrival_ = std::max(last_arrival_, of_.now() + nature_.delay());
  return last_arrival_;
}

COKAFKA_DECL void pipe::arrive() noexcept {
  while (!is_held_ && !in_flight_.empty() && in_flight_.front().arrives <= of_.now()) {
    ready_ += in_flight_.front().size;
    if (in_flight_.front().end) seen_end_ = in_flight_.front().end;
    in_flight_.pop_front();
  }
}

COKAFKA_DECL void pipe::hold() {
  arrive();
  is_held_ = true;
  rearm();
}

COKAFKA_DECL void pipe::release() {
  if (!is_held_) return;
  is_held_ = false;
  last_arrival_ = of_.now();
  for (piece& each : in_flight_) each.arrives = next_arrival();
  serve();
}

COKAFKA_DECL void pipe::serve() {
  arrive();
  try_read();
  if (refused_from_ && *refused_from_ <= of_.now()) finish_write(asio::error::connection_reset);
  rearm();
}

// Falls due when somebody waits for it only.
COKAFKA_DECL void pipe::rearm() {
  std::optional<clock_time> at;
  if (reader_.handler && !is_held_ && !in_flight_.empty()) at = in_flight_.front().arrives;
  if (writer_.handler && refused_from_ && (!at || *refused_from_ < *at)) at = refused_from_;
  if (at) {
    schedule(*at);
  } else {
    unschedule();
  }
}

COKAFKA_DECL void pipe::drop() noexcept {
  const size_handler reading = take_handler(reader_.handler);
  const size_handler writing = take_handler(writer_.handler);
  reader_.executor = writer_.executor = asio::any_io_executor();  // a strand must not outlive its context
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#endif
