// SPDX-License-Identifier: BSL-1.0
// The virtual clock and what falls due on it: one queue, ordered by time and then by who asked first.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_AGENDA_HPP
#define COKAFKA_TESTING_SIMULATED_AGENDA_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/base/deadline_heap.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

namespace asio = boost::asio;
using detail::clock_duration;
using detail::clock_time;

class agenda;

/// Empties a stored handler. Never assign one: in Boost 1.81 the move assignment of any_completion_handler calls itself
/// for ever.
template <class Handler>
Handler take_handler(Handler& stored) noexcept {
  Handler taken;
  taken.swap(stored);
  return taken;
}

/// Something that can fall due, and that may keep handlers meanwhile: a timer, an end of a connection, a listener.
class agenda_item
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  COKAFKA_DECL explicit agenda_item(agenda& of);
  agenda_item(const agenda_item&) = delete;
  agenda_item& operator=(const agenda_item&) = delete;
  virtual ~agenda_item() { unschedule(); }

  /// due() is called when the clock gets there, never inside this call. Moves an earlier date.
  COKAFKA_DECL void schedule(clock_time at);
  COKAFKA_DECL void unschedule() noexcept;
  bool is_scheduled() const noexcept { return key_.second != 0; }

 protected:
  agenda& of_;

 private:
  friend class agenda;
  virtual void due() = 0;
  /// Destroys the handlers without calling them: the execution context is about to go. May end the object.
  virtual void drop() noexcept = 0;

  std::pair<clock_time, std::uint64_t> key_{};
};

/// Time moves only in run_next() and move_to(). Outlives its items. Thread safety: none; everything is in one thread.
class agenda {
 public:
  explicit agenda(clock_time begin) noexcept : now_(begin) {}

  clock_time now() const noexcept { return now_; }
  /// When something falls due next, if anything does.
  std::optional<clock_time> next() const noexcept {
    if (queue_.empty()) return std::nullopt;
    return queue_.begin()->first.first;
  }
  /// Moves the clock to the next date and does what falls due there: one thing. Precondition: there is one.
  COKAFKA_DECL void run_next();
  /// Precondition: nothing falls due before. Earlier times change nothing.
  void move_to(clock_time at) noexcept {
    if (at > now_) now_ = at;
  }

  /// Hands a result to a handler, through its executor; nothing is handed out any more after shutdown().
  template <class Handler, class... Args>
  void complete(const asio::any_io_executor& fallback, Handler handler, Args... args) {
    if (is_over_) return;
    auto executor = asio::get_associated_executor(handler, fallback);
    asio::post(fallback,
               asio::bind_executor(executor, [handler = std::move(handler), ... args = std::move(args)]() mutable {
                 std::move(handler)(std::move(args)...);
               }));
  }
  COKAFKA_DECL void shutdown() noexcept;
  bool is_over() const noexcept { return is_over_; }

 private:
  friend class agenda_item;

  clock_time now_;
  std::uint64_t sequence_ = 0;
  std::map<std::pair<clock_time, std::uint64_t>, agenda_item*> queue_;
  boost::intrusive::list<agenda_item, boost::intrusive::constant_time_size<false>> all_;
  bool is_over_ = false;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/simulated/agenda.ipp"
#endif

#endif
