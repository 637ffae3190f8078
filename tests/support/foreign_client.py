#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# A client that is not ours (librdkafka through confluent-kafka): makes topics and reads back what our producer was told.
"""Usage: foreign_client.py create BOOTSTRAP TOPIC:PARTITIONS:REPLICATION[:KEY=VALUE...]...
       foreign_client.py compare BOOTSTRAP TOLD_FILE [TOPIC...]
       foreign_client.py leader BOOTSTRAP TOPIC PARTITION
       foreign_client.py count BOOTSTRAP TOPIC

TOLD_FILE has one line per acknowledged record, fields separated by tabs: number in the order of send, topic, partition,
offset (- without one), timestamp, key, value, headers (key=value,...). Keys and values are hexadecimal, - is null. `compare` reads
every partition of these topics (and of those named) and fails unless each record is there once, byte for byte, at its
offset, in the order of send within its partition, and nothing else.
"""
import sys
import time

import confluent_kafka
from confluent_kafka import admin


def bytes_of(text):
    return None if text == "-" else bytes.fromhex(text)


def headers_of(text):
    pairs = (pair.split("=") for pair in text.split(",") if pair)
    return [(bytes.fromhex(key).decode(), bytes_of(value)) for key, value in pairs]


def read_told(path):
    told = {}
    anonymous = {}
    with open(path) as lines:
        for line in lines:
            number, topic, partition, offset, timestamp, key, value, headers = line.rstrip("\n").split("\t")
            record = (int(number), int(timestamp), bytes_of(key), bytes_of(value), headers_of(headers))
            place = (topic, int(partition))
            if offset == "-":
                anonymous.setdefault(place, []).append(record)
                continue
            if int(offset) in told.setdefault(place, {}):
                sys.exit(f"{place} offset {offset} was told twice")
            told[place][int(offset)] = record
    return told, anonymous


def consumer_for(bootstrap):
    return confluent_kafka.Consumer({
        "bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False, "check.crcs": True,
        "auto.offset.reset": "error", "enable.partition.eof": True, "fetch.wait.max.ms": 50, "log_level": 0})


def partitions_of(consumer, topic):
    listed = consumer.list_topics(topic, timeout=20).topics[topic]
    if listed.error is not None:
        sys.exit(f"topic {topic}: {listed.error}")
    return sorted(listed.partitions)


def read_all(bootstrap, topics):
    """Every record of the topics, as {(topic, partition): [(offset, kind of time, time, key, value, headers)]}."""
    consumer = consumer_for(bootstrap)
    places = [(topic, partition) for topic in sorted(topics) for partition in partitions_of(consumer, topic)]
    found = {place: [] for place in places}
    consumer.assign([confluent_kafka.TopicPartition(topic, partition, 0) for topic, partition in places])
    missing = set(places)
    deadline = time.monotonic() + 120
    while missing:
        if time.monotonic() > deadline:
            sys.exit(f"reading did not end: {sorted(missing)}")
        for message in consumer.consume(10000, timeout=1):
            place = (message.topic(), message.partition())
            if message.error() is not None:
                if message.error().code() != confluent_kafka.KafkaError._PARTITION_EOF:
                    sys.exit(f"{place}: {message.error()}")
                missing.discard(place)
                continue
            kind, at = message.timestamp()
            found[place].append((message.offset(), kind, at, message.key(), message.value(), message.headers() or []))
    consumer.close()
    return found


def compare_named(place, records, told):
    previous = -1
    for offset, _, at, key, value, headers in records:
        expected = told.pop(offset, None)
        if expected is None:
            sys.exit(f"{place} offset {offset}: nobody was told of this record: key {key!r}")
        number, timestamp, *content = expected
        if content != [key, value, headers] or timestamp != at:
            sys.exit(f"{place} offset {offset}: read {(at, key, value, headers)}, told {(timestamp, *content)}")
        if number <= previous:
            sys.exit(f"{place} offset {offset}: record {number} lies behind record {previous}")
        previous = number
    if told:
        sys.exit(f"{place}: {len(told)} records are missing, the first at offset {min(told)}")


def compare_anonymous(place, records, told):
    """Records without an offset (acks=0): the same ones in the same order."""
    expected = [(timestamp, key, value, headers) for _, timestamp, key, value, headers in sorted(told, key=lambda r: r[0])]
    read = [tuple(record[2:]) for record in records]
    if read != expected:
        sys.exit(f"{place}: read {len(read)} records, sent {len(expected)}, and they differ")


def compare(bootstrap, path, topics):
    told, anonymous = read_told(path)
    count = sum(len(records) for records in told.values()) + sum(len(records) for records in anonymous.values())
    topics = {topic for topic, _ in [*told, *anonymous]} | set(topics)
    found = read_all(bootstrap, topics)
    deadline = time.monotonic() + 20
    # Unless acks=all, a record is appended (acks=0) and replicated (acks=1), and so readable, only some time later.
    while sum(len(records) for records in found.values()) < count and time.monotonic() < deadline:
        time.sleep(0.2)
        found = read_all(bootstrap, topics)
    for place, records in found.items():
        if place in anonymous:
            compare_anonymous(place, records, anonymous.pop(place))
        else:
            compare_named(place, records, told.pop(place, {}))
    if told or anonymous:
        sys.exit(f"partitions that do not exist: {sorted([*told, *anonymous])}")
    kinds = {kind for records in found.values() for _, kind, *_ in records}
    names = {confluent_kafka.TIMESTAMP_CREATE_TIME: "CreateTime", confluent_kafka.TIMESTAMP_LOG_APPEND_TIME: "LogAppendTime"}
    print(f"{count} records in {len(found)} partitions are equal, {','.join(names.get(kind, '?') for kind in sorted(kinds))}")


def await_leader(consumer, place):
    deadline = time.monotonic() + 20
    while True:
        try:
            return consumer.get_watermark_offsets(place, timeout=20)
        except confluent_kafka.KafkaException as error:  # a broker that has not heard of the topic yet
            if time.monotonic() > deadline:
                sys.exit(f"{place}: {error}")
            time.sleep(0.1)


def create(bootstrap, wanted):
    topics = []
    for text in wanted:
        name, partitions, replication, *settings = text.split(":")
        topics.append(admin.NewTopic(name, int(partitions), int(replication),
                                     config=dict(setting.split("=", 1) for setting in settings)))
    client = admin.AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for name, future in client.create_topics(topics, operation_timeout=20).items():
        try:
            future.result(30)
        except confluent_kafka.KafkaException as error:
            sys.exit(f"topic {name}: {error}")
    for topic in topics:  # known everywhere before anybody writes
        deadline = time.monotonic() + 20
        while True:
            listed = client.list_topics(topic.topic, timeout=20).topics[topic.topic]
            if listed.error is None and all(p.leader >= 0 for p in listed.partitions.values()) and listed.partitions:
                break
            if time.monotonic() > deadline:
                sys.exit(f"topic {topic.topic} has no leaders")
            time.sleep(0.1)
    consumer = consumer_for(bootstrap)
    for topic in topics:  # and each leader knows that it is one: with acks=0 its refusals would be losses
        for partition in range(topic.num_partitions):
            await_leader(consumer, confluent_kafka.TopicPartition(topic.topic, partition))
    consumer.close()


def leader(bootstrap, topic, partition):
    client = admin.AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    print(client.list_topics(topic, timeout=20).topics[topic].partitions[int(partition)].leader)


def count(bootstrap, topic):
    print(sum(len(records) for records in read_all(bootstrap, {topic}).values()))


def main():
    command, arguments = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 3 else ("", [])
    if command == "create":
        create(arguments[0], arguments[1:])
    elif command == "compare":
        compare(arguments[0], arguments[1], arguments[2:])
    elif command == "leader":
        leader(*arguments)
    elif command == "count":
        count(*arguments)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
