// SPDX-License-Identifier: BSL-1.0
// All of cokafka's testing kit, with the embedded broker, in one header.
// Made by tools/amalgamate; change the files in include/ instead.
#ifndef COKAFKA_TESTING_SINGLE_HPP
#define COKAFKA_TESTING_SINGLE_HPP

#include "cokafka.hpp"

// ---- cokafka/testing/options.hpp

namespace cokafka::inline COKAFKA_ABI::testing {

/// Which Kafka the cluster pretends to be: the API versions it offers and the rules that changed between releases.
enum class kafka_version : std::uint8_t { v2_1, v3_9, v4_0, v4_1 };

/// Trivial, so that it is safe inside co_await expressions of g++ 12.
struct cluster_options {
  int brokers = 1;                 ///< their ids count from 0
  std::uint16_t first_port = 0;    ///< 0: free ports; else broker i listens at first_port + i
  int default_partitions = 1;      ///< `num.partitions`
  bool auto_create_topics = true;  ///< `auto.create.topics.enable`
  kafka_version version = kafka_version::v4_1;
  std::size_t max_message_bytes = 1'048'588;   ///< `message.max.bytes`
  std::size_t max_request_size = 104'857'600;  ///< `socket.request.max.bytes`
};

/// What is particular to a topic; what is empty is the cluster's.
struct topic_options {
  int replication = 0;                             ///< 0: all brokers
  bool log_append_time = false;                    ///< `message.timestamp.type=LogAppendTime`
  std::optional<std::size_t> max_message_bytes{};  ///< `max.message.bytes`
  bool compacted = false;                          ///< `cleanup.policy=compact`: records need keys; none is removed
  int min_insync_replicas = 1;                     ///< `min.insync.replicas`, counted among the brokers that run
  std::optional<std::size_t> retention_bytes{};    ///< `retention.bytes` of a partition, kept at once and by the batch
};

}  // namespace cokafka::inline COKAFKA_ABI::testing

// ---- cokafka/testing/producer_states.hpp

#include <set>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

/// The part of a batch that the rules look at.
struct producer_batch {
  std::int64_t producer_id = -1;
  std::int16_t epoch = -1;
  std::int32_t first_sequence = -1;
  std::int32_t record_count = 0;
};

/// A batch that was taken.
struct remembered_batch {
  std::int32_t first_sequence = 0;
  std::int32_t last_sequence = 0;
  std::int64_t base_offset = 0;
  std::int64_t max_timestamp = 0;
};

struct sequence_verdict {
  broker_errc error = broker_errc::none;
  std::optional<remembered_batch> duplicate_of{};  ///< answered as a success, with this batch's offset
};

/// The state of one partition, as lax as the real one:
///
///   producer id    | batch                                      | answer
///   without state  | any first sequence                         | taken (before transactions v2, KAFKA-14312)
///   same epoch     | exactly one of its last five batches       | duplicate: success with the first offset
///   same epoch     | follows the last sequence; 0 after 2^31-1  | taken
///   same epoch     | any other                                  | OUT_OF_ORDER_SEQUENCE_NUMBER
///   newer epoch    | first sequence 0                           | taken, the older epoch is forgotten
///   newer epoch    | any other                                  | OUT_OF_ORDER_SEQUENCE_NUMBER
///   older epoch    | any                                        | INVALID_PRODUCER_EPOCH
///
/// Thread safety: distinct objects safe.
class producer_states {
 public:
  /// Whether a batch of a client is taken. Precondition: it has a producer id.
  COKAFKA_DECL sequence_verdict check(const producer_batch& batch) const;

  /// The batch has been appended.
  COKAFKA_DECL void append(const producer_batch& batch, std::int64_t base_offset, std::int64_t max_timestamp);

  /// Nothing is known any more of the producers that have a batch at this offset or behind it; they are returned.
  COKAFKA_DECL std::set<std::int64_t> forget_since(std::int64_t offset);

  /// The broker was restarted at `now` (milliseconds since 1970): its snapshot holds only the last batch of each
  /// producer id, and nothing of a producer id whose last batch has a timestamp of yesterday or earlier
  /// (`producer.id.expiration.ms`), however lately it was written.
  COKAFKA_DECL void restart(std::int64_t now);

  /// 0 comes after 2^31-1.
  static constexpr std::int32_t last_sequence(std::int32_t first, std::int32_t record_count) noexcept {
    const std::int64_t last = std::int64_t{first} + record_count - 1;
    return static_cast<std::int32_t>(last & 0x7fffffff);
  }

 private:
  static constexpr std::size_t remembered = 5;

  struct state {
    std::int16_t epoch = -1;
    std::deque<remembered_batch> batches;  // newest last, never empty
  };

  std::map<std::int64_t, state> by_id_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/stored.hpp

namespace cokafka::inline COKAFKA_ABI::testing {

/// Kafka's number of an API: `api_key::produce`, `api_key::metadata`, ...
using api_key = detail::messages::api_key;

struct stored_header {
  std::string key;
  std::optional<std::string> value;

  bool operator==(const stored_header&) const = default;
};

/// One record as a consumer would get it.
struct stored_record {
  std::int64_t offset = 0;
  std::int64_t timestamp = 0;  ///< milliseconds since 1970
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<stored_header> headers;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t sequence = -1;

  bool operator==(const stored_record&) const = default;
};

/// One batch as it lies in the log.
struct stored_batch {
  std::int64_t base_offset = 0;
  std::int32_t record_count = 0;
  std::size_t size = 0;  ///< bytes, header included
  int codec = 0;         ///< 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; records() leaves compressed batches out
  std::int32_t leader_epoch = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;

  bool operator==(const stored_batch&) const = default;
};

/// A request that reached a broker, also one that was refused.
struct seen_request {
  api_key api{};
  std::int16_t version = 0;
  std::int32_t broker = 0;
  std::size_t size = 0;  ///< bytes of the frame behind its length
  std::int32_t correlation_id = 0;
  std::optional<std::string> client_id;
  std::string software_name;  ///< from the connection's ApiVersions request (KIP-511); empty when it sent none
  std::string software_version;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing

// ---- cokafka/testing/partition_log.hpp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

/// The rules of a topic that the log enforces.
struct log_rules {
  std::size_t max_message_bytes = 1'048'588;
  bool log_append_time = false;
  bool compacted = false;  // a record without a key is refused
  std::size_t retention_bytes = std::numeric_limits<std::size_t>::max();
  /// `message.timestamp.after.max.ms`: how far ahead of the broker's clock a record may be.
  std::int64_t timestamp_after_max_ms = std::numeric_limits<std::int64_t>::max();
};

struct bad_record {
  std::int32_t index = 0;
  std::string message;
};

struct append_result {
  broker_errc error = broker_errc::none;
  std::int64_t base_offset = -1;
  std::int64_t log_append_time = -1;
  std::vector<bad_record> bad_records{};
  std::string message{};
  bool duplicate = false;
};

/// An offset with its timestamp; -1 where there is none.
struct indexed_offset {
  std::int64_t offset = -1;
  std::int64_t timestamp = -1;
};

/// Thread safety: distinct objects safe.
class partition_log {
 public:
  /// Checks the records of a Produce request, which must be exactly one batch, and appends them. `now` is the wall
  /// clock in milliseconds since 1970.
  COKAFKA_DECL append_result append(std::string_view records, const log_rules& rules, std::int32_t leader_epoch,
                                    std::int64_t now);

  std::int64_t start_offset() const noexcept { return start_offset_; }
  std::int64_t end_offset() const noexcept { return end_offset_; }

  /// Whole batches from the one that holds `offset` on, up to `max_bytes`; with `at_least_one` the first comes even
  /// when it is larger. Precondition: start_offset() <= offset <= end_offset().
  COKAFKA_DECL std::string read(std::int64_t offset, std::size_t max_bytes, bool at_least_one) const;
  /// How many bytes read() would give without a limit, or `enough` when it is at least that.
  COKAFKA_DECL std::size_t bytes_from(std::int64_t offset, std::size_t enough) const;

  /// The first record that is not older than `timestamp`.
  COKAFKA_DECL indexed_offset first_since(std::int64_t timestamp) const;
  /// The first record with the largest timestamp.
  COKAFKA_DECL indexed_offset newest() const;

  /// Those from an offset on.
  COKAFKA_DECL std::vector<stored_record> records(std::int64_t from = 0) const;
  COKAFKA_DECL std::vector<stored_batch> batches() const;

  /// Readers begin at `before` from now on; nothing is forgotten of the producers (DeleteRecords).
  /// Precondition: start_offset() <= before <= end_offset().
  COKAFKA_DECL void delete_before(std::int64_t before);
  /// Batches that reach behind `end` are gone, and known of their producers is only what the others tell.
  /// Precondition: start_offset() <= end <= end_offset().
  COKAFKA_DECL void truncate(std::int64_t end);

  /// The only broker that holds it was restarted at `now`.
  void restart(std::int64_t now) { producers_.restart(now); }

 private:
  struct entry {
    std::int64_t base_offset = 0;
    std::string bytes;
  };

  COKAFKA_DECL append_result take(const detail::batch_view& batch, const log_rules& rules, std::int32_t leader_epoch,
                                  std::int64_t now);
  COKAFKA_DECL std::size_t index_of(std::int64_t offset) const;
  COKAFKA_DECL void drop_first();
  COKAFKA_DECL static std::int64_t end_of(const entry& batch) noexcept;

  std::deque<entry> entries_;
  std::size_t bytes_ = 0;          // of the entries
  std::int64_t start_offset_ = 0;  // in the first entry, or the end
  std::int64_t end_offset_ = 0;
  producer_states producers_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/script.hpp

namespace cokafka::inline COKAFKA_ABI::testing {

/// On which side of a request's execution (for Produce: of the append) something happens.
enum class moment : std::uint8_t { before, after };

namespace embedded {

/// What is decided for one request when it arrives.
struct request_plan {
  std::optional<broker_errc> error{};
  moment error_at = moment::before;
  std::optional<std::chrono::milliseconds> delay{};
  moment delay_at = moment::before;
  std::optional<moment> drop_at{};
  std::chrono::milliseconds throttle{};
};

/// Rules are used up in the order they were made; one request takes at most one rule of each kind.
/// Thread safety: distinct objects safe.
class script {
 public:
  struct rule {
    api_key api{};
    std::optional<std::int32_t> broker{};  // empty: any
    int times = 1;
    std::optional<broker_errc> error{};
    std::optional<std::chrono::milliseconds> delay{};
    bool drop = false;
    moment at = moment::before;
  };

  void add(const rule& added) {
    if (added.times > 0) rules_.push_back(added);
  }
  /// Until it is set to 0.
  void throttle(api_key api, std::chrono::milliseconds time) { throttles_[api] = time; }
  void clear() noexcept {
    rules_.clear();
    throttles_.clear();
  }

  COKAFKA_DECL request_plan take(api_key api, std::int32_t broker);

 private:
  std::list<rule> rules_;
  std::map<api_key, std::chrono::milliseconds> throttles_;
};

}  // namespace embedded

}  // namespace cokafka::inline COKAFKA_ABI::testing

// ---- cokafka/testing/version_table.hpp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

/// Thread safety: distinct objects safe.
class version_table {
 public:
  COKAFKA_DECL explicit version_table(kafka_version version);

  /// What ApiVersions tells, by API number.
  const std::map<api_key, detail::wire::version_range>& offered() const noexcept { return offered_; }
  /// An empty range takes the API out.
  COKAFKA_DECL void offer(api_key api, detail::wire::version_range versions);
  /// Whether a request is answered. 4.x offers Produce from 0 for the sake of old clients' checks, and refuses it below
  /// 3 (KAFKA-18659); batches are never converted down, so Fetch starts at 4.
  COKAFKA_DECL bool serves(api_key api, std::int16_t version) const;

 private:
  std::map<api_key, detail::wire::version_range> offered_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/cluster_state.hpp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

struct broker_state {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  bool running = true;
  bool frozen = false;
  std::uint32_t generation = 0;  // counts its stops; connections of an older one are dead
};

struct partition_state {
  std::int32_t leader = -1;
  std::int32_t leader_epoch = 0;
  std::int32_t last_leader = -1;  // before this one, or before nobody led
  std::vector<std::int32_t> replicas;
  partition_log log;
};

struct topic_state {
  std::string name;
  detail::wire::uuid id;
  topic_options options;
  std::vector<partition_state> partitions;
};

/// One log per partition stands for all its replicas. Guarded by its owner's mutex.
class cluster_state {
 public:
  COKAFKA_DECL explicit cluster_state(const cluster_options& with, detail::wire::uuid id);

  cluster_options options;
  version_table versions;
  script rules;
  std::string cluster_id;
  std::vector<broker_state> brokers;
  std::int64_t next_producer_id = 0;
  std::uint64_t appends = 0;                                     // batches that came into a log
  std::map<std::string, broker_errc, std::less<>> topic_errors;  // what is answered for a topic instead of the truth
  std::map<std::string, int, std::less<>> left_out;              // topics, and how many Metadata answers omit them

  /// Letters, digits, '.', '_' and '-', at most 249, not "." or "..".
  COKAFKA_DECL static bool is_legal_name(std::string_view name) noexcept;

  const std::map<std::string, topic_state, std::less<>>& topics() const noexcept { return topics_; }
  COKAFKA_DECL topic_state* find(std::string_view name) noexcept;
  COKAFKA_DECL topic_state* find(const detail::wire::uuid& id) noexcept;
  COKAFKA_DECL partition_state* find(topic_state* topic, std::int32_t partition) noexcept;

  /// Precondition: no topic has this name.
  COKAFKA_DECL topic_state& create_topic(std::string name, int partitions, const topic_options& with,
                                         detail::wire::uuid id);
  /// Precondition: the topic exists. Its logs are gone; a topic of the same name that is made later has another id.
  COKAFKA_DECL void delete_topic(std::string_view name);
  COKAFKA_DECL void add_partitions(topic_state& topic, int total);
  /// The replicas of a new partition; the first of them that runs leads it.
  COKAFKA_DECL void place(partition_state& partition, std::vector<std::int32_t> replicas) const;
  COKAFKA_DECL log_rules rules_of(const topic_state& topic) const noexcept;

  /// A new leader, or -1 for none; counts the epoch up.
  COKAFKA_DECL static void lead(partition_state& partition, std::int32_t leader) noexcept;
  /// Its partitions go to the next replica that runs, or stay without a leader.
  COKAFKA_DECL void stop(std::int32_t broker);
  /// Leads again what nobody led meanwhile, with what its snapshot kept. `now` is the wall clock in milliseconds.
  COKAFKA_DECL void start(std::int32_t broker, std::int64_t now);

  /// The replicas that run; where none does, the last one that led stays in sync before 4.1 (KIP-966).
  COKAFKA_DECL std::vector<std::int32_t> in_sync(const partition_state& partition) const;
  /// Whether acks=all is possible (`min.insync.replicas`).
  COKAFKA_DECL bool has_enough_in_sync(const topic_state& topic, const partition_state& partition) const;

  /// The leader of a partition as a hint in a response (KIP-951).
  COKAFKA_DECL static detail::messages::leader_and_epoch hint(const partition_state& partition) noexcept;
  COKAFKA_DECL void add_endpoint(std::vector<detail::messages::node_endpoint>& to, std::int32_t broker) const;
  COKAFKA_DECL std::int32_t controller() const noexcept;

  /// Counts every request; keeps the newest 10,000.
  COKAFKA_DECL void note(const seen_request& request);
  COKAFKA_DECL std::size_t request_count(api_key api) const noexcept;
  const std::deque<seen_request>& requests() const noexcept { return requests_; }

 private:
  COKAFKA_DECL void add_partition(topic_state& topic) const;
  COKAFKA_DECL bool can_lead(const partition_state& partition, std::int32_t broker) const noexcept;

  std::map<std::string, topic_state, std::less<>> topics_;
  std::map<detail::wire::uuid, std::string> names_;
  std::deque<seen_request> requests_;
  std::map<api_key, std::size_t> counts_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/cluster_core.hpp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

class connection;

/// Owned by the cluster and by every task. Two guards, so that tests may ask and script from any thread while the tasks
/// run: `state` is touched under `mutex`; listeners and connections on `strand` only. No task waits with the mutex
/// held.
class cluster_core : public std::enable_shared_from_this<cluster_core> {
 public:
  COKAFKA_DECL cluster_core(detail::asio::any_io_executor executor, std::shared_ptr<detail::environment> environment,
                            const cluster_options& options);

  /// Opens all listeners and starts to accept. Once, before anything else.
  COKAFKA_DECL void open();
  /// Closes a broker's listener and connections. Any thread.
  COKAFKA_DECL void stop_broker(std::int32_t broker);
  /// Listens again where the broker listened before. Any thread.
  COKAFKA_DECL void start_broker(std::int32_t broker);
  /// Listens elsewhere; its connections end unless they are kept. Any thread.
  COKAFKA_DECL void move_broker(std::int32_t broker, bool keep_connections);
  /// Closes everything for good. Any thread.
  COKAFKA_DECL void stop();
  /// Every waiting connection looks again whether it may go on. Any thread.
  COKAFKA_DECL void wake();

  /// On the strand.
  COKAFKA_DECL void wake_now();
  std::uint64_t add(connection* opened) {
    connections_.emplace(++opened_, opened);
    return opened_;
  }
  void remove(std::uint64_t closed) { connections_.erase(closed); }

  const detail::asio::any_io_executor& strand() const noexcept { return strand_; }
  detail::environment& environment() const noexcept { return *environment_; }
  COKAFKA_DECL bool is_alive(std::int32_t broker, std::uint32_t generation) const;
  COKAFKA_DECL bool is_frozen(std::int32_t broker) const;
  /// The broker still accepts with this listener. On the strand.
  bool is_door(std::int32_t broker, const detail::listener& asked) const noexcept {
    return doors_[static_cast<std::size_t>(broker)].listener.get() == &asked;
  }

  mutable std::mutex mutex;
  cluster_state state;

 private:
  struct door {
    std::shared_ptr<detail::listener> listener;  // null: closed
    std::uint32_t generation = 0;                // of the broker when it opened
  };

  COKAFKA_DECL std::uint16_t listen(std::int32_t broker, std::uint16_t port);
  COKAFKA_DECL bool try_listen(std::int32_t broker);
  COKAFKA_DECL static detail::asio::awaitable<void> reopen(std::shared_ptr<cluster_core> self, std::int32_t broker,
                                                           std::uint32_t generation);
  COKAFKA_DECL void close_dead();
  COKAFKA_DECL void listen_elsewhere(std::int32_t broker);

  std::shared_ptr<detail::environment> environment_;
  detail::asio::any_io_executor strand_;
  // With all brokers stopped nothing else would keep run() going until one is started again. Strand.
  std::optional<detail::asio::executor_work_guard<detail::asio::any_io_executor>> work_;
  std::vector<door> doors_;                           // by broker id
  std::map<std::uint64_t, connection*> connections_;  // in the order they were opened; each lives while it is in here
  std::uint64_t opened_ = 0;
  bool stopped_ = false;  // under the mutex
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/cluster.hpp

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

// ---- cokafka/testing/simulated/chance.hpp

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

/// Thread safety: distinct objects safe.
class chance {
 public:
  /// Streams of one seed and different purposes have nothing in common: a draw from one does not shift the others.
  chance(std::uint64_t seed, std::uint64_t purpose) noexcept : state_(seed) {
    state_ = detail::next_random(state_) ^ (purpose * 0x9e3779b97f4a7c15ULL);
  }

  std::uint64_t next() noexcept { return detail::next_random(state_); }
  /// 0 <= result < limit; 0 for a limit of 0.
  std::uint64_t below(std::uint64_t limit) noexcept { return limit < 2 ? 0 : next() % limit; }
  /// Never for 0, always for 1.
  bool one_in(std::uint32_t n) noexcept { return n != 0 && below(n) == 0; }
  /// least <= result <= most; `least` where that is the larger one.
  detail::clock_duration between(detail::clock_duration least, detail::clock_duration most) noexcept {
    if (most <= least) return least;
    return least + detail::clock_duration(below(static_cast<std::uint64_t>((most - least).count()) + 1));
  }

 private:
  std::uint64_t state_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

// ---- cokafka/testing/simulated/agenda.hpp

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

namespace asio = boost::asio;
using detail::clock_duration;
using detail::clock_time;

class agenda;

/// Empties a stored handler. Never assign one: in Boost 1.81 the move assignment of any_completion_handler calls itself
/// for ever.
template <class Handler>
Handler take_handler(Handler& stored) noexcept {
  Handler taken;
  taken.swap(stored);
  return taken;
}

/// Something that can fall due, and that may keep handlers meanwhile: a timer, an end of a connection, a listener.
class agenda_item
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  COKAFKA_DECL explicit agenda_item(agenda& of);
  agenda_item(const agenda_item&) = delete;
  agenda_item& operator=(const agenda_item&) = delete;
  virtual ~agenda_item() { unschedule(); }

  /// due() is called when the clock gets there, never inside this call. Moves an earlier date.
  COKAFKA_DECL void schedule(clock_time at);
  COKAFKA_DECL void unschedule() noexcept;
  bool is_scheduled() const noexcept { return key_.second != 0; }

 protected:
  agenda& of_;

 private:
  friend class agenda;
  virtual void due() = 0;
  /// Destroys the handlers without calling them: the execution context is about to go. May end the object.
  virtual void drop() noexcept = 0;

  std::pair<clock_time, std::uint64_t> key_{};
};

/// Time moves only in run_next() and move_to(). Outlives its items. Thread safety: none; everything is in one thread.
class agenda {
 public:
  explicit agenda(clock_time begin) noexcept : now_(begin) {}

  clock_time now() const noexcept { return now_; }
  /// When something falls due next, if anything does.
  std::optional<clock_time> next() const noexcept {
    if (queue_.empty()) return std::nullopt;
    return queue_.begin()->first.first;
  }
  /// Moves the clock to the next date and does what falls due there: one thing. Precondition: there is one.
  COKAFKA_DECL void run_next();
  /// Precondition: nothing falls due before. Earlier times change nothing.
  void move_to(clock_time at) noexcept {
    if (at > now_) now_ = at;
  }

  /// Hands a result to a handler, through its executor; nothing is handed out any more after shutdown().
  template <class Handler, class... Args>
  void complete(const asio::any_io_executor& fallback, Handler handler, Args... args) {
    if (is_over_) return;
    auto executor = asio::get_associated_executor(handler, fallback);
    asio::post(fallback,
               asio::bind_executor(executor, [handler = std::move(handler), ... args = std::move(args)]() mutable {
                 std::move(handler)(std::move(args)...);
               }));
  }
  COKAFKA_DECL void shutdown() noexcept;
  bool is_over() const noexcept { return is_over_; }

 private:
  friend class agenda_item;

  clock_time now_;
  std::uint64_t sequence_ = 0;
  std::map<std::pair<clock_time, std::uint64_t>, agenda_item*> queue_;
  boost::intrusive::list<agenda_item, boost::intrusive::constant_time_size<false>> all_;
  bool is_over_ = false;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

// ---- cokafka/testing/simulated/trace.hpp

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

/// What a connection did; lines are made of it only when somebody reads them.
enum class network_event : std::uint8_t {
  none,
  asks,  // a client wants a connection
  connected,
  refused,
  unanswered,   // the attempt to connect hangs
  client_sent,  // value: bytes
  broker_sent,
  client_read,
  broker_read,
  client_closed,
  broker_closed,
  cut,
  client_half_closed,  // the direction from the client ends
  broker_half_closed,
  silent,  // a black hole begins
  healed
};

constexpr std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) noexcept {
  return (std::rotl(hash, 7) ^ value) * 0x9e3779b97f4a7c15ULL;
}

/// Thread safety: distinct objects safe.
class trace {
 public:
  explicit trace(const agenda& clock) : clock_(clock), begin_(clock.now()) {}

  COKAFKA_DECL void line(std::string_view text);
  /// `extra` counts in the fingerprint only.
  COKAFKA_DECL void event(network_event what, std::uint64_t connection, std::uint64_t value = 0,
                          std::uint64_t extra = 0);
  /// Counts something that makes no line.
  void mix(std::uint64_t value) noexcept { hash_ = mixed(hash_, value); }

  /// Equal for equal runs.
  std::uint64_t fingerprint() const noexcept { return hash_; }
  /// The newest lines, each with the seconds since the beginning.
  COKAFKA_DECL std::string text() const;
  /// How many of the newest lines are kept.
  COKAFKA_DECL void keep(std::size_t lines);

 private:
  struct entry {
    clock_time at{};
    std::string text{};
    network_event what = network_event::none;  // none: the text
    std::uint64_t connection = 0;
    std::uint64_t value = 0;
  };

  COKAFKA_DECL void add(entry added);
  COKAFKA_DECL static std::string text_of(const entry& of);

  const agenda& clock_;
  const clock_time begin_;
  std::uint64_t hash_ = 0x9e3779b97f4a7c15ULL;
  std::size_t kept_ = 500;
  std::deque<entry> newest_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

// ---- cokafka/testing/simulated/network_nature.hpp

namespace cokafka::inline COKAFKA_ABI::testing {

/// How often something goes wrong by itself: one in so many times, 0 for never.
struct network_odds {
  std::uint32_t cut = 0;             ///< of writes: the connection is cut while their bytes travel
  std::uint32_t half_close = 0;      ///< of writes: the stream ends behind them, and the writer is not told
  std::uint32_t refuse = 0;          ///< of attempts to connect: refused
  std::uint32_t hang = 0;            ///< of attempts to connect: not answered before network::heal()
  std::uint32_t lookup_failure = 0;  ///< of look-ups of a name
};

namespace simulated {

/// Of the bytes that are sent from now on.
struct network_habits {
  clock_duration least_delay = std::chrono::microseconds(200);  // one way
  clock_duration most_delay = std::chrono::microseconds(800);
  clock_duration straggling{};  // bytes in flight to a broker arrive up to that much later when their connection ends
  std::size_t slice = 0;        // a read gives 1 to that many bytes; 0: all that are there
  std::size_t window = 256 * 1024;  // sent and not read
  network_odds odds{};
};

/// Part of the network; outlives every connection.
struct network_nature {
  agenda& clock;
  trace& log;
  chance dice;
  network_habits habits{};

  clock_duration delay() noexcept { return dice.between(habits.least_delay, habits.most_delay); }
};

}  // namespace simulated

}  // namespace cokafka::inline COKAFKA_ABI::testing

// ---- cokafka/testing/simulated/pipe.hpp

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

// ---- cokafka/testing/simulated/conversation.hpp

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

enum class side : std::uint8_t { client, broker };
constexpr side other(side of) noexcept { return of == side::client ? side::broker : side::client; }

class conversation;
/// Those that exist, in the order they were made.
using conversations = std::map<std::uint64_t, conversation*>;

/// Shared by its two streams. Functions that end it may be called more than once.
class conversation {
 public:
  COKAFKA_DECL conversation(network_nature& nature, conversations& in, std::uint64_t id, std::string place);
  conversation(const conversation&) = delete;
  conversation& operator=(const conversation&) = delete;
  ~conversation() { in_.erase(id_); }

  void read(side at, asio::mutable_buffer into, const asio::any_io_executor& executor, pipe::size_handler handler) {
    pipe_from(other(at)).read(into, executor, std::move(handler));
  }
  COKAFKA_DECL void write(side at, std::span<const asio::const_buffer> from, const asio::any_io_executor& executor,
                          pipe::size_handler handler);
  COKAFKA_DECL void close(side at);

  COKAFKA_DECL void cut();
  COKAFKA_DECL void half_close(side from);
  COKAFKA_DECL void hold();
  COKAFKA_DECL void release();

  /// Neither closed nor cut.
  bool is_open() const noexcept { return !is_cut_ && !is_closed_[0] && !is_closed_[1]; }
  std::uint64_t id() const noexcept { return id_; }
  /// "host:port" of the broker.
  const std::string& place() const noexcept { return place_; }

 private:
  pipe& pipe_from(side at) noexcept { return pipes_[static_cast<std::size_t>(at)]; }
  COKAFKA_DECL void tell_writers();

  network_nature& nature_;
  conversations& in_;
  const std::uint64_t id_;
  const std::string place_;
  std::array<pipe, 2> pipes_;  // by the side that writes
  std::array<bool, 2> is_closed_{};
  bool is_cut_ = false;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

// ---- cokafka/testing/simulated/network_state.hpp

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

class attempt;
class simulated_listener;

/// A place is "address:port", as text. Part of the environment.
struct network_state {
  network_state(agenda& clock, trace& log, std::uint64_t seed) : nature{clock, log, chance(seed, 2)} {}

  network_nature nature;
  std::map<std::string, std::vector<std::string>, std::less<>> names;  // to addresses
  std::map<std::string, simulated_listener*, std::less<>> listeners;   // by place
  conversations all;
  std::map<std::uint64_t, attempt*> attempts;  // that are not over; by the id of the connection they may become
  std::set<std::string, std::less<>> black_holes;
  std::set<std::string, std::less<>> hanging;  // for attempts to connect
  std::set<std::string, std::less<>> refusing;
  std::set<std::string, std::less<>> failing_lookups;
  std::set<std::string, std::less<>> hanging_lookups;
  bool has_no_descriptors = false;
  std::uint64_t last_id = 0;
  std::uint16_t next_port = 9092;

  /// The address literal itself, or those of the name; none: the name is not known.
  COKAFKA_DECL std::vector<std::string> addresses_of(const std::string& host) const;
  bool is_black_hole(const std::string& place) const { return has(black_holes, place); }
  bool is_silent(const std::string& place) const { return is_black_hole(place) || has(hanging, place); }
  bool is_refusing(const std::string& place) const { return has(refusing, place); }
  /// An empty place stands for all.
  static bool has(const std::set<std::string, std::less<>>& places, const std::string& place) {
    return !places.empty() && (places.contains(place) || places.contains(std::string_view()));
  }
};

COKAFKA_DECL std::string place_of(const std::string& address, std::uint16_t port);
COKAFKA_DECL bool is_address(const std::string& host);

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

// ---- cokafka/testing/simulated/network.hpp

namespace cokafka::inline COKAFKA_ABI::testing {

/// One direction of a connection.
enum class direction : std::uint8_t { to_broker, to_client };

/// The network of a simulation, from `simulation::network()`. As TCP it loses and reorders nothing within a connection;
/// connections overtake each other. A place is "address:port", as cluster::address() tells it; an empty one stands for
/// all places. Chance is the simulation's: the same seed, the same faults. Thread safety: none.
class network {
 public:
  using duration = std::chrono::nanoseconds;

  explicit network(simulated::network_state& state) : state_(state) {}
  network(const network&) = delete;
  network& operator=(const network&) = delete;

  /// @name How bytes travel from now on, on all connections
  /// @{
  /// Each piece takes a random time between the two, one way, but overtakes none of its connection. Default: 200 to
  /// 800 microseconds.
  COKAFKA_DECL network& delay(duration least, duration most);
  /// A read gives a random number of bytes, 1 to `at_most`; 0 (the default): all that have arrived.
  COKAFKA_DECL network& slice(std::size_t at_most);
  /// How many bytes may be sent and not read; a write waits for the rest. Default: 256 KiB.
  COKAFKA_DECL network& window(std::size_t bytes);
  /// What is in flight to a broker on a connection that ends arrives up to that much later: the requests of a client
  /// that has gone are executed late. Default: 0.
  COKAFKA_DECL network& straggle(duration at_most);
  /// What goes wrong by itself. Default: nothing.
  COKAFKA_DECL network& odds(const network_odds& wanted);
  /// @}

  /// @name Connections
  /// @{
  COKAFKA_DECL std::size_t connections(std::string_view place = {}) const;
  /// Both ends see connection_reset; of the bytes in flight all, the first few or none arrive before it. How many
  /// connections it were.
  COKAFKA_DECL std::size_t cut(std::string_view place = {});
  /// One of the open connections, by chance. False: there is none.
  COKAFKA_DECL bool cut_one();
  /// The stream of one direction ends; whoever writes into it is not told.
  COKAFKA_DECL std::size_t half_close(direction way, std::string_view place = {});
  COKAFKA_DECL bool half_close_one(direction way);
  /// @}

  /// @name Places
  /// @{
  /// Nothing gets there or back, and nobody is told: bytes and attempts to connect wait until it is switched off, as
  /// TCP repeats what is lost.
  COKAFKA_DECL network& black_hole(std::string_view place, bool on = true);
  /// Attempts to connect are not answered; connections that stand are well.
  COKAFKA_DECL network& hang(std::string_view place, bool on = true);
  /// Attempts to connect are refused although somebody listens.
  COKAFKA_DECL network& refuse(std::string_view place, bool on = true);
  /// @}

  /// @name Names and descriptors
  /// @{
  /// Gives a name addresses ("10.0.0.1"), which clients try in this order, and again from the next one on.
  /// "localhost" is 127.0.0.1 from the beginning.
  COKAFKA_DECL network& host(std::string name, std::vector<std::string> addresses);
  COKAFKA_DECL network& fail_lookups(std::string_view name, bool on = true);
  /// Look-ups are not answered until it is switched off.
  COKAFKA_DECL network& hang_lookups(std::string_view name, bool on = true);
  /// Attempts to connect fail with asio::error::no_descriptors.
  COKAFKA_DECL network& no_descriptors(bool on = true);
  /// @}

  /// Ends what is wrong with places, names and descriptors, and sets the odds to nothing; what waited goes on. Delays,
  /// slices, windows and stragglers stay.
  COKAFKA_DECL void heal();

 private:
  COKAFKA_DECL std::vector<simulated::conversation*> open(std::string_view place) const;
  simulated::network_state& state_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing

// ---- cokafka/testing/simulated/simulated_environment.hpp

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

class simulated_timer final : public detail::timer, public agenda_item {
 public:
  using handler = asio::any_completion_handler<void(error_code)>;

  simulated_timer(agenda& clock, asio::any_io_executor executor) : agenda_item(clock), executor_(std::move(executor)) {}
  ~simulated_timer() override { cancel(); }

  COKAFKA_DECL void wait_until(clock_time at, handler then) override;
  void cancel() noexcept override { finish(asio::error::operation_aborted); }

 private:
  void due() override { finish(error_code()); }
  void drop() noexcept override { const handler dying = take_handler(handler_); }
  COKAFKA_DECL void finish(error_code failed);

  const asio::any_io_executor executor_;
  handler handler_;
};

/// Everything in it happens in one thread. Thread safety: none.
class simulated_environment final : public detail::environment {
 public:
  COKAFKA_DECL explicit simulated_environment(std::uint64_t seed);

  clock_time now() const noexcept override { return clock.now(); }
  std::chrono::system_clock::time_point wall_now() const noexcept override {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(clock.now().time_since_epoch() + wall_offset));
  }
  std::uint64_t random() override { return dice_.next(); }
  std::unique_ptr<detail::timer> make_timer(asio::any_io_executor executor) override {
    return std::make_unique<simulated_timer>(clock, std::move(executor));
  }
  COKAFKA_DECL std::unique_ptr<detail::stream> make_stream(asio::any_io_executor executor,
                                                           const detail::socket_options& options) override;
  COKAFKA_DECL std::unique_ptr<detail::listener> listen(asio::any_io_executor executor, const std::string& host,
                                                        std::uint16_t port) override;

  agenda clock;
  trace log;
  network_state network;
  clock_duration wall_offset;

 private:
  chance dice_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

// ---- cokafka/testing/simulated/sleep.hpp

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

/// A named class, because `cancel_after` asks for the executor.
class sleep_initiation {
 public:
  using executor_type = boost::asio::any_io_executor;

  sleep_initiation(detail::environment& in, executor_type executor) : in_(&in), executor_(std::move(executor)) {}
  executor_type get_executor() const noexcept { return executor_; }

  template <class Handler>
  void operator()(Handler handler, detail::clock_time until) const {
    const std::shared_ptr<detail::timer> sleeper = in_->make_timer(executor_);
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
      slot.assign([weak = std::weak_ptr(sleeper)](boost::asio::cancellation_type) {
        if (const auto alive = weak.lock()) alive->cancel();
      });
    }
    auto executor = boost::asio::get_associated_executor(handler, executor_);
    auto awake = [sleeper, slot, handler = std::move(handler)](detail::error_code failed) mutable {
      if (slot.is_connected()) slot.clear();
      std::move(handler)(failed);
    };
    sleeper->wait_until(until, boost::asio::bind_executor(executor, std::move(awake)));
  }

 private:
  detail::environment* in_;
  executor_type executor_;
};

template <class Token>
auto async_sleep(detail::environment& in, boost::asio::any_io_executor executor, detail::clock_time until,
                 Token&& token) {
  return boost::asio::async_initiate<Token, void(detail::error_code)>(sleep_initiation(in, std::move(executor)), token,
                                                                      until);
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

// ---- cokafka/testing/simulation.hpp

#include <boost/asio/io_context.hpp>
#include <exception>

namespace cokafka::inline COKAFKA_ABI::testing {

/// A test's own world. Producers and clusters made here live in its io_context, send through its network and go by its
/// clock, which stands still while anything is ready to run and then jumps to the next thing that falls due: an hour of
/// retries takes milliseconds, and a timer that is set for t fires at t. The same seed gives the same run, event by
/// event; fingerprint() tells.
///
///     cokafka::testing::simulation world(42);
///     auto kafka = world.make_cluster({.brokers = 3});
///     auto producer = world.make_producer({.bootstrap_servers = kafka->bootstrap_servers()});
///     world.spawn(story(producer));
///     kafka->freeze(0);
///     world.run();
///
/// Declare it before what is made in it. Asio's own timers and sockets run in real time, which the virtual clock does
/// not wait for: use sleep_for(). Thread safety: none; everything happens inside the run functions, on their caller's
/// thread.
class simulation {
 public:
  using executor_type = boost::asio::any_io_executor;
  using clock = std::chrono::steady_clock;  ///< its type only: the time is virtual
  using duration = std::chrono::nanoseconds;

  COKAFKA_DECL explicit simulation(std::uint64_t seed = 1);
  simulation(const simulation&) = delete;
  simulation& operator=(const simulation&) = delete;
  /// Destroys what waits without calling it.
  COKAFKA_DECL ~simulation();

  std::uint64_t seed() const noexcept { return seed_; }
  boost::asio::io_context& context() noexcept { return io_; }
  executor_type get_executor() noexcept { return io_.get_executor(); }
  testing::network& network() noexcept { return network_; }
  /// Throws config_error. Without a `client_id` it is called "producer-1", "producer-2", ...; without a `log_sink` its
  /// log goes into the trace.
  COKAFKA_DECL producer make_producer(config settings);
  /// Producers that are made from now on begin each partition with this sequence number instead of 0: near 2^31 - 1,
  /// after which comes 0, in tests of that.
  COKAFKA_DECL simulation& first_sequence(std::int32_t number) noexcept;
  COKAFKA_DECL std::unique_ptr<cluster> make_cluster(const cluster_options& options = {});
  /// What producers and clusters see of this world.
  std::shared_ptr<detail::environment> environment() const noexcept { return environment_; }

  /// @name Time and chance
  /// @{
  clock::time_point now() const noexcept { return environment_->clock.now(); }
  /// Since the beginning.
  duration elapsed() const noexcept { return now() - begin_; }
  std::chrono::system_clock::time_point wall_now() const noexcept { return environment_->wall_now(); }
  /// As an administrator or NTP would set it; timers do not notice.
  void jump_wall_clock(std::chrono::milliseconds by) noexcept { environment_->wall_offset += by; }
  /// Waits in virtual time. Completion signature: `void(error_code)`; operation_aborted when cancelled (all types).
  template <boost::asio::completion_token_for<void(detail::error_code)> Token = boost::asio::deferred_t>
  auto sleep_for(duration time, Token&& token = {}) {
    return simulated::async_sleep(*environment_, get_executor(), now() + time, std::forward<Token>(token));
  }
  /// A number below `limit` (0 for 0), for stories: draws of the library and of the network do not shift it.
  std::uint64_t random(std::uint64_t limit) noexcept { return dice_.below(limit); }
  /// @}

  /// @name Running
  /// What handlers and spawned coroutines throw is thrown by the function that runs them. Each throws
  /// std::runtime_error in a livelock (see allow_steps_at_one_moment).
  /// @{
  /// Starts a coroutine that run() waits for.
  COKAFKA_DECL void spawn(boost::asio::awaitable<void> story);
  /// Until all spawned coroutines have ended. False: they have not by `limit`, or they wait for what will never happen.
  COKAFKA_DECL bool run(duration limit = std::chrono::hours(24));
  /// Until `happened()`, which is asked after every handler. False: as above; the clock stands where nothing was left
  /// to do, or at the limit.
  COKAFKA_DECL bool run_until(const std::function<bool()>& happened, duration limit = std::chrono::hours(24));
  /// For exactly that long.
  COKAFKA_DECL void run_for(duration time);
  /// Called after every handler: the place for invariants. What it throws ends the run.
  void after_every_step(std::function<void()> check) { check_ = std::move(check); }
  /// More handlers than that while the clock stands still are a livelock. Default: ten million.
  void allow_steps_at_one_moment(std::uint64_t at_most) noexcept { most_steps_at_one_moment_ = at_most; }
  /// Handlers that have run so far.
  std::uint64_t steps() const noexcept { return steps_; }
  /// Nothing is ready, and nothing will fall due.
  COKAFKA_DECL bool is_idle();
  /// @}

  /// @name What has happened
  /// @{
  void trace(std::string_view line) { environment_->log.line(line); }
  /// The newest lines (500, or what keep_trace said), those of network events among them, with seconds since the
  /// beginning.
  std::string trace_text() const { return environment_->log.text(); }
  void keep_trace(std::size_t lines) { environment_->log.keep(lines); }
  /// Stands for all lines, all network events with their bytes and times, and the number of handlers.
  COKAFKA_DECL std::uint64_t fingerprint() const noexcept;
  /// @}

 private:
  enum class progress : std::uint8_t { handler, clock, none };
  COKAFKA_DECL progress step(clock::time_point until);
  COKAFKA_DECL bool run_one_handler();

  const std::uint64_t seed_;
  const std::shared_ptr<simulated::simulated_environment> environment_;
  const clock::time_point begin_;
  testing::network network_;
  simulated::chance dice_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::function<void()> check_;
  std::exception_ptr thrown_;
  std::uint64_t steps_ = 0;
  std::uint64_t steps_at_this_moment_ = 0;
  std::uint64_t most_steps_at_one_moment_ = 10'000'000;
  std::size_t stories_ = 0;  // that have not ended
  std::size_t producers_ = 0;
  std::int32_t first_sequence_ = 0;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing

// ---- cokafka/testing/handlers.hpp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace messages = detail::messages;

/// What becomes of a request.
enum class reaction : std::uint8_t {
  answer,   // the response is sent
  silence,  // executed, nothing is sent (acks=0)
  close,    // the connection ends without an answer
  wait      // not yet: execute it again when something was appended or `wait_at_most` is over
};

/// What a connection has told of its client.
struct client_software {
  std::string name;
  std::string version;
};

/// One request while it is handled.
struct exchange {
  cluster_state& cluster;
  detail::environment& environment;
  client_software& client;
  std::int32_t broker = 0;
  std::int16_t version = 0;
  bool waited_enough = false;                // in: a waiting request has to be answered now
  bool appended = false;                     // out: readers may have something to fetch
  std::chrono::milliseconds wait_at_most{};  // out, with reaction::wait
  std::deque<std::string> storage{};         // what views in the response point to
};

constexpr std::int16_t code_of(broker_errc error) noexcept { return static_cast<std::int16_t>(error); }

inline std::int64_t wall_ms(const detail::environment& environment) {
  const auto since = environment.wall_now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

inline detail::wire::uuid random_id(detail::environment& environment) {
  const std::uint64_t high = environment.random();
  return detail::wire::uuid::from_halves(high | 1U, environment.random());
}

// Executes a request that is well formed and of a version that is served.
COKAFKA_DECL reaction execute(exchange&, const messages::api_versions_request&, messages::api_versions_response&);
COKAFKA_DECL reaction execute(exchange&, const messages::create_topics_request&, messages::create_topics_response&);
COKAFKA_DECL reaction execute(exchange&, const messages::fetch_request&, messages::fetch_response&);
COKAFKA_DECL reaction execute(exchange&, const messages::find_coordinator_request&,
                              messages::find_coordinator_response&);
COKAFKA_DECL reaction execute(exchange&, const messages::init_producer_id_request&,
                              messages::init_producer_id_response&);
COKAFKA_DECL reaction execute(exchange&, const messages::list_offsets_request&, messages::list_offsets_response&);
COKAFKA_DECL reaction execute(exchange&, const messages::metadata_request&, messages::metadata_response&);
COKAFKA_DECL reaction execute(exchange&, const messages::produce_request&, messages::produce_response&);

// The response that says `error` of everything that was asked.
COKAFKA_DECL reaction refuse(const messages::api_versions_request&, broker_errc error,
                             messages::api_versions_response&);
COKAFKA_DECL reaction refuse(const messages::create_topics_request&, broker_errc error,
                             messages::create_topics_response&);
COKAFKA_DECL reaction refuse(const messages::fetch_request&, broker_errc error, messages::fetch_response&);
COKAFKA_DECL reaction refuse(const messages::find_coordinator_request&, broker_errc error,
                             messages::find_coordinator_response&);
COKAFKA_DECL reaction refuse(const messages::init_producer_id_request&, broker_errc error,
                             messages::init_producer_id_response&);
COKAFKA_DECL reaction refuse(const messages::list_offsets_request&, broker_errc error,
                             messages::list_offsets_response&);
COKAFKA_DECL reaction refuse(const messages::metadata_request&, broker_errc error, messages::metadata_response&);
COKAFKA_DECL reaction refuse(const messages::produce_request&, broker_errc error, messages::produce_response&);

// The response after all to what has been executed: `error` of everything that was asked. Of a batch that was refused
// a broker has nothing else to tell.
template <class Request>
reaction fail_executed(const Request& request, broker_errc error, typename Request::response_type& response) {
  return refuse(request, error, response);
}
COKAFKA_DECL reaction fail_executed(const messages::produce_request&, broker_errc error, messages::produce_response&);

/// The answer to an ApiVersions request that is newer than the broker.
COKAFKA_DECL messages::api_versions_response too_new(const cluster_state& cluster);

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/dispatch.hpp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

/// A request whose header has been read.
struct arrived_request {
  messages::request_header header{};
  std::string_view body{};  // into the frame
  request_plan plan{};
};

/// Reads the header, notes the request and takes what is scripted for it. False: close the connection.
COKAFKA_DECL bool arrive(exchange& e, std::string_view frame, arrived_request& request);

/// Executes the request; `out` gets a whole frame where the reaction is to answer.
COKAFKA_DECL reaction handle(exchange& e, const arrived_request& request, std::string& out);

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/connection.hpp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

class cluster_core;

/// Lives as long as its task. As on a real broker, nothing is read while a request is executed, delayed or throttled,
/// and requests that were read before the client closed are still executed. Everything on the cluster's strand.
class connection {
 public:
  COKAFKA_DECL connection(std::shared_ptr<cluster_core> core, std::unique_ptr<detail::stream> accepted,
                          std::int32_t broker, std::uint32_t generation);

  /// The task: serves until the peer, an illegal frame or the broker's stop ends it.
  COKAFKA_DECL static detail::asio::awaitable<void> run(std::shared_ptr<connection> self);

  COKAFKA_DECL bool is_alive() const;
  /// Ends what the task waits for.
  COKAFKA_DECL void close();
  void wake() { timer_->cancel(); }

 private:
  COKAFKA_DECL detail::asio::awaitable<void> serve_all();
  COKAFKA_DECL detail::asio::awaitable<bool> read_more();
  COKAFKA_DECL detail::asio::awaitable<bool> serve(std::string_view frame);
  COKAFKA_DECL detail::asio::awaitable<reaction> execute(exchange& e, const arrived_request& request);
  COKAFKA_DECL detail::asio::awaitable<bool> write();
  COKAFKA_DECL detail::asio::awaitable<void> pause_until(detail::clock_time at);
  COKAFKA_DECL detail::asio::awaitable<void> sleep(std::chrono::milliseconds time);
  COKAFKA_DECL detail::asio::awaitable<void> until_thawed();

  std::shared_ptr<cluster_core> core_;
  std::unique_ptr<detail::stream> stream_;
  std::unique_ptr<detail::timer> timer_;
  const std::int32_t broker_;
  const std::uint32_t generation_;
  detail::wire::frame_parser parser_;
  client_software client_;
  std::string out_;
  std::array<detail::asio::const_buffer, 1> out_buffers_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/simulated/simulated_stream.hpp

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

/// One client that wants to connect. The legs of the journey, each of which takes the delay of the network:
/// look-up of the name, the question to the first address, its answer; then the next address.
class attempt final : public agenda_item {
 public:
  using done_handler = detail::stream::done_handler;

  /// `first`: the address that is asked first, counted on round the addresses of the host.
  COKAFKA_DECL attempt(network_state& in, std::shared_ptr<conversation>& into, asio::any_io_executor executor,
                       std::string host, std::uint16_t port, std::uint32_t first, done_handler handler);
  ~attempt() override { in_.attempts.erase(id_); }

  /// Goes on where it was not answered, as far as it gets now.
  void retry() {
    if (is_stuck_) travel();
  }
  void abort() { finish(asio::error::operation_aborted); }

 private:
  enum class leg : std::uint8_t { look_up, question, answer };

  COKAFKA_DECL void due() override;
  void drop() noexcept override { const done_handler dying = take_handler(handler_); }

  void travel() {
    is_stuck_ = false;
    schedule(of_.now() + in_.nature.delay());
  }
  COKAFKA_DECL void looked_up();
  COKAFKA_DECL void ask();
  COKAFKA_DECL void answered();
  COKAFKA_DECL void get_stuck();
  COKAFKA_DECL void finish(error_code failed);
  std::string place() const { return place_of(addresses_[index_], port_); }

  network_state& in_;
  std::shared_ptr<conversation>& into_;  // of the stream that owns this
  const std::uint64_t id_;
  const asio::any_io_executor executor_;
  const std::string host_;
  const std::uint16_t port_;
  const std::uint32_t first_;
  done_handler handler_;
  leg leg_ = leg::look_up;
  bool is_stuck_ = false;
  std::vector<std::string> addresses_;
  std::size_t index_ = 0;
  error_code outcome_{};
};

/// Attempts that were not answered go on.
inline void retry_attempts(network_state& of) {
  for (const auto& [id, each] : of.attempts) each->retry();
}

class simulated_stream final : public detail::stream {
 public:
  simulated_stream(network_state& in, asio::any_io_executor executor, const detail::socket_options& options)
      : in_(in), executor_(std::move(executor)), first_address_(options.attempt) {}
  simulated_stream(network_state& in, asio::any_io_executor executor, std::shared_ptr<conversation> accepted)
      : in_(in), executor_(std::move(executor)), side_(side::broker), conversation_(std::move(accepted)) {}
  ~simulated_stream() override { close(); }

  COKAFKA_DECL void connect(std::string host, std::uint16_t port, done_handler handler) override;
  COKAFKA_DECL void read_some(asio::mutable_buffer into, size_handler handler) override;
  COKAFKA_DECL void write_all(std::span<const asio::const_buffer> from, size_handler handler) override;
  COKAFKA_DECL void close() noexcept override;
  COKAFKA_DECL std::string remote() const override;

 private:
  network_state& in_;
  const asio::any_io_executor executor_;
  const side side_ = side::client;
  const std::uint32_t first_address_ = 0;
  bool is_closed_ = false;
  std::shared_ptr<conversation> conversation_;
  std::unique_ptr<attempt> attempt_;
};

class simulated_listener final : public detail::listener, public agenda_item {
 public:
  COKAFKA_DECL simulated_listener(network_state& in, asio::any_io_executor executor, std::string address,
                                  std::uint16_t port);
  ~simulated_listener() override { close(); }

  std::uint16_t port() const override { return port_; }
  COKAFKA_DECL void accept(asio::any_io_executor executor, accept_handler handler) override;
  COKAFKA_DECL void close() noexcept override;

  /// A client has got here.
  COKAFKA_DECL void arrive(std::shared_ptr<conversation> from);

 private:
  void due() override {}
  void drop() noexcept override { const accept_handler dying = take_handler(handler_); }
  COKAFKA_DECL void hand_out();

  network_state& in_;
  const asio::any_io_executor executor_;
  const std::string place_;
  const std::uint16_t port_;
  bool is_closed_ = false;
  std::deque<std::shared_ptr<conversation>> waiting_;
  asio::any_io_executor accepted_on_;
  accept_handler handler_;
};

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#if defined(COKAFKA_HEADER_ONLY) || defined(COKAFKA_SOURCE)

// ---- cokafka/testing/producer_states.ipp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

COKAFKA_DECL sequence_verdict producer_states::check(const producer_batch& batch) const {
  const auto found = by_id_.find(batch.producer_id);
  if (found == by_id_.end()) return {};
  const state& known = found->second;
  if (batch.epoch < known.epoch) return {broker_errc::invalid_producer_epoch};
  if (batch.epoch > known.epoch) {
    return {batch.first_sequence == 0 ? broker_errc::none : broker_errc::out_of_order_sequence_number};
  }
  const std::int32_t last = last_sequence(batch.first_sequence, batch.record_count);
  for (const remembered_batch& taken : known.batches) {
    if (taken.first_sequence == batch.first_sequence && taken.last_sequence == last) return {broker_errc::none, taken};
  }
  if (batch.first_sequence == last_sequence(known.batches.back().last_sequence, 2)) return {};
  return {broker_errc::out_of_order_sequence_number};
}

COKAFKA_DECL void producer_states::append(const producer_batch& batch, std::int64_t base_offset,
                                          std::int64_t max_timestamp) {
  state& known = by_id_[batch.producer_id];
  if (known.epoch != batch.epoch) known = state{batch.epoch, {}};
  known.batches.push_back(
      {batch.first_sequence, last_sequence(batch.first_sequence, batch.record_count), base_offset, max_timestamp});
  if (known.batches.size() > remembered) known.batches.pop_front();
}

COKAFKA_DECL std::set<std::int64_t> producer_states::forget_since(std::int64_t offset) {
  std::set<std::int64_t> forgotten;
  for (const auto& [id, known] : by_id_) {
    if (known.batches.back().base_offset >= offset) forgotten.insert(id);
  }
  std::erase_if(by_id_, [&](const auto& entry) { return forgotten.contains(entry.first); });
  return forgotten;
}

COKAFKA_DECL void producer_states::restart(std::int64_t now) {
  constexpr std::int64_t one_day = 86'400'000;
  std::erase_if(by_id_, [&](const auto& entry) { return now - entry.second.batches.back().max_timestamp >= one_day; });
  for (auto& [id, known] : by_id_) known.batches.erase(known.batches.begin(), known.batches.end() - 1);
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/partition_log.ipp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace log_parts {

template <class Unsigned>
void put_big_endian(std::string& bytes, std::size_t at, Unsigned value) {
  for (std::size_t i = 0; i != sizeof(Unsigned); ++i) {
    bytes[at + i] = static_cast<char>(value >> (8 * (sizeof(Unsigned) - 1 - i)) & 0xffU);
  }
}

// Kafka answers 87 for what breaks a rule of the format and 2 for bytes that are damaged.
inline broker_errc code_of(detail::batch_error error) noexcept {
  switch (error) {
    case detail::batch_error::none: return broker_errc::none;
    case detail::batch_error::bad_length:
    case detail::batch_error::bad_crc: return broker_errc::corrupt_message;
    case detail::batch_error::bad_codec: return broker_errc::unknown_server_error;
    default: return broker_errc::invalid_record;
  }
}

inline append_result refused(broker_errc code, std::string why) {
  append_result result;
  result.error = code;
  result.message = std::move(why);
  return result;
}

inline append_result refused(detail::batch_error error) {
  return refused(code_of(error), std::string(to_string(error)));
}

// The records that the topic does not take: without a key where it is compacted, or from a clock that runs ahead of
// what it allows. As in the real log one bad timestamp decides which error the whole batch has.
inline append_result check_each(const detail::batch_view& batch, const log_rules& rules, std::int64_t now) {
  constexpr std::int64_t no_limit = std::numeric_limits<std::int64_t>::max();
  append_result result;
  if (batch.is_compressed()) return result;
  const bool any_time = rules.log_append_time || rules.timestamp_after_max_ms == no_limit;
  const std::int64_t limit = any_time ? no_limit : now + rules.timestamp_after_max_ms;
  bool too_late = false;
  batch.for_each([&](const detail::record_entry& record) {
    if (rules.compacted && !record.key) {
      result.bad_records.push_back({record.offset_delta, "a compacted topic takes no record without a key"});
    } else if (record.timestamp > limit) {
      too_late = true;
      result.bad_records.push_back({record.offset_delta, "timestamp " + std::to_string(record.timestamp) +
                                                             " is later than " + std::to_string(limit)});
    }
  });
  if (result.bad_records.empty()) return result;
  result.error = too_late ? broker_errc::invalid_timestamp : broker_errc::invalid_record;
  result.message = too_late ? "one or more records have been rejected due to invalid timestamp"
                            : "one or more records have been rejected";
  return result;
}

inline producer_batch stamp_of(const detail::batch_view& batch) noexcept {
  return {batch.producer_id(), batch.producer_epoch(), batch.base_sequence(), batch.record_count()};
}

// A batch that was checked when it was appended.
inline detail::batch_view view_of(const std::string& bytes) noexcept {
  detail::batch_view view;
  static_cast<void>(detail::batch_view::parse(bytes, view));
  return view;
}

inline std::int64_t time_of(const detail::batch_view& batch, const detail::record_entry& record) noexcept {
  return batch.has_log_append_time() ? batch.max_timestamp() : record.timestamp;
}

inline std::optional<std::string> copy_of(const std::optional<std::string_view>& bytes) {
  return bytes ? std::optional<std::string>(*bytes) : std::nullopt;
}

}  // namespace log_parts

COKAFKA_DECL append_result partition_log::append(std::string_view records, const log_rules& rules,
                                                 std::int32_t leader_epoch, std::int64_t now) {
  using namespace log_parts;
  constexpr std::size_t magic_offset = 16;
  if (records.empty()) return refused(broker_errc::invalid_record, "no record batch");
  if (records.size() > magic_offset && records[magic_offset] != 2) return refused(detail::batch_error::bad_magic);
  if (const auto size = detail::batch_view::size_at_front(records); size && *size < records.size()) {
    return refused(broker_errc::invalid_record, "more than one record batch");
  }
  // As the real log has it: the size is checked before the checksum.
  if (records.size() > rules.max_message_bytes) {
    return refused(broker_errc::message_too_large, "the batch of " + std::to_string(records.size()) +
                                                       " bytes is larger than max.message.bytes " +
                                                       std::to_string(rules.max_message_bytes));
  }
  detail::batch_view batch;
  if (const auto error = detail::batch_view::parse(records, batch); error != detail::batch_error::none) {
    return refused(error);
  }
  if (batch.base_offset() != 0) return refused(broker_errc::invalid_record, "the base offset is not 0");
  if (const auto error = batch.check_from_client(); error != detail::batch_error::none) return refused(error);
  if (!batch.is_compressed()) {
    if (const auto error = batch.check_records(); error != detail::batch_error::none) return refused(error);
  }
  if (auto bad = check_each(batch, rules, now); bad.error != broker_errc::none) return bad;
  return take(batch, rules, leader_epoch, now);
}

COKAFKA_DECL append_result partition_log::take(const detail::batch_view& batch, const log_rules& rules,
                                               std::int32_t leader_epoch, std::int64_t now) {
  using namespace log_parts;
  append_result result;
  if (batch.producer_id() >= 0) {
    const sequence_verdict verdict = producers_.check(stamp_of(batch));
    if (verdict.error != broker_errc::none) return refused(verdict.error, "sequence rules");
    if (verdict.duplicate_of) {
      result.base_offset = verdict.duplicate_of->base_offset;
      // The real log answers a duplicate with the batch's timestamp here, whatever the topic's timestamp type.
      result.log_append_time = verdict.duplicate_of->max_timestamp;
      result.duplicate = true;
      return result;
    }
  }
  entry added{end_offset_, std::string(batch.bytes())};
  put_big_endian(added.bytes, 0, static_cast<std::uint64_t>(end_offset_));
  put_big_endian(added.bytes, 12, static_cast<std::uint32_t>(leader_epoch));
  if (rules.log_append_time) {
    constexpr std::size_t crc_begin = 21;
    put_big_endian(added.bytes, 21, static_cast<std::uint16_t>(batch.attributes() | 0x08));
    put_big_endian(added.bytes, 35, static_cast<std::uint64_t>(now));
    put_big_endian(added.bytes, 17, detail::crc32c(0, added.bytes.data() + crc_begin, added.bytes.size() - crc_begin));
    result.log_append_time = now;
  }
  result.base_offset = end_offset_;
  if (batch.producer_id() >= 0) {
    producers_.append(stamp_of(batch), end_offset_, rules.log_append_time ? now : batch.max_timestamp());
  }
  end_offset_ += batch.record_count();
  bytes_ += added.bytes.size();
  entries_.push_back(std::move(added));
  while (bytes_ > rules.retention_bytes && entries_.size() > 1) drop_first();
  return result;
}

COKAFKA_DECL std::int64_t partition_log::end_of(const entry& batch) noexcept {
  return batch.base_offset + log_parts::view_of(batch.bytes).record_count();
}

COKAFKA_DECL void partition_log::drop_first() {
  bytes_ -= entries_.front().bytes.size();
  entries_.pop_front();
  start_offset_ = std::max(start_offset_, entries_.empty() ? end_offset_ : entries_.front().base_offset);
}

COKAFKA_DECL void partition_log::delete_before(std::int64_t before) {
  start_offset_ = before;
  while (!entries_.empty() && end_of(entries_.front()) <= before) drop_first();
}

COKAFKA_DECL void partition_log::truncate(std::int64_t end) {
  for (; !entries_.empty() && end_of(entries_.back()) > end; entries_.pop_back()) {
    bytes_ -= entries_.back().bytes.size();
    end_offset_ = entries_.back().base_offset;
  }
  start_offset_ = std::min(start_offset_, end_offset_);
  const std::set<std::int64_t> forgotten = producers_.forget_since(end_offset_);
  for (const entry& e : entries_) {
    const detail::batch_view batch = log_parts::view_of(e.bytes);
    if (!forgotten.contains(batch.producer_id())) continue;
    producers_.append(log_parts::stamp_of(batch), e.base_offset, batch.max_timestamp());
  }
}

COKAFKA_DECL std::size_t partition_log::index_of(std::int64_t offset) const {
  if (offset >= end_offset_) return entries_.size();
  const auto behind = std::upper_bound(entries_.begin(), entries_.end(), offset,
                                       [](std::int64_t at, const entry& e) { return at < e.base_offset; });
  return static_cast<std::size_t>(behind - entries_.begin()) - 1;
}

COKAFKA_DECL std::string partition_log::read(std::int64_t offset, std::size_t max_bytes, bool at_least_one) const {
  std::string bytes;
  for (std::size_t i = index_of(offset); i != entries_.size(); ++i) {
    const std::string& next = entries_[i].bytes;
    if (bytes.size() + next.size() > max_bytes && !(bytes.empty() && at_least_one)) break;
    bytes += next;
  }
  return bytes;
}

COKAFKA_DECL std::size_t partition_log::bytes_from(std::int64_t offset, std::size_t enough) const {
  std::size_t bytes = 0;
  for (std::size_t i = index_of(offset); i != entries_.size() && bytes < enough; ++i) bytes += entries_[i].bytes.size();
  return bytes;
}

COKAFKA_DECL indexed_offset partition_log::first_since(std::int64_t timestamp) const {
  indexed_offset found;
  for (const entry& e : entries_) {
    const detail::batch_view batch = log_parts::view_of(e.bytes);
    if (batch.max_timestamp() < timestamp) continue;
    if (batch.is_compressed() || batch.has_log_append_time()) return {e.base_offset, batch.max_timestamp()};
    batch.for_each([&](const detail::record_entry& record) {
      if (record.timestamp < timestamp || e.base_offset + record.offset_delta < start_offset_) return true;
      found = {e.base_offset + record.offset_delta, record.timestamp};
      return false;
    });
    if (found.offset >= 0) break;
  }
  return found;
}

COKAFKA_DECL indexed_offset partition_log::newest() const {
  std::int64_t largest = -1;
  for (const entry& e : entries_) largest = std::max(largest, log_parts::view_of(e.bytes).max_timestamp());
  return entries_.empty() ? indexed_offset{} : first_since(largest);
}

COKAFKA_DECL std::vector<stored_record> partition_log::records(std::int64_t from) const {
  std::vector<stored_record> all;
  from = std::max(from, start_offset_);
  for (std::size_t i = index_of(from); i != entries_.size(); ++i) {
    const entry& e = entries_[i];
    const detail::batch_view batch = log_parts::view_of(e.bytes);
    batch.for_each([&](const detail::record_entry& record) {
      if (e.base_offset + record.offset_delta < from) return;
      stored_record copy;
      copy.offset = e.base_offset + record.offset_delta;
      copy.timestamp = log_parts::time_of(batch, record);
      copy.key = log_parts::copy_of(record.key);
      copy.value = log_parts::copy_of(record.value);
      for (const auto& header : record.headers) {
        copy.headers.push_back({std::string(header.key), log_parts::copy_of(header.value)});
      }
      copy.producer_id = batch.producer_id();
      copy.producer_epoch = batch.producer_epoch();
      if (batch.base_sequence() >= 0) {
        copy.sequence = producer_states::last_sequence(batch.base_sequence(), record.offset_delta + 1);
      }
      all.push_back(std::move(copy));
    });
  }
  return all;
}

COKAFKA_DECL std::vector<stored_batch> partition_log::batches() const {
  std::vector<stored_batch> all;
  for (const entry& e : entries_) {
    const detail::batch_view batch = log_parts::view_of(e.bytes);
    all.push_back({e.base_offset, batch.record_count(), e.bytes.size(), batch.codec(), batch.partition_leader_epoch(),
                   batch.producer_id(), batch.producer_epoch(), batch.base_sequence()});
  }
  return all;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/script.ipp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

COKAFKA_DECL request_plan script::take(api_key api, std::int32_t broker) {
  request_plan plan;
  for (auto next = rules_.begin(); next != rules_.end();) {
    const auto at = next++;
    rule& candidate = *at;
    if (candidate.api != api || (candidate.broker && *candidate.broker != broker)) continue;
    if (candidate.error && !plan.error) {
      plan.error = candidate.error;
      plan.error_at = candidate.at;
    } else if (candidate.delay && !plan.delay) {
      plan.delay = candidate.delay;
      plan.delay_at = candidate.at;
    } else if (candidate.drop && !plan.drop_at) {
      plan.drop_at = candidate.at;
    } else {
      continue;
    }
    if (--candidate.times == 0) rules_.erase(at);
  }
  if (const auto found = throttles_.find(api); found != throttles_.end()) plan.throttle = found->second;
  return plan;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/version_table.ipp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace versions {

struct row {
  api_key api;
  detail::wire::version_range v2_1, v3_9, v4_0, v4_1;
};

inline constexpr row table[] = {
    {api_key::produce, {0, 7}, {0, 11}, {0, 12}, {0, 13}},
    {api_key::fetch, {0, 10}, {0, 17}, {4, 17}, {4, 18}},
    {api_key::list_offsets, {0, 4}, {0, 9}, {1, 10}, {1, 10}},
    {api_key::metadata, {0, 7}, {0, 12}, {0, 13}, {0, 13}},
    {api_key::find_coordinator, {0, 2}, {0, 6}, {0, 6}, {0, 6}},
    {api_key::api_versions, {0, 2}, {0, 4}, {0, 4}, {0, 4}},
    {api_key::create_topics, {0, 3}, {0, 7}, {2, 7}, {2, 7}},
    {api_key::init_producer_id, {0, 1}, {0, 5}, {0, 5}, {0, 5}},
};

inline detail::wire::version_range of(const row& api, kafka_version version) noexcept {
  switch (version) {
    case kafka_version::v2_1: return api.v2_1;
    case kafka_version::v3_9: return api.v3_9;
    case kafka_version::v4_0: return api.v4_0;
    case kafka_version::v4_1: break;
  }
  return api.v4_1;
}

}  // namespace versions

COKAFKA_DECL version_table::version_table(kafka_version version) {
  for (const versions::row& api : versions::table) offered_[api.api] = versions::of(api, version);
}

COKAFKA_DECL void version_table::offer(api_key api, detail::wire::version_range versions) {
  if (versions.min > versions.max) {
    offered_.erase(api);
  } else {
    offered_[api] = versions;
  }
}

COKAFKA_DECL bool version_table::serves(api_key api, std::int16_t version) const {
  const auto found = offered_.find(api);
  if (found == offered_.end() || !found->second.contains(version)) return false;
  return !(api == api_key::produce && version < 3) && !(api == api_key::fetch && version < 4);
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/cluster_state.ipp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

COKAFKA_DECL cluster_state::cluster_state(const cluster_options& with, detail::wire::uuid id)
    : options(with),
      versions(with.version),
      cluster_id(to_string(id)),
      brokers(static_cast<std::size_t>(std::max(with.brokers, 1))) {}

COKAFKA_DECL bool cluster_state::is_legal_name(std::string_view name) noexcept {
  constexpr std::size_t longest = 249;
  constexpr std::string_view legal = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.size() <= longest && name != "." && name != ".." &&
         name.find_first_not_of(legal) == std::string_view::npos;
}

COKAFKA_DECL topic_state* cluster_state::find(std::string_view name) noexcept {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : &found->second;
}

COKAFKA_DECL topic_state* cluster_state::find(const detail::wire::uuid& id) noexcept {
  const auto found = names_.find(id);
  return found == names_.end() ? nullptr : find(found->second);
}

COKAFKA_DECL partition_state* cluster_state::find(topic_state* topic, std::int32_t partition) noexcept {
  if (topic == nullptr || partition < 0) return nullptr;
  const auto index = static_cast<std::size_t>(partition);
  return index < topic->partitions.size() ? &topic->partitions[index] : nullptr;
}

COKAFKA_DECL topic_state& cluster_state::create_topic(std::string name, int partitions, const topic_options& with,
                                                      detail::wire::uuid id) {
  topic_state made{name, id, with, {}};
  add_partitions(made, partitions);
  names_[id] = name;
  return topics_.insert_or_assign(std::move(name), std::move(made)).first->second;
}

COKAFKA_DECL void cluster_state::add_partitions(topic_state& topic, int total) {
  while (topic.partitions.size() < static_cast<std::size_t>(total)) add_partition(topic);
}

// Its replicas are the brokers from its own number on.
COKAFKA_DECL void cluster_state::add_partition(topic_state& topic) const {
  const auto nodes = static_cast<std::int32_t>(brokers.size());
  const std::int32_t wanted = topic.options.replication;
  const std::int32_t copies = wanted > 0 ? std::min<std::int32_t>(wanted, nodes) : nodes;
  const auto index = static_cast<std::int32_t>(topic.partitions.size());
  std::vector<std::int32_t> replicas;
  for (std::int32_t r = 0; r != copies; ++r) replicas.push_back((index + r) % nodes);
  place(topic.partitions.emplace_back(), std::move(replicas));
}

COKAFKA_DECL void cluster_state::place(partition_state& partition, std::vector<std::int32_t> replicas) const {
  partition.replicas = std::move(replicas);
  const auto leader = std::find_if(partition.replicas.begin(), partition.replicas.end(),
                                   [&](std::int32_t broker) { return can_lead(partition, broker); });
  partition.leader = leader == partition.replicas.end() ? -1 : *leader;
}

COKAFKA_DECL void cluster_state::delete_topic(std::string_view name) {
  const auto gone = topics_.find(name);
  names_.erase(gone->second.id);
  topics_.erase(gone);
}

COKAFKA_DECL log_rules cluster_state::rules_of(const topic_state& topic) const noexcept {
  constexpr std::int64_t one_hour = 3'600'000;  // the default since 4.0 (KIP-1030)
  log_rules applied;
  applied.max_message_bytes = topic.options.max_message_bytes.value_or(options.max_message_bytes);
  applied.log_append_time = topic.options.log_append_time;
  applied.compacted = topic.options.compacted;
  if (topic.options.retention_bytes) applied.retention_bytes = *topic.options.retention_bytes;
  if (options.version >= kafka_version::v4_0) applied.timestamp_after_max_ms = one_hour;
  return applied;
}

COKAFKA_DECL bool cluster_state::can_lead(const partition_state& partition, std::int32_t broker) const noexcept {
  return brokers[static_cast<std::size_t>(broker)].running &&
         std::find(partition.replicas.begin(), partition.replicas.end(), broker) != partition.replicas.end();
}

COKAFKA_DECL void cluster_state::lead(partition_state& partition, std::int32_t leader) noexcept {
  if (partition.leader >= 0) partition.last_leader = partition.leader;
  partition.leader = leader;
  ++partition.leader_epoch;
}

COKAFKA_DECL void cluster_state::stop(std::int32_t broker) {
  broker_state& stopped = brokers[static_cast<std::size_t>(broker)];
  if (!stopped.running) return;
  stopped.running = false;
  ++stopped.generation;
  for (auto& [name, topic] : topics_) {
    for (partition_state& partition : topic.partitions) {
      if (partition.leader != broker) continue;
      std::int32_t next = -1;
      for (const std::int32_t replica : partition.replicas) {
        if (next < 0 && can_lead(partition, replica)) next = replica;
      }
      lead(partition, next);
    }
  }
}

COKAFKA_DECL void cluster_state::start(std::int32_t broker, std::int64_t now) {
  brokers[static_cast<std::size_t>(broker)].running = true;
  for (auto& [name, topic] : topics_) {
    for (partition_state& partition : topic.partitions) {
      if (partition.leader >= 0 || !can_lead(partition, broker)) continue;
      partition.log.restart(now);
      lead(partition, broker);
    }
  }
}

COKAFKA_DECL std::vector<std::int32_t> cluster_state::in_sync(const partition_state& partition) const {
  std::vector<std::int32_t> running;
  for (const std::int32_t replica : partition.replicas) {
    if (brokers[static_cast<std::size_t>(replica)].running) running.push_back(replica);
  }
  const bool keeps_last = options.version < kafka_version::v4_1;
  if (running.empty() && keeps_last && partition.last_leader >= 0) running.push_back(partition.last_leader);
  return running;
}

COKAFKA_DECL bool cluster_state::has_enough_in_sync(const topic_state& topic, const partition_state& partition) const {
  const auto wanted = static_cast<std::size_t>(std::max(topic.options.min_insync_replicas, 1));
  return in_sync(partition).size() >= std::min(wanted, partition.replicas.size());
}

COKAFKA_DECL detail::messages::leader_and_epoch cluster_state::hint(const partition_state& partition) noexcept {
  return {partition.leader, partition.leader_epoch};
}

COKAFKA_DECL void cluster_state::add_endpoint(std::vector<detail::messages::node_endpoint>& to,
                                              std::int32_t broker) const {
  if (broker < 0 || std::any_of(to.begin(), to.end(), [&](const auto& known) { return known.node_id == broker; }))
    return;
  const broker_state& node = brokers[static_cast<std::size_t>(broker)];
  to.push_back({broker, node.host, node.port, std::nullopt});
}

COKAFKA_DECL std::int32_t cluster_state::controller() const noexcept {
  const auto first = std::find_if(brokers.begin(), brokers.end(), [](const broker_state& b) { return b.running; });
  return first == brokers.end() ? -1 : static_cast<std::int32_t>(first - brokers.begin());
}

COKAFKA_DECL void cluster_state::note(const seen_request& request) {
  constexpr std::size_t kept = 10'000;
  ++counts_[request.api];
  requests_.push_back(request);
  if (requests_.size() > kept) requests_.pop_front();
}

COKAFKA_DECL std::size_t cluster_state::request_count(api_key api) const noexcept {
  const auto found = counts_.find(api);
  return found == counts_.end() ? 0 : found->second;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/cluster_core.ipp

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace accepting {

namespace asio = detail::asio;

inline asio::awaitable<void> accept_all(std::shared_ptr<cluster_core> core, std::shared_ptr<detail::listener> from,
                                        std::int32_t broker, std::uint32_t generation) {
  const std::unique_ptr<detail::timer> timer = core->environment().make_timer(core->strand());
  while (core->is_alive(broker, generation)) {
    auto [failed, accepted] = co_await detail::async_accept(*from, core->strand(), asio::as_tuple(asio::deferred));
    if (!core->is_alive(broker, generation) || !core->is_door(broker, *from)) break;
    if (failed) {  // no more descriptors, for instance: some may come back
      const detail::clock_time soon = core->environment().now() + std::chrono::milliseconds(50);
      co_await detail::async_wait_until(*timer, soon, asio::as_tuple(asio::deferred));
      continue;
    }
    auto opened = std::make_shared<connection>(core, std::move(accepted), broker, generation);
    asio::co_spawn(core->strand(), connection::run(std::move(opened)), asio::detached);
  }
  from->close();
}

}  // namespace accepting

COKAFKA_DECL cluster_core::cluster_core(detail::asio::any_io_executor executor,
                                        std::shared_ptr<detail::environment> environment,
                                        const cluster_options& options)
    : state(options, random_id(*environment)),
      environment_(std::move(environment)),
      strand_(detail::asio::make_strand(std::move(executor))),
      doors_(state.brokers.size()) {}

COKAFKA_DECL void cluster_core::open() {
  work_.emplace(strand_);
  const std::uint16_t first = state.options.first_port;
  for (std::size_t b = 0; b != doors_.size(); ++b) {
    const auto wanted = static_cast<std::uint16_t>(first == 0 ? 0 : first + b);
    state.brokers[b].port = listen(static_cast<std::int32_t>(b), wanted);
  }
}

COKAFKA_DECL std::uint16_t cluster_core::listen(std::int32_t broker, std::uint16_t port) {
  const auto index = static_cast<std::size_t>(broker);
  std::string host;
  std::uint32_t generation = 0;
  {
    const std::scoped_lock lock(mutex);
    host = state.brokers[index].host;
    generation = state.brokers[index].generation;
  }
  doors_[index] = {environment_->listen(strand_, host, port), generation};
  const auto& opened = doors_[index].listener;
  detail::asio::co_spawn(strand_, accepting::accept_all(shared_from_this(), opened, broker, generation),
                         detail::asio::detached);
  return opened->port();
}

COKAFKA_DECL void cluster_core::stop_broker(std::int32_t broker) {
  {
    const std::scoped_lock lock(mutex);
    state.stop(broker);
  }
  detail::asio::post(strand_, [self = shared_from_this()] { self->close_dead(); });
}

COKAFKA_DECL void cluster_core::start_broker(std::int32_t broker) {
  std::uint32_t generation = 0;
  {
    const std::scoped_lock lock(mutex);
    if (stopped_ || state.brokers[static_cast<std::size_t>(broker)].running) return;
    state.start(broker, wall_ms(*environment_));
    generation = state.brokers[static_cast<std::size_t>(broker)].generation;
  }
  detail::asio::co_spawn(strand_, reopen(shared_from_this(), broker, generation), detail::asio::detached);
}

// As a real broker that is started at once again: what is left of its former life may hold the port for a moment.
COKAFKA_DECL detail::asio::awaitable<void> cluster_core::reopen(std::shared_ptr<cluster_core> self, std::int32_t broker,
                                                                std::uint32_t generation) {
  const std::unique_ptr<detail::timer> timer = self->environment_->make_timer(self->strand_);
  const detail::clock_time give_up = self->environment_->now() + std::chrono::seconds(10);
  while (self->is_alive(broker, generation) && self->environment_->now() < give_up) {
    self->close_dead();
    if (self->try_listen(broker)) co_return;
    const detail::clock_time soon = self->environment_->now() + std::chrono::milliseconds(10);
    co_await detail::async_wait_until(*timer, soon, detail::asio::as_tuple(detail::asio::deferred));
  }
}

COKAFKA_DECL bool cluster_core::try_listen(std::int32_t broker) {
  const auto index = static_cast<std::size_t>(broker);
  if (doors_[index].listener) return true;
  try {
    listen(broker, state.brokers[index].port);
    return true;
  } catch (const boost::system::system_error&) {
    doors_[index].listener = nullptr;
    return false;
  }
}

COKAFKA_DECL void cluster_core::move_broker(std::int32_t broker, bool keep_connections) {
  {
    const std::scoped_lock lock(mutex);
    broker_state& moved = state.brokers[static_cast<std::size_t>(broker)];
    if (stopped_ || !moved.running) return;
    if (!keep_connections) ++moved.generation;
  }
  detail::asio::post(strand_, [self = shared_from_this(), broker] { self->listen_elsewhere(broker); });
}

COKAFKA_DECL void cluster_core::listen_elsewhere(std::int32_t broker) {
  const auto index = static_cast<std::size_t>(broker);
  if (const auto closed = std::exchange(doors_[index].listener, nullptr)) closed->close();
  close_dead();
  {
    const std::scoped_lock lock(mutex);
    if (stopped_ || !state.brokers[index].running) return;
  }
  const std::uint16_t port = listen(broker, 0);
  const std::scoped_lock lock(mutex);
  state.brokers[index].port = port;
}

COKAFKA_DECL void cluster_core::stop() {
  {
    const std::scoped_lock lock(mutex);
    stopped_ = true;
    for (broker_state& broker : state.brokers) {
      broker.running = false;
      ++broker.generation;
    }
  }
  detail::asio::post(strand_, [self = shared_from_this()] {
    self->close_dead();
    self->work_.reset();
  });
}

COKAFKA_DECL void cluster_core::close_dead() {
  for (std::size_t b = 0; b != doors_.size(); ++b) {
    if (!doors_[b].listener || is_alive(static_cast<std::int32_t>(b), doors_[b].generation)) continue;
    doors_[b].listener->close();
    doors_[b].listener = nullptr;
  }
  for (const auto& [number, open] : connections_) {
    if (!open->is_alive()) open->close();
  }
}

COKAFKA_DECL void cluster_core::wake() {
  detail::asio::post(strand_, [self = shared_from_this()] { self->wake_now(); });
}

COKAFKA_DECL void cluster_core::wake_now() {
  for (const auto& [number, open] : connections_) open->wake();
}

COKAFKA_DECL bool cluster_core::is_alive(std::int32_t broker, std::uint32_t generation) const {
  const std::scoped_lock lock(mutex);
  const broker_state& asked = state.brokers[static_cast<std::size_t>(broker)];
  return asked.running && asked.generation == generation;
}

COKAFKA_DECL bool cluster_core::is_frozen(std::int32_t broker) const {
  const std::scoped_lock lock(mutex);
  return state.brokers[static_cast<std::size_t>(broker)].frozen;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/cluster.ipp

namespace cokafka::inline COKAFKA_ABI::testing {

namespace embedded {

inline std::size_t index_of(const cluster_state& state, std::int32_t broker) {
  if (broker < 0 || static_cast<std::size_t>(broker) >= state.brokers.size()) {
    throw std::out_of_range("no broker " + std::to_string(broker));
  }
  return static_cast<std::size_t>(broker);
}

inline partition_state& partition_at(cluster_state& state, std::string_view topic, std::int32_t partition) {
  partition_state* found = state.find(state.find(topic), partition);
  if (found == nullptr) throw std::out_of_range("no partition " + std::string(topic) + "-" + std::to_string(partition));
  return *found;
}

inline void check_offset(const partition_log& log, std::int64_t offset) {
  if (offset < log.start_offset() || offset > log.end_offset())
    throw std::out_of_range("no offset " + std::to_string(offset));
}

inline topic_state& topic_at(cluster_state& state, std::string_view name) {
  topic_state* found = state.find(name);
  if (found == nullptr) throw std::out_of_range("no topic " + std::string(name));
  return *found;
}

inline void add_rule(cluster_core& core, const script::rule& rule) {
  const std::scoped_lock lock(core.mutex);
  if (rule.broker) index_of(core.state, *rule.broker);
  core.state.rules.add(rule);
}

}  // namespace embedded

COKAFKA_DECL cluster::cluster(executor_type executor) : cluster(std::move(executor), cluster_options{}) {}

COKAFKA_DECL cluster::cluster(executor_type executor, const cluster_options& options)
    : cluster(std::move(executor), options, detail::system_environment()) {}

COKAFKA_DECL cluster::cluster(executor_type executor, const cluster_options& options,
                              std::shared_ptr<detail::environment> environment)
    : core_(std::make_shared<embedded::cluster_core>(std::move(executor), std::move(environment), options)) {
  try {
    core_->open();
  } catch (...) {
    core_->stop();
    throw;
  }
}

COKAFKA_DECL cluster::~cluster() { core_->stop(); }

COKAFKA_DECL void cluster::stop() { core_->stop(); }

COKAFKA_DECL std::string cluster::bootstrap_servers() const {
  const std::scoped_lock lock(core_->mutex);
  std::string servers;
  for (const embedded::broker_state& broker : core_->state.brokers) {
    if (!servers.empty()) servers += ',';
    servers += broker.host + ":" + std::to_string(broker.port);
  }
  return servers;
}

COKAFKA_DECL std::uint16_t cluster::port(std::int32_t broker) const {
  const std::scoped_lock lock(core_->mutex);
  return core_->state.brokers[embedded::index_of(core_->state, broker)].port;
}

COKAFKA_DECL std::string cluster::address(std::int32_t broker) const {
  const std::scoped_lock lock(core_->mutex);
  const embedded::broker_state& asked = core_->state.brokers[embedded::index_of(core_->state, broker)];
  return asked.host + ":" + std::to_string(asked.port);
}

COKAFKA_DECL void cluster::create_topic(std::string_view name, int partitions) { create_topic(name, partitions, {}); }

COKAFKA_DECL void cluster::create_topic(std::string_view name, int partitions, const topic_options& options) {
  const detail::wire::uuid id = embedded::random_id(core_->environment());
  const std::scoped_lock lock(core_->mutex);
  if (!embedded::cluster_state::is_legal_name(name))
    throw std::invalid_argument("not a topic name: " + std::string(name));
  if (partitions < 1) throw std::invalid_argument("a topic has at least one partition");
  if (core_->state.find(name) != nullptr) throw std::invalid_argument("the topic exists: " + std::string(name));
  core_->state.create_topic(std::string(name), partitions, options, id);
}

COKAFKA_DECL void cluster::delete_topic(std::string_view name) {
  const std::scoped_lock lock(core_->mutex);
  embedded::topic_at(core_->state, name);
  core_->state.delete_topic(name);
}

COKAFKA_DECL void cluster::recreate_topic(std::string_view name, int partitions) {
  if (partitions < 1) throw std::invalid_argument("a topic has at least one partition");
  const detail::wire::uuid id = embedded::random_id(core_->environment());
  const std::scoped_lock lock(core_->mutex);
  const topic_options options = embedded::topic_at(core_->state, name).options;
  core_->state.delete_topic(name);
  core_->state.create_topic(std::string(name), partitions, options, id);
}

COKAFKA_DECL void cluster::add_partitions(std::string_view name, int total) {
  const std::scoped_lock lock(core_->mutex);
  embedded::topic_state& grown = embedded::topic_at(core_->state, name);
  if (static_cast<std::size_t>(std::max(total, 0)) < grown.partitions.size())
    throw std::invalid_argument("a topic loses no partitions: " + std::string(name));
  core_->state.add_partitions(grown, total);
}

COKAFKA_DECL void cluster::delete_records(std::string_view topic, std::int32_t partition, std::int64_t before) {
  const std::scoped_lock lock(core_->mutex);
  embedded::partition_log& log = embedded::partition_at(core_->state, topic, partition).log;
  embedded::check_offset(log, before);
  log.delete_before(before);
}

COKAFKA_DECL void cluster::truncate(std::string_view topic, std::int32_t partition, std::int64_t end) {
  {
    const std::scoped_lock lock(core_->mutex);
    embedded::partition_state& cut = embedded::partition_at(core_->state, topic, partition);
    embedded::check_offset(cut.log, end);
    cut.log.truncate(end);
    embedded::cluster_state::lead(cut, cut.leader);
  }
  core_->wake();
}

COKAFKA_DECL void cluster::set_topic_error(std::string_view name, broker_errc error) {
  const std::scoped_lock lock(core_->mutex);
  core_->state.topic_errors.insert_or_assign(std::string(name), error);
}

COKAFKA_DECL void cluster::leave_out_topic(std::string_view name, int times) {
  const std::scoped_lock lock(core_->mutex);
  if (times == 0) {
    core_->state.left_out.erase(std::string(name));
  } else {
    core_->state.left_out[std::string(name)] += times;
  }
}

COKAFKA_DECL std::vector<stored_record> cluster::records(std::string_view topic, std::int32_t partition) const {
  return records(topic, partition, 0);
}

COKAFKA_DECL std::vector<stored_record> cluster::records(std::string_view topic, std::int32_t partition,
                                                         std::int64_t from_offset) const {
  const std::scoped_lock lock(core_->mutex);
  const auto* found = core_->state.find(core_->state.find(topic), partition);
  return found ? found->log.records(from_offset) : std::vector<stored_record>{};
}

COKAFKA_DECL std::uint64_t cluster::append_count() const {
  const std::scoped_lock lock(core_->mutex);
  return core_->state.appends;
}

COKAFKA_DECL std::vector<stored_batch> cluster::batches(std::string_view topic, std::int32_t partition) const {
  const std::scoped_lock lock(core_->mutex);
  const auto* found = core_->state.find(core_->state.find(topic), partition);
  return found ? found->log.batches() : std::vector<stored_batch>{};
}

COKAFKA_DECL std::vector<std::string> cluster::topics() const {
  const std::scoped_lock lock(core_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, topic] : core_->state.topics()) names.push_back(name);
  return names;
}

COKAFKA_DECL int cluster::partition_count(std::string_view topic) const {
  const std::scoped_lock lock(core_->mutex);
  const auto* found = core_->state.find(topic);
  return found ? static_cast<int>(found->partitions.size()) : 0;
}

COKAFKA_DECL std::int32_t cluster::leader(std::string_view topic, std::int32_t partition) const {
  const std::scoped_lock lock(core_->mutex);
  return embedded::partition_at(core_->state, topic, partition).leader;
}

COKAFKA_DECL std::size_t cluster::request_count(api_key api) const {
  const std::scoped_lock lock(core_->mutex);
  return core_->state.request_count(api);
}

COKAFKA_DECL std::vector<seen_request> cluster::requests() const {
  const std::scoped_lock lock(core_->mutex);
  return {core_->state.requests().begin(), core_->state.requests().end()};
}

COKAFKA_DECL void cluster::fail_next(api_key api, broker_errc error, int times, std::optional<std::int32_t> broker) {
  embedded::add_rule(*core_, {api, broker, times, error, {}, false, moment::before});
}

COKAFKA_DECL void cluster::fail_after_append(api_key api, broker_errc error, int times,
                                             std::optional<std::int32_t> broker) {
  embedded::add_rule(*core_, {api, broker, times, error, {}, false, moment::after});
}

COKAFKA_DECL void cluster::delay_next(api_key api, std::chrono::milliseconds time, int times, moment at,
                                      std::optional<std::int32_t> broker) {
  embedded::add_rule(*core_, {api, broker, times, {}, time, false, at});
}

COKAFKA_DECL void cluster::drop_connection_on_next(api_key api, int times, moment at,
                                                   std::optional<std::int32_t> broker) {
  embedded::add_rule(*core_, {api, broker, times, {}, {}, true, at});
}

COKAFKA_DECL void cluster::throttle(api_key api, std::chrono::milliseconds time) {
  const std::scoped_lock lock(core_->mutex);
  core_->state.rules.throttle(api, time);
}

COKAFKA_DECL void cluster::clear_script() {
  const std::scoped_lock lock(core_->mutex);
  core_->state.rules.clear();
}

COKAFKA_DECL void cluster::set_leader(std::string_view topic, std::int32_t partition, std::int32_t broker) {
  {
    const std::scoped_lock lock(core_->mutex);
    if (broker != -1) embedded::index_of(core_->state, broker);
    embedded::cluster_state::lead(embedded::partition_at(core_->state, topic, partition), broker);
  }
  core_->wake();
}

COKAFKA_DECL void cluster::stop_broker(std::int32_t broker) {
  embedded::index_of(core_->state, broker);  // the number of brokers never changes
  core_->stop_broker(broker);
  core_->wake();
}

COKAFKA_DECL void cluster::start_broker(std::int32_t broker) {
  embedded::index_of(core_->state, broker);
  core_->start_broker(broker);
}

COKAFKA_DECL void cluster::move_broker(std::int32_t broker, bool keep_connections) {
  embedded::index_of(core_->state, broker);
  core_->move_broker(broker, keep_connections);
}

COKAFKA_DECL void cluster::freeze(std::int32_t broker) {
  const std::scoped_lock lock(core_->mutex);
  core_->state.brokers[embedded::index_of(core_->state, broker)].frozen = true;
}

COKAFKA_DECL void cluster::unfreeze(std::int32_t broker) {
  {
    const std::scoped_lock lock(core_->mutex);
    core_->state.brokers[embedded::index_of(core_->state, broker)].frozen = false;
  }
  core_->wake();
}

COKAFKA_DECL void cluster::set_api_versions(api_key api, std::int16_t min, std::int16_t max) {
  const std::scoped_lock lock(core_->mutex);
  core_->state.versions.offer(api, {min, max});
}

}  // namespace cokafka::inline COKAFKA_ABI::testing

// ---- cokafka/testing/simulated/agenda.ipp

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

COKAFKA_DECL agenda_item::agenda_item(agenda& of) : of_(of) { of.all_.push_back(*this); }

COKAFKA_DECL void agenda_item::schedule(clock_time at) {
  if (is_scheduled() && key_.first == at) return;
  unschedule();
  const std::pair<clock_time, std::uint64_t> key{std::max(at, of_.now_), ++of_.sequence_};
  of_.queue_.emplace(key, this);
  key_ = key;
}

COKAFKA_DECL void agenda_item::unschedule() noexcept {
  if (!is_scheduled()) return;
  of_.queue_.erase(key_);
  key_ = {};
}

COKAFKA_DECL void agenda::run_next() {
  const auto first = queue_.begin();
  agenda_item& item = *first->second;
  now_ = first->first.first;
  queue_.erase(first);
  item.key_ = {};
  item.due();
}

// A handler may own items, this one among them: what an item drops goes after the item has been left alone.
COKAFKA_DECL void agenda::shutdown() noexcept {
  is_over_ = true;
  while (!all_.empty()) {
    agenda_item& item = all_.front();
    all_.pop_front();
    item.drop();
  }
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

// ---- cokafka/testing/simulated/trace.ipp

#include <cstdio>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

COKAFKA_DECL void trace::line(std::string_view text) {
  mix(detail::crc32c(0, text.data(), text.size()));
  mix(static_cast<std::uint64_t>((clock_.now() - begin_).count()));
  add({clock_.now(), std::string(text)});
}

COKAFKA_DECL void trace::event(network_event what, std::uint64_t connection, std::uint64_t value, std::uint64_t extra) {
  mix((connection << 8) | static_cast<std::uint64_t>(what));
  mix(static_cast<std::uint64_t>((clock_.now() - begin_).count()));
  mix(value ^ (extra << 32));
  add({clock_.now(), {}, what, connection, value});
}

COKAFKA_DECL void trace::keep(std::size_t lines) {
  kept_ = lines;
  while (newest_.size() > kept_) newest_.pop_front();
}

COKAFKA_DECL void trace::add(entry added) {
  if (kept_ == 0) return;
  if (newest_.size() == kept_) newest_.pop_front();
  newest_.push_back(std::move(added));
}

COKAFKA_DECL std::string trace::text_of(const entry& of) {
  if (of.what == network_event::none) return of.text;
  const std::string connection = "connection " + std::to_string(of.connection) + ": ";
  const std::string bytes = std::to_string(of.value) + " bytes";
  switch (of.what) {
    case network_event::none: break;
    case network_event::asks: return connection + "asked for";
    case network_event::connected: return connection + "stands";
    case network_event::refused: return connection + "refused";
    case network_event::unanswered: return connection + "not answered";
    case network_event::client_sent: return connection + "client sends " + bytes;
    case network_event::broker_sent: return connection + "broker sends " + bytes;
    case network_event::client_read: return connection + "client reads " + bytes;
    case network_event::broker_read: return connection + "broker reads " + bytes;
    case network_event::client_closed: return connection + "client closes";
    case network_event::broker_closed: return connection + "broker closes";
    case network_event::cut: return connection + "cut";
    case network_event::client_half_closed: return connection + "the direction from the client ends";
    case network_event::broker_half_closed: return connection + "the direction from the broker ends";
    case network_event::silent: return connection + "nothing gets through";
    case network_event::healed: return connection + "healed";
  }
  return connection;
}

COKAFKA_DECL std::string trace::text() const {
  std::string all;
  for (const entry& each : newest_) {
    const std::chrono::duration<double> since = each.at - begin_;
    char seconds[40];
    std::snprintf(seconds, sizeof seconds, "%14.9f  ", since.count());
    all += seconds + text_of(each) + '\n';
  }
  return all;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

// ---- cokafka/testing/simulated/pipe.ipp

#include <boost/asio/error.hpp>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

// --- the reading end -------------------------------------------------------------------------------------------------

COKAFKA_DECL void pipe::read(asio::mutable_buffer into, const asio::any_io_executor& executor, size_handler handler) {
  reader_.into = into;
  reader_.executor = executor;
  reader_.handler.swap(handler);
  serve();
}

COKAFKA_DECL void pipe::stop_reading() {
  is_abandoned_ = true;
  bytes_.clear();
  head_ = ready_ = 0;
  in_flight_.clear();
  finish_read(asio::error::operation_aborted, 0);
  rearm();
}

// Bytes before the end: what has arrived is read also when the connection has been reset since, as on Linux.
COKAFKA_DECL void pipe::try_read() {
  if (!reader_.handler) return;
  if (ready_ == 0) {
    if (seen_end_) finish_read(seen_end_, 0);
    return;
  }
  std::size_t size = std::min(ready_, reader_.into.size());
  if (nature_.habits.slice != 0) size = std::min(size, 1 + nature_.dice.below(nature_.habits.slice));
  std::copy_n(bytes_.data() + head_, size, static_cast<char*>(reader_.into.data()));
  head_ += size;
  ready_ -= size;
  if (unread() == 0) {
    bytes_.clear();
    head_ = 0;
  } else if (head_ > 64 * 1024 && head_ > bytes_.size() / 2) {
    bytes_.erase(0, head_);
    head_ = 0;
  }
  nature_.log.event(to_broker_ ? network_event::broker_read : network_event::client_read, connection_, size);
  finish_read(error_code(), size);
  push();
}

COKAFKA_DECL void pipe::finish_read(error_code failed, std::size_t size) {
  if (!reader_.handler) return;
  of_.complete(reader_.executor, take_handler(reader_.handler), failed, size);
}

// --- the writing end -------------------------------------------------------------------------------------------------

COKAFKA_DECL void pipe::write(std::span<const asio::const_buffer> from, const asio::any_io_executor& executor,
                              size_handler handler) {
  writer_.from = from;
  writer_.total = asio::buffer_size(from);
  writer_.taken = 0;
  writer_.executor = executor;
  writer_.handler.swap(handler);
  if (is_cut_ || (refused_from_ && *refused_from_ <= of_.now())) return finish_write(asio::error::broken_pipe);
  if (is_ended_ || is_abandoned_) {  // nobody has told the writer yet
    writer_.taken = writer_.total;
    return finish_write(error_code());
  }
  push();
  serve();
}

// What does not fit into the window waits until half of it is free, so that it does not go in single bytes.
COKAFKA_DECL void pipe::push() {
  if (!writer_.handler || is_abandoned_) return;
  const std::size_t window = std::max<std::size_t>(nature_.habits.window, 1);
  const std::size_t left = writer_.total - writer_.taken;
  const std::size_t room = window - std::min(unread(), window);
  if (left > room && room < (window + 1) / 2) return;
  append(std::min(left, room));
  if (writer_.taken == writer_.total) finish_write(error_code());
}

COKAFKA_DECL void pipe::append(std::size_t size) {
  if (size == 0) return;
  std::size_t skip = writer_.taken;
  std::size_t wanted = size;
  for (const asio::const_buffer& each : writer_.from) {
    if (skip >= each.size()) {
      skip -= each.size();
      continue;
    }
    const std::size_t part = std::min(each.size() - skip, wanted);
    bytes_.append(static_cast<const char*>(each.data()) + skip, part);
    skip = 0;
    wanted -= part;
    if (wanted == 0) break;
  }
  writer_.taken += size;
  in_flight_.push_back({size, next_arrival(), error_code()});
}

COKAFKA_DECL void pipe::finish_write(error_code failed) {
  if (!writer_.handler) return;
  of_.complete(writer_.executor, take_handler(writer_.handler), failed, writer_.taken);
}

COKAFKA_DECL void pipe::refuse_writes(std::optional<clock_time> from) {
  if (refused_from_ && *refused_from_ <= of_.now()) return;
  refused_from_ = from;
  serve();
}

// --- how it ends -----------------------------------------------------------------------------------------------------

COKAFKA_DECL void pipe::stop_writing() {
  finish_write(asio::error::operation_aborted);
  if (is_ended_) return;
  delay_what_is_left();
  end_with(asio::error::eof);
}

COKAFKA_DECL void pipe::half_close() {
  if (is_ended_) return;
  end_with(asio::error::eof);
  writer_.taken = writer_.total;
  finish_write(error_code());
}

COKAFKA_DECL void pipe::cut() {
  if (is_cut_) return;
  is_cut_ = true;
  finish_write(asio::error::connection_reset);
  if (is_ended_) return;
  arrive();
  std::size_t kept = unread() - ready_;
  const std::uint64_t luck = nature_.dice.below(3);
  if (luck == 0) kept = 0;
  if (luck == 1) kept = nature_.dice.below(kept + 1);
  bytes_.resize(head_ + ready_ + kept);
  std::size_t counted = 0;
  for (auto each = in_flight_.begin(); each != in_flight_.end(); ++each) {
    each->size = std::min(each->size, kept - counted);
    counted += each->size;
  }
  std::erase_if(in_flight_, [](const piece& each) { return each.size == 0; });
  last_arrival_ = in_flight_.empty() ? of_.now() : in_flight_.back().arrives;
  delay_what_is_left();
  is_ended_ = true;
  in_flight_.push_back({0, last_arrival_, asio::error::connection_reset});
  serve();
}

COKAFKA_DECL void pipe::end_with(error_code how) {
  is_ended_ = true;
  if (!is_abandoned_) in_flight_.push_back({0, next_arrival(), how});
  serve();
}

// Behind a connection that ends, bytes may linger in buffers on the way: a request is executed late.
COKAFKA_DECL void pipe::delay_what_is_left() {
  arrive();
  if (!to_broker_ || in_flight_.empty() || nature_.habits.straggling.count() == 0) return;
  const clock_duration late = nature_.dice.between(clock_duration::zero(), nature_.habits.straggling);
  for (piece& each : in_flight_) each.arrives += late;
  last_arrival_ += late;
}

// --- on the way ------------------------------------------------------------------------------------------------------

COKAFKA_DECL clock_time pipe::next_arrival() {
  last_arrival_ = std::max(last_arrival_, of_.now() + nature_.delay());
  return last_arrival_;
}

COKAFKA_DECL void pipe::arrive() noexcept {
  while (!is_held_ && !in_flight_.empty() && in_flight_.front().arrives <= of_.now()) {
    ready_ += in_flight_.front().size;
    if (in_flight_.front().end) seen_end_ = in_flight_.front().end;
    in_flight_.pop_front();
  }
}

COKAFKA_DECL void pipe::hold() {
  arrive();
  is_held_ = true;
  rearm();
}

COKAFKA_DECL void pipe::release() {
  if (!is_held_) return;
  is_held_ = false;
  last_arrival_ = of_.now();
  for (piece& each : in_flight_) each.arrives = next_arrival();
  serve();
}

COKAFKA_DECL void pipe::serve() {
  arrive();
  try_read();
  if (refused_from_ && *refused_from_ <= of_.now()) finish_write(asio::error::connection_reset);
  rearm();
}

// Falls due when somebody waits for it only.
COKAFKA_DECL void pipe::rearm() {
  std::optional<clock_time> at;
  if (reader_.handler && !is_held_ && !in_flight_.empty()) at = in_flight_.front().arrives;
  if (writer_.handler && refused_from_ && (!at || *refused_from_ < *at)) at = refused_from_;
  if (at) {
    schedule(*at);
  } else {
    unschedule();
  }
}

COKAFKA_DECL void pipe::drop() noexcept {
  const size_handler reading = take_handler(reader_.handler);
  const size_handler writing = take_handler(writer_.handler);
  reader_.executor = writer_.executor = asio::any_io_executor();  // a strand must not outlive its context
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

// ---- cokafka/testing/simulated/conversation.ipp

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

COKAFKA_DECL conversation::conversation(network_nature& nature, conversations& in, std::uint64_t id, std::string place)
    : nature_(nature), in_(in), id_(id), place_(std::move(place)), pipes_{{{nature, id, true}, {nature, id, false}}} {
  in_.emplace(id_, this);
}

COKAFKA_DECL void conversation::write(side at, std::span<const asio::const_buffer> from,
                                      const asio::any_io_executor& executor, pipe::size_handler handler) {
  std::uint32_t checksum = 0;
  for (const auto& each : from) checksum = detail::crc32c(checksum, each.data(), each.size());
  nature_.log.event(at == side::client ? network_event::client_sent : network_event::broker_sent, id_,
                    asio::buffer_size(from), checksum);
  pipe_from(at).write(from, executor, std::move(handler));
  if (!is_open()) return;
  if (nature_.dice.one_in(nature_.habits.odds.cut)) return cut();
  if (nature_.dice.one_in(nature_.habits.odds.half_close)) half_close(at);
}

COKAFKA_DECL void conversation::close(side at) {
  if (std::exchange(is_closed_[static_cast<std::size_t>(at)], true)) return;
  nature_.log.event(at == side::client ? network_event::client_closed : network_event::broker_closed, id_);
  pipe_from(at).stop_writing();
  pipe_from(other(at)).stop_reading();
  tell_writers();
}

// The end of the stream from an end that has closed tells the writer at the other end that nobody reads.
COKAFKA_DECL void conversation::tell_writers() {
  for (const side closed : {side::client, side::broker}) {
    if (!is_closed_[static_cast<std::size_t>(closed)]) continue;
    pipe_from(other(closed)).refuse_writes(pipe_from(closed).end_arrives());
  }
}

COKAFKA_DECL void conversation::cut() {
  if (std::exchange(is_cut_, true)) return;
  nature_.log.event(network_event::cut, id_);
  for (pipe& each : pipes_) each.cut();
}

COKAFKA_DECL void conversation::half_close(side from) {
  nature_.log.event(from == side::client ? network_event::client_half_closed : network_event::broker_half_closed, id_);
  pipe_from(from).half_close();
}

COKAFKA_DECL void conversation::hold() {
  nature_.log.event(network_event::silent, id_);
  for (pipe& each : pipes_) each.hold();
  tell_writers();
}

COKAFKA_DECL void conversation::release() {
  nature_.log.event(network_event::healed, id_);
  for (pipe& each : pipes_) each.release();
  tell_writers();
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

// ---- cokafka/testing/simulated/network_state.ipp

#include <boost/asio/ip/address.hpp>

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

COKAFKA_DECL std::string place_of(const std::string& address, std::uint16_t port) {
  const bool is_v6 = address.find(':') != std::string::npos;
  return (is_v6 ? "[" + address + "]:" : address + ":") + std::to_string(port);
}

COKAFKA_DECL bool is_address(const std::string& host) {
  error_code not_an_address;
  asio::ip::make_address(host, not_an_address);
  return !not_an_address;
}

COKAFKA_DECL std::vector<std::string> network_state::addresses_of(const std::string& host) const {
  if (is_address(host)) return {host};
  const auto found = names.find(host);
  return found == names.end() ? std::vector<std::string>() : found->second;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

// ---- cokafka/testing/simulated/network.ipp

namespace cokafka::inline COKAFKA_ABI::testing {

namespace simulated {

/// True: the set has changed.
inline bool set_member(std::set<std::string, std::less<>>& of, std::string_view name, bool on) {
  if (on) return of.emplace(name).second;
  const auto found = of.find(name);
  if (found == of.end()) return false;
  of.erase(found);
  return true;
}

inline side writer_of(direction way) noexcept { return way == direction::to_broker ? side::client : side::broker; }

}  // namespace simulated

COKAFKA_DECL network& network::delay(duration least, duration most) {
  state_.nature.habits.least_delay = least;
  state_.nature.habits.most_delay = most;
  return *this;
}

COKAFKA_DECL network& network::slice(std::size_t at_most) {
  state_.nature.habits.slice = at_most;
  return *this;
}

COKAFKA_DECL network& network::window(std::size_t bytes) {
  state_.nature.habits.window = bytes;
  return *this;
}

COKAFKA_DECL network& network::straggle(duration at_most) {
  state_.nature.habits.straggling = at_most;
  return *this;
}

COKAFKA_DECL network& network::odds(const network_odds& wanted) {
  state_.nature.habits.odds = wanted;
  return *this;
}

COKAFKA_DECL std::vector<simulated::conversation*> network::open(std::string_view place) const {
  std::vector<simulated::conversation*> found;
  for (const auto& [id, each] : state_.all) {
    if (each->is_open() && (place.empty() || each->place() == place)) found.push_back(each);
  }
  return found;
}

COKAFKA_DECL std::size_t network::connections(std::string_view place) const { return open(place).size(); }

COKAFKA_DECL std::size_t network::cut(std::string_view place) {
  const auto found = open(place);
  for (simulated::conversation* each : found) each->cut();
  return found.size();
}

COKAFKA_DECL bool network::cut_one() {
  const auto found = open({});
  if (found.empty()) return false;
  found[state_.nature.dice.below(found.size())]->cut();
  return true;
}

COKAFKA_DECL std::size_t network::half_close(direction way, std::string_view place) {
  const auto found = open(place);
  for (simulated::conversation* each : found) each->half_close(simulated::writer_of(way));
  return found.size();
}

COKAFKA_DECL bool network::half_close_one(direction way) {
  const auto found = open({});
  if (found.empty()) return false;
  found[state_.nature.dice.below(found.size())]->half_close(simulated::writer_of(way));
  return true;
}

COKAFKA_DECL network& network::black_hole(std::string_view place, bool on) {
  if (!simulated::set_member(state_.black_holes, place, on)) return *this;
  for (const auto& [id, each] : state_.all) {
    if (!place.empty() && each->place() != place) continue;
    if (on) {
      each->hold();
    } else if (!state_.is_black_hole(each->place())) {
      each->release();
    }
  }
  if (!on) simulated::retry_attempts(state_);
  return *this;
}

COKAFKA_DECL network& network::hang(std::string_view place, bool on) {
  if (simulated::set_member(state_.hanging, place, on) && !on) simulated::retry_attempts(state_);
  return *this;
}

COKAFKA_DECL network& network::refuse(std::string_view place, bool on) {
  simulated::set_member(state_.refusing, place, on);
  return *this;
}

COKAFKA_DECL network& network::host(std::string name, std::vector<std::string> addresses) {
  state_.names.insert_or_assign(std::move(name), std::move(addresses));
  return *this;
}

COKAFKA_DECL network& network::fail_lookups(std::string_view name, bool on) {
  simulated::set_member(state_.failing_lookups, name, on);
  return *this;
}

COKAFKA_DECL network& network::hang_lookups(std::string_view name, bool on) {
  if (simulated::set_member(state_.hanging_lookups, name, on) && !on) simulated::retry_attempts(state_);
  return *this;
}

COKAFKA_DECL network& network::no_descriptors(bool on) {
  state_.has_no_descriptors = on;
  return *this;
}

COKAFKA_DECL void network::heal() {
  const auto holes = std::exchange(state_.black_holes, {});
  if (!holes.empty()) {
    for (const auto& [id, each] : state_.all) each->release();
  }
  state_.hanging.clear();
  state_.refusing.clear();
  state_.failing_lookups.clear();
  state_.hanging_lookups.clear();
  state_.has_no_descriptors = false;
  state_.nature.habits.odds = {};
  simulated::retry_attempts(state_);
}

}  // namespace cokafka::inline COKAFKA_ABI::testing

// ---- cokafka/testing/simulated/simulated_environment.ipp

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

// Neither clock begins at 0, which a program could take for "never". Wall time begins with the year 2026.
constexpr clock_time first_moment{std::chrono::hours(1000)};
constexpr std::chrono::seconds first_wall_time{1'767'225'600};

COKAFKA_DECL simulated_environment::simulated_environment(std::uint64_t seed)
    : clock(first_moment),
      log(clock),
      network(clock, log, seed),
      wall_offset(first_wall_time - first_moment.time_since_epoch()),
      dice_(seed, 1) {
  network.names.emplace("localhost", std::vector<std::string>{"127.0.0.1"});
}

COKAFKA_DECL std::unique_ptr<detail::stream> simulated_environment::make_stream(asio::any_io_executor executor,
                                                                                const detail::socket_options& options) {
  return std::make_unique<simulated_stream>(network, std::move(executor), options);
}

COKAFKA_DECL std::unique_ptr<detail::listener> simulated_environment::listen(asio::any_io_executor executor,
                                                                             const std::string& host,
                                                                             std::uint16_t port) {
  const auto addresses = network.addresses_of(host);
  if (addresses.empty()) throw boost::system::system_error(asio::error::host_not_found, "listen at " + host);
  if (port == 0) {
    while (network.listeners.contains(place_of(addresses.front(), network.next_port))) ++network.next_port;
    port = network.next_port++;
  } else if (network.listeners.contains(place_of(addresses.front(), port))) {
    throw boost::system::system_error(asio::error::address_in_use, "listen at " + place_of(addresses.front(), port));
  }
  return std::make_unique<simulated_listener>(network, std::move(executor), addresses.front(), port);
}

COKAFKA_DECL void simulated_timer::wait_until(clock_time at, handler then) {
  cancel();
  handler_.swap(then);
  schedule(at);
}

COKAFKA_DECL void simulated_timer::finish(error_code failed) {
  if (!handler_) return;
  unschedule();
  of_.complete(executor_, take_handler(handler_), failed);
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

// ---- cokafka/testing/simulation.ipp

namespace cokafka::inline COKAFKA_ABI::testing {

COKAFKA_DECL simulation::simulation(std::uint64_t seed)
    : seed_(seed),
      environment_(std::make_shared<simulated::simulated_environment>(seed)),
      begin_(environment_->now()),
      network_(environment_->network),
      dice_(seed, 3),
      io_(1),
      work_(io_.get_executor()) {}

// Before the context goes, for handlers refer to it.
COKAFKA_DECL simulation::~simulation() { environment_->clock.shutdown(); }

COKAFKA_DECL producer simulation::make_producer(config settings) {
  const std::string name = "producer-" + std::to_string(++producers_);
  if (settings.client_id.empty()) settings.client_id = name;
  if (!settings.log_sink) {
    settings.log_sink = [environment = std::weak_ptr(environment_), name](log_level level, std::string_view line) {
      const auto alive = environment.lock();
      if (alive) alive->log.line(name + ": " + std::string(to_string(level)) + ": " + std::string(line));
    };
  }
  return detail::producer_access::make(get_executor(), settings, {environment_, {}, first_sequence_});
}

COKAFKA_DECL simulation& simulation::first_sequence(std::int32_t number) noexcept {
  first_sequence_ = number;
  return *this;
}

COKAFKA_DECL std::unique_ptr<cluster> simulation::make_cluster(const cluster_options& options) {
  return std::make_unique<cluster>(get_executor(), options, environment_);
}

COKAFKA_DECL void simulation::spawn(boost::asio::awaitable<void> story) {
  ++stories_;
  boost::asio::co_spawn(io_, std::move(story), [this](std::exception_ptr thrown) {
    --stories_;
    if (thrown && !thrown_) thrown_ = thrown;
  });
}

COKAFKA_DECL bool simulation::run(duration limit) {
  return run_until([this] { return stories_ == 0; }, limit);
}

COKAFKA_DECL bool simulation::run_until(const std::function<bool()>& happened, duration limit) {
  const clock::time_point until = now() + limit;
  for (;;) {
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    if (happened()) return true;
    if (step(until) == progress::none) return false;
  }
}

COKAFKA_DECL void simulation::run_for(duration time) {
  const clock::time_point until = now() + time;
  while (step(until) != progress::none) {
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  }
  environment_->clock.move_to(until);
}

COKAFKA_DECL bool simulation::is_idle() {
  while (!environment_->clock.next()) {
    if (!run_one_handler()) return true;
  }
  return false;
}

// A handler that is ready, or else the next thing that falls due by `until`.
COKAFKA_DECL simulation::progress simulation::step(clock::time_point until) {
  if (run_one_handler()) return progress::handler;
  const auto next = environment_->clock.next();
  if (!next) return progress::none;
  if (*next > until) {
    environment_->clock.move_to(until);
    return progress::none;
  }
  if (*next > now()) steps_at_this_moment_ = 0;
  environment_->clock.run_next();
  return progress::clock;
}

COKAFKA_DECL bool simulation::run_one_handler() {
  if (io_.stopped()) io_.restart();
  // Which partitions records without a key go to depends on the thread; all threads shall give the same run.
  detail::use_thread_slot(0);
  if (io_.poll_one() == 0) return false;
  ++steps_;
  if (++steps_at_this_moment_ > most_steps_at_one_moment_) {
    throw std::runtime_error(std::to_string(most_steps_at_one_moment_) + " handlers ran, and time stands still");
  }
  if (check_) check_();
  return true;
}

COKAFKA_DECL std::uint64_t simulation::fingerprint() const noexcept {
  const std::uint64_t seen = simulated::mixed(environment_->log.fingerprint(), steps_);
  return simulated::mixed(seen, static_cast<std::uint64_t>(elapsed().count()));
}

}  // namespace cokafka::inline COKAFKA_ABI::testing

// ---- cokafka/testing/handlers/api_versions.ipp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace api_versions {

// Letters, digits, '-' and '.'; the first and the last a letter or digit (KIP-511).
inline bool is_legal_software(std::string_view text) noexcept {
  constexpr std::string_view inside = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
  const auto at_end = [](char c) { return c != '-' && c != '.'; };
  return !text.empty() && text.find_first_not_of(inside) == std::string_view::npos && at_end(text.front()) &&
         at_end(text.back());
}

inline messages::api_versions_response::api row(api_key api, detail::wire::version_range versions) {
  return {static_cast<std::int16_t>(api), versions.min, versions.max};
}

}  // namespace api_versions

COKAFKA_DECL messages::api_versions_response too_new(const cluster_state& cluster) {
  messages::api_versions_response response;
  response.error_code = code_of(broker_errc::unsupported_version);
  const auto& offered = cluster.versions.offered();
  const auto own = offered.find(api_key::api_versions);
  // The list of what would do came with 2.4 (KIP-511).
  if (cluster.options.version != kafka_version::v2_1 && own != offered.end()) {
    response.api_keys.push_back(api_versions::row(own->first, own->second));
  }
  return response;
}

COKAFKA_DECL reaction execute(exchange& e, const messages::api_versions_request& request,
                              messages::api_versions_response& response) {
  constexpr std::int16_t first_with_software = 3;
  if (e.version >= first_with_software) {
    if (!api_versions::is_legal_software(request.client_software_name) ||
        !api_versions::is_legal_software(request.client_software_version)) {
      return refuse(request, broker_errc::invalid_request, response);
    }
    e.client = {request.client_software_name, request.client_software_version};
  }
  for (const auto& [api, versions] : e.cluster.versions.offered()) {
    response.api_keys.push_back(api_versions::row(api, versions));
  }
  return reaction::answer;
}

COKAFKA_DECL reaction refuse(const messages::api_versions_request&, broker_errc error,
                             messages::api_versions_response& response) {
  response = {};
  response.error_code = code_of(error);
  return reaction::answer;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/handlers/create_topics.ipp

#include <charconv>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace create_topics {

using topic_answer = messages::create_topics_response::topic;
using topic_question = messages::create_topics_request::topic;

inline topic_answer failed(const topic_question& asked, broker_errc error) {
  topic_answer answer;
  answer.name = asked.name;
  answer.error_code = code_of(error);
  return answer;
}

// "delete", "compact" or both; nothing is ever removed here, but compacted topics want keys.
inline bool read_policy(std::string_view value, bool& compacted) noexcept {
  compacted = value == "compact" || value == "compact,delete" || value == "delete,compact";
  return compacted || value == "delete";
}

inline broker_errc read_settings(const topic_question& asked, topic_options& options) {
  for (const auto& [name, value] : asked.configs) {
    if (!value) continue;
    if (name == "message.timestamp.type") {
      if (*value != "CreateTime" && *value != "LogAppendTime") return broker_errc::invalid_config;
      options.log_append_time = *value == "LogAppendTime";
    } else if (name == "max.message.bytes") {
      std::size_t bytes = 0;
      const char* end = value->data() + value->size();
      const auto read = std::from_chars(value->data(), end, bytes);
      if (read.ec != std::errc{} || read.ptr != end) return broker_errc::invalid_config;
      options.max_message_bytes = bytes;
    } else if (name == "cleanup.policy") {
      if (!read_policy(*value, options.compacted)) return broker_errc::invalid_config;
    } else if (name == "min.insync.replicas") {
      const char* end = value->data() + value->size();
      const auto read = std::from_chars(value->data(), end, options.min_insync_replicas);
      if (read.ec != std::errc{} || read.ptr != end || options.min_insync_replicas < 1) {
        return broker_errc::invalid_config;
      }
    }
  }
  return broker_errc::none;
}

// Partitions and replicas: either counts, where -1 is the broker's default, or a list of brokers per partition.
inline broker_errc read_shape(const cluster_state& cluster, const topic_question& asked, int& partitions,
                              topic_options& options) {
  const auto nodes = static_cast<int>(cluster.brokers.size());
  if (!asked.assignments.empty()) {
    if (asked.num_partitions != -1 || asked.replication_factor != -1) return broker_errc::invalid_request;
    partitions = static_cast<int>(asked.assignments.size());
    options.replication = static_cast<int>(asked.assignments.front().broker_ids.size());
    std::vector<bool> named(asked.assignments.size());
    for (const auto& assignment : asked.assignments) {
      const std::int32_t index = assignment.partition_index;
      if (index < 0 || index >= partitions || named[static_cast<std::size_t>(index)] ||
          assignment.broker_ids.size() != asked.assignments.front().broker_ids.size() ||
          assignment.broker_ids.empty()) {
        return broker_errc::invalid_replica_assignment;
      }
      named[static_cast<std::size_t>(index)] = true;
      for (const std::int32_t broker : assignment.broker_ids) {
        if (broker < 0 || broker >= nodes) return broker_errc::invalid_replica_assignment;
      }
    }
    return broker_errc::none;
  }
  constexpr int most_partitions = 100'000;
  partitions = asked.num_partitions == -1 ? cluster.options.default_partitions : asked.num_partitions;
  if (partitions <= 0 || partitions > most_partitions) return broker_errc::invalid_partitions;
  options.replication = asked.replication_factor == -1 ? 0 : asked.replication_factor;
  const bool possible = asked.replication_factor == -1 || (options.replication > 0 && options.replication <= nodes);
  return possible ? broker_errc::none : broker_errc::invalid_replication_factor;
}

inline topic_answer create(exchange& e, const topic_question& asked, bool only_check) {
  if (!cluster_state::is_legal_name(asked.name)) return failed(asked, broker_errc::invalid_topic_exception);
  if (e.cluster.find(asked.name) != nullptr) return failed(asked, broker_errc::topic_already_exists);
  topic_options options;
  int partitions = 0;
  broker_errc error = read_shape(e.cluster, asked, partitions, options);
  if (error == broker_errc::none) error = read_settings(asked, options);
  if (error != broker_errc::none) return failed(asked, error);
  topic_answer answer = failed(asked, broker_errc::none);
  answer.num_partitions = partitions;
  answer.replication_factor = static_cast<std::int16_t>(
      options.replication > 0 ? options.replication : static_cast<int>(e.cluster.brokers.size()));
  if (!only_check) {
    topic_state& made = e.cluster.create_topic(asked.name, partitions, options, random_id(e.environment));
    for (const auto& each : asked.assignments) {
      e.cluster.place(made.partitions[static_cast<std::size_t>(each.partition_index)], each.broker_ids);
    }
    answer.topic_id = made.id;
  }
  return answer;
}

}  // namespace create_topics

COKAFKA_DECL reaction execute(exchange& e, const messages::create_topics_request& request,
                              messages::create_topics_response& response) {
  for (const auto& asked : request.topics) {
    response.topics.push_back(create_topics::create(e, asked, request.validate_only));
  }
  return reaction::answer;
}

COKAFKA_DECL reaction refuse(const messages::create_topics_request& request, broker_errc error,
                             messages::create_topics_response& response) {
  response = {};
  for (const auto& asked : request.topics) response.topics.push_back(create_topics::failed(asked, error));
  return reaction::answer;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/handlers/fetch.ipp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace fetch {

using partition_answer = messages::fetch_response::partition;
using partition_question = messages::fetch_request::partition;

inline partition_answer failed(std::int32_t partition, broker_errc error) {
  partition_answer answer;
  answer.partition_index = partition;
  answer.error_code = code_of(error);
  answer.high_watermark = -1;
  answer.records.bytes = std::string_view{};
  return answer;
}

// What is left of the limits of one request.
struct limits {
  std::size_t bytes = 0;
  bool nothing_yet = true;  // the first batch comes even when it is larger than the limits (KIP-74)
  bool any_error = false;
};

inline std::size_t limit_of(std::int32_t asked) noexcept { return static_cast<std::size_t>(std::max(asked, 0)); }

inline broker_errc check(exchange& e, topic_state* topic, const partition_state* partition,
                         const partition_question& asked) {
  constexpr std::int16_t first_with_ids = 13;
  if (topic == nullptr && e.version >= first_with_ids) return broker_errc::unknown_topic_id;
  if (partition == nullptr) return broker_errc::unknown_topic_or_partition;
  if (asked.current_leader_epoch >= 0 && asked.current_leader_epoch < partition->leader_epoch) {
    return broker_errc::fenced_leader_epoch;
  }
  if (asked.current_leader_epoch > partition->leader_epoch) return broker_errc::unknown_leader_epoch;
  if (partition->leader != e.broker) return broker_errc::not_leader_or_follower;
  if (asked.fetch_offset < partition->log.start_offset() || asked.fetch_offset > partition->log.end_offset()) {
    return broker_errc::offset_out_of_range;
  }
  return broker_errc::none;
}

inline partition_answer read(exchange& e, topic_state* topic, const partition_question& asked, limits& left,
                             messages::fetch_response& response) {
  const partition_state* partition = e.cluster.find(topic, asked.partition_index);
  const broker_errc error = check(e, topic, partition, asked);
  partition_answer answer = failed(asked.partition_index, error);
  if (error != broker_errc::none) {
    left.any_error = true;
    if (error == broker_errc::not_leader_or_follower || error == broker_errc::fenced_leader_epoch) {
      answer.current_leader = cluster_state::hint(*partition);
      e.cluster.add_endpoint(response.node_endpoints, partition->leader);
    }
    return answer;
  }
  answer.high_watermark = partition->log.end_offset();
  answer.last_stable_offset = partition->log.end_offset();
  answer.log_start_offset = partition->log.start_offset();
  const std::size_t limit = std::min(left.bytes, limit_of(asked.partition_max_bytes));
  std::string bytes = partition->log.read(asked.fetch_offset, limit, left.nothing_yet);
  if (!bytes.empty()) left.nothing_yet = false;
  left.bytes -= std::min(left.bytes, bytes.size());
  answer.records.bytes = e.storage.emplace_back(std::move(bytes));
  return answer;
}

inline bool has_enough(const exchange& e, const messages::fetch_request& request) {
  std::size_t bytes = 0;
  for (const std::string& stored : e.storage) bytes += stored.size();
  return bytes >= limit_of(request.min_bytes);
}

}  // namespace fetch

COKAFKA_DECL reaction execute(exchange& e, const messages::fetch_request& request, messages::fetch_response& response) {
  constexpr std::int16_t first_with_ids = 13;
  if (request.session_id != 0) {
    response.error_code = code_of(broker_errc::fetch_session_id_not_found);
    return reaction::answer;
  }
  fetch::limits left{fetch::limit_of(request.max_bytes)};
  for (const auto& asked : request.topics) {
    topic_state* topic = e.version >= first_with_ids ? e.cluster.find(asked.topic_id) : e.cluster.find(asked.name);
    messages::fetch_response::topic answer;
    answer.name = asked.name;
    answer.topic_id = asked.topic_id;
    for (const auto& partition : asked.partitions) {
      answer.partitions.push_back(fetch::read(e, topic, partition, left, response));
    }
    response.responses.push_back(std::move(answer));
  }
  e.wait_at_most = std::chrono::milliseconds(std::max(request.max_wait_ms, 0));
  const bool now = left.any_error || e.waited_enough || request.topics.empty() || fetch::has_enough(e, request);
  return now ? reaction::answer : reaction::wait;
}

COKAFKA_DECL reaction refuse(const messages::fetch_request& request, broker_errc error,
                             messages::fetch_response& response) {
  response = {};
  for (const auto& asked : request.topics) {
    messages::fetch_response::topic answer;
    answer.name = asked.name;
    answer.topic_id = asked.topic_id;
    for (const auto& partition : asked.partitions) {
      answer.partitions.push_back(fetch::failed(partition.partition_index, error));
    }
    response.responses.push_back(std::move(answer));
  }
  return reaction::answer;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/handlers/find_coordinator.ipp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

COKAFKA_DECL reaction execute(exchange&, const messages::find_coordinator_request& request,
                              messages::find_coordinator_response& response) {
  return refuse(request, broker_errc::coordinator_not_available, response);
}

COKAFKA_DECL reaction refuse(const messages::find_coordinator_request& request, broker_errc error,
                             messages::find_coordinator_response& response) {
  response = {};
  response.error_code = code_of(error);
  for (const std::string& key : request.coordinator_keys) {
    messages::find_coordinator_response::coordinator answer;
    answer.key_name = key;
    answer.error_code = code_of(error);
    response.coordinators.push_back(std::move(answer));
  }
  return reaction::answer;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/handlers/init_producer_id.ipp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

COKAFKA_DECL reaction execute(exchange& e, const messages::init_producer_id_request& request,
                              messages::init_producer_id_response& response) {
  if (request.transactional_id) {
    const bool empty = request.transactional_id->empty();
    return refuse(request, empty ? broker_errc::invalid_request : broker_errc::coordinator_not_available, response);
  }
  // Without a transactional id the real broker ignores the id and epoch that a client had before, too.
  response.producer_id = e.cluster.next_producer_id++;
  response.producer_epoch = 0;
  return reaction::answer;
}

COKAFKA_DECL reaction refuse(const messages::init_producer_id_request&, broker_errc error,
                             messages::init_producer_id_response& response) {
  response = {};
  response.error_code = code_of(error);
  return reaction::answer;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/handlers/list_offsets.ipp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace list_offsets {

using partition_answer = messages::list_offsets_response::partition;
using partition_question = messages::list_offsets_request::partition;

inline constexpr std::int64_t latest = -1;
inline constexpr std::int64_t earliest = -2;
inline constexpr std::int64_t largest_timestamp = -3;
inline constexpr std::int64_t earliest_local = -4;

inline partition_answer failed(std::int32_t partition, broker_errc error) {
  partition_answer answer;
  answer.partition_index = partition;
  answer.error_code = code_of(error);
  return answer;
}

// Before version 1 a client asked for the offsets at which segments begin; here all is one segment.
inline void answer_old(const partition_question& asked, const partition_log& log, partition_answer& answer) {
  if (asked.timestamp == latest && asked.max_num_offsets > 0) answer.old_style_offsets.push_back(log.end_offset());
  if (static_cast<std::int32_t>(answer.old_style_offsets.size()) < asked.max_num_offsets && log.end_offset() != 0) {
    answer.old_style_offsets.push_back(log.start_offset());
  }
}

inline indexed_offset look_up(const partition_log& log, std::int64_t timestamp) {
  switch (timestamp) {
    case latest: return {log.end_offset(), -1};
    case earliest:
    case earliest_local: return {log.start_offset(), -1};
    case largest_timestamp: return log.newest();
    default: return timestamp < 0 ? indexed_offset{} : log.first_since(timestamp);
  }
}

inline partition_answer answer_for(exchange& e, topic_state* topic, const partition_question& asked) {
  const partition_state* partition = e.cluster.find(topic, asked.partition_index);
  if (partition == nullptr) return failed(asked.partition_index, broker_errc::unknown_topic_or_partition);
  if (partition->leader != e.broker) return failed(asked.partition_index, broker_errc::not_leader_or_follower);
  if (asked.current_leader_epoch >= 0 && asked.current_leader_epoch != partition->leader_epoch) {
    const bool old = asked.current_leader_epoch < partition->leader_epoch;
    return failed(asked.partition_index, old ? broker_errc::fenced_leader_epoch : broker_errc::unknown_leader_epoch);
  }
  partition_answer answer = failed(asked.partition_index, broker_errc::none);
  if (e.version == 0) {
    answer_old(asked, partition->log, answer);
    return answer;
  }
  const indexed_offset found = look_up(partition->log, asked.timestamp);
  answer.offset = found.offset;
  answer.timestamp = found.timestamp;
  if (found.offset >= 0) answer.leader_epoch = partition->leader_epoch;
  return answer;
}

}  // namespace list_offsets

COKAFKA_DECL reaction execute(exchange& e, const messages::list_offsets_request& request,
                              messages::list_offsets_response& response) {
  for (const auto& asked : request.topics) {
    topic_state* topic = e.cluster.find(asked.name);
    messages::list_offsets_response::topic answer;
    answer.name = asked.name;
    for (const auto& partition : asked.partitions) {
      answer.partitions.push_back(list_offsets::answer_for(e, topic, partition));
    }
    response.topics.push_back(std::move(answer));
  }
  return reaction::answer;
}

COKAFKA_DECL reaction refuse(const messages::list_offsets_request& request, broker_errc error,
                             messages::list_offsets_response& response) {
  response = {};
  for (const auto& asked : request.topics) {
    messages::list_offsets_response::topic answer;
    answer.name = asked.name;
    for (const auto& partition : asked.partitions) {
      answer.partitions.push_back(list_offsets::failed(partition.partition_index, error));
    }
    response.topics.push_back(std::move(answer));
  }
  return reaction::answer;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/handlers/metadata.ipp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace metadata {

using topic_answer = messages::metadata_response::topic;

inline topic_answer failed(const messages::metadata_request::topic& asked, broker_errc error) {
  topic_answer answer;
  answer.error_code = code_of(error);
  answer.name = asked.name;
  answer.topic_id = asked.topic_id;
  return answer;
}

inline topic_answer describe(const cluster_state& cluster, const topic_state& topic) {
  topic_answer answer;
  answer.name = topic.name;
  answer.topic_id = topic.id;
  for (std::size_t p = 0; p != topic.partitions.size(); ++p) {
    const partition_state& state = topic.partitions[p];
    messages::metadata_response::partition partition;
    partition.partition_index = static_cast<std::int32_t>(p);
    partition.leader_id = state.leader;
    partition.leader_epoch = state.leader_epoch;
    partition.replica_nodes = state.replicas;
    for (const std::int32_t replica : state.replicas) {
      const bool running = cluster.brokers[static_cast<std::size_t>(replica)].running;
      if (!running) partition.offline_replicas.push_back(replica);
    }
    partition.isr_nodes = cluster.in_sync(state);
    if (state.leader < 0) partition.error_code = code_of(broker_errc::leader_not_available);
    answer.partitions.push_back(std::move(partition));
  }
  return answer;
}

// A topic that is made on the way is answered as missing once, as the real one does: the client asks again.
inline topic_answer missing(exchange& e, const messages::metadata_request& request,
                            const messages::metadata_request::topic& asked) {
  if (!cluster_state::is_legal_name(*asked.name)) return failed(asked, broker_errc::invalid_topic_exception);
  if (!e.cluster.options.auto_create_topics || !request.allow_auto_topic_creation) {
    return failed(asked, broker_errc::unknown_topic_or_partition);
  }
  e.cluster.create_topic(*asked.name, e.cluster.options.default_partitions, {}, random_id(e.environment));
  const bool old = e.cluster.options.version == kafka_version::v2_1;
  return failed(asked, old ? broker_errc::leader_not_available : broker_errc::unknown_topic_or_partition);
}

inline topic_answer look_up(exchange& e, const messages::metadata_request& request,
                            const messages::metadata_request::topic& asked) {
  if (!asked.topic_id.is_zero()) {
    const topic_state* known = e.cluster.find(asked.topic_id);
    return known ? describe(e.cluster, *known) : failed(asked, broker_errc::unknown_topic_id);
  }
  const auto said = e.cluster.topic_errors.find(*asked.name);
  if (said != e.cluster.topic_errors.end() && said->second != broker_errc::none) return failed(asked, said->second);
  const topic_state* known = e.cluster.find(*asked.name);
  return known ? describe(e.cluster, *known) : missing(e, request, asked);
}

inline bool is_left_out(cluster_state& cluster, const messages::metadata_request::topic& asked) {
  const auto found = asked.name ? cluster.left_out.find(*asked.name) : cluster.left_out.end();
  if (found == cluster.left_out.end()) return false;
  if (--found->second <= 0) cluster.left_out.erase(found);
  return true;
}

}  // namespace metadata

COKAFKA_DECL reaction execute(exchange& e, const messages::metadata_request& request,
                              messages::metadata_response& response) {
  constexpr std::int16_t first_with_null_for_all = 1;
  constexpr std::int16_t first_with_look_up_by_id = 12;
  for (std::size_t b = 0; b != e.cluster.brokers.size(); ++b) {
    const broker_state& broker = e.cluster.brokers[b];
    if (broker.running) response.brokers.push_back({static_cast<std::int32_t>(b), broker.host, broker.port, {}});
  }
  response.cluster_id = e.cluster.cluster_id;
  response.controller_id = e.cluster.controller();

  const bool all = !request.topics || (e.version < first_with_null_for_all && request.topics->empty());
  if (all) {
    for (const auto& [name, topic] : e.cluster.topics())
      response.topics.push_back(metadata::describe(e.cluster, topic));
    return reaction::answer;
  }
  for (const auto& asked : *request.topics) {
    if (!asked.name && (asked.topic_id.is_zero() || e.version < first_with_look_up_by_id)) return reaction::close;
    if (!asked.topic_id.is_zero() && e.version < first_with_look_up_by_id) return reaction::close;
    if (metadata::is_left_out(e.cluster, asked)) continue;
    response.topics.push_back(metadata::look_up(e, request, asked));
  }
  return reaction::answer;
}

COKAFKA_DECL reaction refuse(const messages::metadata_request& request, broker_errc error,
                             messages::metadata_response& response) {
  response.topics.clear();
  response.error_code = code_of(error);
  if (request.topics) {
    for (const auto& asked : *request.topics) response.topics.push_back(metadata::failed(asked, error));
  }
  return reaction::answer;
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/handlers/produce.ipp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace produce {

using partition_answer = messages::produce_response::partition;

inline partition_answer failed(std::int32_t partition, broker_errc error) {
  partition_answer answer;
  answer.index = partition;
  answer.error_code = code_of(error);
  return answer;
}

// A leader that has looked at sequences or single records tells where its log begins, even when it refuses the batch.
inline bool tells_log_start(const append_result& result) noexcept {
  return result.error == broker_errc::none || result.error == broker_errc::out_of_order_sequence_number ||
         result.error == broker_errc::invalid_producer_epoch || !result.bad_records.empty();
}

inline partition_answer answer_of(std::int32_t index, append_result&& result, std::int64_t log_start_offset) {
  partition_answer answer = failed(index, result.error);
  answer.base_offset = result.base_offset;
  answer.log_append_time_ms = result.log_append_time;
  if (tells_log_start(result)) answer.log_start_offset = log_start_offset;
  for (bad_record& bad : result.bad_records) answer.record_errors.push_back({bad.index, std::move(bad.message)});
  if (!result.message.empty()) answer.error_message = std::move(result.message);
  return answer;
}

// zstd came with version 7 (KIP-110).
inline bool is_too_new_codec(std::int16_t version, std::string_view records) noexcept {
  constexpr std::int16_t first_with_zstd = 7;
  constexpr int zstd = 4;
  constexpr std::size_t low_byte_of_attributes = 22;
  return version < first_with_zstd && records.size() > low_byte_of_attributes &&
         (records[low_byte_of_attributes] & 0x07) == zstd;
}

inline partition_answer append(exchange& e, topic_state* topic, const messages::produce_request::partition& asked,
                               std::int16_t acks, messages::produce_response& response) {
  if (topic == nullptr) {
    constexpr std::int16_t first_with_ids = 13;
    const bool by_id = e.version >= first_with_ids;
    return failed(asked.index, by_id ? broker_errc::unknown_topic_id : broker_errc::unknown_topic_or_partition);
  }
  const auto said = e.cluster.topic_errors.find(topic->name);
  if (said != e.cluster.topic_errors.end() && said->second != broker_errc::none)
    return failed(asked.index, said->second);
  const std::string_view records = asked.records.bytes.value_or(std::string_view{});
  if (is_too_new_codec(e.version, records)) return failed(asked.index, broker_errc::unsupported_compression_type);
  partition_state* partition = e.cluster.find(topic, asked.index);
  if (partition == nullptr) return failed(asked.index, broker_errc::unknown_topic_or_partition);
  if (partition->leader != e.broker) {
    partition_answer answer = failed(asked.index, broker_errc::not_leader_or_follower);
    answer.current_leader = cluster_state::hint(*partition);
    e.cluster.add_endpoint(response.node_endpoints, partition->leader);
    return answer;
  }
  constexpr std::int16_t all = -1;
  if (acks == all && !e.cluster.has_enough_in_sync(*topic, *partition)) {
    return failed(asked.index, broker_errc::not_enough_replicas);
  }
  append_result result =
      partition->log.append(records, e.cluster.rules_of(*topic), partition->leader_epoch, wall_ms(e.environment));
  if (result.error == broker_errc::none && !result.duplicate) {
    e.appended = true;
    ++e.cluster.appends;
  }
  return answer_of(asked.index, std::move(result), partition->log.start_offset());
}

// What a client hears of it: without acks nothing, and of an error only that the connection ends.
inline reaction reaction_of(const messages::produce_request& request, const messages::produce_response& response) {
  if (request.acks != 0) return reaction::answer;
  for (const auto& topic : response.responses) {
    for (const auto& partition : topic.partitions) {
      if (partition.error_code != 0) return reaction::close;
    }
  }
  return reaction::silence;
}

}  // namespace produce

COKAFKA_DECL reaction execute(exchange& e, const messages::produce_request& request,
                              messages::produce_response& response) {
  if (request.acks < -1 || request.acks > 1) return refuse(request, broker_errc::invalid_required_acks, response);
  constexpr std::int16_t first_with_ids = 13;
  std::set<std::pair<const topic_state*, std::int32_t>> seen;
  for (const auto& asked : request.topics) {
    topic_state* topic = e.version >= first_with_ids ? e.cluster.find(asked.topic_id) : e.cluster.find(asked.name);
    messages::produce_response::topic answer;
    answer.name = asked.name;
    answer.topic_id = asked.topic_id;
    for (const auto& partition : asked.partitions) {
      const bool again = topic != nullptr && !seen.emplace(topic, partition.index).second;
      answer.partitions.push_back(again ? produce::failed(partition.index, broker_errc::invalid_request)
                                        : produce::append(e, topic, partition, request.acks, response));
    }
    response.responses.push_back(std::move(answer));
  }
  return produce::reaction_of(request, response);
}

COKAFKA_DECL reaction refuse(const messages::produce_request& request, broker_errc error,
                             messages::produce_response& response) {
  response = {};
  for (const auto& asked : request.topics) {
    messages::produce_response::topic answer;
    answer.name = asked.name;
    answer.topic_id = asked.topic_id;
    for (const auto& partition : asked.partitions) answer.partitions.push_back(produce::failed(partition.index, error));
    response.responses.push_back(std::move(answer));
  }
  return produce::reaction_of(request, response);
}

// As when the wait for the followers ends without them: the error takes the place of the success, and the offset stays.
COKAFKA_DECL reaction fail_executed(const messages::produce_request& request, broker_errc error,
                                    messages::produce_response& response) {
  for (auto& topic : response.responses) {
    for (auto& partition : topic.partitions) {
      if (partition.error_code == 0) partition.error_code = code_of(error);
    }
  }
  return produce::reaction_of(request, response);
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/dispatch.ipp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace dispatch {

template <class Request>
reaction answer(exchange& e, const arrived_request& arrived, std::string& out) {
  Request request;
  typename Request::response_type response;
  if (!messages::decode_request_body(arrived.body, arrived.header.version, request)) return reaction::close;
  const request_plan& plan = arrived.plan;
  reaction result = reaction::answer;
  if (plan.error && plan.error_at == moment::before) {
    result = refuse(request, *plan.error, response);
  } else {
    result = execute(e, request, response);
    const bool executed = result == reaction::answer || result == reaction::silence;
    if (executed && plan.error) result = fail_executed(request, *plan.error, response);
  }
  if (result != reaction::answer) return result;
  response.throttle_time_ms = static_cast<std::int32_t>(plan.throttle.count());
  messages::encode_response(out, response, arrived.header.version, arrived.header.correlation_id);
  return reaction::answer;
}

}  // namespace dispatch

COKAFKA_DECL bool arrive(exchange& e, std::string_view frame, arrived_request& request) {
  if (!messages::decode_request_header(frame, request.header, request.body)) return false;
  const messages::request_header& header = request.header;
  e.version = header.version;
  e.cluster.note({header.key, header.version, e.broker, frame.size(), header.correlation_id, header.client_id,
                  e.client.name, e.client.version});
  request.plan = e.cluster.rules.take(header.key, e.broker);
  return true;
}

COKAFKA_DECL reaction handle(exchange& e, const arrived_request& request, std::string& out) {
  const messages::request_header& header = request.header;
  if (!e.cluster.versions.serves(header.key, header.version)) {
    if (header.key != api_key::api_versions) return reaction::close;
    messages::encode_response(out, too_new(e.cluster), 0, header.correlation_id);
    return reaction::answer;
  }
  switch (header.key) {
    case api_key::api_versions: return dispatch::answer<messages::api_versions_request>(e, request, out);
    case api_key::create_topics: return dispatch::answer<messages::create_topics_request>(e, request, out);
    case api_key::fetch: return dispatch::answer<messages::fetch_request>(e, request, out);
    case api_key::find_coordinator: return dispatch::answer<messages::find_coordinator_request>(e, request, out);
    case api_key::init_producer_id: return dispatch::answer<messages::init_producer_id_request>(e, request, out);
    case api_key::list_offsets: return dispatch::answer<messages::list_offsets_request>(e, request, out);
    case api_key::metadata: return dispatch::answer<messages::metadata_request>(e, request, out);
    case api_key::produce: return dispatch::answer<messages::produce_request>(e, request, out);
    default: return reaction::close;
  }
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/connection.ipp

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

COKAFKA_DECL connection::connection(std::shared_ptr<cluster_core> core, std::unique_ptr<detail::stream> accepted,
                                    std::int32_t broker, std::uint32_t generation)
    : core_(std::move(core)),
      stream_(std::move(accepted)),
      timer_(core_->environment().make_timer(core_->strand())),
      broker_(broker),
      generation_(generation),
      parser_(core_->state.options.max_request_size) {}

COKAFKA_DECL bool connection::is_alive() const { return core_->is_alive(broker_, generation_); }

COKAFKA_DECL void connection::close() {
  stream_->close();
  timer_->cancel();
}

COKAFKA_DECL detail::asio::awaitable<void> connection::run(std::shared_ptr<connection> self) {
  const std::uint64_t number = self->core_->add(self.get());
  try {
    co_await self->serve_all();
  } catch (...) {  // no memory: the client sees its connection end
  }
  self->core_->remove(number);
  self->stream_->close();
}

COKAFKA_DECL detail::asio::awaitable<void> connection::serve_all() {
  while (is_alive()) {
    const detail::wire::parsed_frame frame = parser_.next();
    bool go_on = false;
    if (frame.status == detail::wire::frame_status::frame) {
      go_on = co_await serve(frame.body);
    } else if (frame.status == detail::wire::frame_status::need_more) {
      go_on = co_await read_more();
    }
    if (!go_on) break;
  }
}

COKAFKA_DECL detail::asio::awaitable<bool> connection::read_more() {
  constexpr std::size_t one_read = 16 * 1024;
  co_await until_thawed();
  const std::span<char> room = parser_.prepare(one_read);
  const auto [failed, size] = co_await detail::async_read_some(*stream_, detail::asio::buffer(room.data(), room.size()),
                                                               detail::asio::as_tuple(detail::asio::deferred));
  if (failed) co_return false;
  parser_.commit(size);
  co_return true;
}

COKAFKA_DECL detail::asio::awaitable<bool> connection::serve(std::string_view frame) {
  exchange e{core_->state, core_->environment(), client_, broker_};
  arrived_request request;
  {
    const std::scoped_lock lock(core_->mutex);
    if (!arrive(e, frame, request)) co_return false;
  }
  const request_plan& plan = request.plan;
  if (plan.drop_at == moment::before) co_return false;
  if (plan.delay && plan.delay_at == moment::before) co_await sleep(*plan.delay);
  const reaction result = co_await execute(e, request);
  if (result == reaction::close) co_return false;
  if (plan.delay && plan.delay_at == moment::after) co_await sleep(*plan.delay);
  co_await until_thawed();
  if (plan.drop_at == moment::after || !is_alive()) co_return false;
  if (result == reaction::answer) {
    if (!co_await write()) co_return false;
  }
  // A throttled client is answered at once and then not listened to (KIP-219).
  if (plan.throttle.count() > 0) co_await sleep(plan.throttle);
  co_return true;
}

COKAFKA_DECL detail::asio::awaitable<reaction> connection::execute(exchange& e, const arrived_request& request) {
  std::optional<detail::clock_time> give_up;
  for (;;) {
    co_await until_thawed();
    if (!is_alive()) co_return reaction::close;
    out_.clear();
    e.storage.clear();
    reaction result = reaction::close;
    {
      const std::scoped_lock lock(core_->mutex);
      result = handle(e, request, out_);
    }
    if (e.appended) core_->wake_now();
    if (result != reaction::wait) co_return result;
    if (!give_up) give_up = core_->environment().now() + e.wait_at_most;
    if (core_->environment().now() < *give_up) co_await pause_until(*give_up);
    e.waited_enough = core_->environment().now() >= *give_up;
  }
}

COKAFKA_DECL detail::asio::awaitable<bool> connection::write() {
  out_buffers_[0] = detail::asio::buffer(out_);
  const auto [failed, size] =
      co_await detail::async_write_all(*stream_, std::span<const detail::asio::const_buffer>(out_buffers_),
                                       detail::asio::as_tuple(detail::asio::deferred));
  static_cast<void>(size);
  constexpr std::size_t kept = 64 * 1024;
  if (out_.capacity() > kept) std::string().swap(out_);
  co_return !failed;
}

COKAFKA_DECL detail::asio::awaitable<void> connection::pause_until(detail::clock_time at) {
  co_await detail::async_wait_until(*timer_, at, detail::asio::as_tuple(detail::asio::deferred));
}

COKAFKA_DECL detail::asio::awaitable<void> connection::sleep(std::chrono::milliseconds time) {
  const detail::clock_time until = core_->environment().now() + time;
  while (is_alive() && core_->environment().now() < until) co_await pause_until(until);
}

COKAFKA_DECL detail::asio::awaitable<void> connection::until_thawed() {
  while (is_alive() && core_->is_frozen(broker_)) {
    co_await pause_until(core_->environment().now() + std::chrono::hours(1));
  }
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::embedded

// ---- cokafka/testing/simulated/simulated_stream.ipp

namespace cokafka::inline COKAFKA_ABI::testing::simulated {

// --- attempt ---------------------------------------------------------------------------------------------------------

COKAFKA_DECL attempt::attempt(network_state& in, std::shared_ptr<conversation>& into, asio::any_io_executor executor,
                              std::string host, std::uint16_t port, std::uint32_t first, done_handler handler)
    : agenda_item(in.nature.clock),
      in_(in),
      into_(into),
      id_(++in.last_id),
      executor_(std::move(executor)),
      host_(std::move(host)),
      port_(port),
      first_(first),
      handler_(std::move(handler)) {
  in_.attempts.emplace(id_, this);
  in_.nature.log.event(network_event::asks, id_, port_);
  if (is_address(host_)) {
    addresses_ = {host_};
    leg_ = leg::question;
  }
  if (in_.has_no_descriptors) {
    finish(asio::error::no_descriptors);
  } else {
    travel();
  }
}

COKAFKA_DECL void attempt::due() {
  switch (leg_) {
    case leg::look_up: return looked_up();
    case leg::question: return ask();
    case leg::answer: return answered();
  }
}

COKAFKA_DECL void attempt::looked_up() {
  if (in_.hanging_lookups.contains(host_)) return get_stuck();
  if (in_.failing_lookups.contains(host_) || in_.nature.dice.one_in(in_.nature.habits.odds.lookup_failure)) {
    return finish(asio::error::host_not_found);
  }
  addresses_ = in_.addresses_of(host_);
  if (addresses_.empty()) return finish(asio::error::host_not_found);
  const auto first = static_cast<std::ptrdiff_t>(first_ % addresses_.size());
  std::rotate(addresses_.begin(), addresses_.begin() + first, addresses_.end());
  leg_ = leg::question;
  travel();
}

COKAFKA_DECL void attempt::ask() {
  const network_odds& odds = in_.nature.habits.odds;
  const std::string at = place();
  if (in_.is_silent(at) || in_.nature.dice.one_in(odds.hang)) return get_stuck();
  const auto listener = in_.listeners.find(at);
  if (listener == in_.listeners.end() || in_.is_refusing(at) || in_.nature.dice.one_in(odds.refuse)) {
    outcome_ = asio::error::connection_refused;
  } else {
    into_ = std::make_shared<conversation>(in_.nature, in_.all, id_, at);
    outcome_ = error_code();
    listener->second->arrive(into_);
  }
  leg_ = leg::answer;
  travel();
}

// A black hole that has opened meanwhile keeps the answer; what stands is held by it as well.
COKAFKA_DECL void attempt::answered() {
  if (in_.is_black_hole(place())) return get_stuck();
  in_.nature.log.event(outcome_ ? network_event::refused : network_event::connected, id_);
  if (!outcome_ || ++index_ == addresses_.size()) return finish(outcome_);
  leg_ = leg::question;
  travel();
}

COKAFKA_DECL void attempt::get_stuck() {
  in_.nature.log.event(network_event::unanswered, id_);
  is_stuck_ = true;
}

COKAFKA_DECL void attempt::finish(error_code failed) {
  in_.attempts.erase(id_);
  is_stuck_ = false;
  unschedule();
  if (handler_) of_.complete(executor_, take_handler(handler_), failed);
}

// --- stream ----------------------------------------------------------------------------------------------------------

COKAFKA_DECL void simulated_stream::connect(std::string host, std::uint16_t port, done_handler handler) {
  if (is_closed_) {
    return in_.nature.clock.complete(executor_, std::move(handler), error_code(asio::error::operation_aborted));
  }
  attempt_ = std::make_unique<attempt>(in_, conversation_, executor_, std::move(host), port, first_address_,
                                       std::move(handler));
}

COKAFKA_DECL void simulated_stream::read_some(asio::mutable_buffer into, size_handler handler) {
  if (!conversation_ || is_closed_) {
    const error_code failed = is_closed_ ? asio::error::bad_descriptor : asio::error::not_connected;
    return in_.nature.clock.complete(executor_, std::move(handler), failed, std::size_t{0});
  }
  conversation_->read(side_, into, executor_, std::move(handler));
}

COKAFKA_DECL void simulated_stream::write_all(std::span<const asio::const_buffer> from, size_handler handler) {
  if (!conversation_ || is_closed_) {
    const error_code failed = is_closed_ ? asio::error::bad_descriptor : asio::error::not_connected;
    return in_.nature.clock.complete(executor_, std::move(handler), failed, std::size_t{0});
  }
  conversation_->write(side_, from, executor_, std::move(handler));
}

COKAFKA_DECL void simulated_stream::close() noexcept {
  if (std::exchange(is_closed_, true)) return;
  if (attempt_) attempt_->abort();
  if (const auto kept = conversation_) kept->close(side_);
}

COKAFKA_DECL std::string simulated_stream::remote() const {
  if (!conversation_ || is_closed_) return {};
  return side_ == side::client ? conversation_->place() : "client-" + std::to_string(conversation_->id()) + ":0";
}

// --- listener --------------------------------------------------------------------------------------------------------

COKAFKA_DECL simulated_listener::simulated_listener(network_state& in, asio::any_io_executor executor,
                                                    std::string address, std::uint16_t port)
    : agenda_item(in.nature.clock),
      in_(in),
      executor_(std::move(executor)),
      place_(place_of(address, port)),
      port_(port) {
  in_.listeners.emplace(place_, this);
}

COKAFKA_DECL void simulated_listener::accept(asio::any_io_executor executor, accept_handler handler) {
  accepted_on_ = std::move(executor);
  handler_.swap(handler);
  hand_out();
}

COKAFKA_DECL void simulated_listener::arrive(std::shared_ptr<conversation> from) {
  waiting_.push_back(std::move(from));
  hand_out();
}

COKAFKA_DECL void simulated_listener::hand_out() {
  if (!handler_) return;
  if (is_closed_) {
    return of_.complete(executor_, take_handler(handler_), error_code(asio::error::operation_aborted),
                        std::unique_ptr<detail::stream>());
  }
  if (waiting_.empty()) return;
  std::unique_ptr<detail::stream> accepted =
      std::make_unique<simulated_stream>(in_, accepted_on_, std::move(waiting_.front()));
  waiting_.pop_front();
  of_.complete(executor_, take_handler(handler_), error_code(), std::move(accepted));
}

COKAFKA_DECL void simulated_listener::close() noexcept {
  if (std::exchange(is_closed_, true)) return;
  in_.listeners.erase(place_);
  for (const auto& each : waiting_) each->close(side::broker);
  waiting_.clear();
  hand_out();
}

}  // namespace cokafka::inline COKAFKA_ABI::testing::simulated

#endif  // bodies

#endif  // COKAFKA_TESTING_SINGLE_HPP
