// SPDX-License-Identifier: BSL-1.0
// One seed's story: a simulated world, its clients, its troubles and its books.
#ifndef COKAFKA_TESTS_SIMULATION_STORY_HPP
#define COKAFKA_TESTS_SIMULATION_STORY_HPP

#include "cokafka.hpp"
#include "cokafka/testing.hpp"
#include "simulation/plan.hpp"
#include "simulation/watch.hpp"
#include "support/delivery_audit.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cokafka_tests {

namespace asio = boost::asio;

struct story_options {
  std::size_t records = 300;     ///< at least so many
  std::size_t kept_lines = 0;    ///< of the trace; 0: the usual number
  std::uint64_t most_steps = 0;  ///< more handlers than that are a failure; 0: by the number of records
  story_watch* watch = nullptr;  ///< who looks on from another thread
};

struct story_outcome {
  std::vector<std::string> violations{};
  std::uint64_t fingerprint = 0;
  std::uint64_t records = 0;
  std::uint64_t written = 0;
  std::uint64_t failed = 0;
  std::uint64_t steps = 0;
  std::map<std::string, std::uint64_t> failures{};  // by what was told
  std::string trace{};                              // where something was violated, or was asked for
};

/// A producer with what its clients share.
struct actor {
  std::size_t index = 0;
  planned_producer plan{};
  std::optional<cokafka::producer> producer{};
  std::map<std::string, cokafka::topic_handle> handles{};  // by topic; a handle keeps the producer's core
  std::size_t clients_left = 0;
  bool ended = false;  // closed or destroyed: sends fail
};

/// Declared in the order in which it must live: the world first, for everything else refers to it.
class story {
 public:
  story(std::uint64_t seed, const story_options& options);
  story_outcome run();

 private:
  struct kept_delivery {
    std::uint64_t number;
    cokafka::delivery waiting;
    bool was_ready = false;  // before it was awaited: nobody knows when the answer came
  };

  nanoseconds now() const { return world_.elapsed(); }
  std::uint64_t random(std::uint64_t limit) { return world_.random(limit); }
  bool one_in(std::uint64_t n) { return random(n) == 0; }
  nanoseconds random_time(nanoseconds most) {
    return nanoseconds(random(static_cast<std::uint64_t>(most.count()) + 1));
  }
  // clients.cpp
  asio::awaitable<void> client(actor& by);
  asio::awaitable<void> owner(actor& by);  // closes or destroys the producer when its clients have ended
  asio::awaitable<bool> one_action(actor& by, std::deque<kept_delivery>& kept);  // whether a record was sent
  asio::awaitable<void> settle(kept_delivery& first);
  asio::awaitable<void> flush(actor& by, std::deque<kept_delivery>& kept);
  asio::awaitable<void> flush_for_a_while(actor& by);
  void flush_and_cancel(actor& by);
  asio::awaitable<void> wait_for_space(actor& by);
  asio::awaitable<void> look_up(actor& by);
  void purge(actor& by);
  asio::awaitable<void> pause(const actor& by);
  asio::awaitable<void> cancel_later(asio::cancellation_signal& signal, nanoseconds time, asio::cancellation_type type);
  std::pair<std::uint64_t, cokafka::delivery> send(actor& by);
  void try_send(actor& by, std::deque<kept_delivery>& kept);
  void send_with_handler(actor& by);
  void send_and_cancel(actor& by);

  // troubles.cpp
  asio::awaitable<void> troubles();
  asio::awaitable<void> frozen_broker();
  void begin(trouble kind);
  void begin_of_network(trouble kind);
  void begin_of_brokers(trouble kind);
  void begin_of_topics(trouble kind);
  void begin_of_answers(trouble kind);
  void make_anew(const std::string& topic);
  void name_leaders();
  asio::awaitable<void> later(nanoseconds time, trouble kind, std::int32_t broker);
  void end(trouble kind, std::int32_t broker);
  void heal();
  cokafka::broker_errc random_refusal();
  void note_lost_state();
  void note_refusal(cokafka::broker_errc code);
  bool can_be_found() const;
  std::int32_t random_broker() { return static_cast<std::int32_t>(random(static_cast<std::uint64_t>(brokers_))); }

  // story.cpp
  void create_topics();
  void check_step();
  void check_now();
  void read_logs();
  bool keeps_order(const std::string& topic) const;
  void check_memory(const actor& of, std::size_t held);
  void check_metrics();
  void check_refusals();
  void check_end();
  void keep_log(const std::string& topic);
  void say_logs();
  void say(const std::string& line) { world_.trace(line); }

  const story_options options_;
  const story_plan plan_;
  const int brokers_;
  const std::uint64_t most_steps_;
  std::list<asio::cancellation_signal> signals_;
  cokafka::testing::simulation world_;
  delivery_audit audit_;
  std::unique_ptr<cokafka::testing::cluster> kafka_;
  std::deque<actor> actors_;
  struct kept_log {
    std::string topic;
    std::int32_t partition;
    bool in_order;
    std::vector<cokafka::testing::stored_record> records;
  };
  std::vector<kept_log> logs_;       // what is read of them depends on what is told later
  std::vector<bool> stopped_;        // brokers, by number
  std::set<std::string> made_anew_;  // topics
  std::uint64_t appends_read_ = 0;   // by the audit, of the cluster's
  bool refuses_for_good_ = false;    // brokers were told to refuse batches that are not tried again
  bool claims_appends_ = false;      // and to say of others that they were appended, which they were not
  bool may_vanish_ = false;          // brokers were told to say what they say when their logs have lost something
  bool says_invalid_ = false;        // brokers were told to call batches invalid
  bool is_hopeless_ = false;         // nobody will find the cluster any more: nobody waits for each answer then
  bool healed_ = false;
};

story_outcome run_story(std::uint64_t seed, const story_options& options);

}  // namespace cokafka_tests

#endif
