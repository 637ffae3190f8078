// SPDX-License-Identifier: BSL-1.0
// A whole world in one thread: producers, an embedded cluster and the network between them, in virtual time, from a
// seed. Layer 8.
#ifndef COKAFKA_TESTING_SIMULATION_HPP
#define COKAFKA_TESTING_SIMULATION_HPP

#include "cokafka/config.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/producer.hpp"
#include "cokafka/testing/cluster.hpp"
#include "cokafka/testing/options.hpp"
#include "cokafka/testing/simulated/chance.hpp"
#include "cokafka/testing/simulated/network.hpp"
#include "cokafka/testing/simulated/simulated_environment.hpp"
#include "cokafka/testing/simulated/sleep.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing {

/// A test's own world. Producers and clusters made here live in its io_context, send through its network and go by its
/// clock, which stands still while anything is ready to run and then jumps to the next thing that falls due: an hour of
/// retries takes milliseconds, and a timer that is set for t fires at t. The same seed gives the same run, event by
/// event; fingerprint() tells.
///
///     cokafka::testing::simulation world(42);
///     auto kafka = world.make_cluster({.brokers = 3});
///     auto producer = world.make_producer({.bootstrap_servers = kafka->bootstrap_servers()});
///     world.spawn(story(producer));
///     kafka->freeze(0);
///     world.run();
///
/// Declare it before what is made in it. Asio's own timers and sockets run in real time, which the virtual clock does
/// not wait for: use sleep_for(). Thread safety: none; everything happens inside the run functions, on their caller's
/// thread.
class simulation {
 public:
  using executor_type = boost::asio::any_io_executor;
  using clock = std::chrono::steady_clock;  ///< its type only: the time is virtual
  using duration = std::chrono::nanoseconds;

  COKAFKA_DECL explicit simulation(std::uint64_t seed = 1);
  simulation(const simulation&) = delete;
  simulation& operator=(const simulation&) = delete;
  /// Destroys what waits without calling it.
  COKAFKA_DECL ~simulation();

  std::uint64_t seed() const noexcept { return seed_; }
  boost::asio::io_context& context() noexcept { return io_; }
  executor_type get_executor() noexcept { return io_.get_executor(); }
  testing::network& network() noexcept { return network_; }
  /// Throws config_error. Without a `client_id` it is called "producer-1", "producer-2", ...; without a `log_sink` its
  /// log goes into the trace.
  COKAFKA_DECL producer make_producer(config settings);
  /// Producers that are made from now on begin each partition with this sequence number instead of 0: near 2^31 - 1,
  /// after which comes 0, in tests of that.
  COKAFKA_DECL simulation& first_sequence(std::int32_t number) noexcept;
  COKAFKA_DECL std::unique_ptr<cluster> make_cluster(const cluster_options& options = {});
  /// What producers and clusters see of this world.
  std::shared_ptr<detail::environment> environment() const noexcept { return environment_; }

  /// @name Time and chance
  /// @{
  clock::time_point now() const noexcept { return environment_->clock.now(); }
  /// Since the beginning.
  duration elapsed() const noexcept { return now() - begin_; }
  std::chrono::system_clock::time_point wall_now() const noexcept { return environment_->wall_now(); }
  /// As an administrator or NTP would set it; timers do not notice.
  void jump_wall_clock(std::chrono::milliseconds by) noexcept { environment_->wall_offset += by; }
  /// Waits in virtual time. Completion signature: `void(error_code)`; operation_aborted when cancelled (all types).
  template <boost::asio::completion_token_for<void(detail::error_code)> Token = boost::asio::deferred_t>
  auto sleep_for(duration time, Token&& token = {}) {
    return simulated::async_sleep(*environment_, get_executor(), now() + time, std::forward<Token>(token));
  }
  /// A number below `limit` (0 for 0), for stories: draws of the library and of the network do not shift it.
  std::uint64_t random(std::uint64_t limit) noexcept { return dice_.below(limit); }
  /// @}

  /// @name Running
  /// What handlers and spawned coroutines throw is thrown by the function that runs them. Each throws
  /// std::runtime_error in a livelock (see allow_steps_at_one_moment).
  /// @{
  /// Starts a coroutine that run() waits for.
  COKAFKA_DECL void spawn(boost::asio::awaitable<void> story);
  /// Until all spawned coroutines have ended. False: they have not by `limit`, or they wait for what will never happen.
  COKAFKA_DECL bool run(duration limit = std::chrono::hours(24));
  /// Until `happened()`, which is asked after every handler. False: as above; the clock stands where nothing was left
  /// to do, or at the limit.
  COKAFKA_DECL bool run_until(const std::function<bool()>& happened, duration limit = std::chrono::hours(24));
  /// For exactly that long.
  COKAFKA_DECL void run_for(duration time);
  /// Called after every handler: the place for invariants. What it throws ends the run.
  void after_every_step(std::function<void()> check) { check_ = std::move(check); }
  /// More handlers than that while the clock stands still are a livelock. Default: ten million.
  void allow_steps_at_one_moment(std::uint64_t at_most) noexcept { most_steps_at_one_moment_ = at_most; }
  /// Handlers that have run so far.
  std::uint64_t steps() const noexcept { return steps_; }
  /// Nothing is ready, and nothing will fall due.
  COKAFKA_DECL bool is_idle();
  /// @}

  /// @name What has happened
  /// @{
  void trace(std::string_view line) { environment_->log.line(line); }
  /// The newest lines (500, or what keep_trace said), those of network events among them, with seconds since the
  /// beginning.
  std::string trace_text() const { return environment_->log.text(); }
  void keep_trace(std::size_t lines) { environment_->log.keep(lines); }
  /// Stands for all lines, all network events with their bytes and times, and the number of handlers.
  COKAFKA_DECL std::uint64_t fingerprint() const noexcept;
  /// @}

 private:
  enum class progress : std::uint8_t { handler, clock, none };
  COKAFKA_DECL progress step(clock::time_point until);
  COKAFKA_DECL bool run_one_handler();

  const std::uint64_t seed_;
  const std::shared_ptr<simulated::simulated_environment> environment_;
  const clock::time_point begin_;
  testing::network network_;
  simulated::chance dice_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::function<void()> check_;
  std::exception_ptr thrown_;
  std::uint64_t steps_ = 0;
  std::uint64_t steps_at_this_moment_ = 0;
  std::uint64_t most_steps_at_one_moment_ = 10'000'000;
  std::size_t stories_ = 0;  // that have not ended
  std::size_t producers_ = 0;
  std::int32_t first_sequence_ = 0;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/simulation.ipp"
#endif

#endif
