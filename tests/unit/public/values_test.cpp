// SPDX-License-Identifier: BSL-1.0
// The small values: views of bytes, records, names of topics, metadata, log lines.
#include "support/catch.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "cokafka/logger.hpp"
#include "cokafka/partition_info.hpp"
#include "cokafka/record.hpp"
#include "cokafka/record_metadata.hpp"
#include "cokafka/version.hpp"

using cokafka::bytes_view;
using cokafka::topic_name;

namespace {

std::string seen(bytes_view bytes) { return std::string(bytes.str()); }

template <class T>
constexpr bool viewable = std::is_convertible_v<T, bytes_view>;

}  // namespace

TEST_CASE("bytes are viewed from strings, vectors, arrays and spans without a conversion of one's own", "[public]") {
  const std::string text = "text";
  const std::vector<std::uint8_t> octets = {'o', 'c', 0xFF};
  const std::array<std::byte, 2> bytes = {std::byte{'h'}, std::byte{'i'}};
  const unsigned char fixed[] = {1, 2, 0};
  const char* pointer = "pointer";
  CHECK(seen(text) == "text");
  CHECK(seen(std::string_view("view")) == "view");
  CHECK(seen(std::string("temporary")) == "temporary");
  CHECK(seen(octets) == "oc\xFF");
  CHECK(seen(bytes) == "hi");
  CHECK(seen(std::span(fixed)) == std::string("\1\2\0", 3));
  CHECK(seen(fixed) == std::string("\1\2\0", 3));
  CHECK(seen(pointer) == "pointer");
  CHECK(seen({text.data() + 1, 2}) == "ex");
  CHECK(seen(std::u8string_view(u8"u8")) == "u8");
  CHECK(bytes_view(text).data() == text.data());
}

TEST_CASE("a literal keeps its embedded NULs and loses its terminator", "[public]") {
  CHECK(seen("a\0b") == std::string("a\0b", 3));
  CHECK(bytes_view("").empty());
  CHECK(bytes_view("").size() == 0);
  constexpr bytes_view constant = "constant";
  static_assert(constant.size() == 8);
  static_assert(bytes_view(std::string_view("x")) == bytes_view("x"));
}

TEST_CASE("bytes compare by what they are", "[public]") {
  const std::string one = "same", other = "same";
  CHECK(bytes_view(one) == bytes_view(other));
  CHECK(bytes_view("a") != bytes_view("b"));
  CHECK(bytes_view() == bytes_view(""));
}

TEST_CASE("a null pointer, a buffer of unknown use and a range of wider values are no bytes", "[public]") {
  static_assert(!viewable<std::nullptr_t>);
  static_assert(!viewable<char(&)[16]>);
  static_assert(!viewable<char8_t(&)[16]>);
  static_assert(!viewable<std::vector<int>>);
  static_assert(!viewable<std::vector<bool>>);
  static_assert(!viewable<int>);
  static_assert(viewable<const char(&)[16]>);
  SUCCEED();
}

TEST_CASE("a record tells null from empty", "[public]") {
  const cokafka::record_view nothing{.topic = "t"};
  CHECK_FALSE(nothing.key);
  CHECK_FALSE(nothing.value);
  CHECK(nothing.headers.empty());
  CHECK_FALSE(nothing.partition);
  CHECK_FALSE(nothing.timestamp);
  CHECK_FALSE(nothing.timeout);
  const cokafka::header_view headers[] = {{"a", "1"}, {"a", std::nullopt}};
  const cokafka::record_view record{.topic = "t", .key = "", .value = "{}", .headers = headers, .partition = 3};
  REQUIRE(record.key);
  CHECK(record.key->empty());
  CHECK(record.headers.size() == 2);
  CHECK_FALSE(record.headers[1].value);
}

TEST_CASE("a topic's name is shared, compared and hashed by its characters", "[public]") {
  const topic_name orders("orders");
  const topic_name copy = orders;
  CHECK(copy.str().data() == orders.str().data());
  CHECK(copy == orders);
  CHECK(topic_name("orders") == orders);
  CHECK(topic_name("other") != orders);
  CHECK(orders == "orders");
  CHECK("orders" == orders);
  CHECK(topic_name("a") < topic_name("b"));
  CHECK(std::string_view(orders) == "orders");
  CHECK(orders.size() == 6);
  CHECK(std::hash<topic_name>()(orders) == std::hash<std::string_view>()("orders"));
}

TEST_CASE("the default topic name is empty", "[public]") {
  CHECK(topic_name().empty());
  CHECK(topic_name() == topic_name(""));
  CHECK(topic_name().str().empty());
}

TEST_CASE("maps of topics are asked with a plain string", "[public]") {
  std::unordered_map<topic_name, int, std::hash<topic_name>, std::equal_to<>> hashed{{topic_name("a"), 1}};
  CHECK(hashed.find(std::string_view("a"))->second == 1);
  std::map<topic_name, int, std::less<>> ordered{{topic_name("a"), 1}, {topic_name("b"), 2}};
  CHECK(ordered.find(std::string_view("b"))->second == 2);
  CHECK(std::unordered_map<topic_name, int>{{topic_name("a"), 7}}.at(topic_name("a")) == 7);
}

TEST_CASE("a topic's name outlives its first owner and is copied by many threads at once", "[public]") {
  topic_name kept;
  {
    const topic_name first("shared");
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([first] {
        for (int i = 0; i < 10'000; ++i) {
          topic_name copy = first;
          topic_name moved = std::move(copy);
          if (moved.empty()) std::terminate();
        }
      });
    }
    for (auto& thread : threads) thread.join();
    kept = first;
  }
  CHECK(kept == "shared");
}

TEST_CASE("metadata and partitions start out as unknown", "[public]") {
  const cokafka::record_metadata metadata;
  CHECK(metadata.topic.empty());
  CHECK(metadata.partition == -1);
  CHECK_FALSE(metadata.offset);
  CHECK_FALSE(metadata.key_size);
  CHECK_FALSE(metadata.value_size);
  CHECK(metadata.timestamp.time_since_epoch().count() == 0);
  const cokafka::partition_info partition;
  CHECK(partition.id == -1);
  CHECK_FALSE(partition.leader);
  CHECK(partition.replicas.empty());
}

TEST_CASE("a logger is silent by default", "[public]") {
  const cokafka::logger silent;
  CHECK_FALSE(silent.enabled(cokafka::log_level::error));
  silent.log(cokafka::log_level::error, "nobody hears this");
}

TEST_CASE("a logger passes on lines of its level and graver ones", "[public]") {
  std::vector<std::string> lines;
  const cokafka::logger logger(cokafka::log_level::info, [&](cokafka::log_level level, std::string_view text) {
    lines.push_back(std::string(to_string(level)).append(" ").append(text));
  });
  logger.log(cokafka::log_level::debug, "fine");
  logger.log(cokafka::log_level::info, "one");
  logger.log(cokafka::log_level::error, "two");
  logger.log(cokafka::log_level::off, "never");
  CHECK(lines == std::vector<std::string>{"info one", "error two"});
  const cokafka::logger off(cokafka::log_level::off, [&](cokafka::log_level, std::string_view) { lines.clear(); });
  off.log(cokafka::log_level::error, "no");
  CHECK(lines.size() == 2);
}

TEST_CASE("what a log sink throws is swallowed", "[public]") {
  const cokafka::logger logger(cokafka::log_level::trace,
                               [](cokafka::log_level, std::string_view) { throw std::runtime_error("disk full"); });
  CHECK_NOTHROW(logger.log(cokafka::log_level::error, "text"));
}

TEST_CASE("the version is one number in every spelling", "[public]") {
  CHECK(std::string(COKAFKA_VERSION) == std::to_string(COKAFKA_VERSION_MAJOR) + "." +
                                            std::to_string(COKAFKA_VERSION_MINOR) + "." +
                                            std::to_string(COKAFKA_VERSION_PATCH));
  CHECK(COKAFKA_VERSION_NUMBER == 100);
}
