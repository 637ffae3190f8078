// SPDX-License-Identifier: BSL-1.0
// Many deliveries in a ranged parallel group.
#include "pre.hpp"

asio::awaitable<void> use(std::vector<ck::delivery> sent) {
  auto all = co_await asio::experimental::make_parallel_group(std::move(sent))
                 .async_wait(asio::experimental::wait_for_all(), asio::deferred);
  (void)all;
}
