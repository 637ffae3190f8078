# SPDX-License-Identifier: BSL-1.0
# Reads the logs with a client that is not ours and compares them with what the sender was told of each record.
"""Nothing that was acknowledged is missing, lies elsewhere or differs; nothing is there twice; per producer and partition the
records lie in the order of send; nothing that was told not_written is in the log; every record that was sent was answered.
"""
import array
import mmap
import struct
import time
import zlib

import confluent_kafka

LINE = struct.Struct("<QqIIIiHBB4x")  # told_log.hpp
WRITTEN, NOT_WRITTEN, MAYBE_WRITTEN, FAILED_WRITTEN = range(4)
UNANSWERED = 255
NEWS_MS = 500  # at most, from the news of a leader to its first acknowledgement
MOST_PROBLEMS = 100
# Failures that the sender has brought about itself: it cancelled, it closed or destroyed its producer, or it sent more than
# fits into memory. They tell nothing of what the cluster did.
OWN_DOING = {"cancelled", "closed", "buffer_full"}


class Told:
    """What one producer was told of its records, by number."""

    def __init__(self, count):
        self.offset = array.array("q", [-1]) * count
        self.checksum = array.array("I", [0]) * count
        self.sent = array.array("I", [0]) * count
        self.answered = array.array("I", [0]) * count
        self.partition = array.array("i", [-1]) * count
        self.topic = bytearray(count)
        self.outcome = bytearray([UNANSWERED]) * count
        self.seen = bytearray(count)


class Findings:
    def __init__(self):
        self.problems = []
        self.moved = 0
        self.read = 0
        self.written_after_all = 0  # told maybe_written, and there

    def problem(self, text):
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(text)


def read_told(path, sent, found):
    producers = [Told(count) for count in sent]
    with open(path, "rb") as file:
        if file.seek(0, 2) == 0:
            return producers
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as lines:
            for number, offset, checksum, at, answered, partition, producer, topic, outcome in LINE.iter_unpack(lines):
                told = producers[producer]
                if told.outcome[number] != UNANSWERED:
                    found.problem(f"producer {producer} was told of record {number} twice")
                told.offset[number] = offset
                told.checksum[number] = checksum
                told.sent[number] = at
                told.answered[number] = answered
                told.partition[number] = partition
                told.topic[number] = topic
                told.outcome[number] = outcome
    for producer, told in enumerate(producers):
        missing = told.outcome.count(UNANSWERED)
        if missing:
            found.problem(f"producer {producer} was never told of {missing} records, the first {told.outcome.index(UNANSWERED)}")
    return producers


class Partition:
    """One partition while it is read from its beginning."""

    def __init__(self, topic, index):
        self.topic, self.index = topic, index
        self.last = {}  # producer: number of its last record
        self.epoch = None
        self.epochs = 0
        self.sent = array.array("I")  # when the records of this epoch were sent
        self.first_answer = 0
        self.next_offset = 0

    def check(self, message, topics, producers, found):
        place = f"{self.topic}-{self.index} offset {message.offset()}"
        value, key = message.value(), message.key() or b""
        first, second, _ = value.split(b".", 2)
        producer, number = int(first), int(second)
        told = producers[producer]
        who = f"producer {producer} record {number}"
        if told.seen[number]:
            found.problem(f"{place}: {who} is there twice")
        elif number <= self.last.get(producer, -1):
            found.problem(f"{place}: {who} lies behind record {self.last[producer]}")
        told.seen[number] = 1
        self.last[producer] = number
        if zlib.crc32(value, zlib.crc32(key)) != told.checksum[number] or topics[told.topic[number]] != self.topic:
            found.problem(f"{place}: {who} is not what was sent")
        outcome = told.outcome[number]
        if outcome == NOT_WRITTEN:
            found.problem(f"{place}: {who} was told not_written")
        elif outcome == WRITTEN:
            offset = told.offset[number]
            if told.partition[number] != self.index or (offset >= 0 and offset != message.offset()):
                found.problem(f"{place}: {who} was told to be at partition {told.partition[number]} offset {offset}")
        elif outcome == MAYBE_WRITTEN:
            found.written_after_all += 1
        if message.offset() != self.next_offset:
            found.problem(f"{place}: offset {self.next_offset} was expected")
        self.next_offset = message.offset() + 1
        if message.leader_epoch() != self.epoch:
            self.count_moved(found)
            self.epoch = message.leader_epoch()
            self.epochs += 1
        if outcome == WRITTEN:
            self.first_answer = min(self.first_answer, told.answered[number]) if self.sent else told.answered[number]
            self.sent.append(told.sent[number])

    def count_moved(self, found):
        """Records that were sent well before their leader, not the first, acknowledged anything: they were another's."""
        if self.epochs > 1:
            found.moved += sum(sent + NEWS_MS < self.first_answer for sent in self.sent)
        self.sent = array.array("I")


def read_logs(bootstrap, topics, producers, found):
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": bootstrap, "group.id": "audit", "enable.auto.commit": False, "check.crcs": True,
        "auto.offset.reset": "error", "enable.partition.eof": True, "fetch.wait.max.ms": 50, "log_level": 0})
    names = list(topics)
    partitions = {}
    for topic in names:
        for index in consumer.list_topics(topic, timeout=20).topics[topic].partitions:
            partitions[topic, index] = Partition(topic, index)
    consumer.assign([confluent_kafka.TopicPartition(topic, index, 0) for topic, index in partitions])
    missing = set(partitions)
    last_news = time.monotonic()
    while missing and time.monotonic() < last_news + 60:
        for message in consumer.consume(10000, timeout=1):
            last_news = time.monotonic()
            place = message.topic(), message.partition()
            if message.error() is None:
                found.read += 1
                partitions[place].check(message, names, producers, found)
            elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                missing.discard(place)
            else:
                found.problem(f"{place}: {message.error()}")
    consumer.close()
    for partition in partitions.values():
        partition.count_moved(found)
    if missing:
        found.problem(f"reading did not end: {sorted(missing)}")


def find_missing(producers, topics, short_lived, found):
    gone = {number for number, topic in enumerate(topics) if topic in short_lived}
    for producer, told in enumerate(producers):
        for number, outcome in enumerate(told.outcome):
            if outcome in (WRITTEN, FAILED_WRITTEN) and not told.seen[number] and told.topic[number] not in gone:
                found.problem(f"producer {producer} record {number} is missing: told partition {told.partition[number]} "
                              f"offset {told.offset[number]}")


def count_failed(reasons, fate):
    """Of the sender's `reasons`, {"fate: error": records}: how many the cluster or a deadline has failed with this fate."""
    words = [(*reason.split(": ", 1), count) for reason, count in reasons.items()]
    return sum(count for of, error, count in words if of == fate and error not in OWN_DOING)


def audit(bootstrap, topics, short_lived, path, summary, say):
    """`topics` in the order of the sender's numbers; acknowledged records of the short-lived ones may be gone."""
    found = Findings()
    producers = read_told(path, summary["sent"], found)
    say("read what was told; reading the logs")
    read_logs(bootstrap, topics, producers, found)
    find_missing(producers, list(topics), short_lived, found)
    say(f"{found.read} records read; {found.written_after_all} were told maybe_written and are there")
    return found
