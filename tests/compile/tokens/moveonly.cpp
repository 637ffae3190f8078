// SPDX-License-Identifier: BSL-1.0
// A handler that can only be moved.
#include "pre.hpp"

void use() {
  SEND([owned = std::make_unique<int>(1)](outcome) {});
}
