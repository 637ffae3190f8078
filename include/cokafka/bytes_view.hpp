// SPDX-License-Identifier: BSL-1.0
// A view of the bytes of a key, a value or a header.
// Layer 0.
#ifndef COKAFKA_BYTES_VIEW_HPP
#define COKAFKA_BYTES_VIEW_HPP

#include <concepts>
#include <cstddef>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>

#include "cokafka/detail/base/config.hpp"

namespace cokafka::inline COKAFKA_ABI {

/// A type whose objects are bytes.
template <class T>
concept byte_like =
    sizeof(T) == 1 && (std::same_as<T, char> || std::same_as<T, unsigned char> || std::same_as<T, signed char> ||
                       std::same_as<T, std::byte> || std::same_as<T, char8_t>);

namespace detail {

template <class R>
using range_byte_t = std::remove_cv_t<std::ranges::range_value_t<R>>;

// Arrays of characters have overloads of their own: a literal ends before its terminator, a buffer does not say where.
template <class R>
concept character_array = std::is_array_v<std::remove_reference_t<R>> &&
                          (std::same_as<range_byte_t<R>, char> || std::same_as<range_byte_t<R>, char8_t>);

template <class R>
concept byte_range = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> && byte_like<range_byte_t<R>> &&
                     !character_array<R>;

}  // namespace detail

/// Bytes that somebody else owns: a pointer and a length, nothing is copied and nothing is converted.
///
/// Made implicitly from a string, a string_view, a vector or a span of bytes and a string literal (embedded NULs are
/// kept). Kafka's null is not an empty view: say `std::nullopt`. A `char` buffer must be said as a string_view or a
/// span, because its length is not the length of its contents.
///
/// Lifetime: valid as long as the bytes are; `producer::send` needs them during the call only.
/// Thread safety: distinct objects safe; shared objects safe for reading.
class bytes_view {
 public:
  constexpr bytes_view() noexcept = default;
  bytes_view(const void* data, std::size_t size) noexcept : data_(static_cast<const char*>(data)), size_(size) {}

  /// A tombstone is `std::nullopt`.
  bytes_view(std::nullptr_t) = delete;

  /// A C string, up to its terminator.
  template <class P>
    requires std::same_as<P, const char*> || std::same_as<P, char*>
  constexpr bytes_view(const P& text) : data_(text), size_(std::char_traits<char>::length(text)) {}

  /// A literal: "a\0b" is three bytes.
  template <std::size_t N>
  constexpr bytes_view(const char (&text)[N]) noexcept : data_(text), size_(text[N - 1] == '\0' ? N - 1 : N) {}

  /// A buffer: say which part of it, by a string_view or a span.
  template <std::size_t N>
  bytes_view(char (&)[N]) = delete;

  /// Any contiguous range of bytes.
  template <class R>
    requires detail::byte_range<R> && (!std::same_as<std::remove_cvref_t<R>, bytes_view>)
  constexpr bytes_view(R&& range) noexcept
      : data_(pointer(std::ranges::data(range))), size_(std::ranges::size(range)) {}

  constexpr const char* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr std::string_view str() const noexcept { return {data_, size_}; }

  friend constexpr bool operator==(bytes_view left, bytes_view right) noexcept { return left.str() == right.str(); }

 private:
  template <class Byte>
  static constexpr const char* pointer(const Byte* bytes) noexcept {
    if constexpr (std::same_as<Byte, char>) {
      return bytes;  // stays usable in constant expressions
    } else {
      return reinterpret_cast<const char*>(bytes);
    }
  }

  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace cokafka::inline COKAFKA_ABI

#endif
