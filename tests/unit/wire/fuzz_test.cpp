// SPDX-License-Identifier: BSL-1.0
// A damaged stream of frames, in random slices: memory stays bounded, and an error is final.
#include "cokafka/detail/wire/frame_parser.hpp"
#include "support/catch.hpp"
#include "support/mutate.hpp"

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>

using namespace cokafka::detail::wire;

namespace {

std::string random_stream(std::mt19937& random) {
  std::string stream;
  for (int i = 0; i != 20; ++i) {
    const std::size_t size = random() % 300;
    for (int shift = 24; shift >= 0; shift -= 8) stream += static_cast<char>(size >> shift & 0xffU);
    stream.append(size, static_cast<char>(random()));
  }
  return stream;
}

}  // namespace

TEST_CASE("a damaged stream ends in an error or in silence, within bounded memory", "[wire][fuzz]") {
  std::mt19937 random(9201);
  int errors = 0;
  for (int round = 0; round != 1000; ++round) {
    const std::string stream = cokafka_test::mutated(random, random_stream(random));
    frame_parser parser(400);
    frame_status last = frame_status::need_more;
    for (std::size_t at = 0; at != stream.size() && last == frame_status::need_more;) {
      const std::size_t size = std::min(stream.size() - at, 1 + random() % 200);
      const auto room = parser.prepare(size);
      stream.copy(room.data(), size, at);
      parser.commit(size);
      at += size;
      parsed_frame parsed = parser.next();
      for (; parsed.status == frame_status::frame; parsed = parser.next()) CHECK(parsed.body.size() <= 400);
      last = parsed.status;
      CHECK(parser.capacity() <= 4 + 400 + 200);
    }
    if (last != frame_status::need_more) {
      ++errors;
      CHECK(parser.next().status == last);
    }
  }
  CHECK(errors > 50);
}
