// SPDX-License-Identifier: BSL-1.0
// Bodies of engine: what the cluster's answers change, and which strand a partition belongs to.
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_ROUTING_IPP
#define COKAFKA_DETAIL_ENGINE_ROUTING_IPP

#include "cokafka/detail/engine/engine.hpp"

#include "cokafka/detail/core/backoff.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL void engine::apply(const messages::metadata_request& request, messages::metadata_response& response,
                                clock_time now) {
  accumulator_.refresh_answered();
  // Nothing is kept of what was not asked for.
  std::erase_if(response.topics,
                [&](const auto& each) { return !each.name || accumulator_.topics.find(*each.name) == nullptr; });
  const std::vector<topic_news> news = metadata_.merge(response);
  apply_brokers();
  accumulator_.set_wall_offset(env_->wall_now().time_since_epoch() - now.time_since_epoch());
  home_.with_effects([&](effects& out) {
    // Records for a partition without a leader wait on the home strand: ask until it has one.
    bool helped = !metadata_.brokers().empty() && !home_.has_work();
    for (const auto& each : news) helped = apply_topic(each, now, out) && helped;
    for (const auto& each : left_out(request, response)) {
      apply_topic(each, now, out);
      helped = false;
    }
    spare_links();
    schedule_.succeeded(now, helped, env_->random());
    // For a record whose partition this answer does not know, one more refresh decides.
    if (accumulator_.is_partition_missing()) schedule_.want();
  });
  check_watches(now);
}

// Topics that were asked for and are not in the answer: nothing is known of them, who waits goes on waiting.
COKAFKA_DECL std::vector<topic_news> engine::left_out(const messages::metadata_request& request,
                                                      const messages::metadata_response& response) {
  std::unordered_set<std::string_view> named;
  for (const auto& each : response.topics) named.insert(*each.name);
  std::vector<topic_news> missing;
  for (const auto& each : *request.topics) {
    if (named.contains(*each.name)) continue;
    topic_news& news = missing.emplace_back();
    news.name = *each.name;
    news.error = broker_errc::unknown_topic_or_partition;
  }
  return missing;
}

// What links are there for lives where metadata says; those of brokers that lead nothing of ours are never made.
COKAFKA_DECL void engine::apply_brokers() {
  for (auto& [id, link] : links_) {
    const auto found = metadata_.brokers().find(id);
    if (found == metadata_.brokers().end()) continue;
    link->set_endpoint({found->second.host, static_cast<std::uint16_t>(found->second.port)});
  }
}

// False when the cluster must be asked again, with backoff: somebody waits for the topic, or the answer was out of
// date.
COKAFKA_DECL bool engine::apply_topic(const topic_news& news, clock_time now, effects& out) {
  const topic_ptr of = accumulator_.topics.find(news.name);
  if (of == nullptr) return true;
  const auto is_watched = [&](auto counts) {
    std::scoped_lock guard(mutex_);
    return std::any_of(watches_.begin(), watches_.end(),
                       [&](const topic_watch& each) { return each.of == of && counts(each); });
  };
  switch (news.is) {
    case topic_news::kind::known:
      of->refusals = 0;
      if (of->table.load(std::memory_order_acquire) == nullptr) schedule_.found_topic();
      if (news.made_anew) say(log_level::warning, "topic " + news.name + " was deleted and made anew");
      accumulator_.publish(*of, route(*of, *metadata_.find(news.name), news.made_anew), now, out);
      return !news.doubtful && (news.complete || !is_watched([](const topic_watch& each) { return each.warm; }));
    case topic_news::kind::refused: {
      const backoff_policy again{settings_.user.effective_retry_backoff(), settings_.user.retry_backoff_max};
      of->ask_again_at = now + again.delay(++of->refusals, env_->random());
      schedule_.postpone(of->ask_again_at);
      accumulator_.refuse(*of, news.error, "topic " + news.name + ": " + make_error_code(news.error).message(), now,
                          out);
      return true;
    }
    case topic_news::kind::waiting: break;
  }
  of->last_error.store(news.error, std::memory_order_seq_cst);  // before the question, see accumulator::park
  if (of->parked.load(std::memory_order_seq_cst) > 0) return false;
  return !is_watched([](const topic_watch&) { return true; });
}

COKAFKA_DECL void engine::learn_leaders(leader_news news) {
  home_.on_strand([this, news = std::move(news)] { apply_leaders(news); });
}

// The answer of a broker that leads no longer says who does: no metadata is waited for (KIP-951).
COKAFKA_DECL void engine::apply_leaders(const leader_news& news) {
  if (stopping_) return;
  const clock_time now = env_->now();
  const std::vector<std::string> changed = metadata_.learn(news);
  apply_brokers();
  home_.with_effects([&](effects& out) {
    for (const std::string& name : changed) {
      const topic_ptr of = accumulator_.topics.find(name);
      accumulator_.publish(*of, route(*of, *metadata_.find(name), false), now, out);
    }
  });
}

COKAFKA_DECL partition_owner& engine::owner_for(std::int32_t leader) {
  if (const auto found = links_.find(leader); found != links_.end()) return *found->second;
  const auto named = metadata_.brokers().find(leader);
  if (named == metadata_.brokers().end()) return home_;
  return make_link(leader, {named->second.host, static_cast<std::uint16_t>(named->second.port)});
}

// Every partition to its leader's strand. Null when senders see nothing new.
COKAFKA_DECL std::unique_ptr<partition_table> engine::route(topic& of, const topic_state& state, bool made_anew) {
  accumulator_.topics.keep(of);
  auto table = std::make_unique<partition_table>();
  table->topic_id = state.id;
  std::vector<partition_queue*> led;
  for (std::size_t i = 0; i < state.partitions.size(); ++i) {
    partition_queue& partition =
        of.partition(static_cast<std::int32_t>(i), settings_, accumulator_.memory, accumulator_.flushes);
    const std::int32_t leader = state.partitions[i].leader;
    partition.is_gone.store(false, std::memory_order_release);
    assign(partition, owner_for(leader), made_anew);
    table->all.push_back(&partition);
    if (leader >= 0) led.push_back(&partition);
  }
  table->available = led.empty() ? table->all : led;
  for (std::size_t i = state.partitions.size(); i < of.partitions().size(); ++i) {
    partition_queue& gone = *of.partitions()[i];
    const bool was_there = !gone.is_gone.exchange(true, std::memory_order_acq_rel);
    assign(gone, home_, was_there);
    table->gone.push_back(&gone);
  }
  const partition_table* const seen = of.table.load(std::memory_order_acquire);
  return seen != nullptr && *seen == *table ? nullptr : std::move(table);
}

COKAFKA_DECL void engine::assign(partition_queue& partition, partition_owner& wanted, bool made_anew) {
  partition_owner* const owner = partition.owner.load(std::memory_order_acquire);
  if (owner == nullptr) {
    partition.desired_owner.store(&wanted, std::memory_order_release);
    partition.owner.store(&wanted, std::memory_order_release);
    return wanted.adopt_soon(partition);
  }
  if (made_anew) partition.is_made_anew.store(true, std::memory_order_release);
  const bool moves = partition.desired_owner.exchange(&wanted, std::memory_order_acq_rel) != &wanted;
  if (moves || made_anew) owner->reconsider_owner_soon(partition);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
