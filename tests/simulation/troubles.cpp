// SPDX-License-Identifier: BSL-1.0
// What goes wrong in a story, and how it is put right in the end.
#include "simulation/story.hpp"

#include <algorithm>
#include <array>

namespace cokafka_tests {

using cokafka::broker_errc;
using cokafka::testing::api_key;
using cokafka::testing::direction;
using cokafka::testing::moment;
using std::chrono::milliseconds;

namespace {

constexpr std::int32_t no_broker = -1;

// A code that the library has no name for.
constexpr broker_errc newer_than_we{3999};

// What a broker says of a batch that it has not appended. The codes that prove it (guarantee.md, rule 13), and others.
constexpr std::array errors_before{broker_errc::not_leader_or_follower,
                                   broker_errc::not_enough_replicas,
                                   broker_errc::unknown_topic_or_partition,
                                   broker_errc::leader_not_available,
                                   broker_errc::request_timed_out,
                                   broker_errc::kafka_storage_error,
                                   broker_errc::corrupt_message,
                                   broker_errc::not_enough_replicas_after_append,
                                   broker_errc::throttling_quota_exceeded,
                                   broker_errc::unknown_server_error,
                                   broker_errc::invalid_record,
                                   broker_errc::message_too_large,
                                   broker_errc::topic_authorization_failed,
                                   broker_errc::out_of_order_sequence_number,
                                   broker_errc::invalid_producer_epoch,
                                   broker_errc::unknown_producer_id,
                                   broker_errc::invalid_registration,
                                   newer_than_we};

// And of one that it has appended: none of the codes that prove the opposite.
constexpr std::array errors_after{broker_errc::not_leader_or_follower, broker_errc::not_enough_replicas_after_append,
                                  broker_errc::request_timed_out,      broker_errc::unknown_topic_or_partition,
                                  broker_errc::leader_not_available,   broker_errc::kafka_storage_error,
                                  broker_errc::replica_not_available,  broker_errc::unknown_server_error,
                                  broker_errc::invalid_registration,   newer_than_we};

constexpr std::array throttled_apis{api_key::produce, api_key::produce, api_key::metadata, api_key::init_producer_id};

// Said before the append only (guarantee.md, rule 13).
bool is_proof(broker_errc code) { return cokafka::detail::fate_of_answer(code, true) == cokafka::fate::not_written; }

// And not tried again.
bool is_for_good(broker_errc code) {
  using cokafka::detail::error_class;
  const bool again =
      has(cokafka::detail::classify(code), error_class::retriable) || code == broker_errc::out_of_order_sequence_number;
  return is_proof(code) && !again;
}

constexpr std::array errors_of_control{broker_errc::leader_not_available,
                                       broker_errc::unknown_topic_or_partition,
                                       broker_errc::unknown_server_error,
                                       broker_errc::coordinator_load_in_progress,
                                       broker_errc::not_controller,
                                       broker_errc::topic_authorization_failed,
                                       newer_than_we};

}  // namespace

asio::awaitable<void> story::troubles() {
  const nanoseconds until = now() + plan_.span;
  for (const trouble each : plan_.at_once) begin(each);
  const auto gaps = static_cast<std::int64_t>(4 + random(std::max<std::uint64_t>(60, plan_.records() / 5)));
  while (now() < until && !plan_.troubles.empty()) {
    co_await world_.sleep_for(random_time(2 * plan_.span / gaps));
    begin(plan_.troubles[random(plan_.troubles.size())]);
  }
  co_await world_.sleep_for(random_time(plan_.span / 10));
  heal();
}

// One broker stops answering while it leads nothing any more: the producers have to find out by themselves.
asio::awaitable<void> story::frozen_broker() {
  co_await world_.sleep_for(random_time(plan_.span / 2));
  const std::int32_t frozen = random_broker();
  say("broker " + std::to_string(frozen) + " freezes, and leads nothing from now on");
  kafka_->freeze(frozen);
  for (const planned_topic& topic : plan_.topics) {
    for (std::int32_t p = 0; p < topic.partitions; ++p) {
      if (kafka_->leader(topic.name, p) != frozen) continue;
      kafka_->set_leader(topic.name, p, (frozen + 1) % brokers_);
    }
  }
  co_await world_.sleep_for(200s);
  kafka_->unfreeze(frozen);
  heal();
}

void story::begin(trouble kind) {
  if (kind <= trouble::no_descriptors) return begin_of_network(kind);
  if (kind <= trouble::no_leader) return begin_of_brokers(kind);
  if (kind <= trouble::move_broker) return begin_of_topics(kind);
  if (kind != trouble::wall_clock) return begin_of_answers(kind);
  const auto by = milliseconds(random(600'000)) - milliseconds(300'000);
  say("the wall clock jumps by " + std::to_string(by.count()) + " ms");
  world_.jump_wall_clock(by);
}

void story::begin_of_network(trouble kind) {
  auto& network = world_.network();
  const std::int32_t broker = random_broker();
  const std::string place = kafka_->address(broker);
  const nanoseconds lasts = random_time(one_in(2) ? 50ms : plan_.span / 4);
  say("network trouble " + std::to_string(static_cast<int>(kind)) + " at " + place);
  switch (kind) {
    case trouble::slow_network: {
      const nanoseconds least = random_time(one_in(2) ? 2ms : 100ms);
      network.delay(least, least + random_time(one_in(2) ? 10ms : 500ms));
      break;
    }
    case trouble::sliced_reads: network.slice(1 + random(one_in(2) ? 20 : 2000)); break;
    case trouble::small_window: network.window(500 + random(5000)); break;
    case trouble::stragglers: network.straggle(random_time(one_in(2) ? 100ms : 5s)); break;
    case trouble::random_cuts:
      network.odds({.cut = static_cast<std::uint32_t>(10 + random(200)),
                    .half_close = one_in(3) ? 200u : 0u,
                    .refuse = one_in(3) ? 4u : 0u});
      world_.spawn(later(lasts, kind, no_broker));
      break;
    case trouble::cut_one: network.cut_one(); break;
    case trouble::cut_all: network.cut(one_in(2) ? place : std::string()); break;
    case trouble::half_close: network.half_close_one(one_in(2) ? direction::to_broker : direction::to_client); break;
    case trouble::black_hole:
      network.black_hole(place);
      world_.spawn(later(lasts, kind, broker));
      break;
    case trouble::hang_or_refuse:
      if (one_in(2)) {
        network.hang(place);
      } else {
        network.refuse(place);
      }
      if (one_in(2)) network.cut(place);
      world_.spawn(later(lasts, kind, broker));
      break;
    case trouble::no_descriptors:
      network.no_descriptors();
      network.cut_one();
      world_.spawn(later(lasts, kind, no_broker));
      break;
    default: break;
  }
}

void story::begin_of_brokers(trouble kind) {
  const std::int32_t broker = random_broker();
  const nanoseconds lasts = random_time(one_in(2) ? 100ms : plan_.span / 4);
  const planned_topic& topic = plan_.topics[random(plan_.topics.size())];
  say("broker trouble " + std::to_string(static_cast<int>(kind)) + " of broker " + std::to_string(broker) + " or " +
      topic.name);
  switch (kind) {
    case trouble::stop_broker:
      kafka_->stop_broker(broker);
      stopped_[static_cast<std::size_t>(broker)] = true;
      note_lost_state();
      break;
    case trouble::freeze_broker: kafka_->freeze(broker); break;
    default: {
      const int partitions = kafka_->partition_count(topic.name);
      if (partitions == 0 || stopped_[static_cast<std::size_t>(broker)]) return;
      const auto partition = static_cast<std::int32_t>(random(static_cast<std::uint64_t>(partitions)));
      if (kafka_->leader(topic.name, partition) < 0) return;  // it comes back with its broker
      if (kind == trouble::move_leader) return kafka_->set_leader(topic.name, partition, broker);
      kafka_->set_leader(topic.name, partition, no_broker);
      note_lost_state();
      break;
    }
  }
  world_.spawn(later(lasts, kind, broker));
}

void story::begin_of_topics(trouble kind) {
  const planned_topic& topic = plan_.topics[random(plan_.topics.size())];
  const int partitions = kafka_->partition_count(topic.name);
  const std::int32_t broker = random_broker();
  say("topic trouble " + std::to_string(static_cast<int>(kind)) + " of " + topic.name + " or broker " +
      std::to_string(broker));
  if (partitions == 0) return;
  switch (kind) {
    case trouble::grow_topic:
      if (partitions < 20) kafka_->add_partitions(topic.name, partitions + static_cast<int>(1 + random(3)));
      break;
    case trouble::topic_made_anew: make_anew(topic.name); break;
    case trouble::topic_error: {
      const broker_errc code =
          one_in(2) ? broker_errc::topic_authorization_failed : broker_errc::unknown_topic_or_partition;
      note_refusal(code);
      kafka_->set_topic_error(topic.name, code);
      world_.spawn(later(random_time(plan_.span / 10), kind, no_broker));
      break;
    }
    case trouble::topic_left_out: kafka_->leave_out_topic(topic.name, static_cast<int>(1 + random(4))); break;
    case trouble::move_broker: kafka_->move_broker(broker, one_in(2)); break;
    default: break;
  }
}

// Now and then with fewer partitions than it had.
void story::make_anew(const std::string& topic) {
  read_logs();
  keep_log(topic);
  made_anew_.insert(topic);
  // Without topic ids its new life may take what was in flight, but not all of it, and in another order.
  if (!plan_.has_topic_ids()) audit_.excuse(topic);
  int partitions = kafka_->partition_count(topic);
  if (one_in(3)) partitions = 1 + static_cast<int>(random(static_cast<std::uint64_t>(partitions)));
  say(topic + " is made anew with " + std::to_string(partitions) + " partitions");
  audit_.begins_anew(topic, keeps_order(topic));
  audit_.has_partitions(topic, partitions);
  kafka_->recreate_topic(topic, partitions);
}

broker_errc story::random_refusal() {
  for (;;) {
    const broker_errc code = errors_before[random(errors_before.size())];
    const bool wanted = plan_.refused == refusals::passing    ? !is_for_good(code)
                        : plan_.refused == refusals::for_good ? is_proof(code)
                                                              : true;
    if (wanted) return code;
  }
}

// What is told of a batch that was not appended.
void story::note_refusal(broker_errc code) {
  refuses_for_good_ = refuses_for_good_ || is_for_good(code);
  claims_appends_ = claims_appends_ || cokafka::detail::tells_append(code);
  says_invalid_ = says_invalid_ || code == broker_errc::invalid_record;
  may_vanish_ = may_vanish_ || code == broker_errc::out_of_order_sequence_number;
}

void story::begin_of_answers(trouble kind) {
  const auto times = static_cast<int>(one_in(2) ? 1 : 1 + random(4));
  const std::optional<std::int32_t> broker = one_in(2) ? std::nullopt : std::optional(random_broker());
  const auto slow = milliseconds(random(one_in(2) ? 100 : 5000));
  say("answers in trouble " + std::to_string(static_cast<int>(kind)));
  switch (kind) {
    case trouble::error_before: {
      const broker_errc code = random_refusal();
      note_refusal(code);
      kafka_->fail_next(api_key::produce, code, times, plan_.narrow_story ? std::nullopt : broker);
      break;
    }
    case trouble::error_after:
      kafka_->fail_after_append(api_key::produce, errors_after[random(errors_after.size())], times, broker);
      break;
    case trouble::delay_before: kafka_->delay_next(api_key::produce, slow, times, moment::before, broker); break;
    case trouble::delay_after: kafka_->delay_next(api_key::produce, slow, times, moment::after, broker); break;
    case trouble::drop_before: kafka_->drop_connection_on_next(api_key::produce, times, moment::before, broker); break;
    case trouble::drop_after: kafka_->drop_connection_on_next(api_key::produce, times, moment::after, broker); break;
    case trouble::throttle:
      kafka_->throttle(throttled_apis[random(throttled_apis.size())], slow / 4);
      world_.spawn(later(random_time(plan_.span / 4), kind, no_broker));
      break;
    case trouble::control_errors: {
      const auto which =
          std::array{api_key::metadata, api_key::metadata, api_key::init_producer_id, api_key::api_versions}[random(4)];
      if (one_in(3)) {
        kafka_->drop_connection_on_next(which, times, moment::before, broker);
      } else if (one_in(3)) {
        kafka_->delay_next(which, slow, times, moment::before, broker);
      } else if (which != api_key::api_versions) {
        kafka_->fail_next(which, errors_of_control[random(errors_of_control.size())], times, broker);
      }
      break;
    }
    default: break;
  }
}

}  // namespace cokafka_tests
