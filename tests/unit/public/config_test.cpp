// SPDX-License-Identifier: BSL-1.0
// The configuration: defaults, names, ranges, and what is said about mistakes.
#include "cokafka/config.hpp"

#include <array>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cokafka/detail/base/foreign_properties.hpp"
#include "support/catch.hpp"
#include "support/config_made.hpp"

using cokafka::acks;
using cokafka::config;
using cokafka::errc;
using cokafka::linger_policy;
using cokafka_test::complaint;
using cokafka_test::with;
using namespace std::chrono_literals;

namespace {

// The text of the error of setting one property; empty when it went well.
std::string refusal(std::string_view name, std::string_view value) {
  config subject;
  const auto set = subject.set(name, value);
  if (set) return {};
  CHECK(set.error() == errc::config_error);
  CHECK(set.error().fate() == cokafka::fate::not_written);
  return set.error().message();
}

}  // namespace

TEST_CASE("the defaults are Kafka's and valid", "[public]") {
  const config defaults;
  CHECK(complaint(defaults).empty());
  CHECK(defaults.warnings().empty());
  CHECK(defaults.idempotent());
  CHECK(defaults.bootstrap_servers == "localhost:9092");
  CHECK(defaults.client_id.empty());
  CHECK(defaults.acks == acks::all);
  CHECK(defaults.retries == 2147483647);
  CHECK(defaults.max_in_flight_requests_per_connection == 5);
  CHECK(defaults.delivery_timeout == 120s);
  CHECK(defaults.request_timeout == 30s);
  CHECK(defaults.max_block == 60s);
  CHECK(defaults.linger == 5ms);
  CHECK(defaults.linger_policy == linger_policy::when_busy);
  CHECK(defaults.batch_size == 16384);
  CHECK(defaults.max_request_size == 1048576);
  CHECK(defaults.buffer_memory == 33554432);
  CHECK(defaults.parked_memory == 4 * 1024 * 1024);
  CHECK_FALSE(defaults.partitioner_ignore_keys);
  CHECK(defaults.metadata_max_age == 5min);
  CHECK(defaults.allow_auto_create_topics);
  CHECK(defaults.retry_backoff == 100ms);
  CHECK(defaults.retry_backoff_max == 1s);
  CHECK(defaults.reconnect_backoff == 50ms);
  CHECK(defaults.reconnect_backoff_max == 1s);
  CHECK(defaults.socket_connection_setup_timeout == 10s);
  CHECK(defaults.socket_connection_setup_timeout_max == 30s);
  CHECK(defaults.connections_max_idle == 540s);
  CHECK(defaults.send_buffer_bytes == -1);
  CHECK(defaults.receive_buffer_bytes == 32768);
  CHECK(defaults.receive_message_max_bytes == 100'000'000);
  CHECK_FALSE(defaults.log_sink);
}

TEST_CASE("every property is set by its name", "[public]") {
  const config subject = with({{"bootstrap.servers", "a:1,b:2"},
                               {"client.id", "me"},
                               {"acks", "1"},
                               {"enable.idempotence", "false"},
                               {"retries", "7"},
                               {"max.in.flight.requests.per.connection", "2"},
                               {"delivery.timeout.ms", "50000"},
                               {"request.timeout.ms", "1000"},
                               {"max.block.ms", "2000"},
                               {"linger.ms", "20"},
                               {"linger.policy", "always"},
                               {"batch.size", "1"},
                               {"max.request.size", "3"},
                               {"buffer.memory", "8589934592"},
                               {"parked.memory", "5"},
                               {"partitioner.ignore.keys", "true"},
                               {"metadata.max.age.ms", "6"},
                               {"allow.auto.create.topics", "FALSE"},
                               {"retry.backoff.ms", "7"},
                               {"retry.backoff.max.ms", "8"},
                               {"reconnect.backoff.ms", "9"},
                               {"reconnect.backoff.max.ms", "10"},
                               {"socket.connection.setup.timeout.ms", "11"},
                               {"socket.connection.setup.timeout.max.ms", "12"},
                               {"connections.max.idle.ms", "-1"},
                               {"send.buffer.bytes", "-1"},
                               {"receive.buffer.bytes", "13"},
                               {"receive.message.max.bytes", "1000"},
                               {"log.level", "debug"}});
  CHECK(subject.bootstrap_servers == "a:1,b:2");
  CHECK(subject.client_id == "me");
  CHECK(subject.acks == acks::leader);
  CHECK(subject.enable_idempotence == false);
  CHECK(subject.retries == 7);
  CHECK(subject.max_in_flight_requests_per_connection == 2);
  CHECK(subject.delivery_timeout == 50s);
  CHECK(subject.request_timeout == 1s);
  CHECK(subject.max_block == 2s);
  CHECK(subject.linger == 20ms);
  CHECK(subject.linger_policy == linger_policy::always);
  CHECK(subject.batch_size == 1);
  CHECK(subject.max_request_size == 3);
  CHECK(subject.buffer_memory == 8589934592);
  CHECK(subject.parked_memory == 5);
  CHECK(subject.partitioner_ignore_keys);
  CHECK(subject.metadata_max_age == 6ms);
  CHECK_FALSE(subject.allow_auto_create_topics);
  CHECK(subject.retry_backoff == 7ms);
  CHECK(subject.retry_backoff_max == 8ms);
  CHECK(subject.reconnect_backoff == 9ms);
  CHECK(subject.reconnect_backoff_max == 10ms);
  CHECK(subject.socket_connection_setup_timeout == 11ms);
  CHECK(subject.socket_connection_setup_timeout_max == 12ms);
  CHECK(subject.connections_max_idle == -1ms);
  CHECK(subject.send_buffer_bytes == -1);
  CHECK(subject.receive_buffer_bytes == 13);
  CHECK(subject.receive_message_max_bytes == 1000);
  CHECK(subject.log_level == cokafka::log_level::debug);
}

TEST_CASE("librdkafka's names are taken where they mean the same", "[public]") {
  const config subject = with({{"metadata.broker.list", "h"},
                               {"request.required.acks", "-1"},
                               {"queue.buffering.max.ms", "3"},
                               {"message.timeout.ms", "60000"},
                               {"message.send.max.retries", "4"},
                               {"max.in.flight", "1"},
                               {"topic.metadata.refresh.interval.ms", "77"}});
  CHECK(subject.bootstrap_servers == "h");
  CHECK(subject.acks == acks::all);
  CHECK(subject.linger == 3ms);
  CHECK(subject.delivery_timeout == 60s);
  CHECK(subject.retries == 4);
  CHECK(subject.max_in_flight_requests_per_connection == 1);
  CHECK(subject.metadata_max_age == 77ms);
}

TEST_CASE("acks is 0, 1, -1 or all and nothing else", "[public]") {
  CHECK(with({{"acks", "0"}}).acks == acks::none);
  CHECK(with({{"acks", "-1"}}).acks == acks::all);
  CHECK(with({{"acks", " ALL "}}).acks == acks::all);
  CHECK(refusal("acks", "2") == "acks=2: must be one of 0 1 all -1");
  CHECK(refusal("acks", "") == "acks=: must be one of 0 1 all -1");
  CHECK(to_string(acks::none) == "0");
  CHECK(to_string(acks::all) == "all");
  CHECK(to_string(linger_policy::when_busy) == "when_busy");
}

TEST_CASE("a value that does not parse or is out of range names property, value and range", "[public]") {
  CHECK(refusal("retries", "-1") == "retries=-1: must be a whole number from 0 to 2147483647");
  CHECK(refusal("retries", "2147483648") == "retries=2147483648: must be a whole number from 0 to 2147483647");
  CHECK(refusal("retries", "many") == "retries=many: must be a whole number from 0 to 2147483647");
  CHECK(refusal("retries", "") == "retries=: must be a whole number from 0 to 2147483647");
  CHECK(refusal("retries", "1 2") == "retries=1 2: must be a whole number from 0 to 2147483647");
  CHECK(refusal("retries", "99999999999999999999") ==
        "retries=99999999999999999999: must be a whole number from 0 to 2147483647");
  CHECK(refusal("linger.ms", "0.5") == "linger.ms=0.5: must be a whole number of milliseconds from 0 to 2147483647");
  CHECK(refusal("queue.buffering.max.ms", "0.5") ==
        "queue.buffering.max.ms=0.5: must be a whole number of milliseconds from 0 to 2147483647");
  CHECK(refusal("max.in.flight.requests.per.connection", "0") ==
        "max.in.flight.requests.per.connection=0: must be a whole number from 1 to 2147483647");
  CHECK(refusal("send.buffer.bytes", "-2") == "send.buffer.bytes=-2: must be a whole number from -1 to 2147483647");
  CHECK(refusal("enable.idempotence", "yes") == "enable.idempotence=yes: must be true or false");
  CHECK(refusal("allow.auto.create.topics", "1") == "allow.auto.create.topics=1: must be true or false");
  CHECK(refusal("linger.policy", "never") == "linger.policy=never: must be one of when_busy always");
  CHECK(refusal("log.level", "6") == "log.level=6: must be one of trace debug info warning error off");
}

TEST_CASE("a refused value leaves the configuration as it was", "[public]") {
  config subject;
  subject.retries = 3;
  CHECK_FALSE(subject.set("retries", "x"));
  CHECK_FALSE(subject.set("bootstrap.servers", "a b"));
  CHECK(subject.retries == 3);
  CHECK(subject.bootstrap_servers == "localhost:9092");
}

TEST_CASE("spaces around a value do not count, also on both ends of the range", "[public]") {
  CHECK(with({{"retries", " 5\t"}}).retries == 5);
  CHECK(with({{"retries", "2147483647"}}).retries == 2147483647);
  CHECK(with({{"retries", "0"}}).retries == 0);
}

TEST_CASE("times that mean for ever are cut to what a clock can hold", "[public]") {
  const auto longest = with({{"max.block.ms", "9223372036854775807"}}).max_block;
  CHECK(longest > 24h * 365 * 90);
  CHECK(longest.count() < std::numeric_limits<std::int64_t>::max() / 1'000'000);
  config typed;
  typed.max_block = std::chrono::milliseconds::max();
  CHECK(
      complaint(typed).starts_with("max.block.ms=9223372036854775807: must be a whole number of milliseconds from 0"));
}

TEST_CASE("an unknown property is named, with the nearest known one", "[public]") {
  CHECK(refusal("linger.sm", "5") == "unknown property \"linger.sm\", did you mean \"linger.ms\"?");
  CHECK(refusal("batch_size", "5") == "unknown property \"batch_size\", did you mean \"batch.size\"?");
  CHECK(refusal("bootstrap.server", "5") ==
        "unknown property \"bootstrap.server\", did you mean \"bootstrap.servers\"?");
  CHECK(refusal("ACKS", "all") == "unknown property \"ACKS\", did you mean \"acks\"?");
  CHECK(refusal("group.protocol", "x") == "unknown property \"group.protocol\"");
  CHECK(refusal("", "x") == "unknown property \"\"");
  CHECK(refusal(std::string(500, 'x'), "x") == "unknown property \"" + std::string(500, 'x') + "\"");
}

TEST_CASE("a property of another producer gets a clear answer", "[public]") {
  CHECK(refusal("compression.type", "zstd") ==
        "property \"compression.type\" is not supported in this version; only \"none\" is accepted");
  CHECK(refusal("transactional.id", "x") == "property \"transactional.id\" is not supported in this version");
  CHECK(refusal("ssl.truststore.location", "x") ==
        "property \"ssl.truststore.location\" is not supported in this version");
  CHECK(refusal("sasl.mechanism", "PLAIN") == "property \"sasl.mechanism\" is not supported in this version");
  CHECK(refusal("queue.buffering.max.kbytes", "1") ==
        "property \"queue.buffering.max.kbytes\" has no twin here, use buffer.memory in bytes");
  CHECK(refusal("queuing.strategy", "fifo") == "property \"queuing.strategy\" has no effect here, remove it");
  CHECK(refusal("key.serializer", "x") == "property \"key.serializer\" has no place here, keys are bytes");
}

TEST_CASE("a foreign property that asks for what is done anyway is accepted", "[public]") {
  CHECK(refusal("compression.type", "none").empty());
  CHECK(refusal("security.protocol", "PLAINTEXT").empty());
  CHECK(refusal("client.dns.lookup", "use_all_dns_ips").empty());
  CHECK_FALSE(refusal("security.protocol", "SSL").empty());
}

TEST_CASE("no foreign property hides one of ours", "[public]") {
  for (const auto& row : cokafka::detail::foreign_properties) {
    INFO(row.name);
    const std::string text = refusal(row.name, "no such value");
    CHECK(text.starts_with("property \""));
  }
}

TEST_CASE("a configuration is made from any range of pairs of strings", "[public]") {
  const std::map<std::string, std::string> map = {{"acks", "1"}, {"linger.ms", "9"}};
  CHECK(config::from_properties(map).value().linger == 9ms);
  const std::array<std::pair<const char*, std::string_view>, 1> array = {{{"retries", "2"}}};
  CHECK(config::from_properties(array).value().retries == 2);
  CHECK(config::from_properties(std::vector<std::pair<std::string_view, std::string>>{}).value().acks == acks::all);
}

TEST_CASE("properties that do not fit together make no configuration", "[public]") {
  const std::map<std::string, std::string> contradiction = {{"acks", "0"}, {"enable.idempotence", "true"}};
  const auto made = config::from_properties(contradiction);
  REQUIRE_FALSE(made);
  CHECK(made.error() == errc::config_error);
  CHECK(made.error().message() == "acks=0: must be all with enable.idempotence=true");
  CHECK_THROWS_AS(config::from_properties(std::map<std::string, std::string>{{"ack", "0"}}).value(),
                  cokafka::exception);
}
