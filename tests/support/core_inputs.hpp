// SPDX-License-Identifier: BSL-1.0
// What several scripts of the core begin with: answers about a small cluster, a small memory, codes of errors.
#ifndef COKAFKA_TESTS_SUPPORT_CORE_INPUTS_HPP
#define COKAFKA_TESTS_SUPPORT_CORE_INPUTS_HPP

#include "cokafka/config.hpp"
#include "cokafka/detail/messages/metadata.hpp"
#include "cokafka/error.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace cokafka_test {

inline constexpr auto not_leader = cokafka::broker_errc::not_leader_or_follower;
inline constexpr auto out_of_order = cokafka::broker_errc::out_of_order_sequence_number;
inline constexpr auto broker_timeout = cokafka::broker_errc::request_timed_out;

using leaders_and_epochs = std::vector<std::pair<std::int32_t, std::int32_t>>;

/// Two brokers, and the topic "t" with this id (0: none) and these leaders.
inline cokafka::detail::messages::metadata_response cluster_with(std::uint8_t topic_id, const leaders_and_epochs& led) {
  cokafka::detail::messages::metadata_response made;
  made.brokers = {{1, "one", 9092, {}}, {2, "two", 9092, {}}};
  auto& topic = made.topics.emplace_back();
  topic.name = "t";
  topic.topic_id = cokafka::detail::wire::uuid::from_halves(0, topic_id);
  for (const auto& [leader, epoch] : led) {
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = static_cast<std::int32_t>(topic.partitions.size()) - 1;
    partition.leader_id = leader;
    partition.leader_epoch = epoch;
  }
  return made;
}

inline cokafka::config with_memory(std::int64_t bytes) {
  cokafka::config user;
  user.buffer_memory = bytes;
  user.batch_size = 1000;
  return user;
}

/// Two of them fill a budget of 8 KiB: 1024 + 4096 bytes of chunks hold one, a second partition cannot begin another.
inline const std::string large_value(3000, 'v');

}  // namespace cokafka_test

#endif
