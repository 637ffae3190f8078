// SPDX-License-Identifier: BSL-1.0
// Bodies of host_port.hpp.
// Layer 0.
#ifndef COKAFKA_DETAIL_BASE_HOST_PORT_IPP
#define COKAFKA_DETAIL_BASE_HOST_PORT_IPP

#include "cokafka/detail/base/host_port.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "cokafka/detail/base/property_text.hpp"

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

#endif
