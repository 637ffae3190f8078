// SPDX-License-Identifier: BSL-1.0
// The processes of a benchmark: the sink, and one for every run of a client, so that each is measured alone.
#ifndef COKAFKA_BENCHMARKS_PROCESSES_HPP
#define COKAFKA_BENCHMARKS_PROCESSES_HPP

#include "workload.hpp"

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace bench {

inline void pipe_or_throw(int (&ends)[2]) {
  if (::pipe(ends) != 0) throw std::runtime_error(std::string("pipe: ") + std::strerror(errno));
}

struct received {
  unsigned long long requests = 0;
  unsigned long long batches = 0;
  unsigned long long records = 0;
  unsigned long long bytes = 0;
};

// The sink as a child; it ends when its standard input does, so also when we crash.
class sink_process {
 public:
  explicit sink_process(std::vector<std::string> command) {
    int to_child[2];
    int from_child[2];
    pipe_or_throw(to_child);
    pipe_or_throw(from_child);
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(to_child[0], STDIN_FILENO);
      ::dup2(from_child[1], STDOUT_FILENO);
      for (const int fd : {to_child[0], to_child[1], from_child[0], from_child[1]}) ::close(fd);
      std::vector<char*> arguments;
      for (std::string& each : command) arguments.push_back(each.data());
      arguments.push_back(nullptr);
      ::execv(arguments[0], arguments.data());
      std::perror(arguments[0]);
      ::_exit(127);
    }
    ::close(to_child[0]);
    ::close(from_child[1]);
    commands_ = to_child[1];
    answers_ = ::fdopen(from_child[0], "r");
    if (child_ < 0 || std::fscanf(answers_, "%d", &port_) != 1) throw std::runtime_error("the sink did not start");
  }
  sink_process(const sink_process&) = delete;
  ~sink_process() {
    close_in_client();
    ::waitpid(child_, nullptr, 0);
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // What arrived since the last call.
  received totals() {
    received got;
    if (::write(commands_, "\n", 1) != 1 ||
        std::fscanf(answers_, "%llu %llu %llu %llu", &got.requests, &got.batches, &got.records, &got.bytes) != 4) {
      throw std::runtime_error("the sink is gone");
    }
    return got;
  }

  // A forked client must not hold the sink's input open.
  void close_in_client() {
    ::close(commands_);
    std::fclose(answers_);
  }

 private:
  pid_t child_ = -1;
  int commands_ = -1;
  std::FILE* answers_ = nullptr;
  int port_ = 0;
};

// Calls `measure` in a process of its own.
template <class Measure, class AfterFork>
measurement in_child(Measure&& measure, AfterFork&& after_fork) {
  static_assert(std::is_trivially_copyable_v<measurement>);
  int ends[2];
  pipe_or_throw(ends);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    after_fork();
    try {
      const measurement taken = measure();
      ::_exit(::write(ends[1], &taken, sizeof taken) == sizeof taken ? 0 : 1);
    } catch (const std::exception& problem) {
      std::fprintf(stderr, "bench_produce: %s\n", problem.what());
      ::_exit(1);
    }
  }
  ::close(ends[1]);
  measurement taken;
  const ssize_t size = ::read(ends[0], &taken, sizeof taken);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (size != sizeof taken || status != 0) throw std::runtime_error("a client failed");
  return taken;
}

}  // namespace bench

#endif
