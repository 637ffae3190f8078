// SPDX-License-Identifier: BSL-1.0
// Which handler takes which request.
// Layer 8.
#ifndef COKAFKA_TESTING_DISPATCH_IPP
#define COKAFKA_TESTING_DISPATCH_IPP

#include "cokafka/testing/dispatch.hpp"

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace dispatch {

template <class Request>
reaction answer(exchange& e, const arrived_request& arrived, std::string& out) {
  Request request;
  typename Request::response_type response;
  if (!messages::decode_request_body(arrived.body, arrived.header.version, request)) return reaction::close;
  const request_plan& plan = arrived.plan;
  reaction result = reaction::answer;
  if (plan.error && plan.error_at == moment::before) {
    result = refuse(request, *plan.error, response);
  } else {
    result = execute(e, request, response);
    const bool executed = result == reaction::answer || result == reaction::silence;
    if (executed && plan.error) result = fail_executed(request, *plan.error, response);
  }
  if (result != reaction::answer) return result;
  response.throttle_time_ms = static_cast<std::int32_t>(plan.throttle.count());
  messages::encode_response(out, response, arrived.header.version, arrived.header.correlation_id);
  return reaction::answer;
}

}  // namespace dispatch

COKAFKA_DECL bool arrive(exchange& e, std::string_view frame, arrived_request& request) {
  if (!messages::decode_request_header(frame, request.header, request.body)) return false;
  const messages::request_header& header = request.header;
  e.version = header.version;
  e.cluster.note({header.key, header.version, e.broker, frame.size(), header.correlation_id, header.client_id,
                  e.client.name, e.client.version});
  request.plan = e.cluster.rules.take(header.key, e.broker);
  return true;
}

COKAFKA_DECL reaction handle(exchange& e, const arrived_request& request, std::string& out) {
  const messages::request_header& header = request.header;
  if (!e.cluster.versions.serves(header.key, header.version)) {
    if (header.key != api_key::api_versions) return reaction::close;
    messages::encode_response(out, too_new(e.cluster), 0, header.correlation_id);
    return reaction::answer;
  }
  switch (header.key) {
    case api_key::api_versions: return dispatch::answer<messages::api_versions_request>(e, request, out);
    case api_key::create_topics: return dispatch::answer<messages::create_topics_request>(e, request, out);
    case api_key::fetch: return dispatch::answer<messages::fetch_request>(e, request, out);
    case api_key::find_coordinator: return dispatch::answer<messages::find_coordinator_request>(e, request, out);
    case api_key::init_producer_id: return dispatch::answer<messages::init_producer_id_request>(e, request, out);
    case api_key::list_offsets: return dispatch::answer<messages::list_offsets_request>(e, request, out);
    case api_key::metadata: return dispatch::answer<messages::metadata_request>(e, request, out);
    case api_key::produce: return dispatch::answer<messages::produce_request>(e, request, out);
    default: return reaction::close;
  }
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
