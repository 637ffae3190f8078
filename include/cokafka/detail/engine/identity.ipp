// SPDX-License-Identifier: BSL-1.0
// Bodies of engine: the producer id, how it is asked for, and what happens where the cluster gives none.
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_IDENTITY_IPP
#define COKAFKA_DETAIL_ENGINE_IDENTITY_IPP

#include "cokafka/detail/engine/engine.hpp"

#include "cokafka/detail/core/backoff.hpp"
#include "cokafka/detail/messages/init_producer_id.hpp"

#include <algorithm>
#include <boost/asio/deferred.hpp>
#include <limits>
#include <mutex>
#include <new>
#include <string>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL std::optional<producer_identity> engine::identity() const {
  std::scoped_lock guard(mutex_);
  return identity_;
}

COKAFKA_DECL bool engine::want_identity(std::optional<std::int64_t> used_up) noexcept {
  const auto have = identity();
  if (have && (!used_up || *used_up != have->id)) return true;
  if (identity_requested_.exchange(true, std::memory_order_acq_rel)) return true;
  if (attention()) return true;
  identity_requested_.store(false, std::memory_order_release);  // who asks next says it again
  return false;
}

COKAFKA_DECL asio::awaitable<void> engine::fetch_identity() {
  messages::init_producer_id_request request;
  request.transaction_timeout_ms = std::numeric_limits<std::int32_t>::max();
  messages::init_producer_id_response response;
  const error_code failed = co_await control_.call(request, response, control_timeout());
  if (stopping_) co_return;
  heed_throttle(control_.versions().newest(messages::api_key::init_producer_id).value_or(0) >= 1,
                response.throttle_time_ms, env_->now());
  const auto answered = static_cast<broker_errc>(response.error_code);
  const bool is_usable = response.producer_id >= 0 && response.producer_epoch >= 0;
  if (!failed && answered == broker_errc::none && is_usable) {
    {
      std::scoped_lock guard(mutex_);
      identity_ = producer_identity{response.producer_id, response.producer_epoch};
    }
    identity_wanted_ = false;
    identity_failures_ = 0;
    control_failures_ = 0;
    identity_requested_.store(false, std::memory_order_release);
    say(log_level::info, "producer id " + std::to_string(response.producer_id));
    for (auto& [id, link] : links_) link->poke();
    check_watches(env_->now());
    co_return;
  }
  error_code why = failed;
  if (!failed)
    why = answered != broker_errc::none ? make_error_code(answered) : make_error_code(errc::invalid_response);
  const backoff_policy again{settings_.user.effective_retry_backoff(), settings_.user.retry_backoff_max};
  const clock_duration pause = again.delay(++identity_failures_, env_->random());
  identity_not_before_ = env_->now() + std::max<clock_duration>(pause, metadata_schedule::shortest_pause);
  const bool is_too_old = why == make_error_code(errc::unsupported_version);
  const bool passes =
      failed ? !is_too_old : answered == broker_errc::none || has(classify(answered), error_class::retriable);
  say(passes ? log_level::warning : log_level::error, "no producer id: " + why.message());
  const bool answers = (!failed || is_too_old) && why != make_error_code(broker_errc::rebootstrap_required);
  if (answers) {  // the next broker may do better, but this one can be reached
    control_.close();
    candidate_ = (candidate_ + 1) % candidates().size();
  } else {
    control_failed(why);
  }
  if (!passes) refuse_identity(why);
}

// The cluster will not give a producer id to this client: a permission is missing, or it is too old. What needs one
// fails instead of waiting; the next record asks again.
COKAFKA_DECL void engine::refuse_identity(error_code why) {
  identity_wanted_ = false;
  identity_requested_.store(false, std::memory_order_release);
  error_details details;
  details.code = why;
  details.message = "no producer id: " + why.message();
  if (why == make_error_code(errc::unsupported_version)) {
    details.message += " (InitProducerId, without which enable.idempotence=true is not possible)";
  }
  for (auto& [id, link] : links_) link->identity_refused_soon(details);
  waiter_list ended;
  {
    std::scoped_lock guard(mutex_);
    std::erase_if(watches_, [&](topic_watch& each) {
      if (each.warm) complete_watch(each, error(details), ended);
      return each.warm;
    });
  }
  post_waiters(ended);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
