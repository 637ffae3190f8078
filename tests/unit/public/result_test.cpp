// SPDX-License-Identifier: BSL-1.0
// Results: made from values and errors, passed on by Outcome's macros, thrown by value().
#include "cokafka/result.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <optional>
#include <string>

#include "cokafka/record_metadata.hpp"
#include "support/catch.hpp"

namespace asio = boost::asio;
using cokafka::errc;
using cokafka::result;

namespace {

result<int> half(int number) {
  if (number % 2 != 0) return errc::invalid_record;
  return number / 2;
}

result<void> even(int number) {
  BOOST_OUTCOME_TRY(half(number));
  return cokafka::success();
}

result<std::string> quarter(int number) {
  BOOST_OUTCOME_TRY(auto once, half(number));
  BOOST_OUTCOME_TRY(auto twice, half(once));
  return std::to_string(twice);
}

asio::awaitable<result<int>> half_later(int number) { co_return half(number); }

asio::awaitable<result<std::string>> quarter_later(int number) {
  BOOST_OUTCOME_CO_TRY(auto once, co_await half_later(number));
  BOOST_OUTCOME_CO_TRY(auto twice, co_await half_later(once));
  co_return std::to_string(twice);
}

asio::awaitable<result<void>> even_later(int number) {
  BOOST_OUTCOME_CO_TRY(co_await half_later(number));
  co_return cokafka::success();
}

template <class T>
T run(asio::awaitable<T> work) {
  asio::io_context io;
  std::optional<T> answer;
  asio::co_spawn(io, std::move(work), [&](std::exception_ptr failure, T value) {
    if (failure) std::rethrow_exception(failure);
    answer.emplace(std::move(value));
  });
  io.run();
  return std::move(answer).value();
}

}  // namespace

TEST_CASE("a result is a value or an error", "[public]") {
  const result<int> good = half(4);
  REQUIRE(good);
  CHECK(good.value() == 2);
  const result<int> bad = half(3);
  REQUIRE_FALSE(bad);
  CHECK(bad.has_error());
  CHECK(bad.error() == errc::invalid_record);
}

TEST_CASE("a default-constructed result has no result", "[public]") {
  CHECK(result<int>().error() == errc::no_result);
  CHECK(result<void>().error() == errc::no_result);
  CHECK(result<cokafka::record_metadata>().error() == errc::no_result);
}

TEST_CASE("results are made from codes of both kinds, errors and results of Outcome", "[public]") {
  CHECK(result<int>(cokafka::broker_errc::invalid_topic_exception).error() ==
        cokafka::broker_errc::invalid_topic_exception);
  CHECK(result<void>(cokafka::error(errc::closed)).error() == errc::closed);
  const boost::outcome_v2::result<int, cokafka::error> plain = 7;
  CHECK(result<int>(plain).value() == 7);
  result<void> fine = cokafka::success();
  CHECK(fine);
}

TEST_CASE("a result may hold what can only be moved", "[public]") {
  result<std::unique_ptr<int>> owned = std::make_unique<int>(5);
  const std::unique_ptr<int> taken = std::move(owned).value();
  CHECK(*taken == 5);
}

TEST_CASE("value() of a failure throws the error with its text", "[public]") {
  try {
    (void)half(1).value();
    FAIL("nothing was thrown");
  } catch (const cokafka::exception& thrown) {
    CHECK(thrown.error() == errc::invalid_record);
    CHECK(std::string(thrown.what()) == "the record breaks a rule of its format");
  }
  CHECK_THROWS_AS(even(1).value(), boost::system::system_error);
}

TEST_CASE("OUTCOME_TRY passes a failure on and a value through", "[public]") {
  CHECK(quarter(8).value() == "2");
  CHECK(quarter(6).error() == errc::invalid_record);
  CHECK(even(2));
  CHECK(even(1).error() == errc::invalid_record);
}

TEST_CASE("OUTCOME_CO_TRY does the same inside a coroutine", "[public]") {
  CHECK(run(quarter_later(8)).value() == "2");
  CHECK(run(quarter_later(6)).error() == errc::invalid_record);
  CHECK(run(even_later(2)));
  CHECK(run(even_later(1)).error() == errc::invalid_record);
}

TEST_CASE("a failure keeps its details on the way up", "[public]") {
  const auto fails = []() -> result<int> {
    return cokafka::error(cokafka::error_details{.code = errc::timed_out, .attempts = 4});
  };
  const auto passes = [&]() -> result<void> {
    BOOST_OUTCOME_TRY(fails());
    return cokafka::success();
  };
  CHECK(passes().error().attempts() == 4);
}
