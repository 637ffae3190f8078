// SPDX-License-Identifier: BSL-1.0
// FindCoordinator: there are no groups here, so that nobody coordinates them.
// Layer 8.
#ifndef COKAFKA_TESTING_HANDLERS_FIND_COORDINATOR_IPP
#define COKAFKA_TESTING_HANDLERS_FIND_COORDINATOR_IPP

#include "cokafka/testing/handlers.hpp"

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

COKAFKA_DECL reaction execute(exchange&, const messages::find_coordinator_request& request,
                              messages::find_coordinator_response& response) {
  return refuse(request, broker_errc::coordinator_not_available, response);
}

COKAFKA_DECL reaction refuse(const messages::find_coordinator_request& request, broker_errc error,
                             messages::find_coordinator_response& response) {
  response = {};
  response.error_code = code_of(error);
  for (const std::string& key : request.coordinator_keys) {
    messages::find_coordinator_response::coordinator answer;
    answer.key_name = key;
    answer.error_code = code_of(error);
    response.coordinators.push_back(std::move(answer));
  }
  return reaction::answer;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
