// SPDX-License-Identifier: BSL-1.0
// Failure is a value that says what is known of the record. `04_errors host:port` sends to a real Kafka.
#include "cokafka.hpp"
#include "cokafka/testing.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <iostream>
#include <map>

namespace asio = boost::asio;
using namespace std::chrono_literals;

void explain(std::string_view what, const cokafka::result<cokafka::record_metadata>& sent) {
  std::cout << what << ": ";
  if (sent) {
    std::cout << "written at offset " << sent.value().offset.value() << '\n';
  } else {
    const cokafka::error& error = sent.error();
    std::cout << error.message() << "; " << to_string(error.fate()) << ", attempts: " << error.attempts()
              << (error.is_retriable() ? ", may succeed later\n" : ", will not succeed later\n");
  }
}

asio::awaitable<cokafka::result<void>> run(cokafka::producer& producer, cokafka::testing::cluster* kafka) {
  explain("an illegal topic", co_await producer.send({.topic = "or ders", .value = "1"}));
  const std::string large(2'000'000, 'x');
  explain("a large record", co_await producer.send({.topic = "orders", .value = large}));

  // BOOST_OUTCOME_CO_TRY leaves the coroutine with the error where there is one.
  BOOST_OUTCOME_CO_TRY(auto metadata, co_await producer.send({.topic = "orders", .value = "1"}));
  explain("a good record", metadata);

  if (kafka) kafka->delay_next(cokafka::testing::api_key::produce, 500ms);
  auto sent = co_await producer.send({.topic = "orders", .value = "2", .timeout = 50ms});
  explain("a record with a short deadline", sent);
  if (!sent && sent.error().fate() == cokafka::fate::not_written) {  // proven: again makes no duplicate
    explain("again", co_await producer.send({.topic = "orders", .value = "2"}));
  }
  co_return co_await producer.close(5s);
}

int main(int count, char** arguments) {
  asio::io_context io;
  auto kafka = count > 1 ? nullptr : std::make_unique<cokafka::testing::cluster>(io);
  std::map<std::string, std::string> properties{{"acks", "1"}, {"enable.idempotence", "true"}};
  auto config = cokafka::config::from_properties(properties);
  std::cout << "configuration: " << (config ? "good" : config.error().message()) << '\n';

  properties = {{"acks", "all"}, {"bootstrap.servers", kafka ? kafka->bootstrap_servers() : arguments[1]}};
  cokafka::producer producer(io, cokafka::config::from_properties(properties).value());  // value() throws the error
  bool good = false;
  asio::co_spawn(io, run(producer, kafka.get()), [&](std::exception_ptr failed, cokafka::result<void> result) {
    kafka.reset();
    good = !failed && result;
  });
  io.run();
  return good ? 0 : 1;
}
