// SPDX-License-Identifier: BSL-1.0
// Three promises with numbers, each as a measurement with a bar: deadlines in real time, memory, a frozen broker.

#include "limits.hpp"
#include "limits_deadlines.hpp"
#include "limits_frozen.hpp"
#include "limits_memory.hpp"

#include <charconv>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr const char* usage =
    "usage: bench_limits deadlines|memory|frozen|all [options]\n"
    "Measures a producer beside an embedded cluster and prints one line of JSON per measurement; exits with 1 when a "
    "bar\n"
    "is missed.\n"
    "  deadlines   how late a delivery is told that its deadline has passed, with many records parked, in open "
    "batches,\n"
    "              in backoff, in flight: 99 % within 10 ms\n"
    "  memory      growth of the resident memory while no broker can be reached: buffer.memory + parked.memory + 16 "
    "MiB\n"
    "  frozen      what two brokers get while a third is frozen: 90 % of what they got before, in every window of 5 s\n"
    "  --seconds N        of one measurement (memory and frozen: 60), or over which deadlines are spread (1)\n"
    "  --records N        deadlines: in each state (default 100000)\n"
    "  --size N           deadlines, frozen: bytes of a value (default 100)\n"
    "  --buffer-memory N  frozen: buffer.memory in bytes (default: the producer's)\n"
    "  --only TEXT        what has TEXT in its name: a state, a case, a kind of senders\n"
    "  --repeat N         deadlines, frozen (default 1)\n";

struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class Number>
Number number(std::string_view name, std::string_view text) {
  Number value{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem == std::errc() && end == text.data() + text.size() && value > 0) return value;
  throw usage_error(std::string(name) + " takes a number of at least 1, not '" + std::string(text) + "'");
}

bench::limit_options parse(const std::vector<std::string>& arguments) {
  bench::limit_options chosen;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& name = arguments[i];
    if (i + 1 == arguments.size()) throw usage_error("unknown option, or one without its value: '" + name + "'");
    const std::string& value = arguments[i + 1];
    if (name == "--seconds") {
      chosen.seconds = number<int>(name, value);
    } else if (name == "--records") {
      chosen.records = number<std::size_t>(name, value);
    } else if (name == "--size") {
      chosen.size = number<std::size_t>(name, value);
    } else if (name == "--buffer-memory") {
      chosen.buffer_memory = number<std::int64_t>(name, value);
    } else if (name == "--only") {
      chosen.only = value;
    } else if (name == "--repeat") {
      chosen.repeat = number<int>(name, value);
    } else {
      throw usage_error("unknown option '" + name + "'");
    }
  }
  return chosen;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.empty()) throw usage_error("what is to be measured is missing");
    if (arguments.front() == "--help") {
      std::fputs(usage, stdout);
      return 0;
    }
    const std::string what = arguments.front();
    const bool all = what == "all";
    if (!all && what != "deadlines" && what != "memory" && what != "frozen") {
      throw usage_error("unknown measurement '" + what + "'");
    }
    arguments.erase(arguments.begin());
    const bench::limit_options chosen = parse(arguments);
#ifndef NDEBUG
    std::fputs("bench_limits: assertions are on: these are not the numbers of a release build\n", stderr);
#endif
    bool ok = true;
    if (all || what == "memory") ok = bench::measure_memory(chosen) && ok;  // first: it forks
    if (all || what == "deadlines") ok = bench::measure_deadlines(chosen) && ok;
    if (all || what == "frozen") ok = bench::measure_frozen(chosen) && ok;
    return ok ? 0 : 1;
  } catch (const usage_error& problem) {
    std::fprintf(stderr, "bench_limits: %s\n%s", problem.what(), usage);
    return 2;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "bench_limits: %s\n", problem.what());
    return 1;
  }
}
