// SPDX-License-Identifier: BSL-1.0
// One of the translation units that include everything: it calls the others and the library.
#include "cokafka.hpp"

bool second_agrees(const cokafka::error& failure, const cokafka::config& settings);
bool third_agrees(const cokafka::error& failure);

int main() {
  const cokafka::error failure(cokafka::errc::closed);
  cokafka::config settings;
  if (!settings.set("client.id", "two units")) return 1;
  return second_agrees(failure, settings) && third_agrees(failure) ? 0 : 1;
}
