// SPDX-License-Identifier: BSL-1.0
// A handler with a cancellation slot.
#include "pre.hpp"

void use(asio::cancellation_signal& signal) {
  SEND(asio::bind_cancellation_slot(signal.slot(), [](outcome) {}));
}
