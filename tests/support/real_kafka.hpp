// SPDX-License-Identifier: BSL-1.0
// A real Kafka that tools/test has started (or a test starts for itself), and the client that is not ours to check
// with.
#ifndef COKAFKA_TESTS_SUPPORT_REAL_KAFKA_HPP
#define COKAFKA_TESTS_SUPPORT_REAL_KAFKA_HPP

#include <string>
#include <vector>

namespace cokafka_test {

struct command_output {
  int code = -1;
  std::string text;  // both standard output and standard error
};

// Runs a command of the shell, ended after `seconds`.
command_output run_command(const std::string& command, int seconds = 120);

// The command line of tools/kafka.
std::string kafka_tool();

struct real_kafka {
  std::string bootstrap;
  std::string version;
  int nodes = 1;
  std::string name;  // of tools/kafka

  bool is_4_1() const { return version.rfind("4.1.", 0) == 0; }
  // A topic nobody else uses.
  std::string fresh_topic(const std::string& purpose) const;
  int replication() const { return nodes; }
  // Each as NAME:PARTITIONS:REPLICATION[:KEY=VALUE...]. Throws std::runtime_error.
  void create_topics(const std::vector<std::string>& topics) const;
  // Empty when the records of the file are those in the log (see foreign_client.py), else what is wrong.
  std::string differences(const std::string& told_file, const std::string& other_topics = "") const;
  std::string foreign_client(const std::string& arguments) const;
  // "--version V --nodes N --name M"
  std::string tool_options() const;
  // Ends one node by SIGKILL, or starts it again; throws std::runtime_error.
  void kill_node(int node) const;
  void start_node(int node) const;
};

// What tools/test says is up; an empty bootstrap when nothing is (then the test skips itself).
real_kafka given_kafka();

// A cluster of the test's own, of the version and size given, ended with the object.
class own_kafka {
 public:
  own_kafka(const real_kafka& like, int nodes, const std::string& purpose);
  own_kafka(const own_kafka&) = delete;
  own_kafka& operator=(const own_kafka&) = delete;
  ~own_kafka();
  const real_kafka& operator*() const { return kafka_; }
  const real_kafka* operator->() const { return &kafka_; }

 private:
  real_kafka kafka_;
};

}  // namespace cokafka_test

#endif
