// SPDX-License-Identifier: BSL-1.0
// librdkafka as its users write it for speed: produce with a copy, poll now and then, count the delivery reports.
#ifndef COKAFKA_BENCHMARKS_CLIENT_LIBRDKAFKA_HPP
#define COKAFKA_BENCHMARKS_CLIENT_LIBRDKAFKA_HPP

#include "workload.hpp"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace bench {

class librdkafka_client {
 public:
  explicit librdkafka_client(const workload& work) : work_(work), payloads_(work.size) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", work.brokers);
    set(conf, "acks", "all");
    if (work.idempotent) set(conf, "enable.idempotence", *work.idempotent ? "true" : "false");
    if (work.linger_ms) set(conf, "linger.ms", std::to_string(*work.linger_ms));
    if (work.batch_size) set(conf, "batch.size", std::to_string(*work.batch_size));
    if (work.send_buffer_bytes) set(conf, "socket.send.buffer.bytes", std::to_string(*work.send_buffer_bytes));
    set(conf, "socket.nagle.disable", "true");  // else 2.0.2 stalls for 40 ms
    if (!work.bare) {
      set(conf, "batch.num.messages", "1000000");            // so that bytes alone end a batch, as in ours
      set(conf, "queue.buffering.max.messages", "1000000");  // ten times its default
    }
    for (const auto& [name, value] : work.theirs) set(conf, name.c_str(), value);
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    char why[512];
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (client_ == nullptr) throw std::runtime_error(why);
    topic_ = rd_kafka_topic_new(client_, "bench", nullptr);
  }
  librdkafka_client(const librdkafka_client&) = delete;
  ~librdkafka_client() {
    rd_kafka_topic_destroy(topic_);
    rd_kafka_destroy(client_);
  }

  measurement measure() {
    measurement taken;
    taken.warm_up = send(work_.warm_up);
    taken.run = send(work_.records);
    return taken;
  }

  static std::string version() { return rd_kafka_version_str(); }

 private:
  static void set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
    char why[512];
    if (rd_kafka_conf_set(conf, name, value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK)
      throw std::runtime_error(why);
  }

  static void on_report(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    auto& self = *static_cast<librdkafka_client*>(opaque);
    ++(message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? self.acknowledged_ : self.failed_);
  }

  span_of_time send(std::uint64_t records) {
    acknowledged_ = failed_ = 0;
    const std::uint64_t stride = work_.stride();
    const stopwatch clock;
    for (std::uint64_t i = 0; i < records; i += stride) {
      rd_kafka_poll(client_, 0);
      const std::uint64_t end = std::min(i + stride, records);
      for (std::uint64_t each = i; each != end; ++each) send_one(each);
    }
    rd_kafka_flush(client_, 60'000);
    const span_of_time taken = clock.elapsed();
    if (acknowledged_ != records) throw std::runtime_error("librdkafka did not deliver every record");
    return taken;
  }

  void send_one(std::uint64_t record) {
    const std::string_view value = payloads_.value(record);
    const std::int32_t partition = work_.partition_of(record).value_or(RD_KAFKA_PARTITION_UA);
    // The bytes are copied: librdkafka only lacks a const here.
    while (rd_kafka_produce(topic_, partition, RD_KAFKA_MSG_F_COPY, const_cast<char*>(value.data()), value.size(),
                            nullptr, 0, nullptr) != 0) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        throw std::runtime_error(rd_kafka_err2str(rd_kafka_last_error()));
      }
      rd_kafka_poll(client_, 100);
    }
  }

  workload work_;
  payloads payloads_;
  rd_kafka_t* client_ = nullptr;
  rd_kafka_topic_t* topic_ = nullptr;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t failed_ = 0;
};

}  // namespace bench

#endif
