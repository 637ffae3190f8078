// SPDX-License-Identifier: BSL-1.0
// Many senders and one owner at once: every record is answered once, in the order of its sender, and no byte is lost.
#include "cokafka/detail/io/woken_stack.hpp"
#include "support/core_bench.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace cokafka_test;

namespace {

// A strand of its own thread: it drains what it owns, and places what is parked when it is told to.
class draining_owner final : public partition_owner, public attention_listener {
 public:
  void wake(partition_queue& woken) override { woken.wake_pending = false; }
  void wake_again() override {}
  void adopt_soon(partition_queue&) override {}
  void reconsider_owner_soon(partition_queue&) override {}
  void acknowledged_late_soon(partition_queue&, batch_ptr, broker_answer) override {}
  bool attention() noexcept override {
    asked = true;
    return true;
  }

  std::atomic<bool> asked{false};
};

void run(cokafka::config user, bool known_late) {
  constexpr int senders = 4;
  constexpr int each_sends = 3000;
  const settings rules(user, "test");
  draining_owner owner;
  accumulator lot(rules, owner, 1);
  topic& of = *lot.want_topic("t");
  lot.topics.keep(of);
  effects out;
  const clock_time now{std::chrono::hours(1)};
  const auto publish = [&] {
    auto table = std::make_unique<partition_table>();
    for (std::int32_t i = 0; i < 3; ++i) {
      partition_queue& queue = of.partition(i, rules, lot.memory, lot.flushes);
      queue.owner = &owner;
      queue.desired_owner = &owner;
      table->all.push_back(&queue);
    }
    table->available = table->all;
    lot.publish(of, std::move(table), now, out);
  };
  if (!known_late) publish();

  std::vector<std::vector<sent_record>> sent(senders);
  std::deque<counting_waiter> waiters(senders * each_sends);
  std::vector<counting_operation> flushes(senders);
  std::atomic<int> running{senders};
  std::atomic<int> attached{0};
  std::vector<std::thread> threads;
  for (int s = 0; s < senders; ++s) {
    threads.emplace_back([&, s] {
      for (int i = 0; i < each_sends; ++i) {
        record_view record = with_value("a value of some bytes that fills chunks in the end");
        record.topic = "t";
        record.partition = s % 3;
        const auto made = lot.send(record, i % 2 == 0 ? &of : nullptr, now);
        sent[static_cast<std::size_t>(s)].push_back({made.done, made.ticket});
        auto& waiter = waiters[static_cast<std::size_t>(s * each_sends + i)];
        waiter.ticket = made.ticket;
        if (made.done->attach(waiter)) {
          ++attached;
          if (i % 7 == 0 && made.done->detach(waiter)) --attached;
        }
        if (i == each_sends / 2) {
          auto& flush = flushes[static_cast<std::size_t>(s)];
          if (lot.flushes.begin(flush) && i % 2 == 1) lot.flushes.cancel(flush);
        }
        if (i % 100 == 0) lot.outstanding();
      }
      --running;
    });
  }
  std::size_t answered = 0;
  std::int64_t next[3] = {0, 0, 0};
  if (known_late) {
    std::this_thread::yield();
    publish();
  }
  while (running > 0 || lot.outstanding().records > 0) {
    for (std::int32_t p = 0; p < 3; ++p) {
      partition_queue& queue = *of.partitions()[static_cast<std::size_t>(p)];
      if (queue.look(now, {true}).is != readiness::state::ready) continue;
      const auto batch = queue.take(producer_identity{1, 0});
      partition_queue::answer said;
      said.code = broker_errc::none;
      said.base_offset = next[p];
      next[p] += batch->records.count();
      queue.answered(*batch, said, now, out);
    }
    if (owner.asked.exchange(false)) lot.place_waiting(out);
    answered += deliver_answers(out);
    deliver_all(out.ended);
    std::this_thread::yield();
  }
  for (auto& each : threads) each.join();
  answered += deliver_answers(out);
  CHECK(answered == static_cast<std::size_t>(attached.load()));
  CHECK(next[0] + next[1] + next[2] == senders * each_sends);
  for (const auto& mine : sent) {
    std::int64_t last = -1;
    for (const auto& each : mine) {
      REQUIRE(each.is_ready());
      const std::int64_t offset = each.offset();
      REQUIRE(offset > last);  // nobody overtook within a sender
      last = offset;
    }
  }
  CHECK(lot.memory.available() == lot.memory.total());
  CHECK(owner.share.used == 0);
  CHECK(of.parked == 0);
  CHECK_FALSE(lot.memory.is_somebody_waiting());
  counting_operation flush;
  CHECK_FALSE(lot.flushes.begin(flush));
  deliver_all(out.ended);
}

}  // namespace

TEST_CASE("four senders and a draining owner with memory enough", "[core]") { run(cokafka::config{}, false); }

TEST_CASE("four senders whose topic becomes known while they send", "[core]") { run(cokafka::config{}, true); }

TEST_CASE("four senders that use the budget up again and again", "[core]") {
  cokafka::config user;
  user.buffer_memory = 24 * 1024;
  user.max_request_size = 8 * 1024;
  user.parked_memory = 64 * 1024 * 1024;
  run(user, false);
}

TEST_CASE("who wakes a partition again finds out once that nobody was told", "[core]") {
  partition_bench bench;
  woken_stack woken;
  CHECK(woken.push(bench.queue));
  CHECK_FALSE(woken.take_unheard());
  woken.not_told();
  CHECK(woken.take_unheard());
  CHECK_FALSE(woken.take_unheard());
  int seen = 0;
  woken.take_all([&](partition_queue&) { ++seen; });
  CHECK(seen == 1);
}
