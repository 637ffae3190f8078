// SPDX-License-Identifier: BSL-1.0
// Every version of every request that we speak is forced once against a real Kafka and read back by another client: our
// embedded broker shares our structs and would agree with a wrong one.
#include "cokafka/producer.hpp"
#include "support/catch.hpp"
#include "support/real_kafka.hpp"
#include "support/recording_environment.hpp"
#include "support/sending.hpp"

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace cokafka_test;
using cokafka::detail::messages::api_key;

namespace {

struct forced {
  api_key api;
  std::string name;
  std::int16_t oldest;
  std::int16_t newest;  // of ours and the broker's
};

std::vector<forced> all_forced(const real_kafka& kafka) {
  const std::int16_t produce = kafka.is_4_1() ? 13 : 11;
  const std::int16_t metadata = kafka.is_4_1() ? 13 : 12;
  return {{api_key::produce, "produce", 3, produce},
          {api_key::metadata, "metadata", 1, metadata},
          {api_key::init_producer_id, "init-producer-id", 0, 5},
          {api_key::api_versions, "api-versions", 0, 4}};
}

asio::awaitable<void> send_some(cokafka::producer& producer, sending& run) {
  co_await send_awaited(producer, run, 5);
  co_await send_pipelined(producer, run, 40, 40);
  co_await finish(producer);
}

// What of each API went over the wire.
std::shared_ptr<recording_environment> send_with(const real_kafka& kafka, const cokafka::detail::version_caps& caps,
                                                 sending& run) {
  auto environment = std::make_shared<recording_environment>();
  asio::io_context io;
  cokafka::config settings;
  settings.bootstrap_servers = kafka.bootstrap;
  cokafka::detail::engine_options options;
  options.env = environment;
  options.caps = caps;
  cokafka::producer producer = cokafka::detail::producer_access::make(io.get_executor(), settings, std::move(options));
  run_program(io, send_some(producer, run), std::chrono::seconds(30));
  return environment;
}

}  // namespace

TEST_CASE("every version of Produce, Metadata, InitProducerId and ApiVersions works with a real Kafka",
          "[integration]") {
  const real_kafka kafka = given_kafka();
  if (kafka.bootstrap.empty()) {
    WARN("skipped: no Kafka; run tools/test integration");
    return;
  }
  std::vector<std::string> create;
  for (const forced& each : all_forced(kafka)) {
    for (std::int16_t version = each.oldest; version <= each.newest; ++version) {
      create.push_back(kafka.fresh_topic(each.name + "-" + std::to_string(version)));
    }
  }
  std::vector<std::string> topics;
  for (std::string& each : create) {
    topics.push_back(each);
    each += ":2:" + std::to_string(kafka.replication()) + ":retention.ms=-1";
  }
  kafka.create_topics(create);

  sending run;
  run.partitions = 2;
  std::size_t sent = 0;
  for (const forced& each : all_forced(kafka)) {
    for (std::int16_t version = each.oldest; version <= each.newest; ++version) {
      CAPTURE(each.name, version);
      run.topics = {topics[sent++]};
      const std::uint64_t before = run.told.count();
      const auto seen = send_with(kafka, {{each.api, version}}, run);
      CAPTURE(run.first_failure);
      CHECK(run.told.count() == before + 45);
      CHECK(seen->versions_of(each.api) == std::set<std::int16_t>{version});
    }
  }
  CHECK(kafka.differences(run.told.path()) == "");
}

TEST_CASE("a real Kafka that speaks Produce 13 gets version 12 for a topic whose id is not known", "[integration]") {
  const real_kafka kafka = given_kafka();
  if (kafka.bootstrap.empty()) {
    WARN("skipped: no Kafka; run tools/test integration");
    return;
  }
  if (!kafka.is_4_1()) {
    WARN("skipped: this Kafka knows Produce up to 11");
    return;
  }
  sending run;
  run.partitions = 2;
  run.topics = {kafka.fresh_topic("no-id")};
  kafka.create_topics({run.topics[0] + ":2:" + std::to_string(kafka.replication()) + ":retention.ms=-1"});
  const auto seen = send_with(kafka, {{api_key::metadata, 9}}, run);  // ids begin at 10
  CHECK(seen->versions_of(api_key::produce) == std::set<std::int16_t>{12});
  CHECK(run.told.count() == 45);
  CHECK(kafka.differences(run.told.path()) == "");
}
