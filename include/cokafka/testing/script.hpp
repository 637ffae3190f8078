// SPDX-License-Identifier: BSL-1.0
// What a test wants a broker to do with the next requests instead of answering them well.
// Layer 8.
#ifndef COKAFKA_TESTING_SCRIPT_HPP
#define COKAFKA_TESTING_SCRIPT_HPP

#include "cokafka/detail/base/broker_errors.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/testing/stored.hpp"

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <optional>

namespace cokafka::inline COKAFKA_ABI::testing {

/// On which side of a request's execution (for Produce: of the append) something happens.
enum class moment : std::uint8_t { before, after };

namespace embedded {

/// What is decided for one request when it arrives.
struct request_plan {
  std::optional<broker_errc> error{};
  moment error_at = moment::before;
  std::optional<std::chrono::milliseconds> delay{};
  moment delay_at = moment::before;
  std::optional<moment> drop_at{};
  std::chrono::milliseconds throttle{};
};

/// Rules are used up in the order they were made; one request takes at most one rule of each kind.
/// Thread safety: distinct objects safe.
class script {
 public:
  struct rule {
    api_key api{};
    std::optional<std::int32_t> broker{};  // empty: any
    int times = 1;
    std::optional<broker_errc> error{};
    std::optional<std::chrono::milliseconds> delay{};
    bool drop = false;
    moment at = moment::before;
  };

  void add(const rule& added) {
    if (added.times > 0) rules_.push_back(added);
  }
  /// Until it is set to 0.
  void throttle(api_key api, std::chrono::milliseconds time) { throttles_[api] = time; }
  void clear() noexcept {
    rules_.clear();
    throttles_.clear();
  }

  COKAFKA_DECL request_plan take(api_key api, std::int32_t broker);

 private:
  std::list<rule> rules_;
  std::map<api_key, std::chrono::milliseconds> throttles_;
};

}  // namespace embedded

}  // namespace cokafka::inline COKAFKA_ABI::testing

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/script.ipp"
#endif

#endif
