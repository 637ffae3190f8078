// SPDX-License-Identifier: BSL-1.0
// use_promise: started now, awaited later.
#include "pre.hpp"

asio::awaitable<void> use() {
  auto promised = SEND(asio::experimental::use_promise);
  auto sent = co_await std::move(promised)(asio::use_awaitable);
  (void)sent;
}
