// SPDX-License-Identifier: BSL-1.0
// The field types of Kafka's messages that the standard library has no type for, and the versions a field exists in.
// Layer 1.
#ifndef COKAFKA_DETAIL_WIRE_TYPES_HPP
#define COKAFKA_DETAIL_WIRE_TYPES_HPP

#include "cokafka/detail/base/config.hpp"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace cokafka::inline COKAFKA_ABI::detail::wire {

// A topic id. All zero means "none".
struct uuid {
  std::array<std::uint8_t, 16> bytes{};

  static constexpr uuid from_halves(std::uint64_t high, std::uint64_t low) noexcept {
    uuid id;
    for (std::size_t i = 0; i != 8; ++i) {
      id.bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i) & 0xffU);
      id.bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i) & 0xffU);
    }
    return id;
  }

  constexpr bool is_zero() const noexcept { return *this == uuid{}; }
  auto operator<=>(const uuid&) const = default;
};

// URL-safe base64 without padding, 22 characters: the way Kafka's own tools print an id.
COKAFKA_DECL std::string to_string(const uuid& id);

// A BYTES field. It is a type of its own because a STRING has another length prefix.
struct bytes {
  std::string data{};

  bool operator==(const bytes&) const = default;
};

// A RECORDS field: record batches in wire form, or null. When it is decoded, `bytes` is a view into the frame. When it
// is encoded with an external_size, only the length is written and a cut is noted: the batches are sent from where they
// are.
struct records_field {
  std::optional<std::string_view> bytes{};
  std::size_t external_size = 0;

  bool operator==(const records_field&) const = default;
};

// The versions an API has, both ends included.
struct version_range {
  std::int16_t min = 0;
  std::int16_t max = 0;

  constexpr bool contains(std::int16_t version) const noexcept { return min <= version && version <= max; }
  bool operator==(const version_range&) const = default;
};

inline constexpr std::int16_t no_version = std::numeric_limits<std::int16_t>::max();

// In which versions a field exists, and from which on it may be null. Only optional members can be null; those may by
// default be null wherever they exist.
struct presence {
  std::int16_t first = 0;
  std::int16_t last = no_version;
  std::int16_t nullable_from = 0;

  constexpr bool exists_in(std::int16_t version) const noexcept { return first <= version && version <= last; }
  constexpr bool may_be_null_in(std::int16_t version) const noexcept { return version >= nullable_from; }
  constexpr presence nullable_since(std::int16_t version) const noexcept { return {first, last, version}; }
};

inline constexpr presence always{};
constexpr presence since(std::int16_t first) noexcept { return {first, no_version, 0}; }
constexpr presence until(std::int16_t last) noexcept { return {0, last, 0}; }
constexpr presence between(std::int16_t first, std::int16_t last) noexcept { return {first, last, 0}; }

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/wire/types.ipp"
#endif

#endif
