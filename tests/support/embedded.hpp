// SPDX-License-Identifier: BSL-1.0
// An embedded cluster on a context that the test runs, and patient producers for it.
#ifndef COKAFKA_TESTS_SUPPORT_EMBEDDED_HPP
#define COKAFKA_TESTS_SUPPORT_EMBEDDED_HPP

#include "cokafka/producer.hpp"
#include "cokafka/testing.hpp"
#include "support/patience.hpp"

#include <boost/asio/io_context.hpp>

namespace cokafka_test {

struct embedded {
  explicit embedded(const cokafka::testing::cluster_options& options = {}) : kafka(io, options) {}
  cokafka::config settings() { return patient(kafka.bootstrap_servers()); }
  cokafka::producer make() { return cokafka::producer(io, settings()); }
  boost::asio::io_context io;
  cokafka::testing::cluster kafka;
};

}  // namespace cokafka_test

#endif
