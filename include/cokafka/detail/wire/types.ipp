// SPDX-License-Identifier: BSL-1.0
// How a topic id is printed.
// Layer 1.
#ifndef COKAFKA_DETAIL_WIRE_TYPES_IPP
#define COKAFKA_DETAIL_WIRE_TYPES_IPP

#include "cokafka/detail/wire/types.hpp"

namespace cokafka::inline COKAFKA_ABI::detail::wire {

COKAFKA_DECL std::string to_string(const uuid& id) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  text.reserve(22);
  std::uint32_t pending = 0;
  int bits = 0;
  for (const std::uint8_t byte : id.bytes) {
    pending = (pending << 8 | byte) & 0xffffU;
    for (bits += 8; bits >= 6; bits -= 6) text += alphabet[pending >> (bits - 6) & 0x3fU];
  }
  text += alphabet[pending << (6 - bits) & 0x3fU];
  return text;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

#endif
