// SPDX-License-Identifier: BSL-1.0
// The same seed gives the same run, event by event; and a world that is left in the middle leaves nothing behind.
#include "cokafka/testing.hpp"
#include "support/catch.hpp"

#include <unistd.h>
#include <array>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using cokafka::testing::api_key;
using cokafka::testing::simulation;

namespace {

struct told_values {
  std::map<std::string, int> written{};  // value to how often it was acknowledged
  std::set<std::string> not_written{};
  int maybe_written = 0;
};

asio::awaitable<void> client(simulation& world, cokafka::producer& shop, int number, told_values& into) {
  for (int i = 0; i != 40; ++i) {
    co_await world.sleep_for(std::chrono::microseconds(world.random(50'000)));
    std::vector<cokafka::delivery> deliveries;
    std::vector<std::string> values;
    for (std::uint64_t burst = 1 + world.random(8); burst != 0; --burst) {
      values.push_back(std::to_string(number) + "-" + std::to_string(i) + "-" + std::to_string(burst));
      const std::string key = "key " + std::to_string(world.random(20));
      cokafka::record_view record{.topic = world.random(2) ? "orders" : "clicks", .value = values.back()};
      if (world.random(2)) record.key = key;
      deliveries.push_back(shop.send(record));
    }
    for (std::size_t d = 0; d != deliveries.size(); ++d) {
      auto answer = co_await std::move(deliveries[d]);
      if (answer) {
        ++into.written[values[d]];
        world.trace(values[d] + " is at " + std::to_string(answer.value().offset.value_or(-1)));
      } else {
        if (answer.error().fate() == cokafka::fate::not_written) into.not_written.insert(values[d]);
        if (answer.error().fate() == cokafka::fate::maybe_written) ++into.maybe_written;
        world.trace(values[d] + " failed: " + answer.error().message());
      }
    }
  }
}

asio::awaitable<void> misfortunes(simulation& world, cokafka::testing::cluster& kafka) {
  for (int i = 0; i != 12; ++i) {
    co_await world.sleep_for(std::chrono::milliseconds(world.random(200)));
    const auto broker = static_cast<std::int32_t>(world.random(3));
    switch (world.random(6)) {
      case 0: world.network().cut_one(); break;
      case 1: world.network().half_close_one(cokafka::testing::direction::to_client); break;
      case 2: world.network().black_hole(kafka.address(broker)); break;
      case 3: kafka.freeze(broker); break;
      case 4: kafka.fail_next(api_key::produce, cokafka::broker_errc::not_enough_replicas, 2); break;
      case 5: kafka.drop_connection_on_next(api_key::produce, 1, cokafka::testing::moment::after); break;
    }
    co_await world.sleep_for(std::chrono::milliseconds(world.random(3000)));
    world.network().heal();
    world.network().odds({.cut = 100, .half_close = 300, .refuse = 5});
    kafka.unfreeze(broker);
  }
  world.network().heal();
}

asio::awaitable<void> finish(cokafka::producer& shop) {
  auto closed = co_await shop.close(1min);
  CHECK(closed.has_value());
}

// A stormy run of one producer and three brokers; stops in the middle when `steps` is not 0.
struct run_of {
  explicit run_of(std::uint64_t seed, std::uint64_t steps = 0) : world(seed) {
    world.network().delay(100us, 5ms).slice(1 + world.random(2000)).straggle(2s);
    kafka = world.make_cluster({.brokers = 3, .default_partitions = 3});
    cokafka::config config;
    config.bootstrap_servers = kafka->bootstrap_servers();
    config.request_timeout = 1s;
    config.delivery_timeout = 20s;
    config.linger = 3ms;
    config.batch_size = 500;
    shop = std::make_unique<cokafka::producer>(world.make_producer(config));
    for (int i = 0; i != 3; ++i) world.spawn(client(world, *shop, i, told));
    world.spawn(misfortunes(world, *kafka));
    if (steps != 0) {
      world.run_until([&] { return world.steps() >= steps; });
      return;
    }
    CHECK(world.run());
    world.spawn(finish(*shop));
    CHECK(world.run());
  }

  simulation world;
  std::unique_ptr<cokafka::testing::cluster> kafka;
  told_values told;
  std::unique_ptr<cokafka::producer> shop;
};

std::map<std::string, int> log_of(cokafka::testing::cluster& kafka) {
  std::map<std::string, int> found;
  for (const std::string& topic : kafka.topics()) {
    for (int p = 0; p != kafka.partition_count(topic); ++p) {
      for (const auto& record : kafka.records(topic, p)) ++found[record.value.value()];
    }
  }
  return found;
}

}  // namespace

TEST_CASE("under a storm of faults every acknowledged record is in the log once, and no record that is not written",
          "[simulation]") {
  for (std::uint64_t seed = 1; seed != 9; ++seed) {
    INFO("seed " << seed);
    run_of run(seed);
    auto found = log_of(*run.kafka);
    CHECK(run.told.written.size() > 300);
    for (const auto& [value, times] : run.told.written) {
      CHECK(times == 1);
      CHECK(found[value] == 1);
    }
    for (const auto& value : run.told.not_written) CHECK(found[value] == 0);
    CHECK(run.shop->outstanding().records == 0);
  }
}

TEST_CASE("a seed gives the same run again, in whatever thread; another seed another one", "[simulation]") {
  const run_of first(3);
  const run_of again(3);
  CHECK(first.world.fingerprint() == again.world.fingerprint());
  CHECK(first.world.trace_text() == again.world.trace_text());
  CHECK(first.world.steps() == again.world.steps());
  std::uint64_t elsewhere = 0;
  std::thread([&] { elsewhere = run_of(3).world.fingerprint(); }).join();
  CHECK(first.world.fingerprint() == elsewhere);
  CHECK(first.world.fingerprint() != run_of(4).world.fingerprint());
}

TEST_CASE("prints a fingerprint", "[.fingerprint]") {
  std::cout << "fingerprint " << run_of(5).world.fingerprint() << std::endl;
}

TEST_CASE("a seed gives the same run in another process", "[simulation]") {
  std::array<char, 4096> self{};
  REQUIRE(readlink("/proc/self/exe", self.data(), self.size() - 1) > 0);
  const std::string command = "'" + std::string(self.data()) + "' '[.fingerprint]'";
  FILE* const other = popen(command.c_str(), "r");
  REQUIRE(other != nullptr);
  std::string said;
  std::array<char, 256> line{};
  while (std::fgets(line.data(), static_cast<int>(line.size()), other) != nullptr) said += line.data();
  CHECK(pclose(other) == 0);
  CHECK_THAT(said, Catch::Contains("fingerprint " + std::to_string(run_of(5).world.fingerprint())));
}

TEST_CASE("a world that is left in the middle leaves nothing behind", "[simulation]") {
  for (std::uint64_t steps = 1; steps < 4000; steps += 197) {
    run_of left(steps, steps);
    if (steps % 2 == 0) left.shop.reset();
    if (steps % 3 == 0) left.kafka.reset();
  }
}

TEST_CASE("a producer may outlive its world", "[simulation]") {
  std::unique_ptr<cokafka::producer> shop;
  {
    run_of left(6, 2000);
    shop = std::move(left.shop);
  }
  CHECK(shop->send({.topic = "orders", .value = "1"}).ready());
}
