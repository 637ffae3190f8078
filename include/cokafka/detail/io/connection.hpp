// SPDX-License-Identifier: BSL-1.0
// One connection to a broker: connect, agree on versions, and calls of one request and its answer.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_CONNECTION_HPP
#define COKAFKA_DETAIL_IO_CONNECTION_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/host_port.hpp"
#include "cokafka/detail/core/api_versions_known.hpp"
#include "cokafka/detail/core/deadline_kind.hpp"
#include "cokafka/detail/core/settings.hpp"
#include "cokafka/detail/io/deadline_timer.hpp"
#include "cokafka/detail/io/environment.hpp"
#include "cokafka/detail/messages/codec.hpp"
#include "cokafka/detail/wire/frame_parser.hpp"
#include "cokafka/error.hpp"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Where a broker listens.
using endpoint = host_port;
/// host:port, with brackets where the host is an IPv6 address.
std::string text_of(const endpoint& at);

/// Legal order of calls: open, then call() any number of times, one at a time, or the stream and the parser used by the
/// tasks of a broker link; close at any time, and open again. Owned by a link or by the engine; belongs to their
/// strand.
class connection {
 public:
  connection(environment& env, asio::any_io_executor strand, const settings& rules, deadline_timer& deadlines,
             const version_caps& caps);

  /// How long it may take to connect, and then to hear which versions the broker speaks.
  struct setup_limits {
    clock_duration connect;
    clock_duration agree;
  };
  /// `attempt` is how many have failed before. Errors: of the system; errc::connection_failed (timed out),
  /// invalid_response, unsupported_version.
  asio::awaitable<error_code> open(const endpoint& to, setup_limits limits, std::uint32_t attempt);

  /// One request and its answer within `timeout`. After an error the connection is closed.
  template <class Request>
  asio::awaitable<error_code> call(const Request& request, typename Request::response_type& response,
                                   clock_duration timeout) {
    const auto version = versions_.newest(Request::key);
    if (!version) co_return make_error_code(errc::unsupported_version);
    co_return co_await exchange(request, *version, response, timeout);
  }

  void close() noexcept;
  /// Connected, and the versions are agreed on.
  bool is_open() const noexcept { return ready_; }
  /// The execution context is being destroyed: drops everything that refers to it.
  void shutdown() noexcept {
    open_ = ready_ = false;
    stream_.reset();
    strand_ = asio::any_io_executor();
  }
  /// The timer says that connect or call took too long.
  void timed_out() noexcept;

  std::int32_t next_correlation_id() noexcept { return correlation_id_++; }
  const api_versions_known& versions() const noexcept { return versions_; }
  stream& transport() noexcept { return *stream_; }
  wire::frame_parser& parser() noexcept { return parser_; }

 private:
  asio::awaitable<error_code> negotiate(clock_duration timeout);
  asio::awaitable<error_code> write_frame(std::string_view frame);
  /// The frame is valid until the parser is asked for room.
  asio::awaitable<error_code> read_frame(std::string_view& frame);

  template <class Request>
  asio::awaitable<error_code> exchange(const Request& request, std::int16_t version,
                                       typename Request::response_type& response, clock_duration timeout) {
    const std::int32_t id = next_correlation_id();
    frame_.clear();
    messages::encode_request(frame_, nullptr, request, version, id, rules_.client_id);
    begin_timeout(timeout);
    std::string_view answer;
    error_code failed = co_await write_frame(frame_);
    if (!failed) failed = co_await read_frame(answer);
    end_timeout();
    std::int32_t answered_id = -1;
    if (!failed && (!messages::decode_response(answer, version, response, answered_id) || answered_id != id)) {
      failed = make_error_code(errc::invalid_response);
    }
    if (failed) close();
    co_return failed;
  }

  void begin_timeout(clock_duration timeout);
  void end_timeout() noexcept;
  error_code reason(error_code seen) const noexcept;

  environment& env_;
  asio::any_io_executor strand_;
  const settings& rules_;
  deadline_timer& deadlines_;
  const version_caps& caps_;
  std::unique_ptr<stream> stream_;
  wire::frame_parser parser_;
  api_versions_known versions_;
  std::string frame_;
  std::array<asio::const_buffer, 1> single_{};
  deadline_entry timeout_;
  std::int32_t correlation_id_ = 0;
  bool open_ = false;
  bool ready_ = false;
  bool timed_out_ = false;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/io/connection.ipp"
#endif

#endif
