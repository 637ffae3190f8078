// SPDX-License-Identifier: BSL-1.0
// A type-erased completion handler.
#include "pre.hpp"

void use(asio::any_completion_handler<void(outcome)> handler) { SEND(std::move(handler)); }
