// SPDX-License-Identifier: BSL-1.0
// Many coroutines, several threads, foreign executors: nothing is lost, order holds where it is promised. TSan looks
// on.
#include "support/catch.hpp"
#include "support/shop.hpp"

#include <atomic>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace cokafka_tests;

namespace {

constexpr int coroutines = 1000;
constexpr int rounds = 5;
constexpr cokafka::testing::cluster_options three_brokers{.brokers = 3, .default_partitions = 6};

/// What was acknowledged where, from any thread.
struct receipts {
  std::mutex mutex;
  std::map<std::pair<std::int32_t, std::int64_t>, std::string> all;
  std::atomic<int> failed{0};
  std::atomic<int> ended{0};

  void add(const cokafka::record_metadata& at, const std::string& value) {
    const std::scoped_lock guard(mutex);
    all.emplace(std::pair(at.partition, at.offset.value_or(-1)), value);
  }
  /// Every receipt names the record that lies there, and nothing else does.
  bool agrees_with(const cokafka::testing::cluster& kafka) {
    std::size_t stored = 0;
    for (std::int32_t p = 0; p < kafka.partition_count("orders"); ++p) {
      for (const auto& record : kafka.records("orders", p)) {
        ++stored;
        const auto found = all.find({p, record.offset});
        if (found == all.end() || found->second != record.value) return false;
      }
    }
    return stored == all.size();
  }
};

asio::awaitable<void> customer(cokafka::producer& shop, receipts& into, int number) {
  for (int i = 0; i < rounds; ++i) {
    const std::string key = std::to_string(number % 50);
    const std::string value = std::to_string(number) + "/" + std::to_string(i);
    cokafka::record_view record{.topic = "orders", .value = value};
    if (number % 2 == 0) record.key = key;
    auto sent = co_await shop.send(record);
    if (sent) {
      into.add(sent.value(), value);
    } else {
      ++into.failed;
    }
  }
  ++into.ended;
}

/// Sends numbered records until the handle says no; counts those that were taken in and those that were answered.
struct counted_sends {
  std::atomic<int> taken{0};
  std::atomic<int> answered{0};
  std::atomic<int> written{0};

  void send_until_closed(cokafka::topic_handle orders) {
    for (int i = 0; i < 100'000; ++i) {
      auto sent = orders.send({.value = "v"});
      if (sent.ready() && sent.get().has_error() && sent.get().error() == cokafka::errc::closed) return;
      ++taken;
      std::move(sent)([this](const outcome& answer) {
        written += answer.has_value();
        ++answered;  // last: the test ends when all have been answered
      });
    }
  }
};

}  // namespace

TEST_CASE("1,000 coroutines await their own records on one thread", "[threads]") {
  shop_and_kafka world(three_brokers);
  receipts seen;
  for (int i = 0; i < coroutines; ++i) asio::co_spawn(world.io, customer(world.shop, seen, i), asio::detached);
  CHECK(run_until(world.io, [&] { return seen.ended == coroutines; }));
  CHECK(seen.failed == 0);
  CHECK(seen.all.size() == coroutines * rounds);
  CHECK(seen.agrees_with(world.kafka));
}

TEST_CASE("1,000 coroutines await their own records on a context that four threads run", "[threads]") {
  running_context context(4);
  cokafka::testing::cluster kafka(context.io, three_brokers);
  cokafka::producer shop(context.io, config_for(kafka));
  receipts seen;
  for (int i = 0; i < coroutines; ++i) asio::co_spawn(context.io, customer(shop, seen, i), asio::detached);
  CHECK(wait_until([&] { return seen.ended == coroutines; }));
  CHECK(seen.failed == 0);
  CHECK(seen.all.size() == coroutines * rounds);
  CHECK(seen.agrees_with(kafka));
  CHECK(shop.close(10s, asio::use_future).get());
  context.stop();
}

TEST_CASE("asio.md 17: handlers of a partition run in the order of its records", "[threads]") {
  std::vector<std::int64_t> on_thread;
  std::vector<std::int64_t> on_strand;
  {
    shop_and_kafka world;
    for (int i = 0; i < 2000; ++i) {
      world.shop.send({.topic = "orders", .value = "v"})(
          [&](const outcome& sent) { on_thread.push_back(sent.value().offset.value()); });
    }
    CHECK(run_until(world.io, [&] { return on_thread.size() == 2000; }));
  }
  {
    running_context context(4);
    cokafka::testing::cluster kafka(context.io);
    cokafka::producer shop(context.io, config_for(kafka));
    asio::strand<asio::io_context::executor_type> strand(context.io.get_executor());
    std::atomic<int> called{0};
    for (int i = 0; i < 2000; ++i) {
      shop.send({.topic = "orders", .value = "v"})(asio::bind_executor(strand, [&](const outcome& sent) {
        on_strand.push_back(sent.value().offset.value());
        ++called;
      }));
    }
    CHECK(wait_until([&] { return called == 2000; }));
    context.stop();
  }
  CHECK(std::is_sorted(on_thread.begin(), on_thread.end()));
  CHECK(std::is_sorted(on_strand.begin(), on_strand.end()));
}

TEST_CASE("asio.md 13: a handler runs on its own executor, a thread pool or a strand", "[threads]") {
  running_context context(2);
  cokafka::testing::cluster kafka(context.io, three_brokers);
  cokafka::producer shop(context.io, config_for(kafka));
  asio::thread_pool pool(2);
  auto strand = asio::make_strand(pool);
  std::atomic<int> in_pool{0};
  int in_strand = 0;  // the strand is its lock
  std::atomic<bool> elsewhere{false};
  for (int i = 0; i < 1000; ++i) {
    shop.send({.topic = "orders", .value = "v"})(asio::bind_executor(pool, [&](const outcome& sent) {
      elsewhere = elsewhere || !pool.get_executor().running_in_this_thread();
      in_pool += sent.has_value();
    }));
    shop.send({.topic = "orders", .value = "v"})(asio::bind_executor(strand, [&](const outcome& sent) {
      elsewhere = elsewhere || !strand.running_in_this_thread();
      in_strand += sent.has_value();
    }));
  }
  // asio.md 19: the handlers are outstanding work of the pool; join() returns when they have run.
  pool.join();
  CHECK(in_pool == 1000);
  CHECK(in_strand == 1000);
  CHECK_FALSE(elsewhere);
  context.stop();
}

TEST_CASE("records of many plain threads all arrive, in the order of each thread", "[threads]") {
  running_context context(2);
  cokafka::testing::cluster kafka(context.io, three_brokers);
  cokafka::producer shop(context.io, config_for(kafka));
  constexpr int threads = 6, each = 2000;
  std::vector<std::thread> senders;
  for (int t = 0; t < threads; ++t) {
    senders.emplace_back([&shop, t] {
      const std::string key = std::to_string(t);
      for (int i = 0; i < each; ++i) shop.send({.topic = "orders", .key = key, .value = std::to_string(i)}).detach();
    });
  }
  for (auto& sender : senders) sender.join();
  CHECK(shop.flush(asio::use_future).get());
  std::map<std::string, int> next;
  bool in_order = true;
  for (std::int32_t p = 0; p < 6; ++p) {
    for (const auto& record : kafka.records("orders", p)) {
      in_order = in_order && std::to_string(next[*record.key]++) == record.value;
    }
  }
  CHECK(in_order);
  CHECK(next.size() == threads);
  for (const auto& [key, count] : next) CHECK(count == each);
  context.stop();
}

TEST_CASE("flush and close while other threads send: every record that was taken in is answered", "[threads]") {
  running_context context(2);
  cokafka::testing::cluster kafka(context.io, three_brokers);
  cokafka::producer shop(context.io, config_for(kafka));
  counted_sends seen;
  std::vector<std::thread> senders;
  for (int t = 0; t < 3; ++t) {
    senders.emplace_back([&, orders = shop.topic("orders")] { seen.send_until_closed(orders); });
  }
  for (int i = 0; i < 5; ++i) CHECK(shop.flush(asio::use_future).get());
  CHECK(shop.close(patience, asio::use_future).get());
  for (auto& sender : senders) sender.join();
  CHECK(wait_until([&] { return seen.answered == seen.taken; }));
  std::size_t stored = 0;
  for (std::int32_t p = 0; p < kafka.partition_count("orders"); ++p) stored += kafka.records("orders", p).size();
  CHECK(stored == static_cast<std::size_t>(seen.written));
  CHECK(shop.outstanding().records == 0);
  context.stop();
}

TEST_CASE("a producer is destroyed while other threads send through topic handles: every delivery ends", "[threads]") {
  running_context context(2);
  cokafka::testing::cluster kafka(context.io, three_brokers);
  for (int round = 0; round < 5; ++round) {
    std::optional<cokafka::producer> shop(std::in_place, context.io, config_for(kafka));
    counted_sends seen;
    std::vector<std::thread> senders;
    for (int t = 0; t < 3; ++t) {
      senders.emplace_back([&, orders = shop->topic("orders")] { seen.send_until_closed(orders); });
    }
    CHECK(wait_until([&] { return seen.answered > round * 100; }));
    shop.reset();
    for (auto& sender : senders) sender.join();
    CHECK(wait_until([&] { return seen.answered == seen.taken; }));
  }
  context.stop();
}

TEST_CASE("partitions_for and close at the same time from several threads: nobody waits for ever", "[threads]") {
  running_context context(2);
  cokafka::testing::cluster kafka(context.io);
  for (int round = 0; round < 20; ++round) {
    cokafka::producer shop(context.io, config_for(kafka));
    std::thread asking([&] {
      for (int i = 0; i < 50; ++i) (void)shop.partitions_for("orders", asio::use_future).get();
    });
    (void)shop.close(1s, asio::use_future).get();
    asking.join();
  }
  context.stop();
}
