// SPDX-License-Identifier: BSL-1.0
// Kafka's VerifiableProducer with our producer: sends numbered records and says of each in a line of JSON what came of
// it.
#include "cokafka/producer.hpp"
#include "json_line.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

constexpr std::string_view usage =
    "Usage: verifiable_producer --topic TOPIC --bootstrap-server HOST:PORT[,...] [--max-messages N] [--throughput N]\n"
    "         [--acks 0|1|-1] [--command-config FILE] [--message-create-time MS] [--value-prefix N] [--repeating-keys "
    "N]\n"
    "Sends records with the values 0, 1, 2, ... and prints a line of JSON for each answer, as Kafka's\n"
    "VerifiableProducer does. SIGINT and SIGTERM: what has been sent is answered, then it ends.\n"
    "  --max-messages N          ends after N records; -1 (default): never\n"
    "  --throughput N            records per second; -1 (default): no limit; 0: sends nothing until it is ended\n"
    "  --command-config FILE     properties of the producer, name=value per line (also --producer.config)\n"
    "  --message-create-time MS  the timestamp of the first record; later ones follow the clock from there\n"
    "  --value-prefix N          the values are N.0, N.1, ...\n"
    "  --repeating-keys N        the keys are 0 to N - 1, again and again; without it records have none\n"
    "Unlike Kafka's, it leaves `retries` at the producer's default.\n";

struct arguments {
  std::string topic{};
  std::string command_config{};
  std::optional<std::string> bootstrap_server{};
  std::optional<std::string> acks{};
  std::int64_t max_messages = -1;
  std::int64_t throughput = -1;
  std::int64_t message_create_time = -1;
  std::optional<std::int64_t> value_prefix{};
  std::int64_t repeating_keys = 0;
  bool help = false;
  std::string problem{};
};

bool read_number(std::string_view text, std::int64_t& number, std::int64_t least) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc{} && read.ptr == text.data() + text.size() && number >= least;
}

bool read_option(std::string_view name, const std::string& value, arguments& read) {
  if (name == "--topic") return !(read.topic = value).empty();
  if (name == "--bootstrap-server" || name == "--broker-list") return !(read.bootstrap_server = value)->empty();
  if (name == "--command-config" || name == "--producer.config") return !(read.command_config = value).empty();
  if (name == "--acks") {
    read.acks = value;
    return value == "0" || value == "1" || value == "-1" || value == "all";
  }
  if (name == "--max-messages") return read_number(value, read.max_messages, -1);
  if (name == "--throughput") return read_number(value, read.throughput, -1);
  if (name == "--message-create-time") return read_number(value, read.message_create_time, -1);
  if (name == "--value-prefix") return read_number(value, read.value_prefix.emplace(), 0);
  if (name == "--repeating-keys") return read_number(value, read.repeating_keys, 1);
  return false;
}

arguments read_arguments(int count, char** values) {
  arguments read;
  for (int i = 1; i < count && read.problem.empty(); ++i) {
    const std::string name = values[i];
    if (name == "--help" || name == "-h") {
      read.help = true;
    } else if (i + 1 == count || !read_option(name, values[i + 1], read)) {
      read.problem = "unknown option or illegal value: " + name;
    } else {
      ++i;
    }
  }
  if (read.problem.empty() && !read.help && (read.topic.empty() || !read.bootstrap_server)) {
    read.problem = "--topic and --bootstrap-server are needed";
  }
  return read;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// Throws what() for the user.
cokafka::config make_config(const arguments& with) {
  cokafka::config made;
  if (!with.command_config.empty()) {
    std::ifstream file(with.command_config);
    if (!file) throw std::runtime_error("cannot read " + with.command_config);
    for (std::string line; std::getline(file, line);) {
      const std::string_view text = trimmed(line);
      if (text.empty() || text[0] == '#' || text[0] == '!') continue;
      const auto equals = text.find('=');
      const std::string_view value = equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
      made.set(trimmed(text.substr(0, equals)), trimmed(value)).value();
    }
  }
  made.set("bootstrap.servers", *with.bootstrap_server).value();
  if (with.acks) made.set("acks", *with.acks).value();
  made.log_sink = [](cokafka::log_level level, std::string_view line) {
    std::fprintf(stderr, "%s: %.*s\n", to_string(level).data(), static_cast<int>(line.size()), line.data());
  };
  return made;
}

// Everything runs on the one thread of its context.
class verifiable_producer {
 public:
  verifiable_producer(asio::io_context& io, const arguments& with, const cokafka::config& settings)
      : io_(io), with_(with), producer_(io, settings), pause_(io), begun_(std::chrono::steady_clock::now()) {}

  void stop() {
    stopping_ = true;
    pause_.cancel();
  }

  asio::awaitable<void> run() {
    print(json_line("startup_complete"));
    // Unless the topic is known every record would only be parked. A failure here is the failure of each record, too.
    const auto known = co_await producer_.warm_up(with_.topic, asio::use_awaitable);
    if (!known) std::fprintf(stderr, "%s\n", known.error().message().c_str());
    while (!stopping_ && sent_ != with_.max_messages) {
      if (const auto wait = time_to_wait()) {
        pause_.expires_after(*wait);
        co_await pause_.async_wait(asio::as_tuple(asio::use_awaitable));
        continue;
      }
      send_one();
    }
    const auto flushed = co_await producer_.flush(asio::use_awaitable);
    const auto closed = co_await producer_.close(30s, asio::use_awaitable);
    if (!flushed || !closed) std::fputs("some records were not answered\n", stderr);
    while (unanswered_ > 0) {  // their handlers stand in line behind this one
      pause_.expires_after(1h);
      co_await pause_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    print(json_line("shutdown_complete"));
    print_summary();
  }

 private:
  static constexpr std::int64_t most_unanswered = 20'000;

  std::chrono::steady_clock::duration elapsed() const { return std::chrono::steady_clock::now() - begun_; }

  // Until the next record may be sent; stop() and answers interrupt it.
  std::optional<std::chrono::steady_clock::duration> time_to_wait() {
    if (with_.throughput == 0 || unanswered_ >= most_unanswered) return 1h;
    if (with_.throughput < 0) {
      // Answers and signals come to this thread as well.
      if (sent_ % 64 != 0 || sent_ == rested_at_) return std::nullopt;
      rested_at_ = sent_;
      return 0s;
    }
    const auto due = std::chrono::nanoseconds(sent_ * 1'000'000'000 / with_.throughput);
    if (due <= elapsed()) return std::nullopt;
    return due - elapsed();
  }

  void send_one() {
    const std::string prefix = with_.value_prefix ? std::to_string(*with_.value_prefix) + "." : "";
    std::string value = prefix + std::to_string(sent_);
    std::optional<std::string> key;
    if (with_.repeating_keys > 0) key = std::to_string(sent_ % with_.repeating_keys);
    cokafka::record_view record;
    record.topic = with_.topic;
    record.value = cokafka::bytes_view(value);
    if (key) record.key = cokafka::bytes_view(*key);
    if (with_.message_create_time >= 0) {
      record.timestamp.emplace(milliseconds(with_.message_create_time) +
                               std::chrono::duration_cast<milliseconds>(elapsed()));
    }
    ++sent_;
    ++unanswered_;
    cokafka::delivery taken = producer_.send(record);
    std::move(taken)([this, key = std::move(key), value = std::move(value)](const auto& answer) {
      if (unanswered_-- == most_unanswered || unanswered_ == 0) pause_.cancel();
      print_answer(key, value, answer);
    });
  }

  void print_answer(const std::optional<std::string>& key, const std::string& value,
                    const cokafka::result<cokafka::record_metadata>& answer) {
    if (!answer) {
      json_line line("producer_send_error");
      line.add("exception", answer.error().code().to_string()).add("message", answer.error().message());
      line.add("fate", to_string(answer.error().fate()));
      return print(line.add("topic", with_.topic).add_or_null("key", key).add("value", value));
    }
    ++acked_;
    const cokafka::record_metadata& told = answer.value();
    json_line line("producer_send_success");
    line.add_or_null("key", key).add("value", value).add("topic", told.topic.str());
    line.add_number("partition", std::to_string(told.partition));
    print(line.add_number("offset", std::to_string(told.offset.value_or(-1))));
  }

  void print_summary() {
    const double seconds = std::chrono::duration<double>(elapsed()).count();
    json_line line("tool_data");
    line.add_number("sent", std::to_string(sent_)).add_number("acked", std::to_string(acked_));
    line.add_number("target_throughput", std::to_string(with_.throughput));
    print(line.add_number("avg_throughput", std::to_string(static_cast<double>(acked_) / seconds)));
  }

  // Lines of one burst of answers leave together.
  void print(json_line line) {
    lines_ += std::move(line).end();
    if (std::exchange(will_write_, true)) return;
    asio::post(io_, [this] { write_lines(); });
  }

  // stdio would lose what it holds when a signal interrupts it at a full pipe.
  void write_lines() {
    will_write_ = false;
    std::string_view left = lines_;
    while (!left.empty()) {
      const auto written = ::write(STDOUT_FILENO, left.data(), left.size());
      if (written < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "standard output");
      if (written > 0) left.remove_prefix(static_cast<std::size_t>(written));
    }
    lines_.clear();
  }

  asio::io_context& io_;
  const arguments& with_;
  cokafka::producer producer_;
  asio::steady_timer pause_;
  const std::chrono::steady_clock::time_point begun_;
  std::int64_t sent_ = 0;
  std::int64_t acked_ = 0;
  std::int64_t unanswered_ = 0;
  std::int64_t rested_at_ = 0;
  bool stopping_ = false;
  bool will_write_ = false;
  std::string lines_;
};

int run(const arguments& with) {
  asio::io_context io(1);
  verifiable_producer tool(io, with, make_config(with));
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&tool](boost::system::error_code failed, int) {
    if (!failed) tool.stop();
  });
  asio::co_spawn(io, tool.run(), [&signals](std::exception_ptr thrown) {
    boost::system::error_code ignored;
    signals.cancel(ignored);
    if (thrown) std::rethrow_exception(thrown);
  });
  io.run();
  return 0;
}

}  // namespace

int main(int count, char** values) {
  const arguments with = read_arguments(count, values);
  if (with.help || !with.problem.empty()) {
    if (!with.problem.empty()) std::fprintf(stderr, "verifiable_producer: %s\n", with.problem.c_str());
    std::fputs(usage.data(), with.help ? stdout : stderr);
    return with.help ? 0 : 2;
  }
  try {
    return run(with);
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "verifiable_producer: %s\n", failed.what());
    return 1;
  }
}
