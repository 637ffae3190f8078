// SPDX-License-Identifier: BSL-1.0
// The rules between properties, the ranges of typed members, and the warnings.
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "cokafka/config.hpp"
#include "support/catch.hpp"
#include "support/config_made.hpp"

using cokafka::acks;
using cokafka::config;
using cokafka_test::complaint;
using cokafka_test::with;
using namespace std::chrono_literals;

TEST_CASE("idempotence is on by default, off where acks or retries rule it out, and refused when asked for",
          "[public]") {
  config subject;
  subject.acks = acks::leader;
  CHECK_FALSE(subject.idempotent());
  CHECK(complaint(subject).empty());
  subject.enable_idempotence = true;
  CHECK(complaint(subject) == "acks=1: must be all with enable.idempotence=true");
  subject.acks = acks::all;
  CHECK(complaint(subject).empty());
  subject.retries = 0;
  CHECK(complaint(subject) == "retries=0: must be at least 1 with enable.idempotence=true");
  subject.enable_idempotence.reset();
  CHECK_FALSE(subject.idempotent());
  CHECK(complaint(subject).empty());
  subject.retries = 1;
  subject.enable_idempotence = false;
  CHECK_FALSE(subject.idempotent());
}

TEST_CASE("more than five requests in flight need idempotence off", "[public]") {
  config subject;
  subject.max_in_flight_requests_per_connection = 6;
  CHECK(
      complaint(subject) ==
      "max.in.flight.requests.per.connection=6: must be at most 5 with enable.idempotence=true, which is the default");
  subject.enable_idempotence = true;
  CHECK(complaint(subject) ==
        "max.in.flight.requests.per.connection=6: must be at most 5 with enable.idempotence=true");
  subject.enable_idempotence = false;
  CHECK(complaint(subject).empty());
  subject.enable_idempotence.reset();
  subject.acks = acks::none;
  CHECK(complaint(subject).empty());
}

TEST_CASE("a delivery timeout must leave time for lingering and one request", "[public]") {
  config subject;
  subject.delivery_timeout = 30'004ms;
  CHECK(complaint(subject) == "delivery.timeout.ms=30004: must be at least linger.ms + request.timeout.ms = 30005");
  subject.delivery_timeout = 30'005ms;
  CHECK(complaint(subject).empty());
  CHECK(subject.effective_delivery_timeout() == 30'005ms);
}

TEST_CASE("the default delivery timeout is raised instead", "[public]") {
  config subject;
  subject.request_timeout = 200s;
  CHECK(complaint(subject).empty());
  CHECK(subject.effective_delivery_timeout() == 200'005ms);
  CHECK(subject.warnings() ==
        std::vector<std::string>{"delivery.timeout.ms is raised to linger.ms + request.timeout.ms = 200005"});
  subject.request_timeout = 1s;
  CHECK(subject.effective_delivery_timeout() == 120s);
}

TEST_CASE("backoffs and setup timeouts above their maximum become constant", "[public]") {
  config subject;
  subject.retry_backoff = 5s;
  subject.reconnect_backoff = 6s;
  subject.socket_connection_setup_timeout = 40s;
  CHECK(complaint(subject).empty());
  CHECK(subject.effective_retry_backoff() == 1s);
  CHECK(subject.effective_reconnect_backoff_max() == 6s);
  CHECK(subject.effective_connection_setup_timeout() == 30s);
  CHECK(subject.warnings().size() == 3);
}

TEST_CASE("possible reordering without idempotence is warned of", "[public]") {
  CHECK(with({{"acks", "1"}}).warnings().size() == 2);
  CHECK(with({{"enable.idempotence", "false"}}).warnings().size() == 1);
  CHECK(with({{"enable.idempotence", "false"}, {"max.in.flight", "1"}}).warnings().empty());
}

TEST_CASE("typed members are held against the same ranges", "[public]") {
  config subject;
  subject.linger = -1ms;
  CHECK(complaint(subject) == "linger.ms=-1: must be a whole number of milliseconds from 0 to 2147483647");
  subject = {};
  subject.buffer_memory = -1;
  CHECK(complaint(subject).starts_with("buffer.memory=-1: must be a whole number from 0"));
  subject = {};
  subject.receive_message_max_bytes = 999;
  CHECK(complaint(subject).starts_with("receive.message.max.bytes=999: "));
  subject = {};
  subject.acks = static_cast<acks>(2);
  CHECK(complaint(subject) == "acks=2: must be one of the enumerators");
  subject = {};
  subject.client_id = std::string(32768, 'x');
  CHECK(complaint(subject).ends_with("must not be longer than 32767 bytes"));
  subject = {};
  subject.bootstrap_servers = "";
  CHECK(complaint(subject) == "bootstrap.servers=: must name at least one host[:port]");
}
