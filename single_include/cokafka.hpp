// SPDX-License-Identifier: BSL-1.0
// All of cokafka, a Kafka producer on Boost.Asio, in one header.
// Made by tools/amalgamate; change the files in include/ instead.
#ifndef COKAFKA_SINGLE_HPP
#define COKAFKA_SINGLE_HPP

// ---- cokafka/detail/base/config.hpp

// Features are off unless defined as 1; none of them changes the layout of a class.
#ifndef COKAFKA_WITH_ZSTD
#define COKAFKA_WITH_ZSTD 0
#endif
#ifndef COKAFKA_WITH_LZ4
#define COKAFKA_WITH_LZ4 0
#endif
#ifndef COKAFKA_WITH_SNAPPY
#define COKAFKA_WITH_SNAPPY 0
#endif
#ifndef COKAFKA_WITH_ZLIB
#define COKAFKA_WITH_ZLIB 0
#endif
#ifndef COKAFKA_WITH_TLS
#define COKAFKA_WITH_TLS 0
#endif

// COKAFKA_SEPARATE_COMPILATION: declarations only; exactly one translation unit of the program includes cokafka/src.hpp
// (or defines COKAFKA_SOURCE before it includes the single header). Without it every non-template body is inline.
#if defined(COKAFKA_SEPARATE_COMPILATION)
#define COKAFKA_DECL
#define COKAFKA_ABI_MODE c
#else
#define COKAFKA_HEADER_ONLY 1
#define COKAFKA_DECL inline
#define COKAFKA_ABI_MODE h
#endif

// The name of the inline namespace spells mode and features, so that translation units that disagree fail to link
// instead of breaking the one-definition rule in silence.
#define COKAFKA_ABI_JOIN_(mode, zstd, lz4, snappy, zlib, tls) v0_##mode##_##zstd##lz4##snappy##zlib##tls
#define COKAFKA_ABI_JOIN(mode, zstd, lz4, snappy, zlib, tls) COKAFKA_ABI_JOIN_(mode, zstd, lz4, snappy, zlib, tls)
#define COKAFKA_ABI                                                                                               \
  COKAFKA_ABI_JOIN(COKAFKA_ABI_MODE, COKAFKA_WITH_ZSTD, COKAFKA_WITH_LZ4, COKAFKA_WITH_SNAPPY, COKAFKA_WITH_ZLIB, \
                   COKAFKA_WITH_TLS)

// ---- cokafka/bytes_view.hpp

#include <concepts>
#include <cstddef>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>

namespace cokafka::inline COKAFKA_ABI {

/// A type whose objects are bytes.
template <class T>
concept byte_like =
    sizeof(T) == 1 && (std::same_as<T, char> || std::same_as<T, unsigned char> || std::same_as<T, signed char> ||
                       std::same_as<T, std::byte> || std::same_as<T, char8_t>);

namespace detail {

template <class R>
using range_byte_t = std::remove_cv_t<std::ranges::range_value_t<R>>;

// Arrays of characters have overloads of their own: a literal ends before its terminator, a buffer does not say where.
template <class R>
concept character_array = std::is_array_v<std::remove_reference_t<R>> &&
                          (std::same_as<range_byte_t<R>, char> || std::same_as<range_byte_t<R>, char8_t>);

template <class R>
concept byte_range = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> && byte_like<range_byte_t<R>> &&
                     !character_array<R>;

}  // namespace detail

/// Bytes that somebody else owns: a pointer and a length, nothing is copied and nothing is converted.
///
/// Made implicitly from a string, a string_view, a vector or a span of bytes and a string literal (embedded NULs are
/// kept). Kafka's null is not an empty view: say `std::nullopt`. A `char` buffer must be said as a string_view or a
/// span, because its length is not the length of its contents.
///
/// Lifetime: valid as long as the bytes are; `producer::send` needs them during the call only.
/// Thread safety: distinct objects safe; shared objects safe for reading.
class bytes_view {
 public:
  constexpr bytes_view() noexcept = default;
  bytes_view(const void* data, std::size_t size) noexcept : data_(static_cast<const char*>(data)), size_(size) {}

  /// A tombstone is `std::nullopt`.
  bytes_view(std::nullptr_t) = delete;

  /// A C string, up to its terminator.
  template <class P>
    requires std::same_as<P, const char*> || std::same_as<P, char*>
  constexpr bytes_view(const P& text) : data_(text), size_(std::char_traits<char>::length(text)) {}

  /// A literal: "a\0b" is three bytes.
  template <std::size_t N>
  constexpr bytes_view(const char (&text)[N]) noexcept : data_(text), size_(text[N - 1] == '\0' ? N - 1 : N) {}

  /// A buffer: say which part of it, by a string_view or a span.
  template <std::size_t N>
  bytes_view(char (&)[N]) = delete;

  /// Any contiguous range of bytes.
  template <class R>
    requires detail::byte_range<R> && (!std::same_as<std::remove_cvref_t<R>, bytes_view>)
  constexpr bytes_view(R&& range) noexcept
      : data_(pointer(std::ranges::data(range))), size_(std::ranges::size(range)) {}

  constexpr const char* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr std::string_view str() const noexcept { return {data_, size_}; }

  friend constexpr bool operator==(bytes_view left, bytes_view right) noexcept { return left.str() == right.str(); }

 private:
  template <class Byte>
  static constexpr const char* pointer(const Byte* bytes) noexcept {
    if constexpr (std::same_as<Byte, char>) {
      return bytes;  // stays usable in constant expressions
    } else {
      return reinterpret_cast<const char*>(bytes);
    }
  }

  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace cokafka::inline COKAFKA_ABI

// ---- cokafka/detail/base/error_class.hpp

#include <cstdint>

namespace cokafka::inline COKAFKA_ABI::detail {

/// What to do about a code. Bits; `nothing` means that the operation fails and the producer goes on.
enum class error_class : std::uint8_t {
  nothing = 0,
  retriable = 1,  ///< the same request may succeed later
  refreshes = 2,  ///< what we know of the cluster is out of date
  abortable = 4,  ///< a transaction that met it can only be aborted
  fatal = 8       ///< not before somebody changes something
};

constexpr error_class operator|(error_class left, error_class right) noexcept {
  return static_cast<error_class>(static_cast<unsigned>(left) | static_cast<unsigned>(right));
}

constexpr bool has(error_class set, error_class wanted) noexcept {
  return (static_cast<unsigned>(set) & static_cast<unsigned>(wanted)) != 0;
}

/// What a code in the answer to a Produce request proves. Brokers answer most codes before or after the local append
/// alike, so that only a closed list is proof.
enum class append_proof : std::uint8_t {
  unknown,   ///< may have been appended
  rejected,  ///< refused before the append, whenever it is said
  only,      ///< refused before the append, but an earlier attempt may have been appended
  alone,     ///< appended by the one that says so, and may never reach the other replicas
  appended   ///< the batch is in the log
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/fate.hpp

namespace cokafka::inline COKAFKA_ABI {

/// What is known of a failed record, over all its attempts.
enum class fate {
  not_written,    ///< proven: it is not in the log and will not get there; sending it again makes no duplicate
  maybe_written,  ///< not known: it may be in the log now or appear there later
  written         ///< the broker confirmed it; something else failed
};

/// "not_written", "maybe_written" or "written".
constexpr std::string_view to_string(fate value) noexcept {
  switch (value) {
    case fate::not_written: return "not_written";
    case fate::maybe_written: return "maybe_written";
    case fate::written: return "written";
  }
  return "unknown";
}

/// The fate of a record with one attempt of each: certainty is lost by the worst attempt and never comes back.
constexpr fate worst(fate left, fate right) noexcept {
  if (left == right) return left;
  if (left == fate::written || right == fate::written) return fate::written;
  return fate::maybe_written;
}

}  // namespace cokafka::inline COKAFKA_ABI

// ---- cokafka/detail/base/broker_errors.hpp

#include <iterator>

// Code, Kafka's name, class, what it proves in a Produce answer, meaning. The codes are dense, so that the row of a
// code is found by its value. `refresh` is retriable as well.
// clang-format off
#define COKAFKA_BROKER_ERRORS(X) \
  X(-1, unknown_server_error, nothing, unknown, "the broker failed in a way it has no code for")                       \
  X(0, none, nothing, appended, "no error")                                                                            \
  X(1, offset_out_of_range, nothing, unknown, "the offset is outside the partition's log")                             \
  X(2, corrupt_message, retriable, unknown, "the record batch did not pass its checksum or its format check")          \
  X(3, unknown_topic_or_partition, refresh, unknown, "the broker does not host this topic or partition")               \
  X(4, invalid_fetch_size, nothing, unknown, "the fetch size is not valid")                                            \
  X(5, leader_not_available, refresh, unknown, "the partition has no leader at the moment")                            \
  X(6, not_leader_or_follower, refresh, unknown, "the broker is neither leader nor follower of the partition")         \
  X(7, request_timed_out, retriable, alone, "the broker did not finish in the time the request allowed")               \
  X(8, broker_not_available, nothing, unknown, "the broker is not available")                                          \
  X(9, replica_not_available, refresh, unknown, "the replica is not available on the broker")                          \
  X(10, message_too_large, nothing, rejected, "the batch is larger than the topic's max.message.bytes")                \
  X(11, stale_controller_epoch, nothing, unknown, "the controller epoch is out of date")                               \
  X(12, offset_metadata_too_large, nothing, unknown, "the metadata of an offset commit is too large")                  \
  X(13, network_exception, refresh, unknown, "the connection was lost before an answer came")                          \
  X(14, coordinator_load_in_progress, retriable, unknown, "the coordinator is still loading its state")                \
  X(15, coordinator_not_available, retriable, unknown, "there is no coordinator at the moment")                        \
  X(16, not_coordinator, retriable, unknown, "the broker is not the coordinator")                                      \
  X(17, invalid_topic_exception, nothing, rejected, "the topic's name is not valid, or writing to it is not allowed")  \
  X(18, record_list_too_large, nothing, rejected, "the batch is larger than a segment of the log")                     \
  X(19, not_enough_replicas, retriable, rejected, "fewer replicas are in sync than min.insync.replicas")               \
  X(20, not_enough_replicas_after_append, retriable, alone, "written, but to too few in-sync replicas")                \
  X(21, invalid_required_acks, nothing, rejected, "the broker does not accept this value of acks")                     \
  X(22, illegal_generation, abortable, unknown, "the consumer group's generation is out of date")                      \
  X(23, inconsistent_group_protocol, nothing, unknown, "the member's protocols do not match those of its group")       \
  X(24, invalid_group_id, nothing, unknown, "the group id is not valid")                                               \
  X(25, unknown_member_id, abortable, unknown, "the coordinator does not know this group member")                      \
  X(26, invalid_session_timeout, nothing, unknown, "the session timeout is outside the broker's limits")               \
  X(27, rebalance_in_progress, nothing, unknown, "the group is rebalancing")                                           \
  X(28, invalid_commit_offset_size, nothing, unknown, "the offset commit is too large")                                \
  X(29, topic_authorization_failed, abortable, rejected, "not authorized to access the topic")                         \
  X(30, group_authorization_failed, abortable, unknown, "not authorized to access the group")                          \
  X(31, cluster_authorization_failed, fatal, rejected, "not authorized to use the cluster this way")                   \
  X(32, invalid_timestamp, nothing, rejected, "a record's timestamp is outside the range the topic accepts")           \
  X(33, unsupported_sasl_mechanism, nothing, unknown, "the broker does not offer this SASL mechanism")                 \
  X(34, illegal_sasl_state, nothing, unknown, "the request does not fit the state of the SASL exchange")               \
  X(35, unsupported_version, fatal, unknown, "the broker does not support this version of the request")                \
  X(36, topic_already_exists, nothing, unknown, "the topic exists already")                                            \
  X(37, invalid_partitions, nothing, unknown, "the number of partitions is not valid")                                 \
  X(38, invalid_replication_factor, nothing, unknown, "the replication factor is not valid")                           \
  X(39, invalid_replica_assignment, nothing, unknown, "the replica assignment is not valid")                           \
  X(40, invalid_config, nothing, unknown, "the configuration is not valid")                                            \
  X(41, not_controller, retriable, unknown, "the broker is not the controller")                                        \
  X(42, invalid_request, nothing, rejected, "the broker found the request malformed or inconsistent")                  \
  X(43, unsupported_for_message_format, nothing, unknown, "the topic's message format does not support this")          \
  X(44, policy_violation, nothing, rejected, "the request breaks a policy of the cluster")                             \
  X(45, out_of_order_sequence_number, abortable, only, "the sequence does not follow the last one the broker has")     \
  X(46, duplicate_sequence_number, nothing, appended, "the broker has this batch already")                             \
  X(47, invalid_producer_epoch, abortable, rejected, "the producer's epoch is older than the one the broker knows")    \
  X(48, invalid_txn_state, abortable, unknown, "the transaction's state does not allow this")                          \
  X(49, invalid_producer_id_mapping, fatal, unknown, "the producer id does not belong to this transactional id")       \
  X(50, invalid_transaction_timeout, fatal, unknown, "the transaction timeout is larger than the broker allows")       \
  X(51, concurrent_transactions, retriable, unknown, "the previous transaction is still being completed")              \
  X(52, transaction_coordinator_fenced, nothing, unknown, "the transaction coordinator has been replaced")             \
  X(53, transactional_id_authorization_failed, fatal, unknown, "not authorized to use the transactional id")           \
  X(54, security_disabled, nothing, unknown, "security features are switched off on the broker")                       \
  X(55, operation_not_attempted, abortable, unknown, "not attempted, because another part of the request failed")      \
  X(56, kafka_storage_error, refresh, unknown, "the broker's disk failed")                                             \
  X(57, log_dir_not_found, nothing, unknown, "the log directory does not exist on the broker")                         \
  X(58, sasl_authentication_failed, nothing, unknown, "SASL authentication failed")                                    \
  X(59, unknown_producer_id, abortable, unknown, "the broker has no state for this producer id")                       \
  X(60, reassignment_in_progress, nothing, unknown, "a partition reassignment is in progress")                         \
  X(61, delegation_token_auth_disabled, nothing, unknown, "delegation tokens are switched off")                        \
  X(62, delegation_token_not_found, nothing, unknown, "the delegation token does not exist")                           \
  X(63, delegation_token_owner_mismatch, nothing, unknown, "the delegation token belongs to somebody else")            \
  X(64, delegation_token_request_not_allowed, nothing, unknown, "no token requests on this connection")                \
  X(65, delegation_token_authorization_failed, nothing, unknown, "not authorized to use the token")                    \
  X(66, delegation_token_expired, nothing, unknown, "the delegation token has expired")                                \
  X(67, invalid_principal_type, nothing, unknown, "the principal type is not supported")                               \
  X(68, non_empty_group, nothing, unknown, "the group is not empty")                                                   \
  X(69, group_id_not_found, abortable, unknown, "the group does not exist")                                            \
  X(70, fetch_session_id_not_found, retriable, unknown, "the fetch session does not exist")                            \
  X(71, invalid_fetch_session_epoch, retriable, unknown, "the fetch session's epoch is not valid")                     \
  X(72, listener_not_found, refresh, unknown, "the leader has no listener of the kind this connection uses")           \
  X(73, topic_deletion_disabled, nothing, unknown, "topic deletion is switched off")                                   \
  X(74, fenced_leader_epoch, refresh, unknown, "the leader epoch in the request is older than the broker's")           \
  X(75, unknown_leader_epoch, retriable, unknown, "the leader epoch in the request is newer than the broker's")        \
  X(76, unsupported_compression_type, nothing, rejected, "the broker does not accept this compression here")           \
  X(77, stale_broker_epoch, nothing, unknown, "the broker epoch is out of date")                                       \
  X(78, offset_not_available, retriable, unknown, "the leader's high watermark has not caught up yet")                 \
  X(79, member_id_required, nothing, unknown, "the group member needs an id before it can join")                       \
  X(80, preferred_leader_not_available, refresh, unknown, "the preferred leader is not available")                     \
  X(81, group_max_size_reached, nothing, unknown, "the group is full")                                                 \
  X(82, fenced_instance_id, abortable, unknown, "another member uses this group.instance.id")                          \
  X(83, eligible_leaders_not_available, refresh, unknown, "no broker is eligible to lead the partition")               \
  X(84, election_not_needed, refresh, unknown, "the partition needs no election")                                      \
  X(85, no_reassignment_in_progress, nothing, unknown, "no partition reassignment is in progress")                     \
  X(86, group_subscribed_to_topic, nothing, unknown, "the group is subscribed to the topic")                           \
  X(87, invalid_record, nothing, rejected, "a record breaks a rule of its topic")                                      \
  X(88, unstable_offset_commit, retriable, unknown, "there are offsets whose transaction is not finished")             \
  X(89, throttling_quota_exceeded, retriable, unknown, "a quota has been exceeded")                                    \
  X(90, producer_fenced, fatal, unknown, "a newer producer uses this transactional id")                                \
  X(91, resource_not_found, nothing, unknown, "the resource does not exist")                                           \
  X(92, duplicate_resource, nothing, unknown, "the resource exists already")                                           \
  X(93, unacceptable_credential, nothing, unknown, "the credential does not meet the requirements")                    \
  X(94, inconsistent_voter_set, nothing, unknown, "the sets of voters differ")                                         \
  X(95, invalid_update_version, nothing, unknown, "the version of the update is not valid")                            \
  X(96, feature_update_failed, nothing, unknown, "the feature could not be updated")                                   \
  X(97, principal_deserialization_failure, nothing, unknown, "the principal of a forwarded request could not be read") \
  X(98, snapshot_not_found, nothing, unknown, "the snapshot does not exist")                                           \
  X(99, position_out_of_range, nothing, unknown, "the position is outside the snapshot")                               \
  X(100, unknown_topic_id, refresh, rejected, "the broker does not know this topic id")                                \
  X(101, duplicate_broker_registration, nothing, unknown, "the broker id is registered already")                       \
  X(102, broker_id_not_registered, nothing, unknown, "the broker id is not registered")                                \
  X(103, inconsistent_topic_id, refresh, unknown, "the topic id in the log does not match the request's")              \
  X(104, inconsistent_cluster_id, nothing, unknown, "the cluster id does not match")                                   \
  X(105, transactional_id_not_found, nothing, unknown, "the transactional id does not exist")                          \
  X(106, fetch_session_topic_id_error, retriable, unknown, "the fetch session mixes topic ids and names")              \
  X(107, ineligible_replica, nothing, unknown, "the replica may not join the in-sync replicas")                        \
  X(108, new_leader_elected, nothing, unknown, "the partition has a new leader")                                       \
  X(109, offset_moved_to_tiered_storage, nothing, unknown, "the offset has moved to tiered storage")                   \
  X(110, fenced_member_epoch, nothing, unknown, "the group member's epoch is fenced")                                  \
  X(111, unreleased_instance_id, nothing, unknown, "another member still holds the instance id")                       \
  X(112, unsupported_assignor, nothing, unknown, "the group's assignor is not supported")                              \
  X(113, stale_member_epoch, abortable, unknown, "the group member's epoch is out of date")                            \
  X(114, mismatched_endpoint_type, nothing, unknown, "the request went to the wrong kind of endpoint")                 \
  X(115, unsupported_endpoint_type, nothing, unknown, "this kind of endpoint is not supported")                        \
  X(116, unknown_controller_id, nothing, unknown, "the controller id is not known")                                    \
  X(117, unknown_subscription_id, nothing, unknown, "the telemetry subscription is not known")                         \
  X(118, telemetry_too_large, nothing, unknown, "the telemetry is larger than the broker accepts")                     \
  X(119, invalid_registration, nothing, unknown, "the registration of the controller is not valid")                    \
  X(120, transaction_abortable, abortable, unknown, "the transaction met an error; abort it and begin another")        \
  X(121, invalid_record_state, nothing, unknown, "the record's state does not allow this")                             \
  X(122, share_session_not_found, retriable, unknown, "the share session does not exist")                              \
  X(123, invalid_share_session_epoch, retriable, unknown, "the share session's epoch is not valid")                    \
  X(124, fenced_state_epoch, nothing, unknown, "the share coordinator has fenced the state epoch")                     \
  X(125, invalid_voter_key, nothing, unknown, "the voter key does not match the replica's")                            \
  X(126, duplicate_voter, nothing, unknown, "the voter exists already")                                                \
  X(127, voter_not_found, nothing, unknown, "the voter does not exist")                                                \
  X(128, invalid_regular_expression, nothing, unknown, "the regular expression is not valid")                          \
  X(129, rebootstrap_required, nothing, unknown, "the client must start again from its bootstrap servers")             \
  X(130, streams_invalid_topology, nothing, unknown, "the streams topology is not valid")                              \
  X(131, streams_invalid_topology_epoch, nothing, unknown, "the streams topology's epoch is not valid")                \
  X(132, streams_topology_fenced, nothing, unknown, "the streams topology is out of date")                             \
  X(133, share_session_limit_reached, retriable, unknown, "there is no room for another share session")                \
  X(134, group_deletion_failed, nothing, unknown, "the group could not be deleted")                                    \
  X(135, streams_topology_description_update_failed, nothing, unknown, "the topology description was not updated")     \
  X(136, controller_id_not_registered, nothing, unknown, "the controller id is not registered")
// clang-format on

namespace cokafka::inline COKAFKA_ABI {

/// The error codes of Kafka's protocol, verbatim, under Kafka's own names. The category of their error_code is "kafka".
/// A broker may be newer than this list: a value without a name is possible.
enum class broker_errc : int {
#define COKAFKA_ENUMERATOR(code, name, kind, proof, meaning) name = code,
  COKAFKA_BROKER_ERRORS(COKAFKA_ENUMERATOR)
#undef COKAFKA_ENUMERATOR
};

namespace detail {

/// One row of the table.
struct broker_error_row {
  broker_errc code;
  std::string_view name;
  error_class kind;
  append_proof proof;
  std::string_view meaning;
};

/// The words of the table's third column.
struct broker_error_kinds {
  static constexpr error_class nothing = error_class::nothing;
  static constexpr error_class retriable = error_class::retriable;
  static constexpr error_class refresh = error_class::retriable | error_class::refreshes;
  static constexpr error_class abortable = error_class::abortable;
  static constexpr error_class fatal = error_class::fatal;
};

inline constexpr broker_error_row broker_error_table[] = {
#define COKAFKA_ROW(code, name, kind, proof, meaning) \
  {broker_errc::name, #name, broker_error_kinds::kind, append_proof::proof, meaning},
    COKAFKA_BROKER_ERRORS(COKAFKA_ROW)
#undef COKAFKA_ROW
};

inline constexpr int first_broker_error = static_cast<int>(broker_error_table[0].code);

/// The row of a code; null for a code that is newer than the table.
constexpr const broker_error_row* find_broker_error(broker_errc code) noexcept {
  const auto index = static_cast<std::int64_t>(code) - first_broker_error;
  if (index < 0 || index >= static_cast<std::int64_t>(std::size(broker_error_table))) return nullptr;
  return &broker_error_table[static_cast<std::size_t>(index)];
}

/// The class of a code; a code without a name fails the operation and nothing else.
constexpr error_class classify(broker_errc code) noexcept {
  const broker_error_row* row = find_broker_error(code);
  return row ? row->kind : error_class::nothing;
}

/// What a code in a Produce answer says of the attempt it answers; the ledger combines attempts. `only_attempt`: no
/// other attempt of this batch was ever written to a socket.
constexpr fate fate_of_answer(broker_errc code, bool only_attempt) noexcept {
  const broker_error_row* row = find_broker_error(code);
  if (!row) return fate::maybe_written;
  switch (row->proof) {
    case append_proof::rejected: return fate::not_written;
    case append_proof::only: return only_attempt ? fate::not_written : fate::maybe_written;
    case append_proof::appended: return fate::written;
    case append_proof::unknown:
    case append_proof::alone: break;
  }
  return fate::maybe_written;
}

/// Whether the broker that says so has appended the batch, whatever becomes of it.
constexpr bool tells_append(broker_errc code) noexcept {
  const broker_error_row* row = find_broker_error(code);
  return row && (row->proof == append_proof::alone || row->proof == append_proof::appended);
}

}  // namespace detail

/// Kafka's name in lower case, "not_leader_or_follower"; "unknown" for a code without a name.
constexpr std::string_view to_string(broker_errc code) noexcept {
  const detail::broker_error_row* row = detail::find_broker_error(code);
  return row ? row->name : std::string_view("unknown");
}

}  // namespace cokafka::inline COKAFKA_ABI

#undef COKAFKA_BROKER_ERRORS

// ---- cokafka/detail/base/client_errors.hpp

// Number, name, class, what the code alone says of a record, meaning. New rows go to the end.
// `refresh` is retriable as well.
// clang-format off
#define COKAFKA_CLIENT_ERRORS(X) \
  X(1, no_result, nothing, maybe_written, "the result was default-constructed and never given a value")              \
  X(2, not_ready, nothing, maybe_written, "the answer has not arrived yet")                                          \
  X(3, closed, nothing, not_written, "the producer is closed")                                                       \
  X(4, cancelled, nothing, maybe_written, "the operation was cancelled")                                             \
  X(5, config_error, nothing, not_written, "the configuration breaks a rule")                                        \
  X(6, invalid_topic, nothing, not_written, "the topic's name must be 1 to 249 of the characters a-z A-Z 0-9 . _ -") \
  X(7, invalid_record, nothing, not_written, "the record breaks a rule of its format")                               \
  X(8, record_too_large, nothing, not_written, "the record is larger than max.request.size or buffer.memory")        \
  X(9, unknown_partition, nothing, not_written, "the topic has no such partition")                                   \
  X(10, buffer_full, retriable, not_written, "buffer.memory and parked.memory are used up")                          \
  X(11, metadata_timed_out, refresh, not_written, "max.block.ms passed while the topic's metadata was missing")      \
  X(12, buffer_timed_out, retriable, not_written, "max.block.ms passed while buffer.memory was used up")             \
  X(13, timed_out, retriable, maybe_written, "delivery.timeout.ms passed before the record was acknowledged")        \
  X(14, request_timed_out, refresh, maybe_written, "the broker did not answer within request.timeout.ms")            \
  X(15, connection_failed, refresh, not_written, "no connection to the broker could be made")                        \
  X(16, disconnected, refresh, maybe_written, "the connection was lost before the answer came")                      \
  X(17, no_brokers, refresh, not_written, "none of the bootstrap servers could be reached")                          \
  X(18, unsupported_version, nothing, not_written, "the broker speaks no version of a request that we do")           \
  X(19, invalid_response, nothing, maybe_written, "the broker's answer could not be understood")                     \
  X(20, producer_fatal, fatal, not_written, "an earlier fatal error has ended this producer")                        \
  X(21, would_park, retriable, not_written, "send would have had to wait for the topic's metadata")         \
  X(22, purged, nothing, maybe_written, "the record was purged")
// clang-format on

namespace cokafka::inline COKAFKA_ABI {

/// What the client itself can report. The category of its error_code is "cokafka".
enum class errc : int {
#define COKAFKA_ENUMERATOR(number, name, kind, known, meaning) name = number,
  COKAFKA_CLIENT_ERRORS(COKAFKA_ENUMERATOR)
#undef COKAFKA_ENUMERATOR
};

namespace detail {

/// One row of the table.
struct client_error_row {
  errc code;
  std::string_view name;
  error_class kind;
  fate known;
  std::string_view meaning;
};

/// The words of the table's second column.
struct client_error_kinds {
  static constexpr error_class nothing = error_class::nothing;
  static constexpr error_class retriable = error_class::retriable;
  static constexpr error_class refresh = error_class::retriable | error_class::refreshes;
  static constexpr error_class fatal = error_class::fatal;
};

inline constexpr client_error_row client_error_table[] = {
#define COKAFKA_ROW(number, name, kind, known, meaning) \
  {errc::name, #name, client_error_kinds::kind, fate::known, meaning},
    COKAFKA_CLIENT_ERRORS(COKAFKA_ROW)
#undef COKAFKA_ROW
};

/// The row of a code; null for a number that is none.
constexpr const client_error_row* find_client_error(errc code) noexcept {
  const int value = static_cast<int>(code);
  if (value < 1 || value > static_cast<int>(std::size(client_error_table))) return nullptr;
  return &client_error_table[static_cast<std::size_t>(value - 1)];
}

constexpr error_class classify(errc code) noexcept {
  const client_error_row* row = find_client_error(code);
  return row ? row->kind : error_class::nothing;
}

}  // namespace detail

/// The enumerator's name, "buffer_full".
constexpr std::string_view to_string(errc code) noexcept {
  const detail::client_error_row* row = detail::find_client_error(code);
  return row ? row->name : std::string_view("unknown");
}

}  // namespace cokafka::inline COKAFKA_ABI

#undef COKAFKA_CLIENT_ERRORS

// ---- cokafka/error.hpp

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <optional>
#include <stdexcept>

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

// ---- cokafka/logger.hpp

#include <functional>
#include <utility>

namespace cokafka::inline COKAFKA_ABI {

/// How grave a line is. As a threshold: lines of this level and graver ones are given to the sink.
enum class log_level { trace, debug, info, warning, error, off };

/// "trace", "debug", "info", "warning", "error" or "off".
constexpr std::string_view to_string(log_level level) noexcept {
  switch (level) {
    case log_level::trace: return "trace";
    case log_level::debug: return "debug";
    case log_level::info: return "info";
    case log_level::warning: return "warning";
    case log_level::error: return "error";
    case log_level::off: return "off";
  }
  return "unknown";
}

/// Takes one line, without a line end. The text is valid during the call only. May be called from several threads at
/// once; never under a lock of the library. What it throws is swallowed.
using log_sink = std::function<void(log_level, std::string_view)>;

/// A threshold and a sink. Thread safety: shared objects safe for `enabled` and `log`.
class logger {
 public:
  /// Silent.
  logger() = default;
  logger(log_level threshold, log_sink sink) : threshold_(threshold), sink_(std::move(sink)) {}

  /// Whether a line of this level would be seen: ask before building an expensive text.
  bool enabled(log_level level) const noexcept { return sink_ && level >= threshold_ && level != log_level::off; }

  void log(log_level level, std::string_view message) const noexcept {
    if (!enabled(level)) return;
    try {
      sink_(level, message);
    } catch (...) {
      // A sink that fails must not take a delivery with it, and there is nowhere left to say so.
    }
  }

 private:
  log_level threshold_ = log_level::off;
  log_sink sink_;
};

}  // namespace cokafka::inline COKAFKA_ABI

// ---- cokafka/record.hpp

#include <span>

namespace cokafka::inline COKAFKA_ABI {

/// One header of a record. Keys may repeat; order is kept.
struct header_view {
  std::string_view key{};             ///< UTF-8, may be empty
  std::optional<bytes_view> value{};  ///< nullopt is Kafka's null
};

/// What is to be sent, by reference. Made for designated initialisers:
///
///     co_await producer.send({.topic = "orders", .key = "order-123", .value = R"({"amount":100})"});
///
/// Lifetime: everything it points to must live until `send` has returned, not longer.
/// Thread safety: distinct objects safe; shared objects safe for reading.
struct record_view {
  std::string_view topic{};                                                     ///< empty through a topic_handle
  std::optional<bytes_view> key{};                                              ///< nullopt is null, "" is empty
  std::optional<bytes_view> value{};                                            ///< nullopt is a tombstone
  std::span<const header_view> headers{};                                       ///< order and duplicates are kept
  std::optional<std::int32_t> partition{};                                      ///< nullopt: the partitioner chooses
  std::optional<std::chrono::sys_time<std::chrono::milliseconds>> timestamp{};  ///< nullopt: now; never before 1970
  std::optional<std::chrono::milliseconds> timeout{};                           ///< its own `delivery.timeout.ms`
};

// g++ 12 destroys braced aggregates inside a co_await expression twice; trivial destruction makes that harmless.
static_assert(std::is_trivially_destructible_v<record_view>);
static_assert(std::is_trivially_copyable_v<header_view>);

}  // namespace cokafka::inline COKAFKA_ABI

// ---- cokafka/result.hpp

#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/result.hpp>
#include <boost/outcome/try.hpp>

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

// ---- cokafka/config.hpp

#include <vector>

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

// ---- cokafka/detail/base/record_marks.hpp

#include <algorithm>
#include <bit>

namespace cokafka::inline COKAFKA_ABI::detail {

/// A set of indexes, which grows by bits: ten thousand records cost 1.25 KiB, and half of that again once they are
/// counted. Thread safety: distinct objects safe; shared objects safe for reading.
class record_marks {
 public:
  /// From now on set() finds its memory for every index below `end`.
  void make_room(std::uint32_t end) {
    const std::size_t words = (std::size_t{end} + 63) / 64;
    if (words > words_.size()) words_.resize(words);
  }

  /// False when it was marked already.
  bool set(std::uint32_t index) {
    const std::size_t word = index / 64;
    if (word >= words_.size()) words_.resize(word + 1);
    const std::uint64_t bit = std::uint64_t{1} << (index % 64);
    if ((words_[word] & bit) != 0) return false;
    words_[word] |= bit;
    ++count_;
    return true;
  }

  /// Unmarks it; false when it was not marked.
  bool take(std::uint32_t index) noexcept {
    if (!test(index)) return false;
    words_[index / 64] &= ~(std::uint64_t{1} << (index % 64));
    --count_;
    return true;
  }

  bool test(std::uint32_t index) const noexcept {
    const std::size_t word = index / 64;
    return word < words_.size() && (words_[word] >> (index % 64) & 1) != 0;
  }

  /// Calls visit(index) for each, in order.
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t word = 0; word < words_.size(); ++word) {
      for (std::uint64_t left = words_[word]; left != 0; left &= left - 1) {
        visit(static_cast<std::uint32_t>(word * 64) + static_cast<std::uint32_t>(std::countr_zero(left)));
      }
    }
  }

  std::uint32_t count() const noexcept { return count_; }

  /// How many of [first, end) are marked: linear in their number, 64 at a time.
  std::uint32_t count_between(std::uint32_t first, std::uint32_t end) const noexcept {
    if (first >= end || first / 64 >= words_.size()) return 0;
    std::uint32_t sum = 0;
    const std::size_t last = std::min<std::size_t>(end / 64, words_.size());
    for (std::size_t i = first / 64; i < last; ++i) sum += static_cast<std::uint32_t>(std::popcount(words_[i]));
    if (last < words_.size()) sum += low_bits(last, end % 64);
    return sum - low_bits(first / 64, first % 64);
  }

  /// Counts once, so that below() need not: nothing is marked after this.
  void finish() {
    before_.resize(words_.size());
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      before_[i] = sum;
      sum += static_cast<std::uint32_t>(std::popcount(words_[i]));
    }
  }

  /// How many marked ones are less than `index`, in constant time. Precondition: finish().
  std::uint32_t below(std::uint32_t index) const noexcept {
    const std::size_t word = index / 64;
    return word < words_.size() ? before_[word] + low_bits(word, index % 64) : count_;
  }

 private:
  std::uint32_t low_bits(std::size_t word, std::uint32_t bits) const noexcept {
    return static_cast<std::uint32_t>(std::popcount(words_[word] & ((std::uint64_t{1} << bits) - 1)));
  }

  std::vector<std::uint64_t> words_;
  std::vector<std::uint32_t> before_;  // marked ones before each word
  std::uint32_t count_ = 0;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/base/spin_lock.hpp

#include <atomic>
#include <thread>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Test-and-set lock. An uncontended lock and unlock is one atomic exchange and one store, about half a std::mutex.
/// Whoever finds it taken yields: holders never block, allocate in bulk or run user code.
class spin_lock {
 public:
  spin_lock() = default;
  spin_lock(const spin_lock&) = delete;
  spin_lock& operator=(const spin_lock&) = delete;

  void lock() noexcept {
    while (taken_.exchange(true, std::memory_order_acquire)) {
      for (int spins = 0; taken_.load(std::memory_order_relaxed); ++spins) {
        if (spins > 64) std::this_thread::yield();
      }
    }
  }
  bool try_lock() noexcept { return !taken_.exchange(true, std::memory_order_acquire); }
  void unlock() noexcept { taken_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> taken_{false};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/waiter.hpp

#include <boost/intrusive/list.hpp>

namespace cokafka::inline COKAFKA_ABI::detail {

/// What a delivery keeps of its own record; the rest of the metadata is shared by the batch. Sizes are -1 for null.
struct record_ticket {
  std::uint32_t index = 0;
  std::int32_t key_size = -1;
  std::int32_t value_size = -1;
  std::uint32_t bytes = 0;  // as encoded in its batch; 0 while it is parked
  std::int64_t timestamp = -1;
};

/// One operation that waits; linked into the list of what it waits for. Whoever unlinks it decides how it ends:
/// the list's lock makes that one party.
class waiter : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>> {
 public:
  waiter() = default;
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;

  /// Runs the handler with the result and ends the operation. Only where post() has brought it.
  virtual void deliver() = 0;
  /// Ends the operation without calling its handler: the execution context is being destroyed.
  virtual void destroy() noexcept = 0;
  /// Its handler belongs to the same executor as the other's, so that both can run in one go.
  virtual bool runs_with(const waiter& other) const noexcept = 0;
  /// Brings the waiters, which all run with this one, to their executor and delivers them there, in order.
  virtual void post(boost::intrusive::list<waiter>&& run) = 0;

  /// Tells apart the types of executors without run-time type information.
  const void* executor_type = nullptr;

 protected:
  ~waiter() = default;
};

/// A waiter for an operation without a value: flush, space, close. `failure` is set before it is ended, or stays empty.
class operation_waiter : public waiter {
 public:
  std::optional<error> failure{};

 protected:
  ~operation_waiter() = default;
};

/// Intrusive: linking and unlinking allocate nothing and cannot fail.
using waiter_list = boost::intrusive::list<waiter>;

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/topic_name.hpp

#include <compare>
#include <cstring>
#include <new>

namespace cokafka::inline COKAFKA_ABI {

namespace detail {

// The characters follow the block in the same allocation.
struct topic_name_block {
  explicit topic_name_block(std::size_t n) noexcept : size(n) {}

  std::atomic<std::uint32_t> references{0};
  std::size_t size;

  char* text() noexcept { return reinterpret_cast<char*>(this + 1); }
  const char* text() const noexcept { return reinterpret_cast<const char*>(this + 1); }

  static topic_name_block* make(std::string_view name) {
    void* memory = ::operator new(sizeof(topic_name_block) + name.size());
    auto* block = ::new (memory) topic_name_block(name.size());
    std::memcpy(block->text(), name.data(), name.size());
    return block;
  }

  friend void intrusive_ptr_add_ref(topic_name_block* block) noexcept {
    block->references.fetch_add(1, std::memory_order_relaxed);
  }
  friend void intrusive_ptr_release(topic_name_block* block) noexcept {
    if (block->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      block->~topic_name_block();
      ::operator delete(block);
    }
  }
};

}  // namespace detail

/// The name of a topic. A copy costs one atomic increment; the characters never change and live as long as any copy.
/// Compares, orders and hashes by its characters (the same hash as their string_view, so that maps can be asked with
/// one). The default is the empty name, which allocates nothing.
///
/// Thread safety: distinct objects safe, also when they share their characters; shared objects safe for reading.
class topic_name {
 public:
  topic_name() noexcept = default;
  explicit topic_name(std::string_view name) : block_(name.empty() ? nullptr : detail::topic_name_block::make(name)) {}

  std::string_view str() const noexcept {
    return block_ ? std::string_view(block_->text(), block_->size) : std::string_view();
  }
  operator std::string_view() const noexcept { return str(); }
  std::size_t size() const noexcept { return block_ ? block_->size : 0; }
  bool empty() const noexcept { return !block_; }

  friend bool operator==(const topic_name& left, const topic_name& right) noexcept {
    return left.block_ == right.block_ || left.str() == right.str();
  }
  friend bool operator==(const topic_name& left, std::string_view right) noexcept { return left.str() == right; }
  friend std::strong_ordering operator<=>(const topic_name& left, const topic_name& right) noexcept {
    return left.str() <=> right.str();
  }
  friend std::strong_ordering operator<=>(const topic_name& left, std::string_view right) noexcept {
    return left.str() <=> right;
  }

 private:
  boost::intrusive_ptr<detail::topic_name_block> block_;
};

}  // namespace cokafka::inline COKAFKA_ABI

template <>
struct std::hash<cokafka::topic_name> {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>()(name); }
};

// ---- cokafka/record_metadata.hpp

namespace cokafka::inline COKAFKA_ABI {

/// The answer to a record that was written. Thread safety: distinct objects safe; shared objects safe for reading.
struct record_metadata {
  topic_name topic;
  std::int32_t partition = -1;
  std::optional<std::int64_t> offset;  ///< empty with acks=0, and where the broker only said "duplicate"
  /// The record's own time, or the broker's when the topic has `message.timestamp.type=LogAppendTime`.
  std::chrono::sys_time<std::chrono::milliseconds> timestamp{};
  std::optional<std::size_t> key_size;    ///< in bytes; empty for a null key
  std::optional<std::size_t> value_size;  ///< in bytes; empty for a tombstone
};

}  // namespace cokafka::inline COKAFKA_ABI

// ---- cokafka/detail/core/completion.hpp

#include <memory>

namespace cokafka::inline COKAFKA_ABI::detail {

class partition_queue;
class refused_record;
struct parked_record;

/// How a batch ended: a failure, or the offset of its first record where the broker told it.
struct batch_outcome {
  std::optional<error> failure{};
  std::optional<std::int64_t> base_offset{};
  std::optional<std::int64_t> log_append_time{};  // milliseconds; set where the topic stamps records itself
};

/// Records [first, end) of a batch, by their indexes when they were appended.
struct record_range {
  std::uint32_t first;
  std::uint32_t end;
};

/// A waiter for one record.
class record_waiter : public waiter {
 public:
  record_ticket ticket{};
  /// The completion whose list it is, or was, linked into: its batch's, or that of the piece of a batch that was split.
  std::atomic<class completion*> in{nullptr};
  /// Set when the completion that it was linked into has ended; the result is read from there.
  boost::intrusive_ptr<class completion> source{};

 protected:
  ~record_waiter() = default;
};

/// States: pending -> done, or pending -> forwarded (a parked record found its batch; a batch was split) and from then
/// on the state of that batch's, or of each piece's completion. While it is pending, stretches of its records may have
/// ended already (they were due, say); and records may have been taken out of the batch before it was sealed, so that
/// those behind them are nearer to its first offset than their index says. Owned by its batch or parked record and by
/// the deliveries; it never keeps records' bytes. Thread safety: shared objects safe. Lock order: a parked record's
/// completion before its batch's.
class completion : public boost::intrusive_ref_counter<completion, boost::thread_safe_counter> {
 public:
  completion(topic_name topic, std::int32_t partition, partition_queue* queue = nullptr)
      : of(queue), topic_(std::move(topic)), partition_(partition) {}
  /// One that has failed already.
  completion(topic_name topic, std::int32_t partition, error failure);

  bool is_ready(const record_ticket& ticket) const noexcept;

  /// The result of one record. Precondition: is_ready(ticket).
  result<record_metadata> get(const record_ticket& ticket) const;

  /// Links the waiter; false when the answer is there already (its `source` is set then, and it is not linked).
  bool attach(record_waiter& added);
  /// Unlinks the waiter; false when it is not linked any more, which means that its completion is on the way.
  bool detach(record_waiter& gone);

  /// Ends it and hands out who waited, in record order. Calls after the first change nothing and return none.
  waiter_list complete(batch_outcome outcome) noexcept;
  /// Ends these records alone (in order, none twice); the others are not concerned. Hands out who waited for them, in
  /// record order. `base_offset` is that of the first of them. May find no memory: then nothing has changed.
  waiter_list end_some(std::span<const record_range> which, batch_outcome outcome);
  /// The same for single records (in order, none twice), each of which ends in its own way.
  struct single_end {
    std::uint32_t index = 0;
    batch_outcome outcome{};
  };
  waiter_list end_each(std::span<single_end> all);

  /// To be called until it returns none when what complete() handed out has been posted: who attached meanwhile had to
  /// queue up behind them.
  waiter_list hand_out_rest();

  /// From now on this record is number `index` of the batch behind `target`, `bytes` long; whoever waits here waits
  /// there. Returns the waiters that must be completed at once because the batch has ended in the meantime.
  /// Precondition: make_room_to_forward(), which may find no memory.
  waiter_list forward(boost::intrusive_ptr<completion> target, std::uint32_t index, std::uint32_t bytes) noexcept;
  void make_room_to_forward();
  const topic_name& called() const noexcept { return topic_; }
  std::int32_t partition() const noexcept { return partition_; }

  /// Nobody waits for this record any more: its delivery was dropped. Noted where `notes_dropped` says so, and only
  /// while it has no answer: who held a delivery when the answer came could have looked.
  void drop(std::uint32_t index);
  /// Which of [first, end) have been dropped; each is told once, or, where there is no memory, never.
  std::vector<std::uint32_t> take_dropped(std::uint32_t first, std::uint32_t end);

  /// The batch's completion that this one, a parked record's, was forwarded to, or null.
  completion* forwarded_to() const noexcept {
    return state_.load(std::memory_order_acquire) == state::forwarded ? redirections_.front().target.get() : nullptr;
  }

  /// From `first` on, up to that of the next, records of the batch are those from `index` on of another one.
  struct redirection {
    std::uint32_t first = 0;  // counted without the records that were removed
    boost::intrusive_ptr<completion> target{};
    std::uint32_t index = 0;
    std::uint32_t bytes = 0;  // of a parked record where it is now
  };
  /// The batch goes on in pieces, which nobody knows yet: who waits here waits there. Records that have ended stay as
  /// they are.
  void split(std::vector<redirection> pieces) noexcept;
  /// Calls visit(first, end) for each stretch of records that have ended.
  template <class Visit>
  void for_each_ended(Visit visit) const {
    std::scoped_lock guard(lock_);
    const auto all = static_cast<std::uint32_t>(ended_by_.size());
    for (std::uint32_t first = 0; first < all;) {
      std::uint32_t end = first;
      while (end < all && ended_by_[end] != 0) ++end;
      if (end > first) visit(first, end);
      first = end + 1;
    }
  }

  /// Hands out all waiters without an answer, for destruction; for deliveries that outlive the execution context it has
  /// failed with errc::closed.
  waiter_list abandon(fate known) noexcept;

  bool is_piece = false;            // of a batch that was divided: its deliveries hold that one's completion; constant
  partition_queue* const of;        // of a batch; null for a parked record
  parked_record* parked = nullptr;  // while it is in the parking lot; under the lot's mutex
  /// Records that are not in the batch any more. Under the partition's lock until the batch is sealed, constant after
  /// that.
  std::unique_ptr<record_marks> removed{};
  bool has_one_record = false;                // a parked one: nobody can queue up behind its waiter; constant
  bool notes_dropped = false;                 // somebody wants to know of failures that nobody waits for; constant
  bool was_refused = false;                   // send() has failed at once
  std::shared_ptr<refused_record> refused{};  // a copy where send() refused it; for its only delivery

 private:
  friend class completion_line;
  enum class state : std::uint8_t { pending, done, forwarded };
  struct early_end {
    std::uint32_t first;
    batch_outcome outcome;
  };

  void unlink(record_waiter& gone);
  void add_waiters_of(record_range which, std::vector<record_waiter*>& found);
  void make_room_to_end(std::uint32_t end, std::size_t more);
  waiter_list hand_out(const std::vector<record_waiter*>& concerned) noexcept;
  const early_end* find_early_end(std::uint32_t index) const noexcept;
  std::uint32_t place_of(std::uint32_t index) const noexcept { return removed ? index - removed->below(index) : index; }
  void put_in_order(waiter_list& waiting);
  bool link(record_waiter& added);
  completion& redirect(record_ticket& ticket) const noexcept;

  mutable spin_lock lock_;
  std::atomic<state> state_{state::pending};
  bool in_order_ = true;
  bool handing_out_ = false;  // complete() has handed out waiters, and they may not have been posted yet
  topic_name topic_;
  std::int32_t partition_;
  waiter_list waiters_;
  // By the indexes of their records, made when records end that are not the first who are waited for: a hundred that
  // end one by one must not be looked for among ten thousand a hundred times. Null where one has gone.
  std::vector<std::pair<std::uint32_t, record_waiter*>> by_index_;
  batch_outcome outcome_;
  // Records that have ended before the batch. Thousands may do so one by one: four bytes each, no node of a tree.
  std::atomic<bool> has_early_ends_{false};
  std::vector<std::uint32_t> ended_by_;                    // of each record: 1 + a place in what follows, or 0
  std::vector<std::unique_ptr<const early_end>> ended_{};  // under the lock; what they point to is constant
  std::vector<redirection> redirections_;                  // in order; constant once it is forwarded
  record_marks dropped_;                                   // under the lock
  boost::intrusive_ptr<completion> next_in_line_{};        // the line's
};

using completion_ptr = boost::intrusive_ptr<completion>;

/// Completions in a row, linked through themselves: joining allocates nothing and cannot fail. Each joins one line,
/// once. Thread safety: distinct objects safe.
class completion_line {
 public:
  completion_line() = default;
  completion_line(const completion_line&) = delete;
  completion_line& operator=(const completion_line&) = delete;
  ~completion_line() {
    while (pop_front()) {
    }
  }

  void push_back(completion& joining) noexcept {
    (last_ != nullptr ? last_->next_in_line_ : first_).reset(&joining);
    last_ = &joining;
  }
  /// Null when there is none.
  completion_ptr pop_front() noexcept {
    completion_ptr front = std::move(first_);
    if (!front) return front;
    first_ = std::move(front->next_in_line_);
    if (!first_) last_ = nullptr;
    return front;
  }

 private:
  completion_ptr first_{};
  completion* last_ = nullptr;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/base/deadline_heap.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

using clock_time = std::chrono::steady_clock::time_point;
using clock_duration = std::chrono::steady_clock::duration;

/// One deadline. The object that holds it must outlive its stay in a heap, and is found again by `kind` and its own
/// type.
struct deadline_entry {
  static constexpr std::size_t idle = static_cast<std::size_t>(-1);

  explicit deadline_entry(int what, void* whose) noexcept : kind(what), owner(whose) {}
  deadline_entry(const deadline_entry&) = delete;
  deadline_entry& operator=(const deadline_entry&) = delete;

  bool is_set() const noexcept { return slot != idle; }

  int kind;
  void* owner;
  clock_time at{};
  std::size_t slot = idle;
};

/// Earliest deadline first. Setting, moving and clearing an entry cost O(log n); less for deadlines that are set in
/// their order, as those of records with equal timeouts are: they stand in a line, of which the heap is spared. Times
/// are compared where they are together: a hundred thousand entries are a hundred thousand places in memory. Equal
/// times pop in an order that depends only on the history of calls, never on addresses. Thread safety: distinct objects
/// safe.
class deadline_heap {
 public:
  /// Up to so many entries are set at one time: set() finds its memory for them from now on.
  void expect(std::size_t entries) {
    if (entries <= expected_) return;
    entries = std::max(entries, 2 * expected_);
    slots_.reserve(entries);
    line_.reserve(2 * entries + least_gaps);  // see leave_line()
    expected_ = entries;
  }

  /// May find no memory for more entries than were expected: then an entry that was set may be lost.
  void set(deadline_entry& entry, clock_time at) {
    if (entry.is_set() && entry.at == at) return;
    if (entry.is_set() && is_in_line(entry)) clear(entry);
    if (!entry.is_set()) return add(entry, at);
    const bool earlier = at < entry.at;
    entry.at = at;
    slots_[entry.slot].at = at;
    if (earlier) {
      sift_up(entry.slot);
    } else {
      sift_down(entry.slot);
    }
  }

  void clear(deadline_entry& entry) noexcept {
    if (!entry.is_set()) return;
    if (is_in_line(entry)) return leave_line(entry);
    const std::size_t at = std::exchange(entry.slot, deadline_entry::idle);
    const slot last = slots_.back();
    slots_.pop_back();
    if (last.entry == &entry) return;
    place(at, last);
    sift_up(at);
    sift_down(last.entry->slot);
  }

  std::optional<clock_time> earliest() const noexcept {
    const slot* const first = first_slot();
    if (first == nullptr) return std::nullopt;
    return first->at;
  }

  /// Removes and returns an entry that is due at `now`, or nullptr.
  deadline_entry* pop_due(clock_time now) noexcept {
    const slot* const first = first_slot();
    if (first == nullptr || first->at > now) return nullptr;
    deadline_entry* due = first->entry;
    clear(*due);
    return due;
  }

  std::size_t size() const noexcept { return slots_.size() + in_line_; }

 private:
  struct slot {
    clock_time at;
    deadline_entry* entry;
  };

  static constexpr std::size_t least_gaps = 64;
  static constexpr std::size_t line_flag = ~(deadline_entry::idle >> 1);  // in deadline_entry::slot

  static bool is_in_line(const deadline_entry& entry) noexcept { return (entry.slot & line_flag) != 0; }

  const slot* first_slot() const noexcept {
    const slot* const top = slots_.empty() ? nullptr : &slots_.front();
    if (in_line_ == 0) return top;
    const slot* const front = &line_[head_];
    return top != nullptr && top->at < front->at ? top : front;
  }

  void add(deadline_entry& entry, clock_time at) {
    const bool is_last = line_.empty() || line_.back().at <= at;
    auto& into = is_last ? line_ : slots_;
    into.push_back({at, &entry});
    entry.at = at;
    entry.slot = into.size() - 1;
    if (!is_last) return sift_up(entry.slot);
    entry.slot = line_flag | (entry.slot + number_);
    ++in_line_;
  }

  // Leaves a gap, which goes when it is at an end of the line, or when there are more gaps than entries.
  void leave_line(deadline_entry& entry) noexcept {
    line_[(std::exchange(entry.slot, deadline_entry::idle) & ~line_flag) - number_].entry = nullptr;
    --in_line_;
    while (!line_.empty() && line_.back().entry == nullptr) line_.pop_back();
    while (head_ < line_.size() && line_[head_].entry == nullptr) ++head_;
    if (line_.size() >= least_gaps && in_line_ < line_.size() / 2) close_gaps();
    if (line_.empty()) head_ = number_ = 0;
  }

  void close_gaps() noexcept {
    number_ += head_;
    line_.erase(line_.begin(), line_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
    if (in_line_ == line_.size()) return;
    std::erase_if(line_, [](const slot& each) { return each.entry == nullptr; });
    for (std::size_t i = 0; i < line_.size(); ++i) line_[i].entry->slot = line_flag | (i + number_);
  }

  void place(std::size_t at, slot moved) noexcept {
    slots_[at] = moved;
    moved.entry->slot = at;
  }

  void sift_up(std::size_t at) noexcept {
    const slot moved = slots_[at];
    while (at > 0) {
      const std::size_t parent = (at - 1) / 2;
      if (slots_[parent].at <= moved.at) break;
      place(at, slots_[parent]);
      at = parent;
    }
    place(at, moved);
  }

  void sift_down(std::size_t at) noexcept {
    const slot moved = slots_[at];
    for (;;) {
      std::size_t child = 2 * at + 1;
      if (child >= slots_.size()) break;
      if (child + 1 < slots_.size() && slots_[child + 1].at < slots_[child].at) ++child;
      if (moved.at <= slots_[child].at) break;
      place(at, slots_[child]);
      at = child;
    }
    place(at, moved);
  }

  std::vector<slot> slots_;  // the heap
  std::vector<slot> line_;   // in order; gaps have no entry
  std::size_t head_ = 0;     // the first that is no gap
  std::size_t in_line_ = 0;  // entries
  std::size_t expected_ = 0;
  std::size_t number_ = 0;  // of the first place: they are counted, and do not change when those in front go
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/stream.hpp

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace asio = boost::asio;
using boost::system::error_code;

/// Type-erased once per request or read, never per record, so that the tasks are instantiated once. All functions are
/// called on the strand that the stream was made for; handlers complete through their associated executor, never inside
/// the call. At most one read and one write at a time. Buffers stay valid until the handler has run. Thread safety:
/// distinct objects safe.
class stream {
 public:
  using done_handler = asio::any_completion_handler<void(error_code)>;
  using size_handler = asio::any_completion_handler<void(error_code, std::size_t)>;

  virtual ~stream() = default;

  /// Looks the host up and tries its addresses in turn. Not for accepted streams.
  virtual void connect(std::string host, std::uint16_t port, done_handler handler) = 0;
  /// Reads at least one byte; end of stream is asio::error::eof.
  virtual void read_some(asio::mutable_buffer into, size_handler handler) = 0;
  /// Writes all of the buffers, in order. The array that `from` views stays valid until the handler has run.
  virtual void write_all(std::span<const asio::const_buffer> from, size_handler handler) = 0;
  /// Ends the connection; what is pending completes with an error. May be called twice.
  virtual void close() noexcept = 0;
  /// "address:port" of the other end, for messages; empty when not connected.
  virtual std::string remote() const = 0;
};

/// Accepts connections; for the embedded broker.
class listener {
 public:
  using accept_handler = asio::any_completion_handler<void(error_code, std::unique_ptr<stream>)>;

  virtual ~listener() = default;
  /// Where clients connect to.
  virtual std::uint16_t port() const = 0;
  /// The accepted stream belongs to `executor`.
  virtual void accept(asio::any_io_executor executor, accept_handler handler) = 0;
  virtual void close() noexcept = 0;
};

// The same as asynchronous operations: `co_await async_read_some(stream, buffer, as_tuple(deferred))`.

template <class Token>
auto async_connect(stream& on, std::string host, std::uint16_t port, Token&& token) {
  return asio::async_initiate<Token, void(error_code)>(
      [](auto handler, stream* to, std::string name, std::uint16_t at) {
        to->connect(std::move(name), at, std::move(handler));
      },
      token, &on, std::move(host), port);
}

template <class Token>
auto async_read_some(stream& from, asio::mutable_buffer into, Token&& token) {
  return asio::async_initiate<Token, void(error_code, std::size_t)>(
      [](auto handler, stream* source, asio::mutable_buffer buffer) { source->read_some(buffer, std::move(handler)); },
      token, &from, into);
}

template <class Token>
auto async_write_all(stream& to, std::span<const asio::const_buffer> from, Token&& token) {
  return asio::async_initiate<Token, void(error_code, std::size_t)>(
      [](auto handler, stream* sink, std::span<const asio::const_buffer> buffers) {
        sink->write_all(buffers, std::move(handler));
      },
      token, &to, from);
}

template <class Token>
auto async_accept(listener& from, asio::any_io_executor executor, Token&& token) {
  return asio::async_initiate<Token, void(error_code, std::unique_ptr<stream>)>(
      [](auto handler, listener* source, asio::any_io_executor on) {
        source->accept(std::move(on), std::move(handler));
      },
      token, &from, std::move(executor));
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/environment.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// One wait at a time; belongs to the strand it was made for.
class timer {
 public:
  virtual ~timer() = default;
  /// Completes at `at`, or with operation_aborted when cancelled; a second call cancels the first wait.
  virtual void wait_until(clock_time at, asio::any_completion_handler<void(error_code)> handler) = 0;
  virtual void cancel() noexcept = 0;
};

template <class Token>
auto async_wait_until(timer& on, clock_time at, Token&& token) {
  return asio::async_initiate<Token, void(error_code)>(
      [](auto handler, timer* waiting, clock_time until) { waiting->wait_until(until, std::move(handler)); }, token,
      &on, at);
}

/// Options of a TCP connection.
struct socket_options {
  std::uint32_t attempt =
      0;  // a host's addresses are tried in turn, from this one on: the first may be dead and take all the time
  std::int32_t send_buffer = -1;  // bytes; -1: as the system has it
  std::int32_t receive_buffer = -1;
};

/// The system's, or a simulated one: the same producer runs in both. Shared by everything that runs in it and outlives
/// it. Thread safety: shared objects safe.
class environment {
 public:
  virtual ~environment() = default;

  virtual clock_time now() const noexcept = 0;
  virtual std::chrono::system_clock::time_point wall_now() const noexcept = 0;
  virtual std::uint64_t random() = 0;
  virtual std::unique_ptr<timer> make_timer(asio::any_io_executor executor) = 0;
  virtual std::unique_ptr<stream> make_stream(asio::any_io_executor executor, const socket_options& options) = 0;
  /// Port 0: one that is free. Throws boost::system::system_error when the address cannot be had.
  virtual std::unique_ptr<listener> listen(asio::any_io_executor executor, const std::string& host,
                                           std::uint16_t port) = 0;
};

/// Clock, timers and TCP sockets of the machine; one per process is enough.
std::shared_ptr<environment> system_environment();

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/waiter_pool.hpp

#include <array>
#include <mutex>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Blocks of up to 512 bytes in steps of 64, kept for reuse until the pool goes. Thread safety: shared objects safe.
class waiter_pool {
 public:
  waiter_pool() = default;
  waiter_pool(const waiter_pool&) = delete;
  waiter_pool& operator=(const waiter_pool&) = delete;
  ~waiter_pool() {
    for (block* list : free_) {
      while (list != nullptr) {
        block* const next = list->next;
        ::operator delete(list);
        list = next;
      }
    }
  }

  void* allocate(std::size_t size) {
    const std::size_t slot = slot_of(size);
    if (slot >= free_.size()) return ::operator new(size);
    {
      std::scoped_lock guard(lock_);
      if (block* found = free_[slot]) {
        free_[slot] = found->next;
        return found;
      }
    }
    return ::operator new((slot + 1) * step);
  }

  void deallocate(void* memory, std::size_t size) noexcept {
    const std::size_t slot = slot_of(size);
    if (slot >= free_.size()) return ::operator delete(memory);
    auto* freed = static_cast<block*>(memory);
    std::scoped_lock guard(lock_);
    freed->next = free_[slot];
    free_[slot] = freed;
  }

 private:
  struct block {
    block* next;
  };
  static constexpr std::size_t step = 64;
  static constexpr std::size_t slot_of(std::size_t size) noexcept { return size == 0 ? 0 : (size - 1) / step; }

  spin_lock lock_;
  std::array<block*, 8> free_{};
};

/// The pool as a standard allocator: the default associated allocator of our operations.
template <class T>
class pool_allocator {
 public:
  using value_type = T;
  explicit pool_allocator(waiter_pool& pool) noexcept : pool_(&pool) {}
  template <class U>
  pool_allocator(const pool_allocator<U>& other) noexcept : pool_(other.pool_) {}

  T* allocate(std::size_t n) { return static_cast<T*>(pool_->allocate(n * sizeof(T))); }
  void deallocate(T* memory, std::size_t n) noexcept { pool_->deallocate(memory, n * sizeof(T)); }
  template <class U>
  bool operator==(const pool_allocator<U>& other) const noexcept {
    return pool_ == other.pool_;
  }

  waiter_pool* pool_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/operation_home.hpp

#include <list>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace asio = boost::asio;

/// A run of handlers that is interrupted, for its time is up or a handler threw, is posted again behind what its
/// executor has in its queue: runs of later records among it. Those queue up behind the interrupted one instead of
/// overtaking it. Thread safety: shared objects safe.
class interrupted_runs {
 public:
  /// When a run begins. False: it has been queued up, and is empty. An interrupted one gets back what it left here.
  bool begin(waiter_list& run) {
    if (count_.load(std::memory_order_acquire) == 0 || run.empty()) return true;
    std::scoped_lock guard(lock_);
    if (take_behind(run)) return true;
    for (auto& each : all_) {
      if (!each.head->runs_with(run.front())) continue;
      each.behind.splice(each.behind.end(), run);
      return false;
    }
    return true;
  }

  /// Puts the rest of a run, which is not empty, aside and posts its first waiter, which begin() will know again. An
  /// executor that refuses it ends the rest, uncalled. False, and nothing has changed, where there is no memory to put
  /// it aside.
  bool interrupt(waiter_list& rest) noexcept {
    waiter& head = rest.front();
    waiter_list posted;
    try {
      std::scoped_lock guard(lock_);
      for (auto& each : all_) {
        if (!each.head->runs_with(head)) continue;
        each.behind.splice(each.behind.end(), rest);  // only a pool of threads comes here, where no order is promised
        return true;
      }
      all_.emplace_back().head = &head;
      rest.pop_front();
      posted.push_back(head);
      all_.back().behind.swap(rest);
      count_.fetch_add(1, std::memory_order_release);
    } catch (const std::bad_alloc&) {
      return false;
    }
    try {
      head.post(std::move(posted));
    } catch (...) {
      return true;  // what was posted has ended, and has taken with it what it left here: give_up()
    }
    return true;
  }

  /// A run that will never run, because its execution context has gone, takes with it what it left here.
  void give_up(waiter_list& run) noexcept {
    if (count_.load(std::memory_order_acquire) == 0 || run.empty()) return;
    std::scoped_lock guard(lock_);
    take_behind(run);
  }

 private:
  struct interrupted {
    const waiter* head = nullptr;  // posted, so it lives until begin() or give_up() has erased this
    waiter_list behind{};
  };

  bool take_behind(waiter_list& run) noexcept {
    for (auto at = all_.begin(); at != all_.end(); ++at) {
      if (at->head != &run.front()) continue;
      run.splice(run.end(), at->behind);
      all_.erase(at);
      count_.fetch_sub(1, std::memory_order_relaxed);
      return true;
    }
    return false;
  }

  spin_lock lock_;
  std::list<interrupted> all_;  // at most one per executor
  std::atomic<std::size_t> count_{0};
};

/// What deliveries ask of their producer; implemented by the engine.
class delivery_host {
 public:
  /// Any thread, under no lock. False when it is too late; else the waiter is linked nowhere any more.
  virtual bool withdraw(completion& of, record_waiter& asked) = 0;
  /// A delivery is dropped, where its completion notes that.
  virtual void let_go(completion& of, const record_ticket& ticket) noexcept = 0;

 protected:
  ~delivery_host() = default;
};

/// Shared by the core, its handles and every waiting operation. Thread safety: shared objects safe.
struct operation_home : boost::intrusive_ref_counter<operation_home, boost::thread_safe_counter> {
  operation_home(asio::any_io_executor on, std::shared_ptr<environment> env)
      : executor(std::move(on)), clock(std::move(env)) {}
  asio::any_io_executor executor;  // empty once the execution context is being destroyed
  const std::shared_ptr<environment> clock;
  waiter_pool pool;
  interrupted_runs interrupted;
  std::weak_ptr<delivery_host> core{};  // set before it is shared
};
using operation_home_ptr = boost::intrusive_ptr<operation_home>;

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/waiter_run.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// The function object that is posted. Delivers its waiters in order; after 256 of them or 100 µs the rest is posted
/// again, so that a pool of threads shares the work and nobody else starves. A handler that throws does not keep the
/// others from running. Destroyed without having run, it destroys its waiters: the execution context has gone.
class waiter_run {
 public:
  /// Without a home (nobody else's handlers are involved) it is never interrupted.
  explicit waiter_run(waiter_list&& run, operation_home_ptr home = {}) noexcept : home_(std::move(home)) {
    waiting_.swap(run);
  }
  waiter_run(waiter_run&& other) noexcept : home_(std::move(other.home_)) { waiting_.swap(other.waiting_); }
  waiter_run& operator=(waiter_run&&) = delete;
  ~waiter_run() {
    if (home_) home_->interrupted.give_up(waiting_);
    while (!waiting_.empty()) {
      waiter& each = waiting_.front();
      waiting_.pop_front();
      each.destroy();
    }
  }

  void operator()() {
    if (home_ && !home_->interrupted.begin(waiting_)) return;
    const rest_guard guard{waiting_, home_};
    const clock_time until = home_ ? home_->clock->now() + std::chrono::microseconds(100) : clock_time::max();
    for (int delivered = 0; !waiting_.empty(); ++delivered) {
      const bool may_end = home_ && delivered > 0 && delivered % 16 == 0;
      const bool time_is_up = may_end && (delivered >= 256 || home_->clock->now() > until);
      if (time_is_up && home_->interrupted.interrupt(waiting_)) return;
      waiter& each = waiting_.front();
      waiting_.pop_front();
      each.deliver();
    }
  }

 private:
  // What is left when a handler throws goes to the end of the executor's queue.
  struct rest_guard {
    waiter_list& rest;
    const operation_home_ptr& home;
    ~rest_guard() {
      if (!rest.empty() && home) home->interrupted.interrupt(rest);
    }
  };

  operation_home_ptr home_;
  waiter_list waiting_;
};

/// Splits the waiters into runs of equal executors and posts each run. One that finds no memory, or whose executor
/// refuses it, is destroyed without being called; the others are not concerned.
inline void post_waiters(waiter_list& waiting) noexcept {
  while (!waiting.empty()) {
    waiter& first = waiting.front();
    auto end = std::next(waiting.begin());
    while (end != waiting.end() && end->runs_with(first)) ++end;
    waiter_list run;
    run.splice(run.end(), waiting, waiting.begin(), end);
    try {
      first.post(std::move(run));
    } catch (...) {
      continue;
    }
  }
}

/// One that is linked nowhere, because its answer is there already: whoever begins it hears of an executor that
/// refuses.
inline void post_waiter(waiter& ready) {
  waiter_list alone;
  alone.push_back(ready);
  ready.post(std::move(alone));
}

/// Ends all waiters without calling their handlers.
inline void destroy_waiters(waiter_list& waiting) noexcept { const waiter_run destroys{std::move(waiting)}; }

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/waiter_op.hpp

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/require.hpp>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace asio = boost::asio;

/// The part of an operation that depends on its handler's executor. A handler on a foreign executor counts as
/// outstanding work there while it waits.
template <class Base, class Executor>
class waiter_on : public Base {
 public:
  bool runs_with(const waiter& other) const noexcept final {
    if (other.executor_type != &type_tag) return false;
    const auto& same_type = static_cast<const waiter_on&>(other);
    return is_own_ == same_type.is_own_ && (is_own_ || executor_ == same_type.executor_);
  }

  void post(waiter_list&& run) final {
    const operation_home_ptr home = home_;  // this waiter may end before post returns
    waiter_run posted(std::move(run), home);
    if constexpr (asio::can_require<Executor, asio::execution::blocking_t::never_t>::value) {
      // Straight to the handler's executor: by way of the producer's, two runs could overtake each other.
      if (!is_own_) return asio::post(executor_, std::move(posted));
    } else if (home->executor && !is_own_) {
      return asio::post(home->executor, asio::bind_executor(executor_, std::move(posted)));
    }
    // Without an executor the execution context has gone, and `posted` destroys its waiters.
    if (home->executor) asio::post(home->executor, std::move(posted));
  }

  const operation_home& home() const noexcept { return *home_; }

 protected:
  waiter_on(operation_home_ptr home, const Executor& executor)
      : home_(std::move(home)), executor_(executor), is_own_(is_own(home_->executor, executor)) {
    this->executor_type = &type_tag;
    if (!is_own_) work_.emplace(executor_);
  }
  ~waiter_on() = default;

  operation_home_ptr home_;

 private:
  static constexpr char type_tag = 0;

  static bool is_own(const asio::any_io_executor& own, const Executor& executor) noexcept {
    if constexpr (std::is_same_v<Executor, asio::any_io_executor>) {
      return own == executor;
    } else if constexpr (std::is_same_v<Executor, asio::any_completion_executor>) {
      return asio::any_completion_executor(own) == executor;
    } else {
      const Executor* same_type = own.template target<Executor>();
      return same_type != nullptr && *same_type == executor;
    }
  }

  Executor executor_;
  bool is_own_;
  std::optional<asio::executor_work_guard<Executor>> work_;
};

/// One operation: the handler, and how its result is read. `Source` gives `Base` (the core's waiter class),
/// `result_of(op)`, and `cancel(op, type)`, which returns true when the operation ends now (it is unlinked then).
template <class Source, class Handler>
class waiter_op final
    : public waiter_on<typename Source::base, asio::associated_executor_t<Handler, asio::any_io_executor>> {
  using executor = asio::associated_executor_t<Handler, asio::any_io_executor>;
  using parent = waiter_on<typename Source::base, executor>;
  using allocator = typename std::allocator_traits<
      asio::associated_allocator_t<Handler, pool_allocator<void>>>::template rebind_alloc<waiter_op>;

 public:
  /// Makes the operation; whoever ends it frees it.
  static waiter_op& make(operation_home_ptr home, Source source, Handler&& handler) {
    allocator memory(asio::get_associated_allocator(handler, pool_allocator<void>(home->pool)));
    waiter_op* made = std::allocator_traits<allocator>::allocate(memory, 1);
    try {
      return *::new (static_cast<void*>(made)) waiter_op(std::move(home), std::move(source), std::move(handler));
    } catch (...) {
      std::allocator_traits<allocator>::deallocate(memory, made, 1);
      throw;
    }
  }

  void deliver() override {
    auto answer = source_.result_of(*this);
    Handler handler = release();
    std::move(handler)(std::move(answer));
  }

  // The handler may own the last reference to things that look at this operation: it goes last.
  void destroy() noexcept override { [[maybe_unused]] const Handler handler = release(); }

  /// Lets the handler's cancellation slot end the operation. Called once, before it can be completed by anybody else.
  void listen_for_cancellation() {
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (!slot.is_connected()) return;
    slot.assign([this](asio::cancellation_type type) {
      if (!source_.cancel(*this, type)) return;
      post_waiter(*this);
    });
  }

  Source& source() noexcept { return source_; }

 private:
  waiter_op(operation_home_ptr home, Source&& source, Handler&& handler)
      : parent(home, asio::get_associated_executor(handler, home->executor)),
        source_(std::move(source)),
        handler_(std::move(handler)) {}
  ~waiter_op() = default;

  // Ends the operation and frees its memory, before the handler runs.
  Handler release() noexcept {
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) slot.clear();
    const operation_home_ptr home = this->home_;
    allocator memory(asio::get_associated_allocator(handler_, pool_allocator<void>(home->pool)));
    Handler handler = std::move(handler_);
    this->~waiter_op();
    std::allocator_traits<allocator>::deallocate(memory, this, 1);
    return handler;
  }

  Source source_;
  Handler handler_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/delivery.hpp

#include <boost/asio/cancellation_type.hpp>

namespace cokafka::inline COKAFKA_ABI {

namespace asio = boost::asio;

namespace detail {

/// How an awaited delivery gets its answer and how it is cancelled (guarantee.md, rule 16).
struct delivery_source {
  using base = record_waiter;
  enum class end : std::uint8_t { answer, stopped_waiting, withdrawn };
  completion_ptr target;
  end how = end::answer;

  result<record_metadata> result_of(record_waiter& op) const {
    if (how == end::answer) return op.source->get(op.ticket);
    error_details why;
    why.code = errc::cancelled;
    why.fate = how == end::withdrawn ? fate::not_written : fate::maybe_written;
    return error(std::move(why));
  }
  // total takes the record back, partial stops waiting, terminal does what of both is possible. Once: after that the
  // operation is linked into the run that was posted.
  template <class Op>
  bool cancel(Op& op, asio::cancellation_type type) {
    using asio::cancellation_type;
    const auto asks = [&](cancellation_type for_one) { return (type & for_one) != cancellation_type::none; };
    if (how != end::answer) return false;
    if (asks(cancellation_type::total | cancellation_type::terminal)) {
      const auto core = op.home().core.lock();
      if (core && core->withdraw(*target, op)) {
        how = end::withdrawn;
        return true;
      }
    }
    if (!asks(cancellation_type::partial | cancellation_type::terminal) || !target->detach(op)) return false;
    how = end::stopped_waiting;
    if (target->notes_dropped) op.in.load(std::memory_order_acquire)->drop(op.ticket.index);  // nobody waits any more
    return true;
  }
};

/// A record whose answer somebody may still ask for: held by a delivery, and by a lazy operation that has not begun.
/// Who gives it up unasked is noted, where somebody wants failures reported that nobody waits for. Of copies the
/// latest answers for that.
class held_record {
 public:
  held_record(operation_home_ptr home, completion_ptr done, const record_ticket& ticket) noexcept
      : home_(std::move(home)), done_(std::move(done)), ticket_(ticket) {}
  held_record(held_record&&) noexcept = default;  // leaves nothing behind
  held_record(const held_record& other) noexcept
      : home_(other.home_), done_(other.done_), ticket_(other.ticket_), notes_(std::exchange(other.notes_, false)) {}
  held_record& operator=(held_record&& other) noexcept {
    if (this == &other) return *this;
    let_go();
    home_ = std::move(other.home_);
    done_ = std::move(other.done_);
    ticket_ = other.ticket_;
    notes_ = other.notes_;
    return *this;
  }
  ~held_record() { let_go(); }

  const operation_home_ptr& home() const noexcept { return home_; }
  completion& done() const noexcept { return *done_; }
  const record_ticket& ticket() const noexcept { return ticket_; }
  /// Somebody waits from now on.
  completion_ptr take() noexcept { return std::move(done_); }

  /// The answer has been looked at. What a batch fails with is noted before: nobody held the delivery then.
  void seen() const noexcept {
    if (done_->was_refused) notes_ = false;
  }

  void let_go() noexcept {
    const completion_ptr gone = std::move(done_);
    if (!gone || !notes_ || !gone->notes_dropped) return;
    if (const auto core = home_->core.lock()) core->let_go(*gone, ticket_);
  }

 private:
  operation_home_ptr home_;
  completion_ptr done_;
  record_ticket ticket_;
  mutable bool notes_ = true;
};

}  // namespace detail

/// The handle to one record, itself an asynchronous operation with the signature `void(result<record_metadata>)`:
///
///     auto sent = co_await producer.send({.topic = "orders", .value = "1"});   // waits for the acknowledgement
///     delivery later = producer.send({.topic = "orders", .value = "2"});       // goes on; co_await std::move(later)
///
/// Awaiting never completes inside the call; the handler runs through its associated executor, by default the
/// producer's. Cancellation: `total` withdraws a record that is parked or in a batch that is not sealed yet:
/// `errc::cancelled`, fate not_written, and the records around it notice nothing; later it is ignored. `partial` stops
/// waiting: `errc::cancelled`, fate maybe_written, and the record lives on. `terminal` withdraws where that is
/// possible, else stops waiting. (A spawned coroutine, `cancel_after` and `||` emit terminal unless told otherwise.)
/// Destroying a delivery is detach(): the record is sent all the same. Lifetime: may outlive its producer. Thread
/// safety: distinct objects safe.
class [[nodiscard]] delivery {
 public:
  delivery(delivery&&) noexcept = default;
  delivery& operator=(delivery&&) noexcept = default;

  /// Waits for the answer. Completion signature: `void(result<record_metadata>)`.
  template <asio::completion_token_for<void(result<record_metadata>)> Token>
  auto operator()(Token&& token) && {
    return asio::async_initiate<Token, void(result<record_metadata>)>(initiation{held_.home()}, token,
                                                                      std::move(held_));
  }

  /// The answer is there: get() has it, and awaiting it does not wait.
  bool ready() const noexcept { return held_.done().is_ready(held_.ticket()); }

  /// The answer without waiting. Errors: errc::not_ready, or the record's own.
  result<record_metadata> get() const {
    if (!held_.done().is_ready(held_.ticket())) return error(errc::not_ready);
    held_.seen();
    return held_.done().get(held_.ticket());
  }

  /// Fire and forget, said out loud.
  void detach() && { held_.let_go(); }

 private:
  friend class producer;
  friend class topic_handle;

  class initiation {
   public:
    using executor_type = asio::any_io_executor;
    explicit initiation(detail::operation_home_ptr home) : home_(std::move(home)) {}
    executor_type get_executor() const noexcept { return home_->executor; }

    template <class Handler>
    void operator()(Handler&& handler, detail::held_record held) const {
      using op = detail::waiter_op<detail::delivery_source, std::decay_t<Handler>>;
      std::decay_t<Handler> own(std::forward<Handler>(handler));
      op& made = op::make(home_, detail::delivery_source{&held.done()}, std::move(own));
      const detail::completion_ptr done = held.take();
      made.ticket = held.ticket();
      made.listen_for_cancellation();
      if (done->attach(made)) return;
      detail::post_waiter(made);
    }

   private:
    detail::operation_home_ptr home_;
  };

  delivery(detail::operation_home_ptr home, detail::completion_ptr done, const detail::record_ticket& ticket) noexcept
      : held_(std::move(home), std::move(done), ticket) {}

  detail::held_record held_;
};

}  // namespace cokafka::inline COKAFKA_ABI

// ---- cokafka/metrics.hpp

namespace cokafka::inline COKAFKA_ABI {

/// Totals since the producer was made; in parentheses the names of the Java client's metrics. Each number is right, but
/// they are not of one moment: strands add to them while they are read.
struct metrics_snapshot {
  std::uint64_t records_written = 0;  ///< acknowledged; with acks=0: taken by the socket (`record-send-total`)
  std::uint64_t records_failed = 0;   ///< accepted by `send`, then failed (`record-error-total`); no withdrawn ones
  std::uint64_t records_retried = 0;  ///< sent again, each time anew (`record-retry-total`)
  std::uint64_t batches_split = 0;    ///< too large for their topic, sent again in pieces (`batch-split-total`)
  std::uint64_t unheard_failures =
      0;  ///< nobody waited for these, some of which `send` refused (`config::on_delivery_failed`)
  std::uint64_t vanished_logs = 0;  ///< times a broker's log had lost what it had acknowledged to this producer
  std::uint64_t throttled_responses =
      0;  ///< answers with a throttle time (KIP-219), also about metadata and producer ids
  std::chrono::milliseconds throttle_time{};  ///< their sum (`produce-throttle-time-avg` times their number)

  metrics_snapshot& operator+=(const metrics_snapshot& more) noexcept {
    records_written += more.records_written;
    records_failed += more.records_failed;
    records_retried += more.records_retried;
    batches_split += more.batches_split;
    unheard_failures += more.unheard_failures;
    vanished_logs += more.vanished_logs;
    throttled_responses += more.throttled_responses;
    throttle_time += more.throttle_time;
    return *this;
  }
  bool operator==(const metrics_snapshot&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI

// ---- cokafka/partition_info.hpp

namespace cokafka::inline COKAFKA_ABI {

/// One partition of a topic, as the newest metadata describes it. Brokers are named by their ids.
/// Thread safety: distinct objects safe; shared objects safe for reading.
struct partition_info {
  std::int32_t id = -1;
  std::optional<std::int32_t> leader;          ///< empty while none is elected
  std::vector<std::int32_t> replicas;          ///< all brokers that hold it
  std::vector<std::int32_t> in_sync_replicas;  ///< those that have caught up
};

}  // namespace cokafka::inline COKAFKA_ABI

// ---- cokafka/detail/base/chunk_pool.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// A block of `capacity` bytes behind this header; the first `size` are in use.
struct chunk {
  chunk* next = nullptr;
  std::uint32_t size = 0;
  std::uint32_t capacity = 0;

  char* data() noexcept { return reinterpret_cast<char*>(this + 1); }
  const char* data() const noexcept { return reinterpret_cast<const char*>(this + 1); }
  std::size_t room() const noexcept { return capacity - size; }
};

/// A singly linked list of chunks with its total capacity. Plain data: who holds it gives it back to the pool.
struct chunk_chain {
  chunk* head = nullptr;
  chunk* tail = nullptr;
  std::size_t capacity = 0;

  bool empty() const noexcept { return head == nullptr; }
  void push_back(chunk* added) noexcept {
    (tail ? tail->next : head) = added;
    tail = added;
    capacity += added->capacity;
  }
  /// Moves all chunks of `other` behind ours.
  void splice(chunk_chain&& other) noexcept {
    if (other.empty()) return;
    (tail ? tail->next : head) = other.head;
    tail = other.tail;
    capacity += other.capacity;
    other = chunk_chain{};
  }
};

/// Chunks grow within a batch: 1 KiB, then 4 KiB, then 16 KiB, so that ten thousand partitions with one record each
/// cost 10 MiB and a full batch costs few chunks. Counted without the header of a chunk.
inline constexpr std::array<std::size_t, 3> chunk_sizes{1024, 4096, 16384};

/// The size of the next chunk of a chain that holds `capacity` bytes already.
constexpr std::size_t next_chunk_size(std::size_t capacity) noexcept {
  return capacity == 0 ? chunk_sizes[0] : capacity < chunk_sizes[2] ? chunk_sizes[1] : chunk_sizes[2];
}

/// How many bytes of chunks a chain of `capacity` bytes takes to grow by at least `wanted` bytes.
constexpr std::size_t chunk_bytes_for(std::size_t capacity, std::size_t wanted) noexcept {
  std::size_t taken = 0;
  while (taken < wanted) taken += next_chunk_size(capacity + taken);
  return taken;
}

/// Free lists of chunks, one per size; owned by the memory budget of one producer. What is in use, here and beside, and what
/// is kept for reuse is together not more than `limit`, as long as no more than that is in use: where chunks of one size
/// are wanted, free ones of other sizes go. Thread safety: shared objects safe.
class chunk_pool {
 public:
  explicit chunk_pool(std::size_t limit = static_cast<std::size_t>(-1)) noexcept : limit_(limit) {}
  chunk_pool(const chunk_pool&) = delete;
  chunk_pool& operator=(const chunk_pool&) = delete;
  ~chunk_pool() {
    for (auto& list : free_) {
      while (chunk* top = list) {
        list = top->next;
        ::operator delete(top);
      }
    }
  }

  /// A chain that grows one of `capacity` bytes by at least `wanted` bytes. Throws std::bad_alloc only.
  chunk_chain acquire(std::size_t capacity, std::size_t wanted) {
    chunk_chain taken;
    try {
      while (taken.capacity < wanted) taken.push_back(acquire_one(next_chunk_size(capacity + taken.capacity)));
    } catch (...) {
      release(std::move(taken));
      throw;
    }
    return taken;
  }

  /// Bytes of all chunks that exist, in use or free.
  std::size_t made() noexcept {
    std::scoped_lock guard(lock_);
    return made_;
  }

  /// So many bytes more (or less) are in use beside the chunks: as many free ones go.
  void count_beside(std::ptrdiff_t bytes) noexcept {
    if (bytes == 0) return;
    std::scoped_lock guard(lock_);
    beside_ += static_cast<std::size_t>(bytes);
    make_room(0);
  }

  void release(chunk_chain&& chain) noexcept {
    std::scoped_lock guard(lock_);
    for (chunk* each = chain.head; each != nullptr;) {
      chunk* following = each->next;
      each->next = std::exchange(free_[class_of(each->capacity)], each);
      each = following;
    }
    chain = chunk_chain{};
  }

 private:
  static constexpr std::size_t class_of(std::size_t size) noexcept {
    return size == chunk_sizes[0] ? 0 : size == chunk_sizes[1] ? 1 : 2;
  }

  chunk* acquire_one(std::size_t size) {
    {
      std::scoped_lock guard(lock_);
      if (chunk*& top = free_[class_of(size)]) {
        chunk* found = top;
        top = found->next;
        found->next = nullptr;
        found->size = 0;
        return found;
      }
      make_room(size);
    }
    void* const memory = ::operator new(sizeof(chunk) + size, std::nothrow);
    if (memory == nullptr) {
      std::scoped_lock guard(lock_);
      made_ -= size;
      throw std::bad_alloc();
    }
    auto* made = ::new (memory) chunk;
    made->capacity = static_cast<std::uint32_t>(size);
    return made;
  }

  // Counts a chunk that is about to be made, and frees others where it is too many. Under the lock.
  void make_room(std::size_t size) noexcept {
    made_ += size;
    for (auto& list : free_) {
      while (made_ + beside_ > limit_ && list != nullptr) {
        chunk* const gone = std::exchange(list, list->next);
        made_ -= gone->capacity;
        ::operator delete(gone);
      }
    }
  }

  const std::size_t limit_;
  std::size_t made_ = 0;    // bytes of all chunks that exist
  std::size_t beside_ = 0;  // bytes that are charged with them
  spin_lock lock_;
  std::array<chunk*, chunk_sizes.size()> free_{};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/buffer_memory.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// How much of the budget waits for one broker. Owned by the broker's link; outlives the batches charged to it.
struct broker_share {
  std::atomic<std::size_t> used{0};
  std::atomic<bool> waited_for{false};  // records are parked because it is full: its batches should go
  bool was_waited_for = false;          // when the home strand looked last
};

/// Chunks against a fixed number of bytes. A broker that does not drain cannot take the whole budget from the others
/// (guarantee.md, rule 22): with more than one broker, a broker's share may grow only while it is at most three times
/// what is still free, so something always remains for a broker that answers. The first record of a broker is not
/// limited: one that takes most of the budget could never go. Thread safety: shared objects safe.
class buffer_memory {
 public:
  enum class outcome { taken, exhausted, over_share };

  explicit buffer_memory(std::size_t total) : pool_(total), total_(total), free_(static_cast<std::ptrdiff_t>(total)) {}

  /// Called, on the thread that gave memory back, when somebody said that they wait. Set before first use; does not
  /// throw.
  void on_release(std::function<void()> callback) { released_ = std::move(callback); }

  /// Chunks that grow a chain of `capacity` bytes by at least `wanted`, and `beside` bytes that the batch takes
  /// elsewhere: all or none. `share` may be null. Headers of chunks are not charged.
  outcome take(std::size_t capacity, std::size_t wanted, broker_share* share, chunk_chain& taken,
               std::size_t beside = 0) {
    const std::size_t bytes = chunk_bytes_for(capacity, wanted) + beside;
    const auto charge = static_cast<std::ptrdiff_t>(bytes);
    std::ptrdiff_t seen = free_.load(std::memory_order_seq_cst);  // after somebody_waits(), see there
    do {
      if (seen < charge) return outcome::exhausted;
      const auto left = static_cast<std::size_t>(seen - charge);
      if (share != nullptr && share_is_full(*share, bytes, left)) return outcome::over_share;
    } while (!free_.compare_exchange_weak(seen, seen - charge, std::memory_order_relaxed));
    try {
      taken = pool_.acquire(capacity, wanted);
    } catch (...) {
      free_.fetch_add(charge, std::memory_order_seq_cst);
      throw;
    }
    pool_.count_beside(static_cast<std::ptrdiff_t>(beside));
    if (share != nullptr) share->used.fetch_add(bytes, std::memory_order_relaxed);
    return outcome::taken;
  }

  /// The same without asking, for a batch that is split: it is held twice for a moment, and its pieces may need a chunk
  /// more each than it had. What is free is less than nothing then, and nobody else gets any.
  chunk_chain take_beyond(std::size_t capacity, std::size_t wanted, broker_share* share, std::size_t beside = 0) {
    chunk_chain taken = pool_.acquire(capacity, wanted);
    const std::size_t bytes = taken.capacity + beside;
    pool_.count_beside(static_cast<std::ptrdiff_t>(beside));
    free_.fetch_sub(static_cast<std::ptrdiff_t>(bytes), std::memory_order_relaxed);
    if (share != nullptr) share->used.fetch_add(bytes, std::memory_order_relaxed);
    return taken;
  }

  void give_back(chunk_chain&& chain, broker_share* share, std::size_t beside = 0) noexcept {
    const std::size_t bytes = chain.capacity + beside;
    if (bytes == 0) return;
    pool_.release(std::move(chain));
    pool_.count_beside(-static_cast<std::ptrdiff_t>(beside));
    if (share != nullptr) share->used.fetch_sub(bytes, std::memory_order_relaxed);
    free_.fetch_add(static_cast<std::ptrdiff_t>(bytes), std::memory_order_seq_cst);
    if (!somebody_waits_.load(std::memory_order_seq_cst) || !released_) return;
    released_();
  }

  /// Whoever waits says so before it looks at the budget again, so that no release is missed.
  void somebody_waits(bool waits) noexcept { somebody_waits_.store(waits, std::memory_order_seq_cst); }
  bool is_somebody_waiting() const noexcept { return somebody_waits_.load(std::memory_order_relaxed); }

  /// Limits shares: there is more than one broker.
  void limit_shares(bool limited) noexcept { limited_.store(limited, std::memory_order_relaxed); }

  std::size_t total() const noexcept { return total_; }
  /// More than total() while a batch is divided.
  std::size_t held() const noexcept {
    return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(total_) - free_.load(std::memory_order_seq_cst));
  }
  std::size_t available() const noexcept {
    return static_cast<std::size_t>(std::max<std::ptrdiff_t>(free_.load(std::memory_order_seq_cst), 0));
  }

 private:
  bool share_is_full(const broker_share& share, std::size_t bytes, std::size_t free_then) const noexcept {
    if (!limited_.load(std::memory_order_relaxed)) return false;
    const std::size_t used = share.used.load(std::memory_order_relaxed);
    return used != 0 && used + bytes > 3 * free_then;
  }

  chunk_pool pool_;
  const std::size_t total_;
  std::atomic<std::ptrdiff_t> free_;
  std::atomic<bool> limited_{false};
  std::atomic<bool> somebody_waits_{false};
  std::function<void()> released_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/if_memory.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// What the function returns, or nothing where it finds no memory.
template <class Function>
auto if_memory(Function function) noexcept -> decltype(function()) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return decltype(function())();
  }
}

/// The same but for its message, which may have to be left out.
inline error_details copied(const error_details& from) noexcept {
  error_details made;
  made.code = from.code;
  made.message = if_memory([&] { return from.message; });
  made.fate = from.fate;
  made.attempts = from.attempts;
  made.broker = from.broker;
  made.elapsed = from.elapsed;
  made.cause = from.cause;
  return made;
}

/// So that the next push_back() throws nothing.
template <class Vector>
void make_room_for_one(Vector& in) {
  if (in.size() == in.capacity()) in.reserve(2 * in.size() + 8);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/base/varint.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Zig-zag: small magnitudes of either sign become small unsigned numbers.
constexpr std::uint64_t zigzag(std::int64_t value) noexcept {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

/// Bytes of an unsigned base-128 integer, 1 to 10.
constexpr std::size_t unsigned_varint_size(std::uint64_t value) noexcept {
  return static_cast<std::size_t>(std::bit_width(value | 1) + 6) / 7;
}

/// Bytes of a zig-zag integer: at most 5 for what fits 32 bits, else at most 10.
constexpr std::size_t varint_size(std::int64_t value) noexcept { return unsigned_varint_size(zigzag(value)); }

/// Writes base-128, least significant group first; returns the position behind.
inline char* put_unsigned_varint(char* at, std::uint64_t value) noexcept {
  while (value >= 0x80) {
    *at++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<char>(value);
  return at;
}

inline char* put_varint(char* at, std::int64_t value) noexcept { return put_unsigned_varint(at, zigzag(value)); }

/// Big-endian store of the low `sizeof(Int)` bytes.
template <class Int>
char* put_big_endian(char* at, Int value) noexcept {
  auto rest = static_cast<std::uint64_t>(value);
  for (std::size_t i = sizeof(Int); i-- > 0; rest >>= 8) at[i] = static_cast<char>(rest & 0xff);
  return at + sizeof(Int);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/batch/chunk_cursor.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Reads on from the first byte of a chain. All chunks are full but the last, so that a reader may follow a writer that
/// has not set their sizes yet; whoever reads knows how many bytes there are.
class chunk_reader {
 public:
  explicit chunk_reader(const chunk* first) noexcept : at_(first) {}

  /// The next bytes that lie together, at most `limit`, and behind them. Precondition: there is a next byte.
  std::string_view part(std::size_t limit) noexcept {
    if (offset_ == at_->capacity) {
      at_ = at_->next;
      offset_ = 0;
    }
    const std::size_t size = std::min<std::size_t>(limit, at_->capacity - offset_);
    const std::string_view found(at_->data() + offset_, size);
    offset_ += size;
    return found;
  }

  void skip(std::size_t size) noexcept {
    while (size > 0) size -= part(size).size();
  }

  /// A zig-zag varint that we wrote ourselves.
  std::int64_t varint() noexcept {
    std::uint64_t raw = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(part(1).front());
      raw |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return static_cast<std::int64_t>(raw >> 1) ^ -static_cast<std::int64_t>(raw & 1);
  }

 private:
  const chunk* at_;
  std::size_t offset_ = 0;
};

/// What stands in a record before its key, and how many bytes follow.
struct record_start {
  std::size_t body = 0;
  std::int64_t timestamp_delta = 0;
  std::int64_t offset_delta = 0;
  std::size_t rest = 0;
};

inline record_start read_record_start(chunk_reader& from) noexcept {
  record_start read;
  read.body = static_cast<std::size_t>(from.varint());
  from.skip(1);  // attributes of a record are unused
  read.timestamp_delta = from.varint();
  read.offset_delta = from.varint();
  read.rest = read.body - 1 - varint_size(read.timestamp_delta) - varint_size(read.offset_delta);
  return read;
}

/// Writes over a chain from its first byte on. It may follow a reader through the same chain, never overtake it.
class chunk_writer {
 public:
  explicit chunk_writer(chunk* first) noexcept : at_(first) {}

  void put(std::string_view bytes) noexcept {
    while (!bytes.empty()) {
      if (offset_ == at_->capacity) {
        at_->size = at_->capacity;
        at_ = at_->next;
        offset_ = 0;
      }
      const std::size_t size = std::min<std::size_t>(bytes.size(), at_->capacity - offset_);
      std::memmove(at_->data() + offset_, bytes.data(), size);
      offset_ += size;
      bytes.remove_prefix(size);
    }
  }

  void put_varint(std::int64_t value) noexcept {
    char encoded[10];
    put({encoded, static_cast<std::size_t>(detail::put_varint(encoded, value) - encoded)});
  }

  /// The chunk that the last byte went into; it ends there.
  chunk* finish() noexcept {
    at_->size = static_cast<std::uint32_t>(offset_);
    return at_;
  }

 private:
  chunk* at_;
  std::size_t offset_ = 0;
};

/// Goes from record to record of a batch as batch_builder writes them.
class record_walker {
 public:
  explicit record_walker(const chunk* first) noexcept : in_(first) {}

  /// To the next record. Precondition: there is one, and the last has been left by skip() or copy().
  void next() noexcept { body_ = static_cast<std::size_t>(in_.varint()); }
  /// Its bytes, the length before it included.
  std::size_t size() const noexcept { return varint_size(static_cast<std::int64_t>(body_)) + body_; }
  void skip() noexcept { in_.skip(body_); }
  /// Appends it, the length before it included, to a string.
  template <class String>
  void copy(String& to) {
    char encoded[10];
    to.append(encoded, static_cast<std::size_t>(put_varint(encoded, static_cast<std::int64_t>(body_)) - encoded));
    for (std::size_t left = body_; left > 0;) {
      const std::string_view part = in_.part(left);
      to.append(part);
      left -= part.size();
    }
  }

 private:
  chunk_reader in_;
  std::size_t body_ = 0;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/batch/batch_builder.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Who wrote a batch and as which: the part of the header that makes retries safe (KIP-98). -1 without idempotence.
struct batch_stamp {
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;

  bool operator==(const batch_stamp&) const = default;
};

/// Bytes of a batch's header before the records.
inline constexpr std::size_t batch_header_size = 61;

/// The bytes a record may cost at most in a batch of its own, header included: what `max.request.size` and
/// `buffer.memory` are checked against (an estimate from above, as in Java: 61 + 21 + the fields).
std::size_t record_size_upper_bound(const record_view& record) noexcept;

/// Builder of one batch. Legal order of calls: append* (each after add_chunks where shortfall() asks for it), remove at
/// most once, seal once, then stamp any number of times; header() and chunks() are valid after stamp.
///
///   header (61 bytes, in the object)   chunks (records, back to back; a record may span chunks)
///   [lengths | crc | stamp | count] -> [ 1 KiB ] -> [ 4 KiB ] -> ... -> [ 16 KiB ]
///
/// Owned by a batch of the core, which also returns the chunks. Thread safety: distinct objects safe.
class batch_builder {
 public:
  /// Size of the record behind its length prefix, and with it.
  struct record_shape {
    std::size_t body = 0;
    std::size_t total = 0;
  };

  /// The exact shape the record has if it is appended next with this timestamp (milliseconds since the epoch).
  record_shape shape_of(const record_view& record, std::int64_t timestamp) const noexcept;

  /// How many bytes of a record of `total` bytes do not fit in the chunks at hand.
  std::size_t shortfall(std::size_t total) const noexcept {
    const std::size_t room = room_in_chain();
    return total > room ? total - room : 0;
  }
  void add_chunks(chunk_chain&& added) noexcept;

  /// Appends the record. Precondition: `shape` is shape_of(record, timestamp) and shortfall(shape.total) is 0.
  /// Returns its index in the batch.
  std::uint32_t append(const record_view& record, std::int64_t timestamp, record_shape shape) noexcept;

  /// The same for a record of another batch: `from` stands behind its deltas, `rest` bytes before its end. Its offset
  /// and timestamp deltas are written anew.
  record_shape shape_of_copy(std::size_t rest, std::int64_t timestamp) const noexcept;
  void append_copy(class chunk_reader& from, std::size_t rest, std::int64_t timestamp, record_shape shape) noexcept;

  /// Takes the marked records out, but not all of them; the others keep their order and are counted from 0 again.
  /// Linear in the bytes, once. Nothing may be appended afterwards. Returns the chunks that are empty now.
  chunk_chain remove(const record_marks& gone) noexcept;

  /// Computes the checksum of the records; nothing may be appended afterwards.
  void seal() noexcept;

  /// Writes the header with this stamp. The records are not read again: their checksum is combined with the header's.
  void stamp(const batch_stamp& by) noexcept;

  std::uint32_t count() const noexcept { return count_; }
  bool is_sealed() const noexcept { return sealed_; }
  /// Bytes on the wire, header included.
  std::size_t size() const noexcept { return batch_header_size + body_size_; }
  std::size_t chunk_capacity() const noexcept { return chain_.capacity; }
  std::int64_t base_timestamp() const noexcept { return base_timestamp_; }
  std::int64_t max_timestamp() const noexcept { return max_timestamp_; }

  std::span<const char> header() const noexcept { return header_; }
  /// The chunks with the records, in order, for a gather write.
  const chunk* chunks() const noexcept { return chain_.head; }

  /// Gives the chunks up, to be returned to the pool.
  chunk_chain release_chunks() noexcept;

 private:
  std::size_t room_in_chain() const noexcept { return chain_.capacity - body_size_; }
  void put(const char* bytes, std::size_t size) noexcept;
  void put_varint_across(std::int64_t value) noexcept;
  void append_across(const record_view& record, std::int64_t timestamp_delta, record_shape shape) noexcept;

  chunk_chain chain_;
  chunk* current_ = nullptr;  // the chunk that takes the next byte; those behind it are empty
  std::size_t body_size_ = 0;
  std::int64_t base_timestamp_ = 0;
  std::int64_t max_timestamp_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t body_crc_ = 0;
  bool sealed_ = false;
  std::array<char, batch_header_size> header_{};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/flush_tracker.hpp

#include <deque>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Counts batches and parked records by generation; each flush starts a new one and waits for all older. One entry per
/// batch, not per record. Thread safety: shared objects safe.
class flush_tracker {
 public:
  using generation = std::uint64_t;

  /// A batch or a parked record begins; it must leave() exactly once.
  generation enter() {
    std::scoped_lock guard(mutex_);
    if (generations_.empty()) generations_.emplace_back();
    ++generations_.back().alive;
    return first_ + generations_.size() - 1;
  }

  /// A batch goes on as this many more: each leaves for itself.
  void multiply(generation entered, std::size_t more) {
    std::scoped_lock guard(mutex_);
    at(entered).alive += more;
  }

  /// It has been answered. Returns the flushes that this ends.
  [[nodiscard]] waiter_list leave(generation entered) {
    std::scoped_lock guard(mutex_);
    --at(entered).alive;
    return take_ended();
  }

  /// A parked record goes on as part of a batch: the batch takes over the older of both generations, the record's place
  /// is given up. Returns the batch's generation from now on.
  generation merge(generation parked, generation batch) {
    std::scoped_lock guard(mutex_);
    if (parked >= batch) {
      --at(parked).alive;
      return batch;
    }
    --at(batch).alive;
    return parked;
  }

  /// Starts a flush; empty when nothing is outstanding (the waiter is not linked then). Each flush has a generation of
  /// its own.
  std::optional<generation> begin(waiter& flushing) {
    std::scoped_lock guard(mutex_);
    const bool outstanding = std::any_of(generations_.begin(), generations_.end(), [](auto& g) { return g.alive > 0; });
    if (!outstanding || ended_) return std::nullopt;
    generations_.emplace_back();  // may find no memory
    std::prev(generations_.end(), 2)->waiting.push_back(flushing);
    flushing_.fetch_add(1, std::memory_order_relaxed);
    return first_ + generations_.size() - 2;
  }

  /// Stops waiting; false when the flush has ended already.
  bool cancel(waiter& flushing) {
    std::scoped_lock guard(mutex_);
    // Not by is_linked(): a flush that has ended is in a list that another thread is working on.
    for (auto& each : generations_) {
      auto found = std::find_if(each.waiting.begin(), each.waiting.end(), [&](waiter& w) { return &w == &flushing; });
      if (found == each.waiting.end()) continue;
      each.waiting.erase(found);
      flushing_.fetch_sub(1, std::memory_order_relaxed);
      return true;
    }
    return false;
  }

  /// The same by the flush's generation: its waiter, or null when it has ended already.
  waiter* cancel(generation begun) {
    std::scoped_lock guard(mutex_);
    if (!is_waiting_locked(begun)) return nullptr;
    waiter& gone = at(begun).waiting.front();
    at(begun).waiting.pop_front();
    flushing_.fetch_sub(1, std::memory_order_relaxed);
    return &gone;
  }
  bool is_waiting(generation begun) const {
    std::scoped_lock guard(mutex_);
    return is_waiting_locked(begun);
  }

  /// Hands out all flushes, for destruction or forced close; there is nothing to wait for any more.
  waiter_list abandon() {
    std::scoped_lock guard(mutex_);
    ended_ = true;
    waiter_list all;
    for (auto& each : generations_) all.splice(all.end(), each.waiting);
    flushing_.store(0, std::memory_order_relaxed);
    return all;
  }

  /// No record is let in any more but those that have been counted. Partitions and parking ask under their locks: who takes
  /// each of these once afterwards knows that the next flush waits for all that were let in.
  void close() noexcept { closed_.store(true, std::memory_order_release); }
  bool is_closed() const noexcept { return closed_.load(std::memory_order_acquire); }

  /// While a flush waits, no batch lingers.
  bool is_flushing() const noexcept { return flushing_.load(std::memory_order_relaxed) > 0; }

 private:
  struct counted {
    std::size_t alive = 0;
    waiter_list waiting;
  };

  bool is_waiting_locked(generation begun) const {
    return begun >= first_ && begun - first_ < generations_.size() &&
           !generations_[static_cast<std::size_t>(begun - first_)].waiting.empty();
  }

  counted& at(generation entered) { return generations_[static_cast<std::size_t>(entered - first_)]; }

  waiter_list take_ended() {
    waiter_list ended;
    while (!generations_.empty() && generations_.front().alive == 0) {
      auto& oldest = generations_.front();
      flushing_.fetch_sub(oldest.waiting.size(), std::memory_order_relaxed);
      ended.splice(ended.end(), oldest.waiting);
      generations_.pop_front();
      ++first_;
    }
    return ended;
  }

  mutable std::mutex mutex_;
  std::deque<counted> generations_;
  generation first_ = 0;
  bool ended_ = false;
  std::atomic<bool> closed_{false};
  std::atomic<std::size_t> flushing_{0};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/record_deadlines.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Records are added in their order. The first 32 runs are exact; from then on a run ends at a whole millisecond, so
/// that a million records per second cost a thousand runs. Whoever would need more memory for runs than a quarter of
/// its bytes (timeouts that alternate, tiny records) goes to another batch: takes(). Thread safety: distinct objects
/// safe.
class record_deadlines {
 public:
  static constexpr clock_time never = clock_time::max();

  /// Whether one more record may be added; `bytes` are those of the records so far.
  bool takes(clock_time at, std::size_t bytes) const noexcept {
    return is_in_last(at) || runs_.size() < 64 + bytes / 64;
  }

  /// How many bytes the list needs to take a record that is due at `at`, behind `count` others; 0 where it needs no
  /// more than it has. reserve() so many before add().
  std::size_t memory_for(std::uint32_t count, clock_time at) const noexcept {
    const bool is_full = count != 0 && !is_in_last(at) && runs_.size() == runs_.capacity();
    return is_full ? next_capacity() * sizeof(run) : 0;
  }
  void reserve(std::size_t bytes) { runs_.reserve(bytes / sizeof(run)); }

  /// The record is due at `at`, and begins `offset` bytes into the batch's records. True when the earliest deadline
  /// moves.
  bool add(std::uint32_t index, std::size_t offset, clock_time at) {
    if (is_in_last(at)) return false;
    return begin_run(index, offset, at);
  }

  /// When one record is due; never where its run has been taken.
  clock_time of(std::uint32_t index) const noexcept {
    const auto behind = std::upper_bound(runs_.begin(), runs_.end(), index,
                                         [](std::uint32_t at, const run& each) { return at < each.first; });
    return behind == runs_.begin() ? first_.at : std::prev(behind)->at;
  }

  /// The earliest deadline of a run that has not been taken; never when there is none.
  clock_time earliest() const noexcept { return earliest_; }

  /// Every run that has not been taken is due.
  bool are_all_due(clock_time now) const noexcept { return latest_ <= now; }

  /// Takes the runs of records for which `is_gone(first, end)` is true, due or not.
  template <class Predicate>
  void forget(std::uint32_t count, Predicate is_gone) {
    earliest_ = never;
    latest_ = clock_time::min();
    const std::uint32_t all = run_count();
    for (std::uint32_t i = 0; i < all; ++i) {
      if (is_gone(at(i).first, i + 1 < all ? at(i + 1).first : count)) at(i).at = never;
      earliest_ = std::min(earliest_, at(i).at);
      if (at(i).at != never) latest_ = std::max(latest_, at(i).at);
    }
    last_ = at(all - 1).at;
    blocks_.clear();
  }

  /// Takes what is due and calls visit(first, end, bytes) for each stretch of records in their order. `count` and
  /// `bytes` are those of all records that were added.
  template <class Visit>
  void take_due(clock_time now, std::uint32_t count, std::size_t bytes, Visit visit) {
    for_each_due(now, count, bytes, visit);
    forget_due(now);
  }

  /// The first half of that, which may find no memory.
  template <class Visit>
  void for_each_due(clock_time now, std::uint32_t count, std::size_t bytes, Visit visit) {
    if (blocks_.empty()) note_blocks();
    const std::uint32_t all = run_count();
    std::uint32_t began = all;  // of the stretch that is being made
    const auto end_stretch = [&](std::uint32_t i) {
      if (began == all) return;
      const run end = i < all ? at(i) : run{never, count, static_cast<std::uint32_t>(bytes)};
      visit(at(began).first, end.first, std::size_t{end.offset} - at(began).offset);
      began = all;
    };
    for (std::uint32_t block = 0; block < blocks_.size(); ++block) {
      const std::uint32_t first = block * block_size;
      if (blocks_[block] > now) {
        end_stretch(first);
        continue;
      }
      for (std::uint32_t i = first; i < std::min(all, first + block_size); ++i) {
        const bool due = at(i).at <= now;
        if (!due) end_stretch(i);
        if (due && began == all) began = i;
      }
    }
    end_stretch(all);
  }

  /// And the second. Precondition: for_each_due() for the same time.
  void forget_due(clock_time now) noexcept {
    earliest_ = never;
    const std::uint32_t all = run_count();
    for (std::uint32_t block = 0; block < blocks_.size(); ++block) {
      if (blocks_[block] <= now) {
        const std::uint32_t first = block * block_size;
        blocks_[block] = never;
        for (std::uint32_t i = first; i < std::min(all, first + block_size); ++i) {
          if (at(i).at <= now) at(i).at = never;
          blocks_[block] = std::min(blocks_[block], at(i).at);
        }
      }
      earliest_ = std::min(earliest_, blocks_[block]);
    }
    last_ = at(all - 1).at;
  }

 private:
  struct run {
    clock_time at = never;
    std::uint32_t first = 0;
    std::uint32_t offset = 0;
  };

  static constexpr std::size_t exact_runs = 32;
  static constexpr std::uint32_t block_size = 64;
  static constexpr std::uint64_t millisecond = 1'000'000;
  static_assert(clock_duration(std::chrono::milliseconds(1)).count() == millisecond);

  // Not one allocation after the other in every batch.
  std::size_t next_capacity() const noexcept { return std::max(exact_runs / 2, 2 * runs_.capacity()); }

  run& at(std::uint32_t i) noexcept { return i == 0 ? first_ : runs_[i - 1]; }
  std::uint32_t run_count() const noexcept { return static_cast<std::uint32_t>(runs_.size() + 1); }

  void note_blocks() {
    blocks_.assign(run_count() / block_size + 1, never);
    for (std::uint32_t i = 0; i < run_count(); ++i)
      blocks_[i / block_size] = std::min(blocks_[i / block_size], at(i).at);
  }

  // The usual record: as late as the one before, or up to a millisecond earlier where runs are rounded.
  bool is_in_last(clock_time at) const noexcept {
    return static_cast<std::uint64_t>(last_.time_since_epoch().count()) -
               static_cast<std::uint64_t>(at.time_since_epoch().count()) <
           width_;
  }

  bool begin_run(std::uint32_t index, std::size_t offset, clock_time at) {
    if (runs_.size() >= exact_runs && at != never) {
      at = std::chrono::ceil<std::chrono::milliseconds>(at);
      width_ = millisecond;
    }
    const run made{at, index, static_cast<std::uint32_t>(offset)};
    if (index == 0) {
      first_ = made;
    } else {
      runs_.push_back(made);
    }
    last_ = at;
    if (at != never) latest_ = std::max(latest_, at);
    if (!blocks_.empty()) blocks_.clear();
    const bool earlier = at < earliest_;
    if (earlier) earliest_ = at;
    return earlier;
  }

  clock_time last_ = never;  // of the last run
  std::uint64_t width_ = 1;
  clock_time earliest_ = never;
  clock_time latest_ = clock_time::min();
  run first_{};
  std::vector<run> runs_;           // those behind the first: a batch of one record allocates nothing
  std::vector<clock_time> blocks_;  // the earliest of 64 runs each, once something was due: not all are to be looked at
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/batch.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Open (senders append, under the partition's lock), then sealed (owned by the strand that owns the partition), then
/// finished (its deliveries have their answer). A request on the wire keeps it alive after that: its chunks go back to
/// the budget when the last reference goes, never while a socket may still read them (KAFKA-19012).
struct batch : boost::intrusive_ref_counter<batch, boost::thread_safe_counter> {
  batch(buffer_memory& from, broker_share* charged, completion_ptr result) noexcept
      : memory(from), share(charged), done(std::move(result)) {}
  ~batch() { memory.give_back(records.release_chunks(), share, beside); }

  batch_builder records{};
  buffer_memory& memory;
  broker_share* share;
  completion_ptr done;
  flush_tracker::generation generation = 0;

  clock_time created{};          // linger and elapsed count from here
  record_deadlines deadlines{};  // of its records, by their indexes when they were appended
  std::size_t beside = 0;        // bytes of `deadlines`, which are charged like those of `records`
  std::uint32_t ended = 0;       // records in it that were answered before it: withdrawn, or due
  std::size_t ended_bytes = 0;   // theirs
  bool withdrawn_from = false;   // so that runs of records are not as many, and as long, as they look
  bool thinned = false;          // those that were removed are not in `records` any more

  /// Takes chunks and a place in the list of deadlines for one more record, or nothing.
  buffer_memory::outcome make_room(std::size_t bytes, clock_time due) {
    const std::size_t wanted = records.shortfall(bytes), list = list_growth(due);
    if (wanted == 0 && list == 0) return buffer_memory::outcome::taken;
    chunk_chain taken;
    const auto came_to = memory.take(records.chunk_capacity(), wanted, share, taken, list);
    if (came_to == buffer_memory::outcome::taken) add_room(std::move(taken), list);
    return came_to;
  }
  /// The same without asking, for a piece of a batch that is divided.
  void make_room_beyond(std::size_t bytes, clock_time due) {
    const std::size_t wanted = records.shortfall(bytes), list = list_growth(due);
    if (wanted > 0 || list > 0) add_room(memory.take_beyond(records.chunk_capacity(), wanted, share, list), list);
  }
  /// Whether the list may grow for a record that is due then. Where it may not, another batch takes the record.
  bool list_fits(std::size_t bytes, clock_time due) const noexcept {
    const std::size_t list = list_growth(due);
    return list == 0 ||
           memory.available() >= list + chunk_bytes_for(records.chunk_capacity(), records.shortfall(bytes));
  }

  clock_time deadline() const noexcept { return deadlines.earliest(); }
  /// Records that still wait for their answer, and their bytes.
  std::uint32_t live() const noexcept { return records.count() - ended; }
  std::size_t live_bytes() const noexcept { return records.size() - batch_header_size - ended_bytes; }
  /// How many records were appended.
  std::uint32_t appended() const noexcept { return records.count() + (thinned ? done->removed->count() : 0); }

  // The ledger: only the owner of the partition touches what follows.
  std::optional<batch_stamp> stamp{};
  std::uint32_t attempts = 0;  // written to a socket
  bool unknown = false;        // an attempt was written and neither answered nor disproved
  bool behind_gap = false;     // one before it failed without having been appended: its sequence will not be the next
  bool finished = false;       // the deliveries have been told
  bool gives_way = false;      // finished, and refused: one behind it has its turn first
  bool acknowledged = false;   // by a former leader, while it was sent again (rule 10)
  boost::system::error_code last_cause{};

 private:
  std::size_t list_growth(clock_time due) const noexcept {
    const std::size_t needed = deadlines.memory_for(records.count(), due);
    return needed > beside ? needed - beside : 0;
  }
  void add_room(chunk_chain&& taken, std::size_t list) {
    records.add_chunks(std::move(taken));
    if (list == 0) return;
    try {
      deadlines.reserve(beside + list);
    } catch (...) {
      memory.give_back({}, share, list);
      throw;
    }
    beside += list;
  }
};

using batch_ptr = boost::intrusive_ptr<batch>;

/// Batches in a row. A list: a batch moves from one line to the next without memory, so that none is lost for want of
/// it.
using batch_line = std::list<batch_ptr>;

/// The sequence behind `count` records from `sequence` on: after 2^31 - 1 comes 0.
constexpr std::int32_t advance_sequence(std::int32_t sequence, std::int32_t count) noexcept {
  return static_cast<std::int32_t>((static_cast<std::uint32_t>(sequence) + static_cast<std::uint32_t>(count)) &
                                   0x7fffffffU);
}

/// By their stamps. A batch of another epoch is not: a former leader may acknowledge one late.
inline bool is_behind(const batch& later, const batch& earlier) noexcept {
  return &later != &earlier && later.stamp && earlier.stamp && later.stamp->producer_id == earlier.stamp->producer_id &&
         later.stamp->producer_epoch == earlier.stamp->producer_epoch &&
         advance_sequence(later.stamp->base_sequence, -earlier.stamp->base_sequence) < (1 << 30);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/record_copy.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// The bytes of a record_view, owned.
class record_copy {
 public:
  explicit record_copy(const record_view& from) : view_(from) {
    std::size_t size = (from.key ? from.key->size() : 0) + (from.value ? from.value->size() : 0);
    for (const auto& each : from.headers) size += each.key.size() + (each.value ? each.value->size() : 0);
    bytes_.reserve(size);  // no reallocation below: views point into it
    if (from.key) view_.key = keep(from.key->str());
    if (from.value) view_.value = keep(from.value->str());
    headers_.reserve(from.headers.size());
    for (const auto& each : from.headers) {
      header_view kept;
      kept.key = keep(each.key).str();
      if (each.value) kept.value = keep(each.value->str());
      headers_.push_back(kept);
    }
    view_.headers = headers_;
    view_.topic = {};
  }
  record_copy(const record_copy&) = delete;
  record_copy& operator=(const record_copy&) = delete;

  const record_view& view() const noexcept { return view_; }
  std::size_t memory() const noexcept { return bytes_.capacity() + headers_.capacity() * sizeof(header_view); }
  /// What a copy takes at least.
  static std::size_t least_memory(const record_view& of) noexcept {
    std::size_t size = (of.key ? of.key->size() : 0) + (of.value ? of.value->size() : 0);
    for (const auto& each : of.headers) size += sizeof(each) + each.key.size() + (each.value ? each.value->size() : 0);
    return size;
  }

 private:
  bytes_view keep(std::string_view part) {
    const std::size_t at = bytes_.size();
    bytes_.append(part);
    return {bytes_.data() + at, part.size()};
  }

  std::string bytes_;
  std::vector<header_view> headers_;
  record_view view_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/unheard.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Bounds the copies of records that wait to be reported: as many bytes again as `parked.memory`.
class report_budget {
 public:
  explicit report_budget(std::size_t limit) noexcept : limit_(limit) {}
  bool take(std::size_t bytes) noexcept {
    if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= limit_) return true;
    give_back(bytes);
    return false;
  }
  void give_back(std::size_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> used_{0};
};

/// A copy of a record that never reached a batch; charged to the budget as long as it is there.
class refused_record {
 public:
  /// Null where the budget has not got the bytes.
  static std::shared_ptr<refused_record> make(const record_view& record, std::int64_t timestamp,
                                              const std::shared_ptr<report_budget>& budget) {
    const std::size_t bytes = record_size_upper_bound(record) + record.headers.size() * sizeof(header_view);
    if (!budget->take(bytes)) return nullptr;
    try {
      return std::make_shared<refused_record>(record, timestamp, budget, bytes);
    } catch (...) {
      budget->give_back(bytes);
      throw;
    }
  }
  refused_record(const record_view& of, std::int64_t at, std::shared_ptr<report_budget> from, std::size_t charged)
      : record(of), timestamp(at), budget_(std::move(from)), bytes_(charged) {}
  refused_record(const refused_record&) = delete;
  refused_record& operator=(const refused_record&) = delete;
  ~refused_record() { budget_->give_back(bytes_); }

  const record_copy record;
  const std::int64_t timestamp;

 private:
  const std::shared_ptr<report_budget> budget_;
  const std::size_t bytes_;
};

/// Some records of one batch, which keeps its chunks (charged to buffer.memory) as long, or one that was refused.
struct unheard_records {
  error why{};
  topic_name topic{};
  std::int32_t partition = -1;
  batch_ptr in{};
  std::vector<std::uint32_t> indexes{};  // ascending, as they were appended
  std::shared_ptr<refused_record> refused{};
};

/// Goes over the records one at a time, so that its user may pause.
class unheard_cursor {
 public:
  explicit unheard_cursor(unheard_records&& of);
  bool has_next() const noexcept;
  /// Shows the next record; the views are valid during the call. Precondition: has_next().
  void show_next(const std::function<void(const error&, const record_view&)>& to);

 private:
  void show_from_batch(const std::function<void(const error&, const record_view&)>& to);

  unheard_records all_;
  std::size_t next_ = 0;  // of all_.indexes
  std::uint32_t at_ = 0;  // the index of the record that the walker comes to
  record_walker walker_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/effects.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Filled under no lock, carried out on a strand, outside every lock. To be carried out also where what filled it has
/// thrown: who is linked here is linked nowhere else.
struct effects {
  waiter_list answered{};                  // record_waiters, in record order per batch
  completion_line handed_out{};            // whose: once those have been posted, who came meanwhile is behind them
  waiter_list ended{};                     // operation_waiters: flushes that have ended, space that is there
  std::vector<unheard_records> unheard{};  // failed, and nobody waits for them: to be reported
  metrics_snapshot counted{};              // unheard_failures: these, and those that nobody wants reported
  error unheard_why{};                     // of the first, and where it was going
  std::string unheard_where{};
  bool refresh_metadata = false;
  std::vector<std::pair<log_level, std::string>> log{};

  /// Ends it, and takes over who waited.
  void complete(completion& ended_one, batch_outcome outcome) noexcept {
    waiter_list more = ended_one.complete(std::move(outcome));
    if (more.empty()) return;
    if (!ended_one.has_one_record) handed_out.push_back(ended_one);
    answered.splice(answered.end(), more);
  }
  /// The waiters of single records, as end_some() and forward() hand them out: nobody queues up behind those.
  void answer(waiter_list&& more) noexcept { answered.splice(answered.end(), more); }
  void note_unheard(std::uint64_t count, const error& why, const topic_name& topic, std::int32_t partition) noexcept {
    const bool is_first = count > 0 && counted.unheard_failures == 0;
    counted.unheard_failures += count;
    if (!is_first) return;
    unheard_why = why;
    unheard_where = if_memory(
        [&] { return std::string(topic.str()) + (partition >= 0 ? "-" + std::to_string(partition) : std::string()); });
  }
  void end_flushes(waiter_list&& more) noexcept { ended.splice(ended.end(), more); }
  void say(log_level level, std::string line) { log.emplace_back(level, std::move(line)); }
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/deadline_kind.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

enum class deadline_kind : int {
  partition_expiry,    // partition_queue: its earliest batch is due
  partition_wake,      // partition_queue: linger or backoff is over
  parked_expiry,       // parked_record, and the engine for the first of them: max.block.ms or its own timeout
  watch_expiry,        // the engine: somebody has waited max.block.ms for a topic
  call_timeout,        // a connection: not established, or a call not answered, in time
  request_timeout,     // a broker link: its oldest request has no answer
  idle_close,          // a broker link: nothing to do for connections.max.idle.ms
  backoff_over,        // a broker link or the metadata task may try again
  metadata_refresh,    // the metadata task: metadata.max.age.ms
  throttle_over,       // a broker: throttle_time_ms has passed
  close_timeout        // the engine: close() has waited long enough
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/ledger.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// What is known when an attempt of a batch ends.
struct attempt_facts {
  std::optional<broker_errc> code{};  // empty: no answer (disconnect, request timeout, unreadable answer)
  bool idempotent = true;
  bool acknowledged = true;            // acks is not 0: the broker answers
  bool earlier_unknown = false;        // an earlier attempt was written and never disproved
  bool predecessor_missing = false;    // a batch stamped before this one is not in the log yet
  bool behind_gap = false;             // and one of those never will be, under its stamp
  bool expired = false;                // its deliveries were told, and it holds up nobody
  bool holds_up = false;               // one behind it may be in the log, and no leader takes that one first (rule 9)
  bool acknowledged_before = false;    // by a former leader (rule 10): it is in the log whatever this attempt came to
  bool divisible = false;              // more than one record
  bool names_culprits = false;         // the answer names single records (KIP-467), and not all of them
  std::uint32_t attempts = 1;          // written to a socket, this one included
  std::uint32_t retries = 2147483647;  // the limit of `retries`
};

enum class verdict_action : std::uint8_t {
  complete,  // the batch is in the log
  retry,     // the same bytes again, after a backoff
  split,     // smaller batches with the same sequence numbers, at once (rule 19)
  exclude,   // the records that were named fail; the others go again, at once (rule 20)
  fail       // the deliveries get the code
};

struct verdict {
  verdict_action action = verdict_action::fail;
  fate known = fate::maybe_written;  // of a batch that fails now, over all its attempts
  bool proven_absent = false;        // no attempt of the batch can be in the log
  bool has_offset = false;           // complete: the broker told the offset
  bool refresh_metadata = false;
  bool new_epoch = false;   // once the partition has drained (guarantee.md, rules 6 and 7)
  bool data_lost = false;   // acknowledged records have vanished from the log (rule 8)
  bool goes_again = false;  // fail: its deliveries are told, and it is sent again for those behind it (rule 9)

  bool is_sent_again() const noexcept { return action == verdict_action::retry || goes_again; }
  bool operator==(const verdict&) const = default;
};

/// The whole decision (guarantee.md, rules 6, 8, 12, 13, 19, 20). `not_written` and a new stamp need proof;
/// what is not proven is sent again byte for byte until it is answered or due.
verdict judge(const attempt_facts& facts) noexcept;

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/partition_owner.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

class partition_queue;

/// The answer to the attempt of a batch in flight (or its absence, with the reason).
struct broker_answer {
  std::optional<broker_errc> code{};
  boost::system::error_code cause{};
  std::string message{};
  std::int64_t base_offset = -1;
  std::int64_t log_append_time = -1;
  std::optional<std::int32_t> broker{};
  clock_duration backoff{};  // what a retry has to wait
  struct culprit {
    std::uint32_t place = 0;  // of the record in the batch that was sent
    std::string message{};
  };
  std::vector<culprit> culprits{};  // in order, each once: the records for which the batch was refused (KIP-467)
};

/// The strand that owns partitions: a broker's, or the home strand while a leader is not known. Outlives its
/// partitions.
class partition_owner {
 public:
  /// There is news in the partition's open batch. Any thread; never called under a lock.
  virtual void wake(partition_queue& woken) = 0;
  /// The partition has been woken before, and that may not have been heard. Any thread.
  virtual void wake_again() = 0;
  /// The partition is this owner's from now on: its former owner has let it go. Any thread.
  virtual void adopt_soon(partition_queue& added) = 0;
  /// The partition's desired owner has changed: let it go as soon as nothing of it is in flight. Any thread.
  virtual void reconsider_owner_soon(partition_queue& moved) = 0;
  /// A former owner's broker has acknowledged the batch after the partition had moved (guarantee.md, rule 10). Any
  /// thread.
  virtual void acknowledged_late_soon(partition_queue& moved, batch_ptr written, broker_answer said) = 0;

  broker_share share{};  // of buffer.memory

 protected:
  ~partition_owner() = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/settings.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// The configuration in the units of the rules. Owned by the core; constant.
struct settings {
  explicit settings(const config& from, std::string client_id_chosen, std::int32_t first_sequence_number = 0)
      : user(from),
        client_id(std::move(client_id_chosen)),
        acks(static_cast<std::int16_t>(from.acks)),
        idempotent(from.idempotent()),
        delivery_timeout(from.effective_delivery_timeout()),
        batch_size(from.batch_size > 0 ? static_cast<std::size_t>(from.batch_size) : 1),
        max_request_size(static_cast<std::size_t>(from.max_request_size)),
        batch_limit(max_request_size > request_overhead ? max_request_size - request_overhead : 1),
        partition_window(idempotent ? 5 : from.max_in_flight_requests_per_connection),
        max_in_flight(static_cast<std::size_t>(from.max_in_flight_requests_per_connection)),
        first_sequence(first_sequence_number) {
    // Kafka's "for ever" is 2^63 - 1 ms, which is too much for a clock of nanoseconds.
    for (auto* each : {&user.max_block, &user.metadata_max_age, &user.metadata_max_idle,
                       &user.metadata_recovery_rebootstrap_trigger, &user.retry_backoff, &user.retry_backoff_max,
                       &user.reconnect_backoff, &user.reconnect_backoff_max, &user.socket_connection_setup_timeout,
                       &user.socket_connection_setup_timeout_max, &user.connections_max_idle}) {
      *each = bounded(*each);
    }
    // Without a pause a closed port would keep a processor busy.
    user.reconnect_backoff = std::max(user.reconnect_backoff, std::chrono::milliseconds(1));
  }

  /// No wait is longer than a hundred years.
  static constexpr std::chrono::milliseconds bounded(std::chrono::milliseconds wait) noexcept {
    return std::min(wait, std::chrono::milliseconds(std::chrono::hours(24 * 36525)));
  }
  /// Until when a record is tried: its own limit, or the configuration's.
  clock_duration timeout_of(const std::optional<std::chrono::milliseconds>& own) const noexcept {
    return own ? clock_duration(bounded(*own)) : delivery_timeout;
  }

  bool reports_failures() const noexcept { return static_cast<bool>(user.on_delivery_failed); }

  // A request with one batch: size, header with client id, acks, timeout, one topic of 249 characters, one partition.
  static constexpr std::size_t request_overhead = 512;

  config user;
  std::string client_id;
  std::int16_t acks;
  bool idempotent;
  clock_duration delivery_timeout;
  std::size_t batch_size;        // where a batch becomes ready
  std::size_t max_request_size;  // no request is larger, but for a single record that is
  std::size_t batch_limit;       // where a batch ends (guarantee.md, rule 5)
  std::int32_t partition_window;
  std::size_t max_in_flight;
  std::int32_t first_sequence;  // of each partition under its first producer id; not 0 in tests of the wrap
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/partition_queue.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

class topic;
struct share_line;

/// What the partitions of a topic share.
struct topic_facts {
  const topic_name name;
  /// `message.timestamp.type=LogAppendTime`, by the last answer that told.
  std::atomic<bool> stamps_records{false};
};

/// Producer id and epoch as the broker gave them (InitProducerId).
struct producer_identity {
  std::int64_t id = -1;
  std::int16_t epoch = -1;
  bool operator==(const producer_identity&) const = default;
};

/// Why nothing moves, where that is known.
struct stall {
  boost::system::error_code cause{};
  std::string message{};
};

/// What one append came to.
struct append_outcome {
  enum class status : std::uint8_t { appended, no_memory, over_share, closed };
  status state = status::no_memory;
  bool wake = false;  // the owner should look: a new batch, a full one, an earlier deadline
  bool new_batch = false;
  std::uint32_t index = 0;
  std::size_t bytes = 0;
  completion_ptr done{};
};

/// When the owner may take a batch of this partition.
struct readiness {
  enum class state : std::uint8_t { empty, blocked, backing_off, lingering, ready };
  state is = state::empty;
  clock_time until{};  // backing_off, lingering
};

/// Circumstances that make every batch ready.
struct drain_conditions {
  bool at_once = false;  // flush, close, memory waited for
};

/// Senders append to the open batch under the lock; everything else belongs to the owner.
///
///    append -> [ open | closed ... ]  --take-->  in flight (1, then up to 5)  --answer-->  done
///                  pending                          |        ^
///                                                   v        |
///                                               retry line: stamped, in sequence order, one at a time
///
/// A partition has one batch in flight until one has been acknowledged under its (producer id, epoch, leader), and
/// falls back to one with any error (guarantee.md, rule 4).
class partition_queue
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  partition_queue(const settings& rules, buffer_memory& memory, flush_tracker& flushes, topic& of, topic_facts& shared,
                  std::int32_t index);
  partition_queue(const partition_queue&) = delete;
  partition_queue& operator=(const partition_queue&) = delete;

  // --- senders, any thread -------------------------------------------------------------------------------------------

  /// Encodes the record into the open batch. `sent_at` is when it was accepted: its deadline counts from there.
  append_outcome append(const record_view& record, std::int64_t timestamp, clock_time sent_at, clock_duration timeout);

  /// A parked record, which has been counted as `generation`, goes on in this partition; its completion is forwarded.
  append_outcome append_parked(const record_view& record, std::int64_t timestamp, clock_time sent_at,
                               clock_duration timeout, flush_tracker::generation counted);

  /// Records and bytes that were appended and not yet answered.
  struct outstanding_count {
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
  };
  outstanding_count outstanding();

  /// Takes the record of a waiter out of its batch, which must not be sealed yet (guarantee.md, rule 16): it will not
  /// be written, its neighbours notice nothing. False when it is too late; else the waiter is linked nowhere any more.
  struct withdrawal {
    bool done = false;
    bool wake = false;  // the owner should look: the batch is gone
  };
  withdrawal withdraw(completion& of, record_waiter& asked, effects& out);

  topic& of_topic() const noexcept { return topic_; }
  const topic_name& called() const noexcept { return shared_.name; }
  std::int32_t index() const noexcept { return index_; }

  std::atomic<partition_owner*> owner{nullptr};          // who must be woken
  std::atomic<partition_owner*> desired_owner{nullptr};  // where it shall go as soon as nothing is in flight
  std::atomic<bool> wake_pending{false};
  std::atomic<bool> is_gone{false};       // the topic has fewer partitions now: what is sent here fails
  std::atomic<bool> is_made_anew{false};  // of another topic than before, of the same name; the owner has to hear of it
  std::atomic<bool> purge_wanted{false};  // its owner shall purge it when it looks at it next
  std::atomic<std::uint32_t> parked{0};   // records parked behind a full share of the broker
  share_line* line = nullptr;             // they; the lot's
  std::uint64_t blocked_in_pass = 0;  // the last pass over the parking lot that left a record of it behind; the lot's
  partition_queue* woken_next = nullptr;

  // --- the owner's strand only ---------------------------------------------------------------------------------------

  readiness look(clock_time now, drain_conditions conditions);
  /// Bytes of the batch that take() would hand out.
  std::size_t next_size();
  /// Seals, stamps and hands out the next batch; it is in flight from now on. Precondition: look() said ready or
  /// lingering. Empty when it needs a producer id and `identity` is not one, or when the batch has grown past `at_most`
  /// bytes.
  batch_ptr take(const std::optional<producer_identity>& identity, std::size_t at_most = static_cast<std::size_t>(-1));

  using answer = broker_answer;
  /// Needs no memory: what would take some (dividing the batch, say) is left out where there is none.
  verdict answered(batch& sent, const answer& said, clock_time now, effects& out) noexcept;

  /// Another leader has been named. What is in flight is unknown from now on and waits to be sent again, unchanged and
  /// in order (guarantee.md, rule 10); false without idempotence, when something is in flight: its answer must be
  /// waited for.
  bool leave_leader() noexcept;
  /// The former leader has acknowledged the batch all the same.
  void acknowledged_late(batch& written, const answer& said, effects& out) noexcept;

  /// acks=0: the socket took the bytes; there is no answer.
  void written_unacknowledged(batch& sent, effects& out) noexcept;

  /// The earliest deadline of all batches; empty when there are none.
  std::optional<clock_time> earliest_deadline();
  /// Fails what is due. Where it finds no memory for telling single records of a batch, they are due a little later.
  void expire(clock_time now, const stall& by, effects& out) noexcept;
  /// Fails what has not been sent, or is proven absent, and waits for a producer id. Precondition: needs_identity().
  void fail_unsent(const error_details& why, clock_time now, effects& out) noexcept;
  /// Fails everything: `maybe_written` what is in flight or may have been appended, else `not_written`.
  void fail_queued(const error_details& why, clock_time now, effects& out) noexcept;
  /// Its topic was deleted and made anew: no broker remembers our sequences.
  void begin_anew() noexcept;
  /// The end: fails everything that is not in flight, tells the deliveries of what is, and refuses further records.
  void fail_all(const error_details& why, clock_time now, effects& out) noexcept;

  std::size_t in_flight() const noexcept { return in_flight_.size(); }
  bool has_in_flight() const noexcept { return !in_flight_.empty(); }
  bool has_pending();
  /// Another owner is meant to have it: nothing is sent from here any more.
  bool is_leaving() const noexcept {
    return desired_owner.load(std::memory_order_acquire) != owner.load(std::memory_order_relaxed);
  }
  bool needs_identity() const noexcept { return settings_.idempotent && !identity_; }
  /// A producer id whose epochs are exhausted; another must be asked for.
  std::optional<std::int64_t> used_up_producer_id() const noexcept {
    if (identity_ || used_up_id_ < 0) return std::nullopt;
    return used_up_id_;
  }
  std::optional<producer_identity> identity() const noexcept { return identity_; }
  /// Hands out all waiters without an answer, for destruction.
  void abandon(waiter_list& out) noexcept;

  partition_owner* adopted_by = nullptr;  // set when the owner has taken it over
  deadline_entry expiry;                  // earliest deadline of a batch
  deadline_entry wake_at;                 // end of linger or backoff
  enum class place : std::uint8_t { none, ready, lingering } drain_place = place::none;

 private:
  std::size_t window() const noexcept;
  batch* open_batch(clock_time due, clock_time now, std::size_t record_bytes) noexcept;
  batch_ptr make_batch(clock_time sent_at);
  batch_outcome outcome_of(const batch& written, const answer& said, const verdict& judged);
  append_outcome append_locked(const record_view& record, std::int64_t timestamp, clock_time sent_at,
                               clock_duration timeout, std::optional<flush_tracker::generation> counted);
  void stamp(batch& sent);
  void settle_epoch(const std::optional<producer_identity>& latest);
  bool holds_up(const batch& of) const noexcept;
  void drop_told();
  void drop_told_before(const batch& written);
  void back_to_retry_line(batch_line& alone) noexcept;
  void wait_for_retry(batch_line& alone, const broker_answer& said, clock_time now) noexcept;
  batch_line out_of_flight(const batch& sent) noexcept;
  attempt_facts facts_of(const batch& sent, const broker_answer& said) const noexcept;
  void confirm(batch& written, const broker_answer& said, const verdict& judged, clock_time now, effects& out) noexcept;
  bool is_predecessor_missing(const batch& of) const noexcept;
  template <class Visit>
  void for_each_sent(Visit visit) {
    for (auto& each : in_flight_) visit(*each);
    for (auto& each : retry_) visit(*each);
  }
  void leave_gap(const batch& failed) noexcept;
  void note_offset(const batch& written, const broker_answer& said, effects& out) noexcept;
  void note_vanished(const char* why, effects& out) noexcept;
  void close_gap(batch& taken) noexcept;
  batch_line::iterator next_retry() noexcept;
  /// Calls visit(place, whether it is in flight) for what has been written and is not answered, or waits for its retry.
  template <class Visit>
  void for_each_written(Visit visit);
  void expire_written(clock_time now, const stall& by, effects& out) noexcept;
  void expire_unsealed(clock_time now, const stall& by, effects& out) noexcept;
  void end_due(batch& of, clock_time now, bool remove, error_details why, effects& out) noexcept;
  void thin(batch& of) noexcept;
  struct failed_count {
    std::uint32_t records;  // that had no answer yet
    std::uint32_t holders;  // deliveries and waiters of the batch
  };
  void note_unheard(batch& of, const error& why, std::span<const record_range> which, failed_count count, bool is_open,
                    effects& out) noexcept;
  void note_dropped(batch& of, const error& why, std::span<const record_range> which, bool is_open, effects& out);
  batch_ptr copy_of(batch& of, const std::vector<std::uint32_t>& indexes);
  void finish(batch& ended, batch_outcome outcome, effects& out) noexcept;
  void fail(batch& ended, error_details why, clock_time now, effects& out) noexcept;

  const settings& settings_;
  buffer_memory& memory_;
  flush_tracker& flushes_;
  topic& topic_;
  topic_facts& shared_;
  const std::int32_t index_;

  struct division {
    batch_line pieces{};
    std::vector<completion::redirection> redirections{};
  };
  division divide(batch& whole, std::size_t at_most, const std::vector<broker_answer::culprit>& without);
  division split(batch& too_large, clock_time now);
  division exclude(batch& refused, const answer& said, clock_time now, effects& out);
  std::optional<division> divided_as(verdict& judged, batch& refused, const answer& said, clock_time now,
                                     effects& out) noexcept;
  void go_on_as(batch& whole, division made, effects& out) noexcept;

  spin_lock lock_;
  std::size_t batch_limit_;        // under lock_; what one request takes, or less where the topic refused that
  clock_time limited_until_{};     // under lock_
  batch_line pending_;             // under lock_; the last one may be open
  outstanding_count outstanding_;  // under lock_
  bool closed_ = false;            // under lock_

  batch_line retry_;      // written before, in sequence order
  batch_line in_flight_;  // in the order of their requests
  std::optional<producer_identity> identity_{};
  std::int32_t next_sequence_;
  clock_time backoff_until_{};
  bool window_open_ = false;
  // Since a batch has been acknowledged under `identity_`, when one was last: the broker holds state for it.
  std::optional<clock_time> state_shown_at_{};
  clock_time short_until_{};       // no memory was found: what is due waits for this
  std::int64_t last_offset_ = -1;  // acknowledged, of this topic
  bool new_epoch_ = false;         // sequences start again once nothing is in flight
  std::int64_t used_up_id_ = -1;
};

// In the order of the records. The visited one may leave its line.
template <class Visit>
void partition_queue::for_each_written(Visit visit) {
  // Both are in the order of their sequences; without them a retried batch stands before those still in flight.
  const auto comes_before = [&](const batch& a, const batch& b) {
    if (!settings_.idempotent) return false;
    if (!a.stamp || !b.stamp) return a.stamp.has_value() && !b.stamp;
    return is_behind(b, a);
  };
  for (auto waiting = retry_.begin(), flying = in_flight_.begin();
       waiting != retry_.end() || flying != in_flight_.end();) {
    const bool flies = waiting == retry_.end() || (flying != in_flight_.end() && comes_before(**flying, **waiting));
    const auto at = flies ? flying++ : waiting++;
    visit(at, flies);
  }
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/sticky_partitioner.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// The slot of the calling thread. Threads spread over slots, and so over partitions, instead of fighting for one
/// partition's lock.
inline constexpr std::size_t sticky_slots = 8;
inline std::size_t& thread_slot_of_caller() noexcept {
  static std::atomic<std::size_t> threads{0};
  thread_local std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed) % sticky_slots;
  return mine;
}
inline std::size_t thread_slot() noexcept { return thread_slot_of_caller(); }
/// For simulations: which thread runs them must not matter.
inline void use_thread_slot(std::size_t slot) noexcept { thread_slot_of_caller() = slot % sticky_slots; }

/// splitmix64: one step of a seeded generator; chance is injected, never taken from the system here.
constexpr std::uint64_t next_random(std::uint64_t& state) noexcept {
  std::uint64_t mixed = (state += 0x9e3779b97f4a7c15ULL);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
  return mixed ^ (mixed >> 31);
}

/// One topic's choice, per slot. A slot is a handful of relaxed atomics: two threads that share one may count a few
/// bytes too few, which only moves the moment of the next choice. Thread safety: shared objects safe.
class sticky_partitioner {
 public:
  static constexpr std::uint32_t unset = 0xffffffff;

  explicit sticky_partitioner(std::uint64_t seed) {
    for (auto& each : slots_) each.random.store(next_random(seed), std::memory_order_relaxed);
  }

  /// An index into a list of `available` partitions (at least one).
  std::uint32_t choose(std::size_t slot, std::size_t available) noexcept {
    auto& mine = slots_[slot];
    std::uint32_t current = mine.current.load(std::memory_order_relaxed);
    if (current == unset || current >= available) {
      std::uint64_t state = mine.random.load(std::memory_order_relaxed);
      current = static_cast<std::uint32_t>(next_random(state) % available);
      mine.random.store(state, std::memory_order_relaxed);
      mine.current.store(current, std::memory_order_relaxed);
      mine.produced.store(0, std::memory_order_relaxed);
    }
    return current;
  }

  /// `bytes` went to the chosen partition. It is left after `batch_size` bytes when a batch begins, and after twice as
  /// many in any case: a batch that grows because its partition has no slot must not collect everything.
  void produced(std::size_t slot, std::size_t bytes, bool began_batch, std::size_t batch_size) noexcept {
    auto& mine = slots_[slot];
    const std::size_t before = mine.produced.load(std::memory_order_relaxed);
    const std::size_t total = before + bytes;
    mine.produced.store(total, std::memory_order_relaxed);
    if ((began_batch && before >= batch_size) || total >= 2 * batch_size) {
      mine.current.store(unset, std::memory_order_relaxed);
    }
  }

  /// The chosen partition cannot take anything now: the next record chooses again.
  void leave(std::size_t slot) noexcept { slots_[slot].current.store(unset, std::memory_order_relaxed); }

  /// The list of available partitions has changed: every slot chooses again.
  void reset() noexcept {
    for (auto& each : slots_) each.current.store(unset, std::memory_order_relaxed);
  }

 private:
  struct alignas(64) slot_state {
    std::atomic<std::uint32_t> current{unset};
    std::atomic<std::size_t> produced{0};
    std::atomic<std::uint64_t> random{0};
  };
  std::array<slot_state, sticky_slots> slots_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/wire/types.hpp

#include <limits>

namespace cokafka::inline COKAFKA_ABI::detail::wire {

// A topic id. All zero means "none".
struct uuid {
  std::array<std::uint8_t, 16> bytes{};

  static constexpr uuid from_halves(std::uint64_t high, std::uint64_t low) noexcept {
    uuid id;
    for (std::size_t i = 0; i != 8; ++i) {
      id.bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i) & 0xffU);
      id.bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i) & 0xffU);
    }
    return id;
  }

  constexpr bool is_zero() const noexcept { return *this == uuid{}; }
  auto operator<=>(const uuid&) const = default;
};

// URL-safe base64 without padding, 22 characters: the way Kafka's own tools print an id.
COKAFKA_DECL std::string to_string(const uuid& id);

// A BYTES field. It is a type of its own because a STRING has another length prefix.
struct bytes {
  std::string data{};

  bool operator==(const bytes&) const = default;
};

// A RECORDS field: record batches in wire form, or null. When it is decoded, `bytes` is a view into the frame. When it
// is encoded with an external_size, only the length is written and a cut is noted: the batches are sent from where they
// are.
struct records_field {
  std::optional<std::string_view> bytes{};
  std::size_t external_size = 0;

  bool operator==(const records_field&) const = default;
};

// The versions an API has, both ends included.
struct version_range {
  std::int16_t min = 0;
  std::int16_t max = 0;

  constexpr bool contains(std::int16_t version) const noexcept { return min <= version && version <= max; }
  bool operator==(const version_range&) const = default;
};

inline constexpr std::int16_t no_version = std::numeric_limits<std::int16_t>::max();

// In which versions a field exists, and from which on it may be null. Only optional members can be null; those may by
// default be null wherever they exist.
struct presence {
  std::int16_t first = 0;
  std::int16_t last = no_version;
  std::int16_t nullable_from = 0;

  constexpr bool exists_in(std::int16_t version) const noexcept { return first <= version && version <= last; }
  constexpr bool may_be_null_in(std::int16_t version) const noexcept { return version >= nullable_from; }
  constexpr presence nullable_since(std::int16_t version) const noexcept { return {first, last, version}; }
};

inline constexpr presence always{};
constexpr presence since(std::int16_t first) noexcept { return {first, no_version, 0}; }
constexpr presence until(std::int16_t last) noexcept { return {0, last, 0}; }
constexpr presence between(std::int16_t first, std::int16_t last) noexcept { return {first, last, 0}; }

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

// ---- cokafka/detail/core/topic.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Partitions among which a record without a key may go. They change in place while senders read them without a lock:
/// who does gets one of the old ones or of the new ones. One writer at a time.
class available_partitions {
 public:
  available_partitions& operator=(const std::vector<partition_queue*>& now) {
    make_room(now.size());
    take(now);
    return *this;
  }
  /// A list or another of these. Precondition: there is room.
  template <class Partitions>
  void take(const Partitions& now) noexcept {
    for (std::size_t i = 0; i < now.size(); ++i) slots_[i].store(now[i], std::memory_order_release);
    size_.store(now.size(), std::memory_order_release);  // after the slots; those above keep what they have
  }
  /// Before the first sender reads it, for as many as there may ever be.
  void make_room(std::size_t capacity) {
    if (capacity <= capacity_) return;
    const std::vector<partition_queue*> before = list();
    slots_ = std::make_unique<std::atomic<partition_queue*>[]>(capacity);
    capacity_ = capacity;
    for (std::size_t i = 0; i < before.size(); ++i) slots_[i].store(before[i], std::memory_order_release);
  }
  std::size_t size() const noexcept { return size_.load(std::memory_order_acquire); }
  /// Precondition: less than a size that was read.
  partition_queue* operator[](std::size_t index) const noexcept {
    return slots_[index].load(std::memory_order_acquire);
  }
  std::vector<partition_queue*> list() const {
    std::vector<partition_queue*> listed(size());
    for (std::size_t i = 0; i < listed.size(); ++i) listed[i] = (*this)[i];
    return listed;
  }
  bool operator==(const available_partitions& other) const { return list() == other.list(); }

 private:
  std::unique_ptr<std::atomic<partition_queue*>[]> slots_{};
  std::size_t capacity_ = 0;
  std::atomic<std::size_t> size_{0};
};

/// The partitions of a topic at one moment. But for those that are available it is immutable: senders read it without a
/// lock.
struct partition_table {
  wire::uuid topic_id{};  // zero where the broker gave none
  std::vector<partition_queue*> all{};
  available_partitions available{};      // those with a leader; all of them when none has
  std::vector<partition_queue*> gone{};  // of former lives of the topic, which had more
  bool operator==(const partition_table&) const = default;
  /// But for the leaders.
  bool is_of_same_topic(const partition_table& other) const {
    return topic_id == other.topic_id && all == other.all && gone == other.gone;
  }
};

/// Owned by the registry of topics, and for as long as they need it by who has found it there. Once it has partitions
/// it lives as long as the core, and plain pointers to it may be kept. Fields other than atomics belong to the home
/// strand.
class topic : public boost::intrusive_ref_counter<topic, boost::thread_safe_counter>, public topic_facts {
 public:
  topic(topic_name of, std::uint64_t seed) : topic_facts{std::move(of)}, sticky(seed) {}
  topic(const topic&) = delete;
  topic& operator=(const topic&) = delete;

  sticky_partitioner sticky;

  /// Null until the topic's metadata is known and its parked records are placed.
  std::atomic<const partition_table*> table{nullptr};
  /// Records parked until the metadata is known: later sends to the topic park behind them.
  std::atomic<std::uint32_t> parked{0};
  /// Not `none`: sends fail at once (not authorized, invalid name).
  std::atomic<broker_errc> refused{broker_errc::none};
  /// The last error that metadata had for it while senders wait; named when they time out.
  std::atomic<broker_errc> last_error{broker_errc::none};
  std::atomic<bool> is_kept{false};       // it has partitions: the registry never gives it up
  std::atomic<bool> wanted{false};        // the engine has been told
  std::atomic<bool> used{true};           // somebody has sent to it since the engine looked last
  std::atomic<bool> is_forgotten{false};  // nobody did for metadata.max.idle.ms: it is not asked for
  bool asked_for = false;                 // metadata has been, once at least
  std::size_t waiting = 0;                // parked for its metadata or a partition of it; under the parking lot's mutex
  std::uint32_t refusals = 0;             // in a row
  clock_time used_at{};
  clock_time ask_again_at{};  // while it is refused and somebody sends to it all the same

  /// The partition, made when first mentioned.
  partition_queue& partition(std::int32_t index, const settings& rules, buffer_memory& memory, flush_tracker& flushes) {
    while (partitions_.size() <= static_cast<std::size_t>(index)) {
      const auto next = static_cast<std::int32_t>(partitions_.size());
      partitions_.push_back(std::make_unique<partition_queue>(rules, memory, flushes, *this, *this, next));
    }
    return *partitions_[static_cast<std::size_t>(index)];
  }
  const std::vector<std::unique_ptr<partition_queue>>& partitions() const noexcept { return partitions_; }

  /// What publish() needs of memory, which it may not find.
  void make_room_to_publish(partition_table& next) {
    make_room_for_one(tables_);
    next.available.make_room(next.all.size());
  }
  /// Makes a new table visible to senders. Older tables are kept, since a sender may be reading one, and used again:
  /// one for each life of the topic and each number of partitions in it. Leaders come and go in place.
  /// Precondition: make_room_to_publish().
  void publish(std::unique_ptr<partition_table> next) noexcept {
    auto same =
        std::find_if(tables_.begin(), tables_.end(), [&](const auto& each) { return each->is_of_same_topic(*next); });
    if (same == tables_.end()) {
      same = tables_.insert(tables_.end(), std::move(next));
    } else {
      (*same)->available.take(next->available);
    }
    table.store(same->get(), std::memory_order_release);
    sticky.reset();
  }

 private:
  std::vector<std::unique_ptr<partition_queue>> partitions_;
  std::vector<std::unique_ptr<partition_table>> tables_;
};

using topic_ptr = boost::intrusive_ptr<topic>;

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/parked_record.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

class partition_queue;

/// Why it waits. The queue that it waits in follows from it.
enum class parked_for : std::uint8_t {
  metadata,   // the topic is not known
  partition,  // the topic has no partition of that number; one refresh is forced
  memory,     // buffer.memory is used up
  share,      // the partition's broker holds its whole share of buffer.memory
  space       // nothing to send: wait_for_space()
};

struct parked_record;
using parked_ptr = std::unique_ptr<parked_record>;
/// First in, first out; a list, because any of them may be withdrawn.
using parking_line = std::list<parked_ptr>;

/// One place in the parking lot; all fields are guarded by the lot's mutex.
struct parked_record {
  parked_record() : expiry(static_cast<int>(deadline_kind::parked_expiry), this) {}
  ~parked_record() {
    if (done) done->parked = nullptr;
  }

  parked_for reason = parked_for::metadata;
  std::uint64_t asked_before = 0;  // partition: refreshes that had begun when it was parked; a later one decides
  topic_ptr of{};
  // Once its broker's share was full: where it goes, and whose later records park behind it.
  partition_queue* behind = nullptr;
  std::optional<record_copy> record{};
  std::int64_t timestamp = 0;
  clock_time sent_at{};
  clock_duration timeout{};
  std::size_t memory = 0;  // charged to parked.memory
  completion_ptr done{};
  flush_tracker::generation generation = 0;
  operation_waiter* space_waiter = nullptr;
  std::size_t space_wanted = 0;
  deadline_entry expiry;
  parking_line::iterator at{};  // in its line
  std::uint64_t number = 0;     // of those who came to wait: each line is in this order
};

/// The records that wait behind one partition, whose broker holds its whole share of the memory.
struct share_line {
  partition_queue* of;
  parking_line waiting{};
  std::list<share_line>::iterator at{};  // among all of them
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/topic_registry.hpp

#include <unordered_map>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Topics that have partitions live as long as the registry: there are not more than the cluster has had. Of the
/// others, which anybody can name, the latest are remembered, and those that somebody needs: a parked record, a handle,
/// a call that is under way. Thread safety: shared objects safe.
class topic_registry {
 public:
  /// So many topics without partitions are remembered although nobody needs them. Forgetting one costs an early
  /// question to the cluster when it is named again.
  static constexpr std::size_t most_unneeded = 1000;

  explicit topic_registry(std::uint64_t seed) : seed_(seed) {}

  /// The topic that was asked for last, if it is this one and has partitions.
  topic* find_recent(std::string_view name) const noexcept {
    topic* last = last_.load(std::memory_order_acquire);
    return last != nullptr && last->name.str() == name ? last : nullptr;
  }

  topic_ptr find_or_add(std::string_view name) {
    std::scoped_lock guard(mutex_);
    auto found = by_name_.find(name);
    if (found == by_name_.end()) {
      give_up_some();
      passing_.push_back(topic_ptr(new topic(topic_name(name), next_random(seed_))));
      try {
        found = by_name_.emplace(passing_.back()->name.str(), std::prev(passing_.end())).first;
      } catch (...) {
        passing_.pop_back();
        throw;
      }
    }
    const topic_ptr& of = *found->second;
    if (of->is_kept.load(std::memory_order_relaxed)) last_.store(of.get(), std::memory_order_release);
    return of;
  }

  topic_ptr find(std::string_view name) const {
    std::scoped_lock guard(mutex_);
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : *found->second;
  }

  /// It is about to get partitions.
  void keep(topic& of) {
    if (of.is_kept.load(std::memory_order_relaxed)) return;
    std::scoped_lock guard(mutex_);
    of.is_kept.store(true, std::memory_order_relaxed);
    kept_.splice(kept_.end(), passing_, by_name_.find(of.name.str())->second);
  }

  /// Those with partitions, in the order in which they got them.
  std::vector<topic*> kept() const {
    std::scoped_lock guard(mutex_);
    std::vector<topic*> listed;
    listed.reserve(kept_.size());
    for (const auto& each : kept_) listed.push_back(each.get());
    return listed;
  }
  /// All of them.
  std::vector<topic_ptr> all() const {
    std::vector<topic_ptr> listed;
    for_each([&](topic& each) { listed.emplace_back(&each); });
    return listed;
  }
  /// Calls visit(topic) for each, under the registry's lock.
  template <class Visit>
  void for_each(Visit visit) const {
    std::scoped_lock guard(mutex_);
    for (const auto& each : kept_) visit(*each);
    for (const auto& each : passing_) visit(*each);
  }
  bool empty() const {
    std::scoped_lock guard(mutex_);
    return by_name_.empty();
  }

 private:
  using list = std::list<topic_ptr>;

  // Under the mutex, under which alone a topic that nobody else has is found. A few steps each time: those that are
  // needed go to the end.
  void give_up_some() noexcept {
    for (int steps = 4; steps > 0 && passing_.size() >= most_unneeded; --steps) {
      const topic_ptr& oldest = passing_.front();
      if (oldest->use_count() == 1) {
        by_name_.erase(oldest->name.str());
        passing_.pop_front();
      } else {
        passing_.splice(passing_.end(), passing_, passing_.begin());
      }
    }
  }

  mutable std::mutex mutex_;
  std::unordered_map<std::string_view, list::iterator> by_name_;
  list kept_;
  list passing_;  // the oldest first, as far as nobody needed it
  std::atomic<topic*> last_{nullptr};
  std::uint64_t seed_;
};

/// Kafka's rule for the names of topics: 1 to 249 of a-z A-Z 0-9 . _ -, and neither "." nor "..".
constexpr bool is_valid_topic_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 249 || name == "." || name == "..") return false;
  for (const char c : name) {
    const bool legal =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!legal) return false;
  }
  return true;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/accumulator.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Told, from any thread and under no lock, that the home strand has something to look at.
class attention_listener {
 public:
  /// False where nobody will look: there was no memory for the word of it, or the executor refused it. What there is to
  /// see stays as it is, and the next word that is heard is of this as well.
  virtual bool attention() noexcept = 0;

 protected:
  ~attention_listener() = default;
};

/// What became of a send.
struct send_outcome {
  completion_ptr done{};
  record_ticket ticket{};
};

///  send -> topic known, memory there -> partition_queue::append
///       \-> topic unknown ------------> metadata line   (first in first out per topic)
///        |-> memory missing ----------> memory line     (first in first out over all)
///         \-> its broker's share full --> share line      (one per partition)
///
/// While a topic or partition has a parked record, later sends to it park behind it (guarantee.md, rule 22).
/// Thread safety: the functions of senders may be called from any thread, the others on the home strand.
class accumulator {
 public:
  accumulator(const settings& rules, attention_listener& home, std::uint64_t seed);

  // --- senders -------------------------------------------------------------------------------------------------------

  /// Takes the record in. Never blocks and never fails for run-time reasons: a record that is refused has a completion
  /// that has failed. `to` saves the look-up of record.topic.
  send_outcome send(const record_view& record, topic* to, clock_time now);
  /// The same, but an error where send() would have to park.
  result<send_outcome> try_send(const record_view& record, topic* to, clock_time now);

  /// Links the waiter until `bytes` may be taken; false when they may be taken now or never (then `failure` says so).
  bool wait_for_space(operation_waiter& waiting, std::size_t bytes, clock_time now);
  bool cancel_space(operation_waiter& waiting);

  /// Takes the record that the waiter waits for out of the producer, where it is parked or in a batch that is not
  /// sealed (guarantee.md, rule 16). False when it is too late; else the waiter is linked nowhere any more.
  bool withdraw(completion& of, record_waiter& asked, effects& out);

  /// Valid names only; makes the topic known to the engine.
  topic_ptr want_topic(std::string_view name);

  struct outstanding_total {
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
  };
  outstanding_total outstanding();

  // --- the home strand -----------------------------------------------------------------------------------------------

  /// New metadata of a topic: places its parked records, then lets senders see the table (null: nothing new in it).
  void publish(topic& of, std::unique_ptr<partition_table> table, clock_time now, effects& out);
  /// Metadata says that the topic cannot be used: its parked records fail.
  void refuse(topic& of, broker_errc why, const std::string& message, clock_time now, effects& out);
  /// Memory was given back: places what waits for it. True when somebody still waits, and not only for a broker's
  /// share.
  bool place_waiting(effects& out);
  /// Fails what has waited too long, at most so many: the others are still due then. `unreachable` says why metadata is
  /// missing, where that is known.
  void expire(clock_time now, const std::string& unreachable, boost::system::error_code cause, std::size_t most,
              effects& out);
  void fail_parked(const error_details& why, clock_time now, effects& out) noexcept;
  /// Parked records fail with errc::purged, and every owner is told to purge its partitions.
  void purge(clock_time now, effects& out);
  std::optional<clock_time> earliest_parked_deadline();
  bool is_partition_missing();  // somebody waits for a partition that is not there
  /// A refresh of the metadata begins, and its answer has come. A record for a partition that is not there fails by an
  /// answer to a question that was asked after it was parked.
  void refresh_begins();
  void refresh_answered();
  void abandon(waiter_list& out) noexcept;

  /// Of `parked.memory`.
  std::size_t parked_bytes() const noexcept { return parked_bytes_.load(std::memory_order_relaxed); }
  /// Somebody waits for memory (not only for a broker's share of it): every batch should go.
  bool is_memory_short() const noexcept { return waiting_for_memory_.load(std::memory_order_relaxed) > 0; }
  /// From now on sends fail with errc::closed.
  void close() noexcept { flushes.close(); }
  bool is_closed() const noexcept { return flushes.is_closed(); }
  /// After close(): a flush that begins when this has returned waits for every record that was not refused.
  void await_senders();
  /// Wall clock minus steady clock, so that a send reads only one of them.
  void set_wall_offset(std::chrono::nanoseconds offset) noexcept {
    wall_offset_.store(offset.count(), std::memory_order_relaxed);
  }

  buffer_memory memory;
  flush_tracker flushes;
  topic_registry topics;
  const std::shared_ptr<report_budget> reports;

 private:
  std::optional<error> check(const record_view& record) const;
  static std::optional<error> refusal(const topic& of);
  std::optional<error> find_topic(const record_view& record, topic*& to, topic_ptr& needed);
  std::int64_t timestamp_of(const record_view& record, clock_time now) const noexcept;
  partition_queue* choose(const record_view& record, topic& to, const partition_table& table, std::size_t& slot) const;
  bool place_directly(const record_view& record, topic& to, std::int64_t timestamp, clock_time now, send_outcome& out,
                      parked_for& otherwise, partition_queue*& behind);
  send_outcome park(const record_view& record, topic& to, parked_for reason, partition_queue* behind,
                    std::int64_t timestamp, clock_time now);
  send_outcome failed(const record_view& record, topic* to, error why, std::int64_t timestamp) const;
  void wake(partition_queue& partition);

  bool place_parked(parked_record& parked, const partition_table* table, std::vector<partition_owner*>& full,
                    effects& out);
  void wait_for_partition(parked_record& parked);
  void leave_line(parked_record& parked) noexcept;
  void take_out(parked_record& parked) noexcept;
  void wait_on(parked_record& parked, parked_for reason, partition_queue* behind);
  parking_line::iterator place_in(parking_line& line, std::uint64_t number) noexcept;
  void begin_pass() noexcept {
    ++pass_;
    last_moved_ = nullptr;
  }
  void enter(parked_ptr entering, partition_queue* behind);
  share_line& share_line_of(partition_queue& partition);
  std::size_t topic_memory(const topic& to, parked_for reason) const noexcept;
  parked_record* next_to_place(const std::vector<partition_queue*>& open) noexcept;
  void block(std::vector<partition_queue*>& open, const partition_queue& blocked,
             const std::vector<partition_owner*>& full) noexcept;
  void note_waited_shares();
  void fail_without_partition(parked_record& parked, const partition_table& table, clock_time now,
                              effects& out) noexcept;
  void fail_one(parked_record& parked, error_details why, clock_time now, effects& out) noexcept;
  void note_unheard(parked_record& parked, const error& why, effects& out) noexcept;
  void want(topic& of) noexcept;
  void place_memory_line(effects& out);
  parking_line& line_of(const parked_record& parked) noexcept {
    if (parked.behind != nullptr) return parked.behind->line->waiting;
    const bool needs_metadata = parked.reason == parked_for::metadata || parked.reason == parked_for::partition;
    return needs_metadata ? metadata_line_ : memory_line_;
  }

  template <class Visit>
  void for_each_line(Visit visit) {
    visit(metadata_line_);
    visit(memory_line_);
    for (share_line& each : share_lines_) visit(each.waiting);
  }

  const settings& settings_;
  attention_listener& home_;
  std::atomic<bool> unheard_{false};  // the last word of a wanted topic
  std::atomic<std::int64_t> wall_offset_{0};
  std::atomic<std::uint32_t> waiting_for_memory_{0};  // parked for memory, or for space

  std::mutex mutex_;  // guards what follows; a partition's lock may be taken under it
  parking_line metadata_line_;
  parking_line memory_line_;
  std::list<share_line> share_lines_;         // those that are not empty
  std::vector<partition_owner*> waited_for_;  // whose shares are
  std::uint64_t entered_ = 0;                 // records, into a line
  std::size_t waiting_for_partition_ = 0;     // parked for that
  std::atomic<std::size_t> share_bytes_{0};   // of parked_bytes_, behind a full share
  std::atomic<std::size_t> parked_bytes_{0};  // written under the mutex
  std::uint64_t refreshes_begun_ = 0;
  std::uint64_t refreshes_answered_ = 0;
  std::uint64_t pass_ = 0;               // number of the pass over a line that is being made
  parked_record* last_moved_ = nullptr;  // from one line to another, in this pass
  deadline_heap deadlines_;
  std::vector<partition_queue*> to_wake_;  // by placing; woken after the mutex is released
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/produce_queue.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// One batch of a request.
struct planned_batch {
  partition_queue* partition = nullptr;
  batch_ptr what{};
  bool moved = false;     // the partition has another owner by now, and has sent the batch again (rule 10)
  bool settled = false;   // its answer has been obeyed
  wire::uuid topic_id{};  // as it was when the request was made: the topic may be made anew before the answer
};

/// The partitions that one owner drains. A partition is in one of three places: `ready` (a ring: who has been served
/// goes to the end, so the start rotates), `lingering` (would be sent at once if the link were idle), or nowhere
/// (empty, its window is full, or it backs off), and comes back by wake, answer or deadline. A blocked partition never
/// ends a pass. Belongs to the owner's strand.
class produce_queue {
 public:
  produce_queue(const settings& rules, deadline_heap& deadlines) : settings_(rules), deadlines_(deadlines) {}

  void adopt(partition_queue& added, clock_time now, drain_conditions conditions);
  /// Forgets the partition; its batches stay with it.
  void release(partition_queue& gone);
  /// Looks again after news of the partition: puts it where it belongs and sets its deadlines.
  void reconsider(partition_queue& seen, clock_time now, drain_conditions conditions);
  void reconsider_all(clock_time now, drain_conditions conditions);

  /// The batches of the next request, now in flight; empty when nothing may go. At most one per partition, and not more
  /// than max.request.size in all unless a single batch is larger. `link_idle`: nothing is in flight on this broker, so
  /// nobody lingers.
  /// What finds no memory is left out; throws where that is everything, and has taken nothing then.
  std::vector<planned_batch> next_request(clock_time now, bool link_idle, drain_conditions conditions,
                                          const std::optional<producer_identity>& identity);

  /// Something might go into a request now.
  bool has_candidates(bool link_idle) const noexcept {
    return !ready_.empty() || (link_idle && idle_sends() && !lingering_.empty());
  }
  /// Some partition has records, sent or not.
  bool has_work() const;
  /// The last pass left partitions out that need a producer id, or another one than used_up_id().
  bool is_identity_missing() const noexcept { return identity_missing_; }
  std::optional<std::int64_t> used_up_id() const noexcept { return used_up_id_; }
  const std::vector<partition_queue*>& partitions() const noexcept { return partitions_; }

 private:
  /// Per partition, and those of the owner itself.
  static constexpr std::size_t deadlines_each = 2, other_deadlines = 16;

  using ring = boost::intrusive::list<partition_queue, boost::intrusive::constant_time_size<false>>;

  void fill(std::vector<planned_batch>& request, ring& skipped, clock_time now, drain_conditions conditions,
            const std::optional<producer_identity>& identity);
  bool idle_sends() const noexcept { return settings_.user.linger_policy == linger_policy::when_busy; }
  void reconsider_unless_waiting_for_identity(partition_queue& seen, clock_time now, drain_conditions conditions);
  void put(partition_queue& moved, partition_queue::place where);

  const settings& settings_;
  deadline_heap& deadlines_;
  std::vector<partition_queue*> partitions_;
  ring ready_;
  ring lingering_;
  bool identity_missing_ = false;
  std::optional<std::int64_t> used_up_id_{};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/messages/leader_hint.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

struct leader_and_epoch {
  std::int32_t leader_id = -1;
  std::int32_t leader_epoch = -1;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.leader_id);
    f.field(self.leader_epoch);
  }
  bool operator==(const leader_and_epoch&) const = default;
};

struct node_endpoint {
  std::int32_t node_id = 0;
  std::string host{};
  std::int32_t port = 0;
  std::optional<std::string> rack{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.node_id);
    f.field(self.host);
    f.field(self.port);
    f.field(self.rack);
  }
  bool operator==(const node_endpoint&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/messages/api_key.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

// Any 16-bit value may arrive from a peer, also one without a name here.
enum class api_key : std::int16_t {
  produce = 0,
  fetch = 1,
  list_offsets = 2,
  metadata = 3,
  find_coordinator = 10,
  sasl_handshake = 17,
  api_versions = 18,
  create_topics = 19,
  init_producer_id = 22,
  add_partitions_to_txn = 24,
  add_offsets_to_txn = 25,
  end_txn = 26,
  txn_offset_commit = 28,
  sasl_authenticate = 36,
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/messages/produce.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;
using wire::until;

struct produce_response;

struct produce_request {
  using response_type = produce_response;
  static constexpr api_key key = api_key::produce;
  static constexpr wire::version_range versions{0, 13};
  static constexpr std::int16_t flexible_from = 9;

  struct partition {
    std::int32_t index = 0;
    wire::records_field records{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.index);
      f.field(self.records);
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::string name{};
    wire::uuid topic_id{};
    std::vector<partition> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name, until(12));
      f.field(self.topic_id, since(13));
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  std::optional<std::string> transactional_id{};
  std::int16_t acks = -1;
  std::int32_t timeout_ms = 0;
  std::vector<topic> topics{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.transactional_id, since(3));
    f.field(self.acks);
    f.field(self.timeout_ms);
    f.field(self.topics);
  }
  bool operator==(const produce_request&) const = default;
};

struct produce_response {
  static constexpr api_key key = api_key::produce;
  static constexpr wire::version_range versions = produce_request::versions;
  static constexpr std::int16_t flexible_from = produce_request::flexible_from;

  struct record_error {
    std::int32_t batch_index = 0;
    std::optional<std::string> message{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.batch_index);
      f.field(self.message);
    }
    bool operator==(const record_error&) const = default;
  };

  struct partition {
    std::int32_t index = 0;
    std::int16_t error_code = 0;
    std::int64_t base_offset = -1;
    std::int64_t log_append_time_ms = -1;
    std::int64_t log_start_offset = -1;
    std::vector<record_error> record_errors{};
    std::optional<std::string> error_message{};
    leader_and_epoch current_leader{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.index);
      f.field(self.error_code);
      f.field(self.base_offset);
      f.field(self.log_append_time_ms, since(2));
      f.field(self.log_start_offset, since(5));
      f.field(self.record_errors, since(8));
      f.field(self.error_message, since(8));
      f.tagged(0, self.current_leader, since(10));
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::string name{};
    wire::uuid topic_id{};
    std::vector<partition> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name, until(12));
      f.field(self.topic_id, since(13));
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  std::vector<topic> responses{};
  std::int32_t throttle_time_ms = 0;
  std::vector<node_endpoint> node_endpoints{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.responses);
    f.field(self.throttle_time_ms, since(1));
    f.tagged(0, self.node_endpoints, since(10));
  }
  bool operator==(const produce_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/core/leader_news.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Collected on the broker's strand, judged on the home strand by cluster_metadata.
struct leader_news {
  struct partition {
    std::string topic{};
    wire::uuid topic_id{};  // as the request was made; zero where there was none
    std::int32_t index = 0;
    std::int32_t leader = -1;
    std::int32_t leader_epoch = -1;
  };
  std::vector<partition> moved{};
  std::vector<messages::node_endpoint> endpoints{};

  /// Takes note where the broker refuses the batch because others lead, and says who.
  void note(const planned_batch& sent, const messages::produce_response::partition& said) {
    const auto code = static_cast<broker_errc>(said.error_code);
    if (code != broker_errc::not_leader_or_follower && code != broker_errc::fenced_leader_epoch) return;
    if (said.current_leader.leader_id < 0 || said.current_leader.leader_epoch < 0) return;
    moved.push_back({std::string(sent.partition->called().str()), sent.topic_id, sent.partition->index(),
                     said.current_leader.leader_id, said.current_leader.leader_epoch});
  }
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/messages/metadata.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::always;
using wire::between;
using wire::since;

struct metadata_response;

// What a broker says about authorized operations that it was not asked for.
inline constexpr std::int32_t unknown_operations = std::numeric_limits<std::int32_t>::min();

struct metadata_request {
  using response_type = metadata_response;
  static constexpr api_key key = api_key::metadata;
  static constexpr wire::version_range versions{0, 13};
  static constexpr std::int16_t flexible_from = 9;

  struct topic {
    wire::uuid topic_id{};
    std::optional<std::string> name{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.topic_id, since(10));
      f.field(self.name, always.nullable_since(10));
    }
    bool operator==(const topic&) const = default;
  };

  std::optional<std::vector<topic>> topics = std::vector<topic>{};  // null: all topics
  bool allow_auto_topic_creation = true;
  bool include_cluster_authorized_operations = false;
  bool include_topic_authorized_operations = false;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.topics, always.nullable_since(1));
    f.field(self.allow_auto_topic_creation, since(4));
    f.field(self.include_cluster_authorized_operations, between(8, 10));
    f.field(self.include_topic_authorized_operations, since(8));
  }
  bool operator==(const metadata_request&) const = default;
};

struct metadata_response {
  static constexpr api_key key = api_key::metadata;
  static constexpr wire::version_range versions = metadata_request::versions;
  static constexpr std::int16_t flexible_from = metadata_request::flexible_from;

  struct broker {
    std::int32_t node_id = 0;
    std::string host{};
    std::int32_t port = 0;
    std::optional<std::string> rack{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.node_id);
      f.field(self.host);
      f.field(self.port);
      f.field(self.rack, since(1));
    }
    bool operator==(const broker&) const = default;
  };

  struct partition {
    std::int16_t error_code = 0;
    std::int32_t partition_index = 0;
    std::int32_t leader_id = -1;
    std::int32_t leader_epoch = -1;
    std::vector<std::int32_t> replica_nodes{};
    std::vector<std::int32_t> isr_nodes{};
    std::vector<std::int32_t> offline_replicas{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.error_code);
      f.field(self.partition_index);
      f.field(self.leader_id);
      f.field(self.leader_epoch, since(7));
      f.field(self.replica_nodes);
      f.field(self.isr_nodes);
      f.field(self.offline_replicas, since(5));
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::int16_t error_code = 0;
    std::optional<std::string> name{};
    wire::uuid topic_id{};
    bool is_internal = false;
    std::vector<partition> partitions{};
    std::int32_t topic_authorized_operations = unknown_operations;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.error_code);
      f.field(self.name, always.nullable_since(12));
      f.field(self.topic_id, since(10));
      f.field(self.is_internal, since(1));
      f.field(self.partitions);
      f.field(self.topic_authorized_operations, since(8));
    }
    bool operator==(const topic&) const = default;
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<broker> brokers{};
  std::optional<std::string> cluster_id{};
  std::int32_t controller_id = -1;
  std::vector<topic> topics{};
  std::int32_t cluster_authorized_operations = unknown_operations;
  std::int16_t error_code = 0;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms, since(3));
    f.field(self.brokers);
    f.field(self.cluster_id, since(2));
    f.field(self.controller_id, since(1));
    f.field(self.topics);
    f.field(self.cluster_authorized_operations, between(8, 10));
    f.field(self.error_code, since(13));
  }
  bool operator==(const metadata_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/core/cluster_metadata.hpp

#include <map>

namespace cokafka::inline COKAFKA_ABI::detail {

/// One partition as the metadata has it; leader -1: none.
struct partition_state {
  std::int32_t leader = -1;
  std::int32_t leader_epoch = -1;
  std::vector<std::int32_t> replicas{};
  std::vector<std::int32_t> in_sync{};
};

struct topic_state {
  wire::uuid id{};  // zero while no answer told it (Metadata before version 10)
  std::vector<partition_state> partitions{};
  std::vector<wire::uuid> former{};  // of topics of this name that were deleted: a broker that lags may still tell them
  int backwards = 0;         // answers in a row that were older than what is known, as far as one can see without ids
  bool was_missing = false;  // the last answer did not know it
};

/// What an answer says of one topic that was asked for.
struct topic_news {
  enum class kind : std::uint8_t { known, waiting, refused };
  std::string name{};
  kind is = kind::waiting;
  broker_errc error = broker_errc::none;  // why it is waited for, or refused
  bool complete = true;                   // known: every partition has a leader
  bool made_anew = false;                 // known: another topic than before, of the same name
  bool doubtful = false;                  // known: the answer was older than the cache, or seemed so; ask again
};

/// The cache. Belongs to the home strand; brokers in the order of their ids.
class cluster_metadata {
 public:
  /// A topic with more is not believed: what is kept per partition is a hundred times what the answer spends on it.
  static constexpr std::size_t most_partitions = 200'000;
  /// Without topic ids a topic that was made anew looks like an answer of a broker that lags. Such a broker catches up;
  /// what is told so many times in a row is true.
  static constexpr int believed_after = 3;

  /// Takes an answer in and says what it means for each topic in it. A partition keeps its cached leader where the
  /// answer is of an older leader epoch of the same topic, guarantee.md rule 10.
  std::vector<topic_news> merge(const messages::metadata_response& response);
  /// Takes the leaders in that a Produce answer named, where their epochs are newer than what is known (KIP-951). The
  /// names of the topics that have changed.
  std::vector<std::string> learn(const leader_news& news);
  /// The brokers are to be learned anew, from the bootstrap servers (KIP-899).
  void forget_brokers() noexcept { brokers_.clear(); }
  void forget(const std::string& name);

  const std::map<std::int32_t, messages::metadata_response::broker>& brokers() const noexcept { return brokers_; }
  const topic_state* find(const std::string& name) const;
  std::vector<partition_info> describe(const std::string& name) const;

 private:
  enum class relation : std::uint8_t { same, another, outdated };

  topic_news merge_topic(const messages::metadata_response::topic& told);
  static relation compare(topic_state& cached, const messages::metadata_response::topic& told, std::size_t count);
  void take_partitions(topic_state& cached, const messages::metadata_response::topic& told, std::size_t count,
                       bool same_topic) const;
  bool take_endpoint(std::int32_t id, const std::vector<messages::node_endpoint>& endpoints);

  std::map<std::int32_t, messages::metadata_response::broker> brokers_;
  std::map<std::string, topic_state> topics_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/backoff.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Doubles from `base` to `max`, each time with a jitter of 20 % up or down; the result never exceeds `max`.
struct backoff_policy {
  std::chrono::milliseconds base{100};
  std::chrono::milliseconds max{1000};

  /// The wait before attempt number `attempts` + 1, 1 being the first that failed. `random` is any 64 random bits.
  std::chrono::microseconds delay(std::uint32_t attempts, std::uint64_t random) const noexcept {
    const double factor = static_cast<double>(std::uint64_t{1} << std::min<std::uint32_t>(attempts ? attempts - 1 : 0, 30));
    const double jitter = 0.8 + 0.4 * (static_cast<double>(random >> 11) / 9007199254740992.0);
    const double wanted = static_cast<double>(std::chrono::microseconds(base).count()) * factor * jitter;
    const double limit = static_cast<double>(std::chrono::microseconds(std::max(base, max)).count());
    return std::chrono::microseconds(static_cast<std::int64_t>(std::min(wanted, limit)));
  }
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/metadata_schedule.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Requests are coalesced: however many ask, one refresh answers them. Belongs to the home strand.
class metadata_schedule {
 public:
  /// Between two refreshes, whatever `retry.backoff.ms` and `metadata.max.age.ms` say: only a new topic is faster.
  static constexpr std::chrono::milliseconds shortest_pause{10};

  metadata_schedule(backoff_policy again, clock_duration max_age) : again_(again), max_age_(max_age) {}

  /// Somebody met a sign that the metadata is out of date.
  void want() noexcept { wanted_ = true; }
  /// Does not wait for a backoff.
  void want_now() noexcept { at_once_ = true; }
  /// A topic that has never been asked for: nor does it, unless names that are no topics have been asked for just so.
  void want_topic() noexcept { new_topic_ = true; }
  /// So many of those in a row, until one of them is a topic; then one per `retry.backoff.ms`.
  static constexpr int most_in_vain = 10;

  /// Not before that time.
  void want_at(clock_time at) noexcept { later_ = std::min(later_.value_or(at), at); }

  /// What was wanted for later, while the refresh was under way, is wanted later still.
  void postpone(clock_time at) noexcept {
    if (later_) later_ = std::max(*later_, at);
  }

  /// When the next refresh is due; empty when nothing was ever wanted.
  std::optional<clock_time> due() const noexcept {
    if (at_once_) return clock_time::min();
    std::optional<clock_time> at = later_;
    if (succeeded_at_) at = std::min(at.value_or(clock_time::max()), *succeeded_at_ + max_age_);
    if (at) at = std::max(*at, not_before_);  // never without a pause
    if (wanted_) at = not_before_;
    if (new_topic_) at = std::min(at.value_or(clock_time::max()), new_topic_at());
    return at;
  }

  /// A refresh begins; what is wanted from now on is for the next one.
  void started(clock_time now) noexcept {
    if (new_topic_) in_vain_until_ = std::max(in_vain_until_, now) + shortest(again_.base);
    wanted_ = false;
    at_once_ = false;
    new_topic_ = false;
    later_.reset();
  }
  /// Among the names that were asked for was a topic that had not been known.
  void found_topic() noexcept { in_vain_until_ = clock_time::min(); }
  /// It was answered. `helped`: everything that was waited for is known now.
  void succeeded(clock_time now, bool helped, std::uint64_t random) noexcept {
    succeeded_at_ = now;
    attempts_ = helped ? 0 : attempts_ + 1;
    not_before_ = now + pause(std::max<std::uint32_t>(attempts_, 1), random);
    wanted_ = wanted_ || !helped;
  }
  void failed(clock_time now, std::uint64_t random) noexcept {
    wanted_ = true;
    not_before_ = now + pause(++attempts_, random);
  }

 private:
  static clock_duration shortest(clock_duration pause) noexcept {
    return std::max<clock_duration>(shortest_pause, pause);
  }
  clock_duration pause(std::uint32_t attempts, std::uint64_t random) const noexcept {
    return shortest(again_.delay(attempts, random));
  }
  // Each question takes a pause that it does not wait for, up to so many.
  clock_time new_topic_at() const noexcept {
    if (in_vain_until_ == clock_time::min()) return in_vain_until_;
    return in_vain_until_ - (most_in_vain - 1) * shortest(again_.base);
  }

  backoff_policy again_;
  clock_duration max_age_;
  bool wanted_ = false;
  bool at_once_ = false;
  bool new_topic_ = false;
  clock_time in_vain_until_ = clock_time::min();
  std::optional<clock_time> later_{};
  std::uint32_t attempts_ = 0;
  clock_time not_before_ = clock_time::min();
  std::optional<clock_time> succeeded_at_{};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/base/host_port.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

inline constexpr std::uint16_t default_kafka_port = 9092;

/// A server to connect to. The host is a name or an address, IPv6 without its brackets.
struct host_port {
  std::string host;
  std::uint16_t port = default_kafka_port;

  friend bool operator==(const host_port&, const host_port&) = default;
};

/// What a list of servers says, or the first thing that is wrong with it.
struct host_port_list {
  std::vector<host_port> servers;  ///< in the order written, each once
  std::string problem;             ///< empty when the text is right; else a rule, and `servers` is of no use
};

/// Reads `host[:port]` entries, separated by commas. Port 9092 when missing, IPv6 addresses in brackets, a prefix
/// "PLAINTEXT://" is allowed as in Kafka.
COKAFKA_DECL host_port_list parse_host_ports(std::string_view text);

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/throttled_brokers.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// By their addresses: another one may be asked meanwhile (guarantee.md, rule 23). Belongs to the home strand.
class throttled_brokers {
 public:
  /// So many are remembered; of more, those that are throttled longest.
  static constexpr std::size_t most = 64;

  /// An answer of this broker says that it shall not be asked before `until`.
  void note(const host_port& broker, clock_time until, clock_time now) {
    forget_past(now);
    const auto known = std::find_if(all_.begin(), all_.end(), [&](const auto& each) { return each.first == broker; });
    if (known != all_.end()) {
      known->second = std::max(known->second, until);
      return;
    }
    if (all_.size() == most) {
      const auto sooner = [](const auto& a, const auto& b) { return a.second < b.second; };
      all_.erase(std::min_element(all_.begin(), all_.end(), sooner));
    }
    all_.emplace_back(broker, until);
  }

  /// Until when it is; empty when it may be asked.
  std::optional<clock_time> until(const host_port& broker, clock_time now) const noexcept {
    for (const auto& [each, time] : all_) {
      if (each == broker && time > now) return time;
    }
    return std::nullopt;
  }

  /// When the first of these may be asked; empty when one of them may be now.
  std::optional<clock_time> first_free(const std::vector<host_port>& brokers, clock_time now) const noexcept {
    std::optional<clock_time> first;
    for (const host_port& each : brokers) {
      const auto time = until(each, now);
      if (!time) return std::nullopt;
      first = std::min(first.value_or(*time), *time);
    }
    return first;
  }

  bool is_any(clock_time now) const noexcept {
    return std::any_of(all_.begin(), all_.end(), [&](const auto& each) { return each.second > now; });
  }

 private:
  void forget_past(clock_time now) noexcept {
    std::erase_if(all_, [&](const auto& each) { return each.second <= now; });
  }

  std::vector<std::pair<host_port, clock_time>> all_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/engine/engine_service.hpp

#include <boost/asio/execution_context.hpp>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace asio = boost::asio;

/// What the service does to an engine at the end.
class context_member {
 public:
  /// Destroys every stored handler without calling it, and everything that refers to the execution context.
  virtual void shutdown() noexcept = 0;

 protected:
  ~context_member() = default;
};

/// One per execution context, made with the first producer. Without it a stopped io_context would leak: coroutine
/// frames own deliveries, which are waited for in batches, which the engine owns. Thread safety: shared objects safe.
class engine_service : public asio::execution_context::service {
 public:
  using key_type = engine_service;
  static inline asio::execution_context::id id;

  explicit engine_service(asio::execution_context& context) : asio::execution_context::service(context) {}

  void add(std::weak_ptr<context_member> added, operation_home_ptr home);

 private:
  // Deliveries keep the home longer than the engine; its executor must not outlive the context (a strand refers to it).
  struct member {
    std::weak_ptr<context_member> engine;
    operation_home_ptr home;
  };

  void shutdown() override;

  std::mutex mutex_;
  std::vector<member> members_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/engine/failure_report.hpp

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

// ---- cokafka/detail/io/deadline_timer.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// The heap of a strand's deadlines and the timer that follows its earliest entry. Deadlines that move later are
/// noticed when the timer fires, or at once by settle(): arming costs a microsecond, and traffic moves deadlines all
/// the time. Belongs to its strand.
class deadline_timer {
 public:
  /// `due` is called on the strand with the time; it pops what is due. `owner` keeps the object alive while the timer
  /// runs.
  deadline_timer(environment& env, asio::any_io_executor strand) : env_(env), strand_(std::move(strand)) {}

  void start(std::weak_ptr<void> owner, std::function<void()> due);

  deadline_heap heap;

  /// Arms the timer where the earliest deadline is before the time it waits for.
  void update();

  /// Makes the timer follow the earliest deadline exactly: nothing is in flight, so nothing but a deadline shall wake
  /// us.
  void settle();

  /// No wake-ups any more.
  void stop() noexcept;

  /// How often the timer has fired.
  std::uint64_t wake_ups() const noexcept { return wake_ups_.load(std::memory_order_relaxed); }

 private:
  void arm(clock_time at);

  environment& env_;
  asio::any_io_executor strand_;
  std::weak_ptr<void> owner_;
  std::function<void()> due_;
  std::unique_ptr<timer> timer_;
  std::optional<clock_time> armed_for_;
  std::uint64_t generation_ = 0;
  std::atomic<std::uint64_t> wake_ups_{0};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/messages/api_versions.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;

struct api_versions_response;

struct api_versions_request {
  using response_type = api_versions_response;
  static constexpr api_key key = api_key::api_versions;
  static constexpr wire::version_range versions{0, 5};
  static constexpr std::int16_t flexible_from = 3;

  std::string client_software_name{};
  std::string client_software_version{};
  std::optional<std::string> cluster_id{};
  std::int32_t node_id = -1;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.client_software_name, since(3));
    f.field(self.client_software_version, since(3));
    f.field(self.cluster_id, since(5));
    f.field(self.node_id, since(5));
  }
  bool operator==(const api_versions_request&) const = default;
};

// The response header has no tagged fields in any version, so that a client can read an answer older than its question.
struct api_versions_response {
  static constexpr api_key key = api_key::api_versions;
  static constexpr wire::version_range versions = api_versions_request::versions;
  static constexpr std::int16_t flexible_from = api_versions_request::flexible_from;

  struct api {
    std::int16_t api_key = 0;
    std::int16_t min_version = 0;
    std::int16_t max_version = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.api_key);
      f.field(self.min_version);
      f.field(self.max_version);
    }
    bool operator==(const api&) const = default;
  };

  struct supported_feature {
    std::string name{};
    std::int16_t min_version = 0;
    std::int16_t max_version = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.min_version);
      f.field(self.max_version);
    }
    bool operator==(const supported_feature&) const = default;
  };

  struct finalized_feature {
    std::string name{};
    std::int16_t max_version_level = 0;
    std::int16_t min_version_level = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.max_version_level);
      f.field(self.min_version_level);
    }
    bool operator==(const finalized_feature&) const = default;
  };

  std::int16_t error_code = 0;
  std::vector<api> api_keys{};
  std::int32_t throttle_time_ms = 0;
  std::vector<supported_feature> supported_features{};
  std::int64_t finalized_features_epoch = -1;
  std::vector<finalized_feature> finalized_features{};
  bool zk_migration_ready = false;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.error_code);
    f.field(self.api_keys);
    f.field(self.throttle_time_ms, since(1));
    f.tagged(0, self.supported_features, since(3));
    f.tagged(1, self.finalized_features_epoch, since(3), std::int64_t{-1});
    f.tagged(2, self.finalized_features, since(3));
    f.tagged(3, self.zk_migration_ready, since(3));
  }
  bool operator==(const api_versions_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/core/api_versions_known.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Upper limits per API, to speak an older version than both sides could: how tests force every version once.
using version_caps = std::map<messages::api_key, std::int16_t>;

/// What this client uses of each API; a message may be described in more versions than these.
constexpr wire::version_range client_versions(messages::api_key key) noexcept {
  switch (key) {
    case messages::api_key::produce: return {3, 13};  // record batch v2 begins at 3
    case messages::api_key::metadata: return {1, 13};
    case messages::api_key::api_versions: return {0, 4};
    case messages::api_key::init_producer_id: return {0, 5};
    default: return {0, -1};
  }
}

/// The result of ApiVersions on one connection.
class api_versions_known {
 public:
  void learn(const messages::api_versions_response& response, const version_caps& caps);

  /// The newest version that both sides speak.
  std::optional<std::int16_t> newest(messages::api_key key) const;

 private:
  std::map<messages::api_key, wire::version_range> ranges_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/link_host.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Implemented by the engine. All functions may be called from any strand, under no lock.
class link_host {
 public:
  /// Posts completed handlers, writes log lines, passes news on.
  virtual void carry_out(effects& wanted) = 0;
  /// The cluster metadata is out of date.
  virtual void want_metadata() = 0;
  /// An answer named new leaders.
  virtual void learn_leaders(leader_news news) = 0;
  /// The producer id, when there is one.
  virtual std::optional<producer_identity> identity() const = 0;
  /// A partition cannot go on without a producer id, or without another one than `used_up`. False where nobody will
  /// look (attention_listener).
  virtual bool want_identity(std::optional<std::int64_t> used_up) noexcept = 0;
  /// Circumstances under which nobody lingers: a flush, close, memory that is waited for.
  virtual drain_conditions conditions() const = 0;
  /// A link has connected, or has failed to.
  virtual void link_changed() = 0;
  /// The tasks of a link have ended after stop().
  virtual void link_ended() = 0;
  /// Keeps the engine alive while a task runs; null when it is being destroyed.
  virtual std::shared_ptr<link_host> keep_alive() = 0;

  virtual environment& env() noexcept = 0;
  virtual const settings& rules() const noexcept = 0;
  virtual const version_caps& caps() const noexcept = 0;
  virtual bool is_logged(log_level level) const noexcept = 0;
  /// One line for the user's sink, which is never called on a strand: the line is posted.
  virtual void say(log_level level, std::string line) noexcept = 0;

 protected:
  ~link_host() = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/woken_stack.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Many threads push, one strand takes all. A partition is in at most one stack (its wake_pending flag).
class woken_stack {
 public:
  /// True when the strand must be told; who cannot says not_told(), and whoever finds that said tells it.
  bool push(partition_queue& woken) noexcept {
    partition_queue* top = top_.load(std::memory_order_relaxed);
    do {
      woken.woken_next = top;
    } while (!top_.compare_exchange_weak(top, &woken, std::memory_order_acq_rel, std::memory_order_relaxed));
    return !told_.exchange(true, std::memory_order_acq_rel);
  }
  void not_told() noexcept {
    told_.store(false, std::memory_order_release);
    unheard_.store(true, std::memory_order_release);
  }
  bool take_unheard() noexcept {
    return unheard_.load(std::memory_order_relaxed) && unheard_.exchange(false, std::memory_order_acq_rel);
  }

  /// Calls `seen` for each, in the order of pushing; the partition may be pushed again from then on.
  template <class Function>
  void take_all(Function&& seen) {
    // First, and a read as well: who pushes from here on tells again, and what others have left to us is seen below.
    told_.exchange(false, std::memory_order_acq_rel);
    partition_queue* reversed = nullptr;
    for (partition_queue* each = top_.exchange(nullptr, std::memory_order_acq_rel); each != nullptr;) {
      partition_queue* const next = each->woken_next;
      each->woken_next = reversed;
      reversed = each;
      each = next;
    }
    while (reversed != nullptr) {
      partition_queue& each = *reversed;
      reversed = each.woken_next;
      each.wake_pending.store(false, std::memory_order_release);
      seen(each);
    }
  }

 private:
  std::atomic<partition_queue*> top_{nullptr};
  std::atomic<bool> told_{false};
  std::atomic<bool> unheard_{false};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/partition_keeper.hpp

#include <boost/asio/strand.hpp>

namespace cokafka::inline COKAFKA_ABI::detail {

/// What a broker's strand and the home strand (for partitions without a leader) have in common. A partition has one
/// keeper at a time; hand-over is a message. Thread safety: the functions of partition_owner, and poke, from any
/// thread; the rest on the strand.
class partition_keeper : public partition_owner {
 public:
  void wake(partition_queue& woken) final;
  void wake_again() final;
  void adopt_soon(partition_queue& added) final;
  void reconsider_owner_soon(partition_queue& moved) final;
  void acknowledged_late_soon(partition_queue& moved, batch_ptr written, broker_answer said) final;
  /// Circumstances have changed (flush, memory, producer id): look at every partition again.
  void poke();
  /// The cluster refuses to give a producer id: what needs one fails (not_written).
  void identity_refused_soon(error_details why);

  std::uint64_t timer_wake_ups() const noexcept { return deadlines_.wake_ups(); }
  /// Some partition has records, sent or not. On the strand.
  bool has_work() const { return queue_.has_work(); }

 protected:
  partition_keeper(link_host& host, asio::any_io_executor strand)
      : host_(host),
        strand_(std::move(strand)),
        deadlines_(host.env(), strand_),
        queue_(host.rules(), deadlines_.heap) {}
  ~partition_keeper() = default;

  template <class Function>
  void on_strand(Function function) {
    auto alive = host_.keep_alive();
    if (!alive) return;
    asio::post(strand_, [alive = std::move(alive), function = std::move(function)]() mutable { function(); });
  }

  /// There is something new in the queue: the tasks should look.
  virtual void news() = 0;
  /// The partition leaves: answers to what is in flight here are no longer this owner's to judge.
  virtual void forget_answers(partition_queue&) {}
  /// What to tell records that fall due here.
  virtual stall why_stalled() const noexcept = 0;

  /// Everybody's, and that records are parked because our share of the memory is full.
  drain_conditions conditions() const {
    drain_conditions all = host_.conditions();
    all.at_once = all.at_once || share.waited_for.load(std::memory_order_relaxed);
    return all;
  }
  void reconsider(partition_queue& seen, clock_time now);
  /// Handles an entry of a partition; false for other kinds.
  bool handle_partition_deadline(deadline_entry& due, clock_time now, effects& out);
  void carry_out(effects& wanted);
  /// Calls function(effects) and carries those out, also where it throws: who has been unlinked must be told.
  template <class Function>
  void with_effects(Function function) {
    effects out;
    try {
      function(out);
    } catch (...) {
      carry_out(out);
      throw;
    }
    carry_out(out);
  }
  /// The end: fails what the partitions hold, and those of partitions that are still on their way here.
  void fail_partitions(error_details why);

  link_host& host_;
  asio::any_io_executor strand_;
  deadline_timer deadlines_;
  produce_queue queue_;

 private:
  void take_woken();
  void tell_woken() noexcept;
  void adopt(partition_queue& added);
  void fail_one(partition_queue& partition);
  void heed_its_topic(partition_queue& seen, clock_time now);
  void purge_if_wanted(partition_queue& seen, clock_time now);
  void hand_over_if_wanted(partition_queue& seen);

  woken_stack woken_;
  std::optional<error_details> ended_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/engine/home_keeper.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Owned by the engine, whose strand it is.
class home_keeper final : public partition_keeper {
 public:
  /// `control_error` is why the cluster does not say who leads, and outlives the keeper.
  home_keeper(link_host& host, asio::any_io_executor strand, const error_code& control_error)
      : partition_keeper(host, std::move(strand)), control_error_(control_error) {}

  using partition_keeper::carry_out;
  using partition_keeper::fail_partitions;
  using partition_keeper::handle_partition_deadline;
  using partition_keeper::on_strand;
  using partition_keeper::with_effects;

  deadline_timer& deadlines() noexcept { return deadlines_; }
  const asio::any_io_executor& strand() const noexcept { return strand_; }

  void shutdown() noexcept {
    deadlines_.stop();
    strand_ = asio::any_io_executor();
  }

 private:
  // Records for a partition without a leader: the next metadata may name one.
  void news() override {
    if (queue_.has_work()) host_.want_metadata();
  }
  stall why_stalled() const noexcept override {
    return {control_error_, if_memory([] { return std::string("its partition has no leader that is known"); })};
  }

  const error_code& control_error_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/produce_request.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// One request that was or is being written. Keeps its batches, and so their bytes, alive until it is answered.
struct produce_request {
  std::int32_t correlation_id = 0;
  std::int16_t version = 0;
  clock_time written_at{};
  std::vector<planned_batch> batches{};
  std::string framing{};
  std::vector<std::span<const char>> gather{};  // what one write sends, in order
  std::size_t size = 0;
};

/// Whether version 13 can be spoken: it names topics by id, and every topic of the request must have one.
bool has_all_topic_ids(std::span<const planned_batch> batches) noexcept;

/// Fills framing, gather and size. Batches of one topic need not be neighbours; `sent` gets them grouped by topic.
void encode_produce_request(produce_request& sent, const settings& rules);

/// So that find_answer() need not look through all of them for each batch: brokers answer in the order of a hash map.
void put_in_order(messages::produce_response& response, std::int16_t version);

/// Where the answer for a batch of the request stands in the response; null when the broker left it out.
/// Precondition: put_in_order().
const messages::produce_response::partition* find_answer(const messages::produce_response& response,
                                                         const planned_batch& sent, std::int16_t version) noexcept;

/// The records for which the answer says that their batch was refused (KIP-467), in order, each once; numbers that the
/// batch does not have are left out.
std::vector<broker_answer::culprit> culprits_of(const messages::produce_response::partition& answer, const batch& sent);

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/wire/writer.hpp

#include <cassert>

namespace cokafka::inline COKAFKA_ABI::detail::wire {

// A place in an encoded buffer where bytes that live elsewhere belong. A gather write sends buffer[0, cut0), then the
// bytes of cut 0, then buffer[cut0, cut1), and so on. The position counts from the start of the buffer, not of the
// frame.
struct cut {
  std::size_t position_in_buffer = 0;
  std::size_t size = 0;

  bool operator==(const cut&) const = default;
};

// What writer and counter share: every primitive in terms of one function `raw`.
template <class Derived>
class basic_sink {
 public:
  void int8(std::int8_t value) { big_endian(static_cast<std::uint8_t>(value)); }
  void int16(std::int16_t value) { big_endian(static_cast<std::uint16_t>(value)); }
  void int32(std::int32_t value) { big_endian(static_cast<std::uint32_t>(value)); }
  void int64(std::int64_t value) { big_endian(static_cast<std::uint64_t>(value)); }
  void uint32(std::uint32_t value) { big_endian(value); }

  void unsigned_varint(std::uint32_t value) { varying(value); }
  void varint(std::int32_t value) {
    varying(static_cast<std::uint32_t>(value) << 1 ^ static_cast<std::uint32_t>(value >> 31));
  }
  void varlong(std::int64_t value) {
    varying(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
  }

 private:
  template <class Unsigned>
  void big_endian(Unsigned value) {
    std::array<char, sizeof(Unsigned)> bytes;
    for (std::size_t i = 0; i != bytes.size(); ++i) {
      bytes[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * (bytes.size() - 1 - i)) & 0xffU);
    }
    static_cast<Derived&>(*this).raw({bytes.data(), bytes.size()});
  }

  template <class Unsigned>
  void varying(Unsigned value) {
    std::array<char, 10> bytes;
    std::size_t size = 0;
    for (; value >= 0x80; value >>= 7) bytes[size++] = static_cast<char>((value & 0x7fU) | 0x80U);
    bytes[size++] = static_cast<char>(value);
    static_cast<Derived&>(*this).raw({bytes.data(), size});
  }
};

// Appends to a buffer of the caller, which must outlive the writer. Cuts are noted where a vector for them was given.
class writer : public basic_sink<writer> {
 public:
  explicit writer(std::string& out, std::vector<cut>* cuts = nullptr) noexcept : out_(&out), cuts_(cuts) {}

  void raw(std::string_view bytes) { out_->append(bytes); }

  // Leaves room, in the lengths only, for `size` bytes that the caller sends from elsewhere.
  void external(std::size_t size) {
    assert(cuts_ != nullptr && "external bytes need a vector of cuts");
    if (cuts_ != nullptr) cuts_->push_back({out_->size(), size});
    external_size_ += size;
  }

  std::size_t position() const noexcept { return out_->size(); }
  std::size_t external_size() const noexcept { return external_size_; }

  // Overwrites four bytes that were written before, at a position that position() gave.
  void patch_int32(std::size_t at, std::int32_t value) noexcept {
    assert(at + 4 <= out_->size());
    for (std::size_t i = 0; i != 4; ++i) {
      (*out_)[at + i] = static_cast<char>(static_cast<std::uint32_t>(value) >> (8 * (3 - i)) & 0xffU);
    }
  }

 private:
  std::string* out_;
  std::vector<cut>* cuts_;
  std::size_t external_size_ = 0;
};

// Takes what a writer takes and keeps only the number of bytes.
class counter : public basic_sink<counter> {
 public:
  void raw(std::string_view bytes) noexcept { size_ += bytes.size(); }
  void external(std::size_t size) noexcept { size_ += size; }
  std::size_t size() const noexcept { return size_; }

 private:
  std::size_t size_ = 0;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

// ---- cokafka/detail/wire/encoder.hpp

namespace cokafka::inline COKAFKA_ABI::detail::wire {

// A message struct describes itself once, for both directions, every version and the random contents of tests:
//
//   template <class Self, class Fields>
//   static void describe(Self& self, Fields& f) {
//     f.field(self.throttle_time_ms, since(3));                    // exists from version 3 on
//     f.field(self.topics, always.nullable_since(1));              // an optional that may be null from version 1 on
//     f.tagged(0, self.node_endpoints, since(10));                 // tagged field 0, left out when it has its default
//   }
//
// Fields come in wire order, tagged ones last and by ascending tag. A field that its version lacks is not written, and
// a reader leaves it at its default. A null that its version cannot express is written as empty.
template <class Sink>
class encoder {
 public:
  encoder(Sink& sink, std::int16_t version, bool flexible) noexcept
      : sink_(&sink), version_(version), flexible_(flexible) {}

  template <class T>
  void field(const T& value, presence when = always) {
    if (when.exists_in(version_)) put(value, when.may_be_null_in(version_));
  }

  template <class T>
  void tagged(std::uint32_t, const T&, presence, const T& = T{}) noexcept {}  // written behind the plain fields

  // A value of any described type.
  template <class T>
  void put(const T& value) {
    put(value, true);
  }

 private:
  struct tag_counter {
    std::int16_t version;
    std::uint32_t count = 0;

    template <class T>
    void field(const T&, presence = always) noexcept {}

    template <class T>
    void tagged(std::uint32_t, const T& value, presence when, const T& absent = T{}) {
      if (when.exists_in(version) && !(value == absent)) ++count;
    }
  };

  struct tag_encoder {
    encoder& out;

    template <class T>
    void field(const T&, presence = always) noexcept {}

    template <class T>
    void tagged(std::uint32_t tag, const T& value, presence when, const T& absent = T{}) {
      if (!when.exists_in(out.version_) || value == absent) return;
      counter size;
      encoder<counter>(size, out.version_, out.flexible_).put(value);
      out.sink_->unsigned_varint(tag);
      out.sink_->unsigned_varint(static_cast<std::uint32_t>(size.size()));
      out.put(value);
    }
  };

  template <class Struct>
  void put(const Struct& value, bool) {
    Struct::describe(value, *this);
    if (!flexible_) return;
    tag_counter tags{version_};
    Struct::describe(value, tags);
    sink_->unsigned_varint(tags.count);
    tag_encoder tagged_fields{*this};
    if (tags.count != 0) Struct::describe(value, tagged_fields);
  }

  void put(bool value, bool) { sink_->int8(value ? 1 : 0); }
  void put(std::int8_t value, bool) { sink_->int8(value); }
  void put(std::int16_t value, bool) { sink_->int16(value); }
  void put(std::int32_t value, bool) { sink_->int32(value); }
  void put(std::int64_t value, bool) { sink_->int64(value); }
  void put(const uuid& value, bool) {
    for (const std::uint8_t byte : value.bytes) sink_->int8(static_cast<std::int8_t>(byte));
  }

  void put(const std::string& value, bool) {
    string_length(value.size());
    sink_->raw(value);
  }

  void put(const std::optional<std::string>& value, bool may_be_null) {
    if (value) return put(*value, may_be_null);
    if (!may_be_null) return string_length(0);
    flexible_ ? sink_->unsigned_varint(0) : sink_->int16(-1);
  }

  void put(const bytes& value, bool) {
    length(value.data.size());
    sink_->raw(value.data);
  }

  void put(const records_field& value, bool may_be_null) {
    if (value.external_size != 0) {
      length(value.external_size);
      sink_->external(value.external_size);
    } else if (value.bytes) {
      length(value.bytes->size());
      sink_->raw(*value.bytes);
    } else {
      null_length(may_be_null);
    }
  }

  template <class T>
  void put(const std::vector<T>& values, bool) {
    length(values.size());
    for (const T& value : values) put(value);
  }

  template <class T>
  void put(const std::optional<std::vector<T>>& values, bool may_be_null) {
    values ? put(*values, may_be_null) : null_length(may_be_null);
  }

  // Names and ids are checked where they enter the library: longer strings cannot reach this place.
  void string_length(std::size_t size) {
    assert(flexible_ || size <= 0x7fffU);
    flexible_ ? sink_->unsigned_varint(static_cast<std::uint32_t>(size + 1))
              : sink_->int16(static_cast<std::int16_t>(size));
  }

  void length(std::size_t size) {
    assert(size < 0x7fffffffU);
    flexible_ ? sink_->unsigned_varint(static_cast<std::uint32_t>(size + 1))
              : sink_->int32(static_cast<std::int32_t>(size));
  }

  void null_length(bool may_be_null) {
    if (!may_be_null) return length(0);
    flexible_ ? sink_->unsigned_varint(0) : sink_->int32(-1);
  }

  Sink* sink_;
  std::int16_t version_;
  bool flexible_;
};

// The number of bytes that a value takes, external ones included.
template <class T>
std::size_t encoded_size(const T& value, std::int16_t version, bool flexible) {
  counter size;
  encoder<counter>(size, version, flexible).put(value);
  return size.size();
}

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

// ---- cokafka/detail/wire/reader.hpp

namespace cokafka::inline COKAFKA_ABI::detail::wire {

// A cursor over bytes that it does not own. Callers read a whole group of fields and ask ok() once: a read past the end
// or an illegal varint makes the reader fail for good, with nothing remaining, so that loops over it end.
class reader {
 public:
  constexpr explicit reader(std::string_view bytes) noexcept : bytes_(bytes) {}

  constexpr bool ok() const noexcept { return !failed_; }
  constexpr std::size_t remaining() const noexcept { return bytes_.size() - position_; }
  constexpr std::size_t position() const noexcept { return position_; }

  constexpr void fail() noexcept {
    failed_ = true;
    position_ = bytes_.size();
  }

  constexpr std::int8_t int8() noexcept { return static_cast<std::int8_t>(big_endian<std::uint8_t>()); }
  constexpr std::int16_t int16() noexcept { return static_cast<std::int16_t>(big_endian<std::uint16_t>()); }
  constexpr std::int32_t int32() noexcept { return static_cast<std::int32_t>(big_endian<std::uint32_t>()); }
  constexpr std::int64_t int64() noexcept { return static_cast<std::int64_t>(big_endian<std::uint64_t>()); }
  constexpr std::uint32_t uint32() noexcept { return big_endian<std::uint32_t>(); }

  // At most five bytes; bits beyond the 32nd are illegal.
  constexpr std::uint32_t unsigned_varint() noexcept { return varying<std::uint32_t>(); }

  constexpr std::int32_t varint() noexcept {
    const std::uint32_t raw = varying<std::uint32_t>();
    return static_cast<std::int32_t>((raw >> 1) ^ (0U - (raw & 1U)));
  }

  // At most ten bytes; bits beyond the 64th are illegal.
  constexpr std::int64_t varlong() noexcept {
    const std::uint64_t raw = varying<std::uint64_t>();
    return static_cast<std::int64_t>((raw >> 1) ^ (std::uint64_t{0} - (raw & 1U)));
  }

  // The next `size` bytes as they stand.
  constexpr std::string_view bytes(std::size_t size) noexcept {
    if (size > remaining()) {
      fail();
      return {};
    }
    const std::string_view taken = bytes_.substr(position_, size);
    position_ += size;
    return taken;
  }

 private:
  template <class Unsigned>
  constexpr Unsigned big_endian() noexcept {
    if (remaining() < sizeof(Unsigned)) {
      fail();
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i != sizeof(Unsigned); ++i) value = value << 8 | byte_at(position_ + i);
    position_ += sizeof(Unsigned);
    return static_cast<Unsigned>(value);
  }

  template <class Unsigned>
  constexpr Unsigned varying() noexcept {
    constexpr unsigned bits = sizeof(Unsigned) * 8;
    Unsigned value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
      if (remaining() == 0) break;
      const std::uint8_t byte = byte_at(position_++);
      const Unsigned payload = byte & 0x7fU;
      if (bits - shift < 7 && payload >> (bits - shift) != 0) break;
      value = static_cast<Unsigned>(value | payload << shift);
      if (byte < 0x80) return value;
    }
    fail();
    return 0;
  }

  constexpr std::uint8_t byte_at(std::size_t index) const noexcept { return static_cast<std::uint8_t>(bytes_[index]); }

  std::string_view bytes_;
  std::size_t position_ = 0;
  bool failed_ = false;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

// ---- cokafka/detail/wire/decoder.hpp

namespace cokafka::inline COKAFKA_ABI::detail::wire {

// Calls `visit(tag, bytes)` for each tagged field. Tags that do not ascend make the reader fail: an honest peer sorts
// them, and a repeated one would let a short frame build a large struct.
template <class Visit>
void read_tagged_fields(reader& in, Visit&& visit) {
  const std::uint32_t count = in.unsigned_varint();
  std::int64_t previous = -1;
  for (std::uint32_t i = 0; i != count && in.ok(); ++i) {
    const std::uint32_t tag = in.unsigned_varint();
    const std::string_view bytes = in.bytes(in.unsigned_varint());
    if (tag <= previous) in.fail();
    previous = tag;
    if (in.ok()) visit(tag, bytes);
  }
}

inline void skip_tagged_fields(reader& in) {
  read_tagged_fields(in, [](std::uint32_t, std::string_view) {});
}

// The reader's counterpart of encoder; see there for how a struct describes itself. Structs to be filled must hold
// their defaults. Failure is the reader's ok(); what was filled until then is of no use.
class decoder {
 public:
  decoder(reader& in, std::int16_t version, bool flexible) noexcept
      : in_(&in), version_(version), flexible_(flexible) {}

  template <class T>
  void field(T& value, presence when = always) {
    if (when.exists_in(version_) && in_->ok()) get(value, when.may_be_null_in(version_));
  }

  template <class T>
  void tagged(std::uint32_t, T&, presence, const T& = T{}) noexcept {}  // read behind the plain fields

  // A value of any described type.
  template <class T>
  void get(T& value) {
    get(value, true);
  }

 private:
  struct tag_decoder {
    std::uint32_t wanted;
    std::string_view bytes;
    std::int16_t version;
    bool ok = true;

    template <class T>
    void field(T&, presence = always) noexcept {}

    template <class T>
    void tagged(std::uint32_t tag, T& value, presence when, const T& = T{}) {
      if (tag != wanted || !when.exists_in(version)) return;
      reader in(bytes);
      decoder(in, version, true).get(value);
      ok = in.ok() && in.remaining() == 0;
    }
  };

  template <class Struct>
  void get(Struct& value, bool) {
    Struct::describe(value, *this);
    if (!flexible_) return;
    read_tagged_fields(*in_, [this, &value](std::uint32_t tag, std::string_view bytes) {
      tag_decoder fields{tag, bytes, version_};
      Struct::describe(value, fields);
      if (!fields.ok) in_->fail();
    });
  }

  void get(bool& value, bool) noexcept { value = in_->int8() != 0; }
  void get(std::int8_t& value, bool) noexcept { value = in_->int8(); }
  void get(std::int16_t& value, bool) noexcept { value = in_->int16(); }
  void get(std::int32_t& value, bool) noexcept { value = in_->int32(); }
  void get(std::int64_t& value, bool) noexcept { value = in_->int64(); }
  void get(uuid& value, bool) noexcept {
    for (std::uint8_t& byte : value.bytes) byte = static_cast<std::uint8_t>(in_->int8());
  }

  void get(std::string& value, bool) {
    if (const auto size = string_length(false)) value = in_->bytes(*size);
  }

  void get(std::optional<std::string>& value, bool may_be_null) {
    value.reset();
    if (const auto size = string_length(may_be_null)) value = in_->bytes(*size);
  }

  void get(bytes& value, bool) {
    if (const auto size = length(false)) value.data = in_->bytes(*size);
  }

  void get(records_field& value, bool may_be_null) {
    value = {};
    if (const auto size = length(may_be_null)) value.bytes = in_->bytes(*size);
  }

  template <class T>
  void get(std::vector<T>& values, bool) {
    values.clear();
    if (const auto count = length(false)) elements(values, *count);
  }

  template <class T>
  void get(std::optional<std::vector<T>>& values, bool may_be_null) {
    values.reset();
    if (const auto count = length(may_be_null)) elements(values.emplace(), *count);
  }

  // No element is shorter on the wire than one that holds only defaults, so a count that could not fit is a lie.
  template <class T>
  void elements(std::vector<T>& values, std::size_t count) {
    if (count > in_->remaining() / encoded_size(T{}, version_, flexible_)) return in_->fail();
    values.reserve(count);
    for (std::size_t i = 0; i != count && in_->ok(); ++i) get(values.emplace_back());
  }

  // The three lengths: empty for a null; an illegal null or a negative length fails and gives empty, too.
  std::optional<std::size_t> string_length(bool may_be_null) noexcept {
    return flexible_ ? compact_length(may_be_null) : plain_length(in_->int16(), may_be_null);
  }

  std::optional<std::size_t> length(bool may_be_null) noexcept {
    return flexible_ ? compact_length(may_be_null) : plain_length(in_->int32(), may_be_null);
  }

  std::optional<std::size_t> compact_length(bool may_be_null) noexcept {
    const std::uint32_t size_plus_one = in_->unsigned_varint();
    if (size_plus_one != 0) return size_plus_one - 1;
    if (!may_be_null) in_->fail();
    return std::nullopt;
  }

  std::optional<std::size_t> plain_length(std::int32_t size, bool may_be_null) noexcept {
    if (!in_->ok()) return std::nullopt;
    if (size >= 0) return static_cast<std::size_t>(size);
    if (size != -1 || !may_be_null) in_->fail();
    return std::nullopt;
  }

  reader* in_;
  std::int16_t version_;
  bool flexible_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

// ---- cokafka/detail/messages/codec.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

// What stands in front of every request. The key may be one that the library has no name for.
struct request_header {
  api_key key{};
  std::int16_t version = 0;
  std::int32_t correlation_id = 0;
  std::optional<std::string> client_id{};
};

template <class Message>
constexpr bool is_flexible(std::int16_t version) noexcept {
  return version >= Message::flexible_from;
}

// ApiVersions responses keep the old header in all versions, so that a client can read an answer older than its
// question.
template <class Response>
constexpr bool has_flexible_response_header(std::int16_t version) noexcept {
  return is_flexible<Response>(version) && Response::key != api_key::api_versions;
}

// Appends a whole request frame, its int32 size included, to `out`. Fields with an external size are counted in the
// frame's size and noted in `cuts`, which may be null where the request has none. Preconditions: Request::versions
// contains `version`; strings are shorter than 32,768 bytes.
template <class Request>
void encode_request(std::string& out, std::vector<wire::cut>* cuts, const Request& request, std::int16_t version,
                    std::int32_t correlation_id, std::optional<std::string_view> client_id) {
  assert(Request::versions.contains(version));
  wire::writer writer(out, cuts);
  const std::size_t start = writer.position();
  writer.int32(0);
  writer.int16(static_cast<std::int16_t>(Request::key));
  writer.int16(version);
  writer.int32(correlation_id);
  writer.int16(client_id ? static_cast<std::int16_t>(client_id->size()) : std::int16_t{-1});  // never a compact string
  if (client_id) writer.raw(*client_id);
  if (is_flexible<Request>(version)) writer.unsigned_varint(0);
  wire::encoder(writer, version, is_flexible<Request>(version)).put(request);
  writer.patch_int32(start, static_cast<std::int32_t>(writer.position() - start - 4 + writer.external_size()));
}

// Appends a whole response frame, its int32 size included, to `out`. (An ApiVersions request that is too new is
// answered in version 0.) Precondition: Response::versions contains `version`.
template <class Response>
void encode_response(std::string& out, const Response& response, std::int16_t version, std::int32_t correlation_id) {
  assert(Response::versions.contains(version));
  wire::writer writer(out);
  const std::size_t start = writer.position();
  writer.int32(0);
  writer.int32(correlation_id);
  if (has_flexible_response_header<Response>(version)) writer.unsigned_varint(0);
  wire::encoder(writer, version, is_flexible<Response>(version)).put(response);
  writer.patch_int32(start, static_cast<std::int32_t>(writer.position() - start - 4));
}

// A message body that must fill `body` exactly. False when it is malformed, too short or too long, or when the version
// is not described; `out` is then of no use. Views in `out` point into `body`.
template <class Message>
bool decode_body(std::string_view body, std::int16_t version, Message& out) {
  out = Message{};
  if (!Message::versions.contains(version)) return false;
  wire::reader reader(body);
  wire::decoder(reader, version, is_flexible<Message>(version)).get(out);
  return reader.ok() && reader.remaining() == 0;
}

template <class Request>
bool decode_request_body(std::string_view body, std::int16_t version, Request& out) {
  return decode_body(body, version, out);
}

// A broker that is too old for the question answers ApiVersions with error 35 and the layout of version 0. Some leave
// the list of APIs out or garble it, and the error code alone is enough to ask again in version 0.
template <class Response>
bool decode_old_api_versions(std::string_view body, Response& out) {
  constexpr std::int16_t unsupported_version = 35;
  if (wire::reader(body).int16() != unsupported_version) return false;
  if (!decode_body(body, 0, out)) {
    out = Response{};
    out.error_code = unsupported_version;
  }
  return true;
}

// `frame` is what follows the int32 size: response header and body. False when it is malformed, as decode_body() says;
// the correlation id is set whenever the frame has one.
template <class Response>
bool decode_response(std::string_view frame, std::int16_t version, Response& out, std::int32_t& correlation_id) {
  wire::reader reader(frame);
  const std::int32_t id = reader.int32();
  if (!reader.ok()) return false;
  correlation_id = id;
  if (has_flexible_response_header<Response>(version)) wire::skip_tagged_fields(reader);
  if (!reader.ok()) return false;
  const std::string_view body = frame.substr(reader.position());
  if constexpr (Response::key == api_key::api_versions) {
    if (version > 0 && decode_old_api_versions(body, out)) return true;
  }
  return decode_body(body, version, out);
}

// `frame` is what follows the int32 size of a request; `body` becomes the part behind the header. False when the header
// is malformed. The header of an API that is not described here is read without tagged fields.
COKAFKA_DECL bool decode_request_header(std::string_view frame, request_header& header, std::string_view& body);

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/wire/frame_parser.hpp

namespace cokafka::inline COKAFKA_ABI::detail::wire {

enum class frame_status : std::uint8_t {
  need_more,      // no whole frame yet: read more bytes
  frame,          // a frame
  negative_size,  // the peer does not speak Kafka: close the connection
  too_large,      // the peer announces more than max_frame_size: close the connection
};

struct parsed_frame {
  frame_status status = frame_status::need_more;
  std::string_view body{};  // the frame behind its int32 size; valid until the next prepare()
};

// The receive buffer of one connection. Legal order of calls: prepare, read into the span, commit, then next() until it
// says need_more, and again. After negative_size or too_large next() says the same for ever.
//
// Memory grows with the bytes that really arrive, never with the size a peer announces: at most to twice those, or to
// max_frame_size and one read. What a large frame took is given back by the first prepare() that does not need it.
// Thread safety: distinct objects safe.
class frame_parser {
 public:
  explicit frame_parser(std::size_t max_frame_size) noexcept : max_frame_size_(max_frame_size) {}

  // Room for at least `size` more bytes, which is at least 1. Invalidates the bodies of earlier frames.
  COKAFKA_DECL std::span<char> prepare(std::size_t size);

  // The first `size` bytes of the span that prepare() returned have been filled.
  void commit(std::size_t size) noexcept { end_ += size; }

  COKAFKA_DECL parsed_frame next() noexcept;

  // Received bytes that no frame has been made of yet.
  std::size_t pending() const noexcept { return end_ - begin_; }
  std::size_t capacity() const noexcept { return capacity_; }

 private:
  static constexpr std::size_t size_prefix = 4;
  static constexpr std::size_t kept_capacity = 64 * 1024;

  COKAFKA_DECL void move_to_buffer_of(std::size_t capacity);

  std::size_t max_frame_size_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;  // pending bytes are [begin_, end_)
  std::size_t end_ = 0;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

// ---- cokafka/detail/io/connection.hpp

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Where a broker listens.
using endpoint = host_port;
/// host:port, with brackets where the host is an IPv6 address.
std::string text_of(const endpoint& at);

/// Legal order of calls: open, then call() any number of times, one at a time, or the stream and the parser used by the
/// tasks of a broker link; close at any time, and open again. Owned by a link or by the engine; belongs to their
/// strand.
class connection {
 public:
  connection(environment& env, asio::any_io_executor strand, const settings& rules, deadline_timer& deadlines,
             const version_caps& caps);

  /// How long it may take to connect, and then to hear which versions the broker speaks.
  struct setup_limits {
    clock_duration connect;
    clock_duration agree;
  };
  /// `attempt` is how many have failed before. Errors: of the system; errc::connection_failed (timed out),
  /// invalid_response, unsupported_version.
  asio::awaitable<error_code> open(const endpoint& to, setup_limits limits, std::uint32_t attempt);

  /// One request and its answer within `timeout`. After an error the connection is closed.
  template <class Request>
  asio::awaitable<error_code> call(const Request& request, typename Request::response_type& response,
                                   clock_duration timeout) {
    const auto version = versions_.newest(Request::key);
    if (!version) co_return make_error_code(errc::unsupported_version);
    co_return co_await exchange(request, *version, response, timeout);
  }

  void close() noexcept;
  /// Connected, and the versions are agreed on.
  bool is_open() const noexcept { return ready_; }
  /// The execution context is being destroyed: drops everything that refers to it.
  void shutdown() noexcept {
    open_ = ready_ = false;
    stream_.reset();
    strand_ = asio::any_io_executor();
  }
  /// The timer says that connect or call took too long.
  void timed_out() noexcept;

  std::int32_t next_correlation_id() noexcept { return correlation_id_++; }
  const api_versions_known& versions() const noexcept { return versions_; }
  stream& transport() noexcept { return *stream_; }
  wire::frame_parser& parser() noexcept { return parser_; }

 private:
  asio::awaitable<error_code> negotiate(clock_duration timeout);
  asio::awaitable<error_code> write_frame(std::string_view frame);
  /// The frame is valid until the parser is asked for room.
  asio::awaitable<error_code> read_frame(std::string_view& frame);

  template <class Request>
  asio::awaitable<error_code> exchange(const Request& request, std::int16_t version,
                                       typename Request::response_type& response, clock_duration timeout) {
    const std::int32_t id = next_correlation_id();
    frame_.clear();
    messages::encode_request(frame_, nullptr, request, version, id, rules_.client_id);
    begin_timeout(timeout);
    std::string_view answer;
    error_code failed = co_await write_frame(frame_);
    if (!failed) failed = co_await read_frame(answer);
    end_timeout();
    std::int32_t answered_id = -1;
    if (!failed && (!messages::decode_response(answer, version, response, answered_id) || answered_id != id)) {
      failed = make_error_code(errc::invalid_response);
    }
    if (failed) close();
    co_return failed;
  }

  void begin_timeout(clock_duration timeout);
  void end_timeout() noexcept;
  error_code reason(error_code seen) const noexcept;

  environment& env_;
  asio::any_io_executor strand_;
  const settings& rules_;
  deadline_timer& deadlines_;
  const version_caps& caps_;
  std::unique_ptr<stream> stream_;
  wire::frame_parser parser_;
  api_versions_known versions_;
  std::string frame_;
  std::array<asio::const_buffer, 1> single_{};
  deadline_entry timeout_;
  std::int32_t correlation_id_ = 0;
  bool open_ = false;
  bool ready_ = false;
  bool timed_out_ = false;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/event.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

namespace asio = boost::asio;

/// set() makes the current wait, or else the next one, complete; further calls before that change nothing. One waiter
/// at a time, which is kept in place. The handler is posted, never run inside set(). Everything happens on one strand.
class event {
 public:
  event() = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;
  ~event() { drop(); }

  void set() {
    if (end_ != nullptr) return std::exchange(end_, nullptr)(storage_, true);
    is_set_ = true;
  }

  /// Destroys the waiting handler without running it: the execution context is being destroyed.
  void drop() noexcept {
    if (end_ != nullptr) std::exchange(end_, nullptr)(storage_, false);
  }

  template <class Token>
  auto wait(Token&& token) {
    return asio::async_initiate<Token, void()>([](auto handler, event* self) { self->begin_wait(std::move(handler)); },
                                               token, this);
  }

 private:
  template <class Handler>
  void begin_wait(Handler handler) {
    static_assert(sizeof(Handler) <= sizeof(storage_) && alignof(Handler) <= alignof(std::max_align_t));
    assert(end_ == nullptr && "an event has one waiter");
    if (std::exchange(is_set_, false)) return asio::post(std::move(handler));
    ::new (static_cast<void*>(storage_)) Handler(std::move(handler));
    end_ = [](std::byte* storage, bool run) {
      auto* stored = std::launder(reinterpret_cast<Handler*>(storage));
      Handler taken = std::move(*stored);
      std::destroy_at(stored);
      if (run) asio::post(std::move(taken));
    };
  }

  void (*end_)(std::byte* storage, bool run) = nullptr;
  bool is_set_ = false;
  alignas(std::max_align_t) std::byte storage_[128];
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/broker_link.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

///   senders --wake--> woken_stack --post--> strand: produce_queue
///                                             |
///   run:    wait for work -> connect -> agree on versions -> serve -> back off -> again
///   writer: next request -> encode -> gather write -> wait for news       (a part of run)
///   reader: read -> match the oldest request -> judge each batch -> news  (beside it)
///
/// Request timeout, linger, retry backoff, delivery deadlines, throttle and idle close are entries of one heap behind
/// one timer. Owned by the engine for its whole life, connected only while there is something to send.
class broker_link final : public partition_keeper {
 public:
  broker_link(link_host& host, asio::any_io_executor executor, std::int32_t id, endpoint at);

  // Any thread.
  void set_endpoint(endpoint at);
  /// Connects although there is nothing to send.
  void connect_soon();
  /// The broker is gone, and nothing is left to be sent to it: the connection ends.
  void let_go();
  /// From now on it is the link of another broker. Precondition: let_go(), and it owns no partition.
  void take_on(std::int32_t id, endpoint at);
  /// Ends the connection and the tasks; then fails what its partitions still hold, and says link_ended().
  void stop(error_details why);
  bool is_connected() const noexcept { return connected_.load(std::memory_order_relaxed); }
  /// The execution context is being destroyed: drops everything that refers to it.
  void shutdown() noexcept;

 private:
  // Tasks.
  void start_running();
  asio::awaitable<void> run();
  asio::awaitable<bool> reach();
  asio::awaitable<void> serve();
  asio::awaitable<void> write_requests();
  asio::awaitable<bool> write(std::shared_ptr<produce_request> request);
  asio::awaitable<void> read_responses();
  void reader_has_ended(const std::exception_ptr& failed);

  // What the tasks obey.
  std::shared_ptr<produce_request> next_request(clock_time now);
  bool handle_response(std::string_view frame);
  void settle_request(produce_request& answered, const messages::produce_response& response,
                      std::chrono::milliseconds throttle, clock_time now);
  void lose_requests(error_code why);
  void say_connection_lost() const;
  void note_retry(const planned_batch& again, effects& out) const;
  void note_repeated(const produce_request& sent);
  void obey_throttle(std::chrono::milliseconds throttle, clock_time now);
  bool has_reason_to_connect();

  void news() override;
  void forget_answers(partition_queue& gone) override;
  stall why_stalled() const noexcept override;
  void handle_deadlines();
  void handle_own_deadline(deadline_kind due, clock_time now);
  clock_time request_due() const noexcept;
  bool is_kept_waiting();
  void watch_silence(clock_time now);
  void note_idle();
  void end();
  std::string name() const;

  std::int32_t id_;
  endpoint endpoint_;
  connection connection_;
  event news_;
  event reader_ended_;
  std::vector<asio::const_buffer> write_buffers_;

  std::deque<std::shared_ptr<produce_request>> in_flight_;  // unanswered, in the order of their writing
  std::int16_t produce_version_ = -1;
  error_code last_error_{};  // of the connection; why nothing moves
  std::uint32_t failed_attempts_ = 0;
  clock_time retry_connect_at_{};
  clock_time throttled_until_{};
  clock_time last_used_{};
  deadline_entry request_timeout_;
  deadline_entry idle_close_;
  deadline_entry backoff_over_;
  deadline_entry throttle_over_;
  bool moved_ = false;  // the connection, or the attempt to connect, is to an address where the broker is no longer
  bool stopping_ = false;
  bool request_timed_out_ = false;
  bool connect_wanted_ = false;
  bool is_connecting_ = false;
  bool started_ = false;
  error_details stop_reason_{};
  std::atomic<bool> connected_{false};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/engine/engine.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// What only tests and simulations choose.
struct engine_options {
  std::shared_ptr<environment> env{};  // null: the machine's
  version_caps caps{};
  std::int32_t first_sequence = 0;  // see settings
};

/// Waits for the metadata of a topic; with `warm` also for connections to its leaders and for the producer id.
class topic_waiter : public operation_waiter {
 public:
  std::vector<partition_info> partitions{};

 protected:
  ~topic_waiter() = default;
};

///   producer, topic_handle --send--> accumulator --wake--> broker_link (one strand per broker)
///                                        |                      ^
///                                        +--attention--> home strand: control task (metadata, producer id)
///
/// Shared by the handle, the topic handles and every task that runs. Thread safety: the functions of the first group
/// may be called from any thread; everything else happens on the home strand.
class engine final : public link_host,
                     public attention_listener,
                     public context_member,
                     public delivery_host,
                     public std::enable_shared_from_this<engine> {
 public:
  static std::shared_ptr<engine> make(asio::any_io_executor executor, const config& user, engine_options options);
  engine(asio::any_io_executor executor, const config& user, engine_options options);
  ~engine();

  // --- any thread ----------------------------------------------------------------------------------------------------

  send_outcome send(const record_view& record, topic* to) { return accumulator_.send(record, to, env_->now()); }
  result<send_outcome> try_send(const record_view& record, topic* to) {
    return accumulator_.try_send(record, to, env_->now());
  }
  /// The topic, known or not; null when the name is not legal.
  topic_ptr find_topic(std::string_view name);
  accumulator::outstanding_total outstanding() { return accumulator_.outstanding(); }
  /// For invariants, in one thread: how many batches of one partition are in flight at most.
  std::size_t most_in_flight() {
    std::size_t most = 0;
    for (const topic* each : accumulator_.topics.kept()) {
      for (const auto& partition : each->partitions()) most = std::max(most, partition->in_flight());
    }
    return most;
  }
  /// Of `buffer.memory`: what batches hold, open or in flight.
  std::size_t memory_in_use() const noexcept { return accumulator_.memory.held(); }
  /// Of `parked.memory`.
  std::size_t parked_bytes() const noexcept { return accumulator_.parked_bytes(); }

  // Each links the waiter, or posts it at once where there is nothing to wait for.
  void flush(operation_waiter& waiting);
  void flush_for(operation_waiter& waiting, std::chrono::milliseconds timeout);
  void wait_for_space(operation_waiter& waiting, std::size_t bytes);
  void watch_partitions(topic_waiter& waiting, const std::string& name) { watch_topic(waiting, name, false); }
  void watch_until_warm(topic_waiter& waiting, const std::string& name) { watch_topic(waiting, name, true); }
  void close(operation_waiter& waiting, std::chrono::milliseconds timeout);
  // Each is true when the waiter was still linked: it ends with errc::cancelled.
  bool cancel_flush(operation_waiter& waiting);
  bool cancel_space(operation_waiter& waiting);
  bool cancel_watch(topic_waiter& waiting);
  bool cancel_close(operation_waiter& waiting);

  /// Everything that is not answered fails with errc::purged, soon.
  void purge();
  bool withdraw(completion& of, record_waiter& asked) override;
  void let_go(completion& of, const record_ticket& ticket) noexcept override;
  metrics_snapshot metrics() const;

  /// The handle is gone: nothing is waited for, what is left fails.
  void abandon() noexcept;
  /// How often a timer of this producer has fired.
  std::uint64_t timer_wake_ups();
  const operation_home_ptr& home() const noexcept { return operations_; }

  // --- link_host, attention_listener ---------------------------------------------------------------------------------
  void carry_out(effects& wanted) override;
  void want_metadata() override;
  void learn_leaders(leader_news news) override;
  std::optional<producer_identity> identity() const override;
  bool want_identity(std::optional<std::int64_t> used_up) noexcept override;
  drain_conditions conditions() const override;
  void link_changed() override { attention(); }
  void link_ended() override;
  std::shared_ptr<link_host> keep_alive() override;
  environment& env() noexcept override { return *env_; }
  const settings& rules() const noexcept override { return settings_; }
  const version_caps& caps() const noexcept override { return caps_; }
  bool is_logged(log_level level) const noexcept override { return logger_.enabled(level); }
  void say(log_level level, std::string line) noexcept override;
  bool attention() noexcept override;

  void shutdown() noexcept override { drop(); }

 private:
  struct topic_watch {
    topic_ptr of;
    topic_waiter* waiting;
    bool warm;
    clock_time due;
  };

  struct flush_watch {
    flush_tracker::generation which;
    clock_time due;
  };

  // Control task: one connection of its own, so that it never queues behind Produce (guarantee.md, rule 23).
  void start_control();
  asio::awaitable<void> run_control();
  asio::awaitable<void> ask_cluster();
  asio::awaitable<bool> reach_somebody();
  asio::awaitable<void> refresh_metadata();
  asio::awaitable<void> fetch_identity();
  void refuse_identity(error_code why);
  std::optional<clock_time> next_control_time() const;
  void control_failed(error_code why);
  bool is_stranded(error_code why, bool all_failed, clock_time now) const;
  void rebootstrap(error_code why);
  void note_control_use();
  void close_idle_control(clock_time now);
  std::vector<endpoint> candidates() const;
  messages::metadata_request metadata_request_now();
  clock_duration control_timeout() const;
  void heed_throttle(bool is_before_throttling, std::int32_t milliseconds, clock_time now);
  std::string unreachable_text() const;

  // What an answer changes.
  void apply(const messages::metadata_request& request, messages::metadata_response& response, clock_time now);
  static std::vector<topic_news> left_out(const messages::metadata_request& request,
                                          const messages::metadata_response& response);
  void apply_brokers();
  bool apply_topic(const topic_news& news, clock_time now, effects& out);
  void apply_leaders(const leader_news& news);
  std::unique_ptr<partition_table> route(topic& of, const topic_state& state, bool made_anew);
  partition_owner& owner_for(std::int32_t leader);
  broker_link& make_link(std::int32_t id, const endpoint& at);
  void spare_links();
  bool is_needed(const broker_link& link) const;
  bool is_idle(topic& of, clock_time now);
  void forget_topic(topic& idle);
  static void assign(partition_queue& partition, partition_owner& wanted, bool made_anew);

  // The home strand's round: after anything that senders, links or timers have changed.
  void look_around();
  void handle_deadlines();
  void handle_own_deadline(const deadline_entry& due, clock_time now, effects& out);
  void set_home_deadlines();
  void watch_topic(topic_waiter& waiting, std::string_view name, bool warm);
  void check_watches(clock_time now);
  void check_flushes(clock_time now);
  std::string left_text();
  bool is_warm(const topic_watch& watch);
  void complete_watch(const topic_watch& watch, std::optional<error> failure, waiter_list& out);

  // Failures that nobody waits for.
  friend class failure_report;
  void count(const metrics_snapshot& more);
  void report(effects& wanted);
  void report_unheard(effects& wanted, bool& reports);
  void show_soon(std::vector<unheard_records>&& all, bool& reports);
  void note_refused(completion& of, const record_ticket& ticket) noexcept;
  void show(unheard_cursor& from);
  bool begin_report();
  void report_ended();

  template <class Waiter, class Function>
  static void begin_operation(Waiter& waiting, Function begin);

  // Closing.
  class drained_waiter;
  void drop() noexcept;
  void begin_close(std::chrono::milliseconds timeout);
  void stop_abandoned();
  void stop_everything(error_details why);
  void task_ended();
  void end_when_silent();

  const std::shared_ptr<environment> env_;
  const version_caps caps_;
  const settings settings_;
  const logger logger_;
  const operation_home_ptr operations_;
  accumulator accumulator_;
  home_keeper home_;
  connection control_;
  event news_;
  cluster_metadata metadata_;
  metadata_schedule schedule_;
  std::map<std::int32_t, std::unique_ptr<broker_link>> links_;  // written under mutex_, on the home strand
  std::vector<std::unique_ptr<broker_link>> spare_;             // of brokers that are gone; likewise
  std::vector<endpoint> bootstrap_;

  // Home strand.
  std::vector<endpoint> given_up_;  // brokers that were known when the bootstrap servers were turned to, latest first
  std::size_t candidate_ = 0;
  endpoint asked_;  // of the control connection
  throttled_brokers throttled_;
  std::uint32_t control_failures_ = 0;
  clock_time control_not_before_ = clock_time::min();
  error_code control_error_{};
  std::optional<clock_time> metadata_missing_since_{};  // when it was asked for in vain first
  clock_time control_used_{};
  bool control_busy_ = false;
  bool identity_wanted_ = false;
  std::uint32_t identity_failures_ = 0;
  clock_time identity_not_before_ = clock_time::min();
  bool control_started_ = false;
  bool was_pressed_ = false;  // somebody waited for memory when it was last looked
  bool closing_ = false;
  bool stopping_ = false;
  std::size_t tasks_left_ = 0;
  std::optional<error> close_failure_{};
  deadline_entry control_idle_;
  deadline_entry control_due_;
  deadline_entry parked_due_;
  deadline_entry watch_due_;
  deadline_entry close_due_;
  std::unique_ptr<drained_waiter> drained_;

  // Any thread.
  std::atomic<bool> attention_pending_{false};
  std::atomic<bool> metadata_wanted_{false};
  std::atomic<bool> identity_requested_{false};
  std::atomic<bool> hurry_{false};  // a flush or close has begun: what lingers must be looked at again
  std::atomic<bool> dead_{false};
  std::atomic<bool> abandoned_{false};
  std::atomic<std::uint64_t> refused_unheard_{0};  // sends that failed at once, and whose delivery was dropped
  mutable std::mutex mutex_;
  std::optional<producer_identity> identity_;
  metrics_snapshot totals_{};
  std::vector<topic_watch> watches_;
  std::vector<flush_watch> timed_flushes_;
  waiter_list closers_;
  std::size_t reports_pending_ = 0;  // calls of the user's functions that have not returned
  bool tasks_ended_ = false;
  bool closed_ = false;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/engine/operations.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

struct producer_access;

/// The answer of an operation without a value, and its cancellation through one of the engine's functions.
template <class Base, bool (engine::*Cancel)(Base&)>
struct void_source {
  using base = Base;
  std::shared_ptr<engine> core;

  result<void> result_of(Base& op) const {
    if (op.failure) return *op.failure;
    return success();
  }
  bool cancel(Base& op, asio::cancellation_type) {
    if (!(core.get()->*Cancel)(op)) return false;
    error_details why;
    why.code = errc::cancelled;
    op.failure = error(std::move(why));
    return true;
  }
};

struct partitions_source : void_source<topic_waiter, &engine::cancel_watch> {
  result<std::vector<partition_info>> result_of(topic_waiter& op) const {
    if (op.failure) return *op.failure;
    return std::move(op.partitions);
  }
};

/// An initiation: a named class with an executor, because cancel_after and others ask for it. `Begin`, a function of
/// the engine, links the operation.
template <class Source, auto Begin>
class operation_initiation {
 public:
  using executor_type = asio::any_io_executor;
  explicit operation_initiation(std::shared_ptr<engine> core) : core_(std::move(core)) {}
  executor_type get_executor() const noexcept { return core_->home()->executor; }

  template <class Handler, class... Arguments>
  void operator()(Handler&& handler, Arguments&&... arguments) const {
    using op = waiter_op<Source, std::decay_t<Handler>>;
    std::decay_t<Handler> own(std::forward<Handler>(handler));
    op& made = op::make(core_->home(), Source{{core_}}, std::move(own));
    made.listen_for_cancellation();
    (core_.get()->*Begin)(made, std::forward<Arguments>(arguments)...);
  }

 private:
  std::shared_ptr<engine> core_;
};

using flush_initiation = operation_initiation<void_source<operation_waiter, &engine::cancel_flush>, &engine::flush>;
using flush_for_initiation =
    operation_initiation<void_source<operation_waiter, &engine::cancel_flush>, &engine::flush_for>;
using space_initiation =
    operation_initiation<void_source<operation_waiter, &engine::cancel_space>, &engine::wait_for_space>;
using close_initiation = operation_initiation<void_source<operation_waiter, &engine::cancel_close>, &engine::close>;
using partitions_initiation = operation_initiation<partitions_source, &engine::watch_partitions>;
using warm_up_initiation =
    operation_initiation<void_source<topic_waiter, &engine::cancel_watch>, &engine::watch_until_warm>;

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/topic_handle.hpp

namespace cokafka::inline COKAFKA_ABI {

/// Made by `producer::topic`. `record_view::topic` is left empty; whatever it says is ignored. Copies share the topic;
/// moving is copying, so that no handle is without one.
/// Lifetime: may outlive its producer, sends fail with `errc::closed` then.
/// Thread safety: shared objects safe.
class topic_handle {
 public:
  topic_handle(const topic_handle&) = default;
  topic_handle& operator=(const topic_handle&) = default;

  std::string_view name() const noexcept { return name_; }

  /// As `producer::send`.
  delivery send(const record_view& record) {
    detail::send_outcome sent = core_->send(with_name(record), topic_);
    return delivery(core_->home(), std::move(sent.done), sent.ticket);
  }
  template <asio::completion_token_for<void(result<record_metadata>)> Token>
  auto send(const record_view& record, Token&& token) {
    return send(record)(std::forward<Token>(token));
  }
  /// As `producer::try_send`.
  result<delivery> try_send(const record_view& record) {
    auto sent = core_->try_send(with_name(record), topic_);
    if (!sent) return sent.error();
    return delivery(core_->home(), std::move(sent.value().done), sent.value().ticket);
  }

 private:
  friend class producer;
  topic_handle(std::shared_ptr<detail::engine> core, std::string_view name)
      : needed_(std::make_shared<const looked_up>(looked_up{core, core->find_topic(name)})),
        core_(core.get()),
        topic_(needed_->topic.get()),
        name_(name) {}

  // The topic goes before the core: its partitions belong to that.
  struct looked_up {
    std::shared_ptr<detail::engine> core;
    detail::topic_ptr topic;
  };

  // A name that is not legal has no topic behind it: the send that uses it says so.
  record_view with_name(const record_view& record) const noexcept {
    record_view named = record;
    named.topic = name_;
    return named;
  }

  std::shared_ptr<const looked_up> needed_;
  detail::engine* core_;
  detail::topic* topic_;
  std::string name_;
};

}  // namespace cokafka::inline COKAFKA_ABI

// ---- cokafka/producer.hpp

namespace cokafka::inline COKAFKA_ABI {

/// Records that were sent and have not been answered.
struct outstanding_t {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  ///< as encoded, without the headers of batches
};

/// Sends records to a Kafka cluster. It lives in the caller's execution context: no threads of its own, nothing to
/// poll. A connected producer keeps `io_context::run()` going until close() has completed or the producer is destroyed.
///
///     asio::awaitable<void> order(cokafka::producer& producer) {
///       auto sent = co_await producer.send({.topic = "orders", .key = "order-123", .value = "1"});
///       if (!sent) std::cerr << sent.error().message() << '\n';
///     }
///
/// Move-only; a moved-from producer may only be destroyed or assigned. The destructor never blocks: it drops what
/// close() has not flushed (with a logged warning and the count), and the deliveries that wait fail with
/// `errc::closed`. Thread safety: the handle: distinct objects safe. What it stands for: every member function but the
/// special ones may be called from several threads at once.
class producer {
 public:
  using executor_type = asio::any_io_executor;

  /// No I/O happens before the first send. Throws config_error. (Two overloads instead of a default argument: g++ 12
  /// destroys such an argument twice inside a co_await expression.)
  explicit producer(executor_type executor) : producer(std::move(executor), config()) {}
  producer(executor_type executor, config settings)
      : engine_(detail::engine::make(std::move(executor), settings, detail::engine_options())) {}
  template <class Context>
    requires std::convertible_to<Context&, asio::execution_context&>
  explicit producer(Context& context) : producer(executor_type(context.get_executor())) {}
  template <class Context>
    requires std::convertible_to<Context&, asio::execution_context&>
  producer(Context& context, config settings) : producer(executor_type(context.get_executor()), std::move(settings)) {}

  producer(producer&&) noexcept = default;
  producer& operator=(producer&& other) noexcept {
    if (this != &other) {
      if (engine_) engine_->abandon();
      engine_ = std::move(other.engine_);
    }
    return *this;
  }
  ~producer() {
    if (engine_) engine_->abandon();
  }

  executor_type get_executor() const noexcept { return engine_->home()->executor; }

  /// Copies the record into the open batch of its partition, or parks a copy for at most `max.block.ms` where it cannot
  /// be placed yet (topic unknown, buffer full). Never blocks; never throws for run-time failures: those are the
  /// delivery's.
  ///
  /// Errors, at once: errc::closed, invalid_topic, invalid_record, record_too_large (`max.request.size`,
  /// `buffer.memory`), buffer_full (`parked.memory` is used up as well). Later: errc::metadata_timed_out, no_brokers,
  /// buffer_timed_out, unknown_partition, timed_out
  /// (`delivery.timeout.ms`), or the broker's code.
  /// Lifetime: nothing the record points to is needed after the call.
  delivery send(const record_view& record) {
    detail::send_outcome sent = engine_->send(record, nullptr);
    return delivery(engine_->home(), std::move(sent.done), sent.ticket);
  }

  /// The same as `send(record)(token)`: the record is taken in now, also with a lazy token.
  /// Completion signature: `void(result<record_metadata>)`.
  template <asio::completion_token_for<void(result<record_metadata>)> Token>
  auto send(const record_view& record, Token&& token) {
    return send(record)(std::forward<Token>(token));
  }

  /// As send(), but fails at once where send() would have to park. Errors: errc::would_park (metadata), buffer_full,
  /// unknown_partition, and those that send() has at once.
  result<delivery> try_send(const record_view& record) {
    auto sent = engine_->try_send(record, nullptr);
    if (!sent) return sent.error();
    return delivery(engine_->home(), std::move(sent.value().done), sent.value().ticket);
  }

  /// Waits until a record of `bytes` finds room in `buffer.memory`; first come, first served, together with parked
  /// records. A loop that never awaits its deliveries awaits this. Completion signature: `void(result<void>)`. Errors:
  /// errc::buffer_timed_out (`max.block.ms`), record_too_large (more than `buffer.memory`), closed, cancelled.
  /// Cancellation: all types.
  template <asio::completion_token_for<void(result<void>)> Token = asio::deferred_t>
  auto wait_for_space(std::size_t bytes, Token&& token = {}) {
    return asio::async_initiate<Token, void(result<void>)>(detail::space_initiation{engine_}, token, bytes);
  }

  /// Waits until everything that was accepted before the call has been answered; batches do not linger meanwhile.
  /// Succeeds also when some records failed: their deliveries say so. Completion signature: `void(result<void>)`.
  /// Cancellation: all types; stops waiting only. Errors: errc::cancelled.
  template <asio::completion_token_for<void(result<void>)> Token = asio::deferred_t>
  auto flush(Token&& token = {}) {
    return asio::async_initiate<Token, void(result<void>)>(detail::flush_initiation{engine_}, token);
  }

  /// The same for at most `timeout`. Errors: errc::timed_out (the message says how many records and bytes were left;
  /// they live on), cancelled.
  template <asio::completion_token_for<void(result<void>)> Token = asio::deferred_t>
  auto flush(std::chrono::milliseconds timeout, Token&& token = {}) {
    return asio::async_initiate<Token, void(result<void>)>(detail::flush_for_initiation{engine_}, token, timeout);
  }

  /// Gives up on everything that is not answered: those deliveries end soon with `errc::purged`, the fate `not_written`
  /// where no attempt can be in the log, else `maybe_written`. What is in flight cannot be called back: its answer is
  /// awaited, but changes nothing any more. The producer goes on; a record that is sent while this happens may go as
  /// well. (librdkafka's purge with both of its flags; there is no way to purge only one of queue and flight.)
  void purge() { engine_->purge(); }

  /// Accepts no more records, flushes for at most `timeout`, then fails what is left and closes the connections. After
  /// a second call both wait for the same end. Completion signature: `void(result<void>)`. Errors: errc::timed_out
  /// (some records were not acknowledged in time; the message says how many, and their bytes). Cancellation: all types;
  /// stops waiting only.
  template <asio::completion_token_for<void(result<void>)> Token = asio::deferred_t>
  auto close(std::chrono::milliseconds timeout, Token&& token = {}) {
    return asio::async_initiate<Token, void(result<void>)>(detail::close_initiation{engine_}, token, timeout);
  }

  /// The partitions of a topic, from metadata at most `metadata.max.age.ms` old. Completion signature:
  /// `void(result<std::vector<partition_info>>)`. Errors: errc::invalid_topic, metadata_timed_out or no_brokers
  /// (`max.block.ms`), closed, cancelled, or the broker's code. Cancellation: all types.
  template <asio::completion_token_for<void(result<std::vector<partition_info>>)> Token = asio::deferred_t>
  auto partitions_for(std::string_view topic, Token&& token = {}) {
    return asio::async_initiate<Token, void(result<std::vector<partition_info>>)>(
        detail::partitions_initiation{engine_}, token, std::string(topic));
  }

  /// Fetches the topic's metadata and a producer id and connects to the leaders, so that the first record does not wait
  /// for that. Completion signature: `void(result<void>)`. Errors and cancellation as partitions_for().
  template <asio::completion_token_for<void(result<void>)> Token = asio::deferred_t>
  auto warm_up(std::string_view topic, Token&& token = {}) {
    return asio::async_initiate<Token, void(result<void>)>(detail::warm_up_initiation{engine_}, token,
                                                           std::string(topic));
  }

  /// A handle that sends to one topic without looking it up.
  topic_handle topic(std::string_view name) { return topic_handle(engine_, name); }

  /// What has happened so far, in numbers. From any thread.
  metrics_snapshot metrics() const { return engine_->metrics(); }

  /// What was sent and has not been answered, parked records included.
  outstanding_t outstanding() const {
    const auto counted = engine_->outstanding();
    return {counted.records, counted.bytes};
  }

 private:
  friend struct detail::producer_access;
  explicit producer(std::shared_ptr<detail::engine> core) : engine_(std::move(core)) {}

  std::shared_ptr<detail::engine> engine_;
};

namespace detail {

/// For tests and simulations: producers with an environment of their own, and a look behind the handle.
struct producer_access {
  static producer make(asio::any_io_executor executor, const config& settings, engine_options options) {
    return producer(engine::make(std::move(executor), settings, std::move(options)));
  }
  static engine& core(producer& of) { return *of.engine_; }
};

}  // namespace detail

}  // namespace cokafka::inline COKAFKA_ABI

// ---- cokafka/version.hpp

#define COKAFKA_VERSION_MAJOR 0
#define COKAFKA_VERSION_MINOR 1
#define COKAFKA_VERSION_PATCH 0

/// The version as text.
#define COKAFKA_VERSION "0.1.0"

/// The version as a number that grows: major * 10000 + minor * 100 + patch.
#define COKAFKA_VERSION_NUMBER (COKAFKA_VERSION_MAJOR * 10000 + COKAFKA_VERSION_MINOR * 100 + COKAFKA_VERSION_PATCH)

// ---- cokafka/detail/base/foreign_properties.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// One name, or a whole family when it ends with a dot.
struct foreign_property {
  std::string_view name;
  std::string_view answer;      ///< what to do instead
  std::string_view harmless{};  ///< the value, if any, that asks for what is done anyway; letters in any case
};

inline constexpr std::string_view not_yet = "is not supported in this version";
inline constexpr std::string_view not_needed = "has no effect here, remove it";

inline constexpr foreign_property foreign_properties[] = {
    // Kafka's own
    {"auto.include.jmx.reporter", not_needed},
    {"bootstrap.resolve.timeout.ms", not_yet},
    {"buffer.memory.allocation.strategy", not_needed},
    {"client.dns.lookup", not_yet, "use_all_dns_ips"},
    {"client.rack", not_yet},
    {"compression.gzip.level", not_yet},
    {"compression.lz4.level", not_yet},
    {"compression.type", not_yet, "none"},
    {"compression.zstd.level", not_yet},
    {"config.providers", not_needed},
    {"enable.metrics.push", not_yet, "false"},
    {"interceptor.classes", not_yet},
    {"key.serializer", "has no place here, keys are bytes"},
    {"metadata.cluster.check.enable", not_yet},
    {"metric.reporters", "has no place here, ask producer::metrics()"},
    {"metrics.", "has no place here, ask producer::metrics()"},
    {"partitioner.adaptive.partitioning.enable", not_yet, "false"},
    {"partitioner.availability.timeout.ms", not_yet, "0"},
    {"partitioner.class", not_yet},
    {"partitioner.rack.aware", not_yet, "false"},
    {"sasl.", not_yet},
    {"security.protocol", not_yet, "plaintext"},
    {"security.providers", not_needed},
    {"ssl.", not_yet},
    {"transaction.", not_yet},
    {"transactional.id", not_yet},
    {"value.serializer", "has no place here, values are bytes"},
    // librdkafka's
    {"api.version.", not_needed},
    {"batch.num.messages", "has no twin here, use batch.size in bytes"},
    {"broker.address.", not_yet},
    {"broker.version.fallback", not_needed},
    {"compression.codec", not_yet, "none"},
    {"compression.level", not_yet},
    {"debug", "has no twin here, use log.level=debug"},
    {"delivery.report.only.error", "has no twin here, every record has its own answer"},
    {"enable.gapless.guarantee", not_needed},
    {"enable.ssl.certificate.verification", not_yet},
    {"log_level", "has no twin here, use log.level"},
    {"message.copy.max.bytes", not_needed},
    {"message.max.bytes", "has no twin here, use max.request.size"},
    {"partitioner", not_yet, "murmur2_random"},
    {"produce.offset.report", not_needed},
    {"queue.buffering.backpressure.threshold", not_needed},
    {"queue.buffering.max.kbytes", "has no twin here, use buffer.memory in bytes"},
    {"queue.buffering.max.messages", "has no twin here, use buffer.memory in bytes"},
    {"queuing.strategy", not_needed},
    {"socket.keepalive.enable", not_yet, "false"},
    {"socket.max.fails", not_needed},
    {"socket.nagle.disable", "cannot be changed, Nagle's algorithm is always off", "true"},
    {"socket.receive.buffer.bytes", "has no twin here, use receive.buffer.bytes"},
    {"socket.send.buffer.bytes", "has no twin here, use send.buffer.bytes"},
    {"socket.timeout.ms", "has no twin here, use request.timeout.ms"},
    {"statistics.interval.ms", "has no twin here, ask producer::metrics()", "0"},
    {"sticky.partitioning.linger.ms", "has no twin here, the sticky partition changes by bytes"},
    {"topic.blacklist", not_needed},
    {"topic.metadata.propagation.max.ms", "has no twin here, use max.block.ms"},
    {"topic.metadata.refresh.fast.interval.ms", "has no twin here, use retry.backoff.ms"},
    {"topic.metadata.refresh.sparse", not_needed},
};

/// The row for a name; null for a name that nobody knows.
constexpr const foreign_property* find_foreign_property(std::string_view name) noexcept {
  for (const foreign_property& row : foreign_properties) {
    if (row.name == name || (row.name.ends_with('.') && name.starts_with(row.name))) return &row;
  }
  return nullptr;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/base/property_text.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

/// Without the white space around it.
COKAFKA_DECL std::string_view trimmed(std::string_view text) noexcept;

/// Equal but for the case of ASCII letters.
COKAFKA_DECL bool equal_ignoring_case(std::string_view left, std::string_view right) noexcept;

/// A decimal number and nothing else; empty also when it does not fit.
COKAFKA_DECL std::optional<std::int64_t> parse_integer(std::string_view text) noexcept;

/// "true" or "false" in any case.
COKAFKA_DECL std::optional<bool> parse_switch(std::string_view text) noexcept;

/// How many characters must be put in, left out or replaced to make one of the other. Names longer than 96 characters
/// are far from everything.
COKAFKA_DECL std::size_t edit_distance(std::string_view left, std::string_view right) noexcept;

/// Looks for the name that a misspelt one was probably meant to be: few edits, few for its length.
class nearest_name {
 public:
  explicit nearest_name(std::string_view wanted) noexcept : wanted_(wanted), limit_(2 + wanted.size() / 6) {}

  void offer(std::string_view candidate) noexcept;
  /// Empty when none came near.
  std::string_view best() const noexcept { return best_; }

 private:
  std::string_view wanted_;
  std::string_view best_{};
  std::size_t limit_;  // only what is nearer than this is taken
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/base/property_table.hpp

#include <variant>

namespace cokafka::inline COKAFKA_ABI::detail {

/// A hundred years: longer times, which mean "for ever", could not be added to a clock.
inline constexpr std::int64_t for_ever = 3'155'760'000'000;

/// One word that a property takes, and what it stands for.
template <class Word>
struct property_word {
  std::string_view text;
  Word value;
};

/// Specialised for an enumeration that is the type of a property: `static constexpr property_word<Word> all[]`.
template <class Word>
struct property_words;

/// The first word for a value; empty when there is none.
template <class Word>
constexpr std::string_view word_of(Word value) noexcept {
  for (const auto& word : property_words<Word>::all) {
    if (word.value == value) return word.text;
  }
  return {};
}

/// One property: its name, the member it is kept in, and its range if it is a number. `Words` are the enumerations.
template <class Config, class... Words>
struct property_row {
  using config_type = Config;

  std::string_view name;
  std::variant<std::string Config::*, bool Config::*, std::optional<bool> Config::*, std::int32_t Config::*,
               std::int64_t Config::*, std::chrono::milliseconds Config::*, Words Config::*...>
      member;
  std::int64_t least = 0;
  std::int64_t most = std::numeric_limits<std::int32_t>::max();
};

/// The rule of a number's row. `milliseconds` is said because fractions are a known habit.
template <class Row>
std::string range_rule(const Row& row, bool milliseconds) {
  return std::string("must be a whole number").append(milliseconds ? " of milliseconds" : "").append(" from ") +
         std::to_string(row.least) + " to " + std::to_string(row.most);
}

template <class Number>
std::string read_value(Number& target, const auto& row, std::string_view text) {
  const auto value = parse_integer(text);
  const bool below_most = value && (*value <= row.most || row.most == for_ever);
  if (!below_most || *value < row.least) return range_rule(row, !std::is_integral_v<Number>);
  target = static_cast<Number>(std::min(*value, row.most));
  return {};
}

inline std::string read_value(std::string& target, const auto&, std::string_view text) {
  target = text;
  return {};
}

template <class Switch>
  requires std::is_same_v<Switch, bool> || std::is_same_v<Switch, std::optional<bool>>
std::string read_value(Switch& target, const auto&, std::string_view text) {
  const auto value = parse_switch(text);
  if (!value) return "must be true or false";
  target = *value;
  return {};
}

template <class Word>
  requires std::is_enum_v<Word>
std::string read_value(Word& target, const auto&, std::string_view text) {
  std::string rule = "must be one of";
  for (const auto& word : property_words<Word>::all) {
    if (equal_ignoring_case(word.text, text)) {
      target = word.value;
      return {};
    }
    rule.append(" ").append(word.text);
  }
  return rule;
}

/// Reads text into the member of a row. The rule that the text breaks, or nothing: then the member is set.
template <class Row>
std::string read_property(typename Row::config_type& target, const Row& row, std::string_view text) {
  return std::visit([&](auto member) { return read_value(target.*member, row, text); }, row.member);
}

/// What is wrong with a value, or nothing.
struct property_complaint {
  std::string value;
  std::string rule;  ///< empty: the value is right
};

template <class Row>
property_complaint check_number(const Row& row, std::int64_t value, bool milliseconds) {
  if (value >= row.least && value <= row.most) return {};
  return {std::to_string(value), range_rule(row, milliseconds)};
}

/// Holds the member of a row against the row's range.
template <class Row>
property_complaint check_property(const typename Row::config_type& subject, const Row& row) {
  return std::visit(
      [&](auto member) -> property_complaint {
        const auto& value = subject.*member;
        using type = std::remove_cvref_t<decltype(value)>;
        if constexpr (std::is_same_v<type, std::chrono::milliseconds>) {
          return check_number(row, value.count(), true);
        } else if constexpr (std::is_enum_v<type>) {
          if (!word_of(value).empty()) return {};
          return {std::to_string(static_cast<int>(value)), "must be one of the enumerators"};
        } else if constexpr (std::is_integral_v<type> && !std::is_same_v<type, bool>) {
          return check_number(row, value, false);
        } else {
          return {};
        }
      },
      row.member);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/base/crc32c.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

// Continues `crc` over `size` more bytes; the checksum of nothing is 0. The implementation is chosen once, at run time.
COKAFKA_DECL std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t size) noexcept;

// The checksum of a followed by b, from the checksums of both and the size of b, in time that grows with the logarithm
// of that size: a batch's records are summed while they are alone, its header when it is final.
COKAFKA_DECL std::uint32_t crc32c_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::size_t size_b) noexcept;

// The portable implementation, by itself so that tests can hold the others against it.
COKAFKA_DECL std::uint32_t crc32c_table(std::uint32_t crc, const void* data, std::size_t size) noexcept;

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/batch/batch_view.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

// What is wrong with a batch; the first thing found.
enum class batch_error : std::uint8_t {
  none,
  too_short,             // fewer bytes than a header, or than the batch length says
  bad_length,            // a batch length that no batch can have
  trailing_bytes,        // bytes behind the batch, or behind its last record
  bad_magic,             // another format than 2
  bad_crc,               // the checksum does not fit the bytes
  bad_codec,             // a compression type that does not exist
  bad_record_count,      // none at all, or not lastOffsetDelta + 1
  bad_record,            // a record whose fields do not fill its length exactly, or with an illegal length
  bad_offset_delta,      // the records do not count 0, 1, 2, ...
  compressed,            // the records cannot be read before they are decompressed
  control_batch,         // only brokers write these
  missing_base_sequence  // a producer id without a sequence
};

COKAFKA_DECL std::string_view to_string(batch_error error) noexcept;

struct record_header_entry {
  std::string_view key{};
  std::optional<std::string_view> value{};

  bool operator==(const record_header_entry&) const = default;
};

// The headers of one record: a range over bytes that were checked before it was made.
class record_header_list {
 public:
  class iterator {
   public:
    using value_type = record_header_entry;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using reference = const value_type&;
    using pointer = const value_type*;

    iterator() = default;
    COKAFKA_DECL iterator(std::string_view bytes, std::uint32_t left) noexcept;

    reference operator*() const noexcept { return current_; }
    pointer operator->() const noexcept { return &current_; }
    COKAFKA_DECL iterator& operator++() noexcept;
    iterator operator++(int) noexcept {
      iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const iterator& other) const noexcept { return left_ == other.left_; }

   private:
    COKAFKA_DECL void read() noexcept;

    std::string_view bytes_{};
    std::uint32_t left_ = 0;
    record_header_entry current_{};
  };

  record_header_list() = default;
  record_header_list(std::string_view bytes, std::uint32_t count) noexcept : bytes_(bytes), count_(count) {}

  std::size_t size() const noexcept { return count_; }
  bool empty() const noexcept { return count_ == 0; }
  iterator begin() const noexcept { return {bytes_, count_}; }
  iterator end() const noexcept { return {}; }

 private:
  std::string_view bytes_{};
  std::uint32_t count_ = 0;
};

// One record of a batch; its strings are views into the batch.
struct record_entry {
  std::int32_t offset_delta = 0;
  std::int64_t timestamp = 0;
  std::optional<std::string_view> key{};
  std::optional<std::string_view> value{};
  record_header_list headers{};
};

// Reads the next record, its length included. None when it is whole and legal.
COKAFKA_DECL batch_error read_record(wire::reader& in, std::int64_t base_timestamp, record_entry& record) noexcept;

// Calls `visit(const record_entry&)` for each of `count` records in uncompressed bytes and stops at the first error; a
// visitor may return bool, where false stops, too, without an error.
template <class Visit>
batch_error for_each_record(std::string_view records, std::int32_t count, std::int64_t base_timestamp, Visit&& visit) {
  wire::reader in(records);
  for (std::int32_t i = 0; i != count; ++i) {
    record_entry record;
    if (const auto error = read_record(in, base_timestamp, record); error != batch_error::none) return error;
    if (record.offset_delta != i) return batch_error::bad_offset_delta;
    if constexpr (std::is_same_v<decltype(visit(record)), bool>) {
      if (!visit(record)) return batch_error::none;
    } else {
      visit(record);
    }
  }
  return in.remaining() == 0 ? batch_error::none : batch_error::trailing_bytes;
}

// A record batch in bytes that it does not own.
// Thread safety: distinct objects safe; shared objects safe for reading.
class batch_view {
 public:
  static constexpr std::size_t header_size = 61;

  // The size of the batch that `bytes` begin with, for walking a log of several; empty when that cannot be told.
  COKAFKA_DECL static std::optional<std::size_t> size_at_front(std::string_view bytes) noexcept;

  // Checks length, format, checksum, codec and count of the batch that `bytes` hold from the first to the last. `view`
  // is only set on success. The records are not read: for_each() and check_records() do that.
  COKAFKA_DECL static batch_error parse(std::string_view bytes, batch_view& view) noexcept;

  std::int64_t base_offset() const noexcept { return at(0).int64(); }
  std::int32_t batch_length() const noexcept { return at(8).int32(); }
  std::int32_t partition_leader_epoch() const noexcept { return at(12).int32(); }
  std::uint32_t crc() const noexcept { return at(17).uint32(); }
  std::int16_t attributes() const noexcept { return at(21).int16(); }
  std::int32_t last_offset_delta() const noexcept { return at(23).int32(); }
  std::int64_t base_timestamp() const noexcept { return at(27).int64(); }
  std::int64_t max_timestamp() const noexcept { return at(35).int64(); }
  std::int64_t producer_id() const noexcept { return at(43).int64(); }
  std::int16_t producer_epoch() const noexcept { return at(51).int16(); }
  std::int32_t base_sequence() const noexcept { return at(53).int32(); }
  std::int32_t record_count() const noexcept { return at(57).int32(); }

  // 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
  int codec() const noexcept { return attributes() & 0x07; }
  bool is_compressed() const noexcept { return codec() != 0; }
  bool has_log_append_time() const noexcept { return (attributes() & 0x08) != 0; }
  bool is_transactional() const noexcept { return (attributes() & 0x10) != 0; }
  bool is_control() const noexcept { return (attributes() & 0x20) != 0; }

  // All bytes, header included, and the bytes behind the header as they stand: one compressed blob, or the records.
  std::string_view bytes() const noexcept { return bytes_; }
  std::string_view records() const noexcept { return bytes_.substr(header_size); }

  // As for_each_record(); `compressed` where the records have to be decompressed first.
  template <class Visit>
  batch_error for_each(Visit&& visit) const {
    if (is_compressed()) return batch_error::compressed;
    return for_each_record(records(), record_count(), base_timestamp(), visit);
  }

  // Whether all records are legal.
  COKAFKA_DECL batch_error check_records() const noexcept;

  // What a broker demands of a batch from a client beyond its format.
  COKAFKA_DECL batch_error check_from_client() const noexcept;

 private:
  wire::reader at(std::size_t offset) const noexcept {
    return wire::reader(bytes_.size() < header_size ? std::string_view{} : bytes_.substr(offset));
  }

  std::string_view bytes_{};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/base/murmur2.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

// MurmurHash2, 32 bits, with Kafka's seed.
COKAFKA_DECL std::int32_t murmur2(std::string_view key) noexcept;

// Clears the sign bit. (Not the absolute value: partitions depend on it.)
constexpr std::int32_t to_positive(std::int32_t number) noexcept { return number & 0x7fffffff; }

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/messages/add_offsets_to_txn.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

struct add_offsets_to_txn_response;

struct add_offsets_to_txn_request {
  using response_type = add_offsets_to_txn_response;
  static constexpr api_key key = api_key::add_offsets_to_txn;
  static constexpr wire::version_range versions{0, 4};
  static constexpr std::int16_t flexible_from = 3;

  std::string transactional_id{};
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::string group_id{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.transactional_id);
    f.field(self.producer_id);
    f.field(self.producer_epoch);
    f.field(self.group_id);
  }
  bool operator==(const add_offsets_to_txn_request&) const = default;
};

struct add_offsets_to_txn_response {
  static constexpr api_key key = api_key::add_offsets_to_txn;
  static constexpr wire::version_range versions = add_offsets_to_txn_request::versions;
  static constexpr std::int16_t flexible_from = add_offsets_to_txn_request::flexible_from;

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms);
    f.field(self.error_code);
  }
  bool operator==(const add_offsets_to_txn_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/messages/add_partitions_to_txn.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

struct add_partitions_to_txn_response;

struct add_partitions_to_txn_request {
  using response_type = add_partitions_to_txn_response;
  static constexpr api_key key = api_key::add_partitions_to_txn;
  static constexpr wire::version_range versions{0, 3};
  static constexpr std::int16_t flexible_from = 3;

  struct topic {
    std::string name{};
    std::vector<std::int32_t> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  std::string transactional_id{};
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::vector<topic> topics{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.transactional_id);
    f.field(self.producer_id);
    f.field(self.producer_epoch);
    f.field(self.topics);
  }
  bool operator==(const add_partitions_to_txn_request&) const = default;
};

struct add_partitions_to_txn_response {
  static constexpr api_key key = api_key::add_partitions_to_txn;
  static constexpr wire::version_range versions = add_partitions_to_txn_request::versions;
  static constexpr std::int16_t flexible_from = add_partitions_to_txn_request::flexible_from;

  struct partition {
    std::int32_t partition_index = 0;
    std::int16_t error_code = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.error_code);
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::string name{};
    std::vector<partition> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<topic> results{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms);
    f.field(self.results);
  }
  bool operator==(const add_partitions_to_txn_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/messages/create_topics.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;

struct create_topics_response;

struct create_topics_request {
  using response_type = create_topics_response;
  static constexpr api_key key = api_key::create_topics;
  static constexpr wire::version_range versions{2, 7};
  static constexpr std::int16_t flexible_from = 5;

  struct assignment {
    std::int32_t partition_index = 0;
    std::vector<std::int32_t> broker_ids{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.broker_ids);
    }
    bool operator==(const assignment&) const = default;
  };

  struct setting {
    std::string name{};
    std::optional<std::string> value{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.value);
    }
    bool operator==(const setting&) const = default;
  };

  struct topic {
    std::string name{};
    std::int32_t num_partitions = -1;
    std::int16_t replication_factor = -1;
    std::vector<assignment> assignments{};
    std::vector<setting> configs{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.num_partitions);
      f.field(self.replication_factor);
      f.field(self.assignments);
      f.field(self.configs);
    }
    bool operator==(const topic&) const = default;
  };

  std::vector<topic> topics{};
  std::int32_t timeout_ms = 60000;
  bool validate_only = false;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.topics);
    f.field(self.timeout_ms);
    f.field(self.validate_only);
  }
  bool operator==(const create_topics_request&) const = default;
};

struct create_topics_response {
  static constexpr api_key key = api_key::create_topics;
  static constexpr wire::version_range versions = create_topics_request::versions;
  static constexpr std::int16_t flexible_from = create_topics_request::flexible_from;

  struct setting {
    std::string name{};
    std::optional<std::string> value{};
    bool read_only = false;
    std::int8_t config_source = -1;
    bool is_sensitive = false;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.value);
      f.field(self.read_only);
      f.field(self.config_source);
      f.field(self.is_sensitive);
    }
    bool operator==(const setting&) const = default;
  };

  struct topic {
    std::string name{};
    wire::uuid topic_id{};
    std::int16_t error_code = 0;
    std::optional<std::string> error_message{};
    std::int32_t num_partitions = -1;
    std::int16_t replication_factor = -1;
    std::optional<std::vector<setting>> configs = std::vector<setting>{};
    std::int16_t topic_config_error_code = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.topic_id, since(7));
      f.field(self.error_code);
      f.field(self.error_message);
      f.field(self.num_partitions, since(5));
      f.field(self.replication_factor, since(5));
      f.field(self.configs, since(5));
      f.tagged(0, self.topic_config_error_code, since(5));
    }
    bool operator==(const topic&) const = default;
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<topic> topics{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms);
    f.field(self.topics);
  }
  bool operator==(const create_topics_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/messages/end_txn.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;

struct end_txn_response;

struct end_txn_request {
  using response_type = end_txn_response;
  static constexpr api_key key = api_key::end_txn;
  static constexpr wire::version_range versions{0, 5};
  static constexpr std::int16_t flexible_from = 3;

  std::string transactional_id{};
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  bool committed = false;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.transactional_id);
    f.field(self.producer_id);
    f.field(self.producer_epoch);
    f.field(self.committed);
  }
  bool operator==(const end_txn_request&) const = default;
};

struct end_txn_response {
  static constexpr api_key key = api_key::end_txn;
  static constexpr wire::version_range versions = end_txn_request::versions;
  static constexpr std::int16_t flexible_from = end_txn_request::flexible_from;

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms);
    f.field(self.error_code);
    f.field(self.producer_id, since(5));
    f.field(self.producer_epoch, since(5));
  }
  bool operator==(const end_txn_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/messages/fetch.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;
using wire::until;

struct fetch_response;

struct fetch_request {
  using response_type = fetch_response;
  static constexpr api_key key = api_key::fetch;
  static constexpr wire::version_range versions{0, 18};
  static constexpr std::int16_t flexible_from = 12;

  struct partition {
    std::int32_t partition_index = 0;
    std::int32_t current_leader_epoch = -1;
    std::int64_t fetch_offset = 0;
    std::int32_t last_fetched_epoch = -1;
    std::int64_t log_start_offset = -1;
    std::int32_t partition_max_bytes = 0;
    wire::uuid replica_directory_id{};
    std::int64_t high_watermark = std::numeric_limits<std::int64_t>::max();

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.current_leader_epoch, since(9));
      f.field(self.fetch_offset);
      f.field(self.last_fetched_epoch, since(12));
      f.field(self.log_start_offset, since(5));
      f.field(self.partition_max_bytes);
      f.tagged(0, self.replica_directory_id, since(17));
      f.tagged(1, self.high_watermark, since(18), std::numeric_limits<std::int64_t>::max());
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::string name{};
    wire::uuid topic_id{};
    std::vector<partition> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name, until(12));
      f.field(self.topic_id, since(13));
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  struct forgotten_topic {
    std::string name{};
    wire::uuid topic_id{};
    std::vector<std::int32_t> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name, until(12));
      f.field(self.topic_id, since(13));
      f.field(self.partitions);
    }
    bool operator==(const forgotten_topic&) const = default;
  };

  struct replica {
    std::int32_t replica_id = -1;
    std::int64_t replica_epoch = -1;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.replica_id);
      f.field(self.replica_epoch);
    }
    bool operator==(const replica&) const = default;
  };

  std::int32_t replica_id = -1;
  std::int32_t max_wait_ms = 0;
  std::int32_t min_bytes = 0;
  std::int32_t max_bytes = 0x7fffffff;
  std::int8_t isolation_level = 0;
  std::int32_t session_id = 0;
  std::int32_t session_epoch = -1;
  std::vector<topic> topics{};
  std::vector<forgotten_topic> forgotten_topics{};
  std::string rack_id{};
  std::optional<std::string> cluster_id{};
  replica replica_state{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.replica_id, until(14));
    f.field(self.max_wait_ms);
    f.field(self.min_bytes);
    f.field(self.max_bytes, since(3));
    f.field(self.isolation_level, since(4));
    f.field(self.session_id, since(7));
    f.field(self.session_epoch, since(7));
    f.field(self.topics);
    f.field(self.forgotten_topics, since(7));
    f.field(self.rack_id, since(11));
    f.tagged(0, self.cluster_id, since(12));
    f.tagged(1, self.replica_state, since(15));
  }
  bool operator==(const fetch_request&) const = default;
};

struct fetch_response {
  static constexpr api_key key = api_key::fetch;
  static constexpr wire::version_range versions = fetch_request::versions;
  static constexpr std::int16_t flexible_from = fetch_request::flexible_from;

  struct epoch_end_offset {
    std::int32_t epoch = -1;
    std::int64_t end_offset = -1;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.epoch);
      f.field(self.end_offset);
    }
    bool operator==(const epoch_end_offset&) const = default;
  };

  struct snapshot {
    std::int64_t end_offset = -1;
    std::int32_t epoch = -1;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.end_offset);
      f.field(self.epoch);
    }
    bool operator==(const snapshot&) const = default;
  };

  struct aborted_transaction {
    std::int64_t producer_id = 0;
    std::int64_t first_offset = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.producer_id);
      f.field(self.first_offset);
    }
    bool operator==(const aborted_transaction&) const = default;
  };

  struct partition {
    std::int32_t partition_index = 0;
    std::int16_t error_code = 0;
    std::int64_t high_watermark = 0;
    std::int64_t last_stable_offset = -1;
    std::int64_t log_start_offset = -1;
    std::optional<std::vector<aborted_transaction>> aborted_transactions{};
    std::int32_t preferred_read_replica = -1;
    wire::records_field records{};
    epoch_end_offset diverging_epoch{};
    leader_and_epoch current_leader{};
    snapshot snapshot_id{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.error_code);
      f.field(self.high_watermark);
      f.field(self.last_stable_offset, since(4));
      f.field(self.log_start_offset, since(5));
      f.field(self.aborted_transactions, since(4));
      f.field(self.preferred_read_replica, since(11));
      f.field(self.records);
      f.tagged(0, self.diverging_epoch, since(12));
      f.tagged(1, self.current_leader, since(12));
      f.tagged(2, self.snapshot_id, since(12));
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::string name{};
    wire::uuid topic_id{};
    std::vector<partition> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name, until(12));
      f.field(self.topic_id, since(13));
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::int32_t session_id = 0;
  std::vector<topic> responses{};
  std::vector<node_endpoint> node_endpoints{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms, since(1));
    f.field(self.error_code, since(7));
    f.field(self.session_id, since(7));
    f.field(self.responses);
    f.tagged(0, self.node_endpoints, since(16));
  }
  bool operator==(const fetch_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/messages/find_coordinator.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::between;
using wire::since;
using wire::until;

struct find_coordinator_response;

struct find_coordinator_request {
  using response_type = find_coordinator_response;
  static constexpr api_key key = api_key::find_coordinator;
  static constexpr wire::version_range versions{0, 6};
  static constexpr std::int16_t flexible_from = 3;

  std::string key_name{};
  std::int8_t key_type = 0;  // 0 group, 1 transaction
  std::vector<std::string> coordinator_keys{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.key_name, until(3));
    f.field(self.key_type, since(1));
    f.field(self.coordinator_keys, since(4));
  }
  bool operator==(const find_coordinator_request&) const = default;
};

struct find_coordinator_response {
  static constexpr api_key key = api_key::find_coordinator;
  static constexpr wire::version_range versions = find_coordinator_request::versions;
  static constexpr std::int16_t flexible_from = find_coordinator_request::flexible_from;

  struct coordinator {
    std::string key_name{};
    std::int32_t node_id = -1;
    std::string host{};
    std::int32_t port = -1;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.key_name);
      f.field(self.node_id);
      f.field(self.host);
      f.field(self.port);
      f.field(self.error_code);
      f.field(self.error_message);
    }
    bool operator==(const coordinator&) const = default;
  };

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message{};
  std::int32_t node_id = -1;
  std::string host{};
  std::int32_t port = -1;
  std::vector<coordinator> coordinators{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms, since(1));
    f.field(self.error_code, until(3));
    f.field(self.error_message, between(1, 3));
    f.field(self.node_id, until(3));
    f.field(self.host, until(3));
    f.field(self.port, until(3));
    f.field(self.coordinators, since(4));
  }
  bool operator==(const find_coordinator_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/messages/init_producer_id.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;

struct init_producer_id_response;

struct init_producer_id_request {
  using response_type = init_producer_id_response;
  static constexpr api_key key = api_key::init_producer_id;
  static constexpr wire::version_range versions{0, 6};
  static constexpr std::int16_t flexible_from = 2;

  std::optional<std::string> transactional_id{};
  std::int32_t transaction_timeout_ms = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  bool enable_2pc = false;
  bool keep_prepared_txn = false;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.transactional_id);
    f.field(self.transaction_timeout_ms);
    f.field(self.producer_id, since(3));
    f.field(self.producer_epoch, since(3));
    f.field(self.enable_2pc, since(6));
    f.field(self.keep_prepared_txn, since(6));
  }
  bool operator==(const init_producer_id_request&) const = default;
};

struct init_producer_id_response {
  static constexpr api_key key = api_key::init_producer_id;
  static constexpr wire::version_range versions = init_producer_id_request::versions;
  static constexpr std::int16_t flexible_from = init_producer_id_request::flexible_from;

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int64_t ongoing_txn_producer_id = -1;
  std::int16_t ongoing_txn_producer_epoch = -1;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms);
    f.field(self.error_code);
    f.field(self.producer_id);
    f.field(self.producer_epoch);
    f.field(self.ongoing_txn_producer_id, since(6));
    f.field(self.ongoing_txn_producer_epoch, since(6));
  }
  bool operator==(const init_producer_id_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/messages/list_offsets.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;
using wire::until;

struct list_offsets_response;

struct list_offsets_request {
  using response_type = list_offsets_response;
  static constexpr api_key key = api_key::list_offsets;
  static constexpr wire::version_range versions{0, 10};
  static constexpr std::int16_t flexible_from = 6;

  struct partition {
    std::int32_t partition_index = 0;
    std::int32_t current_leader_epoch = -1;
    std::int64_t timestamp = -1;  // -1 latest, -2 earliest, -3 the offset of the largest timestamp
    std::int32_t max_num_offsets = 1;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.current_leader_epoch, since(4));
      f.field(self.timestamp);
      f.field(self.max_num_offsets, until(0));
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::string name{};
    std::vector<partition> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  std::int32_t replica_id = -1;
  std::int8_t isolation_level = 0;
  std::vector<topic> topics{};
  std::int32_t timeout_ms = 0;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.replica_id);
    f.field(self.isolation_level, since(2));
    f.field(self.topics);
    f.field(self.timeout_ms, since(10));
  }
  bool operator==(const list_offsets_request&) const = default;
};

struct list_offsets_response {
  static constexpr api_key key = api_key::list_offsets;
  static constexpr wire::version_range versions = list_offsets_request::versions;
  static constexpr std::int16_t flexible_from = list_offsets_request::flexible_from;

  struct partition {
    std::int32_t partition_index = 0;
    std::int16_t error_code = 0;
    std::vector<std::int64_t> old_style_offsets{};
    std::int64_t timestamp = -1;
    std::int64_t offset = -1;
    std::int32_t leader_epoch = -1;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.error_code);
      f.field(self.old_style_offsets, until(0));
      f.field(self.timestamp, since(1));
      f.field(self.offset, since(1));
      f.field(self.leader_epoch, since(4));
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::string name{};
    std::vector<partition> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name);
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<topic> topics{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms, since(2));
    f.field(self.topics);
  }
  bool operator==(const list_offsets_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/messages/sasl_authenticate.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;

struct sasl_authenticate_response;

struct sasl_authenticate_request {
  using response_type = sasl_authenticate_response;
  static constexpr api_key key = api_key::sasl_authenticate;
  static constexpr wire::version_range versions{0, 2};
  static constexpr std::int16_t flexible_from = 2;

  wire::bytes auth_bytes{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.auth_bytes);
  }
  bool operator==(const sasl_authenticate_request&) const = default;
};

struct sasl_authenticate_response {
  static constexpr api_key key = api_key::sasl_authenticate;
  static constexpr wire::version_range versions = sasl_authenticate_request::versions;
  static constexpr std::int16_t flexible_from = sasl_authenticate_request::flexible_from;

  std::int16_t error_code = 0;
  std::optional<std::string> error_message{};
  wire::bytes auth_bytes{};
  std::int64_t session_lifetime_ms = 0;

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.error_code);
    f.field(self.error_message);
    f.field(self.auth_bytes);
    f.field(self.session_lifetime_ms, since(1));
  }
  bool operator==(const sasl_authenticate_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/messages/sasl_handshake.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

struct sasl_handshake_response;

struct sasl_handshake_request {
  using response_type = sasl_handshake_response;
  static constexpr api_key key = api_key::sasl_handshake;
  static constexpr wire::version_range versions{0, 1};
  static constexpr std::int16_t flexible_from = wire::no_version;

  std::string mechanism{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.mechanism);
  }
  bool operator==(const sasl_handshake_request&) const = default;
};

struct sasl_handshake_response {
  static constexpr api_key key = api_key::sasl_handshake;
  static constexpr wire::version_range versions = sasl_handshake_request::versions;
  static constexpr std::int16_t flexible_from = sasl_handshake_request::flexible_from;

  std::int16_t error_code = 0;
  std::vector<std::string> mechanisms{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.error_code);
    f.field(self.mechanisms);
  }
  bool operator==(const sasl_handshake_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/messages/txn_offset_commit.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

using wire::since;
using wire::until;

struct txn_offset_commit_response;

struct txn_offset_commit_request {
  using response_type = txn_offset_commit_response;
  static constexpr api_key key = api_key::txn_offset_commit;
  static constexpr wire::version_range versions{0, 6};
  static constexpr std::int16_t flexible_from = 3;

  struct partition {
    std::int32_t partition_index = 0;
    std::int64_t committed_offset = 0;
    std::int32_t committed_leader_epoch = -1;
    std::optional<std::string> committed_metadata{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.committed_offset);
      f.field(self.committed_leader_epoch, since(2));
      f.field(self.committed_metadata);
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::string name{};
    wire::uuid topic_id{};
    std::vector<partition> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name, until(5));
      f.field(self.topic_id, since(6));
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  std::string transactional_id{};
  std::string group_id{};
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t generation_id_or_member_epoch = -1;
  std::string member_id{};
  std::optional<std::string> group_instance_id{};
  std::vector<topic> topics{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.transactional_id);
    f.field(self.group_id);
    f.field(self.producer_id);
    f.field(self.producer_epoch);
    f.field(self.generation_id_or_member_epoch, since(3));
    f.field(self.member_id, since(3));
    f.field(self.group_instance_id, since(3));
    f.field(self.topics);
  }
  bool operator==(const txn_offset_commit_request&) const = default;
};

struct txn_offset_commit_response {
  static constexpr api_key key = api_key::txn_offset_commit;
  static constexpr wire::version_range versions = txn_offset_commit_request::versions;
  static constexpr std::int16_t flexible_from = txn_offset_commit_request::flexible_from;

  struct partition {
    std::int32_t partition_index = 0;
    std::int16_t error_code = 0;

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.partition_index);
      f.field(self.error_code);
    }
    bool operator==(const partition&) const = default;
  };

  struct topic {
    std::string name{};
    wire::uuid topic_id{};
    std::vector<partition> partitions{};

    template <class Self, class Fields>
    static void describe(Self& self, Fields& f) {
      f.field(self.name, until(5));
      f.field(self.topic_id, since(6));
      f.field(self.partitions);
    }
    bool operator==(const topic&) const = default;
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<topic> topics{};

  template <class Self, class Fields>
  static void describe(Self& self, Fields& f) {
    f.field(self.throttle_time_ms);
    f.field(self.topics);
  }
  bool operator==(const txn_offset_commit_response&) const = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/messages/known_apis.hpp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

template <class... Requests>
struct request_list {};

using known_requests =
    request_list<produce_request, fetch_request, list_offsets_request, metadata_request, find_coordinator_request,
                 sasl_handshake_request, api_versions_request, create_topics_request, init_producer_id_request,
                 add_partitions_to_txn_request, add_offsets_to_txn_request, end_txn_request, txn_offset_commit_request,
                 sasl_authenticate_request>;

namespace known {
template <class... Requests>
constexpr std::int16_t flexible_from(api_key key, request_list<Requests...>) noexcept {
  std::int16_t first = wire::no_version;
  ((Requests::key == key ? void(first = Requests::flexible_from) : void()), ...);
  return first;
}
}  // namespace known

// The first version of an API whose headers have tagged fields; no version for an API that is not described here.
constexpr std::int16_t flexible_from(api_key key) noexcept { return known::flexible_from(key, known_requests{}); }

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#if defined(COKAFKA_HEADER_ONLY) || defined(COKAFKA_SOURCE)

// ---- cokafka/error.ipp

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

// ---- cokafka/config.ipp

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

// ---- cokafka/detail/core/completion.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL completion::completion(topic_name topic, std::int32_t partition, error failure)
    : completion(std::move(topic), partition) {
  outcome_.failure = std::move(failure);
  state_.store(state::done, std::memory_order_release);
}

// Under the lock. Null for a record that ends with its batch.
COKAFKA_DECL auto completion::find_early_end(std::uint32_t index) const noexcept -> const early_end* {
  if (index >= ended_by_.size() || ended_by_[index] == 0) return nullptr;
  return ended_[ended_by_[index] - 1].get();
}

COKAFKA_DECL bool completion::is_ready(const record_ticket& ticket) const noexcept {
  switch (state_.load(std::memory_order_acquire)) {
    case state::done: return true;
    case state::forwarded:
    case state::pending: break;
  }
  if (has_early_ends_.load(std::memory_order_acquire)) {
    std::scoped_lock guard(lock_);
    if (find_early_end(ticket.index) != nullptr) return true;
  }
  if (state_.load(std::memory_order_acquire) != state::forwarded)
    return state_.load(std::memory_order_acquire) == state::done;
  record_ticket there = ticket;
  return redirect(there).is_ready(there);
}

COKAFKA_DECL result<record_metadata> completion::get(const record_ticket& ticket) const {
  const batch_outcome* outcome = &outcome_;
  std::uint32_t first = 0;
  if (has_early_ends_.load(std::memory_order_acquire)) {
    std::scoped_lock guard(lock_);
    if (const auto* const found = find_early_end(ticket.index)) {  // stays as it is, and where it is
      first = found->first;
      outcome = &found->outcome;
    }
  }
  if (outcome == &outcome_ && state_.load(std::memory_order_acquire) == state::forwarded) {
    record_ticket there = ticket;
    return redirect(there).get(there);
  }
  assert(outcome != &outcome_ || state_ == state::done);
  if (outcome->failure) return *outcome->failure;
  record_metadata metadata;
  metadata.topic = topic_;
  metadata.partition = partition_;
  if (outcome->base_offset) metadata.offset = *outcome->base_offset + place_of(ticket.index) - place_of(first);
  metadata.timestamp = std::chrono::sys_time<std::chrono::milliseconds>{
      std::chrono::milliseconds{outcome->log_append_time.value_or(ticket.timestamp)}};
  if (ticket.key_size >= 0) metadata.key_size = static_cast<std::size_t>(ticket.key_size);
  if (ticket.value_size >= 0) metadata.value_size = static_cast<std::size_t>(ticket.value_size);
  return metadata;
}

COKAFKA_DECL bool completion::attach(record_waiter& added) {
  std::unique_lock guard(lock_);
  switch (state_.load(std::memory_order_relaxed)) {
    case state::pending: return link(added);
    case state::forwarded: {
      if (find_early_end(added.ticket.index) != nullptr) {
        added.source.reset(this);
        return false;
      }
      guard.unlock();
      return redirect(added.ticket).attach(added);
    }
    case state::done: break;
  }
  added.source.reset(this);
  if (handing_out_) waiters_.push_back(added);
  return handing_out_;
}

// Under the lock of a pending one.
COKAFKA_DECL bool completion::link(record_waiter& added) {
  if (find_early_end(added.ticket.index) != nullptr) {
    added.source.reset(this);
    return false;
  }
  if (!waiters_.empty() && static_cast<record_waiter&>(waiters_.back()).ticket.index > added.ticket.index) {
    in_order_ = false;
  }
  added.in.store(this, std::memory_order_release);
  waiters_.push_back(added);
  if (!by_index_.empty()) by_index_.clear();
  return true;
}

// Under the lock.
COKAFKA_DECL void completion::unlink(record_waiter& gone) {
  waiters_.erase(waiter_list::s_iterator_to(gone));
  if (by_index_.empty()) return;
  auto at = std::lower_bound(by_index_.begin(), by_index_.end(), gone.ticket.index,
                             [](const auto& each, std::uint32_t index) { return each.first < index; });
  while (at->second != &gone) ++at;
  at->second = nullptr;
}

// Under the lock. In record order.
COKAFKA_DECL void completion::add_waiters_of(record_range which, std::vector<record_waiter*>& found) {
  const auto [first, end] = which;
  const auto index_of = [](waiter& each) { return static_cast<record_waiter&>(each).ticket.index; };
  if (waiters_.empty() || (in_order_ && index_of(waiters_.front()) >= end)) return;
  if (in_order_ && index_of(waiters_.front()) >= first) {
    for (waiter& each : waiters_) {
      if (index_of(each) >= end) break;
      found.push_back(static_cast<record_waiter*>(&each));
    }
    return;
  }
  const auto comes_before = [](const auto& each, std::uint32_t index) { return each.first < index; };
  if (by_index_.empty()) {
    by_index_.reserve(waiters_.size());
    for (waiter& each : waiters_) by_index_.emplace_back(index_of(each), static_cast<record_waiter*>(&each));
    std::sort(by_index_.begin(), by_index_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  for (auto at = std::lower_bound(by_index_.begin(), by_index_.end(), first, comes_before);
       at != by_index_.end() && at->first < end; ++at) {
    if (at->second != nullptr) found.push_back(at->second);
  }
}

// It may move on to a piece of its batch until that completion's lock is held; this one keeps all pieces alive.
COKAFKA_DECL bool completion::detach(record_waiter& gone) {
  for (;;) {
    completion* const at = gone.in.load(std::memory_order_acquire);
    if (at == nullptr) return false;
    std::scoped_lock guard(at->lock_);
    if (gone.in.load(std::memory_order_acquire) != at) continue;
    if (at->state_.load(std::memory_order_relaxed) != state::pending) return false;
    if (gone.source || !gone.is_linked()) return false;  // with a source it has been handed out
    at->unlink(gone);
    return true;
  }
}

COKAFKA_DECL waiter_list completion::complete(batch_outcome outcome) noexcept {
  waiter_list waiting;
  {
    std::scoped_lock guard(lock_);
    if (state_.load(std::memory_order_relaxed) != state::pending) return waiting;
    outcome_ = std::move(outcome);
    waiting.swap(waiters_);
    by_index_ = {};
    handing_out_ = !waiting.empty() && !has_one_record;
    state_.store(state::done, std::memory_order_release);
  }
  put_in_order(waiting);
  for (auto& each : waiting) static_cast<record_waiter&>(each).source.reset(this);
  return waiting;
}

COKAFKA_DECL void completion::put_in_order(waiter_list& waiting) {
  if (in_order_) return;
  waiting.sort([](const waiter& a, const waiter& b) {
    return static_cast<const record_waiter&>(a).ticket.index < static_cast<const record_waiter&>(b).ticket.index;
  });
}

COKAFKA_DECL waiter_list completion::end_some(std::span<const record_range> which, batch_outcome outcome) {
  std::scoped_lock guard(lock_);
  if (state_.load(std::memory_order_relaxed) != state::pending || which.empty()) return {};
  // What may find no memory comes first.
  std::vector<record_waiter*> concerned;
  for (const record_range& each : which) add_waiters_of(each, concerned);
  make_room_to_end(which.back().end, 1);
  ended_.push_back(std::make_unique<const early_end>(early_end{which.front().first, std::move(outcome)}));
  for (const record_range& each : which) {
    std::fill(ended_by_.begin() + each.first, ended_by_.begin() + each.end, static_cast<std::uint32_t>(ended_.size()));
  }
  return hand_out(concerned);
}

COKAFKA_DECL waiter_list completion::end_each(std::span<single_end> all) {
  std::scoped_lock guard(lock_);
  if (state_.load(std::memory_order_relaxed) != state::pending || all.empty()) return {};
  std::vector<record_waiter*> concerned;
  std::vector<std::unique_ptr<const early_end>> made;
  made.reserve(all.size());
  make_room_to_end(all.back().index + 1, all.size());
  for (single_end& each : all) {
    add_waiters_of({each.index, each.index + 1}, concerned);
    made.push_back(std::make_unique<const early_end>(early_end{each.index, std::move(each.outcome)}));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    ended_.push_back(std::move(made[i]));
    ended_by_[all[i].index] = static_cast<std::uint32_t>(ended_.size());
  }
  return hand_out(concerned);
}

// Under the lock. For records before `end`, with `more` answers.
COKAFKA_DECL void completion::make_room_to_end(std::uint32_t end, std::size_t more) {
  if (end > ended_by_.size()) ended_by_.resize(end);
  if (ended_.size() + more > ended_.capacity()) ended_.reserve(std::max(ended_.size() + more, 2 * ended_.size()));
}

// Under the lock. Their records have ended.
COKAFKA_DECL waiter_list completion::hand_out(const std::vector<record_waiter*>& concerned) noexcept {
  waiter_list waiting;
  has_early_ends_.store(true, std::memory_order_release);
  for (record_waiter* each : concerned) {
    unlink(*each);
    each->source.reset(this);
    waiting.push_back(*each);
  }
  return waiting;
}

COKAFKA_DECL waiter_list completion::hand_out_rest() {
  waiter_list waiting;
  std::scoped_lock guard(lock_);
  if (state_.load(std::memory_order_relaxed) != state::done) return waiting;  // only some of its records have ended
  waiting.swap(waiters_);
  handing_out_ = !waiting.empty();
  return waiting;
}

COKAFKA_DECL void completion::drop(std::uint32_t index) {
  std::unique_lock guard(lock_);
  if (find_early_end(index) != nullptr) return;
  switch (state_.load(std::memory_order_relaxed)) {
    case state::pending: dropped_.set(index); return;
    case state::forwarded: {
      guard.unlock();
      record_ticket there;
      there.index = index;
      completion& target = redirect(there);
      return target.drop(there.index);
    }
    case state::done: return;
  }
}

COKAFKA_DECL std::vector<std::uint32_t> completion::take_dropped(std::uint32_t first, std::uint32_t end) {
  std::vector<std::uint32_t> taken;
  std::scoped_lock guard(lock_);
  if (dropped_.count() == 0) return taken;
  for (std::uint32_t i = first; i < end; ++i) {
    if (dropped_.take(i)) taken.push_back(i);
  }
  return taken;
}

COKAFKA_DECL waiter_list completion::abandon(fate known) noexcept {
  error_details why;
  why.code = errc::closed;
  why.message =
      if_memory([] { return std::string("the execution context was destroyed before the record was acknowledged"); });
  why.fate = known;
  batch_outcome outcome;
  outcome.failure = make_error(std::move(why));
  waiter_list waiting = complete(std::move(outcome));
  // Nobody is posted: who comes now need not queue up. Who queued up behind an answer on its way goes with it.
  waiter_list late = hand_out_rest();
  waiting.splice(waiting.end(), late);
  std::scoped_lock guard(lock_);
  handing_out_ = false;
  return waiting;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/redirection.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

// The ticket becomes that of the same record where it is now. Precondition: forwarded, and it has not ended here.
COKAFKA_DECL completion& completion::redirect(record_ticket& ticket) const noexcept {
  const std::uint32_t place = place_of(ticket.index);
  auto to = std::upper_bound(redirections_.begin(), redirections_.end(), place,
                             [](std::uint32_t at, const redirection& each) { return at < each.first; });
  --to;
  ticket.index = place - to->first + to->index;
  if (to->bytes != 0) ticket.bytes = to->bytes;
  return *to->target;
}

COKAFKA_DECL void completion::make_room_to_forward() {
  std::scoped_lock guard(lock_);
  redirections_.reserve(1);
}

COKAFKA_DECL waiter_list completion::forward(completion_ptr target, std::uint32_t index, std::uint32_t bytes) noexcept {
  waiter_list ready;
  std::scoped_lock guard(lock_);
  if (state_.load(std::memory_order_relaxed) != state::pending) return ready;
  redirections_.push_back({0, std::move(target), index, bytes});
  by_index_ = {};
  while (!waiters_.empty()) {
    auto& each = static_cast<record_waiter&>(waiters_.front());
    waiters_.pop_front();
    if (!redirect(each.ticket).attach(each)) ready.push_back(each);
  }
  // Should it fail, that will not be reported as unheard where this finds no memory.
  if (dropped_.count() > 0) if_memory([&] { redirections_.front().target->drop(index); });
  state_.store(state::forwarded, std::memory_order_release);
  return ready;
}

COKAFKA_DECL void completion::split(std::vector<redirection> pieces) noexcept {
  std::scoped_lock guard(lock_);
  assert(state_.load(std::memory_order_relaxed) == state::pending && !pieces.empty());
  redirections_ = std::move(pieces);
  by_index_ = {};
  while (!waiters_.empty()) {
    auto& each = static_cast<record_waiter&>(waiters_.front());
    waiters_.pop_front();
    completion& there = redirect(each.ticket);
    const std::scoped_lock its(there.lock_);
    there.link(each);  // nobody has ended it yet, or it would not wait
  }
  dropped_.for_each([this](std::uint32_t index) {
    record_ticket there;
    there.index = index;
    completion& target = redirect(there);
    if_memory([&] { target.drop(there.index); });
  });
  state_.store(state::forwarded, std::memory_order_release);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/system_environment.ipp

#include <boost/asio/append.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <random>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace system_io {

class system_timer final : public timer {
 public:
  explicit system_timer(asio::any_io_executor executor) : timer_(std::move(executor)) {}
  void wait_until(clock_time at, asio::any_completion_handler<void(error_code)> handler) override {
    timer_.expires_at(at);
    timer_.async_wait(std::move(handler));
  }
  void cancel() noexcept override { timer_.cancel(); }

 private:
  asio::steady_timer timer_;
};

class tcp_stream final : public stream {
 public:
  tcp_stream(asio::any_io_executor executor, const socket_options& options)
      : socket_(executor), resolver_(std::move(executor)), options_(options) {}
  explicit tcp_stream(asio::ip::tcp::socket accepted)
      : socket_(std::move(accepted)), resolver_(socket_.get_executor()) {
    apply_options();
  }
  ~tcp_stream() override { close(); }

  void connect(std::string host, std::uint16_t port, done_handler handler) override {
    error_code not_an_address;
    const auto address = asio::ip::make_address(host, not_an_address);
    if (!not_an_address) {  // no look-up, so no resolver thread
      candidates_ = {asio::ip::tcp::endpoint(address, port)};
      try_next(0, asio::error::host_not_found, std::move(handler));
      return;
    }
    auto executor = asio::get_associated_executor(handler, socket_.get_executor());
    look_up_ = std::make_shared<done_handler>(std::move(handler));
    resolver_.async_resolve(
        host, std::to_string(port),
        asio::bind_executor(executor, [this, waiting = look_up_](error_code failed,
                                                                 asio::ip::tcp::resolver::results_type found) {
          if (!*waiting) return;  // closed meanwhile, and this stream may have gone
          auto connected = std::exchange(*waiting, nullptr);
          look_up_.reset();
          if (failed) return std::move(connected)(failed);
          candidates_.assign(found.begin(), found.end());
          const auto first = options_.attempt % std::max<std::size_t>(candidates_.size(), 1);
          std::rotate(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(first), candidates_.end());
          try_next(0, asio::error::host_not_found, std::move(connected));
        }));
  }

  void read_some(asio::mutable_buffer into, size_handler handler) override {
    socket_.async_read_some(into, std::move(handler));
  }

  void write_all(std::span<const asio::const_buffer> from, size_handler handler) override {
    asio::async_write(socket_, gathered{from}, std::move(handler));
  }

  void close() noexcept override {
    closed_ = true;
    resolver_.cancel();
    // A look-up that hangs in the system's resolver cannot be interrupted, but nobody waits for it.
    if (look_up_ && *look_up_) {
      asio::post(socket_.get_executor(),
                 asio::append(std::exchange(*look_up_, nullptr), error_code(asio::error::operation_aborted)));
    }
    look_up_.reset();
    error_code ignored;
    socket_.close(ignored);
  }

  std::string remote() const override {
    error_code not_connected;
    const auto peer = socket_.remote_endpoint(not_connected);
    return not_connected ? std::string() : peer.address().to_string() + ":" + std::to_string(peer.port());
  }

 private:
  // A span is no buffer sequence for Asio; a pair of iterators that copies for nothing is.
  struct gathered {
    std::span<const asio::const_buffer> all;
    using value_type = asio::const_buffer;
    using const_iterator = const asio::const_buffer*;
    const_iterator begin() const noexcept { return all.data(); }
    const_iterator end() const noexcept { return all.data() + all.size(); }
  };

  void try_next(std::size_t index, error_code last, done_handler handler) {
    if (closed_) last = asio::error::operation_aborted;
    if (closed_ || index == candidates_.size()) {
      return asio::post(socket_.get_executor(), asio::append(std::move(handler), last));
    }
    error_code ignored;
    socket_.close(ignored);
    error_code failed;
    socket_.open(candidates_[index].protocol(), failed);
    if (failed) return try_next(index + 1, failed, std::move(handler));
    apply_options();
    auto executor = asio::get_associated_executor(handler, socket_.get_executor());
    socket_.async_connect(
        candidates_[index],
        asio::bind_executor(executor, [this, index, handler = std::move(handler)](error_code refused) mutable {
          if (!refused && !closed_) return std::move(handler)(refused);
          try_next(index + 1, refused, std::move(handler));
        }));
  }

  void apply_options() {
    error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    if (options_.send_buffer >= 0) {
      socket_.set_option(asio::socket_base::send_buffer_size(options_.send_buffer), ignored);
    }
    if (options_.receive_buffer >= 0) {
      socket_.set_option(asio::socket_base::receive_buffer_size(options_.receive_buffer), ignored);
    }
  }

  asio::ip::tcp::socket socket_;
  asio::ip::tcp::resolver resolver_;
  socket_options options_;
  std::vector<asio::ip::tcp::endpoint> candidates_;
  std::shared_ptr<done_handler> look_up_;  // while the name is looked up: who is told
  bool closed_ = false;
};

class tcp_listener final : public listener {
 public:
  tcp_listener(asio::any_io_executor executor, const asio::ip::tcp::endpoint& at)
      : acceptor_(std::move(executor), at) {}
  std::uint16_t port() const override { return acceptor_.local_endpoint().port(); }
  void accept(asio::any_io_executor executor, accept_handler handler) override {
    auto completes_on = asio::get_associated_executor(handler, acceptor_.get_executor());
    acceptor_.async_accept(
        executor, asio::bind_executor(completes_on, [handler = std::move(handler)](
                                                        error_code failed, asio::ip::tcp::socket accepted) mutable {
          std::unique_ptr<stream> made;
          if (!failed) made = std::make_unique<tcp_stream>(std::move(accepted));
          std::move(handler)(failed, std::move(made));
        }));
  }
  void close() noexcept override {
    error_code ignored;
    acceptor_.close(ignored);
  }

 private:
  asio::ip::tcp::acceptor acceptor_;
};

class machine final : public environment {
 public:
  machine() {
    std::random_device entropy;
    state_ = (std::uint64_t{entropy()} << 32) ^ entropy();
  }
  clock_time now() const noexcept override { return std::chrono::steady_clock::now(); }
  std::chrono::system_clock::time_point wall_now() const noexcept override { return std::chrono::system_clock::now(); }
  std::uint64_t random() override {
    std::scoped_lock guard(mutex_);
    return generator()();
  }
  std::unique_ptr<timer> make_timer(asio::any_io_executor executor) override {
    return std::make_unique<system_timer>(std::move(executor));
  }
  std::unique_ptr<stream> make_stream(asio::any_io_executor executor, const socket_options& options) override {
    return std::make_unique<tcp_stream>(std::move(executor), options);
  }
  std::unique_ptr<listener> listen(asio::any_io_executor executor, const std::string& host,
                                   std::uint16_t port) override {
    return std::make_unique<tcp_listener>(std::move(executor),
                                          asio::ip::tcp::endpoint(asio::ip::make_address(host), port));
  }

 private:
  std::mt19937_64& generator() {
    if (!seeded_) {
      generator_.seed(state_);
      seeded_ = true;
    }
    return generator_;
  }

  std::mutex mutex_;
  std::uint64_t state_ = 0;
  bool seeded_ = false;
  std::mt19937_64 generator_;
};

}  // namespace system_io

COKAFKA_DECL std::shared_ptr<environment> system_environment() {
  static const std::shared_ptr<environment> one = std::make_shared<system_io::machine>();
  return one;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/batch/batch_builder.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

namespace batch_encoding {

// Offsets in the header that other offsets are derived from.
inline constexpr std::size_t length_ends_at = 12;  // batchLength counts what follows it
inline constexpr std::size_t crc_covers_from = 21;

inline std::size_t nullable_size(const std::optional<bytes_view>& field) noexcept {
  if (!field) return 1;  // length -1
  return varint_size(static_cast<std::int64_t>(field->size())) + field->size();
}

inline std::size_t headers_size(std::span<const header_view> headers) noexcept {
  std::size_t size = varint_size(static_cast<std::int64_t>(headers.size()));
  for (const auto& each : headers) {
    size += varint_size(static_cast<std::int64_t>(each.key.size())) + each.key.size() + nullable_size(each.value);
  }
  return size;
}

inline char* put_bytes(char* at, const char* bytes, std::size_t size) noexcept {
  if (size != 0) std::memcpy(at, bytes, size);
  return at + size;
}

inline char* put_nullable(char* at, const std::optional<bytes_view>& field) noexcept {
  if (!field) return put_varint(at, -1);
  at = put_varint(at, static_cast<std::int64_t>(field->size()));
  return put_bytes(at, field->data(), field->size());
}

}  // namespace batch_encoding

COKAFKA_DECL std::size_t record_size_upper_bound(const record_view& record) noexcept {
  constexpr std::size_t overhead = 21;  // length, attributes, timestamp and offset deltas at their longest
  return batch_header_size + overhead + batch_encoding::nullable_size(record.key) +
         batch_encoding::nullable_size(record.value) + batch_encoding::headers_size(record.headers);
}

COKAFKA_DECL auto batch_builder::shape_of(const record_view& record, std::int64_t timestamp) const noexcept
    -> record_shape {
  const std::int64_t delta = count_ == 0 ? 0 : timestamp - base_timestamp_;
  const std::size_t body = 1 + varint_size(delta) + varint_size(count_) + batch_encoding::nullable_size(record.key) +
                           batch_encoding::nullable_size(record.value) + batch_encoding::headers_size(record.headers);
  return {body, varint_size(static_cast<std::int64_t>(body)) + body};
}

COKAFKA_DECL void batch_builder::add_chunks(chunk_chain&& added) noexcept {
  if (current_ == nullptr) current_ = added.head;
  chain_.splice(std::move(added));
}

COKAFKA_DECL std::uint32_t batch_builder::append(const record_view& record, std::int64_t timestamp,
                                                 record_shape shape) noexcept {
  assert(!sealed_ && shortfall(shape.total) == 0);
  if (count_ == 0) {
    base_timestamp_ = timestamp;
    max_timestamp_ = timestamp;
  }
  max_timestamp_ = std::max(max_timestamp_, timestamp);
  const std::int64_t delta = timestamp - base_timestamp_;
  if (current_->room() >= shape.total) {
    char* at = current_->data() + current_->size;
    at = put_varint(at, static_cast<std::int64_t>(shape.body));
    *at++ = 0;  // attributes of a record are unused
    at = put_varint(at, delta);
    at = put_varint(at, count_);
    at = batch_encoding::put_nullable(at, record.key);
    at = batch_encoding::put_nullable(at, record.value);
    at = put_varint(at, static_cast<std::int64_t>(record.headers.size()));
    for (const auto& each : record.headers) {
      at = put_varint(at, static_cast<std::int64_t>(each.key.size()));
      at = batch_encoding::put_bytes(at, each.key.data(), each.key.size());
      at = batch_encoding::put_nullable(at, each.value);
    }
    assert(at == current_->data() + current_->size + shape.total);
    current_->size += static_cast<std::uint32_t>(shape.total);
  } else {
    append_across(record, delta, shape);
  }
  body_size_ += shape.total;
  return count_++;
}

COKAFKA_DECL void batch_builder::put(const char* bytes, std::size_t size) noexcept {
  while (size > 0) {
    if (current_->room() == 0) current_ = current_->next;
    const std::size_t part = std::min(size, current_->room());
    std::memcpy(current_->data() + current_->size, bytes, part);
    current_->size += static_cast<std::uint32_t>(part);
    bytes += part;
    size -= part;
  }
}

COKAFKA_DECL void batch_builder::put_varint_across(std::int64_t value) noexcept {
  char encoded[10];
  put(encoded, static_cast<std::size_t>(put_varint(encoded, value) - encoded));
}

// The slow way for a record that does not fit in the current chunk: field by field, over as many chunks as it takes.
COKAFKA_DECL void batch_builder::append_across(const record_view& record, std::int64_t timestamp_delta,
                                               record_shape shape) noexcept {
  const auto put_nullable = [this](const std::optional<bytes_view>& field) {
    put_varint_across(field ? static_cast<std::int64_t>(field->size()) : -1);
    if (field) put(field->data(), field->size());
  };
  put_varint_across(static_cast<std::int64_t>(shape.body));
  put("\0", 1);
  put_varint_across(timestamp_delta);
  put_varint_across(count_);
  put_nullable(record.key);
  put_nullable(record.value);
  put_varint_across(static_cast<std::int64_t>(record.headers.size()));
  for (const auto& each : record.headers) {
    put_varint_across(static_cast<std::int64_t>(each.key.size()));
    put(each.key.data(), each.key.size());
    put_nullable(each.value);
  }
}

COKAFKA_DECL void batch_builder::seal() noexcept {
  assert(!sealed_ && count_ > 0);
  for (const chunk* each = chain_.head; each != nullptr && each->size > 0; each = each->next) {
    body_crc_ = crc32c(body_crc_, each->data(), each->size);
  }
  sealed_ = true;
}

COKAFKA_DECL void batch_builder::stamp(const batch_stamp& by) noexcept {
  assert(sealed_);
  using namespace batch_encoding;
  char* at = header_.data();
  at = put_big_endian<std::int64_t>(at, 0);                                                   // base offset
  at = put_big_endian<std::int32_t>(at, static_cast<std::int32_t>(size() - length_ends_at));  // batch length
  at = put_big_endian<std::int32_t>(at, -1);                                                  // partition leader epoch
  *at++ = 2;                                                                                  // magic
  char* const crc = at;
  at += 4;
  at = put_big_endian<std::int16_t>(at, 0);                                      // attributes
  at = put_big_endian<std::int32_t>(at, static_cast<std::int32_t>(count_ - 1));  // last offset delta
  at = put_big_endian<std::int64_t>(at, base_timestamp_);
  at = put_big_endian<std::int64_t>(at, max_timestamp_);
  at = put_big_endian<std::int64_t>(at, by.producer_id);
  at = put_big_endian<std::int16_t>(at, by.producer_epoch);
  at = put_big_endian<std::int32_t>(at, by.base_sequence);
  at = put_big_endian<std::int32_t>(at, static_cast<std::int32_t>(count_));
  const std::uint32_t header_crc = crc32c(0, header_.data() + crc_covers_from, batch_header_size - crc_covers_from);
  put_big_endian<std::uint32_t>(crc, crc32c_combine(header_crc, body_crc_, body_size_));
}

COKAFKA_DECL chunk_chain batch_builder::release_chunks() noexcept {
  current_ = nullptr;
  return std::exchange(chain_, chunk_chain{});
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/batch/batch_thinning.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

// Front to back in place: what is written is never longer than what was read, for offset deltas only shrink. The base
// timestamp stays, also when its record goes: a later one might need longer deltas. Brokers read the largest timestamp
// from the header, so that one is computed anew.
COKAFKA_DECL chunk_chain batch_builder::remove(const record_marks& gone) noexcept {
  assert(!sealed_ && gone.count_between(0, count_) < count_);
  chunk_reader from(chain_.head);
  chunk_writer to(chain_.head);
  std::uint32_t kept = 0;
  body_size_ = 0;
  max_timestamp_ = std::numeric_limits<std::int64_t>::min();
  for (std::uint32_t i = 0; i < count_; ++i) {
    const record_start record = read_record_start(from);
    if (gone.test(i)) {
      from.skip(record.rest);
      continue;
    }
    const std::size_t body = record.body - varint_size(record.offset_delta) + varint_size(kept);
    to.put_varint(static_cast<std::int64_t>(body));
    to.put({"\0", 1});
    to.put_varint(record.timestamp_delta);
    to.put_varint(kept);
    for (std::size_t left = record.rest; left > 0;) {
      const std::string_view part = from.part(left);
      to.put(part);
      left -= part.size();
    }
    body_size_ += varint_size(static_cast<std::int64_t>(body)) + body;
    max_timestamp_ = std::max(max_timestamp_, base_timestamp_ + record.timestamp_delta);
    ++kept;
  }
  count_ = kept;
  current_ = to.finish();
  chunk_chain spare;
  while (chunk* const next = current_->next) {
    current_->next = next->next;
    next->next = nullptr;
    chain_.capacity -= next->capacity;
    spare.push_back(next);
  }
  chain_.tail = current_;
  return spare;
}

COKAFKA_DECL auto batch_builder::shape_of_copy(std::size_t rest, std::int64_t timestamp) const noexcept
    -> record_shape {
  const std::int64_t delta = count_ == 0 ? 0 : timestamp - base_timestamp_;
  const std::size_t body = 1 + varint_size(delta) + varint_size(count_) + rest;
  return {body, varint_size(static_cast<std::int64_t>(body)) + body};
}

COKAFKA_DECL void batch_builder::append_copy(chunk_reader& from, std::size_t rest, std::int64_t timestamp,
                                             record_shape shape) noexcept {
  assert(!sealed_ && shortfall(shape.total) == 0);
  if (count_ == 0) {
    base_timestamp_ = timestamp;
    max_timestamp_ = timestamp;
  }
  max_timestamp_ = std::max(max_timestamp_, timestamp);
  put_varint_across(static_cast<std::int64_t>(shape.body));
  put("\0", 1);
  put_varint_across(timestamp - base_timestamp_);
  put_varint_across(count_);
  while (rest > 0) {
    const std::string_view part = from.part(rest);
    put(part.data(), part.size());
    rest -= part.size();
  }
  body_size_ += shape.total;
  ++count_;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/unheard.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

namespace unheard {

inline std::optional<bytes_view> view_of(const std::optional<std::string_view>& field) {
  if (!field) return std::nullopt;
  return bytes_view(*field);
}

}  // namespace unheard

COKAFKA_DECL unheard_cursor::unheard_cursor(unheard_records&& of)
    : all_(std::move(of)), walker_(all_.in ? all_.in->records.chunks() : nullptr) {}

COKAFKA_DECL bool unheard_cursor::has_next() const noexcept {
  return all_.in ? next_ < all_.indexes.size() : all_.refused != nullptr;
}

COKAFKA_DECL void unheard_cursor::show_next(const std::function<void(const error&, const record_view&)>& to) {
  if (all_.in) return show_from_batch(to);
  const std::shared_ptr<refused_record> shown = std::move(all_.refused);
  record_view record = shown->record.view();
  record.topic = all_.topic.str();
  record.timestamp = std::chrono::sys_time<std::chrono::milliseconds>{std::chrono::milliseconds{shown->timestamp}};
  to(all_.why, record);
}

COKAFKA_DECL void unheard_cursor::show_from_batch(const std::function<void(const error&, const record_view&)>& to) {
  const std::uint32_t wanted = all_.indexes[next_++];
  for (; at_ < wanted; ++at_) {
    if (all_.in->thinned && all_.in->done->removed->test(at_)) continue;
    walker_.next();
    walker_.skip();
  }
  ++at_;
  std::string bytes;
  walker_.next();
  bytes.reserve(walker_.size());
  walker_.copy(bytes);
  wire::reader in(bytes);
  record_entry read;
  if (read_record(in, all_.in->records.base_timestamp(), read) != batch_error::none) return;  // never: we wrote it
  std::vector<header_view> headers;
  headers.reserve(read.headers.size());
  for (const auto& each : read.headers) {
    header_view one;
    one.key = each.key;
    one.value = unheard::view_of(each.value);
    headers.push_back(one);
  }
  record_view record;
  record.topic = all_.topic.str();
  record.partition = all_.partition;
  record.key = unheard::view_of(read.key);
  record.value = unheard::view_of(read.value);
  record.headers = headers;
  record.timestamp = std::chrono::sys_time<std::chrono::milliseconds>{std::chrono::milliseconds{read.timestamp}};
  to(all_.why, record);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/ledger.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

namespace ledger {

inline verdict divided(verdict said, verdict_action action) noexcept {
  said.action = action;
  said.known = fate::not_written;
  return said;
}

}  // namespace ledger

COKAFKA_DECL verdict judge(const attempt_facts& facts) noexcept {
  verdict said;
  if (facts.acknowledged_before) {
    said.action = verdict_action::complete;
    said.known = fate::written;
    said.refresh_metadata = !facts.code || has(classify(*facts.code), error_class::refreshes);
    return said;
  }
  bool wants_retry = false;
  if (!facts.code) {
    said.refresh_metadata = true;
    wants_retry = facts.acknowledged;
  } else {
    const broker_errc code = *facts.code;
    // A broker that finds the sequence too high holds state, and for that reason took no earlier attempt either.
    const bool gap_shown = facts.behind_gap && code == broker_errc::out_of_order_sequence_number;
    const bool all_answered = !facts.earlier_unknown || gap_shown;
    const fate answered = fate_of_answer(code, all_answered);
    if (answered == fate::written) {
      said.action = verdict_action::complete;
      said.known = fate::written;
      said.has_offset = code == broker_errc::none;
      return said;
    }
    // Without acks=all an error may follow the append only where the closed list does not exclude it: the same table.
    said.proven_absent = answered == fate::not_written && all_answered;
    said.refresh_metadata = has(classify(code), error_class::refreshes);
    wants_retry = has(classify(code), error_class::retriable);
    const bool is_too_large = code == broker_errc::message_too_large || code == broker_errc::record_list_too_large;
    if (is_too_large && facts.divisible) {
      // While another attempt may be in the log its bytes must not change: whole, until it is due.
      if (facts.earlier_unknown) wants_retry = true;
      if (said.proven_absent && !facts.expired) return ledger::divided(said, verdict_action::split);
    }
    if (facts.names_culprits && said.proven_absent && !facts.expired) {
      said.new_epoch = facts.idempotent;  // those that fail leave a gap in the sequence
      return ledger::divided(said, verdict_action::exclude);
    }
    if (code == broker_errc::out_of_order_sequence_number && facts.idempotent) {
      wants_retry = true;
      // At the head of the line on its first attempt: what was acknowledged before it is gone (rule 8).
      said.data_lost = said.proven_absent && !facts.predecessor_missing && !facts.behind_gap;
      said.new_epoch = said.data_lost;
    }
  }
  said.known = said.proven_absent ? fate::not_written : fate::maybe_written;
  const bool may_retry = wants_retry && !facts.expired && facts.attempts <= facts.retries;
  said.action = may_retry ? verdict_action::retry : verdict_action::fail;
  said.goes_again = !may_retry && facts.holds_up && !said.proven_absent;
  // A batch that leaves the line unwritten takes its sequence numbers with it; those behind it need a new epoch.
  if (!may_retry && !said.goes_again && facts.idempotent) said.new_epoch = true;
  return said;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/partition_answers.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

namespace line {

// Every record's offset must be a number; what a broken broker says besides is not passed on.
inline bool has_offsets(const broker_answer& said, const batch& written) noexcept {
  const auto last_possible = std::numeric_limits<std::int64_t>::max() - std::int64_t{written.records.count()};
  return said.base_offset >= 0 && said.base_offset <= last_possible;
}

}  // namespace line

// --- the owner: answers ----------------------------------------------------------------------------------------------

COKAFKA_DECL bool partition_queue::is_predecessor_missing(const batch& of) const noexcept {
  if (new_epoch_) return true;
  return std::any_of(retry_.begin(), retry_.end(), [&](const batch_ptr& waiting) { return is_behind(of, *waiting); });
}

// What was sent behind a batch that was never appended and will never be under its stamp (guarantee.md, rule 6). Only a
// broker that holds no state would take it.
COKAFKA_DECL void partition_queue::leave_gap(const batch& failed) noexcept {
  if (!state_shown_at_) return;
  for_each_sent([&](batch& each) { each.behind_gap = each.behind_gap || is_behind(each, failed); });
}

// A broker has taken it: no gap before it keeps others out.
COKAFKA_DECL void partition_queue::close_gap(batch& taken) noexcept {
  if (!std::exchange(taken.behind_gap, false)) return;
  for_each_sent([&](batch& each) { each.behind_gap = each.behind_gap && !is_behind(each, taken); });
}

// A batch behind it may have been written under its stamp: such a one keeps that stamp (rule 6), and so no leader takes
// it before this one, whether this one's deliveries still wait or not.
COKAFKA_DECL bool partition_queue::holds_up(const batch& of) const noexcept {
  if (!settings_.idempotent || !of.stamp) return false;
  const auto waits_for_it = [&](const batch_ptr& other) { return !other->finished && is_behind(*other, of); };
  return std::any_of(in_flight_.begin(), in_flight_.end(), waits_for_it) ||
         std::any_of(retry_.begin(), retry_.end(), [&](auto& each) { return each->unknown && waits_for_it(each); });
}

// Told batches that wait for another attempt for the sake of those behind them, when there are none any more.
COKAFKA_DECL void partition_queue::drop_told() {
  const auto is_idle = [this](const batch_ptr& each) { return each->finished && !holds_up(*each); };
  for (auto idle = retry_.begin(); (idle = std::find_if(retry_.begin(), retry_.end(), is_idle)) != retry_.end();) {
    retry_.erase(idle);
    new_epoch_ = true;
  }
}

// Told batches that were kept for this one, which is in the log: nothing is missing before it any more. What is proven
// absent and stood behind them has to follow under another epoch.
COKAFKA_DECL void partition_queue::drop_told_before(const batch& written) {
  if (!settings_.idempotent) return;
  const auto is_before = [&](const batch_ptr& each) { return is_behind(written, *each); };
  std::erase_if(retry_, [&](const batch_ptr& each) { return each->finished && is_before(each); });
  new_epoch_ = new_epoch_ || std::any_of(retry_.begin(), retry_.end(),
                                         [&](const batch_ptr& each) { return !each->unknown && is_before(each); });
}

// The batch that stands alone takes its place.
COKAFKA_DECL void partition_queue::back_to_retry_line(batch_line& alone) noexcept {
  const batch& sent = *alone.front();
  if (!settings_.idempotent) {
    // Those that wait may be pieces of the same batch: with one request in flight they keep their order (rule 11).
    return retry_.splice(settings_.partition_window == 1 ? retry_.begin() : retry_.end(), alone);
  }
  // Those without a stamp wait for one of the new epoch, which is behind all that have one.
  const auto behind = std::find_if(retry_.begin(), retry_.end(), [&](const batch_ptr& waiting) {
    return !waiting->stamp || is_behind(*waiting, sent);
  });
  retry_.splice(behind, alone);
}

COKAFKA_DECL void partition_queue::wait_for_retry(batch_line& alone, const answer& said, clock_time now) noexcept {
  batch& sent = *alone.front();
  sent.gives_way = sent.finished && said.code;
  if (!sent.finished) for_each_sent([](batch& each) { each.gives_way = false; });  // all had their turn
  backoff_until_ = now + said.backoff;
  back_to_retry_line(alone);
}

// It stands alone, and goes with what is returned unless that is put into another line.
COKAFKA_DECL batch_line partition_queue::out_of_flight(const batch& sent) noexcept {
  const auto found =
      std::find_if(in_flight_.begin(), in_flight_.end(), [&](auto& each) { return each.get() == &sent; });
  assert(found != in_flight_.end());
  batch_line alone;
  alone.splice(alone.end(), in_flight_, found);
  return alone;
}

COKAFKA_DECL attempt_facts partition_queue::facts_of(const batch& sent, const answer& said) const noexcept {
  attempt_facts facts;
  facts.code = said.code;
  facts.idempotent = settings_.idempotent;
  facts.acknowledged = settings_.acks != 0;
  facts.earlier_unknown = sent.unknown;
  facts.predecessor_missing = settings_.idempotent && is_predecessor_missing(sent);
  facts.behind_gap = sent.behind_gap;
  facts.holds_up = holds_up(sent);
  facts.expired = sent.finished && !facts.holds_up;
  facts.acknowledged_before = sent.acknowledged;
  facts.divisible = !sent.finished && sent.records.count() > 1;
  facts.names_culprits = !sent.finished && !said.culprits.empty() && said.culprits.size() < sent.records.count();
  facts.attempts = sent.attempts;
  facts.retries = static_cast<std::uint32_t>(settings_.user.retries);
  return facts;
}

COKAFKA_DECL verdict partition_queue::answered(batch& sent, const answer& said, clock_time now, effects& out) noexcept {
  batch_line alone = out_of_flight(sent);
  const batch_ptr kept = alone.front();
  verdict judged = judge(facts_of(sent, said));
  if (judged.action == verdict_action::complete) {
    confirm(sent, said, judged, now, out);
    return judged;
  }
  std::optional<division> parts = divided_as(judged, sent, said, now, out);  // may change the verdict
  window_open_ = false;
  new_epoch_ = new_epoch_ || judged.new_epoch;
  out.refresh_metadata = out.refresh_metadata || judged.refresh_metadata;
  sent.last_cause = said.code ? make_error_code(*said.code) : said.cause;
  sent.unknown = !judged.proven_absent;
  if (said.code && tells_append(*said.code)) close_gap(sent);
  const bool leaves = judged.action == verdict_action::fail || judged.action == verdict_action::exclude;
  if (leaves && judged.proven_absent && settings_.idempotent) leave_gap(sent);
  if (judged.data_lost) note_vanished("the broker has an older sequence than the last acknowledged", out);
  if (parts) {
    go_on_as(sent, *std::move(parts), out);
  } else if (judged.action == verdict_action::retry) {
    wait_for_retry(alone, said, now);
  } else {
    error_details why;
    why.code = said.code ? make_error_code(*said.code) : said.cause;
    why.message = if_memory([&] { return said.message; });
    why.fate = judged.known;
    why.broker = said.broker;
    why.cause = said.cause;
    fail(sent, std::move(why), now, out);
    if (judged.goes_again) wait_for_retry(alone, said, now);
  }
  drop_told();
  return judged;
}

// It is in the log.
COKAFKA_DECL void partition_queue::confirm(batch& written, const answer& said, const verdict& judged, clock_time now,
                                           effects& out) noexcept {
  // Here, not by a former leader.
  const bool is_confirmed = said.code && fate_of_answer(*said.code, false) == fate::written;
  if (is_confirmed) drop_told_before(written);
  window_open_ = is_confirmed && !new_epoch_ && retry_.empty();
  if (window_open_ || (is_confirmed && state_shown_at_)) state_shown_at_ = now;
  note_offset(written, said, out);
  close_gap(written);
  if (is_confirmed && retry_.empty()) backoff_until_ = {};
  out.refresh_metadata = out.refresh_metadata || judged.refresh_metadata;
  finish(written, outcome_of(written, said, judged), out);
  drop_told();
}

// Rule 8: a first copy belongs behind all that was acknowledged before it. A duplicate has the first copy's offset.
COKAFKA_DECL void partition_queue::note_offset(const batch& written, const answer& said, effects& out) noexcept {
  if (said.code != broker_errc::none || !line::has_offsets(said, written) || written.unknown) return;
  if (said.base_offset <= last_offset_) note_vanished("a new batch has the offset of an acknowledged one", out);
  last_offset_ = said.base_offset + std::int64_t{written.records.count()} - 1;
}

// Once for each loss: what comes next is not held against what is gone.
COKAFKA_DECL void partition_queue::note_vanished(const char* why, effects& out) noexcept {
  last_offset_ = -1;
  ++out.counted.vanished_logs;
  if_memory([&] {
    out.say(log_level::error, "acknowledged records have vanished from " + std::string(called().str()) + "-" +
                                  std::to_string(index_) + ": " + why);
  });
}

COKAFKA_DECL batch_outcome partition_queue::outcome_of(const batch& written, const answer& said,
                                                       const verdict& judged) {
  batch_outcome outcome;
  if (judged.has_offset && line::has_offsets(said, written)) outcome.base_offset = said.base_offset;
  if (said.code != broker_errc::none) return outcome;
  // Brokers answer a duplicate with the first copy's largest timestamp, also where the topic keeps the producer's
  // times. Where the topic is known to stamp records itself, that largest timestamp is the stamp.
  const bool may_be_largest = written.unknown && said.log_append_time == written.records.max_timestamp();
  if (!may_be_largest) shared_.stamps_records.store(said.log_append_time >= 0, std::memory_order_relaxed);
  const bool is_stamp = !may_be_largest || shared_.stamps_records.load(std::memory_order_relaxed);
  if (said.log_append_time >= 0 && is_stamp) outcome.log_append_time = said.log_append_time;
  return outcome;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/partition_endings.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

// --- the owner: another leader ---------------------------------------------------------------------------------------

COKAFKA_DECL bool partition_queue::leave_leader() noexcept {
  if (!settings_.idempotent && !in_flight_.empty()) return false;
  window_open_ = false;
  backoff_until_ = {};
  batch_line unanswered;
  unanswered.swap(in_flight_);
  for (auto& each : unanswered) each->unknown = true;
  while (!unanswered.empty()) {
    batch_line alone;
    alone.splice(alone.end(), unanswered, std::prev(unanswered.end()));
    const batch& last = *alone.front();
    if (!last.finished || (!last.acknowledged && holds_up(last))) {
      back_to_retry_line(alone);
    } else if (!last.acknowledged) {
      new_epoch_ = true;  // it has fallen due, and its sequence stays unresolved (rule 9)
    }
  }
  return true;
}

// With acks=all it is in the log of every leader to come. Of a refusal nothing follows: the batch has been sent again.
COKAFKA_DECL void partition_queue::acknowledged_late(batch& written, const answer& said, effects& out) noexcept {
  attempt_facts facts;
  facts.code = said.code;
  facts.earlier_unknown = true;
  const verdict judged = judge(facts);
  if (judged.action != verdict_action::complete) return;
  written.acknowledged = true;
  close_gap(written);
  const auto waiting = std::find_if(retry_.begin(), retry_.end(), [&](auto& each) { return each.get() == &written; });
  const batch_ptr kept = waiting != retry_.end() ? *waiting : nullptr;
  if (kept) retry_.erase(waiting);
  finish(written, outcome_of(written, said, judged), out);
  drop_told_before(written);
  drop_told();
}

COKAFKA_DECL void partition_queue::written_unacknowledged(batch& sent, effects& out) noexcept {
  const batch_line alone = out_of_flight(sent);
  finish(sent, batch_outcome{}, out);
}

// --- the owner: endings ----------------------------------------------------------------------------------------------

COKAFKA_DECL void partition_queue::finish(batch& ended, batch_outcome outcome, effects& out) noexcept {
  if (ended.finished) return;
  ended.finished = true;
  (outcome.failure ? out.counted.records_failed : out.counted.records_written) += ended.live();
  {
    std::scoped_lock guard(lock_);
    outstanding_.records -= ended.live();
    outstanding_.bytes -= ended.live_bytes();
  }
  const std::optional<error> failure = outcome.failure;
  const record_range all{0, ended.appended()};
  const failed_count count{ended.live(), ended.done->use_count() - 1};
  out.complete(*ended.done, std::move(outcome));
  if (failure) note_unheard(ended, *failure, {&all, 1}, count, false, out);
  out.end_flushes(flushes_.leave(ended.generation));
}

COKAFKA_DECL void partition_queue::fail(batch& ended, error_details why, clock_time now, effects& out) noexcept {
  why.attempts = ended.attempts;
  why.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - ended.created);
  if (!why.cause) why.cause = ended.last_cause;
  batch_outcome outcome;
  outcome.failure = make_error(std::move(why));
  finish(ended, std::move(outcome), out);
}

COKAFKA_DECL std::optional<clock_time> partition_queue::earliest_deadline() {
  std::optional<clock_time> earliest;
  const auto consider = [&](const batch_line& batches) {
    for (const auto& each : batches) {
      if (!each->finished && each->deadline() < earliest.value_or(record_deadlines::never)) earliest = each->deadline();
    }
  };
  consider(retry_);
  consider(in_flight_);
  std::scoped_lock guard(lock_);
  consider(pending_);
  if (earliest) *earliest = std::max(*earliest, short_until_);
  return earliest;
}

COKAFKA_DECL void partition_queue::fail_all(const error_details& why, clock_time now, effects& out) noexcept {
  {
    std::scoped_lock guard(lock_);
    closed_ = true;
  }
  fail_queued(why, now, out);
}

COKAFKA_DECL void partition_queue::fail_queued(const error_details& why, clock_time now, effects& out) noexcept {
  const auto fail_one = [&](batch& each, bool maybe) {
    error_details its = copied(why);
    its.fate = maybe ? fate::maybe_written : fate::not_written;
    fail(each, std::move(its), now, out);
  };
  for_each_written([&](batch_line::iterator at, bool in_flight) { fail_one(**at, in_flight || (*at)->unknown); });
  if (!retry_.empty() && settings_.idempotent) new_epoch_ = true;
  retry_.clear();
  batch_line unsent;
  {
    std::scoped_lock guard(lock_);
    unsent.swap(pending_);
  }
  for (auto& each : unsent) fail_one(*each, false);
}

COKAFKA_DECL void partition_queue::fail_unsent(const error_details& why, clock_time now, effects& out) noexcept {
  assert(needs_identity() && in_flight_.empty());
  batch_line unsent;
  unsent.swap(retry_);  // without a stamp: an epoch has ended, which takes proof that none of them is in the log
  {
    std::scoped_lock guard(lock_);
    unsent.splice(unsent.end(), pending_);
  }
  for (auto& each : unsent) {
    error_details its = copied(why);
    its.fate = each->unknown ? fate::maybe_written : fate::not_written;
    fail(*each, std::move(its), now, out);
  }
}

// The batches go too: they give their memory back to owners, which are destroyed before the partitions.
COKAFKA_DECL void partition_queue::abandon(waiter_list& out) noexcept {
  batch_line unsent;
  {
    std::scoped_lock guard(lock_);
    closed_ = true;
    unsent.swap(pending_);
  }
  const auto collect = [&](batch_line& batches, bool in_flight) {
    for (auto& each : batches) {
      waiter_list waiting = each->done->abandon(in_flight || each->unknown ? fate::maybe_written : fate::not_written);
      out.splice(out.end(), waiting);
    }
    batches.clear();
  };
  collect(retry_, false);
  collect(in_flight_, true);
  collect(unsent, false);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/partition_queue.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL partition_queue::partition_queue(const settings& rules, buffer_memory& memory, flush_tracker& flushes,
                                              topic& of, topic_facts& shared, std::int32_t index)
    : expiry(static_cast<int>(deadline_kind::partition_expiry), this),
      wake_at(static_cast<int>(deadline_kind::partition_wake), this),
      settings_(rules),
      memory_(memory),
      flushes_(flushes),
      topic_(of),
      shared_(shared),
      index_(index),
      batch_limit_(rules.batch_limit),
      next_sequence_(rules.first_sequence) {}

// --- senders ---------------------------------------------------------------------------------------------------------

COKAFKA_DECL batch* partition_queue::open_batch(clock_time due, clock_time now, std::size_t record_bytes) noexcept {
  if (pending_.empty()) return nullptr;
  batch& last = *pending_.back();
  if (batch_limit_ != settings_.batch_limit && now >= limited_until_) batch_limit_ = settings_.batch_limit;
  const bool fits = last.records.size() + record_bytes <= batch_limit_;
  const bool lists =
      last.deadlines.takes(due, last.records.size() - batch_header_size) && last.list_fits(record_bytes, due);
  return fits && lists ? &last : nullptr;
}

COKAFKA_DECL batch_ptr partition_queue::make_batch(clock_time sent_at) {
  partition_owner* waits_for = owner.load(std::memory_order_acquire);
  completion_ptr done(new completion(called(), index_, this));
  batch_ptr made(new batch(memory_, waits_for != nullptr ? &waits_for->share : nullptr, std::move(done)));
  made->done->notes_dropped = settings_.reports_failures();
  made->created = sent_at;
  return made;
}

COKAFKA_DECL append_outcome partition_queue::append(const record_view& record, std::int64_t timestamp,
                                                    clock_time sent_at, clock_duration timeout) {
  std::scoped_lock guard(lock_);
  if (flushes_.is_closed()) return {.state = append_outcome::status::closed};
  return append_locked(record, timestamp, sent_at, timeout, std::nullopt);
}

COKAFKA_DECL append_outcome partition_queue::append_parked(const record_view& record, std::int64_t timestamp,
                                                           clock_time sent_at, clock_duration timeout,
                                                           flush_tracker::generation counted) {
  std::scoped_lock guard(lock_);
  return append_locked(record, timestamp, sent_at, timeout, counted);
}

COKAFKA_DECL append_outcome partition_queue::append_locked(const record_view& record, std::int64_t timestamp,
                                                           clock_time sent_at, clock_duration timeout,
                                                           std::optional<flush_tracker::generation> counted) {
  append_outcome out;
  if (closed_) {
    out.state = append_outcome::status::closed;
    return out;
  }
  const clock_time due = sent_at + timeout;
  // A new batch's first record has deltas of zero, so its shape there is no larger than here.
  batch* into = pending_.empty() ? nullptr : pending_.back().get();
  batch_builder::record_shape shape = into ? into->records.shape_of(record, timestamp) : batch_builder::record_shape{};
  if (into != nullptr) into = open_batch(due, sent_at, shape.total);
  batch_ptr fresh;
  if (into == nullptr) {
    fresh = make_batch(sent_at);
    into = fresh.get();
    shape = into->records.shape_of(record, timestamp);
  }
  switch (into->make_room(shape.total, due)) {
    case buffer_memory::outcome::taken: break;
    case buffer_memory::outcome::exhausted: out.state = append_outcome::status::no_memory; return out;
    case buffer_memory::outcome::over_share: out.state = append_outcome::status::over_share; return out;
  }
  const std::size_t before = into->records.size();
  out.index = into->records.append(record, timestamp, shape);
  out.state = append_outcome::status::appended;
  out.bytes = shape.total;
  out.new_batch = fresh != nullptr;
  const bool earlier = into->deadlines.add(out.index, before - batch_header_size, due);
  if (fresh) {
    pending_.push_back(fresh);
    try {
      fresh->generation = counted ? *counted : flushes_.enter();
    } catch (...) {
      pending_.pop_back();
      throw;
    }
  } else if (counted) {
    into->generation = flushes_.merge(*counted, into->generation);
  }
  outstanding_.records += 1;
  outstanding_.bytes += shape.total;
  out.done = into->done;
  out.wake =
      out.new_batch || earlier || (before < settings_.batch_size && into->records.size() >= settings_.batch_size);
  return out;
}

COKAFKA_DECL auto partition_queue::outstanding() -> outstanding_count {
  std::scoped_lock guard(lock_);
  return outstanding_;
}

// A broker forgets a producer id that it has not heard of for long (producer.id.expiration.ms, a day by default); then
// rule 4 begins again. Far less costs nothing: one batch that goes alone after such a pause.
constexpr clock_duration state_trusted_for = std::chrono::minutes(1);

// --- the owner: when and what to send --------------------------------------------------------------------------------

COKAFKA_DECL std::size_t partition_queue::window() const noexcept {
  if (settings_.idempotent && !window_open_) return 1;
  return static_cast<std::size_t>(settings_.partition_window);
}

COKAFKA_DECL bool partition_queue::has_pending() {
  if (!retry_.empty()) return true;
  std::scoped_lock guard(lock_);
  return !pending_.empty();
}

COKAFKA_DECL readiness partition_queue::look(clock_time now, drain_conditions conditions) {
  using state = readiness::state;
  const bool retrying = !retry_.empty();
  readiness seen{state::ready, {}};
  if (!retrying) {
    std::scoped_lock guard(lock_);
    if (pending_.empty()) return {state::empty, {}};
    const batch& first = *pending_.front();
    const clock_time lingered = first.created + settings_.user.linger;
    const bool full = pending_.size() > 1 || first.records.size() >= settings_.batch_size;
    if (!full && !conditions.at_once && lingered > now) seen = {state::lingering, lingered};
  }
  if (state_shown_at_ && now - *state_shown_at_ > state_trusted_for) {
    window_open_ = false;
    state_shown_at_.reset();
  }
  const bool alone = settings_.idempotent && (retrying || new_epoch_);
  if (in_flight_.size() >= (alone ? 1 : window())) return {state::blocked, {}};
  if (backoff_until_ > now) return {state::backing_off, backoff_until_};
  return seen;
}

COKAFKA_DECL std::size_t partition_queue::next_size() {
  if (!retry_.empty()) return (*next_retry())->records.size();
  std::scoped_lock guard(lock_);
  return pending_.empty() ? 0 : pending_.front()->records.size();
}

// The first. Two have to let others pass: a told batch that was refused gives way to the one behind it, in turns, for
// that one may be in the log already. And where the first only waits for the epoch to end, which its sequence is out of
// order in, it is the turn of those that the end of the epoch waits for: a broker without state would take it, and it
// would stand before the first.
COKAFKA_DECL batch_line::iterator partition_queue::next_retry() noexcept {
  const auto turn = std::find_if(retry_.begin(), retry_.end(), [](const batch_ptr& each) { return !each->gives_way; });
  if (turn != retry_.begin() && turn != retry_.end()) return turn;
  const batch& first = *retry_.front();
  const bool is_out_of_order = first.last_cause == broker_errc::out_of_order_sequence_number;
  if (!new_epoch_ || !state_shown_at_ || first.unknown || !is_out_of_order) return retry_.begin();
  const auto held = std::find_if(retry_.begin(), retry_.end(), [](const batch_ptr& each) { return each->unknown; });
  return held == retry_.end() ? retry_.begin() : held;
}

COKAFKA_DECL void partition_queue::begin_anew() noexcept {
  last_offset_ = -1;
  window_open_ = false;
  state_shown_at_.reset();
  backoff_until_ = {};
  if (identity_) new_epoch_ = true;
  for_each_sent([](batch& each) { each.behind_gap = false; });
}

COKAFKA_DECL batch_ptr partition_queue::take(const std::optional<producer_identity>& latest, std::size_t at_most) {
  if (settings_.idempotent) {
    settle_epoch(latest);
    if (!identity_) return nullptr;
  }
  batch_line alone;
  if (!retry_.empty()) {
    const auto next = next_retry();
    if ((*next)->records.size() > at_most) return nullptr;
    alone.splice(alone.end(), retry_, next);
  } else {
    std::scoped_lock guard(lock_);
    // Senders may have made it larger since next_size() was asked.
    if (pending_.empty() || pending_.front()->records.size() > at_most) return nullptr;
    if (auto& removed = pending_.front()->done->removed) removed->finish();  // may find no memory
    alone.splice(alone.end(), pending_, pending_.begin());
  }
  batch& taken = *alone.front();
  if (!taken.records.is_sealed()) {
    if (taken.done->removed && taken.done->removed->count() > 0) thin(taken);
    taken.records.seal();
    if (taken.stamp) taken.records.stamp(*taken.stamp);  // a piece of a batch that was split
  }
  if (!taken.stamp) stamp(taken);
  ++taken.attempts;
  in_flight_.splice(in_flight_.end(), alone);
  return &taken;
}

// Rule 1: the stamp is given in queue order, when the request goes to the socket.
COKAFKA_DECL void partition_queue::stamp(batch& sent) {
  batch_stamp by;
  if (settings_.idempotent) {
    by = {identity_->id, identity_->epoch, next_sequence_};
    next_sequence_ = advance_sequence(next_sequence_, static_cast<std::int32_t>(sent.records.count()));
  }
  sent.stamp = by;
  sent.records.stamp(by);
}

// Rules 6 and 7: a new epoch starts with nothing in flight, and only when no batch that waits for its retry may be in
// the log; those that are proven absent get new sequences, in their old order.
COKAFKA_DECL void partition_queue::settle_epoch(const std::optional<producer_identity>& latest) {
  if (new_epoch_ && in_flight_.empty() && identity_ &&
      std::none_of(retry_.begin(), retry_.end(), [](const batch_ptr& each) { return each->unknown; })) {
    new_epoch_ = false;
    window_open_ = false;
    state_shown_at_.reset();
    next_sequence_ = 0;
    for (auto& each : retry_) {
      each->stamp.reset();
      each->behind_gap = false;
    }
    if (identity_->epoch < std::numeric_limits<std::int16_t>::max()) {
      ++identity_->epoch;
    } else {
      used_up_id_ = identity_->id;
      identity_.reset();
    }
  }
  if (!identity_ && latest && latest->id != used_up_id_) identity_ = latest;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/partition_unheard.ipp

#include <numeric>

namespace cokafka::inline COKAFKA_ABI::detail {

// The records have just failed. Without somebody who wants them reported no delivery notes that it is dropped, and only
// those are counted that must be more than the batch has deliveries and waiters. An open batch may move its bytes
// before the report is made: what it loses is copied, into memory that is charged like its own.
COKAFKA_DECL void partition_queue::note_unheard(batch& of, const error& why, std::span<const record_range> which,
                                                failed_count count, bool is_open, effects& out) noexcept {
  if (of.done->notes_dropped) return if_memory([&] { note_dropped(of, why, which, is_open, out); });
  if (of.done->is_piece) return;  // who holds them is not known here
  out.note_unheard(count.records - std::min(count.records, count.holders), why, called(), index_);
}

COKAFKA_DECL void partition_queue::note_dropped(batch& of, const error& why, std::span<const record_range> which,
                                                bool is_open, effects& out) {
  unheard_records told;
  for (const record_range& each : which) {
    const std::vector<std::uint32_t> dropped = of.done->take_dropped(each.first, each.end);
    told.indexes.insert(told.indexes.end(), dropped.begin(), dropped.end());
  }
  if (told.indexes.empty()) return;
  out.note_unheard(told.indexes.size(), why, called(), index_);
  told.why = why;
  told.topic = called();
  told.partition = index_;
  told.in.reset(&of);
  if (is_open) {
    told.in = copy_of(of, told.indexes);
    told.indexes.resize(told.in->records.count());  // fewer where the budget is used up
    std::iota(told.indexes.begin(), told.indexes.end(), 0U);
  }
  out.unheard.push_back(std::move(told));
}

COKAFKA_DECL batch_ptr partition_queue::copy_of(batch& of, const std::vector<std::uint32_t>& indexes) {
  batch_ptr copy(new batch(memory_, nullptr, nullptr));
  unheard_records read;
  read.in.reset(&of);
  read.indexes = indexes;
  unheard_cursor from(std::move(read));
  bool fits = true;
  while (fits && from.has_next()) {
    from.show_next([&](const error&, const record_view& record) {
      const std::int64_t timestamp = record.timestamp->time_since_epoch().count();
      const auto shape = copy->records.shape_of(record, timestamp);
      if (const std::size_t wanted = copy->records.shortfall(shape.total); wanted > 0) {
        chunk_chain taken;
        fits = memory_.take(copy->records.chunk_capacity(), wanted, nullptr, taken) == buffer_memory::outcome::taken;
        if (!fits) return;
        copy->records.add_chunks(std::move(taken));
      }
      copy->records.append(record, timestamp, shape);
    });
  }
  return copy;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/splitting.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

namespace splitting {

// Walks the records of a sealed batch with the indexes they had when they were appended.
class original_indexes {
 public:
  explicit original_indexes(const batch& of) : removed_(of.done->removed.get()) { skip_removed(); }
  std::uint32_t next() noexcept {
    const std::uint32_t found = at_++;
    skip_removed();
    return found;
  }

 private:
  void skip_removed() noexcept {
    while (removed_ != nullptr && removed_->test(at_)) ++at_;
  }
  const record_marks* removed_;
  std::uint32_t at_ = 0;
};

// Which records have been answered already, though their bytes are still in the batch.
class answered_before {
 public:
  explicit answered_before(const completion& of) {
    of.for_each_ended([this](std::uint32_t first, std::uint32_t end) { all_.emplace_back(first, end); });
  }
  bool contains(std::uint32_t index) const noexcept {
    const auto behind = std::upper_bound(all_.begin(), all_.end(), index,
                                         [](std::uint32_t at, const auto& each) { return at < each.first; });
    return behind != all_.begin() && index < std::prev(behind)->second;
  }

 private:
  std::vector<std::pair<std::uint32_t, std::uint32_t>> all_;  // in order
};

// Of a piece: records that were answered while the batch was whole. Their deliveries never ask the piece, but it may be
// divided itself.
class told_records {
 public:
  void add(batch& piece, std::uint32_t index, std::size_t bytes) {
    ++piece.ended;
    piece.ended_bytes += bytes;
    if (!all_.empty() && all_.back().end == index) {
      ++all_.back().end;
    } else {
      all_.push_back({index, index + 1});
    }
  }
  void note_in(batch& piece) {
    piece.done->end_some(all_, {});
    all_.clear();
  }

 private:
  std::vector<record_range> all_;
};

}  // namespace splitting

// New batches with the records of `whole`, in order, in pieces of at most `at_most` bytes (or one record), and where
// its deliveries find them. Changes nothing yet.
COKAFKA_DECL auto partition_queue::divide(batch& whole, std::size_t at_most,
                                          const std::vector<broker_answer::culprit>& without) -> division {
  division made;
  auto& [pieces, redirections] = made;
  splitting::original_indexes indexes(whole);
  const splitting::answered_before answered(*whole.done);
  splitting::told_records told;
  chunk_reader from(whole.records.chunks());
  auto culprit = without.begin();
  bool interrupted = false;
  for (std::uint32_t position = 0; position < whole.records.count(); ++position) {
    const std::uint32_t index = indexes.next();
    const record_start record = read_record_start(from);
    if (culprit != without.end() && culprit->place == position) {
      from.skip(record.rest);
      ++culprit;
      interrupted = true;
      continue;
    }
    const std::int64_t timestamp = whole.records.base_timestamp() + record.timestamp_delta;
    batch_builder::record_shape shape{};
    if (!pieces.empty()) shape = pieces.back()->records.shape_of_copy(record.rest, timestamp);
    if (pieces.empty() || pieces.back()->records.size() + shape.total > at_most) {
      if (!pieces.empty()) told.note_in(*pieces.back());
      pieces.push_back(make_batch(whole.created));
      pieces.back()->done->is_piece = true;
      shape = pieces.back()->records.shape_of_copy(record.rest, timestamp);
      interrupted = true;
    }
    batch& into = *pieces.back();
    if (std::exchange(interrupted, false)) redirections.push_back({position, into.done, into.records.count(), 0});
    const clock_time due = whole.deadlines.of(index);
    into.make_room_beyond(shape.total, due);
    into.deadlines.add(into.records.count(), into.records.size() - batch_header_size, due);
    into.records.append_copy(from, record.rest, timestamp, shape);
    if (answered.contains(index)) told.add(into, into.records.count() - 1, shape.total);
  }
  if (!pieces.empty()) told.note_in(*pieces.back());
  return made;
}

// Null where the verdict is another, or becomes another: without memory the batch is tried again whole.
COKAFKA_DECL auto partition_queue::divided_as(verdict& judged, batch& refused, const answer& said, clock_time now,
                                              effects& out) noexcept -> std::optional<division> {
  try {
    if (judged.action == verdict_action::split) {
      division halves = split(refused, now);
      ++out.counted.batches_split;
      return halves;
    }
    if (judged.action == verdict_action::exclude) return exclude(refused, said, now, out);
  } catch (const std::bad_alloc&) {
    judged.action = verdict_action::retry;
    judged.new_epoch = false;
  }
  return std::nullopt;
}

// The pieces take the place of the batch: in the order of their records, at the front of the line, and for the flushes
// that wait for it. Of a piece whose records have all been told nobody waits for anything: it is proven absent, and
// goes.
COKAFKA_DECL void partition_queue::go_on_as(batch& whole, division made, effects& out) noexcept {
  auto& [pieces, redirections] = made;
  whole.finished = true;
  whole.done->split(std::move(redirections));
  const auto is_told = [](const batch_ptr& each) { return each->live() == 0; };
  if (std::erase_if(pieces, is_told) > 0 && settings_.idempotent) {  // a gap in the sequence
    new_epoch_ = true;
    leave_gap(whole);
  }
  if (pieces.empty()) {
    out.end_flushes(flushes_.leave(whole.generation));
  } else {
    flushes_.multiply(whole.generation, pieces.size() - 1);
  }
  std::size_t bytes = 0;
  for (auto& each : pieces) {
    each->generation = whole.generation;
    each->last_cause = whole.last_cause;
    each->behind_gap = whole.behind_gap;
    bytes += each->live_bytes();
  }
  {
    std::scoped_lock guard(lock_);
    outstanding_.bytes += bytes;
    outstanding_.bytes -= whole.live_bytes();
  }
  if (!settings_.idempotent) return retry_.splice(retry_.begin(), pieces);
  while (!pieces.empty()) {
    batch_line alone;
    alone.splice(alone.end(), pieces, pieces.begin());
    back_to_retry_line(alone);
  }
}

// Halves: what the topic takes is not told, and is found in few steps. New batches are not filled further for a while.
COKAFKA_DECL auto partition_queue::split(batch& too_large, clock_time now) -> division {
  const std::size_t half = too_large.records.size() / 2;
  division made = divide(too_large, half, {});
  {
    std::scoped_lock guard(lock_);
    batch_limit_ = std::min(batch_limit_, half);
    limited_until_ = now + clock_duration(settings_.user.metadata_max_age);
  }
  std::optional<batch_stamp> stamp = too_large.stamp;
  for (auto& each : made.pieces) {
    each->attempts = too_large.attempts - 1;  // splitting takes no retry
    each->stamp = stamp;
    if (!settings_.idempotent) continue;
    stamp->base_sequence = advance_sequence(stamp->base_sequence, static_cast<std::int32_t>(each->records.count()));
  }
  return made;
}

// First everything that may find no memory; the records that were named are told last of that, all or none of them.
COKAFKA_DECL auto partition_queue::exclude(batch& refused, const answer& said, clock_time now, effects& out)
    -> division {
  division rest = divide(refused, std::numeric_limits<std::size_t>::max(), said.culprits);
  assert(rest.pieces.size() == 1);
  rest.pieces.front()->attempts = refused.attempts;
  rest.pieces.front()->stamp = refused.stamp;  // its place in the line until the new epoch begins
  const splitting::answered_before answered(*refused.done);
  splitting::original_indexes indexes(refused);
  std::uint32_t index = indexes.next();
  std::uint32_t position = 0;
  std::vector<completion::single_end> ends;
  std::vector<error> told;
  ends.reserve(said.culprits.size());
  told.reserve(said.culprits.size());
  for (const auto& each : said.culprits) {
    for (; position < each.place; ++position) index = indexes.next();
    if (answered.contains(index)) continue;
    error_details why;
    why.code = make_error_code(*said.code);
    why.message = each.message.empty() ? said.message : each.message;
    why.fate = fate::not_written;
    why.broker = said.broker;
    why.attempts = refused.attempts;
    why.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - refused.created);
    told.emplace_back(std::move(why));
    ends.push_back({index, {}});
    ends.back().outcome.failure = told.back();
  }
  const failed_count alone{1, refused.done->use_count() - 1};
  out.answer(refused.done->end_each(ends));
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const record_range which{ends[i].index, ends[i].index + 1};
    note_unheard(refused, told[i], {&which, 1}, alone, false, out);
  }
  {
    std::scoped_lock guard(lock_);
    outstanding_.records -= ends.size();
  }
  out.counted.records_failed += ends.size();
  return rest;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/withdrawal.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

namespace withdrawing {

// The bytes of these records that were not removed. Linear; asked only of batches that lost records.
inline std::size_t bytes_of(const batch& of, const std::vector<record_range>& which) {
  record_walker at(of.records.chunks());
  std::size_t sum = 0;
  std::uint32_t i = 0;
  for (const record_range& each : which) {
    for (; i < each.end; ++i) {
      const bool removed = of.done->removed && of.done->removed->test(i);
      if (removed && of.thinned) continue;
      at.next();
      if (i >= each.first && !removed) sum += at.size();
      at.skip();
    }
  }
  return sum;
}

inline std::string text_of(const stall& by) noexcept {
  return if_memory([&] {
    return by.message.empty() ? std::string() : make_error_code(errc::timed_out).message() + ": " + by.message;
  });
}

// So that records below `end` can be marked as removed without memory.
inline void make_room_to_remove(completion& of, std::uint32_t end) {
  if (!of.removed) of.removed = std::make_unique<record_marks>();
  of.removed->make_room(end);
}

}  // namespace withdrawing

// --- withdrawing -----------------------------------------------------------------------------------------------------

// The partition's lock decides: a batch that is not pending any more has been sealed, or has ended. Marking only;
// thin() does the rest, once. Where nothing is left nobody would seal the batch: it goes at once.
COKAFKA_DECL auto partition_queue::withdraw(completion& of, record_waiter& asked, effects& out) -> withdrawal {
  batch_line emptied;
  {
    std::scoped_lock guard(lock_);
    const auto found = std::find_if(pending_.rbegin(), pending_.rend(),
                                    [&](const batch_ptr& each) { return each->done.get() == &of; });
    if (found == pending_.rend()) return {};
    batch& in = **found;
    withdrawing::make_room_to_remove(of, in.records.count());  // nothing has changed yet
    if (!of.detach(asked)) return {};
    of.removed->set(asked.ticket.index);
    in.withdrawn_from = true;
    ++in.ended;
    in.ended_bytes += asked.ticket.bytes;
    outstanding_.records -= 1;
    outstanding_.bytes -= asked.ticket.bytes;
    if (in.live() > 0) return {true, false};
    in.finished = true;
    emptied.splice(emptied.end(), pending_, std::next(found).base());
  }
  out.end_flushes(flushes_.leave(emptied.front()->generation));
  return {true, true};
}

// Just before a batch is sealed, when nobody but its taker sees it any more. Precondition: its marks are finished.
COKAFKA_DECL void partition_queue::thin(batch& of) noexcept {
  const std::size_t before = of.live_bytes();
  const record_marks& gone = *of.done->removed;
  // Nobody is left to be told when the last of a run is due.
  of.deadlines.forget(of.appended(), [&](std::uint32_t first, std::uint32_t end) {
    return gone.count_between(first, end) == end - first;
  });
  memory_.give_back(of.records.remove(gone), of.share);
  of.thinned = true;
  of.ended = 0;
  of.ended_bytes = 0;
  std::scoped_lock guard(lock_);
  outstanding_.bytes -= before - of.live_bytes();  // their offset deltas may have become shorter
}

// --- deadlines -------------------------------------------------------------------------------------------------------

COKAFKA_DECL void partition_queue::expire(clock_time now, const stall& by, effects& out) noexcept {
  expire_written(now, by, out);
  expire_unsealed(now, by, out);
}

// Rule 15: a sealed batch keeps its bytes. While others of it live, a record that is due can only be told that it may
// be written; with the last of them the batch goes, and takes its sequence numbers with it where they are on the way:
// unless one behind it needs them.
COKAFKA_DECL void partition_queue::expire_written(clock_time now, const stall& by, effects& out) noexcept {
  for_each_written([&](batch_line::iterator at, bool in_flight) {
    batch& each = **at;
    if (each.finished || each.deadline() > now) return;
    const bool whole = each.deadlines.are_all_due(now);
    const bool stays = in_flight || holds_up(each);
    error_details why;
    why.code = errc::timed_out;
    why.fate = stays || each.unknown || !whole ? fate::maybe_written : fate::not_written;
    why.cause = each.last_cause ? each.last_cause : by.cause;
    why.message = withdrawing::text_of(by);
    if (!whole) return end_due(each, now, false, std::move(why), out);
    // A batch that was never stamped has no sequence numbers (rule 9).
    if (!stays && each.stamp && settings_.idempotent) new_epoch_ = true;
    fail(each, std::move(why), now, out);
    if (!stays) retry_.erase(at);
  });
  drop_told();
}

COKAFKA_DECL void partition_queue::expire_unsealed(clock_time now, const stall& by, effects& out) noexcept {
  error_details why;
  why.code = errc::timed_out;
  why.cause = by.cause;
  why.message = withdrawing::text_of(by);
  batch_line due;
  {
    std::scoped_lock guard(lock_);
    for (auto next = pending_.begin(); next != pending_.end();) {
      const auto here = next++;
      batch& each = **here;
      if (each.deadline() > now) continue;
      const bool whole = each.deadlines.are_all_due(now);
      if (!whole) end_due(each, now, true, copied(why), out);
      // Those that are not due may have been withdrawn.
      if (whole || each.live() == 0) due.splice(due.end(), pending_, here);
    }
  }
  for (auto& each : due) {
    why.cause = each->last_cause ? each->last_cause : by.cause;
    fail(*each, copied(why), now, out);
  }
}

// So long until records that are due and cannot be told are looked at again.
constexpr clock_duration memory_pause = std::chrono::milliseconds(10);

// Under the lock where the batch is not sealed: its records are removed then. All or nothing, where there is no memory.
COKAFKA_DECL void partition_queue::end_due(batch& of, clock_time now, bool remove, error_details why,
                                           effects& out) noexcept {
  why.attempts = of.attempts;
  why.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - of.created);
  const error told = make_error(std::move(why));
  failed_count failed{0, of.done->use_count() - 1};
  std::vector<record_range> all;
  std::size_t bytes = 0;
  try {
    of.deadlines.for_each_due(now, of.appended(), of.records.size() - batch_header_size,
                              [&](std::uint32_t first, std::uint32_t end, std::size_t their_bytes) {
                                all.push_back({first, end});
                                bytes += their_bytes;
                              });
    if (of.withdrawn_from || of.thinned) bytes = withdrawing::bytes_of(of, all);
    for (const record_range& each : all) {
      const std::uint32_t gone = of.done->removed ? of.done->removed->count_between(each.first, each.end) : 0;
      failed.records += each.end - each.first - gone;
    }
    if (remove) withdrawing::make_room_to_remove(*of.done, of.appended());
    // Nobody can ask any more for records that are removed and that nobody holds a delivery of.
    if (!remove || failed.holders > 0) {
      batch_outcome outcome;
      outcome.failure = told;
      out.answer(of.done->end_some(all, std::move(outcome)));
    }
  } catch (const std::bad_alloc&) {
    short_until_ = now + memory_pause;
    return;
  }
  of.deadlines.forget_due(now);
  if (remove) {
    for (const record_range& each : all) {
      for (std::uint32_t i = each.first; i < each.end; ++i) of.done->removed->set(i);
    }
  }
  of.ended += failed.records;
  of.ended_bytes += bytes;
  out.counted.records_failed += failed.records;
  {
    std::unique_lock guard(lock_, std::defer_lock);
    if (!remove) guard.lock();
    outstanding_.records -= failed.records;
    outstanding_.bytes -= bytes;
  }
  note_unheard(of, told, all, failed, remove, out);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/wire/types.ipp

namespace cokafka::inline COKAFKA_ABI::detail::wire {

COKAFKA_DECL std::string to_string(const uuid& id) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  text.reserve(22);
  std::uint32_t pending = 0;
  int bits = 0;
  for (const std::uint8_t byte : id.bytes) {
    pending = (pending << 8 | byte) & 0xffffU;
    for (bits += 8; bits >= 6; bits -= 6) text += alphabet[pending >> (bits - 6) & 0x3fU];
  }
  text += alphabet[pending << (6 - bits) & 0x3fU];
  return text;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

// ---- cokafka/detail/core/accumulator.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL accumulator::accumulator(const settings& rules, attention_listener& home, std::uint64_t seed)
    : memory(static_cast<std::size_t>(rules.user.buffer_memory)),
      topics(seed),
      reports(std::make_shared<report_budget>(static_cast<std::size_t>(rules.user.parked_memory))),
      settings_(rules),
      home_(home) {
  memory.on_release([this] { home_.attention(); });
}

// --- checks ----------------------------------------------------------------------------------------------------------

COKAFKA_DECL std::optional<error> accumulator::check(const record_view& record) const {
  if (is_closed()) return error(errc::closed);
  const auto invalid = [](std::string message) {
    error_details why;
    why.code = errc::invalid_record;
    why.message = std::move(message);
    return error(std::move(why));
  };
  if (record.partition && *record.partition < 0) {
    return invalid("partition " + std::to_string(*record.partition) + " is negative");
  }
  if (record.timestamp && record.timestamp->time_since_epoch().count() < 0)
    return invalid("the timestamp is before 1970");
  if (record.timeout && record.timeout->count() < 0) return invalid("the timeout is negative");
  const std::size_t size = record_size_upper_bound(record);
  // Memory is taken in whole chunks: what they come to must fit as well, or the record would wait for ever.
  if (size > settings_.max_request_size || size > memory.total() ||
      chunk_bytes_for(0, size - batch_header_size) > memory.total()) {
    error_details why;
    why.code = errc::record_too_large;
    why.message = "the record may take " + std::to_string(size) + " bytes; max.request.size is " +
                  std::to_string(settings_.max_request_size) + " and buffer.memory " + std::to_string(memory.total());
    return error(std::move(why));
  }
  return std::nullopt;
}

COKAFKA_DECL void accumulator::want(topic& of) noexcept {
  if (of.wanted.exchange(true) && !unheard_.load(std::memory_order_relaxed)) return;  // it has been told
  unheard_.store(!home_.attention(), std::memory_order_relaxed);
}

COKAFKA_DECL topic_ptr accumulator::want_topic(std::string_view name) {
  topic_ptr found = topics.find_or_add(name);
  found->used.store(true, std::memory_order_relaxed);
  // What is refused may be allowed by now.
  const bool is_open_question = found->table.load(std::memory_order_acquire) == nullptr ||
                                found->refused.load(std::memory_order_relaxed) != broker_errc::none;
  if (is_open_question) want(*found);
  return found;
}

// `needed` keeps the topic where the registry might give it up.
COKAFKA_DECL std::optional<error> accumulator::find_topic(const record_view& record, topic*& to, topic_ptr& needed) {
  if (to == nullptr) {
    to = topics.find_recent(record.topic);
    if (to == nullptr) {
      if (!is_valid_topic_name(record.topic)) {
        error_details why;
        why.code = errc::invalid_topic;
        why.message = "the topic name \"" + std::string(record.topic.substr(0, 260)) +
                      "\" is not 1 to 249 of the characters a-z A-Z 0-9 . _ -";
        return error(std::move(why));
      }
      needed = want_topic(record.topic);
      to = needed.get();
    }
  }
  auto refused = refusal(*to);
  // The permission may have come back: who is refused asks for those that come later.
  if (refused) want(*to);
  return refused;
}

COKAFKA_DECL std::optional<error> accumulator::refusal(const topic& of) {
  const broker_errc refused = of.refused.load(std::memory_order_relaxed);
  if (refused == broker_errc::none) return std::nullopt;
  if (refused == broker_errc::invalid_topic_exception) return error(errc::invalid_topic);
  error_details why;  // told by Metadata: nothing was written
  why.code = refused;
  return error(std::move(why));
}

COKAFKA_DECL std::int64_t accumulator::timestamp_of(const record_view& record, clock_time now) const noexcept {
  if (record.timestamp) return record.timestamp->time_since_epoch().count();
  const auto wall = std::chrono::nanoseconds(now.time_since_epoch()) +
                    std::chrono::nanoseconds(wall_offset_.load(std::memory_order_relaxed));
  return std::chrono::duration_cast<std::chrono::milliseconds>(wall).count();
}

COKAFKA_DECL send_outcome accumulator::failed(const record_view& record, topic* to, error why,
                                              std::int64_t timestamp) const {
  const topic_name name = to != nullptr ? to->name : topic_name(record.topic.substr(0, 260));
  completion_ptr done(new completion(name, record.partition.value_or(-1), std::move(why)));
  done->was_refused = done->notes_dropped = !is_closed();
  if (settings_.reports_failures() && !is_closed()) done->refused = refused_record::make(record, timestamp, reports);
  return {std::move(done), {}};
}

// --- placing ---------------------------------------------------------------------------------------------------------

// Explicit, else murmur2 over all partitions for keyed records, else sticky over those with a leader.
COKAFKA_DECL partition_queue* accumulator::choose(const record_view& record, topic& to, const partition_table& table,
                                                  std::size_t& slot) const {
  if (record.partition) {
    const auto index = static_cast<std::size_t>(*record.partition);
    return index < table.all.size() ? table.all[index] : nullptr;
  }
  if (record.key && !settings_.user.partitioner_ignore_keys) {
    const auto hash = static_cast<std::uint32_t>(to_positive(murmur2(record.key->str())));
    return table.all[hash % table.all.size()];
  }
  slot = thread_slot();
  return table.available[to.sticky.choose(slot, table.available.size())];
}

COKAFKA_DECL bool accumulator::place_directly(const record_view& record, topic& to, std::int64_t timestamp,
                                              clock_time now, send_outcome& out, parked_for& otherwise,
                                              partition_queue*& behind) {
  if (!to.used.load(std::memory_order_relaxed)) to.used.store(true, std::memory_order_relaxed);
  const partition_table* table = to.table.load(std::memory_order_acquire);
  otherwise = parked_for::metadata;
  // In this order, and acquiring: a record that is moved from one line to another is counted there first.
  if (table == nullptr || to.parked.load(std::memory_order_acquire) > 0) return false;
  std::size_t slot = sticky_slots;
  partition_queue* into = choose(record, to, *table, slot);
  otherwise = parked_for::partition;
  if (into == nullptr) return false;
  otherwise = parked_for::memory;
  if (waiting_for_memory_.load(std::memory_order_acquire) > 0) return false;
  otherwise = parked_for::share;
  behind = into;
  append_outcome appended;
  appended.state = append_outcome::status::over_share;
  if (into->parked.load(std::memory_order_acquire) == 0) {
    appended = into->append(record, timestamp, now, settings_.timeout_of(record.timeout));
  }
  if (appended.state == append_outcome::status::no_memory) otherwise = parked_for::memory;
  if (appended.state == append_outcome::status::over_share && slot != sticky_slots) to.sticky.leave(slot);
  if (appended.state != append_outcome::status::appended) return false;
  if (slot != sticky_slots) to.sticky.produced(slot, appended.bytes, appended.new_batch, settings_.batch_size);
  if (appended.wake) wake(*into);
  out.done = std::move(appended.done);
  out.ticket.index = appended.index;
  out.ticket.bytes = static_cast<std::uint32_t>(appended.bytes);
  return true;
}

COKAFKA_DECL void accumulator::wake(partition_queue& partition) {
  const bool is_woken = partition.wake_pending.exchange(true, std::memory_order_acq_rel);
  partition_owner& owner = *partition.owner.load(std::memory_order_acquire);
  is_woken ? owner.wake_again() : owner.wake(partition);
}

namespace accumulating {

inline record_ticket ticket_of(const record_view& record, std::int64_t timestamp) noexcept {
  record_ticket ticket;
  if (record.key) ticket.key_size = static_cast<std::int32_t>(record.key->size());
  if (record.value) ticket.value_size = static_cast<std::int32_t>(record.value->size());
  ticket.timestamp = timestamp;
  return ticket;
}

}  // namespace accumulating

COKAFKA_DECL send_outcome accumulator::send(const record_view& record, topic* to, clock_time now) {
  const std::int64_t timestamp = timestamp_of(record, now);
  if (auto refused = check(record)) return failed(record, to, *std::move(refused), timestamp);
  topic_ptr needed;
  if (auto refused = find_topic(record, to, needed)) return failed(record, to, *std::move(refused), timestamp);
  send_outcome out;
  out.ticket = accumulating::ticket_of(record, timestamp);
  parked_for otherwise{};
  partition_queue* behind = nullptr;
  if (place_directly(record, *to, timestamp, now, out, otherwise, behind)) return out;
  return park(record, *to, otherwise, behind, timestamp, now);
}

COKAFKA_DECL result<send_outcome> accumulator::try_send(const record_view& record, topic* to, clock_time now) {
  if (auto refused = check(record)) return *std::move(refused);
  topic_ptr needed;
  if (auto refused = find_topic(record, to, needed)) return *std::move(refused);
  send_outcome out;
  const std::int64_t timestamp = timestamp_of(record, now);
  out.ticket = accumulating::ticket_of(record, timestamp);
  parked_for otherwise{};
  partition_queue* behind = nullptr;
  if (place_directly(record, *to, timestamp, now, out, otherwise, behind)) return out;
  if (is_closed()) return error(errc::closed);
  error_details why;
  switch (otherwise) {
    case parked_for::metadata:
      want(*to);
      why.code = errc::would_park;
      why.message = "the metadata of topic " + std::string(to->name.str()) + " has not arrived yet";
      break;
    case parked_for::partition:
      want(*to);  // it may have been added
      why.code = errc::unknown_partition;
      break;
    default: why.code = errc::buffer_full; break;
  }
  return error(std::move(why));
}

// Takes every lock once that a sender may hold: also of topics that have just been forgotten, whose table it may have
// seen.
COKAFKA_DECL void accumulator::await_senders() {
  for (topic* each : topics.kept()) {
    for (const auto& partition : each->partitions()) static_cast<void>(partition->outstanding());
  }
  std::scoped_lock guard(mutex_);
}

COKAFKA_DECL auto accumulator::outstanding() -> outstanding_total {
  outstanding_total total;
  for (topic* each : topics.kept()) {
    const partition_table* table = each->table.load(std::memory_order_acquire);
    if (table == nullptr) continue;
    for (const auto* partitions : {&table->all, &table->gone}) {
      for (partition_queue* partition : *partitions) {
        const auto counted = partition->outstanding();
        total.records += counted.records;
        total.bytes += counted.bytes;
      }
    }
  }
  std::scoped_lock guard(mutex_);
  for_each_line([&](const parking_line& line) {
    for (const auto& each : line) {
      if (!each->record) continue;
      total.records += 1;
      total.bytes += each->record->memory();
    }
  });
  return total;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/parking.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL send_outcome accumulator::park(const record_view& record, topic& to, parked_for reason,
                                            partition_queue* behind, std::int64_t timestamp, clock_time now) {
  // Who pushes on although the lot is full shall not cost more than who is served.
  const std::size_t limit = static_cast<std::size_t>(settings_.user.parked_memory);
  const std::size_t least = sizeof(parked_record) + record_copy::least_memory(record);
  const bool is_full = parked_bytes_.load(std::memory_order_relaxed) + least > limit;
  if (is_full || (reason == parked_for::share && share_bytes_.load(std::memory_order_relaxed) + least > limit / 2)) {
    return failed(record, &to, error(is_closed() ? errc::closed : errc::buffer_full), timestamp);
  }
  auto parked = std::make_unique<parked_record>();
  parked->reason = reason;
  parked->of.reset(&to);
  parked->record.emplace(record);
  parked->timestamp = timestamp;
  parked->sent_at = now;
  parked->timeout = settings_.timeout_of(record.timeout);
  parked->done.reset(new completion(to.name, record.partition.value_or(-1)));
  parked->done->notes_dropped = settings_.reports_failures();
  parked->done->has_one_record = true;
  send_outcome out;
  out.done = parked->done;
  out.ticket.timestamp = timestamp;
  if (record.key) out.ticket.key_size = static_cast<std::int32_t>(record.key->size());
  if (record.value) out.ticket.value_size = static_cast<std::int32_t>(record.value->size());
  {
    std::scoped_lock guard(mutex_);
    // What the sender looked at may have changed since: who parks now must not miss the end, or the topic's metadata.
    if (is_closed()) return failed(record, &to, error(errc::closed), timestamp);
    if (auto refused = refusal(to)) return failed(record, &to, *std::move(refused), timestamp);
    if (reason == parked_for::metadata && to.table.load(std::memory_order_acquire) != nullptr) {
      reason = parked->reason = parked_for::memory;
    }
    parked->memory = sizeof(parked_record) + parked->record->memory() + topic_memory(to, reason);
    // Nor does a broker that does not drain take the whole lot.
    const bool is_over =
        reason == parked_for::share && share_bytes_.load(std::memory_order_relaxed) + parked->memory > limit / 2;
    if (is_over || parked_bytes_.load(std::memory_order_relaxed) + parked->memory > limit) {
      return failed(record, &to, error(errc::buffer_full), timestamp);
    }
    enter(std::move(parked), behind);
  }
  home_.attention();
  return out;
}

// Names that are sent to once must not cost more than is charged for them.
COKAFKA_DECL std::size_t accumulator::topic_memory(const topic& to, parked_for reason) const noexcept {
  constexpr std::size_t name_and_places = 256;  // in the registry
  const bool is_first = reason == parked_for::metadata && to.parked.load(std::memory_order_relaxed) == 0;
  return is_first && !to.is_kept.load(std::memory_order_relaxed) ? sizeof(topic) + name_and_places : 0;
}

// Under the mutex. To the end of the line that its reason leads to.
COKAFKA_DECL void accumulator::enter(parked_ptr entering, partition_queue* behind) {
  parked_record& parked = *entering;
  if (parked.reason == parked_for::share) {
    share_line_of(*behind);
    parked.behind = behind;
  }
  const clock_duration patience = settings_.user.max_block;
  const bool is_record = parked.reason != parked_for::space;
  parking_line& line = line_of(parked);
  parked.at = line.insert(line.end(), nullptr);
  try {
    deadlines_.set(parked.expiry, parked.sent_at + (is_record ? std::min(patience, parked.timeout) : patience));
    if (is_record) parked.generation = flushes.enter();
  } catch (...) {
    deadlines_.clear(parked.expiry);
    line.erase(parked.at);
    throw;
  }
  parked.number = ++entered_;
  if (&line == &metadata_line_) ++parked.of->waiting;
  parked_bytes_.fetch_add(parked.memory, std::memory_order_relaxed);
  if (&line != &metadata_line_) memory.somebody_waits(true);
  switch (parked.reason) {
    case parked_for::metadata:
      // The answer that nobody knows the topic may have come after the look-up, when nothing was parked, or it has been
      // forgotten: ask again.
      if (parked.of->parked.fetch_add(1, std::memory_order_seq_cst) == 0 &&
          (parked.of->last_error.load(std::memory_order_seq_cst) != broker_errc::none ||
           parked.of->is_forgotten.load(std::memory_order_seq_cst))) {
        parked.of->wanted.store(true, std::memory_order_release);
      }
      break;
    case parked_for::share:
      share_bytes_.fetch_add(parked.memory, std::memory_order_relaxed);
      behind->parked.fetch_add(1, std::memory_order_relaxed);
      break;
    case parked_for::memory:
    case parked_for::space: waiting_for_memory_.fetch_add(1, std::memory_order_relaxed); break;
    case parked_for::partition:
      ++waiting_for_partition_;
      parked.asked_before = refreshes_begun_;
      break;
  }
  if (is_record) parked.done->parked = &parked;
  *parked.at = std::move(entering);
}

// Undoes what entering counted. Under the mutex; a record that was placed is in its batch by then, so that nobody
// overtakes it.
COKAFKA_DECL void accumulator::leave_line(parked_record& parked) noexcept {
  deadlines_.clear(parked.expiry);
  if (&line_of(parked) == &metadata_line_) --parked.of->waiting;
  if (parked.behind != nullptr) share_bytes_.fetch_sub(parked.memory, std::memory_order_relaxed);
  parked_bytes_.fetch_sub(std::exchange(parked.memory, 0), std::memory_order_relaxed);
  if (parked.reason == parked_for::metadata) parked.of->parked.fetch_sub(1, std::memory_order_release);
  if (parked.reason == parked_for::partition) --waiting_for_partition_;
  if (parked.reason == parked_for::memory || parked.reason == parked_for::space) {
    waiting_for_memory_.fetch_sub(1, std::memory_order_release);
  }
  if (parked.behind != nullptr) parked.behind->parked.fetch_sub(1, std::memory_order_release);
}

// Under the mutex. After this there is nothing of it.
COKAFKA_DECL void accumulator::take_out(parked_record& parked) noexcept {
  partition_queue* const behind = parked.behind;
  parking_line& line = line_of(parked);
  if (last_moved_ == &parked) last_moved_ = nullptr;
  line.erase(parked.at);
  if (behind == nullptr || !line.empty()) return;
  share_lines_.erase(std::exchange(behind->line, nullptr)->at);
}

COKAFKA_DECL share_line& accumulator::share_line_of(partition_queue& partition) {
  partition_owner* const owner = partition.owner.load(std::memory_order_acquire);
  if (std::find(waited_for_.begin(), waited_for_.end(), owner) == waited_for_.end()) waited_for_.push_back(owner);
  owner->share.waited_for.store(true, std::memory_order_relaxed);
  if (partition.line == nullptr) {
    share_lines_.push_back({&partition});
    share_lines_.back().at = std::prev(share_lines_.end());
    partition.line = &share_lines_.back();
  }
  return *partition.line;
}

// Under the mutex. What it waits for from now on is counted before the old reason is not: a sender that looks in
// between must see one of them (guarantee.md, rule 22). Once behind a partition it stays there. Who has waited for
// metadata goes to the end of its new line: those of its topic that stand there came before it. Who has waited for
// something else goes before those that came after it.
COKAFKA_DECL void accumulator::wait_on(parked_record& parked, parked_for reason, partition_queue* behind) {
  if (behind != nullptr) share_line_of(*behind);  // may find no memory; nothing has changed yet
  parking_line& from = line_of(parked);
  if (behind != nullptr && parked.behind == nullptr) {
    parked.behind = behind;
    share_bytes_.fetch_add(parked.memory, std::memory_order_relaxed);
    behind->parked.fetch_add(1, std::memory_order_relaxed);
  }
  const parked_for before = std::exchange(parked.reason, reason);
  if (reason == parked_for::metadata) parked.of->parked.fetch_add(1, std::memory_order_relaxed);
  if (reason == parked_for::memory) waiting_for_memory_.fetch_add(1, std::memory_order_relaxed);
  if (reason == parked_for::partition) ++waiting_for_partition_;
  if (before == parked_for::partition) --waiting_for_partition_;
  if (before == parked_for::metadata) parked.of->parked.fetch_sub(1, std::memory_order_release);
  if (before == parked_for::memory) waiting_for_memory_.fetch_sub(1, std::memory_order_release);
  if (reason == parked_for::memory || reason == parked_for::share) memory.somebody_waits(true);
  parking_line& to = line_of(parked);
  if (&from == &metadata_line_) --parked.of->waiting;
  if (&to == &metadata_line_) ++parked.of->waiting;
  const bool had_no_metadata = before == parked_for::metadata;
  if (had_no_metadata) parked.number = ++entered_;
  if (&to == &from && !had_no_metadata) return;
  to.splice(had_no_metadata ? to.end() : place_in(to, parked.number), from, parked.at);
  last_moved_ = &parked;
}

// Those that are moved in one pass come in order: each is looked for behind the one before.
COKAFKA_DECL parking_line::iterator accumulator::place_in(parking_line& line, std::uint64_t number) noexcept {
  auto place = line.end();
  if (last_moved_ != nullptr && &line_of(*last_moved_) == &line && last_moved_->number < number) {
    place = std::next(last_moved_->at);
    while (place != line.end() && (*place)->number < number) ++place;
  } else {
    while (place != line.begin() && (*std::prev(place))->number > number) --place;
  }
  return place;
}

// One refresh that is yet to begin decides, and nobody waits behind it.
COKAFKA_DECL void accumulator::wait_for_partition(parked_record& parked) {
  wait_on(parked, parked_for::partition, nullptr);
  parked.asked_before = refreshes_begun_;
}

// Under the mutex. True when the record has found its batch; else its reason says what it waits for now. `full` are the
// owners whose share was full in this pass.
COKAFKA_DECL bool accumulator::place_parked(parked_record& parked, const partition_table* table,
                                            std::vector<partition_owner*>& full, effects& out) {
  std::size_t slot = sticky_slots;
  partition_queue* into =
      parked.behind != nullptr ? parked.behind : choose(parked.record->view(), *parked.of, *table, slot);
  const auto waits_for_share = [&] {
    into->blocked_in_pass = pass_;
    if (slot != sticky_slots) parked.of->sticky.leave(slot);
    wait_on(parked, parked_for::share, into);
    return false;
  };
  // The partition itself is asked as well: its owner may change during the pass. Who comes from the metadata line joins
  // those that wait for this partition already.
  const bool is_last = parked.reason == parked_for::metadata || parked.reason == parked_for::partition;
  if (into->blocked_in_pass == pass_ || (is_last && into->parked.load(std::memory_order_relaxed) > 0))
    return waits_for_share();
  partition_owner* owner = into->owner.load(std::memory_order_acquire);
  if (std::find(full.begin(), full.end(), owner) != full.end()) return waits_for_share();
  // What may find no memory comes first: a record that is in a batch must leave its line.
  parked.done->make_room_to_forward();
  make_room_for_one(to_wake_);
  append_outcome appended =
      into->append_parked(parked.record->view(), parked.timestamp, parked.sent_at, parked.timeout, parked.generation);
  switch (appended.state) {
    case append_outcome::status::appended: break;
    case append_outcome::status::no_memory: wait_on(parked, parked_for::memory, nullptr); return false;
    case append_outcome::status::closed: return waits_for_share();  // all parked records are about to fail
    case append_outcome::status::over_share: full.push_back(owner); return waits_for_share();
  }
  if (slot != sticky_slots) parked.of->sticky.produced(slot, appended.bytes, appended.new_batch, settings_.batch_size);
  out.answer(
      parked.done->forward(std::move(appended.done), appended.index, static_cast<std::uint32_t>(appended.bytes)));
  leave_line(parked);
  if (appended.wake) to_wake_.push_back(into);
  return true;
}

COKAFKA_DECL void accumulator::publish(topic& of, std::unique_ptr<partition_table> table, clock_time now,
                                       effects& out) {
  std::vector<partition_queue*> woken;
  bool waits_for_memory = false;
  {
    std::scoped_lock guard(mutex_);
    if (table) of.make_room_to_publish(*table);  // may find no memory; nothing has changed yet
    const partition_table& now_known = table ? *table : *of.table.load(std::memory_order_acquire);
    of.last_error.store(broker_errc::none, std::memory_order_relaxed);
    of.refused.store(broker_errc::none, std::memory_order_relaxed);
    begin_pass();
    std::vector<partition_owner*> full;
    // Of thousands of topics few are waited for: the line is walked no further than to the last who does.
    std::size_t left = of.waiting;
    for (auto next = metadata_line_.begin(); left > 0 && next != metadata_line_.end();) {
      parked_record& each = **next++;
      if (each.of != &of) continue;
      --left;
      // Behind records that wait for memory nothing is placed: first in, first out.
      const bool wait = waiting_for_memory_.load(std::memory_order_relaxed) > 0;
      const auto& wanted = each.record->view().partition;
      if (wanted && static_cast<std::size_t>(*wanted) >= now_known.all.size()) {
        if (each.reason == parked_for::partition && each.asked_before < refreshes_answered_) {
          fail_without_partition(each, now_known, now, out);
          take_out(each);
        } else if (each.reason != parked_for::partition) {
          wait_for_partition(each);
        }
        continue;
      }
      try {
        if (wait) {
          wait_on(each, parked_for::memory, nullptr);
        } else if (place_parked(each, &now_known, full, out)) {
          take_out(each);
          continue;
        }
      } catch (const std::bad_alloc&) {  // as if the budget were used up; nobody else is held up
        wait_on(each, parked_for::memory, nullptr);
      }
      waits_for_memory = true;
    }
    if (table) of.publish(std::move(table));
    woken.swap(to_wake_);
  }
  for (partition_queue* each : woken) wake(*each);
  // Memory may have come back between the look at it and the word that somebody waits: look once more.
  if (waits_for_memory) home_.attention();
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/parking_end.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

// --- endings ---------------------------------------------------------------------------------------------------------

COKAFKA_DECL void accumulator::fail_one(parked_record& parked, error_details why, clock_time now,
                                        effects& out) noexcept {
  leave_line(parked);
  if (parked.reason == parked_for::space) {
    parked.space_waiter->failure = make_error(std::move(why));
    out.ended.push_back(*std::exchange(parked.space_waiter, nullptr));
    return;
  }
  why.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - parked.sent_at);
  batch_outcome outcome;
  outcome.failure = make_error(std::move(why));
  note_unheard(parked, *outcome.failure, out);
  ++out.counted.records_failed;
  out.complete(*parked.done, std::move(outcome));
  out.end_flushes(flushes.leave(parked.generation));
}

// Before it ends. Whoever holds the delivery now can look.
COKAFKA_DECL void accumulator::note_unheard(parked_record& parked, const error& why, effects& out) noexcept {
  const record_view& record = parked.record->view();
  const bool notes_dropped = parked.done->notes_dropped;
  const bool held =
      notes_dropped ? if_memory([&] { return parked.done->take_dropped(0, 1); }).empty() : parked.done->use_count() > 1;
  if (held) return;
  const std::int32_t partition = record.partition.value_or(-1);
  out.note_unheard(1, why, parked.of->name, partition);
  if (!notes_dropped) return;
  if_memory([&] {
    auto copy = refused_record::make(record, parked.timestamp, reports);
    if (copy) out.unheard.push_back({why, parked.of->name, partition, nullptr, {}, std::move(copy)});
  });
}

COKAFKA_DECL void accumulator::fail_without_partition(parked_record& parked, const partition_table& table,
                                                      clock_time now, effects& out) noexcept {
  error_details why;
  why.code = errc::unknown_partition;
  why.message = if_memory([&] {
    return "topic " + std::string(parked.of->name.str()) + " has " + std::to_string(table.all.size()) +
           " partitions, there is no partition " + std::to_string(parked.record->view().partition.value_or(-1));
  });
  fail_one(parked, std::move(why), now, out);
}

COKAFKA_DECL void accumulator::refuse(topic& of, broker_errc why, const std::string& message, clock_time now,
                                      effects& out) {
  std::scoped_lock guard(mutex_);
  of.refused.store(why, std::memory_order_relaxed);
  const auto fails = [&](parked_ptr& each) {
    if (each->of != &of) return false;
    error_details details;
    details.code =
        why == broker_errc::invalid_topic_exception ? make_error_code(errc::invalid_topic) : make_error_code(why);
    details.message = if_memory([&] { return message; });
    fail_one(*each, std::move(details), now, out);
    return true;
  };
  if (of.waiting > 0) std::erase_if(metadata_line_, fails);
}

namespace accumulating {

// Why records are due that wait for metadata: thousands in a row of one topic get the same text.
class missing_metadata {
 public:
  explicit missing_metadata(const std::string& unreachable) : unreachable_(unreachable) {}
  void explain(const topic& of, error_details& why) noexcept {
    const broker_errc last = of.last_error.load(std::memory_order_relaxed);
    if (!unreachable_.empty()) {
      why.code = errc::no_brokers;
      why.message = if_memory([this] { return unreachable_; });
    } else if (last == broker_errc::none) {
      why.code = errc::metadata_timed_out;
    } else {
      why.code = last;
      why.message = if_memory([&] { return text_for(of, last); });
    }
  }

 private:
  const std::string& text_for(const topic& of, broker_errc last) {
    if (of_ == &of && last_ == last) return text_;
    of_ = nullptr;
    text_ = "topic " + std::string(of.name.str()) + ": " + make_error_code(last).message();
    of_ = &of;
    last_ = last;
    return text_;
  }

  const std::string& unreachable_;
  const topic* of_ = nullptr;
  broker_errc last_ = broker_errc::none;
  std::string text_{};
};

}  // namespace accumulating

COKAFKA_DECL void accumulator::expire(clock_time now, const std::string& unreachable, boost::system::error_code cause,
                                      std::size_t most, effects& out) {
  std::unique_lock guard(mutex_);
  accumulating::missing_metadata metadata(unreachable);
  bool any = false;
  for (; most > 0; --most) {
    deadline_entry* const due = deadlines_.pop_due(now);
    if (due == nullptr) break;
    any = true;
    auto& parked = *static_cast<parked_record*>(due->owner);
    error_details why;
    why.cause = cause;
    switch (parked.reason) {
      case parked_for::memory:
      case parked_for::share:
      case parked_for::space: why.code = errc::buffer_timed_out; break;
      case parked_for::partition: why.code = errc::unknown_partition; break;
      case parked_for::metadata: metadata.explain(*parked.of, why); break;
    }
    fail_one(parked, std::move(why), now, out);
    take_out(parked);
  }
  if (!any) return;
  guard.unlock();
  place_waiting(out);  // what was behind them in the line may fit
}

COKAFKA_DECL void accumulator::fail_parked(const error_details& why, clock_time now, effects& out) noexcept {
  std::scoped_lock guard(mutex_);
  for_each_line([&](parking_line& line) {
    for (auto& each : line) fail_one(*each, copied(why), now, out);
    line.clear();
  });
  for (share_line& each : share_lines_) each.of->line = nullptr;
  share_lines_.clear();
  memory.somebody_waits(false);
}

COKAFKA_DECL void accumulator::purge(clock_time now, effects& out) {
  const std::vector<topic*> kept = topics.kept();
  {
    error_details why;
    why.code = errc::purged;
    std::scoped_lock guard(mutex_);
    std::vector<parked_record*> purged;
    for_each_line([&](const parking_line& line) {
      for (const auto& each : line) {
        if (each->reason != parked_for::space) purged.push_back(each.get());
      }
    });
    for (parked_record* each : purged) {
      fail_one(*each, why, now, out);
      take_out(*each);
    }
    note_waited_shares();
  }
  for (topic* each : kept) {
    for (const auto& partition : each->partitions()) {
      if (partition->owner.load(std::memory_order_acquire) == nullptr) continue;
      partition->purge_wanted.store(true, std::memory_order_release);
      wake(*partition);
    }
  }
}

COKAFKA_DECL std::optional<clock_time> accumulator::earliest_parked_deadline() {
  std::scoped_lock guard(mutex_);
  return deadlines_.earliest();
}

COKAFKA_DECL bool accumulator::is_partition_missing() {
  std::scoped_lock guard(mutex_);
  return waiting_for_partition_ > 0;
}

COKAFKA_DECL void accumulator::refresh_begins() {
  std::scoped_lock guard(mutex_);
  ++refreshes_begun_;
}

COKAFKA_DECL void accumulator::refresh_answered() {
  std::scoped_lock guard(mutex_);
  refreshes_answered_ = refreshes_begun_;
}

COKAFKA_DECL void accumulator::abandon(waiter_list& out) noexcept {
  std::scoped_lock guard(mutex_);
  for_each_line([&](parking_line& line) {
    for (auto& each : line) {
      if (each->done) {
        waiter_list waiting = each->done->abandon(fate::not_written);
        out.splice(out.end(), waiting);
      }
      if (each->space_waiter != nullptr) out.push_back(*std::exchange(each->space_waiter, nullptr));
    }
  });
}

// --- withdrawing -----------------------------------------------------------------------------------------------------

COKAFKA_DECL bool accumulator::withdraw(completion& of, record_waiter& asked, effects& out) {
  completion* in_batch = &of;
  if (of.of == nullptr) {
    std::unique_lock guard(mutex_);
    if (parked_record* const parked = of.parked) {
      if (!of.detach(asked)) return false;
      leave_line(*parked);
      out.end_flushes(flushes.leave(parked->generation));
      take_out(*parked);
      guard.unlock();
      home_.attention();  // what was behind it in the line may fit
      return true;
    }
    in_batch = of.forwarded_to();
    if (in_batch == nullptr) return false;
  }
  const auto withdrawn = in_batch->of->withdraw(*in_batch, asked, out);
  if (withdrawn.wake) wake(*in_batch->of);
  return withdrawn.done;
}

// --- waiting for space -----------------------------------------------------------------------------------------------

COKAFKA_DECL bool accumulator::wait_for_space(operation_waiter& waiting, std::size_t bytes, clock_time now) {
  if (bytes > memory.total()) {
    waiting.failure = error(errc::record_too_large);
    return false;
  }
  // A record may have to begin a chunk, so the largest chunk must fit as well.
  const std::size_t wanted = std::min(bytes + chunk_sizes.back(), memory.total());
  {
    std::scoped_lock guard(mutex_);
    if (is_closed()) {
      waiting.failure = error(errc::closed);
      return false;
    }
    memory.somebody_waits(true);
    // Those who wait for a broker's share alone are no reason to wait behind them.
    if (!is_memory_short() && memory.available() >= wanted) {
      memory.somebody_waits(!share_lines_.empty());
      return false;
    }
    auto parked = std::make_unique<parked_record>();
    parked->reason = parked_for::space;
    parked->sent_at = now;
    parked->space_waiter = &waiting;
    parked->space_wanted = wanted;
    enter(std::move(parked), nullptr);
  }
  home_.attention();
  return true;
}

COKAFKA_DECL bool accumulator::cancel_space(operation_waiter& waiting) {
  {
    std::scoped_lock guard(mutex_);
    const auto found = std::find_if(memory_line_.begin(), memory_line_.end(),
                                    [&](const parked_ptr& each) { return each->space_waiter == &waiting; });
    if (found == memory_line_.end()) return false;
    leave_line(**found);
    take_out(**found);
  }
  home_.attention();  // what was behind it in the line may fit
  return true;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/parking_pass.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL bool accumulator::place_waiting(effects& out) {
  std::vector<partition_queue*> woken;
  {
    std::scoped_lock guard(mutex_);
    try {
      place_memory_line(out);
      note_waited_shares();
    } catch (const std::bad_alloc&) {
      // The next pass goes on, when memory is given back or somebody parks; what has been placed is not held up.
    }
    memory.somebody_waits(!memory_line_.empty() || !share_lines_.empty());
    woken.swap(to_wake_);
  }
  for (partition_queue* each : woken) wake(*each);
  return is_memory_short();
}

// The oldest of all lines that may go on; `open` are the partitions whose share lines may.
COKAFKA_DECL parked_record* accumulator::next_to_place(const std::vector<partition_queue*>& open) noexcept {
  parked_record* oldest = memory_line_.empty() ? nullptr : memory_line_.front().get();
  for (const partition_queue* each : open) {
    parked_record& first = *each->line->waiting.front();
    if (oldest == nullptr || first.number < oldest->number) oldest = &first;
  }
  return oldest;
}

// A frozen broker's partitions may have thousands of records in their lines: only the first of one of them is tried,
// and those behind it are not even looked at.
COKAFKA_DECL void accumulator::place_memory_line(effects& out) {
  begin_pass();
  std::vector<partition_owner*> full;
  std::vector<partition_queue*> open;
  for (const share_line& each : share_lines_) {
    if (!each.waiting.empty()) open.push_back(each.of);  // empty where there was no memory for who came first
  }
  while (parked_record* const first = next_to_place(open)) {
    partition_queue* const behind = first->behind;
    if (first->reason == parked_for::space) {
      if (memory.available() < first->space_wanted) break;
      leave_line(*first);
      out.ended.push_back(*std::exchange(first->space_waiter, nullptr));
      take_out(*first);
      continue;
    }
    const partition_table* table = first->of->table.load(std::memory_order_acquire);
    if (table == nullptr) {  // forgotten just when it was parked
      if (behind == nullptr || first->of->is_forgotten.load(std::memory_order_seq_cst)) {
        first->of->wanted.store(true, std::memory_order_release);
        home_.attention();
      }
      if (behind == nullptr) {
        wait_on(*first, parked_for::metadata, nullptr);
        continue;
      }
    }
    const auto& wanted = first->record->view().partition;
    if (behind == nullptr && wanted && static_cast<std::size_t>(*wanted) >= table->all.size()) {
      wait_for_partition(*first);
    } else if (place_parked(*first, table, full, out)) {
      take_out(*first);
      if (behind != nullptr && behind->line == nullptr) std::erase(open, behind);
    } else if (first->reason == parked_for::memory) {
      break;
    } else {
      block(open, *first->behind, full);
    }
  }
}

// The partition's line, and those of all whose owner's share is full, do not go on in this pass; nor may anybody else
// who comes to these partitions.
COKAFKA_DECL void accumulator::block(std::vector<partition_queue*>& open, const partition_queue& blocked,
                                     const std::vector<partition_owner*>& full) noexcept {
  std::erase_if(open, [&](partition_queue* each) {
    const auto* owner = each->owner.load(std::memory_order_acquire);
    if (each != &blocked && std::find(full.begin(), full.end(), owner) == full.end()) return false;
    each->blocked_in_pass = pass_;
    return true;
  });
}

// Under the mutex. A partition may have another owner by now.
COKAFKA_DECL void accumulator::note_waited_shares() {
  const auto is_over = [this](partition_owner* owner) {
    const bool waits = std::any_of(share_lines_.begin(), share_lines_.end(), [&](const share_line& each) {
      return each.of->owner.load(std::memory_order_acquire) == owner;
    });
    if (!waits) owner->share.waited_for.store(false, std::memory_order_relaxed);
    return !waits;
  };
  std::erase_if(waited_for_, is_over);
  for (const share_line& each : share_lines_) share_line_of(*each.of);  // without memory the next pass does it
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/produce_queue.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL void produce_queue::adopt(partition_queue& added, clock_time now, drain_conditions conditions) {
  make_room_for_one(partitions_);
  deadlines_.expect(deadlines_each * (partitions_.size() + 1) + other_deadlines);
  partitions_.push_back(&added);
  reconsider(added, now, conditions);
}

COKAFKA_DECL void produce_queue::release(partition_queue& gone) {
  put(gone, partition_queue::place::none);
  deadlines_.clear(gone.expiry);
  deadlines_.clear(gone.wake_at);
  partitions_.erase(std::remove(partitions_.begin(), partitions_.end(), &gone), partitions_.end());
}

COKAFKA_DECL void produce_queue::put(partition_queue& moved, partition_queue::place where) {
  if (moved.drain_place == where) return;
  if (moved.drain_place != partition_queue::place::none) moved.unlink();
  moved.drain_place = where;
  if (where == partition_queue::place::ready) ready_.push_back(moved);
  if (where == partition_queue::place::lingering) lingering_.push_back(moved);
}

COKAFKA_DECL void produce_queue::reconsider(partition_queue& seen, clock_time now, drain_conditions conditions) {
  readiness state = seen.look(now, conditions);
  if (seen.is_leaving()) state = {readiness::state::blocked, {}};
  switch (state.is) {
    case readiness::state::ready:
      put(seen, partition_queue::place::ready);
      deadlines_.clear(seen.wake_at);
      break;
    case readiness::state::lingering:
      put(seen, partition_queue::place::lingering);
      deadlines_.set(seen.wake_at, state.until);
      break;
    case readiness::state::backing_off:
      put(seen, partition_queue::place::none);
      deadlines_.set(seen.wake_at, state.until);
      break;
    case readiness::state::blocked:
    case readiness::state::empty:
      put(seen, partition_queue::place::none);
      deadlines_.clear(seen.wake_at);
      break;
  }
  if (const auto due = seen.earliest_deadline()) {
    if (!seen.expiry.is_set() || seen.expiry.at != *due) deadlines_.set(seen.expiry, *due);
  } else {
    deadlines_.clear(seen.expiry);
  }
}

COKAFKA_DECL void produce_queue::reconsider_all(clock_time now, drain_conditions conditions) {
  for (partition_queue* each : partitions_) reconsider(*each, now, conditions);
}

COKAFKA_DECL bool produce_queue::has_work() const {
  return std::any_of(partitions_.begin(), partitions_.end(),
                     [](partition_queue* each) { return each->has_in_flight() || each->has_pending(); });
}

COKAFKA_DECL std::vector<planned_batch> produce_queue::next_request(clock_time now, bool link_idle,
                                                                    drain_conditions conditions,
                                                                    const std::optional<producer_identity>& identity) {
  if (link_idle && idle_sends()) {
    for (auto& each : lingering_) each.drain_place = partition_queue::place::ready;
    ready_.splice(ready_.end(), lingering_);
  }
  identity_missing_ = false;
  std::vector<planned_batch> request;
  ring skipped;
  try {
    fill(request, skipped, now, conditions, identity);
  } catch (const std::bad_alloc&) {
    ready_.splice(ready_.begin(), skipped);
    if (request.empty()) throw;
    return request;  // what is in it is in flight
  }
  ready_.splice(ready_.begin(), skipped);
  return request;
}

COKAFKA_DECL void produce_queue::fill(std::vector<planned_batch>& request, ring& skipped, clock_time now,
                                      drain_conditions conditions, const std::optional<producer_identity>& identity) {
  std::size_t total = settings::request_overhead;
  for (std::size_t left = static_cast<std::size_t>(std::distance(ready_.begin(), ready_.end())); left > 0; --left) {
    partition_queue& next = ready_.front();
    // Framing of one more partition, with its topic's name where that is new.
    const std::size_t framing = next.of_topic().name.size() + 32;
    const std::size_t room = request.empty()
                                 ? static_cast<std::size_t>(-1)
                                 : settings_.max_request_size - std::min(settings_.max_request_size, total + framing);
    make_room_for_one(request);  // for what is taken
    batch_ptr taken = next.take(identity, room);
    if (!taken && !next.needs_identity() && next.next_size() > room) {
      ready_.pop_front();
      skipped.push_back(next);  // it does not fit here; it is first in the next one
      continue;
    }
    put(next, partition_queue::place::none);
    if (taken) {
      total += framing + taken->records.size();
      const partition_table* table = next.of_topic().table.load(std::memory_order_acquire);
      request.push_back({&next, std::move(taken), false, false, table != nullptr ? table->topic_id : wire::uuid{}});
    }
    reconsider_unless_waiting_for_identity(next, now, conditions);
  }
}

// Without a producer id it would be ready for ever; the identity's arrival reconsiders all.
COKAFKA_DECL void produce_queue::reconsider_unless_waiting_for_identity(partition_queue& seen, clock_time now,
                                                                        drain_conditions conditions) {
  reconsider(seen, now, conditions);
  if (!seen.needs_identity()) return;
  identity_missing_ = true;
  if (const auto used_up = seen.used_up_producer_id()) used_up_id_ = used_up;
  put(seen, partition_queue::place::none);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/cluster_metadata.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

namespace describing {

constexpr bool is_port(std::int32_t port) noexcept { return port > 0 && port <= 65535; }

// One more than the largest index that can be. Indexes are dense in every answer of a real broker.
inline std::size_t count_partitions(const messages::metadata_response::topic& told) noexcept {
  std::int64_t count = 0;
  for (const auto& each : told.partitions) count = std::max(count, std::int64_t{each.partition_index} + 1);
  return std::min(static_cast<std::size_t>(count), told.partitions.size());
}

}  // namespace describing

COKAFKA_DECL std::vector<topic_news> cluster_metadata::merge(const messages::metadata_response& response) {
  // An answer without brokers comes from a broker that is still starting; what we know is better.
  if (!response.brokers.empty()) {
    brokers_.clear();
    for (const auto& each : response.brokers) {
      if (each.node_id >= 0 && describing::is_port(each.port)) brokers_.insert_or_assign(each.node_id, each);
    }
  }
  std::vector<topic_news> news;
  for (const auto& each : response.topics) {
    if (each.name) news.push_back(merge_topic(each));
  }
  return news;
}

COKAFKA_DECL topic_news cluster_metadata::merge_topic(const messages::metadata_response::topic& told) {
  topic_news news;
  news.name = *told.name;
  news.error = static_cast<broker_errc>(told.error_code);
  if (news.error != broker_errc::none) {
    const bool passes = has(classify(news.error), error_class::retriable);
    news.is = passes ? topic_news::kind::waiting : topic_news::kind::refused;
    const auto found = topics_.find(news.name);
    if (found != topics_.end() && news.error == broker_errc::unknown_topic_or_partition)
      found->second.was_missing = true;
    return news;
  }
  const std::size_t count = describing::count_partitions(told);
  if (count == 0 || count > most_partitions) {
    news.error = broker_errc::leader_not_available;
    return news;
  }
  news.is = topic_news::kind::known;
  topic_state& cached = topics_[news.name];
  const relation is = compare(cached, told, count);
  news.made_anew = is == relation::another && !cached.partitions.empty();
  news.doubtful = is == relation::outdated;
  const bool other_id = !cached.id.is_zero() && !told.topic_id.is_zero() && cached.id != told.topic_id;
  if (news.doubtful && other_id) return news;  // nothing in it is of this topic
  take_partitions(cached, told, count, is != relation::another);
  for (const auto& each : cached.partitions) news.complete = news.complete && each.leader >= 0;
  return news;
}

// With ids there is no doubt. Without them a topic that was deleted and made anew has older epochs or fewer partitions,
// and would keep leaders of its former life for ever (KAFKA-12257).
COKAFKA_DECL auto cluster_metadata::compare(topic_state& cached, const messages::metadata_response::topic& told,
                                            std::size_t count) -> relation {
  const bool was_missing = std::exchange(cached.was_missing, false);
  if (cached.partitions.empty()) return relation::another;
  if (!cached.id.is_zero() && !told.topic_id.is_zero()) {
    cached.backwards = 0;
    if (cached.id == told.topic_id) return relation::same;
    const bool is_over = std::find(cached.former.begin(), cached.former.end(), told.topic_id) != cached.former.end();
    return is_over ? relation::outdated : relation::another;
  }
  const auto is_older = [&](const auto& each) {
    const auto index = static_cast<std::size_t>(each.partition_index);
    return each.partition_index >= 0 && index < cached.partitions.size() && each.leader_epoch >= 0 &&
           each.leader_epoch < cached.partitions[index].leader_epoch;
  };
  const bool back =
      count < cached.partitions.size() || std::any_of(told.partitions.begin(), told.partitions.end(), is_older);
  cached.backwards = back ? cached.backwards + 1 : 0;
  if (!back) return relation::same;
  if (!was_missing && cached.backwards < believed_after) return relation::outdated;
  cached.backwards = 0;
  return relation::another;
}

COKAFKA_DECL void cluster_metadata::take_partitions(topic_state& cached, const messages::metadata_response::topic& told,
                                                    std::size_t count, bool same_topic) const {
  constexpr std::size_t most_former = 8;
  const std::vector<partition_state> before = std::exchange(cached.partitions, {});
  if (!same_topic && !cached.id.is_zero() && cached.id != told.topic_id) {
    if (cached.former.size() == most_former) cached.former.erase(cached.former.begin());
    cached.former.push_back(cached.id);
  }
  // A broker that is too old to tell ids says nothing against the one that is known.
  if (!same_topic || !told.topic_id.is_zero()) cached.id = told.topic_id;
  cached.partitions.resize(count);
  for (const auto& each : told.partitions) {
    const auto index = static_cast<std::size_t>(each.partition_index);
    if (each.partition_index < 0 || index >= count) continue;
    partition_state& state = cached.partitions[index];
    const bool is_older =
        same_topic && index < before.size() && each.leader_epoch >= 0 && each.leader_epoch < before[index].leader_epoch;
    if (is_older) {
      state = before[index];
    } else {
      state = {each.leader_id, each.leader_epoch, each.replica_nodes, each.isr_nodes};
    }
  }
  // A topic never loses partitions while it is the same; a broker that lags behind may not know all.
  if (same_topic && count < before.size()) {
    cached.partitions.insert(cached.partitions.end(), before.begin() + static_cast<std::ptrdiff_t>(count),
                             before.end());
  }
  for (auto& each : cached.partitions) {
    if (!brokers_.contains(each.leader)) each.leader = -1;
  }
}

COKAFKA_DECL std::vector<std::string> cluster_metadata::learn(const leader_news& news) {
  std::vector<std::string> changed;
  for (const auto& each : news.moved) {
    const auto found = topics_.find(each.topic);
    if (found == topics_.end() || found->second.id != each.topic_id) continue;
    auto& partitions = found->second.partitions;
    const auto index = static_cast<std::size_t>(each.index);
    if (index >= partitions.size() || each.leader_epoch <= partitions[index].leader_epoch) continue;
    if (!take_endpoint(each.leader, news.endpoints)) continue;
    partitions[index].leader = each.leader;
    partitions[index].leader_epoch = each.leader_epoch;
    if (changed.empty() || changed.back() != each.topic) changed.push_back(each.topic);
  }
  return changed;
}

// False when nobody has said where the broker is.
COKAFKA_DECL bool cluster_metadata::take_endpoint(std::int32_t id,
                                                  const std::vector<messages::node_endpoint>& endpoints) {
  for (const auto& each : endpoints) {
    if (each.node_id == id && !each.host.empty() && describing::is_port(each.port)) {
      brokers_.insert_or_assign(id, messages::metadata_response::broker{id, each.host, each.port, each.rack});
    }
  }
  return brokers_.contains(id);
}

COKAFKA_DECL void cluster_metadata::forget(const std::string& name) { topics_.erase(name); }

COKAFKA_DECL const topic_state* cluster_metadata::find(const std::string& name) const {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : &found->second;
}

COKAFKA_DECL std::vector<partition_info> cluster_metadata::describe(const std::string& name) const {
  std::vector<partition_info> listed;
  if (const topic_state* state = find(name)) {
    for (std::size_t i = 0; i < state->partitions.size(); ++i) {
      const partition_state& each = state->partitions[i];
      partition_info info;
      info.id = static_cast<std::int32_t>(i);
      if (each.leader >= 0) info.leader = each.leader;
      info.replicas = each.replicas;
      info.in_sync_replicas = each.in_sync;
      listed.push_back(std::move(info));
    }
  }
  return listed;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/base/host_port.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

inline constexpr std::string_view host_characters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._%";
inline constexpr std::string_view ipv6_characters = "0123456789abcdefABCDEF:.%";  // a zone follows the %

// The rule that `entry` breaks, or empty; then `made` is set.
inline std::string_view parse_host_port(std::string_view entry, host_port& made) {
  if (const std::size_t scheme = entry.find("://"); scheme != std::string_view::npos) {
    if (!equal_ignoring_case(entry.substr(0, scheme), "plaintext")) return "the only protocol offered is PLAINTEXT://";
    entry.remove_prefix(scheme + 3);
  }
  std::string_view host;
  std::optional<std::string_view> port;
  if (!entry.empty() && entry.front() == '[') {
    const std::size_t close = entry.find(']');
    if (close == std::string_view::npos) return "the bracket of an IPv6 address is not closed";
    host = entry.substr(1, close - 1);
    const std::string_view address = host.substr(0, host.find('%'));
    if (address.find(':') == std::string_view::npos ||
        address.find_first_not_of(ipv6_characters) != std::string_view::npos)
      return "brackets are for IPv6 addresses";
    const std::string_view rest = entry.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return "after an IPv6 address in brackets only :port may follow";
    if (!rest.empty()) port = rest.substr(1);
  } else {
    const std::size_t colon = entry.find(':');
    if (colon != std::string_view::npos && entry.find(':', colon + 1) != std::string_view::npos)
      return "IPv6 addresses must be in brackets, [::1]:9092";
    host = entry.substr(0, colon);
    if (colon != std::string_view::npos) port = entry.substr(colon + 1);
    if (host.empty()) return "a host is missing";
    if (host.find_first_not_of(host_characters) != std::string_view::npos)
      return "a host has a character it must not have";
  }
  made.host = host;
  made.port = default_kafka_port;
  if (!port) return {};
  const auto number = parse_integer(*port);
  if (!number || *number < 1 || *number > 65535) return "a port must be a number from 1 to 65535";
  made.port = static_cast<std::uint16_t>(*number);
  return {};
}

COKAFKA_DECL host_port_list parse_host_ports(std::string_view text) {
  host_port_list list;
  if (trimmed(text).empty()) {
    list.problem = "must name at least one host[:port]";
    return list;
  }
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    const std::string_view entry = trimmed(text.substr(begin, comma - begin));
    begin = comma + 1;
    host_port made;
    const std::string_view problem =
        entry.empty() ? std::string_view("there is nothing between two commas") : parse_host_port(entry, made);
    if (!problem.empty()) {
      list.servers.clear();
      list.problem.assign("must be host[:port],...; ").append(problem);
      if (!entry.empty()) list.problem.append(" (in \"").append(entry).append("\")");
      return list;
    }
    if (std::find(list.servers.begin(), list.servers.end(), made) == list.servers.end())
      list.servers.push_back(std::move(made));
  }
  return list;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/engine/engine_service.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL void engine_service::add(std::weak_ptr<context_member> added, operation_home_ptr home) {
  std::scoped_lock guard(mutex_);
  std::erase_if(members_, [](const member& each) { return each.engine.expired() && each.home->use_count() == 1; });
  members_.push_back({std::move(added), std::move(home)});
}

COKAFKA_DECL void engine_service::shutdown() {
  std::vector<member> all;
  {
    std::scoped_lock guard(mutex_);
    all.swap(members_);
  }
  for (auto& each : all) {
    if (const auto alive = each.engine.lock()) alive->shutdown();
  }
  for (auto& each : all) each.home->executor = asio::any_io_executor();
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/deadline_timer.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL void deadline_timer::start(std::weak_ptr<void> owner, std::function<void()> due) {
  owner_ = std::move(owner);
  due_ = std::move(due);
  timer_ = env_.make_timer(strand_);
}

COKAFKA_DECL void deadline_timer::update() {
  const auto earliest = heap.earliest();
  if (!timer_ || !earliest || (armed_for_ && *armed_for_ <= *earliest)) return;
  arm(*earliest);
}

COKAFKA_DECL void deadline_timer::settle() {
  const auto earliest = heap.earliest();
  if (!timer_ || earliest == armed_for_) return;
  if (earliest) return arm(*earliest);
  armed_for_.reset();
  ++generation_;
  timer_->cancel();
}

COKAFKA_DECL void deadline_timer::stop() noexcept {
  armed_for_.reset();
  ++generation_;
  timer_.reset();
  strand_ = asio::any_io_executor();
}

COKAFKA_DECL void deadline_timer::arm(clock_time at) {
  armed_for_.reset();  // until it is: without memory the next update() tries again
  const std::uint64_t mine = ++generation_;
  auto fire = [this, mine, alive = owner_](error_code failed) {
    const auto owner = alive.lock();
    if (!owner || failed || mine != generation_) return;
    armed_for_.reset();
    wake_ups_.fetch_add(1, std::memory_order_relaxed);
    try {
      due_();
    } catch (const std::bad_alloc&) {  // what is still due follows at once
    }
    update();
  };
  if (at <= env_.now()) {  // behind what is posted already: a timer would cost a system call and come no sooner
    asio::post(strand_, [fire = std::move(fire)] { fire(error_code()); });
  } else {
    timer_->wait_until(at, asio::bind_executor(strand_, std::move(fire)));
  }
  armed_for_ = at;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/api_versions_known.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL void api_versions_known::learn(const messages::api_versions_response& response, const version_caps& caps) {
  ranges_.clear();
  for (const auto& each : response.api_keys) {
    const auto key = static_cast<messages::api_key>(each.api_key);
    wire::version_range ours = client_versions(key);
    if (const auto cap = caps.find(key); cap != caps.end()) ours.max = std::min(ours.max, cap->second);
    const wire::version_range both{std::max(ours.min, each.min_version), std::min(ours.max, each.max_version)};
    if (both.min <= both.max) ranges_[key] = both;
  }
}

COKAFKA_DECL std::optional<std::int16_t> api_versions_known::newest(messages::api_key key) const {
  const auto found = ranges_.find(key);
  if (found == ranges_.end()) return std::nullopt;
  return found->second.max;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/partition_keeper.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL void partition_keeper::wake(partition_queue& woken) {
  if (woken_.push(woken)) tell_woken();
}

COKAFKA_DECL void partition_keeper::wake_again() {
  if (woken_.take_unheard()) tell_woken();
}

COKAFKA_DECL void partition_keeper::tell_woken() noexcept {
  try {
    on_strand([this] { take_woken(); });
  } catch (...) {       // no memory, or an executor that refuses
    woken_.not_told();  // the record is in its batch all the same: whoever comes next tells of it
  }
}

COKAFKA_DECL void partition_keeper::adopt_soon(partition_queue& added) {
  on_strand([this, &added] {
    if (added.owner.load(std::memory_order_acquire) == this && added.adopted_by != this) adopt(added);
  });
}

// May find no memory: then the next word of it brings it here.
COKAFKA_DECL void partition_keeper::adopt(partition_queue& added) {
  if (!ended_) {
    heed_its_topic(added, host_.env().now());
    purge_if_wanted(added, host_.env().now());
    queue_.adopt(added, host_.env().now(), conditions());
  }
  added.adopted_by = this;
  if (ended_) return fail_one(added);
  hand_over_if_wanted(added);
  if (added.parked.load(std::memory_order_relaxed) > 0) host_.link_changed();  // our share may have room for them
  news();
  deadlines_.update();
}

COKAFKA_DECL void partition_keeper::reconsider_owner_soon(partition_queue& moved) {
  on_strand([this, &moved] {
    partition_owner* const owner = moved.owner.load(std::memory_order_acquire);
    // Handed over meanwhile: the news must not be lost, the new owner may have taken it over before the wish changed.
    if (owner != this) return owner->reconsider_owner_soon(moved);
    moved.adopted_by == this ? reconsider(moved, host_.env().now()) : adopt(moved);
  });
}

COKAFKA_DECL void partition_keeper::acknowledged_late_soon(partition_queue& moved, batch_ptr written,
                                                           broker_answer said) {
  on_strand([this, &moved, written = std::move(written), said = std::move(said)]() mutable {
    partition_owner* const owner = moved.owner.load(std::memory_order_acquire);
    // Not here any more, or not yet: hand-overs are messages too, and this one may have overtaken them.
    if (owner != this || moved.adopted_by != this) {
      return owner->acknowledged_late_soon(moved, std::move(written), std::move(said));
    }
    effects out;
    moved.acknowledged_late(*written, said, out);
    carry_out(out);
    reconsider(moved, host_.env().now());
    news();
    deadlines_.update();
  });
}

COKAFKA_DECL void partition_keeper::poke() {
  on_strand([this] {
    queue_.reconsider_all(host_.env().now(), conditions());
    news();
    deadlines_.update();
  });
}

COKAFKA_DECL void partition_keeper::take_woken() {
  const clock_time now = host_.env().now();
  woken_.take_all([&](partition_queue& woken) {
    partition_owner* owner = woken.owner.load(std::memory_order_acquire);
    if (owner != this) {  // handed over while the news was on its way
      if (!woken.wake_pending.exchange(true, std::memory_order_acq_rel)) owner->wake(woken);
    } else {
      woken.adopted_by == this ? reconsider(woken, now) : adopt(woken);
    }
  });
  news();
  deadlines_.update();
}

COKAFKA_DECL void partition_keeper::reconsider(partition_queue& seen, clock_time now) {
  // Two lost requests may name one partition: it may have been handed over for the first, and is the next owner's then.
  if (seen.owner.load(std::memory_order_acquire) != this) return;
  heed_its_topic(seen, now);
  hand_over_if_wanted(seen);
  if (seen.owner.load(std::memory_order_acquire) != this) return;
  if (seen.adopted_by != this) return;
  purge_if_wanted(seen, now);
  queue_.reconsider(seen, now, conditions());
}

COKAFKA_DECL void partition_keeper::purge_if_wanted(partition_queue& seen, clock_time now) {
  if (!seen.purge_wanted.load(std::memory_order_acquire)) return;
  seen.purge_wanted.store(false, std::memory_order_relaxed);
  error_details why;
  why.code = errc::purged;
  effects out;
  seen.fail_queued(why, now, out);
  carry_out(out);
}

// A topic that was deleted and made anew: sequences begin again, and where it has fewer partitions there is nowhere to
// go.
COKAFKA_DECL void partition_keeper::heed_its_topic(partition_queue& seen, clock_time now) {
  if (seen.is_made_anew.exchange(false, std::memory_order_acq_rel)) seen.begin_anew();
  if (!seen.is_gone.load(std::memory_order_acquire)) return;
  error_details why;
  why.code = broker_errc::unknown_topic_or_partition;
  why.message = "topic " + std::string(seen.called().str()) + " was deleted and made anew without partition " +
                std::to_string(seen.index());
  effects out;
  seen.fail_queued(why, now, out);
  carry_out(out);
}

// Rule 10: a partition moves at once, and what was not answered here is sent again there; without idempotence it moves
// when nothing of it is in flight here any more.
COKAFKA_DECL void partition_keeper::hand_over_if_wanted(partition_queue& seen) {
  if (seen.adopted_by != this || !seen.is_leaving() || !seen.leave_leader()) return;
  queue_.release(seen);
  forget_answers(seen);
  seen.adopted_by = nullptr;
  partition_owner* next = seen.desired_owner.load(std::memory_order_acquire);
  seen.owner.store(next, std::memory_order_release);
  next->adopt_soon(seen);
}

COKAFKA_DECL bool partition_keeper::handle_partition_deadline(deadline_entry& due, clock_time now, effects& out) {
  const auto kind = static_cast<deadline_kind>(due.kind);
  if (kind != deadline_kind::partition_expiry && kind != deadline_kind::partition_wake) return false;
  auto& partition = *static_cast<partition_queue*>(due.owner);
  if (kind == deadline_kind::partition_expiry) partition.expire(now, why_stalled(), out);
  reconsider(partition, now);
  return true;
}

COKAFKA_DECL void partition_keeper::identity_refused_soon(error_details why) {
  on_strand([this, why = std::move(why)] {
    const clock_time now = host_.env().now();
    effects out;
    for (partition_queue* each : queue_.partitions()) {
      if (each->needs_identity()) each->fail_unsent(why, now, out);
    }
    carry_out(out);
    queue_.reconsider_all(now, conditions());
    news();
    deadlines_.update();
  });
}

COKAFKA_DECL void partition_keeper::carry_out(effects& wanted) {
  if (wanted.refresh_metadata) host_.want_metadata();
  host_.carry_out(wanted);
}

COKAFKA_DECL void partition_keeper::fail_partitions(error_details why) {
  ended_ = std::move(why);
  for (partition_queue* each : queue_.partitions()) fail_one(*each);
}

COKAFKA_DECL void partition_keeper::fail_one(partition_queue& partition) {
  effects out;
  partition.fail_all(*ended_, host_.env().now(), out);
  host_.carry_out(out);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/core/produce_request.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

namespace producing {

// Batches of one topic next to each other, topics in the order of their first batch.
inline void group_by_topic(std::vector<planned_batch>& batches) {
  std::unordered_map<const topic*, std::size_t> groups;  // asked, never iterated: the order is that of the batches
  for (const auto& each : batches) groups.try_emplace(&each.partition->of_topic(), groups.size());
  if (groups.size() == 1) return;
  std::vector<std::vector<planned_batch>> grouped(groups.size());
  for (const auto& each : batches) grouped[groups.at(&each.partition->of_topic())].push_back(each);
  auto at = batches.begin();
  for (auto& group : grouped) at = std::move(group.begin(), group.end(), at);
}

inline void append_batch(std::vector<std::span<const char>>& gather, const batch& sent) {
  gather.push_back(sent.records.header());
  for (const chunk* each = sent.records.chunks(); each != nullptr && each->size > 0; each = each->next) {
    gather.emplace_back(each->data(), each->size);
  }
}

}  // namespace producing

COKAFKA_DECL bool has_all_topic_ids(std::span<const planned_batch> batches) noexcept {
  return std::none_of(batches.begin(), batches.end(),
                      [](const planned_batch& each) { return each.topic_id.is_zero(); });
}

COKAFKA_DECL void encode_produce_request(produce_request& sent, const settings& rules) {
  producing::group_by_topic(sent.batches);
  messages::produce_request message;
  message.acks = rules.acks;
  message.timeout_ms = static_cast<std::int32_t>(rules.user.request_timeout.count());
  const topic* last = nullptr;
  for (auto& each : sent.batches) {
    if (&each.partition->of_topic() != last) {
      last = &each.partition->of_topic();
      message.topics.emplace_back();
      message.topics.back().name = std::string(last->name.str());
      message.topics.back().topic_id = each.topic_id;
    }
    each.topic_id =
        message.topics.back().topic_id;  // one topic, one id, although metadata may arrive on another thread
    message.topics.back().partitions.push_back({each.partition->index(), {std::nullopt, each.what->records.size()}});
  }
  std::vector<wire::cut> cuts;
  messages::encode_request(sent.framing, &cuts, message, sent.version, sent.correlation_id, rules.client_id);
  std::size_t from = 0;
  sent.size = sent.framing.size();
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    sent.gather.emplace_back(sent.framing.data() + from, cuts[i].position_in_buffer - from);
    producing::append_batch(sent.gather, *sent.batches[i].what);
    from = cuts[i].position_in_buffer;
    sent.size += cuts[i].size;
  }
  if (from < sent.framing.size()) sent.gather.emplace_back(sent.framing.data() + from, sent.framing.size() - from);
}

COKAFKA_DECL void put_in_order(messages::produce_response& response, std::int16_t version) {
  std::sort(response.responses.begin(), response.responses.end(),
            [&](const auto& a, const auto& b) { return version >= 13 ? a.topic_id < b.topic_id : a.name < b.name; });
  for (auto& topic : response.responses) {
    std::sort(topic.partitions.begin(), topic.partitions.end(),
              [](const auto& a, const auto& b) { return a.index < b.index; });
  }
}

COKAFKA_DECL const messages::produce_response::partition* find_answer(const messages::produce_response& response,
                                                                      const planned_batch& sent,
                                                                      std::int16_t version) noexcept {
  const std::string_view name = sent.partition->called().str();
  const std::int32_t index = sent.partition->index();
  auto topic = std::partition_point(response.responses.begin(), response.responses.end(), [&](const auto& each) {
    return version >= 13 ? each.topic_id < sent.topic_id : each.name < name;
  });
  for (; topic != response.responses.end(); ++topic) {  // one, unless the broker repeats itself
    if (version >= 13 ? topic->topic_id != sent.topic_id : topic->name != name) break;
    const auto found = std::partition_point(topic->partitions.begin(), topic->partitions.end(),
                                            [&](const auto& each) { return each.index < index; });
    if (found != topic->partitions.end() && found->index == index) return &*found;
  }
  return nullptr;
}

COKAFKA_DECL std::vector<broker_answer::culprit> culprits_of(const messages::produce_response::partition& answer,
                                                             const batch& sent) {
  std::vector<broker_answer::culprit> found;
  for (const auto& each : answer.record_errors) {
    if (each.batch_index < 0 || static_cast<std::uint32_t>(each.batch_index) >= sent.records.count()) continue;
    found.push_back({static_cast<std::uint32_t>(each.batch_index), each.message.value_or(std::string())});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.place < b.place; });
  const auto is_same = [](const auto& a, const auto& b) { return a.place == b.place; };
  found.erase(std::unique(found.begin(), found.end(), is_same), found.end());
  return found;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/messages/codec.ipp

namespace cokafka::inline COKAFKA_ABI::detail::messages {

COKAFKA_DECL bool decode_request_header(std::string_view frame, request_header& header, std::string_view& body) {
  wire::reader reader(frame);
  header.key = static_cast<api_key>(reader.int16());
  header.version = reader.int16();
  header.correlation_id = reader.int32();
  header.client_id.reset();
  const std::int16_t size = reader.int16();
  if (size < -1) return false;
  if (size >= 0) header.client_id = reader.bytes(static_cast<std::size_t>(size));
  if (header.version >= flexible_from(header.key)) wire::skip_tagged_fields(reader);
  if (!reader.ok()) return false;
  body = frame.substr(reader.position());
  return true;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

// ---- cokafka/detail/wire/frame_parser.ipp

namespace cokafka::inline COKAFKA_ABI::detail::wire {

COKAFKA_DECL std::span<char> frame_parser::prepare(std::size_t size) {
  const std::size_t needed = pending() + std::max<std::size_t>(size, 1);
  if (needed > capacity_) {
    const std::size_t enough = std::max(needed, max_frame_size_ + size_prefix + size);
    move_to_buffer_of(std::clamp(2 * capacity_, std::max(needed, std::min(enough, std::size_t{4096})), enough));
  } else if (const std::size_t ample = std::max(needed, kept_capacity); capacity_ > 2 * ample) {
    move_to_buffer_of(ample);
  } else if (capacity_ - end_ < needed - pending()) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, pending());
    end_ = pending();
    begin_ = 0;
  }
  return {buffer_.get() + end_, capacity_ - end_};
}

COKAFKA_DECL void frame_parser::move_to_buffer_of(std::size_t capacity) {
  auto larger = std::make_unique_for_overwrite<char[]>(capacity);
  if (pending() != 0) std::memcpy(larger.get(), buffer_.get() + begin_, pending());
  buffer_ = std::move(larger);
  capacity_ = capacity;
  end_ = pending();
  begin_ = 0;
}

COKAFKA_DECL parsed_frame frame_parser::next() noexcept {
  const std::string_view bytes(buffer_.get() + begin_, pending());
  reader prefix(bytes);
  const std::int32_t announced = prefix.int32();
  if (!prefix.ok()) return {};
  if (announced < 0) return {frame_status::negative_size, {}};
  const auto size = static_cast<std::size_t>(announced);
  if (size > max_frame_size_) return {frame_status::too_large, {}};
  if (prefix.remaining() < size) return {};
  begin_ += size_prefix + size;
  return {frame_status::frame, bytes.substr(size_prefix, size)};
}

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

// ---- cokafka/detail/io/connection.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL std::string text_of(const endpoint& at) {
  const bool is_v6 = at.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + at.host + "]" : at.host) + ":" + std::to_string(at.port);
}

COKAFKA_DECL connection::connection(environment& env, asio::any_io_executor strand, const settings& rules,
                                    deadline_timer& deadlines, const version_caps& caps)
    : env_(env),
      strand_(std::move(strand)),
      rules_(rules),
      deadlines_(deadlines),
      caps_(caps),
      parser_(static_cast<std::size_t>(rules.user.receive_message_max_bytes)),
      timeout_(static_cast<int>(deadline_kind::call_timeout), this) {}

COKAFKA_DECL asio::awaitable<error_code> connection::open(const endpoint& to, setup_limits limits,
                                                          std::uint32_t attempt) {
  close();
  timed_out_ = false;
  parser_ = wire::frame_parser(static_cast<std::size_t>(rules_.user.receive_message_max_bytes));
  stream_ = env_.make_stream(strand_, {attempt, rules_.user.send_buffer_bytes, rules_.user.receive_buffer_bytes});
  begin_timeout(limits.connect);
  auto [failed] = co_await async_connect(*stream_, to.host, to.port, asio::as_tuple(asio::deferred));
  end_timeout();
  error_code outcome = reason(failed);
  if (!outcome) {
    open_ = true;
    outcome = co_await negotiate(limits.agree);
  }
  if (outcome) {
    close();
  } else {
    ready_ = open_;
  }
  co_return outcome;
}

// A broker that does not know our version of ApiVersions answers error 35 in the layout of version 0, with the versions
// it knows where it is polite enough; then the same is asked again with one of those (KIP-511).
COKAFKA_DECL asio::awaitable<error_code> connection::negotiate(clock_duration timeout) {
  std::int16_t version = client_versions(messages::api_key::api_versions).max;
  if (const auto cap = caps_.find(messages::api_key::api_versions); cap != caps_.end()) {
    version = std::min(version, cap->second);
  }
  messages::api_versions_request request;
  request.client_software_name = "cokafka";
  request.client_software_version = COKAFKA_VERSION;
  for (;;) {
    messages::api_versions_response response;
    const error_code failed = co_await exchange(request, version, response, timeout);
    if (failed) co_return failed;
    const auto answered = static_cast<broker_errc>(response.error_code);
    if (answered == broker_errc::none) {
      versions_.learn(response, caps_);
      co_return error_code();
    }
    if (answered != broker_errc::unsupported_version || version == 0) co_return make_error_code(answered);
    std::int16_t known = 0;
    for (const auto& each : response.api_keys) {
      if (each.api_key == static_cast<std::int16_t>(messages::api_key::api_versions)) known = each.max_version;
    }
    version = std::clamp<std::int16_t>(known, 0, static_cast<std::int16_t>(version - 1));
  }
}

COKAFKA_DECL asio::awaitable<error_code> connection::write_frame(std::string_view frame) {
  single_[0] = asio::buffer(frame);
  auto [failed, written] = co_await async_write_all(*stream_, single_, asio::as_tuple(asio::deferred));
  (void)written;
  co_return reason(failed);
}

COKAFKA_DECL asio::awaitable<error_code> connection::read_frame(std::string_view& frame) {
  for (;;) {
    if (!stream_) co_return reason(asio::error::operation_aborted);
    const wire::parsed_frame parsed = parser_.next();
    if (parsed.status == wire::frame_status::frame) {
      frame = parsed.body;
      co_return error_code();
    }
    if (parsed.status != wire::frame_status::need_more) co_return make_error_code(errc::invalid_response);
    const auto room = parser_.prepare(4096);
    auto [failed, size] =
        co_await async_read_some(*stream_, asio::buffer(room.data(), room.size()), asio::as_tuple(asio::deferred));
    if (failed) co_return reason(failed);
    parser_.commit(size);
  }
}

COKAFKA_DECL void connection::close() noexcept {
  open_ = ready_ = false;
  end_timeout();
  if (stream_) stream_->close();
}

COKAFKA_DECL void connection::timed_out() noexcept {
  timed_out_ = true;
  if (stream_) stream_->close();
}

COKAFKA_DECL void connection::begin_timeout(clock_duration timeout) {
  deadlines_.heap.set(timeout_, env_.now() + timeout);
  deadlines_.update();
}

COKAFKA_DECL void connection::end_timeout() noexcept { deadlines_.heap.clear(timeout_); }

// What the stream says after we closed it ourselves is not the reason.
COKAFKA_DECL error_code connection::reason(error_code seen) const noexcept {
  if (!seen) return seen;
  if (timed_out_) return make_error_code(open_ ? errc::request_timed_out : errc::connection_failed);
  return seen;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/broker_link.ipp

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL broker_link::broker_link(link_host& host, asio::any_io_executor executor, std::int32_t id, endpoint at)
    : partition_keeper(host, asio::make_strand(std::move(executor))),
      id_(id),
      endpoint_(std::move(at)),
      connection_(host.env(), strand_, host.rules(), deadlines_, host.caps()),
      request_timeout_(static_cast<int>(deadline_kind::request_timeout), this),
      idle_close_(static_cast<int>(deadline_kind::idle_close), this),
      backoff_over_(static_cast<int>(deadline_kind::backoff_over), this),
      throttle_over_(static_cast<int>(deadline_kind::throttle_over), this) {}

// --- run -------------------------------------------------------------------------------------------------------------

// Throughout the tasks an awaited value gets a statement of its own: g++ 12 miscompiles `if (co_await a()) co_await
// b();`.
COKAFKA_DECL asio::awaitable<void> broker_link::run() {
  while (!stopping_) {
    if (!has_reason_to_connect()) {
      deadlines_.settle();
      co_await news_.wait(asio::deferred);
      continue;
    }
    try {
      const bool reached = co_await reach();
      if (reached) {
        lose_requests(asio::error::no_memory);  // none, unless that found no memory below
        co_await serve();
      }
    } catch (const std::bad_alloc&) {  // a task's frame, say; what was in flight goes again as after any other loss
      connection_.close();
      retry_connect_at_ = host_.env().now() + clock_duration(host_.rules().user.reconnect_backoff);
      if_memory([&] { lose_requests(asio::error::no_memory); });
    }
  }
  end();
}

// One attempt to connect, or the wait before it. False: ask again.
COKAFKA_DECL asio::awaitable<bool> broker_link::reach() {
  if (host_.env().now() < retry_connect_at_) {
    deadlines_.heap.set(backoff_over_, retry_connect_at_);
    deadlines_.update();
    co_await news_.wait(asio::deferred);
    co_return false;
  }
  const config& user = host_.rules().user;
  const backoff_policy setup{user.effective_connection_setup_timeout(), user.socket_connection_setup_timeout_max};
  const clock_duration timeout = setup.delay(failed_attempts_ + 1, host_.env().random());
  const endpoint to = endpoint_;
  moved_ = false;
  is_connecting_ = true;
  watch_silence(host_.env().now());
  error_code failed = co_await connection_.open(to, {timeout, timeout}, failed_attempts_);
  is_connecting_ = false;
  deadlines_.heap.clear(request_timeout_);
  if (moved_) connection_.close();
  if (stopping_ || moved_) co_return false;
  connect_wanted_ = false;
  const auto version = connection_.versions().newest(messages::api_key::produce);
  if (!failed && !version) failed = make_error_code(errc::unsupported_version);
  if (!failed) {
    produce_version_ = *version;
    co_return true;
  }
  connection_.close();
  last_error_ = failed;
  const backoff_policy again{user.reconnect_backoff, user.effective_reconnect_backoff_max()};
  retry_connect_at_ = host_.env().now() + again.delay(++failed_attempts_, host_.env().random());
  host_.say(log_level::warning, name() + ": cannot be reached: " + failed.message());
  host_.want_metadata();
  host_.link_changed();
  co_return false;
}

COKAFKA_DECL asio::awaitable<void> broker_link::serve() {
  connected_.store(true, std::memory_order_relaxed);
  last_error_ = {};
  last_used_ = host_.env().now();
  host_.say(log_level::info, name() + ": connected, Produce version " + std::to_string(produce_version_));
  host_.link_changed();
  auto alive = host_.keep_alive();
  asio::co_spawn(strand_, read_responses(), [this, alive](std::exception_ptr failed) { reader_has_ended(failed); });
  try {
    co_await write_requests();
  } catch (const std::bad_alloc&) {
    last_error_ = asio::error::no_memory;
  }
  connection_.close();
  co_await reader_ended_.wait(asio::deferred);
  connected_.store(false, std::memory_order_relaxed);
  deadlines_.heap.clear(request_timeout_);
  deadlines_.heap.clear(idle_close_);
  if (std::exchange(moved_, false)) {
    last_error_ = {};
    request_timed_out_ = false;
    lose_requests(make_error_code(errc::disconnected));
    co_return;
  }
  if (in_flight_.empty() && !last_error_) co_return;  // closed because it was idle
  if (!last_error_) last_error_ = make_error_code(errc::disconnected);
  const config& user = host_.rules().user;
  const backoff_policy again{user.reconnect_backoff, user.effective_reconnect_backoff_max()};
  retry_connect_at_ = host_.env().now() + again.delay(++failed_attempts_, host_.env().random());
  say_connection_lost();
  lose_requests(
      make_error_code(std::exchange(request_timed_out_, false) ? errc::request_timed_out : errc::disconnected));
  host_.want_metadata();
}

// --- write -----------------------------------------------------------------------------------------------------------

COKAFKA_DECL asio::awaitable<void> broker_link::write_requests() {
  while (!stopping_ && connection_.is_open()) {
    if (moved_ && in_flight_.empty()) co_return;
    const clock_time now = host_.env().now();
    if (auto request = next_request(now)) {
      const bool written = co_await write(std::move(request));
      if (!written) co_return;
      continue;
    }
    note_idle();
    co_await news_.wait(asio::deferred);
  }
}

COKAFKA_DECL std::shared_ptr<produce_request> broker_link::next_request(clock_time now) {
  const settings& rules = host_.rules();
  if (moved_ || in_flight_.size() >= rules.max_in_flight || throttled_until_ > now) return nullptr;
  if (!queue_.has_candidates(in_flight_.empty())) return nullptr;
  const auto identity = host_.identity();
  const bool is_idle = in_flight_.empty();
  auto request = std::make_shared<produce_request>();
  in_flight_.push_back(request);  // before it takes batches: from now on they are lost with the connection
  try {
    request->batches = queue_.next_request(now, is_idle, conditions(), identity);
  } catch (const std::bad_alloc&) {
    in_flight_.pop_back();
    throw;
  }
  if (request->batches.empty()) in_flight_.pop_back();
  const bool is_identity_asked = !queue_.is_identity_missing() || host_.want_identity(queue_.used_up_id());
  if (!is_identity_asked) throw std::bad_alloc();  // again after the pause that is made for want of memory
  if (request->batches.empty()) return nullptr;
  request->correlation_id = connection_.next_correlation_id();
  request->version = produce_version_;
  if (request->version >= 13 && !has_all_topic_ids(request->batches)) request->version = 12;
  request->written_at = now;
  encode_produce_request(*request, rules);
  note_repeated(*request);
  return request;
}

COKAFKA_DECL asio::awaitable<bool> broker_link::write(std::shared_ptr<produce_request> request) {
  if (in_flight_.front() == request) watch_silence(request->written_at);
  deadlines_.update();
  write_buffers_.clear();
  for (const auto& part : request->gather) write_buffers_.emplace_back(part.data(), part.size());
  auto [failed, written] =
      co_await async_write_all(connection_.transport(), write_buffers_, asio::as_tuple(asio::deferred));
  (void)written;
  last_used_ = host_.env().now();
  if (failed) {
    if (!last_error_) last_error_ = failed;
    co_return false;
  }
  if (host_.rules().acks == 0 && !in_flight_.empty() && in_flight_.back() == request) {
    in_flight_.pop_back();
    failed_attempts_ = 0;
    deadlines_.heap.clear(request_timeout_);
    effects out;
    for (auto& each : request->batches) each.partition->written_unacknowledged(*each.what, out);
    carry_out(out);
    for (auto& each : request->batches) reconsider(*each.partition, last_used_);
  }
  co_return true;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/broker_link_answers.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL asio::awaitable<void> broker_link::read_responses() {
  error_code ended;
  while (!ended) {
    wire::parsed_frame frame = connection_.parser().next();
    if (frame.status == wire::frame_status::frame) {
      if (!handle_response(frame.body)) ended = make_error_code(errc::invalid_response);
      continue;
    }
    if (frame.status != wire::frame_status::need_more) {
      ended = make_error_code(errc::invalid_response);
      break;
    }
    const auto room = connection_.parser().prepare(4096);
    auto [failed, size] = co_await async_read_some(connection_.transport(), asio::buffer(room.data(), room.size()),
                                                   asio::as_tuple(asio::deferred));
    if (!failed) connection_.parser().commit(size);
    ended = failed;
  }
  // Closed by ourselves (idle, stop, request timeout): what the read says is not the reason.
  if (connection_.is_open() && !last_error_) last_error_ = ended;
  connection_.close();
}

COKAFKA_DECL bool broker_link::handle_response(std::string_view frame) {
  if (host_.rules().acks == 0) return true;  // some fake brokers answer all the same
  wire::reader header(frame);
  const std::int32_t id = header.int32();
  if (!header.ok() || in_flight_.empty() || in_flight_.front()->correlation_id != id) return false;
  messages::produce_response response;
  std::int32_t answered_id = 0;
  if (!messages::decode_response(frame, in_flight_.front()->version, response, answered_id)) return false;
  const clock_time now = host_.env().now();
  const std::shared_ptr<produce_request> answered = in_flight_.front();
  const std::chrono::milliseconds throttle(answered->version >= 6 ? response.throttle_time_ms : 0);
  put_in_order(response, answered->version);
  settle_request(*answered, response, throttle, now);
  in_flight_.pop_front();
  failed_attempts_ = 0;
  last_used_ = now;
  watch_silence(now);
  if (throttle.count() > 0) obey_throttle(throttle, now);
  news_.set();
  return true;
}

COKAFKA_DECL void broker_link::settle_request(produce_request& answered, const messages::produce_response& response,
                                              std::chrono::milliseconds throttle, clock_time now) {
  const backoff_policy again{host_.rules().user.effective_retry_backoff(), host_.rules().user.retry_backoff_max};
  leader_news leaders;
  with_effects([&](effects& out) {
    if (throttle.count() > 0) {
      ++out.counted.throttled_responses;
      out.counted.throttle_time += throttle;
    }
    for (auto& each : answered.batches) {
      partition_queue::answer said;
      said.broker = id_;
      if (const auto* found = find_answer(response, each, answered.version)) {
        said.code = static_cast<broker_errc>(found->error_code);
        said.base_offset = found->base_offset;
        said.log_append_time = found->log_append_time_ms;
        if (found->error_message) said.message = *found->error_message;
        if (!found->record_errors.empty()) said.culprits = culprits_of(*found, *each.what);
        leaders.note(each, *found);
      } else {
        said.cause = make_error_code(errc::invalid_response);
      }
      if (each.moved) {
        each.partition->owner.load(std::memory_order_acquire)->acknowledged_late_soon(*each.partition, each.what, said);
        continue;
      }
      said.backoff = again.delay(each.what->attempts, host_.env().random());
      each.settled = true;
      const verdict judged = each.partition->answered(*each.what, said, now, out);
      if (judged.is_sent_again()) note_retry(each, out);
    }
  });
  for (auto& each : answered.batches) reconsider(*each.partition, now);
  if (leaders.moved.empty()) return;
  leaders.endpoints = response.node_endpoints;
  host_.learn_leaders(std::move(leaders));
}

// What finds no memory on the way is for the next call: nothing leaves the line before all of it has been told.
COKAFKA_DECL void broker_link::lose_requests(error_code why) {
  const clock_time now = host_.env().now();
  const backoff_policy again{host_.rules().user.effective_retry_backoff(), host_.rules().user.retry_backoff_max};
  with_effects([&](effects& out) {
    for (auto& request : in_flight_) {
      for (auto& each : request->batches) {
        if (each.moved || each.settled) continue;
        partition_queue::answer nothing;
        nothing.broker = id_;
        nothing.cause = why;
        nothing.backoff = again.delay(each.what->attempts, host_.env().random());
        each.settled = true;
        const verdict judged = each.partition->answered(*each.what, nothing, now, out);
        if (judged.is_sent_again()) note_retry(each, out);
      }
    }
  });
  while (!in_flight_.empty()) {
    for (auto& each : in_flight_.front()->batches) reconsider(*each.partition, now);
    in_flight_.pop_front();
  }
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/io/broker_link_state.ipp

#include <exception>

namespace cokafka::inline COKAFKA_ABI::detail {

// --- any thread ------------------------------------------------------------------------------------------------------

COKAFKA_DECL void broker_link::set_endpoint(endpoint at) {
  on_strand([this, at = std::move(at)]() mutable {
    if (at == endpoint_) return;
    host_.say(log_level::info, name() + ": is now at " + text_of(at));
    endpoint_ = std::move(at);
    moved_ = true;
    failed_attempts_ = 0;
    retry_connect_at_ = {};
    // What was read there may be executed all the same: without idempotence its answers are waited for.
    if (host_.rules().idempotent || in_flight_.empty()) connection_.close();
    news_.set();
  });
}

COKAFKA_DECL void broker_link::let_go() {
  on_strand([this] {
    host_.say(log_level::info, name() + ": is no longer part of the cluster");
    connect_wanted_ = false;
    moved_ = true;
    connection_.close();
    news_.set();
  });
}

COKAFKA_DECL void broker_link::take_on(std::int32_t id, endpoint at) {
  on_strand([this, id, at = std::move(at)]() mutable {
    id_ = id;
    endpoint_ = std::move(at);
    moved_ = true;
    connection_.close();
    last_error_ = {};
    failed_attempts_ = 0;
    retry_connect_at_ = {};
    throttled_until_ = {};
    deadlines_.heap.clear(throttle_over_);
    news_.set();
  });
}

COKAFKA_DECL void broker_link::connect_soon() {
  on_strand([this] {
    if (is_connected()) return;
    connect_wanted_ = true;
    news();
  });
}

COKAFKA_DECL void broker_link::stop(error_details why) {
  on_strand([this, why = std::move(why)]() mutable {
    if (std::exchange(stopping_, true)) return;
    stop_reason_ = std::move(why);
    connection_.close();
    deadlines_.stop();
    if (!started_) return end();
    news_.set();
  });
}

// --- the strand ------------------------------------------------------------------------------------------------------

COKAFKA_DECL void broker_link::start_running() {
  if (started_ || stopping_) return;
  started_ = true;
  auto alive = host_.keep_alive();
  deadlines_.start(alive, [this] { handle_deadlines(); });
  asio::co_spawn(strand_, run(), [alive](std::exception_ptr) {});
}

COKAFKA_DECL bool broker_link::has_reason_to_connect() { return connect_wanted_ || queue_.has_work(); }

COKAFKA_DECL void broker_link::reader_has_ended(const std::exception_ptr& failed) {
  if (failed && !last_error_) last_error_ = asio::error::no_memory;
  connection_.close();
  reader_ended_.set();
  news_.set();
}

COKAFKA_DECL void broker_link::obey_throttle(std::chrono::milliseconds throttle, clock_time now) {
  throttled_until_ = std::max(throttled_until_, now + clock_duration(throttle));
  deadlines_.heap.set(throttle_over_, throttled_until_);
  deadlines_.update();
}

COKAFKA_DECL void broker_link::news() {
  start_running();
  if (!connection_.is_open() || queue_.has_candidates(in_flight_.empty())) news_.set();
}

COKAFKA_DECL void broker_link::forget_answers(partition_queue& gone) {
  for (auto& request : in_flight_) {
    for (auto& each : request->batches) each.moved = each.moved || each.partition == &gone;
  }
}

COKAFKA_DECL stall broker_link::why_stalled() const noexcept {
  if (connection_.is_open()) return {last_error_, {}};
  return {last_error_, if_memory([this] {
            std::string message = name() + " is not connected";
            if (last_error_) message += ": " + last_error_.message();
            return message;
          })};
}

COKAFKA_DECL void broker_link::say_connection_lost() const {
  std::string line = name() + ": connection lost: " + last_error_.message();
  if (host_.rules().acks == 0) line += "; with acks=0 that is how a broker refuses records";
  host_.say(log_level::warning, std::move(line));
}

COKAFKA_DECL void broker_link::note_retry(const planned_batch& again, effects& out) const {
  if (!host_.is_logged(log_level::debug)) return;
  const batch& what = *again.what;
  if_memory([&] {
    out.say(log_level::debug, name() + ": " + std::string(again.partition->called().str()) + "-" +
                                  std::to_string(again.partition->index()) + " is tried again (" +
                                  std::to_string(what.records.count()) + " records, attempt " +
                                  std::to_string(what.attempts) + "): " + what.last_cause.message());
  });
}

COKAFKA_DECL void broker_link::note_repeated(const produce_request& sent) {
  std::uint64_t repeated = 0;
  for (const auto& each : sent.batches) {
    if (each.what->attempts > 1) repeated += each.what->records.count();
  }
  if (repeated == 0) return;
  effects out;
  out.counted.records_retried = repeated;
  carry_out(out);
}

COKAFKA_DECL void broker_link::end() {
  fail_partitions(stop_reason_);
  host_.link_ended();
}

COKAFKA_DECL void broker_link::handle_deadlines() {
  const clock_time now = host_.env().now();
  with_effects([&](effects& out) {
    while (deadline_entry* due = deadlines_.heap.pop_due(now)) {
      if (handle_partition_deadline(*due, now, out)) continue;
      handle_own_deadline(static_cast<deadline_kind>(due->kind), now);
    }
  });
  news_.set();
}

COKAFKA_DECL void broker_link::handle_own_deadline(deadline_kind due, clock_time now) {
  switch (due) {
    case deadline_kind::call_timeout: connection_.timed_out(); break;
    case deadline_kind::request_timeout:
      if (in_flight_.empty() || now < request_due()) {
        if (is_kept_waiting()) host_.want_metadata();
        watch_silence(now);
        break;
      }
      request_timed_out_ = true;
      last_error_ = make_error_code(errc::request_timed_out);
      connection_.close();
      break;
    case deadline_kind::idle_close:
      // Used since the entry was set: note_idle sets it again.
      if (now - last_used_ < clock_duration(host_.rules().user.connections_max_idle)) break;
      if (in_flight_.empty() && !queue_.has_work()) {
        host_.say(log_level::debug, name() + ": closed, because it was idle");
        connection_.close();
      } else {
        last_used_ = now;  // what waits for its retry will need it; the entry must not be due again at once
      }
      break;
    default: break;  // backoff or throttle is over: the news is all it takes
  }
}

COKAFKA_DECL clock_time broker_link::request_due() const noexcept {
  return in_flight_.front()->written_at + clock_duration(host_.rules().user.request_timeout);
}

COKAFKA_DECL bool broker_link::is_kept_waiting() {
  const auto is_here = [](const planned_batch& each) { return !each.moved && !each.settled; };
  return queue_.has_work() || std::any_of(in_flight_.begin(), in_flight_.end(), [&](const auto& each) {
           return std::any_of(each->batches.begin(), each->batches.end(), is_here);
         });
}

// Until request.timeout.ms, or until it is connected; a broker that is silent for long may be frozen, and others may
// lead its partitions by now (guarantee.md, rule 10).
COKAFKA_DECL void broker_link::watch_silence(clock_time now) {
  constexpr clock_duration long_silence = std::chrono::seconds(1);
  if (in_flight_.empty() && !is_connecting_) return deadlines_.heap.clear(request_timeout_);
  const clock_time due = in_flight_.empty() ? clock_time::max() : request_due();
  deadlines_.heap.set(request_timeout_, std::min(due, now + long_silence));
}

COKAFKA_DECL void broker_link::note_idle() {
  if (!in_flight_.empty() || queue_.has_candidates(true)) return deadlines_.update();
  const auto max_idle = host_.rules().user.connections_max_idle;
  if (max_idle.count() > 0 && !idle_close_.is_set()) deadlines_.heap.set(idle_close_, last_used_ + max_idle);
  deadlines_.settle();
}

COKAFKA_DECL std::string broker_link::name() const {
  return "broker " + std::to_string(id_) + " at " + text_of(endpoint_);
}

COKAFKA_DECL void broker_link::shutdown() noexcept {
  stopping_ = true;
  deadlines_.stop();
  connection_.shutdown();
  news_.drop();
  reader_ended_.drop();
  in_flight_.clear();
  strand_ = asio::any_io_executor();
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/engine/control.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

namespace asking {

// Each address once.
inline void add_new(std::vector<endpoint>& to, const std::vector<endpoint>& from) {
  for (const endpoint& each : from) {
    if (std::find(to.begin(), to.end(), each) == to.end()) to.push_back(each);
  }
}

}  // namespace asking

// --- the task --------------------------------------------------------------------------------------------------------

COKAFKA_DECL void engine::start_control() {
  if (control_started_ || stopping_) return;
  control_started_ = true;
  auto alive = shared_from_this();
  asio::co_spawn(home_.strand(), run_control(), [alive](std::exception_ptr) { alive->task_ended(); });
}

COKAFKA_DECL asio::awaitable<void> engine::run_control() {
  while (!stopping_) {
    const auto next = next_control_time();
    if (!next || *next > env_->now()) {
      set_home_deadlines();
      // It sets a timer for what is in its future; what has become due since the question above must not wait for one.
      if (!next || *next > env_->now()) co_await news_.wait(asio::deferred);
      continue;
    }
    control_busy_ = true;
    try {
      co_await ask_cluster();
    } catch (const std::bad_alloc&) {
      control_failed(asio::error::no_memory);
      schedule_.failed(env_->now(), env_->random());
    }
    control_busy_ = false;
    note_control_use();
  }
  control_.close();
}

// The one thing that is due most.
COKAFKA_DECL asio::awaitable<void> engine::ask_cluster() {
  const auto metadata_due = schedule_.due();
  const bool wants_metadata = metadata_due && *metadata_due <= env_->now();
  if (wants_metadata && !metadata_missing_since_) metadata_missing_since_ = env_->now();
  if (control_.is_open() && throttled_.until(asked_, env_->now())) control_.close();  // another one may be asked
  if (!control_.is_open()) {
    const bool reached = co_await reach_somebody();
    if (!reached) co_return;
  }
  if (wants_metadata) {
    co_await refresh_metadata();
  } else if (identity_wanted_) {
    co_await fetch_identity();
  }
}

// When there is something to ask the cluster; empty when nothing is wanted.
COKAFKA_DECL std::optional<clock_time> engine::next_control_time() const {
  std::optional<clock_time> next = schedule_.due();
  if (identity_wanted_) next = std::min(next.value_or(clock_time::max()), identity_not_before_);
  if (!next) return next;
  next = std::max(*next, control_not_before_);
  const clock_time now = env_->now();
  if (throttled_.is_any(now)) next = std::max(*next, throttled_.first_free(candidates(), now).value_or(*next));
  return next;
}

// The brokers that metadata named. While there are none the bootstrap servers, and after them those that were known
// before: they may be reachable again, and the bootstrap servers gone. Each address once.
COKAFKA_DECL std::vector<endpoint> engine::candidates() const {
  std::vector<endpoint> all;
  for (const auto& [id, broker] : metadata_.brokers()) {
    all.push_back({broker.host, static_cast<std::uint16_t>(broker.port)});
  }
  if (!all.empty()) return all;
  asking::add_new(all, bootstrap_);
  asking::add_new(all, given_up_);
  return all;
}

COKAFKA_DECL asio::awaitable<bool> engine::reach_somebody() {
  const std::vector<endpoint> all = candidates();
  for (std::size_t i = 0; i < all.size() && throttled_.until(all[candidate_ % all.size()], env_->now()); ++i)
    ++candidate_;
  const endpoint to = all[candidate_ % all.size()];
  const backoff_policy setup{settings_.user.effective_connection_setup_timeout(),
                             settings_.user.socket_connection_setup_timeout_max};
  const auto rounds = static_cast<std::uint32_t>(control_failures_ / all.size());
  // Where another may answer, none may cost much; yet in each fourth round there is time for a network that is slow.
  const bool is_patient = all.size() == 1 || rounds % 4 == 3;
  const clock_duration setup_time = setup.delay(all.size() == 1 ? rounds + 1 : rounds / 4 + 1, env_->random());
  const clock_duration short_time = std::min(setup_time, control_timeout());
  const error_code failed = co_await control_.open(to, {is_patient ? setup_time : short_time, short_time}, rounds);
  if (stopping_) co_return false;
  if (failed) {
    say(log_level::warning, "no metadata from " + text_of(to) + ": " + failed.message());
    control_failed(failed);
    co_return false;
  }
  asked_ = to;
  control_error_ = {};
  say(log_level::debug, "asking " + text_of(to) + " for metadata");
  co_return true;
}

// The next address at once; the same ones again only after a backoff.
COKAFKA_DECL void engine::control_failed(error_code why) {
  control_.close();
  control_error_ = why;
  const std::size_t all = candidates().size();
  candidate_ = (candidate_ + 1) % all;
  const bool all_failed = ++control_failures_ % all == 0;
  if (is_stranded(why, all_failed, env_->now())) return rebootstrap(why);
  if (!all_failed) return;
  const backoff_policy again{settings_.user.reconnect_backoff, settings_.user.effective_reconnect_backoff_max()};
  const auto rounds = static_cast<std::uint32_t>(control_failures_ / all);
  control_not_before_ = env_->now() + again.delay(rounds, env_->random());
}

// KIP-899: nobody whom metadata has named can be reached. KIP-1102: nobody has answered for too long, or a broker says
// that it is no longer the one to ask.
COKAFKA_DECL bool engine::is_stranded(error_code why, bool all_failed, clock_time now) const {
  if (settings_.user.metadata_recovery_strategy == metadata_recovery::none || metadata_.brokers().empty()) return false;
  const clock_duration patience = settings_.user.metadata_recovery_rebootstrap_trigger;
  // One that is throttled can be reached.
  return (all_failed && !throttled_.is_any(now)) || why == make_error_code(broker_errc::rebootstrap_required) ||
         (metadata_missing_since_ && now - *metadata_missing_since_ >= patience);
}

// At once: the bootstrap servers have not been tried yet. Connections to brokers that work are left alone; the next
// metadata says where everybody is.
COKAFKA_DECL void engine::rebootstrap(error_code why) {
  const bool is_told_to = why == make_error_code(broker_errc::rebootstrap_required);
  say(log_level::warning, "back to the bootstrap servers: " + (is_told_to ? why.message() : unreachable_text()));
  constexpr std::size_t most_given_up = 32;
  if (is_told_to) {
    given_up_.clear();  // nor are they to be asked again
  } else {
    const std::vector<endpoint> before = std::exchange(given_up_, candidates());
    asking::add_new(given_up_, before);
    if (given_up_.size() > most_given_up) given_up_.resize(most_given_up);
  }
  metadata_.forget_brokers();
  candidate_ = 0;
  control_failures_ = 0;
  metadata_missing_since_.reset();
  schedule_.want_now();
}

// The control connection, too, is closed after connections.max.idle.ms.
COKAFKA_DECL void engine::note_control_use() {
  control_used_ = env_->now();
  const auto max_idle = settings_.user.connections_max_idle;
  if (stopping_ || !control_.is_open() || max_idle.count() <= 0 || control_idle_.is_set()) return;
  home_.deadlines().heap.set(control_idle_, control_used_ + max_idle);
}

COKAFKA_DECL void engine::close_idle_control(clock_time now) {
  if (control_busy_ || !control_.is_open()) return;  // set again when it has been used
  const clock_time due = control_used_ + clock_duration(settings_.user.connections_max_idle);
  if (due > now) return home_.deadlines().heap.set(control_idle_, due);
  say(log_level::debug, "the connection for metadata is closed, because it was idle");
  control_.close();
}

// Short, so that a broker that hangs costs little before the next is asked.
COKAFKA_DECL clock_duration engine::control_timeout() const {
  return std::min<clock_duration>(settings_.user.request_timeout, std::chrono::seconds(5));
}

// Before these versions a broker that throttles answers late instead (KIP-219). Only this broker is left alone, and not
// by the connection for records, which hears of its own.
COKAFKA_DECL void engine::heed_throttle(bool is_before_throttling, std::int32_t milliseconds, clock_time now) {
  if (!is_before_throttling || milliseconds <= 0) return;
  const std::chrono::milliseconds time(milliseconds);
  metrics_snapshot more;
  more.throttled_responses = 1;
  more.throttle_time = time;
  count(more);
  constexpr std::chrono::milliseconds longest =
      std::chrono::minutes(1);  // a broker's mistake must not end the questions
  throttled_.note(asked_, now + clock_duration(std::min(time, longest)), now);
}

COKAFKA_DECL messages::metadata_request engine::metadata_request_now() {
  messages::metadata_request request;
  request.allow_auto_topic_creation = settings_.user.allow_auto_create_topics;
  for (const topic_ptr& each : accumulator_.topics.all()) {
    if (is_idle(*each, env_->now())) forget_topic(*each);
    if (each->is_forgotten.load(std::memory_order_relaxed)) continue;
    request.topics->emplace_back();
    request.topics->back().name = std::string(each->name.str());
  }
  return request;
}

COKAFKA_DECL asio::awaitable<void> engine::refresh_metadata() {
  const messages::metadata_request request = metadata_request_now();
  messages::metadata_response response;
  schedule_.started(env_->now());
  accumulator_.refresh_begins();
  const error_code failed = co_await control_.call(request, response, control_timeout());
  if (stopping_) co_return;
  const clock_time now = env_->now();
  heed_throttle(control_.versions().newest(messages::api_key::metadata).value_or(0) >= 6, response.throttle_time_ms,
                now);
  if (failed || response.error_code != 0) {
    schedule_.failed(now, env_->random());
    control_failed(failed ? failed : make_error_code(static_cast<broker_errc>(response.error_code)));
    co_return;
  }
  control_failures_ = 0;
  metadata_missing_since_.reset();
  apply(request, response, now);
  // The only broker that there is, by whatever name it was asked.
  const auto throttled_until = throttled_.until(asked_, now);
  if (throttled_until && metadata_.brokers().size() == 1) throttled_.note(candidates().front(), *throttled_until, now);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/engine/engine.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

// --- link_host -------------------------------------------------------------------------------------------------------

COKAFKA_DECL std::shared_ptr<link_host> engine::keep_alive() {
  if (dead_.load(std::memory_order_acquire)) return nullptr;
  return weak_from_this().lock();
}

COKAFKA_DECL void engine::carry_out(effects& wanted) {
  if (wanted.counted != metrics_snapshot{}) count(wanted.counted);  // before anybody hears of it
  const bool dead = dead_.load(std::memory_order_acquire);
  const auto end = [dead](waiter_list& waiting) { dead ? destroy_waiters(waiting) : post_waiters(waiting); };
  end(wanted.answered);
  while (const completion_ptr each = wanted.handed_out.pop_front()) {
    for (waiter_list late = each->hand_out_rest(); !late.empty(); late = each->hand_out_rest()) end(late);
  }
  if (!dead) report(wanted);  // before a flush ends, which may be what close() waits for
  end(wanted.ended);
  if (dead) return;
  for (auto& [level, line] : wanted.log) say(level, std::move(line));
}

// A line that finds no memory, or whose executor refuses it, is not said.
COKAFKA_DECL void engine::say(log_level level, std::string line) noexcept {
  if (!logger_.enabled(level)) return;
  auto alive = keep_alive();
  if (!alive || !begin_report()) return;
  try {
    asio::post(operations_->executor, [this, alive = std::move(alive), level, line = std::move(line)] {
      logger_.log(level, line);
      report_ended();
    });
  } catch (...) {
    report_ended();
  }
}

COKAFKA_DECL void engine::count(const metrics_snapshot& more) {
  std::scoped_lock guard(mutex_);
  totals_ += more;
}

COKAFKA_DECL metrics_snapshot engine::metrics() const {
  std::scoped_lock guard(mutex_);
  return totals_;
}

COKAFKA_DECL void engine::want_metadata() {
  metadata_wanted_.store(true, std::memory_order_release);
  attention();
}

COKAFKA_DECL drain_conditions engine::conditions() const {
  return {accumulator_.flushes.is_flushing() || accumulator_.is_closed() || accumulator_.is_memory_short()};
}

COKAFKA_DECL bool engine::attention() noexcept {
  if (dead_.load(std::memory_order_acquire)) return true;  // batches that die with the engine give memory back
  if (attention_pending_.exchange(true, std::memory_order_acq_rel)) return true;
  try {
    home_.on_strand([this] { look_around(); });
    return true;
  } catch (...) {  // no memory, or what a user's executor throws
    attention_pending_.store(false, std::memory_order_release);
    return false;
  }
}

// --- the home strand -------------------------------------------------------------------------------------------------

COKAFKA_DECL void engine::look_around() {
  // A read as well: whoever found it set, and left the round to us, has said before what there is to see.
  attention_pending_.exchange(false, std::memory_order_acq_rel);
  if (stopping_) return;
  if (abandoned_.load(std::memory_order_acquire)) return stop_abandoned();
  const clock_time now = env_->now();
  accumulator_.set_wall_offset(env_->wall_now().time_since_epoch() - now.time_since_epoch());
  if (metadata_wanted_.exchange(false, std::memory_order_acq_rel)) schedule_.want();
  if (identity_requested_.load(std::memory_order_acquire)) identity_wanted_ = true;
  accumulator_.topics.for_each([this](topic& each) {
    if (!each.wanted.load(std::memory_order_relaxed) || !each.wanted.exchange(false, std::memory_order_acq_rel)) return;
    each.is_forgotten.store(false, std::memory_order_release);
    if (each.refused.load(std::memory_order_relaxed) != broker_errc::none) {
      schedule_.want_at(each.ask_again_at);
      return;
    }
    // Only the first question is urgent: sends to a topic that does not exist must not become as many requests.
    std::exchange(each.asked_for, true) ? schedule_.want() : schedule_.want_topic();
  });
  effects out;
  const bool pressed = accumulator_.place_waiting(out);
  if (accumulator_.is_partition_missing()) schedule_.want();
  carry_out(out);
  // Each flush anew: what has begun to linger since the one before knows nothing of it.
  if (hurry_.exchange(false, std::memory_order_acq_rel) || (pressed && !was_pressed_)) {
    for (auto& [id, link] : links_) link->poke();
  }
  was_pressed_ = pressed;
  for (auto& [id, link] : links_) {
    const bool waited_for = link->share.waited_for.load(std::memory_order_relaxed);
    if (waited_for && !std::exchange(link->share.was_waited_for, waited_for)) link->poke();
    link->share.was_waited_for = waited_for;
  }
  check_watches(now);
  check_flushes(now);
  if (!accumulator_.topics.empty()) start_control();
  news_.set();
  set_home_deadlines();
}

COKAFKA_DECL void engine::set_home_deadlines() {
  deadline_heap& heap = home_.deadlines().heap;
  const auto follow = [&](deadline_entry& entry, std::optional<clock_time> at) {
    if (!at) return heap.clear(entry);
    if (!entry.is_set() || entry.at != *at) heap.set(entry, *at);
  };
  const auto control = next_control_time();
  follow(control_due_, control && *control > env_->now() ? control : std::nullopt);
  follow(parked_due_, accumulator_.earliest_parked_deadline());
  std::optional<clock_time> watch;
  {
    std::scoped_lock guard(mutex_);
    for (const auto& each : watches_) watch = std::min(watch.value_or(each.due), each.due);
    for (const auto& each : timed_flushes_) watch = std::min(watch.value_or(each.due), each.due);
  }
  follow(watch_due_, watch);
  home_.deadlines().settle();
}

COKAFKA_DECL void engine::handle_deadlines() {
  if (!stopping_ && abandoned_.load(std::memory_order_acquire)) return stop_abandoned();  // it was not heard
  const clock_time now = env_->now();
  home_.with_effects([&](effects& out) {
    while (deadline_entry* due = home_.deadlines().heap.pop_due(now)) {
      if (!home_.handle_partition_deadline(*due, now, out)) handle_own_deadline(*due, now, out);
    }
  });
  news_.set();
  if (!stopping_) set_home_deadlines();
}

COKAFKA_DECL void engine::handle_own_deadline(const deadline_entry& due, clock_time now, effects& out) {
  switch (static_cast<deadline_kind>(due.kind)) {
    case deadline_kind::call_timeout: control_.timed_out(); break;
    case deadline_kind::parked_expiry:
      // As many as a run of handlers delivers in one go: those run before the next fall due.
      accumulator_.expire(now, if_memory([this] { return unreachable_text(); }), control_error_, 256, out);
      break;
    case deadline_kind::idle_close: close_idle_control(now); break;
    case deadline_kind::watch_expiry:
      check_watches(now);
      check_flushes(now);
      break;
    case deadline_kind::close_timeout: {
      error_details why;
      why.code = errc::timed_out;
      why.message =
          if_memory([this] { return "the producer was closed before " + left_text() + " were acknowledged"; });
      close_failure_ = make_error(copied(why));
      why.code = errc::closed;
      why.message = if_memory([] { return std::string("the producer was closed before the record was acknowledged"); });
      stop_everything(std::move(why));
      break;
    }
    default: break;  // the control task looks at the time itself
  }
}

// Why there is no metadata, for records that have waited too long; empty while a broker answers.
COKAFKA_DECL std::string engine::unreachable_text() const {
  if (!control_error_ || control_.is_open()) return {};
  std::string text = "none of the brokers ";
  if (metadata_.brokers().empty())
    text = given_up_.empty() ? "none of the bootstrap servers " : "none of the bootstrap servers and former brokers ";
  bool first = true;
  for (const auto& each : candidates()) {
    if (!std::exchange(first, false)) text += ", ";
    text += text_of(each);
  }
  return text + " can be reached: " + control_error_.message();
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/engine/expiry.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

// KIP-526, looked at whenever metadata is about to be fetched. A sender only marks the topic; the time is read here.
COKAFKA_DECL bool engine::is_idle(topic& of, clock_time now) {
  if (of.used.exchange(false, std::memory_order_acq_rel)) {
    of.used_at = now;
    of.is_forgotten.store(false, std::memory_order_release);
  }
  if (of.is_forgotten.load(std::memory_order_relaxed)) return false;
  if (now - of.used_at < clock_duration(settings_.user.metadata_max_idle)) return false;
  if (of.parked.load(std::memory_order_seq_cst) > 0) return false;
  const bool has_records = std::any_of(of.partitions().begin(), of.partitions().end(), [](const auto& each) {
    return each->outstanding().records > 0 || each->parked.load(std::memory_order_seq_cst) > 0;
  });
  if (has_records) return false;
  std::scoped_lock guard(mutex_);
  return std::none_of(watches_.begin(), watches_.end(), [&](const topic_watch& each) { return each.of == &of; });
}

// As if it had never been asked for. A sender that is just reading the old table may still append to a partition, which
// then waits on the home strand for metadata.
COKAFKA_DECL void engine::forget_topic(topic& idle) {
  say(log_level::debug, "topic " + std::string(idle.name.str()) + " is forgotten: nobody sends to it");
  idle.is_forgotten.store(true, std::memory_order_seq_cst);  // before the table goes, see accumulator::park
  idle.asked_for = false;
  idle.refusals = 0;
  idle.last_error.store(broker_errc::none, std::memory_order_relaxed);
  idle.refused.store(broker_errc::none, std::memory_order_relaxed);
  idle.table.store(nullptr, std::memory_order_release);
  metadata_.forget(std::string(idle.name.str()));
  for (const auto& each : idle.partitions()) {
    if (each->owner.load(std::memory_order_acquire) != nullptr) assign(*each, home_, false);
  }
}

// A link is never destroyed before the engine: a sender may be on its way to wake it. It is used again for the next
// broker that comes, so that there are never more than were needed at one time.
COKAFKA_DECL void engine::spare_links() {
  if (metadata_.brokers().empty()) return;
  for (auto next = links_.begin(); next != links_.end();) {
    const auto here = next++;
    if (metadata_.brokers().contains(here->first) || is_needed(*here->second)) continue;
    here->second->let_go();
    std::scoped_lock guard(mutex_);
    spare_.push_back(std::move(here->second));
    links_.erase(here);
  }
  accumulator_.memory.limit_shares(links_.size() > 1);
}

COKAFKA_DECL bool engine::is_needed(const broker_link& link) const {
  if (link.share.used.load(std::memory_order_acquire) != 0) return true;
  for (const topic* of : accumulator_.topics.kept()) {
    const bool owns = std::any_of(of->partitions().begin(), of->partitions().end(), [&](const auto& each) {
      return each->owner.load(std::memory_order_acquire) == &link ||
             each->desired_owner.load(std::memory_order_acquire) == &link;
    });
    if (owns) return true;
  }
  return false;
}

COKAFKA_DECL broker_link& engine::make_link(std::int32_t id, const endpoint& at) {
  std::scoped_lock guard(mutex_);
  std::unique_ptr<broker_link>& made = links_[id];
  if (spare_.empty()) {
    made = std::make_unique<broker_link>(*this, operations_->executor, id, at);
  } else {
    made = std::move(spare_.back());
    spare_.pop_back();
    made->take_on(id, at);
  }
  accumulator_.memory.limit_shares(links_.size() > 1);
  return *made;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/engine/failure_report.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL void failure_report::operator()() {
  for (int shown = 0; !rest_.empty(); ++shown) {
    if (shown == 256) {
      const auto core = core_;
      try {
        return asio::post(core->home()->executor, std::move(*this));
      } catch (...) {  // no memory, or an executor that refuses
        return core->report_ended();
      }
    }
    unheard_cursor& first = rest_.front();
    if (first.has_next()) core_->show(first);
    if (!first.has_next()) rest_.pop_front();
  }
  core_->report_ended();
}

COKAFKA_DECL void engine::show(unheard_cursor& from) {
  try {
    from.show_next(settings_.user.on_delivery_failed);
  } catch (const std::exception& thrown) {
    logger_.log(log_level::error, std::string("on_delivery_failed has thrown: ") + thrown.what());
  } catch (...) {
    logger_.log(log_level::error, "on_delivery_failed has thrown");
  }
}

// One line for all that a rule has ended in one go, which is not more than one per batch.
COKAFKA_DECL void engine::report(effects& wanted) {
  if (wanted.counted.unheard_failures == 0) return;
  bool reports = false;
  try {
    report_unheard(wanted, reports);
  } catch (...) {  // no memory, or an executor that refuses: they stay unheard, and nobody waits for the report
    if (reports) report_ended();
  }
}

COKAFKA_DECL void engine::report_unheard(effects& wanted, bool& reports) {
  say(log_level::warning, std::to_string(wanted.counted.unheard_failures) +
                              " records failed and nobody waits for them; the first, of " + wanted.unheard_where +
                              ", is " + std::string(to_string(wanted.unheard_why.fate())) + ": " +
                              wanted.unheard_why.message());
  show_soon(std::move(wanted.unheard), reports);
}

COKAFKA_DECL void engine::show_soon(std::vector<unheard_records>&& all, bool& reports) {
  if (all.empty()) return;
  auto alive = dead_.load(std::memory_order_acquire) ? nullptr : weak_from_this().lock();
  if (!alive) return;
  reports = begin_report();
  if (!reports) return;
  asio::post(operations_->executor, failure_report(std::move(alive), std::move(all)));
}

// A function of the user is going to be called; false once close() has completed.
COKAFKA_DECL bool engine::begin_report() {
  std::scoped_lock guard(mutex_);
  if (closed_) return false;
  ++reports_pending_;
  return true;
}

COKAFKA_DECL void engine::report_ended() {
  {
    std::scoped_lock guard(mutex_);
    if (--reports_pending_ > 0 || !tasks_ended_) return;
  }
  try {
    home_.on_strand([this] { end_when_silent(); });
  } catch (...) {
    end_when_silent();  // all tasks have ended: nobody else is on the strand
  }
}

COKAFKA_DECL void engine::let_go(completion& of, const record_ticket& ticket) noexcept {
  if (of.was_refused) return note_refused(of, ticket);
  if_memory([&] { of.drop(ticket.index); });  // or the failure stays unheard
}

// A send that has failed at once. There may be as many as a loop can make: of those the first is logged, the second,
// the fourth, and so on.
COKAFKA_DECL void engine::note_refused(completion& of, const record_ticket& ticket) noexcept {
  bool reports = false;
  try {
    const error why = of.get(ticket).error();
    effects out;
    out.note_unheard(1, why, of.called(), of.partition());
    count(out.counted);
    const std::uint64_t all = refused_unheard_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (std::has_single_bit(all)) {
      say(log_level::warning, std::to_string(all) +
                                  " records were refused at once and nobody waits for them; the last, of " +
                                  out.unheard_where + ": " + why.message());
    }
    if (!of.refused) return;
    std::vector<unheard_records> shown;
    shown.push_back({why, of.called(), of.partition(), nullptr, {}, std::move(of.refused)});
    show_soon(std::move(shown), reports);
  } catch (...) {  // no memory, or an executor that refuses: it stays unheard
    if (reports) report_ended();
  }
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/engine/identity.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL std::optional<producer_identity> engine::identity() const {
  std::scoped_lock guard(mutex_);
  return identity_;
}

COKAFKA_DECL bool engine::want_identity(std::optional<std::int64_t> used_up) noexcept {
  const auto have = identity();
  if (have && (!used_up || *used_up != have->id)) return true;
  if (identity_requested_.exchange(true, std::memory_order_acq_rel)) return true;
  if (attention()) return true;
  identity_requested_.store(false, std::memory_order_release);  // who asks next says it again
  return false;
}

COKAFKA_DECL asio::awaitable<void> engine::fetch_identity() {
  messages::init_producer_id_request request;
  request.transaction_timeout_ms = std::numeric_limits<std::int32_t>::max();
  messages::init_producer_id_response response;
  const error_code failed = co_await control_.call(request, response, control_timeout());
  if (stopping_) co_return;
  heed_throttle(control_.versions().newest(messages::api_key::init_producer_id).value_or(0) >= 1,
                response.throttle_time_ms, env_->now());
  const auto answered = static_cast<broker_errc>(response.error_code);
  const bool is_usable = response.producer_id >= 0 && response.producer_epoch >= 0;
  if (!failed && answered == broker_errc::none && is_usable) {
    {
      std::scoped_lock guard(mutex_);
      identity_ = producer_identity{response.producer_id, response.producer_epoch};
    }
    identity_wanted_ = false;
    identity_failures_ = 0;
    control_failures_ = 0;
    identity_requested_.store(false, std::memory_order_release);
    say(log_level::info, "producer id " + std::to_string(response.producer_id));
    for (auto& [id, link] : links_) link->poke();
    check_watches(env_->now());
    co_return;
  }
  error_code why = failed;
  if (!failed)
    why = answered != broker_errc::none ? make_error_code(answered) : make_error_code(errc::invalid_response);
  const backoff_policy again{settings_.user.effective_retry_backoff(), settings_.user.retry_backoff_max};
  const clock_duration pause = again.delay(++identity_failures_, env_->random());
  identity_not_before_ = env_->now() + std::max<clock_duration>(pause, metadata_schedule::shortest_pause);
  const bool is_too_old = why == make_error_code(errc::unsupported_version);
  const bool passes =
      failed ? !is_too_old : answered == broker_errc::none || has(classify(answered), error_class::retriable);
  say(passes ? log_level::warning : log_level::error, "no producer id: " + why.message());
  const bool answers = (!failed || is_too_old) && why != make_error_code(broker_errc::rebootstrap_required);
  if (answers) {  // the next broker may do better, but this one can be reached
    control_.close();
    candidate_ = (candidate_ + 1) % candidates().size();
  } else {
    control_failed(why);
  }
  if (!passes) refuse_identity(why);
}

// The cluster will not give a producer id to this client: a permission is missing, or it is too old. What needs one
// fails instead of waiting; the next record asks again.
COKAFKA_DECL void engine::refuse_identity(error_code why) {
  identity_wanted_ = false;
  identity_requested_.store(false, std::memory_order_release);
  error_details details;
  details.code = why;
  details.message = "no producer id: " + why.message();
  if (why == make_error_code(errc::unsupported_version)) {
    details.message += " (InitProducerId, without which enable.idempotence=true is not possible)";
  }
  for (auto& [id, link] : links_) link->identity_refused_soon(details);
  waiter_list ended;
  {
    std::scoped_lock guard(mutex_);
    std::erase_if(watches_, [&](topic_watch& each) {
      if (each.warm) complete_watch(each, error(details), ended);
      return each.warm;
    });
  }
  post_waiters(ended);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/engine/lifecycle.ipp

#include <boost/asio/query.hpp>
#include <boost/system/errc.hpp>

namespace cokafka::inline COKAFKA_ABI::detail {

// The flush that close() waits for: it ends on the home strand instead of in a user's handler.
class engine::drained_waiter final : public operation_waiter {
 public:
  explicit drained_waiter(engine& of) : of_(of) {}
  void deliver() override {
    error_details none_left;
    none_left.code = errc::closed;
    of_.stop_everything(std::move(none_left));
  }
  void destroy() noexcept override {}
  bool runs_with(const waiter&) const noexcept override { return false; }
  void post(waiter_list&& run) override {
    of_.home_.on_strand([run = waiter_run(std::move(run))]() mutable { run(); });
  }

 private:
  engine& of_;
};

COKAFKA_DECL std::shared_ptr<engine> engine::make(asio::any_io_executor executor, const config& user,
                                                  engine_options options) {
  if (auto valid = user.validate(); !valid) throw config_error(valid.error());
  auto made = std::make_shared<engine>(executor, user, std::move(options));
  made->operations_->core = made;
  asio::use_service<engine_service>(asio::query(executor, asio::execution::context)).add(made, made->operations_);
  made->home_.deadlines().start(made, [raw = made.get()] { raw->handle_deadlines(); });
  for (const std::string& each : user.warnings()) made->say(log_level::warning, each);
  return made;
}

namespace engine_start {

inline std::string client_id_for(const config& user) {
  static std::atomic<std::uint64_t> producers{0};
  return user.client_id.empty() ? "producer-" + std::to_string(++producers) : user.client_id;
}

}  // namespace engine_start

COKAFKA_DECL engine::engine(asio::any_io_executor executor, const config& user, engine_options options)
    : env_(options.env ? std::move(options.env) : system_environment()),
      caps_(std::move(options.caps)),
      settings_(user, engine_start::client_id_for(user), options.first_sequence),
      logger_(user.log_level, user.log_sink),
      operations_(new operation_home(executor, env_)),
      accumulator_(settings_, *this, env_->random()),
      home_(*this, asio::make_strand(executor), control_error_),
      control_(*env_, home_.strand(), settings_, home_.deadlines(), caps_),
      schedule_({user.effective_retry_backoff(), settings_.user.retry_backoff_max}, settings_.user.metadata_max_age),
      control_idle_(static_cast<int>(deadline_kind::idle_close), this),
      control_due_(static_cast<int>(deadline_kind::metadata_refresh), this),
      parked_due_(static_cast<int>(deadline_kind::parked_expiry), this),
      watch_due_(static_cast<int>(deadline_kind::watch_expiry), this),
      close_due_(static_cast<int>(deadline_kind::close_timeout), this),
      drained_(std::make_unique<drained_waiter>(*this)) {
  bootstrap_ = parse_host_ports(user.bootstrap_servers).servers;
  accumulator_.set_wall_offset(env_->wall_now().time_since_epoch() - env_->now().time_since_epoch());
}

COKAFKA_DECL engine::~engine() { drop(); }

COKAFKA_DECL std::uint64_t engine::timer_wake_ups() {
  std::scoped_lock guard(mutex_);
  std::uint64_t all = home_.timer_wake_ups();
  for (const auto& [id, link] : links_) all += link->timer_wake_ups();
  for (const auto& link : spare_) all += link->timer_wake_ups();
  return all;
}

// --- close -----------------------------------------------------------------------------------------------------------

COKAFKA_DECL void engine::begin_close(std::chrono::milliseconds timeout) {
  if (stopping_) return;
  const clock_time due = env_->now() + std::max(std::chrono::milliseconds::zero(), settings::bounded(timeout));
  if (!close_due_.is_set() || due < close_due_.at) home_.deadlines().heap.set(close_due_, due);
  home_.deadlines().update();
  if (closing_) return;
  accumulator_.await_senders();
  hurry_.store(true, std::memory_order_release);
  look_around();
  const bool is_waiting = accumulator_.flushes.begin(*drained_).has_value();
  closing_ = true;
  if (!is_waiting) drained_->deliver();
}

COKAFKA_DECL void engine::abandon() noexcept {
  accumulator_.close();
  if_memory([this] {
    const auto left = accumulator_.outstanding();
    if (left.records == 0 || dead_.load(std::memory_order_acquire)) return;
    // On the thread of the destructor: there may be no other chance to say it.
    logger_.log(log_level::warning, "producer destroyed with " + std::to_string(left.records) +
                                        " records not acknowledged: await close() to have them delivered");
  });
  abandoned_.store(true, std::memory_order_release);
  attention();  // unheard, the next who has news or falls due ends it
}

COKAFKA_DECL void engine::stop_abandoned() {
  error_details why;
  why.code = errc::closed;
  why.message = if_memory([] { return std::string("the producer was destroyed before the record was acknowledged"); });
  if (accumulator_.outstanding().records > 0) close_failure_ = error(errc::closed);
  stop_everything(std::move(why));
}

// Nothing more is sent. Every task ends; each link fails what its partitions hold when its tasks have ended.
COKAFKA_DECL void engine::stop_everything(error_details why) {
  if (std::exchange(stopping_, true)) return;
  accumulator_.close();
  const clock_time now = env_->now();
  effects out;
  accumulator_.fail_parked(why, now, out);
  carry_out(out);
  waiter_list watching;
  {
    std::scoped_lock guard(mutex_);
    for (auto& each : watches_) complete_watch(each, error(errc::closed), watching);
    watches_.clear();
  }
  post_waiters(watching);
  home_.fail_partitions(why);
  tasks_left_ = links_.size() + spare_.size() + (control_started_ ? 1 : 0) + 1;
  for (auto& [id, link] : links_) link->stop(why);
  for (auto& link : spare_) link->stop(why);
  control_.close();
  home_.deadlines().stop();
  news_.set();
  task_ended();
}

COKAFKA_DECL void engine::link_ended() {
  home_.on_strand([this] { task_ended(); });
}

COKAFKA_DECL void engine::task_ended() {
  if (tasks_left_ == 0 || --tasks_left_ > 0) return;
  {
    std::scoped_lock guard(mutex_);
    tasks_ended_ = true;
  }
  end_when_silent();
}

// The user's functions are called no more when close() has completed: it waits for the last report.
COKAFKA_DECL void engine::end_when_silent() {
  waiter_list closing;
  {
    std::scoped_lock guard(mutex_);
    if (reports_pending_ > 0 || std::exchange(closed_, true)) return;
    for (auto& each : closers_) static_cast<operation_waiter&>(each).failure = close_failure_;
    closing.splice(closing.end(), closers_);
  }
  waiter_list done = accumulator_.flushes.abandon();
  done.splice(done.end(), closing);
  // Not by is_linked(): a flush that has ended is in a list that another thread is working on.
  const auto drained = std::find_if(done.begin(), done.end(), [&](waiter& each) { return &each == drained_.get(); });
  if (drained != done.end()) done.erase(drained);
  post_waiters(done);
}

// --- the execution context is being destroyed, or what was posted for the end never ran ------------------------------

// Every stored handler is destroyed without being called. Nothing may stay linked: a waiter owns what it waits for.
COKAFKA_DECL void engine::drop() noexcept {
  if (dead_.exchange(true)) return;
  accumulator_.close();
  stopping_ = true;
  waiter_list all;
  accumulator_.abandon(all);
  for (topic* each : accumulator_.topics.kept()) {
    for (const auto& partition : each->partitions()) partition->abandon(all);
  }
  waiter_list flushing = accumulator_.flushes.abandon();
  all.splice(all.end(), flushing);
  {
    std::scoped_lock guard(mutex_);
    for (auto& each : watches_) all.push_back(*each.waiting);
    watches_.clear();
    all.splice(all.end(), closers_);
    closed_ = true;
  }
  destroy_waiters(all);
  for (auto& [id, link] : links_) link->shutdown();
  for (auto& link : spare_) link->shutdown();
  control_.shutdown();
  home_.shutdown();
  news_.drop();
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/engine/routing.ipp

#include <unordered_set>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL void engine::apply(const messages::metadata_request& request, messages::metadata_response& response,
                                clock_time now) {
  accumulator_.refresh_answered();
  // Nothing is kept of what was not asked for.
  std::erase_if(response.topics,
                [&](const auto& each) { return !each.name || accumulator_.topics.find(*each.name) == nullptr; });
  const std::vector<topic_news> news = metadata_.merge(response);
  apply_brokers();
  accumulator_.set_wall_offset(env_->wall_now().time_since_epoch() - now.time_since_epoch());
  home_.with_effects([&](effects& out) {
    // Records for a partition without a leader wait on the home strand: ask until it has one.
    bool helped = !metadata_.brokers().empty() && !home_.has_work();
    for (const auto& each : news) helped = apply_topic(each, now, out) && helped;
    for (const auto& each : left_out(request, response)) {
      apply_topic(each, now, out);
      helped = false;
    }
    spare_links();
    schedule_.succeeded(now, helped, env_->random());
    // For a record whose partition this answer does not know, one more refresh decides.
    if (accumulator_.is_partition_missing()) schedule_.want();
  });
  check_watches(now);
}

// Topics that were asked for and are not in the answer: nothing is known of them, who waits goes on waiting.
COKAFKA_DECL std::vector<topic_news> engine::left_out(const messages::metadata_request& request,
                                                      const messages::metadata_response& response) {
  std::unordered_set<std::string_view> named;
  for (const auto& each : response.topics) named.insert(*each.name);
  std::vector<topic_news> missing;
  for (const auto& each : *request.topics) {
    if (named.contains(*each.name)) continue;
    topic_news& news = missing.emplace_back();
    news.name = *each.name;
    news.error = broker_errc::unknown_topic_or_partition;
  }
  return missing;
}

// What links are there for lives where metadata says; those of brokers that lead nothing of ours are never made.
COKAFKA_DECL void engine::apply_brokers() {
  for (auto& [id, link] : links_) {
    const auto found = metadata_.brokers().find(id);
    if (found == metadata_.brokers().end()) continue;
    link->set_endpoint({found->second.host, static_cast<std::uint16_t>(found->second.port)});
  }
}

// False when the cluster must be asked again, with backoff: somebody waits for the topic, or the answer was out of
// date.
COKAFKA_DECL bool engine::apply_topic(const topic_news& news, clock_time now, effects& out) {
  const topic_ptr of = accumulator_.topics.find(news.name);
  if (of == nullptr) return true;
  const auto is_watched = [&](auto counts) {
    std::scoped_lock guard(mutex_);
    return std::any_of(watches_.begin(), watches_.end(),
                       [&](const topic_watch& each) { return each.of == of && counts(each); });
  };
  switch (news.is) {
    case topic_news::kind::known:
      of->refusals = 0;
      if (of->table.load(std::memory_order_acquire) == nullptr) schedule_.found_topic();
      if (news.made_anew) say(log_level::warning, "topic " + news.name + " was deleted and made anew");
      accumulator_.publish(*of, route(*of, *metadata_.find(news.name), news.made_anew), now, out);
      return !news.doubtful && (news.complete || !is_watched([](const topic_watch& each) { return each.warm; }));
    case topic_news::kind::refused: {
      const backoff_policy again{settings_.user.effective_retry_backoff(), settings_.user.retry_backoff_max};
      of->ask_again_at = now + again.delay(++of->refusals, env_->random());
      schedule_.postpone(of->ask_again_at);
      accumulator_.refuse(*of, news.error, "topic " + news.name + ": " + make_error_code(news.error).message(), now,
                          out);
      return true;
    }
    case topic_news::kind::waiting: break;
  }
  of->last_error.store(news.error, std::memory_order_seq_cst);  // before the question, see accumulator::park
  if (of->parked.load(std::memory_order_seq_cst) > 0) return false;
  return !is_watched([](const topic_watch&) { return true; });
}

COKAFKA_DECL void engine::learn_leaders(leader_news news) {
  home_.on_strand([this, news = std::move(news)] { apply_leaders(news); });
}

// The answer of a broker that leads no longer says who does: no metadata is waited for (KIP-951).
COKAFKA_DECL void engine::apply_leaders(const leader_news& news) {
  if (stopping_) return;
  const clock_time now = env_->now();
  const std::vector<std::string> changed = metadata_.learn(news);
  apply_brokers();
  home_.with_effects([&](effects& out) {
    for (const std::string& name : changed) {
      const topic_ptr of = accumulator_.topics.find(name);
      accumulator_.publish(*of, route(*of, *metadata_.find(name), false), now, out);
    }
  });
}

COKAFKA_DECL partition_owner& engine::owner_for(std::int32_t leader) {
  if (const auto found = links_.find(leader); found != links_.end()) return *found->second;
  const auto named = metadata_.brokers().find(leader);
  if (named == metadata_.brokers().end()) return home_;
  return make_link(leader, {named->second.host, static_cast<std::uint16_t>(named->second.port)});
}

// Every partition to its leader's strand. Null when senders see nothing new.
COKAFKA_DECL std::unique_ptr<partition_table> engine::route(topic& of, const topic_state& state, bool made_anew) {
  accumulator_.topics.keep(of);
  auto table = std::make_unique<partition_table>();
  table->topic_id = state.id;
  std::vector<partition_queue*> led;
  for (std::size_t i = 0; i < state.partitions.size(); ++i) {
    partition_queue& partition =
        of.partition(static_cast<std::int32_t>(i), settings_, accumulator_.memory, accumulator_.flushes);
    const std::int32_t leader = state.partitions[i].leader;
    partition.is_gone.store(false, std::memory_order_release);
    assign(partition, owner_for(leader), made_anew);
    table->all.push_back(&partition);
    if (leader >= 0) led.push_back(&partition);
  }
  table->available = led.empty() ? table->all : led;
  for (std::size_t i = state.partitions.size(); i < of.partitions().size(); ++i) {
    partition_queue& gone = *of.partitions()[i];
    const bool was_there = !gone.is_gone.exchange(true, std::memory_order_acq_rel);
    assign(gone, home_, was_there);
    table->gone.push_back(&gone);
  }
  const partition_table* const seen = of.table.load(std::memory_order_acquire);
  return seen != nullptr && *seen == *table ? nullptr : std::move(table);
}

COKAFKA_DECL void engine::assign(partition_queue& partition, partition_owner& wanted, bool made_anew) {
  partition_owner* const owner = partition.owner.load(std::memory_order_acquire);
  if (owner == nullptr) {
    partition.desired_owner.store(&wanted, std::memory_order_release);
    partition.owner.store(&wanted, std::memory_order_release);
    return wanted.adopt_soon(partition);
  }
  if (made_anew) partition.is_made_anew.store(true, std::memory_order_release);
  const bool moves = partition.desired_owner.exchange(&wanted, std::memory_order_acq_rel) != &wanted;
  if (moves || made_anew) owner->reconsider_owner_soon(partition);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/engine/waiting.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

// `begin` is false where there is nothing to wait for. What finds no memory before it has begun ends with that failure.
template <class Waiter, class Function>
void engine::begin_operation(Waiter& waiting, Function begin) {
  try {
    if (begin()) return;
  } catch (const std::bad_alloc&) {
    error_details why;
    why.code = make_error_code(boost::system::errc::not_enough_memory);
    waiting.failure = make_error(std::move(why));
  } catch (...) {  // of an executor
    waiting.destroy();
    throw;
  }
  post_waiter(waiting);
}

// --- topics that somebody watches ------------------------------------------------------------------------------------

COKAFKA_DECL topic_ptr engine::find_topic(std::string_view name) {
  return is_valid_topic_name(name) ? accumulator_.want_topic(name) : nullptr;
}

COKAFKA_DECL void engine::watch_topic(topic_waiter& waiting, std::string_view name, bool warm) {
  const auto refused = [&](errc code) {
    waiting.failure = error(code);
    return false;
  };
  begin_operation(waiting, [&] {
    if (accumulator_.is_closed()) return refused(errc::closed);
    const topic_ptr of = find_topic(name);
    if (of == nullptr) return refused(errc::invalid_topic);
    if (warm && settings_.idempotent && !want_identity(std::nullopt)) throw std::bad_alloc();
    {
      std::scoped_lock guard(mutex_);
      // Since it was asked above: the end has been, nobody would look at it.
      if (accumulator_.is_closed()) return refused(errc::closed);
      watches_.push_back({of, &waiting, warm, env_->now() + clock_duration(settings_.user.max_block)});
    }
    // The answer to the question that find_topic() asked may have come when nobody watched.
    if (of->last_error.load(std::memory_order_seq_cst) != broker_errc::none)
      of->wanted.store(true, std::memory_order_release);
    attention();
    return true;
  });
}

COKAFKA_DECL void engine::check_watches(clock_time now) {
  waiter_list ended;
  {
    std::scoped_lock guard(mutex_);
    std::erase_if(watches_, [&](topic_watch& each) {
      const broker_errc refused = each.of->refused.load(std::memory_order_relaxed);
      std::optional<error> failure;
      if (refused != broker_errc::none) {
        failure = error(refused);
      } else if (each.of->table.load(std::memory_order_acquire) != nullptr && (!each.warm || is_warm(each))) {
        complete_watch(each, std::nullopt, ended);
        return true;
      } else if (each.due <= now) {
        error_details why;
        why.message = unreachable_text();
        const broker_errc last = each.of->last_error.load(std::memory_order_relaxed);
        why.code = !why.message.empty()        ? make_error_code(errc::no_brokers)
                   : last != broker_errc::none ? make_error_code(last)
                                               : make_error_code(errc::metadata_timed_out);
        why.cause = control_error_;
        failure = error(std::move(why));
      }
      if (!failure) return false;
      complete_watch(each, std::move(failure), ended);
      return true;
    });
  }
  post_waiters(ended);
}

COKAFKA_DECL void engine::complete_watch(const topic_watch& watch, std::optional<error> failure, waiter_list& out) {
  watch.waiting->failure = std::move(failure);
  if (!watch.waiting->failure) watch.waiting->partitions = metadata_.describe(std::string(watch.of->name.str()));
  out.push_back(*watch.waiting);
}

// Connected to every leader, and with a producer id where one is needed. Under the mutex.
COKAFKA_DECL bool engine::is_warm(const topic_watch& watch) {
  const topic_state* const state = metadata_.find(std::string(watch.of->name.str()));
  bool warm = !settings_.idempotent || identity_.has_value();
  for (const auto& partition : state->partitions) {
    const auto found = links_.find(partition.leader);
    if (found == links_.end()) {
      schedule_.want();  // no leader: nobody else may ask until there is one
      warm = false;
      continue;
    }
    if (found->second->is_connected()) continue;
    found->second->connect_soon();  // again when an attempt has failed
    warm = false;
  }
  return warm;
}

COKAFKA_DECL bool engine::cancel_watch(topic_waiter& waiting) {
  std::scoped_lock guard(mutex_);
  return std::erase_if(watches_, [&](const topic_watch& each) { return each.waiting == &waiting; }) > 0;
}

// --- flush, space, the end
// --------------------------------------------------------------------------------------------

COKAFKA_DECL void engine::flush(operation_waiter& waiting) {
  begin_operation(waiting, [&] {
    if (!accumulator_.flushes.begin(waiting)) return false;
    hurry_.store(true, std::memory_order_release);
    attention();  // unheard, the next who has news hurries the others
    return true;
  });
}

COKAFKA_DECL void engine::flush_for(operation_waiter& waiting, std::chrono::milliseconds timeout) {
  const clock_time due = env_->now() + std::max(std::chrono::milliseconds::zero(), settings::bounded(timeout));
  begin_operation(waiting, [&] {
    {
      std::scoped_lock guard(mutex_);
      make_room_for_one(timed_flushes_);
      const auto begun = accumulator_.flushes.begin(waiting);
      if (!begun) return false;
      timed_flushes_.push_back({*begun, due});
    }
    hurry_.store(true, std::memory_order_release);
    attention();
    return true;
  });
}

COKAFKA_DECL void engine::check_flushes(clock_time now) {
  waiter_list ended;
  {
    std::scoped_lock guard(mutex_);
    std::erase_if(timed_flushes_, [&](const flush_watch& each) {
      if (each.due > now) return !accumulator_.flushes.is_waiting(each.which);
      if (waiter* const waiting = accumulator_.flushes.cancel(each.which)) ended.push_back(*waiting);
      return true;
    });
  }
  if (ended.empty()) return;
  error_details why;
  why.code = errc::timed_out;
  why.message = "the flush has ended with " + left_text() + " not answered";
  for (auto& each : ended) static_cast<operation_waiter&>(each).failure = error(why);
  post_waiters(ended);
}

COKAFKA_DECL std::string engine::left_text() {
  const auto left = outstanding();
  return std::to_string(left.records) + " records (" + std::to_string(left.bytes) + " bytes)";
}

COKAFKA_DECL bool engine::cancel_flush(operation_waiter& waiting) { return accumulator_.flushes.cancel(waiting); }

COKAFKA_DECL void engine::wait_for_space(operation_waiter& waiting, std::size_t bytes) {
  begin_operation(waiting, [&] { return accumulator_.wait_for_space(waiting, bytes, env_->now()); });
}

COKAFKA_DECL bool engine::cancel_space(operation_waiter& waiting) { return accumulator_.cancel_space(waiting); }

COKAFKA_DECL void engine::close(operation_waiter& waiting, std::chrono::milliseconds timeout) {
  accumulator_.close();
  begin_operation(waiting, [&] {
    std::scoped_lock guard(mutex_);
    if (closed_) return false;
    home_.on_strand([this, timeout] { begin_close(timeout); });
    closers_.push_back(waiting);
    return true;
  });
}

// Cancelling close() stops waiting; the producer closes all the same.
COKAFKA_DECL bool engine::cancel_close(operation_waiter& waiting) {
  std::scoped_lock guard(mutex_);
  const auto found = std::find_if(closers_.begin(), closers_.end(), [&](waiter& each) { return &each == &waiting; });
  if (found == closers_.end()) return false;
  closers_.erase(found);
  return true;
}

COKAFKA_DECL void engine::purge() {
  home_.on_strand([this] {
    if (stopping_) return;
    effects out;
    accumulator_.purge(env_->now(), out);
    carry_out(out);
    attention();  // who waited behind them
  });
}

COKAFKA_DECL bool engine::withdraw(completion& of, record_waiter& asked) {
  if (dead_.load(std::memory_order_acquire)) return false;
  effects out;
  const bool withdrawn = accumulator_.withdraw(of, asked, out);
  carry_out(out);
  return withdrawn;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/base/property_text.ipp

#include <charconv>

namespace cokafka::inline COKAFKA_ABI::detail {

inline constexpr char ascii_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

COKAFKA_DECL std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view white = " \t\r\n\f\v";
  const std::size_t first = text.find_first_not_of(white);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(white) - first + 1);
}

COKAFKA_DECL bool equal_ignoring_case(std::string_view left, std::string_view right) noexcept {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return ascii_lower(a) == ascii_lower(b); });
}

COKAFKA_DECL std::optional<std::int64_t> parse_integer(std::string_view text) noexcept {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc() || stopped != end) return std::nullopt;
  return value;
}

COKAFKA_DECL std::optional<bool> parse_switch(std::string_view text) noexcept {
  if (equal_ignoring_case(text, "true")) return true;
  if (equal_ignoring_case(text, "false")) return false;
  return std::nullopt;
}

COKAFKA_DECL std::size_t edit_distance(std::string_view left, std::string_view right) noexcept {
  constexpr std::size_t longest = 96;
  if (left.size() > longest || right.size() > longest) return std::numeric_limits<std::size_t>::max();
  std::array<std::size_t, longest + 1> row{};  // row[j]: from the left characters seen so far to the first j of right
  for (std::size_t j = 0; j <= right.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const std::size_t replaced = diagonal + (ascii_lower(left[i - 1]) == ascii_lower(right[j - 1]) ? 0u : 1u);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[right.size()];
}

COKAFKA_DECL void nearest_name::offer(std::string_view candidate) noexcept {
  const std::size_t distance = edit_distance(wanted_, candidate);
  if (distance >= limit_) return;
  limit_ = distance;
  best_ = candidate;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/base/crc32c.ipp

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define COKAFKA_CRC32C_SSE42 1
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__linux__) && !defined(__AARCH64EB__)
#define COKAFKA_CRC32C_ARMV8 1
#include <sys/auxv.h>
#endif

namespace cokafka::inline COKAFKA_ABI::detail {

// Polynomials over GF(2) modulo CRC-32C's, with reflected bits: the highest bit is the coefficient of 1.
namespace castagnoli {

inline constexpr std::uint32_t one = 0x80000000U;

constexpr std::uint32_t times_x(std::uint32_t polynomial) noexcept {
  return polynomial >> 1 ^ (0x82f63b78U & (0U - (polynomial & 1U)));
}

constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) noexcept {
  std::uint32_t product = 0;
  for (int bit = 0; bit != 32; ++bit, a <<= 1, b = times_x(b)) product ^= b & (0U - (a >> 31));  // no branch to guess
  return product;
}

// x to the power of 8 * 2^n: what 2^n bytes of zeros multiply a checksum by.
inline constexpr auto zero_bytes_powers = [] {
  std::array<std::uint32_t, 64> powers{};
  std::uint32_t power = one >> 8;
  for (std::uint32_t& entry : powers) {
    entry = power;
    power = multiply(power, power);
  }
  return powers;
}();

constexpr std::uint32_t append_zero_bytes(std::uint32_t crc, std::uint64_t count) noexcept {
  for (std::size_t n = 0; count != 0; ++n, count >>= 1) {
    if ((count & 1U) != 0) crc = multiply(zero_bytes_powers[n], crc);
  }
  return crc;
}

using tables = std::array<std::array<std::uint32_t, 256>, 8>;

// Entry [k][b]: what byte b contributes when k bytes follow it.
inline constexpr tables slices = [] {
  tables all{};
  for (std::uint32_t b = 0; b != 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit != 8; ++bit) crc = times_x(crc);
    all[0][b] = crc;
  }
  for (std::size_t k = 1; k != 8; ++k) {
    for (std::size_t b = 0; b != 256; ++b) all[k][b] = all[k - 1][b] >> 8 ^ all[0][all[k - 1][b] & 0xffU];
  }
  return all;
}();

inline std::uint32_t load_little_endian(const unsigned char* at) noexcept {
  return static_cast<std::uint32_t>(at[0]) | static_cast<std::uint32_t>(at[1]) << 8 |
         static_cast<std::uint32_t>(at[2]) << 16 | static_cast<std::uint32_t>(at[3]) << 24;
}

#if defined(COKAFKA_CRC32C_SSE42)

// Entry [k][b]: byte k of a checksum, with value b, after `Size` bytes of zeros.
template <std::size_t Size>
inline constexpr auto shifted = [] {
  std::array<std::array<std::uint32_t, 256>, 4> all{};
  for (std::size_t k = 0; k != 4; ++k) {
    for (std::uint32_t bit = 1; bit != 256; bit <<= 1) {
      const std::uint32_t moved = append_zero_bytes(bit << (8 * k), Size);
      for (std::uint32_t b = 0; b != 256; ++b) all[k][b] ^= (b & bit) != 0 ? moved : 0U;
    }
  }
  return all;
}();

template <std::size_t Size>
inline std::uint32_t shift(std::uint32_t crc) noexcept {
  return shifted<Size>[0][crc & 0xffU] ^ shifted<Size>[1][crc >> 8 & 0xffU] ^ shifted<Size>[2][crc >> 16 & 0xffU] ^
         shifted<Size>[3][crc >> 24];
}

__attribute__((target("sse4.2"))) inline std::uint64_t step(std::uint64_t crc, const unsigned char* at) noexcept {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return _mm_crc32_u64(crc, word);
}

// The instruction takes a new word each cycle but answers after three: three streams keep it busy.
template <std::size_t Size>
__attribute__((target("sse4.2"))) inline std::uint64_t three_streams(std::uint64_t crc, const unsigned char*& at,
                                                                     std::size_t& size) noexcept {
  for (; size >= 3 * Size; size -= 3 * Size, at += 3 * Size) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i != Size; i += 8) {
      crc = step(crc, at + i);
      second = step(second, at + Size + i);
      third = step(third, at + 2 * Size + i);
    }
    crc = shift<Size>(shift<Size>(static_cast<std::uint32_t>(crc)) ^ static_cast<std::uint32_t>(second)) ^ third;
  }
  return crc;
}

__attribute__((target("sse4.2"))) inline std::uint32_t hardware(std::uint32_t crc, const void* data,
                                                                std::size_t size) noexcept {
  const auto* at = static_cast<const unsigned char*>(data);
  std::uint64_t state = ~crc;
  state = three_streams<4096>(state, at, size);
  state = three_streams<256>(state, at, size);
  for (; size >= 8; size -= 8, at += 8) state = step(state, at);
  auto rest = static_cast<std::uint32_t>(state);
  for (; size != 0; --size, ++at) rest = _mm_crc32_u8(rest, *at);
  return ~rest;
}

inline bool has_hardware() noexcept {
  __builtin_cpu_init();
  return __builtin_cpu_supports("sse4.2") != 0;
}

#elif defined(COKAFKA_CRC32C_ARMV8)

#if defined(__clang__)
#define COKAFKA_CRC32C_TARGET __attribute__((target("crc")))
#define COKAFKA_CRC32C_BYTE __builtin_arm_crc32cb
#define COKAFKA_CRC32C_WORD __builtin_arm_crc32cd
#else
#define COKAFKA_CRC32C_TARGET __attribute__((target("+crc")))
#define COKAFKA_CRC32C_BYTE __builtin_aarch64_crc32cb
#define COKAFKA_CRC32C_WORD __builtin_aarch64_crc32cx
#endif

COKAFKA_CRC32C_TARGET inline std::uint32_t hardware(std::uint32_t crc, const void* data, std::size_t size) noexcept {
  const auto* at = static_cast<const unsigned char*>(data);
  crc = ~crc;
  for (; size >= 8; size -= 8, at += 8) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    crc = COKAFKA_CRC32C_WORD(crc, word);
  }
  for (; size != 0; --size, ++at) crc = COKAFKA_CRC32C_BYTE(crc, *at);
  return ~crc;
}

inline bool has_hardware() noexcept {
  constexpr unsigned long crc32_capability = 1UL << 7;  // HWCAP_CRC32
  return (getauxval(AT_HWCAP) & crc32_capability) != 0;
}

#undef COKAFKA_CRC32C_TARGET
#undef COKAFKA_CRC32C_BYTE
#undef COKAFKA_CRC32C_WORD

#endif

}  // namespace castagnoli

COKAFKA_DECL std::uint32_t crc32c_table(std::uint32_t crc, const void* data, std::size_t size) noexcept {
  const auto* at = static_cast<const unsigned char*>(data);
  crc = ~crc;
  for (; size >= 8; size -= 8, at += 8) {
    const std::uint32_t low = crc ^ castagnoli::load_little_endian(at);
    const std::uint32_t high = castagnoli::load_little_endian(at + 4);
    crc = 0;
    for (std::size_t k = 0; k != 4; ++k) {
      crc ^= castagnoli::slices[7 - k][low >> (8 * k) & 0xffU] ^ castagnoli::slices[3 - k][high >> (8 * k) & 0xffU];
    }
  }
  for (; size != 0; --size, ++at) crc = crc >> 8 ^ castagnoli::slices[0][(crc ^ *at) & 0xffU];
  return ~crc;
}

COKAFKA_DECL std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t size) noexcept {
#if defined(COKAFKA_CRC32C_SSE42) || defined(COKAFKA_CRC32C_ARMV8)
  static const auto chosen = castagnoli::has_hardware() ? &castagnoli::hardware : &crc32c_table;
  return chosen(crc, data, size);
#else
  return crc32c_table(crc, data, size);
#endif
}

COKAFKA_DECL std::uint32_t crc32c_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::size_t size_b) noexcept {
  return castagnoli::append_zero_bytes(crc_a, size_b) ^ crc_b;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#undef COKAFKA_CRC32C_SSE42
#undef COKAFKA_CRC32C_ARMV8

// ---- cokafka/detail/batch/batch_view.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL std::string_view to_string(batch_error error) noexcept {
  switch (error) {
    case batch_error::none: return "none";
    case batch_error::too_short: return "too short";
    case batch_error::bad_length: return "bad length";
    case batch_error::trailing_bytes: return "trailing bytes";
    case batch_error::bad_magic: return "bad magic";
    case batch_error::bad_crc: return "bad checksum";
    case batch_error::bad_codec: return "unknown compression type";
    case batch_error::bad_record_count: return "bad record count";
    case batch_error::bad_record: return "bad record";
    case batch_error::bad_offset_delta: return "bad offset delta";
    case batch_error::compressed: return "compressed";
    case batch_error::control_batch: return "control batch from a client";
    case batch_error::missing_base_sequence: return "producer id without a base sequence";
  }
  return "unknown";
}

namespace batch_parts {

// A string with a varint length where -1 is null; any other negative length makes the reader fail.
inline std::optional<std::string_view> read_nullable(wire::reader& in) noexcept {
  const std::int32_t size = in.varint();
  if (size >= 0 && in.ok()) return in.bytes(static_cast<std::size_t>(size));
  if (size != -1) in.fail();
  return std::nullopt;
}

inline record_header_entry read_header(wire::reader& in) noexcept {
  const auto key = read_nullable(in);
  if (!key) in.fail();
  return {key.value_or(std::string_view{}), read_nullable(in)};
}

}  // namespace batch_parts

COKAFKA_DECL record_header_list::iterator::iterator(std::string_view bytes, std::uint32_t left) noexcept
    : bytes_(bytes), left_(left) {
  read();
}

COKAFKA_DECL record_header_list::iterator& record_header_list::iterator::operator++() noexcept {
  --left_;
  read();
  return *this;
}

COKAFKA_DECL void record_header_list::iterator::read() noexcept {
  if (left_ == 0) return;
  wire::reader in(bytes_);
  current_ = batch_parts::read_header(in);
  bytes_.remove_prefix(in.position());
}

COKAFKA_DECL batch_error read_record(wire::reader& in, std::int64_t base_timestamp, record_entry& record) noexcept {
  const std::int32_t size = in.varint();
  if (size < 0) in.fail();
  const std::string_view bytes = in.bytes(static_cast<std::size_t>(size));
  if (!in.ok()) return batch_error::bad_record;

  wire::reader body(bytes);
  body.int8();  // attributes: no bit has a meaning yet
  // Deltas wrap around like Java's, so that no header can cause undefined behaviour.
  record.timestamp = static_cast<std::int64_t>(static_cast<std::uint64_t>(base_timestamp) +
                                               static_cast<std::uint64_t>(body.varlong()));
  record.offset_delta = body.varint();
  record.key = batch_parts::read_nullable(body);
  record.value = batch_parts::read_nullable(body);
  const std::int32_t headers = body.varint();
  if (headers < 0) body.fail();
  const std::size_t headers_begin = body.position();
  for (std::int32_t i = 0; i < headers && body.ok(); ++i) batch_parts::read_header(body);
  if (!body.ok() || body.remaining() != 0) return batch_error::bad_record;
  record.headers = {bytes.substr(headers_begin), static_cast<std::uint32_t>(headers)};
  return batch_error::none;
}

COKAFKA_DECL std::optional<std::size_t> batch_view::size_at_front(std::string_view bytes) noexcept {
  constexpr std::size_t log_overhead = 12;  // base offset and batch length, which do not count themselves
  wire::reader in(bytes);
  in.int64();
  const std::int32_t length = in.int32();
  if (!in.ok() || length < static_cast<std::int32_t>(header_size - log_overhead)) return std::nullopt;
  return log_overhead + static_cast<std::size_t>(length);
}

COKAFKA_DECL batch_error batch_view::parse(std::string_view bytes, batch_view& view) noexcept {
  constexpr std::size_t magic_offset = 16;
  constexpr std::size_t crc_begin = 21;
  constexpr int last_codec = 4;

  if (bytes.size() > magic_offset && bytes[magic_offset] != 2) return batch_error::bad_magic;
  if (bytes.size() < header_size) return batch_error::too_short;
  const auto size = size_at_front(bytes);
  if (!size) return batch_error::bad_length;
  if (bytes.size() < *size) return batch_error::too_short;
  if (bytes.size() > *size) return batch_error::trailing_bytes;

  batch_view candidate;
  candidate.bytes_ = bytes;
  if (crc32c(0, bytes.data() + crc_begin, bytes.size() - crc_begin) != candidate.crc()) return batch_error::bad_crc;
  if (candidate.codec() > last_codec) return batch_error::bad_codec;
  if (candidate.record_count() <= 0 || candidate.record_count() - 1 != candidate.last_offset_delta()) {
    return batch_error::bad_record_count;
  }
  view = candidate;
  return batch_error::none;
}

COKAFKA_DECL batch_error batch_view::check_records() const noexcept {
  return for_each([](const record_entry&) {});
}

COKAFKA_DECL batch_error batch_view::check_from_client() const noexcept {
  if (is_control()) return batch_error::control_batch;
  if (producer_id() >= 0 && base_sequence() < 0) return batch_error::missing_base_sequence;
  return batch_error::none;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/detail/base/murmur2.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL std::int32_t murmur2(std::string_view key) noexcept {
  constexpr std::uint32_t seed = 0x9747b28cU;
  constexpr std::uint32_t multiplier = 0x5bd1e995U;
  const auto byte = [key](std::size_t i) { return static_cast<std::uint32_t>(static_cast<std::uint8_t>(key[i])); };

  std::uint32_t hash = seed ^ static_cast<std::uint32_t>(key.size());
  std::size_t i = 0;
  for (; key.size() - i >= 4; i += 4) {
    std::uint32_t word = byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24;
    word *= multiplier;
    word ^= word >> 24;
    word *= multiplier;
    hash = hash * multiplier ^ word;
  }
  if (i != key.size()) {
    for (std::size_t rest = key.size(); rest-- != i;) hash ^= byte(rest) << (8 * (rest - i));
    hash *= multiplier;
  }
  hash ^= hash >> 13;
  hash *= multiplier;
  hash ^= hash >> 15;
  return static_cast<std::int32_t>(hash);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif  // bodies

#endif  // COKAFKA_SINGLE_HPP
