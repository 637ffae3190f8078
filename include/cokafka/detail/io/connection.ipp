// SPDX-License-Identifier: BSL-1.0
// Bodies of connection: the handshake of versions and its fall-back for old brokers.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_CONNECTION_IPP
#define COKAFKA_DETAIL_IO_CONNECTION_IPP

#include "cokafka/detail/io/connection.hpp"

#include "cokafka/version.hpp"

#include <algorithm>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL std::string text_of(const endpoint& at) {
  const bool is_v6 = at.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + at.host + "]" : at.host) + ":" + std::to_string(at.port);
}

COKAFKA_DECL connection::connection(environment& env, asio::any_io_executor strand, const settings& rules,
                                    deadline_timer& deadlines, const version_caps& caps)
    : env_(env),
      strand_(std::move(strand)),
      rules_(rules),
      deadlines_(deadlines),
      caps_(caps),
      parser_(static_cast<std::size_t>(rules.user.receive_message_max_bytes)),
      timeout_(static_cast<int>(deadline_kind::call_timeout), this) {}

COKAFKA_DECL asio::awaitable<error_code> connection::open(const endpoint& to, setup_limits limits,
                                                          std::uint32_t attempt) {
  close();
  timed_out_ = false;
  parser_ = wire::frame_parser(static_cast<std::size_t>(rules_.user.receive_message_max_bytes));
  stream_ = env_.make_stream(strand_, {attempt, rules_.user.send_buffer_bytes, rules_.user.receive_buffer_bytes});
  begin_timeout(limits.connect);
  auto [failed] = co_await async_connect(*stream_, to.host, to.port, asio::as_tuple(asio::deferred));
  end_timeout();
  error_code outcome = reason(failed);
  if (!outcome) {
    open_ = true;
    outcome = co_await negotiate(limits.agree);
  }
  if (outcome) {
    close();
  } else {
    ready_ = open_;
  }
  co_return outcome;
}

// A broker that does not know our version of ApiVersions answers error 35 in the layout of version 0, with the versions
// it knows where it is polite enough; then the same is asked again with one of those (KIP-511).
COKAFKA_DECL asio::awaitable<error_code> connection::negotiate(clock_duration timeout) {
  std::int16_t version = client_versions(messages::api_key::api_versions).max;
  if (const auto cap = caps_.find(messages::api_key::api_versions); cap != caps_.end()) {
    version = std::min(version, cap->second);
  }
  messages::api_versions_request request;
  request.client_software_name = "cokafka";
  request.client_software_version = COKAFKA_VERSION;
  for (;;) {
    messages::api_versions_response response;
    const error_code failed = co_await exchange(request, version, response, timeout);
    if (failed) co_return failed;
    const auto answered = static_cast<broker_errc>(response.error_code);
    if (answered == broker_errc::none) {
      versions_.learn(response, caps_);
      co_return error_code();
    }
    if (answered != broker_errc::unsupported_version || version == 0) co_return make_error_code(answered);
    std::int16_t known = 0;
    for (const auto& each : response.api_keys) {
      if (each.api_key == static_cast<std::int16_t>(messages::api_key::api_versions)) known = each.max_version;
    }
    version = std::clamp<std::int16_t>(known, 0, static_cast<std::int16_t>(version - 1));
  }
}

COKAFKA_DECL asio::awaitable<error_code> connection::write_frame(std::string_view frame) {
  single_[0] = asio::buffer(frame);
  auto [failed, written] = co_await async_write_all(*stream_, single_, asio::as_tuple(asio::deferred));
  (void)written;
  co_return reason(failed);
}

COKAFKA_DECL asio::awaitable<error_code> connection::read_frame(std::string_view& frame) {
  for (;;) {
    if (!stream_) co_return reason(asio::error::operation_aborted);
    const wire::parsed_frame parsed = parser_.next();
    if (parsed.status == wire::frame_status::frame) {
      frame = parsed.body;
      co_return error_code();
    }
    if (parsed.status != wire::frame_status::need_more) co_return make_error_code(errc::invalid_response);
    const auto room = parser_.prepare(4096);
    auto [failed, size] =
        co_await async_read_some(*stream_, asio::buffer(room.data(), room.size()), asio::as_tuple(asio::deferred));
    if (failed) co_return reason(failed);
    parser_.commit(size);
  }
}

COKAFKA_DECL void connection::close() noexcept {
  open_ = ready_ = false;
  end_timeout();
  if (stream_) stream_->close();
}

COKAFKA_DECL void connection::timed_out() noexcept {
  timed_out_ = true;
  if (stream_) stream_->close();
}

COKAFKA_DECL void connection::begin_timeout(clock_duration timeout) {
  deadlines_.heap.set(timeout_, env_.now() + timeout);
  deadlines_.update();
}

COKAFKA_DECL void connection::end_timeout() noexcept { deadlines_.heap.clear(timeout_); }

// What the stream says after we closed it ourselves is not the reason.
COKAFKA_DECL error_code connection::reason(error_code seen) const noexcept {
  if (!seen) return seen;
  if (timed_out_) return make_error_code(open_ ? errc::request_timed_out : errc::connection_failed);
  return seen;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
