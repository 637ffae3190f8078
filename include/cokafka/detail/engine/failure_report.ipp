// SPDX-License-Identifier: BSL-1.0
// Bodies of engine and failure_report: failed records that nobody waits for are counted, logged and shown.
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_FAILURE_REPORT_IPP
#define COKAFKA_DETAIL_ENGINE_FAILURE_REPORT_IPP

#include "cokafka/detail/engine/engine.hpp"

#include <bit>
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
  show_soon(std::move(wanted.unheard), reports);
}

COKAFKA_DECL void engine::show_soon(std::vector<unheard_records>&& all, bool& reports) {
  if (all.empty()) return;
  auto alive = dead_.load(std::memory_order_acquire) ? nullptr : weak_from_this().lock();
  if (!alive) return;
  reports = begin_report();
  if (!reports) return;
  asio::post(operations_->executor, failure_report(std::move(alive), std::move(all)));
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
  if (of.was_refused) return note_refused(of, ticket);
  if_memory([&] { of.drop(ticket.index); });  // or the failure stays unheard
}

// A send that has failed at once. There may be as many as a loop can make: of those the first is logged, the second,
// the fourth, and so on.
COKAFKA_DECL void engine::note_refused(completion& of, const record_ticket& ticket) noexcept {
  bool reports = false;
  try {
    const error why = of.get(ticket).error();
    effects out;
    out.note_unheard(1, why, of.called(), of.partition());
    count(out.counted);
    const std::uint64_t all = refused_unheard_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (std::has_single_bit(all)) {
      say(log_level::warning, std::to_string(all) +
                                  " records were refused at once and nobody waits for them; the last, of " +
                                  out.unheard_where + ": " + why.message());
    }
    if (!of.refused) return;
    std::vector<unheard_records> shown;
    shown.push_back({why, of.called(), of.partition(), nullptr, {}, std::move(of.refused)});
    show_soon(std::move(shown), reports);
  } catch (...) {  // no memory, or an executor that refuses: it stays unheard
    if (reports) report_ended();
  }
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
