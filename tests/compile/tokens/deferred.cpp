// SPDX-License-Identifier: BSL-1.0
// The deferred token.
#include "pre.hpp"

asio::awaitable<void> use() {
  auto sent = co_await SEND(asio::deferred);
  (void)sent;
}
