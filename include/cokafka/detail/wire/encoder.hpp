// SPDX-License-Identifier: BSL-1.0
// Turns a described message struct into bytes, or into the number of its bytes.
// Layer 1.
#ifndef COKAFKA_DETAIL_WIRE_ENCODER_HPP
#define COKAFKA_DETAIL_WIRE_ENCODER_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/wire/types.hpp"
#include "cokafka/detail/wire/writer.hpp"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail::wire {

// A message struct describes itself once, for both directions, every version and the random contents of tests:
//
//   template <class Self, class Fields>
//   static void describe(Self& self, Fields& f) {
//     f.field(self.throttle_time_ms, since(3));                    // exists from version 3 on
//     f.field(self.topics, always.nullable_since(1));              // an optional that may be null from version 1 on
//     f.tagged(0, self.node_endpoints, since(10));                 // tagged field 0, left out when it has its default
//   }
//
// Fields come in wire order, tagged ones last and by ascending tag. A field that its version lacks is not written, and
// a reader leaves it at its default. A null that its version cannot express is written as empty.
template <class Sink>
class encoder {
 public:
  encoder(Sink& sink, std::int16_t version, bool flexible) noexcept
      : sink_(&sink), version_(version), flexible_(flexible) {}

  template <class T>
  void field(const T& value, presence when = always) {
    if (when.exists_in(version_)) put(value, when.may_be_null_in(version_));
  }

  template <class T>
  void tagged(std::uint32_t, const T&, presence, const T& = T{}) noexcept {}  // written behind the plain fields

  // A value of any described type.
  template <class T>
  void put(const T& value) {
    put(value, true);
  }

 private:
  struct tag_counter {
    std::int16_t version;
    std::uint32_t count = 0;

    template <class T>
    void field(const T&, presence = always) noexcept {}

    template <class T>
    void tagged(std::uint32_t, const T& value, presence when, const T& absent = T{}) {
      if (when.exists_in(version) && !(value == absent)) ++count;
    }
  };

  struct tag_encoder {
    encoder& out;

    template <class T>
    void field(const T&, presence = always) noexcept {}

    template <class T>
    void tagged(std::uint32_t tag, const T& value, presence when, const T& absent = T{}) {
      if (!when.exists_in(out.version_) || value == absent) return;
      counter size;
      encoder<counter>(size, out.version_, out.flexible_).put(value);
      out.sink_->unsigned_varint(tag);
      out.sink_->unsigned_varint(static_cast<std::uint32_t>(size.size()));
      out.put(value);
    }
  };

  template <class Struct>
  void put(const Struct& value, bool) {
    Struct::describe(value, *this);
    if (!flexible_) return;
    tag_counter tags{version_};
    Struct::describe(value, tags);
    sink_->unsigned_varint(tags.count);
    tag_encoder tagged_fields{*this};
    if (tags.count != 0) Struct::describe(value, tagged_fields);
  }

  void put(bool value, bool) { sink_->int8(value ? 1 : 0); }
  void put(std::int8_t value, bool) { sink_->int8(value); }
  void put(std::int16_t value, bool) { sink_->int16(value); }
  void put(std::int32_t value, bool) { sink_->int32(value); }
  void put(std::int64_t value, bool) { sink_->int64(value); }
  void put(const uuid& value, bool) {
    for (const std::uint8_t byte : value.bytes) sink_->int8(static_cast<std::int8_t>(byte));
  }

  void put(const std::string& value, bool) {
    string_length(value.size());
    sink_->raw(value);
  }

  void put(const std::optional<std::string>& value, bool may_be_null) {
    if (value) return put(*value, may_be_null);
    if (!may_be_null) return string_length(0);
    flexible_ ? sink_->unsigned_varint(0) : sink_->int16(-1);
  }

  void put(const bytes& value, bool) {
    length(value.data.size());
    sink_->raw(value.data);
  }

  void put(const records_field& value, bool may_be_null) {
    if (value.external_size != 0) {
      length(value.external_size);
      sink_->external(value.external_size);
    } else if (value.bytes) {
      length(value.bytes->size());
      sink_->raw(*value.bytes);
    } else {
      null_length(may_be_null);
    }
  }

  template <class T>
  void put(const std::vector<T>& values, bool) {
    length(values.size());
    for (const T& value : values) put(value);
  }

  template <class T>
  void put(const std::optional<std::vector<T>>& values, bool may_be_null) {
    values ? put(*values, may_be_null) : null_length(may_be_null);
  }

  // Names and ids are checked where they enter the library: longer strings cannot reach this place.
  void string_length(std::size_t size) {
    assert(flexible_ || size <= 0x7fffU);
    flexible_ ? sink_->unsigned_varint(static_cast<std::uint32_t>(size + 1))
              : sink_->int16(static_cast<std::int16_t>(size));
  }

  void length(std::size_t size) {
    assert(size < 0x7fffffffU);
    flexible_ ? sink_->unsigned_varint(static_cast<std::uint32_t>(size + 1))
              : sink_->int32(static_cast<std::int32_t>(size));
  }

  void null_length(bool may_be_null) {
    if (!may_be_null) return length(0);
    flexible_ ? sink_->unsigned_varint(0) : sink_->int32(-1);
  }

  Sink* sink_;
  std::int16_t version_;
  bool flexible_;
};

// The number of bytes that a value takes, external ones included.
template <class T>
std::size_t encoded_size(const T& value, std::int16_t version, bool flexible) {
  counter size;
  encoder<counter>(size, version, flexible).put(value);
  return size.size();
}

}  // namespace cokafka::inline COKAFKA_ABI::detail::wire

#endif
