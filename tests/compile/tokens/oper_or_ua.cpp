// SPDX-License-Identifier: BSL-1.0
// A record or a timer, whichever is first.
#include "pre.hpp"

using namespace asio::experimental::awaitable_operators;
asio::awaitable<void> use(asio::steady_timer& timer) {
  auto first = co_await (SEND(asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
  (void)first;
}
