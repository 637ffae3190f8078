// SPDX-License-Identifier: BSL-1.0
// An awaited delivery whose result is not looked at.
#include "pre.hpp"

asio::awaitable<void> use() { co_await SEND; }
