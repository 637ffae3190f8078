// SPDX-License-Identifier: BSL-1.0
// A delivery is no coroutine, co_spawn refuses it: must not compile.
#include "pre.hpp"

void use(asio::io_context& context) { asio::co_spawn(context, SEND, asio::detached); }
