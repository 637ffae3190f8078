#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Holds tools/verifiable_producer against the contract of Kafka's VerifiableProducer, with a reader that is not ours.
"""Usage: verifiable_producer.py PROGRAM (BOOTSTRAP | EMBEDDED_BROKER_PROGRAM)"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import foreign_client  # noqa: E402

PATIENCE = 60


class Run:
    """One run of the program; `lines` are its lines of JSON so far."""

    def __init__(self, program, *arguments):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.lines = []

    def read_until(self, name, count):
        """Reads on until so many lines of this name have come."""
        missing = count
        while missing > 0:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(f"{missing} lines {name} are missing; {self.said()}")
            self.lines.append(json.loads(line))
            missing -= self.lines[-1]["name"] == name

    def end(self, by=None):
        if by is not None:
            self.process.send_signal(by)
        self.lines += [json.loads(line) for line in self.process.stdout]
        assert self.process.wait(PATIENCE) == 0, (self.process.returncode, self.said())
        assert self.lines[0]["name"] == "startup_complete", self.lines[0]
        assert [line["name"] for line in self.lines[-2:]] == ["shutdown_complete", "tool_data"], self.lines[-2:]
        for line in self.lines:
            assert list(line)[:2] == ["timestamp", "name"] and isinstance(line["timestamp"], int), line
        assert self.summary()["acked"] == len(self.named("producer_send_success")), (self.summary(), len(self.lines), len(self.named("producer_send_error")))
        assert self.summary()["sent"] == self.summary()["acked"] + len(self.named("producer_send_error"))

    def said(self):
        self.errors.seek(0)
        return "stderr: " + self.errors.read()

    def named(self, name):
        return [line for line in self.lines if line["name"] == name]

    def summary(self):
        return self.lines[-1]


class Checks:
    def __init__(self, program, bootstrap):
        self.program, self.bootstrap = program, bootstrap
        self.topics = 0

    def fresh_topic(self):
        self.topics += 1
        topic = f"verifiable.{os.getpid()}.{self.topics}"
        foreign_client.create(self.bootstrap, [f"{topic}:2:1"])
        return topic

    def start(self, topic, *arguments):
        return Run(self.program, "--topic", topic, "--bootstrap-server", self.bootstrap, *arguments)

    def check_log(self, run, topic, keys=None):
        """What was told is what a reader finds. Returns the records in the order of their numbers."""
        found = {(place[1], record[0]): record for place, records in
                 foreign_client.read_all(self.bootstrap, {topic}).items() for record in records}
        told = run.named("producer_send_success")
        assert len(told) == len(found), (len(told), len(found))
        for line in told:
            _, _, _, key, value, _ = found[line["partition"], line["offset"]]
            assert line["topic"] == topic
            assert value.decode() == line["value"], (value, line)
            assert (key and key.decode()) == line["key"], (key, line)
        return [found[line["partition"], line["offset"]] for line in sorted(told, key=lambda line: number_of(line))]

    def it_sends_so_many_and_ends(self):
        topic = self.fresh_topic()
        run = self.start(topic, "--max-messages", "3000")
        run.end()
        assert [number_of(line) for line in sorted(run.named("producer_send_success"), key=number_of)] == list(range(3000))
        assert {line["key"] for line in run.named("producer_send_success")} == {None}
        self.check_log(run, topic)
        assert run.summary()["target_throughput"] == -1 and run.summary()["avg_throughput"] > 0

    def signals_end_it_cleanly_in_the_middle(self):
        for by in (signal.SIGTERM, signal.SIGINT):
            topic = self.fresh_topic()
            run = self.start(topic)
            run.read_until("producer_send_success", 5000)
            run.end(by)
            assert not run.named("producer_send_error")
            self.check_log(run, topic)

    def throughput_is_a_limit_and_zero_a_pause(self):
        topic = self.fresh_topic()
        begin = time.monotonic()
        run = self.start(topic, "--throughput", "200", "--max-messages", "100")
        run.end()
        assert time.monotonic() - begin >= 99 / 200
        assert run.summary()["target_throughput"] == 200 and run.summary()["avg_throughput"] < 300
        self.check_log(run, topic)
        paused = self.start(self.fresh_topic(), "--throughput", "0")
        paused.read_until("startup_complete", 1)
        paused.end(signal.SIGTERM)
        assert paused.summary()["sent"] == 0

    def keys_values_times_and_acks_are_as_asked_for(self):
        topic = self.fresh_topic()
        run = self.start(topic, "--max-messages", "10", "--repeating-keys", "4", "--value-prefix", "7",
                         "--message-create-time", "1600000000000", "--acks", "1")
        run.end()
        records = self.check_log(run, topic)
        assert [record[3] for record in records] == [str(i % 4).encode() for i in range(10)]
        assert [record[4] for record in records] == [f"7.{i}".encode() for i in range(10)]
        assert all(1600000000000 <= record[2] < 1600000000000 + PATIENCE * 1000 for record in records)

    def what_fails_is_told_with_its_reason(self):
        topic = self.fresh_topic()
        with tempfile.NamedTemporaryFile("w", suffix=".properties") as config:
            config.write("# too small for anything\n\nmax.request.size = 10\n")
            config.flush()
            run = self.start(topic, "--max-messages", "5", "--command-config", config.name)
            run.end()
        failed = run.named("producer_send_error")
        assert [number_of(line) for line in failed] == list(range(5))
        for line in failed:
            assert line["topic"] == topic and line["key"] is None and "max.request.size" in line["message"], line
        assert run.summary()["acked"] == 0

    def bad_arguments_are_refused(self):
        for arguments in (["--topic", "t"], ["--bootstrap-server", "x:1"], ["--throughput", "fast"], ["--unknown", "1"]):
            done = subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=PATIENCE)
            assert done.returncode == 2 and "Usage:" in done.stderr and not done.stdout, (arguments, done)


def number_of(line):
    return int(line["value"].split(".")[-1])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, bootstrap = sys.argv[1:]
    broker = None
    if os.path.exists(bootstrap):
        broker = subprocess.Popen([bootstrap], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        bootstrap = broker.stdout.readline().strip().split("=", 1)[1]
    try:
        checks = Checks(program, bootstrap)
        for check in (checks.it_sends_so_many_and_ends, checks.signals_end_it_cleanly_in_the_middle,
                      checks.throughput_is_a_limit_and_zero_a_pause, checks.keys_values_times_and_acks_are_as_asked_for,
                      checks.what_fails_is_told_with_its_reason, checks.bad_arguments_are_refused):
            check()
            print("ok", check.__name__.replace("_", " "), flush=True)
    finally:
        if broker is not None:
            broker.stdin.close()
            broker.wait(PATIENCE)


if __name__ == "__main__":
    main()
