// SPDX-License-Identifier: BSL-1.0
// Many records at once: send now and await later, or never await. `02_pipelined host:port` sends to a real Kafka.
#include "cokafka.hpp"
#include "cokafka/testing.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace asio = boost::asio;

asio::awaitable<int> send_then_await(cokafka::producer& producer) {
  std::vector<cokafka::delivery> deliveries;
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "customer-" + std::to_string(i % 10);
    deliveries.push_back(producer.send({.topic = "orders", .key = key, .value = "one more"}));
  }
  int written = 0;
  for (auto& delivery : deliveries) {
    auto sent = co_await std::move(delivery);
    if (sent) ++written;
  }
  co_return written;
}

asio::awaitable<void> never_await(cokafka::producer& producer) {
  for (int i = 0; i < 1000; ++i) {
    const std::string value = "click " + std::to_string(i);
    auto space = co_await producer.wait_for_space(value.size());
    if (!space) break;  // buffer.memory was full for max.block.ms
    producer.send({.topic = "clicks", .value = value}).detach();
  }
}

asio::awaitable<bool> run(cokafka::producer& producer) {
  const int written = co_await send_then_await(producer);
  std::cout << written << " of 1000 orders written\n";
  co_await never_await(producer);
  auto closed = co_await producer.close(std::chrono::seconds(5));  // flushes what nobody awaited
  std::cout << "clicks: " << (closed ? "flushed" : closed.error().message()) << '\n';
  co_return written == 1000 && closed;
}

int main(int count, char** arguments) {
  asio::io_context io;
  auto kafka = count > 1 ? nullptr : std::make_unique<cokafka::testing::cluster>(io);
  cokafka::producer producer(io, {.bootstrap_servers = kafka ? kafka->bootstrap_servers() : arguments[1]});
  bool good = false;
  asio::co_spawn(io, run(producer), [&](std::exception_ptr, bool result) { kafka.reset(), good = result; });
  io.run();
  return good ? 0 : 1;
}
