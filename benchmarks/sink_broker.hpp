// SPDX-License-Identifier: BSL-1.0
// What the sink answers: one broker that leads every partition, counts what it is sent and keeps nothing.
#ifndef COKAFKA_BENCHMARKS_SINK_BROKER_HPP
#define COKAFKA_BENCHMARKS_SINK_BROKER_HPP

#include "cokafka/detail/messages/api_versions.hpp"
#include "cokafka/detail/messages/codec.hpp"
#include "cokafka/detail/messages/init_producer_id.hpp"
#include "cokafka/detail/messages/metadata.hpp"
#include "cokafka/detail/messages/produce.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bench {

namespace messages = cokafka::detail::messages;
namespace wire = cokafka::detail::wire;

struct sink_totals {
  std::uint64_t requests = 0;
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
};

// One broker with any topic that it is asked for. Thread safety: none, one thread uses it.
class sink_broker {
 public:
  sink_broker(std::string host, std::uint16_t port, std::int32_t partitions)
      : host_(std::move(host)), port_(port), partitions_(partitions) {}

  std::uint16_t port() const { return port_; }

  // Answers everything but Produce. `body` follows the header. False: the connection is to be closed.
  bool answer(const messages::request_header& header, std::string_view body, std::string& out) {
    switch (header.key) {
      case messages::api_key::api_versions: return answer_api_versions(header, out);
      case messages::api_key::metadata: return answer_metadata(header, body, out);
      case messages::api_key::init_producer_id: return answer_init_producer_id(header, body, out);
      default: return false;
    }
  }

  struct batch_facts {
    std::int64_t producer_id = -1;
    std::int16_t producer_epoch = -1;
    std::int32_t base_sequence = -1;
    std::int32_t records = 0;
  };

  // Counts a batch and gives its place in the log. `topic` is the name or the sixteen bytes of the id. Sequences must
  // be in order, as a real broker demands; as no connection is lost here, a batch that is not next is a mistake.
  messages::produce_response::partition take(std::string_view topic, std::int32_t index, const batch_facts& batch) {
    constexpr std::int16_t unknown_topic_or_partition = 3;
    constexpr std::int16_t out_of_order_sequence_number = 45;
    messages::produce_response::partition taken;
    taken.index = index;
    if (index < 0 || index >= partitions_) {
      taken.error_code = unknown_topic_or_partition;
      return taken;
    }
    key_.assign(topic);
    auto& logs = logs_[key_];
    if (logs.empty()) logs.resize(static_cast<std::size_t>(partitions_));
    log& to = logs[static_cast<std::size_t>(index)];
    if (batch.producer_id >= 0) {
      const bool is_known = to.producer_id == batch.producer_id && to.producer_epoch == batch.producer_epoch;
      if (batch.base_sequence != (is_known ? to.next_sequence : 0)) {
        taken.error_code = out_of_order_sequence_number;
        return taken;
      }
      to.producer_id = batch.producer_id;
      to.producer_epoch = batch.producer_epoch;
      to.next_sequence = static_cast<std::int32_t>(
          (static_cast<std::uint32_t>(batch.base_sequence) + static_cast<std::uint32_t>(batch.records)) & 0x7fffffffU);
    }
    taken.base_offset = std::exchange(to.next_offset, to.next_offset + batch.records);
    taken.log_start_offset = 0;
    ++totals.batches;
    totals.records += static_cast<std::uint64_t>(batch.records);
    return taken;
  }

  sink_totals totals;

  static constexpr wire::version_range produce_versions{3, 13};

 private:
  static constexpr std::int32_t node_id = 1;

  struct log {
    std::int64_t next_offset = 0;
    std::int64_t producer_id = -1;
    std::int16_t producer_epoch = -1;
    std::int32_t next_sequence = 0;
  };

  static messages::api_versions_response::api row(messages::api_key key, wire::version_range versions) {
    return {static_cast<std::int16_t>(key), versions.min, versions.max};
  }

  static bool answer_api_versions(const messages::request_header& header, std::string& out) {
    constexpr std::int16_t unsupported_version = 35;
    constexpr wire::version_range offered{0, 4};
    const bool known = offered.contains(header.version);
    messages::api_versions_response response;
    response.error_code = known ? std::int16_t{0} : unsupported_version;
    // librdkafka takes a broker without Fetch 4 for one that does not know record batches. Nobody may fetch here.
    response.api_keys = {row(messages::api_key::produce, produce_versions), row(messages::api_key::fetch, {4, 13}),
                         row(messages::api_key::metadata, messages::metadata_request::versions),
                         row(messages::api_key::api_versions, offered),
                         row(messages::api_key::init_producer_id, {0, 5})};
    messages::encode_response(out, response, known ? header.version : std::int16_t{0}, header.correlation_id);
    return true;
  }

  bool answer_metadata(const messages::request_header& header, std::string_view body, std::string& out) const {
    messages::metadata_request request;
    if (!messages::decode_request_body(body, header.version, request)) return false;
    messages::metadata_response response;
    response.brokers.push_back({node_id, host_, port_, {}});
    response.cluster_id = "cokafka-benchmark-sink";
    response.controller_id = node_id;
    const bool all = !request.topics || (header.version == 0 && request.topics->empty());
    if (all) request.topics.emplace(1).front().name = "bench";
    for (const auto& asked : *request.topics) response.topics.push_back(describe(asked.name.value_or("bench")));
    messages::encode_response(out, response, header.version, header.correlation_id);
    return true;
  }

  messages::metadata_response::topic describe(const std::string& name) const {
    messages::metadata_response::topic topic;
    topic.name = name;
    topic.topic_id = wire::uuid::from_halves(std::hash<std::string>{}(name), 1);
    topic.partitions.resize(static_cast<std::size_t>(partitions_));
    for (std::int32_t index = 0; auto& partition : topic.partitions) {
      partition.partition_index = index++;
      partition.leader_id = node_id;
      partition.leader_epoch = 0;
      partition.replica_nodes = partition.isr_nodes = {node_id};
    }
    return topic;
  }

  bool answer_init_producer_id(const messages::request_header& header, std::string_view body, std::string& out) {
    messages::init_producer_id_request request;
    if (!messages::decode_request_body(body, header.version, request)) return false;
    messages::init_producer_id_response response;
    response.producer_id = next_producer_id_++;
    response.producer_epoch = 0;
    messages::encode_response(out, response, header.version, header.correlation_id);
    return true;
  }

  std::string host_;
  std::uint16_t port_;
  std::int32_t partitions_;
  std::int64_t next_producer_id_ = 1;
  std::unordered_map<std::string, std::vector<log>> logs_;
  std::string key_;  // kept, so that a look-up allocates nothing
};

}  // namespace bench

#endif
