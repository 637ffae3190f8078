// SPDX-License-Identifier: BSL-1.0
// Sends in many ways at once until stdin ends, and writes down what it was told of every record.
#include "cokafka/producer.hpp"
#include "talkers.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace asio = boost::asio;
using namespace cokafka_test;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view usage =
    "Usage: chaos_sender --bootstrap SERVERS --seed S --folder DIR [--rate RECORDS_PER_SECOND] TOPIC...\n"
    "The rate is that of all senders together but for one, which sends at full speed for 5 of every 20 seconds.\n"
    "Sends until stdin ends, waits until every record is answered, and prints a line of JSON with its counts.\n"
    "Writes DIR/told (see told_log.hpp) and DIR/sender.log.\n";

// The kinds of producers that send side by side: from 0 to this one.
constexpr int full_speed = 5;

cokafka::config settings_of(int kind, const std::string& bootstrap) {
  cokafka::config made;
  made.bootstrap_servers = bootstrap;
  made.client_id = "chaos-" + std::to_string(kind);
  made.log_level = cokafka::log_level::debug;
  switch (kind) {
    case 1:  // one request at a time, small batches
      made.batch_size = 1000;
      made.max_in_flight_requests_per_connection = 1;
      made.buffer_memory = 4'000'000;
      break;
    case 2:  // large batches that wait for more
      made.linger = 40ms;
      made.linger_policy = cokafka::linger_policy::always;
      made.batch_size = 65'536;
      made.retry_backoff = 20ms;
      break;
    case 3:  // gives up early
      made.linger = 0ms;
      made.request_timeout = 1000ms;
      made.delivery_timeout = 1500ms;
      made.max_block = 1000ms;
      break;
    case 4:  // comes and goes, with little memory
      made.buffer_memory = 2'000'000;
      made.parked_memory = 500'000;
      break;
    default: break;
  }
  return made;
}

asio::awaitable<void> lead_a_life(chaos_world& world, std::string bootstrap, int kind) {
  while (!world.stopping) {
    cokafka::config settings = settings_of(kind, bootstrap);
    settings.log_sink = world.log_sink();
    const auto source = std::make_shared<chaos_source>(world, std::move(settings));
    if (kind == full_speed) {
      start_full_speed(source);
    } else {
      start_talkers(source);
    }
    const auto ends = world.now() + (kind == 4 ? 5s + std::chrono::milliseconds(world.random(10'000)) : 24h);
    while (!world.stopping && world.now() < ends) co_await world.sleep(20ms);
    source->closing = true;
    const bool patient = world.stopping || kind != 4;
    while (patient && source->talkers > 0) co_await world.sleep(20ms);
    if (!patient && world.random(3) == 0) {  // destroyed with all it has
      source->producer.reset();
      continue;
    }
    const auto timeout = patient ? 150'000ms : std::chrono::milliseconds(world.random(500));
    const auto closed = co_await source->producer->close(timeout, asio::use_awaitable);
    if (!closed && patient) world.problem("close: " + closed.error().message());
  }
  --world.lives;
}

asio::awaitable<void> wait_for_the_end(chaos_world& world) {
  asio::posix::stream_descriptor input(world.io, ::dup(STDIN_FILENO));
  char ignored[64];
  for (;;) {
    const auto [failed, size] =
        co_await input.async_read_some(asio::buffer(ignored), asio::as_tuple(asio::use_awaitable));
    if (failed) break;
  }
  world.stopping = true;
  while (world.lives > 0) co_await world.sleep(20ms);
  // Their deliveries were handed to the context before; two turns of it are more than enough.
  for (int i = 0; i != 100 && world.unanswered > 0; ++i) co_await world.sleep(20ms);
}

int run(chaos_world& world, const std::string& bootstrap) {
  std::exception_ptr failed;
  const auto note = [&failed, &world](std::exception_ptr thrown) {
    if (!thrown || failed) return;
    failed = thrown;
    world.io.stop();
  };
  for (int kind = 0; kind <= full_speed; ++kind) {
    ++world.lives;
    asio::co_spawn(world.io, lead_a_life(world, bootstrap, kind), note);
  }
  asio::co_spawn(world.io, world.keep_rate(), note);
  asio::co_spawn(world.io, wait_for_the_end(world), [&](std::exception_ptr thrown) {
    note(thrown);
    world.io.stop();
  });
  world.io.run();
  if (failed) std::rethrow_exception(failed);
  std::printf("%s\n", world.summary().c_str());
  return 0;
}

}  // namespace

int main(int count, char** values) {
  std::string bootstrap;
  std::string folder;
  std::uint64_t seed = 1;
  std::uint64_t rate = 20'000;
  std::vector<std::string> topics;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = values[i];
    if (word.substr(0, 2) != "--") {
      topics.emplace_back(word);
      continue;
    }
    const char* value = i + 1 < count ? values[++i] : "";
    if (word == "--bootstrap") bootstrap = value;
    if (word == "--folder") folder = value;
    if (word == "--seed") seed = std::strtoull(value, nullptr, 10);
    if (word == "--rate") rate = std::strtoull(value, nullptr, 10);
  }
  if (bootstrap.empty() || folder.empty() || topics.empty()) {
    std::fputs(usage.data(), stderr);
    return 2;
  }
  try {
    chaos_world world(folder, seed, rate, std::move(topics));
    return run(world, bootstrap);
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "chaos_sender: %s\n", failed.what());
    return 1;
  }
}
