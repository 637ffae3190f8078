// SPDX-License-Identifier: BSL-1.0
// The environment of the machine: steady clock, steady timers, TCP sockets.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_SYSTEM_ENVIRONMENT_IPP
#define COKAFKA_DETAIL_IO_SYSTEM_ENVIRONMENT_IPP

#include "cokafka/detail/io/environment.hpp"

#include <algorithm>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace system_io {

class system_timer final : public timer {
 public:
  explicit system_timer(asio::any_io_executor executor) : timer_(std::move(executor)) {}
  void wait_until(clock_time at, asio::any_completion_handler<void(error_code)> handler) override {
    timer_.expires_at(at);
    timer_.async_wait(std::move(handler));
  }
  void cancel() noexcept override { timer_.cancel(); }

 private:
  asio::steady_timer timer_;
};

class tcp_stream final : public stream {
 public:
  tcp_stream(asio::any_io_executor executor, const socket_options& options)
      : socket_(executor), resolver_(std::move(executor)), options_(options) {}
  explicit tcp_stream(asio::ip::tcp::socket accepted)
      : socket_(std::move(accepted)), resolver_(socket_.get_executor()) {
    apply_options();
  }
  ~tcp_stream() override { close(); }

  void connect(std::string host, std::uint16_t port, done_handler handler) override {
    error_code not_an_address;
    const auto address = asio::ip::make_address(host, not_an_address);
    if (!not_an_address) {  // no look-up, so no resolver thread
      candidates_ = {asio::ip::tcp::endpoint(address, port)};
      try_next(0, asio::error::host_not_found, std::move(handler));
      return;
    }
    auto executor = asio::get_associated_executor(handler, socket_.get_executor());
    look_up_ = std::make_shared<done_handler>(std::move(handler));
    resolver_.async_resolve(
        host, std::to_string(port),
        asio::bind_executor(executor, [this, waiting = look_up_](error_code failed,
                                                                 asio::ip::tcp::resolver::results_type found) {
          if (!*waiting) return;  // closed meanwhile, and this stream may have gone
          auto connected = std::exchange(*waiting, nullptr);
          look_up_.reset();
          if (failed) return std::move(connected)(failed);
          candidates_.assign(found.begin(), found.end());
          const auto first = options_.attempt % std::max<std::size_t>(candidates_.size(), 1);
          std::rotate(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(first), candidates_.end());
          try_next(0, asio::error::host_not_found, std::move(connected));
        }));
  }

  void read_some(asio::mutable_buffer into, size_handler handler) override {
    socket_.async_read_some(into, std::move(handler));
  }

  void write_all(std::span<const asio::const_buffer> from, size_handler handler) override {
    asio::async_write(socket_, gathered{from}, std::move(handler));
  }

  void close() noexcept override {
    closed_ = true;
    resolver_.cancel();
    // A look-up that hangs in the system's resolver cannot be interrupted, but nobody waits for it.
    if (look_up_ && *look_up_) {
      asio::post(socket_.get_executor(),
                 asio::append(std::exchange(*look_up_, nullptr), error_code(asio::error::operation_aborted)));
    }
    look_up_.reset();
    error_code ignored;
    socket_.close(ignored);
  }

  std::string remote() const override {
    error_code not_connected;
    const auto peer = socket_.remote_endpoint(not_connected);
    return not_connected ? std::string() : peer.address().to_string() + ":" + std::to_string(peer.port());
  }

 private:
  // A span is no buffer sequence for Asio; a pair of iterators that copies for nothing is.
  struct gathered {
    std::span<const asio::const_buffer> all;
    using value_type = asio::const_buffer;
    using const_iterator = const asio::const_buffer*;
    const_iterator begin() const noexcept { return all.data(); }
    const_iterator end() const noexcept { return all.data() + all.size(); }
  };

  void try_next(std::size_t index, error_code last, done_handler handler) {
    if (closed_) last = asio::error::operation_aborted;
    if (closed_ || index == candidates_.size()) {
      return asio::post(socket_.get_executor(), asio::append(std::move(handler), last));
    }
    error_code ignored;
    socket_.close(ignored);
    error_code failed;
    socket_.open(candidates_[index].protocol(), failed);
    if (failed) return try_next(index + 1, failed, std::move(handler));
    apply_options();
    auto executor = asio::get_associated_executor(handler, socket_.get_executor());
    socket_.async_connect(
        candidates_[index],
        asio::bind_executor(executor, [this, index, handler = std::move(handler)](error_code refused) mutable {
          if (!refused && !closed_) return std::move(handler)(refused);
          try_next(index + 1, refused, std::move(handler));
        }));
  }

  void apply_options() {
    error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    if (options_.send_buffer >= 0) {
      socket_.set_option(asio::socket_base::send_buffer_size(options_.send_buffer), ignored);
    }
    if (options_.receive_buffer >= 0) {
      socket_.set_option(asio::socket_base::receive_buffer_size(options_.receive_buffer), ignored);
    }
  }

  asio::ip::tcp::socket socket_;
  asio::ip::tcp::resolver resolver_;
  socket_options options_;
  std::vector<asio::ip::tcp::endpoint> candidates_;
  std::shared_ptr<done_handler> look_up_;  // while the name is looked up: who is told
  bool closed_ = false;
};

class tcp_listener final : public listener {
 public:
  tcp_listener(asio::any_io_executor executor, const asio::ip::tcp::endpoint& at)
      : acceptor_(std::move(executor), at) {}
  std::uint16_t port() const override { return acceptor_.local_endpoint().port(); }
  void accept(asio::any_io_executor executor, accept_handler handler) override {
    auto completes_on = asio::get_associated_executor(handler, acceptor_.get_executor());
    acceptor_.async_accept(
        executor, asio::bind_executor(completes_on, [handler = std::move(handler)](
                                                        error_code failed, asio::ip::tcp::socket accepted) mutable {
          std::unique_ptr<stream> made;
          if (!failed) made = std::make_unique<tcp_stream>(std::move(accepted));
          std::move(handler)(failed, std::move(made));
        }));
  }
  void close() noexcept override {
    error_code ignored;
    acceptor_.close(ignored);
  }

 private:
  asio::ip::tcp::acceptor acceptor_;
};

class machine final : public environment {
 public:
  machine() {
    std::random_device entropy;
    state_ = (std::uint64_t{entropy()} << 32) ^ entropy();
  }
  clock_time now() const noexcept override { return std::chrono::steady_clock::now(); }
  std::chrono::system_clock::time_point wall_now() const noexcept override { return std::chrono::system_clock::now(); }
  std::uint64_t random() override {
    std::scoped_lock guard(mutex_);
    return generator()();
  }
  std::unique_ptr<timer> make_timer(asio::any_io_executor executor) override {
    return std::make_unique<system_timer>(std::move(executor));
  }
  std::unique_ptr<stream> make_stream(asio::any_io_executor executor, const socket_options& options) override {
    return std::make_unique<tcp_stream>(std::move(executor), options);
  }
  std::unique_ptr<listener> listen(asio::any_io_executor executor, const std::string& host,
                                   std::uint16_t port) override {
    return std::make_unique<tcp_listener>(std::move(executor),
                                          asio::ip::tcp::endpoint(asio::ip::make_address(host), port));
  }

 private:
  std::mt19937_64& generator() {
    if (!seeded_) {
      generator_.seed(state_);
      seeded_ = true;
    }
    return generator_;
  }

  std::mutex mutex_;
  std::uint64_t state_ = 0;
  bool seeded_ = false;
  std::mt19937_64 generator_;
};

}  // namespace system_io

COKAFKA_DECL std::shared_ptr<environment> system_environment() {
  static const std::shared_ptr<environment> one = std::make_shared<system_io::machine>();
  return one;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
