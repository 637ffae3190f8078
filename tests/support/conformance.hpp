// SPDX-License-Identifier: BSL-1.0
// A case that runs on an embedded cluster and, unchanged, on a real one: whom it asks, and what it may do to the
// cluster.
#ifndef COKAFKA_TESTS_SUPPORT_CONFORMANCE_HPP
#define COKAFKA_TESTS_SUPPORT_CONFORMANCE_HPP

#include "cokafka/detail/messages/create_topics.hpp"
#include "cokafka/detail/messages/fetch.hpp"
#include "cokafka/detail/messages/metadata.hpp"
#include "cokafka/detail/messages/produce.hpp"
#include "support/real_kafka.hpp"
#include "support/simple_batch.hpp"
#include "support/wire_client.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cokafka_test {

// The topic that a case gets, and the least number of brokers that it needs.
struct scene_options {
  std::vector<cokafka::detail::messages::create_topics_request::setting> settings{};
  std::int32_t partitions = 1;
  std::int16_t replication = -1;
  int nodes = 1;
  bool on_one_broker = false;  // each partition has one replica, and all have the same leader
  int most_nodes = 3;
};

// The broker's error by its name.
std::string name_of(std::int16_t code);
// Whether the real cluster is a 4.x; the embedded one then pretends to be that, too.
bool is_4();
bool eventually(const std::function<bool()>& holds, int seconds = 10);
std::string unique_topic();

// A cluster to talk to, and a topic of the case's own. The levers do the same on both kinds of cluster, and return when
// every broker knows of it.
class target {
 public:
  using topic_description = cokafka::detail::messages::metadata_response::topic;

  target(running_cluster& embedded, const scene_options& wanted);
  target(const real_kafka& real, const scene_options& wanted);
  target(const target&) = delete;
  target& operator=(const target&) = delete;
  // Brokers that a failed case left frozen or stopped go on.
  ~target();

  bool is_real() const { return embedded_ == nullptr; }
  int nodes() const { return nodes_; }

  void create_topic() const;
  cokafka::detail::messages::metadata_response metadata(std::uint16_t port, const std::string& name) const;
  topic_description describe(const std::string& name, bool create = false) const;
  cokafka::detail::messages::metadata_response::partition describe_partition(std::int32_t partition = 0) const;
  std::int32_t leader_id(std::int32_t partition = 0) const;
  // A replica of partition 0 that does not lead it.
  std::int32_t follower_id() const;
  // A connection to the leader, as soon as there is one and it knows that it leads.
  wire_client leader(std::int32_t partition = 0, const std::string& client_id = "wire_client") const;
  wire_client broker(std::int32_t id) const;
  std::uint16_t port_of(std::int32_t id) const;
  // The ids of the brokers besides one.
  std::vector<std::int32_t> others(std::int32_t id) const;
  // Waits until it holds of what every broker that runs says of a topic.
  void everywhere(const std::string& name, const std::function<bool(const topic_description&)>& holds) const;

  void delete_topic();
  void add_partitions(std::int32_t total);
  void move_leader(std::int32_t to);
  // Readers of partition 0 begin there from now on.
  void delete_records(std::int64_t before);
  // What `write` has written to partition 0 is only in the leader's log when a follower becomes leader without it.
  void elect_uncleanly(const std::function<void()>& write);
  void stop(std::int32_t broker);   // after it has written its snapshots
  void start(std::int32_t broker);  // with the same data at the same port
  void freeze(std::int32_t broker);
  void thaw(std::int32_t broker);
  // The next batch is appended, but not all replicas have it in time; thaw(follower) ends it.
  void hold_back_follower(std::int32_t follower);
  // Clients whose Produce requests are throttled for about half a second when they have 11,500 bytes. A real cluster
  // may need a moment until it does; each name is good for one attempt.
  std::vector<std::string> throttled_clients();

  std::uint16_t bootstrap = 0;
  std::string topic;

 private:
  bool leads(wire_client& candidate, std::int32_t partition) const;
  void run_tool(const std::string& command, std::int32_t broker) const;

  scene_options options_;
  running_cluster* embedded_ = nullptr;
  real_kafka real_;
  int nodes_ = 1;
  std::set<std::int32_t> frozen_;
  std::set<std::int32_t> stopped_;
};

// Runs a case on the embedded cluster, and on the real one where the environment names it and it is large enough.
void on_both(const std::function<void(target&)>& test, const scene_options& wanted = {});

cokafka::detail::messages::produce_request write_to(const std::string& topic, const std::string& records,
                                                    std::int16_t acks = -1, std::int32_t partition = 0);
cokafka::detail::messages::produce_response produce_all(wire_client& client,
                                                        const cokafka::detail::messages::produce_request& request,
                                                        std::int16_t version = 9);
cokafka::detail::messages::produce_response::partition produce(wire_client& client, const target& to,
                                                               const std::string& records, std::int16_t version = 9,
                                                               std::int16_t acks = -1, std::int32_t partition = 0);
// "none @ <offset>", or the error.
std::string outcome(const cokafka::detail::messages::produce_response::partition& answer);
std::string outcome(wire_client& client, const target& to, const std::string& records, std::int16_t version = 9);
std::string outcome_at(wire_client& client, const target& to, std::int32_t partition, const std::string& records);

std::string changed(std::string batch, std::size_t at, char by);
// As stamped(), with the time of now.
std::string stamped_now(std::int64_t producer_id, std::int16_t epoch, std::int32_t sequence, std::size_t count = 1);
std::int64_t now_ms();
std::int64_t new_producer(wire_client& client);
std::int64_t end_offset(wire_client& client, const target& of);
// A request that a broker answers after that time when nothing is appended.
cokafka::detail::messages::fetch_request waiting_fetch(const target& of, std::chrono::milliseconds longest);

}  // namespace cokafka_test

#endif
