// SPDX-License-Identifier: BSL-1.0
// Bodies of simulated_stream.hpp.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_SIMULATED_STREAM_IPP
#define COKAFKA_TESTING_SIMULATED_SIMULATED_STREAM_IPP

#include "cokafka/testing/simulated/simulated_stream.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <cstddef>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

// --- attempt ---------------------------------------------------------------------------------------------------------

COKAFKA_DECL attempt::attempt(network_state& in, std::shared_ptr<conversation>& into, asio::any_io_executor executor,
                              std::string host, std::uint16_t port, std::uint32_t first, done_handler handler)
    : agenda_item(in.nature.clock),
      in_(in),
      into_(into),
      id_(++in.last_id),
      executor_(std::move(executor)),
      host_(std::move(host)),
      port_(port),
      first_(first),
      handler_(std::move(handler)) {
  in_.attempts.emplace(id_, this);
  in_.nature.log.event(network_event::asks, id_, port_);
  if (is_address(host_)) {
    addresses_ = {host_};
    leg_ = leg::question;
  }
  if (in_.has_no_descriptors) {
    finish(asio::error::no_descriptors);
  } else {
    travel();
  }
}

COKAFKA_DECL void attempt::due() {
  switch (leg_) {
    case leg::look_up: return looked_up();
    case leg::question: return ask();
    case leg::answer: return answered();
  }
}

COKAFKA_DECL void attempt::looked_up() {
  if (in_.hanging_lookups.contains(host_)) return get_stuck();
  if (in_.failing_lookups.contains(host_) || in_.nature.dice.one_in(in_.nature.habits.odds.lookup_failure)) {
    return finish(asio::error::host_not_found);
  }
  addresses_ = in_.addresses_of(host_);
  if (addresses_.empty()) return finish(asio::error::host_not_found);
  const auto first = static_cast<std::ptrdiff_t>(first_ % addresses_.size());
  std::rotate(addresses_.begin(), addresses_.begin() + first, addresses_.end());
  leg_ = leg::question;
  travel();
}

COKAFKA_DECL void attempt::ask() {
  const network_odds& odds = in_.nature.habits.odds;
  const std::string at = place();
  if (in_.is_silent(at) || in_.nature.dice.one_in(odds.hang)) return get_stuck();
  const auto listener = in_.listeners.find(at);
  if (listener == in_.listeners.end() || in_.is_refusing(at) || in_.nature.dice.one_in(odds.refuse)) {
    outcome_ = asio::error::connection_refused;
  } else {
    into_ = std::make_shared<conversation>(in_.nature, in_.all, id_, at);
    outcome_ = error_code();
    listener->second->arrive(into_);
  }
  leg_ = leg::answer;
  travel();
}

// A black hole that has opened meanwhile keeps the answer; what stands is held by it as well.
COKAFKA_DECL void attempt::answered() {
  if (in_.is_black_hole(place())) return get_stuck();
  in_.nature.log.event(outcome_ ? network_event::refused : network_event::connected, id_);
  if (!outcome_ || ++index_ == addresses_.size()) return finish(outcome_);
  leg_ = leg::question;
  travel();
}

COKAFKA_DECL void attempt::get_stuck() {
  in_.nature.log.event(network_event::unanswered, id_);
  is_stuck_ = true;
}

COKAFKA_DECL void attempt::finish(error_code failed) {
  in_.attempts.erase(id_);
  is_stuck_ = false;
  unschedule();
  if (handler_) of_.complete(executor_, take_handler(handler_), failed);
}

// --- stream ----------------------------------------------------------------------------------------------------------

COKAFKA_DECL void simulated_stream::connect(std::string host, std::uint16_t port, done_handler handler) {
  if (is_closed_) {
    return in_.nature.clock.complete(executor_, std::move(handler), error_code(asio::error::operation_aborted));
  }
  attempt_ = std::make_unique<attempt>(in_, conversation_, executor_, std::move(host), port, first_address_,
                                       std::move(handler));
}

COKAFKA_DECL void simulated_stream::read_some(asio::mutable_buffer into, size_handler handler) {
  if (!conversation_ || is_closed_) {
    const error_code failed = is_closed_ ? asio::error::bad_descriptor : asio::error::not_connected;
    return in_.nature.clock.complete(executor_, std::move(handler), failed, std::size_t{0});
  }
  conversation_->read(side_, into, executor_, std::move(handler));
}

COKAFKA_DECL void simulated_stream::write_all(std::span<const asio::const_buffer> from, size_handler handler) {
  if (!conversation_ || is_closed_) {
    const error_code failed = is_closed_ ? asio::error::bad_descriptor : asio::error::not_connected;
    return in_.nature.clock.complete(executor_, std::move(handler), failed, std::size_t{0});
  }
  conversation_->write(side_, from, executor_, std::move(handler));
}

COKAFKA_DECL void simulated_stream::close() noexcept {
  if (std::exchange(is_closed_, true)) return;
  if (attempt_) attempt_->abort();
  if (const auto kept = conversation_) kept->close(side_);
}

COKAFKA_DECL std::string simulated_stream::remote() const {
  if (!conversation_ || is_closed_) return {};
  return side_ == side::client ? conversation_->place() : "client-" + std::to_string(conversation_->id()) + ":0";
}

// --- listener --------------------------------------------------------------------------------------------------------

COKAFKA_DECL simulated_listener::simulated_listener(network_state& in, asio::any_io_executor executor,
                                                    std::string address, std::uint16_t port)
    : agenda_item(in.nature.clock),
      in_(in),
      executor_(std::move(executor)),
      place_(place_of(address, port)),
      port_(port) {
  in_.listeners.emplace(place_, this);
}

COKAFKA_DECL void simulated_listener::accept(asio::any_io_executor executor, accept_handler handler) {
  accepted_on_ = std::move(executor);
  handler_.swap(handler);
  hand_out();
}

COKAFKA_DECL void simulated_listener::arrive(std::shared_ptr<conversation> from) {
  waiting_.push_back(std::move(from));
  hand_out();
}

COKAFKA_DECL void simulated_listener::hand_out() {
  if (!handler_) return;
  if (is_closed_) {
    return of_.complete(executor_, take_handler(handler_), error_code(asio::error::operation_aborted),
                        std::unique_ptr<detail::stream>());
  }
  if (waiting_.empty()) return;
  std::unique_ptr<detail::stream> accepted =
      std::make_unique<simulated_stream>(in_, accepted_on_, std::move(waiting_.front()));
  waiting_.pop_front();
  of_.complete(executor_, take_handler(handler_), error_code(), std::move(accepted));
}

COKAFKA_DECL void simulated_listener::close() noexcept {
  if (std::exchange(is_closed_, true)) return;
  in_.listeners.erase(place_);
  for (const auto& each : waiting_) each->close(side::broker);
  waiting_.clear();
  hand_out();
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#endif
