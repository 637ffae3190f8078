// SPDX-License-Identifier: BSL-1.0
// Bodies of conformance.hpp: whom a case asks, and how.
#include "support/conformance.hpp"

#include "cokafka/detail/messages/init_producer_id.hpp"
#include "cokafka/detail/messages/list_offsets.hpp"
#include "support/catch.hpp"

#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <thread>

using namespace cokafka::detail::messages;
using cokafka::broker_errc;
using cokafka::testing::cluster_options;
using cokafka::testing::kafka_version;

namespace cokafka_test {

std::string name_of(std::int16_t code) { return std::string(to_string(static_cast<broker_errc>(code))); }

bool is_4() { return given_kafka().version.substr(0, 1) != "3"; }

bool eventually(const std::function<bool()>& holds, int seconds) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

std::string unique_topic() {
  static int count = 0;
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return "conformance-" + std::to_string(now) + "-" + std::to_string(++count);
}

target::target(running_cluster& embedded, const scene_options& wanted)
    : bootstrap(embedded->port(0)), topic(unique_topic()), options_(wanted), embedded_(&embedded) {
  wire_client client(bootstrap);
  metadata_request none;
  nodes_ = static_cast<int>(client.call(none, 12).brokers.size());
}

target::target(const real_kafka& real, const scene_options& wanted)
    : topic(unique_topic()), options_(wanted), real_(real), nodes_(real.nodes) {
  const std::string first = real.bootstrap.substr(0, real.bootstrap.find(','));
  bootstrap = static_cast<std::uint16_t>(std::stoi(first.substr(first.rfind(':') + 1)));
}

void target::create_topic() const {
  create_topics_request request;
  request.topics.push_back({topic, options_.partitions, options_.replication, {}, options_.settings});
  wire_client client(bootstrap);
  if (options_.on_one_broker) {
    const std::int32_t broker = client.call(metadata_request{}, 12).brokers.at(0).node_id;
    auto& asked = request.topics[0];
    asked.num_partitions = -1;
    for (std::int32_t p = 0; p != options_.partitions; ++p) asked.assignments.push_back({p, {broker}});
  }
  const std::string error = name_of(client.call(request, 7).topics.at(0).error_code);
  if (error != "none") throw std::runtime_error("the topic was not created: " + error);
  everywhere(topic, [](const topic_description& said) { return said.error_code == 0; });
}

metadata_response target::metadata(std::uint16_t port, const std::string& name) const {
  metadata_request request;
  request.topics->push_back({{}, name});
  request.allow_auto_topic_creation = false;
  wire_client client(port);
  return client.call(request, 12);
}

target::topic_description target::describe(const std::string& name, bool create) const {
  metadata_request request;
  request.topics->push_back({{}, name});
  request.allow_auto_topic_creation = create;
  wire_client client(bootstrap);
  return client.call(request, 12).topics.at(0);
}

metadata_response::partition target::describe_partition(std::int32_t partition) const {
  const metadata_response said = metadata(bootstrap, topic);
  for (const auto& each : said.topics.at(0).partitions) {
    if (each.partition_index == partition) return each;
  }
  return {};
}

std::int32_t target::leader_id(std::int32_t partition) const {
  std::int32_t found = -1;
  const auto is_led = [&] {
    found = describe_partition(partition).leader_id;
    return found >= 0;
  };
  if (!eventually(is_led)) throw std::runtime_error("no leader");
  return found;
}

std::int32_t target::follower_id() const {
  const std::int32_t leader = leader_id();
  const std::vector<std::int32_t> replicas = describe(topic).partitions.at(0).replica_nodes;
  return replicas.at(0) == leader ? replicas.at(1) : replicas.at(0);
}

std::uint16_t target::port_of(std::int32_t id) const {
  for (const auto& each : metadata(bootstrap, topic).brokers) {
    if (each.node_id == id) return static_cast<std::uint16_t>(each.port);
  }
  throw std::runtime_error("no broker " + std::to_string(id));
}

std::vector<std::int32_t> target::others(std::int32_t id) const {
  std::vector<std::int32_t> found;
  for (const auto& each : metadata(bootstrap, topic).brokers) {
    if (each.node_id != id) found.push_back(each.node_id);
  }
  return found;
}

wire_client target::broker(std::int32_t id) const { return wire_client(port_of(id)); }

wire_client target::leader(std::int32_t partition, const std::string& client_id) const {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < give_up) {
    wire_client candidate(port_of(leader_id(partition)), client_id);
    if (leads(candidate, partition)) return candidate;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  throw std::runtime_error("no leader that knows that it leads");
}

bool target::leads(wire_client& candidate, std::int32_t partition) const {
  list_offsets_request request;
  list_offsets_request::partition end;
  end.partition_index = partition;
  request.topics.push_back({topic, {end}});
  if (candidate.call(request, 7).topics.at(0).partitions.at(0).error_code != 0) return false;
  metadata_request known;
  known.topics->push_back({{}, topic});
  return candidate.call(known, 12).topics.at(0).error_code == 0;
}

void on_both(const std::function<void(target&)>& test, const scene_options& wanted) {
  const real_kafka given = given_kafka();
  {
    INFO("embedded");
    cluster_options options;
    options.version = is_4() ? kafka_version::v4_1 : kafka_version::v3_9;
    options.brokers = std::max(wanted.nodes, given.nodes);
    running_cluster kafka(options);
    target embedded(kafka, wanted);
    embedded.create_topic();
    test(embedded);
  }
  if (given.bootstrap.empty()) {
    WARN("skipped: COKAFKA_BOOTSTRAP is not set");
    return;
  }
  if (given.nodes < wanted.nodes || given.nodes > wanted.most_nodes) {
    WARN("skipped: this is for a cluster of another size");
    return;
  }
  INFO("real");
  target real(given, wanted);
  real.create_topic();
  test(real);
}

produce_request write_to(const std::string& topic, const std::string& records, std::int16_t acks,
                         std::int32_t partition) {
  produce_request request;
  request.acks = acks;
  request.timeout_ms = 5000;
  request.topics.push_back({topic, {}, {{partition, {records}}}});
  return request;
}

produce_response produce_all(wire_client& client, const produce_request& request, std::int16_t version) {
  return client.call(request, version);
}

produce_response::partition produce(wire_client& client, const target& to, const std::string& records,
                                    std::int16_t version, std::int16_t acks, std::int32_t partition) {
  return produce_all(client, write_to(to.topic, records, acks, partition), version).responses.at(0).partitions.at(0);
}

std::string outcome(const produce_response::partition& answer) {
  const std::string error = name_of(answer.error_code);
  return answer.error_code == 0 ? error + " @ " + std::to_string(answer.base_offset) : error;
}

std::string outcome(wire_client& client, const target& to, const std::string& records, std::int16_t version) {
  return outcome(produce(client, to, records, version));
}

std::string outcome_at(wire_client& client, const target& to, std::int32_t partition, const std::string& records) {
  return outcome(produce(client, to, records, 9, -1, partition));
}

std::string changed(std::string batch, std::size_t at, char by) {
  batch[at] = static_cast<char>(batch[at] ^ by);
  return batch;
}

std::int64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::string stamped_now(std::int64_t producer_id, std::int16_t epoch, std::int32_t sequence, std::size_t count) {
  simple_batch batch;
  batch.values.assign(count, "value");
  batch.producer_id = producer_id;
  batch.epoch = epoch;
  batch.sequence = sequence;
  batch.timestamp = now_ms();
  return encoded(batch);
}

std::int64_t new_producer(wire_client& client) {
  init_producer_id_request request;
  request.transaction_timeout_ms = std::numeric_limits<std::int32_t>::max();
  std::int64_t id = -1;
  const auto is_given = [&] {
    const auto answer = client.call(request, 4);
    id = answer.producer_id;
    return answer.error_code == 0;
  };
  if (!eventually(is_given)) throw std::runtime_error("no producer id");
  return id;
}

std::int64_t end_offset(wire_client& client, const target& of) {
  list_offsets_request request;
  request.topics.push_back({of.topic, {{}}});
  return client.call(request, 7).topics.at(0).partitions.at(0).offset;
}

fetch_request waiting_fetch(const target& of, std::chrono::milliseconds longest) {
  fetch_request request;
  request.max_wait_ms = static_cast<std::int32_t>(longest.count());
  request.min_bytes = 1;
  fetch_request::partition partition;
  partition.partition_max_bytes = 1000;
  request.topics.push_back({of.topic, {}, {partition}});
  return request;
}

}  // namespace cokafka_test
