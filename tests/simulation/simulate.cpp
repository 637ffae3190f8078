// SPDX-License-Identifier: BSL-1.0
// Runs one random story per seed and says which rules were broken.
#include "simulation/story.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

namespace {

using cokafka_tests::run_story;
using cokafka_tests::story_options;
using cokafka_tests::story_outcome;
using cokafka_tests::watchdog;

constexpr const char* usage = R"(simulate: producers in a simulated world that fails, one random story per seed

  --seeds N         how many stories (100)
  --from S          the first seed (1)
  --records R       at least so many records in each (300)
  --steps N         a story with more handlers than that has failed (2,000,000, and 20,000 for each record)
  --patience S      and so has one that computes for longer than so many seconds (60, and 1 for every 100 records)
  --repeat-every N  runs every Nth seed twice: both must be the same, event by event (20; 0: none)
  --seed S          this seed alone
  --trace           with --seed: prints all that happened
  --failures        how often records failed, by what was told

Exit code: 0 when no rule was broken, 1 at the first seed that breaks one, with the end of the trace, the rule, and the
command that shows all of it. A story depends on its seed and on --records, on nothing else.
)";

struct arguments {
  std::uint64_t seeds = 100;
  std::uint64_t from = 1;
  std::uint64_t repeat_every = 20;
  bool one = false;
  bool trace = false;
  bool failures = false;
  std::uint64_t patience = 0;
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
      else if (name == "--steps")
        parsed.story.most_steps = number_of(name, text);
      else if (name == "--patience")
        parsed.patience = number_of(name, text);
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
  if (parsed.story.records == 0) refuse("--records needs a number above 0");
  if (parsed.patience == 0) parsed.patience = 60 + parsed.story.records / 100;
  return parsed;
}

std::string replay(std::uint64_t seed, const arguments& given) {
  std::string text = " --seed " + std::to_string(seed);
  if (given.story.records != story_options().records) text += " --records " + std::to_string(given.story.records);
  return text;
}

void tell(std::uint64_t seed, const story_outcome& story, const arguments& given) {
  std::cout << story.trace << '\n';
  for (const auto& each : story.violations) std::cout << "seed " << seed << ": " << each << '\n';
  std::cout << "all of it: tools/test simulate" << replay(seed, given) << '\n';
}

void tell_end(std::uint64_t seed, const arguments& given) {
  std::cout << "simulate: seed " << seed << " breaks a rule, number " << seed - given.from + 1 << " of " << given.seeds
            << '\n';
}

// Called on another thread, while a handler of the story runs for ever: its trace cannot be read here.
[[noreturn]] void give_up(std::uint64_t seed, std::uint64_t steps, const arguments& given) {
  std::cout << "seed " << seed << ": handler " << steps + 1
            << " does not end\nall until there: build-test/tests/simulate" << replay(seed, given) << " --steps "
            << std::max<std::uint64_t>(steps, 1) << " --trace\n";
  tell_end(seed, given);
  std::cout.flush();
  std::_Exit(1);
}

story_outcome run_watched(std::uint64_t seed, story_options options, watchdog& watching) {
  options.watch = &watching.begin(seed);
  story_outcome out = run_story(seed, options);
  watching.end();
  return out;
}

}  // namespace

int main(int count, char** given) {
  const arguments asked = parse(count, given);
  const auto began = std::chrono::steady_clock::now();
  watchdog watching(std::chrono::seconds(asked.patience),
                    [&](std::uint64_t seed, std::uint64_t steps) { give_up(seed, steps, asked); });
  story_outcome sum;
  std::uint64_t most_steps = 0;
  for (std::uint64_t seed = asked.from; seed < asked.from + asked.seeds; ++seed) {
    story_outcome story = run_watched(seed, asked.story, watching);
    if (story.violations.empty() && asked.repeat_every != 0 && seed % asked.repeat_every == 0) {
      const story_outcome again = run_watched(seed, asked.story, watching);
      if (again.fingerprint != story.fingerprint) story.violations.push_back("the same seed gives another run");
    }
    if (asked.trace) std::cout << story.trace;
    if (!story.violations.empty()) {
      if (asked.trace) story.trace.clear();
      tell(seed, story, asked);
      tell_end(seed, asked);
      return 1;
    }
    sum.records += story.records;
    sum.written += story.written;
    sum.failed += story.failed;
    sum.steps += story.steps;
    most_steps = std::max(most_steps, story.steps);
    for (const auto& [said, times] : story.failures) sum.failures[said] += times;
  }
  for (const auto& [said, times] : sum.failures) {
    if (asked.failures) std::cout << times << "  " << said << '\n';
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::cout << "simulate: " << asked.seeds << " seeds from " << asked.from << ": " << sum.records << " records ("
            << sum.written << " written, " << sum.failed << " failed), " << sum.steps << " steps (" << most_steps
            << " in the longest story) in " << took.count() << " s, no rule broken\n";
}
