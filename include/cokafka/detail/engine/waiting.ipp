// SPDX-License-Identifier: BSL-1.0
// Bodies of engine: who waits for a topic, a flush, space or the end, and how what is waited for is given up.
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_WAITING_IPP
#define COKAFKA_DETAIL_ENGINE_WAITING_IPP

#include "cokafka/detail/engine/engine.hpp"

#include <algorithm>
#include <boost/system/errc.hpp>
#include <mutex>
#include <new>
#include <string>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

// `begin` is false where there is nothing to wait for. What finds no memory before it has begun ends with that failure.
template <class Waiter, class Function>
void engine::begin_operation(Waiter& waiting, Function begin) {
  try {
    if (begin()) return;
  } catch (const std::bad_alloc&) {
    error_details why;
    why.code = make_error_code(boost::system::errc::not_enough_memory);
    waiting.failure = make_error(std::move(why));
  } catch (...) {  // of an executor
    waiting.destroy();
    throw;
  }
  post_waiter(waiting);
}

// --- topics that somebody watches ------------------------------------------------------------------------------------

COKAFKA_DECL topic_ptr engine::find_topic(std::string_view name) {
  return is_valid_topic_name(name) ? accumulator_.want_topic(name) : nullptr;
}

COKAFKA_DECL void engine::watch_topic(topic_waiter& waiting, std::string_view name, bool warm) {
  const auto refused = [&](errc code) {
    waiting.failure = error(code);
    return false;
  };
  begin_operation(waiting, [&] {
    if (accumulator_.is_closed()) return refused(errc::closed);
    const topic_ptr of = find_topic(name);
    if (of == nullptr) return refused(errc::invalid_topic);
    if (warm && settings_.idempotent && !want_identity(std::nullopt)) throw std::bad_alloc();
    {
      std::scoped_lock guard(mutex_);
      // Since it was asked above: the end has been, nobody would look at it.
      if (accumulator_.is_closed()) return refused(errc::closed);
      watches_.push_back({of, &waiting, warm, env_->now() + clock_duration(settings_.user.max_block)});
    }
    // The answer to the question that find_topic() asked may have come when nobody watched.
    if (of->last_error.load(std::memory_order_seq_cst) != broker_errc::none)
      of->wanted.store(true, std::memory_order_release);
    attention();
    return true;
  });
}

COKAFKA_DECL void engine::check_watches(clock_time now) {
  waiter_list ended;
  {
    std::scoped_lock guard(mutex_);
    std::erase_if(watches_, [&](topic_watch& each) {
      const broker_errc refused = each.of->refused.load(std::memory_order_relaxed);
      std::optional<error> failure;
      if (refused != broker_errc::none) {
        failure = error(refused);
      } else if (each.of->table.load(std::memory_order_acquire) != nullptr && (!each.warm || is_warm(each))) {
        complete_watch(each, std::nullopt, ended);
        return true;
      } else if (each.due <= now) {
        error_details why;
        why.message = unreachable_text();
        const broker_errc last = each.of->last_error.load(std::memory_order_relaxed);
        why.code = !why.message.empty()        ? make_error_code(errc::no_brokers)
                   : last != broker_errc::none ? make_error_code(last)
                                               : make_error_code(errc::metadata_timed_out);
        why.cause = control_error_;
        failure = error(std::move(why));
      }
      if (!failure) return false;
      complete_watch(each, std::move(failure), ended);
      return true;
    });
  }
  post_waiters(ended);
}

COKAFKA_DECL void engine::complete_watch(const topic_watch& watch, std::optional<error> failure, waiter_list& out) {
  watch.waiting->failure = std::move(failure);
  if (!watch.waiting->failure) watch.waiting->partitions = metadata_.describe(std::string(watch.of->name.str()));
  out.push_back(*watch.waiting);
}

// Connected to every leader, and with a producer id where one is needed. Under the mutex.
COKAFKA_DECL bool engine::is_warm(const topic_watch& watch) {
  const topic_state* const state = metadata_.find(std::string(watch.of->name.str()));
  bool warm = !settings_.idempotent || identity_.has_value();
  for (const auto& partition : state->partitions) {
    const auto found = links_.find(partition.leader);
    if (found == links_.end()) {
      schedule_.want();  // no leader: nobody else may ask until there is one
      warm = false;
      continue;
    }
    if (found->second->is_connected()) continue;
    found->second->connect_soon();  // again when an attempt has failed
    warm = false;
  }
  return warm;
}

COKAFKA_DECL bool engine::cancel_watch(topic_waiter& waiting) {
  std::scoped_lock guard(mutex_);
  return std::erase_if(watches_, [&](const topic_watch& each) { return each.waiting == &waiting; }) > 0;
}

// --- flush, space, the end
// --------------------------------------------------------------------------------------------

COKAFKA_DECL void engine::flush(operation_waiter& waiting) {
  begin_operation(waiting, [&] {
    if (!accumulator_.flushes.begin(waiting)) return false;
    hurry_.store(true, std::memory_order_release);
    attention();  // unheard, the next who has news hurries the others
    return true;
  });
}

COKAFKA_DECL void engine::flush_for(operation_waiter& waiting, std::chrono::milliseconds timeout) {
  const clock_time due = env_->now() + std::max(std::chrono::milliseconds::zero(), settings::bounded(timeout));
  begin_operation(waiting, [&] {
    {
      std::scoped_lock guard(mutex_);
      make_room_for_one(timed_flushes_);
      const auto begun = accumulator_.flushes.begin(waiting);
      if (!begun) return false;
      timed_flushes_.push_back({*begun, due});
    }
    hurry_.store(true, std::memory_order_release);
    attention();
    return true;
  });
}

COKAFKA_DECL void engine::check_flushes(clock_time now) {
  waiter_list ended;
  {
    std::scoped_lock guard(mutex_);
    std::erase_if(timed_flushes_, [&](const flush_watch& each) {
      if (each.due > now) return !accumulator_.flushes.is_waiting(each.which);
      if (waiter* const waiting = accumulator_.flushes.cancel(each.which)) ended.push_back(*waiting);
      return true;
    });
  }
  if (ended.empty()) return;
  error_details why;
  why.code = errc::timed_out;
  why.message = "the flush has ended with " + left_text() + " not answered";
  for (auto& each : ended) static_cast<operation_waiter&>(each).failure = error(why);
  post_waiters(ended);
}

COKAFKA_DECL std::string engine::left_text() {
  const auto left = outstanding();
  return std::to_string(left.records) + " records (" + std::to_string(left.bytes) + " bytes)";
}

COKAFKA_DECL bool engine::cancel_flush(operation_waiter& waiting) { return accumulator_.flushes.cancel(waiting); }

COKAFKA_DECL void engine::wait_for_space(operation_waiter& waiting, std::size_t bytes) {
  begin_operation(waiting, [&] { return accumulator_.wait_for_space(waiting, bytes, env_->now()); });
}

COKAFKA_DECL bool engine::cancel_space(operation_waiter& waiting) { return accumulator_.cancel_space(waiting); }

COKAFKA_DECL void engine::close(operation_waiter& waiting, std::chrono::milliseconds timeout) {
  accumulator_.close();
  begin_operation(waiting, [&] {
    std::scoped_lock guard(mutex_);
    if (closed_) return false;
    home_.on_strand([this, timeout] { begin_close(timeout); });
    closers_.push_back(waiting);
    return true;
  });
}

// Cancelling close() stops waiting; the producer closes all the same.
COKAFKA_DECL bool engine::cancel_close(operation_waiter& waiting) {
  std::scoped_lock guard(mutex_);
  const auto found = std::find_if(closers_.begin(), closers_.end(), [&](waiter& each) { return &each == &waiting; });
  if (found == closers_.end()) return false;
  closers_.erase(found);
  return true;
}

COKAFKA_DECL void engine::purge() {
  home_.on_strand([this] {
    if (stopping_) return;
    effects out;
    accumulator_.purge(env_->now(), out);
    carry_out(out);
    attention();  // who waited behind them
  });
}

COKAFKA_DECL bool engine::withdraw(completion& of, record_waiter& asked) {
  if (dead_.load(std::memory_order_acquire)) return false;
  effects out;
  const bool withdrawn = accumulator_.withdraw(of, asked, out);
  carry_out(out);
  return withdrawn;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
