// SPDX-License-Identifier: BSL-1.0
// Bodies of trace.hpp.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_TRACE_IPP
#define COKAFKA_TESTING_SIMULATED_TRACE_IPP

#include "cokafka/testing/simulated/trace.hpp"

#include "cokafka/detail/base/crc32c.hpp"

#include <chrono>
#include <cstdio>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

COKAFKA_DECL void trace::line(std::string_view text) {
  mix(detail::crc32c(0, text.data(), text.size()));
  mix(static_cast<std::uint64_t>((clock_.now() - begin_).count()));
  add({clock_.now(), std::string(text)});
}

COKAFKA_DECL void trace::event(network_event what, std::uint64_t connection, std::uint64_t value, std::uint64_t extra) {
  mix((connection << 8) | static_cast<std::uint64_t>(what));
  mix(static_cast<std::uint64_t>((clock_.now() - begin_).count()));
  mix(value ^ (extra << 32));
  add({clock_.now(), {}, what, connection, value});
}

COKAFKA_DECL void trace::keep(std::size_t lines) {
  kept_ = lines;
  while (newest_.size() > kept_) newest_.pop_front();
}

COKAFKA_DECL void trace::add(entry added) {
  if (kept_ == 0) return;
  if (newest_.size() == kept_) newest_.pop_front();
  newest_.push_back(std::move(added));
}

COKAFKA_DECL std::string trace::text_of(const entry& of) {
  if (of.what == network_event::none) return of.text;
  const std::string connection = "connection " + std::to_string(of.connection) + ": ";
  const std::string bytes = std::to_string(of.value) + " bytes";
  switch (of.what) {
    case network_event::none: break;
    case network_event::asks: return connection + "asked for";
    case network_event::connected: return connection + "stands";
    case network_event::refused: return connection + "refused";
    case network_event::unanswered: return connection + "not answered";
    case network_event::client_sent: return connection + "client sends " + bytes;
    case network_event::broker_sent: return connection + "broker sends " + bytes;
    case network_event::client_read: return connection + "client reads " + bytes;
    case network_event::broker_read: return connection + "broker reads " + bytes;
    case network_event::client_closed: return connection + "client closes";
    case network_event::broker_closed: return connection + "broker closes";
    case network_event::cut: return connection + "cut";
    case network_event::client_half_closed: return connection + "the direction from the client ends";
    case network_event::broker_half_closed: return connection + "the direction from the broker ends";
    case network_event::silent: return connection + "nothing gets through";
    case network_event::healed: return connection + "healed";
  }
  return connection;
}

COKAFKA_DECL std::string trace::text() const {
  std::string all;
  for (const entry& each : newest_) {
    const std::chrono::duration<double> since = each.at - begin_;
    char seconds[40];
    std::snprintf(seconds, sizeof seconds, "%14.9f  ", since.count());
    all += seconds + text_of(each) + '\n';
  }
  return all;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#endif
