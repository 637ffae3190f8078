// SPDX-License-Identifier: BSL-1.0
// Which batches a partition leader takes, by producer id, epoch and sequence, as a table.
#include "cokafka/testing/producer_states.hpp"

#include "support/catch.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

using cokafka::broker_errc;
using cokafka::testing::embedded::producer_batch;
using cokafka::testing::embedded::producer_states;
using cokafka::testing::embedded::sequence_verdict;

namespace {

constexpr std::int64_t id = 7;
constexpr std::int32_t max = std::numeric_limits<std::int32_t>::max();

struct step {
  std::int16_t epoch;
  std::int32_t first;
  std::int32_t count;
  std::string expected;  // "taken", "duplicate of <base offset>", or the name of an error
};

// Offsets count the taken records.
std::string offer(producer_states& states, const step& s, std::int64_t& offset) {
  const producer_batch batch{id, s.epoch, s.first, s.count};
  const sequence_verdict verdict = states.check(batch);
  if (verdict.error != broker_errc::none) return std::string(to_string(verdict.error));
  if (verdict.duplicate_of) return "duplicate of " + std::to_string(verdict.duplicate_of->base_offset);
  states.append(batch, offset, 0);
  offset += s.count;
  return "taken";
}

void play(const std::vector<step>& steps) {
  producer_states states;
  std::int64_t offset = 0;
  for (std::size_t i = 0; i != steps.size(); ++i) {
    CAPTURE(i, steps[i].epoch, steps[i].first, steps[i].count);
    CHECK(offer(states, steps[i], offset) == steps[i].expected);
  }
}

}  // namespace

TEST_CASE("a leader without state takes any first sequence", "[testing]") {
  play({{0, 17, 3, "taken"}, {0, 20, 1, "taken"}});
  play({{4, 5, 1, "taken"}});
}

TEST_CASE("sequences go on without a gap", "[testing]") {
  play({{0, 0, 10, "taken"},
        {0, 11, 1, "out_of_order_sequence_number"},
        {0, 9, 2, "out_of_order_sequence_number"},
        {0, 10, 1, "taken"}});
}

TEST_CASE("after 2^31-1 comes sequence 0, also inside a batch", "[testing]") {
  play({{0, max, 1, "taken"}, {0, 0, 5, "taken"}, {0, max, 1, "duplicate of 0"}});
  play({{0, max - 1, 4, "taken"}, {0, 2, 1, "taken"}, {0, max - 1, 4, "duplicate of 0"}});
  play({{0, max, 1, "taken"}, {0, 1, 1, "out_of_order_sequence_number"}});
}

TEST_CASE("the last five batches of a producer are answered again as what they were", "[testing]") {
  play({{0, 0, 1, "taken"},
        {0, 1, 2, "taken"},
        {0, 3, 3, "taken"},
        {0, 6, 1, "taken"},
        {0, 7, 1, "taken"},
        {0, 0, 1, "duplicate of 0"},
        {0, 8, 1, "taken"},
        {0, 0, 1, "out_of_order_sequence_number"},  // the sixth from behind
        {0, 1, 2, "duplicate of 1"},
        {0, 8, 1, "duplicate of 8"}});
}

TEST_CASE("a duplicate has exactly the same first and last sequence", "[testing]") {
  play({{0, 0, 4, "taken"},
        {0, 0, 3, "out_of_order_sequence_number"},
        {0, 1, 3, "out_of_order_sequence_number"},
        {0, 0, 4, "duplicate of 0"}});
}

TEST_CASE("a newer epoch starts at 0 and fences the older one", "[testing]") {
  play({{0, 0, 1, "taken"},
        {1, 1, 1, "out_of_order_sequence_number"},
        {1, 0, 1, "taken"},
        {0, 1, 1, "invalid_producer_epoch"},
        {0, 0, 1, "invalid_producer_epoch"},
        {1, 0, 1, "duplicate of 1"},
        {1, 1, 1, "taken"}});
}

TEST_CASE("a restarted leader knows only the last batch of a producer", "[testing]") {
  producer_states states;
  std::int64_t offset = 0;
  for (std::int32_t first = 0; first != 3; ++first) CHECK(offer(states, {0, first, 1, ""}, offset) == "taken");
  states.restart(0);
  CHECK(offer(states, {0, 1, 1, ""}, offset) == "out_of_order_sequence_number");
  CHECK(offer(states, {0, 2, 1, ""}, offset) == "duplicate of 2");
  CHECK(offer(states, {0, 3, 1, ""}, offset) == "taken");
}

// Seen with 3.9.1 and 4.1.1: a producer of records with old timestamps loses its state with every restart.
TEST_CASE("a restarted leader knows nothing of a producer whose last timestamp is a day old", "[testing]") {
  constexpr std::int64_t day = 86'400'000;
  producer_states states;
  states.append({1, 0, 0, 1}, 0, 1000);
  states.restart(1000 + day - 1);
  CHECK(states.check({1, 0, 5, 1}).error == broker_errc::out_of_order_sequence_number);
  states.restart(1000 + day);
  CHECK(states.check({1, 0, 5, 1}).error == broker_errc::none);
}

TEST_CASE("producers do not disturb each other", "[testing]") {
  producer_states states;
  states.append({1, 0, 0, 5}, 0, 0);
  CHECK(states.check({2, 0, 3, 1}).error == broker_errc::none);
  CHECK(states.check({1, 0, 3, 1}).error == broker_errc::out_of_order_sequence_number);
}
