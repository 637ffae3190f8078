// SPDX-License-Identifier: BSL-1.0
// cancel_after around a handler.
#include "pre.hpp"

#if BOOST_VERSION >= 108600
void use() {
  SEND(asio::cancel_after(1s, [](outcome) {}));
}
#else
#error "this Boost has no cancel_after"
#endif
