// SPDX-License-Identifier: BSL-1.0
// A topic that has been looked up: sends without a look-up.
// Layer 7.
#ifndef COKAFKA_TOPIC_HANDLE_HPP
#define COKAFKA_TOPIC_HANDLE_HPP

#include "cokafka/delivery.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/engine/engine.hpp"
#include "cokafka/record.hpp"
#include "cokafka/result.hpp"

#include <boost/asio/async_result.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace cokafka::inline COKAFKA_ABI {

/// Made by `producer::topic`. `record_view::topic` is left empty; whatever it says is ignored. Copies share the topic;
/// moving is copying, so that no handle is without one.
/// Lifetime: may outlive its producer, sends fail with `errc::closed` then.
/// Thread safety: shared objects safe.
class topic_handle {
 public:
  topic_handle(const topic_handle&) = default;
  topic_handle& operator=(const topic_handle&) = default;

  std::string_view name() const noexcept { return name_; }

  /// As `producer::send`.
  delivery send(const record_view& record) {
    detail::send_outcome sent = core_->send(with_name(record), topic_);
    return delivery(core_->home(), std::move(sent.done), sent.ticket);
  }
  template <asio::completion_token_for<void(result<record_metadata>)> Token>
  auto send(const record_view& record, Token&& token) {
    return send(record)(std::forward<Token>(token));
  }
  /// As `producer::try_send`.
  result<delivery> try_send(const record_view& record) {
    auto sent = core_->try_send(with_name(record), topic_);
    if (!sent) return sent.error();
    return delivery(core_->home(), std::move(sent.value().done), sent.value().ticket);
  }

 private:
  friend class producer;
  topic_handle(std::shared_ptr<detail::engine> core, std::string_view name)
      : needed_(std::make_shared<const looked_up>(looked_up{core, core->find_topic(name)})),
        core_(core.get()),
        topic_(needed_->topic.get()),
        name_(name) {}

  // The topic goes before the core: its partitions belong to that.
  struct looked_up {
    std::shared_ptr<detail::engine> core;
    detail::topic_ptr topic;
  };

  // A name that is not legal has no topic behind it: the send that uses it says so.
  record_view with_name(const record_view& record) const noexcept {
    record_view named = record;
    named.topic = name_;
    return named;
  }

  std::shared_ptr<const looked_up> needed_;
  detail::engine* core_;
  detail::topic* topic_;
  std::string name_;
};

}  // namespace cokafka::inline COKAFKA_ABI

#endif
