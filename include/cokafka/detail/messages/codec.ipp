// SPDX-License-Identifier: BSL-1.0
// How a request's header is read.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_CODEC_IPP
#define COKAFKA_DETAIL_MESSAGES_CODEC_IPP

#include "cokafka/detail/messages/codec.hpp"

#include "cokafka/detail/messages/known_apis.hpp"

namespace cokafka::inline COKAFKA_ABI::detail::messages {

COKAFKA_DECL bool decode_request_header(std::string_view frame, request_header& header, std::string_view& body) {
  wire::reader reader(frame);
  header.key = static_cast<api_key>(reader.int16());
  header.version = reader.int16();
  header.correlation_id = reader.int32();
  header.client_id.reset();
  const std::int16_t size = reader.int16();
  if (size < -1) return false;
  if (size >= 0) header.client_id = reader.bytes(static_cast<std::size_t>(size));
  if (header.version >= flexible_from(header.key)) wire::skip_tagged_fields(reader);
  if (!reader.ok()) return false;
  body = frame.substr(reader.position());
  return true;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#endif
