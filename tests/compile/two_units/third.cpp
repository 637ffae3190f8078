// SPDX-License-Identifier: BSL-1.0
// A translation unit that includes the testing kit beside the library.
#include "cokafka.hpp"

#include TESTING_HEADER

bool third_agrees(const cokafka::error& failure) { return failure == cokafka::errc::closed; }
