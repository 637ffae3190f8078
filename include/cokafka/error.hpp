// SPDX-License-Identifier: BSL-1.0
// Why an operation failed: a code, its class, what is known of the record, and how often and where it was tried.
// Layer 3.
#ifndef COKAFKA_ERROR_HPP
#define COKAFKA_ERROR_HPP

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "cokafka/detail/base/broker_errors.hpp"
#include "cokafka/detail/base/client_errors.hpp"
#include "cokafka/fate.hpp"

namespace cokafka::inline COKAFKA_ABI {

/// The category of `errc`; its name is "cokafka".
COKAFKA_DECL const boost::system::error_category& client_category() noexcept;

/// The category of `broker_errc`; its name is "kafka".
COKAFKA_DECL const boost::system::error_category& broker_category() noexcept;

COKAFKA_DECL boost::system::error_code make_error_code(errc code) noexcept;
COKAFKA_DECL boost::system::error_code make_error_code(broker_errc code) noexcept;

}  // namespace cokafka::inline COKAFKA_ABI

template <>
struct boost::system::is_error_code_enum<cokafka::errc> : std::true_type {};
template <>
struct boost::system::is_error_code_enum<cokafka::broker_errc> : std::true_type {};

namespace cokafka::inline COKAFKA_ABI {

class error;
struct error_details;

namespace detail {

/// The error of these details; where there is no memory for them, of their code and fate alone.
COKAFKA_DECL error make_error(error_details why) noexcept;

}  // namespace detail

/// What an `error` is made of.
struct error_details {
  boost::system::error_code code{};        ///< without one the error is `errc::no_result`
  std::string message{};                   ///< empty: the meaning of the code, and the cause's when there is one
  cokafka::fate fate = fate::not_written;  ///< not_written must have been proven
  std::uint32_t attempts = 0;              ///< how often the record was written to a socket
  std::optional<std::int32_t> broker{};    ///< the id of the broker of the last attempt
  std::chrono::milliseconds elapsed{};     ///< from `send` to the failure
  boost::system::error_code cause{};       ///< the last thing that went wrong underneath
};

/// Why an operation failed. Cheap to copy: the details are immutable and shared; an error that is only a code allocates
/// nothing. A default-constructed one is `errc::no_result`.
///
/// Thread safety: distinct objects safe, also when they share their details; shared objects safe for reading.
class error {
 public:
  error() noexcept = default;

  /// An error without details. Its fate is not_written only where the code alone proves that; a code of the broker is
  /// taken for the answer to a record's only attempt.
  error(errc code) noexcept : code_(code == errc{} ? no_result : static_cast<int>(code)) {}
  error(broker_errc code) noexcept
      : code_(code == broker_errc::none ? no_result : static_cast<int>(code)), of_broker_(code != broker_errc::none) {}

  explicit error(error_details details);

  /// An `errc`, a `broker_errc`, or a code of the system; never a success.
  boost::system::error_code code() const noexcept;
  std::string message() const;
  cokafka::fate fate() const noexcept;
  std::uint32_t attempts() const noexcept;
  /// The broker of the last attempt, where there was one.
  std::optional<std::int32_t> broker() const noexcept;
  /// From `send` to the failure.
  std::chrono::milliseconds elapsed() const noexcept;
  /// The last thing that went wrong underneath, e.g. the refused connection below a timeout. May be a success: unknown.
  boost::system::error_code cause() const noexcept;

  /// Sending the same again may succeed. See `fate()` for whether it may make a duplicate.
  bool is_retriable() const noexcept;
  /// A transaction that met it can only be aborted.
  bool is_abortable() const noexcept;
  /// Sending again will not help before somebody changes something, e.g. a permission; other topics may go on.
  bool is_fatal() const noexcept;

  friend bool operator==(const error& left, const boost::system::error_code& right) noexcept {
    return left.code() == right;
  }
  friend bool operator==(const error& left, errc right) noexcept { return left.code() == make_error_code(right); }
  friend bool operator==(const error& left, broker_errc right) noexcept {
    return left.code() == make_error_code(right);
  }

 private:
  friend error detail::make_error(error_details why) noexcept;

  struct shared_details : boost::intrusive_ref_counter<shared_details, boost::thread_safe_counter> {
    explicit shared_details(error_details d) : details(static_cast<error_details&&>(d)) {}
    error_details details;
  };

  static constexpr int no_result = static_cast<int>(errc::no_result);

  boost::intrusive_ptr<const shared_details> details_;  // null: only the code below
  int code_ = no_result;
  bool of_broker_ = false;
  std::int8_t known_ = -1;  // the fate, where it is not what the code says
};

/// The code of an error; with it Outcome and `boost::system` know that an error carries one.
COKAFKA_DECL boost::system::error_code make_error_code(const error& e) noexcept;

namespace detail {

/// The class of any code; codes of other categories are `nothing`.
COKAFKA_DECL error_class classify(const boost::system::error_code& code) noexcept;

}  // namespace detail

/// What `result::value()` throws when there is no value.
class exception : public boost::system::system_error {
 public:
  explicit exception(cokafka::error e);
  const cokafka::error& error() const noexcept { return error_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  cokafka::error error_;
  std::string text_;
};

/// What the constructor of a producer throws when its configuration breaks a rule. `what()` names the property, its
/// value and the rule.
class config_error : public std::invalid_argument {
 public:
  explicit config_error(cokafka::error e);
  const cokafka::error& error() const noexcept { return error_; }

 private:
  cokafka::error error_;
};

/// Outcome calls it from `value()`.
[[noreturn]] COKAFKA_DECL void outcome_throw_as_system_error_with_payload(error e);

}  // namespace cokafka::inline COKAFKA_ABI

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/error.ipp"
#endif

#endif
