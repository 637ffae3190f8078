// SPDX-License-Identifier: BSL-1.0
// The rules without a socket: waiters that count, an owner that remembers, and a partition to play with.
#ifndef COKAFKA_TESTS_SUPPORT_CORE_BENCH_HPP
#define COKAFKA_TESTS_SUPPORT_CORE_BENCH_HPP

#include "cokafka/config.hpp"
#include "cokafka/detail/core/accumulator.hpp"
#include "cokafka/detail/core/partition_queue.hpp"
#include "cokafka/detail/core/topic.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cokafka_test {

using namespace std::chrono_literals;
using namespace cokafka::detail;
using cokafka::broker_errc;
using cokafka::errc;
using cokafka::error_details;
using cokafka::fate;
using cokafka::record_view;

/// Waits for one record; run by hand.
class counting_waiter final : public record_waiter {
 public:
  explicit counting_waiter(std::uint32_t index = 0) { ticket.index = index; }
  void deliver() override { ++delivered; }
  void destroy() noexcept override { ++destroyed; }
  bool runs_with(const waiter&) const noexcept override { return true; }
  void post(waiter_list&& run) override { run.clear(); }

  int delivered = 0;
  int destroyed = 0;
};

class counting_operation final : public operation_waiter {
 public:
  void deliver() override { ++delivered; }
  void destroy() noexcept override { ++destroyed; }
  bool runs_with(const waiter&) const noexcept override { return true; }
  void post(waiter_list&& run) override { run.clear(); }

  int delivered = 0;
  int destroyed = 0;
};

/// Delivers everything and says how much that was.
inline std::size_t deliver_all(waiter_list& list) {
  std::size_t count = 0;
  while (!list.empty()) {
    waiter& first = list.front();
    list.pop_front();
    first.deliver();
    ++count;
  }
  return count;
}

/// The same for the waiters of records, as the engine does it: with those who came while others were handed out.
inline std::size_t deliver_answers(effects& out) {
  std::size_t count = deliver_all(out.answered);
  while (const completion_ptr each = out.handed_out.pop_front()) {
    for (waiter_list late = each->hand_out_rest(); !late.empty(); late = each->hand_out_rest())
      count += deliver_all(late);
  }
  return count;
}

/// A strand that only counts who called.
class idle_owner final : public partition_owner {
 public:
  void wake(partition_queue& woken) override {
    ++wakes;
    woken.wake_pending.store(false);
  }
  void wake_again() override {}
  void adopt_soon(partition_queue&) override {}
  void reconsider_owner_soon(partition_queue&) override {}
  void acknowledged_late_soon(partition_queue&, batch_ptr, broker_answer) override {}

  std::atomic<int> wakes{0};
};

class idle_home final : public attention_listener {
 public:
  bool attention() noexcept override {
    ++calls;
    return hears;
  }
  std::atomic<int> calls{0};
  bool hears = true;
};

inline record_view with_value(std::string_view value) {
  record_view record;
  record.value = cokafka::bytes_view(value);
  return record;
}

/// A record that was appended or parked.
struct sent_record {
  completion_ptr done{};
  record_ticket ticket{};

  bool is_ready() const { return done->is_ready(ticket); }
  cokafka::result<cokafka::record_metadata> get() const { return done->get(ticket); }
  std::int64_t offset() const { return get().value().offset.value(); }
  cokafka::error failure() const {
    REQUIRE(is_ready());
    REQUIRE_FALSE(get().has_value());
    return get().error();
  }
};

inline broker_answer success_at(std::int64_t offset) {
  broker_answer said;
  said.code = broker_errc::none;
  said.base_offset = offset;
  return said;
}

/// One partition, its budget and its clock.
class partition_bench {
 public:
  explicit partition_bench(const cokafka::config& user = {}, std::int32_t first_sequence = 0)
      : rules(user, "test", first_sequence),
        memory(static_cast<std::size_t>(user.buffer_memory)),
        of(cokafka::topic_name("t"), 1),
        queue(of.partition(0, rules, memory, flushes)) {
    queue.owner = &owner;
    queue.desired_owner = &owner;
  }

  sent_record send(std::string_view value, std::optional<clock_duration> timeout = {}) {
    return send(with_value(value), timeout);
  }
  sent_record send(const record_view& record, std::optional<clock_duration> timeout = {}) {
    const auto limit = rules.batch_limit;
    if (std::exchange(alone_, false)) rules.batch_limit = 1;
    const auto appended = queue.append(record, 7, now, timeout.value_or(rules.delivery_timeout));
    rules.batch_limit = limit;
    REQUIRE(appended.state == append_outcome::status::appended);
    sent_record made{appended.done, {}};
    made.ticket.index = appended.index;
    made.ticket.bytes = static_cast<std::uint32_t>(appended.bytes);
    return made;
  }
  /// A batch of its own: what is open is full, and so is this one.
  sent_record send_alone(std::string_view value, std::optional<clock_duration> timeout = {}) {
    close_open_batch();
    const auto sent = send(value, timeout);
    close_open_batch();
    return sent;
  }
  void close_open_batch() { alone_ = true; }
  void open_again() { alone_ = false; }

  readiness look(bool at_once = true) { return queue.look(now, {at_once}); }
  /// Null unless a batch may go.
  batch_ptr take() { return look().is == readiness::state::ready ? queue.take(identity) : nullptr; }
  std::vector<batch_ptr> take_all() {
    std::vector<batch_ptr> all;
    while (auto taken = take()) all.push_back(taken);
    return all;
  }

  verdict answer(const batch_ptr& sent, broker_errc code, std::int64_t base_offset = -1) {
    partition_queue::answer said;
    said.code = code;
    said.base_offset = base_offset;
    said.backoff = backoff;
    return queue.answered(*sent, said, now, out);
  }
  verdict acknowledge(const batch_ptr& sent, std::int64_t base_offset = 0) {
    return answer(sent, broker_errc::none, base_offset);
  }
  verdict lose(const batch_ptr& sent) {
    partition_queue::answer nothing;
    nothing.cause = make_error_code(errc::disconnected);
    nothing.backoff = backoff;
    return queue.answered(*sent, nothing, now, out);
  }
  void expire_after(clock_duration wait) {
    now += wait;
    queue.expire(now, {}, out);
  }
  /// One batch sent and acknowledged: from now on five may be in flight.
  void open_window() {
    send_alone("first");
    const auto first = take();
    REQUIRE(first);
    acknowledge(first);
  }

  settings rules;
  buffer_memory memory;
  flush_tracker flushes;
  idle_owner owner;  // outlives the batches that are charged to it
  topic of;
  partition_queue& queue;
  clock_time now{std::chrono::hours(1)};
  clock_duration backoff{};
  std::optional<producer_identity> identity = producer_identity{4711, 0};
  effects out;

 private:
  bool alone_ = false;  // the next record begins a batch
};

/// The whole way in: topics, parking lot, two owners.
class lot_bench {
 public:
  explicit lot_bench(const cokafka::config& user = {}) : rules(user, "test"), lot(rules, home, 1) {}

  /// The topic gets `partitions` partitions, all of the first owner; publishes what is known of it.
  topic& publish(std::string_view name, std::int32_t partitions) {
    topic& of = *lot.topics.find_or_add(name);
    lot.topics.keep(of);
    auto table = std::make_unique<partition_table>();
    for (std::int32_t i = 0; i < partitions; ++i) {
      partition_queue& queue = of.partition(i, rules, lot.memory, lot.flushes);
      if (queue.owner == nullptr) give(queue, owners[0]);
      table->all.push_back(&queue);
    }
    table->available = table->all;
    lot.refresh_begins();
    lot.refresh_answered();
    lot.publish(of, std::move(table), now, out);
    return of;
  }
  static void give(partition_queue& queue, partition_owner& to) {
    queue.owner = &to;
    queue.desired_owner = &to;
  }
  partition_queue& queue(std::string_view name, std::int32_t index) {
    return *lot.topics.find(name)->partitions()[static_cast<std::size_t>(index)];
  }

  sent_record send(std::string_view to, std::string_view value, std::optional<std::int32_t> partition = 0) {
    record_view record = with_value(value);
    record.topic = to;
    record.partition = partition;
    return send(record);
  }
  sent_record send(const record_view& record) {
    const send_outcome made = lot.send(record, nullptr, now);
    return {made.done, made.ticket};
  }
  void place() { lot.place_waiting(out); }
  void expire_after(clock_duration wait, const std::string& unreachable = {}) {
    now += wait;
    while (lot.earliest_parked_deadline().value_or(clock_time::max()) <= now)
      lot.expire(now, unreachable, {}, 256, out);
  }
  /// Takes the next batch of the partition and acknowledges it at this offset; its memory is free again.
  std::uint32_t acknowledge(partition_queue& of, std::int64_t base_offset = 0) {
    auto sent = of.take(producer_identity{1, 0});
    if (!sent) return 0;
    partition_queue::answer said;
    said.code = broker_errc::none;
    said.base_offset = base_offset;
    of.answered(*sent, said, now, out);
    return sent->records.count();
  }
  bool is_whole() const { return lot.memory.available() == lot.memory.total(); }

  settings rules;
  idle_home home;
  idle_owner owners[2];
  accumulator lot;
  clock_time now{std::chrono::hours(1)};
  effects out;
};

inline std::string bytes_of(const batch_builder& batch) {
  std::string bytes(batch.header().begin(), batch.header().end());
  for (const chunk* each = batch.chunks(); each != nullptr; each = each->next) bytes.append(each->data(), each->size);
  return bytes;
}

}  // namespace cokafka_test

#endif
