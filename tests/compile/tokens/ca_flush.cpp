// SPDX-License-Identifier: BSL-1.0
// cancel_after for a flush.
#include "pre.hpp"

#if BOOST_VERSION >= 108600
asio::awaitable<void> use() {
  auto flushed = co_await shop().flush(asio::cancel_after(1s));
  (void)flushed;
}
#else
#error "this Boost has no cancel_after"
#endif
