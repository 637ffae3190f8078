// SPDX-License-Identifier: BSL-1.0
// What a sender gets at once: refusals, the choice of a partition, records in their batches.
#include "cokafka/detail/core/accumulator.hpp"
#include "cokafka/detail/base/murmur2.hpp"
#include "support/core_bench.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

using namespace cokafka_test;

TEST_CASE("a record that breaks a rule fails at once with the rule in its message", "[core]") {
  lot_bench bench;
  bench.publish("t", 2);
  record_view record = with_value("v");
  record.topic = "t";

  SECTION("a negative partition") { record.partition = -1; }
  SECTION("a time before 1970") { record.timestamp = std::chrono::sys_time<std::chrono::milliseconds>{-1ms}; }
  SECTION("a negative timeout") { record.timeout = -1ms; }
  const auto failure = bench.send(record).failure();
  CHECK(failure == errc::invalid_record);
  CHECK(failure.fate() == fate::not_written);
  CHECK(bench.lot.try_send(record, nullptr, bench.now).error() == errc::invalid_record);
  CHECK(bench.lot.outstanding().records == 0);
}

TEST_CASE("an illegal topic name fails at once and is not remembered", "[core]") {
  lot_bench bench;
  for (const std::string& name :
       std::vector<std::string>{"", ".", "..", "a/b", "a b", std::string(250, 'x'), "t\xc3\xa4"}) {
    INFO(name);
    CHECK(bench.send(name, "v").failure() == errc::invalid_topic);
    CHECK(bench.lot.topics.find(name) == nullptr);
  }
  CHECK(is_valid_topic_name(std::string(249, 'x')));
  CHECK(is_valid_topic_name("...a_-9"));
}

TEST_CASE("a record that can never fit is too large at once and disturbs nothing", "[core]") {
  cokafka::config user;
  user.max_request_size = 100'000;
  user.buffer_memory = 40'000;
  lot_bench bench(user);
  bench.publish("t", 1);
  CHECK(bench.send("t", std::string(40'000, 'v')).failure() == errc::record_too_large);
  // 1024 + 4 * 4096 + 16384 = 33792 is what fits in whole chunks; the next one would need 50176.
  CHECK(bench.send("t", std::string(33'800, 'v')).failure() == errc::record_too_large);
  CHECK(bench.is_whole());
  const auto fits = bench.send("t", std::string(33'700, 'v'));
  CHECK_FALSE(fits.is_ready());
  bench.acknowledge(bench.queue("t", 0), 3);
  CHECK(fits.offset() == 3);
  CHECK(bench.is_whole());

  user.max_request_size = 1000;
  user.buffer_memory = 1'000'000;
  lot_bench small(user);
  small.publish("t", 1);
  // 61 + 21 + 1 (null key) + 2 + 914 (value) + 1 (headers) = 1000, as Java counts.
  CHECK_FALSE(small.send("t", std::string(914, 'v')).is_ready());
  CHECK(small.send("t", std::string(915, 'v')).failure() == errc::record_too_large);
}

TEST_CASE("the partition is the explicit one, or that of the key over all, or sticky over those with a leader",
          "[core]") {
  lot_bench bench;
  topic& of = bench.publish("t", 5);
  auto table = std::make_unique<partition_table>();
  table->all = of.table.load()->all;
  table->available = {table->all[1], table->all[3]};
  bench.lot.publish(of, std::move(table), bench.now, bench.out);

  const auto count = [&](std::int32_t index) { return bench.queue("t", index).outstanding().records; };
  bench.send("t", "v", 4);
  CHECK(count(4) == 1);
  record_view keyed = with_value("v");
  keyed.topic = "t";
  keyed.key = cokafka::bytes_view("some key");
  const auto expected = static_cast<std::int32_t>(static_cast<std::uint32_t>(to_positive(murmur2("some key"))) % 5);
  const auto before = count(expected);
  bench.send(keyed);
  CHECK(count(expected) == before + 1);
  for (int i = 0; i < 300; ++i) bench.send("t", std::string(1000, 'v'), std::nullopt);
  CHECK(count(0) + count(2) + count(4) <= 2);
  CHECK(count(1) > 20);
  CHECK(count(3) > 20);
}

TEST_CASE("sends fail after close, and when metadata refused the topic", "[core]") {
  lot_bench bench;
  topic& of = bench.publish("t", 1);
  bench.lot.refuse(of, broker_errc::topic_authorization_failed, "no", bench.now, bench.out);
  CHECK(bench.send("t", "v").failure() == broker_errc::topic_authorization_failed);
  bench.lot.refuse(of, broker_errc::invalid_topic_exception, "no", bench.now, bench.out);
  CHECK(bench.send("t", "v").failure() == errc::invalid_topic);
  bench.publish("t", 1);
  CHECK_FALSE(bench.send("t", "v").is_ready());
  bench.lot.close();
  CHECK(bench.send("t", "v").failure() == errc::closed);
  CHECK(bench.lot.try_send(with_value("v"), &of, bench.now).error() == errc::closed);
  counting_operation space;
  CHECK_FALSE(bench.lot.wait_for_space(space, 10, bench.now));
  CHECK(space.failure.value() == errc::closed);
}

TEST_CASE("a sender that was let in before close and is slow gets in no more; what was parked does", "[core]") {
  lot_bench bench;
  partition_queue& queue = bench.publish("t", 1).partition(0, bench.rules, bench.lot.memory, bench.lot.flushes);
  const auto parked = bench.lot.flushes.enter();
  bench.lot.close();
  bench.lot.await_senders();
  CHECK(queue.append(with_value("late"), 0, bench.now, 1s).state == append_outcome::status::closed);
  CHECK(queue.append_parked(with_value("parked"), 0, bench.now, 1s, parked).state == append_outcome::status::appended);
  CHECK(bench.lot.outstanding().records == 1);
}

TEST_CASE("a record that comes after the end of its partition fails instead of waiting for nobody", "[core]") {
  lot_bench bench;
  bench.publish("t", 1);
  error_details why;
  why.code = make_error_code(errc::closed);
  bench.queue("t", 0).fail_all(why, bench.now, bench.out);
  bench.lot.close();  // as if it had happened between the sender's check and its append
  CHECK(bench.queue("t", 0).append(with_value("v"), 0, bench.now, 1s).state == append_outcome::status::closed);
  CHECK(bench.send("t", "v").failure() == errc::closed);
}

TEST_CASE("try_send fails where send would wait", "[core]") {
  cokafka::config user;
  user.buffer_memory = 2048;
  lot_bench bench(user);
  record_view record = with_value("v");
  record.topic = "t";
  record.partition = 0;
  CHECK(bench.lot.try_send(record, nullptr, bench.now).error() == errc::would_park);
  CHECK(bench.lot.topics.find("t")->wanted);  // but it asks for the topic
  bench.publish("t", 1);
  CHECK(bench.lot.try_send(record, nullptr, bench.now).has_value());
  record.partition = 1;
  CHECK(bench.lot.try_send(record, nullptr, bench.now).error() == errc::unknown_partition);
  record.partition = 0;
  const std::string large(1800, 'v');
  record.value = cokafka::bytes_view(large);
  CHECK(bench.lot.try_send(record, nullptr, bench.now).error() == errc::record_too_large);
  user.buffer_memory = 8192;
  user.max_request_size = 8192;
  lot_bench full(user);
  full.publish("t", 1);
  CHECK(full.lot.try_send(record, nullptr, full.now).has_value());
  CHECK(full.lot.try_send(record, nullptr, full.now).has_value());
  const std::string more(4000, 'v');
  record.value = cokafka::bytes_view(more);
  CHECK(full.lot.try_send(record, nullptr, full.now).error() == errc::buffer_full);
  CHECK(full.lot.outstanding().records == 2);
}

TEST_CASE("a timeout for ever is one", "[core]") {
  lot_bench bench;
  bench.publish("t", 1);
  record_view record = with_value("v");
  record.topic = "t";
  record.timeout = std::chrono::milliseconds::max();
  const auto sent = bench.send(record);
  bench.queue("t", 0).expire(bench.now + std::chrono::hours(24 * 365), {}, bench.out);
  CHECK_FALSE(sent.is_ready());
  cokafka::config user;
  user.max_block = std::chrono::milliseconds::max();
  user.delivery_timeout = std::chrono::milliseconds(2147483647);
  lot_bench patient(user);
  const auto parked = patient.send("unknown", "v");
  patient.expire_after(std::chrono::hours(24));
  CHECK_FALSE(parked.is_ready());
}

TEST_CASE("a topic is announced once, and found again without its lock", "[core]") {
  lot_bench bench;
  const int before = bench.home.calls;
  const topic_ptr first = bench.lot.want_topic("a");
  CHECK(bench.home.calls == before + 1);
  CHECK(bench.lot.want_topic("a") == first);
  CHECK(bench.home.calls == before + 1);
  CHECK(bench.lot.topics.find_recent("a") == nullptr);  // without partitions it may be given up
  bench.publish("a", 1);
  bench.lot.want_topic("a");
  CHECK(bench.lot.topics.find_recent("a") == first.get());
  CHECK(bench.lot.topics.find_recent("b") == nullptr);
  bench.lot.want_topic("b");
  CHECK(bench.lot.topics.all().size() == 2);
}

TEST_CASE("of the topics without partitions those that nobody needs are given up, the oldest first", "[core]") {
  lot_bench bench;
  bench.publish("known", 1);
  const topic_ptr handle = bench.lot.want_topic("has a handle");
  bench.lot.want_topic("oldest");
  const auto parked = bench.send("has-a-record", "v");
  for (int i = 0; i < 3000; ++i) bench.lot.want_topic("t" + std::to_string(i));
  CHECK(bench.lot.topics.find("oldest") == nullptr);
  CHECK(bench.lot.topics.find("t0") == nullptr);
  CHECK(bench.lot.topics.find("t2999") != nullptr);
  CHECK(bench.lot.topics.find("has a handle") == handle);
  CHECK(bench.lot.topics.find("known") != nullptr);
  CHECK(bench.lot.topics.all().size() <= topic_registry::most_unneeded + 3);
  bench.publish("has-a-record", 1);
  bench.acknowledge(bench.queue("has-a-record", 0), 4);
  CHECK(parked.offset() == 4);
}

TEST_CASE("the first record of an unknown topic is charged for the topic as well", "[core]") {
  cokafka::config user;
  user.parked_memory = 100'000;
  lot_bench one(user);
  lot_bench many(user);
  int to_one = 0;
  int to_many = 0;
  while (!one.send("t", "v").is_ready()) ++to_one;
  while (!many.send("t" + std::to_string(to_many), "v").is_ready()) ++to_many;
  CHECK(to_many < 100'000 / static_cast<int>(sizeof(topic) + sizeof(parked_record)));
  CHECK(to_one > 2 * to_many);
  many.expire_after(std::chrono::minutes(1));
  CHECK_FALSE(many.send("t", "v").is_ready());  // it was given back
}

TEST_CASE("leaders that come and go leave no tables behind", "[core]") {
  lot_bench bench;
  topic& of = bench.publish("t", 8);
  const partition_table* const first = of.table;
  for (unsigned leaders = 1; leaders < 256; ++leaders) {
    auto table = std::make_unique<partition_table>();
    table->all = first->all;
    std::vector<partition_queue*> led;
    for (unsigned i = 0; i < 8; ++i) {
      if ((leaders >> i & 1) != 0) led.push_back(table->all[i]);
    }
    table->available = led;
    bench.lot.publish(of, std::move(table), bench.now, bench.out);
    REQUIRE(of.table.load() == first);
    REQUIRE(first->available.list() == led);
    bench.send("t", "v", std::nullopt);
    const auto took = std::count_if(led.begin(), led.end(), [](auto* each) { return each->outstanding().records > 0; });
    REQUIRE(took == 1);
    for (partition_queue* each : led) bench.acknowledge(*each);
  }
  CHECK(bench.publish("t", 9).table.load() != first);  // a sender may be reading the old one
  CHECK(first->all.size() == 8);
}

TEST_CASE("a question that was not heard stays, and the next word is said again", "[core]") {
  lot_bench bench;
  bench.home.hears = false;
  bench.send("t", "v");
  topic& asked = *bench.lot.topics.find_or_add("t");
  CHECK(asked.wanted);
  bench.home.hears = true;
  int before = bench.home.calls;
  bench.lot.want_topic("t");
  CHECK(bench.home.calls == before + 1);
  before = bench.home.calls;
  bench.lot.want_topic("t");
  CHECK(bench.home.calls == before);
}
