// SPDX-License-Identifier: BSL-1.0
// A flag that one task can await: no timer, no channel, no allocation per wait.
// Layer 5.
#ifndef COKAFKA_DETAIL_IO_EVENT_HPP
#define COKAFKA_DETAIL_IO_EVENT_HPP

#include "cokafka/detail/base/config.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <cassert>
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

namespace asio = boost::asio;

/// set() makes the current wait, or else the next one, complete; further calls before that change nothing. One waiter
/// at a time, which is kept in place. The handler is posted, never run inside set(). Everything happens on one strand.
class event {
 public:
  event() = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;
  ~event() { drop(); }

  void set() {
    if (end_ != nullptr) return std::exchange(end_, nullptr)(storage_, true);
    is_set_ = true;
  }

  /// Destroys the waiting handler without running it: the execution context is being destroyed.
  void drop() noexcept {
    if (end_ != nullptr) std::exchange(end_, nullptr)(storage_, false);
  }

  template <class Token>
  auto wait(Token&& token) {
    return asio::async_initiate<Token, void()>([](auto handler, event* self) { self->begin_wait(std::move(handler)); },
                                               token, this);
  }

 private:
  template <class Handler>
  void begin_wait(Handler handler) {
    static_assert(sizeof(Handler) <= sizeof(storage_) && alignof(Handler) <= alignof(std::max_align_t));
    assert(end_ == nullptr && "an event has one waiter");
    if (std::exchange(is_set_, false)) return asio::post(std::move(handler));
    ::new (static_cast<void*>(storage_)) Handler(std::move(handler));
    end_ = [](std::byte* storage, bool run) {
      auto* stored = std::launder(reinterpret_cast<Handler*>(storage));
      Handler taken = std::move(*stored);
      std::destroy_at(stored);
      if (run) asio::post(std::move(taken));
    };
  }

  void (*end_)(std::byte* storage, bool run) = nullptr;
  bool is_set_ = false;
  alignas(std::max_align_t) std::byte storage_[128];
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
