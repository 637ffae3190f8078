// SPDX-License-Identifier: BSL-1.0
// Bodies of error.hpp.
// Layer 3.
#ifndef COKAFKA_ERROR_IPP
#define COKAFKA_ERROR_IPP

#include "cokafka/error.hpp"

#include <new>
#include <utility>

namespace cokafka::inline COKAFKA_ABI {

namespace detail {

// Identifiers make two copies of a category (one per shared library) equal.
inline constexpr unsigned long long client_category_id = 0xC0CAF8A0C11E0001u;
inline constexpr unsigned long long broker_category_id = 0xC0CAF8A0B80C0002u;

class client_category_type final : public boost::system::error_category {
 public:
  constexpr client_category_type() noexcept : error_category(client_category_id) {}
  const char* name() const noexcept override { return "cokafka"; }
  std::string message(int value) const override {
    const client_error_row* row = find_client_error(static_cast<errc>(value));
    return row ? std::string(row->meaning) : "unknown client error " + std::to_string(value);
  }
};

class broker_category_type final : public boost::system::error_category {
 public:
  constexpr broker_category_type() noexcept : error_category(broker_category_id) {}
  const char* name() const noexcept override { return "kafka"; }
  std::string message(int value) const override {
    const broker_error_row* row = find_broker_error(static_cast<broker_errc>(value));
    if (!row) return "unknown broker error " + std::to_string(value);
    // Kafka's own spelling first: it is what people search for.
    std::string text(row->name);
    for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return text.append(": ").append(row->meaning);
  }
};

COKAFKA_DECL error_class classify(const boost::system::error_code& code) noexcept {
  if (code.category() == client_category()) return classify(static_cast<errc>(code.value()));
  if (code.category() == broker_category()) return classify(static_cast<broker_errc>(code.value()));
  return error_class::nothing;
}

}  // namespace detail

COKAFKA_DECL const boost::system::error_category& client_category() noexcept {
  static const detail::client_category_type category;
  return category;
}

COKAFKA_DECL const boost::system::error_category& broker_category() noexcept {
  static const detail::broker_category_type category;
  return category;
}

COKAFKA_DECL boost::system::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), client_category()};
}

COKAFKA_DECL boost::system::error_code make_error_code(broker_errc code) noexcept {
  return {static_cast<int>(code), broker_category()};
}

COKAFKA_DECL boost::system::error_code make_error_code(const error& e) noexcept { return e.code(); }

COKAFKA_DECL error::error(error_details details) {
  if (!details.code) details.code = make_error_code(errc::no_result);
  details_.reset(new shared_details(std::move(details)));
}

namespace detail {

// What is not ours, a code of the system say, was met by a connection.
COKAFKA_DECL error make_error(error_details why) noexcept {
  const boost::system::error_code code = why.code;
  const cokafka::fate known = why.fate;
  try {
    return error(std::move(why));
  } catch (const std::bad_alloc&) {
    error made(errc::disconnected);
    if (!code) made = error();
    if (code.category() == client_category()) made = error(static_cast<errc>(code.value()));
    if (code.category() == broker_category()) made = error(static_cast<broker_errc>(code.value()));
    made.known_ = static_cast<std::int8_t>(known);
    return made;
  }
}

}  // namespace detail

COKAFKA_DECL boost::system::error_code error::code() const noexcept {
  if (details_) return details_->details.code;
  return of_broker_ ? make_error_code(static_cast<broker_errc>(code_)) : make_error_code(static_cast<errc>(code_));
}

COKAFKA_DECL std::string error::message() const {
  if (!details_) return code().message();
  const error_details& d = details_->details;
  if (!d.message.empty()) return d.message;
  if (!d.cause || d.cause == d.code) return d.code.message();
  return d.code.message().append(" (").append(d.cause.message()).append(")");
}

COKAFKA_DECL cokafka::fate error::fate() const noexcept {
  if (details_) return details_->details.fate;
  if (known_ >= 0) return static_cast<cokafka::fate>(known_);
  if (of_broker_) return detail::fate_of_answer(static_cast<broker_errc>(code_), true);
  const detail::client_error_row* row = detail::find_client_error(static_cast<errc>(code_));
  return row ? row->known : fate::maybe_written;
}

COKAFKA_DECL std::uint32_t error::attempts() const noexcept { return details_ ? details_->details.attempts : 0; }

COKAFKA_DECL std::optional<std::int32_t> error::broker() const noexcept {
  return details_ ? details_->details.broker : std::nullopt;
}

COKAFKA_DECL std::chrono::milliseconds error::elapsed() const noexcept {
  return details_ ? details_->details.elapsed : std::chrono::milliseconds{};
}

COKAFKA_DECL boost::system::error_code error::cause() const noexcept {
  return details_ ? details_->details.cause : boost::system::error_code();
}

COKAFKA_DECL bool error::is_retriable() const noexcept {
  return detail::has(detail::classify(code()), detail::error_class::retriable);
}

COKAFKA_DECL bool error::is_abortable() const noexcept {
  return detail::has(detail::classify(code()), detail::error_class::abortable);
}

COKAFKA_DECL bool error::is_fatal() const noexcept {
  return detail::has(detail::classify(code()), detail::error_class::fatal);
}

COKAFKA_DECL exception::exception(cokafka::error e)
    : boost::system::system_error(e.code()), error_(std::move(e)), text_(error_.message()) {}

COKAFKA_DECL config_error::config_error(cokafka::error e) : std::invalid_argument(e.message()), error_(std::move(e)) {}

COKAFKA_DECL void outcome_throw_as_system_error_with_payload(error e) { throw exception(std::move(e)); }

}  // namespace cokafka::inline COKAFKA_ABI

#endif
