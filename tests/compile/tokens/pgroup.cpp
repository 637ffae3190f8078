// SPDX-License-Identifier: BSL-1.0
// A delivery in a parallel group.
#include "pre.hpp"

asio::awaitable<void> use(asio::steady_timer& timer) {
  auto all = co_await asio::experimental::make_parallel_group(SEND, timer.async_wait(asio::deferred))
                 .async_wait(asio::experimental::wait_for_one(), asio::deferred);
  (void)all;
}
