// SPDX-License-Identifier: BSL-1.0
// as_tuple around use_future: missing in old Boosts.
#include "pre.hpp"

void use() {
  auto waiting = SEND(asio::as_tuple(asio::use_future));
  (void)waiting.get();
}
