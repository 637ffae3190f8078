// SPDX-License-Identifier: BSL-1.0
// cancel_after around deferred.
#include "pre.hpp"

#if BOOST_VERSION >= 108600
asio::awaitable<void> use() {
  auto sent = co_await SEND(asio::cancel_after(1s, asio::deferred));
  (void)sent;
}
#else
#error "this Boost has no cancel_after"
#endif
