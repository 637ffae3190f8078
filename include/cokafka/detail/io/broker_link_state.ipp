// SPDX-License-Identifier: BSL-1.0
// Bodies of broker_link besides its tasks: deadlines, idleness, the end, what other threads ask for.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_BROKER_LINK_STATE_IPP
#define COKAFKA_DETAIL_IO_BROKER_LINK_STATE_IPP

#include "cokafka/detail/io/broker_link.hpp"

#include "cokafka/detail/core/if_memory.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

// --- any thread ------------------------------------------------------------------------------------------------------

COKAFKA_DECL void broker_link::set_endpoint(endpoint at) {
  on_strand([this, at = std::move(at)]() mutable {
    if (at == endpoint_) return;
    host_.say(log_level::info, name() + ": is now at " + text_of(at));
    endpoint_ = std::move(at);
    moved_ = true;
    failed_attempts_ = 0;
    retry_connect_at_ = {};
    // What was read there may be executed all the same: without idempotence its answers are waited for.
    if (host_.rules().idempotent || in_flight_.empty()) connection_.close();
    news_.set();
  });
}

COKAFKA_DECL void broker_link::let_go() {
  on_strand([this] {
    host_.say(log_level::info, name() + ": is no longer part of the cluster");
    connect_wanted_ = false;
    moved_ = true;
    connection_.close();
    news_.set();
  });
}

COKAFKA_DECL void broker_link::take_on(std::int32_t id, endpoint at) {
  on_strand([this, id, at = std::move(at)]() mutable {
    id_ = id;
    endpoint_ = std::move(at);
    moved_ = true;
    connection_.close();
    last_error_ = {};
    failed_attempts_ = 0;
    retry_connect_at_ = {};
    throttled_until_ = {};
    deadlines_.heap.clear(throttle_over_);
    news_.set();
  });
}

COKAFKA_DECL void broker_link::connect_soon() {
  on_strand([this] {
    if (is_connected()) return;
    connect_wanted_ = true;
    news();
  });
}

COKAFKA_DECL void broker_link::stop(error_details why) {
  on_strand([this, why = std::move(why)]() mutable {
    if (std::exchange(stopping_, true)) return;
    stop_reason_ = std::move(why);
    connection_.close();
    deadlines_.stop();
    if (!started_) return end();
    news_.set();
  });
}

// --- the strand ------------------------------------------------------------------------------------------------------

COKAFKA_DECL void broker_link::start_running() {
  if (started_ || stopping_) return;
  started_ = true;
  auto alive = host_.keep_alive();
  deadlines_.start(alive, [this] { handle_deadlines(); });
  asio::co_spawn(strand_, run(), [alive](std::exception_ptr) {});
}

COKAFKA_DECL bool broker_link::has_reason_to_connect() { return connect_wanted_ || queue_.has_work(); }

COKAFKA_DECL void broker_link::reader_has_ended(const std::exception_ptr& failed) {
  if (failed && !last_error_) last_error_ = asio::error::no_memory;
  connection_.close();
  reader_ended_.set();
  news_.set();
}

COKAFKA_DECL void broker_link::obey_throttle(std::chrono::milliseconds throttle, clock_time now) {
  throttled_until_ = std::max(throttled_until_, now + clock_duration(throttle));
  deadlines_.heap.set(throttle_over_, throttled_until_);
  deadlines_.update();
}

COKAFKA_DECL void broker_link::news() {
  start_running();
  if (!connection_.is_open() || queue_.has_candidates(in_flight_.empty())) news_.set();
}

COKAFKA_DECL void broker_link::forget_answers(partition_queue& gone) {
  for (auto& request : in_flight_) {
    for (auto& each : request->batches) each.moved = each.moved || each.partition == &gone;
  }
}

COKAFKA_DECL stall broker_link::why_stalled() const noexcept {
  if (connection_.is_open()) return {last_error_, {}};
  return {last_error_, if_memory([this] {
            std::string message = name() + " is not connected";
            if (last_error_) message += ": " + last_error_.message();
            return message;
          })};
}

COKAFKA_DECL void broker_link::say_connection_lost() const {
  std::string line = name() + ": connection lost: " + last_error_.message();
  if (host_.rules().acks == 0) line += "; with acks=0 that is how a broker refuses records";
  host_.say(log_level::warning, std::move(line));
}

COKAFKA_DECL void broker_link::note_retry(const planned_batch& again, effects& out) const {
  if (!host_.is_logged(log_level::debug)) return;
  const batch& what = *again.what;
  if_memory([&] {
    out.say(log_level::debug, name() + ": " + std::string(again.partition->called().str()) + "-" +
                                  std::to_string(again.partition->index()) + " is tried again (" +
                                  std::to_string(what.records.count()) + " records, attempt " +
                                  std::to_string(what.attempts) + "): " + what.last_cause.message());
  });
}

COKAFKA_DECL void broker_link::note_repeated(const produce_request& sent) {
  std::uint64_t repeated = 0;
  for (const auto& each : sent.batches) {
    if (each.what->attempts > 1) repeated += each.what->records.count();
  }
  if (repeated == 0) return;
  effects out;
  out.counted.records_retried = repeated;
  carry_out(out);
}

COKAFKA_DECL void broker_link::end() {
  fail_partitions(stop_reason_);
  host_.link_ended();
}

COKAFKA_DECL void broker_link::handle_deadlines() {
  const clock_time now = host_.env().now();
  with_effects([&](effects& out) {
    while (deadline_entry* due = deadlines_.heap.pop_due(now)) {
      if (handle_partition_deadline(*due, now, out)) continue;
      handle_own_deadline(static_cast<deadline_kind>(due->kind), now);
    }
  });
  news_.set();
}

COKAFKA_DECL void broker_link::handle_own_deadline(deadline_kind due, clock_time now) {
  switch (due) {
    case deadline_kind::call_timeout: connection_.timed_out(); break;
    case deadline_kind::request_timeout:
      if (in_flight_.empty() || now < request_due()) {
        if (is_kept_waiting()) host_.want_metadata();
        watch_silence(now);
        break;
      }
      request_timed_out_ = true;
      last_error_ = make_error_code(errc::request_timed_out);
      connection_.close();
      break;
    case deadline_kind::idle_close:
      // Used since the entry was set: note_idle sets it again.
      if (now - last_used_ < clock_duration(host_.rules().user.connections_max_idle)) break;
      if (in_flight_.empty() && !queue_.has_work()) {
        host_.say(log_level::debug, name() + ": closed, because it was idle");
        connection_.close();
      } else {
        last_used_ = now;  // what waits for its retry will need it; the entry must not be due again at once
      }
      break;
    default: break;  // backoff or throttle is over: the news is all it takes
  }
}

COKAFKA_DECL clock_time broker_link::request_due() const noexcept {
  return in_flight_.front()->written_at + clock_duration(host_.rules().user.request_timeout);
}

COKAFKA_DECL bool broker_link::is_kept_waiting() {
  const auto is_here = [](const planned_batch& each) { return !each.moved && !each.settled; };
  return queue_.has_work() || std::any_of(in_flight_.begin(), in_flight_.end(), [&](const auto& each) {
           return std::any_of(each->batches.begin(), each->batches.end(), is_here);
         });
}

// Until request.timeout.ms, or until it is connected; a broker that is silent for long may be frozen, and others may
// lead its partitions by now (guarantee.md, rule 10).
COKAFKA_DECL void broker_link::watch_silence(clock_time now) {
  constexpr clock_duration long_silence = std::chrono::seconds(1);
  if (in_flight_.empty() && !is_connecting_) return deadlines_.heap.clear(request_timeout_);
  const clock_time due = in_flight_.empty() ? clock_time::max() : request_due();
  deadlines_.heap.set(request_timeout_, std::min(due, now + long_silence));
}

COKAFKA_DECL void broker_link::note_idle() {
  if (!in_flight_.empty() || queue_.has_candidates(true)) return deadlines_.update();
  const auto max_idle = host_.rules().user.connections_max_idle;
  if (max_idle.count() > 0 && !idle_close_.is_set()) deadlines_.heap.set(idle_close_, last_used_ + max_idle);
  deadlines_.settle();
}

COKAFKA_DECL std::string broker_link::name() const {
  return "broker " + std::to_string(id_) + " at " + text_of(endpoint_);
}

COKAFKA_DECL void broker_link::shutdown() noexcept {
  stopping_ = true;
  deadlines_.stop();
  connection_.shutdown();
  news_.drop();
  reader_ended_.drop();
  in_flight_.clear();
  strand_ = asio::any_io_executor();
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
