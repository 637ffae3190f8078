// SPDX-License-Identifier: BSL-1.0
// What clients do with a producer: every way to send, to wait, to cancel and to end.
#include "simulation/story.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>

namespace cokafka_tests {

using asio::cancellation_type;
using cokafka::errc;

namespace {

constexpr std::size_t most_kept = 30;

// Owns what a record_view points to.
struct made_record {
  std::string value;
  std::vector<std::string> header_keys;
  std::vector<cokafka::header_view> headers;
};

}  // namespace

// The number is given first: it is part of the value.
std::pair<std::uint64_t, cokafka::delivery> story::send(actor& by) {
  const planned_topic& topic = plan_.topics[random(plan_.topics.size())];
  sent_record facts;
  facts.producer = by.index;
  facts.topic = topic.name;
  facts.at = now();
  if (one_in(4)) facts.partition = static_cast<std::int32_t>(random(static_cast<std::uint64_t>(topic.partitions)));
  if (!facts.partition && one_in(3)) facts.key = "key" + std::to_string(random(20));
  if (plan_.own_timeouts && one_in(10)) facts.timeout = std::chrono::milliseconds(random(one_in(2) ? 20 : 5000));
  if (one_in(10)) facts.headers = random(3);
  const std::uint64_t number = audit_.count();
  made_record made;
  made.value = delivery_audit::value_of(number, random(one_in(8) ? by.plan.largest_value : 50));
  facts.value_size = made.value.size();
  for (std::size_t i = 0; i < facts.headers; ++i) made.header_keys.push_back(delivery_audit::header_key_of(number, i));
  for (const auto& key : made.header_keys) made.headers.push_back({key, {}});
  cokafka::record_view record;
  record.topic = facts.topic;
  if (facts.key) record.key = cokafka::bytes_view(*facts.key);
  record.value = cokafka::bytes_view(made.value);
  record.headers = made.headers;
  record.partition = facts.partition;
  if (facts.timeout) record.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(*facts.timeout);
  say("send " + std::to_string(number) + " by " + std::to_string(by.index));
  cokafka::delivery sent = [&] {
    if (!by.plan.uses_handles || !one_in(2)) return by.producer->send(record);
    auto found = by.handles.find(topic.name);
    if (found == by.handles.end()) found = by.handles.emplace(topic.name, by.producer->topic(topic.name)).first;
    return found->second.send(record);
  }();
  audit_.sent(std::move(facts));
  return {number, std::move(sent)};
}

void story::send_with_handler(actor& by) {
  auto [number, sent] = send(by);
  audit_.awaited(number);
  std::move(sent)([this, n = number](const delivery_audit::answer& said) { audit_.answered(n, said, now()); });
}

void story::send_and_cancel(actor& by) {
  auto [number, sent] = send(by);
  const auto type = std::array{cancellation_type::terminal, cancellation_type::partial, cancellation_type::total,
                               cancellation_type::all}[random(4)];
  const nanoseconds time = one_in(2) ? nanoseconds(0) : random_time(one_in(2) ? 5ms : 2s);
  signals_.emplace_back();
  audit_.awaited(number);
  std::move(sent)(asio::bind_cancellation_slot(
      signals_.back().slot(),
      [this, n = number](const delivery_audit::answer& said) { audit_.answered(n, said, now()); }));
  world_.spawn(cancel_later(signals_.back(), time, type));
}

asio::awaitable<void> story::cancel_later(asio::cancellation_signal& signal, nanoseconds time, cancellation_type type) {
  co_await world_.sleep_for(time);
  signal.emit(type);
}

void story::try_send(actor& by, std::deque<kept_delivery>& kept) {
  const planned_topic& topic = plan_.topics[random(plan_.topics.size())];
  sent_record facts;
  facts.producer = by.index;
  facts.topic = topic.name;
  facts.at = now();
  const std::string value = delivery_audit::value_of(audit_.count(), random(100));
  facts.value_size = value.size();
  cokafka::record_view record;
  record.topic = topic.name;
  record.value = cokafka::bytes_view(value);
  const std::uint64_t number = audit_.sent(std::move(facts));
  auto tried = by.producer->try_send(record);
  if (tried) {
    kept.push_back({number, std::move(tried.value())});
  } else {
    audit_.answered(number, tried.error(), now());
  }
}

asio::awaitable<void> story::settle(kept_delivery& first) {
  const std::uint64_t number = first.number;
  const bool was_ready = first.was_ready || first.waiting.ready();
  if (!was_ready) audit_.awaited(number);
  const auto said = co_await std::move(first.waiting);
  audit_.answered(number, said, was_ready ? std::optional<nanoseconds>() : now());
}

asio::awaitable<void> story::flush(actor& by, std::deque<kept_delivery>& kept) {
  const nanoseconds begin = now();
  const auto flushed = co_await by.producer->flush();
  say("flushed by " + std::to_string(by.index));
  // Records that were sent meanwhile share batches with those it waits for.
  const nanoseconds latest = std::max(audit_.latest_due(by.index), begin);
  if (!flushed) audit_.violated("a flush that nobody cancelled has failed: " + flushed.error().message());
  if (now() > latest + delivery_audit::rounding) audit_.violated("a flush ended after what it waited for was due");
  for (auto& each : kept) {
    each.was_ready = true;
    if (!each.waiting.ready()) audit_.violated("flushed, but not answered: " + audit_.describe(each.number));
  }
}

asio::awaitable<void> story::flush_for_a_while(actor& by) {
  const nanoseconds begin = now();
  const auto limit = std::chrono::milliseconds(random(one_in(2) ? 50 : 5000));
  const auto flushed = co_await by.producer->flush(limit);
  if (now() > begin + limit + delivery_audit::rounding) audit_.violated("a flush took longer than its timeout");
  if (flushed) co_return;
  if (!(flushed.error() == errc::timed_out))
    audit_.violated("a flush with a timeout has failed: " + flushed.error().message());
  if (now() < begin + limit) audit_.violated("a flush timed out before its time");
}

void story::flush_and_cancel(actor& by) {
  signals_.emplace_back();
  by.producer->flush(asio::bind_cancellation_slot(signals_.back().slot(), [this](const auto& flushed) {
    if (!flushed && !(flushed.error() == errc::cancelled))
      audit_.violated("a flush that was cancelled has failed: " + flushed.error().message());
  }));
  world_.spawn(cancel_later(signals_.back(), random_time(one_in(2) ? 5ms : 2s), cancellation_type::terminal));
}

// What is found does not matter here, but when it is said.
asio::awaitable<void> story::look_up(actor& by) {
  const std::string& topic = plan_.topics[random(plan_.topics.size())].name;
  const nanoseconds begin = now();
  if (one_in(2)) {
    const auto warm = co_await by.producer->warm_up(topic);
    say(topic + (warm ? " is warm" : " is not warm: " + warm.error().message()));
  } else {
    const auto known = co_await by.producer->partitions_for(topic);
    if (known && known.value().empty()) audit_.violated(topic + " has no partitions, says partitions_for");
  }
  if (now() > begin + by.plan.settings.max_block + delivery_audit::rounding)
    audit_.violated("warm_up or partitions_for took longer than max.block.ms");
}

void story::purge(actor& by) {
  say("producer " + std::to_string(by.index) + " is purged");
  audit_.purged(by.index, now());
  by.producer->purge();
}

asio::awaitable<void> story::wait_for_space(actor& by) {
  const nanoseconds begin = now();
  const auto bytes = static_cast<std::size_t>(random(3000));
  const auto found = co_await by.producer->wait_for_space(bytes);
  if (now() > begin + by.plan.settings.max_block) audit_.violated("wait_for_space took longer than max.block.ms");
  if (found || found.error() == errc::buffer_timed_out || found.error() == errc::record_too_large || by.ended)
    co_return;
  audit_.violated("wait_for_space has failed: " + found.error().message());
}

asio::awaitable<void> story::pause(const actor& by) {
  if (by.plan.hurries && !one_in(20)) co_return;
  const auto steps = static_cast<std::int64_t>(std::max<std::size_t>(by.plan.records, 1));
  nanoseconds time = one_in(3) ? random_time(100us) : random_time(3 * plan_.span / steps);
  // Batch after batch, while the first is on its way.
  if (plan_.narrow_story && !one_in(10)) time = random_time(3ms);
  co_await world_.sleep_for(time);
}

asio::awaitable<bool> story::one_action(actor& by, std::deque<kept_delivery>& kept) {
  switch (random(plan_.frozen_story ? 12 : 20)) {
    case 0: {
      auto [number, sent] = send(by);
      kept_delivery only{number, std::move(sent)};
      if (is_hopeless_) {
        kept.push_back(std::move(only));
      } else {
        co_await settle(only);
      }
      break;
    }
    case 12:
    case 13: send_and_cancel(by); break;
    case 14:
    case 15: {
      auto [number, sent] = send(by);
      audit_.detached(number);
      std::move(sent).detach();
      break;
    }
    case 16:
    case 17: try_send(by, kept); break;
    case 18:
      if (by.plan.purges && one_in(3)) purge(by);
      if (one_in(4)) co_await wait_for_space(by);
      if (one_in(8)) co_await look_up(by);
      co_return false;
    case 19:
      if (one_in(4)) co_await flush(by, kept);
      if (one_in(8)) co_await flush_for_a_while(by);
      if (one_in(8)) flush_and_cancel(by);
      co_return false;
    case 1:
    case 2:
    case 3:
    case 4: {
      auto [number, sent] = send(by);
      kept.push_back({number, std::move(sent)});
      break;
    }
    default: send_with_handler(by); break;
  }
  co_return true;
}

asio::awaitable<void> story::client(actor& by) {
  std::deque<kept_delivery> kept;
  for (std::size_t sent = 0; sent < by.plan.records;) {
    const bool has_sent = co_await one_action(by, kept);
    if (has_sent) ++sent;
    while (!is_hopeless_ && (kept.size() > most_kept || (!kept.empty() && one_in(6)))) {
      kept_delivery first = std::move(kept.front());
      kept.pop_front();
      co_await settle(first);
    }
    co_await pause(by);
  }
  // Some leave with answers that nobody has asked for yet; the producer ends first.
  const bool asks = !one_in(4);
  if (!asks && --by.clients_left == 0) world_.spawn(owner(by));
  while (!kept.empty()) {
    kept_delivery first = std::move(kept.front());
    kept.pop_front();
    co_await settle(first);
  }
  if (asks && --by.clients_left == 0) world_.spawn(owner(by));
}

asio::awaitable<void> story::owner(actor& by) {
  if (one_in(2)) co_await world_.sleep_for(random_time(2s));
  const std::uint64_t way = random(8);
  say("producer " + std::to_string(by.index) + (way == 0 ? " is destroyed" : " closes"));
  by.ended = true;
  if (one_in(2)) by.handles.clear();
  if (way == 0) {
    audit_.producer_ended(by.index, now());
    by.producer.reset();
    co_return;
  }
  const auto timeout = std::chrono::milliseconds(way == 1 ? random(500) : 3'600'000);
  const nanoseconds due = std::min<nanoseconds>(now() + timeout, std::max(audit_.latest_due(by.index), now()));
  if (way == 1) audit_.producer_ended(by.index, now());
  const auto closed = co_await by.producer->close(timeout);
  say("producer " + std::to_string(by.index) + " closed");
  // Some are shown as copies, which have to find room.
  const bool has_room = by.plan.settings.parked_memory >= cokafka::config().parked_memory &&
                        by.plan.settings.buffer_memory >= cokafka::config().buffer_memory;
  audit_.closed(by.index, by.plan.reports && has_room);
  if (now() > due + delivery_audit::rounding) audit_.violated("close ended after everything was due");
  if (!closed && way != 1) audit_.violated("close has failed: " + closed.error().message());
  cokafka::detail::engine& core = cokafka::detail::producer_access::core(*by.producer);
  if (core.memory_in_use() != 0)
    audit_.violated(std::to_string(core.memory_in_use()) + " bytes of buffer.memory are held by a closed producer");
  const auto left = by.producer->outstanding();
  if (left.records != 0 || left.bytes != 0)
    audit_.violated(std::to_string(left.records) + " records of " + std::to_string(left.bytes) +
                    " bytes are outstanding after close");
  const auto late = by.producer->try_send({.topic = "topic0"});
  if (late || !(late.error() == errc::closed)) audit_.violated("a closed producer has taken a record");
}

}  // namespace cokafka_tests
