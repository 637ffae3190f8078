// SPDX-License-Identifier: BSL-1.0
// Every body of the library: include it in exactly one translation unit of a program built in compiled mode.
// Layer 7.
#ifndef COKAFKA_SRC_HPP
#define COKAFKA_SRC_HPP

// Written by tools/check_layers --fix.
#if !defined(COKAFKA_SEPARATE_COMPILATION)
#error "cokafka/src.hpp belongs to compiled mode: define COKAFKA_SEPARATE_COMPILATION for the whole program"
#endif

#include "cokafka/detail/base/config.hpp"

#endif
