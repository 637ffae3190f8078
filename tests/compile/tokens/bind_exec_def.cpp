// SPDX-License-Identifier: BSL-1.0
// bind_executor around deferred.
#include "pre.hpp"

asio::awaitable<void> use(asio::io_context& context) {
  auto sent = co_await SEND(asio::bind_executor(context, asio::deferred));
  (void)sent;
}
