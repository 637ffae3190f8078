// SPDX-License-Identifier: BSL-1.0
// Bodies of odd_server.
#include "support/odd_server.hpp"

#include "cokafka/detail/messages/api_versions.hpp"
#include "cokafka/detail/messages/init_producer_id.hpp"
#include "cokafka/detail/messages/metadata.hpp"
#include "cokafka/detail/messages/produce.hpp"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace cokafka_test {

namespace asio = boost::asio;
namespace messages = cokafka::detail::messages;
using messages::api_key;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

template <class Response>
odd_answer encoded_answer(const Response& response, const messages::request_header& asked) {
  odd_answer made;
  messages::encode_response(made.bytes, response, asked.version, asked.correlation_id);
  return made;
}

messages::api_versions_response offered_versions() {
  messages::api_versions_response response;
  for (const auto& [key, newest] : {std::pair(api_key::produce, 12), std::pair(api_key::metadata, 12),
                                    std::pair(api_key::api_versions, 4), std::pair(api_key::init_producer_id, 5)}) {
    response.api_keys.push_back({static_cast<std::int16_t>(key), 0, static_cast<std::int16_t>(newest)});
  }
  return response;
}

messages::metadata_response one_topic(std::uint16_t port) {
  messages::metadata_response response;
  response.brokers.push_back({1, "127.0.0.1", port, std::nullopt});
  response.controller_id = 1;
  response.topics.emplace_back();
  response.topics[0].name = "t";
  response.topics[0].partitions.emplace_back();
  response.topics[0].partitions[0].leader_id = 1;
  response.topics[0].partitions[0].leader_epoch = 0;
  response.topics[0].partitions[0].replica_nodes = {1};
  response.topics[0].partitions[0].isr_nodes = {1};
  return response;
}

}  // namespace

odd_server::odd_server(answering how)
    : how_(std::move(how)),
      acceptor_(io_, {asio::ip::address_v4::loopback(), 0}),
      port_(acceptor_.local_endpoint().port()) {
  asio::co_spawn(io_, accept_all(), asio::detached);
  thread_ = std::thread([this] { io_.run(); });
}

odd_server::~odd_server() {
  io_.stop();
  thread_.join();
}

asio::awaitable<void> odd_server::accept_all() {
  for (;;) {
    asio::ip::tcp::socket client = co_await acceptor_.async_accept(asio::use_awaitable);
    ++connections_;
    asio::co_spawn(io_, serve(std::move(client)), asio::detached);
  }
}

asio::awaitable<void> odd_server::serve(asio::ip::tcp::socket client) {
  for (;;) {
    std::array<unsigned char, 4> prefix{};
    auto [no_prefix, read] = co_await asio::async_read(client, asio::buffer(prefix), as_result);
    if (no_prefix) co_return;
    const std::size_t size =
        (static_cast<std::size_t>(prefix[1]) << 16) | (static_cast<std::size_t>(prefix[2]) << 8) | prefix[3];
    std::string frame(size, '\0');
    auto [no_frame, rest] = co_await asio::async_read(client, asio::buffer(frame), as_result);
    if (no_frame) co_return;
    ++requests_;
    request_header asked;
    std::string_view body;
    if (!messages::decode_request_header(frame, asked, body)) co_return;
    const odd_answer answer = how_(asked, body);
    auto [not_sent, written] = co_await asio::async_write(client, asio::buffer(answer.bytes), as_result);
    if (not_sent || answer.close) co_return;
  }
}

odd_answer odd_server::good_answer(const request_header& asked, std::string_view body) const {
  switch (asked.key) {
    case api_key::api_versions: return encoded_answer(offered_versions(), asked);
    case api_key::metadata: return encoded_answer(one_topic(port_), asked);
    case api_key::init_producer_id: {
      messages::init_producer_id_response response;
      response.producer_id = 7;
      response.producer_epoch = 0;
      return encoded_answer(response, asked);
    }
    case api_key::produce: {
      (void)body;
      messages::produce_response response;
      response.responses.emplace_back();
      response.responses[0].name = "t";
      response.responses[0].partitions.emplace_back();
      response.responses[0].partitions[0].base_offset = 0;
      return encoded_answer(response, asked);
    }
    default: return {"", true};
  }
}

std::uint16_t closed_port() {
  asio::io_context io;
  asio::ip::tcp::acceptor once(io, {asio::ip::address_v4::loopback(), 0});
  return once.local_endpoint().port();
}

}  // namespace cokafka_test
