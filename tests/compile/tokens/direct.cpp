// SPDX-License-Identifier: BSL-1.0
// A delivery awaited as it is.
#include "pre.hpp"

asio::awaitable<void> use() {
  auto sent = co_await SEND;
  (void)sent;
}
