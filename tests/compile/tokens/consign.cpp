// SPDX-License-Identifier: BSL-1.0
// A handler that keeps something alive.
#include "pre.hpp"

void use() {
  SEND(asio::consign([](outcome) {}, std::make_shared<int>(1)));
}
