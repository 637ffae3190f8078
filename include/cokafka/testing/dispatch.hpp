// SPDX-License-Identifier: BSL-1.0
// From the bytes of a request to the bytes of its answer, without waiting and without I/O.
// Layer 8.
#ifndef COKAFKA_TESTING_DISPATCH_HPP
#define COKAFKA_TESTING_DISPATCH_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/codec.hpp"
#include "cokafka/testing/handlers.hpp"
#include "cokafka/testing/script.hpp"

#include <string>
#include <string_view>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

/// A request whose header has been read.
struct arrived_request {
  messages::request_header header{};
  std::string_view body{};  // into the frame
  request_plan plan{};
};

/// Reads the header, notes the request and takes what is scripted for it. False: close the connection.
COKAFKA_DECL bool arrive(exchange& e, std::string_view frame, arrived_request& request);

/// Executes the request; `out` gets a whole frame where the reaction is to answer.
COKAFKA_DECL reaction handle(exchange& e, const arrived_request& request, std::string& out);

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/dispatch.ipp"
#endif

#endif
