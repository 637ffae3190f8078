// SPDX-License-Identifier: BSL-1.0
// The version of the library.
// Layer 0.
#ifndef COKAFKA_VERSION_HPP
#define COKAFKA_VERSION_HPP

#define COKAFKA_VERSION_MAJOR 0
#define COKAFKA_VERSION_MINOR 1
#define COKAFKA_VERSION_PATCH 0

/// The version as text.
#define COKAFKA_VERSION "0.1.0"

/// The version as a number that grows: major * 10000 + minor * 100 + patch.
#define COKAFKA_VERSION_NUMBER (COKAFKA_VERSION_MAJOR * 10000 + COKAFKA_VERSION_MINOR * 100 + COKAFKA_VERSION_PATCH)

#endif
