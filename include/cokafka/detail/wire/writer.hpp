// SPDX-License-Identifier: BSL-1.0
// Appends Kafka's primitive types to a buffer, or only counts the bytes they would take.
// Layer 1.
#ifndef COKAFKA_DETAIL_WIRE_WRITER_HPP
#define COKAFKA_DETAIL_WIRE_WRITER_HPP

#include "cokafka/detail/base/config.hpp"

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail::wire {

// A place in an encoded buffer where bytes that live elsewhere belong. A gather write sends buffer[0, cut0), then the
// bytes of cut 0, then buffer[cut0, cut1), and so on. The position counts from the start of the buffer, not of the
// frame.
struct cut {
  std::size_t position_in_buffer = 0;
  std::size_t size = 0;

  bool operator==(const cut&) const = default;
};

// What writer and counter share: every primitive in terms of one function `raw`.
template <class Derived>
class basic_sink {
 public:
  void int8(std::int8_t value) { big_endian(static_cast<std::uint8_t>(value)); }
  void int16(std::int16_t value) { big_endian(static_cast<std::uint16_t>(value)); }
  void int32(std::int32_t value) { big_endian(static_cast<std::uint32_t>(value)); }
  void int64(std::int64_t value) { big_endian(static_cast<std::uint64_t>(value)); }
  void uint32(std::uint32_t value) { big_endian(value); }

  void unsigned_varint(std::uint32_t value) { varying(value); }
  void varint(std::int32_t value) {
    varying(static_cast<std::uint32_t>(value) << 1 ^ static_cast<std::uint32_t>(value >> 31));
  }
  void varlong(std::int64_t value) {
    varying(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
  }

 private:
  template <class Unsigned>
  void big_endian(Unsigned value) {
    std::array<char, sizeof(Unsigned)> bytes;
    for (std::size_t i = 0; i != bytes.size(); ++i) {
      bytes[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * (bytes.size() - 1 - i)) & 0xffU);
    }
    static_cast<Derived&>(*this).raw({bytes.data(), bytes.size()});
  }

  template <class Unsigned>
  void varying(Unsigned value) {
    std::array<char, 10> bytes;
    std::size_t size = 0;
    for (; value >= 0x80; value >>= 7) bytes[size++] = static_cast<char>((value & 0x7fU) | 0x80U);
    bytes[size++] = static_cast<char>(value);
    static_cast<Derived&>(*this).raw({bytes.data(), size});
  }
};

// Appends to a buffer of the caller, which must outlive the writer. Cuts are noted where a vector for them was given.
class writer : public basic_sink<writer> {
 public:
  explicit writer(std::string& out, std::vector<cut>* cuts = nullptr) noexcept : out_(&out), cuts_(cuts) {}

  void raw(std::string_view bytes) { out_->append(bytes); }

  // Leaves room, in the lengths only, for `size` bytes that the caller sends from elsewhere.
  void external(std::size_t size) {
    assert(cuts_ != nullptr && "external bytes need a vector of cuts");
    if (cuts_ != nullptr) cuts_->push_back({out_->size(), size});
    external_size_ += size;
  }

  std::size_t position() const noexcept { return out_->size(); }
  std::size_t external_size() const noexcept { return external_size_; }

  // Overwrites four bytes that were written before, at a position that position() gave.
  void patch_int32(std::size_t at, std::int32_t value) noexcept {
    assert(at + 4 <= out_->size());
    for (std::size_t i = 0; i != 4; ++i) {
      (*out_)[at + i] = static_cast<char>(static_cast<std::uint32_t>(value) >> (8 * (3 - i)) & 0xffU);
    }
  }

 private:
  std::string* out_;
  std::vector<cut>* cuts_;
  std::size_t external_size_ = 0;
};

// Takes what a writer takes and keeps only the number of bytes.
class counter : public basic_sink<counter> {
 public:
  void raw(std::string_view bytes) noexcept { size_ += bytes.size(); }
  void external(std::size_t size) noexcept { size_ += size; }
  std::size_t size() const noexcept { return size_; }

 private:
  std::size_t size_ = 0;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

#endif
