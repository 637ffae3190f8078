// SPDX-License-Identifier: BSL-1.0
// What a user gets who names an address at which no broker answers, or one that goes wrong in the middle.
#include "cokafka/producer.hpp"
#include "support/catch.hpp"
#include "support/odd_server.hpp"
#include "support/patience.hpp"
#include "support/recording_environment.hpp"
#include "support/replaced_new.hpp"
#include "support/sending.hpp"

#include <time.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace {

std::atomic<std::size_t> largest_allocation{0};

}  // namespace

// Under ThreadSanitizer nothing is noted, and what is claimed of memory is claimed elsewhere.
void* cokafka_test::test_allocation(std::size_t size) noexcept {
  std::size_t seen = largest_allocation.load();
  while (size > seen && !largest_allocation.compare_exchange_weak(seen, size)) {
  }
  return plain_allocation(size);
}

namespace asio = boost::asio;
using namespace cokafka_test;
using namespace std::chrono_literals;
using cokafka::errc;
using cokafka::detail::messages::api_key;

namespace {

std::chrono::nanoseconds cpu_time_of_this_thread() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

// What one record came to, and what that took.
struct attempt {
  answer said;
  std::chrono::milliseconds elapsed{};
  std::chrono::nanoseconds cpu{};
  std::uint64_t connects = 0;
  std::size_t largest = 0;
  std::string log;
};

attempt try_record(const cokafka::config& settings, const cokafka::record_view& record) {
  attempt seen;
  log_lines log;
  cokafka::config with_log = settings;
  with_log.log_sink = log.sink();
  auto environment = std::make_shared<recording_environment>();
  asio::io_context io;
  cokafka::detail::engine_options options;
  options.env = environment;
  {
    auto producer = cokafka::detail::producer_access::make(io.get_executor(), with_log, std::move(options));
    largest_allocation = 0;
    const auto cpu = cpu_time_of_this_thread();
    const auto begin = std::chrono::steady_clock::now();
    run_program(io, send_one(producer, record, seen.said), 20s);
    seen.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    seen.cpu = cpu_time_of_this_thread() - cpu;
    seen.connects = environment->connects();
    seen.largest = largest_allocation;
  }
  io.run_for(200ms);
  seen.log = log.text();
  return seen;
}

const cokafka::record_view a_record{.topic = "t", .value = "v"};

// Nobody who is bootstrap server speaks Kafka: the record waits for max.block.ms, and nothing spins meanwhile.
void check_that_nobody_was_reached(const attempt& seen, const std::string& address, const std::string& reason) {
  CAPTURE(seen.log);
  REQUIRE_FALSE(seen.said.has_value());
  const cokafka::error& why = seen.said.error();
  CAPTURE(why.message());
  CHECK(why == errc::no_brokers);
  CHECK(why.message().find(address) != std::string::npos);
  CHECK(why.message().find(reason) != std::string::npos);
  CHECK(why.fate() == cokafka::fate::not_written);
  CHECK(why.cause());
  CHECK(seen.elapsed >= 490ms);
  CHECK(seen.elapsed < 5s);
  CHECK(seen.connects >= 2);
  CHECK(seen.connects <= 24);  // with 20 to 100 ms between the rounds, and two addresses at most
  CHECK(seen.cpu < 250ms);
  CHECK(seen.largest < 1'000'000);
  CHECK(seen.log.find(address) != std::string::npos);
}

attempt try_odd_bootstrap(const odd_server& server) { return try_record(impatient(server.address()), a_record); }

}  // namespace

// --- addresses -------------------------------------------------------------------------------------------------------

TEST_CASE("when nobody listens, a record waits for max.block.ms and its error names the addresses and the reason",
          "[stories]") {
  const std::string first = "127.0.0.1:" + std::to_string(closed_port());
  const std::string second = "127.0.0.1:" + std::to_string(closed_port());
  const attempt seen = try_record(impatient(first + "," + second), a_record);
  check_that_nobody_was_reached(seen, first, "Connection refused");
  CHECK(seen.said.error().message().find(second) != std::string::npos);
}

TEST_CASE("a host name that does not exist is named in the error of the record", "[stories]") {
  const attempt seen = try_record(impatient("no-such-host.invalid:9092"), a_record);
  REQUIRE_FALSE(seen.said.has_value());
  CAPTURE(seen.said.error().message());
  CHECK(seen.said.error() == errc::no_brokers);
  CHECK(seen.said.error().message().find("no-such-host.invalid:9092") != std::string::npos);
  CHECK(seen.elapsed < 10s);
}

TEST_CASE("a port that speaks HTTP is no broker", "[stories]") {
  odd_server server([](const auto&, std::string_view) {
    return odd_answer{"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", true};
  });
  check_that_nobody_was_reached(try_odd_bootstrap(server), server.address(), "could not be understood");
}

TEST_CASE("a port that speaks TLS is no broker", "[stories]") {
  odd_server server([](const auto&, std::string_view) {  // the alert "unexpected message"
    return odd_answer{std::string("\x15\x03\x01\x00\x02\x02\x0a", 7), true};
  });
  check_that_nobody_was_reached(try_odd_bootstrap(server), server.address(), "could not be understood");
}

TEST_CASE("a port that answers garbage is no broker", "[stories]") {
  std::uint32_t state = 1;
  odd_server server([&state](const auto&, std::string_view) {
    odd_answer made;
    made.bytes = std::string("\0\0\1\0", 4);
    for (int i = 0; i != 256; ++i) made.bytes += static_cast<char>((state = state * 1664525U + 1013904223U) >> 24);
    return made;
  });
  check_that_nobody_was_reached(try_odd_bootstrap(server), server.address(), "could not be understood");
}

TEST_CASE("an answer of 2 GiB is refused before memory is taken", "[stories]") {
  odd_server server([](const auto&, std::string_view) {
    return odd_answer{"\x7f\xff\xff\xff" + std::string(1000, 'x'), false};
  });
  check_that_nobody_was_reached(try_odd_bootstrap(server), server.address(), "could not be understood");
}

TEST_CASE("an answer of negative length is refused", "[stories]") {
  odd_server server([](const auto&, std::string_view) { return odd_answer{"\xff\xff\xff\xff", false}; });
  check_that_nobody_was_reached(try_odd_bootstrap(server), server.address(), "could not be understood");
}

TEST_CASE("an answer that is cut off is an end of the connection", "[stories]") {
  const odd_server* self = nullptr;
  odd_server server([&self](const auto& asked, std::string_view body) {
    odd_answer made = self->good_answer(asked, body);
    made.bytes.resize(made.bytes.size() / 2);
    made.close = true;
    return made;
  });
  self = &server;
  check_that_nobody_was_reached(try_odd_bootstrap(server), server.address(), "End of file");
}

TEST_CASE("a port that takes connections and never answers is given up", "[stories]") {
  odd_server server([](const auto&, std::string_view) { return odd_answer{}; });
  cokafka::config settings = impatient(server.address());
  settings.socket_connection_setup_timeout = 100ms;
  settings.socket_connection_setup_timeout_max = 100ms;
  const attempt seen = try_record(settings, a_record);
  check_that_nobody_was_reached(seen, server.address(), "request.timeout.ms");
}

// --- a broker that goes wrong in the middle --------------------------------------------------------------------------

namespace {

// The first answers to Produce are bad, then all is well: the record arrives, after a wait between the attempts.
void check_recovery_from(const std::function<odd_answer(odd_answer good)>& spoil, const std::string& reason) {
  const odd_server* self = nullptr;
  std::atomic<int> produced{0};
  odd_server server([&](const auto& asked, std::string_view body) {
    odd_answer made = self->good_answer(asked, body);
    if (asked.key == api_key::produce && ++produced <= 2) return spoil(std::move(made));
    return made;
  });
  self = &server;
  const attempt seen = try_record(patient(server.address()), a_record);
  CAPTURE(seen.log);
  REQUIRE(seen.said.has_value());
  CHECK(seen.said.value().offset == 0);
  CHECK(produced == 3);
  CHECK(seen.elapsed >= 30ms);  // two waits of 20 ms or more, less a fifth
  CHECK(seen.largest < 1'000'000);
  CHECK(seen.log.find(reason) != std::string::npos);
}

}  // namespace

TEST_CASE("a Produce answer of 2 GiB ends the connection, and the record goes over the next one", "[stories]") {
  check_recovery_from(
      [](odd_answer) {
        return odd_answer{"\x7f\xff\xff\xff" + std::string(1000, 'x'), false};
      },
      "could not be understood");
}

TEST_CASE("a Produce answer of garbage ends the connection, and the record goes over the next one", "[stories]") {
  check_recovery_from(
      [](odd_answer good) {
        for (std::size_t i = 8; i != good.bytes.size(); ++i) good.bytes[i] = '\xee';
        return good;
      },
      "could not be understood");
}

TEST_CASE("a Produce answer to another question ends the connection, and the record goes over the next one",
          "[stories]") {
  check_recovery_from(
      [](odd_answer good) {
        good.bytes[4] = '\x55';
        return good;
      },
      "could not be understood");
}

TEST_CASE("a Produce answer that is cut off ends the connection, and the record goes over the next one", "[stories]") {
  check_recovery_from(
      [](odd_answer good) {
        good.bytes.resize(good.bytes.size() - 3);
        good.close = true;
        return good;
      },
      "End of file");
}

TEST_CASE("a record whose Produce answers are never understood may have been written", "[stories]") {
  const odd_server* self = nullptr;
  odd_server server([&](const auto& asked, std::string_view body) {
    if (asked.key == api_key::produce) return odd_answer{"HTTP/1.1 500\r\n\r\n", true};
    return self->good_answer(asked, body);
  });
  self = &server;
  cokafka::config settings = impatient(server.address());
  settings.max_block = 1s;
  const attempt seen = try_record(settings, a_record);
  CAPTURE(seen.log);
  REQUIRE_FALSE(seen.said.has_value());
  CHECK(seen.said.error() == errc::timed_out);
  CHECK(seen.said.error().fate() == cokafka::fate::maybe_written);
  CHECK(seen.said.error().attempts() >= 3);
  CHECK(seen.elapsed >= 1490ms);
  CHECK(seen.elapsed < 6s);
  CHECK(server.connections() < 120);
  CHECK(seen.cpu < 400ms);
}
