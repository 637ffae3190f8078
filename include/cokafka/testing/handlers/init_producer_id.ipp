// SPDX-License-Identifier: BSL-1.0
// InitProducerId: a new producer id for every idempotent producer that asks.
// Layer 8.
#ifndef COKAFKA_TESTING_HANDLERS_INIT_PRODUCER_ID_IPP
#define COKAFKA_TESTING_HANDLERS_INIT_PRODUCER_ID_IPP

#include "cokafka/testing/handlers.hpp"

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

COKAFKA_DECL reaction execute(exchange& e, const messages::init_producer_id_request& request,
                              messages::init_producer_id_response& response) {
  if (request.transactional_id) {
    const bool empty = request.transactional_id->empty();
    return refuse(request, empty ? broker_errc::invalid_request : broker_errc::coordinator_not_available, response);
  }
  // Without a transactional id the real broker ignores the id and epoch that a client had before, too.
  response.producer_id = e.cluster.next_producer_id++;
  response.producer_epoch = 0;
  return reaction::answer;
}

COKAFKA_DECL reaction refuse(const messages::init_producer_id_request&, broker_errc error,
                             messages::init_producer_id_response& response) {
  response = {};
  response.error_code = code_of(error);
  return reaction::answer;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
