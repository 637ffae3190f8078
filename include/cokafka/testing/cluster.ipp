// SPDX-License-Identifier: BSL-1.0
// The face of the embedded cluster: every function takes the mutex, does one thing, and lets the tasks know.
// Layer 8.
#ifndef COKAFKA_TESTING_CLUSTER_IPP
#define COKAFKA_TESTING_CLUSTER_IPP

#include "cokafka/testing/cluster.hpp"

#include "cokafka/testing/handlers.hpp"

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing {

namespace embedded {

inline std::size_t index_of(const cluster_state& state, std::int32_t broker) {
  if (broker < 0 || static_cast<std::size_t>(broker) >= state.brokers.size()) {
    throw std::out_of_range("no broker " + std::to_string(broker));
  }
  return static_cast<std::size_t>(broker);
}

inline partition_state& partition_at(cluster_state& state, std::string_view topic, std::int32_t partition) {
  partition_state* found = state.find(state.find(topic), partition);
  if (found == nullptr) throw std::out_of_range("no partition " + std::string(topic) + "-" + std::to_string(partition));
  return *found;
}

inline void check_offset(const partition_log& log, std::int64_t offset) {
  if (offset < log.start_offset() || offset > log.end_offset())
    throw std::out_of_range("no offset " + std::to_string(offset));
}

inline topic_state& topic_at(cluster_state& state, std::string_view name) {
  topic_state* found = state.find(name);
  if (found == nullptr) throw std::out_of_range("no topic " + std::string(name));
  return *found;
}

inline void add_rule(cluster_core& core, const script::rule& rule) {
  const std::scoped_lock lock(core.mutex);
  if (rule.broker) index_of(core.state, *rule.broker);
  core.state.rules.add(rule);
}

}  // namespace embedded

COKAFKA_DECL cluster::cluster(executor_type executor) : cluster(std::move(executor), cluster_options{}) {}

COKAFKA_DECL cluster::cluster(executor_type executor, const cluster_options& options)
    : cluster(std::move(executor), options, detail::system_environment()) {}

COKAFKA_DECL cluster::cluster(executor_type executor, const cluster_options& options,
                              std::shared_ptr<detail::environment> environment)
    : core_(std::make_shared<embedded::cluster_core>(std::move(executor), std::move(environment), options)) {
  try {
    core_->open();
  } catch (...) {
    core_->stop();
    throw;
  }
}

COKAFKA_DECL cluster::~cluster() { core_->stop(); }

COKAFKA_DECL void cluster::stop() { core_->stop(); }

COKAFKA_DECL std::string cluster::bootstrap_servers() const {
  const std::scoped_lock lock(core_->mutex);
  std::string servers;
  for (const embedded::broker_state& broker : core_->state.brokers) {
    if (!servers.empty()) servers += ',';
    servers += broker.host + ":" + std::to_string(broker.port);
  }
  return servers;
}

COKAFKA_DECL std::uint16_t cluster::port(std::int32_t broker) const {
  const std::scoped_lock lock(core_->mutex);
  return core_->state.brokers[embedded::index_of(core_->state, broker)].port;
}

COKAFKA_DECL std::string cluster::address(std::int32_t broker) const {
  const std::scoped_lock lock(core_->mutex);
  const embedded::broker_state& asked = core_->state.brokers[embedded::index_of(core_->state, broker)];
  return asked.host + ":" + std::to_string(asked.port);
}

COKAFKA_DECL void cluster::create_topic(std::string_view name, int partitions) { create_topic(name, partitions, {}); }

COKAFKA_DECL void cluster::create_topic(std::string_view name, int partitions, const topic_options& options) {
  const detail::wire::uuid id = embedded::random_id(core_->environment());
  const std::scoped_lock lock(core_->mutex);
  if (!embedded::cluster_state::is_legal_name(name))
    throw std::invalid_argument("not a topic name: " + std::string(name));
  if (partitions < 1) throw std::invalid_argument("a topic has at least one partition");
  if (core_->state.find(name) != nullptr) throw std::invalid_argument("the topic exists: " + std::string(name));
  core_->state.create_topic(std::string(name), partitions, options, id);
}

COKAFKA_DECL void cluster::delete_topic(std::string_view name) {
  const std::scoped_lock lock(core_->mutex);
  embedded::topic_at(core_->state, name);
  core_->state.delete_topic(name);
}

COKAFKA_DECL void cluster::recreate_topic(std::string_view name, int partitions) {
  if (partitions < 1) throw std::invalid_argument("a topic has at least one partition");
  const detail::wire::uuid id = embedded::random_id(core_->environment());
  const std::scoped_lock lock(core_->mutex);
  const topic_options options = embedded::topic_at(core_->state, name).options;
  core_->state.delete_topic(name);
  core_->state.create_topic(std::string(name), partitions, options, id);
}

COKAFKA_DECL void cluster::add_partitions(std::string_view name, int total) {
  const std::scoped_lock lock(core_->mutex);
  embedded::topic_state& grown = embedded::topic_at(core_->state, name);
  if (static_cast<std::size_t>(std::max(total, 0)) < grown.partitions.size())
    throw std::invalid_argument("a topic loses no partitions: " + std::string(name));
  core_->state.add_partitions(grown, total);
}

COKAFKA_DECL void cluster::delete_records(std::string_view topic, std::int32_t partition, std::int64_t before) {
  const std::scoped_lock lock(core_->mutex);
  embedded::partition_log& log = embedded::partition_at(core_->state, topic, partition).log;
  embedded::check_offset(log, before);
  log.delete_before(before);
}

COKAFKA_DECL void cluster::truncate(std::string_view topic, std::int32_t partition, std::int64_t end) {
  {
    const std::scoped_lock lock(core_->mutex);
    embedded::partition_state& cut = embedded::partition_at(core_->state, topic, partition);
    embedded::check_offset(cut.log, end);
    cut.log.truncate(end);
    embedded::cluster_state::lead(cut, cut.leader);
  }
  core_->wake();
}

COKAFKA_DECL void cluster::set_topic_error(std::string_view name, broker_errc error) {
  const std::scoped_lock lock(core_->mutex);
  core_->state.topic_errors.insert_or_assign(std::string(name), error);
}

COKAFKA_DECL void cluster::leave_out_topic(std::string_view name, int times) {
  const std::scoped_lock lock(core_->mutex);
  if (times == 0) {
    core_->state.left_out.erase(std::string(name));
  } else {
    core_->state.left_out[std::string(name)] += times;
  }
}

COKAFKA_DECL std::vector<stored_record> cluster::records(std::string_view topic, std::int32_t partition) const {
  return records(topic, partition, 0);
}

COKAFKA_DECL std::vector<stored_record> cluster::records(std::string_view topic, std::int32_t partition,
                                                         std::int64_t from_offset) const {
  const std::scoped_lock lock(core_->mutex);
  const auto* found = core_->state.find(core_->state.find(topic), partition);
  return found ? found->log.records(from_offset) : std::vector<stored_record>{};
}

COKAFKA_DECL std::uint64_t cluster::append_count() const {
  const std::scoped_lock lock(core_->mutex);
  return core_->state.appends;
}

COKAFKA_DECL std::vector<stored_batch> cluster::batches(std::string_view topic, std::int32_t partition) const {
  const std::scoped_lock lock(core_->mutex);
  const auto* found = core_->state.find(core_->state.find(topic), partition);
  return found ? found->log.batches() : std::vector<stored_batch>{};
}

COKAFKA_DECL std::vector<std::string> cluster::topics() const {
  const std::scoped_lock lock(core_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, topic] : core_->state.topics()) names.push_back(name);
  return names;
}

COKAFKA_DECL int cluster::partition_count(std::string_view topic) const {
  const std::scoped_lock lock(core_->mutex);
  const auto* found = core_->state.find(topic);
  return found ? static_cast<int>(found->partitions.size()) : 0;
}

COKAFKA_DECL std::int32_t cluster::leader(std::string_view topic, std::int32_t partition) const {
  const std::scoped_lock lock(core_->mutex);
  return embedded::partition_at(core_->state, topic, partition).leader;
}

COKAFKA_DECL std::size_t cluster::request_count(api_key api) const {
  const std::scoped_lock lock(core_->mutex);
  return core_->state.request_count(api);
}

COKAFKA_DECL std::vector<seen_request> cluster::requests() const {
  const std::scoped_lock lock(core_->mutex);
  return {core_->state.requests().begin(), core_->state.requests().end()};
}

COKAFKA_DECL void cluster::fail_next(api_key api, broker_errc error, int times, std::optional<std::int32_t> broker) {
  embedded::add_rule(*core_, {api, broker, times, error, {}, false, moment::before});
}

COKAFKA_DECL void cluster::fail_after_append(api_key api, broker_errc error, int times,
                                             std::optional<std::int32_t> broker) {
  embedded::add_rule(*core_, {api, broker, times, error, {}, false, moment::after});
}

COKAFKA_DECL void cluster::delay_next(api_key api, std::chrono::milliseconds time, int times, moment at,
                                      std::optional<std::int32_t> broker) {
  embedded::add_rule(*core_, {api, broker, times, {}, time, false, at});
}

COKAFKA_DECL void cluster::drop_connection_on_next(api_key api, int times, moment at,
                                                   std::optional<std::int32_t> broker) {
  embedded::add_rule(*core_, {api, broker, times, {}, {}, true, at});
}

COKAFKA_DECL void cluster::throttle(api_key api, std::chrono::milliseconds time) {
  const std::scoped_lock lock(core_->mutex);
  core_->state.rules.throttle(api, time);
}

COKAFKA_DECL void cluster::clear_script() {
  const std::scoped_lock lock(core_->mutex);
  core_->state.rules.clear();
}

COKAFKA_DECL void cluster::set_leader(std::string_view topic, std::int32_t partition, std::int32_t broker) {
  {
    const std::scoped_lock lock(core_->mutex);
    if (broker != -1) embedded::index_of(core_->state, broker);
    embedded::cluster_state::lead(embedded::partition_at(core_->state, topic, partition), broker);
  }
  core_->wake();
}

COKAFKA_DECL void cluster::stop_broker(std::int32_t broker) {
  embedded::index_of(core_->state, broker);  // the number of brokers never changes
  core_->stop_broker(broker);
  core_->wake();
}

COKAFKA_DECL void cluster::start_broker(std::int32_t broker) {
  embedded::index_of(core_->state, broker);
  core_->start_broker(broker);
}

COKAFKA_DECL void cluster::move_broker(std::int32_t broker, bool keep_connections) {
  embedded::index_of(core_->state, broker);
  core_->move_broker(broker, keep_connections);
}

COKAFKA_DECL void cluster::freeze(std::int32_t broker) {
  const std::scoped_lock lock(core_->mutex);
  core_->state.brokers[embedded::index_of(core_->state, broker)].frozen = true;
}

COKAFKA_DECL void cluster::unfreeze(std::int32_t broker) {
  {
    const std::scoped_lock lock(core_->mutex);
    core_->state.brokers[embedded::index_of(core_->state, broker)].frozen = false;
  }
  core_->wake();
}

COKAFKA_DECL void cluster::set_api_versions(api_key api, std::int16_t min, std::int16_t max) {
  const std::scoped_lock lock(core_->mutex);
  core_->state.versions.offer(api, {min, max});
}

}  // namespace cokafka::inline COKAFKA_ABI::testing

#endif
