# SPDX-License-Identifier: BSD-2-Clause
"""How the daemon's cost grows: with processes, mappings, events, call sites and history; and what a large node needs."""
import json
import math
import pathlib
import subprocess
import tempfile
import time

import peers
from contest import say
from idle import children, events
from memprov import MIB, Daemon, Target, smaps
from page import Section, table
from programs import cpu_ns, output

PROCESSES = [100, 300, 1000, 3000, 10000]
VMAS = [1000, 4000, 16000, 64000]
RATES = [1000, 4000, 16000, 64000, 256000]
SITES = [100, 400, 1600, 5800]
HISTORIES = [50, 500, 2000]
STORM_SECONDS = 30
SETTLE_SECONDS = 12  # what is not used is given back after ten
SECONDS = 20
NODE_PROCESSES, NODE_CPUS = 20000, 256


def family(daemon):
    return [daemon.pid, *children(daemon.pid)]


def cpu_share(daemon, seconds):
    """Of a core, of the daemon and its children."""
    before, began = sum(map(cpu_ns, family(daemon))), time.monotonic()
    time.sleep(seconds)
    return (sum(map(cpu_ns, family(daemon))) - before) / 1e9 / (time.monotonic() - began)


def rss(daemon):
    """Bytes, without the ring."""
    return sum(v.rss for v in smaps(daemon.pid) if v.name != "anon_inode:bpf-map")


def timed(function, *args, **parameters):
    began = time.monotonic()
    function(*args, **parameters)
    return time.monotonic() - began


def exponent(points, base=0):
    """Of value = base + c x^e, by least squares of the logarithms; None where nothing lies above the base."""
    logs = [(math.log(x), math.log(value - base)) for x, value in points if value > base]
    if len(logs) < 2:
        return None
    mean_x, mean_y = (sum(values) / len(logs) for values in zip(*logs))
    return (sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum((x - mean_x) ** 2 for x, _ in logs))


def show(value, form="{:.2f}"):
    return "-" if value is None else form.format(value)


class Curve:
    """One figure over one quantity."""

    def __init__(self, what, over, form, bound, base=0.0):
        self.what, self.over, self.form, self.bound, self.base = what, over, form, bound, base
        self.points = []

    def add(self, x, value):
        self.points.append((x, value))

    def row(self):
        values = ", ".join(f"{x:,}: {self.form.format(value)}" for x, value in self.points)
        return [self.what, self.over, self.form.format(self.base) if self.base else "", values,
                show(exponent(self.points, self.base)), self.bound]

    def each(self):
        """What one more adds, between the last two points."""
        (x, value), (more_x, more) = self.points[-2:]
        return (more - value) / (more_x - x)


def over_processes():
    sleepers = []
    try:
        with Daemon() as daemon:
            daemon.report()
            time.sleep(SETTLE_SECONDS)
            memory = Curve("RSS, MiB", "processes", "{:.1f}", "`--memory-limit`", rss(daemon) / MIB)
            cpu = Curve("CPU at rest, % of a core", "processes", "{:.2f}", "the sampler's 1/128 of a core, `--cpu-limit`")
            lists = Curve("a list of all, s", "processes", "{:.2f}", "4 at a time")
            for n in PROCESSES:
                say(f"  {n:,} processes")
                sleepers += [subprocess.Popen(["/bin/sleep", "100000"]) for _ in range(n - len(sleepers))]
                lists.add(n, timed(daemon.get, "/debug/memory/processes"))
                daemon.report()
                time.sleep(2 * SETTLE_SECONDS)
                happened = events(daemon.metrics())
                cpu.add(n, 100 * cpu_share(daemon, SECONDS))
                say(f"    {(events(daemon.metrics()) - happened) / SECONDS:.0f} events a second meanwhile")
                memory.add(n, rss(daemon) / MIB)
    finally:
        for sleeper in sleepers:
            sleeper.kill()
        for sleeper in sleepers:
            sleeper.wait()
    return [memory, cpu, lists]


def over_vmas():
    memory = Curve("RSS, MiB more", "VMAs of a process", "{:.2f}", "`--memory-limit`: the largest become unknown first")
    report = Curve("a report, CPU ms", "VMAs of a process", "{:.2f}", "4 at a time")
    for n in VMAS:
        say(f"  {n:,} VMAs")
        with Daemon() as daemon:
            daemon.report(daemon.pid)
            before = rss(daemon)
            with Target(str(peers.BENCH / "bench_target"), n, 0) as process:
                assert process.line(60) == "ready"
                report.add(n, int(output([peers.BENCH / "bench_report", process.pid, daemon.socket, 11, ""])
                                  .split()[3]) / 1e6)
                time.sleep(SETTLE_SECONDS)
                memory.add(n, (rss(daemon) - before) / MIB)
    return [memory, report]


def over_events():
    cpu = Curve("CPU, % of a core", "events a second", "{:.2f}", "`--cpu-limit`, after a burst")
    with Daemon() as daemon:
        base = 100 * cpu_share(daemon, SECONDS)
        for rate in RATES:
            say(f"  {rate:,} events a second")
            storm = subprocess.Popen([peers.BENCH / "bench_storm", "pairs", "1", str(rate), str(STORM_SECONDS)],
                                     stdout=subprocess.DEVNULL)
            time.sleep(STORM_SECONDS - SECONDS - 1)
            cpu.add(rate, 100 * cpu_share(daemon, SECONDS))
            storm.wait()
    cpu.base = base
    return [cpu]


def over_sites():
    memory = Curve("memory of call sites, KiB", "call sites", "{:.0f}", "a share of `--memory-limit`, by tenant")
    cpu = Curve("CPU until they are named, s", "call sites", "{:.2f}", "200 a second that no request waits for, `--cpu-limit`")
    for n in SITES:
        say(f"  {n:,} call sites")
        with Daemon() as daemon:
            before, used = daemon.metrics(), sum(map(cpu_ns, family(daemon)))
            with Target("callsites", n) as process:
                assert process.line(60) == "ready"
                daemon.report(process.pid)
                cpu.add(n, (sum(map(cpu_ns, family(daemon))) - used) / 1e9)
                memory.add(n, (daemon.metrics()["memprov_callsites_bytes"] - before["memprov_callsites_bytes"]) / 1024)
    return [memory, cpu]


def over_history():
    size = Curve("a week, MB", "processes", "{:.0f}", "`--history-size`")
    query = Curve("a query of it, ms", "processes", "{:.0f}", "2 at a time")
    for n in HISTORIES:
        say(f"  a week of {n:,} processes")
        with tempfile.TemporaryDirectory() as directory:
            shown = output([peers.BENCH / "bench_history", pathlib.Path(directory) / "history", n]).splitlines()
        size.add(n, int(shown[0].split(": ")[1].split()[0]))
        query.add(n, float(shown[1].rsplit(": ", 1)[1].split()[0]))
    return [size, query]


def bytes_of_a_cpu():
    """Of the maps that have a place for each CPU."""
    with Daemon():
        maps = json.loads(subprocess.run(["/usr/sbin/bpftool", "-j", "map", "show"], capture_output=True, check=True).stdout)
    return sum(row["bytes_value"] for row in maps if row.get("name") == "scratches")


def large_node(curves):
    """What it would need, by what one more process adds."""
    found = {(curve.what, curve.over): curve for curve in curves}
    memory = found["RSS, MiB", "processes"]
    cpu = found["CPU at rest, % of a core", "processes"]
    needs = [memory.base + memory.each() * NODE_PROCESSES, cpu.points[-1][1] + cpu.each() * (
        NODE_PROCESSES - cpu.points[-1][0])]
    a_cpu = bytes_of_a_cpu()
    return (f"A node of {NODE_CPUS} cores and {NODE_PROCESSES:,} processes, by what a further process adds between the last two "
            f"points: {needs[0]:.0f} MiB of RSS without the ring, and {needs[1]:.1f} % of a core at rest. The ring is one for "
            f"all CPUs; to put records together each CPU has {a_cpu / 1024:.0f} KiB, which makes "
            f"{a_cpu * NODE_CPUS / MIB:.0f} MiB of kernel memory.")


def run(rounds):
    curves = over_processes() + over_vmas() + over_events() + over_sites() + over_history()
    return [Section("Growth of cost", [
        "Each figure over one quantity, and e of *figure = base + c · quantity^e*, by least squares: 1 is linear. The daemon "
        f"and its children, {SECONDS} s each; of what happens once, one measurement.",
        table(["figure", "over", "without any", "measured", "e", "bound"], [curve.row() for curve in curves]),
        large_node(curves)])], {}
