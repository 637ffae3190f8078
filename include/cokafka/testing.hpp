// SPDX-License-Identifier: BSL-1.0
// Everything of the testing kit: the embedded cluster, what can be read from it, and the simulation of both sides.
// Layer 8.
#ifndef COKAFKA_TESTING_HPP
#define COKAFKA_TESTING_HPP

#include "cokafka/testing/cluster.hpp"
#include "cokafka/testing/options.hpp"
#include "cokafka/testing/script.hpp"
#include "cokafka/testing/simulation.hpp"
#include "cokafka/testing/stored.hpp"

#endif
