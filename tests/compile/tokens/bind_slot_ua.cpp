// SPDX-License-Identifier: BSL-1.0
// bind_cancellation_slot around use_awaitable.
#include "pre.hpp"

asio::awaitable<void> use(asio::cancellation_signal& signal) {
  auto sent = co_await SEND(asio::bind_cancellation_slot(signal.slot(), asio::use_awaitable));
  (void)sent;
}
