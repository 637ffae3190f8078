// SPDX-License-Identifier: BSL-1.0
// The strand of one broker: its connection, its partitions, and the tasks that drain them.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_BROKER_LINK_HPP
#define COKAFKA_DETAIL_IO_BROKER_LINK_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/backoff.hpp"
#include "cokafka/detail/core/deadline_kind.hpp"
#include "cokafka/detail/core/if_memory.hpp"
#include "cokafka/detail/core/partition_queue.hpp"
#include "cokafka/detail/core/produce_queue.hpp"
#include "cokafka/detail/core/produce_request.hpp"
#include "cokafka/detail/io/connection.hpp"
#include "cokafka/detail/io/deadline_timer.hpp"
#include "cokafka/detail/io/event.hpp"
#include "cokafka/detail/io/link_host.hpp"
#include "cokafka/detail/io/partition_keeper.hpp"

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

///   senders --wake--> woken_stack --post--> strand: produce_queue
///                                             |
///   run:    wait for work -> connect -> agree on versions -> serve -> back off -> again
///   writer: next request -> encode -> gather write -> wait for news       (a part of run)
///   reader: read -> match the oldest request -> judge each batch -> news  (beside it)
///
/// Request timeout, linger, retry backoff, delivery deadlines, throttle and idle close are entries of one heap behind
/// one timer. Owned by the engine for its whole life, connected only while there is something to send.
class broker_link final : public partition_keeper {
 public:
  broker_link(link_host& host, asio::any_io_executor executor, std::int32_t id, endpoint at);

  // Any thread.
  void set_endpoint(endpoint at);
  /// Connects although there is nothing to send.
  void connect_soon();
  /// The broker is gone, and nothing is left to be sent to it: the connection ends.
  void let_go();
  /// From now on it is the link of another broker. Precondition: let_go(), and it owns no partition.
  void take_on(std::int32_t id, endpoint at);
  /// Ends the connection and the tasks; then fails what its partitions still hold, and says link_ended().
  void stop(error_details why);
  bool is_connected() const noexcept { return connected_.load(std::memory_order_relaxed); }
  /// The execution context is being destroyed: drops everything that refers to it.
  void shutdown() noexcept;

 private:
  // Tasks.
  void start_running();
  asio::awaitable<void> run();
  asio::awaitable<bool> reach();
  asio::awaitable<void> serve();
  asio::awaitable<void> write_requests();
  asio::awaitable<bool> write(std::shared_ptr<produce_request> request);
  asio::awaitable<void> read_responses();
  void reader_has_ended(const std::exception_ptr& failed);

  // What the tasks obey.
  std::shared_ptr<produce_request> next_request(clock_time now);
  bool handle_response(std::string_view frame);
  void settle_request(produce_request& answered, const messages::produce_response& response,
                      std::chrono::milliseconds throttle, clock_time now);
  void lose_requests(error_code why);
  void say_connection_lost() const;
  void note_retry(const planned_batch& again, effects& out) const;
  void note_repeated(const produce_request& sent);
  void obey_throttle(std::chrono::milliseconds throttle, clock_time now);
  bool has_reason_to_connect();

  void news() override;
  void forget_answers(partition_queue& gone) override;
  stall why_stalled() const noexcept override;
  void handle_deadlines();
  void handle_own_deadline(deadline_kind due, clock_time now);
  clock_time request_due() const noexcept;
  bool is_kept_waiting();
  void watch_silence(clock_time now);
  void note_idle();
  void end();
  std::string name() const;

  std::int32_t id_;
  endpoint endpoint_;
  connection connection_;
  event news_;
  event reader_ended_;
  std::vector<asio::const_buffer> write_buffers_;

  std::deque<std::shared_ptr<produce_request>> in_flight_;  // unanswered, in the order of their writing
  std::int16_t produce_version_ = -1;
  error_code last_error_{};  // of the connection; why nothing moves
  std::uint32_t failed_attempts_ = 0;
  clock_time retry_connect_at_{};
  clock_time throttled_until_{};
  clock_time last_used_{};
  deadline_entry request_timeout_;
  deadline_entry idle_close_;
  deadline_entry backoff_over_;
  deadline_entry throttle_over_;
  bool moved_ = false;  // the connection, or the attempt to connect, is to an address where the broker is no longer
  bool stopping_ = false;
  bool request_timed_out_ = false;
  bool connect_wanted_ = false;
  bool is_connecting_ = false;
  bool started_ = false;
  error_details stop_reason_{};
  std::atomic<bool> connected_{false};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/io/broker_link.ipp"
#include "cokafka/detail/io/broker_link_answers.ipp"
#include "cokafka/detail/io/broker_link_state.ipp"
#endif

#endif
