# SPDX-License-Identifier: BSD-2-Clause
"""What real programs lose: Redis with small and with large values, Java, Go, and a build."""
import contextlib
import csv
import functools
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import peers
from contest import DoesNotRun, contest, say
from memprov import until
from page import Goal, Section, ratio, table
from programs import output

PEERS = [peers.NONE, peers.EMPTY, peers.MEMPROV, peers.TRACE_BPF, peers.RECORD, peers.TRACE,
         peers.STRACE, peers.MEMLEAK]
MILLISECONDS = 2000
SOURCES = 100
SETTLE_SECONDS = 2
# Freed memory goes back at once, so that each large value is mapped and unmapped.
GIVES_BACK = {"MALLOC_CONF": "retain:false,dirty_decay_ms:0,muzzy_decay_ms:0"}


@contextlib.contextmanager
def redis(wrap):
    """A server; gives its socket and its process id."""
    with tempfile.TemporaryDirectory() as directory:
        config, socket = pathlib.Path(directory, "conf"), os.path.join(directory, "socket")
        config.write_text(f'port 0\nunixsocket {socket}\nsave ""\ndir {directory}\n'
                          f'logfile {directory}/redis.log\n')
        log = pathlib.Path(directory, "log")
        with open(log, "wb") as out:
            server = subprocess.Popen(wrap(["redis-server", config]), stdin=subprocess.DEVNULL,
                                      stdout=out, stderr=out, start_new_session=True,
                                      env={**os.environ, **GIVES_BACK})
        try:
            until(lambda: os.path.exists(socket) or server.poll() is not None, "redis")
            time.sleep(SETTLE_SECONDS)
            yield socket, server.pid
            if server.poll() is not None:  # its tracer; what it started may live on
                raise DoesNotRun(peers.complaint(log.read_text(errors="replace")))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def redis_benchmark(socket, *options):
    """Requests a second, and the 99th percentile in microseconds."""
    shown = output(["redis-benchmark", "-s", socket, "--csv", *options])
    row = list(csv.DictReader(shown.splitlines()))[-1]
    return float(row["rps"]), float(row["p99_latency_ms"]) * 1000


def small_gets(wrap):
    with redis(wrap) as (socket, _):
        output(["redis-cli", "-s", socket, "set", "key:__rand_int__", "x" * 64])
        return redis_benchmark(socket, "-t", "get", "-n", "200000", "-c", "20")


def large_sets(wrap):
    with redis(wrap) as (socket, _):
        return redis_benchmark(socket, "-t", "set", "-n", "1000", "-c", "4", "-r", "50",
                               "-d", str(1 << 20))


def allocations(argv):
    rate, p99 = output(argv).split()[-2:]
    return float(rate), float(p99) / 1000


def java(wrap):
    return allocations(wrap(["java", "-cp", peers.BENCH, "Allocate", MILLISECONDS]))


def go(wrap):
    return allocations(wrap([peers.BENCH / "allocate", MILLISECONDS]))


def build(wrap):
    """Files a second."""
    with tempfile.TemporaryDirectory() as directory:
        names = [f"f{i}" for i in range(SOURCES)]
        for name in names:
            pathlib.Path(directory, f"{name}.c").write_text(
                f"#include <stdio.h>\nint {name}(void) {{ return puts(\"{name}\"); }}\n")
        pathlib.Path(directory, "Makefile").write_text(
            f"all: {' '.join(name + '.o' for name in names)}\n%.o: %.c\n\tgcc -c -o $@ $<\n")
        began = time.monotonic()
        output(wrap(["make", "-s", "-j2", "-C", directory]))
        return SOURCES / (time.monotonic() - began), None


WORKLOADS = {
    "redis, GET of 64 bytes": small_gets,
    "redis, SET of 1 MiB": large_sets,
    "Java, arrays": java,
    "Go, slices": go,
    f"gcc, {SOURCES} files": build,
}


def measure(workload, wrap):
    rate, p99 = workload(wrap)
    return {"rate": rate} if p99 is None else {"rate": rate, "p99": p99}


def compare(rounds):
    """The results by workload, and the peers that do not run. One workload after the other, so that compared peers are
    seconds apart: the machine's speed changes by the minute."""
    results, refused = {}, {}
    for name, workload in WORKLOADS.items():
        say(f"  {name}")
        results[name] = contest([peer for peer in PEERS if peer.name not in refused], rounds,
                                functools.partial(measure, workload))
        refused |= results[name].refused
    return results, refused


def run(rounds):
    results, refused = compare(rounds)

    def loss(peer, name):
        return results[name].against(peer, "none", "rate",
                                     lambda with_it, without: 1 - with_it / without)

    def p99(peer, name):
        if "p99" not in results[name].values[peer]:
            return ""
        return f"{results[name].median(peer, 'p99'):,.0f}"

    body = ["Operations a second, what that loses against none in the same round, and the 99th percentile in "
            f"microseconds; medians of {rounds} rounds, and how far they lie apart. Redis has been there for "
            f"{SETTLE_SECONDS} s: what a tracer does when programs start is in the last table."]
    for name in WORKLOADS:
        body.append(table([name, "a second", "spread", "loss", "p99, µs"],
                          [[p, f"{results[name].median(p, 'rate'):,.0f}",
                            f"{results[name].spread(p, 'rate'):.0%}",
                            "" if p == "none" else f"{loss(p, name):.1%}", p99(p, name)]
                           for p in results[name].peers()]))
    goals = []
    for name in list(WORKLOADS)[:2]:
        for other, limit in ((peers.EMPTY, 1.15), (peers.TRACE_BPF, 1.0)):
            if other.name not in refused:
                goals.append(Goal(f"{name}: loss against that of {other.name}", limit,
                                  ratio(loss(peers.MEMPROV.name, name), loss(other.name, name))))
    return [Section("Real programs", body, goals)], refused
