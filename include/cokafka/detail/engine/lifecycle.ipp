// SPDX-License-Identifier: BSL-1.0
// Bodies of engine: its beginning and its three ends (closed, abandoned, execution context destroyed).
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_LIFECYCLE_IPP
#define COKAFKA_DETAIL_ENGINE_LIFECYCLE_IPP

#include "cokafka/detail/engine/engine.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/errc.hpp>
#include <new>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

// The flush that close() waits for: it ends on the home strand instead of in a user's handler.
class engine::drained_waiter final : public operation_waiter {
 public:
  explicit drained_waiter(engine& of) : of_(of) {}
  void deliver() override {
    error_details none_left;
    none_left.code = errc::closed;
    of_.stop_everything(std::move(none_left));
  }
  void destroy() noexcept override {}
  bool runs_with(const waiter&) const noexcept override { return false; }
  void post(waiter_list&& run) override {
    of_.home_.on_strand([run = waiter_run(std::move(run))]() mutable { run(); });
  }

 private:
  engine& of_;
};

COKAFKA_DECL std::shared_ptr<engine> engine::make(asio::any_io_executor executor, const config& user,
                                                  engine_options options) {
  if (auto valid = user.validate(); !valid) throw config_error(valid.error());
  auto made = std::make_shared<engine>(executor, user, std::move(options));
  made->operations_->core = made;
  asio::use_service<engine_service>(asio::query(executor, asio::execution::context)).add(made, made->operations_);
  made->home_.deadlines().start(made, [raw = made.get()] { raw->handle_deadlines(); });
  for (const std::string& each : user.warnings()) made->say(log_level::warning, each);
  return made;
}

namespace engine_start {

inline std::string client_id_for(const config& user) {
  static std::atomic<std::uint64_t> producers{0};
  return user.client_id.empty() ? "producer-" + std::to_string(++producers) : user.client_id;
}

}  // namespace engine_start

COKAFKA_DECL engine::engine(asio::any_io_executor executor, const config& user, engine_options options)
    : env_(options.env ? std::move(options.env) : system_environment()),
      caps_(std::move(options.caps)),
      settings_(user, engine_start::client_id_for(user), options.first_sequence),
      logger_(user.log_level, user.log_sink),
      operations_(new operation_home(executor, env_)),
      accumulator_(settings_, *this, env_->random()),
      home_(*this, asio::make_strand(executor), control_error_),
      control_(*env_, home_.strand(), settings_, home_.deadlines(), caps_),
      schedule_({user.effective_retry_backoff(), settings_.user.retry_backoff_max}, settings_.user.metadata_max_age),
      control_idle_(static_cast<int>(deadline_kind::idle_close), this),
      control_due_(static_cast<int>(deadline_kind::metadata_refresh), this),
      parked_due_(static_cast<int>(deadline_kind::parked_expiry), this),
      watch_due_(static_cast<int>(deadline_kind::watch_expiry), this),
      close_due_(static_cast<int>(deadline_kind::close_timeout), this),
      drained_(std::make_unique<drained_waiter>(*this)) {
  bootstrap_ = parse_host_ports(user.bootstrap_servers).servers;
  accumulator_.set_wall_offset(env_->wall_now().time_since_epoch() - env_->now().time_since_epoch());
}

COKAFKA_DECL engine::~engine() { drop(); }

COKAFKA_DECL std::uint64_t engine::timer_wake_ups() {
  std::scoped_lock guard(mutex_);
  std::uint64_t all = home_.timer_wake_ups();
  for (const auto& [id, link] : links_) all += link->timer_wake_ups();
  for (const auto& link : spare_) all += link->timer_wake_ups();
  return all;
}

// --- close -----------------------------------------------------------------------------------------------------------

COKAFKA_DECL void engine::begin_close(std::chrono::milliseconds timeout) {
  if (stopping_) return;
  const clock_time due = env_->now() + std::max(std::chrono::milliseconds::zero(), settings::bounded(timeout));
  if (!close_due_.is_set() || due < close_due_.at) home_.deadlines().heap.set(close_due_, due);
  home_.deadlines().update();
  if (closing_) return;
  accumulator_.await_senders();
  hurry_.store(true, std::memory_order_release);
  look_around();
  const bool is_waiting = accumulator_.flushes.begin(*drained_).has_value();
  closing_ = true;
  if (!is_waiting) drained_->deliver();
}

COKAFKA_DECL void engine::abandon() noexcept {
  accumulator_.close();
  if_memory([this] {
    const auto left = accumulator_.outstanding();
    if (left.records == 0 || dead_.load(std::memory_order_acquire)) return;
    // On the thread of the destructor: there may be no other chance to say it.
    logger_.log(log_level::warning, "producer destroyed with " + std::to_string(left.records) +
                                        " records not acknowledged: await close() to have them delivered");
  });
  abandoned_.store(true, std::memory_order_release);
  attention();  // unheard, the next who has news or falls due ends it
}

COKAFKA_DECL void engine::stop_abandoned() {
  error_details why;
  why.code = errc::closed;
  why.message = if_memory([] { return std::string("the producer was destroyed before the record was acknowledged"); });
  if (accumulator_.outstanding().records > 0) close_failure_ = error(errc::closed);
  stop_everything(std::move(why));
}

// Nothing more is sent. Every task ends; each link fails what its partitions hold when its tasks have ended.
COKAFKA_DECL void engine::stop_everything(error_details why) {
  if (std::exchange(stopping_, true)) return;
  accumulator_.close();
  const clock_time now = env_->now();
  effects out;
  accumulator_.fail_parked(why, now, out);
  carry_out(out);
  waiter_list watching;
  {
    std::scoped_lock guard(mutex_);
    for (auto& each : watches_) complete_watch(each, error(errc::closed), watching);
    watches_.clear();
  }
  post_waiters(watching);
  home_.fail_partitions(why);
  tasks_left_ = links_.size() + spare_.size() + (control_started_ ? 1 : 0) + 1;
  for (auto& [id, link] : links_) link->stop(why);
  for (auto& link : spare_) link->stop(why);
  control_.close();
  home_.deadlines().stop();
  news_.set();
  task_ended();
}

COKAFKA_DECL void engine::link_ended() {
  home_.on_strand([this] { task_ended(); });
}

COKAFKA_DECL void engine::task_ended() {
  if (tasks_left_ == 0 || --tasks_left_ > 0) return;
  {
    std::scoped_lock guard(mutex_);
    tasks_ended_ = true;
  }
  end_when_silent();
}

// The user's functions are called no more when close() has completed: it waits for the last report.
COKAFKA_DECL void engine::end_when_silent() {
  waiter_list closing;
  {
    std::scoped_lock guard(mutex_);
    if (reports_pending_ > 0 || std::exchange(closed_, true)) return;
    for (auto& each : closers_) static_cast<operation_waiter&>(each).failure = close_failure_;
    closing.splice(closing.end(), closers_);
  }
  waiter_list done = accumulator_.flushes.abandon();
  done.splice(done.end(), closing);
  // Not by is_linked(): a flush that has ended is in a list that another thread is working on.
  const auto drained = std::find_if(done.begin(), done.end(), [&](waiter& each) { return &each == drained_.get(); });
  if (drained != done.end()) done.erase(drained);
  post_waiters(done);
}

// --- the execution context is being destroyed, or what was posted for the end never ran ------------------------------

// Every stored handler is destroyed without being called. Nothing may stay linked: a waiter owns what it waits for.
COKAFKA_DECL void engine::drop() noexcept {
  if (dead_.exchange(true)) return;
  accumulator_.close();
  stopping_ = true;
  waiter_list all;
  accumulator_.abandon(all);
  for (topic* each : accumulator_.topics.kept()) {
    for (const auto& partition : each->partitions()) partition->abandon(all);
  }
  waiter_list flushing = accumulator_.flushes.abandon();
  all.splice(all.end(), flushing);
  {
    std::scoped_lock guard(mutex_);
    for (auto& each : watches_) all.push_back(*each.waiting);
    watches_.clear();
    all.splice(all.end(), closers_);
    closed_ = true;
  }
  destroy_waiters(all);
  for (auto& [id, link] : links_) link->shutdown();
  for (auto& link : spare_) link->shutdown();
  control_.shutdown();
  home_.shutdown();
  news_.drop();
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
