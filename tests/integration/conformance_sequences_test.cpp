// SPDX-License-Identifier: BSL-1.0
// The embedded broker answers as the real one does, frame by frame, with one expectation: producer ids, epochs,
// sequences and duplicates.
#include "cokafka/detail/messages/init_producer_id.hpp"
#include "support/catch.hpp"
#include "support/conformance.hpp"

#include <cstdint>
#include <limits>
#include <set>
#include <string>

using namespace cokafka::detail::messages;
using namespace cokafka_test;

namespace {

constexpr std::int32_t max_sequence = std::numeric_limits<std::int32_t>::max();

}  // namespace

TEST_CASE("both take any first sequence of an unknown producer and then go on without a gap", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    CHECK(outcome(client, kafka, stamped(id, 0, 17, 3)) == "none @ 0");
    CHECK(outcome(client, kafka, stamped(id, 0, 21)) == "out_of_order_sequence_number");
    CHECK(outcome(client, kafka, stamped(id, 0, 20)) == "none @ 3");
    CHECK(outcome(client, kafka, stamped(id, 0, 18)) == "out_of_order_sequence_number");
    CHECK(outcome(client, kafka, stamped(id, 0, 17, 2)) == "out_of_order_sequence_number");
    CHECK(outcome(client, kafka, stamped(id, 0, 17, 3)) == "none @ 0");
    CHECK(outcome(client, kafka, stamped(id + 1'000'000, 3, 5)) == "none @ 4");  // an id that was never given out
  });
}

TEST_CASE("both remember five batches", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    for (std::int32_t s = 0; s != 6; ++s) {
      CHECK(outcome(client, kafka, stamped(id, 0, s)) == "none @ " + std::to_string(s));
    }
    CHECK(outcome(client, kafka, stamped(id, 0, 0)) == "out_of_order_sequence_number");
    CHECK(outcome(client, kafka, stamped(id, 0, 1)) == "none @ 1");
    CHECK(outcome(client, kafka, stamped(id, 0, 5)) == "none @ 5");
  });
}

TEST_CASE("both answer a duplicate with its timestamp", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    CHECK(produce(client, kafka, stamped(id, 0, 0)).log_append_time_ms == -1);
    CHECK(produce(client, kafka, stamped(id, 0, 0)).log_append_time_ms == 1700000000000);
  });
}

TEST_CASE("both fence older epochs and let newer ones begin at 0 only", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    CHECK(outcome(client, kafka, stamped(id, 0, 0)) == "none @ 0");
    CHECK(outcome(client, kafka, stamped(id, 2, 1)) == "out_of_order_sequence_number");
    CHECK(outcome(client, kafka, stamped(id, 2, 0)) == "none @ 1");
    CHECK(outcome(client, kafka, stamped(id, 1, 0)) == "invalid_producer_epoch");
    CHECK(outcome(client, kafka, stamped(id, 0, 0)) == "invalid_producer_epoch");  // also a former duplicate
    CHECK(outcome(client, kafka, stamped(id, 2, 0)) == "none @ 1");
  });
}

TEST_CASE("both remember the producers of records that were deleted, and go on behind them", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    CHECK(outcome(client, kafka, stamped_now(id, 0, 0, 3)) == "none @ 0");
    CHECK(outcome(client, kafka, stamped_now(id, 0, 3)) == "none @ 3");
    kafka.delete_records(2);  // in the middle of a batch
    const auto again = produce(client, kafka, stamped_now(id, 0, 3));
    CHECK(outcome(again) == "none @ 3");
    CHECK(again.log_start_offset == 2);
    kafka.delete_records(4);
    CHECK(outcome(client, kafka, stamped_now(id, 0, 0, 3)) == "none @ 0");
    CHECK(outcome(client, kafka, stamped_now(id, 0, 5)) == "out_of_order_sequence_number");
    const auto taken = produce(client, kafka, stamped_now(id, 0, 4));
    CHECK(outcome(taken) == "none @ 4");
    CHECK(taken.log_start_offset == 4);
    CHECK(end_offset(client, kafka) == 5);
  });
}

TEST_CASE("both count sequences from 2^31-1 to 0", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    CHECK(outcome(client, kafka, stamped(id, 0, max_sequence - 1, 4)) == "none @ 0");
    CHECK(outcome(client, kafka, stamped(id, 0, 1)) == "out_of_order_sequence_number");
    CHECK(outcome(client, kafka, stamped(id, 0, 2)) == "none @ 4");
    CHECK(outcome(client, kafka, stamped(id, 0, max_sequence - 1, 4)) == "none @ 0");
  });
}

TEST_CASE("both answer a duplicate in a LogAppendTime topic with the time of its append", "[integration]") {
  const auto test = [](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    const auto first = produce(client, kafka, stamped(id, 0, 0, 2));
    const auto again = produce(client, kafka, stamped(id, 0, 0, 2));
    CHECK(outcome(again) == "none @ 0");
    CHECK(again.log_append_time_ms == first.log_append_time_ms);
    CHECK(again.log_append_time_ms > 1700000000000);
    CHECK(outcome(client, kafka, stamped(id, 0, 2)) == "none @ 2");
  };
  on_both(test, {.settings = {{"message.timestamp.type", "LogAppendTime"}}});
}

TEST_CASE("both know a producer per partition", "[integration]") {
  const auto test = [](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    CHECK(outcome_at(client, kafka, 0, stamped(id, 3, 0)) == "none @ 0");
    wire_client second = kafka.leader(1);
    CHECK(outcome_at(second, kafka, 1, stamped(id, 0, 7)) == "none @ 0");
    CHECK(outcome_at(second, kafka, 1, stamped(id, 0, 8)) == "none @ 1");
    CHECK(outcome_at(client, kafka, 0, stamped(id, 3, 1)) == "none @ 1");
    CHECK(outcome_at(client, kafka, 0, stamped(id, 2, 0)) == "invalid_producer_epoch");
  };
  on_both(test, {.partitions = 2});
}

TEST_CASE("both take the sequence after 2^31-1 for 0 and nothing else", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    CHECK(outcome(client, kafka, stamped(id, 0, max_sequence)) == "none @ 0");
    CHECK(outcome(client, kafka, stamped(id, 0, 1)) == "out_of_order_sequence_number");
    CHECK(outcome(client, kafka, stamped(id, 0, max_sequence)) == "none @ 0");
    CHECK(outcome(client, kafka, stamped(id, 0, 0)) == "none @ 1");
    CHECK(outcome(client, kafka, stamped(id, 0, max_sequence)) == "none @ 0");
  });
}

TEST_CASE("both look at sequences whatever the acks", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    const auto with_acks = [&](std::int16_t acks, std::int32_t sequence) {
      return outcome(produce(client, kafka, stamped(id, 0, sequence), 9, acks));
    };
    CHECK(with_acks(1, 0) == "none @ 0");
    CHECK(with_acks(1, 0) == "none @ 0");
    CHECK(with_acks(1, 2) == "out_of_order_sequence_number");
    client.send(write_to(kafka.topic, stamped(id, 0, 1), 0), 9);
    client.send(write_to(kafka.topic, stamped(id, 0, 1), 0), 9);  // a duplicate is no error
    CHECK(with_acks(-1, 2) == "none @ 2");
    client.send(write_to(kafka.topic, stamped(id, 0, 9), 0), 9);
    CHECK(client.is_closed_by_peer());
  });
}

TEST_CASE("both expect the same sequence again after a batch that they refused", "[integration]") {
  const auto test = [](target& kafka) {
    wire_client client = kafka.leader();
    const std::int64_t id = new_producer(client);
    simple_batch batch;
    batch.keys = {"k"};
    batch.producer_id = id;
    batch.epoch = 0;
    batch.sequence = 0;
    CHECK(outcome(client, kafka, encoded(batch)) == "none @ 0");
    batch.sequence = 1;
    CHECK(outcome(client, kafka, changed(encoded(batch), 20, 1)) == "corrupt_message");
    batch.values = {std::string(1000, 'x')};
    CHECK(outcome(client, kafka, encoded(batch)) == "message_too_large");
    batch.values = {"value"};
    batch.keys.clear();
    CHECK(outcome(client, kafka, encoded(batch)) == "invalid_record");
    batch.keys = {"k"};
    CHECK(outcome(client, kafka, encoded(batch)) == "none @ 1");
    // What is wrong with a batch is told before its sequence is looked at, also of a duplicate.
    CHECK(outcome(client, kafka, changed(encoded(batch), 20, 1)) == "corrupt_message");
    batch.keys.clear();
    CHECK(outcome(client, kafka, encoded(batch)) == "invalid_record");
    batch.sequence = 70;
    CHECK(outcome(client, kafka, encoded(batch)) == "invalid_record");
  };
  on_both(test, {.settings = {{"cleanup.policy", "compact"}, {"max.message.bytes", "1000"}}});
}

TEST_CASE("both give every producer that asks a new id with epoch 0, whatever it had before", "[integration]") {
  on_both([](target& kafka) {
    wire_client client = kafka.leader();
    std::set<std::int64_t> ids{new_producer(client)};
    for (std::int16_t version = 0; version <= 5; ++version) {
      init_producer_id_request request;
      request.transaction_timeout_ms = 60'000;
      request.producer_id = *ids.begin();
      request.producer_epoch = 4;
      const auto answer = client.call(request, version);
      CAPTURE(version);
      CHECK(name_of(answer.error_code) == "none");
      CHECK(answer.producer_epoch == 0);
      CHECK(answer.producer_id >= 0);
      CHECK(ids.insert(answer.producer_id).second);
    }
    init_producer_id_request nameless;
    nameless.transactional_id = "";
    nameless.transaction_timeout_ms = 60'000;
    CHECK(name_of(client.call(nameless, 4).error_code) == "invalid_request");
  });
}
