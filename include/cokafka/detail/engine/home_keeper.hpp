// SPDX-License-Identifier: BSL-1.0
// The home strand as an owner of partitions: those whose leader is not known wait here, and only fall due.
// Layer 6.
#ifndef COKAFKA_DETAIL_ENGINE_HOME_KEEPER_HPP
#define COKAFKA_DETAIL_ENGINE_HOME_KEEPER_HPP

#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/core/if_memory.hpp"
#include "cokafka/detail/io/partition_keeper.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <string>
#include <utility>

namespace cokafka::inline COKAFKA_ABI::detail {

/// Owned by the engine, whose strand it is.
class home_keeper final : public partition_keeper {
 public:
  /// `control_error` is why the cluster does not say who leads, and outlives the keeper.
  home_keeper(link_host& host, asio::any_io_executor strand, const error_code& control_error)
      : partition_keeper(host, std::move(strand)), control_error_(control_error) {}

  using partition_keeper::carry_out;
  using partition_keeper::fail_partitions;
  using partition_keeper::handle_partition_deadline;
  using partition_keeper::on_strand;
  using partition_keeper::with_effects;

  deadline_timer& deadlines() noexcept { return deadlines_; }
  const asio::any_io_executor& strand() const noexcept { return strand_; }

  void shutdown() noexcept {
    deadlines_.stop();
    strand_ = asio::any_io_executor();
  }

 private:
  // Records for a partition without a leader: the next metadata may name one.
  void news() override {
    if (queue_.has_work()) host_.want_metadata();
  }
  stall why_stalled() const noexcept override {
    return {control_error_, if_memory([] { return std::string("its partition has no leader that is known"); })};
  }

  const error_code& control_error_;
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

#endif
