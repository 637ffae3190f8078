// SPDX-License-Identifier: BSL-1.0
// The configuration of a producer: Kafka's properties as members of a plain struct.
// Layer 3.
#ifndef COKAFKA_CONFIG_HPP
#define COKAFKA_CONFIG_HPP

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cokafka/error.hpp"
#include "cokafka/logger.hpp"
#include "cokafka/record.hpp"
#include "cokafka/result.hpp"

namespace cokafka::inline COKAFKA_ABI {

/// How many replicas must have a record before the broker acknowledges it; the values are those of the protocol.
enum class acks : std::int16_t {
  none = 0,    ///< no answer at all: a record counts as sent when the socket took it
  leader = 1,  ///< the leader alone
  all = -1     ///< all in-sync replicas
};

/// When an open batch has to wait for more records.
enum class linger_policy {
  when_busy,  ///< only while the broker has requests in flight: an idle link sends at once
  always      ///< always, as the Java producer does
};

/// What happens when no broker that metadata has named can be reached (KIP-899).
enum class metadata_recovery {
  none,        ///< they are tried again
  rebootstrap  ///< `bootstrap.servers` are asked as in the beginning
};

/// Takes a failed record that nobody waits for, and why it failed. Called on the producer's executor, one record at a
/// time per report, never under a lock; the views are valid during the call only. What it throws is logged and
/// swallowed.
using failed_delivery_handler = std::function<void(const error&, const record_view&)>;

namespace detail {

template <class Range>
concept property_range = std::ranges::input_range<Range> && requires(std::ranges::range_reference_t<Range> pair) {
  { pair.first } -> std::convertible_to<std::string_view>;
  { pair.second } -> std::convertible_to<std::string_view>;
};

}  // namespace detail

/// The configuration of a producer. Every member has the default of Kafka 4.x unless its line says otherwise; times are
/// milliseconds, sizes bytes. `validate()` tells whether the whole fits together; a producer's constructor asks it and
/// throws `config_error`.
///
/// Thread safety: distinct objects safe; shared objects safe for reading.
struct config {
  static constexpr std::chrono::milliseconds default_delivery_timeout{120'000};

  /// `bootstrap.servers`: host[:port], separated by commas; IPv6 addresses in brackets; port 9092 when missing.
  std::string bootstrap_servers = "localhost:9092";
  /// `client.id`: how brokers name us in logs and quotas, at most 32767 bytes; empty: "producer-" and a number.
  std::string client_id{};

  /// `acks`: none (0), leader (1) or all (-1).
  cokafka::acks acks = cokafka::acks::all;
  /// `enable.idempotence`: no duplicates and no reordering by retries; nullopt: on if acks is all and retries is not 0.
  std::optional<bool> enable_idempotence{};
  /// `retries`: attempts after the first, 0 or more; the deadline of a record ends them anyway.
  std::int32_t retries = 2147483647;
  /// `max.in.flight.requests.per.connection`: 1 or more, at most 5 with idempotence.
  std::int32_t max_in_flight_requests_per_connection = 5;

  /// `delivery.timeout.ms`: from `send` to the answer, 0 or more and at least linger + request timeout.
  std::chrono::milliseconds delivery_timeout = default_delivery_timeout;
  /// `request.timeout.ms`: how long an answer of a broker may take, 0 or more.
  std::chrono::milliseconds request_timeout{30'000};
  /// `max.block.ms`: how long a record may wait for metadata or memory before it fails, 0 or more.
  std::chrono::milliseconds max_block{60'000};

  /// `linger.ms`: how long a batch waits for more records at most, 0 or more.
  std::chrono::milliseconds linger{5};
  /// `linger.policy` (ours): when_busy or always (Java's behaviour).
  cokafka::linger_policy linger_policy = cokafka::linger_policy::when_busy;
  /// `batch.size`: where a batch is ready to go, 0 or more; 0 means no batching.
  std::int32_t batch_size = 16'384;
  /// `max.request.size`: the largest request, and the largest record before compression, 0 or more.
  std::int32_t max_request_size = 1'048'576;

  /// `buffer.memory`: for all batches together, open and in flight, 0 or more.
  std::int64_t buffer_memory = 33'554'432;
  /// `parked.memory` (ours): for copies of records that wait for metadata or memory, 0 or more.
  std::int64_t parked_memory = 4'194'304;

  /// `partitioner.ignore.keys`: records with a key are spread like those without.
  bool partitioner_ignore_keys = false;

  /// `metadata.max.age.ms`: metadata is fetched anew after this time, 0 or more, but not more often than every 10 ms.
  std::chrono::milliseconds metadata_max_age{300'000};
  /// `metadata.max.idle.ms`: a topic that nobody has sent to for so long is no longer asked for, 5000 or more.
  std::chrono::milliseconds metadata_max_idle{300'000};
  /// `metadata.recovery.strategy`: none or rebootstrap, when no known broker can be reached.
  cokafka::metadata_recovery metadata_recovery_strategy = cokafka::metadata_recovery::rebootstrap;
  /// `metadata.recovery.rebootstrap.trigger.ms`: without metadata for so long the bootstrap servers are asked, 0 or more.
  std::chrono::milliseconds metadata_recovery_rebootstrap_trigger{300'000};
  /// `allow.auto.create.topics`: let the broker create a topic it does not know, if it is configured to.
  bool allow_auto_create_topics = true;

  /// `retry.backoff.ms`: the wait before the first retry, 0 or more; doubled for each further one, +-20 %.
  std::chrono::milliseconds retry_backoff{100};
  /// `retry.backoff.max.ms`: the longest wait before a retry, 0 or more.
  std::chrono::milliseconds retry_backoff_max{1'000};
  /// `reconnect.backoff.ms`: the wait before the first new connection to a broker, 0 or more; doubled each time, +-20
  /// %.
  std::chrono::milliseconds reconnect_backoff{50};
  /// `reconnect.backoff.max.ms`: the longest wait before a new connection, 0 or more.
  std::chrono::milliseconds reconnect_backoff_max{1'000};

  /// `socket.connection.setup.timeout.ms`: for the first attempt to connect, 1 or more; doubled each time, +-20 %. For
  /// metadata at most 5 s while there is another server to ask, but in each fourth round.
  std::chrono::milliseconds socket_connection_setup_timeout{10'000};
  /// `socket.connection.setup.timeout.max.ms`: the longest time for an attempt to connect, 1 or more.
  std::chrono::milliseconds socket_connection_setup_timeout_max{30'000};
  /// `connections.max.idle.ms`: unused connections are closed after this time; 0 or -1: never.
  std::chrono::milliseconds connections_max_idle{540'000};
  /// `send.buffer.bytes`: SO_SNDBUF, 0 or more; -1: the system's, which grows with the link. (Kafka: 131072, a few MB/s
  /// where a round trip takes 50 ms.)
  std::int32_t send_buffer_bytes = -1;
  /// `receive.buffer.bytes`: SO_RCVBUF, 0 or more; -1: the system's default.
  std::int32_t receive_buffer_bytes = 32'768;
  /// `receive.message.max.bytes` (librdkafka's): the largest answer that is accepted, 1000 or more.
  std::int32_t receive_message_max_bytes = 100'000'000;

  /// `log.level` (ours): trace, debug, info, warning, error or off.
  cokafka::log_level log_level = cokafka::log_level::info;
  /// Where log lines go; silent without. See `log_sink` for what it may and may not do.
  cokafka::log_sink log_sink{};
  /// Called for each failed record whose delivery was dropped, detached or cancelled while the record lives on; silent
  /// after close(), and about records that would have to be copied for it while `buffer.memory` or `parked.memory` is
  /// used up: those that no batch, or an open one, has had. See `failed_delivery_handler`.
  failed_delivery_handler on_delivery_failed{};

  /// Sets one property by Kafka's name for it (or librdkafka's, where that means the same), from text as in a
  /// properties file: "all", "true", "5". Spaces around the value do not count.
  ///
  /// Errors: errc::config_error for a name that is not known (with the nearest one), one that this version does not
  /// offer, a value that does not parse or is out of range. The configuration is unchanged then.
  result<void> set(std::string_view name, std::string_view value);

  /// The defaults with these properties set, and validated: any range of pairs of strings, e.g. a std::map.
  /// Errors: those of `set` and of `validate`.
  template <class Range>
    requires detail::property_range<Range>
  static result<config> from_properties(Range&& properties) {
    config made;
    for (auto&& property : properties) {
      BOOST_OUTCOME_TRY(made.set(property.first, property.second));
    }
    BOOST_OUTCOME_TRY(made.validate());
    return made;
  }

  /// Whether every value is in its range and the whole fits together, by Kafka's rules.
  /// Errors: errc::config_error that names the property, its value and the rule.
  result<void> validate() const;

  /// What is allowed but probably not meant, one sentence each. A producer logs them when it starts.
  std::vector<std::string> warnings() const;

  /// Whether the producer is idempotent: said so, or by default with acks=all and retries.
  bool idempotent() const noexcept;
  /// The delivery timeout; while it is the default, raised to linger + request timeout where those are longer.
  std::chrono::milliseconds effective_delivery_timeout() const noexcept;
  /// Never longer than its maximum.
  std::chrono::milliseconds effective_retry_backoff() const noexcept;
  /// Never shorter than the first wait.
  std::chrono::milliseconds effective_reconnect_backoff_max() const noexcept;
  /// Never longer than its maximum.
  std::chrono::milliseconds effective_connection_setup_timeout() const noexcept;
};

/// "0", "1" or "all".
COKAFKA_DECL std::string_view to_string(acks value) noexcept;
/// "when_busy" or "always".
COKAFKA_DECL std::string_view to_string(linger_policy value) noexcept;
/// "none" or "rebootstrap".
COKAFKA_DECL std::string_view to_string(metadata_recovery value) noexcept;

}  // namespace cokafka::inline COKAFKA_ABI

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/config.ipp"
#endif

#endif
