// SPDX-License-Identifier: BSL-1.0
// Everything that can fall due on a strand; the kind tells the type of the entry's owner.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_DEADLINE_KIND_HPP
#define COKAFKA_DETAIL_CORE_DEADLINE_KIND_HPP

#include "cokafka/detail/base/config.hpp"

namespace cokafka::inline COKAFKA_ABI::detail {

enum class deadline_kind : int {
  partition_expiry,    // partition_queue: its earliest batch is due
  partition_wake,      // partition_queue: linger or backoff is over
  parked_expiry,       // parked_record, and the engine for the first of them: max.block.ms or its own timeout
  watch_expiry,        // the engine: somebody has waited max.block.ms for a topic
  call_timeout,        // a connection: not established, or a call not answered, in time
  request_timeout,     // a broker link: its oldest request has no answer
  idle_close,          // a broker link: nothing to do for connections.max.idle.ms
  backoff_over,        // a broker link or the metadata task may try again
  metadata_refresh,    // the metadata task: metadata.max.age.ms
  throttle_over,       // a broker: throttle_time_ms has passed
  close_timeout        // the engine: close() has waited long enough
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
