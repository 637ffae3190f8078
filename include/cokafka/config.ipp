// SPDX-License-Identifier: BSL-1.0
// Bodies of config.hpp.
// Layer 3.
#ifndef COKAFKA_CONFIG_IPP
#define COKAFKA_CONFIG_IPP

#include "cokafka/config.hpp"

#endif
