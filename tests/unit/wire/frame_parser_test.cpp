// SPDX-License-Identifier: BSL-1.0
// Frames come out whole and in order however the bytes arrive, and a lying size costs no memory.
#include "cokafka/detail/wire/frame_parser.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace cokafka::detail::wire;

namespace {

std::string frame_of(std::string_view body) {
  std::string frame;
  for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>(body.size() >> shift & 0xffU);
  return frame.append(body);
}

void feed(frame_parser& parser, std::string_view bytes) {
  const auto room = parser.prepare(bytes.size());
  REQUIRE(room.size() >= bytes.size());
  std::copy(bytes.begin(), bytes.end(), room.begin());
  parser.commit(bytes.size());
}

void drain(frame_parser& parser, std::vector<std::string>& bodies) {
  parsed_frame parsed = parser.next();
  for (; parsed.status == frame_status::frame; parsed = parser.next()) bodies.emplace_back(parsed.body);
  REQUIRE(parsed.status == frame_status::need_more);
}

}  // namespace

TEST_CASE("frames are found in a stream cut in two at any byte", "[wire]") {
  const std::vector<std::string> bodies{"first", "", "a longer third frame", "x"};
  std::string stream;
  for (const auto& body : bodies) stream += frame_of(body);
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    frame_parser parser(100);
    std::vector<std::string> seen;
    feed(parser, std::string_view(stream).substr(0, cut));
    drain(parser, seen);
    feed(parser, std::string_view(stream).substr(cut));
    drain(parser, seen);
    CHECK(seen == bodies);
    CHECK(parser.pending() == 0);
  }
}

TEST_CASE("frames of all sizes are found in a stream of random slices", "[wire]") {
  std::mt19937 random(7);
  for (int round = 0; round != 30; ++round) {
    std::vector<std::string> bodies(20);
    std::string stream;
    for (auto& body : bodies) {
      body.assign(random() % 4 == 0 ? random() % 200000 : random() % 50, static_cast<char>('a' + random() % 26));
      stream += frame_of(body);
    }
    frame_parser parser(200000);
    std::vector<std::string> seen;
    const std::size_t largest = round % 3 == 0 ? 3000 : 70000;
    for (std::size_t at = 0; at != stream.size();) {
      const std::size_t size = std::min(stream.size() - at, 1 + random() % largest);
      feed(parser, std::string_view(stream).substr(at, size));
      at += size;
      drain(parser, seen);
      CHECK(parser.capacity() <= 200000 + 4 + 70000);
    }
    CHECK(seen == bodies);
  }
}

TEST_CASE("a frame that arrives byte by byte is found once, at its last byte", "[wire]") {
  frame_parser parser(10);
  const std::string stream = frame_of("0123456789");
  for (std::size_t i = 0; i != stream.size(); ++i) {
    CHECK(parser.next().status == frame_status::need_more);
    feed(parser, std::string_view(stream).substr(i, 1));
  }
  CHECK(parser.next().body == "0123456789");
  CHECK(parser.next().status == frame_status::need_more);
}

TEST_CASE("a negative size is an error that stays", "[wire]") {
  frame_parser parser(100);
  feed(parser, std::string_view("\xff\xff\xff\xff", 4));
  CHECK(parser.next().status == frame_status::negative_size);
  feed(parser, frame_of("late"));
  CHECK(parser.next().status == frame_status::negative_size);
}

TEST_CASE("a size above the limit is an error before memory is taken for it", "[wire]") {
  frame_parser parser(1000);
  feed(parser, frame_of(std::string(1000, 'x')));
  CHECK(parser.next().body.size() == 1000);
  feed(parser, std::string_view("\x00\x00\x03\xe9", 4));
  CHECK(parser.next().status == frame_status::too_large);
  CHECK(parser.next().status == frame_status::too_large);
  CHECK(parser.capacity() <= 4096);
}

TEST_CASE("an announced but absent frame costs no memory", "[wire]") {
  frame_parser parser(100'000'000);
  feed(parser, std::string_view("\x05\xf5\xe1\x00", 4));  // 100,000,000
  CHECK(parser.next().status == frame_status::need_more);
  feed(parser, "some of it");
  CHECK(parser.next().status == frame_status::need_more);
  CHECK(parser.capacity() <= 8192);
}

TEST_CASE("the memory of a large frame is given back", "[wire]") {
  frame_parser parser(10'000'000);
  feed(parser, frame_of(std::string(5'000'000, 'x')) + std::string(1, '\0'));
  CHECK(parser.next().body.size() == 5'000'000);
  CHECK(parser.capacity() >= 5'000'000);
  feed(parser, std::string_view("\0\0\2ok", 5));  // what followed the frame is kept
  CHECK(parser.capacity() <= 64 * 1024);
  CHECK(parser.next().body == "ok");
}

TEST_CASE("the memory of a large frame is given back to a connection that reads in large pieces", "[wire]") {
  frame_parser parser(10'000'000);
  feed(parser, frame_of(std::string(5'000'000, 'x')));
  CHECK(parser.next().body.size() == 5'000'000);
  CHECK(parser.prepare(100'000).size() == 100'000);
  CHECK(parser.capacity() == 100'000);
}
