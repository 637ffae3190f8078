// SPDX-License-Identifier: BSL-1.0
// Bodies of real_kafka: environment variables of tools/test, tools/kafka and foreign_client.py.
#include "support/real_kafka.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace cokafka_test {

namespace {

std::string variable(const char* name, const std::string& otherwise = {}) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

std::string must_run(const std::string& command, int seconds) {
  const command_output done = run_command(command, seconds);
  if (done.code != 0) throw std::runtime_error(command + ": " + done.text);
  return done.text;
}

}  // namespace

std::string kafka_tool() { return variable("COKAFKA_KAFKA_TOOL", COKAFKA_TEST_DATA "/../../tools/kafka"); }

command_output run_command(const std::string& command, int seconds) {
  command_output result;
  const std::string limited = "timeout " + std::to_string(seconds) + " sh -c '" + command + "' 2>&1 </dev/null";
  std::FILE* pipe = ::popen(limited.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("no pipe");
  char buffer[4096];
  while (const std::size_t size = std::fread(buffer, 1, sizeof(buffer), pipe)) result.text.append(buffer, size);
  const int status = ::pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

std::string real_kafka::fresh_topic(const std::string& purpose) const {
  static std::atomic<int> count{0};
  return purpose + "." + std::to_string(::getpid()) + "." + std::to_string(++count);
}

void real_kafka::create_topics(const std::vector<std::string>& topics) const {
  std::string arguments = "create " + bootstrap;
  for (const std::string& each : topics) arguments += " " + each;
  foreign_client(arguments);
}

std::string real_kafka::foreign_client(const std::string& arguments) const {
  return must_run(variable("COKAFKA_PYTHON", "python3") + " " COKAFKA_TEST_DATA "/foreign_client.py " + arguments, 200);
}

std::string real_kafka::differences(const std::string& told_file, const std::string& other_topics) const {
  const command_output done =
      run_command(variable("COKAFKA_PYTHON", "python3") + " " COKAFKA_TEST_DATA "/foreign_client.py compare " +
                      bootstrap + " " + told_file + " " + other_topics,
                  200);
  return done.code == 0 ? "" : done.text + " (code " + std::to_string(done.code) + ")";
}

std::string real_kafka::tool_options() const {
  return "--version " + version + " --nodes " + std::to_string(nodes) + (name.empty() ? "" : " --name " + name);
}

void real_kafka::kill_node(int node) const {
  must_run(kafka_tool() + " kill-node " + std::to_string(node) + " " + tool_options(), 30);
}

void real_kafka::start_node(int node) const {
  must_run(kafka_tool() + " start-node " + std::to_string(node) + " " + tool_options(), 120);
}

real_kafka given_kafka() {
  real_kafka kafka;
  kafka.bootstrap = variable("COKAFKA_BOOTSTRAP");
  kafka.version = variable("COKAFKA_KAFKA_VERSION", "4.1.1");
  kafka.nodes = std::atoi(variable("COKAFKA_KAFKA_NODES", "1").c_str());
  kafka.name = variable("COKAFKA_KAFKA_NAME");
  return kafka;
}

own_kafka::own_kafka(const real_kafka& like, int nodes, const std::string& purpose) : kafka_(like) {
  kafka_.nodes = nodes;
  kafka_.name = purpose + "-" + std::to_string(::getpid());
  const std::string said = must_run(kafka_tool() + " up " + kafka_.tool_options(), 200);
  const std::string before = "bootstrap.servers=";
  const auto at = said.rfind(before);
  if (at == std::string::npos) throw std::runtime_error("tools/kafka printed no bootstrap line: " + said);
  kafka_.bootstrap = said.substr(at + before.size());
  while (!kafka_.bootstrap.empty() && kafka_.bootstrap.back() == '\n') kafka_.bootstrap.pop_back();
}

own_kafka::~own_kafka() { run_command(kafka_tool() + " down " + kafka_.tool_options(), 60); }

}  // namespace cokafka_test
