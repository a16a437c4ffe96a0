# SPDX-License-Identifier: BSD-2-Clause
"""How long a report takes, against reading the same smaps and throwing them away."""
import contextlib
import pathlib
import re
import subprocess

import peers
from memprov import Daemon, Target
from page import Goal, Section, listing, table
from programs import hot_spots, output

# VMAs, resident MiB besides, measurements, the goal of the text
SIZES = [(200, 0, 101, 1.0), (20_000, 0, 21, 0.6), (64_000, 0, 11, 0.6), (44, 8192, 11, 0.8)]
# What is asked for, parameters, the goal; none: that of the size
KINDS = [("text", "", None), ("JSON", "&format=json", None), ("text, all=1", "&all=1", 1.25)]
OVER_TCP = ("text over TCP", "", None)  # as root, which has most processes to look through
SPARE_MIB = 2048
READY_SECONDS = 120
PROFILE_SECONDS = 2


def available_mib():
    meminfo = pathlib.Path("/proc/meminfo").read_text()
    return int(re.search(r"MemAvailable: +(\d+)", meminfo)[1]) >> 10


@contextlib.contextmanager
def target(vmas, mib):
    with Target(str(peers.BENCH / "bench_target"), vmas, mib) as process:
        assert process.line(READY_SECONDS) == "ready"
        yield process


def profile(daemon, pid):
    """Of the daemon, while it is asked for the same report again and again."""
    asking = subprocess.Popen([peers.BENCH / "bench_report", str(pid), daemon.socket, "1000"],
                              stdout=subprocess.DEVNULL)
    try:
        return hot_spots(daemon.pid, PROFILE_SECONDS)
    finally:
        asking.kill()
        asking.wait()


def run(rounds):
    rows, goals, body = [], [], []
    with Daemon() as daemon:
        for vmas, mib, times, goal_of_size in SIZES:
            what = f"{vmas:,} VMAs" + (f", {mib >> 10} GiB resident" if mib else "")
            if available_mib() < mib + SPARE_MIB:
                body.append(f"{what}: left out, because only {available_mib()} MiB are free.")
                continue
            with target(vmas, mib) as process:
                reached = True
                for kind, parameters, limit in [*KINDS, OVER_TCP]:
                    port = [daemon.port] if kind == OVER_TCP[0] else []
                    bare, report, bare_cpu, report_cpu = map(int, output(
                        [peers.BENCH / "bench_report", process.pid, daemon.socket, times, parameters, *port]).split())
                    goal = Goal(f"a report of {what}, {kind}, against reading smaps", limit or goal_of_size,
                                report / bare)
                    goals.append(goal)
                    reached &= goal.reached
                    rows.append([f"{what}: {kind}", f"{bare / 1e6:.2f}", f"{report / 1e6:.2f}", f"{goal.value:.2f}",
                                 f"{bare_cpu / 1e6:.2f}", f"{report_cpu / 1e6:.2f}", f"{report_cpu / bare_cpu:.2f}"])
                if not reached:
                    body += [f"Where the daemon's time goes, {what}, text:",
                             listing(profile(daemon, process.pid))]
    figures = table(["process", "read() of smaps, ms", "report, ms", "ratio", "the same, CPU ms", "report, CPU ms",
                     "ratio"], rows)
    return [Section("Reports", ["The whole request over the unix socket, or over TCP as root, top=20, without stacks to be unwound; both by "
                                "turns, the median; by the clock, and the CPU time of the threads that answer.", figures,
                                *body], goals)], {}
