// SPDX-License-Identifier: BSL-1.0
// A program's own code against brokers that fail, in virtual time: minutes of trouble take milliseconds, and a seed
// that finds a fault finds it again.
#include "cokafka.hpp"
#include "cokafka/testing.hpp"

#include <iostream>

namespace asio = boost::asio;
using namespace std::chrono_literals;

// The code to be tested: an order is sent again where that makes no duplicate.
asio::awaitable<bool> place_order(cokafka::producer& producer, std::string order) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    auto sent = co_await producer.send({.topic = "orders", .value = order, .timeout = 5s});
    if (sent) co_return true;
    if (sent.error().fate() != cokafka::fate::not_written) co_return false;
  }
  co_return false;
}

asio::awaitable<void> customer(cokafka::testing::simulation& world, cokafka::producer& producer, int& placed) {
  for (int i = 0; i < 20; ++i) {
    co_await world.sleep_for(std::chrono::milliseconds(world.random(2000)));
    const bool good = co_await place_order(producer, "order " + std::to_string(i));
    if (good) ++placed;
  }
}

asio::awaitable<void> trouble(cokafka::testing::simulation& world, cokafka::testing::cluster& kafka) {
  co_await world.sleep_for(1s);
  kafka.stop_broker(0);
  co_await world.sleep_for(10s);
  world.network().cut();
  world.network().black_hole(kafka.address(1));
  co_await world.sleep_for(20s);
  world.network().heal();
  kafka.start_broker(0);
}

int main() {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    cokafka::testing::simulation world(seed);
    auto kafka = world.make_cluster({.brokers = 3});
    auto producer = world.make_producer({.bootstrap_servers = kafka->bootstrap_servers(), .request_timeout = 3s});
    int placed = 0;
    world.spawn(customer(world, producer, placed));
    world.spawn(trouble(world, *kafka));
    const bool ended = world.run();
    const auto written = kafka->records("orders", 0).size();
    if (!ended || written < static_cast<std::size_t>(placed) || written > 20) {
      std::cerr << "seed " << seed << ": " << placed << " placed, " << written << " written\n" << world.trace_text();
      return 1;
    }
    std::cout << "seed " << seed << ": " << placed << " orders placed in " << world.elapsed() / 1s << " s\n";
  }
}
