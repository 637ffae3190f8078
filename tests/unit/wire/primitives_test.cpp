// SPDX-License-Identifier: BSL-1.0
// Integers, varints and strings on the wire: Kafka's own values, the limits, and everything that is illegal.
#include "cokafka/detail/wire/reader.hpp"
#include "cokafka/detail/wire/types.hpp"
#include "cokafka/detail/wire/writer.hpp"
#include "support/catch.hpp"
#include "support/vectors.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

using namespace cokafka::detail::wire;
using cokafka_test::from_hex;
using cokafka_test::to_hex;

namespace {

template <class Write>
std::string written(Write write) {
  std::string bytes;
  writer out(bytes);
  write(out);
  counter size;
  write(size);
  CHECK(size.size() == bytes.size());
  return to_hex(bytes);
}

}  // namespace

TEST_CASE("varints have Kafka's bytes", "[wire]") {
  struct known {
    std::int32_t value;
    std::string hex;
  };
  const known values[] = {{0, "00"},
                          {-1, "01"},
                          {1, "02"},
                          {63, "7e"},
                          {-64, "7f"},
                          {64, "8001"},
                          {-65, "8101"},
                          {8191, "fe7f"},
                          {-8192, "ff7f"},
                          {8192, "808001"},
                          {-8193, "818001"},
                          {1048575, "feff7f"},
                          {-1048576, "ffff7f"},
                          {1048576, "80808001"},
                          {134217727, "feffff7f"},
                          {134217728, "8080808001"},
                          {2147483647, "feffffff0f"},
                          {std::numeric_limits<std::int32_t>::min(), "ffffffff0f"}};
  for (const known& value : values) {
    INFO(value.value);
    CHECK(written([&](auto& out) { out.varint(value.value); }) == value.hex);
    CHECK(written([&](auto& out) { out.varlong(value.value); }) == value.hex);
    const std::string bytes = from_hex(value.hex);
    reader in(bytes);
    CHECK(in.varint() == value.value);
    CHECK((in.ok() && in.remaining() == 0));
    CHECK(reader(bytes).varlong() == value.value);
  }
}

TEST_CASE("varlongs have Kafka's bytes", "[wire]") {
  struct known {
    std::int64_t value;
    std::string hex;
  };
  const known values[] = {{17179869183, "feffffff7f"},
                          {17179869184, "808080808001"},
                          {4611686018427387904, "80808080808080808001"},
                          {std::numeric_limits<std::int64_t>::max(), "feffffffffffffffff01"},
                          {std::numeric_limits<std::int64_t>::min(), "ffffffffffffffffff01"}};
  for (const known& value : values) {
    CHECK(written([&](auto& out) { out.varlong(value.value); }) == value.hex);
    const std::string bytes = from_hex(value.hex);
    reader in(bytes);
    CHECK(in.varlong() == value.value);
    CHECK((in.ok() && in.remaining() == 0));
  }
}

TEST_CASE("unsigned varints have Kafka's bytes", "[wire]") {
  struct known {
    std::uint32_t value;
    std::string hex;
  };
  const known values[] = {{63, "3f"},
                          {64, "40"},
                          {8191, "ff3f"},
                          {8192, "8040"},
                          {1048575, "ffff3f"},
                          {2147483647, "ffffffff07"},
                          {0xffffffffU, "ffffffff0f"}};
  for (const known& value : values) {
    CHECK(written([&](auto& out) { out.unsigned_varint(value.value); }) == value.hex);
    const std::string bytes = from_hex(value.hex);
    reader in(bytes);
    CHECK(in.unsigned_varint() == value.value);
    CHECK((in.ok() && in.remaining() == 0));
  }
}

TEST_CASE("varints that are too long, out of range or cut short fail", "[wire]") {
  for (const std::string hex : {"808080808001", "8080808010", "ffffffff7f", "80", "ffffffff", ""}) {
    INFO(hex);
    const std::string bytes = from_hex(hex);
    reader in(bytes);
    CHECK(in.varint() == 0);
    CHECK_FALSE(in.ok());
    reader unsigned_in(bytes);
    CHECK(unsigned_in.unsigned_varint() == 0);
    CHECK_FALSE(unsigned_in.ok());
  }
  for (const std::string hex : {"8080808080808080808001", "80808080808080808002", "ffffffffffffffffff", ""}) {
    INFO(hex);
    const std::string bytes = from_hex(hex);
    reader in(bytes);
    CHECK(in.varlong() == 0);
    CHECK_FALSE(in.ok());
  }
}

TEST_CASE("fixed integers are big-endian both ways", "[wire]") {
  const std::string hex = written([](auto& out) {
    out.int8(-2);
    out.int16(0x1234);
    out.int32(-3);
    out.int64(0x0102030405060708);
    out.uint32(0xfedcba98U);
  });
  CHECK(hex == "fe1234fffffffd0102030405060708fedcba98");
  const std::string bytes = from_hex(hex);
  reader in(bytes);
  CHECK(in.int8() == -2);
  CHECK(in.int16() == 0x1234);
  CHECK(in.int32() == -3);
  CHECK(in.int64() == 0x0102030405060708);
  CHECK(in.uint32() == 0xfedcba98U);
  CHECK(in.position() == bytes.size());
  CHECK(in.ok());
}

TEST_CASE("a failed reader stays failed and has nothing left", "[wire]") {
  reader in("abcdef");
  CHECK(in.bytes(4) == "abcd");
  CHECK(in.int32() == 0);
  CHECK_FALSE(in.ok());
  CHECK(in.remaining() == 0);
  CHECK(in.bytes(1).empty());
  CHECK(in.int8() == 0);
  CHECK_FALSE(in.ok());
}

TEST_CASE("a length beyond the bytes fails instead of wrapping around", "[wire]") {
  reader in("abc");
  CHECK(in.int8() == 'a');
  CHECK(in.bytes(std::numeric_limits<std::size_t>::max()).empty());
  CHECK_FALSE(in.ok());
}

TEST_CASE("topic ids are printed as Kafka's tools print them", "[wire]") {
  CHECK(to_string(uuid{}) == "AAAAAAAAAAAAAAAAAAAAAA");
  CHECK(to_string(uuid::from_halves(0, 1)) == "AAAAAAAAAAAAAAAAAAAAAQ");
  CHECK(to_string(uuid::from_halves(~0ULL, ~0ULL)) == "_____________________w");
  CHECK(to_string(uuid::from_halves(0xfbefbefbefbefbefULL, 0xbefbefbefbefbefbULL)) == "---------------------w");
  CHECK(uuid{}.is_zero());
  CHECK_FALSE(uuid::from_halves(0, 1).is_zero());
}
