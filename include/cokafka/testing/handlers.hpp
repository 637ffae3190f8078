// SPDX-License-Identifier: BSL-1.0
// What a broker does with a decoded request: one function and one file per API, none of which waits or does I/O.
// Layer 8.
#ifndef COKAFKA_TESTING_HANDLERS_HPP
#define COKAFKA_TESTING_HANDLERS_HPP

#include "cokafka/detail/base/broker_errors.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/io/environment.hpp"
#include "cokafka/detail/messages/api_versions.hpp"
#include "cokafka/detail/messages/create_topics.hpp"
#include "cokafka/detail/messages/fetch.hpp"
#include "cokafka/detail/messages/find_coordinator.hpp"
#include "cokafka/detail/messages/init_producer_id.hpp"
#include "cokafka/detail/messages/list_offsets.hpp"
#include "cokafka/detail/messages/metadata.hpp"
#include "cokafka/detail/messages/produce.hpp"
#include "cokafka/testing/cluster_state.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace messages = detail::messages;

/// What becomes of a request.
enum class reaction : std::uint8_t {
  answer,   // the response is sent
  silence,  // executed, nothing is sent (acks=0)
  close,    // the connection ends without an answer
  wait      // not yet: execute it again when something was appended or `wait_at_most` is over
};

/// What a connection has told of its client.
struct client_software {
  std::string name;
  std::string version;
};

/// One request while it is handled.
struct exchange {
  cluster_state& cluster;
  detail::environment& environment;
  client_software& client;
  std::int32_t broker = 0;
  std::int16_t version = 0;
  bool waited_enough = false;                // in: a waiting request has to be answered now
  bool appended = false;                     // out: readers may have something to fetch
  std::chrono::milliseconds wait_at_most{};  // out, with reaction::wait
  std::deque<std::string> storage{};         // what views in the response point to
};

constexpr std::int16_t code_of(broker_errc error) noexcept { return static_cast<std::int16_t>(error); }

inline std::int64_t wall_ms(const detail::environment& environment) {
  const auto since = environment.wall_now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

inline detail::wire::uuid random_id(detail::environment& environment) {
  const std::uint64_t high = environment.random();
  return detail::wire::uuid::from_halves(high | 1U, environment.random());
}

// Executes a request that is well formed and of a version that is served.
COKAFKA_DECL reaction execute(exchange&, const messages::api_versions_request&, messages::api_versions_response&);
COKAFKA_DECL reaction execute(exchange&, const messages::create_topics_request&, messages::create_topics_response&);
COKAFKA_DECL reaction execute(exchange&, const messages::fetch_request&, messages::fetch_response&);
COKAFKA_DECL reaction execute(exchange&, const messages::find_coordinator_request&,
                              messages::find_coordinator_response&);
COKAFKA_DECL reaction execute(exchange&, const messages::init_producer_id_request&,
                              messages::init_producer_id_response&);
COKAFKA_DECL reaction execute(exchange&, const messages::list_offsets_request&, messages::list_offsets_response&);
COKAFKA_DECL reaction execute(exchange&, const messages::metadata_request&, messages::metadata_response&);
COKAFKA_DECL reaction execute(exchange&, const messages::produce_request&, messages::produce_response&);

// The response that says `error` of everything that was asked.
COKAFKA_DECL reaction refuse(const messages::api_versions_request&, broker_errc error,
                             messages::api_versions_response&);
COKAFKA_DECL reaction refuse(const messages::create_topics_request&, broker_errc error,
                             messages::create_topics_response&);
COKAFKA_DECL reaction refuse(const messages::fetch_request&, broker_errc error, messages::fetch_response&);
COKAFKA_DECL reaction refuse(const messages::find_coordinator_request&, broker_errc error,
                             messages::find_coordinator_response&);
COKAFKA_DECL reaction refuse(const messages::init_producer_id_request&, broker_errc error,
                             messages::init_producer_id_response&);
COKAFKA_DECL reaction refuse(const messages::list_offsets_request&, broker_errc error,
                             messages::list_offsets_response&);
COKAFKA_DECL reaction refuse(const messages::metadata_request&, broker_errc error, messages::metadata_response&);
COKAFKA_DECL reaction refuse(const messages::produce_request&, broker_errc error, messages::produce_response&);

// The response after all to what has been executed: `error` of everything that was asked. Of a batch that was refused
// a broker has nothing else to tell.
template <class Request>
reaction fail_executed(const Request& request, broker_errc error, typename Request::response_type& response) {
  return refuse(request, error, response);
}
COKAFKA_DECL reaction fail_executed(const messages::produce_request&, broker_errc error, messages::produce_response&);

/// The answer to an ApiVersions request that is newer than the broker.
COKAFKA_DECL messages::api_versions_response too_new(const cluster_state& cluster);

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/handlers/api_versions.ipp"
#include "cokafka/testing/handlers/create_topics.ipp"
#include "cokafka/testing/handlers/fetch.ipp"
#include "cokafka/testing/handlers/find_coordinator.ipp"
#include "cokafka/testing/handlers/init_producer_id.ipp"
#include "cokafka/testing/handlers/list_offsets.ipp"
#include "cokafka/testing/handlers/metadata.ipp"
#include "cokafka/testing/handlers/produce.ipp"
#endif

#endif
