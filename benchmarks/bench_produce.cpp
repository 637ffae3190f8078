// SPDX-License-Identifier: BSL-1.0
// Records per second and CPU time per record, ours and librdkafka's in turn, with the same sink at the other end.

#include "client_cokafka.hpp"
#include "client_librdkafka.hpp"
#include "processes.hpp"
#include "workload.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr const char* usage =
    "usage: bench_produce [options]\n"
    "Sends the same records through cokafka and through librdkafka, each run in a process of its own, and prints one\n"
    "line of JSON per run, then one per comparison. acks=all.\n"
    "  --records N            of one run, after the warm-up (default 2000000)\n"
    "  --warm-up N            records that are sent before the clock starts (default: a tenth)\n"
    "  --size N               bytes of a record's value (default 100)\n"
    "  --partitions N         (default 1)\n"
    "  --spread WAY           round-robin: the benchmark names the partition (default); client: each client chooses\n"
    "  --repeat N             (default 3)\n"
    "  --client WHO           ours, librdkafka or both (default)\n"
    "  --settings WHICH       same: linger 5 ms and batches of 1 MB for both; defaults: each client's own, both\n"
    "                         idempotent; bare: as defaults, but librdkafka not idempotent and with its own limits of\n"
    "                         100000 queued messages and 10000 a batch; both: same and defaults (default)\n"
    "  --linger-ms N          for both clients, in all settings\n"
    "  --batch-size N         for both clients, in all settings\n"
    "  --send-buffer-bytes N  of the sockets of both clients; 0: what the system chooses (librdkafka's default)\n"
    "  --idempotence on|off   in all settings\n"
    "  --ours NAME=VALUE      a property of ours, after all others; may be repeated\n"
    "  --librdkafka NAME=VALUE  the same for librdkafka\n"
    "  --await                ours awaits every record; librdkafka stays as it is\n"
    "  --coroutines N         that await (default 1000)\n"
    "  --round-trip MS        a relay before the sink holds every byte for half of this, each way (default 0: none)\n"
    "  --brokers HOST:PORT    instead of a sink of our own; topic 'bench'\n"
    "  --in-process           run the client in this process, for profilers\n";

struct options {
  bench::workload work;
  std::optional<std::uint64_t> warm_up;
  int repeat = 3;
  std::string client = "both";
  std::string settings = "both";
  bool awaits = false;
  int coroutines = 1000;
  int round_trip_ms = 0;
  bool in_process = false;
};

struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class Number>
Number number(std::string_view name, std::string_view text, Number least) {
  Number value{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem == std::errc() && end == text.data() + text.size() && value >= least) return value;
  throw usage_error(std::string(name) + " takes a number of at least " + std::to_string(least) + ", not '" +
                    std::string(text) + "'");
}

std::string one_of(std::string_view name, const std::string& text, const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), text) != known.end()) return text;
  throw usage_error(std::string(name) + " does not know '" + text + "'");
}

void set(options& chosen, std::string_view name, const std::string& value) {
  bench::workload& work = chosen.work;
  if (name == "--records") {
    work.records = number<std::uint64_t>(name, value, 1);
  } else if (name == "--warm-up") {
    chosen.warm_up = number<std::uint64_t>(name, value, 1);
  } else if (name == "--size") {
    work.size = number<std::size_t>(name, value, 0);
  } else if (name == "--partitions") {
    work.partitions = number<std::int32_t>(name, value, 1);
  } else if (name == "--spread") {
    work.round_robin = one_of(name, value, {"round-robin", "client"}) == "round-robin";
  } else if (name == "--repeat") {
    chosen.repeat = number<int>(name, value, 1);
  } else if (name == "--client") {
    chosen.client = one_of(name, value, {"ours", "librdkafka", "both"});
  } else if (name == "--settings") {
    chosen.settings = one_of(name, value, {"same", "defaults", "bare", "both"});
  } else if (name == "--linger-ms") {
    work.linger_ms = number<int>(name, value, 0);
  } else if (name == "--batch-size") {
    work.batch_size = number<int>(name, value, 1);
  } else if (name == "--send-buffer-bytes") {
    work.send_buffer_bytes = number<int>(name, value, 0);
  } else if (name == "--idempotence") {
    work.idempotent = one_of(name, value, {"on", "off"}) == "on";
  } else if (name == "--coroutines") {
    chosen.coroutines = number<int>(name, value, 1);
  } else if (name == "--ours" || name == "--librdkafka") {
    const auto equals = value.find('=');
    if (equals == std::string::npos) throw usage_error(std::string(name) + " takes NAME=VALUE, not '" + value + "'");
    (name == "--ours" ? work.ours : work.theirs).emplace_back(value.substr(0, equals), value.substr(equals + 1));
  } else if (name == "--round-trip") {
    chosen.round_trip_ms = number<int>(name, value, 0);
  } else if (name == "--brokers") {
    work.brokers = value;
  } else {
    throw usage_error("unknown option '" + std::string(name) + "'");
  }
}

options parse(int argc, char** argv) {
  options chosen;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--await") {
      chosen.awaits = true;
    } else if (name == "--in-process") {
      chosen.in_process = true;
    } else if (i + 1 == argc) {
      throw usage_error("unknown option, or one without its value: '" + std::string(name) + "'");
    } else {
      set(chosen, name, argv[++i]);
    }
  }
  chosen.work.warm_up = chosen.warm_up.value_or(std::max<std::uint64_t>(chosen.work.records / 10, 1));
  if (chosen.awaits) chosen.work.coroutines = chosen.coroutines;
  return chosen;
}

struct outcome {
  double records_per_s = 0;
  double cpu_ns = 0;
};

class comparison {
 public:
  explicit comparison(options chosen) : chosen_(std::move(chosen)) {
    if (!chosen_.work.brokers.empty()) return;
    const auto beside_us = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "sink";
    sink_ = std::make_unique<bench::sink_process>(std::vector<std::string>{
        beside_us.string(), "--controlled", "--partitions", std::to_string(chosen_.work.partitions), "--round-trip",
        std::to_string(chosen_.round_trip_ms)});
    chosen_.work.brokers = sink_->address();
  }

  void run(const std::string& settings) {
    bench::workload work = chosen_.work;
    if (settings == "same") {
      work.linger_ms = work.linger_ms.value_or(5);
      work.batch_size = work.batch_size.value_or(1'000'000);
    }
    work.bare = settings == "bare";
    if (!work.bare) work.idempotent = work.idempotent.value_or(true);
    outcomes_.clear();
    for (int i = 0; i != chosen_.repeat; ++i) {
      const bool ours_first = i % 2 == 0;  // so that neither always finds the machine warmer
      for (const bool ours : {ours_first, !ours_first}) {
        if (chosen_.client != (ours ? "librdkafka" : "ours")) run_client(ours, settings, work);
      }
    }
    if (outcomes_.size() == 2) print_ratio(settings);
  }

 private:
  void run_client(bool ours, const std::string& settings, const bench::workload& work) {
    const auto measure = [&] {
      return ours ? bench::cokafka_client(work).measure() : bench::librdkafka_client(work).measure();
    };
    const auto let_go = [this] {
      if (sink_) sink_->close_in_client();
    };
    const bench::measurement taken = chosen_.in_process ? measure() : bench::in_child(measure, let_go);
    bench::received at_sink;
    if (sink_) at_sink = sink_->totals();
    const std::string client = ours ? "cokafka" : "librdkafka";
    if (sink_ && at_sink.records != work.records + work.warm_up) {
      throw std::runtime_error(std::to_string(at_sink.records) + " records of " + client + " arrived, not " +
                               std::to_string(work.records + work.warm_up));
    }
    print(client, ours ? bench::cokafka_client::version() : bench::librdkafka_client::version(), settings, work, taken,
          at_sink);
  }

  static std::string or_null(std::optional<int> value) { return value ? std::to_string(*value) : "null"; }
  static const char* or_null(std::optional<bool> value) { return !value ? "null" : *value ? "true" : "false"; }

  void print(const std::string& client, const std::string& version, const std::string& settings,
             const bench::workload& work, const bench::measurement& taken, const bench::received& at_sink) {
    const auto records = static_cast<double>(work.records);
    const auto ns_each = [records](double seconds) { return seconds * 1e9 / records; };
    const outcome run{records / taken.run.wall_s, ns_each(taken.run.cpu_s())};
    outcomes_[client].push_back(run);
    const bool awaits = client == "cokafka" && work.coroutines != 0;
    std::printf(
        "{\"client\":\"%s\",\"version\":\"%s\",\"settings\":\"%s\",\"mode\":\"%s\",\"records\":%llu,\"size\":%zu,"
        "\"partitions\":%d,\"round_trip_ms\":%d,\"idempotence\":%s,\"linger_ms\":%s,\"batch_size\":%s,\"records_per_"
        "s\":%.0f,"
        "\"cpu_ns_per_record\":%.1f,\"user_ns_per_record\":%.1f,\"system_ns_per_record\":%.1f,"
        "\"warm_up_cpu_ms\":%.1f,\"requests\":%llu,\"batches\":%llu}\n",
        client.c_str(), version.c_str(), settings.c_str(), awaits ? "await-each" : "fire-and-forget",
        static_cast<unsigned long long>(work.records), work.size, work.partitions, chosen_.round_trip_ms,
        or_null(work.idempotent), or_null(work.linger_ms).c_str(), or_null(work.batch_size).c_str(), run.records_per_s,
        run.cpu_ns, ns_each(taken.run.user_s), ns_each(taken.run.system_s), taken.warm_up.cpu_s() * 1e3,
        at_sink.requests, at_sink.batches);
    std::fflush(stdout);
  }

  template <class Member>
  static double median(const std::vector<outcome>& runs, Member member) {
    std::vector<double> values;
    for (const outcome& each : runs) values.push_back(each.*member);
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  }

  void print_ratio(const std::string& settings) const {
    const auto& ours = outcomes_.at("cokafka");
    const auto& theirs = outcomes_.at("librdkafka");
    const double our_cpu = median(ours, &outcome::cpu_ns);
    const double their_cpu = median(theirs, &outcome::cpu_ns);
    const double our_rate = median(ours, &outcome::records_per_s);
    const double their_rate = median(theirs, &outcome::records_per_s);
    std::printf(
        "{\"ratio\":\"cokafka/librdkafka\",\"settings\":\"%s\",\"median_of\":%zu,\"cpu_ns_per_record\":[%.1f,%.1f],"
        "\"cpu_ratio\":%.3f,\"records_per_s\":[%.0f,%.0f],\"rate_ratio\":%.3f}\n",
        settings.c_str(), ours.size(), our_cpu, their_cpu, our_cpu / their_cpu, our_rate, their_rate,
        our_rate / their_rate);
    std::fflush(stdout);
  }

  options chosen_;
  std::unique_ptr<bench::sink_process> sink_;
  std::map<std::string, std::vector<outcome>> outcomes_;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 2 && std::string_view(argv[1]) == "--help") {
      std::fputs(usage, stdout);
      return 0;
    }
    const options chosen = parse(argc, argv);
#ifndef NDEBUG
    std::fputs("bench_produce: assertions are on: these are not the numbers of a release build\n", stderr);
#endif
    comparison both(chosen);
    for (const std::string settings : {"same", "defaults", "bare"}) {
      if (chosen.settings == settings || (chosen.settings == "both" && settings != "bare")) both.run(settings);
    }
    return 0;
  } catch (const usage_error& problem) {
    std::fprintf(stderr, "bench_produce: %s\n%s", problem.what(), usage);
    return 2;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "bench_produce: %s\n", problem.what());
    return 1;
  }
}
