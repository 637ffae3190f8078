// SPDX-License-Identifier: BSL-1.0
// Another translation unit that includes everything. Units whose modes or features differ do not find its function.
#include "cokafka.hpp"

#include <boost/asio/io_context.hpp>

bool second_agrees(const cokafka::error& failure, const cokafka::config& settings) {
  boost::asio::io_context context;
  cokafka::producer producer(context.get_executor(), settings);
  return failure.message() == cokafka::error(cokafka::errc::closed).message() && settings.client_id == "two units";
}
