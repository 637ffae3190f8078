// SPDX-License-Identifier: BSL-1.0
// Bodies of engine: the control task, which asks the cluster for metadata.
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_CONTROL_IPP
#define COKAFKA_DETAIL_ENGINE_CONTROL_IPP

#include "cokafka/detail/engine/engine.hpp"

#include "cokafka/detail/core/backoff.hpp"
#include "cokafka/detail/messages/metadata.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <new>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace asking {

// Each address once.
inline void add_new(std::vector<endpoint>& to, const std::vector<endpoint>& from) {
  for (const endpoint& each : from) {
    if (std::find(to.begin(), to.end(), each) == to.end()) to.push_back(each);
  }
}

}  // namespace asking

// --- the task --------------------------------------------------------------------------------------------------------

COKAFKA_DECL void engine::start_control() {
  if (control_started_ || stopping_) return;
  control_started_ = true;
  auto alive = shared_from_this();
  asio::co_spawn(home_.strand(), run_control(), [alive](std::exception_ptr) { alive->task_ended(); });
}

COKAFKA_DECL asio::awaitable<void> engine::run_control() {
  while (!stopping_) {
    const auto next = next_control_time();
    if (!next || *next > env_->now()) {
      set_home_deadlines();
      // It sets a timer for what is in its future; what has become due since the question above must not wait for one.
      if (!next || *next > env_->now()) co_await news_.wait(asio::deferred);
      continue;
    }
    control_busy_ = true;
    try {
      co_await ask_cluster();
    } catch (const std::bad_alloc&) {
      control_failed(asio::error::no_memory);
      schedule_.failed(env_->now(), env_->random());
    }
    control_busy_ = false;
    note_control_use();
  }
  control_.close();
}

// The one thing that is due most.
COKAFKA_DECL asio::awaitable<void> engine::ask_cluster() {
  const auto metadata_due = schedule_.due();
  const bool wants_metadata = metadata_due && *metadata_due <= env_->now();
  if (wants_metadata && !metadata_missing_since_) metadata_missing_since_ = env_->now();
  if (control_.is_open() && throttled_.until(asked_, env_->now())) control_.close();  // another one may be asked
  if (!control_.is_open()) {
    const bool reached = co_await reach_somebody();
    if (!reached) co_return;
  }
  if (wants_metadata) {
    co_await refresh_metadata();
  } else if (identity_wanted_) {
    co_await fetch_identity();
  }
}

// When there is something to ask the cluster; empty when nothing is wanted.
COKAFKA_DECL std::optional<clock_time> engine::next_control_time() const {
  std::optional<clock_time> next = schedule_.due();
  if (identity_wanted_) next = std::min(next.value_or(clock_time::max()), identity_not_before_);
  if (!next) return next;
  next = std::max(*next, control_not_before_);
  const clock_time now = env_->now();
  if (throttled_.is_any(now)) next = std::max(*next, throttled_.first_free(candidates(), now).value_or(*next));
  return next;
}

// The brokers that metadata named. While there are none the bootstrap servers, and after them those that were known
// before: they may be reachable again, and the bootstrap servers gone. Each address once.
COKAFKA_DECL std::vector<endpoint> engine::candidates() const {
  std::vector<endpoint> all;
  for (const auto& [id, broker] : metadata_.brokers()) {
    all.push_back({broker.host, static_cast<std::uint16_t>(broker.port)});
  }
  if (!all.empty()) return all;
  asking::add_new(all, bootstrap_);
  asking::add_new(all, given_up_);
  return all;
}

COKAFKA_DECL asio::awaitable<bool> engine::reach_somebody() {
  const std::vector<endpoint> all = candidates();
  for (std::size_t i = 0; i < all.size() && throttled_.until(all[candidate_ % all.size()], env_->now()); ++i)
    ++candidate_;
  const endpoint to = all[candidate_ % all.size()];
  const backoff_policy setup{settings_.user.effective_connection_setup_timeout(),
                             settings_.user.socket_connection_setup_timeout_max};
  const auto rounds = static_cast<std::uint32_t>(control_failures_ / all.size());
  // Where another may answer, none may cost much; yet in each fourth round there is time for a network that is slow.
  const bool is_patient = all.size() == 1 || rounds % 4 == 3;
  const clock_duration setup_time = setup.delay(all.size() == 1 ? rounds + 1 : rounds / 4 + 1, env_->random());
  const clock_duration short_time = std::min(setup_time, control_timeout());
  const error_code failed = co_await control_.open(to, {is_patient ? setup_time : short_time, short_time}, rounds);
  if (stopping_) co_return false;
  if (failed) {
    say(log_level::warning, "no metadata from " + text_of(to) + ": " + failed.message());
    control_failed(failed);
    co_return false;
  }
  asked_ = to;
  control_error_ = {};
  say(log_level::debug, "asking " + text_of(to) + " for metadata");
  co_return true;
}

// The next address at once; the same ones again only after a backoff.
COKAFKA_DECL void engine::control_failed(error_code why) {
  control_.close();
  control_error_ = why;
  const std::size_t all = candidates().size();
  candidate_ = (candidate_ + 1) % all;
  const bool all_failed = ++control_failures_ % all == 0;
  if (is_stranded(why, all_failed, env_->now())) return rebootstrap(why);
  if (!all_failed) return;
  const backoff_policy again{settings_.user.reconnect_backoff, settings_.user.effective_reconnect_backoff_max()};
  const auto rounds = static_cast<std::uint32_t>(control_failures_ / all);
  control_not_before_ = env_->now() + again.delay(rounds, env_->random());
}

// KIP-899: nobody whom metadata has named can be reached. KIP-1102: nobody has answered for too long, or a broker says
// that it is no longer the one to ask.
COKAFKA_DECL bool engine::is_stranded(error_code why, bool all_failed, clock_time now) const {
  if (settings_.user.metadata_recovery_strategy == metadata_recovery::none || metadata_.brokers().empty()) return false;
  const clock_duration patience = settings_.user.metadata_recovery_rebootstrap_trigger;
  // One that is throttled can be reached.
  return (all_failed && !throttled_.is_any(now)) || why == make_error_code(broker_errc::rebootstrap_required) ||
         (metadata_missing_since_ && now - *metadata_missing_since_ >= patience);
}

// At once: the bootstrap servers have not been tried yet. Connections to brokers that work are left alone; the next
// metadata says where everybody is.
COKAFKA_DECL void engine::rebootstrap(error_code why) {
  const bool is_told_to = why == make_error_code(broker_errc::rebootstrap_required);
  say(log_level::warning, "back to the bootstrap servers: " + (is_told_to ? why.message() : unreachable_text()));
  constexpr std::size_t most_given_up = 32;
  if (is_told_to) {
    given_up_.clear();  // nor are they to be asked again
  } else {
    const std::vector<endpoint> before = std::exchange(given_up_, candidates());
    asking::add_new(given_up_, before);
    if (given_up_.size() > most_given_up) given_up_.resize(most_given_up);
  }
  metadata_.forget_brokers();
  candidate_ = 0;
  control_failures_ = 0;
  metadata_missing_since_.reset();
  schedule_.want_now();
}

// The control connection, too, is closed after connections.max.idle.ms.
COKAFKA_DECL void engine::note_control_use() {
  control_used_ = env_->now();
  const auto max_idle = settings_.user.connections_max_idle;
  if (stopping_ || !control_.is_open() || max_idle.count() <= 0 || control_idle_.is_set()) return;
  home_.deadlines().heap.set(control_idle_, control_used_ + max_idle);
}

COKAFKA_DECL void engine::close_idle_control(clock_time now) {
  if (control_busy_ || !control_.is_open()) return;  // set again when it has been used
  const clock_time due = control_used_ + clock_duration(settings_.user.connections_max_idle);
  if (due > now) return home_.deadlines().heap.set(control_idle_, due);
  say(log_level::debug, "the connection for metadata is closed, because it was idle");
  control_.close();
}

// Short, so that a broker that hangs costs little before the next is asked.
COKAFKA_DECL clock_duration engine::control_timeout() const {
  return std::min<clock_duration>(settings_.user.request_timeout, std::chrono::seconds(5));
}

// Before these versions a broker that throttles answers late instead (KIP-219). Only this broker is left alone, and not
// by the connection for records, which hears of its own.
COKAFKA_DECL void engine::heed_throttle(bool is_before_throttling, std::int32_t milliseconds, clock_time now) {
  if (!is_before_throttling || milliseconds <= 0) return;
  const std::chrono::milliseconds time(milliseconds);
  metrics_snapshot more;
  more.throttled_responses = 1;
  more.throttle_time = time;
  count(more);
  constexpr std::chrono::milliseconds longest =
      std::chrono::minutes(1);  // a broker's mistake must not end the questions
  throttled_.note(asked_, now + clock_duration(std::min(time, longest)), now);
}

COKAFKA_DECL messages::metadata_request engine::metadata_request_now() {
  messages::metadata_request request;
  request.allow_auto_topic_creation = settings_.user.allow_auto_create_topics;
  for (const topic_ptr& each : accumulator_.topics.all()) {
    if (is_idle(*each, env_->now())) forget_topic(*each);
    if (each->is_forgotten.load(std::memory_order_relaxed)) continue;
    request.topics->emplace_back();
    request.topics->back().name = std::string(each->name.str());
  }
  return request;
}

COKAFKA_DECL asio::awaitable<void> engine::refresh_metadata() {
  const messages::metadata_request request = metadata_request_now();
  messages::metadata_response response;
  schedule_.started(env_->now());
  accumulator_.refresh_begins();
  const error_code failed = co_await control_.call(request, response, control_timeout());
  if (stopping_) co_return;
  const clock_time now = env_->now();
  heed_throttle(control_.versions().newest(messages::api_key::metadata).value_or(0) >= 6, response.throttle_time_ms,
                now);
  if (failed || response.error_code != 0) {
    schedule_.failed(now, env_->random());
    control_failed(failed ? failed : make_error_code(static_cast<broker_errc>(response.error_code)));
    co_return;
  }
  control_failures_ = 0;
  metadata_missing_since_.reset();
  apply(request, response, now);
  // The only broker that there is, by whatever name it was asked.
  const auto throttled_until = throttled_.until(asked_, now);
  if (throttled_until && metadata_.brokers().size() == 1) throttled_.note(candidates().front(), *throttled_until, now);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
