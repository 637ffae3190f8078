// SPDX-License-Identifier: BSL-1.0
// as_tuple around use_awaitable.
#include "pre.hpp"

asio::awaitable<void> use() {
  auto [sent] = co_await SEND(asio::as_tuple(asio::use_awaitable));
  (void)sent;
}
