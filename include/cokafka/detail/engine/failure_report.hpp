// SPDX-License-Identifier: BSL-1.0
// What is posted to show a user the failed records that nobody waits for.
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_FAILURE_REPORT_HPP
#define COKAFKA_DETAIL_ENGINE_FAILURE_REPORT_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/unheard.hpp"

#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

class engine;

/// Shows its records in their order; after 256 of them the rest is posted again, so that nobody else starves. The
/// batches that it keeps give their memory back to the engine, which therefore goes after them.
class failure_report {
 public:
  failure_report(std::shared_ptr<engine> core, std::vector<unheard_records>&& all) : core_(std::move(core)) {
    for (auto& each : all) rest_.emplace_back(std::move(each));
  }
  failure_report(failure_report&&) noexcept = default;

  void operator()();

 private:
  std::shared_ptr<engine> core_;
  std::deque<unheard_cursor> rest_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
