// SPDX-License-Identifier: BSL-1.0
// How an embedded cluster and its topics are set up.
// Layer 8.
#ifndef COKAFKA_TESTING_OPTIONS_HPP
#define COKAFKA_TESTING_OPTIONS_HPP

#include "cokafka/detail/base/config.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace cokafka::inline COKAFKA_ABI::testing {

/// Which Kafka the cluster pretends to be: the API versions it offers and the rules that changed between releases.
enum class kafka_version : std::uint8_t { v2_1, v3_9, v4_0, v4_1 };

/// Trivial, so that it is safe inside co_await expressions of g++ 12.
struct cluster_options {
  int brokers = 1;                 ///< their ids count from 0
  std::uint16_t first_port = 0;    ///< 0: free ports; else broker i listens at first_port + i
  int default_partitions = 1;      ///< `num.partitions`
  bool auto_create_topics = true;  ///< `auto.create.topics.enable`
  kafka_version version = kafka_version::v4_1;
  std::size_t max_message_bytes = 1'048'588;   ///< `message.max.bytes`
  std::size_t max_request_size = 104'857'600;  ///< `socket.request.max.bytes`
};

/// What is particular to a topic; what is empty is the cluster's.
struct topic_options {
  int replication = 0;                             ///< 0: all brokers
  bool log_append_time = false;                    ///< `message.timestamp.type=LogAppendTime`
  std::optional<std::size_t> max_message_bytes{};  ///< `max.message.bytes`
  bool compacted = false;                          ///< `cleanup.policy=compact`: records need keys; none is removed
  int min_insync_replicas = 1;                     ///< `min.insync.replicas`, counted among the brokers that run
  std::optional<std::size_t> retention_bytes{};    ///< `retention.bytes` of a partition, kept at once and by the batch
};

}  // namespace cokafka::inline COKAFKA_ABI::testing

#endif
