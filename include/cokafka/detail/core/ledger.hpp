// SPDX-License-Identifier: BSL-1.0
// The rule of retries: one pure function from what came back for an attempt to what happens to the batch.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_LEDGER_HPP
#define COKAFKA_DETAIL_CORE_LEDGER_HPP

#include "cokafka/detail/base/broker_errors.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/fate.hpp"

#include <cstdint>
#include <optional>

namespace cokafka::inline COKAFKA_ABI::detail {

/// What is known when an attempt of a batch ends.
struct attempt_facts {
  std::optional<broker_errc> code{};  // empty: no answer (disconnect, request timeout, unreadable answer)
  bool idempotent = true;
  bool acknowledged = true;            // acks is not 0: the broker answers
  bool earlier_unknown = false;        // an earlier attempt was written and never disproved
  bool predecessor_missing = false;    // a batch stamped before this one is not in the log yet
  bool behind_gap = false;             // and one of those never will be, under its stamp
  bool expired = false;                // its deliveries were told, and it holds up nobody
  bool holds_up = false;               // one behind it may be in the log, and no leader takes that one first (rule 9)
  bool acknowledged_before = false;    // by a former leader (rule 10): it is in the log whatever this attempt came to
  bool divisible = false;              // more than one record
  bool names_culprits = false;         // the answer names single records (KIP-467), and not all of them
  std::uint32_t attempts = 1;          // written to a socket, this one included
  std::uint32_t retries = 2147483647;  // the limit of `retries`
};

enum class verdict_action : std::uint8_t {
  complete,  // the batch is in the log
  retry,     // the same bytes again, after a backoff
  split,     // smaller batches with the same sequence numbers, at once (rule 19)
  exclude,   // the records that were named fail; the others go again, at once (rule 20)
  fail       // the deliveries get the code
};

struct verdict {
  verdict_action action = verdict_action::fail;
  fate known = fate::maybe_written;  // of a batch that fails now, over all its attempts
  bool proven_absent = false;        // no attempt of the batch can be in the log
  bool has_offset = false;           // complete: the broker told the offset
  bool refresh_metadata = false;
  bool new_epoch = false;   // once the partition has drained (guarantee.md, rules 6 and 7)
  bool data_lost = false;   // acknowledged records have vanished from the log (rule 8)
  bool goes_again = false;  // fail: its deliveries are told, and it is sent again for those behind it (rule 9)

  bool is_sent_again() const noexcept { return action == verdict_action::retry || goes_again; }
  bool operator==(const verdict&) const = default;
};

/// The whole decision (guarantee.md, rules 6, 8, 12, 13, 19, 20). `not_written` and a new stamp need proof;
/// what is not proven is sent again byte for byte until it is answered or due.
verdict judge(const attempt_facts& facts) noexcept;

}  // namespace cokafka::inline COKAFKA_ABI::detail

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/detail/core/ledger.ipp"
#endif

#endif
