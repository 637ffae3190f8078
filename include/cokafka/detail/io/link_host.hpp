// SPDX-License-Identifier: BSL-1.0
// What a broker link needs of the engine that owns it.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_LINK_HOST_HPP
#define COKAFKA_DETAIL_IO_LINK_HOST_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/accumulator.hpp"
#include "cokafka/detail/core/api_versions_known.hpp"
#include "cokafka/detail/core/effects.hpp"
#include "cokafka/detail/core/leader_news.hpp"
#include "cokafka/detail/core/settings.hpp"
#include "cokafka/detail/io/environment.hpp"
#include "cokafka/logger.hpp"

#include <memory>
#include <optional>
#include <string>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Implemented by the engine. All functions may be called from any strand, under no lock.
class link_host {
 public:
  /// Posts completed handlers, writes log lines, passes news on.
  virtual void carry_out(effects& wanted) = 0;
  /// The cluster metadata is out of date.
  virtual void want_metadata() = 0;
  /// An answer named new leaders.
  virtual void learn_leaders(leader_news news) = 0;
  /// The producer id, when there is one.
  virtual std::optional<producer_identity> identity() const = 0;
  /// A partition cannot go on without a producer id, or without another one than `used_up`. False where nobody will
  /// look (attention_listener).
  virtual bool want_identity(std::optional<std::int64_t> used_up) noexcept = 0;
  /// Circumstances under which nobody lingers: a flush, close, memory that is waited for.
  virtual drain_conditions conditions() const = 0;
  /// A link has connected, or has failed to.
  virtual void link_changed() = 0;
  /// The tasks of a link have ended after stop().
  virtual void link_ended() = 0;
  /// Keeps the engine alive while a task runs; null when it is being destroyed.
  virtual std::shared_ptr<link_host> keep_alive() = 0;

  virtual environment& env() noexcept = 0;
  virtual const settings& rules() const noexcept = 0;
  virtual const version_caps& caps() const noexcept = 0;
  virtual bool is_logged(log_level level) const noexcept = 0;
  /// One line for the user's sink, which is never called on a strand: the line is posted.
  virtual void say(log_level level, std::string line) noexcept = 0;

 protected:
  ~link_host() = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
