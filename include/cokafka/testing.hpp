// SPDX-License-Identifier: BSL-1.0
// Everything of the testing kit: the embedded cluster and what can be read from it.
// Layer 8.
#ifndef COKAFKA_TESTING_HPP
#define COKAFKA_TESTING_HPP

#include "cokafka/testing/cluster.hpp"
#include "cokafka/testing/options.hpp"
#include "cokafka/testing/script.hpp"
#include "cokafka/testing/stored.hpp"

#endif
