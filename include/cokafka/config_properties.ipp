// SPDX-License-Identifier: BSL-1.0
// The table of properties, and what reads text into a member and checks one by its row. Part of config.ipp.
// Layer 3.
#ifndef COKAFKA_CONFIG_PROPERTIES_IPP
#define COKAFKA_CONFIG_PROPERTIES_IPP

#include "cokafka/config.hpp"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <utility>
#include <variant>

#include "cokafka/detail/base/property_text.hpp"

namespace cokafka::inline COKAFKA_ABI::detail {

using config_member =
    std::variant<std::string config::*, bool config::*, std::optional<bool> config::*, std::int32_t config::*,
                 std::int64_t config::*, std::chrono::milliseconds config::*, cokafka::acks config::*,
                 cokafka::linger_policy config::*, cokafka::log_level config::*>;

/// One property: its name, where it is kept, and its range if it is a number.
struct config_property {
  std::string_view name;
  config_member member;
  std::int64_t least = 0;
  std::int64_t most = std::numeric_limits<std::int32_t>::max();
};

inline constexpr std::int64_t any_int64 = std::numeric_limits<std::int64_t>::max();
// A hundred years: longer times, which mean "for ever", could not be added to a clock.
inline constexpr std::int64_t for_ever = 3'155'760'000'000;

inline constexpr config_property config_properties[] = {
    {"bootstrap.servers", &config::bootstrap_servers},
    {"client.id", &config::client_id},
    {"acks", &config::acks},
    {"enable.idempotence", &config::enable_idempotence},
    {"retries", &config::retries},
    {"max.in.flight.requests.per.connection", &config::max_in_flight_requests_per_connection, 1},
    {"delivery.timeout.ms", &config::delivery_timeout},
    {"request.timeout.ms", &config::request_timeout},
    {"max.block.ms", &config::max_block, 0, for_ever},
    {"linger.ms", &config::linger},
    {"linger.policy", &config::linger_policy},
    {"batch.size", &config::batch_size},
    {"max.request.size", &config::max_request_size},
    {"buffer.memory", &config::buffer_memory, 0, any_int64},
    {"parked.memory", &config::parked_memory, 0, any_int64},
    {"partitioner.ignore.keys", &config::partitioner_ignore_keys},
    {"metadata.max.age.ms", &config::metadata_max_age, 0, for_ever},
    {"allow.auto.create.topics", &config::allow_auto_create_topics},
    {"retry.backoff.ms", &config::retry_backoff, 0, for_ever},
    {"retry.backoff.max.ms", &config::retry_backoff_max, 0, for_ever},
    {"reconnect.backoff.ms", &config::reconnect_backoff, 0, for_ever},
    {"reconnect.backoff.max.ms", &config::reconnect_backoff_max, 0, for_ever},
    {"socket.connection.setup.timeout.ms", &config::socket_connection_setup_timeout, 1, for_ever},
    {"socket.connection.setup.timeout.max.ms", &config::socket_connection_setup_timeout_max, 1, for_ever},
    {"connections.max.idle.ms", &config::connections_max_idle, -1, for_ever},
    {"send.buffer.bytes", &config::send_buffer_bytes, -1},
    {"receive.buffer.bytes", &config::receive_buffer_bytes, -1},
    {"receive.message.max.bytes", &config::receive_message_max_bytes, 1000},
    {"log.level", &config::log_level},
};

/// librdkafka's other name for a property that means the same.
struct config_alias {
  std::string_view alias;
  std::string_view name;
};

inline constexpr config_alias config_aliases[] = {
    {"metadata.broker.list", "bootstrap.servers"},
    {"request.required.acks", "acks"},
    {"queue.buffering.max.ms", "linger.ms"},
    {"max.in.flight", "max.in.flight.requests.per.connection"},
    {"message.send.max.retries", "retries"},
    {"message.timeout.ms", "delivery.timeout.ms"},
    {"topic.metadata.refresh.interval.ms", "metadata.max.age.ms"},
};

inline const config_property* find_config_property(std::string_view name) noexcept {
  for (const config_alias& row : config_aliases) {
    if (row.alias == name) name = row.name;
  }
  for (const config_property& row : config_properties) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

inline error config_failure(std::string sentence) {
  return error(error_details{.code = make_error_code(errc::config_error), .message = std::move(sentence)});
}

inline error config_failure(std::string_view name, std::string_view value, std::string_view rule) {
  return config_failure(std::string(name).append("=").append(value).append(": ").append(rule));
}

inline std::string range_rule(const config_property& row, std::string_view unit) {
  return std::string("must be a whole number").append(unit).append(" from ") + std::to_string(row.least) + " to " +
         std::to_string(row.most);
}

/// Reads text into one member, as a visitor of its type. A call answers with the rule the text breaks, or with nothing.
class member_reader {
 public:
  member_reader(config& target, const config_property& row, std::string_view text)
      : target_(target), row_(row), text_(text) {}

  std::string operator()(std::string config::*member) const {
    target_.*member = text_;
    return {};
  }
  std::string operator()(bool config::*member) const { return read_switch(member); }
  std::string operator()(std::optional<bool> config::*member) const { return read_switch(member); }
  std::string operator()(std::int32_t config::*member) const { return read_number(member, ""); }
  std::string operator()(std::int64_t config::*member) const { return read_number(member, ""); }
  std::string operator()(std::chrono::milliseconds config::*member) const {
    return read_number(member, " of milliseconds");
  }
  std::string operator()(cokafka::acks config::*member) const {
    if (text_ == "-1") return (target_.*member = acks::all), std::string();
    return read_word(member, {acks::none, acks::leader, acks::all});
  }
  std::string operator()(cokafka::linger_policy config::*member) const {
    return read_word(member, {linger_policy::when_busy, linger_policy::always});
  }
  std::string operator()(cokafka::log_level config::*member) const {
    return read_word(member, {log_level::trace, log_level::debug, log_level::info, log_level::warning, log_level::error,
                              log_level::off});
  }

 private:
  template <class Member>
  std::string read_switch(Member member) const {
    const auto value = parse_switch(text_);
    if (!value) return "must be true or false";
    target_.*member = *value;
    return {};
  }

  template <class Number>
  std::string read_number(Number config::*member, std::string_view unit) const {
    const auto value = parse_integer(text_);
    if (!value || *value < row_.least || (*value > row_.most && row_.most != for_ever)) return range_rule(row_, unit);
    target_.*member = static_cast<Number>(std::min(*value, row_.most));
    return {};
  }

  template <class Word>
  std::string read_word(Word config::*member, std::initializer_list<Word> words) const {
    std::string rule = "must be one of";
    for (const Word word : words) {
      if (equal_ignoring_case(to_string(word), text_)) return (target_.*member = word), std::string();
      rule.append(" ").append(to_string(word));
    }
    return rule;
  }

  config& target_;
  const config_property& row_;
  std::string_view text_;
};

/// Checks one member against its range, as a visitor of its type.
class member_checker {
 public:
  member_checker(const config& subject, const config_property& row) : subject_(subject), row_(row) {}

  result<void> operator()(std::string config::*) const { return success(); }
  result<void> operator()(bool config::*) const { return success(); }
  result<void> operator()(std::optional<bool> config::*) const { return success(); }
  result<void> operator()(std::int32_t config::*member) const { return check_number(subject_.*member, ""); }
  result<void> operator()(std::int64_t config::*member) const { return check_number(subject_.*member, ""); }
  result<void> operator()(std::chrono::milliseconds config::*member) const {
    return check_number((subject_.*member).count(), " of milliseconds");
  }
  template <class Word>
  result<void> operator()(Word config::*member) const {
    const Word value = subject_.*member;
    const bool known = !to_string(value).empty() && to_string(value) != "unknown";
    if (known) return success();
    return config_failure(row_.name, std::to_string(static_cast<int>(value)), "is not one of its enumerators");
  }

 private:
  result<void> check_number(std::int64_t value, std::string_view unit) const {
    if (value >= row_.least && value <= row_.most) return success();
    return config_failure(row_.name, std::to_string(value), range_rule(row_, unit));
  }

  const config& subject_;
  const config_property& row_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
