#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# The audit of chaos.py finds each kind of fault that it is for, and none where there is none.
import os
import tempfile
import zlib

import audit


class Message:
    def __init__(self, offset, producer, number, key=None, epoch=0):
        self.parts = offset, producer, number, key, epoch

    def offset(self):
        return self.parts[0]

    def value(self):
        return b"%d.%d.xyz" % self.parts[1:3]

    def key(self):
        return self.parts[3]

    def leader_epoch(self):
        return self.parts[4]


def line(number, outcome=audit.WRITTEN, offset=-1, sent=0, answered=10, partition=0, topic=0):
    value = b"%d.%d.xyz" % (0, number)
    return audit.LINE.pack(number, offset, zlib.crc32(value), sent, answered, partition, 0, topic, outcome)


def findings(sent, lines, messages, short_lived=()):
    """What is found when one producer of `sent` records was told these lines and the log has these messages."""
    found = audit.Findings()
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(lines))
        file.flush()
        producers = audit.read_told(file.name, [sent], found)
    partition = audit.Partition("t", 0)
    for message in messages:
        partition.check(message, ["t", "u"], producers, found)
    partition.count_moved(found)
    audit.find_missing(producers, ["t", "u"], short_lived, found)
    return found


def expect(what, found):
    assert len(found.problems) == 1 and what in found.problems[0], (what, found.problems)


def main():
    two = [line(0, offset=0), line(1, offset=1)]
    there = [Message(0, 0, 0), Message(1, 0, 1)]
    assert not findings(2, two, there).problems
    expect("is missing", findings(2, two, there[:1]))
    assert not findings(2, two, there[:1], {"t"}).problems  # its topic was deleted
    expect("was told to be at", findings(2, [line(0, offset=0), line(1, offset=2)], there))
    expect("was told to be at", findings(2, [line(0, offset=0), line(1, offset=1, partition=3)], there))
    expect("was never told", findings(2, two[:1], there[:1]))
    expect("told of record 1 twice", findings(2, two + two[1:], there))
    expect("is there twice", findings(2, [line(0), line(1)], there + [Message(2, 0, 1)]))
    expect("lies behind record", findings(2, [line(0), line(1)], [Message(0, 0, 1), Message(1, 0, 0)]))
    expect("is not what was sent", findings(2, two, [there[0], Message(1, 0, 1, key=b"k")]))
    expect("is not what was sent", findings(2, [two[0], line(1, offset=1, topic=1)], there, {"u"}))
    expect("told not_written", findings(2, [two[0], line(1, audit.NOT_WRITTEN)], there))
    expect("was expected", findings(2, [line(0), line(1)], [Message(0, 0, 0), Message(2, 0, 1)]))
    maybe = [two[0], line(1, audit.MAYBE_WRITTEN)]
    assert not findings(2, maybe, there).problems and findings(2, maybe, there).written_after_all == 1
    assert not findings(2, maybe, there[:1]).problems
    moved = [line(0, offset=0), line(1, offset=1, sent=100, answered=900), line(2, offset=2, sent=800, answered=900)]
    assert findings(3, moved, [Message(0, 0, 0), Message(1, 0, 1, epoch=1), Message(2, 0, 2, epoch=1)]).moved == 1
    assert findings(3, moved, [Message(0, 0, 0), Message(1, 0, 1), Message(2, 0, 2)]).moved == 0
    reasons = {"not_written: cancelled": 1, "not_written: closed": 10, "not_written: buffer_full": 100,
               "not_written: timed_out": 1000, "maybe_written: timed_out": 5, "maybe_written: closed": 50}
    assert audit.count_failed(reasons, "not_written") == 1000
    assert audit.count_failed(reasons, "maybe_written") == 5


if __name__ == "__main__":
    main()
    print(os.path.basename(__file__), "passed")
