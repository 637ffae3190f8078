// SPDX-License-Identifier: BSL-1.0
// One client's connection to one broker: requests are taken one at a time, in order.
// Layer 8.
#ifndef COKAFKA_TESTING_CONNECTION_HPP
#define COKAFKA_TESTING_CONNECTION_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/io/environment.hpp"
#include "cokafka/detail/io/stream.hpp"
#include "cokafka/detail/wire/frame_parser.hpp"
#include "cokafka/testing/dispatch.hpp"
#include "cokafka/testing/handlers.hpp"

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

class cluster_core;

/// Lives as long as its task. As on a real broker, nothing is read while a request is executed, delayed or throttled,
/// and requests that were read before the client closed are still executed. Everything on the cluster's strand.
class connection {
 public:
  COKAFKA_DECL connection(std::shared_ptr<cluster_core> core, std::unique_ptr<detail::stream> accepted,
                          std::int32_t broker, std::uint32_t generation);

  /// The task: serves until the peer, an illegal frame or the broker's stop ends it.
  COKAFKA_DECL static detail::asio::awaitable<void> run(std::shared_ptr<connection> self);

  COKAFKA_DECL bool is_alive() const;
  /// Ends what the task waits for.
  COKAFKA_DECL void close();
  void wake() { timer_->cancel(); }

 private:
  COKAFKA_DECL detail::asio::awaitable<void> serve_all();
  COKAFKA_DECL detail::asio::awaitable<bool> read_more();
  COKAFKA_DECL detail::asio::awaitable<bool> serve(std::string_view frame);
  COKAFKA_DECL detail::asio::awaitable<reaction> execute(exchange& e, const arrived_request& request);
  COKAFKA_DECL detail::asio::awaitable<bool> write();
  COKAFKA_DECL detail::asio::awaitable<void> pause_until(detail::clock_time at);
  COKAFKA_DECL detail::asio::awaitable<void> sleep(std::chrono::milliseconds time);
  COKAFKA_DECL detail::asio::awaitable<void> until_thawed();

  std::shared_ptr<cluster_core> core_;
  std::unique_ptr<detail::stream> stream_;
  std::unique_ptr<detail::timer> timer_;
  const std::int32_t broker_;
  const std::uint32_t generation_;
  detail::wire::frame_parser parser_;
  client_software client_;
  std::string out_;
  std::array<detail::asio::const_buffer, 1> out_buffers_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/connection.ipp"
#endif

#endif
