// SPDX-License-Identifier: BSL-1.0
// Bodies of simulation.hpp.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATION_IPP
#define COKAFKA_TESTING_SIMULATION_IPP

#include "cokafka/testing/simulation.hpp"

#include "cokafka/detail/core/sticky_partitioner.hpp"

#include <boost/asio/co_spawn.hpp>
#include <stdexcept>

namespace cokafka::inline COKAFKA_ABI::testing {

COKAFKA_DECL simulation::simulation(std::uint64_t seed)
    : seed_(seed),
      environment_(std::make_shared<simulated::simulated_environment>(seed)),
      begin_(environment_->now()),
      network_(environment_->network),
      dice_(seed, 3),
      io_(1),
      work_(io_.get_executor()) {}

// Before the context goes, for handlers refer to it.
COKAFKA_DECL simulation::~simulation() { environment_->clock.shutdown(); }

COKAFKA_DECL producer simulation::make_producer(config settings) {
  const std::string name = "producer-" + std::to_string(++producers_);
  if (settings.client_id.empty()) settings.client_id = name;
  if (!settings.log_sink) {
    settings.log_sink = [environment = std::weak_ptr(environment_), name](log_level level, std::string_view line) {
      const auto alive = environment.lock();
      if (alive) alive->log.line(name + ": " + std::string(to_string(level)) + ": " + std::string(line));
    };
  }
  return detail::producer_access::make(get_executor(), settings, {environment_, {}, first_sequence_});
}

COKAFKA_DECL simulation& simulation::first_sequence(std::int32_t number) noexcept {
  first_sequence_ = number;
  return *this;
}

COKAFKA_DECL std::unique_ptr<cluster> simulation::make_cluster(const cluster_options& options) {
  return std::make_unique<cluster>(get_executor(), options, environment_);
}

COKAFKA_DECL void simulation::spawn(boost::asio::awaitable<void> story) {
  ++stories_;
  boost::asio::co_spawn(io_, std::move(story), [this](std::exception_ptr thrown) {
    --stories_;
    if (thrown && !thrown_) thrown_ = thrown;
  });
}

COKAFKA_DECL bool simulation::run(duration limit) {
  return run_until([this] { return stories_ == 0; }, limit);
}

COKAFKA_DECL bool simulation::run_until(const std::function<bool()>& happened, duration limit) {
  const clock::time_point until = now() + limit;
  for (;;) {
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    if (happened()) return true;
    if (step(until) == progress::none) return false;
  }
}

COKAFKA_DECL void simulation::run_for(duration time) {
  const clock::time_point until = now() + time;
  while (step(until) != progress::none) {
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  }
  environment_->clock.move_to(until);
}

COKAFKA_DECL bool simulation::is_idle() {
  while (!environment_->clock.next()) {
    if (!run_one_handler()) return true;
  }
  return false;
}

// A handler that is ready, or else the next thing that falls due by `until`.
COKAFKA_DECL simulation::progress simulation::step(clock::time_point until) {
  if (run_one_handler()) return progress::handler;
  const auto next = environment_->clock.next();
  if (!next) return progress::none;
  if (*next > until) {
    environment_->clock.move_to(until);
    return progress::none;
  }
  if (*next > now()) steps_at_this_moment_ = 0;
  environment_->clock.run_next();
  return progress::clock;
}

COKAFKA_DECL bool simulation::run_one_handler() {
  if (io_.stopped()) io_.restart();
  // Which partitions records without a key go to depends on the thread; all threads shall give the same run.
  detail::use_thread_slot(0);
  if (io_.poll_one() == 0) return false;
  ++steps_;
  if (++steps_at_this_moment_ > most_steps_at_one_moment_) {
    throw std::runtime_error(std::to_string(most_steps_at_one_moment_) + " handlers ran, and time stands still");
  }
  if (check_) check_();
  return true;
}

COKAFKA_DECL std::uint64_t simulation::fingerprint() const noexcept {
  const std::uint64_t seen = simulated::mixed(environment_->log.fingerprint(), steps_);
  return simulated::mixed(seen, static_cast<std::uint64_t>(elapsed().count()));
}

}  // namespace cokafka::inline COKAFKA_ABI::testing

#endif
