// SPDX-License-Identifier: BSL-1.0
// Who owns partitions, as those see it, and the answer that it hands them for a batch.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_PARTITION_OWNER_HPP
#define COKAFKA_DETAIL_CORE_PARTITION_OWNER_HPP

#include "cokafka/detail/base/broker_errors.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/batch.hpp"

#include <boost/system/error_code.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::detail {

class partition_queue;

/// The answer to the attempt of a batch in flight (or its absence, with the reason).
struct broker_answer {
  std::optional<broker_errc> code{};
  boost::system::error_code cause{};
  std::string message{};
  std::int64_t base_offset = -1;
  std::int64_t log_append_time = -1;
  std::optional<std::int32_t> broker{};
  clock_duration backoff{};  // what a retry has to wait
  struct culprit {
    std::uint32_t place = 0;  // of the record in the batch that was sent
    std::string message{};
  };
  std::vector<culprit> culprits{};  // in order, each once: the records for which the batch was refused (KIP-467)
};

/// The strand that owns partitions: a broker's, or the home strand while a leader is not known. Outlives its
/// partitions.
class partition_owner {
 public:
  /// There is news in the partition's open batch. Any thread; never called under a lock.
  virtual void wake(partition_queue& woken) = 0;
  /// The partition has been woken before, and that may not have been heard. Any thread.
  virtual void wake_again() = 0;
  /// The partition is this owner's from now on: its former owner has let it go. Any thread.
  virtual void adopt_soon(partition_queue& added) = 0;
  /// The partition's desired owner has changed: let it go as soon as nothing of it is in flight. Any thread.
  virtual void reconsider_owner_soon(partition_queue& moved) = 0;
  /// A former owner's broker has acknowledged the batch after the partition had moved (guarantee.md, rule 10). Any
  /// thread.
  virtual void acknowledged_late_soon(partition_queue& moved, batch_ptr written, broker_answer said) = 0;

  broker_share share{};  // of buffer.memory

 protected:
  ~partition_owner() = default;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
