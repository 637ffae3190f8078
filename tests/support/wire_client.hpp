// SPDX-License-Identifier: BSL-1.0
// An embedded cluster on a thread of its own, and a blocking client that speaks to it frame by frame.
#ifndef COKAFKA_TESTS_SUPPORT_WIRE_CLIENT_HPP
#define COKAFKA_TESTS_SUPPORT_WIRE_CLIENT_HPP

#include "cokafka/detail/messages/codec.hpp"
#include "cokafka/detail/messages/known_apis.hpp"
#include "cokafka/testing.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace cokafka_test {

constexpr std::int16_t code_of(cokafka::broker_errc error) { return static_cast<std::int16_t>(error); }

// The cluster runs until the end of the test; then its io_context must run out of work by itself.
class running_cluster {
 public:
  explicit running_cluster(const cokafka::testing::cluster_options& options = {}, int threads = 1)
      : cluster_(std::in_place, io_, options) {
    for (int i = 0; i != threads; ++i) threads_.emplace_back([this] { io_.run(); });
  }
  ~running_cluster() {
    cluster_.reset();
    for (std::thread& thread : threads_) thread.join();
  }
  cokafka::testing::cluster* operator->() { return &*cluster_; }
  cokafka::testing::cluster& operator*() { return *cluster_; }

 private:
  boost::asio::io_context io_;
  std::optional<cokafka::testing::cluster> cluster_;
  std::vector<std::thread> threads_;
};

class wire_client {
 public:
  explicit wire_client(std::uint16_t port, std::string client_id = "wire_client") : client_id_(std::move(client_id)) {
    socket_.connect({boost::asio::ip::address_v4::loopback(), port});
    const timeval patience{10, 0};  // a broker that never answers fails the test instead of hanging it
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }

  void send_raw(std::string_view bytes) {
    boost::system::error_code ignored;  // the broker may have closed already
    boost::asio::write(socket_, boost::asio::buffer(bytes), ignored);
  }

  template <class Request>
  std::int32_t send(const Request& request, std::int16_t version) {
    std::string frame;
    cokafka::detail::messages::encode_request(frame, nullptr, request, version, ++correlation_, client_id_);
    send_raw(frame);
    return correlation_;
  }

  // The next frame behind its length; empty when the broker closed the connection.
  std::optional<std::string> receive_raw() {
    char prefix[4];
    boost::system::error_code failed;
    boost::asio::read(socket_, boost::asio::buffer(prefix), failed);
    if (failed == boost::asio::error::try_again) throw std::runtime_error("no answer");
    if (failed) return std::nullopt;
    const std::int32_t size = cokafka::detail::wire::reader({prefix, 4}).int32();
    std::string body(static_cast<std::size_t>(size), '\0');
    boost::asio::read(socket_, boost::asio::buffer(body));
    return body;
  }

  bool is_closed_by_peer() { return !receive_raw(); }

  template <class Response>
  Response receive(std::int16_t version) {
    const std::optional<std::string> frame = receive_raw();
    if (!frame) throw std::runtime_error("the connection was closed");
    Response response;
    if (!cokafka::detail::messages::decode_response(*frame, version, response, received_)) {
      throw std::runtime_error("an answer that cannot be read");
    }
    // Views into the frame stay valid.
    kept_.push_back(*frame);
    cokafka::detail::messages::decode_response(kept_.back(), version, response, received_);
    return response;
  }

  template <class Request>
  typename Request::response_type call(const Request& request, std::int16_t version) {
    const std::int32_t sent = send(request, version);
    auto response = receive<typename Request::response_type>(version);
    if (received_ != sent) throw std::runtime_error("an answer to another question");
    return response;
  }

  std::int32_t last_correlation() const { return received_; }
  // How many bytes could be read at once.
  std::size_t available() { return socket_.available(); }
  void close() { socket_.close(); }
  // Nothing more is sent, but answers are still read.
  void finish_sending() { socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send); }

 private:
  std::unique_ptr<boost::asio::io_context> io_ = std::make_unique<boost::asio::io_context>();
  boost::asio::ip::tcp::socket socket_{*io_};
  std::string client_id_;
  std::int32_t correlation_ = 0;
  std::int32_t received_ = -1;
  std::deque<std::string> kept_;
};

}  // namespace cokafka_test

#endif
