// SPDX-License-Identifier: BSL-1.0
// Knows every engine of an execution context, so that a context that is destroyed first leaves nothing behind.
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_ENGINE_SERVICE_HPP
#define COKAFKA_DETAIL_ENGINE_ENGINE_SERVICE_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/io/waiter_op.hpp"

#include <algorithm>
#include <boost/asio/execution_context.hpp>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace asio = boost::asio;

/// What the service does to an engine at the end.
class context_member {
 public:
  /// Destroys every stored handler without calling it, and everything that refers to the execution context.
  virtual void shutdown() noexcept = 0;

 protected:
  ~context_member() = default;
};

/// One per execution context, made with the first producer. Without it a stopped io_context would leak: coroutine
/// frames own deliveries, which are waited for in batches, which the engine owns. Thread safety: shared objects safe.
class engine_service : public asio::execution_context::service {
 public:
  using key_type = engine_service;
  static inline asio::execution_context::id id;

  explicit engine_service(asio::execution_context& context) : asio::execution_context::service(context) {}

  void add(std::weak_ptr<context_member> added, operation_home_ptr home);

 private:
  // Deliveries keep the home longer than the engine; its executor must not outlive the context (a strand refers to it).
  struct member {
    std::weak_ptr<context_member> engine;
    operation_home_ptr home;
  };

  void shutdown() override;

  std::mutex mutex_;
  std::vector<member> members_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/engine/engine_service.ipp"
#endif

#endif
