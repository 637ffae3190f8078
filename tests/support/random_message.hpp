// SPDX-License-Identifier: BSL-1.0
// Fills any described message struct with random contents that its version can express.
#ifndef COKAFKA_TESTS_SUPPORT_RANDOM_MESSAGE_HPP
#define COKAFKA_TESTS_SUPPORT_RANDOM_MESSAGE_HPP

#include "cokafka/detail/messages/codec.hpp"
#include "cokafka/detail/wire/types.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace cokafka_test {

// A visitor like encoder and decoder, so that a field that is forgotten in a description is forgotten nowhere else.
class random_filler {
 public:
  random_filler(std::mt19937& random, std::int16_t version) : random_(&random), version_(version) {}

  template <class T>
  void field(T& value, cokafka::detail::wire::presence when = cokafka::detail::wire::always) {
    if (when.exists_in(version_)) fill(value, when.may_be_null_in(version_));
  }

  template <class T>
  void tagged(std::uint32_t, T& value, cokafka::detail::wire::presence when, const T& = T{}) {
    if (when.exists_in(version_) && number() % 2 == 0) fill(value, true);
  }

  template <class T>
  void fill(T& value) {
    fill(value, true);
  }

 private:
  template <class Struct>
  void fill(Struct& value, bool) {
    Struct::describe(value, *this);
  }

  void fill(bool& value, bool) { value = number() % 2 == 0; }
  void fill(std::int8_t& value, bool) { value = static_cast<std::int8_t>(number()); }
  void fill(std::int16_t& value, bool) { value = static_cast<std::int16_t>(number()); }
  void fill(std::int32_t& value, bool) { value = static_cast<std::int32_t>(number()); }
  void fill(std::int64_t& value, bool) { value = static_cast<std::int64_t>(number() << 32 ^ number()); }
  void fill(cokafka::detail::wire::uuid& value, bool) {
    for (auto& byte : value.bytes) byte = static_cast<std::uint8_t>(number());
  }

  void fill(std::string& value, bool) {
    value.resize(number() % 8 == 0 ? 200 : number() % 5);
    for (char& c : value) c = static_cast<char>(number());
  }

  void fill(cokafka::detail::wire::bytes& value, bool) { fill(value.data, false); }

  void fill(cokafka::detail::wire::records_field& value, bool may_be_null) {
    static constexpr std::string_view pool = "record batches as the broker has them";
    if (!may_be_null || number() % 4 != 0) value.bytes = pool.substr(0, number() % pool.size());
  }

  template <class T>
  void fill(std::vector<T>& values, bool) {
    values.resize(number() % 3);
    for (T& value : values) fill(value);
  }

  template <class T>
  void fill(std::optional<T>& value, bool may_be_null) {
    value.reset();
    if (!may_be_null || number() % 3 != 0) fill(value.emplace(), false);
  }

  std::uint64_t number() { return (*random_)(); }

  std::mt19937* random_;
  std::int16_t version_;
};

template <class Message>
std::string encode_body(const Message& message, std::int16_t version) {
  std::string body;
  cokafka::detail::wire::writer writer(body);
  cokafka::detail::wire::encoder(writer, version, cokafka::detail::messages::is_flexible<Message>(version)).put(message);
  return body;
}

}  // namespace cokafka_test

#endif
