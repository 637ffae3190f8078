// SPDX-License-Identifier: BSL-1.0
// The tasks of broker_link: run and write.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_BROKER_LINK_IPP
#define COKAFKA_DETAIL_IO_BROKER_LINK_IPP

#include "cokafka/detail/io/broker_link.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <new>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL broker_link::broker_link(link_host& host, asio::any_io_executor executor, std::int32_t id, endpoint at)
    : partition_keeper(host, asio::make_strand(std::move(executor))),
      id_(id),
      endpoint_(std::move(at)),
      connection_(host.env(), strand_, host.rules(), deadlines_, host.caps()),
      request_timeout_(static_cast<int>(deadline_kind::request_timeout), this),
      idle_close_(static_cast<int>(deadline_kind::idle_close), this),
      backoff_over_(static_cast<int>(deadline_kind::backoff_over), this),
      throttle_over_(static_cast<int>(deadline_kind::throttle_over), this) {}

// --- run -------------------------------------------------------------------------------------------------------------

// Throughout the tasks an awaited value gets a statement of its own: g++ 12 miscompiles `if (co_await a()) co_await
// b();`.
COKAFKA_DECL asio::awaitable<void> broker_link::run() {
  while (!stopping_) {
    if (!has_reason_to_connect()) {
      deadlines_.settle();
      co_await news_.wait(asio::deferred);
      continue;
    }
    try {
      const bool reached = co_await reach();
      if (reached) {
        lose_requests(asio::error::no_memory);  // none, unless that found no memory below
        co_await serve();
      }
    } catch (const std::bad_alloc&) {  // a task's frame, say; what was in flight goes again as after any other loss
      connection_.close();
      retry_connect_at_ = host_.env().now() + clock_duration(host_.rules().user.reconnect_backoff);
      if_memory([&] { lose_requests(asio::error::no_memory); });
    }
  }
  end();
}

// One attempt to connect, or the wait before it. False: ask again.
COKAFKA_DECL asio::awaitable<bool> broker_link::reach() {
  if (host_.env().now() < retry_connect_at_) {
    deadlines_.heap.set(backoff_over_, retry_connect_at_);
    deadlines_.update();
    co_await news_.wait(asio::deferred);
    co_return false;
  }
  const config& user = host_.rules().user;
  const backoff_policy setup{user.effective_connection_setup_timeout(), user.socket_connection_setup_timeout_max};
  const clock_duration timeout = setup.delay(failed_attempts_ + 1, host_.env().random());
  const endpoint to = endpoint_;
  moved_ = false;
  is_connecting_ = true;
  watch_silence(host_.env().now());
  error_code failed = co_await connection_.open(to, {timeout, timeout}, failed_attempts_);
  is_connecting_ = false;
  deadlines_.heap.clear(request_timeout_);
  if (moved_) connection_.close();
  if (stopping_ || moved_) co_return false;
  connect_wanted_ = false;
  const auto version = connection_.versions().newest(messages::api_key::produce);
  if (!failed && !version) failed = make_error_code(errc::unsupported_version);
  if (!failed) {
    produce_version_ = *version;
    co_return true;
  }
  connection_.close();
  last_error_ = failed;
  const backoff_policy again{user.reconnect_backoff, user.effective_reconnect_backoff_max()};
  retry_connect_at_ = host_.env().now() + again.delay(++failed_attempts_, host_.env().random());
  host_.say(log_level::warning, name() + ": cannot be reached: " + failed.message());
  host_.want_metadata();
  host_.link_changed();
  co_return false;
}

COKAFKA_DECL asio::awaitable<void> broker_link::serve() {
  connected_.store(true, std::memory_order_relaxed);
  last_error_ = {};
  last_used_ = host_.env().now();
  host_.say(log_level::info, name() + ": connected, Produce version " + std::to_string(produce_version_));
  host_.link_changed();
  auto alive = host_.keep_alive();
  asio::co_spawn(strand_, read_responses(), [this, alive](std::exception_ptr failed) { reader_has_ended(failed); });
  try {
    co_await write_requests();
  } catch (const std::bad_alloc&) {
    last_error_ = asio::error::no_memory;
  }
  connection_.close();
  co_await reader_ended_.wait(asio::deferred);
  connected_.store(false, std::memory_order_relaxed);
  deadlines_.heap.clear(request_timeout_);
  deadlines_.heap.clear(idle_close_);
  if (std::exchange(moved_, false)) {
    last_error_ = {};
    request_timed_out_ = false;
    lose_requests(make_error_code(errc::disconnected));
    co_return;
  }
  if (in_flight_.empty() && !last_error_) co_return;  // closed because it was idle
  if (!last_error_) last_error_ = make_error_code(errc::disconnected);
  const config& user = host_.rules().user;
  const backoff_policy again{user.reconnect_backoff, user.effective_reconnect_backoff_max()};
  retry_connect_at_ = host_.env().now() + again.delay(++failed_attempts_, host_.env().random());
  say_connection_lost();
  lose_requests(
      make_error_code(std::exchange(request_timed_out_, false) ? errc::request_timed_out : errc::disconnected));
  host_.want_metadata();
}

// --- write -----------------------------------------------------------------------------------------------------------

COKAFKA_DECL asio::awaitable<void> broker_link::write_requests() {
  while (!stopping_ && connection_.is_open()) {
    if (moved_ && in_flight_.empty()) co_return;
    const clock_time now = host_.env().now();
    if (auto request = next_request(now)) {
      const bool written = co_await write(std::move(request));
      if (!written) co_return;
      continue;
    }
    note_idle();
    co_await news_.wait(asio::deferred);
  }
}

COKAFKA_DECL std::shared_ptr<produce_request> broker_link::next_request(clock_time now) {
  const settings& rules = host_.rules();
  if (moved_ || in_flight_.size() >= rules.max_in_flight || throttled_until_ > now) return nullptr;
  if (!queue_.has_candidates(in_flight_.empty())) return nullptr;
  const auto identity = host_.identity();
  const bool is_idle = in_flight_.empty();
  auto request = std::make_shared<produce_request>();
  in_flight_.push_back(request);  // before it takes batches: from now on they are lost with the connection
  try {
    request->batches = queue_.next_request(now, is_idle, conditions(), identity);
  } catch (const std::bad_alloc&) {
    in_flight_.pop_back();
    throw;
  }
  if (request->batches.empty()) in_flight_.pop_back();
  const bool is_identity_asked = !queue_.is_identity_missing() || host_.want_identity(queue_.used_up_id());
  if (!is_identity_asked) throw std::bad_alloc();  // again after the pause that is made for want of memory
  if (request->batches.empty()) return nullptr;
  request->correlation_id = connection_.next_correlation_id();
  request->version = produce_version_;
  if (request->version >= 13 && !has_all_topic_ids(request->batches)) request->version = 12;
  request->written_at = now;
  encode_produce_request(*request, rules);
  note_repeated(*request);
  return request;
}

COKAFKA_DECL asio::awaitable<bool> broker_link::write(std::shared_ptr<produce_request> request) {
  if (in_flight_.front() == request) watch_silence(request->written_at);
  deadlines_.update();
  write_buffers_.clear();
  for (const auto& part : request->gather) write_buffers_.emplace_back(part.data(), part.size());
  auto [failed, written] =
      co_await async_write_all(connection_.transport(), write_buffers_, asio::as_tuple(asio::deferred));
  (void)written;
  last_used_ = host_.env().now();
  if (failed) {
    if (!last_error_) last_error_ = failed;
    co_return false;
  }
  if (host_.rules().acks == 0 && !in_flight_.empty() && in_flight_.back() == request) {
    in_flight_.pop_back();
    failed_attempts_ = 0;
    deadlines_.heap.clear(request_timeout_);
    effects out;
    for (auto& each : request->batches) each.partition->written_unacknowledged(*each.what, out);
    carry_out(out);
    for (auto& each : request->batches) reconsider(*each.partition, last_used_);
  }
  co_return true;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
