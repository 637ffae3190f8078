// SPDX-License-Identifier: BSL-1.0
// Bodies of engine: what links and senders ask of it, and the home strand's round.
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_ENGINE_IPP
#define COKAFKA_DETAIL_ENGINE_ENGINE_IPP

#include "cokafka/detail/engine/engine.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

// --- link_host -------------------------------------------------------------------------------------------------------

COKAFKA_DECL std::shared_ptr<link_host> engine::keep_alive() {
  if (dead_.load(std::memory_order_acquire)) return nullptr;
  return weak_from_this().lock();
}

COKAFKA_DECL void engine::carry_out(effects& wanted) {
  if (wanted.counted != metrics_snapshot{}) count(wanted.counted);  // before anybody hears of it
  const bool dead = dead_.load(std::memory_order_acquire);
  const auto end = [dead](waiter_list& waiting) { dead ? destroy_waiters(waiting) : post_waiters(waiting); };
  end(wanted.answered);
  while (const completion_ptr each = wanted.handed_out.pop_front()) {
    for (waiter_list late = each->hand_out_rest(); !late.empty(); late = each->hand_out_rest()) end(late);
  }
  if (!dead) report(wanted);  // before a flush ends, which may be what close() waits for
  end(wanted.ended);
  if (dead) return;
  for (auto& [level, line] : wanted.log) say(level, std::move(line));
}

// A line that finds no memory, or whose executor refuses it, is not said.
COKAFKA_DECL void engine::say(log_level level, std::string line) noexcept {
  if (!logger_.enabled(level)) return;
  auto alive = keep_alive();
  if (!alive || !begin_report()) return;
  try {
    asio::post(operations_->executor, [this, alive = std::move(alive), level, line = std::move(line)] {
      logger_.log(level, line);
      report_ended();
    });
  } catch (...) {
    report_ended();
  }
}

COKAFKA_DECL void engine::count(const metrics_snapshot& more) {
  std::scoped_lock guard(mutex_);
  totals_ += more;
}

COKAFKA_DECL metrics_snapshot engine::metrics() const {
  std::scoped_lock guard(mutex_);
  return totals_;
}

COKAFKA_DECL void engine::want_metadata() {
  metadata_wanted_.store(true, std::memory_order_release);
  attention();
}

COKAFKA_DECL drain_conditions engine::conditions() const {
  return {accumulator_.flushes.is_flushing() || accumulator_.is_closed() || accumulator_.is_memory_short()};
}

COKAFKA_DECL bool engine::attention() noexcept {
  if (dead_.load(std::memory_order_acquire)) return true;  // batches that die with the engine give memory back
  if (attention_pending_.exchange(true, std::memory_order_acq_rel)) return true;
  try {
    home_.on_strand([this] { look_around(); });
    return true;
  } catch (...) {  // no memory, or what a user's executor throws
    attention_pending_.store(false, std::memory_order_release);
    return false;
  }
}

// --- the home strand -------------------------------------------------------------------------------------------------

COKAFKA_DECL void engine::look_around() {
  // A read as well: whoever found it set, and left the round to us, has said before what there is to see.
  attention_pending_.exchange(false, std::memory_order_acq_rel);
  if (stopping_) return;
  if (abandoned_.load(std::memory_order_acquire)) return stop_abandoned();
  const clock_time now = env_->now();
  accumulator_.set_wall_offset(env_->wall_now().time_since_epoch() - now.time_since_epoch());
  if (metadata_wanted_.exchange(false, std::memory_order_acq_rel)) schedule_.want();
  if (identity_requested_.load(std::memory_order_acquire)) identity_wanted_ = true;
  accumulator_.topics.for_each([this](topic& each) {
    if (!each.wanted.load(std::memory_order_relaxed) || !each.wanted.exchange(false, std::memory_order_acq_rel)) return;
    each.is_forgotten.store(false, std::memory_order_release);
    if (each.refused.load(std::memory_order_relaxed) != broker_errc::none) {
      schedule_.want_at(each.ask_again_at);
      return;
    }
    // Only the first question is urgent: sends to a topic that does not exist must not become as many requests.
    std::exchange(each.asked_for, true) ? schedule_.want() : schedule_.want_topic();
  });
  effects out;
  const bool pressed = accumulator_.place_waiting(out);
  if (accumulator_.is_partition_missing()) schedule_.want();
  carry_out(out);
  // Each flush anew: what has begun to linger since the one before knows nothing of it.
  if (hurry_.exchange(false, std::memory_order_acq_rel) || (pressed && !was_pressed_)) {
    for (auto& [id, link] : links_) link->poke();
  }
  was_pressed_ = pressed;
  for (auto& [id, link] : links_) {
    const bool waited_for = link->share.waited_for.load(std::memory_order_relaxed);
    if (waited_for && !std::exchange(link->share.was_waited_for, waited_for)) link->poke();
    link->share.was_waited_for = waited_for;
  }
  check_watches(now);
  check_flushes(now);
  if (!accumulator_.topics.empty()) start_control();
  news_.set();
  set_home_deadlines();
}

COKAFKA_DECL void engine::set_home_deadlines() {
  deadline_heap& heap = home_.deadlines().heap;
  const auto follow = [&](deadline_entry& entry, std::optional<clock_time> at) {
    if (!at) return heap.clear(entry);
    if (!entry.is_set() || entry.at != *at) heap.set(entry, *at);
  };
  const auto control = next_control_time();
  follow(control_due_, control && *control > env_->now() ? control : std::nullopt);
  follow(parked_due_, accumulator_.earliest_parked_deadline());
  std::optional<clock_time> watch;
  {
    std::scoped_lock guard(mutex_);
    for (const auto& each : watches_) watch = std::min(watch.value_or(each.due), each.due);
    for (const auto& each : timed_flushes_) watch = std::min(watch.value_or(each.due), each.due);
  }
  follow(watch_due_, watch);
  home_.deadlines().settle();
}

COKAFKA_DECL void engine::handle_deadlines() {
  if (!stopping_ && abandoned_.load(std::memory_order_acquire)) return stop_abandoned();  // it was not heard
  const clock_time now = env_->now();
  home_.with_effects([&](effects& out) {
    while (deadline_entry* due = home_.deadlines().heap.pop_due(now)) {
      if (!home_.handle_partition_deadline(*due, now, out)) handle_own_deadline(*due, now, out);
    }
  });
  news_.set();
  if (!stopping_) set_home_deadlines();
}

COKAFKA_DECL void engine::handle_own_deadline(const deadline_entry& due, clock_time now, effects& out) {
  switch (static_cast<deadline_kind>(due.kind)) {
    case deadline_kind::call_timeout: control_.timed_out(); break;
    case deadline_kind::parked_expiry:
      // As many as a run of handlers delivers in one go: those run before the next fall due.
      accumulator_.expire(now, if_memory([this] { return unreachable_text(); }), control_error_, 256, out);
      break;
    case deadline_kind::idle_close: close_idle_control(now); break;
    case deadline_kind::watch_expiry:
      check_watches(now);
      check_flushes(now);
      break;
    case deadline_kind::close_timeout: {
      error_details why;
      why.code = errc::timed_out;
      why.message =
          if_memory([this] { return "the producer was closed before " + left_text() + " were acknowledged"; });
      close_failure_ = make_error(copied(why));
      why.code = errc::closed;
      why.message = if_memory([] { return std::string("the producer was closed before the record was acknowledged"); });
      stop_everything(std::move(why));
      break;
    }
    default: break;  // the control task looks at the time itself
  }
}

// Why there is no metadata, for records that have waited too long; empty while a broker answers.
COKAFKA_DECL std::string engine::unreachable_text() const {
  if (!control_error_ || control_.is_open()) return {};
  std::string text = "none of the brokers ";
  if (metadata_.brokers().empty())
    text = given_up_.empty() ? "none of the bootstrap servers " : "none of the bootstrap servers and former brokers ";
  bool first = true;
  for (const auto& each : candidates()) {
    if (!std::exchange(first, false)) text += ", ";
    text += text_of(each);
  }
  return text + " can be reached: " + control_error_.message();
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
