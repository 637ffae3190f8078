// SPDX-License-Identifier: BSL-1.0
// No memory for a moment in the task of a connection: the connection is given up, and everything goes again.
#include "cokafka/producer.hpp"
#include "cokafka/testing.hpp"
#include "support/catch.hpp"
#include "support/patience.hpp"
#include "support/recording_environment.hpp"
#include "support/sending.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace cokafka_test;
using cokafka::testing::api_key;

namespace {

asio::awaitable<void> send_numbers(cokafka::producer& producer, int count, std::vector<answer>& told) {
  for (int i = 0; i != count; ++i) {
    const std::string value = std::to_string(i);
    answer said = co_await producer.send({.topic = "t", .value = value, .partition = 0}, asio::use_awaitable);
    told.push_back(std::move(said));
  }
}

}  // namespace

TEST_CASE("a task without memory loses its connection, and no record", "[stories]") {
  asio::io_context io;
  cokafka::testing::cluster kafka(io);
  kafka.create_topic("t", 1);
  const auto environment = std::make_shared<recording_environment>();
  cokafka::detail::engine_options options;
  options.env = environment;
  auto producer =
      cokafka::detail::producer_access::make(io.get_executor(), patient(kafka.bootstrap_servers()), options);
  // Connecting for control and for records, metadata, and answers draw; which comes when does not matter.
  const int draw = GENERATE(1, 2, 3, 4, 5, 6, 10, 30);
  CAPTURE(draw);
  environment->no_memory_at_draw = draw;
  std::vector<answer> told;
  run_program(io, send_numbers(producer, 50, told));
  CHECK(environment->no_memory_at_draw <= 0);
  run_program(io, finish(producer));
  const auto stored = kafka.records("t", 0);
  REQUIRE(stored.size() == 50);
  for (std::size_t i = 0; i != told.size(); ++i) {
    CAPTURE(i);
    REQUIRE(told[i].has_value());
    CHECK(stored[i].value == std::to_string(i));
  }
}
