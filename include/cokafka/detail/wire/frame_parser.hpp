// SPDX-License-Identifier: BSL-1.0
// Cuts a stream of received bytes into frames, however the network sliced them.
// Layer 1.
#ifndef COKAFKA_DETAIL_WIRE_FRAME_PARSER_HPP
#define COKAFKA_DETAIL_WIRE_FRAME_PARSER_HPP

#include "cokafka/detail/base/config.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace cokafka::inline COKAFKA_ABI::detail::wire {

enum class frame_status : std::uint8_t {
  need_more,      // no whole frame yet: read more bytes
  frame,          // a frame
  negative_size,  // the peer does not speak Kafka: close the connection
  too_large,      // the peer announces more than max_frame_size: close the connection
};

struct parsed_frame {
  frame_status status = frame_status::need_more;
  std::string_view body{};  // the frame behind its int32 size; valid until the next prepare()
};

// The receive buffer of one connection. Legal order of calls: prepare, read into the span, commit, then next() until it
// says need_more, and again. After negative_size or too_large next() says the same for ever.
//
// Memory grows with the bytes that really arrive, never with the size a peer announces: at most to twice those, or to
// max_frame_size and one read. What a large frame took is given back by the first prepare() that does not need it.
// Thread safety: distinct objects safe.
class frame_parser {
 public:
  explicit frame_parser(std::size_t max_frame_size) noexcept : max_frame_size_(max_frame_size) {}

  // Room for at least `size` more bytes, which is at least 1. Invalidates the bodies of earlier frames.
  COKAFKA_DECL std::span<char> prepare(std::size_t size);

  // The first `size` bytes of the span that prepare() returned have been filled.
  void commit(std::size_t size) noexcept { end_ += size; }

  COKAFKA_DECL parsed_frame next() noexcept;

  // Received bytes that no frame has been made of yet.
  std::size_t pending() const noexcept { return end_ - begin_; }
  std::size_t capacity() const noexcept { return capacity_; }

 private:
  static constexpr std::size_t size_prefix = 4;
  static constexpr std::size_t kept_capacity = 64 * 1024;

  COKAFKA_DECL void move_to_buffer_of(std::size_t capacity);

  std::size_t max_frame_size_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;  // pending bytes are [begin_, end_)
  std::size_t end_ = 0;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/wire/frame_parser.ipp"
#endif

#endif
