// SPDX-License-Identifier: BSL-1.0
// The ends of simulated connections, as the library sees them: streams, attempts to connect, listeners.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_SIMULATED_STREAM_HPP
#define COKAFKA_TESTING_SIMULATED_SIMULATED_STREAM_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/io/environment.hpp"
#include "cokafka/detail/io/stream.hpp"
#include "cokafka/testing/simulated/agenda.hpp"
#include "cokafka/testing/simulated/conversation.hpp"
#include "cokafka/testing/simulated/network_state.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

/// One client that wants to connect. The legs of the journey, each of which takes the delay of the network:
/// look-up of the name, the question to the first address, its answer; then the next address.
class attempt final : public agenda_item {
 public:
  using done_handler = detail::stream::done_handler;

  /// `first`: the address that is asked first, counted on round the addresses of the host.
  COKAFKA_DECL attempt(network_state& in, std::shared_ptr<conversation>& into, asio::any_io_executor executor,
                       std::string host, std::uint16_t port, std::uint32_t first, done_handler handler);
  ~attempt() override { in_.attempts.erase(id_); }

  /// Goes on where it was not answered, as far as it gets now.
  void retry() {
    if (is_stuck_) travel();
  }
  void abort() { finish(asio::error::operation_aborted); }

 private:
  enum class leg : std::uint8_t { look_up, question, answer };

  COKAFKA_DECL void due() override;
  void drop() noexcept override { const done_handler dying = take_handler(handler_); }

  void travel() {
    is_stuck_ = false;
    schedule(of_.now() + in_.nature.delay());
  }
  COKAFKA_DECL void looked_up();
  COKAFKA_DECL void ask();
  COKAFKA_DECL void answered();
  COKAFKA_DECL void get_stuck();
  COKAFKA_DECL void finish(error_code failed);
  std::string place() const { return place_of(addresses_[index_], port_); }

  network_state& in_;
  std::shared_ptr<conversation>& into_;  // of the stream that owns this
  const std::uint64_t id_;
  const asio::any_io_executor executor_;
  const std::string host_;
  const std::uint16_t port_;
  const std::uint32_t first_;
  done_handler handler_;
  leg leg_ = leg::look_up;
  bool is_stuck_ = false;
  std::vector<std::string> addresses_;
  std::size_t index_ = 0;
  error_code outcome_{};
};

/// Attempts that were not answered go on.
inline void retry_attempts(network_state& of) {
  for (const auto& [id, each] : of.attempts) each->retry();
}

class simulated_stream final : public detail::stream {
 public:
  simulated_stream(network_state& in, asio::any_io_executor executor, const detail::socket_options& options)
      : in_(in), executor_(std::move(executor)), first_address_(options.attempt) {}
  simulated_stream(network_state& in, asio::any_io_executor executor, std::shared_ptr<conversation> accepted)
      : in_(in), executor_(std::move(executor)), side_(side::broker), conversation_(std::move(accepted)) {}
  ~simulated_stream() override { close(); }

  COKAFKA_DECL void connect(std::string host, std::uint16_t port, done_handler handler) override;
  COKAFKA_DECL void read_some(asio::mutable_buffer into, size_handler handler) override;
  COKAFKA_DECL void write_all(std::span<const asio::const_buffer> from, size_handler handler) override;
  COKAFKA_DECL void close() noexcept override;
  COKAFKA_DECL std::string remote() const override;

 private:
  network_state& in_;
  const asio::any_io_executor executor_;
  const side side_ = side::client;
  const std::uint32_t first_address_ = 0;
  bool is_closed_ = false;
  std::shared_ptr<conversation> conversation_;
  std::unique_ptr<attempt> attempt_;
};

class simulated_listener final : public detail::listener, public agenda_item {
 public:
  COKAFKA_DECL simulated_listener(network_state& in, asio::any_io_executor executor, std::string address,
                                  std::uint16_t port);
  ~simulated_listener() override { close(); }

  std::uint16_t port() const override { return port_; }
  COKAFKA_DECL void accept(asio::any_io_executor executor, accept_handler handler) override;
  COKAFKA_DECL void close() noexcept override;

  /// A client has got here.
  COKAFKA_DECL void arrive(std::shared_ptr<conversation> from);

 private:
  void due() override {}
  void drop() noexcept override { const accept_handler dying = take_handler(handler_); }
  COKAFKA_DECL void hand_out();

  network_state& in_;
  const asio::any_io_executor executor_;
  const std::string place_;
  const std::uint16_t port_;
  bool is_closed_ = false;
  std::deque<std::shared_ptr<conversation>> waiting_;
  asio::any_io_executor accepted_on_;
  accept_handler handler_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/simulated/simulated_stream.ipp"
#endif

#endif
