// SPDX-License-Identifier: BSL-1.0
// The books of the simulated stories: each rule that is broken is noticed, and nothing else is.
#include "support/audit_books.hpp"
#include "support/catch.hpp"

#include <chrono>

using namespace cokafka_tests;
using namespace std::chrono_literals;
using cokafka::errc;
using cokafka::fate;
using cokafka::testing::stored_record;

TEST_CASE("books that agree with the log are clean", "[testing]") {
  books of;
  of.send();
  of.send();
  of.send();
  of.send();
  of.written(0, 0);
  of.failed(1, fate::maybe_written);
  of.failed(2, fate::not_written);
  of.audit.detached(3);
  of.log({0, 1, 3});
  CHECK(of.complaint() == "");
  CHECK(of.audit.count_written() == 1);
  CHECK(of.audit.count_failed() == 2);
}

TEST_CASE("what was told written and is in no log is lost", "[testing]") {
  books of;
  of.send();
  of.written(0, 0);
  of.log({});
  CHECK(of.complains_of("lost"));
}

TEST_CASE("what was told not_written must not be in a log", "[testing]") {
  books of;
  of.send();
  of.failed(0, fate::not_written);
  of.log({0});
  CHECK(of.complains_of("although not_written"));
}

TEST_CASE("an idempotent producer writes nothing twice, another one may", "[testing]") {
  books of;
  of.send();
  of.failed(0, fate::maybe_written);
  of.log({0, 0});
  CHECK(of.complains_of("2 times"));
  books other(books::without_idempotence());
  other.send();
  other.written(0, 1);
  other.log({0, 0});
  CHECK(other.complaint() == "");
}

TEST_CASE("a topic that is made anew may hold what its former life held", "[testing]") {
  books of;
  of.send();
  of.written(0, 0);
  of.life({0});
  of.log({0});
  CHECK(of.complaint() == "");
}

TEST_CASE("an idempotent producer keeps the order of all records, another one that of first copies", "[testing]") {
  books of;
  of.send();
  of.send();
  of.audit.detached(0);
  of.audit.detached(1);
  of.log({1, 0});
  CHECK(of.complains_of("stands behind"));
  books other(books::without_idempotence());
  other.send();
  other.send();
  other.written(0, 0);
  other.written(1, 1);
  other.log({0, 1, 0});
  CHECK(other.complaint() == "");
  books wrong(books::without_idempotence());
  wrong.send();
  wrong.send();
  wrong.written(0, 1);
  wrong.written(1, 0);
  wrong.log({1, 0});
  CHECK(wrong.complains_of("stands behind"));
}

TEST_CASE("in a topic that stamps records one may be told its own time where the newest of its batch has the stamp",
          "[testing]") {
  const auto told = [](bool stamps, std::int64_t first, std::int64_t second) {
    books of;
    if (stamps) of.audit.stamps_records("t");
    of.audit.watch_logs();
    of.send();
    of.send();
    of.append({0, 1});
    of.written(0, 0, first);
    of.written(1, 1, second);
    of.log({0, 1});
    return of.complaint();
  };
  CHECK(told(true, 998, 1000) == "");
  CHECK(told(true, 1000, 998) == "");
  CHECK(told(true, 998, 999).find("was told the timestamp 998") != std::string::npos);
  CHECK(told(true, 1001, 1000).find("told the timestamp 1001") != std::string::npos);
  CHECK(told(false, 998, 1000).find("told the timestamp 998") != std::string::npos);
}

TEST_CASE("the metadata's offset and timestamp are those of the log", "[testing]") {
  books of;
  of.send();
  of.send();
  of.written(0, 1);
  of.written(1, 1, 999);
  of.log({0, 1});
  CHECK(of.complains_of("not where the metadata say"));
  CHECK(of.complains_of("was told the timestamp 999"));
}

TEST_CASE("every record is answered, once, by its deadline and not before it is due", "[testing]") {
  books of;
  for (int i = 0; i < 4; ++i) of.send();
  of.written(0, 0);
  of.written(0, 0);
  CHECK(of.complains_of("answered twice"));
  of.failed(1, fate::maybe_written, errc::timed_out, 10s + 2ms);
  CHECK(of.complains_of("after its deadline"));
  of.failed(2, fate::maybe_written, errc::timed_out, 9s);
  CHECK(of.complains_of("before it was due"));
  of.log({0});
  CHECK(of.complains_of("never answered"));
}

TEST_CASE("what is awaited is missed as soon as its deadline has passed", "[testing]") {
  books of;
  of.send();
  of.send();
  of.audit.awaited(0);
  of.audit.awaited(1);
  of.written(0, 0);
  of.audit.check_overdue(10s + 1ms);
  CHECK(of.complaint() == "");
  of.audit.check_overdue(10s + 2ms);
  CHECK(of.complains_of("not answered by its deadline: record 1"));
}

TEST_CASE("a copy in a later life of the topic says nothing of the order", "[testing]") {
  books of(books::without_idempotence());
  of.send();
  of.send();
  of.written(0, 0);
  of.written(1, 0);
  of.life({0});
  of.log({1, 0});
  CHECK(of.complaint() == "");
}

TEST_CASE("a record that waits for memory or metadata waits for max.block.ms and not longer", "[testing]") {
  books of;
  of.send();
  of.failed(0, fate::not_written, errc::buffer_timed_out, 5s);
  CHECK(of.complaint() == "");
  of.send(1s);
  of.failed(1, fate::not_written, errc::metadata_timed_out, 7s);
  CHECK(of.complains_of("longer than max.block.ms"));
}

TEST_CASE("in a healed world nothing fails for lack of time", "[testing]") {
  producer_promise promised = books::patient();
  promised.recovers_within = 3s;
  books of(promised);
  of.audit.healed(6s);
  of.send(1s);
  of.send(5s);
  of.failed(0, fate::maybe_written, errc::timed_out, 11s);
  of.failed(1, fate::maybe_written, errc::timed_out, 15s);
  of.log({});
  CHECK(of.complains_of("record 0"));  // it had five seconds
  CHECK(of.complains_of("record 1"));
  books short_of_time(promised);
  short_of_time.audit.healed(9s);
  short_of_time.send();
  short_of_time.failed(0, fate::maybe_written, errc::timed_out, 10s);
  CHECK(short_of_time.complaint() == "");
  books excused(promised);
  excused.audit.healed(6s);
  excused.audit.excuse("t");
  excused.send(1s);
  excused.failed(0, fate::maybe_written, errc::timed_out, 11s);
  CHECK(excused.complaint() == "");
}

TEST_CASE("what nobody sent, a gap and a damaged value are noticed", "[testing]") {
  books of;
  of.log({7});
  CHECK(of.complains_of("nobody has sent"));
  books other;
  other.send();
  other.audit.detached(0);
  stored_record damaged;
  damaged.offset = 1;
  damaged.value = "0:x";
  other.audit.add_log("t", 0, {damaged});
  CHECK(other.complains_of("a gap"));
  CHECK(other.complains_of("other bytes"));
}

TEST_CASE("what waits where nothing hinders it is noticed, unless its topic explains it", "[testing]") {
  producer_promise prompt = books::patient();
  prompt.answer_within = 500ms;
  books of(prompt);
  of.send();
  of.written(0, 0);  // after a second
  CHECK(of.complains_of("where nothing hindered it"));
  books excused(prompt);
  excused.audit.excuse("t");
  excused.send();
  excused.written(0, 0);
  CHECK(excused.complaint() == "");
}

TEST_CASE("what on_delivery_failed shows is compared with the logs, and must be complete when close() has ended",
          "[testing]") {
  const auto complaint = [](bool reported, bool written, bool late) {
    books of;
    of.send();
    of.audit.detached(0);
    cokafka::error_details why;
    why.code = errc::timed_out;
    why.fate = fate::not_written;
    if (late) of.audit.closed(0, true);
    if (reported) of.audit.reported(delivery_audit::value_of(0, 0), cokafka::error(why));
    of.audit.closed(0, true);
    of.log(written ? std::vector<std::uint64_t>{0} : std::vector<std::uint64_t>{});
    return of.complaint();
  };
  CHECK(complaint(true, false, false) == "");
  CHECK(complaint(false, true, false) == "");
  CHECK(complaint(false, false, false).find("in no log, and never reported") != std::string::npos);
  CHECK(complaint(true, true, false).find("in the log although not_written") != std::string::npos);
  CHECK(complaint(true, false, true).find("reported after close()") != std::string::npos);
  books other;
  other.send();
  other.audit.reported(delivery_audit::value_of(0, 0), cokafka::error(errc::timed_out));
  CHECK(other.complains_of("reported, and somebody waits or was told"));
}
