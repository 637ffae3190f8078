// SPDX-License-Identifier: BSL-1.0
// deferred with a continuation.
#include "pre.hpp"

void use() {
  SEND(asio::deferred([](outcome sent) { return asio::deferred.values(std::move(sent)); }))([](outcome) {});
}
