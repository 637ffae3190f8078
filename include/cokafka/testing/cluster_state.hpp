// SPDX-License-Identifier: BSL-1.0
// All that an embedded cluster knows: brokers, topics, leaders, logs, producer ids, what was asked and what is
// scripted. Layer 8.
#ifndef COKAFKA_TESTING_CLUSTER_STATE_HPP
#define COKAFKA_TESTING_CLUSTER_STATE_HPP

#include "cokafka/detail/base/broker_errors.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/leader_hint.hpp"
#include "cokafka/detail/wire/types.hpp"
#include "cokafka/testing/options.hpp"
#include "cokafka/testing/partition_log.hpp"
#include "cokafka/testing/script.hpp"
#include "cokafka/testing/stored.hpp"
#include "cokafka/testing/version_table.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

struct broker_state {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  bool running = true;
  bool frozen = false;
  std::uint32_t generation = 0;  // counts its stops; connections of an older one are dead
};

struct partition_state {
  std::int32_t leader = -1;
  std::int32_t leader_epoch = 0;
  std::int32_t last_leader = -1;  // before this one, or before nobody led
  std::vector<std::int32_t> replicas;
  partition_log log;
};

struct topic_state {
  std::string name;
  detail::wire::uuid id;
  topic_options options;
  std::vector<partition_state> partitions;
};

/// One log per partition stands for all its replicas. Guarded by its owner's mutex.
class cluster_state {
 public:
  COKAFKA_DECL explicit cluster_state(const cluster_options& with, detail::wire::uuid id);

  cluster_options options;
  version_table versions;
  script rules;
  std::string cluster_id;
  std::vector<broker_state> brokers;
  std::int64_t next_producer_id = 0;
  std::uint64_t appends = 0;                                     // batches that came into a log
  std::map<std::string, broker_errc, std::less<>> topic_errors;  // what is answered for a topic instead of the truth
  std::map<std::string, int, std::less<>> left_out;              // topics, and how many Metadata answers omit them

  /// Letters, digits, '.', '_' and '-', at most 249, not "." or "..".
  COKAFKA_DECL static bool is_legal_name(std::string_view name) noexcept;

  const std::map<std::string, topic_state, std::less<>>& topics() const noexcept { return topics_; }
  COKAFKA_DECL topic_state* find(std::string_view name) noexcept;
  COKAFKA_DECL topic_state* find(const detail::wire::uuid& id) noexcept;
  COKAFKA_DECL partition_state* find(topic_state* topic, std::int32_t partition) noexcept;

  /// Precondition: no topic has this name.
  COKAFKA_DECL topic_state& create_topic(std::string name, int partitions, const topic_options& with,
                                         detail::wire::uuid id);
  /// Precondition: the topic exists. Its logs are gone; a topic of the same name that is made later has another id.
  COKAFKA_DECL void delete_topic(std::string_view name);
  COKAFKA_DECL void add_partitions(topic_state& topic, int total);
  /// The replicas of a new partition; the first of them that runs leads it.
  COKAFKA_DECL void place(partition_state& partition, std::vector<std::int32_t> replicas) const;
  COKAFKA_DECL log_rules rules_of(const topic_state& topic) const noexcept;

  /// A new leader, or -1 for none; counts the epoch up.
  COKAFKA_DECL static void lead(partition_state& partition, std::int32_t leader) noexcept;
  /// Its partitions go to the next replica that runs, or stay without a leader.
  COKAFKA_DECL void stop(std::int32_t broker);
  /// Leads again what nobody led meanwhile, with what its snapshot kept. `now` is the wall clock in milliseconds.
  COKAFKA_DECL void start(std::int32_t broker, std::int64_t now);

  /// The replicas that run; where none does, the last one that led stays in sync before 4.1 (KIP-966).
  COKAFKA_DECL std::vector<std::int32_t> in_sync(const partition_state& partition) const;
  /// Whether acks=all is possible (`min.insync.replicas`).
  COKAFKA_DECL bool has_enough_in_sync(const topic_state& topic, const partition_state& partition) const;

  /// The leader of a partition as a hint in a response (KIP-951).
  COKAFKA_DECL static detail::messages::leader_and_epoch hint(const partition_state& partition) noexcept;
  COKAFKA_DECL void add_endpoint(std::vector<detail::messages::node_endpoint>& to, std::int32_t broker) const;
  COKAFKA_DECL std::int32_t controller() const noexcept;

  /// Counts every request; keeps the newest 10,000.
  COKAFKA_DECL void note(const seen_request& request);
  COKAFKA_DECL std::size_t request_count(api_key api) const noexcept;
  const std::deque<seen_request>& requests() const noexcept { return requests_; }

 private:
  COKAFKA_DECL void add_partition(topic_state& topic) const;
  COKAFKA_DECL bool can_lead(const partition_state& partition, std::int32_t broker) const noexcept;

  std::map<std::string, topic_state, std::less<>> topics_;
  std::map<detail::wire::uuid, std::string> names_;
  std::deque<seen_request> requests_;
  std::map<api_key, std::size_t> counts_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/cluster_state.ipp"
#endif

#endif
