// SPDX-License-Identifier: BSL-1.0
// Chunks and their pool, the heap of deadlines, integers of variable length, the spin lock.
#include "cokafka/detail/base/chunk_pool.hpp"
#include "cokafka/detail/base/deadline_heap.hpp"
#include "cokafka/detail/base/spin_lock.hpp"
#include "cokafka/detail/base/varint.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace cokafka::detail;

TEST_CASE("chunks grow within a batch: 1 KiB, 4 KiB up to 16 KiB in all, then 16 KiB", "[base]") {
  STATIC_REQUIRE(next_chunk_size(0) == 1024);
  STATIC_REQUIRE(next_chunk_size(1024) == 4096);
  STATIC_REQUIRE(next_chunk_size(13312) == 4096);
  STATIC_REQUIRE(next_chunk_size(17408) == 16384);
  STATIC_REQUIRE(chunk_bytes_for(0, 0) == 0);
  STATIC_REQUIRE(chunk_bytes_for(0, 1024) == 1024);
  STATIC_REQUIRE(chunk_bytes_for(0, 1025) == 5120);
  STATIC_REQUIRE(chunk_bytes_for(1024, 1) == 4096);
  chunk_pool pool;
  for (const std::size_t wanted : {1u, 1024u, 1025u, 20000u, 100000u}) {
    chunk_chain chain = pool.acquire(0, wanted);
    CHECK(chain.capacity == chunk_bytes_for(0, wanted));
    std::size_t sum = 0;
    for (const chunk* each = chain.head; each != nullptr; each = each->next) {
      sum += each->room();
      if (each->next == nullptr) CHECK(each == chain.tail);
    }
    CHECK(sum == chain.capacity);
    pool.release(std::move(chain));
    CHECK(chain.empty());
  }
}

TEST_CASE("a released chunk is handed out again, empty", "[base]") {
  chunk_pool pool;
  chunk_chain chain = pool.acquire(0, 1);
  chunk* const first = chain.head;
  first->size = 77;
  pool.release(std::move(chain));
  chunk_chain again = pool.acquire(0, 1);
  CHECK(again.head == first);
  CHECK(first->size == 0);
  CHECK(first->next == nullptr);
  pool.release(std::move(again));
}

TEST_CASE("a pool never holds more than its limit, whatever sizes were used before", "[base]") {
  chunk_pool pool(64 * 1024);
  std::vector<chunk_chain> small;
  for (int i = 0; i < 64; ++i) small.push_back(pool.acquire(0, 1));
  for (auto& each : small) pool.release(std::move(each));
  CHECK(pool.made() == 64 * 1024);
  chunk_chain large = pool.acquire(17408, 64 * 1024);
  CHECK(large.capacity == 64 * 1024);
  CHECK(pool.made() == 64 * 1024);
  pool.release(std::move(large));
  small.clear();
  for (int i = 0; i < 64; ++i) small.push_back(pool.acquire(0, 1));
  CHECK(pool.made() <= 64 * 1024);
  for (auto& each : small) pool.release(std::move(each));
}

TEST_CASE("chains are spliced in order", "[base]") {
  chunk_pool pool;
  chunk_chain one = pool.acquire(0, 1);
  chunk* const head = one.head;
  chunk_chain two = pool.acquire(1024, 5000);
  chunk* const tail = two.tail;
  one.splice(std::move(two));
  one.splice(chunk_chain{});
  CHECK(one.head == head);
  CHECK(one.tail == tail);
  CHECK(one.capacity == 1024 + 8192);
  CHECK(two.empty());
  pool.release(std::move(one));
}

TEST_CASE("the earliest deadline comes first through any history of set, move and clear", "[base]") {
  std::mt19937 random(4711);
  std::deque<deadline_entry> entries;
  for (int i = 0; i < 100; ++i) entries.emplace_back(i, nullptr);
  deadline_heap heap;
  std::map<int, clock_time> expected;
  const clock_time start{};
  for (int step = 0; step < 20000; ++step) {
    deadline_entry& any = entries[random() % entries.size()];
    const clock_time at = start + std::chrono::milliseconds(random() % 1000);
    switch (random() % 4) {
      case 0: heap.clear(any), expected.erase(any.kind); break;
      case 1: {
        deadline_entry* due = heap.pop_due(at);
        std::optional<clock_time> earliest;
        for (const auto& [kind, when] : expected) earliest = std::min(earliest.value_or(when), when);
        REQUIRE((due != nullptr) == (earliest && *earliest <= at));
        if (due != nullptr) {
          REQUIRE(due->at == *earliest);
          REQUIRE_FALSE(due->is_set());
          expected.erase(due->kind);
        }
        break;
      }
      default: heap.set(any, at), expected[any.kind] = at; break;
    }
    REQUIRE(heap.size() == expected.size());
    REQUIRE(any.is_set() == (expected.count(any.kind) == 1));
  }
  while (auto earliest = heap.earliest()) REQUIRE(heap.pop_due(*earliest)->at == *earliest);
}

TEST_CASE("deadlines that are set in their order come out in it, with gaps and others in between", "[base]") {
  std::deque<deadline_entry> entries;
  for (int i = 0; i < 10'000; ++i) entries.emplace_back(i, nullptr);
  deadline_heap heap;
  const auto at = [](int ms) { return clock_time{} + std::chrono::milliseconds(ms); };
  for (int i = 0; i < 10'000; ++i) heap.set(entries[static_cast<std::size_t>(i)], at(i));
  for (int i = 0; i < 10'000; i += 3) heap.clear(entries[static_cast<std::size_t>(i)]);
  for (int i = 1; i < 10'000; i += 300) heap.set(entries[static_cast<std::size_t>(i)], at(i + 1));
  heap.clear(entries[9'998]);
  deadline_entry late(-1, nullptr);
  heap.set(late, at(20'000));
  deadline_entry between(-2, nullptr);
  heap.set(between, at(5));
  int last = 0;
  std::size_t popped = 0;
  while (const deadline_entry* due = heap.pop_due(at(10'000))) {
    const auto ms = static_cast<int>((due->at - clock_time{}) / std::chrono::milliseconds(1));
    REQUIRE(ms >= last);
    last = ms;
    ++popped;
  }
  CHECK(popped == 6'666);
  CHECK(heap.size() == 1);
  CHECK(heap.earliest() == at(20'000));
}

TEST_CASE("equal deadlines pop in the same order in every run", "[base]") {
  const auto order = [](std::deque<deadline_entry>& entries) {
    deadline_heap heap;
    for (auto& each : entries) heap.set(each, clock_time{});
    std::string popped;
    while (deadline_entry* due = heap.pop_due(clock_time{})) popped += std::to_string(due->kind) + ' ';
    return popped;
  };
  std::deque<deadline_entry> one;
  std::deque<deadline_entry> two;
  for (int i = 0; i < 20; ++i) one.emplace_back(i, nullptr), two.emplace_front(19 - i, nullptr);
  CHECK(order(one) == order(two));
}

TEST_CASE("integers of variable length have the size that was announced, and Kafka's bytes", "[base]") {
  const auto bytes = [](std::int64_t value) {
    char out[10];
    char* const end = put_varint(out, value);
    REQUIRE(varint_size(value) == static_cast<std::size_t>(end - out));
    return std::string(out, end);
  };
  CHECK(bytes(0) == std::string("\x00", 1));
  CHECK(bytes(-1) == "\x01");
  CHECK(bytes(1) == "\x02");
  CHECK(bytes(63) == "\x7e");
  CHECK(bytes(64) == "\x80\x01");
  CHECK(bytes(std::numeric_limits<std::int32_t>::max()) == "\xfe\xff\xff\xff\x0f");
  CHECK(bytes(std::numeric_limits<std::int64_t>::min()) == "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  for (int shift = 0; shift < 64; ++shift) {
    for (const std::int64_t off : {-1, 0, 1}) {
      bytes(static_cast<std::int64_t>(std::uint64_t{1} << shift) / (shift == 63 ? 2 : 1) + off);
    }
  }
  char big[8];
  put_big_endian<std::int64_t>(big, 0x0102030405060708);
  CHECK(std::string(big, 8) == "\x01\x02\x03\x04\x05\x06\x07\x08");
  put_big_endian<std::int16_t>(big, -2);
  CHECK(std::string(big, 2) == "\xff\xfe");
}

TEST_CASE("the spin lock excludes", "[base]") {
  spin_lock lock;
  REQUIRE(lock.try_lock());
  CHECK_FALSE(lock.try_lock());
  lock.unlock();
  long count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 20000; ++n) {
        std::scoped_lock guard(lock);
        ++count;
      }
    });
  }
  for (auto& each : threads) each.join();
  CHECK(count == 80000);
}
