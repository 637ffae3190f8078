// SPDX-License-Identifier: BSL-1.0
// as_tuple without an inner token.
#include "pre.hpp"

asio::awaitable<void> use() {
  auto [sent] = co_await SEND(asio::as_tuple);
  (void)sent;
}
