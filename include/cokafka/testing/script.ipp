// SPDX-License-Identifier: BSL-1.0
// How the rules of a script are used up.
// Layer 8.
#ifndef COKAFKA_TESTING_SCRIPT_IPP
#define COKAFKA_TESTING_SCRIPT_IPP

#include "cokafka/testing/script.hpp"

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

COKAFKA_DECL request_plan script::take(api_key api, std::int32_t broker) {
  request_plan plan;
  for (auto next = rules_.begin(); next != rules_.end();) {
    const auto at = next++;
    rule& candidate = *at;
    if (candidate.api != api || (candidate.broker && *candidate.broker != broker)) continue;
    if (candidate.error && !plan.error) {
      plan.error = candidate.error;
      plan.error_at = candidate.at;
    } else if (candidate.delay && !plan.delay) {
      plan.delay = candidate.delay;
      plan.delay_at = candidate.at;
    } else if (candidate.drop && !plan.drop_at) {
      plan.drop_at = candidate.at;
    } else {
      continue;
    }
    if (--candidate.times == 0) rules_.erase(at);
  }
  if (const auto found = throttles_.find(api); found != throttles_.end()) plan.throttle = found->second;
  return plan;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

#endif
