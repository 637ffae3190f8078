// SPDX-License-Identifier: BSL-1.0
// CRC-32C and murmur2 against known values and against slow but obvious computations.
#include "cokafka/detail/base/crc32c.hpp"
#include "cokafka/detail/base/murmur2.hpp"
#include "support/catch.hpp"
#include "support/vectors.hpp"

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

using namespace cokafka::detail;

namespace {

std::uint32_t crc_of(std::string_view bytes) { return crc32c(0, bytes.data(), bytes.size()); }
std::uint32_t table_crc_of(std::string_view bytes) { return crc32c_table(0, bytes.data(), bytes.size()); }

std::string random_bytes(std::mt19937& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

}  // namespace

TEST_CASE("crc32c gives the published values", "[base]") {
  struct known {
    std::string bytes;
    std::uint32_t crc;
  };
  const known values[] = {{"123456789", 0xe3069283U},
                          {"Some String", 608512271U},
                          {std::string(32, '\0'), 0x8a9136aaU},
                          {std::string(32, '\xff'), 0x62a8ab43U},
                          {"", 0U}};
  for (const known& value : values) {
    CHECK(crc_of(value.bytes) == value.crc);
    CHECK(table_crc_of(value.bytes) == value.crc);
  }
}

TEST_CASE("crc32c by instructions and by tables agree for every size and alignment", "[base]") {
  std::mt19937 random(1);
  const std::string bytes = random_bytes(random, 40000);
  std::size_t different = 0;
  for (std::size_t size = 0; size != 1700; ++size) {
    const auto part = std::string_view(bytes).substr(size % 9, size);
    different += crc_of(part) != table_crc_of(part) ? 1U : 0U;
  }
  for (std::size_t size = 12200; size < 39000; size += 101) {
    const auto part = std::string_view(bytes).substr(size % 9, size);
    different += crc_of(part) != table_crc_of(part) ? 1U : 0U;
  }
  CHECK(different == 0);
}

TEST_CASE("crc32c continues over a split, and combines two parts", "[base]") {
  std::mt19937 random(2);
  const std::string bytes = random_bytes(random, 5000);
  const std::uint32_t whole = crc_of(bytes);
  for (std::size_t split = 0; split <= bytes.size(); split += 7) {
    const auto a = std::string_view(bytes).substr(0, split);
    const auto b = std::string_view(bytes).substr(split);
    REQUIRE(crc32c(crc_of(a), b.data(), b.size()) == whole);
    REQUIRE(crc32c_combine(crc_of(a), crc_of(b), b.size()) == whole);
  }
  CHECK(crc32c_combine(0, whole, bytes.size()) == whole);
  CHECK(crc32c_combine(whole, 0, 0) == whole);
}

TEST_CASE("crc32c_combine handles sizes beyond four gigabytes", "[base]") {
  const std::size_t half = std::size_t{1} << 32;
  const std::uint32_t twice = crc32c_combine(crc32c_combine(0x12345678U, 0, half), 0, half);
  CHECK(crc32c_combine(0x12345678U, 0, 2 * half) == twice);
}

TEST_CASE("murmur2 gives the values of Kafka's Java client", "[base]") {
  struct known {
    std::string_view key;
    std::int32_t hash;
    std::int32_t of_3, of_10, of_12, of_100;
  };
  const known values[] = {{"21", -973932308, 0, 0, 0, 40},
                          {"foobar", -790332482, 0, 6, 6, 66},
                          {"a-little-bit-long-string", -985981536, 2, 2, 8, 12},
                          {"a-little-bit-longer-string", -1486304829, 2, 9, 11, 19},
                          {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, 2, 7, 5, 77},
                          {"abc", 479470107, 0, 7, 3, 7},
                          {"key", -1079937367, 1, 1, 1, 81},
                          {"kafka", -798503068, 1, 0, 4, 80},
                          {"1", -1993445489, 0, 9, 3, 59},
                          {"3", -1148165505, 2, 3, 11, 43},
                          {"100", 627947253, 0, 3, 9, 53},
                          {"\xc3\xa9", 186971271, 0, 1, 3, 71},
                          {"", 275646681, 0, 1, 9, 81},
                          {"a", -1563381124, 1, 4, 4, 24},
                          {"ab", 316155434, 2, 4, 2, 34},
                          {"abcd", -1323649548, 2, 0, 8, 0},
                          {"abcde", 461995741, 1, 1, 1, 41},
                          {"abcdefgh", -955427363, 0, 5, 9, 85},
                          {"hello", 2132663229, 0, 9, 9, 29},
                          {"0", 971027396, 2, 6, 8, 96},
                          {"2", 648968168, 2, 8, 8, 68},
                          {"10", 1164287326, 1, 6, 10, 26},
                          {"user-42", 1459644460, 1, 0, 4, 60},
                          {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 1431860170, 1, 0, 10, 70}};
  for (const known& value : values) {
    INFO(value.key);
    CHECK(murmur2(value.key) == value.hash);
    const std::int32_t positive = to_positive(value.hash);
    CHECK(positive % 3 == value.of_3);
    CHECK(positive % 10 == value.of_10);
    CHECK(positive % 12 == value.of_12);
    CHECK(positive % 100 == value.of_100);
  }
  CHECK(murmur2(cokafka_test::from_hex("ff80007ffe")) == 768357719);
  CHECK(murmur2(std::string_view("\0", 1)) == 375494588);
}
