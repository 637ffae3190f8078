// SPDX-License-Identifier: BSL-1.0
// An in-process Kafka cluster that speaks the protocol over loopback sockets, can be read, and does what a test
// scripts. Layer 8.
#ifndef COKAFKA_TESTING_CLUSTER_HPP
#define COKAFKA_TESTING_CLUSTER_HPP

#include "cokafka/detail/base/broker_errors.hpp"
#include "cokafka/detail/base/config.hpp"
#include "cokafka/detail/io/environment.hpp"
#include "cokafka/testing/cluster_core.hpp"
#include "cokafka/testing/options.hpp"
#include "cokafka/testing/script.hpp"
#include "cokafka/testing/stored.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace cokafka::inline COKAFKA_ABI::testing {

/// A cluster of brokers 0, 1, ... that lives in the caller's execution context, for tests and demos. It is as strict as
/// real brokers (format, checksums, sequences, epochs, versions) and as lax as they are. Everything is kept in memory
/// until the cluster is destroyed; one log stands for all replicas of a partition.
///
///     asio::io_context io;
///     cokafka::testing::cluster kafka(io);
///     // ... bootstrap.servers = kafka.bootstrap_servers(), io.run(), then:
///     REQUIRE(kafka.records("orders", 0).size() == 3);
///
/// It keeps io.run() going until stop() or its destruction. Destroy it before the execution context.
/// Thread safety: shared objects safe, whatever threads run the context. Functions that name a broker, topic or
/// partition that does not exist throw std::out_of_range.
class cluster {
 public:
  using executor_type = boost::asio::any_io_executor;

  /// Listens when the constructor returns. Throws boost::system::system_error when a port cannot be had.
  COKAFKA_DECL explicit cluster(executor_type executor);
  COKAFKA_DECL cluster(executor_type executor, const cluster_options& options);
  /// In a world of its own: another clock, other timers, another network.
  COKAFKA_DECL cluster(executor_type executor, const cluster_options& options,
                       std::shared_ptr<detail::environment> environment);
  template <class Context>
    requires std::is_convertible_v<Context&, boost::asio::execution_context&>
  explicit cluster(Context& context) : cluster(executor_type(context.get_executor())) {}
  template <class Context>
    requires std::is_convertible_v<Context&, boost::asio::execution_context&>
  cluster(Context& context, const cluster_options& options) : cluster(executor_type(context.get_executor()), options) {}

  cluster(const cluster&) = delete;
  cluster& operator=(const cluster&) = delete;
  /// As stop(); nothing that was acknowledged can be read any more.
  COKAFKA_DECL ~cluster();

  /// Closes listeners and connections, so that the context can run out of work. Logs stay readable.
  COKAFKA_DECL void stop();

  /// "127.0.0.1:port,127.0.0.1:port", one per broker.
  COKAFKA_DECL std::string bootstrap_servers() const;
  COKAFKA_DECL std::uint16_t port(std::int32_t broker) const;
  /// "127.0.0.1:port" of one broker; the place of its connections in a simulated network.
  COKAFKA_DECL std::string address(std::int32_t broker) const;

  /// Throws std::invalid_argument for an illegal name, a count below 1, or a topic that exists.
  COKAFKA_DECL void create_topic(std::string_view name, int partitions);
  COKAFKA_DECL void create_topic(std::string_view name, int partitions, const topic_options& options);

  /// @name What has happened
  /// @{
  /// A partition's records by offset; records of compressed batches are left out (see stored_batch::codec). A topic
  /// that does not exist has none.
  COKAFKA_DECL std::vector<stored_record> records(std::string_view topic, std::int32_t partition) const;
  /// Those from an offset on: what is new in a log.
  COKAFKA_DECL std::vector<stored_record> records(std::string_view topic, std::int32_t partition,
                                                  std::int64_t from_offset) const;
  /// Batches that came into any log so far, those of deleted topics as well: whether there is anything new to read.
  COKAFKA_DECL std::uint64_t append_count() const;
  COKAFKA_DECL std::vector<stored_batch> batches(std::string_view topic, std::int32_t partition) const;
  COKAFKA_DECL std::vector<std::string> topics() const;
  COKAFKA_DECL int partition_count(std::string_view topic) const;  ///< 0: no such topic
  COKAFKA_DECL std::int32_t leader(std::string_view topic, std::int32_t partition) const;
  COKAFKA_DECL std::size_t request_count(api_key api) const;
  COKAFKA_DECL std::vector<seen_request> requests() const;  ///< the newest 10,000 in order of arrival
  /// @}

  /// @name What is to happen
  /// Rules of one kind are used in the order they were made, each by `times` requests.
  /// @{
  /// Answered with the error, not executed.
  COKAFKA_DECL void fail_next(api_key api, broker_errc error, int times = 1,
                              std::optional<std::int32_t> broker = std::nullopt);
  /// Executed (for Produce: appended), then answered with the error all the same. A batch that is refused anyway is
  /// answered with its own error.
  COKAFKA_DECL void fail_after_append(api_key api, broker_errc error, int times = 1,
                                      std::optional<std::int32_t> broker = std::nullopt);
  /// Executed, or answered, that much later. What is behind on the connection waits; a request whose client has gone
  /// meanwhile is executed late.
  COKAFKA_DECL void delay_next(api_key api, std::chrono::milliseconds time, int times = 1, moment at = moment::before,
                               std::optional<std::int32_t> broker = std::nullopt);
  /// The connection ends without an answer, before or after the request is executed.
  COKAFKA_DECL void drop_connection_on_next(api_key api, int times = 1, moment at = moment::before,
                                            std::optional<std::int32_t> broker = std::nullopt);
  /// Every answer tells this time, and the connection is not listened to for as long (KIP-219). 0 ends it.
  COKAFKA_DECL void throttle(api_key api, std::chrono::milliseconds time);
  /// Forgets all of the above.
  COKAFKA_DECL void clear_script();

  /// The topic and its records are gone. Clients may make it again where auto_create_topics is on.
  COKAFKA_DECL void delete_topic(std::string_view name);
  /// Deleted and made again at once, empty and with another id. Throws std::invalid_argument for a count below 1.
  COKAFKA_DECL void recreate_topic(std::string_view name, int partitions);
  /// So many in all. Throws std::invalid_argument when that is fewer than there are.
  COKAFKA_DECL void add_partitions(std::string_view name, int total);
  /// Readers of the partition begin at this offset from now on; the producers are remembered. Throws std::out_of_range
  /// for an offset that is not in the log, nor its end.
  COKAFKA_DECL void delete_records(std::string_view topic, std::int32_t partition, std::int64_t before);
  /// As after an unclean election: batches that reach behind the offset are gone, the leader knows of the producers
  /// what the others tell, and its epoch counts up. Throws as delete_records.
  COKAFKA_DECL void truncate(std::string_view topic, std::int32_t partition, std::int64_t end);
  /// What Metadata and Produce answer for the topic, which need not exist, until it is broker_errc::none:
  /// topic_authorization_failed, for instance.
  COKAFKA_DECL void set_topic_error(std::string_view name, broker_errc error);
  /// So many more answers to Metadata requests that ask for the topic do not mention it; 0: none from now on.
  COKAFKA_DECL void leave_out_topic(std::string_view name, int times = 1);

  /// -1: nobody. The leader epoch counts up.
  COKAFKA_DECL void set_leader(std::string_view topic, std::int32_t partition, std::int32_t broker);
  /// Listener and connections close; leadership moves to replicas that run.
  COKAFKA_DECL void stop_broker(std::int32_t broker);
  /// The same port and logs. Of partitions without another replica only the last batch of each producer id is
  /// remembered, as in a real snapshot, and nothing where that batch has a timestamp of yesterday or earlier.
  COKAFKA_DECL void start_broker(std::int32_t broker);
  /// Listens at another port, soon: port() tells when it does. It leads what it led. Its connections end, or are
  /// served on.
  COKAFKA_DECL void move_broker(std::int32_t broker, bool keep_connections = false);
  /// Reads nothing and answers nothing, but stays connected and a leader.
  COKAFKA_DECL void freeze(std::int32_t broker);
  COKAFKA_DECL void unfreeze(std::int32_t broker);
  /// What ApiVersions tells from now on, and what is served. With min > max the API is gone.
  COKAFKA_DECL void set_api_versions(api_key api, std::int16_t min, std::int16_t max);
  /// @}

 private:
  std::shared_ptr<embedded::cluster_core> core_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing

#if defined(COKAFKA_HEADER_ONLY)
#include "cokafka/testing/cluster.ipp"
#endif

#endif
