// SPDX-License-Identifier: BSL-1.0
// How a story begins, what must be true at every step of it, and how it ends.
#include "simulation/story.hpp"

#include <exception>

namespace cokafka_tests {

namespace {

constexpr auto longest_story = std::chrono::hours(24);

// Ends the run: something is violated, and the trace shall end where it was noticed.
struct noticed {};

std::uint64_t steps_for(std::size_t records) { return 2'000'000 + 20'000 * std::uint64_t{records}; }

}  // namespace

story::story(std::uint64_t seed, const story_options& options)
    : options_(options),
      plan_(make_plan(seed, options.records)),
      brokers_(plan_.cluster.brokers),
      most_steps_(options.most_steps > 0 ? options.most_steps : steps_for(plan_.records())),
      world_(seed),
      kafka_(world_.make_cluster(plan_.cluster)),
      stopped_(static_cast<std::size_t>(brokers_)) {
  if (options.kept_lines > 0) world_.keep_trace(options.kept_lines);
  audit_.watch_logs();
  create_topics();
  for (const planned_producer& planned : plan_.producers) {
    actor& made = actors_.emplace_back();
    made.index = audit_.add_producer(promise_of(planned.settings, plan_));
    made.plan = planned;
    made.plan.settings.bootstrap_servers = kafka_->bootstrap_servers();
    if (options.kept_lines > 0) made.plan.settings.log_level = cokafka::log_level::debug;
    if (planned.reports) {
      made.plan.settings.on_delivery_failed = [this](const cokafka::error& why, const cokafka::record_view& record) {
        audit_.reported(std::string(record.value.value().str()), why);
      };
    }
    made.producer.emplace(world_.first_sequence(planned.first_sequence).make_producer(made.plan.settings));
    made.clients_left = planned.clients;
  }
  world_.allow_steps_at_one_moment(100'000);
  world_.after_every_step([this] { check_step(); });
}

void story::create_topics() {
  for (const planned_topic& topic : plan_.topics) {
    if (topic.created) kafka_->create_topic(topic.name, topic.partitions, topic.options);
    audit_.has_partitions(topic.name, topic.created ? topic.partitions : plan_.cluster.default_partitions);
    if (topic.options.log_append_time) audit_.stamps_records(topic.name);
    // A batch that such a topic refuses goes again whole where it may be in the log, until it is due (guarantee.md,
    // rule 19).
    if (topic.options.max_message_bytes) audit_.excuse(topic.name);
  }
}

story_outcome story::run() {
  try {
    for (actor& each : actors_) {
      for (std::size_t i = 0; i < each.plan.clients; ++i) world_.spawn(client(each));
    }
    world_.spawn(plan_.frozen_story ? frozen_broker() : troubles());
    if (!world_.run(longest_story)) audit_.violated("the story has not ended within a day");
    // Requests of connections that are gone may still be on their way, and a broker may have been told to wait.
    if (audit_.is_clean()) world_.run_for(2min);
    if (audit_.is_clean()) check_end();
  } catch (const noticed&) {
  } catch (const std::exception& thrown) {
    audit_.violated(std::string("an exception: ") + thrown.what());
  }
  story_outcome out;
  out.violations = audit_.violations();
  out.fingerprint = world_.fingerprint();
  out.records = audit_.count();
  out.written = audit_.count_written();
  out.failed = audit_.count_failed();
  out.failures = audit_.failures();
  out.steps = world_.steps();
  if (options_.kept_lines > 0) say_logs();
  if (!out.violations.empty() || options_.kept_lines > 0) out.trace = world_.trace_text();
  return out;
}

// Cheap enough to be asked after each of millions of handlers.
void story::check_step() {
  check_now();
  if (options_.watch != nullptr) {
    options_.watch->steps.store(world_.steps(), std::memory_order_relaxed);
    if (options_.watch->enough.load(std::memory_order_relaxed))
      audit_.violated("the story has not ended when the patience of its watcher had, after " +
                      std::to_string(world_.steps()) + " steps");
  }
  if (world_.steps() >= most_steps_)
    audit_.violated("the story has not ended within " + std::to_string(most_steps_) + " steps");
  if (!audit_.is_clean()) throw noticed{};
}

// Most steps append nothing.
void story::read_logs() {
  const std::uint64_t appends = kafka_->append_count();
  if (appends == appends_read_) return;
  appends_read_ = appends;
  for (const planned_topic& topic : plan_.topics) {
    const int partitions = kafka_->partition_count(topic.name);
    for (std::int32_t p = 0; p < partitions; ++p) {
      const auto added = kafka_->records(topic.name, p, audit_.next_offset(topic.name, p));
      if (!added.empty()) audit_.appended(topic.name, p, added);
    }
  }
}

// While a batch is divided it is held twice, and its pieces may take a chunk more each than it had (rule 19).
void story::check_memory(const actor& of, std::size_t held) {
  const auto allowed = static_cast<std::size_t>(of.plan.settings.buffer_memory);
  if (held <= allowed) return;
  const bool has_split = of.producer->metrics().batches_split > 0;
  constexpr std::size_t largest_chunk = 16 * 1024;
  const std::size_t beyond = 2 * (static_cast<std::size_t>(of.plan.settings.max_request_size) + largest_chunk);
  if (!has_split || held > allowed + beyond)
    audit_.violated(std::to_string(held) + " bytes are held, buffer.memory is " + std::to_string(allowed));
}

void story::check_now() {
  read_logs();
  for (actor& each : actors_) {
    if (!each.producer) continue;
    const auto& core = cokafka::detail::producer_access::core(*each.producer);
    check_memory(each, core.memory_in_use());
    if (core.parked_bytes() > static_cast<std::size_t>(each.plan.settings.parked_memory))
      audit_.violated("more is parked than parked.memory");
  }
  if (world_.steps() % 16 != 0) return;
  audit_.check_overdue(now());
  for (actor& each : actors_) {
    if (!each.producer) continue;
    const std::size_t in_flight = cokafka::detail::producer_access::core(*each.producer).most_in_flight();
    const auto window = static_cast<std::size_t>(each.plan.settings.max_in_flight_requests_per_connection);
    if (in_flight > window)
      audit_.violated(std::to_string(in_flight) + " batches of a partition are in flight, max.in.flight is " +
                      std::to_string(window));
  }
}

void story::check_end() {
  for (const std::string& topic : kafka_->topics()) keep_log(topic);
  for (const kept_log& each : logs_) audit_.add_log(each.topic, each.partition, each.records, each.in_order);
  audit_.check_logs();
  check_metrics();
  check_refusals();
}

// A broker that refuses a batch as it was sent has found something wrong with it.
void story::check_refusals() {
  if (says_invalid_) return;
  if (audit_.has_failed_with(make_error_code(cokafka::broker_errc::invalid_record)))
    audit_.violated("a broker found records invalid, and nobody had told it to");
}

// No acknowledged record is lost here (guarantee.md, rule 8): where the cluster goes on as it was, nobody may say so.
void story::check_metrics() {
  if (may_vanish_ || !made_anew_.empty()) return;
  for (const actor& each : actors_) {
    if (each.producer && each.producer->metrics().vanished_logs > 0)
      audit_.violated("producer " + std::to_string(each.index) + " says that acknowledged records have vanished");
  }
}

// What is in flight when a topic is made anew may change places: without topic ids the new leader, which knows nothing
// of the producer, takes whatever comes first.
bool story::keeps_order(const std::string& topic) const {
  return plan_.has_topic_ids() || made_anew_.count(topic) == 0;
}

// At the end, and before the topic is deleted.
void story::keep_log(const std::string& topic) {
  const bool in_order = keeps_order(topic);
  for (std::int32_t p = 0; p < kafka_->partition_count(topic); ++p)
    logs_.push_back({topic, p, in_order, kafka_->records(topic, p)});
}

// For whoever reads a whole trace.
void story::say_logs() {
  for (const std::string& topic : kafka_->topics()) {
    for (std::int32_t p = 0; p < kafka_->partition_count(topic); ++p) {
      const auto records = kafka_->records(topic, p);
      for (const auto& batch : kafka_->batches(topic, p)) {
        std::string line = topic + "-" + std::to_string(p) + " @ " + std::to_string(batch.base_offset) + ": " +
                           std::to_string(batch.producer_id) + "/" + std::to_string(batch.producer_epoch) + "/" +
                           std::to_string(batch.base_sequence) + ", records";
        for (std::int32_t i = 0; i < batch.record_count; ++i) {
          const std::string& value = *records[static_cast<std::size_t>(batch.base_offset + i)].value;
          line += " " + value.substr(0, value.find(':'));
        }
        say(line);
      }
    }
  }
}

story_outcome run_story(std::uint64_t seed, const story_options& options) { return story(seed, options).run(); }

}  // namespace cokafka_tests
