// SPDX-License-Identifier: BSL-1.0
// How brokers open and close, and the task that accepts their connections.
// Layer 8.
#ifndef COKAFKA_TESTING_CLUSTER_CORE_IPP
#define COKAFKA_TESTING_CLUSTER_CORE_IPP

#include "cokafka/testing/cluster_core.hpp"

#include "cokafka/testing/connection.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace accepting {

namespace asio = detail::asio;

inline asio::awaitable<void> accept_all(std::shared_ptr<cluster_core> core, std::shared_ptr<detail::listener> from,
                                        std::int32_t broker, std::uint32_t generation) {
  const std::unique_ptr<detail::timer> timer = core->environment().make_timer(core->strand());
  while (core->is_alive(broker, generation)) {
    auto [failed, accepted] = co_await detail::async_accept(*from, core->strand(), asio::as_tuple(asio::deferred));
    if (!core->is_alive(broker, generation) || !core->is_door(broker, *from)) break;
    if (failed) {  // no more descriptors, for instance: some may come back
      const detail::clock_time soon = core->environment().now() + std::chrono::milliseconds(50);
      co_await detail::async_wait_until(*timer, soon, asio::as_tuple(asio::deferred));
      continue;
    }
    auto opened = std::make_shared<connection>(core, std::move(accepted), broker, generation);
    asio::co_spawn(core->strand(), connection::run(std::move(opened)), asio::detached);
  }
  from->close();
}

}  // namespace accepting

COKAFKA_DECL cluster_core::cluster_core(detail::asio::any_io_executor executor,
                                        std::shared_ptr<detail::environment> environment,
                                        const cluster_options& options)
    : state(options, random_id(*environment)),
      environment_(std::move(environment)),
      strand_(detail::asio::make_strand(std::move(executor))),
      doors_(state.brokers.size()) {}

COKAFKA_DECL void cluster_core::open() {
  work_.emplace(strand_);
  const std::uint16_t first = state.options.first_port;
  for (std::size_t b = 0; b != doors_.size(); ++b) {
    const auto wanted = static_cast<std::uint16_t>(first == 0 ? 0 : first + b);
    state.brokers[b].port = listen(static_cast<std::int32_t>(b), wanted);
  }
}

COKAFKA_DECL std::uint16_t cluster_core::listen(std::int32_t broker, std::uint16_t port) {
  const auto index = static_cast<std::size_t>(broker);
  std::string host;
  std::uint32_t generation = 0;
  {
    const std::scoped_lock lock(mutex);
    host = state.brokers[index].host;
    generation = state.brokers[index].generation;
  }
  doors_[index] = {environment_->listen(strand_, host, port), generation};
  const auto& opened = doors_[index].listener;
  detail::asio::co_spawn(strand_, accepting::accept_all(shared_from_this(), opened, broker, generation),
                         detail::asio::detached);
  return opened->port();
}

COKAFKA_DECL void cluster_core::stop_broker(std::int32_t broker) {
  {
    const std::scoped_lock lock(mutex);
    state.stop(broker);
  }
  detail::asio::post(strand_, [self = shared_from_this()] { self->close_dead(); });
}

COKAFKA_DECL void cluster_core::start_broker(std::int32_t broker) {
  std::uint32_t generation = 0;
  {
    const std::scoped_lock lock(mutex);
    if (stopped_ || state.brokers[static_cast<std::size_t>(broker)].running) return;
    state.start(broker, wall_ms(*environment_));
    generation = state.brokers[static_cast<std::size_t>(broker)].generation;
  }
  detail::asio::co_spawn(strand_, reopen(shared_from_this(), broker, generation), detail::asio::detached);
}

// As a real broker that is started at once again: what is left of its former life may hold the port for a moment.
COKAFKA_DECL detail::asio::awaitable<void> cluster_core::reopen(std::shared_ptr<cluster_core> self, std::int32_t broker,
                                                                std::uint32_t generation) {
  const std::unique_ptr<detail::timer> timer = self->environment_->make_timer(self->strand_);
  const detail::clock_time give_up = self->environment_->now() + std::chrono::seconds(10);
  while (self->is_alive(broker, generation) && self->environment_->now() < give_up) {
    self->close_dead();
    if (self->try_listen(broker)) co_return;
    const detail::clock_time soon = self->environment_->now() + std::chrono::milliseconds(10);
    co_await detail::async_wait_until(*timer, soon, detail::asio::as_tuple(detail::asio::deferred));
  }
}

COKAFKA_DECL bool cluster_core::try_listen(std::int32_t broker) {
  const auto index = static_cast<std::size_t>(broker);
  if (doors_[index].listener) return true;
  try {
    listen(broker, state.brokers[index].port);
    return true;
  } catch (const boost::system::system_error&) {
    doors_[index].listener = nullptr;
    return false;
  }
}

COKAFKA_DECL void cluster_core::move_broker(std::int32_t broker, bool keep_connections) {
  {
    const std::scoped_lock lock(mutex);
    broker_state& moved = state.brokers[static_cast<std::size_t>(broker)];
    if (stopped_ || !moved.running) return;
    if (!keep_connections) ++moved.generation;
  }
  detail::asio::post(strand_, [self = shared_from_this(), broker] { self->listen_elsewhere(broker); });
}

COKAFKA_DECL void cluster_core::listen_elsewhere(std::int32_t broker) {
  const auto index = static_cast<std::size_t>(broker);
  if (const auto closed = std::exchange(doors_[index].listener, nullptr)) closed->close();
  close_dead();
  {
    const std::scoped_lock lock(mutex);
    if (stopped_ || !state.brokers[index].running) return;
  }
  const std::uint16_t port = listen(broker, 0);
  const std::scoped_lock lock(mutex);
  state.brokers[index].port = port;
}

COKAFKA_DECL void cluster_core::stop() {
  {
    const std::scoped_lock lock(mutex);
    stopped_ = true;
    for (broker_state& broker : state.brokers) {
      broker.running = false;
      ++broker.generation;
    }
  }
  detail::asio::post(strand_, [self = shared_from_this()] {
    self->close_dead();
    self->work_.reset();
  });
}

COKAFKA_DECL void cluster_core::close_dead() {
  for (std::size_t b = 0; b != doors_.size(); ++b) {
    if (!doors_[b].listener || is_alive(static_cast<std::int32_t>(b), doors_[b].generation)) continue;
    doors_[b].listener->close();
    doors_[b].listener = nullptr;
  }
  for (const auto& [number, open] : connections_) {
    if (!open->is_alive()) open->close();
  }
}

COKAFKA_DECL void cluster_core::wake() {
  detail::asio::post(strand_, [self = shared_from_this()] { self->wake_now(); });
}

COKAFKA_DECL void cluster_core::wake_now() {
  for (const auto& [number, open] : connections_) open->wake();
}

COKAFKA_DECL bool cluster_core::is_alive(std::int32_t broker, std::uint32_t generation) const {
  const std::scoped_lock lock(mutex);
  const broker_state& asked = state.brokers[static_cast<std::size_t>(broker)];
  return asked.running && asked.generation == generation;
}

COKAFKA_DECL bool cluster_core::is_frozen(std::int32_t broker) const {
  const std::scoped_lock lock(mutex);
  return state.brokers[static_cast<std::size_t>(broker)].frozen;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
