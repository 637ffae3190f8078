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
};

}  // namespace cokafka::inline COKAFKA_ABI::testing

// ---- cokafka/detail/batch/batch_view.hpp

namespace cokafka::inline COKAFKA_ABI::detail {

// What is wrong with a batch; the first thing found.
enum class batch_error : std::uint8_t {
  none,
  too_short,             // fewer bytes than a header, or than the batch length says
  bad_length,            // a batch length that no batch can have
  trailing_bytes,        // bytes behind the batch, or behind its last record
  bad_magic,             // another format than 2
  bad_crc,               // the checksum does not fit the bytes
  bad_codec,             // a compression type that does not exist
  bad_record_count,      // none at all, or not lastOffsetDelta + 1
  bad_record,            // a record whose fields do not fill its length exactly, or with an illegal length
  bad_offset_delta,      // the records do not count 0, 1, 2, ...
  compressed,            // the records cannot be read before they are decompressed
  control_batch,         // only brokers write these
  missing_base_sequence  // a producer id without a sequence
};

COKAFKA_DECL std::string_view to_string(batch_error error) noexcept;

struct record_header_entry {
  std::string_view key{};
  std::optional<std::string_view> value{};

  bool operator==(const record_header_entry&) const = default;
};

// The headers of one record: a range over bytes that were checked before it was made.
class record_header_list {
 public:
  class iterator {
   public:
    using value_type = record_header_entry;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using reference = const value_type&;
    using pointer = const value_type*;

    iterator() = default;
    COKAFKA_DECL iterator(std::string_view bytes, std::uint32_t left) noexcept;

    reference operator*() const noexcept { return current_; }
    pointer operator->() const noexcept { return &current_; }
    COKAFKA_DECL iterator& operator++() noexcept;
    iterator operator++(int) noexcept {
      iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const iterator& other) const noexcept { return left_ == other.left_; }

   private:
    COKAFKA_DECL void read() noexcept;

    std::string_view bytes_{};
    std::uint32_t left_ = 0;
    record_header_entry current_{};
  };

  record_header_list() = default;
  record_header_list(std::string_view bytes, std::uint32_t count) noexcept : bytes_(bytes), count_(count) {}

  std::size_t size() const noexcept { return count_; }
  bool empty() const noexcept { return count_ == 0; }
  iterator begin() const noexcept { return {bytes_, count_}; }
  iterator end() const noexcept { return {}; }

 private:
  std::string_view bytes_{};
  std::uint32_t count_ = 0;
};

// One record of a batch; its strings are views into the batch.
struct record_entry {
  std::int32_t offset_delta = 0;
  std::int64_t timestamp = 0;
  std::optional<std::string_view> key{};
  std::optional<std::string_view> value{};
  record_header_list headers{};
};

// Reads the next record, its length included. None when it is whole and legal.
COKAFKA_DECL batch_error read_record(wire::reader& in, std::int64_t base_timestamp, record_entry& record) noexcept;

// Calls `visit(const record_entry&)` for each of `count` records in uncompressed bytes and stops at the first error; a
// visitor may return bool, where false stops, too, without an error.
template <class Visit>
batch_error for_each_record(std::string_view records, std::int32_t count, std::int64_t base_timestamp, Visit&& visit) {
  wire::reader in(records);
  for (std::int32_t i = 0; i != count; ++i) {
    record_entry record;
    if (const auto error = read_record(in, base_timestamp, record); error != batch_error::none) return error;
    if (record.offset_delta != i) return batch_error::bad_offset_delta;
    if constexpr (std::is_same_v<decltype(visit(record)), bool>) {
      if (!visit(record)) return batch_error::none;
    } else {
      visit(record);
    }
  }
  return in.remaining() == 0 ? batch_error::none : batch_error::trailing_bytes;
}

// A record batch in bytes that it does not own.
// Thread safety: distinct objects safe; shared objects safe for reading.
class batch_view {
 public:
  static constexpr std::size_t header_size = 61;

  // The size of the batch that `bytes` begin with, for walking a log of several; empty when that cannot be told.
  COKAFKA_DECL static std::optional<std::size_t> size_at_front(std::string_view bytes) noexcept;

  // Checks length, format, checksum, codec and count of the batch that `bytes` hold from the first to the last. `view`
  // is only set on success. The records are not read: for_each() and check_records() do that.
  COKAFKA_DECL static batch_error parse(std::string_view bytes, batch_view& view) noexcept;

  std::int64_t base_offset() const noexcept { return at(0).int64(); }
  std::int32_t batch_length() const noexcept { return at(8).int32(); }
  std::int32_t partition_leader_epoch() const noexcept { return at(12).int32(); }
  std::uint32_t crc() const noexcept { return at(17).uint32(); }
  std::int16_t attributes() const noexcept { return at(21).int16(); }
  std::int32_t last_offset_delta() const noexcept { return at(23).int32(); }
  std::int64_t base_timestamp() const noexcept { return at(27).int64(); }
  std::int64_t max_timestamp() const noexcept { return at(35).int64(); }
  std::int64_t producer_id() const noexcept { return at(43).int64(); }
  std::int16_t producer_epoch() const noexcept { return at(51).int16(); }
  std::int32_t base_sequence() const noexcept { return at(53).int32(); }
  std::int32_t record_count() const noexcept { return at(57).int32(); }

  // 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
  int codec() const noexcept { return attributes() & 0x07; }
  bool is_compressed() const noexcept { return codec() != 0; }
  bool has_log_append_time() const noexcept { return (attributes() & 0x08) != 0; }
  bool is_transactional() const noexcept { return (attributes() & 0x10) != 0; }
  bool is_control() const noexcept { return (attributes() & 0x20) != 0; }

  // All bytes, header included, and the bytes behind the header as they stand: one compressed blob, or the records.
  std::string_view bytes() const noexcept { return bytes_; }
  std::string_view records() const noexcept { return bytes_.substr(header_size); }

  // As for_each_record(); `compressed` where the records have to be decompressed first.
  template <class Visit>
  batch_error for_each(Visit&& visit) const {
    if (is_compressed()) return batch_error::compressed;
    return for_each_record(records(), record_count(), base_timestamp(), visit);
  }

  // Whether all records are legal.
  COKAFKA_DECL batch_error check_records() const noexcept;

  // What a broker demands of a batch from a client beyond its format.
  COKAFKA_DECL batch_error check_from_client() const noexcept;

 private:
  wire::reader at(std::size_t offset) const noexcept {
    return wire::reader(bytes_.size() < header_size ? std::string_view{} : bytes_.substr(offset));
  }

  std::string_view bytes_{};
};

}  // namespace cokafka::inline COKAFKA_ABI::detail

// ---- cokafka/testing/producer_states.hpp

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

  std::int64_t start_offset() const noexcept { return 0; }
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

  COKAFKA_DECL std::vector<stored_record> records() const;
  COKAFKA_DECL std::vector<stored_batch> batches() const;

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

  std::vector<entry> entries_;
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

  /// Letters, digits, '.', '_' and '-', at most 249, not "." or "..".
  COKAFKA_DECL static bool is_legal_name(std::string_view name) noexcept;

  const std::map<std::string, topic_state, std::less<>>& topics() const noexcept { return topics_; }
  COKAFKA_DECL topic_state* find(std::string_view name) noexcept;
  COKAFKA_DECL topic_state* find(const detail::wire::uuid& id) noexcept;
  COKAFKA_DECL partition_state* find(topic_state* topic, std::int32_t partition) noexcept;

  /// Precondition: no topic has this name.
  COKAFKA_DECL topic_state& create_topic(std::string name, int partitions, const topic_options& with,
                                         detail::wire::uuid id);
  COKAFKA_DECL log_rules rules_of(const topic_state& topic) const noexcept;

  /// A new leader, or -1 for none; counts the epoch up.
  COKAFKA_DECL static void lead(partition_state& partition, std::int32_t leader) noexcept;
  /// Its partitions go to the next replica that runs, or stay without a leader.
  COKAFKA_DECL void stop(std::int32_t broker);
  /// Leads again what nobody led meanwhile, with what its snapshot kept. `now` is the wall clock in milliseconds.
  COKAFKA_DECL void start(std::int32_t broker, std::int64_t now);

  /// The leader of a partition as a hint in a response (KIP-951).
  COKAFKA_DECL static detail::messages::leader_and_epoch hint(const partition_state& partition) noexcept;
  COKAFKA_DECL void add_endpoint(std::vector<detail::messages::node_endpoint>& to, std::int32_t broker) const;
  COKAFKA_DECL std::int32_t controller() const noexcept;

  /// Counts every request; keeps the newest 10,000.
  COKAFKA_DECL void note(const seen_request& request);
  COKAFKA_DECL std::size_t request_count(api_key api) const noexcept;
  const std::deque<seen_request>& requests() const noexcept { return requests_; }

 private:
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

  /// Throws std::invalid_argument for an illegal name, a count below 1, or a topic that exists.
  COKAFKA_DECL void create_topic(std::string_view name, int partitions);
  COKAFKA_DECL void create_topic(std::string_view name, int partitions, const topic_options& options);

  /// @name What has happened
  /// @{
  /// A partition's records by offset; records of compressed batches are left out (see stored_batch::codec). A topic
  /// that does not exist has none.
  COKAFKA_DECL std::vector<stored_record> records(std::string_view topic, std::int32_t partition) const;
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
  /// Executed (for Produce: appended), then answered with the error all the same.
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

  /// -1: nobody. The leader epoch counts up.
  COKAFKA_DECL void set_leader(std::string_view topic, std::int32_t partition, std::int32_t broker);
  /// Listener and connections close; leadership moves to replicas that run.
  COKAFKA_DECL void stop_broker(std::int32_t broker);
  /// The same port and logs. Of partitions without another replica only the last batch of each producer id is
  /// remembered, as in a real snapshot, and nothing where that batch has a timestamp of yesterday or earlier.
  COKAFKA_DECL void start_broker(std::int32_t broker);
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

#if defined(COKAFKA_HEADER_ONLY) || defined(COKAFKA_SOURCE)

// ---- cokafka/detail/batch/batch_view.ipp

namespace cokafka::inline COKAFKA_ABI::detail {

COKAFKA_DECL std::string_view to_string(batch_error error) noexcept {
  switch (error) {
    case batch_error::none: return "none";
    case batch_error::too_short: return "too short";
    case batch_error::bad_length: return "bad length";
    case batch_error::trailing_bytes: return "trailing bytes";
    case batch_error::bad_magic: return "bad magic";
    case batch_error::bad_crc: return "bad checksum";
    case batch_error::bad_codec: return "unknown compression type";
    case batch_error::bad_record_count: return "bad record count";
    case batch_error::bad_record: return "bad record";
    case batch_error::bad_offset_delta: return "bad offset delta";
    case batch_error::compressed: return "compressed";
    case batch_error::control_batch: return "control batch from a client";
    case batch_error::missing_base_sequence: return "producer id without a base sequence";
  }
  return "unknown";
}

namespace batch_parts {

// A string with a varint length where -1 is null; any other negative length makes the reader fail.
inline std::optional<std::string_view> read_nullable(wire::reader& in) noexcept {
  const std::int32_t size = in.varint();
  if (size >= 0 && in.ok()) return in.bytes(static_cast<std::size_t>(size));
  if (size != -1) in.fail();
  return std::nullopt;
}

inline record_header_entry read_header(wire::reader& in) noexcept {
  const auto key = read_nullable(in);
  if (!key) in.fail();
  return {key.value_or(std::string_view{}), read_nullable(in)};
}

}  // namespace batch_parts

COKAFKA_DECL record_header_list::iterator::iterator(std::string_view bytes, std::uint32_t left) noexcept
    : bytes_(bytes), left_(left) {
  read();
}

COKAFKA_DECL record_header_list::iterator& record_header_list::iterator::operator++() noexcept {
  --left_;
  read();
  return *this;
}

COKAFKA_DECL void record_header_list::iterator::read() noexcept {
  if (left_ == 0) return;
  wire::reader in(bytes_);
  current_ = batch_parts::read_header(in);
  bytes_.remove_prefix(in.position());
}

COKAFKA_DECL batch_error read_record(wire::reader& in, std::int64_t base_timestamp, record_entry& record) noexcept {
  const std::int32_t size = in.varint();
  if (size < 0) in.fail();
  const std::string_view bytes = in.bytes(static_cast<std::size_t>(size));
  if (!in.ok()) return batch_error::bad_record;

  wire::reader body(bytes);
  body.int8();  // attributes: no bit has a meaning yet
  // Deltas wrap around like Java's, so that no header can cause undefined behaviour.
  record.timestamp = static_cast<std::int64_t>(static_cast<std::uint64_t>(base_timestamp) +
                                               static_cast<std::uint64_t>(body.varlong()));
  record.offset_delta = body.varint();
  record.key = batch_parts::read_nullable(body);
  record.value = batch_parts::read_nullable(body);
  const std::int32_t headers = body.varint();
  if (headers < 0) body.fail();
  const std::size_t headers_begin = body.position();
  for (std::int32_t i = 0; i < headers && body.ok(); ++i) batch_parts::read_header(body);
  if (!body.ok() || body.remaining() != 0) return batch_error::bad_record;
  record.headers = {bytes.substr(headers_begin), static_cast<std::uint32_t>(headers)};
  return batch_error::none;
}

COKAFKA_DECL std::optional<std::size_t> batch_view::size_at_front(std::string_view bytes) noexcept {
  constexpr std::size_t log_overhead = 12;  // base offset and batch length, which do not count themselves
  wire::reader in(bytes);
  in.int64();
  const std::int32_t length = in.int32();
  if (!in.ok() || length < static_cast<std::int32_t>(header_size - log_overhead)) return std::nullopt;
  return log_overhead + static_cast<std::size_t>(length);
}

COKAFKA_DECL batch_error batch_view::parse(std::string_view bytes, batch_view& view) noexcept {
  constexpr std::size_t magic_offset = 16;
  constexpr std::size_t crc_begin = 21;
  constexpr int last_codec = 4;

  if (bytes.size() > magic_offset && bytes[magic_offset] != 2) return batch_error::bad_magic;
  if (bytes.size() < header_size) return batch_error::too_short;
  const auto size = size_at_front(bytes);
  if (!size) return batch_error::bad_length;
  if (bytes.size() < *size) return batch_error::too_short;
  if (bytes.size() > *size) return batch_error::trailing_bytes;

  batch_view candidate;
  candidate.bytes_ = bytes;
  if (crc32c(0, bytes.data() + crc_begin, bytes.size() - crc_begin) != candidate.crc()) return batch_error::bad_crc;
  if (candidate.codec() > last_codec) return batch_error::bad_codec;
  if (candidate.record_count() <= 0 || candidate.record_count() - 1 != candidate.last_offset_delta()) {
    return batch_error::bad_record_count;
  }
  view = candidate;
  return batch_error::none;
}

COKAFKA_DECL batch_error batch_view::check_records() const noexcept {
  return for_each([](const record_entry&) {});
}

COKAFKA_DECL batch_error batch_view::check_from_client() const noexcept {
  if (is_control()) return batch_error::control_batch;
  if (producer_id() >= 0 && base_sequence() < 0) return batch_error::missing_base_sequence;
  return batch_error::none;
}

}  // namespace cokafka::inline COKAFKA_ABI::detail

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

// Where the clock of the producer runs ahead of what the topic allows.
inline append_result check_timestamps(const detail::batch_view& batch, const log_rules& rules, std::int64_t now) {
  append_result result;
  if (rules.log_append_time || rules.timestamp_after_max_ms == std::numeric_limits<std::int64_t>::max()) return result;
  if (batch.is_compressed()) return result;
  const std::int64_t limit = now + rules.timestamp_after_max_ms;
  batch.for_each([&](const detail::record_entry& record) {
    if (record.timestamp > limit) {
      result.bad_records.push_back({record.offset_delta, "timestamp " + std::to_string(record.timestamp) +
                                                             " is later than " + std::to_string(limit)});
    }
  });
  if (!result.bad_records.empty()) {
    result.error = broker_errc::invalid_timestamp;
    result.message = "one or more records have been rejected due to invalid timestamp";
  }
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
  if (auto late = check_timestamps(batch, rules, now); late.error != broker_errc::none) return late;
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
  entries_.push_back(std::move(added));
  return result;
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
      if (record.timestamp < timestamp) return true;
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

COKAFKA_DECL std::vector<stored_record> partition_log::records() const {
  std::vector<stored_record> all;
  for (const entry& e : entries_) {
    const detail::batch_view batch = log_parts::view_of(e.bytes);
    batch.for_each([&](const detail::record_entry& record) {
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
  const auto nodes = static_cast<std::int32_t>(brokers.size());
  const std::int32_t copies = with.replication > 0 ? std::min<std::int32_t>(with.replication, nodes) : nodes;
  topic_state made{name, id, with, std::vector<partition_state>(static_cast<std::size_t>(partitions))};
  for (int p = 0; p != partitions; ++p) {
    partition_state& partition = made.partitions[static_cast<std::size_t>(p)];
    for (std::int32_t r = 0; r != copies; ++r) partition.replicas.push_back((p + r) % nodes);
    const auto leader = std::find_if(partition.replicas.begin(), partition.replicas.end(),
                                     [&](std::int32_t broker) { return can_lead(partition, broker); });
    partition.leader = leader == partition.replicas.end() ? -1 : *leader;
  }
  names_[id] = name;
  return topics_.insert_or_assign(std::move(name), std::move(made)).first->second;
}

COKAFKA_DECL log_rules cluster_state::rules_of(const topic_state& topic) const noexcept {
  constexpr std::int64_t one_hour = 3'600'000;  // the default since 4.0 (KIP-1030)
  log_rules applied;
  applied.max_message_bytes = topic.options.max_message_bytes.value_or(options.max_message_bytes);
  applied.log_append_time = topic.options.log_append_time;
  if (options.version >= kafka_version::v4_0) applied.timestamp_after_max_ms = one_hour;
  return applied;
}

COKAFKA_DECL bool cluster_state::can_lead(const partition_state& partition, std::int32_t broker) const noexcept {
  return brokers[static_cast<std::size_t>(broker)].running &&
         std::find(partition.replicas.begin(), partition.replicas.end(), broker) != partition.replicas.end();
}

COKAFKA_DECL void cluster_state::lead(partition_state& partition, std::int32_t leader) noexcept {
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
    if (!core->is_alive(broker, generation)) break;
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

COKAFKA_DECL std::vector<stored_record> cluster::records(std::string_view topic, std::int32_t partition) const {
  const std::scoped_lock lock(core_->mutex);
  const auto* found = core_->state.find(core_->state.find(topic), partition);
  return found ? found->log.records() : std::vector<stored_record>{};
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
    for (const auto& assignment : asked.assignments) {
      if (assignment.broker_ids.empty()) return broker_errc::invalid_replica_assignment;
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
    answer.topic_id = e.cluster.create_topic(asked.name, partitions, options, random_id(e.environment)).id;
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
      (running ? partition.isr_nodes : partition.offline_replicas).push_back(replica);
    }
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
  const topic_state* known = e.cluster.find(*asked.name);
  return known ? describe(e.cluster, *known) : missing(e, request, asked);
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

#include <set>

namespace cokafka::inline COKAFKA_ABI::testing::embedded {

namespace produce {

using partition_answer = messages::produce_response::partition;

inline partition_answer failed(std::int32_t partition, broker_errc error) {
  partition_answer answer;
  answer.index = partition;
  answer.error_code = code_of(error);
  return answer;
}

inline partition_answer answer_of(std::int32_t index, append_result&& result) {
  partition_answer answer = failed(index, result.error);
  answer.base_offset = result.base_offset;
  answer.log_append_time_ms = result.log_append_time;
  if (result.error == broker_errc::none) answer.log_start_offset = 0;
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
                               messages::produce_response& response) {
  if (topic == nullptr) {
    constexpr std::int16_t first_with_ids = 13;
    const bool by_id = e.version >= first_with_ids;
    return failed(asked.index, by_id ? broker_errc::unknown_topic_id : broker_errc::unknown_topic_or_partition);
  }
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
  append_result result =
      partition->log.append(records, e.cluster.rules_of(*topic), partition->leader_epoch, wall_ms(e.environment));
  if (result.error == broker_errc::none && !result.duplicate) e.appended = true;
  return answer_of(asked.index, std::move(result));
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
                                        : produce::append(e, topic, partition, response));
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
    if (executed && plan.error) result = refuse(request, *plan.error, response);
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

#endif  // bodies

#endif  // COKAFKA_TESTING_SINGLE_HPP
