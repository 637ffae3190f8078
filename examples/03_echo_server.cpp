// SPDX-License-Identifier: BSL-1.0
// An echo server that also sends each line to Kafka, on the same io_context. `03_echo_server host:port`: a real Kafka.
#include "cokafka.hpp"
#include "cokafka/testing.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <iostream>

namespace asio = boost::asio;
using asio::ip::tcp, asio::use_awaitable;

asio::awaitable<void> serve(tcp::socket client, cokafka::producer& producer) {
  std::string text;
  for (;;) {  // until the client hangs up, which throws
    const auto size = co_await asio::async_read_until(client, asio::dynamic_buffer(text), '\n', use_awaitable);
    auto delivery = producer.send({.topic = "lines", .value = std::string_view(text).substr(0, size - 1)});
    co_await asio::async_write(client, asio::buffer(text, size), use_awaitable);  // does not wait for Kafka
    text.erase(0, size);
    auto sent = co_await std::move(delivery);
    if (!sent) std::cerr << "a line is not in Kafka: " << sent.error().message() << '\n';
  }
}

asio::awaitable<void> listen(tcp::acceptor& door, cokafka::producer& producer) {
  for (;;) {
    tcp::socket client = co_await door.async_accept(use_awaitable);
    asio::co_spawn(door.get_executor(), serve(std::move(client), producer), asio::detached);
  }
}

asio::awaitable<bool> try_it(tcp::acceptor& door, cokafka::producer& producer) {
  tcp::socket socket(door.get_executor());
  co_await socket.async_connect(door.local_endpoint(), use_awaitable);
  co_await asio::async_write(socket, asio::buffer("one\ntwo\nthree\n", 14), use_awaitable);
  std::string echo;
  co_await asio::async_read_until(socket, asio::dynamic_buffer(echo), "three\n", use_awaitable);
  std::cout << echo;
  door.close();
  auto closed = co_await producer.close(std::chrono::seconds(5));
  co_return closed.has_value();
}

int main(int count, char** arguments) {
  asio::io_context io;
  auto kafka = count > 1 ? nullptr : std::make_unique<cokafka::testing::cluster>(io);
  cokafka::producer producer(io, {.bootstrap_servers = kafka ? kafka->bootstrap_servers() : arguments[1]});
  tcp::acceptor door(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  bool good = false;
  asio::co_spawn(io, listen(door, producer), asio::detached);
  asio::co_spawn(io, try_it(door, producer), [&](std::exception_ptr, bool result) { kafka.reset(), good = result; });
  io.run();
  return good ? 0 : 1;
}
