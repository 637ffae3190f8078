// SPDX-License-Identifier: BSL-1.0
// A spawned coroutine that returns the metadata or throws.
#include "pre.hpp"

void use(asio::io_context& context) {
  asio::co_spawn(
      context, []() -> asio::awaitable<ck::record_metadata> { co_return (co_await SEND).value(); }, asio::detached);
}
