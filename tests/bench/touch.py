# SPDX-License-Identifier: BSD-2-Clause
"""What it costs to sample first touches: a fault, real programs, the daemon's CPU and memory."""
import contextlib
import functools
import os
import resource
import statistics
import subprocess
import time

import peers
import real
from contest import contest, say
from idle import children
from memprov import MIB, Daemon, smaps
from page import Goal, Section, table
from programs import BpfTime, cpu_ns, output

OFF = peers.Memprov("memprov --touch off", "--touch", "off")
RECORD = peers.Tracer("perf record -e page-faults -c 1 -g", "linux-perf",
                      ["perf", "record", "-g", "-a", "-e", "page-faults", "-c", "1", "-o", "@DIR@/out", "-D", "-1",
                       "--control", "fifo:@DIR@/control,@DIR@/ack"], peers.acknowledges, ("control", "ack"))
FAULTS = peers.BENCH / "bench_faults"
FAULT_MEGABYTES, FAULT_TIMES = 256, 12
TURNS = 3  # of each round: one fault is measured quickly
SETTLE_SECONDS, SECONDS = 12, 15
LARGE_MEGABYTES = 10240
RESERVE_MEGABYTES = 2048  # that stay free
SETS = 200_000


def waited_for():
    """CPU seconds of children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_of(workload):
    """CPU microseconds for each thing that a program of WORKLOADS does."""
    def measure(wrap):
        before = waited_for()
        work = workload(wrap)
        return {"cpu": 1e6 * (waited_for() - before) / work}

    return measure


def build(wrap):
    real.build(wrap)
    return real.SOURCES


def go(wrap):
    rate, _ = real.go(wrap)
    return rate * real.MILLISECONDS / 1000


def small_sets(wrap):
    """Of the server, which is alone in what it does."""
    with real.redis(wrap) as (socket, server):
        before = cpu_ns(server)
        real.redis_benchmark(socket, "-t", "set", "-n", str(SETS), "-c", "20", "-r", "100000", "-d", "64")
        return {"cpu": (cpu_ns(server) - before) / 1e3 / SETS}


PROGRAMS = {f"gcc, {real.SOURCES} files": cpu_of(build), "redis, SET of 64 bytes": small_sets, "Go, slices": cpu_of(go)}


def fault(wrap):
    fastest, middle = map(float, output(wrap([FAULTS, FAULT_MEGABYTES, FAULT_TIMES])).split())
    return {"fastest": fastest, "middle": middle}


def more(with_it, without):
    return with_it / without - 1


def compare_faults(rounds):
    """The CPU time of a fault, beside the others in the same round."""
    results = contest([peers.NONE, OFF, peers.MEMPROV, RECORD], rounds * TURNS, fault)
    rows = []
    for peer in results.peers():
        ratios = [f"{results.against(peer, base.name, 'fastest', more):+.1%}" if base.name != peer else ""
                  for base in (peers.NONE, OFF)]
        rows.append([peer, f"{min(results.values[peer]['fastest']):,.0f}", f"{results.median(peer, 'fastest'):,.0f}",
                     f"{results.median(peer, 'middle'):,.0f}", f"{results.spread(peer, 'fastest'):.0%}",
                     *ratios])
    goal = results.against("memprov", "none", "fastest", more)
    text = (f"CPU ns of a fault of 4 KiB, of {FAULT_MEGABYTES} MiB that are mapped, touched and unmapped {FAULT_TIMES} "
            f"times; {rounds * TURNS} rounds by turns. The last two columns are medians of ratios within a round.")
    head = ["", "fastest", "fastest, median", "middle, median", "spread", "more than none", "more than --touch off"]
    return [text, table(head, rows)], [Goal("a program that only faults, more than without a daemon", 3, 100 * goal,
                                            "{:.1f} %")], results.refused


def compare_programs(rounds):
    rows, goals = [], []
    for name, measure in PROGRAMS.items():
        say(f"  {name}")
        results = contest([peers.NONE, OFF, peers.MEMPROV], rounds, measure)
        added = {base: 100 * results.against("memprov", base, "cpu", more) for base in ("none", OFF.name)}
        rows.append([name, *(f"{results.median(peer, 'cpu'):,.2f} ({results.spread(peer, 'cpu'):.0%})"
                             for peer in results.peers()), *(f"{percent:+.1f} %" for percent in added.values())])
        goals.append(Goal(f"{name}: CPU for the sampling", 1, added[OFF.name], "{:.1f} %"))
    return [f"CPU µs of a program for each file, request or slice; medians of {rounds} rounds, and how far these lie "
            "apart. The last column is what sampling takes of it.",
            table(["", "none", OFF.name, "memprov", "more than none", "more than --touch off"], rows)], goals


@contextlib.contextmanager
def storms(n):
    """One on each CPU."""
    running = [subprocess.Popen([FAULTS, "64", "storm"], stdin=subprocess.PIPE) for _ in range(n)]
    try:
        yield
    finally:
        for storm in running:
            storm.stdin.close()
            storm.wait()


def family_cpu(daemon):
    return sum(map(cpu_ns, [daemon.pid, *children(daemon.pid)]))


def measure_daemon(n, wrap_daemon):
    """Its CPU, of a core, beside so many storms; what samples it has taken a second."""
    def taken():
        return daemon.metrics()['memprov_touch_samples_total{result="taken"}']

    with Daemon(*wrap_daemon) as daemon, storms(n):
        time.sleep(SETTLE_SECONDS)
        samples, before, began = taken(), family_cpu(daemon), time.monotonic()
        time.sleep(SECONDS)
        cpu, took = family_cpu(daemon) - before, time.monotonic() - began
        return {"cpu": cpu / 1e9 / took, "samples": (taken() - samples) / took}


def compare_daemons(rounds):
    rows, goals = [], []
    for n, what in ((0, "nothing of ours runs"), (os.cpu_count(), "a storm of faults on each CPU")):
        found = {"off": [], "auto": []}
        for number in range(rounds):
            for touch in found:
                say(f"  round {number + 1} of {rounds}: --touch {touch}, {what}")
                found[touch].append(measure_daemon(n, ["--touch", touch]))
        cpu = {touch: [100 * f["cpu"] for f in found[touch]] for touch in found}
        added = statistics.median(auto - off for auto, off in zip(cpu["auto"], cpu["off"]))
        rows.append([what, *(f"{statistics.median(cpu[touch]):.2f} ({min(cpu[touch]):.2f} to {max(cpu[touch]):.2f})"
                             for touch in found), f"{added:+.2f}",
                     f"{statistics.median(f['samples'] for f in found['auto']):,.0f}"])
        goals.append(Goal(f"the daemon's CPU for the sampling, {what}", 1 if n else 0.1, added, "{:.2f} % of a core"))
    return ["CPU of the daemon and its children, percent of a core, after the samples that may come at once: median (least "
            "to most).",
            table(["", "--touch off", "--touch auto", "more", "samples a second"], rows)], goals


def rss_without_ring(daemon):
    return sum(v.rss for v in smaps(daemon.pid) if v.name != "anon_inode:bpf-map")


def growth(megabytes, touch):
    """What the daemon grows by for a process with so much memory, and the samples that it keeps of it."""
    with Daemon("--touch", touch) as daemon:
        daemon.report(daemon.pid)
        before = rss_without_ring(daemon)
        with subprocess.Popen([FAULTS, str(megabytes), "hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as large:
            large.stdout.readline()
            samples = daemon.report(large.pid)["touch"]["samples"]
            grown = rss_without_ring(daemon) - before
            large.stdin.close()
    return grown / MIB, samples


def measure_large(rounds):
    with open("/proc/meminfo", encoding="ascii") as file:
        free = next(int(line.split()[1]) >> 10 for line in file if line.startswith("MemAvailable"))
    megabytes = min(LARGE_MEGABYTES, free - RESERVE_MEGABYTES)
    found = [(growth(megabytes, "off"), growth(megabytes, "auto")) for _ in range(rounds)]
    off, auto = (statistics.median(pair[i][0] for pair in found) for i in (0, 1))
    samples = statistics.median(pair[1][1] for pair in found)
    what = f"{megabytes / 1024:.1f} GiB"
    return ([f"Beside a process that touches {what} of pages of 4 KiB, the daemon grows by {auto:.1f} MiB, its report and "
             f"all else that runs meanwhile included, and by {off:.1f} MiB with --touch off; {samples:,.0f} samples are kept."],
            [Goal(f"the daemon's RSS for samples of {what}", 8, auto - off, "{:.1f} MiB")])


def measure_program():
    """The BPF program itself."""
    with Daemon(), BpfTime() as times:
        output([FAULTS, FAULT_MEGABYTES, FAULT_TIMES])
        runs, ns = times.programs()["page_fault"]
    return [f"The BPF program: {runs:,} runs for {FAULT_MEGABYTES * FAULT_TIMES * MIB // 4096:,} faults and what else "
            f"faulted, {ns:,.0f} ns each, the first samples with their stacks included."]


def run(rounds):
    faults, goals, refused = compare_faults(rounds)
    body = [*faults, *measure_program()]
    for part in (functools.partial(compare_programs, rounds), functools.partial(compare_daemons, rounds),
                 functools.partial(measure_large, rounds)):
        part_body, part_goals = part()
        body += part_body
        goals += part_goals
    return [Section("First touches", body, goals)], refused
