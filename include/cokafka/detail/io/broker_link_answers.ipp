// SPDX-License-Identifier: BSL-1.0
// The reading task of broker_link, and what answers and lost connections do to requests.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_BROKER_LINK_ANSWERS_IPP
#define COKAFKA_DETAIL_IO_BROKER_LINK_ANSWERS_IPP

#include "cokafka/detail/io/broker_link.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL asio::awaitable<void> broker_link::read_responses() {
  error_code ended;
  while (!ended) {
    wire::parsed_frame frame = connection_.parser().next();
    if (frame.status == wire::frame_status::frame) {
      if (!handle_response(frame.body)) ended = make_error_code(errc::invalid_response);
      continue;
    }
    if (frame.status != wire::frame_status::need_more) {
      ended = make_error_code(errc::invalid_response);
      break;
    }
    const auto room = connection_.parser().prepare(4096);
    auto [failed, size] = co_await async_read_some(connection_.transport(), asio::buffer(room.data(), room.size()),
                                                   asio::as_tuple(asio::deferred));
    if (!failed) connection_.parser().commit(size);
    ended = failed;
  }
  // Closed by ourselves (idle, stop, request timeout): what the read says is not the reason.
  if (connection_.is_open() && !last_error_) last_error_ = ended;
  connection_.close();
}

COKAFKA_DECL bool broker_link::handle_response(std::string_view frame) {
  if (host_.rules().acks == 0) return true;  // some fake brokers answer all the same
  wire::reader header(frame);
  const std::int32_t id = header.int32();
  if (!header.ok() || in_flight_.empty() || in_flight_.front()->correlation_id != id) return false;
  messages::produce_response response;
  std::int32_t answered_id = 0;
  if (!messages::decode_response(frame, in_flight_.front()->version, response, answered_id)) return false;
  const clock_time now = host_.env().now();
  const std::shared_ptr<produce_request> answered = in_flight_.front();
  const std::chrono::milliseconds throttle(answered->version >= 6 ? response.throttle_time_ms : 0);
  put_in_order(response, answered->version);
  settle_request(*answered, response, throttle, now);
  in_flight_.pop_front();
  failed_attempts_ = 0;
  last_used_ = now;
  watch_silence(now);
  if (throttle.count() > 0) obey_throttle(throttle, now);
  news_.set();
  return true;
}

COKAFKA_DECL void broker_link::settle_request(produce_request& answered, const messages::produce_response& response,
                                              std::chrono::milliseconds throttle, clock_time now) {
  const backoff_policy again{host_.rules().user.effective_retry_backoff(), host_.rules().user.retry_backoff_max};
  leader_news leaders;
  with_effects([&](effects& out) {
    if (throttle.count() > 0) {
      ++out.counted.throttled_responses;
      out.counted.throttle_time += throttle;
    }
    for (auto& each : answered.batches) {
      partition_queue::answer said;
      said.broker = id_;
      if (const auto* found = find_answer(response, each, answered.version)) {
        said.code = static_cast<broker_errc>(found->error_code);
        said.base_offset = found->base_offset;
        said.log_append_time = found->log_append_time_ms;
        if (found->error_message) said.message = *found->error_message;
        if (!found->record_errors.empty()) said.culprits = culprits_of(*found, *each.what);
        leaders.note(each, *found);
      } else {
        said.cause = make_error_code(errc::invalid_response);
      }
      if (each.moved) {
        each.partition->owner.load(std::memory_order_acquire)->acknowledged_late_soon(*each.partition, each.what, said);
        continue;
      }
      said.backoff = again.delay(each.what->attempts, host_.env().random());
      each.settled = true;
      const verdict judged = each.partition->answered(*each.what, said, now, out);
      if (judged.is_sent_again()) note_retry(each, out);
    }
  });
  for (auto& each : answered.batches) reconsider(*each.partition, now);
  if (leaders.moved.empty()) return;
  leaders.endpoints = response.node_endpoints;
  host_.learn_leaders(std::move(leaders));
}

// What finds no memory on the way is for the next call: nothing leaves the line before all of it has been told.
COKAFKA_DECL void broker_link::lose_requests(error_code why) {
  const clock_time now = host_.env().now();
  const backoff_policy again{host_.rules().user.effective_retry_backoff(), host_.rules().user.retry_backoff_max};
  with_effects([&](effects& out) {
    for (auto& request : in_flight_) {
      for (auto& each : request->batches) {
        if (each.moved || each.settled) continue;
        partition_queue::answer nothing;
        nothing.broker = id_;
        nothing.cause = why;
        nothing.backoff = again.delay(each.what->attempts, host_.env().random());
        each.settled = true;
        const verdict judged = each.partition->answered(*each.what, nothing, now, out);
        if (judged.is_sent_again()) note_retry(each, out);
      }
    }
  });
  while (!in_flight_.empty()) {
    for (auto& each : in_flight_.front()->batches) reconsider(*each.partition, now);
    in_flight_.pop_front();
  }
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
