// SPDX-License-Identifier: BSL-1.0
// How the troubles of a story end: each after its time, and all of them at once in the end.
#include "simulation/story.hpp"

#include <algorithm>

namespace cokafka_tests {

using cokafka::broker_errc;
using cokafka::testing::api_key;

asio::awaitable<void> story::later(nanoseconds time, trouble kind, std::int32_t broker) {
  co_await world_.sleep_for(time);
  if (healed_) co_return;
  say("the end of trouble " + std::to_string(static_cast<int>(kind)) + " of broker " + std::to_string(broker));
  end(kind, broker);
}

void story::end(trouble kind, std::int32_t broker) {
  auto& network = world_.network();
  switch (kind) {
    case trouble::random_cuts: network.odds({}); break;
    case trouble::black_hole: network.black_hole(kafka_->address(broker), false); break;
    case trouble::hang_or_refuse:
      network.hang(kafka_->address(broker), false);
      network.refuse(kafka_->address(broker), false);
      break;
    case trouble::no_descriptors: network.no_descriptors(false); break;
    case trouble::stop_broker:
      kafka_->start_broker(broker);
      stopped_[static_cast<std::size_t>(broker)] = false;
      break;
    case trouble::freeze_broker: kafka_->unfreeze(broker); break;
    case trouble::throttle:
      for (const api_key each : {api_key::produce, api_key::metadata, api_key::init_producer_id})
        kafka_->throttle(each, 0ms);
      break;
    case trouble::no_leader: name_leaders(); break;
    case trouble::topic_error:
      for (const planned_topic& each : plan_.topics) kafka_->set_topic_error(each.name, broker_errc::none);
      break;
    default: break;
  }
}

void story::name_leaders() {
  for (const std::string& topic : kafka_->topics()) {
    for (std::int32_t p = 0; p < kafka_->partition_count(topic); ++p) {
      const std::int32_t next = random_broker();
      const bool runs = !stopped_[static_cast<std::size_t>(next)];
      if (kafka_->leader(topic, p) < 0 && runs) kafka_->set_leader(topic, p, next);
    }
  }
}

// Stragglers and what a broker was told to do late still come.
void story::heal() {
  say("the world is healed");
  healed_ = true;
  auto& network = world_.network();
  network.heal();
  network.delay(200us, 800us).slice(0).window(256 * 1024);
  kafka_->clear_script();
  for (std::int32_t broker = 0; broker < brokers_; ++broker) {
    kafka_->start_broker(broker);
    kafka_->unfreeze(broker);
    stopped_[static_cast<std::size_t>(broker)] = false;
  }
  name_leaders();
  end(trouble::topic_error, -1);
  for (const planned_topic& each : plan_.topics) kafka_->leave_out_topic(each.name, 0);
  if (is_hopeless_ = !can_be_found(); is_hopeless_) return;
  // Some codes tell that the batch has been appended, and here they were told of batches that were not. Behind a batch
  // that was refused for good they take away the proof that nothing is there: what follows waits until it is due (seed
  // 467 of 2,000 records). No real broker says them before the append.
  if (refuses_for_good_ && claims_appends_) return;
  // Records that wait for a topic that is excused may hold all memory that there is.
  const bool is_scarce = std::any_of(plan_.producers.begin(), plan_.producers.end(), [](const planned_producer& each) {
    return each.settings.buffer_memory < cokafka::config().buffer_memory;
  });
  if (!is_scarce || !audit_.has_excuses()) audit_.healed(now());
}

// Whoever starts again as the first replica of a partition has only a snapshot of its producers: an older batch that is
// sent again, because nobody has heard of it, is refused until it is due (guarantee.md, rule 6).
void story::note_lost_state() {
  if (std::find(stopped_.begin(), stopped_.end(), true) == stopped_.end()) return;
  for (const std::string& topic : kafka_->topics()) {
    for (std::int32_t p = 0; p < kafka_->partition_count(topic); ++p) {
      if (kafka_->leader(topic, p) < 0) audit_.excuse(topic);
    }
  }
}

// Where all brokers have moved the old addresses lead nowhere, and the bootstrap servers are as old as any.
bool story::can_be_found() const {
  const std::string& known = actors_.front().plan.settings.bootstrap_servers;
  for (std::int32_t broker = 0; broker < brokers_; ++broker) {
    if (known.find(kafka_->address(broker)) != std::string::npos) return true;
  }
  return false;
}

}  // namespace cokafka_tests
