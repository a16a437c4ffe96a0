# SPDX-License-Identifier: BSD-2-Clause
"""What the daemon costs while nothing happens, and what a further process adds."""
import pathlib
import statistics
import subprocess
import time

from memprov import MIB, Daemon, smaps
from page import Goal, Section, listing, table
from programs import cpu_ns, hot_spots

PROCESSES = [10, 200, 500, 2000]
LISTED = 550
SETTLE_SECONDS = 12  # what is not used is given back after ten
SECONDS = 15


def children(pid):
    return [int(child) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children")
            for child in path.read_text().split()]


def family_of(pid):
    return [pid, *(member for child in children(pid) for member in family_of(child))]


def events(metrics):
    return sum(value for name, value in metrics.items()
               if name.startswith("memprov_events_total"))


def share(family, seconds):
    """Of a core, from now on."""
    before, began = sum(map(cpu_ns, family)), time.monotonic()
    time.sleep(seconds)
    return (sum(map(cpu_ns, family)) - before) / 1e9 / (time.monotonic() - began)


def measure(daemon):
    """What has just begun is new to the daemon."""
    family = family_of(daemon.pid)
    new = share(family, SECONDS)
    daemon.report()
    time.sleep(SETTLE_SECONDS)
    happened = events(daemon.metrics())
    time.sleep(SETTLE_SECONDS)
    cpu = share(family, SECONDS)
    metrics = daemon.metrics()
    vmas = smaps(daemon.pid)
    ring = sum(v.rss for v in vmas if v.name == "anon_inode:bpf-map")
    return {"new": new, "cpu": cpu, "rss": sum(v.rss for v in vmas) - ring, "ring": ring,
            "child": sum(v.rss for child in family[1:] for v in smaps(child)),
            "maps": metrics["memprov_bpf_map_bytes"],
            "events": (events(metrics) - happened) / SECONDS}


def sleep_too(sleepers, n):
    sleepers += [subprocess.Popen(["/bin/sleep", "100000"]) for _ in range(n - len(sleepers))]


def end(sleepers):
    for sleeper in sleepers:
        sleeper.kill()
    for sleeper in sleepers:
        sleeper.wait()


def first_list():
    """Seconds, of as many processes as begin at once."""
    sleepers = []
    with Daemon() as daemon:
        daemon.report()
        try:
            sleep_too(sleepers, LISTED)
            began = time.monotonic()
            daemon.report()
            return time.monotonic() - began
        finally:
            end(sleepers)


def run(rounds):
    sleepers, rows, found, body = [], [], {}, []
    lists = [first_list() for _ in range(rounds)]
    try:
        with Daemon() as daemon:
            for n in PROCESSES:
                sleep_too(sleepers, n)
                f = found[n] = measure(daemon)
                rows.append([f"{n:,}", f"{f['new']:.2%}", f"{f['cpu']:.2%}", f"{f['rss'] / MIB:.1f}",
                             f"{f['ring'] / MIB:.1f}", f"{f['child'] / MIB:.1f}",
                             f"{f['maps'] / MIB:.1f}", f"{f['events']:.0f}"])
            per_process = (found[2000]["rss"] - found[200]["rss"]) / 1800
            goals = [Goal("idle with 200 processes, share of a core", 0.10, found[200]["cpu"] * 100, "{:.2f} %"),
                     Goal("idle with 500 processes, with history and growth", 0.3, found[500]["cpu"] * 100, "{:.2f} %"),
                     Goal("idle with 2,000 processes", 0.5, found[2000]["cpu"] * 100, "{:.2f} %"),
                     Goal("15 s after 1,500 have begun", 2, found[2000]["new"] * 100, "{:.2f} %"),
                     Goal("RSS with 200 processes, without the ring", 20, found[200]["rss"] / MIB, "{:.1f} MiB"),
                     Goal("RSS with 500 processes, beyond that with 10", 16, (found[500]["rss"] - found[10]["rss"]) / MIB, "{:.1f} MiB"),
                     Goal("a further small process", 6, per_process / 1024, "{:.1f} KiB"),
                     Goal(f"the first list of {LISTED} processes that begin at once", 1, statistics.median(lists), "{:.2f} s")]
            if not all(goal.reached for goal in goals[:4]):
                body = [f"Where the daemon's time goes, {PROCESSES[-1]:,} processes:",
                        listing(hot_spots(daemon.pid, 10))]
    finally:
        end(sleepers)
    return [Section(
        "Idle",
        [f"Processes that sleep, all started beside the daemon; its CPU in the {SECONDS} s after the last of them began, and in as many "
         "after a node report, with its children's. History (in memory) and growth are on, as they are by default. The ring's 8 MiB are "
         "mapped twice. Sizes in MiB.",
         table(["processes", "CPU at first, of a core", "CPU, of a core", "RSS without ring", "ring", "children's RSS", "BPF maps",
                "events/s meanwhile"], rows),
         f"Each further process between 200 and 2,000: {per_process / 1024:.1f} KiB. The first list of {LISTED} that begin at once: "
         + ", ".join(f"{seconds:.2f}" for seconds in lists) + " s.", *body], goals)], {}
