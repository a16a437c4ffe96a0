# SPDX-License-Identifier: BSD-2-Clause
"""How many events a second it takes before it loses the first, and how many it loses beyond."""
import re
import time

import peers
from memprov import Daemon
from page import Goal, Section, table
from programs import cpu_ns, output

SECONDS = 2
# kind, threads, events a second in all; 0: as fast as they can
STORMS = [("pairs", 1, 50_000), ("pairs", 1, 100_000), ("pairs", 1, 200_000), ("pairs", 1, 0),
          ("pairs", 2, 0), ("refused", 1, 0), ("refused", 2, 0)]
CALLS = {"pairs": "mmap and munmap of 64 KiB", "refused": "munmap of what it refuses"}


def counters(daemon):
    metrics = daemon.metrics()
    return (sum(value for name, value in metrics.items()
                if re.match(r'memprov_events_total{type="(mmap|munmap)"}', name)),
            sum(value for name, value in metrics.items()
                if name.startswith("memprov_events_lost_total")))


def storm(kind, threads, rate):
    with Daemon() as daemon:
        received_before, lost_before = counters(daemon)
        cpu = cpu_ns(daemon.pid)
        shown = output([peers.BENCH / "bench_storm", kind, threads, rate, SECONDS])
        asked = time.monotonic()
        daemon.report(daemon.pid)
        answered = time.monotonic()
        cpu = cpu_ns(daemon.pid) - cpu
        received, lost = counters(daemon)
    produced, took_ns = map(int, shown.split())
    received -= received_before
    lost -= lost_before
    speed = f"{rate:,} a second" if rate else "full speed"
    row = [f"{CALLS[kind]}, {threads} thread{'s' * (threads > 1)}, {speed}",
           f"{produced * 1e9 / took_ns:,.0f}", f"{produced:,}", f"{received:,.0f}", f"{lost:,.0f}",
           f"{lost / (received + lost):.1%}", f"{cpu / received:,.0f}",
           f"{(answered - asked) * 1000:.0f}"]
    return row, lost


def run(rounds):
    rows, lost = [], {}
    for kind, threads, rate in STORMS:
        row, lost[kind, threads, rate] = storm(kind, threads, rate)
        rows.append(row)
    return [Section(
        "Storms of events",
        [f"{SECONDS} s each, default ring (8 MiB) and stacks, one daemon for each. Produced is what the storm counted; "
         "received and lost are of the whole node, so together they are a little more. CPU is the daemon's, for each "
         "event that it received, the report at the end included; that report comes after all events, and ms is how "
         "long it took.",
         table(["storm", "events/s", "produced", "received", "lost", "share", "CPU ns", "ms"], rows)],
        [Goal("events lost at the highest rate of one core (mmap and munmap)", 0, lost["pairs", 1, 0],
              "{:,.0f}")])], {}
