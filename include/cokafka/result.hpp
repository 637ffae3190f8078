// SPDX-License-Identifier: BSL-1.0
// A value or the reason why there is none.
// Layer 3.
#ifndef COKAFKA_RESULT_HPP
#define COKAFKA_RESULT_HPP

#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/result.hpp>
#include <boost/outcome/try.hpp>
#include <utility>

#include "cokafka/error.hpp"

namespace cokafka::inline COKAFKA_ABI {

/// A value of type T or an `error`. `value()` throws `cokafka::exception` when there is none; `error()` must only be
/// asked when there is none. Default-constructed it is `errc::no_result`, because spawned coroutines, channels and
/// promises make one before the answer arrives.
///
///     BOOST_OUTCOME_CO_TRY(auto metadata, co_await producer.send({.topic = "orders", .value = "1"}));
///
/// (`BOOST_OUTCOME_CO_TRYX` crashes g++ 12.) Thread safety: distinct objects safe; shared objects safe for reading.
template <class T>
class [[nodiscard]] result : public boost::outcome_v2::result<T, error> {
  using base = boost::outcome_v2::result<T, error>;

 public:
  using base::base;
  result() : base(boost::outcome_v2::in_place_type<cokafka::error>, cokafka::error{}) {}
  result(base other) : base(std::move(other)) {}
};

/// What a function that returns `result<void>` returns when all went well: `return success();`.
using boost::outcome_v2::success;

}  // namespace cokafka::inline COKAFKA_ABI

#endif
