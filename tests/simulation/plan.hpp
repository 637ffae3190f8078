// SPDX-License-Identifier: BSL-1.0
// What a seed decides before its story begins: the cluster, its topics, the producers and which kinds of trouble come.
#ifndef COKAFKA_TESTS_SIMULATION_PLAN_HPP
#define COKAFKA_TESTS_SIMULATION_PLAN_HPP

#include "cokafka/config.hpp"
#include "cokafka/testing/options.hpp"
#include "cokafka/testing/simulated/chance.hpp"
#include "support/delivery_audit.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cokafka_tests {

using namespace std::chrono_literals;
using nanoseconds = std::chrono::nanoseconds;

/// Kinds of trouble. A seed has some of them and not the others: what is always there hides what comes rarely.
enum class trouble : std::uint8_t {
  slow_network,
  sliced_reads,
  small_window,
  stragglers,
  random_cuts,
  cut_one,
  cut_all,
  half_close,
  black_hole,
  hang_or_refuse,
  no_descriptors,
  stop_broker,
  freeze_broker,
  move_leader,
  no_leader,
  grow_topic,
  topic_made_anew,
  topic_error,
  topic_left_out,
  move_broker,
  error_before,
  error_after,
  delay_before,
  delay_after,
  drop_before,
  drop_after,
  throttle,
  control_errors,
  wall_clock,
  kinds  // their number
};

/// Which codes brokers refuse batches with: those after which the batch goes again, those that prove that it was not
/// appended, or any.
enum class refusals : std::uint8_t { passing, for_good, all };

struct planned_topic {
  std::string name;
  int partitions = 1;
  bool created = true;  // else the cluster makes it when it is asked for
  cokafka::testing::topic_options options{};
};

struct planned_producer {
  cokafka::config settings{};
  std::size_t clients = 1;
  std::size_t records = 0;  // of each client
  std::size_t largest_value = 100;
  bool hurries = false;  // hardly any pause between records
  bool purges = false;   // now and then
  bool reports = false;  // failed records that nobody waits for
  bool uses_handles = false;
  std::int32_t first_sequence = 0;
};

/// A whole seed. In a frozen story one broker freezes after its leadership has moved away, and nothing else happens: no
/// record may wait for `request.timeout.ms` then (guarantee.md, rule 10).
struct story_plan {
  cokafka::testing::cluster_options cluster{};
  std::vector<planned_topic> topics{};
  std::vector<planned_producer> producers{};
  std::vector<trouble> troubles{};  // empty: none
  std::vector<trouble> at_once{};   // of those, what begins before the first record is sent
  nanoseconds span{};               // how long they come
  bool frozen_story = false;
  bool narrow_story = false;  // one partition or two, several batches in flight, and refusals: where order is decided
  refusals refused = refusals::all;
  bool own_timeouts = false;  // some records have their own, and fall due before their neighbours

  std::size_t records() const;
  /// Produce requests name topics by their ids (KIP-516): a batch never gets into a topic's next life.
  bool has_topic_ids() const { return cluster.version >= cokafka::testing::kafka_version::v4_1; }
};

/// From the seed alone. There are at least so many `records`.
story_plan make_plan(std::uint64_t seed, std::size_t records);

/// What its configuration promises, in this story.
producer_promise promise_of(const cokafka::config& settings, const story_plan& plan);

}  // namespace cokafka_tests

#endif
