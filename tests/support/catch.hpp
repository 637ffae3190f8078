// SPDX-License-Identifier: BSL-1.0
// Catch2 of either generation: version 2 as distributions have it, or version 3.
#ifndef COKAFKA_TESTS_SUPPORT_CATCH_HPP
#define COKAFKA_TESTS_SUPPORT_CATCH_HPP

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#endif
