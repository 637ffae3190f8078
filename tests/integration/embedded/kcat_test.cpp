// SPDX-License-Identifier: BSL-1.0
// kcat, a client that is not ours (librdkafka), lists, produces to and consumes from the embedded cluster.
#include "cokafka/testing.hpp"
#include "support/catch.hpp"
#include "support/wire_client.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

using cokafka::testing::api_key;
using cokafka::testing::cluster_options;
using cokafka::testing::kafka_version;
using cokafka_test::running_cluster;

namespace {

struct output {
  std::string text;
  int code = -1;
};

output run(const std::string& command) {
  output result;
  std::FILE* pipe = ::popen(("timeout 30 " + command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  char buffer[4096];
  while (const std::size_t size = std::fread(buffer, 1, sizeof(buffer), pipe)) result.text.append(buffer, size);
  const int status = ::pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

bool has_kcat() {
  if (std::system("command -v kcat > /dev/null") == 0) return true;
  WARN("skipped: kcat is not installed");
  return false;
}

std::string kcat(running_cluster& kafka, const std::string& arguments) {
  const output result = run("kcat -b " + kafka->bootstrap_servers() + " " + arguments);
  CAPTURE(arguments, result.text);
  CHECK(result.code == 0);
  return result.text;
}

std::string pipe_to_kcat(running_cluster& kafka, const std::string& input, const std::string& arguments) {
  const output result =
      run("sh -c \"printf '" + input + "' | kcat -b " + kafka->bootstrap_servers() + " " + arguments + "\"");
  CAPTURE(arguments, result.text);
  CHECK(result.code == 0);
  return result.text;
}

std::vector<std::string> sorted_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

cluster_options three_brokers(kafka_version version) {
  cluster_options options;
  options.brokers = 3;
  options.version = version;
  return options;
}

void lists_produces_and_consumes(kafka_version version) {
  running_cluster kafka(three_brokers(version));
  kafka->create_topic("orders", 4);
  const std::string listed = kcat(kafka, "-L");
  CHECK(listed.find("3 brokers:") != std::string::npos);
  CHECK(listed.find("topic \"orders\" with 4 partitions:") != std::string::npos);

  pipe_to_kcat(kafka, "k1:v1\\nk2:v2\\nk3:\\n", "-P -t orders -K: -H a=b -H a=c");
  std::size_t stored = 0;
  for (int p = 0; p != 4; ++p) {
    for (const auto& record : kafka->records("orders", p)) {
      ++stored;
      REQUIRE(record.headers.size() == 2);
      CHECK(record.headers[1].value == "c");
    }
  }
  CHECK(stored == 3);
  const auto read = sorted_lines(kcat(kafka, "-C -q -t orders -e -o beginning -f '%k=%s %h\\n'"));
  CHECK(read == std::vector<std::string>{"k1=v1 a=b,a=c", "k2=v2 a=b,a=c", "k3= a=b,a=c"});
  const auto last = kcat(kafka, "-C -q -t orders -p 0 -o end -e");
  CHECK(last.empty());
}

}  // namespace

TEST_CASE("kcat lists, produces to and consumes from a cluster that says it is 4.1", "[integration]") {
  if (has_kcat()) lists_produces_and_consumes(kafka_version::v4_1);
}

TEST_CASE("kcat lists, produces to and consumes from a cluster that says it is 3.9", "[integration]") {
  if (has_kcat()) lists_produces_and_consumes(kafka_version::v3_9);
}

TEST_CASE("kcat lists, produces to and consumes from a cluster that says it is 2.1", "[integration]") {
  if (has_kcat()) lists_produces_and_consumes(kafka_version::v2_1);
}

TEST_CASE("an idempotent kcat gets a producer id and its sequences fit", "[integration]") {
  if (!has_kcat()) return;
  running_cluster kafka;
  kafka->fail_after_append(api_key::produce, cokafka::broker_errc::not_enough_replicas_after_append);
  pipe_to_kcat(kafka, "a\\nb\\nc\\n", "-P -t made-on-the-way -X enable.idempotence=true -X queue.buffering.max.ms=50");
  const auto records = kafka->records("made-on-the-way", 0);
  REQUIRE(records.size() == 3);
  for (int i = 0; i != 3; ++i) {
    const auto& record = records[static_cast<std::size_t>(i)];
    CHECK(record.producer_id >= 0);
    CHECK(record.sequence == i);
  }
  CHECK(kafka->request_count(api_key::produce) == 2);  // the second one was a duplicate
}

TEST_CASE("kcat finds a new leader and a broker that comes back", "[integration]") {
  if (!has_kcat()) return;
  running_cluster kafka(three_brokers(kafka_version::v4_1));
  kafka->create_topic("t", 1);
  pipe_to_kcat(kafka, "a\\n", "-P -t t");
  kafka->stop_broker(0);
  pipe_to_kcat(kafka, "b\\n", "-P -t t");
  kafka->start_broker(0);
  kafka->set_leader("t", 0, 0);
  pipe_to_kcat(kafka, "c\\n", "-P -t t");
  CHECK(kcat(kafka, "-C -q -t t -e -o beginning") == "a\nb\nc\n");
}

TEST_CASE("kcat compresses, and the batches are kept as they came", "[integration]") {
  if (!has_kcat()) return;
  running_cluster kafka;
  kafka->create_topic("t", 1);
  const std::string value(500, 'x');
  for (const char* codec : {"gzip", "snappy", "lz4", "zstd"}) {
    pipe_to_kcat(kafka, value + "\\n", "-P -t t -z " + std::string(codec));
  }
  const auto batches = kafka->batches("t", 0);
  REQUIRE(batches.size() == 4);
  for (int codec = 1; codec <= 4; ++codec) CHECK(batches[static_cast<std::size_t>(codec - 1)].codec == codec);
  CHECK(kcat(kafka, "-C -q -t t -e -o beginning") == value + "\n" + value + "\n" + value + "\n" + value + "\n");
}
