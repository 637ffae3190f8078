// SPDX-License-Identifier: BSL-1.0
// A list of servers as it is written in bootstrap.servers.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_HOST_PORT_HPP
#define COKAFKA_DETAIL_BASE_HOST_PORT_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cokafka/detail/base/config.hpp"

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

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/base/host_port.ipp"
#endif

#endif
