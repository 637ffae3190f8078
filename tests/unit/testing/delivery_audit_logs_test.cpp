// SPDX-License-Identifier: BSL-1.0
// The books of the simulated stories while things happen: what is wrong is noticed in the step that makes it so.
#include "support/audit_books.hpp"
#include "support/catch.hpp"

#include <chrono>

using namespace cokafka_tests;
using namespace std::chrono_literals;
using cokafka::errc;
using cokafka::fate;

namespace {

struct watched_books : books {
  explicit watched_books(producer_promise promised = patient()) : books(promised) { audit.watch_logs(); }
};

}  // namespace

TEST_CASE("a watched log that agrees with what is told, before and after it is told, is clean", "[testing]") {
  watched_books of;
  for (int i = 0; i < 4; ++i) of.send();
  of.append({0});
  of.written(0, 0);
  of.failed(1, fate::maybe_written);
  of.append({1, 2});
  of.failed(2, fate::maybe_written);
  of.failed(3, fate::not_written);
  CHECK(of.audit.next_offset("t", 0) == 3);
  CHECK(of.complaint() == "");
}

TEST_CASE("a watched log shows an acknowledgement of what is in no log, or elsewhere", "[testing]") {
  watched_books of;
  of.send();
  of.send();
  of.send();
  of.written(0, 0);
  CHECK(of.complains_of("told written, and it is in no log: record 0"));
  of.append({1, 2});
  of.written(1, 1);
  CHECK(of.complains_of("told an offset at which it is not: record 1"));
  of.written(2, 1, 999);
  CHECK(of.complains_of("told the timestamp 999"));
  producer_promise careless = books::patient();
  careless.acknowledged = false;
  watched_books other(careless);
  other.send();
  other.written(0, 0);
  CHECK(other.complaint() == "");
}

TEST_CASE("a watched log shows a record that was told not_written, whichever comes first", "[testing]") {
  watched_books of;
  of.send();
  of.append({0});
  CHECK(of.complaint() == "");
  of.failed(0, fate::not_written);
  CHECK(of.complains_of("told not_written, and it is in the log: record 0"));
  watched_books late;
  late.send();
  late.failed(0, fate::not_written);
  late.append({0});
  CHECK(late.complains_of("after it was told not_written: record 0"));
}

TEST_CASE("a watched log shows a double where none may be, in any partition of the topic", "[testing]") {
  watched_books of;
  of.send();
  of.append({0});
  of.append({0});
  CHECK(of.complains_of("came a second time, to t-0 @ 1: record 0"));
  watched_books beside;
  beside.send();
  beside.append({0});
  beside.append({0}, 1);
  CHECK(beside.complains_of("came a second time, to t-1 @ 0: record 0"));
  watched_books other(books::without_idempotence());
  other.send();
  other.append({0});
  other.append({0});
  other.written(0, 0);
  CHECK(other.complaint() == "");
}

TEST_CASE("a watched log shows an idempotent producer's records out of order", "[testing]") {
  watched_books of;
  of.send();
  of.send();
  of.append({1});
  CHECK(of.complaint() == "");
  of.append({0});
  CHECK(of.complains_of("record 0"));
  CHECK(of.complains_of("came behind record 1"));
  watched_books other(books::without_idempotence());
  other.send();
  other.send();
  other.append({1, 0});
  CHECK(other.complaint() == "");
}

TEST_CASE("the next life of a watched topic begins at offset 0 and may hold a record again", "[testing]") {
  watched_books of;
  of.send();
  of.send();
  of.append({0, 1});
  of.audit.begins_anew("t", false);
  CHECK(of.audit.next_offset("t", 0) == 0);
  of.append({1, 0});
  of.written(0, 0);  // there in its former life
  of.written(1, 0);
  CHECK(of.complaint() == "");
  of.append({1});
  CHECK(of.complains_of("came a second time, to t-0 @ 2: record 1"));
  watched_books ordered;
  ordered.send();
  ordered.send();
  ordered.audit.begins_anew("t", true);
  ordered.append({1, 0});
  CHECK(ordered.complains_of("came behind"));
}

TEST_CASE("a watched log shows a gap, other bytes, and what nobody has sent", "[testing]") {
  watched_books of;
  of.send();
  of.append({7});
  CHECK(of.complains_of("nobody has sent what came to t-0 @ 0"));
  of.audit.appended("t", 0, books::stored({0}, 2));
  CHECK(of.complains_of("a gap in the log before t-0 @ 2"));
  watched_books damaged;
  damaged.send();
  auto records = books::stored({0}, 0);
  records.front().value = "0:x";
  damaged.audit.appended("t", 0, records);
  CHECK(damaged.complains_of("other bytes"));
}

TEST_CASE("what is purged is answered at once, and nothing else is told that it was", "[testing]") {
  watched_books of;
  of.send();
  of.send();
  of.send();
  of.audit.awaited(0);
  of.audit.awaited(1);
  of.audit.purged(0, 1s);
  of.failed(0, fate::maybe_written, errc::purged, 1s);
  of.send(1s);
  of.failed(3, fate::not_written, errc::purged, 1s);  // sent while that happened
  of.audit.check_overdue(1s + 1ms);
  CHECK(of.complaint() == "");
  of.audit.check_overdue(1s + 2ms);
  CHECK(of.complains_of("not answered by its deadline: record 1"));
  of.failed(2, fate::not_written, errc::purged, 2s);
  CHECK(of.complains_of("after its deadline: record 2"));
  of.send(3s);
  of.failed(4, fate::not_written, errc::purged, 3s);
  CHECK(of.complains_of("nobody had purged it: record 4"));
}

TEST_CASE("a partition is unknown only to who named it, and where it was not always there", "[testing]") {
  watched_books of;
  of.audit.has_partitions("t", 3);
  of.audit.has_partitions("t", 2);
  of.audit.has_partitions("t", 4);
  of.send(0s, 2);
  of.failed(0, fate::not_written, errc::unknown_partition);
  CHECK(of.complaint() == "");
  of.send(0s, 1);
  of.failed(1, fate::not_written, errc::unknown_partition);
  CHECK(of.complains_of("always there: record 1"));
  of.send();
  of.failed(2, fate::not_written, errc::unknown_partition);
  CHECK(of.complains_of("always there: record 2"));
}
