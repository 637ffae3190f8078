// SPDX-License-Identifier: BSL-1.0
// A spawned coroutine that returns a result, detached.
#include "pre.hpp"

void use(asio::io_context& context) {
  asio::co_spawn(
      context, []() -> asio::awaitable<outcome> { co_return co_await SEND; }, asio::detached);
}
