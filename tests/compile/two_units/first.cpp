// SPDX-License-Identifier: BSL-1.0
// One of the translation units that include everything, with the testing kit: it calls the other and the library.
#include "cokafka.hpp"

#include TESTING_HEADER

bool second_agrees(const cokafka::error& failure, const cokafka::config& settings);

int main() {
  const cokafka::error failure(cokafka::errc::closed);
  cokafka::config settings;
  if (!settings.set("client.id", "two units")) return 1;
  return second_agrees(failure, settings) ? 0 : 1;
}
