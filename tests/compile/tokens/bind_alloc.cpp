// SPDX-License-Identifier: BSL-1.0
// A handler with an allocator of its own.
#include "pre.hpp"

void use() {
  SEND(asio::bind_allocator(std::allocator<int>(), [](outcome) {}));
}
