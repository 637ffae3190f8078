// SPDX-License-Identifier: BSL-1.0
// The detached token, both ways to pass it.
#include "pre.hpp"

void use() {
  SEND(asio::detached);
  shop().send({.topic = "orders"}, asio::detached);
}
