// SPDX-License-Identifier: BSL-1.0
// How the library is compiled: header-only or compiled mode, feature macros, the inline namespace that keeps them
// apart. Layer 0.
#ifndef COKAFKA_DETAIL_BASE_CONFIG_HPP
#define COKAFKA_DETAIL_BASE_CONFIG_HPP

// Features are off unless defined as 1; none of them changes the layout of a class.
#ifndef COKAFKA_WITH_ZSTD
#define COKAFKA_WITH_ZSTD 0
#endif
#ifndef COKAFKA_WITH_LZ4
#define COKAFKA_WITH_LZ4 0
#endif
#ifndef COKAFKA_WITH_SNAPPY
#define COKAFKA_WITH_SNAPPY 0
#endif
#ifndef COKAFKA_WITH_ZLIB
#define COKAFKA_WITH_ZLIB 0
#endif
#ifndef COKAFKA_WITH_TLS
#define COKAFKA_WITH_TLS 0
#endif

// COKAFKA_SEPARATE_COMPILATION: declarations only; exactly one translation unit of the program includes cokafka/src.hpp
// (or defines COKAFKA_SOURCE before it includes the single header). Without it every non-template body is inline.
#if defined(COKAFKA_SEPARATE_COMPILATION)
#define COKAFKA_DECL
#define COKAFKA_ABI_MODE c
#else
#define COKAFKA_HEADER_ONLY 1
#define COKAFKA_DECL inline
#define COKAFKA_ABI_MODE h
#endif

// The name of the inline namespace spells mode and features, so that translation units that disagree fail to link
// instead of breaking the one-definition rule in silence.
#define COKAFKA_ABI_JOIN_(mode, zstd, lz4, snappy, zlib, tls) v0_##mode##_##zstd##lz4##snappy##zlib##tls
#define COKAFKA_ABI_JOIN(mode, zstd, lz4, snappy, zlib, tls) COKAFKA_ABI_JOIN_(mode, zstd, lz4, snappy, zlib, tls)
#define COKAFKA_ABI                                                                                               \
  COKAFKA_ABI_JOIN(COKAFKA_ABI_MODE, COKAFKA_WITH_ZSTD, COKAFKA_WITH_LZ4, COKAFKA_WITH_SNAPPY, COKAFKA_WITH_ZLIB, \
                   COKAFKA_WITH_TLS)

#endif
