// SPDX-License-Identifier: BSL-1.0
// Two records joined by &&.
#include "pre.hpp"

using namespace asio::experimental::awaitable_operators;
asio::awaitable<void> use() {
  auto both = co_await (SEND(asio::use_awaitable) && SEND(asio::use_awaitable));
  (void)both;
}
