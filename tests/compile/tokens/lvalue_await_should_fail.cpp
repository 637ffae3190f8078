// SPDX-License-Identifier: BSL-1.0
// A named delivery needs std::move: must not compile.
#include "pre.hpp"

asio::awaitable<void> use() {
  auto kept = SEND;
  auto sent = co_await kept;
  (void)sent;
}
