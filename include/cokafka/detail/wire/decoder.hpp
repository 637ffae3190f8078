// SPDX-License-Identifier: BSL-1.0
// Turns bytes into a described message struct, with every length and count checked before memory is taken.
// Layer 1.
#ifndef COKAFKA_DETAIL_WIRE_DECODER_HPP
#define COKAFKA_DETAIL_WIRE_DECODER_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/wire/encoder.hpp"
#include "cokafka/detail/wire/reader.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail::wire {

// Calls `visit(tag, bytes)` for each tagged field. Tags that do not ascend make the reader fail: an honest peer sorts
// them, and a repeated one would let a short frame build a large struct.
template <class Visit>
void read_tagged_fields(reader& in, Visit&& visit) {
  const std::uint32_t count = in.unsigned_varint();
  std::int64_t previous = -1;
  for (std::uint32_t i = 0; i != count && in.ok(); ++i) {
    const std::uint32_t tag = in.unsigned_varint();
    const std::string_view bytes = in.bytes(in.unsigned_varint());
    if (tag <= previous) in.fail();
    previous = tag;
    if (in.ok()) visit(tag, bytes);
  }
}

inline void skip_tagged_fields(reader& in) {
  read_tagged_fields(in, [](std::uint32_t, std::string_view) {});
}

// The reader's counterpart of encoder; see there for how a struct describes itself. Structs to be filled must hold
// their defaults. Failure is the reader's ok(); what was filled until then is of no use.
class decoder {
 public:
  decoder(reader& in, std::int16_t version, bool flexible) noexcept
      : in_(&in), version_(version), flexible_(flexible) {}

  template <class T>
  void field(T& value, presence when = always) {
    if (when.exists_in(version_) && in_->ok()) get(value, when.may_be_null_in(version_));
  }

  template <class T>
  void tagged(std::uint32_t, T&, presence, const T& = T{}) noexcept {}  // read behind the plain fields

  // A value of any described type.
  template <class T>
  void get(T& value) {
    get(value, true);
  }

 private:
  struct tag_decoder {
    std::uint32_t wanted;
    std::string_view bytes;
    std::int16_t version;
    bool ok = true;

    template <class T>
    void field(T&, presence = always) noexcept {}

    template <class T>
    void tagged(std::uint32_t tag, T& value, presence when, const T& = T{}) {
      if (tag != wanted || !when.exists_in(version)) return;
      reader in(bytes);
      decoder(in, version, true).get(value);
      ok = in.ok() && in.remaining() == 0;
    }
  };

  template <class Struct>
  void get(Struct& value, bool) {
    Struct::describe(value, *this);
    if (!flexible_) return;
    read_tagged_fields(*in_, [this, &value](std::uint32_t tag, std::string_view bytes) {
      tag_decoder fields{tag, bytes, version_};
      Struct::describe(value, fields);
      if (!fields.ok) in_->fail();
    });
  }

  void get(bool& value, bool) noexcept { value = in_->int8() != 0; }
  void get(std::int8_t& value, bool) noexcept { value = in_->int8(); }
  void get(std::int16_t& value, bool) noexcept { value = in_->int16(); }
  void get(std::int32_t& value, bool) noexcept { value = in_->int32(); }
  void get(std::int64_t& value, bool) noexcept { value = in_->int64(); }
  void get(uuid& value, bool) noexcept {
    for (std::uint8_t& byte : value.bytes) byte = static_cast<std::uint8_t>(in_->int8());
  }

  void get(std::string& value, bool) {
    if (const auto size = string_length(false)) value = in_->bytes(*size);
  }

  void get(std::optional<std::string>& value, bool may_be_null) {
    value.reset();
    if (const auto size = string_length(may_be_null)) value = in_->bytes(*size);
  }

  void get(bytes& value, bool) {
    if (const auto size = length(false)) value.data = in_->bytes(*size);
  }

  void get(records_field& value, bool may_be_null) {
    value = {};
    if (const auto size = length(may_be_null)) value.bytes = in_->bytes(*size);
  }

  template <class T>
  void get(std::vector<T>& values, bool) {
    values.clear();
    if (const auto count = length(false)) elements(values, *count);
  }

  template <class T>
  void get(std::optional<std::vector<T>>& values, bool may_be_null) {
    values.reset();
    if (const auto count = length(may_be_null)) elements(values.emplace(), *count);
  }

  // No element is shorter on the wire than one that holds only defaults, so a count that could not fit is a lie.
  template <class T>
  void elements(std::vector<T>& values, std::size_t count) {
    if (count > in_->remaining() / encoded_size(T{}, version_, flexible_)) return in_->fail();
    values.reserve(count);
    for (std::size_t i = 0; i != count && in_->ok(); ++i) get(values.emplace_back());
  }

  // The three lengths: empty for a null; an illegal null or a negative length fails and gives empty, too.
  std::optional<std::size_t> string_length(bool may_be_null) noexcept {
    return flexible_ ? compact_length(may_be_null) : plain_length(in_->int16(), may_be_null);
  }

  std::optional<std::size_t> length(bool may_be_null) noexcept {
    return flexible_ ? compact_length(may_be_null) : plain_length(in_->int32(), may_be_null);
  }

  std::optional<std::size_t> compact_length(bool may_be_null) noexcept {
    const std::uint32_t size_plus_one = in_->unsigned_varint();
    if (size_plus_one != 0) return size_plus_one - 1;
    if (!may_be_null) in_->fail();
    return std::nullopt;
  }

  std::optional<std::size_t> plain_length(std::int32_t size, bool may_be_null) noexcept {
    if (!in_->ok()) return std::nullopt;
    if (size >= 0) return static_cast<std::size_t>(size);
    if (size != -1 || !may_be_null) in_->fail();
    return std::nullopt;
  }

  reader* in_;
  std::int16_t version_;
  bool flexible_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

#endif
