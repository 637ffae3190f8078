// SPDX-License-Identifier: BSL-1.0
// Records are withdrawn from open batches on their way to a real Kafka; a client that is not ours reads the others.
#include "cokafka/producer.hpp"
#include "support/catch.hpp"
#include "support/real_kafka.hpp"
#include "support/sending.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

namespace asio = boost::asio;
using namespace cokafka_test;
using answer = cokafka::result<cokafka::record_metadata>;

TEST_CASE("what is withdrawn from a batch is not in the log, and what was around it is there as it was sent",
          "[integration]") {
  const real_kafka kafka = given_kafka();
  if (kafka.bootstrap.empty()) {
    WARN("skipped: no Kafka; run tools/test integration");
    return;
  }
  sending run;
  run.partitions = 3;
  run.topics = {kafka.fresh_topic("withdrawal")};
  kafka.create_topics({run.topics[0] + ":3:" + std::to_string(kafka.replication()) + ":retention.ms=-1"});
  asio::io_context io;
  cokafka::config settings;
  settings.bootstrap_servers = kafka.bootstrap;
  cokafka::producer producer(io, settings);
  std::deque<asio::cancellation_signal> signals;
  std::uint64_t withdrawn = 0;
  for (std::uint64_t number = 0; number != 20'000;) {
    // Nothing runs while a group is sent: its batches are open. The first record of each, which gives its batch the
    // base timestamp, is withdrawn as well as others in it.
    for (int i = 0; i != 100; ++i, ++number) {
      sample_record record = run.make(number);
      if (i > 3 && number % 3 != 0) {
        producer.send(record.view())([&run, number](const answer& said) { run.settle(number, said); });
        continue;
      }
      signals.emplace_back();
      producer.send(record.view())(
          asio::bind_cancellation_slot(signals.back().slot(), [&withdrawn](const answer& said) {
            withdrawn += said.has_error() && said.error().fate() == cokafka::fate::not_written;
          }));
      signals.back().emit(asio::cancellation_type::total);
    }
    const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (producer.outstanding().records > 0 && std::chrono::steady_clock::now() < late) {
      io.restart();
      io.run_one_for(std::chrono::milliseconds(100));
    }
  }
  run_program(io, finish(producer));
  CHECK(run.failed == 0);
  CHECK(withdrawn == signals.size());
  CHECK(run.told.count() + withdrawn == 20'000);
  CHECK(kafka.differences(run.told.path()) == "");
}
