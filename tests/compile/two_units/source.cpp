// SPDX-License-Identifier: BSL-1.0
// The translation unit that holds the bodies in compiled mode, of the header tree or of the single headers.
#if defined(COKAFKA_SOURCE)
#include "cokafka_testing.hpp"
#else
#include "cokafka/src.hpp"
#include "cokafka/testing/src.hpp"
#endif
