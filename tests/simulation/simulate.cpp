// SPDX-License-Identifier: BSL-1.0
// Runs one random story per seed and says which rules were broken.
#include "simulation/story.hpp"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string_view>

namespace {

using cokafka_tests::run_story;
using cokafka_tests::story_options;
using cokafka_tests::story_outcome;

constexpr const char* usage = R"(simulate: producers in a simulated world that fails, one random story per seed

  --seeds N         how many stories (100)
  --from S          the first seed (1)
  --records R       about so many records in each (300)
  --repeat-every N  runs every Nth seed twice: both must be the same, event by event (20; 0: none)
  --seed S          this seed alone
  --trace           with --seed: prints all that happened
  --failures        how often records failed, by what was told

Exit code: 0 when no rule was broken, 1 at the first seed that breaks one, with the rule, the end of the trace, and the
command that shows all of it.
)";

struct arguments {
  std::uint64_t seeds = 100;
  std::uint64_t from = 1;
  std::uint64_t repeat_every = 20;
  bool one = false;
  bool trace = false;
  bool failures = false;
  story_options story{};
};

[[noreturn]] void refuse(std::string_view what) {
  std::cerr << "simulate: " << what << "\n\n" << usage;
  std::exit(2);
}

std::uint64_t number_of(std::string_view name, const char* text) {
  const std::string_view digits = text != nullptr ? text : "";
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failed != std::errc{} || end != digits.data() + digits.size()) refuse(std::string(name) + " needs a number");
  return number;
}

arguments parse(int count, char** given) {
  arguments parsed;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = given[i];
    if (name == "--help" || name == "-h") {
      std::cout << usage;
      std::exit(0);
    } else if (name == "--trace") {
      parsed.trace = true;
    } else if (name == "--failures") {
      parsed.failures = true;
    } else {
      const char* const text = i + 1 < count ? given[i + 1] : nullptr;
      if (name == "--seeds")
        parsed.seeds = number_of(name, text);
      else if (name == "--from")
        parsed.from = number_of(name, text);
      else if (name == "--records")
        parsed.story.records = number_of(name, text);
      else if (name == "--repeat-every")
        parsed.repeat_every = number_of(name, text);
      else if (name == "--seed") {
        parsed.from = number_of(name, text);
        parsed.seeds = 1;
        parsed.repeat_every = 0;
        parsed.one = true;
      } else
        refuse("unknown option " + std::string(name));
      ++i;
    }
  }
  if (parsed.trace && !parsed.one) refuse("--trace needs --seed");
  if (parsed.trace) parsed.story.kept_lines = 1'000'000;
  return parsed;
}

void tell(std::uint64_t seed, const story_outcome& story, const arguments& given) {
  for (const auto& each : story.violations) std::cout << "seed " << seed << ": " << each << '\n';
  std::cout << "\n" << story.trace;
  std::cout << "\nall of it: simulate --seed " << seed << " --records " << given.story.records << " --trace\n";
}

}  // namespace

int main(int count, char** given) {
  const arguments asked = parse(count, given);
  const auto began = std::chrono::steady_clock::now();
  story_outcome sum;
  for (std::uint64_t seed = asked.from; seed < asked.from + asked.seeds; ++seed) {
    story_outcome story = run_story(seed, asked.story);
    if (story.violations.empty() && asked.repeat_every != 0 && seed % asked.repeat_every == 0) {
      const story_outcome again = run_story(seed, asked.story);
      if (again.fingerprint != story.fingerprint) story.violations.push_back("the same seed gives another run");
    }
    if (asked.trace) std::cout << story.trace;
    if (!story.violations.empty()) {
      if (asked.trace) story.trace.clear();
      tell(seed, story, asked);
      std::cout << "simulate: seed " << seed << " breaks a rule, number " << seed - asked.from + 1 << " of "
                << asked.seeds << '\n';
      return 1;
    }
    sum.records += story.records;
    sum.written += story.written;
    sum.failed += story.failed;
    sum.steps += story.steps;
    for (const auto& [said, times] : story.failures) sum.failures[said] += times;
  }
  for (const auto& [said, times] : sum.failures) {
    if (asked.failures) std::cout << times << "  " << said << '\n';
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::cout << "simulate: " << asked.seeds << " seeds from " << asked.from << ": " << sum.records << " records ("
            << sum.written << " written, " << sum.failed << " failed), " << sum.steps << " steps in " << took.count()
            << " s, no rule broken\n";
}
