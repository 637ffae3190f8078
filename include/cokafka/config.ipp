// SPDX-License-Identifier: BSL-1.0
// Bodies of config.hpp: the table of properties and the rules between them.
// Layer 3.
#ifndef COKAFKA_CONFIG_IPP
#define COKAFKA_CONFIG_IPP

#include "cokafka/config.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "cokafka/detail/base/foreign_properties.hpp"
#include "cokafka/detail/base/host_port.hpp"
#include "cokafka/detail/base/property_table.hpp"
#include "cokafka/detail/base/property_text.hpp"

namespace cokafka::inline COKAFKA_ABI {

namespace detail {

template <>
struct property_words<cokafka::acks> {
  static constexpr property_word<cokafka::acks> all[] = {
      {"0", acks::none}, {"1", acks::leader}, {"all", acks::all}, {"-1", acks::all}};
};

template <>
struct property_words<cokafka::linger_policy> {
  static constexpr property_word<cokafka::linger_policy> all[] = {{"when_busy", linger_policy::when_busy},
                                                                  {"always", linger_policy::always}};
};

template <>
struct property_words<cokafka::metadata_recovery> {
  static constexpr property_word<cokafka::metadata_recovery> all[] = {{"none", metadata_recovery::none},
                                                                      {"rebootstrap", metadata_recovery::rebootstrap}};
};

template <>
struct property_words<cokafka::log_level> {
  static constexpr property_word<cokafka::log_level> all[] = {
      {"trace", log_level::trace},     {"debug", log_level::debug}, {"info", log_level::info},
      {"warning", log_level::warning}, {"error", log_level::error}, {"off", log_level::off}};
};

using config_property =
    property_row<config, cokafka::acks, cokafka::linger_policy, cokafka::metadata_recovery, cokafka::log_level>;

inline constexpr std::int64_t any_int64 = std::numeric_limits<std::int64_t>::max();

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
    {"metadata.max.idle.ms", &config::metadata_max_idle, 5000, for_ever},
    {"metadata.recovery.strategy", &config::metadata_recovery_strategy},
    {"metadata.recovery.rebootstrap.trigger.ms", &config::metadata_recovery_rebootstrap_trigger, 0, for_ever},
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

// The rules of the two members that are text.
inline result<void> check_texts(const config& subject) {
  if (const auto list = parse_host_ports(subject.bootstrap_servers); !list.problem.empty())
    return config_failure("bootstrap.servers", subject.bootstrap_servers, list.problem);
  if (subject.client_id.size() > 32767)
    return config_failure("client.id", subject.client_id.substr(0, 32) + "...", "must not be longer than 32767 bytes");
  return success();
}

// Retries without duplicates need every acknowledgement, at least one retry, and the broker's window of five batches.
inline result<void> check_idempotence(const config& subject) {
  const bool demanded = subject.enable_idempotence.value_or(false);
  if (demanded && subject.acks != acks::all)
    return config_failure("acks", to_string(subject.acks), "must be all with enable.idempotence=true");
  if (demanded && subject.retries == 0)
    return config_failure("retries", "0", "must be at least 1 with enable.idempotence=true");
  if (subject.idempotent() && subject.max_in_flight_requests_per_connection > 5)
    return config_failure("max.in.flight.requests.per.connection",
                          std::to_string(subject.max_in_flight_requests_per_connection),
                          demanded ? "must be at most 5 with enable.idempotence=true"
                                   : "must be at most 5 with enable.idempotence=true, which is the default");
  return success();
}

inline result<void> check_delivery_timeout(const config& subject) {
  const auto needed = subject.linger + subject.request_timeout;
  if (subject.effective_delivery_timeout() >= needed) return success();
  return config_failure("delivery.timeout.ms", std::to_string(subject.delivery_timeout.count()),
                        "must be at least linger.ms + request.timeout.ms = " + std::to_string(needed.count()));
}

// A name we do not have: say what to do instead, or which name was probably meant.
inline result<void> refuse_property(std::string_view name, std::string_view value) {
  if (const foreign_property* row = find_foreign_property(name)) {
    if (!row->harmless.empty() && equal_ignoring_case(row->harmless, value)) return success();
    std::string sentence = std::string("property \"").append(name).append("\" ").append(row->answer);
    if (!row->harmless.empty()) sentence.append("; only \"").append(row->harmless).append("\" is accepted");
    return config_failure(std::move(sentence));
  }
  nearest_name nearest(name);
  for (const config_property& row : config_properties) nearest.offer(row.name);
  for (const config_alias& row : config_aliases) nearest.offer(row.alias);
  for (const foreign_property& row : foreign_properties) nearest.offer(row.name);
  std::string sentence = std::string("unknown property \"").append(name).append("\"");
  if (!nearest.best().empty()) sentence.append(", did you mean \"").append(nearest.best()).append("\"?");
  return config_failure(std::move(sentence));
}

}  // namespace detail

COKAFKA_DECL std::string_view to_string(acks value) noexcept { return detail::word_of(value); }

COKAFKA_DECL std::string_view to_string(linger_policy value) noexcept { return detail::word_of(value); }
COKAFKA_DECL std::string_view to_string(metadata_recovery value) noexcept { return detail::word_of(value); }

COKAFKA_DECL result<void> config::set(std::string_view name, std::string_view value) {
  value = detail::trimmed(value);
  const detail::config_property* row = detail::find_config_property(name);
  if (!row) return detail::refuse_property(name, value);
  if (row->name == "bootstrap.servers") {
    if (const auto list = detail::parse_host_ports(value); !list.problem.empty())
      return detail::config_failure(name, value, list.problem);
  }
  const std::string rule = detail::read_property(*this, *row, value);
  if (!rule.empty()) return detail::config_failure(name, value, rule);
  return success();
}

COKAFKA_DECL result<void> config::validate() const {
  for (const detail::config_property& row : detail::config_properties) {
    if (const auto complaint = detail::check_property(*this, row); !complaint.rule.empty())
      return detail::config_failure(row.name, complaint.value, complaint.rule);
  }
  BOOST_OUTCOME_TRY(detail::check_texts(*this));
  BOOST_OUTCOME_TRY(detail::check_idempotence(*this));
  return detail::check_delivery_timeout(*this);
}

COKAFKA_DECL std::vector<std::string> config::warnings() const {
  std::vector<std::string> lines;
  if (effective_delivery_timeout() != delivery_timeout)
    lines.push_back("delivery.timeout.ms is raised to linger.ms + request.timeout.ms = " +
                    std::to_string(effective_delivery_timeout().count()));
  if (effective_retry_backoff() != retry_backoff)
    lines.push_back("retry.backoff.ms is above retry.backoff.max.ms: every wait is the maximum");
  if (effective_reconnect_backoff_max() != reconnect_backoff_max)
    lines.push_back("reconnect.backoff.ms is above reconnect.backoff.max.ms: every wait is reconnect.backoff.ms");
  if (effective_connection_setup_timeout() != socket_connection_setup_timeout)
    lines.push_back(
        "socket.connection.setup.timeout.ms is above socket.connection.setup.timeout.max.ms: every attempt has the "
        "maximum");
  if (!idempotent() && !enable_idempotence)
    lines.push_back("acks other than all, or no retries, turn the default idempotence off");
  if (!idempotent() && retries > 0 && acks != cokafka::acks::none && max_in_flight_requests_per_connection > 1)
    lines.push_back("without idempotence and with more than one request in flight, retries may reorder records");
  return lines;
}

COKAFKA_DECL bool config::idempotent() const noexcept {
  return enable_idempotence.value_or(acks == cokafka::acks::all && retries > 0);
}

COKAFKA_DECL std::chrono::milliseconds config::effective_delivery_timeout() const noexcept {
  // Kafka raises the timeout when nobody set it; a plain struct only knows whether it still has the default.
  if (delivery_timeout != default_delivery_timeout) return delivery_timeout;
  return std::max(delivery_timeout, linger + request_timeout);
}

COKAFKA_DECL std::chrono::milliseconds config::effective_retry_backoff() const noexcept {
  return std::min(retry_backoff, retry_backoff_max);
}

COKAFKA_DECL std::chrono::milliseconds config::effective_reconnect_backoff_max() const noexcept {
  return std::max(reconnect_backoff, reconnect_backoff_max);
}

COKAFKA_DECL std::chrono::milliseconds config::effective_connection_setup_timeout() const noexcept {
  return std::min(socket_connection_setup_timeout, socket_connection_setup_timeout_max);
}

}  // namespace cokafka::inline COKAFKA_ABI

#endif
