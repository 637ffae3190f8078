// SPDX-License-Identifier: BSL-1.0
// Reading the text of properties: lists of servers, numbers, misspelt names.
#include "cokafka/detail/base/property_text.hpp"

#include <string>
#include <string_view>
#include <vector>

#include "cokafka/detail/base/host_port.hpp"
#include "support/catch.hpp"

namespace detail = cokafka::detail;
using detail::host_port;

namespace {

std::vector<host_port> servers(std::string_view text) {
  const auto list = detail::parse_host_ports(text);
  INFO(text);
  CHECK(list.problem == "");
  return list.servers;
}

std::string problem(std::string_view text) {
  const auto list = detail::parse_host_ports(text);
  CHECK(list.servers.empty());
  return list.problem;
}

}  // namespace

TEST_CASE("servers are hosts with a port, 9092 when missing", "[base]") {
  CHECK(servers("a") == std::vector<host_port>{{"a", 9092}});
  CHECK(servers("a:1, b.example.org ,10.0.0.1:65535") ==
        std::vector<host_port>{{"a", 1}, {"b.example.org", 9092}, {"10.0.0.1", 65535}});
  CHECK(servers("PLAINTEXT://a:1") == std::vector<host_port>{{"a", 1}});
}

TEST_CASE("IPv6 addresses are written in brackets", "[base]") {
  CHECK(servers("[::1]:9094,[fe80::1%eth0]") == std::vector<host_port>{{"::1", 9094}, {"fe80::1%eth0", 9092}});
  CHECK(problem("::1") == "must be host[:port],...; IPv6 addresses must be in brackets, [::1]:9092 (in \"::1\")");
  CHECK(problem("[::1") == "must be host[:port],...; the bracket of an IPv6 address is not closed (in \"[::1\")");
  CHECK_FALSE(problem("[::1]9092").empty());
  CHECK_FALSE(problem("[a]:1").empty());
  CHECK_FALSE(problem("[]:1").empty());
  CHECK_FALSE(problem("[::1]:").empty());
}

TEST_CASE("a server that is named twice is kept once", "[base]") {
  CHECK(servers("b:1,a,b:1,a:9092") == std::vector<host_port>{{"b", 1}, {"a", 9092}});
}

TEST_CASE("what is wrong with a list of servers is said", "[base]") {
  CHECK(problem("") == "must name at least one host[:port]");
  CHECK(problem("  ") == "must name at least one host[:port]");
  CHECK(problem("a,,b") == "must be host[:port],...; there is nothing between two commas");
  CHECK(problem("a,") == "must be host[:port],...; there is nothing between two commas");
  CHECK(problem(":9092") == "must be host[:port],...; a host is missing (in \":9092\")");
  for (const char* text : {"a:0", "a:65536", "a:x", "a:", "a:-1", "a:9092x", "a:99999999999999999999"})
    CHECK(problem(text) ==
          std::string("must be host[:port],...; a port must be a number from 1 to 65535 (in \"") + text + "\")");
  CHECK_FALSE(problem("a b").empty());
  CHECK_FALSE(problem("a/b").empty());
  CHECK_FALSE(problem("SSL://a:1").empty());
}

TEST_CASE("numbers are whole and nothing follows them", "[base]") {
  CHECK(detail::parse_integer("-9223372036854775808") == INT64_MIN);
  CHECK(detail::parse_integer("9223372036854775807") == INT64_MAX);
  for (const char* text : {"", "+1", " 1", "1 ", "1.0", "0x10", "9223372036854775808", "-"})
    CHECK_FALSE(detail::parse_integer(text));
}

TEST_CASE("switches are true or false in any case", "[base]") {
  CHECK(detail::parse_switch("TRUE") == true);
  CHECK(detail::parse_switch("False") == false);
  for (const char* text : {"", "1", "yes", "truex", "tru"}) CHECK_FALSE(detail::parse_switch(text));
}

TEST_CASE("text is trimmed of white space", "[base]") {
  CHECK(detail::trimmed(" \t a b\r\n") == "a b");
  CHECK(detail::trimmed(" ").empty());
  CHECK(detail::trimmed("").empty());
}

TEST_CASE("edits between names are counted", "[base]") {
  CHECK(detail::edit_distance("", "") == 0);
  CHECK(detail::edit_distance("acks", "ACKS") == 0);
  CHECK(detail::edit_distance("acks", "ack") == 1);
  CHECK(detail::edit_distance("", "abc") == 3);
  CHECK(detail::edit_distance("kitten", "sitting") == 3);
  CHECK(detail::edit_distance(std::string(97, 'a'), "a") > 1000);
  CHECK(detail::edit_distance(std::string(96, 'a'), std::string(96, 'b')) == 96);
}
