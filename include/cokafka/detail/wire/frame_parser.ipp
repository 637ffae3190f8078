// SPDX-License-Identifier: BSL-1.0
// How the receive buffer grows, shrinks and is cut into frames.
// Layer 1.
#ifndef COKAFKA_DETAIL_WIRE_FRAME_PARSER_IPP
#define COKAFKA_DETAIL_WIRE_FRAME_PARSER_IPP

#include "cokafka/detail/wire/frame_parser.hpp"

#include "cokafka/detail/wire/reader.hpp"

#include <algorithm>
#include <cstring>

namespace cokafka::inline COKAFKA_ABI::detail::wire {

COKAFKA_DECL std::span<char> frame_parser::prepare(std::size_t size) {
  const std::size_t needed = pending() + std::max<std::size_t>(size, 1);
  if (needed > capacity_) {
    const std::size_t enough = std::max(needed, max_frame_size_ + size_prefix + size);
    move_to_buffer_of(std::clamp(2 * capacity_, std::max(needed, std::min(enough, std::size_t{4096})), enough));
  } else if (const std::size_t ample = std::max(needed, kept_capacity); capacity_ > 2 * ample) {
    move_to_buffer_of(ample);
  } else if (capacity_ - end_ < needed - pending()) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, pending());
    end_ = pending();
    begin_ = 0;
  }
  return {buffer_.get() + end_, capacity_ - end_};
}

COKAFKA_DECL void frame_parser::move_to_buffer_of(std::size_t capacity) {
  auto larger = std::make_unique_for_overwrite<char[]>(capacity);
  if (pending() != 0) std::memcpy(larger.get(), buffer_.get() + begin_, pending());
  buffer_ = std::move(larger);
  capacity_ = capacity;
  end_ = pending();
  begin_ = 0;
}

COKAFKA_DECL parsed_frame frame_parser::next() noexcept {
  const std::string_view bytes(buffer_.get() + begin_, pending());
  reader prefix(bytes);
  const std::int32_t announced = prefix.int32();
  if (!prefix.ok()) return {};
  if (announced < 0) return {frame_status::negative_size, {}};
  const auto size = static_cast<std::size_t>(announced);
  if (size > max_frame_size_) return {frame_status::too_large, {}};
  if (prefix.remaining() < size) return {};
  begin_ += size_prefix + size;
  return {frame_status::frame, bytes.substr(size_prefix, size)};
}

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

#endif
