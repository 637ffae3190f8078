// SPDX-License-Identifier: BSL-1.0
// What is worth saying only while there is memory to say it: what is done must not depend on it.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_IF_MEMORY_HPP
#define COKAFKA_DETAIL_CORE_IF_MEMORY_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/error.hpp"

#include <cstddef>
#include <new>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// What the function returns, or nothing where it finds no memory.
template <class Function>
auto if_memory(Function function) noexcept -> decltype(function()) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return decltype(function())();
  }
}

/// The same but for its message, which may have to be left out.
inline error_details copied(const error_details& from) noexcept {
  error_details made;
  made.code = from.code;
  made.message = if_memory([&] { return from.message; });
  made.fate = from.fate;
  made.attempts = from.attempts;
  made.broker = from.broker;
  made.elapsed = from.elapsed;
  made.cause = from.cause;
  return made;
}

/// So that the next push_back() throws nothing.
template <class Vector>
void make_room_for_one(Vector& in) {
  if (in.size() == in.capacity()) in.reserve(2 * in.size() + 8);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
