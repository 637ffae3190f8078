// SPDX-License-Identifier: BSL-1.0
// Every error code a broker can answer: one table makes the enumeration, the classes and the texts.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_BROKER_ERRORS_HPP
#define COKAFKA_DETAIL_BASE_BROKER_ERRORS_HPP

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "cokafka/detail/base/error_class.hpp"
#include "cokafka/fate.hpp"

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

#endif
