// SPDX-License-Identifier: BSL-1.0
// Bodies of conformance.hpp: what a case does to a cluster, embedded or real.
#include "support/admin_requests.hpp"
#include "support/conformance.hpp"
#include "support/delete_records.hpp"

#include <bit>
#include <stdexcept>

using namespace cokafka::detail::messages;
using cokafka::broker_errc;

namespace cokafka_test {

namespace {

void must_be_none(std::int16_t code, const std::string& what) {
  if (code != 0) throw std::runtime_error(what + ": " + name_of(code));
}

}  // namespace

target::~target() {
  try {
    for (const std::int32_t broker : std::set<std::int32_t>(frozen_)) thaw(broker);
    for (const std::int32_t broker : std::set<std::int32_t>(stopped_)) start(broker);
  } catch (const std::exception&) {  // the next case will tell
  }
}

void target::run_tool(const std::string& command, std::int32_t broker) const {
  const std::string line = kafka_tool() + " " + command + " " + std::to_string(broker) + " " + real_.tool_options();
  const command_output done = run_command(line, 60);
  if (done.code != 0) throw std::runtime_error(line + ": " + done.text);
}

void target::everywhere(const std::string& name, const std::function<bool(const topic_description&)>& holds) const {
  const auto all_agree = [&] {
    for (const auto& each : metadata(bootstrap, name).brokers) {
      if (!holds(metadata(static_cast<std::uint16_t>(each.port), name).topics.at(0))) return false;
    }
    return true;
  };
  if (!eventually(all_agree, 20)) throw std::runtime_error("the brokers do not agree about " + name);
}

void target::delete_topic() {
  if (embedded_ != nullptr) {
    (*embedded_)->delete_topic(topic);
    return;
  }
  wire_client client(bootstrap);
  delete_topics_request request;
  request.topics.push_back(topic);
  must_be_none(client.call(request, 3).topics.at(0).error_code, "delete_topic");
  everywhere(topic, [](const topic_description& said) { return name_of(said.error_code) != "none"; });
}

void target::add_partitions(std::int32_t total) {
  if (embedded_ != nullptr) {
    (*embedded_)->add_partitions(topic, total);
    return;
  }
  wire_client client(bootstrap);
  create_partitions_request request;
  request.topics.push_back({topic, total, {}});
  must_be_none(client.call(request, 1).topics.at(0).error_code, "add_partitions");
  everywhere(topic,
             [&](const topic_description& said) { return said.partitions.size() == static_cast<std::size_t>(total); });
}

void target::move_leader(std::int32_t to) {
  if (embedded_ != nullptr) {
    (*embedded_)->set_leader(topic, 0, to);
    return;
  }
  wire_client client(bootstrap);
  move_partition_request request;
  request.topics.push_back({topic, {{0, {to}}}});
  const auto answer = client.call(request, 0);
  must_be_none(answer.error_code, "move_leader");
  must_be_none(answer.topics.at(0).partitions.at(0).error_code, "move_leader");
  everywhere(topic, [&](const topic_description& said) { return said.partitions.at(0).leader_id == to; });
}

void target::delete_records(std::int64_t before) {
  if (embedded_ != nullptr) {
    (*embedded_)->delete_records(topic, 0, before);
    return;
  }
  wire_client client = leader();
  delete_records_request request;
  request.topics.push_back({topic, {{0, before}}});
  must_be_none(client.call(request, 1).topics.at(0).partitions.at(0).error_code, "delete_records");
}

void target::elect_uncleanly(const std::function<void()>& write) {
  const std::int32_t former = leader_id();
  const std::int32_t next = follower_id();
  if (embedded_ != nullptr) {
    wire_client client = leader();
    const std::int64_t kept = end_offset(client, *this);
    write();
    (*embedded_)->truncate(topic, 0, kept);
    (*embedded_)->set_leader(topic, 0, next);
    return;
  }
  stop(next);
  if (!eventually([&] { return describe_partition().isr_nodes.size() == 1; }, 20))
    throw std::runtime_error("broker " + std::to_string(next) + " stays in sync");
  write();
  stop(former);
  start(next);
  start(former);
  everywhere(topic, [&](const topic_description& said) { return said.partitions.at(0).leader_id == next; });
}

void target::stop(std::int32_t broker) {
  // The bootstrap broker must be one that stays.
  for (const std::int32_t other : others(broker)) bootstrap = port_of(other);
  stopped_.insert(broker);
  if (embedded_ != nullptr) {
    (*embedded_)->stop_broker(broker);
    return;
  }
  run_tool("stop-node", broker);
}

void target::start(std::int32_t broker) {
  stopped_.erase(broker);
  if (embedded_ != nullptr) {
    (*embedded_)->start_broker(broker);
  } else {
    run_tool("start-node", broker);
  }
  const auto is_back = [&] {
    try {
      const std::size_t running = static_cast<std::size_t>(nodes_) - stopped_.size();
      return metadata(bootstrap, topic).brokers.size() == running && leader_id() >= 0;
    } catch (const std::exception&) {  // it does not listen yet
      return false;
    }
  };
  if (!eventually(is_back, 30)) throw std::runtime_error("broker " + std::to_string(broker) + " does not come back");
}

void target::freeze(std::int32_t broker) {
  frozen_.insert(broker);
  if (embedded_ != nullptr) {
    (*embedded_)->freeze(broker);
    return;
  }
  run_tool("pause-node", broker);
}

void target::thaw(std::int32_t broker) {
  frozen_.erase(broker);
  if (embedded_ != nullptr) {
    (*embedded_)->unfreeze(broker);
    return;
  }
  run_tool("resume-node", broker);
}

void target::hold_back_follower(std::int32_t follower) {
  if (embedded_ != nullptr) {
    (*embedded_)->fail_after_append(api_key::produce, broker_errc::request_timed_out);
    return;
  }
  freeze(follower);
}

std::vector<std::string> target::throttled_clients() {
  std::vector<std::string> names;
  for (int i = 0; i != 8; ++i) names.push_back(unique_topic());
  if (embedded_ != nullptr) {
    (*embedded_)->throttle(api_key::produce, std::chrono::milliseconds(500));
    return names;
  }
  client_quotas_request request;
  for (const std::string& each : names) {
    request.entries.push_back(
        {{{"client-id", each}}, {{"producer_byte_rate", std::bit_cast<std::int64_t>(1000.0), false}}});
  }
  wire_client client(bootstrap);
  for (const auto& each : client.call(request, 0).entries) must_be_none(each.error_code, "client quotas");
  return names;
}

}  // namespace cokafka_test
