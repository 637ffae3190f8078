// SPDX-License-Identifier: BSL-1.0
// Whole frames: size, request or response header, and the body of a described message.
// Layer 2.
#ifndef COKAFKA_DETAIL_MESSAGES_CODEC_HPP
#define COKAFKA_DETAIL_MESSAGES_CODEC_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/messages/api_key.hpp"
#include "cokafka/detail/wire/decoder.hpp"
#include "cokafka/detail/wire/encoder.hpp"
#include "cokafka/detail/wire/reader.hpp"
#include "cokafka/detail/wire/types.hpp"
#include "cokafka/detail/wire/writer.hpp"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail::messages {

// What stands in front of every request. The key may be one that the library has no name for.
struct request_header {
  api_key key{};
  std::int16_t version = 0;
  std::int32_t correlation_id = 0;
  std::optional<std::string> client_id{};
};

template <class Message>
constexpr bool is_flexible(std::int16_t version) noexcept {
  return version >= Message::flexible_from;
}

// ApiVersions responses keep the old header in all versions, so that a client can read an answer older than its
// question.
template <class Response>
constexpr bool has_flexible_response_header(std::int16_t version) noexcept {
  return is_flexible<Response>(version) && Response::key != api_key::api_versions;
}

// Appends a whole request frame, its int32 size included, to `out`. Fields with an external size are counted in the
// frame's size and noted in `cuts`, which may be null where the request has none. Preconditions: Request::versions
// contains `version`; strings are shorter than 32,768 bytes.
template <class Request>
void encode_request(std::string& out, std::vector<wire::cut>* cuts, const Request& request, std::int16_t version,
                    std::int32_t correlation_id, std::optional<std::string_view> client_id) {
  assert(Request::versions.contains(version));
  wire::writer writer(out, cuts);
  const std::size_t start = writer.position();
  writer.int32(0);
  writer.int16(static_cast<std::int16_t>(Request::key));
  writer.int16(version);
  writer.int32(correlation_id);
  writer.int16(client_id ? static_cast<std::int16_t>(client_id->size()) : std::int16_t{-1});  // never a compact string
  if (client_id) writer.raw(*client_id);
  if (is_flexible<Request>(version)) writer.unsigned_varint(0);
  wire::encoder(writer, version, is_flexible<Request>(version)).put(request);
  writer.patch_int32(start, static_cast<std::int32_t>(writer.position() - start - 4 + writer.external_size()));
}

// Appends a whole response frame, its int32 size included, to `out`. (An ApiVersions request that is too new is
// answered in version 0.) Precondition: Response::versions contains `version`.
template <class Response>
void encode_response(std::string& out, const Response& response, std::int16_t version, std::int32_t correlation_id) {
  assert(Response::versions.contains(version));
  wire::writer writer(out);
  const std::size_t start = writer.position();
  writer.int32(0);
  writer.int32(correlation_id);
  if (has_flexible_response_header<Response>(version)) writer.unsigned_varint(0);
  wire::encoder(writer, version, is_flexible<Response>(version)).put(response);
  writer.patch_int32(start, static_cast<std::int32_t>(writer.position() - start - 4));
}

// A message body that must fill `body` exactly. False when it is malformed, too short or too long, or when the version
// is not described; `out` is then of no use. Views in `out` point into `body`.
template <class Message>
bool decode_body(std::string_view body, std::int16_t version, Message& out) {
  out = Message{};
  if (!Message::versions.contains(version)) return false;
  wire::reader reader(body);
  wire::decoder(reader, version, is_flexible<Message>(version)).get(out);
  return reader.ok() && reader.remaining() == 0;
}

template <class Request>
bool decode_request_body(std::string_view body, std::int16_t version, Request& out) {
  return decode_body(body, version, out);
}

// A broker that is too old for the question answers ApiVersions with error 35 and the layout of version 0. Some leave
// the list of APIs out or garble it, and the error code alone is enough to ask again in version 0.
template <class Response>
bool decode_old_api_versions(std::string_view body, Response& out) {
  constexpr std::int16_t unsupported_version = 35;
  if (wire::reader(body).int16() != unsupported_version) return false;
  if (!decode_body(body, 0, out)) {
    out = Response{};
    out.error_code = unsupported_version;
  }
  return true;
}

// `frame` is what follows the int32 size: response header and body. False when it is malformed, as decode_body() says;
// the correlation id is set whenever the frame has one.
template <class Response>
bool decode_response(std::string_view frame, std::int16_t version, Response& out, std::int32_t& correlation_id) {
  wire::reader reader(frame);
  const std::int32_t id = reader.int32();
  if (!reader.ok()) return false;
  correlation_id = id;
  if (has_flexible_response_header<Response>(version)) wire::skip_tagged_fields(reader);
  if (!reader.ok()) return false;
  const std::string_view body = frame.substr(reader.position());
  if constexpr (Response::key == api_key::api_versions) {
    if (version > 0 && decode_old_api_versions(body, out)) return true;
  }
  return decode_body(body, version, out);
}

// `frame` is what follows the int32 size of a request; `body` becomes the part behind the header. False when the header
// is malformed. The header of an API that is not described here is read without tagged fields.
COKAFKA_DECL bool decode_request_header(std::string_view frame, request_header& header, std::string_view& body);

}  // namespace cokafka::inline COKAFKA_ABI::detail::messages

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/messages/codec.ipp"
#endif

#endif
