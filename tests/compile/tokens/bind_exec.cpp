// SPDX-License-Identifier: BSL-1.0
// A handler with an executor of its own.
#include "pre.hpp"

void use(asio::io_context& context) {
  SEND(asio::bind_executor(context, [](outcome) {}));
}
