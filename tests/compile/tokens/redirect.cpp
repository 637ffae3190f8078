// SPDX-License-Identifier: BSL-1.0
// redirect_error compiles, and has nothing to redirect.
#include "pre.hpp"

asio::awaitable<void> use() {
  boost::system::error_code code;
  auto sent = co_await SEND(asio::redirect_error(asio::use_awaitable, code));
  (void)sent;
}
