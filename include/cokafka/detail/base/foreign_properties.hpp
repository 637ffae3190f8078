// SPDX-License-Identifier: BSL-1.0
// Properties that other Kafka producers know and this one does not offer: what to say when somebody sets one.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_FOREIGN_PROPERTIES_HPP
#define COKAFKA_DETAIL_BASE_FOREIGN_PROPERTIES_HPP

#include <string_view>

#include "cokafka/detail/base/config.hpp"

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

#endif
