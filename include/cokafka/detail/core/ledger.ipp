// SPDX-License-Identifier: BSL-1.0
// Body of the ledger's rule.
// Layer 4.
#ifndef COKAFKA_DETAIL_CORE_LEDGER_IPP
#define COKAFKA_DETAIL_CORE_LEDGER_IPP

#include "cokafka/detail/core/ledger.hpp"

#include "cokafka/detail/base/error_class.hpp"

namespace cokafka::inline COKAFKA_ABI::detail {

namespace ledger {

inline verdict divided(verdict said, verdict_action action) noexcept {
  said.action = action;
  said.known = fate::not_written;
  return said;
}

}  // namespace ledger

COKAFKA_DECL verdict judge(const attempt_facts& facts) noexcept {
  verdict said;
  if (facts.acknowledged_before) {
    said.action = verdict_action::complete;
    said.known = fate::written;
    said.refresh_metadata = !facts.code || has(classify(*facts.code), error_class::refreshes);
    return said;
  }
  bool wants_retry = false;
  if (!facts.code) {
    said.refresh_metadata = true;
    wants_retry = facts.acknowledged;
  } else {
    const broker_errc code = *facts.code;
    // A broker that finds the sequence too high holds state, and for that reason took no earlier attempt either.
    const bool gap_shown = facts.behind_gap && code == broker_errc::out_of_order_sequence_number;
    const bool all_answered = !facts.earlier_unknown || gap_shown;
    const fate answered = fate_of_answer(code, all_answered);
    if (answered == fate::written) {
      said.action = verdict_action::complete;
      said.known = fate::written;
      said.has_offset = code == broker_errc::none;
      return said;
    }
    // Without acks=all an error may follow the append only where the closed list does not exclude it: the same table.
    said.proven_absent = answered == fate::not_written && all_answered;
    said.refresh_metadata = has(classify(code), error_class::refreshes);
    wants_retry = has(classify(code), error_class::retriable);
    const bool is_too_large = code == broker_errc::message_too_large || code == broker_errc::record_list_too_large;
    if (is_too_large && facts.divisible) {
      // While another attempt may be in the log its bytes must not change: whole, until it is due.
      if (facts.earlier_unknown) wants_retry = true;
      if (said.proven_absent && !facts.expired) return ledger::divided(said, verdict_action::split);
    }
    if (facts.names_culprits && said.proven_absent && !facts.expired) {
      said.new_epoch = facts.idempotent;  // those that fail leave a gap in the sequence
      return ledger::divided(said, verdict_action::exclude);
    }
    if (code == broker_errc::out_of_order_sequence_number && facts.idempotent) {
      wants_retry = true;
      // At the head of the line on its first attempt: what was acknowledged before it is gone (rule 8).
      said.data_lost = said.proven_absent && !facts.predecessor_missing && !facts.behind_gap;
      said.new_epoch = said.data_lost;
    }
  }
  said.known = said.proven_absent ? fate::not_written : fate::maybe_written;
  const bool may_retry = wants_retry && !facts.expired && facts.attempts <= facts.retries;
  said.action = may_retry ? verdict_action::retry : verdict_action::fail;
  said.goes_again = !may_retry && facts.holds_up && !said.proven_absent;
  // A batch that leaves the line unwritten takes its sequence numbers with it; those behind it need a new epoch.
  if (!may_retry && !said.goes_again && facts.idempotent) said.new_epoch = true;
  return said;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
