// SPDX-License-Identifier: BSL-1.0
// A delivery awaited inside an experimental coro.
#include "pre.hpp"

asio::experimental::coro<void, void> use(asio::io_context&) {
  auto sent = co_await SEND;
  (void)sent;
}
