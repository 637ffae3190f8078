// SPDX-License-Identifier: BSL-1.0
// How late deliveries are told that their deadline has passed, with many records in each state that a record can wait
// in.
#ifndef COKAFKA_BENCHMARKS_LIMITS_DEADLINES_HPP
#define COKAFKA_BENCHMARKS_LIMITS_DEADLINES_HPP

#include "limits.hpp"

#include <algorithm>
#include <map>

namespace bench {

enum class waits { parked, open, in_backoff, in_flight };

inline const char* name_of(waits state) {
  switch (state) {
    case waits::parked: return "parked";
    case waits::open: return "open";
    case waits::in_backoff: return "in backoff";
    case waits::in_flight: return "in flight";
  }
  return "";
}

// One producer with all its records in one state when they fall due, within `spread` of each other; 0: as they were
// sent.
class deadline_run {
 public:
  deadline_run(waits state, milliseconds first, milliseconds spread, const limit_options& chosen)
      : state_(state), first_(first), spread_(spread), chosen_(chosen), producer_(io_, settings()) {}

  bool measure() {
    if (state_ != waits::parked) prepare();
    late_.reserve(chosen_.records);
    const auto begun = steady::now();
    send_all();
    const double sending_ms = std::chrono::duration<double, std::milli>(steady::now() - begun).count();
    run_until(io_, std::chrono::seconds(60) + std::chrono::duration_cast<std::chrono::seconds>(first_ + spread_),
              [&] { return late_.size() == chosen_.records; });
    return report(sending_ms);
  }

 private:
  static constexpr int partitions = 20;

  static cokafka::testing::cluster_options brokers() {
    cokafka::testing::cluster_options made;
    made.auto_create_topics = false;
    made.max_message_bytes = 64 << 20;
    return made;
  }

  cokafka::config settings() {
    cokafka::config made;
    made.bootstrap_servers = beside_.kafka.bootstrap_servers();
    made.buffer_memory = 256 << 20;
    made.parked_memory = 256 << 20;
    made.max_request_size = 64 << 20;
    if (state_ == waits::open) {
      made.linger_policy = cokafka::linger_policy::always;
      made.linger = std::chrono::seconds(60);
      made.batch_size = 64 << 20;
    }
    if (state_ == waits::in_backoff) made.retry_backoff = made.retry_backoff_max = std::chrono::seconds(60);
    return made;
  }

  // Connected, and each partition's window open; then the brokers do what keeps the records in their state.
  void prepare() {
    beside_.kafka.create_topic("orders", partitions);
    warm_up(io_, producer_, "orders");
    if (state_ == waits::open) return;
    int written = 0;
    for (int i = 0; i != partitions; ++i) {
      producer_.send({.topic = "orders", .value = "first", .partition = i})(
          [&](const cokafka::result<cokafka::record_metadata>& said) {
            said.value();
            ++written;
          });
    }
    run_until(io_, std::chrono::seconds(30), [&] { return written == partitions; });
    using cokafka::testing::api_key;
    if (state_ == waits::in_flight) beside_.kafka.delay_next(api_key::produce, std::chrono::minutes(10), 1000);
    if (state_ == waits::in_backoff) {
      beside_.kafka.fail_next(api_key::produce, cokafka::broker_errc::not_enough_replicas, 1'000'000);
    }
  }

  void send_all() {
    std::mt19937 random(1);
    std::uniform_int_distribution<std::int64_t> more(0, spread_.count());
    const std::string value(chosen_.size, 'v');
    cokafka::record_view record;
    record.topic = "orders";
    record.value = value;
    for (std::size_t i = 0; i != chosen_.records; ++i) {
      const milliseconds timeout = first_ + milliseconds(more(random));
      record.timeout = timeout;
      record.partition = static_cast<std::int32_t>(i % partitions);
      const auto due = steady::now() + timeout;
      producer_.send(record)([this, due](const cokafka::result<cokafka::record_metadata>& said) { note(due, said); });
    }
  }

  void note(steady::time_point due, const cokafka::result<cokafka::record_metadata>& said) {
    late_.push_back(std::chrono::duration<double, std::milli>(steady::now() - due).count());
    if (said) {
      ++written_;
    } else if (said.error().fate() == cokafka::fate::maybe_written) {
      ++maybe_;
    }
  }

  double part(double share) const {
    return late_[std::min(late_.size() - 1, static_cast<std::size_t>(share * static_cast<double>(late_.size())))];
  }

  // The fates prove the state: what is not sealed is not written, and nothing has been written.
  bool report(double sending_ms) {
    constexpr double bar = 10.0;
    std::sort(late_.begin(), late_.end());
    const bool is_sealed = state_ == waits::in_backoff || state_ == waits::in_flight;
    const bool all_in_state = written_ == 0 && (is_sealed ? maybe_ > 0 : maybe_ == 0);
    const bool ok = part(0.99) <= bar && late_.front() >= 0 && all_in_state;
    std::printf(
        "{\"measure\":\"deadlines\",\"state\":\"%s\",\"records\":%zu,\"size\":%zu,\"first_due_ms\":%lld,"
        "\"spread_ms\":%lld,\"sending_ms\":%.1f,\"late_ms\":{\"least\":%.3f,\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,"
        "\"most\":%.3f},\"written\":%zu,\"maybe_written\":%zu,\"bar_p99_ms\":%.0f,\"ok\":%s}\n",
        name_of(state_), late_.size(), chosen_.size, static_cast<long long>(first_.count()),
        static_cast<long long>(spread_.count()), sending_ms, late_.front(), part(0.5), part(0.99), part(0.999),
        late_.back(), written_, maybe_, bar, json(ok));
    std::fflush(stdout);
    return ok;
  }

  const waits state_;
  const milliseconds first_;
  const milliseconds spread_;
  const limit_options& chosen_;
  cluster_beside beside_{brokers()};
  asio::io_context io_{1};
  cokafka::producer producer_;
  std::vector<double> late_;
  std::size_t written_ = 0;
  std::size_t maybe_ = 0;
};

// Each state twice: deadlines in the order of sending, all with the same timeout; and spread at random.
inline bool measure_deadlines(const limit_options& chosen) {
  bool ok = true;
  const milliseconds span = std::chrono::seconds(chosen.seconds > 0 ? chosen.seconds : 1);
  for (const waits state : {waits::parked, waits::open, waits::in_backoff, waits::in_flight}) {
    if (std::string(name_of(state)).find(chosen.only) == std::string::npos) continue;
    for (int i = 0; i != chosen.repeat; ++i) {
      for (const milliseconds spread : {milliseconds(0), span}) {
        ok = deadline_run(state, milliseconds(1000), spread, chosen).measure() && ok;
      }
    }
  }
  return ok;
}

}  // namespace bench

#endif
