// SPDX-License-Identifier: BSL-1.0
// The task of one connection.
// Layer 8.
#ifndef COKAFKA_TESTING_CONNECTION_IPP
#define COKAFKA_TESTING_CONNECTION_IPP

#include "cokafka/testing/connection.hpp"

#include "cokafka/testing/cluster_core.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <mutex>
#include <optional>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

COKAFKA_DECL connection::connection(std::shared_ptr<cluster_core> core, std::unique_ptr<detail::stream> accepted,
                                    std::int32_t broker, std::uint32_t generation)
    : core_(std::move(core)),
      stream_(std::move(accepted)),
      timer_(core_->environment().make_timer(core_->strand())),
      broker_(broker),
      generation_(generation),
      parser_(core_->state.options.max_request_size) {}

COKAFKA_DECL bool connection::is_alive() const { return core_->is_alive(broker_, generation_); }

COKAFKA_DECL void connection::close() {
  stream_->close();
  timer_->cancel();
}

COKAFKA_DECL detail::asio::awaitable<void> connection::run(std::shared_ptr<connection> self) {
  const std::uint64_t number = self->core_->add(self.get());
  try {
    co_await self->serve_all();
  } catch (...) {  // no memory: the client sees its connection end
  }
  self->core_->remove(number);
  self->stream_->close();
}

COKAFKA_DECL detail::asio::awaitable<void> connection::serve_all() {
  while (is_alive()) {
    const detail::wire::parsed_frame frame = parser_.next();
    bool go_on = false;
    if (frame.status == detail::wire::frame_status::frame) {
      go_on = co_await serve(frame.body);
    } else if (frame.status == detail::wire::frame_status::need_more) {
      go_on = co_await read_more();
    }
    if (!go_on) break;
  }
}

COKAFKA_DECL detail::asio::awaitable<bool> connection::read_more() {
  constexpr std::size_t one_read = 16 * 1024;
  co_await until_thawed();
  const std::span<char> room = parser_.prepare(one_read);
  const auto [failed, size] = co_await detail::async_read_some(*stream_, detail::asio::buffer(room.data(), room.size()),
                                                               detail::asio::as_tuple(detail::asio::deferred));
  if (failed) co_return false;
  parser_.commit(size);
  co_return true;
}

COKAFKA_DECL detail::asio::awaitable<bool> connection::serve(std::string_view frame) {
  exchange e{core_->state, core_->environment(), client_, broker_};
  arrived_request request;
  {
    const std::scoped_lock lock(core_->mutex);
    if (!arrive(e, frame, request)) co_return false;
  }
  const request_plan& plan = request.plan;
  if (plan.drop_at == moment::before) co_return false;
  if (plan.delay && plan.delay_at == moment::before) co_await sleep(*plan.delay);
  const reaction result = co_await execute(e, request);
  if (result == reaction::close) co_return false;
  if (plan.delay && plan.delay_at == moment::after) co_await sleep(*plan.delay);
  co_await until_thawed();
  if (plan.drop_at == moment::after || !is_alive()) co_return false;
  if (result == reaction::answer) {
    if (!co_await write()) co_return false;
  }
  // A throttled client is answered at once and then not listened to (KIP-219).
  if (plan.throttle.count() > 0) co_await sleep(plan.throttle);
  co_return true;
}

COKAFKA_DECL detail::asio::awaitable<reaction> connection::execute(exchange& e, const arrived_request& request) {
  std::optional<detail::clock_time> give_up;
  for (;;) {
    co_await until_thawed();
    if (!is_alive()) co_return reaction::close;
    out_.clear();
    e.storage.clear();
    reaction result = reaction::close;
    {
      const std::scoped_lock lock(core_->mutex);
      result = handle(e, request, out_);
    }
    if (e.appended) core_->wake_now();
    if (result != reaction::wait) co_return result;
    if (!give_up) give_up = core_->environment().now() + e.wait_at_most;
    if (core_->environment().now() < *give_up) co_await pause_until(*give_up);
    e.waited_enough = core_->environment().now() >= *give_up;
  }
}

COKAFKA_DECL detail::asio::awaitable<bool> connection::write() {
  out_buffers_[0] = detail::asio::buffer(out_);
  const auto [failed, size] =
      co_await detail::async_write_all(*stream_, std::span<const detail::asio::const_buffer>(out_buffers_),
                                       detail::asio::as_tuple(detail::asio::deferred));
  static_cast<void>(size);
  constexpr std::size_t kept = 64 * 1024;
  if (out_.capacity() > kept) std::string().swap(out_);
  co_return !failed;
}

COKAFKA_DECL detail::asio::awaitable<void> connection::pause_until(detail::clock_time at) {
  co_await detail::async_wait_until(*timer_, at, detail::asio::as_tuple(detail::asio::deferred));
}

COKAFKA_DECL detail::asio::awaitable<void> connection::sleep(std::chrono::milliseconds time) {
  const detail::clock_time until = core_->environment().now() + time;
  while (is_alive() && core_->environment().now() < until) co_await pause_until(until);
}

COKAFKA_DECL detail::asio::awaitable<void> connection::until_thawed() {
  while (is_alive() && core_->is_frozen(broker_)) {
    co_await pause_until(core_->environment().now() + std::chrono::hours(1));
  }
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
