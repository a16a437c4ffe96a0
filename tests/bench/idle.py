# SPDX-License-Identifier: BSD-2-Clause
"""What the daemon costs while nothing happens, and what a further process adds."""
import pathlib
import subprocess
import time

from memprov import MIB, Daemon, smaps
from page import Goal, Section, listing, table
from programs import cpu_ns, hot_spots

PROCESSES = [10, 200, 2000]
SETTLE_SECONDS = 12  # what is not used is given back after ten
SECONDS = 15


def children(pid):
    return [int(child) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children")
            for child in path.read_text().split()]


def events(metrics):
    return sum(value for name, value in metrics.items()
               if name.startswith("memprov_events_total"))


def measure(daemon):
    daemon.report()
    time.sleep(SETTLE_SECONDS)
    family = [daemon.pid, *children(daemon.pid)]
    happened = events(daemon.metrics())
    time.sleep(SETTLE_SECONDS)
    before, began = sum(map(cpu_ns, family)), time.monotonic()
    time.sleep(SECONDS)
    share = (sum(map(cpu_ns, family)) - before) / 1e9 / (time.monotonic() - began)
    metrics = daemon.metrics()
    vmas = smaps(daemon.pid)
    ring = sum(v.rss for v in vmas if v.name == "anon_inode:bpf-map")
    return {"cpu": share, "rss": sum(v.rss for v in vmas) - ring, "ring": ring,
            "child": sum(v.rss for child in family[1:] for v in smaps(child)),
            "maps": metrics["memprov_bpf_map_bytes"],
            "events": (events(metrics) - happened) / SECONDS}


def run(rounds):
    sleepers, rows, found, body = [], [], {}, []
    try:
        with Daemon() as daemon:
            for n in PROCESSES:
                sleepers += [subprocess.Popen(["/bin/sleep", "100000"])
                             for _ in range(n - len(sleepers))]
                f = found[n] = measure(daemon)
                rows.append([f"{n:,}", f"{f['cpu']:.2%}", f"{f['rss'] / MIB:.1f}",
                             f"{f['ring'] / MIB:.1f}", f"{f['child'] / MIB:.1f}",
                             f"{f['maps'] / MIB:.1f}", f"{f['events']:.0f}"])
            per_process = (found[2000]["rss"] - found[200]["rss"]) / 1800
            goals = [Goal("idle with 200 processes, share of a core", 0.2, found[200]["cpu"] * 100, "{:.2f} %"),
                     Goal("RSS with 200 processes, without the ring", 20, found[200]["rss"] / MIB, "{:.1f} MiB"),
                     Goal("a further small process", 16, per_process / 1024, "{:.1f} KiB")]
            if not goals[0].reached:
                body = [f"Where the daemon's time goes, {PROCESSES[-1]:,} processes:",
                        listing(hot_spots(daemon.pid, 10))]
    finally:
        for sleeper in sleepers:
            sleeper.kill()
        for sleeper in sleepers:
            sleeper.wait()
    return [Section(
        "Idle",
        [f"Processes that sleep, all started beside the daemon, and one node report before each measurement of "
         f"{SECONDS} s. The CPU is the daemon's and its child's. The ring's 8 MiB are mapped twice. Sizes in MiB.",
         table(["processes", "CPU, of a core", "RSS without ring", "ring", "child's RSS", "BPF maps",
                "events/s meanwhile"], rows),
         f"Each further process between 200 and 2,000: {per_process / 1024:.1f} KiB.", *body], goals)], {}
