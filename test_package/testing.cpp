// SPDX-License-Identifier: BSL-1.0
// In compiled mode the library's archive has no testing kit: a test program compiles its bodies in one unit.
#include "cokafka/detail/base/config.hpp"
#if defined(COKAFKA_SEPARATE_COMPILATION)
#include "cokafka/testing/src.hpp"
#endif
