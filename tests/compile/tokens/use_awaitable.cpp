// SPDX-License-Identifier: BSL-1.0
// The use_awaitable token.
#include "pre.hpp"

asio::awaitable<void> use() {
  auto sent = co_await SEND(asio::use_awaitable);
  (void)sent;
}
