# SPDX-License-Identifier: BSD-2-Clause
"""Two functions that keep small objects at random turns, on the allocators and in the runtimes that map memory for
them: which of the two touched what is resident, against what each of them keeps.

KEEPER_RUNS=10 takes so many runs of each, with random seeds, and prints their errors (-s)."""
import collections
import contextlib
import math
import os
import random
import socket
import statistics
import time

import pytest

from memprov import Daemon, MIB, Target, functions, until
from test_touch import check_touch, is_behind, undisturbed

RUNS = int(os.environ.get("KEEPER_RUNS", "1"))
PRELOADED = "/usr/lib/x86_64-linux-gnu"

# What runs, with which allocator, what it is told, and the names of its two keepers.
KEEPERS = {
    "C, glibc": ("touchers", None, "keep", ("keep_most", "keep_some")),
    "C, jemalloc": ("touchers", "libjemalloc.so.2", "keep", ("keep_most", "keep_some")),
    "C, mimalloc": ("touchers", "libmimalloc.so.2", "keep", ("keep_most", "keep_some")),
    "C, tcmalloc": ("touchers", "libtcmalloc.so.4", "keep", ("keep_most", "keep_some")),
    "std::map, glibc": ("map_keepers", None, "keep", ("keep_most", "keep_some")),
    "std::map, jemalloc": ("map_keepers", "libjemalloc.so.2", "keep", ("keep_most", "keep_some")),
    "std::map, mimalloc": ("map_keepers", "libmimalloc.so.2", "keep", ("keep_most", "keep_some")),
    "Go": ("random_keepers.go-full", None, "keep", ("main.keepMost", "main.keepSome")),
    "Go, collecting": ("random_keepers.go-full", None, "press", ("main.keepMost", "main.keepSome")),
}


def told(daemon, pid, keeper_of):
    """The object "touch", and bytes and variance of each keeper: when all stacks are unwound, or as far as they are."""
    for _ in range(20):
        touch = check_touch(daemon.report(pid, all=1))
        bytes_, variance = collections.Counter(), collections.Counter()
        for site in touch["sites"]:
            keeper = keeper_of(site)
            bytes_[keeper] += site["rss"]
            variance[keeper] += site["rss_error"] ** 2
        if touch["unsampled"] < 0.02 * touch["resident"]:
            break
        time.sleep(0.2)
    return touch, bytes_, variance


def check_share(daemon, pid, truth, keeper_of, log):
    """The share of keeper 0 among both is `truth`, to 5 points, or 4 standard errors where a busy machine has few samples."""
    touch, bytes_, variance = told(daemon, pid, keeper_of)
    both = bytes_[0] + bytes_[1]
    share, error = bytes_[0] / both, math.sqrt(variance[0]) / both
    neither = 1 - both / touch["resident"]
    log.append((share - truth, error, neither, touch["samples"]))
    assert abs(share - truth) < max(0.05, 4 * error), (share, truth, error, touch)
    assert is_behind(daemon) or neither < 0.08, (neither, touch)


def tell_errors(what, log):
    errors = [100 * error for error, _, _, _ in log]
    print(f"\n{what}: {len(log)} runs, rms {math.sqrt(statistics.fmean(e * e for e in errors)):.1f}, "
          f"worst {max(errors, key=abs):+.1f} points; its own standard error {100 * max(e for _, e, _, _ in log):.1f} "
          f"at most; neither {100 * max(n for _, _, n, _ in log):.1f} % at most; "
          f"{min(s for *_, s in log)} to {max(s for *_, s in log)} samples")


def by_name(names):
    """C++'s names have their arguments behind."""
    def keeper_of(site):
        called = (name.split("(std::")[0] for name in functions(site) if name)
        return next((names.index(name) for name in called if name in names), None)

    return keeper_of


@undisturbed
def keep(daemon, program, environment, command, names, log):
    with Target(program, env=environment) as target:
        assert target.line() == "ready"
        target.tell(f"{command} 64 {random.randrange(1 << 32)}")
        most, some = map(int, target.line().split())
        check_share(daemon, target.pid, most / (most + some), by_name(names), log)


SANITIZED = "C, glibc", "std::map, jemalloc", "Go, collecting"


@pytest.mark.parametrize("what", [pytest.param(what, marks=[] if what in SANITIZED else pytest.mark.plain)
                                  for what in KEEPERS])
def test_two_keepers(bpf, what):
    program, preloaded, command, names = KEEPERS[what]
    environment = dict(os.environ, LD_PRELOAD=f"{PRELOADED}/{preloaded}") if preloaded else None
    log = []
    for _ in range(RUNS):
        # The samples that one may take at once have not been taken for the last run.
        with Daemon() as daemon:
            keep(daemon, program, environment, command, names, log)
    tell_errors(what, log)


class Redis:
    """Commands of two kinds, one after the other, of which each copies its argument into a set or a list."""
    COMMANDS = (b"SADD", b"RPUSH")
    KEYS = 100

    def __init__(self, path):
        until(path.exists, "redis's socket")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.answers = self.socket.makefile("rb")

    def ask(self, *commands):
        """Of commands that answer with a number: all of these."""
        self.socket.sendall(b"".join(
            b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
            for words in commands))
        return [int(self.answers.readline()[1:]) for _ in commands]

    def keep(self, size, choose, random_):
        """Until so many bytes were sent."""
        while size > 0:
            batch = []
            for _ in range(1000):
                kind = choose()
                key = self.COMMANDS[kind] + b"%d" % random_.randrange(self.KEYS)
                value = random_.randbytes(random_.randrange(32, 128)).hex().encode()
                batch.append((self.COMMANDS[kind], key, value))
                size -= len(value)
            self.ask(*batch)

    def kept(self):
        """What redis says that it has of each kind."""
        return [sum(self.ask(*((b"MEMORY", b"USAGE", command + b"%d" % i, b"SAMPLES", b"0") for i in range(self.KEYS))))
                for command in self.COMMANDS]


@contextlib.contextmanager
def redis(directory):
    path = directory / f"redis-{random.randrange(1 << 32)}"
    with Target("/usr/bin/redis-server", "--port", "0", "--unixsocket", path, "--save", "") as target:
        yield target, Redis(path)


def places(site):
    """Debian's redis has no symbols."""
    return {frame["offset"] for frame in site["stack"] if (frame["module"] or "").endswith("redis-check-rdb")}


def learn_places(directory, random_):
    """Frames that only the one command has, and only the other."""
    seen = []
    for kind in (0, 1):
        with Daemon() as daemon, redis(directory) as (target, client):
            client.keep(4 * MIB, lambda kind=kind: kind, random_)
            touch, _, _ = told(daemon, target.pid, places_are_unknown)
            seen.append(set().union(*(places(site) for site in touch["sites"])))
    return seen[0] - seen[1], seen[1] - seen[0]


def places_are_unknown(_):
    return None


@undisturbed
def keep_in_redis(daemon, directory, random_, only, log):
    with redis(directory) as (target, client):
        client.keep(64 * MIB, lambda: int(random_.random() < 0.25), random_)
        kept = client.kept()
        check_share(daemon, target.pid, kept[0] / sum(kept),
                    lambda site: next((kind for kind in (0, 1) if places(site) & only[kind]), None), log)


@pytest.mark.plain
def test_two_commands_of_redis(bpf, tmp_path):
    random_ = random.Random()
    only = learn_places(tmp_path, random_)
    log = []
    for _ in range(RUNS):
        with Daemon() as daemon:
            keep_in_redis(daemon, tmp_path, random_, only, log)
    tell_errors("redis, SADD and RPUSH", log)
