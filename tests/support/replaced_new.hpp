// SPDX-License-Identifier: BSL-1.0
// Replaces the allocation functions of the whole program by one that the including file defines:
//
//    void* test_allocation(std::size_t size) noexcept;   // null: no memory
//
// To be included by one file of a program. ThreadSanitizer brings its own: nothing is replaced there, and
// COKAFKA_TEST_KEEPS_NEW is defined, for tests that make no sense without.
#ifndef COKAFKA_TESTS_SUPPORT_REPLACED_NEW_HPP
#define COKAFKA_TESTS_SUPPORT_REPLACED_NEW_HPP

#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_THREAD__)
#define COKAFKA_TEST_KEEPS_NEW
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COKAFKA_TEST_KEEPS_NEW
#endif
#endif

namespace cokafka_test {

void* test_allocation(std::size_t size) noexcept;

/// Never null for no bytes, as operator new wants it.
inline void* plain_allocation(std::size_t size) noexcept { return std::malloc(size != 0 ? size : 1); }

}  // namespace cokafka_test

#if !defined(COKAFKA_TEST_KEEPS_NEW)
// All forms, so that none meets a sanitizer's other half.
void* operator new(std::size_t size) {
  if (void* memory = cokafka_test::test_allocation(size)) return memory;
  throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return cokafka_test::test_allocation(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return cokafka_test::test_allocation(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
#endif

#endif
