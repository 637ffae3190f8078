// SPDX-License-Identifier: BSL-1.0
// One direction of a simulated connection: bytes on their way, bytes that have arrived, and the end of it.
// Layer 8.
#ifndef COKAFKA_TESTING_SIMULATED_PIPE_HPP
#define COKAFKA_TESTING_SIMULATED_PIPE_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/io/stream.hpp"
#include "cokafka/testing/simulated/agenda.hpp"
#include "cokafka/testing/simulated/network_nature.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

using detail::error_code;

/// As TCP: bytes arrive in order, none is missing from the middle, and the writer waits while the window is full.
///
///     write -> [window] -> in flight (each piece with its time of arrival) -> ready -> read
///
/// The end travels as the last piece: eof or connection_reset. Owned by its conversation.
class pipe final : public agenda_item {
 public:
  using size_handler = detail::stream::size_handler;

  pipe(network_nature& nature, std::uint64_t connection, bool to_broker)
      : agenda_item(nature.clock), nature_(nature), connection_(connection), to_broker_(to_broker) {}

  /// @name The reading end
  /// @{
  COKAFKA_DECL void read(asio::mutable_buffer into, const asio::any_io_executor& executor, size_handler handler);
  /// The reader is gone: what arrives vanishes. A read that waits ends with operation_aborted.
  COKAFKA_DECL void stop_reading();
  /// @}

  /// @name The writing end
  /// @{
  COKAFKA_DECL void write(std::span<const asio::const_buffer> from, const asio::any_io_executor& executor,
                          size_handler handler);
  /// The writer closes: what waits for the window is not sent, what is in flight arrives, and then eof.
  COKAFKA_DECL void stop_writing();
  /// Ends the stream without telling the writer, whose bytes vanish from now on.
  COKAFKA_DECL void half_close();
  /// From then on the writer knows that nobody reads; empty: it is not known yet when.
  COKAFKA_DECL void refuse_writes(std::optional<clock_time> from);
  /// @}

  /// Ends it at once: of the bytes in flight all, some first ones or none arrive, then connection_reset.
  COKAFKA_DECL void cut();
  /// Nothing arrives until release().
  COKAFKA_DECL void hold();
  COKAFKA_DECL void release();

  /// When the end arrives, if it is on its way and not held up.
  std::optional<clock_time> end_arrives() const noexcept {
    if (!is_ended_ || is_held_) return std::nullopt;
    return last_arrival_;
  }

 private:
  struct piece {
    std::size_t size = 0;
    clock_time arrives{};
    error_code end{};  // of the last piece
  };
  struct reader {
    asio::mutable_buffer into{};
    asio::any_io_executor executor{};
    size_handler handler{};
  };
  struct writer {
    std::span<const asio::const_buffer> from{};
    std::size_t total = 0;
    std::size_t taken = 0;
    asio::any_io_executor executor{};
    size_handler handler{};
  };

  void due() override { serve(); }
  COKAFKA_DECL void drop() noexcept override;

  COKAFKA_DECL void serve();
  COKAFKA_DECL void arrive() noexcept;
  COKAFKA_DECL void try_read();
  COKAFKA_DECL void push();
  COKAFKA_DECL void append(std::size_t size);
  COKAFKA_DECL void end_with(error_code how);
  COKAFKA_DECL void finish_read(error_code failed, std::size_t size);
  COKAFKA_DECL void finish_write(error_code failed);
  COKAFKA_DECL void rearm();
  COKAFKA_DECL clock_time next_arrival();
  COKAFKA_DECL void delay_what_is_left();
  std::size_t unread() const noexcept { return bytes_.size() - head_; }

  network_nature& nature_;
  const std::uint64_t connection_;
  const bool to_broker_;
  std::string bytes_;  // from head_ on: first the ready ones, then those in flight
  std::size_t head_ = 0;
  std::size_t ready_ = 0;
  std::deque<piece> in_flight_;
  clock_time last_arrival_{};
  error_code seen_end_{};  // has arrived
  bool is_ended_ = false;  // nothing is sent behind the last piece
  bool is_cut_ = false;
  bool is_held_ = false;
  bool is_abandoned_ = false;  // nobody reads
  std::optional<clock_time> refused_from_;
  reader reader_;
  writer writer_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/simulated/pipe.ipp"
#endif

#endif
