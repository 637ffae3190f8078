// SPDX-License-Identifier: BSL-1.0
// A TCP proxy that cuts, delays, slices, half-closes and mutes connections, by a schedule from a seed.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

constexpr std::string_view usage =
    "Usage: chaos_proxy --seed S LISTEN_PORT:TARGET_PORT...\n"
    "Carries connections between ports of 127.0.0.1. Commands on stdin, a line each: `faults on`, `faults off` (as it\n"
    "begins). Ends with stdin, and prints how many faults there were.\n";

constexpr auto token = asio::as_tuple(asio::use_awaitable);

enum class fault { cut, drained_cut, half_close, muted, delayed, sliced, stalled };
constexpr std::array<std::string_view, 7> fault_names = {
    "cut", "cut when drained", "half-closed", "answers swallowed", "delayed", "sliced", "stalled"};

struct proxy_state {
  std::uint64_t seed = 1;
  bool faults = false;
  std::uint64_t connections = 0;
  std::uint64_t bytes = 0;
  std::array<std::uint64_t, fault_names.size()> counts{};
};

// Two sockets and what is done to the bytes between them at the moment. One thread.
class link {
 public:
  link(proxy_state& state, tcp::socket client, std::uint64_t number)
      : state_(state),
        client_(std::move(client)),
        broker_(client_.get_executor()),
        pause_(client_.get_executor()),
        resumed_(client_.get_executor()),
        random_(static_cast<std::mt19937::result_type>(state.seed * 1'000'003 + number)) {}

  // Each task keeps the link.
  asio::awaitable<void> run(std::shared_ptr<link> self, unsigned short target) {
    const auto [failed] = co_await broker_.async_connect({asio::ip::address_v4::loopback(), target}, token);
    if (failed) co_return cut();
    boost::system::error_code ignored;
    client_.set_option(tcp::no_delay(true), ignored);
    broker_.set_option(tcp::no_delay(true), ignored);
    const auto executor = client_.get_executor();
    asio::co_spawn(executor, carry(self, client_, broker_, false), asio::detached);
    asio::co_spawn(executor, carry(self, broker_, client_, true), asio::detached);
    co_await trouble();
  }

 private:
  std::uint32_t random(std::uint32_t limit) { return static_cast<std::uint32_t>(random_() % limit); }

  asio::awaitable<void> sleep(milliseconds time) {
    asio::steady_timer timer(client_.get_executor(), time);
    co_await timer.async_wait(token);
  }

  // What happens to this connection, one thing after the other, until it is gone.
  asio::awaitable<void> trouble() {
    while (!ended_) {
      pause_.expires_after(milliseconds(200 + random(6000)));
      co_await pause_.async_wait(token);
      if (ended_ || !state_.faults) continue;
      constexpr fault often[] = {fault::cut,        fault::cut,     fault::drained_cut, fault::drained_cut,
                                 fault::half_close, fault::muted,   fault::muted,       fault::delayed,
                                 fault::delayed,    fault::delayed, fault::sliced,      fault::stalled,
                                 fault::stalled};
      const fault chosen = often[random(static_cast<std::uint32_t>(std::size(often)))];
      ++state_.counts[static_cast<std::size_t>(chosen)];
      co_await suffer(chosen);
    }
  }

  asio::awaitable<void> suffer(fault chosen) {
    boost::system::error_code ignored;
    const milliseconds time(300 + random(2500));
    switch (chosen) {
      case fault::cut: co_return cut();
      case fault::drained_cut: co_return drop_client();
      case fault::half_close:
        (random(2) == 0 ? client_ : broker_).shutdown(tcp::socket::shutdown_send, ignored);
        co_await sleep(time);
        co_return cut();
      case fault::muted:
        muted_ = true;
        co_await sleep(time);
        co_return drop_client();
      case fault::delayed:
        delay_ = milliseconds(5 + random(150));
        co_await sleep(time);
        delay_ = 0ms;
        co_return;
      case fault::sliced:
        slice_ = 1 + random(300);
        co_await sleep(time);
        slice_ = 0;
        co_return;
      case fault::stalled:
        stalled_ = true;
        co_await sleep(time * 2);
        stalled_ = false;
        resumed_.cancel();
        if (random(2) == 0) cut();
        co_return;
    }
  }

  asio::awaitable<void> carry(std::shared_ptr<link>, tcp::socket& from, tcp::socket& to, bool answers) {
    std::array<char, 65536> buffer;
    while (!ended_) {
      const auto [failed, size] = co_await from.async_read_some(asio::buffer(buffer), token);
      if (failed) break;
      if (delay_ > 0ms) co_await sleep(delay_);
      while (stalled_ && !ended_) {
        resumed_.expires_after(10s);
        co_await resumed_.async_wait(token);
      }
      if (answers && muted_) continue;
      const bool written = co_await forward(to, std::string_view(buffer.data(), size));
      if (!written) break;
    }
    if (!ended_ && !muted_) co_return end_direction(to);
  }

  asio::awaitable<bool> forward(tcp::socket& to, std::string_view left) {
    state_.bytes += left.size();
    while (!left.empty()) {
      const std::size_t part = slice_ == 0 ? left.size() : std::min(left.size(), std::size_t{1} + random(slice_));
      const auto [failed, written] = co_await asio::async_write(to, asio::buffer(left.data(), part), token);
      if (failed) co_return false;
      left.remove_prefix(written);
    }
    co_return true;
  }

  // One side has closed: the other is told, and with the second one the connection ends.
  void end_direction(tcp::socket& to) {
    boost::system::error_code ignored;
    to.shutdown(tcp::socket::shutdown_send, ignored);
    if (++directions_ended_ == 2) cut();
  }

  // Both sides see a reset; what is under way is lost.
  void cut() {
    for (tcp::socket* each : {&client_, &broker_}) {
      boost::system::error_code ignored;
      each->set_option(asio::socket_base::linger(true, 0), ignored);
      each->close(ignored);
    }
    end();
  }

  // The client sees a reset; the broker still gets and does what was sent to it.
  void drop_client() {
    boost::system::error_code ignored;
    client_.set_option(asio::socket_base::linger(true, 0), ignored);
    client_.close(ignored);
    broker_.close(ignored);
    end();
  }

  void end() {
    ended_ = true;
    pause_.cancel();
    resumed_.cancel();
  }

  proxy_state& state_;
  tcp::socket client_;
  tcp::socket broker_;
  asio::steady_timer pause_;
  asio::steady_timer resumed_;
  std::mt19937 random_;
  milliseconds delay_{};
  std::uint32_t slice_ = 0;
  int directions_ended_ = 0;
  bool muted_ = false;
  bool stalled_ = false;
  bool ended_ = false;
};

asio::awaitable<void> serve(asio::io_context& io, proxy_state& state, unsigned short port, unsigned short target) {
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), port});
  for (std::uint64_t number = 0;; ++number) {
    auto [failed, client] = co_await acceptor.async_accept(token);
    if (failed) {  // out of descriptors, or gone before it was accepted
      asio::steady_timer timer(io, 10ms);
      co_await timer.async_wait(token);
      continue;
    }
    ++state.connections;
    auto made = std::make_shared<link>(state, std::move(client), number * 16 + target % 16);
    link& started = *made;
    asio::co_spawn(io, started.run(std::move(made), target), asio::detached);
  }
}

asio::awaitable<void> obey(asio::io_context& io, proxy_state& state) {
  asio::posix::stream_descriptor input(io, ::dup(STDIN_FILENO));
  std::string lines;
  for (;;) {
    const auto [failed, size] = co_await asio::async_read_until(input, asio::dynamic_buffer(lines), '\n', token);
    if (failed) break;
    const std::string line = lines.substr(0, size - 1);
    lines.erase(0, size);
    if (line == "faults on") state.faults = true;
    if (line == "faults off") state.faults = false;
  }
  io.stop();
}

}  // namespace

int main(int count, char** values) {
  asio::io_context io(1);
  proxy_state state;
  int ports = 0;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = values[i];
    if (word == "--seed" && i + 1 < count) {
      state.seed = std::strtoull(values[++i], nullptr, 10);
      continue;
    }
    const auto colon = word.find(':');
    if (colon == std::string_view::npos) {
      std::fputs(usage.data(), stderr);
      return 2;
    }
    const auto listen = static_cast<unsigned short>(std::atoi(values[i]));
    const auto target = static_cast<unsigned short>(std::atoi(values[i] + colon + 1));
    asio::co_spawn(io, serve(io, state, listen, target), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
    ++ports;
  }
  if (ports == 0) {
    std::fputs(usage.data(), stderr);
    return 2;
  }
  asio::co_spawn(io, obey(io, state), asio::detached);
  io.run();
  std::printf("%llu connections, %llu MB", static_cast<unsigned long long>(state.connections),
              static_cast<unsigned long long>(state.bytes / 1'000'000));
  for (std::size_t i = 0; i != fault_names.size(); ++i) {
    std::printf(", %s %llu", fault_names[i].data(), static_cast<unsigned long long>(state.counts[i]));
  }
  std::printf("\n");
  return 0;
}
