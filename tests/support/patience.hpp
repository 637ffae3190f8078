// SPDX-License-Identifier: BSL-1.0
// Configurations that give up soon, or late, and a program of one awaited record.
#ifndef COKAFKA_TESTS_SUPPORT_PATIENCE_HPP
#define COKAFKA_TESTS_SUPPORT_PATIENCE_HPP

#include "cokafka/producer.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <string>
#include <utility>

namespace cokafka_test {

using answer = cokafka::result<cokafka::record_metadata>;

inline cokafka::config impatient(const std::string& bootstrap) {
  cokafka::config settings;
  settings.bootstrap_servers = bootstrap;
  settings.max_block = std::chrono::milliseconds(500);
  settings.request_timeout = std::chrono::milliseconds(300);
  settings.delivery_timeout = std::chrono::milliseconds(1500);
  settings.linger = std::chrono::milliseconds(0);
  settings.retry_backoff = std::chrono::milliseconds(20);
  settings.retry_backoff_max = std::chrono::milliseconds(100);
  settings.reconnect_backoff = std::chrono::milliseconds(20);
  settings.reconnect_backoff_max = std::chrono::milliseconds(100);
  return settings;
}

// The same for records that are to arrive, on a machine that is busy with other things.
inline cokafka::config patient(const std::string& bootstrap) {
  cokafka::config settings = impatient(bootstrap);
  settings.max_block = std::chrono::seconds(10);
  settings.request_timeout = std::chrono::seconds(5);
  settings.delivery_timeout = std::chrono::seconds(20);
  return settings;
}

inline boost::asio::awaitable<void> send_one(cokafka::producer& producer, const cokafka::record_view& record,
                                             answer& out) {
  cokafka::delivery sent = producer.send(record);
  out = co_await std::move(sent)(boost::asio::use_awaitable);
}

}  // namespace cokafka_test

#endif
