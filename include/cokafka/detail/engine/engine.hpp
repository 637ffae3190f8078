// SPDX-License-Identifier: BSL-1.0
// The core of one producer: bootstrap, metadata, producer id, routing of partitions to broker strands, flush and close.
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_ENGINE_HPP
#define COKAFKA_DETAIL_ENGINE_ENGINE_HPP

#include "cokafka/config.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/accumulator.hpp"
#include "cokafka/detail/core/cluster_metadata.hpp"
#include "cokafka/detail/core/if_memory.hpp"
#include "cokafka/detail/core/metadata_schedule.hpp"
#include "cokafka/detail/core/settings.hpp"
#include "cokafka/detail/core/throttled_brokers.hpp"
#include "cokafka/detail/engine/engine_service.hpp"
#include "cokafka/detail/engine/failure_report.hpp"
#include "cokafka/detail/engine/home_keeper.hpp"
#include "cokafka/detail/io/broker_link.hpp"
#include "cokafka/detail/io/connection.hpp"
#include "cokafka/detail/io/event.hpp"
#include "cokafka/detail/io/link_host.hpp"
#include "cokafka/detail/io/waiter_op.hpp"
#include "cokafka/metrics.hpp"
#include "cokafka/partition_info.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// What only tests and simulations choose.
struct engine_options {
  std::shared_ptr<environment> env{};  // null: the machine's
  version_caps caps{};
  std::int32_t first_sequence = 0;  // see settings
};

/// Waits for the metadata of a topic; with `warm` also for connections to its leaders and for the producer id.
class topic_waiter : public operation_waiter {
 public:
  std::vector<partition_info> partitions{};

 protected:
  ~topic_waiter() = default;
};

///   producer, topic_handle --send--> accumulator --wake--> broker_link (one strand per broker)
///                                        |                      ^
///                                        +--attention--> home strand: control task (metadata, producer id)
///
/// Shared by the handle, the topic handles and every task that runs. Thread safety: the functions of the first group
/// may be called from any thread; everything else happens on the home strand.
class engine final : public link_host,
                     public attention_listener,
                     public context_member,
                     public delivery_host,
                     public std::enable_shared_from_this<engine> {
 public:
  static std::shared_ptr<engine> make(asio::any_io_executor executor, const config& user, engine_options options);
  engine(asio::any_io_executor executor, const config& user, engine_options options);
  ~engine();

  // --- any thread ----------------------------------------------------------------------------------------------------

  send_outcome send(const record_view& record, topic* to) { return accumulator_.send(record, to, env_->now()); }
  result<send_outcome> try_send(const record_view& record, topic* to) {
    return accumulator_.try_send(record, to, env_->now());
  }
  /// The topic, known or not; null when the name is not legal.
  topic_ptr find_topic(std::string_view name);
  accumulator::outstanding_total outstanding() { return accumulator_.outstanding(); }
  /// For invariants, in one thread: how many batches of one partition are in flight at most.
  std::size_t most_in_flight() {
    std::size_t most = 0;
    for (const topic* each : accumulator_.topics.kept()) {
      for (const auto& partition : each->partitions()) most = std::max(most, partition->in_flight());
    }
    return most;
  }
  /// Of `buffer.memory`: what batches hold, open or in flight.
  std::size_t memory_in_use() const noexcept { return accumulator_.memory.held(); }
  /// Of `parked.memory`.
  std::size_t parked_bytes() const noexcept { return accumulator_.parked_bytes(); }

  // Each links the waiter, or posts it at once where there is nothing to wait for.
  void flush(operation_waiter& waiting);
  void flush_for(operation_waiter& waiting, std::chrono::milliseconds timeout);
  void wait_for_space(operation_waiter& waiting, std::size_t bytes);
  void watch_partitions(topic_waiter& waiting, const std::string& name) { watch_topic(waiting, name, false); }
  void watch_until_warm(topic_waiter& waiting, const std::string& name) { watch_topic(waiting, name, true); }
  void close(operation_waiter& waiting, std::chrono::milliseconds timeout);
  // Each is true when the waiter was still linked: it ends with errc::cancelled.
  bool cancel_flush(operation_waiter& waiting);
  bool cancel_space(operation_waiter& waiting);
  bool cancel_watch(topic_waiter& waiting);
  bool cancel_close(operation_waiter& waiting);

  /// Everything that is not answered fails with errc::purged, soon.
  void purge();
  bool withdraw(completion& of, record_waiter& asked) override;
  void let_go(completion& of, const record_ticket& ticket) noexcept override;
  metrics_snapshot metrics() const;

  /// The handle is gone: nothing is waited for, what is left fails.
  void abandon() noexcept;
  /// How often a timer of this producer has fired.
  std::uint64_t timer_wake_ups();
  const operation_home_ptr& home() const noexcept { return operations_; }

  // --- link_host, attention_listener ---------------------------------------------------------------------------------
  void carry_out(effects& wanted) override;
  void want_metadata() override;
  void learn_leaders(leader_news news) override;
  std::optional<producer_identity> identity() const override;
  bool want_identity(std::optional<std::int64_t> used_up) noexcept override;
  drain_conditions conditions() const override;
  void link_changed() override { attention(); }
  void link_ended() override;
  std::shared_ptr<link_host> keep_alive() override;
  environment& env() noexcept override { return *env_; }
  const settings& rules() const noexcept override { return settings_; }
  const version_caps& caps() const noexcept override { return caps_; }
  bool is_logged(log_level level) const noexcept override { return logger_.enabled(level); }
  void say(log_level level, std::string line) noexcept override;
  bool attention() noexcept override;

  void shutdown() noexcept override { drop(); }

 private:
  struct topic_watch {
    topic_ptr of;
    topic_waiter* waiting;
    bool warm;
    clock_time due;
  };

  struct flush_watch {
    flush_tracker::generation which;
    clock_time due;
  };

  // Control task: one connection of its own, so that it never queues behind Produce (guarantee.md, rule 23).
  void start_control();
  asio::awaitable<void> run_control();
  asio::awaitable<void> ask_cluster();
  asio::awaitable<bool> reach_somebody();
  asio::awaitable<void> refresh_metadata();
  asio::awaitable<void> fetch_identity();
  void refuse_identity(error_code why);
  std::optional<clock_time> next_control_time() const;
  void control_failed(error_code why);
  bool is_stranded(error_code why, bool all_failed, clock_time now) const;
  void rebootstrap(error_code why);
  void note_control_use();
  void close_idle_control(clock_time now);
  std::vector<endpoint> candidates() const;
  messages::metadata_request metadata_request_now();
  clock_duration control_timeout() const;
  void heed_throttle(bool is_before_throttling, std::int32_t milliseconds, clock_time now);
  std::string unreachable_text() const;

  // What an answer changes.
  void apply(const messages::metadata_request& request, messages::metadata_response& response, clock_time now);
  static std::vector<topic_news> left_out(const messages::metadata_request& request,
                                          const messages::metadata_response& response);
  void apply_brokers();
  bool apply_topic(const topic_news& news, clock_time now, effects& out);
  void apply_leaders(const leader_news& news);
  std::unique_ptr<partition_table> route(topic& of, const topic_state& state, bool made_anew);
  partition_owner& owner_for(std::int32_t leader);
  broker_link& make_link(std::int32_t id, const endpoint& at);
  void spare_links();
  bool is_needed(const broker_link& link) const;
  bool is_idle(topic& of, clock_time now);
  void forget_topic(topic& idle);
  static void assign(partition_queue& partition, partition_owner& wanted, bool made_anew);

  // The home strand's round: after anything that senders, links or timers have changed.
  void look_around();
  void handle_deadlines();
  void handle_own_deadline(const deadline_entry& due, clock_time now, effects& out);
  void set_home_deadlines();
  void watch_topic(topic_waiter& waiting, std::string_view name, bool warm);
  void check_watches(clock_time now);
  void check_flushes(clock_time now);
  std::string left_text();
  bool is_warm(const topic_watch& watch);
  void complete_watch(const topic_watch& watch, std::optional<error> failure, waiter_list& out);

  // Failures that nobody waits for.
  friend class failure_report;
  void count(const metrics_snapshot& more);
  void report(effects& wanted);
  void report_unheard(effects& wanted, bool& reports);
  void show_soon(std::vector<unheard_records>&& all, bool& reports);
  void note_refused(completion& of, const record_ticket& ticket) noexcept;
  void show(unheard_cursor& from);
  bool begin_report();
  void report_ended();

  template <class Waiter, class Function>
  static void begin_operation(Waiter& waiting, Function begin);

  // Closing.
  class drained_waiter;
  void drop() noexcept;
  void begin_close(std::chrono::milliseconds timeout);
  void stop_abandoned();
  void stop_everything(error_details why);
  void task_ended();
  void end_when_silent();

  const std::shared_ptr<environment> env_;
  const version_caps caps_;
  const settings settings_;
  const logger logger_;
  const operation_home_ptr operations_;
  accumulator accumulator_;
  home_keeper home_;
  connection control_;
  event news_;
  cluster_metadata metadata_;
  metadata_schedule schedule_;
  std::map<std::int32_t, std::unique_ptr<broker_link>> links_;  // written under mutex_, on the home strand
  std::vector<std::unique_ptr<broker_link>> spare_;             // of brokers that are gone; likewise
  std::vector<endpoint> bootstrap_;

  // Home strand.
  std::vector<endpoint> given_up_;  // brokers that were known when the bootstrap servers were turned to, latest first
  std::size_t candidate_ = 0;
  endpoint asked_;  // of the control connection
  throttled_brokers throttled_;
  std::uint32_t control_failures_ = 0;
  clock_time control_not_before_ = clock_time::min();
  error_code control_error_{};
  std::optional<clock_time> metadata_missing_since_{};  // when it was asked for in vain first
  clock_time control_used_{};
  bool control_busy_ = false;
  bool identity_wanted_ = false;
  std::uint32_t identity_failures_ = 0;
  clock_time identity_not_before_ = clock_time::min();
  bool control_started_ = false;
  bool was_pressed_ = false;  // somebody waited for memory when it was last looked
  bool closing_ = false;
  bool stopping_ = false;
  std::size_t tasks_left_ = 0;
  std::optional<error> close_failure_{};
  deadline_entry control_idle_;
  deadline_entry control_due_;
  deadline_entry parked_due_;
  deadline_entry watch_due_;
  deadline_entry close_due_;
  std::unique_ptr<drained_waiter> drained_;

  // Any thread.
  std::atomic<bool> attention_pending_{false};
  std::atomic<bool> metadata_wanted_{false};
  std::atomic<bool> identity_requested_{false};
  std::atomic<bool> hurry_{false};  // a flush or close has begun: what lingers must be looked at again
  std::atomic<bool> dead_{false};
  std::atomic<bool> abandoned_{false};
  std::atomic<std::uint64_t> refused_unheard_{0};  // sends that failed at once, and whose delivery was dropped
  mutable std::mutex mutex_;
  std::optional<producer_identity> identity_;
  metrics_snapshot totals_{};
  std::vector<topic_watch> watches_;
  std::vector<flush_watch> timed_flushes_;
  waiter_list closers_;
  std::size_t reports_pending_ = 0;  // calls of the user's functions that have not returned
  bool tasks_ended_ = false;
  bool closed_ = false;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/engine/control.ipp"
#include "cokafka/detail/engine/engine.ipp"
#include "cokafka/detail/engine/expiry.ipp"
#include "cokafka/detail/engine/failure_report.ipp"
#include "cokafka/detail/engine/identity.ipp"
#include "cokafka/detail/engine/lifecycle.ipp"
#include "cokafka/detail/engine/routing.ipp"
#include "cokafka/detail/engine/waiting.ipp"
#endif

#endif
