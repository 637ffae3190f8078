// SPDX-License-Identifier: BSL-1.0
// Results through a channel.
#include "pre.hpp"

using line = asio::experimental::channel<void(boost::system::error_code, outcome)>;
asio::awaitable<void> use(line& results) {
  auto received = co_await results.async_receive(asio::use_awaitable);
  const bool kept = results.try_send(boost::system::error_code(), received);
  (void)kept;
}
