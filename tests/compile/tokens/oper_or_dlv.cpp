// SPDX-License-Identifier: BSL-1.0
// A bare delivery is no operand of ||: must not compile.
#include "pre.hpp"

using namespace asio::experimental::awaitable_operators;
asio::awaitable<void> use(asio::steady_timer& timer) {
  auto first = co_await (SEND || timer.async_wait(asio::use_awaitable));
  (void)first;
}
