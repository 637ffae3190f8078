// SPDX-License-Identifier: BSL-1.0
// Damaged record batches, with the checksum made right again so that the checks behind it are reached.
#include "cokafka/detail/base/crc32c.hpp"
#include "cokafka/detail/batch/batch_view.hpp"
#include "support/catch.hpp"
#include "support/mutate.hpp"
#include "support/simple_batch.hpp"
#include "support/vectors.hpp"

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

using namespace cokafka::detail;
using cokafka_test::exact_bytes;
using cokafka_test::mutated;
using cokafka_test::resealed;

namespace {

// Touches every byte that the view hands out.
std::size_t walk(const batch_view& view, batch_error& error) {
  std::size_t sum = 0;
  const auto add = [&sum](std::string_view bytes) {
    for (const char c : bytes) sum += static_cast<unsigned char>(c);
  };
  error = view.for_each([&](const record_entry& record) {
    add(record.key.value_or(""));
    add(record.value.value_or(""));
    for (const auto& header : record.headers) {
      add(header.key);
      add(header.value.value_or(""));
    }
  });
  return sum;
}

}  // namespace

TEST_CASE("damaged batches are refused or read within their bytes", "[batch][fuzz]") {
  std::mt19937 random(9101);
  std::size_t whole = 0;
  std::size_t broken_record = 0;
  std::size_t refused = 0;
  for (const char* name : {"B1", "B2", "B3txn", "B4lz4"}) {
    for (int i = 0; i != 20000; ++i) {
      std::string batch = cokafka_test::vector_named(name);
      // Half of the damage to the records only: damage to the header hides what is behind it.
      batch = i % 2 == 0 ? mutated(random, batch) : batch.substr(0, 61) + mutated(random, batch.substr(61));
      const exact_bytes exact(i % 16 == 0 ? batch : resealed(batch));
      batch_view view;
      if (batch_view::parse(exact.view(), view) != batch_error::none) {
        ++refused;
        continue;
      }
      batch_error error{};
      walk(view, error);
      CHECK(error == view.check_records());
      ++(error == batch_error::none ? whole : broken_record);
    }
  }
  CHECK(whole > 500);
  CHECK(broken_record > 500);
  CHECK(refused > 500);
}

TEST_CASE("damage without a new checksum is always noticed", "[batch][fuzz]") {
  std::mt19937 random(9102);
  const std::string& good = cokafka_test::vector_named("B2");
  for (int i = 0; i != 20000; ++i) {
    const std::string batch = good.substr(0, 21) + mutated(random, good.substr(21));
    batch_view view;
    if (batch != good) REQUIRE(batch_view::parse(batch, view) != batch_error::none);
  }
}
