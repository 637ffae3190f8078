// SPDX-License-Identifier: BSL-1.0
// Reads the requests of one connection piece by piece, so that the records of a Produce request are never stored.
#ifndef COKAFKA_BENCHMARKS_SINK_STREAM_HPP
#define COKAFKA_BENCHMARKS_SINK_STREAM_HPP

#include "sink_broker.hpp"

#include "cokafka/detail/wire/reader.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace bench {

// Legal order of calls: prepare(), then either commit() of what was read into it, or, where there are skippable()
// bytes, discard() of those that the caller threw away unread; then parse(), which appends answers to `out`.
class sink_stream {
 public:
  explicit sink_stream(sink_broker& broker) : broker_(&broker) {}

  std::span<char> prepare() {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    return {buffer_.data() + end_, buffer_.size() - end_};
  }
  void commit(std::size_t size) { end_ += size; }

  // Bytes of records that need not be read at all; there are some only while the buffer is empty.
  std::size_t skippable() const { return skip_; }
  void discard(std::size_t size) {
    skip_ -= size;
    broker_->totals.bytes += size;
  }

  // False when the peer does not speak the protocol.
  bool parse(std::string& out) {
    progress status = progress::done;
    while (status == progress::done && !skip_buffered()) status = step(out);
    const bool stuck = begin_ == 0 && end_ == buffer_.size();
    return status != progress::broken && !(status == progress::need_more && stuck);
  }

 private:
  enum class progress { done, need_more, broken };
  enum class expecting { size, header, produce, topic, partition, end_of_partition, end_of_topic, end_of_request };

  static constexpr std::size_t batch_header_size = 61;

  std::string_view buffered() const { return {buffer_.data() + begin_, end_ - begin_}; }
  bool flexible() const { return header_.version >= messages::produce_request::flexible_from; }
  bool has_topic_ids() const { return header_.version >= 13; }

  void consume(std::size_t size) {
    begin_ += size;
    broker_->totals.bytes += size;
  }

  // True when everything that is buffered belongs to records.
  bool skip_buffered() {
    const std::size_t size = std::min(skip_, end_ - begin_);
    skip_ -= size;
    consume(size);
    return skip_ != 0;
  }

  progress step(std::string& out) {
    wire::reader in(buffered());
    switch (expecting_) {
      case expecting::size: return read_size(in);
      case expecting::header: return read_header(out);
      case expecting::produce: return read_produce(in);
      case expecting::topic: return read_topic(in);
      case expecting::partition: return read_partition(in);
      case expecting::end_of_partition:
        return read_tags(in, partitions_left_ != 0 ? expecting::partition : expecting::end_of_topic);
      case expecting::end_of_topic:
        return read_tags(in, topics_left_ != 0 ? expecting::topic : expecting::end_of_request);
      case expecting::end_of_request: return finish_produce(in, out);
    }
    return progress::broken;
  }

  progress advance(const wire::reader& in, expecting next) {
    if (!in.ok()) return progress::need_more;
    consume(in.position());
    expecting_ = next;
    return progress::done;
  }

  progress read_size(wire::reader& in) {
    frame_size_ = in.int32();
    if (frame_size_ < 0) return progress::broken;
    return advance(in, expecting::header);
  }

  progress read_header(std::string& out) {
    std::string_view body;
    if (!messages::decode_request_header(buffered(), header_, body)) return progress::need_more;
    if (header_.key == messages::api_key::produce) {
      if (!sink_broker::produce_versions.contains(header_.version)) return progress::broken;
      consume(buffered().size() - body.size());
      expecting_ = expecting::produce;
      return progress::done;
    }
    const auto frame_size = static_cast<std::size_t>(frame_size_);
    const std::size_t header_size = buffered().size() - body.size();
    if (buffered().size() < frame_size) return progress::need_more;
    if (frame_size < header_size) return progress::broken;
    if (!broker_->answer(header_, body.substr(0, frame_size - header_size), out)) return progress::broken;
    consume(frame_size);
    expecting_ = expecting::size;
    return progress::done;
  }

  std::int32_t count(wire::reader& in) const {
    return flexible() ? static_cast<std::int32_t>(in.unsigned_varint()) - 1 : in.int32();
  }

  std::string_view text(wire::reader& in) const {
    const std::int32_t size = flexible() ? static_cast<std::int32_t>(in.unsigned_varint()) - 1 : in.int16();
    return in.bytes(static_cast<std::size_t>(std::max(size, 0)));
  }

  progress read_produce(wire::reader& in) {
    text(in);  // the transactional id
    acks_ = in.int16();
    in.int32();  // the timeout
    topics_left_ = count(in);
    if (in.ok() && topics_left_ < 1) return progress::broken;
    response_.responses.clear();
    return advance(in, expecting::topic);
  }

  progress read_topic(wire::reader& in) {
    const std::string_view topic = has_topic_ids() ? in.bytes(16) : text(in);
    partitions_left_ = count(in);
    if (!in.ok()) return progress::need_more;
    if (partitions_left_ < 1) return progress::broken;
    --topics_left_;
    topic_.assign(topic);
    auto& answer = response_.responses.emplace_back();
    if (has_topic_ids()) {
      std::memcpy(answer.topic_id.bytes.data(), topic.data(), 16);
    } else {
      answer.name = topic;
    }
    return advance(in, expecting::partition);
  }

  // One batch a partition: what Kafka asks of Produce requests from version 3 on.
  progress read_partition(wire::reader& in) {
    const std::int32_t index = in.int32();
    const std::int32_t size = count(in);
    const std::string_view batch = in.bytes(batch_header_size);
    if (!in.ok()) return progress::need_more;
    const bool is_batch =
        size >= static_cast<std::int32_t>(batch_header_size) && batch[16] == 2;  // the format's number
    if (!is_batch) return progress::broken;
    sink_broker::batch_facts facts;
    wire::reader end_of_header(batch.substr(batch_header_size - 18));
    facts.producer_id = end_of_header.int64();
    facts.producer_epoch = end_of_header.int16();
    facts.base_sequence = end_of_header.int32();
    facts.records = end_of_header.int32();
    --partitions_left_;
    response_.responses.back().partitions.push_back(broker_->take(topic_, index, facts));
    const progress read = advance(in, expecting::end_of_partition);
    skip_ = static_cast<std::size_t>(size) - batch_header_size;
    return read;
  }

  progress read_tags(wire::reader& in, expecting next) {
    if (flexible()) wire::skip_tagged_fields(in);
    return advance(in, next);
  }

  progress finish_produce(wire::reader& in, std::string& out) {
    const progress read = read_tags(in, expecting::size);
    if (read != progress::done) return read;
    ++broker_->totals.requests;
    if (acks_ != 0) messages::encode_response(out, response_, header_.version, header_.correlation_id);
    return read;
  }

  sink_broker* broker_;
  std::array<char, 64 * 1024> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t skip_ = 0;

  expecting expecting_ = expecting::size;
  std::int32_t frame_size_ = 0;
  messages::request_header header_;
  std::int16_t acks_ = 0;
  std::int32_t topics_left_ = 0;
  std::int32_t partitions_left_ = 0;
  std::string topic_;
  messages::produce_response response_;
};

}  // namespace bench

#endif
