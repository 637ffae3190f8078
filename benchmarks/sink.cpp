// SPDX-License-Identifier: BSL-1.0
// A broker that takes records as fast as a socket can and throws them away: the far end of every benchmark.

#include "relay.hpp"
#include "sink_stream.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace {

constexpr const char* usage =
    "usage: sink [--address A] [--port N] [--partitions N] [--round-trip MS] [--controlled]\n"
    "A broker that acknowledges all records and keeps none. Prints its port, then runs until killed.\n"
    "  --address A      the address to listen on (default 127.0.0.1)\n"
    "  --port N         the port to listen on (default: any free one)\n"
    "  --partitions N   the partitions of every topic (default 1)\n"
    "  --round-trip MS  a relay before it holds every byte for half of this, each way (default 0: no relay)\n"
    "  --controlled     print and reset the totals for each line on standard input; exit at its end\n";

struct options {
  std::string address = "127.0.0.1";
  int port = 0;
  int partitions = 1;
  int round_trip_ms = 0;
  bool controlled = false;
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "sink: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

struct connection {
  connection(int socket, bench::sink_broker& broker) : fd(socket), stream(broker) {}
  connection(const connection&) = delete;
  ~connection() { ::close(fd); }

  int fd;
  bench::sink_stream stream;
  std::string answers{};  // what has not left yet
  bool blocked = false;
};

class server {
 public:
  explicit server(const options& chosen)
      : listener_(chosen.round_trip_ms == 0 ? listen_on(chosen.address, chosen.port) : listen_on("127.0.0.1", 0)),
        relay_(relay_to(listener_, chosen)),
        broker_(chosen.address, relay_ ? relay_->port() : port_of(listener_), chosen.partitions) {
    watch(listener_, EPOLLIN, EPOLL_CTL_ADD);
    if (chosen.controlled) watch(STDIN_FILENO, EPOLLIN, EPOLL_CTL_ADD);
    std::printf("%d\n", broker_.port());
    std::fflush(stdout);
  }

  void run() {
    std::array<epoll_event, 64> events;
    while (running_) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      if (count < 0 && errno != EINTR) fail("epoll_wait");
      for (int i = 0; i < count; ++i) handle(events[static_cast<std::size_t>(i)]);
    }
  }

 private:
  static int listen_on(const std::string& at, int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    if (::inet_pton(AF_INET, at.c_str(), &address.sin_addr) != 1) {
      std::fprintf(stderr, "sink: '%s' is not an IPv4 address\n", at.c_str());
      std::exit(2);
    }
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("bind");
    if (::listen(fd, SOMAXCONN) != 0) fail("listen");
    return fd;
  }

  static std::unique_ptr<bench::relay> relay_to(int listener, const options& chosen) {
    if (chosen.round_trip_ms == 0) return nullptr;
    return std::make_unique<bench::relay>(chosen.address, static_cast<std::uint16_t>(chosen.port), port_of(listener),
                                          std::chrono::microseconds(500) * chosen.round_trip_ms);
  }

  static std::uint16_t port_of(int fd) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) fail("getsockname");
    return ntohs(address.sin_port);
  }

  void watch(int fd, std::uint32_t what, int operation) const {
    epoll_event event{};
    event.events = what;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_, operation, fd, &event) != 0) fail("epoll_ctl");
  }

  void handle(const epoll_event& event) {
    const int fd = event.data.fd;
    if (fd == listener_) return accept_one();
    if (fd == STDIN_FILENO) return obey();
    const auto found = connections_.find(fd);
    if (found == connections_.end()) return;
    connection& peer = *found->second;
    const bool alive = ((event.events & EPOLLIN) == 0 || receive(peer)) && (event.events & EPOLLERR) == 0 && send(peer);
    if (!alive) connections_.erase(found);
  }

  void accept_one() {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections_.emplace(fd, std::make_unique<connection>(fd, broker_));
    watch(fd, EPOLLIN, EPOLL_CTL_ADD);
  }

  void obey() {
    char line[64];
    if (::read(STDIN_FILENO, line, sizeof line) <= 0) {
      running_ = false;
      return;
    }
    const auto& totals = broker_.totals;
    std::printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", totals.requests, totals.batches, totals.records,
                totals.bytes);
    std::fflush(stdout);
    broker_.totals = {};
  }

  // MSG_TRUNC lets the kernel drop the bytes of records without copying them.
  bool receive(connection& peer) {
    std::size_t skip = peer.stream.skippable();
    const auto room = peer.stream.prepare();
#if defined(__SANITIZE_ADDRESS__)
    skip = std::min(skip, room.size());  // it takes what is dropped for written
#endif
    const ssize_t size =
        skip != 0 ? ::recv(peer.fd, room.data(), skip, MSG_TRUNC) : ::recv(peer.fd, room.data(), room.size(), 0);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size == 0) return false;
    skip != 0 ? peer.stream.discard(static_cast<std::size_t>(size))
              : peer.stream.commit(static_cast<std::size_t>(size));
    return peer.stream.parse(peer.answers);  // a request may end with the records: also those may call for an answer
  }

  bool send(connection& peer) const {
    while (!peer.answers.empty()) {
      const ssize_t size = ::send(peer.fd, peer.answers.data(), peer.answers.size(), MSG_NOSIGNAL);
      if (size < 0 && errno != EAGAIN) return false;
      set_blocked(peer, size < 0);
      if (size < 0) return true;
      peer.answers.erase(0, static_cast<std::size_t>(size));
    }
    return true;
  }

  void set_blocked(connection& peer, bool blocked) const {
    if (std::exchange(peer.blocked, blocked) == blocked) return;
    watch(peer.fd, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
  }

  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  int listener_;
  std::unique_ptr<bench::relay> relay_;
  bench::sink_broker broker_;
  std::map<int, std::unique_ptr<connection>> connections_;
  bool running_ = true;
};

int number(const char* text, int least, int most) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (end != text && *end == '\0' && value >= least && value <= most) return static_cast<int>(value);
  std::fprintf(stderr, "sink: '%s' is not a number from %d to %d\n", text, least, most);
  std::exit(2);
}

options parse(int argc, char** argv) {
  options chosen;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (name == "--controlled") {
      chosen.controlled = true;
    } else if (name == "--address" && ++i < argc) {
      chosen.address = value;
    } else if (name == "--port" && ++i < argc) {
      chosen.port = number(value, 0, 65535);
    } else if (name == "--partitions" && ++i < argc) {
      chosen.partitions = number(value, 1, 100'000);
    } else if (name == "--round-trip" && ++i < argc) {
      chosen.round_trip_ms = number(value, 0, 60'000);
    } else {
      const bool asked = name == "--help";
      std::fputs(usage, asked ? stdout : stderr);
      std::exit(asked ? 0 : 2);
    }
  }
  return chosen;
}

}  // namespace

int main(int argc, char** argv) { server(parse(argc, argv)).run(); }
