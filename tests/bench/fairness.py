# SPDX-License-Identifier: BSD-2-Clause
"""What one tenant still gets beside another one's storm: events, call sites, touches, the time of its reports."""
import contextlib
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

import peers
from contest import say
from memprov import MIB, ROOT, WORKLOADS, Agent, Daemon, Target, children, region_at, smaps
from page import Goal, Section, table
from programs import cpu_ns

QUIET, STORMING = 1601, 1602  # users
STORMS = 8
SETTLE_SECONDS = 3
MAPS, SIZE = 64, 64 << 10
EVERY_SECONDS = 0.02  # the quiet one maps
REPORTS = 20
KNOWN_SECONDS = 20  # its stacks are waited for

ELF_FILES = """
for number in $(seq 1000000); do
    cp "$0" "$1/$$-$number" && echo "$number" >> "$1/$$-$number" && "$1/$$-$number" < /dev/null > /dev/null
    rm -f "$1/$$-$number"
done
"""


def as_user(user):
    return {"user": user, "group": user, "extra_groups": [], "cwd": "/"}


def storm(stack, *argv, times=STORMS, **popen):
    for _ in range(times):
        stack.enter_context(Target(*argv, **as_user(STORMING), **popen))


def forks(stack, _):
    storm(stack, "spawn_storm", 250, 1000, times=STORMS // 2)
    storm(stack, "forks", 200, times=STORMS // 2)


def elf_files(stack, _):
    """Each is another file, whose tables have to be read."""
    directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
    program = shutil.copy(pathlib.Path(WORKLOADS) / "agent", directory)
    for path, user in ((directory, STORMING), (program, STORMING)):
        os.chown(path, user, user)
    storm(stack, shutil.which("sh"), "-c", ELF_FILES, program, directory)


def requests(stack, daemon):
    """A hundred connections; the program is handed over, because that user may not enter the tree."""
    program = (ROOT / "tests" / "system" / "greedy_client.py").read_text()
    storm(stack, sys.executable, "-c", program, daemon.port, 100, "/debug/memory", "/debug/memory?format=json&all=1",
          "/debug/memory/callsites", times=1)


KINDS = {
    "nothing": lambda stack, _: None,
    "mmap and munmap": lambda stack, _: storm(stack, "churn", 1),
    "names": lambda stack, _: storm(stack, "name_flood", 0),
    "fork, exec": forks,
    "page faults": lambda stack, _: storm(stack, str(peers.BENCH / "bench_faults"), 64, "storm"),
    "new ELF files": elf_files,
    "requests, 100 connections": requests,
}


def timed(function):
    began = time.monotonic()
    result = function()
    return result, time.monotonic() - began


def keep(quiet):
    kept = []
    for _ in range(MAPS):
        kept.append(quiet.map(SIZE))
        quiet.call("fill", kept[-1], SIZE, 1)
        time.sleep(EVERY_SECONDS)
    return kept


def known(report, kept):
    """Of how many regions the call site is known to its end."""
    sites = {site["id"]: site for site in report["callsites"]}
    found = (sites.get(region_at(report, at)["callsite"]) for at in kept)
    return sum(bool(site) and not site["truncated"] and "main" in [f["function"] for f in site["stack"]] for site in found)


def family_cpu(daemon):
    family = [daemon.pid, *children(daemon.pid)]
    return sum(map(cpu_ns, [*family, *(child for pid in family[1:] for child in children(pid))]))


def measure(kind):
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(Daemon())
        KINDS[kind](stack, daemon)
        time.sleep(SETTLE_SECONDS)
        quiet = stack.enter_context(Agent(**as_user(QUIET)))
        before, began = family_cpu(daemon), time.monotonic()
        kept = keep(quiet)
        end = time.monotonic() + KNOWN_SECONDS
        while known(report := daemon.report(quiet.pid, all=1), kept) < MAPS and time.monotonic() < end:
            time.sleep(0.1)
        waited = time.monotonic() - end + KNOWN_SECONDS
        times, bare = [], []
        for _ in range(REPORTS):
            times.append(timed(lambda: daemon.report(quiet.pid))[1])
            bare.append(timed(lambda: smaps(quiet.pid))[1])
        cpu = (family_cpu(daemon) - before) / 1e9 / (time.monotonic() - began)
        return {"lost": report["tracing"]["lost_events"], "unknown": report["coverage"]["unknown"],
                "sites": known(report, kept), "waited": waited, "samples": report["touch"]["samples"],
                "sampled": report["touch"]["sampled"] / max(1, report["touch"]["resident"]),
                "median": statistics.median(times), "worst": max(times), "bare": statistics.median(bare), "cpu": cpu}


def run(rounds):
    rows, goals, found = [], [], {kind: [] for kind in KINDS}
    for number in range(rounds):
        for kind in KINDS:
            say(f"  round {number + 1} of {rounds}: beside {kind}")
            found[kind].append(measure(kind))

    def median(kind, what):
        return statistics.median(measured[what] for measured in found[kind])

    for kind, measured in found.items():
        lost, sites = max(m["lost"] for m in measured), min(m["sites"] for m in measured)
        unknown = max(m["unknown"] for m in measured)
        rows.append([kind, f"{lost:,}", f"{unknown:,} B", f"{sites} of {MAPS}", f"{median(kind, 'waited'):.1f}",
                     f"{median(kind, 'samples'):.0f}", f"{median(kind, 'sampled'):.0%}",
                     f"{1000 * median(kind, 'median'):.1f}", f"{1000 * max(m['worst'] for m in measured):.0f}",
                     f"{1000 * median(kind, 'bare'):.1f}", f"{median(kind, 'cpu'):.0%}"])
        if kind != "nothing":
            goals += [Goal(f"events of a quiet tenant lost beside {kind}", 0, lost, "{:,.0f}"),
                      Goal(f"call sites of a quiet tenant missing beside {kind}", 0, MAPS - sites, "{:.0f}")]
    return [Section("Tenants", [
        f"One user's storm, of {STORMS} processes where it is not requests, on {os.cpu_count()} CPUs; meanwhile another user's "
        f"process maps and touches {MAPS} times {SIZE >> 10} KiB, {MAPS * SIZE / MIB:.0f} MiB in all. Of the {rounds} rounds the "
        "worst for what is lost, unknown or missing, and for the slowest report; else the median. Seconds until the last stack "
        "is known count from the last mapping. Reports, and reading smaps by turns with them, wait for the same CPUs as the storm. "
        "CPU is the daemon's and its children's, of a core.",
        table(["beside", "events lost", "unknown", "call sites", "until known, s", "touch samples", "of its memory sampled",
               "report, ms", "slowest, ms", "its smaps read, ms", "daemon's CPU"], rows)], goals)], {}
