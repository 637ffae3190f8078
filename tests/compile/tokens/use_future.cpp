// SPDX-License-Identifier: BSL-1.0
// The use_future token.
#include "pre.hpp"

void use() {
  auto waiting = SEND(asio::use_future);
  waiting.get().value();
}
