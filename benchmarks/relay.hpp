// SPDX-License-Identifier: BSL-1.0
// A link with delay: carries connections on to a port of 127.0.0.1 and holds every byte for a while, each way.
#ifndef COKAFKA_BENCHMARKS_RELAY_HPP
#define COKAFKA_BENCHMARKS_RELAY_HPP

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

namespace asio = boost::asio;

inline constexpr auto as_tuple = asio::as_tuple(asio::deferred);

// One direction of a connection. What arrives is read at once, and written when it is due.
class held_bytes {
 public:
  explicit held_bytes(asio::io_context& io) : due_(io), news_(io) {}

  asio::awaitable<void> collect(asio::ip::tcp::socket& from, std::chrono::microseconds delay) {
    for (;;) {
      parcel next{{}, take_block(), 0};
      auto [failed, size] = co_await from.async_read_some(asio::buffer(*next.bytes), as_tuple);
      next.size = failed ? 0 : size;
      next.due = std::chrono::steady_clock::now() + delay;
      held_.push_back(std::move(next));
      news_.cancel();
      if (failed) co_return;
    }
  }

  asio::awaitable<void> hand_on(asio::ip::tcp::socket& to) {
    for (;;) {
      while (held_.empty()) {
        news_.expires_at(std::chrono::steady_clock::time_point::max());
        co_await news_.async_wait(as_tuple);
      }
      parcel& next = held_.front();
      if (next.due > std::chrono::steady_clock::now()) {
        due_.expires_at(next.due);
        co_await due_.async_wait(as_tuple);
      }
      boost::system::error_code failed;
      if (next.size == 0) {  // the end, which is delayed as well
        to.shutdown(asio::ip::tcp::socket::shutdown_send, failed);
        co_return;
      }
      auto [lost, size] = co_await asio::async_write(to, asio::buffer(*next.bytes, next.size), as_tuple);
      (void)size;
      if (lost) {  // the other direction sees it too and ends
        to.close(failed);
        co_return;
      }
      free_.push_back(std::move(next.bytes));
      held_.pop_front();
    }
  }

 private:
  using block = std::array<char, 64 * 1024>;
  struct parcel {
    std::chrono::steady_clock::time_point due;
    std::unique_ptr<block> bytes;
    std::size_t size;  // 0: the end
  };

  std::unique_ptr<block> take_block() {
    if (free_.empty()) return std::unique_ptr<block>(new block);  // not cleared
    std::unique_ptr<block> kept = std::move(free_.back());
    free_.pop_back();
    return kept;
  }

  asio::steady_timer due_;
  asio::steady_timer news_;
  std::deque<parcel> held_;
  std::vector<std::unique_ptr<block>> free_;
};

// Runs in a thread of its own. No bandwidth is limited and nothing reordered. Connecting is not delayed, and the
// windows of TCP never fill as they do on a long wire: what the system allows a connection to keep under way is not
// tested here.
class relay {
 public:
  // Listens at `address`; port 0: any that is free.
  relay(const std::string& address, std::uint16_t port, std::uint16_t target, std::chrono::microseconds one_way)
      : target_(target), one_way_(one_way), acceptor_(io_, {asio::ip::make_address(address), port}) {
    asio::co_spawn(io_, serve(), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  relay(const relay&) = delete;
  ~relay() {
    io_.stop();
    thread_.join();
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  struct link {
    explicit link(asio::io_context& io) : client(io), broker(io), requests(io), answers(io) {}
    asio::ip::tcp::socket client;
    asio::ip::tcp::socket broker;
    held_bytes requests;
    held_bytes answers;
  };

  asio::awaitable<void> serve() {
    for (;;) {
      auto made = std::make_shared<link>(io_);
      auto [failed] = co_await acceptor_.async_accept(made->client, as_tuple);
      if (!failed) start(std::move(made));
    }
  }

  void start(std::shared_ptr<link> made) {
    boost::system::error_code failed;
    made->broker.connect({asio::ip::address_v4::loopback(), target_}, failed);
    if (failed) return;
    for (auto* each : {&made->client, &made->broker}) each->set_option(asio::ip::tcp::no_delay(true), failed);
    const auto keep = [made](std::exception_ptr) {};
    asio::co_spawn(io_, made->requests.collect(made->client, one_way_), keep);
    asio::co_spawn(io_, made->requests.hand_on(made->broker), keep);
    asio::co_spawn(io_, made->answers.collect(made->broker, one_way_), keep);
    asio::co_spawn(io_, made->answers.hand_on(made->client), keep);
  }

  std::uint16_t target_;
  std::chrono::microseconds one_way_;
  asio::io_context io_{1};
  asio::ip::tcp::acceptor acceptor_;
  std::thread thread_;
};

}  // namespace bench

#endif
