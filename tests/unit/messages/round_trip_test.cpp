// SPDX-License-Identifier: BSL-1.0
// Every message in every version: random contents survive the way to the wire and back, and no shortened form is taken.
#include "cokafka/detail/messages/codec.hpp"
#include "cokafka/detail/messages/known_apis.hpp"
#include "support/catch.hpp"
#include "support/mutate.hpp"
#include "support/random_message.hpp"

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

using namespace cokafka::detail::messages;
namespace wire = cokafka::detail::wire;
using cokafka_test::encode_body;

namespace {

template <class Message>
bool decodes(std::string_view bytes, std::int16_t version) {
  const cokafka_test::exact_bytes exact(bytes);
  Message message;
  return decode_body(exact.view(), version, message);
}

template <class Message>
void check_round_trip(std::mt19937& random, std::int16_t version) {
  Message message;
  cokafka_test::random_filler(random, version).fill(message);
  const std::string body = encode_body(message, version);
  CHECK(body.size() == wire::encoded_size(message, version, is_flexible<Message>(version)));
  Message decoded;
  REQUIRE(decode_body(body, version, decoded));
  CHECK(decoded == message);
  CHECK_FALSE(decodes<Message>(body + '\0', version));
}

template <class Message>
void check_truncations(std::mt19937& random, std::int16_t version) {
  Message message;
  cokafka_test::random_filler(random, version).fill(message);
  const std::string body = encode_body(message, version);
  std::size_t taken = 0;
  for (std::size_t size = 0; size != body.size(); ++size) {
    taken += decodes<Message>(std::string_view(body).substr(0, size), version) ? 1U : 0U;
  }
  CHECK(taken == 0);
}

template <class Message>
void check_all_versions(std::mt19937& random) {
  for (std::int16_t version = Message::versions.min; version <= Message::versions.max; ++version) {
    INFO("api key " << static_cast<int>(Message::key) << " version " << version);
    for (int i = 0; i != 40; ++i) check_round_trip<Message>(random, version);
    for (int i = 0; i != 5; ++i) check_truncations<Message>(random, version);
  }
}

template <class... Requests>
void check_all_messages(std::mt19937& random, request_list<Requests...>) {
  (check_all_versions<Requests>(random), ...);
  (check_all_versions<typename Requests::response_type>(random), ...);
}

}  // namespace

TEST_CASE("every message survives a round trip in every version and is refused when cut short", "[messages]") {
  std::mt19937 random(20240501);
  check_all_messages(random, known_requests{});
}
