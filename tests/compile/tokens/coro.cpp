// SPDX-License-Identifier: BSL-1.0
// use_coro inside an experimental coro: missing in old Boosts.
#include "pre.hpp"

asio::experimental::coro<void, void> use(asio::io_context&) {
  auto sent = co_await SEND(asio::experimental::use_coro);
  (void)sent;
}
