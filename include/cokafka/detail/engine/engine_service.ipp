// SPDX-License-Identifier: BSL-1.0
// Bodies of engine_service.
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_ENGINE_SERVICE_IPP
#define COKAFKA_DETAIL_ENGINE_ENGINE_SERVICE_IPP

#include "cokafka/detail/engine/engine_service.hpp"

#include <mutex>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL void engine_service::add(std::weak_ptr<context_member> added, operation_home_ptr home) {
  std::scoped_lock guard(mutex_);
  std::erase_if(members_, [](const member& each) { return each.engine.expired() && each.home->use_count() == 1; });
  members_.push_back({std::move(added), std::move(home)});
}

COKAFKA_DECL void engine_service::shutdown() {
  std::vector<member> all;
  {
    std::scoped_lock guard(mutex_);
    all.swap(members_);
  }
  for (auto& each : all) {
    if (const auto alive = each.engine.lock()) alive->shutdown();
  }
  for (auto& each : all) each.home->executor = asio::any_io_executor();
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
