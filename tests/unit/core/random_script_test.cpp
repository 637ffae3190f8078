// SPDX-License-Identifier: BSL-1.0
// Random lives of a partition against a model of a broker's log: nothing lost, doubled, reordered or told wrongly.
#include "cokafka/detail/batch/batch_view.hpp"
#include "cokafka/detail/core/partition_queue.hpp"
#include "support/core_bench.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace cokafka_test;

namespace {

// One partition's log with the producer state of a real broker before 4.5: any first sequence is accepted without
// state, the last five batches are recognized as duplicates.
class model_log {
 public:
  struct entry {
    batch_stamp stamp;
    std::int32_t count;
    std::int64_t offset;
  };

  // What the broker says of the batch, which it appends if it may.
  std::pair<broker_errc, std::int64_t> append(const std::string& bytes) {
    batch_view view;
    REQUIRE(batch_view::parse(bytes, view) == batch_error::none);
    const batch_stamp by{view.producer_id(), view.producer_epoch(), view.base_sequence()};
    if (by.producer_id >= 0) {
      if (!recent_.empty() && recent_.back().stamp.producer_id == by.producer_id) {
        const entry& last = recent_.back();
        for (const entry& each : recent_) {
          if (each.stamp == by && each.count == view.record_count()) return {broker_errc::none, each.offset};
        }
        REQUIRE(by.producer_epoch >= last.stamp.producer_epoch);
        const std::int32_t next =
            by.producer_epoch == last.stamp.producer_epoch ? advance_sequence(last.stamp.base_sequence, last.count) : 0;
        if (by.base_sequence != next) return {broker_errc::out_of_order_sequence_number, -1};
      } else {
        recent_.clear();
      }
      recent_.push_back({by, view.record_count(), static_cast<std::int64_t>(records.size())});
      if (recent_.size() > 5) recent_.pop_front();
    }
    const auto offset = static_cast<std::int64_t>(records.size());
    REQUIRE(view.for_each([&](const record_entry& each) { records.push_back(std::stoi(std::string(*each.value))); }) ==
            batch_error::none);
    return {broker_errc::none, offset};
  }

  std::vector<int> records;

 private:
  std::deque<entry> recent_;
};

class random_life {
 public:
  random_life(std::uint32_t seed, cokafka::acks acks)
      : random_(seed),
        bench_(config_with(acks), seed % 3 == 0 ? 2147483647 - static_cast<std::int32_t>(seed % 250) : 0),
        waiters_(count_) {
    if (random_() % 2 == 0) bench_.identity = producer_identity{5, 32766};
    bench_.backoff = std::chrono::milliseconds(random_() % 50);
  }

  // Returns how many records were withdrawn.
  std::size_t run() {
    while (next_ < count_) step(true);
    for (int i = 0; i < 100'000 && bench_.queue.outstanding().records > 0; ++i) step(false);
    while (!wire_.empty()) answer_first();
    while (!late_.empty()) answer_late();
    deliver();
    check();
    return withdrawn_.size();
  }

 private:
  static constexpr int count_ = 300;

  static cokafka::config config_with(cokafka::acks acks) {
    cokafka::config user;
    user.acks = acks;
    user.batch_size = 64;
    user.max_request_size = 700;
    return user;
  }
  int below(int n) { return static_cast<int>(random_() % static_cast<std::uint32_t>(n)); }

  void step(bool sending) {
    if (sending && below(4) == 0) withdraw_some();
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
        if (sending) send();
        break;
      case 3:
      case 4:
      case 5:
        if (bench_.queue.used_up_producer_id() == 5) bench_.identity = producer_identity{6, 32765};
        if (bench_.queue.used_up_producer_id() == 6) bench_.identity = producer_identity{7, 0};
        if (auto taken = bench_.take()) wire_.push_back(taken);
        break;
      case 6:
        if (below(60) == 0) disconnect();
        break;
      case 7: bench_.expire_after(std::chrono::milliseconds(below(40))); break;
      case 8:
        if (below(20) == 0) move();
        if (!late_.empty() && below(3) == 0) answer_late();
        break;
      default:
        if (!wire_.empty()) answer_first();
        break;
    }
    REQUIRE(bench_.queue.in_flight() <= 5);
    deliver();
  }

  void send() {
    const std::string value = std::to_string(next_);
    const auto sent = bench_.send(value, std::chrono::milliseconds(500 + 500 * below(3)));
    auto& waiter = waiters_[static_cast<std::size_t>(next_)];
    waiter.ticket = sent.ticket;
    REQUIRE(sent.done->attach(waiter));
    sent_.push_back(sent);
    ++next_;
  }

  // Mostly young ones, which may still be in an open batch.
  void withdraw_some() {
    if (next_ == 0) return;
    const auto which = static_cast<std::size_t>(next_ - 1 - below(std::min(next_, 6)));
    if (bench_.queue.withdraw(*sent_[which].done, waiters_[which], bench_.out).done) withdrawn_.insert(which);
  }

  void answer_first() {
    const batch_ptr first = wire_.front();
    wire_.pop_front();
    const std::string bytes = bytes_of(first->records);
    const int luck = below(20);
    if (luck == 0) return told(bench_.answer(first, broker_errc::not_enough_replicas));
    if (luck == 1) return told(bench_.answer(first, broker_errc::not_leader_or_follower));
    if (luck == 2) return told(bench_.answer(first, broker_errc::invalid_record));
    if (luck == 4 && below(2) == 0) return told(bench_.answer(first, broker_errc::unknown_server_error));
    const auto [code, offset] = log_.append(bytes);
    if (luck == 3 && code == broker_errc::none) return told(bench_.answer(first, broker_errc::request_timed_out));
    if (luck == 5 && code == broker_errc::none) return told(bench_.answer(first, broker_errc::unknown_server_error));
    told(bench_.answer(first, code, offset));
  }

  // What is on the wire may still be executed, in order, or not.
  void disconnect() {
    const int executed = below(6);
    for (int i = 0; !wire_.empty(); ++i) {
      if (i < executed) log_.append(bytes_of(wire_.front()->records));
      told(bench_.lose(wire_.front()));
      wire_.pop_front();
    }
  }

  // Another leader: the old one has executed the first few, its followers have them, and it may say so later. The
  // others come too late there. All are sent again to the new one.
  void move() {
    const std::deque<batch_ptr> on_the_way = wire_;
    if (!bench_.queue.leave_leader()) return;
    wire_.clear();
    const int executed = below(6);
    for (int i = 0; i < executed && static_cast<std::size_t>(i) < on_the_way.size(); ++i) {
      const batch_ptr& each = on_the_way[static_cast<std::size_t>(i)];
      broker_answer said;
      std::tie(said.code, said.base_offset) = log_.append(bytes_of(each->records));
      if (below(2) == 0) late_.emplace_back(each, said);
    }
  }

  void answer_late() {
    bench_.queue.acknowledged_late(*late_.front().first, late_.front().second, bench_.out);
    late_.pop_front();
  }

  void told(const verdict& said) { REQUIRE_FALSE(said.data_lost); }
  void deliver() { deliver_answers(bench_.out); }

  void check() {
    CHECK(bench_.memory.available() == bench_.memory.total());
    CHECK(bench_.owner.share.used == 0);
    CHECK(bench_.queue.outstanding().bytes == 0);
    CHECK_FALSE(bench_.queue.has_pending());
    CHECK_FALSE(bench_.queue.has_in_flight());
    counting_operation flush;
    CHECK_FALSE(bench_.flushes.begin(flush));
    std::map<int, std::vector<std::int64_t>> found;
    for (std::size_t i = 0; i < log_.records.size(); ++i)
      found[log_.records[i]].push_back(static_cast<std::int64_t>(i));
    const bool exactly_once = bench_.rules.idempotent;
    if (exactly_once) CHECK(std::is_sorted(log_.records.begin(), log_.records.end()));
    for (int i = 0; i < count_; ++i) {
      INFO("record " << i);
      const auto& sent = sent_[static_cast<std::size_t>(i)];
      const auto& at = found[i];
      if (withdrawn_.count(static_cast<std::size_t>(i)) > 0) {
        CHECK(waiters_[static_cast<std::size_t>(i)].delivered == 0);
        CHECK(at.empty());
        continue;
      }
      CHECK(waiters_[static_cast<std::size_t>(i)].delivered == 1);
      if (exactly_once) CHECK(at.size() <= 1);
      if (const auto result = sent.get()) {
        REQUIRE(std::find(at.begin(), at.end(), result.value().offset.value()) != at.end());
      } else if (result.error().fate() == fate::not_written) {
        CHECK(at.empty());
      }
    }
  }

  std::mt19937 random_;
  partition_bench bench_;
  model_log log_;
  std::deque<batch_ptr> wire_;
  std::deque<std::pair<batch_ptr, broker_answer>> late_;  // answers of former leaders
  std::vector<sent_record> sent_;
  std::vector<counting_waiter> waiters_;
  std::set<std::size_t> withdrawn_;
  int next_ = 0;
};

}  // namespace

TEST_CASE("random lives of an idempotent partition: exactly once, in order, fates that are true", "[core]") {
  std::size_t withdrawn = 0;
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    withdrawn += random_life(seed, cokafka::acks::all).run();
  }
  CHECK(withdrawn > 1000);
}

TEST_CASE("random lives without idempotence: at least once, fates that are true", "[core]") {
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    INFO("seed " << seed);
    random_life(seed, cokafka::acks::leader).run();
  }
}
