// SPDX-License-Identifier: BSL-1.0
// A future completed through a thread pool.
#include "pre.hpp"

void use(asio::thread_pool& pool) { SEND(asio::bind_executor(pool.get_executor(), asio::use_future)); }
