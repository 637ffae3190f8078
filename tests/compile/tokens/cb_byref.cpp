// SPDX-License-Identifier: BSL-1.0
// Handlers that take the result by reference.
#include "pre.hpp"

void use() {
  SEND([](const outcome&) {});
  SEND([](auto&&) {});
}
