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

# VMAs, resident MiB besides, measurements
SIZES = [(200, 0, 101), (20_000, 0, 21), (64_000, 0, 11), (200, 8192, 11)]
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
        for vmas, mib, times in SIZES:
            what = f"{vmas:,} VMAs" + (f", {mib >> 10} GiB resident" if mib else "")
            if available_mib() < mib + SPARE_MIB:
                body.append(f"{what}: left out, because only {available_mib()} MiB are free.")
                continue
            with target(vmas, mib) as process:
                bare, report = map(int, output([peers.BENCH / "bench_report", process.pid,
                                                daemon.socket, times]).split())
                goal = Goal(f"a report of {what}, against reading smaps", 1.25, report / bare)
                goals.append(goal)
                rows.append([what, f"{bare / 1e6:.2f}", f"{report / 1e6:.2f}", f"{goal.value:.2f}"])
                if not goal.reached:
                    body += [f"Where the daemon's time goes, {what}:",
                             listing(profile(daemon, process.pid))]
    figures = table(["process", "read() of smaps, ms", "report, ms", "ratio"], rows)
    return [Section("Reports", ["The whole request over the unix socket, text, without stacks to be unwound; both by "
                                "turns, the median.", figures, *body], goals)], {}
