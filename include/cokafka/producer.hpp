// SPDX-License-Identifier: BSL-1.0
// The producer: sends records to Kafka from inside an Asio program.
// Layer 7.
#ifndef COKAFKA_PRODUCER_HPP
#define COKAFKA_PRODUCER_HPP

#include "cokafka/config.hpp"
#include "cokafka/delivery.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/engine/engine.hpp"
#include "cokafka/detail/engine/operations.hpp"
#include "cokafka/metrics.hpp"
#include "cokafka/partition_info.hpp"
#include "cokafka/record.hpp"
#include "cokafka/result.hpp"
#include "cokafka/topic_handle.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/execution_context.hpp>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI {

/// Records that were sent and have not been answered.
struct outstanding_t {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  ///< as encoded, without the headers of batches
};

/// Sends records to a Kafka cluster. It lives in the caller's execution context: no threads of its own, nothing to
/// poll. A connected producer keeps `io_context::run()` going until close() has completed or the producer is destroyed.
///
///     asio::awaitable<void> order(cokafka::producer& producer) {
///       auto sent = co_await producer.send({.topic = "orders", .key = "order-123", .value = "1"});
///       if (!sent) std::cerr << sent.error().message() << '\n';
///     }
///
/// Move-only; a moved-from producer may only be destroyed or assigned. The destructor never blocks: it drops what
/// close() has not flushed (with a logged warning and the count), and the deliveries that wait fail with
/// `errc::closed`. Thread safety: the handle: distinct objects safe. What it stands for: every member function but the
/// special ones may be called from several threads at once.
class producer {
 public:
  using executor_type = asio::any_io_executor;

  /// No I/O happens before the first send. Throws config_error. (Two overloads instead of a default argument: g++ 12
  /// destroys such an argument twice inside a co_await expression.)
  explicit producer(executor_type executor) : producer(std::move(executor), config()) {}
  producer(executor_type executor, config settings)
      : engine_(detail::engine::make(std::move(executor), settings, detail::engine_options())) {}
  template <class Context>
    requires std::convertible_to<Context&, asio::execution_context&>
  explicit producer(Context& context) : producer(executor_type(context.get_executor())) {}
  template <class Context>
    requires std::convertible_to<Context&, asio::execution_context&>
  producer(Context& context, config settings) : producer(executor_type(context.get_executor()), std::move(settings)) {}

  producer(producer&&) noexcept = default;
  producer& operator=(producer&& other) noexcept {
    if (this != &other) {
      if (engine_) engine_->abandon();
      engine_ = std::move(other.engine_);
    }
    return *this;
  }
  ~producer() {
    if (engine_) engine_->abandon();
  }

  executor_type get_executor() const noexcept { return engine_->home()->executor; }

  /// Copies the record into the open batch of its partition, or parks a copy for at most `max.block.ms` where it cannot
  /// be placed yet (topic unknown, buffer full). Never blocks; never throws for run-time failures: those are the
  /// delivery's.
  ///
  /// Errors, at once: errc::closed, invalid_topic, invalid_record, record_too_large (`max.request.size`,
  /// `buffer.memory`), buffer_full (`parked.memory` is used up as well). Later: errc::metadata_timed_out, no_brokers,
  /// buffer_timed_out, unknown_partition, timed_out
  /// (`delivery.timeout.ms`), or the broker's code.
  /// Lifetime: nothing the record points to is needed after the call.
  delivery send(const record_view& record) {
    detail::send_outcome sent = engine_->send(record, nullptr);
    return delivery(engine_->home(), std::move(sent.done), sent.ticket);
  }

  /// The same as `send(record)(token)`: the record is taken in now, also with a lazy token.
  /// Completion signature: `void(result<record_metadata>)`.
  template <asio::completion_token_for<void(result<record_metadata>)> Token>
  auto send(const record_view& record, Token&& token) {
    return send(record)(std::forward<Token>(token));
  }

  /// As send(), but fails at once where send() would have to park. Errors: errc::would_park (metadata), buffer_full,
  /// unknown_partition, and those that send() has at once.
  result<delivery> try_send(const record_view& record) {
    auto sent = engine_->try_send(record, nullptr);
    if (!sent) return sent.error();
    return delivery(engine_->home(), std::move(sent.value().done), sent.value().ticket);
  }

  /// Waits until a record of `bytes` finds room in `buffer.memory`; first come, first served, together with parked
  /// records. A loop that never awaits its deliveries awaits this. Completion signature: `void(result<void>)`. Errors:
  /// errc::buffer_timed_out (`max.block.ms`), record_too_large (more than `buffer.memory`), closed, cancelled.
  /// Cancellation: all types.
  template <asio::completion_token_for<void(result<void>)> Token = asio::deferred_t>
  auto wait_for_space(std::size_t bytes, Token&& token = {}) {
    return asio::async_initiate<Token, void(result<void>)>(detail::space_initiation{engine_}, token, bytes);
  }

  /// Waits until everything that was accepted before the call has been answered; batches do not linger meanwhile.
  /// Succeeds also when some records failed: their deliveries say so. Completion signature: `void(result<void>)`.
  /// Cancellation: all types; stops waiting only. Errors: errc::cancelled.
  template <asio::completion_token_for<void(result<void>)> Token = asio::deferred_t>
  auto flush(Token&& token = {}) {
    return asio::async_initiate<Token, void(result<void>)>(detail::flush_initiation{engine_}, token);
  }

  /// The same for at most `timeout`. Errors: errc::timed_out (the message says how many records and bytes were left;
  /// they live on), cancelled.
  template <asio::completion_token_for<void(result<void>)> Token = asio::deferred_t>
  auto flush(std::chrono::milliseconds timeout, Token&& token = {}) {
    return asio::async_initiate<Token, void(result<void>)>(detail::flush_for_initiation{engine_}, token, timeout);
  }

  /// Gives up on everything that is not answered: those deliveries end soon with `errc::purged`, the fate `not_written`
  /// where no attempt can be in the log, else `maybe_written`. What is in flight cannot be called back: its answer is
  /// awaited, but changes nothing any more. The producer goes on; a record that is sent while this happens may go as
  /// well. (librdkafka's purge with both of its flags; there is no way to purge only one of queue and flight.)
  void purge() { engine_->purge(); }

  /// Accepts no more records, flushes for at most `timeout`, then fails what is left and closes the connections. After
  /// a second call both wait for the same end. Completion signature: `void(result<void>)`. Errors: errc::timed_out
  /// (some records were not acknowledged in time; the message says how many, and their bytes). Cancellation: all types;
  /// stops waiting only.
  template <asio::completion_token_for<void(result<void>)> Token = asio::deferred_t>
  auto close(std::chrono::milliseconds timeout, Token&& token = {}) {
    return asio::async_initiate<Token, void(result<void>)>(detail::close_initiation{engine_}, token, timeout);
  }

  /// The partitions of a topic, from metadata at most `metadata.max.age.ms` old. Completion signature:
  /// `void(result<std::vector<partition_info>>)`. Errors: errc::invalid_topic, metadata_timed_out or no_brokers
  /// (`max.block.ms`), closed, cancelled, or the broker's code. Cancellation: all types.
  template <asio::completion_token_for<void(result<std::vector<partition_info>>)> Token = asio::deferred_t>
  auto partitions_for(std::string_view topic, Token&& token = {}) {
    return asio::async_initiate<Token, void(result<std::vector<partition_info>>)>(
        detail::partitions_initiation{engine_}, token, std::string(topic));
  }

  /// Fetches the topic's metadata and a producer id and connects to the leaders, so that the first record does not wait
  /// for that. Completion signature: `void(result<void>)`. Errors and cancellation as partitions_for().
  template <asio::completion_token_for<void(result<void>)> Token = asio::deferred_t>
  auto warm_up(std::string_view topic, Token&& token = {}) {
    return asio::async_initiate<Token, void(result<void>)>(detail::warm_up_initiation{engine_}, token,
                                                           std::string(topic));
  }

  /// A handle that sends to one topic without looking it up.
  topic_handle topic(std::string_view name) { return topic_handle(engine_, name); }

  /// What has happened so far, in numbers. From any thread.
  metrics_snapshot metrics() const { return engine_->metrics(); }

  /// What was sent and has not been answered, parked records included.
  outstanding_t outstanding() const {
    const auto counted = engine_->outstanding();
    return {counted.records, counted.bytes};
  }

 private:
  friend struct detail::producer_access;
  explicit producer(std::shared_ptr<detail::engine> core) : engine_(std::move(core)) {}

  std::shared_ptr<detail::engine> engine_;
};

namespace detail {

/// For tests and simulations: producers with an environment of their own, and a look behind the handle.
struct producer_access {
  static producer make(asio::any_io_executor executor, const config& settings, engine_options options) {
    return producer(engine::make(std::move(executor), settings, std::move(options)));
  }
  static engine& core(producer& of) { return *of.engine_; }
};

}  // namespace detail

}  // namespace cokafka::inline COKAFKA_ABI

#endif
