// SPDX-License-Identifier: BSL-1.0
// The machine's environment, which notes the API and the version of every request that leaves it.
#ifndef COKAFKA_TESTS_SUPPORT_RECORDING_ENVIRONMENT_HPP
#define COKAFKA_TESTS_SUPPORT_RECORDING_ENVIRONMENT_HPP

#include "cokafka/detail/io/environment.hpp"
#include "cokafka/detail/messages/api_key.hpp"

#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/buffers_iterator.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <utility>

namespace cokafka_test {

class recording_environment final : public cokafka::detail::environment {
 public:
  using api_key = cokafka::detail::messages::api_key;

  std::set<std::int16_t> versions_of(api_key api) const {
    std::scoped_lock guard(mutex_);
    const auto found = seen_.find(api);
    return found == seen_.end() ? std::set<std::int16_t>() : found->second;
  }
  std::uint64_t count_of(api_key api) const {
    std::scoped_lock guard(mutex_);
    const auto found = counts_.find(api);
    return found == counts_.end() ? 0 : found->second;
  }
  // The draw with this number fails for lack of memory, as an allocation in the same task would.
  std::atomic<int> no_memory_at_draw{0};

  std::uint64_t connects() const {
    std::scoped_lock guard(mutex_);
    return connects_;
  }

  cokafka::detail::clock_time now() const noexcept override { return machine_->now(); }
  std::chrono::system_clock::time_point wall_now() const noexcept override { return machine_->wall_now(); }
  std::uint64_t random() override {
    if (--no_memory_at_draw == 0) throw std::bad_alloc();
    return machine_->random();
  }
  std::unique_ptr<cokafka::detail::timer> make_timer(boost::asio::any_io_executor executor) override {
    return machine_->make_timer(std::move(executor));
  }
  std::unique_ptr<cokafka::detail::stream> make_stream(boost::asio::any_io_executor executor,
                                                       const cokafka::detail::socket_options& options) override {
    return std::make_unique<recorded>(*this, machine_->make_stream(std::move(executor), options));
  }
  std::unique_ptr<cokafka::detail::listener> listen(boost::asio::any_io_executor executor, const std::string& host,
                                                    std::uint16_t port) override {
    return machine_->listen(std::move(executor), host, port);
  }

 private:
  class recorded final : public cokafka::detail::stream {
   public:
    recorded(recording_environment& by, std::unique_ptr<cokafka::detail::stream> below)
        : by_(by), below_(std::move(below)) {}
    void connect(std::string host, std::uint16_t port, done_handler handler) override {
      by_.note_connect();
      below_->connect(std::move(host), port, std::move(handler));
    }
    void read_some(boost::asio::mutable_buffer into, size_handler handler) override {
      below_->read_some(into, std::move(handler));
    }
    void write_all(std::span<const boost::asio::const_buffer> from, size_handler handler) override {
      std::array<unsigned char, 8> start{};  // length, api key, version
      if (boost::asio::buffer_copy(boost::asio::buffer(start), from) == start.size()) {
        const auto int16 = [&](std::size_t at) { return static_cast<std::int16_t>((start[at] << 8) | start[at + 1]); };
        by_.note(static_cast<api_key>(int16(4)), int16(6));
      }
      below_->write_all(from, std::move(handler));
    }
    void close() noexcept override { below_->close(); }
    std::string remote() const override { return below_->remote(); }

   private:
    recording_environment& by_;
    std::unique_ptr<cokafka::detail::stream> below_;
  };

  void note(api_key api, std::int16_t version) {
    std::scoped_lock guard(mutex_);
    seen_[api].insert(version);
    ++counts_[api];
  }
  void note_connect() {
    std::scoped_lock guard(mutex_);
    ++connects_;
  }

  std::shared_ptr<cokafka::detail::environment> machine_ = cokafka::detail::system_environment();
  mutable std::mutex mutex_;
  std::map<api_key, std::set<std::int16_t>> seen_;
  std::map<api_key, std::uint64_t> counts_;
  std::uint64_t connects_ = 0;
};

}  // namespace cokafka_test

#endif
