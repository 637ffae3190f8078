// SPDX-License-Identifier: BSL-1.0
// Damaged messages: no decoder crashes, reads past the end or takes memory for a lie, and what it accepts is
// consistent.
#include "cokafka/detail/messages/codec.hpp"
#include "cokafka/detail/messages/known_apis.hpp"
#include "support/catch.hpp"
#include "support/mutate.hpp"
#include "support/random_message.hpp"
#include "support/vectors.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace cokafka::detail::messages;
namespace wire = cokafka::detail::wire;
using cokafka_test::encode_body;
using cokafka_test::exact_bytes;
using cokafka_test::mutated;

namespace {

constexpr int rounds_per_version = 300;

struct tally {
  std::size_t accepted = 0;
  std::size_t refused = 0;
};

// What was accepted from damaged bytes can be written, and reads back as the same.
template <class Message>
bool decode_and_recode(std::string_view bytes, std::int16_t version) {
  const exact_bytes exact(bytes);
  Message message;
  if (!decode_body(exact.view(), version, message)) return false;
  const std::string body = encode_body(message, version);
  Message again;
  REQUIRE(decode_body(body, version, again));
  REQUIRE(again == message);
  return true;
}

template <class Message>
void fuzz_message(std::mt19937& random, tally& results) {
  for (std::int16_t version = Message::versions.min; version <= Message::versions.max; ++version) {
    INFO("api key " << static_cast<int>(Message::key) << " version " << version);
    for (int i = 0; i != rounds_per_version; ++i) {
      Message message;
      cokafka_test::random_filler(random, version).fill(message);
      const bool accepted = decode_and_recode<Message>(mutated(random, encode_body(message, version)), version);
      ++(accepted ? results.accepted : results.refused);
    }
  }
}

template <class... Requests>
void fuzz_messages(std::mt19937& random, tally& results, request_list<Requests...>) {
  (fuzz_message<Requests>(random, results), ...);
  (fuzz_message<typename Requests::response_type>(random, results), ...);
}

template <class Message>
void decode_noise(std::string_view bytes) {
  for (std::int16_t version = -1; version <= Message::versions.max + 1; ++version) {
    Message message;
    decode_body(bytes, version, message);
  }
}

template <class... Requests>
void decode_noise_as_all(std::string_view bytes, request_list<Requests...>) {
  (decode_noise<Requests>(bytes), ...);
  (decode_noise<typename Requests::response_type>(bytes), ...);
}

}  // namespace

TEST_CASE("damaged messages are refused or read consistently", "[messages][fuzz]") {
  std::mt19937 random(9001);
  tally results;
  fuzz_messages(random, results, known_requests{});
  CHECK(results.refused > 1000);   // the damage is real
  CHECK(results.accepted > 1000);  // and not so gross that only the first check is tried
}

TEST_CASE("noise is never a reason to crash", "[messages][fuzz]") {
  std::mt19937 random(9002);
  for (int i = 0; i != 2000; ++i) {
    std::string noise(random() % 64, '\0');
    for (char& c : noise) c = static_cast<char>(random() % 3 == 0 ? random() : random() % 4);
    const exact_bytes exact(noise);
    decode_noise_as_all(exact.view(), known_requests{});
  }
}

TEST_CASE("damaged frames around messages are refused or read consistently", "[messages][fuzz]") {
  std::mt19937 random(9003);
  for (const auto& [name, bytes] : cokafka_test::vectors()) {
    for (int i = 0; i != 100; ++i) {
      const exact_bytes exact(mutated(random, bytes.substr(std::min<std::size_t>(4, bytes.size()))));
      request_header header;
      std::string_view body;
      if (decode_request_header(exact.view(), header, body)) CHECK(body.size() <= exact.view().size());
      std::int32_t correlation_id = 0;
      api_versions_response versions;
      decode_response(exact.view(), 3, versions, correlation_id);
      produce_response produced;
      decode_response(exact.view(), 10, produced, correlation_id);
    }
  }
}
