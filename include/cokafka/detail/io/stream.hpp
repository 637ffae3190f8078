// SPDX-License-Identifier: BSL-1.0
// A connection as the tasks see it: connect, read, gather-write, close; TCP, TLS, simulated or a user's tunnel behind
// it. Layer 5.
#ifndef COKAFKA_DETAIL_IO_STREAM_HPP
#define COKAFKA_DETAIL_IO_STREAM_HPP

#include "cokafka/detail/base/config.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace asio = boost::asio;
using boost::system::error_code;

/// Type-erased once per request or read, never per record, so that the tasks are instantiated once. All functions are
/// called on the strand that the stream was made for; handlers complete through their associated executor, never inside
/// the call. At most one read and one write at a time. Buffers stay valid until the handler has run. Thread safety:
/// distinct objects safe.
class stream {
 public:
  using done_handler = asio::any_completion_handler<void(error_code)>;
  using size_handler = asio::any_completion_handler<void(error_code, std::size_t)>;

  virtual ~stream() = default;

  /// Looks the host up and tries its addresses in turn. Not for accepted streams.
  virtual void connect(std::string host, std::uint16_t port, done_handler handler) = 0;
  /// Reads at least one byte; end of stream is asio::error::eof.
  virtual void read_some(asio::mutable_buffer into, size_handler handler) = 0;
  /// Writes all of the buffers, in order. The array that `from` views stays valid until the handler has run.
  virtual void write_all(std::span<const asio::const_buffer> from, size_handler handler) = 0;
  /// Ends the connection; what is pending completes with an error. May be called twice.
  virtual void close() noexcept = 0;
  /// "address:port" of the other end, for messages; empty when not connected.
  virtual std::string remote() const = 0;
};

/// Accepts connections; for the embedded broker.
class listener {
 public:
  using accept_handler = asio::any_completion_handler<void(error_code, std::unique_ptr<stream>)>;

  virtual ~listener() = default;
  /// Where clients connect to.
  virtual std::uint16_t port() const = 0;
  /// The accepted stream belongs to `executor`.
  virtual void accept(asio::any_io_executor executor, accept_handler handler) = 0;
  virtual void close() noexcept = 0;
};

// The same as asynchronous operations: `co_await async_read_some(stream, buffer, as_tuple(deferred))`.

template <class Token>
auto async_connect(stream& on, std::string host, std::uint16_t port, Token&& token) {
  return asio::async_initiate<Token, void(error_code)>(
      [](auto handler, stream* to, std::string name, std::uint16_t at) {
        to->connect(std::move(name), at, std::move(handler));
      },
      token, &on, std::move(host), port);
}

template <class Token>
auto async_read_some(stream& from, asio::mutable_buffer into, Token&& token) {
  return asio::async_initiate<Token, void(error_code, std::size_t)>(
      [](auto handler, stream* source, asio::mutable_buffer buffer) { source->read_some(buffer, std::move(handler)); },
      token, &from, into);
}

template <class Token>
auto async_write_all(stream& to, std::span<const asio::const_buffer> from, Token&& token) {
  return asio::async_initiate<Token, void(error_code, std::size_t)>(
      [](auto handler, stream* sink, std::span<const asio::const_buffer> buffers) {
        sink->write_all(buffers, std::move(handler));
      },
      token, &to, from);
}

template <class Token>
auto async_accept(listener& from, asio::any_io_executor executor, Token&& token) {
  return asio::async_initiate<Token, void(error_code, std::unique_ptr<stream>)>(
      [](auto handler, listener* source, asio::any_io_executor on) {
        source->accept(std::move(on), std::move(handler));
      },
      token, &from, std::move(executor));
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
