// SPDX-License-Identifier: BSL-1.0
// Bodies of plan.hpp.
#include "simulation/plan.hpp"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <utility>

namespace cokafka_tests {

namespace {

using cokafka::acks;
using cokafka::config;
using cokafka::testing::kafka_version;
using dice = cokafka::testing::simulated::chance;
using std::chrono::milliseconds;

template <class Value>
Value one_of(dice& by, std::initializer_list<Value> all) {
  return all.begin()[by.below(all.size())];
}

// From least to most, every order of magnitude as likely as every other.
std::int64_t any_size(dice& by, std::int64_t least, std::int64_t most) {
  std::int64_t top = least + 1;
  while (top < most && by.below(4) != 0) top *= 3;
  top = std::min(top, most);
  return least + static_cast<std::int64_t>(by.below(static_cast<std::uint64_t>(top - least + 1)));
}

int between(dice& by, int least, int most) {
  return least + static_cast<int>(by.below(static_cast<std::uint64_t>(most - least + 1)));
}

void plan_cluster(story_plan& plan, dice& by) {
  plan.cluster.brokers = plan.frozen_story ? between(by, 2, 5) : between(by, 1, 5);
  plan.cluster.default_partitions = between(by, 1, 4);
  plan.cluster.version =
      one_of(by, {kafka_version::v2_1, kafka_version::v3_9, kafka_version::v4_0, kafka_version::v4_1});
  for (int i = between(by, 1, 4); i > 0; --i) {
    planned_topic made;
    made.name = "topic" + std::to_string(plan.topics.size());
    made.partitions = by.one_in(2) ? between(by, 1, 3) : between(by, 1, 12);
    made.created = plan.frozen_story || !by.one_in(5);
    made.options.log_append_time = by.one_in(5);
    if (by.one_in(3)) made.options.replication = 1;
    plan.topics.push_back(std::move(made));
  }
}

// Either nothing but time ends a record, or a few attempts do.
void plan_patience(config& made, dice& by) {
  made.retry_backoff = milliseconds(one_of(by, {0, 1, 10, 100, 100, 1000}));
  made.retry_backoff_max = milliseconds(one_of(by, {10, 1000, 1000, 5000}));
  made.reconnect_backoff = milliseconds(one_of(by, {0, 50, 50, 500}));
  made.reconnect_backoff_max = milliseconds(one_of(by, {100, 1000, 1000, 5000}));
  made.request_timeout = milliseconds(one_of(by, {50, 500, 2000, 5000, 30'000}));
  made.linger = milliseconds(one_of(by, {0, 0, 1, 5, 5, 50, 500}));
  const auto least = made.linger + made.request_timeout;
  made.delivery_timeout = least * one_of(by, {1, 2, 4, 20}) + milliseconds(by.below(100));
  if (by.one_in(3)) made.delivery_timeout = std::max(least, milliseconds(120'000));
  made.max_block = milliseconds(one_of(by, {0, 10, 1000, 10'000, 60'000, 60'000}));
  made.metadata_max_age = milliseconds(one_of(by, {100, 1000, 10'000, 300'000, 300'000}));
  made.connections_max_idle = milliseconds(one_of(by, {-1, 200, 5000, 540'000, 540'000}));
  made.socket_connection_setup_timeout = milliseconds(one_of(by, {50, 1000, 10'000}));
  made.socket_connection_setup_timeout_max = milliseconds(one_of(by, {1000, 10'000, 30'000}));
}

void plan_sizes(planned_producer& plan, dice& by) {
  config& made = plan.settings;
  made.batch_size = static_cast<std::int32_t>(by.one_in(8) ? 0 : any_size(by, 50, 100'000));
  made.max_request_size = static_cast<std::int32_t>(any_size(by, 2000, 1'000'000));
  made.buffer_memory = by.one_in(2) ? 33'554'432 : any_size(by, 4096, 1'000'000);
  made.parked_memory = !by.one_in(4) ? 4'194'304 : any_size(by, 0, 1'000'000);
  plan.largest_value = static_cast<std::size_t>(any_size(by, 10, 3000));
}

planned_producer plan_producer(const story_plan& story, dice& by) {
  planned_producer plan;
  config& made = plan.settings;
  plan_patience(made, by);
  plan_sizes(plan, by);
  made.acks = by.one_in(3) ? one_of(by, {acks::none, acks::leader}) : acks::all;
  if (made.acks == acks::all && by.one_in(5)) made.enable_idempotence = false;
  made.max_in_flight_requests_per_connection = one_of(by, {1, 1, 2, 5, 5, 5});
  if (made.acks != acks::all && by.one_in(6)) made.max_in_flight_requests_per_connection = 20;
  if (by.one_in(8)) made.retries = between(by, made.enable_idempotence.value_or(true) ? 1 : 0, 4);
  made.linger_policy = one_of(by, {cokafka::linger_policy::when_busy, cokafka::linger_policy::always});
  made.partitioner_ignore_keys = by.one_in(6);
  if (story.frozen_story) {
    made.acks = acks::all;
    made.enable_idempotence = true;
    made.retries = config().retries;
    made.max_in_flight_requests_per_connection = 5;
    made.request_timeout = 60s;
    made.delivery_timeout = 200s;
    made.max_block = 60s;
    made.buffer_memory = config().buffer_memory;
    made.parked_memory = config().parked_memory;
    made.max_request_size = 100'000;
  }
  plan.hurries = by.one_in(3);
  plan.clients = static_cast<std::size_t>(between(by, 1, 6));
  return plan;
}

void plan_troubles(story_plan& plan, dice& by) {
  plan.span = one_of<nanoseconds>(by, {1s, 5s, 20s, 60s, 120s});
  if (plan.frozen_story || by.one_in(16)) return;
  const std::uint32_t rarity = one_of(by, {2u, 3u, 6u});
  for (int kind = 0; kind != static_cast<int>(trouble::kinds); ++kind) {
    if (by.one_in(rarity)) plan.troubles.push_back(static_cast<trouble>(kind));
  }
  // The first batches of a partition meet a broker that has no state of their producer: what goes wrong then is
  // particular.
  if (!plan.troubles.empty() && by.one_in(2)) {
    plan.at_once = {trouble::slow_network,
                    one_of(by, {trouble::error_before, trouble::drop_before, trouble::error_after})};
  }
}

// All records go to one partition or two over a slow network, many batches are on their way, brokers refuse some, and
// the topic begins anew now and then, with brokers that know nothing of the producer.
void narrow(story_plan& plan, dice& by) {
  plan.narrow_story = true;
  plan.topics.resize(1);
  plan.topics[0].partitions = between(by, 1, 2);
  plan.topics[0].created = true;
  plan.producers.resize(1);
  plan.producers[0].clients = 3;
  config& made = plan.producers[0].settings;
  made.acks = acks::all;
  made.enable_idempotence = true;
  made.retries = config().retries;
  made.max_in_flight_requests_per_connection = 5;
  made.linger = milliseconds(by.below(3));
  made.batch_size = 50;
  made.buffer_memory = config().buffer_memory;
  made.request_timeout = milliseconds(one_of(by, {1000, 5000}));
  made.delivery_timeout = 120s;
  made.max_block = 60s;
  made.retry_backoff = milliseconds(one_of(by, {0, 1, 10, 100}));
  made.retry_backoff_max = 1s;
  made.reconnect_backoff_max = 1s;
  made.socket_connection_setup_timeout_max = 1s;
  plan.span = one_of<nanoseconds>(by, {5s, 20s});
  plan.troubles = {trouble::error_before, trouble::error_before, trouble::slow_network};
  // Where it is not made anew, or has an id, every batch must get through soon after the last trouble.
  if (by.one_in(2)) plan.troubles.push_back(trouble::topic_made_anew);
  if (by.one_in(2)) plan.cluster.version = kafka_version::v4_1;
  for (const trouble each : {trouble::error_after, trouble::drop_before, trouble::drop_after, trouble::cut_one,
                             trouble::half_close, trouble::move_leader}) {
    if (by.one_in(3)) plan.troubles.push_back(each);
  }
  plan.at_once = {trouble::slow_network, trouble::error_before};
}

void plan_message_sizes(story_plan& plan, dice& by) {
  for (planned_topic& each : plan.topics) {
    if (by.one_in(3)) each.options.max_message_bytes = static_cast<std::size_t>(any_size(by, 1000, 100'000));
  }
}

}  // namespace

std::size_t story_plan::records() const {
  std::size_t all = 0;
  for (const auto& each : producers) all += each.clients * each.records;
  return all;
}

story_plan make_plan(std::uint64_t seed, std::size_t records) {
  dice by(seed, 11);
  story_plan plan;
  plan.frozen_story = by.one_in(10);
  plan.own_timeouts = !plan.frozen_story && by.one_in(2);
  plan.refused = one_of(by, {refusals::passing, refusals::for_good, refusals::all});
  plan_cluster(plan, by);
  plan_troubles(plan, by);
  const int producers = one_of(by, {1, 1, 1, 2, 3});
  for (int i = 0; i < producers; ++i) plan.producers.push_back(plan_producer(plan, by));
  if (!plan.frozen_story && by.one_in(5)) narrow(plan, by);
  std::size_t clients = 0;
  for (const auto& each : plan.producers) clients += each.clients;
  for (auto& each : plan.producers) each.records = (records + clients - 1) / clients;
  if (by.one_in(4)) plan_message_sizes(plan, by);
  for (auto& each : plan.producers) each.purges = by.one_in(6);
  for (auto& each : plan.producers) {
    each.reports = by.one_in(2);
    each.uses_handles = by.one_in(2);
    constexpr std::int32_t last_sequence = std::numeric_limits<std::int32_t>::max();
    if (by.one_in(3)) each.first_sequence = last_sequence - between(by, 0, 20);
  }
  return plan;
}

producer_promise promise_of(const config& settings, const story_plan& plan) {
  producer_promise made;
  made.acknowledged = settings.acks != acks::none;
  made.idempotent = settings.idempotent();
  made.never_twice = made.idempotent || settings.acks == acks::none;
  made.in_order = made.idempotent || (made.acknowledged && settings.max_in_flight_requests_per_connection == 1);
  made.delivery_timeout = settings.effective_delivery_timeout();
  made.max_block = settings.max_block;
  // Half a control request's patience for each broker that may be asked in vain, and what a refresh takes.
  if (plan.frozen_story) made.answer_within = 40s;
  // A batch that has used up its retries and may be in the log holds up those behind it until they are due.
  if (settings.retries != config().retries) return made;
  made.recovers_within = 2 * settings.request_timeout + 3 * settings.effective_reconnect_backoff_max() +
                         5 * settings.retry_backoff_max + 2 * settings.socket_connection_setup_timeout_max + 30s;
  return made;
}

}  // namespace cokafka_tests
