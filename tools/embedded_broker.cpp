// SPDX-License-Identifier: BSL-1.0
// Runs an embedded cluster as a program of its own, so that other Kafka clients can talk to it.
#include "cokafka/testing.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>

#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <string>
#include <string_view>

namespace asio = boost::asio;

namespace {

constexpr std::string_view usage =
    "Usage: embedded_broker [--brokers N] [--port P] [--partitions N] [--version 2.1|3.9|4.0|4.1]\n"
    "                       [--topic NAME:PARTITIONS]... [--no-auto-create]\n"
    "Runs a cluster in this process on 127.0.0.1 until stdin closes or SIGTERM comes, and prints\n"
    "`bootstrap.servers=host:port,...` when it listens. --port P: broker i listens at P + i (default: free ports).\n";

struct arguments {
  cokafka::testing::cluster_options options;
  std::array<std::string_view, 64> topics;
  std::size_t topic_count = 0;
  bool legal = true;
  bool help = false;
};

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc{} && read.ptr == text.data() + text.size();
}

bool read_version(std::string_view text, cokafka::testing::kafka_version& version) {
  using cokafka::testing::kafka_version;
  constexpr std::pair<std::string_view, kafka_version> known[] = {{"2.1", kafka_version::v2_1},
                                                                  {"3.9", kafka_version::v3_9},
                                                                  {"4.0", kafka_version::v4_0},
                                                                  {"4.1", kafka_version::v4_1}};
  for (const auto& [name, value] : known) {
    if (name == text) {
      version = value;
      return true;
    }
  }
  return false;
}

arguments read_arguments(int count, char** values) {
  arguments read;
  for (int i = 1; i < count && read.legal; ++i) {
    const std::string_view name = values[i];
    if (name == "--help" || name == "-h") {
      read.help = true;
    } else if (name == "--no-auto-create") {
      read.options.auto_create_topics = false;
    } else if (++i >= count) {
      read.legal = false;
    } else if (name == "--brokers") {
      read.legal = read_number(values[i], read.options.brokers) && read.options.brokers > 0;
    } else if (name == "--port") {
      read.legal = read_number(values[i], read.options.first_port);
    } else if (name == "--partitions") {
      read.legal = read_number(values[i], read.options.default_partitions) && read.options.default_partitions > 0;
    } else if (name == "--version") {
      read.legal = read_version(values[i], read.options.version);
    } else if (name == "--topic" && read.topic_count < read.topics.size()) {
      read.topics[read.topic_count++] = values[i];
    } else {
      read.legal = false;
    }
  }
  return read;
}

void create(cokafka::testing::cluster& cluster, std::string_view topic) {
  const std::size_t colon = topic.rfind(':');
  int partitions = 1;
  if (colon != std::string_view::npos && !read_number(topic.substr(colon + 1), partitions)) partitions = 0;
  cluster.create_topic(topic.substr(0, colon), partitions);
}

int run(const arguments& with) {
  asio::io_context io(1);
  cokafka::testing::cluster cluster(io, with.options);
  for (std::size_t i = 0; i != with.topic_count; ++i) create(cluster, with.topics[i]);
  std::printf("bootstrap.servers=%s\n", cluster.bootstrap_servers().c_str());
  std::fflush(stdout);

  asio::signal_set signals(io, SIGTERM, SIGINT);
  asio::posix::stream_descriptor input(io, ::dup(STDIN_FILENO));
  const auto end = [&] {
    boost::system::error_code ignored;
    cluster.stop();
    signals.cancel(ignored);
    input.close(ignored);
  };
  signals.async_wait([&](boost::system::error_code failed, int) {
    if (!failed) end();
  });
  std::array<char, 256> ignored_input{};
  std::function<void()> read = [&] {
    input.async_read_some(asio::buffer(ignored_input), [&](boost::system::error_code failed, std::size_t) {
      if (!failed) return read();
      if (failed != asio::error::operation_aborted) end();
    });
  };
  read();
  io.run();
  return 0;
}

}  // namespace

int main(int count, char** values) {
  const arguments read = read_arguments(count, values);
  if (read.help || !read.legal) {
    std::fputs(usage.data(), read.help ? stdout : stderr);
    return read.help ? 0 : 2;
  }
  try {
    return run(read);
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "embedded_broker: %s\n", failed.what());
    return 1;
  }
}
