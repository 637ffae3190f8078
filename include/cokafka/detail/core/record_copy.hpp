// SPDX-License-Identifier: BSL-1.0
// A record with bytes of its own, for when the caller's are gone.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_RECORD_COPY_HPP
#define COKAFKA_DETAIL_CORE_RECORD_COPY_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/record.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

/// The bytes of a record_view, owned.
class record_copy {
 public:
  explicit record_copy(const record_view& from) : view_(from) {
    std::size_t size = (from.key ? from.key->size() : 0) + (from.value ? from.value->size() : 0);
    for (const auto& each : from.headers) size += each.key.size() + (each.value ? each.value->size() : 0);
    bytes_.reserve(size);  // no reallocation below: views point into it
    if (from.key) view_.key = keep(from.key->str());
    if (from.value) view_.value = keep(from.value->str());
    headers_.reserve(from.headers.size());
    for (const auto& each : from.headers) {
      header_view kept;
      kept.key = keep(each.key).str();
      if (each.value) kept.value = keep(each.value->str());
      headers_.push_back(kept);
    }
    view_.headers = headers_;
    view_.topic = {};
  }
  record_copy(const record_copy&) = delete;
  record_copy& operator=(const record_copy&) = delete;

  const record_view& view() const noexcept { return view_; }
  std::size_t memory() const noexcept { return bytes_.capacity() + headers_.capacity() * sizeof(header_view); }
  /// What a copy takes at least.
  static std::size_t least_memory(const record_view& of) noexcept {
    std::size_t size = (of.key ? of.key->size() : 0) + (of.value ? of.value->size() : 0);
    for (const auto& each : of.headers) size += sizeof(each) + each.key.size() + (each.value ? each.value->size() : 0);
    return size;
  }

 private:
  bytes_view keep(std::string_view part) {
    const std::size_t at = bytes_.size();
    bytes_.append(part);
    return {bytes_.data() + at, part.size()};
  }

  std::string bytes_;
  std::vector<header_view> headers_;
  record_view view_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
