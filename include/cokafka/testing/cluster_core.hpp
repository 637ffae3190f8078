// SPDX-License-Identifier: BSL-1.0
// What the tasks of an embedded cluster share: its state behind one mutex, one strand, the open connections.
// Layer 8.
#ifndef COKAFKA_TESTING_CLUSTER_CORE_HPP
#define COKAFKA_TESTING_CLUSTER_CORE_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/io/environment.hpp"
#include "cokafka/detail/io/stream.hpp"
#include "cokafka/testing/cluster_state.hpp"
#include "cokafka/testing/options.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

class connection;

/// Owned by the cluster and by every task. Two guards, so that tests may ask and script from any thread while the tasks
/// run: `state` is touched under `mutex`; listeners and connections on `strand` only. No task waits with the mutex
/// held.
class cluster_core : public std::enable_shared_from_this<cluster_core> {
 public:
  COKAFKA_DECL cluster_core(detail::asio::any_io_executor executor, std::shared_ptr<detail::environment> environment,
                            const cluster_options& options);

  /// Opens all listeners and starts to accept. Once, before anything else.
  COKAFKA_DECL void open();
  /// Closes a broker's listener and connections. Any thread.
  COKAFKA_DECL void stop_broker(std::int32_t broker);
  /// Listens again where the broker listened before. Any thread.
  COKAFKA_DECL void start_broker(std::int32_t broker);
  /// Listens elsewhere; its connections end unless they are kept. Any thread.
  COKAFKA_DECL void move_broker(std::int32_t broker, bool keep_connections);
  /// Closes everything for good. Any thread.
  COKAFKA_DECL void stop();
  /// Every waiting connection looks again whether it may go on. Any thread.
  COKAFKA_DECL void wake();

  /// On the strand.
  COKAFKA_DECL void wake_now();
  std::uint64_t add(connection* opened) {
    connections_.emplace(++opened_, opened);
    return opened_;
  }
  void remove(std::uint64_t closed) { connections_.erase(closed); }

  const detail::asio::any_io_executor& strand() const noexcept { return strand_; }
  detail::environment& environment() const noexcept { return *environment_; }
  COKAFKA_DECL bool is_alive(std::int32_t broker, std::uint32_t generation) const;
  COKAFKA_DECL bool is_frozen(std::int32_t broker) const;
  /// The broker still accepts with this listener. On the strand.
  bool is_door(std::int32_t broker, const detail::listener& asked) const noexcept {
    return doors_[static_cast<std::size_t>(broker)].listener.get() == &asked;
  }

  mutable std::mutex mutex;
  cluster_state state;

 private:
  struct door {
    std::shared_ptr<detail::listener> listener;  // null: closed
    std::uint32_t generation = 0;                // of the broker when it opened
  };

  COKAFKA_DECL std::uint16_t listen(std::int32_t broker, std::uint16_t port);
  COKAFKA_DECL bool try_listen(std::int32_t broker);
  COKAFKA_DECL static detail::asio::awaitable<void> reopen(std::shared_ptr<cluster_core> self, std::int32_t broker,
                                                           std::uint32_t generation);
  COKAFKA_DECL void close_dead();
  COKAFKA_DECL void listen_elsewhere(std::int32_t broker);

  std::shared_ptr<detail::environment> environment_;
  detail::asio::any_io_executor strand_;
  // With all brokers stopped nothing else would keep run() going until one is started again. Strand.
  std::optional<detail::asio::executor_work_guard<detail::asio::any_io_executor>> work_;
  std::vector<door> doors_;                           // by broker id
  std::map<std::uint64_t, connection*> connections_;  // in the order they were opened; each lives while it is in here
  std::uint64_t opened_ = 0;
  bool stopped_ = false;  // under the mutex
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/cluster_core.ipp"
#endif

#endif
