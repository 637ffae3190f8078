// SPDX-License-Identifier: BSL-1.0
// Bodies of engine and failure_report: failed records that nobody waits for are counted, logged and shown.
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_FAILURE_REPORT_IPP
#define COKAFKA_DETAIL_ENGINE_FAILURE_REPORT_IPP

#include "cokafka/detail/engine/engine.hpp"

#include <boost/asio/post.hpp>
#include <exception>
#include <new>
#include <string>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL void failure_report::operator()() {
  for (int shown = 0; !rest_.empty(); ++shown) {
    if (shown == 256) {
      const auto core = core_;
      try {
        return asio::post(core->home()->executor, std::move(*this));
      } catch (...) {  // no memory, or an executor that refuses
        return core->report_ended();
      }
    }
    unheard_cursor& first = rest_.front();
    if (first.has_next()) core_->show(first);
    if (!first.has_next()) rest_.pop_front();
  }
  core_->report_ended();
}

COKAFKA_DECL void engine::show(unheard_cursor& from) {
  try {
    from.show_next(settings_.user.on_delivery_failed);
  } catch (const std::exception& thrown) {
    logger_.log(log_level::error, std::string("on_delivery_failed has thrown: ") + thrown.what());
  } catch (...) {
    logger_.log(log_level::error, "on_delivery_failed has thrown");
  }
}

// One line for all that a rule has ended in one go, which is not more than one per batch.
COKAFKA_DECL void engine::report(effects& wanted) {
  if (wanted.counted.unheard_failures == 0) return;
  bool reports = false;
  try {
    report_unheard(wanted, reports);
  } catch (...) {  // no memory, or an executor that refuses: they stay unheard, and nobody waits for the report
    if (reports) report_ended();
  }
}

COKAFKA_DECL void engine::report_unheard(effects& wanted, bool& reports) {
  say(log_level::warning, std::to_string(wanted.counted.unheard_failures) +
                              " records failed and nobody waits for them; the first, of " + wanted.unheard_where +
                              ", is " + std::string(to_string(wanted.unheard_why.fate())) + ": " +
                              wanted.unheard_why.message());
  if (wanted.unheard.empty()) return;
  auto alive = dead_.load(std::memory_order_acquire) ? nullptr : weak_from_this().lock();
  if (!alive) return;
  reports = begin_report();
  if (!reports) return;
  asio::post(operations_->executor, failure_report(std::move(alive), std::move(wanted.unheard)));
}

// A function of the user is going to be called; false once close() has completed.
COKAFKA_DECL bool engine::begin_report() {
  std::scoped_lock guard(mutex_);
  if (closed_) return false;
  ++reports_pending_;
  return true;
}

COKAFKA_DECL void engine::report_ended() {
  {
    std::scoped_lock guard(mutex_);
    if (--reports_pending_ > 0 || !tasks_ended_) return;
  }
  try {
    home_.on_strand([this] { end_when_silent(); });
  } catch (...) {
    end_when_silent();  // all tasks have ended: nobody else is on the strand
  }
}

COKAFKA_DECL void engine::let_go(completion& of, const record_ticket& ticket) noexcept {
  try {
    if (!of.refused) return of.drop(ticket.index);
    effects out;
    const error why = of.get(ticket).error();
    const record_view& record = of.refused->record.view();
    const std::int32_t partition = record.partition.value_or(-1);
    out.note_unheard(1, why, of.called(), partition);
    out.unheard.push_back({why, of.called(), partition, nullptr, {}, std::move(of.refused)});
    count(out.counted);
    report(out);
  } catch (const std::bad_alloc&) {
    // Without memory the failure stays unheard.
  }
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
