// SPDX-License-Identifier: BSL-1.0
// use_awaitable as the second argument of send.
#include "pre.hpp"

asio::awaitable<void> use() {
  auto sent = co_await shop().send({.topic = "orders"}, asio::use_awaitable);
  (void)sent;
}
