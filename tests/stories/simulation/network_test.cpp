// SPDX-License-Identifier: BSL-1.0
// The simulated network: each fault does what it says, and what TCP promises holds under all of them.
#include "cokafka/testing.hpp"
#include "support/catch.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;
using cokafka::testing::direction;
using cokafka::testing::simulation;

namespace {

/// One end of a connection, and what came of its operations.
struct end {
  std::unique_ptr<cokafka::detail::stream> stream;
  std::string received{};
  std::size_t reads = 0;
  simulation::duration last_read{};
  std::optional<error_code> ended{};  // what the last read said
  std::optional<error_code> written{};
  std::string out{};
  std::array<asio::const_buffer, 2> buffers{};
  std::array<char, 4096> room{};

  void write(std::string bytes) {
    out = std::move(bytes);
    written.reset();
    buffers = {asio::buffer(out.data(), out.size() / 2), asio::buffer(out) + out.size() / 2};
    stream->write_all(buffers, [this](error_code failed, std::size_t) { written = failed; });
  }
  void read_on(simulation& world) {
    stream->read_some(asio::buffer(room), [this, &world](error_code failed, std::size_t size) {
      if (failed) {
        ended = failed;
        return;
      }
      ++reads;
      last_read = world.elapsed();
      received.append(room.data(), size);
      read_on(world);
    });
  }
};

/// A listener and one client of it.
struct pair {
  explicit pair(std::uint64_t seed = 1) : world(seed) {
    listener = world.environment()->listen(world.get_executor(), "127.0.0.1", 0);
    place = "127.0.0.1:" + std::to_string(listener->port());
    client.stream = world.environment()->make_stream(world.get_executor(), {});
  }

  void connect(const std::string& host = "127.0.0.1") {
    listener->accept(world.get_executor(), [this](error_code, std::unique_ptr<cokafka::detail::stream> accepted) {
      broker.stream = std::move(accepted);
    });
    client.stream->connect(host, listener->port(), [this](error_code failed) { connected = failed; });
  }
  void connect_and_read() {
    connect();
    REQUIRE(world.run_until([&] { return connected.has_value() && broker.stream; }));
    REQUIRE_FALSE(*connected);
    client.read_on(world);
    broker.read_on(world);
  }

  simulation world;
  std::unique_ptr<cokafka::detail::listener> listener;
  std::string place;
  std::optional<error_code> connected;
  end client;
  end broker;
};

const std::string text = "a message of some length, which arrives as it was sent";

}  // namespace

TEST_CASE("bytes take the delay of the network, and a connection three of them", "[simulation]") {
  pair net;
  net.world.network().delay(10ms, 10ms);
  net.connect_and_read();
  CHECK(net.world.elapsed() == 20ms);  // there and back
  CHECK(net.world.network().connections(net.place) == 1);
  net.client.write(text);
  CHECK_FALSE(net.client.written);  // not inside the call
  net.world.run_for(10ms - 1ns);
  CHECK(net.client.written == error_code());
  CHECK(net.broker.received.empty());
  net.world.run_for(1ns);
  CHECK(net.broker.received == text);
  net.broker.write("answer");
  net.world.run_for(1h);
  CHECK(net.client.received == "answer");
  CHECK(net.client.last_read == 40ms);
}

TEST_CASE("connections overtake each other, and bytes of one connection never do", "[simulation]") {
  bool first_first = false, second_first = false;
  for (std::uint64_t seed = 1; seed != 40; ++seed) {
    pair one(seed);
    one.world.network().delay(1ms, 50ms);
    one.connect_and_read();
    end other_client, other_broker;
    other_client.stream = one.world.environment()->make_stream(one.world.get_executor(), {});
    bool connected = false;
    one.listener->accept(one.world.get_executor(), [&](error_code, std::unique_ptr<cokafka::detail::stream> accepted) {
      other_broker.stream = std::move(accepted);
    });
    other_client.stream->connect("127.0.0.1", one.listener->port(), [&](error_code) { connected = true; });
    REQUIRE(one.world.run_until([&] { return connected; }));
    other_broker.read_on(one.world);
    std::string sent;
    for (int i = 0; i != 20; ++i) {
      sent += std::to_string(i) + ' ';
      one.client.write(std::to_string(i) + ' ');
      if (i == 0) other_client.write(text);
      REQUIRE(one.world.run_until([&] { return one.client.written.has_value(); }));
    }
    one.world.run_until([&] { return !one.broker.received.empty() || !other_broker.received.empty(); });
    (one.broker.received.empty() ? second_first : first_first) = true;
    one.world.run_for(1s);
    CHECK(one.broker.received == sent);
    CHECK(other_broker.received == text);
  }
  CHECK(first_first);
  CHECK(second_first);
}

TEST_CASE("a slicing network gives pieces of random size", "[simulation]") {
  pair net;
  net.world.network().slice(3);
  net.connect_and_read();
  net.client.write(text);
  net.world.run_for(1s);
  CHECK(net.broker.received == text);
  CHECK(net.broker.reads >= text.size() / 3);
  CHECK(net.broker.reads < text.size());
}

TEST_CASE("a write waits while the window is full", "[simulation]") {
  pair net;
  net.world.network().window(16);
  net.connect();
  REQUIRE(net.world.run_until([&] { return net.connected && net.broker.stream; }));
  net.client.write(text);
  net.world.run_for(1h);
  CHECK_FALSE(net.client.written);
  net.broker.read_on(net.world);
  net.world.run_for(1s);
  CHECK(net.client.written == error_code());
  CHECK(net.broker.received == text);
  CHECK(net.broker.reads >= text.size() / 16);
}

TEST_CASE("both ends of a cut connection see a reset; bytes in flight are lost, or arrive, or the first few do",
          "[simulation]") {
  std::set<std::size_t> arrived;
  for (std::uint64_t seed = 1; seed != 60; ++seed) {
    pair net(seed);
    net.connect_and_read();
    net.client.write(text);
    CHECK(net.world.network().cut(net.place) == 1);
    CHECK(net.world.network().cut(net.place) == 0);
    net.world.run_for(1s);
    CHECK(net.client.ended == asio::error::connection_reset);
    CHECK(net.broker.ended == asio::error::connection_reset);
    CHECK(text.starts_with(net.broker.received));
    arrived.insert(net.broker.received.size());
    net.client.write(text);
    net.world.run_for(1s);
    CHECK(*net.client.written);
  }
  CHECK(arrived.contains(0));
  CHECK(arrived.contains(text.size()));
  CHECK(arrived.size() > 5);
}

TEST_CASE("a write that waits for the window is cut in the middle", "[simulation]") {
  pair net;
  net.world.network().window(8);
  net.connect_and_read();
  net.client.write(std::string(100'000, 'x'));
  net.world.run_for(10ms);
  CHECK(net.world.network().cut_one());
  net.world.run_for(1s);
  CHECK(net.client.written == asio::error::connection_reset);
  CHECK(net.broker.received.size() > 8);
  CHECK(net.broker.received.size() < 100'000);
}

TEST_CASE("what a client sent before it closed arrives, and then the end of the stream", "[simulation]") {
  pair net;
  net.connect_and_read();
  net.client.write(text);
  net.client.stream->close();
  CHECK_FALSE(net.client.ended);  // not inside the call
  net.world.run_for(1s);
  CHECK(net.client.ended == asio::error::operation_aborted);
  CHECK(net.broker.received == text);
  CHECK(net.broker.ended == asio::error::eof);
  net.broker.write("to nobody");
  net.world.run_for(1s);
  CHECK(net.broker.written == asio::error::broken_pipe);
}

TEST_CASE("a straggling request reaches the broker long after its client has gone", "[simulation]") {
  simulation::duration latest{};
  for (std::uint64_t seed = 1; seed != 20; ++seed) {
    pair net(seed);
    net.world.network().delay(1ms, 1ms).straggle(30s);
    net.connect_and_read();
    net.client.write(text);
    net.client.stream.reset();
    net.world.run_for(40s);
    CHECK(net.broker.received == text);
    CHECK(net.broker.ended == asio::error::eof);
    latest = std::max(latest, net.broker.last_read);
  }
  CHECK(latest > 15s);
  CHECK(latest < 31s);
}

TEST_CASE("a half-closed connection ends in one direction only, and the writer is not told", "[simulation]") {
  pair net;
  net.connect_and_read();
  CHECK(net.world.network().half_close(direction::to_broker) == 1);
  net.client.write(text);
  net.broker.write("answer");
  net.world.run_for(1s);
  CHECK(net.broker.ended == asio::error::eof);
  net.broker.ended.reset();
  net.broker.read_on(net.world);  // what was written behind the end has not become a part of the stream
  net.world.run_for(1s);
  CHECK(net.broker.ended == asio::error::eof);
  CHECK(net.broker.received.empty());
  CHECK(net.client.written == error_code());
  CHECK(net.client.received == "answer");
  CHECK_FALSE(net.client.ended);
}

TEST_CASE("whoever begins to read behind a black hole gets nothing from its other side", "[simulation]") {
  pair net;
  net.connect();
  REQUIRE(net.world.run_until([&] { return net.connected && net.broker.stream; }));
  net.world.network().black_hole(net.place);
  net.client.write(text);
  net.world.run_for(1s);
  net.broker.read_on(net.world);
  net.world.run_for(1s);
  CHECK(net.broker.received.empty());
  net.world.network().heal();
  net.world.run_for(1s);
  CHECK(net.broker.received == text);
}

TEST_CASE("a black hole keeps bytes, ends and attempts to connect until it is healed", "[simulation]") {
  pair net;
  net.connect_and_read();
  net.client.write("before ");
  net.world.run_for(1s);
  net.world.network().black_hole(net.place);
  net.client.write("behind");
  net.broker.write("answer");
  net.client.stream->close();
  end late;
  std::optional<error_code> connected;
  late.stream = net.world.environment()->make_stream(net.world.get_executor(), {});
  late.stream->connect("127.0.0.1", net.listener->port(), [&](error_code failed) { connected = failed; });
  net.world.run_for(1h);
  CHECK(net.client.written == error_code());
  CHECK(net.broker.received == "before ");
  CHECK_FALSE(net.broker.ended);
  CHECK_FALSE(connected);
  net.world.network().black_hole(net.place, false);
  net.world.run_for(10ms);
  CHECK(net.broker.received == "before behind");
  CHECK(net.broker.ended == asio::error::eof);
  CHECK(connected == error_code());
}

TEST_CASE("connections are refused where nobody listens, and where the network refuses them", "[simulation]") {
  pair net;
  net.world.network().refuse(net.place);
  net.connect();
  REQUIRE(net.world.run_until([&] { return net.connected.has_value(); }));
  CHECK(*net.connected == asio::error::connection_refused);
  net.world.network().heal();
  net.listener->close();
  net.connected.reset();
  net.client.stream = net.world.environment()->make_stream(net.world.get_executor(), {});
  net.client.stream->connect("127.0.0.1", net.listener->port(), [&](error_code failed) { net.connected = failed; });
  REQUIRE(net.world.run_until([&] { return net.connected.has_value(); }));
  CHECK(*net.connected == asio::error::connection_refused);
}

TEST_CASE("an attempt that hangs ends when it is closed, or goes on when the network is healed", "[simulation]") {
  for (const bool heals : {false, true}) {
    pair net;
    net.world.network().hang(net.place);
    net.connect();
    net.world.run_for(1h);
    CHECK_FALSE(net.connected);
    if (heals) {
      net.world.network().hang(net.place, false);
    } else {
      net.client.stream->close();
    }
    REQUIRE(net.world.run_until([&] { return net.connected.has_value(); }));
    CHECK(*net.connected == (heals ? error_code() : error_code(asio::error::operation_aborted)));
  }
}

TEST_CASE("without descriptors every attempt to connect fails at once", "[simulation]") {
  pair net;
  net.world.network().no_descriptors();
  net.connect();
  REQUIRE(net.world.run_until([&] { return net.connected.has_value(); }));
  CHECK(*net.connected == asio::error::no_descriptors);
  CHECK(net.world.elapsed() == 0ns);
}

TEST_CASE("of several addresses of a host the first that answers is taken", "[simulation]") {
  pair net;
  net.world.network().host("kafka.example", {"10.0.0.1", "127.0.0.1"});
  net.connect("kafka.example");
  REQUIRE(net.world.run_until([&] { return net.connected.has_value(); }));
  CHECK(*net.connected == error_code());
  CHECK(net.client.stream->remote() == net.place);
  CHECK_FALSE(net.broker.stream->remote().empty());
}

TEST_CASE("the second attempt begins with the second address", "[simulation]") {
  pair net;
  net.world.network().delay(1ms, 1ms).host("kafka.example", {"10.0.0.1", "127.0.0.1"});
  net.client.stream = net.world.environment()->make_stream(net.world.get_executor(), {.attempt = 1});
  net.connect("kafka.example");
  REQUIRE(net.world.run_until([&] { return net.connected.has_value(); }));
  CHECK(*net.connected == error_code());
  CHECK(net.world.elapsed() == 3ms);  // look-up, question, answer
}

TEST_CASE("a producer gets through to a host of which one address is dead", "[simulation]") {
  simulation world;
  auto kafka = world.make_cluster({.first_port = 9092});
  world.network().host("kafka.example", {"10.0.0.1", "127.0.0.1"}).hang("10.0.0.1:9092");
  auto shop = world.make_producer({.bootstrap_servers = "kafka.example:9092"});
  std::optional<bool> sent;
  shop.send({.topic = "orders", .value = "1"})([&](const auto& answer) { sent = answer.has_value(); });
  REQUIRE(world.run_until([&] { return sent.has_value(); }));
  CHECK(*sent);
  CHECK(world.elapsed() > 8s);  // socket.connection.setup.timeout.ms of the first attempt
  CHECK(world.elapsed() < 14s);
}

TEST_CASE("a name that is not known, and a look-up that fails or hangs", "[simulation]") {
  pair net;
  const auto try_again = [&](const std::string& host) {
    net.connected.reset();
    net.client.stream = net.world.environment()->make_stream(net.world.get_executor(), {});
    net.connect(host);
    net.world.run_for(1s);
    return net.connected;
  };
  CHECK(try_again("nobody.example") == asio::error::host_not_found);
  CHECK(try_again("localhost") == error_code());
  net.world.network().fail_lookups("localhost");
  CHECK(try_again("localhost") == asio::error::host_not_found);
  net.world.network().fail_lookups("localhost", false).hang_lookups("localhost");
  CHECK_FALSE(try_again("localhost"));
  net.world.network().hang_lookups("localhost", false);
  net.world.run_for(1s);
  CHECK(net.connected == error_code());
}

TEST_CASE("odds of one in one are certain", "[simulation]") {
  pair net;
  net.connect_and_read();
  net.world.network().odds({.half_close = 1});
  net.client.write(text);
  net.world.run_for(1s);
  CHECK(net.broker.received == text);
  CHECK(net.broker.ended == asio::error::eof);
  net.world.network().odds({.cut = 1});
  net.broker.write(text);
  net.world.run_for(1s);
  CHECK(net.client.ended == asio::error::connection_reset);
  for (const bool hangs : {false, true}) {
    net.world.network().odds({.refuse = hangs ? 0U : 1U, .hang = hangs ? 1U : 0U});
    net.connected.reset();
    net.client.stream = net.world.environment()->make_stream(net.world.get_executor(), {});
    net.connect();
    net.world.run_for(1s);
    CHECK(net.connected == (hangs ? std::nullopt : std::optional<error_code>(asio::error::connection_refused)));
  }
  net.world.network().heal();
  net.world.run_for(1s);
  CHECK(net.connected == error_code());
}

TEST_CASE("two listeners cannot have one place, and a port of 0 is the next free one", "[simulation]") {
  simulation world;
  auto& environment = *world.environment();
  const auto given = environment.listen(world.get_executor(), "127.0.0.1", 9093);
  const auto first = environment.listen(world.get_executor(), "127.0.0.1", 0);
  const auto second = environment.listen(world.get_executor(), "127.0.0.1", 0);
  CHECK(first->port() == 9092);
  CHECK(second->port() == 9094);
  CHECK_THROWS_AS(environment.listen(world.get_executor(), "127.0.0.1", 9092), boost::system::system_error);
  CHECK_THROWS_AS(environment.listen(world.get_executor(), "nobody.example", 0), boost::system::system_error);
  first->close();
  CHECK(environment.listen(world.get_executor(), "127.0.0.1", 9092)->port() == 9092);
}
