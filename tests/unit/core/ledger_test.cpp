// SPDX-License-Identifier: BSL-1.0
// The rule of retries as a table: every code of the protocol under every circumstance.
#include "cokafka/detail/core/ledger.hpp"
#include "support/catch.hpp"

#include <set>
#include <string>
#include <vector>

using namespace cokafka::detail;
using cokafka::broker_errc;
using cokafka::fate;

namespace {

// The closed list of guarantee.md, rule 13, written down once more by hand.
const std::set<int> rejected_before_append{10, 17, 18, 19, 21, 29, 31, 32, 42, 44, 47, 76, 87, 100};
// Kafka's retriable exceptions (org.apache.kafka.common.protocol.Errors), and OUT_OF_ORDER, which idempotence retries.
const std::set<int> retriable{2,  3,  5,  6,  7,  9,  13, 14, 15, 16, 19,  20,  41,  51,  56,  70,
                              71, 72, 74, 75, 78, 80, 83, 84, 88, 89, 100, 103, 106, 122, 123, 133};
constexpr int out_of_order_number = 45;

std::vector<attempt_facts> circumstances() {
  std::vector<attempt_facts> all;
  for (int bits = 0; bits < 128; ++bits) {
    attempt_facts facts;
    facts.idempotent = (bits & 1) != 0;
    facts.earlier_unknown = (bits & 2) != 0;
    facts.predecessor_missing = (bits & 4) != 0;
    facts.expired = (bits & 8) != 0;
    facts.retries = (bits & 16) != 0 ? 3 : 2147483647;
    facts.attempts = (bits & 16) != 0 ? 4 : 1;
    facts.behind_gap = (bits & 32) != 0;
    facts.holds_up = (bits & 64) != 0;
    if (facts.holds_up && (!facts.idempotent || facts.expired)) continue;  // it would not have expired
    all.push_back(facts);
  }
  return all;
}

std::string text_of(int code, const attempt_facts& f) {
  return "code " + std::to_string(code) + " idempotent " + std::to_string(f.idempotent) + " unknown " +
         std::to_string(f.earlier_unknown) + " missing " + std::to_string(f.predecessor_missing) + " expired " +
         std::to_string(f.expired) + " holds up " + std::to_string(f.holds_up) + " gap " +
         std::to_string(f.behind_gap) + " attempts " + std::to_string(f.attempts);
}

}  // namespace

TEST_CASE("a success or a duplicate completes the batch under all circumstances", "[core]") {
  for (attempt_facts facts : circumstances()) {
    facts.code = broker_errc::none;
    CHECK(judge(facts) == verdict{verdict_action::complete, fate::written, false, true, false, false, false, false});
    facts.code = broker_errc::duplicate_sequence_number;
    CHECK(judge(facts) == verdict{verdict_action::complete, fate::written, false, false, false, false, false, false});
  }
}

TEST_CASE("not_written is said for the closed list alone, and only while no earlier attempt may be in the log",
          "[core]") {
  for (int code = -1; code <= 140; ++code) {
    if (code == 0 || code == 46) continue;
    for (attempt_facts facts : circumstances()) {
      facts.code = static_cast<broker_errc>(code);
      INFO(text_of(code, facts));
      const verdict said = judge(facts);
      const bool listed = rejected_before_append.count(code) == 1 || code == out_of_order_number;
      const bool gap_shown = code == out_of_order_number && facts.behind_gap;
      CHECK(said.proven_absent == (listed && (!facts.earlier_unknown || gap_shown)));
      CHECK(said.known == (said.proven_absent ? fate::not_written : fate::maybe_written));
    }
  }
}

TEST_CASE("what is retriable goes again until it has expired or its retries are used up; nothing else does", "[core]") {
  for (int code = -1; code <= 140; ++code) {
    if (code == 0 || code == 46) continue;
    for (attempt_facts facts : circumstances()) {
      facts.code = static_cast<broker_errc>(code);
      INFO(text_of(code, facts));
      const verdict said = judge(facts);
      const bool again = retriable.count(code) == 1 || (code == out_of_order_number && facts.idempotent);
      const bool may = again && !facts.expired && facts.attempts <= facts.retries;
      CHECK((said.action == verdict_action::retry) == may);
      CHECK(said.action != verdict_action::complete);
    }
  }
}

TEST_CASE("a new epoch follows a batch that leaves the line, and vanished data, and nothing else", "[core]") {
  for (int code = -1; code <= 140; ++code) {
    if (code == 0 || code == 46) continue;
    for (attempt_facts facts : circumstances()) {
      facts.code = static_cast<broker_errc>(code);
      INFO(text_of(code, facts));
      const verdict said = judge(facts);
      const bool lost = code == out_of_order_number && facts.idempotent && !facts.earlier_unknown &&
                        !facts.predecessor_missing && !facts.behind_gap;
      CHECK(said.data_lost == lost);
      const bool leaves = said.action == verdict_action::fail && !said.goes_again;
      CHECK(said.new_epoch == (facts.idempotent && (lost || leaves)));
    }
  }
}

TEST_CASE("what is too large is divided while it is proven absent, and goes again whole while it is not", "[core]") {
  for (const auto code : {broker_errc::message_too_large, broker_errc::record_list_too_large}) {
    for (attempt_facts facts : circumstances()) {
      facts.code = code;
      facts.divisible = true;
      INFO(text_of(static_cast<int>(code), facts));
      const verdict said = judge(facts);
      if (!facts.earlier_unknown && !facts.expired) {
        CHECK(said == verdict{verdict_action::split, fate::not_written, true, false, false, false, false, false});
      } else if (facts.earlier_unknown && !facts.expired && facts.attempts <= facts.retries) {
        CHECK(said.action == verdict_action::retry);
        CHECK_FALSE(said.proven_absent);
      } else {
        CHECK(said.action == verdict_action::fail);
      }
      facts.divisible = false;  // one record
      CHECK(judge(facts).action == verdict_action::fail);
    }
  }
}

TEST_CASE("records that the broker names are picked out of a batch that is proven absent", "[core]") {
  for (attempt_facts facts : circumstances()) {
    facts.code = broker_errc::invalid_record;
    facts.names_culprits = true;
    INFO(text_of(87, facts));
    const verdict said = judge(facts);
    if (facts.earlier_unknown || facts.expired) {
      CHECK(said.action == verdict_action::fail);
    } else {
      CHECK(said ==
            verdict{verdict_action::exclude, fate::not_written, true, false, false, facts.idempotent, false, false});
    }
  }
}

TEST_CASE("what fails and may be in the log goes again where it holds up others, and only then", "[core]") {
  for (int code = -1; code <= 140; ++code) {
    for (attempt_facts facts : circumstances()) {
      facts.code = static_cast<broker_errc>(code);
      INFO(text_of(code, facts));
      const verdict said = judge(facts);
      const bool wanted = said.action == verdict_action::fail && facts.holds_up && !said.proven_absent;
      CHECK(said.goes_again == wanted);
    }
  }
}

TEST_CASE("what a former leader has acknowledged is written, whatever another attempt came to", "[core]") {
  for (int code = -1; code <= 140; ++code) {
    for (attempt_facts facts : circumstances()) {
      facts.acknowledged_before = true;
      facts.code = static_cast<broker_errc>(code);
      INFO(text_of(code, facts));
      verdict said = judge(facts);
      said.refresh_metadata = false;  // as the code says
      CHECK(said == verdict{verdict_action::complete, fate::written, false, false, false, false, false, false});
      facts.code = std::nullopt;
      CHECK(judge(facts).refresh_metadata);
    }
  }
}

TEST_CASE("no answer proves nothing: retried with acknowledgements, lost without", "[core]") {
  for (attempt_facts facts : circumstances()) {
    facts.code = std::nullopt;
    const bool may = !facts.expired && facts.attempts <= facts.retries;
    verdict said = judge(facts);
    CHECK(said.action == (may ? verdict_action::retry : verdict_action::fail));
    CHECK(said.known == fate::maybe_written);
    CHECK_FALSE(said.proven_absent);
    CHECK(said.refresh_metadata);
    facts.acknowledged = false;
    said = judge(facts);
    CHECK(said.action == verdict_action::fail);
    CHECK(said.known == fate::maybe_written);
  }
}

TEST_CASE("the cases that teach the rule", "[core]") {
  attempt_facts facts;
  facts.code = broker_errc::out_of_order_sequence_number;

  SECTION(
      "a restarted broker keeps one batch per producer: OUT_OF_ORDER after an unknown attempt is sent again "
      "unchanged") {
    facts.earlier_unknown = true;
    facts.attempts = 2;
    CHECK(judge(facts) ==
          verdict{verdict_action::retry, fate::maybe_written, false, false, false, false, false, false});
  }
  SECTION("behind a missing predecessor it waits for its turn, and no epoch changes") {
    facts.predecessor_missing = true;
    CHECK(judge(facts) == verdict{verdict_action::retry, fate::not_written, true, false, false, false, false, false});
  }
  SECTION("behind a gap that stays it shows that no earlier attempt was appended either: it will get a new sequence") {
    facts.earlier_unknown = true;
    facts.predecessor_missing = true;
    facts.behind_gap = true;
    facts.attempts = 2;
    CHECK(judge(facts) == verdict{verdict_action::retry, fate::not_written, true, false, false, false, false});
  }
  SECTION("at the head of the line acknowledged data has vanished") {
    CHECK(judge(facts) == verdict{verdict_action::retry, fate::not_written, true, false, false, true, true, false});
  }
  SECTION("an error after the append is never not_written") {
    for (const auto code : {broker_errc::not_enough_replicas_after_append, broker_errc::request_timed_out,
                            broker_errc::not_leader_or_follower, broker_errc::kafka_storage_error}) {
      facts.code = code;
      facts.expired = true;
      CHECK(judge(facts).known == fate::maybe_written);
    }
  }
  SECTION("a code that is newer than the table proves nothing and is not retried") {
    facts.code = static_cast<broker_errc>(3000);
    CHECK(judge(facts) == verdict{verdict_action::fail, fate::maybe_written, false, false, false, true, false, false});
  }
}
