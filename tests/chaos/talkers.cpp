// SPDX-License-Identifier: BSL-1.0
// Bodies of talkers.
#include "talkers.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/crc.hpp>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace cokafka_test {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

// How one coroutine sends.
struct manner {
  std::uint32_t burst = 1;     // records at once, before it awaits the last of them
  std::uint32_t think_ms = 0;  // at most, between bursts
  bool keyed = false;
  std::uint32_t deadline_ms = 0;  // at most, per record; 0: the producer's own
  bool cancels = false;           // some records
};

constexpr auto rethrow = [](std::exception_ptr thrown) {
  if (thrown) std::rethrow_exception(thrown);
};

using answer = cokafka::result<cokafka::record_metadata>;

asio::awaitable<void> await_and_settle(chaos_world& world, cokafka::delivery sent, told_line line) {
  const answer said = co_await std::move(sent)(asio::use_awaitable);
  world.settle(line, said);
}

// Some of the time the answer comes first, some of the time the cancellation.
asio::awaitable<void> cancel_soon(chaos_world& world, std::shared_ptr<asio::cancellation_signal> signal) {
  constexpr asio::cancellation_type types[] = {asio::cancellation_type::total, asio::cancellation_type::partial,
                                               asio::cancellation_type::terminal};
  co_await world.sleep(milliseconds(world.random(40)));
  signal->emit(types[world.random(3)]);
}

void settle_later(const std::shared_ptr<chaos_source>& source, cokafka::delivery sent, const told_line& line,
                  bool may_cancel) {
  chaos_world& world = source->world;
  if (!may_cancel || world.random(16) != 0) {
    std::move(sent)([&world, line](const answer& said) { world.settle(line, said); });
    return;
  }
  auto signal = std::make_shared<asio::cancellation_signal>();
  std::move(sent)(asio::bind_cancellation_slot(
      signal->slot(), [&world, line, signal](const answer& said) { world.settle(line, said); }));
  asio::co_spawn(world.io, cancel_soon(world, signal), rethrow);
}

asio::awaitable<void> talk(std::shared_ptr<chaos_source> source, manner how, std::size_t topic) {
  chaos_world& world = source->world;
  while (!source->closing) {
    if (world.allowance <= 0) {
      co_await world.sleep(milliseconds(10 + world.random(30)));
      continue;
    }
    const std::uint32_t burst = 1 + world.random(how.burst);
    world.allowance -= burst;
    for (std::uint32_t i = 1; i <= burst && !source->closing; ++i) {
      std::optional<milliseconds> timeout;
      if (how.deadline_ms > 0) timeout = milliseconds(1 + world.random(how.deadline_ms));
      told_line line;
      const std::uint32_t padding = world.random(20) == 0 ? world.random(3000) : world.random(150);
      cokafka::delivery sent = source->send(topic, how.keyed, timeout, padding, line);
      if (i != burst || how.cancels) {
        settle_later(source, std::move(sent), line, how.cancels);
      } else {
        const std::uint64_t failed = world.outcomes[told_line::not_written];
        co_await await_and_settle(world, std::move(sent), line);
        if (world.outcomes[told_line::not_written] != failed) co_await world.sleep(20ms);
      }
    }
    if (how.think_ms > 0 || how.cancels) co_await world.sleep(milliseconds(1 + world.random(how.think_ms + 1)));
  }
  --source->talkers;
}

constexpr std::uint32_t full_speed_every_ms = 20'000;
constexpr std::uint32_t full_speed_for_ms = 5'000;
constexpr std::uint32_t most_per_burst = 300'000;  // for the disk's sake, and that of the audit

// No rate, and no deadline but the producer's: what holds it back is the memory that the producer has for it.
asio::awaitable<void> talk_at_full_speed(std::shared_ptr<chaos_source> source, std::size_t topic) {
  chaos_world& world = source->world;
  while (!source->closing) {
    const std::uint32_t now = world.elapsed_ms();
    std::uint32_t& sent_so_far = world.bursts[now / full_speed_every_ms];
    if (now % full_speed_every_ms < full_speed_every_ms - full_speed_for_ms || sent_so_far >= most_per_burst) {
      co_await world.sleep(10ms);
      continue;
    }
    bool refused = false;
    for (int i = 0; i != 100 && !refused; ++i) {
      told_line line;
      cokafka::delivery sent = source->send(topic, false, std::nullopt, world.random(50), line);
      refused = sent.ready();
      settle_later(source, std::move(sent), line, false);
      ++sent_so_far;
    }
    if (refused) co_await world.sleep(20ms);
    const cokafka::result<void> room = co_await source->producer->wait_for_space(16'384, asio::use_awaitable);
    if (!room) co_await world.sleep(20ms);
  }
  --source->talkers;
}

std::string name_of(const boost::system::error_code& code) {
  if (code.category() == make_error_code(cokafka::errc::closed).category()) {
    return std::string(to_string(static_cast<cokafka::errc>(code.value())));
  }
  return code.message();
}

}  // namespace

chaos_world::chaos_world(const std::string& folder, std::uint64_t seed, std::uint64_t per_second,
                         std::vector<std::string> names)
    : told(folder + "/told"),
      log(std::fopen((folder + "/sender.log").c_str(), "w")),
      engine(seed),
      topics(std::move(names)),
      rate(per_second) {
  if (log == nullptr) throw std::runtime_error("cannot write " + folder + "/sender.log");
}

std::uint32_t chaos_world::elapsed_ms() const {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<milliseconds>(now() - begun).count());
}

asio::awaitable<void> chaos_world::sleep(milliseconds time) {
  asio::steady_timer timer(io, time);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> chaos_world::keep_rate() {
  const auto most = static_cast<std::int64_t>(rate / 20);
  auto before = now();
  while (!stopping) {
    co_await sleep(5ms);
    const auto then = std::exchange(before, now());
    const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(before - then).count();
    // A machine that is late gets less to do: what takes long shall be the cluster's, not this program's.
    const auto counted = std::min<std::int64_t>(passed, 10'000);
    allowance = std::min(most, allowance + static_cast<std::int64_t>(rate) * counted / 1'000'000);
  }
}

void chaos_world::settle(told_line line, const answer& said) {
  line.answered_ms = elapsed_ms();
  if (said) {
    line.outcome = told_line::written;
    line.partition = said.value().partition;
    line.offset = said.value().offset.value_or(-1);
    if (said.value().topic.str() != topics[line.topic]) problem("a record was told to lie in another topic");
  } else {
    switch (said.error().fate()) {
      case cokafka::fate::not_written: line.outcome = told_line::not_written; break;
      case cokafka::fate::maybe_written: line.outcome = told_line::maybe_written; break;
      case cokafka::fate::written: line.outcome = told_line::failed_written; break;
    }
    ++reasons[std::string(to_string(said.error().fate())) + ": " + name_of(said.error().code())];
  }
  ++outcomes[line.outcome];
  --unanswered;
  told.add(line);
}

cokafka::log_sink chaos_world::log_sink() {
  return [this, producer = sent.size()](cokafka::log_level level, std::string_view line) {
    std::fprintf(log, "%u %s: producer %zu: %.*s\n", elapsed_ms(), to_string(level).data(), producer,
                 static_cast<int>(line.size()), line.data());
    // "...: topic-3 is tried again (57 records, attempt 1): why"
    const auto at = line.find(" is tried again (");
    if (at == std::string_view::npos || line.find(" attempt 1)", at) == std::string_view::npos) return;
    tried_again += std::strtoull(line.data() + at + 17, nullptr, 10);
  };
}

std::string chaos_world::summary() const {
  const auto field = [](const char* name, std::uint64_t value) {
    return "\"" + std::string(name) + "\": " + std::to_string(value) + ", ";
  };
  std::string text = "{" + field("written", outcomes[0]) + field("not_written", outcomes[1]) +
                     field("maybe_written", outcomes[2]) + field("failed_written", outcomes[3]) +
                     field("unanswered", unanswered) + field("tried_again", tried_again);
  std::uint64_t at_full_speed = 0;
  std::uint32_t most = 0;
  for (const auto& [burst, records] : bursts) {
    at_full_speed += records;
    most = std::max(most, records);
  }
  text += field("at_full_speed", at_full_speed) + field("most_in_a_burst", most);
  text += "\"sent\": [";
  for (std::size_t i = 0; i != sent.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(sent[i]);
  text += "], \"problems\": [";
  for (std::size_t i = 0; i != problems.size() && i != 10; ++i) text += (i == 0 ? "\"" : ", \"") + problems[i] + "\"";
  text += "], \"reasons\": {";
  for (auto each = reasons.begin(); each != reasons.end(); ++each) {
    text += (each == reasons.begin() ? "\"" : ", \"") + each->first + "\": " + std::to_string(each->second);
  }
  return text + "}}";
}

chaos_source::chaos_source(chaos_world& of, cokafka::config settings)
    : world(of),
      producer(std::in_place, of.io, std::move(settings)),
      number(static_cast<std::uint16_t>(of.sent.size())) {
  world.sent.push_back(0);
}

cokafka::delivery chaos_source::send(std::size_t topic, bool keyed, std::optional<milliseconds> timeout,
                                     std::uint32_t padding, told_line& line) {
  line.producer = number;
  line.number = world.sent[number]++;
  line.topic = static_cast<std::uint8_t>(topic);
  line.sent_ms = world.elapsed_ms();
  std::string key;
  if (keyed) key = "key-" + std::to_string(world.random(2000));
  std::string value = std::to_string(number) + "." + std::to_string(line.number) + ".";
  value.append(padding, static_cast<char>('a' + world.random(26)));
  boost::crc_32_type checksum;
  checksum.process_bytes(key.data(), key.size());
  checksum.process_bytes(value.data(), value.size());
  line.checksum = checksum.checksum();
  ++world.unanswered;
  cokafka::record_view record;
  record.topic = world.topics[topic];
  if (keyed) record.key = cokafka::bytes_view(key);
  record.value = cokafka::bytes_view(value);
  record.timeout = timeout;
  return producer->send(record);
}

void start_talkers(const std::shared_ptr<chaos_source>& source) {
  constexpr manner manners[] = {
      {1, 0, true, 0, false},    {1, 20, false, 0, false},   {1, 0, true, 0, false},       {300, 0, false, 0, false},
      {300, 20, true, 0, false}, {10, 20, true, 400, false}, {50, 50, false, 2000, false}, {20, 10, true, 0, true},
  };
  chaos_world& world = source->world;
  for (std::size_t i = 0; i != 5; ++i) {
    for (const manner& how : manners) {
      for (std::size_t topic = 0; topic != world.topics.size(); ++topic) {
        ++source->talkers;
        asio::co_spawn(world.io, talk(source, how, topic), rethrow);
      }
    }
  }
}

void start_full_speed(const std::shared_ptr<chaos_source>& source) {
  for (std::size_t topic = 0; topic != source->world.topics.size(); ++topic) {
    ++source->talkers;
    asio::co_spawn(source->world.io, talk_at_full_speed(source, topic), rethrow);
  }
}

}  // namespace cokafka_test
