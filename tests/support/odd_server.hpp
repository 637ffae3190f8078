// SPDX-License-Identifier: BSL-1.0
// A server on a loopback port that answers as a test says: well, badly, in part, or not at all.
#ifndef COKAFKA_TESTS_SUPPORT_ODD_SERVER_HPP
#define COKAFKA_TESTS_SUPPORT_ODD_SERVER_HPP

#include "cokafka/detail/messages/codec.hpp"

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

namespace cokafka_test {

// What becomes of one request.
struct odd_answer {
  std::string bytes;   // sent as they are
  bool close = false;  // then the connection ends
};

// Thread safety: the counters; the rest belongs to the server's own thread.
class odd_server {
 public:
  using request_header = cokafka::detail::messages::request_header;
  using answering = std::function<odd_answer(const request_header&, std::string_view body)>;

  explicit odd_server(answering how);
  odd_server(const odd_server&) = delete;
  odd_server& operator=(const odd_server&) = delete;
  ~odd_server();

  std::uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }
  int requests() const { return requests_; }

  // What a broker with one topic "t" of one partition, led by itself, answers; Produce is acknowledged at offset 0.
  odd_answer good_answer(const request_header& asked, std::string_view body) const;

 private:
  boost::asio::awaitable<void> accept_all();
  boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket client);

  answering how_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::atomic<int> requests_{0};
  std::thread thread_;
};

// A port at which nobody listens.
std::uint16_t closed_port();

}  // namespace cokafka_test

#endif
