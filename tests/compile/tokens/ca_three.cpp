// SPDX-License-Identifier: BSL-1.0
// cancel_after as the second argument of send.
#include "pre.hpp"

#if BOOST_VERSION >= 108600
asio::awaitable<void> use() {
  auto sent = co_await shop().send({.topic = "orders", .value = "1"}, asio::cancel_after(1s, asio::deferred));
  (void)sent;
}
#else
#error "this Boost has no cancel_after"
#endif
