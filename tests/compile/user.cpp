// SPDX-License-Identifier: BSL-1.0
// A program of somebody who has installed the library: no broker is there, and it says so.
#include <cokafka.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <iostream>

boost::asio::awaitable<bool> send_to_nobody(cokafka::producer& producer) {
  auto sent = co_await producer.send({.topic = "t", .value = "v", .timeout = std::chrono::milliseconds(100)});
  if (!sent) std::cout << sent.error().message() << '\n';
  co_return !sent && sent.error().fate() == cokafka::fate::not_written;
}

int main() {
  boost::asio::io_context io;
  cokafka::producer producer(io, {.bootstrap_servers = "127.0.0.1:1"});
  bool expected = false;
  boost::asio::co_spawn(io, send_to_nobody(producer), [&](std::exception_ptr, bool ended) {
    expected = ended;
    io.stop();
  });
  io.run();
  return expected ? 0 : 1;
}
