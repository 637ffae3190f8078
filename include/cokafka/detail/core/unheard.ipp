// SPDX-License-Identifier: BSL-1.0
// Bodies of unheard: records are read back from the batch that they failed with.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_UNHEARD_IPP
#define COKAFKA_DETAIL_CORE_UNHEARD_IPP

#include "cokafka/detail/core/unheard.hpp"

#include "cokafka/detail/batch/batch_view.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace unheard {

inline std::optional<bytes_view> view_of(const std::optional<std::string_view>& field) {
  if (!field) return std::nullopt;
  return bytes_view(*field);
}

}  // namespace unheard

COKAFKA_DECL unheard_cursor::unheard_cursor(unheard_records&& of)
    : all_(std::move(of)), walker_(all_.in ? all_.in->records.chunks() : nullptr) {}

COKAFKA_DECL bool unheard_cursor::has_next() const noexcept {
  return all_.in ? next_ < all_.indexes.size() : all_.refused != nullptr;
}

COKAFKA_DECL void unheard_cursor::show_next(const std::function<void(const error&, const record_view&)>& to) {
  if (all_.in) return show_from_batch(to);
  const std::shared_ptr<refused_record> shown = std::move(all_.refused);
  record_view record = shown->record.view();
  record.topic = all_.topic.str();
  record.timestamp = std::chrono::sys_time<std::chrono::milliseconds>{std::chrono::milliseconds{shown->timestamp}};
  to(all_.why, record);
}

COKAFKA_DECL void unheard_cursor::show_from_batch(const std::function<void(const error&, const record_view&)>& to) {
  const std::uint32_t wanted = all_.indexes[next_++];
  for (; at_ < wanted; ++at_) {
    if (all_.in->thinned && all_.in->done->removed->test(at_)) continue;
    walker_.next();
    walker_.skip();
  }
  ++at_;
  std::string bytes;
  walker_.next();
  bytes.reserve(walker_.size());
  walker_.copy(bytes);
  wire::reader in(bytes);
  record_entry read;
  if (read_record(in, all_.in->records.base_timestamp(), read) != batch_error::none) return;  // never: we wrote it
  std::vector<header_view> headers;
  headers.reserve(read.headers.size());
  for (const auto& each : read.headers) {
    header_view one;
    one.key = each.key;
    one.value = unheard::view_of(each.value);
    headers.push_back(one);
  }
  record_view record;
  record.topic = all_.topic.str();
  record.partition = all_.partition;
  record.key = unheard::view_of(read.key);
  record.value = unheard::view_of(read.value);
  record.headers = headers;
  record.timestamp = std::chrono::sys_time<std::chrono::milliseconds>{std::chrono::milliseconds{read.timestamp}};
  to(all_.why, record);
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
