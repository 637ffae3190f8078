#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Three real brokers that are killed, frozen and moved about behind a bad network while our producer sends; then the audit.
"""Usage: chaos.py --programs DIR [--version V] [--seconds N] [--seed S] [--require N] [--rate N] [--name NAME] [--keep]

Starts a Kafka of three nodes (tools/kafka), DIR/chaos_proxy before its brokers and DIR/chaos_sender, and makes faults in
turn, chosen by the seed: a node killed and started again, a node stopped for a while, preferred leaders elected,
partitions added, a topic deleted and made again; all the while the proxy damages connections. Then everything heals, the
sender ends, and a reader that is not ours (audit.py) compares the logs with what the sender was told. --require N: fewer
than N records that were tried again, moved to another leader, failed not_written or failed maybe_written are a failure; what
the sender cancelled, closed or had no memory for is not counted.

Five kinds of senders share --rate; a sixth goes at full speed, as fast as its producer takes records, for 5 of every 20 s and
for 300,000 records at most: more would neither fit on the disk nor be read again in reasonable time.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

import confluent_kafka
from confluent_kafka import admin

import audit

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# name: partitions. Of `reborn` only what is in the log is checked: with the topic its records go.
TOPICS = {"orders": 12, "events": 6, "growing": 2, "reborn": 3}
SETTINGS = ["broker.session.timeout.ms=3000", "broker.heartbeat.interval.ms=500", "replica.lag.time.max.ms=5000",
            "controller.quorum.fetch.timeout.ms=2000", "controller.quorum.election.timeout.ms=1000",
            "auto.create.topics.enable=false", "auto.leader.rebalance.enable=false"]


class Kafka:
    def __init__(self, version, name):
        self.options = ["--version", version, "--nodes", "3", "--name", name]
        self.bootstrap = None

    def tool(self, command, *arguments, timeout=200):
        done = subprocess.run([ROOT / "tools" / "kafka", command, *arguments, *self.options], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=timeout)
        if done.returncode != 0:
            raise RuntimeError(f"tools/kafka {command}: {done.stderr}")
        return done.stdout

    def up(self):
        settings = [word for setting in SETTINGS for word in ("--set", setting)]
        self.bootstrap = self.tool("up", "--proxied", *settings).strip().split("\n")[-1].split("=", 1)[1]
        self.proxied = self.tool("proxied").split()
        self.admin = admin.AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0,
                                        "socket.timeout.ms": 10000, "topic.metadata.refresh.interval.ms": 1000})

    def down(self):
        self.tool("down")

    def create(self, topic, partitions):
        new = admin.NewTopic(topic, partitions, 3, config={"min.insync.replicas": "2", "retention.ms": "-1"})
        until = time.monotonic() + 60
        while True:
            try:
                self.admin.create_topics([new], operation_timeout=20)[topic].result(30)
                return
            except confluent_kafka.KafkaException as error:  # it is still being deleted, or a controller is missing
                code = error.args[0].code()
                if code == confluent_kafka.KafkaError.TOPIC_ALREADY_EXISTS and self.partitions(topic):
                    return
                if time.monotonic() > until:
                    raise
                time.sleep(0.3)

    def delete(self, topic):
        self.admin.delete_topics([topic], operation_timeout=20)[topic].result(30)

    def add_partitions(self, topic, total):
        self.admin.create_partitions([admin.NewPartitions(topic, total)], operation_timeout=20)[topic].result(30)

    def elect_preferred_leaders(self):
        self.tool("move-leaders", timeout=60)

    def partitions(self, topic):
        return self.admin.list_topics(topic, timeout=10).topics[topic].partitions

    def is_whole(self):
        try:
            listed = self.admin.list_topics(timeout=5)
        except confluent_kafka.KafkaException:
            return False
        return len(listed.brokers) == 3 and all(
            len(partition.isrs) == 3 and partition.leader >= 0
            for name, topic in listed.topics.items() if name in TOPICS for partition in topic.partitions.values())

    def wait_until_whole(self, seconds):
        until = time.monotonic() + seconds
        while not self.is_whole():
            if time.monotonic() > until:
                return False
            time.sleep(0.3)
        return True


class Chaos:
    """The faults in turn, each from the seed, until the time is over."""

    def __init__(self, kafka, seed, seconds, say):
        self.kafka, self.say = kafka, say
        self.random = random.Random(seed)
        self.long = seconds > 120
        self.ends = time.monotonic() + seconds
        self.counts = {}
        self.growing = TOPICS["growing"]

    def time_left(self):
        return max(0.0, self.ends - time.monotonic())

    def sleep(self, seconds):
        time.sleep(min(seconds, self.time_left()))

    def kill(self, node):
        self.kafka.tool("kill-node", str(node))
        self.sleep(self.random.uniform(1, 8))
        self.kafka.tool("start-node", str(node))

    def freeze(self, node):
        self.kafka.tool("pause-node", str(node))
        self.sleep(20 if self.long else 7)
        self.kafka.tool("resume-node", str(node))

    def two_are_gone(self, node):
        """Less than min.insync.replicas are left."""
        other = node % 3 + 1
        self.kafka.tool("pause-node", str(other))
        self.kafka.tool("kill-node", str(node))
        self.sleep(self.random.uniform(3, 8))
        self.kafka.tool("resume-node", str(other))
        self.kafka.tool("start-node", str(node))

    def move_leaders(self, _):
        self.kafka.elect_preferred_leaders()

    def add_partitions(self, _):
        self.growing += 1
        self.kafka.add_partitions("growing", self.growing)

    def recreate(self, _):
        self.kafka.delete("reborn")
        self.sleep(self.random.uniform(0, 3))
        self.kafka.create("reborn", self.random.randint(1, 5))

    def run(self):
        rounds = 0
        while self.time_left() > 0:
            faults = [self.kill, self.move_leaders, self.freeze, self.move_leaders, self.add_partitions, self.recreate]
            if self.long or rounds > 0:
                faults.append(self.two_are_gone)
            self.random.shuffle(faults)
            for fault in faults:
                node = self.random.randint(1, 3)
                if self.time_left() <= 0:
                    break
                name = fault.__name__.replace("_", " ")
                self.say(f"{name}, node {node}")
                try:
                    fault(node)
                    self.counts[name] = self.counts.get(name, 0) + 1
                except (confluent_kafka.KafkaException, RuntimeError, subprocess.TimeoutExpired) as error:
                    self.say(f"{name} failed: {error}")
                self.sleep(self.random.uniform(0.5, 2))
                if not self.kafka.wait_until_whole(60):
                    self.say("the cluster is not whole within 60 s; on")
            rounds += 1


def run(arguments, folder):
    begin = time.monotonic()

    def say(text):
        print(f"[{time.monotonic() - begin:6.1f} s] {text}", flush=True)

    kafka = Kafka(arguments.version, arguments.name)
    programs = []
    try:
        kafka.up()
        for topic, partitions in TOPICS.items():
            kafka.create(topic, partitions)
        if not kafka.wait_until_whole(60):
            raise RuntimeError("the cluster does not become whole")
        proxy = subprocess.Popen([arguments.programs / "chaos_proxy", "--seed", str(arguments.seed), *kafka.proxied],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        programs.append(proxy)
        through = ",".join("127.0.0.1:" + pair.split(":")[0] for pair in kafka.proxied)
        sender = subprocess.Popen([arguments.programs / "chaos_sender", "--bootstrap", through, "--folder", folder, "--seed",
                                   str(arguments.seed), "--rate", str(arguments.rate), *TOPICS],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        programs.append(sender)
        proxy.stdin.write("faults on\n")
        proxy.stdin.flush()
        say("sending through the proxy")
        chaos = Chaos(kafka, arguments.seed, arguments.seconds, say)
        chaos.run()
        say("healing; what is sent is answered")
        proxy.stdin.write("faults off\n")
        proxy.stdin.flush()
        if not kafka.wait_until_whole(60):
            raise RuntimeError("the cluster does not heal")
        time.sleep(1)
        out, _ = sender.communicate(timeout=200)
        if sender.returncode != 0:
            raise RuntimeError(f"chaos_sender ended with code {sender.returncode}")
        summary = json.loads(out)
        out, _ = proxy.communicate(timeout=10)
        say("proxy: " + out.strip())
        say("cluster: " + ", ".join(f"{name} {count}" for name, count in sorted(chaos.counts.items())))
        say("sender: " + json.dumps({name: value for name, value in summary.items() if name not in ("reasons", "sent")}))
        for reason, count in sorted(summary["reasons"].items(), key=lambda each: -each[1]):
            print(f"    {count:8} {reason}")
        found = audit.audit(kafka.bootstrap, TOPICS, {"reborn"}, pathlib.Path(folder) / "told", summary, say)
        return report(arguments, chaos, summary, found, say)
    finally:
        for program in programs:
            if program.poll() is None:
                program.kill()
                program.wait()
        if not arguments.keep:
            kafka.down()


def report(arguments, chaos, summary, found, say):
    counts = {"tried again": summary["tried_again"], "moved to another leader": found.moved,
              "failed not_written": audit.count_failed(summary["reasons"], "not_written"),
              "failed maybe_written": audit.count_failed(summary["reasons"], "maybe_written")}
    problems = summary["problems"] + found.problems
    for what, count in counts.items():
        if count < arguments.require:
            problems.append(f"only {count} records {what}, {arguments.require} are required")
    # A minute has not room for all of them.
    needed = {"kill", "freeze", "move leaders"} if chaos.long else set()
    problems += [f"no {each} has succeeded" for each in sorted(needed - set(chaos.counts))]
    if not chaos.counts:
        problems.append("no fault has succeeded")
    say(", ".join(f"{count} records {what}" for what, count in counts.items()))
    for problem in problems[:20]:
        print("PROBLEM " + problem)
    say(f"seed {arguments.seed}, Kafka {arguments.version}, {arguments.seconds} s: {summary['written']} records written, "
        f"{len(problems)} problems")
    return len(problems) == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--version", default="4.1.1")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--require", type=int, default=1)
    parser.add_argument("--rate", type=int, default=20000, help="records per second of the senders that have one")
    parser.add_argument("--name", default=f"chaos-{os.getpid()}", help="of the cluster")
    parser.add_argument("--keep", action="store_true", help="the cluster and the files stay")
    arguments = parser.parse_args()
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {arguments.seed}, Kafka {arguments.version}, {arguments.seconds:.0f} s", flush=True)
    folder = tempfile.mkdtemp(prefix="cokafka-chaos-")
    good = run(arguments, folder)
    if good and not arguments.keep:
        subprocess.run(["rm", "-r", folder], check=True)
    else:
        print(f"what was told and the sender's log: {folder}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
