// SPDX-License-Identifier: BSL-1.0
// Sends one record and prints where it was written. `01_hello host:port` sends to a real Kafka.
#include "cokafka.hpp"
#include "cokafka/testing.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <iostream>
#include <memory>

namespace asio = boost::asio;

asio::awaitable<bool> order(cokafka::producer& producer) {
  auto sent = co_await producer.send({.topic = "orders", .key = "order-123", .value = R"({"amount":100})"});
  if (sent) {
    std::cout << "partition " << sent.value().partition << ", offset " << sent.value().offset.value() << '\n';
  } else {
    std::cout << sent.error().message() << " (" << to_string(sent.error().fate()) << ")\n";
  }
  auto closed = co_await producer.close(std::chrono::seconds(5));
  co_return sent.has_value() && closed.has_value();
}

int main(int count, char** arguments) {
  asio::io_context io;
  auto kafka = count > 1 ? nullptr : std::make_unique<cokafka::testing::cluster>(io);
  cokafka::producer producer(io, {.bootstrap_servers = kafka ? kafka->bootstrap_servers() : arguments[1]});

  bool good = false;
  asio::co_spawn(io, order(producer), [&](std::exception_ptr, bool result) {
    good = result;
    kafka.reset();  // its listeners would keep io.run() going
  });
  io.run();
  return good ? 0 : 1;
}
