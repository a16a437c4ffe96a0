# SPDX-License-Identifier: BSD-2-Clause
"""Call sites: stacks that programs know of themselves, and the routes."""
import collections
import contextlib
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

import pytest

from memprov import (MIB, PAGE, WORKLOADS, Agent, Daemon, Target, check_sums, family, functions, site_at,
                     sites_of, span, stopped, until)
from test_loss import go_on, pause

FIRST_PAGES, CHAINS, BASE = 64, 216, 6  # of tests/workloads/chains.c
STACKS_MAGIC = 0x123000  # of tests/workloads/stacks.c
INLINES = os.path.join(WORKLOADS, "inlines")


# --- stacks that are known to be others' --------------------------------------------------------


def chain_of(number):
    """Innermost first, between mmap and the thread's function."""
    digits, rest = [], number
    for _ in range(3):
        digits.append(rest % BASE)
        rest //= BASE
    walk = [name for digit in digits for name in ("next", "step_" + "abcdef"[digit])]
    return ["map_pages", *walk, "next", *["deeper"] * (1 + number % 4), "run"]


def test_recognised_stacks_keep_their_own_call_sites(daemon):
    """216 chains through one wrapper, again and again, from 4 threads at depths and frame sizes that
    differ: what was recognised must be what it is. So few at a time that the ring has room for their
    copies."""
    threads, count, rounds = 4, 12, 36  # 36 * 12 is twice 216
    with Target("chains", threads, count) as target:
        for _ in range(rounds):
            target.tell("")
            assert target.line() == "mapped"
            report = daemon.report(target.pid, all=1)
    sites, seen = sites_of(report), []
    for region in report["regions"]:
        lo, hi = span(region)
        number = (hi - lo) // PAGE - FIRST_PAGES
        if region["perms"] != "r--p" or region["inode"] or not 0 <= number < CHAINS:
            continue
        site = sites.get(region["callsite"])
        assert site and site["stack_source"] == "cfi", (region, site)
        names = functions(site)
        assert names[1:names.index("run") + 1] == chain_of(number), (number, names)
        assert not site["truncated"], site
        seen.append(number)
    assert sorted(seen) == sorted([*range(CHAINS)] * 2 * threads)
    # Equal stacks are one call site.
    assert len([s for s in report["callsites"] if "run" in functions(s)]) == CHAINS


THROTTLED = 'memprov_stacks_total{source="fp_throttled"}'


@pytest.mark.plain
def test_a_storm_is_throttled(bpf):
    """Then stacks are taken by frame pointers, and counted."""
    with Daemon() as daemon, Target("churn", 4) as target:
        target.line()
        until(lambda: daemon.metrics()[THROTTLED] > 0, "a stack that is not copied")


def test_copies_leave_room_for_events(bpf):
    """10,000 stacks, which together do not fit into the ring, while it is not read: no event is lost."""
    with Daemon() as daemon, Target("again") as target:
        before = daemon.metrics()
        pause(daemon)
        target.tell("different 10000")
        assert target.line() == "done"
        go_on(daemon)
        tracing = daemon.report(target.pid)["tracing"]
        assert (tracing["state"], tracing["lost_events"]) == ("complete", 0)
        after = daemon.metrics()
    assert after['memprov_stacks_total{source="cfi"}'] - before['memprov_stacks_total{source="cfi"}'] > 500
    assert after[THROTTLED] - before[THROTTLED] > 3000


def unwound(daemon):
    return sum(value for name, value in daemon.metrics().items()
               if name.startswith("memprov_stacks_unwound_total"))


def busy_seconds(daemon):
    """CPU time of the daemon and those that it started."""
    return sum(int(path.read_text().split()[0]) for pid in family(daemon)
               for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


@pytest.mark.plain
def test_the_same_stack_again_costs_little(bpf):
    """2,500 equal stacks, or as many as STACKS_AGAIN says, beside as many different ones, by turns, so
    that what others have meanwhile is in both: in rounds that fit into less than half the ring, beyond
    which no stack is copied, and not faster than the rate beyond which none is (bpf/stack.bpf.h)."""
    until(is_the_same_cheap, "equal stacks to cost less than half of different ones")


def is_the_same_cheap():
    """Not while other programs begin in most rounds."""
    count, at_once, rate = int(os.environ.get("STACKS_AGAIN", 2500)), 250, 10000
    cost, taken = collections.defaultdict(list), collections.defaultdict(list)
    with Daemon() as daemon, Target("again") as target:
        for how in ("warm-up", *["same", "different"] * (count // at_once)):
            began, before = busy_seconds(daemon), unwound(daemon)
            target.tell(f"{'different' if how == 'different' else 'same'} {at_once}")
            assert target.line() == "done"
            daemon.report(target.pid)
            time.sleep(at_once / rate)
            if how == "different":
                until(lambda: unwound(daemon) - before >= at_once, "the last of them")
            cost[how].append(busy_seconds(daemon) - began)
            taken[how].append(unwound(daemon) - before)
    # Medians: in some rounds other programs begin.
    cost, taken = ({how: statistics.median(of[how]) for how in ("same", "different")} for of in (cost, taken))
    print(f"a round of equal ones: {cost['same']:.3f} s of CPU, {taken['same']:.0f} unwound; "
          f"of different ones: {cost['different']:.3f} s, {taken['different']:.0f} unwound")
    return taken["same"] < taken["different"] / 2 and cost["same"] < cost["different"] / 2


def signal_children(daemon, number):
    for child in family(daemon)[2:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)


def test_stacks_beyond_what_may_wait_are_counted(bpf):
    """Of a process that makes new ones faster than they are unwound. Later ones have their turn."""
    with Daemon() as daemon, Target("again") as target:
        def flood():
            signal_children(daemon, signal.SIGSTOP)
            target.tell("different 400")
            assert target.line() == "done"
            daemon.get("/debug/memory/processes")  # waits for no stack
            return daemon.metrics()["memprov_stacks_dropped_total"]

        until(flood, "a stack that finds no room")

        def last_function():
            signal_children(daemon, signal.SIGCONT)
            target.tell("different 1")
            assert target.line() == "done"
            report = daemon.report(target.pid, all=1)
            last = max((region for region in report["regions"] if region["created_at"]),
                       key=lambda region: region["created_at"])
            site = sites_of(report).get(last["callsite"])
            return site and functions(site)[-1:]

        # After so much waiting in vain there is no child for a while.
        until(lambda: last_function() == ["_start"], "a stack that is unwound whole")


# --- names --------------------------------------------------------------------------------------


def addr2line(module, address):
    """[(function, file, line)], innermost first."""
    lines = subprocess.run(["addr2line", "-i", "-f", "-C", "-e", module, hex(address)], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    places = [re.sub(r" \(discriminator \d+\)$", "", line).rsplit(":", 1) for line in lines[1::2]]
    return [(name, file, int(line) if line.isdigit() else 0)
            for name, (file, line) in zip(lines[::2], places)]


def test_inlined_functions_equal_those_of_addr2line(daemon):
    with Target(INLINES) as target:
        target.line()
        report = daemon.report(target.pid, all=1)
    checked = inlined = 0
    for site in report["callsites"]:
        groups, group = [], []
        for frame in site["stack"]:
            group.append(frame)
            if not frame["inlined"]:
                groups.append(group)
                group = []
        assert not group, site
        for group in groups:
            if group[0]["module"] != INLINES or not group[0]["file"]:
                continue
            theirs = addr2line(INLINES, int(group[0]["offset"], 16))
            ours = [(f["function"], f["file"], f["line"]) for f in group]
            assert [(name, os.path.realpath(file), line) for name, file, line in ours] == \
                [(name, os.path.realpath(file), line) for name, file, line in theirs]
            checked += 1
            inlined += len(group) - 1
    assert checked >= 5 and inlined >= 4, (checked, inlined)


@pytest.mark.parametrize("binary", ["grower.go", "grower.go-full"])
def test_go_functions(daemon, binary):
    """Also of a program that was linked with -ldflags "-s -w"."""
    path = os.path.join(WORKLOADS, binary)
    sections = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True).stdout
    assert (".symtab" in sections) == binary.endswith("-full")
    with Target(path, "a", "b") as target:
        assert re.fullmatch(r"\d+ \d+", target.line())
        report = daemon.report(target.pid, all=1)
    names = [functions(site) for site in report["callsites"]]
    heap = [stack for stack in names if "runtime.(*mheap).grow" in stack]
    assert heap, names
    for site in report["callsites"]:
        assert all(frame["function"] for frame in site["stack"] if frame["module"] == path), site
    # Beyond the switch to the system stack is the goroutine's.
    for stack in names:
        assert not stack[-1].startswith("runtime.systemstack"), stack
    assert report["breakdown"]["runtime"]["heap"] >= 6 * MIB


# --- what every part of a report says -----------------------------------------------------------


def test_the_naming_call_site_differs_from_the_mapping_one(agent, daemon):
    worker = agent.thread()
    at = agent.map(MIB)
    agent.call("fill", at, MIB, 1)
    agent.name(at, MIB, b"given", by=worker)
    report = daemon.report(agent.pid, all=1)
    site, region = site_at(report, at)
    namer = sites_of(report)[region["named_by"]]
    assert region["callsite"] != region["named_by"]
    assert "main" in functions(site) and "start_thread" not in functions(site)
    assert "start_thread" in functions(namer) and "main" not in functions(namer)
    assert region["tid"] == agent.pid and region["thread"] == "agent"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", region["created_at"])
    assert site["first_seen"] <= region["created_at"] <= site["last_seen"]


def test_totals_and_inheritance(agent, daemon):
    blocks = [agent.map(MIB) for _ in range(5)]
    agent.call("fill", blocks[0], MIB, 1)
    for block in blocks[1:3]:
        agent.call("munmap", block, MIB)
    site, region = site_at(daemon.report(agent.pid, all=1), blocks[0])
    assert (site["regions"], site["mapped"]) == (3, 3 * MIB)
    assert (site["total_mapped"], site["total_unmapped"]) == (5 * MIB, 2 * MIB)
    assert site["rss"] == MIB and not region["inherited"]
    child = agent.fork()
    inherited, region = site_at(daemon.report(child.pid, all=1), blocks[0])
    assert region["inherited"] and region["tid"] == agent.pid
    assert inherited["stack"] == site["stack"] and inherited["regions"] == 3


def test_routes(agent, daemon):
    at = agent.map(4 * MIB)
    agent.call("fill", at, 4 * MIB, 1)
    daemon.report(agent.pid)  # reads the vdso, which makes a page of it resident
    with stopped(agent.pid):
        check_routes(daemon, agent.pid)


def check_routes(daemon, pid):
    whole = daemon.report(pid, all=1)
    check_sums(whole)
    with_site = sum(r["rss"] for r in whole["regions"] if r["callsite"] is not None)
    assert sum(site["rss"] for site in whole["callsites"]) == with_site
    assert with_site <= whole["coverage"]["attributed"]
    path = "/debug/memory/callsites"
    only = daemon.get(path, pid=pid, format="json", all=1).json
    assert only["callsites"] == whole["callsites"]
    large = daemon.get(path, pid=pid, format="json", min="4M").json["callsites"]
    assert large == [site for site in whole["callsites"] if site["rss"] >= 4 * MIB]
    text = daemon.get(path, pid=pid, min="4M").text
    assert text.startswith("=== Top 20 Call Sites (resident) ===") and text.count("\n#") == 1
    for word in ("RSS", "MAPPED", "REGIONS", "FIRST SEEN", "LAST SEEN", "OWNER system_call"):
        assert word in text, text
    folded = daemon.get(path, pid=pid, format="folded").text
    assert sum(int(line.rsplit(" ", 1)[1]) for line in folded.splitlines()) == \
        whole["totals"]["rss"]
    assert any(";main;serve;obey;system_call;" in line for line in folded.splitlines())
    report = daemon.text(pid)
    assert report.index("=== Top 20 Call Sites (resident) ===") < report.index("=== Coverage ===")


@pytest.mark.parametrize("how, source", [("none", None), ("fp", "fp"), ("cfi", "cfi")])
def test_unwind(bpf, how, source):
    with Daemon("--unwind", how, "--stack-min", "2M") as daemon, Agent() as agent:
        small, large = agent.map(MIB), agent.map(4 * MIB)
        report = daemon.report(agent.pid, all=1)
        site, _ = site_at(report, large)
        if not source:
            assert not report["callsites"] and site is None
            return
        assert site["stack_source"] == source
        assert site_at(report, small)[0]["stack_source"] == "fp"
        # The C library has no frame pointers: there a list ends, and says so.
        assert (functions(site)[-1] == "_start") == (source == "cfi")
        assert site["truncated"] == (source == "fp")


@pytest.mark.parametrize("depth", [0, 1, 40, 120, 300])
def test_frame_pointers(bpf, depth):
    """Frames of any size, wherever pages end between them."""
    def sites():
        return [site for site in daemon.report(target.pid, all=1)["callsites"]
                if site["mapped"] == STACKS_MAGIC]

    with Daemon("--unwind", "fp") as daemon, Target("stacks", "framed", depth) as target:
        until(sites, "the mapping")
        site, = sites()
    # main() has no frame pointer, which is where it ends; or at 127.
    assert functions(site) == (["framed"] * (depth + 1) + ["main"])[:127], site


LEASE = """
import fcntl, signal, sys
file = open(sys.argv[1], "r+b")
fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGKILL)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
signal.pause()
"""


def test_a_debug_file_that_is_busy_is_asked_for_again(daemon, tmp_path):
    """It is opened by none while another process has a lease on it, which the first attempt ends."""
    program, debug = tmp_path / "stacks", tmp_path / "stacks.debug"
    shutil.copy(os.path.join(WORKLOADS, "stacks"), program)
    for command in (["objcopy", "--only-keep-debug", program, debug], ["strip", program],
                    ["objcopy", f"--add-gnu-debuglink={debug}", program]):
        subprocess.run(command, check=True)
    with Target(sys.executable, "-c", LEASE, debug) as holder:
        assert holder.line() == "held"
        with Target(str(program), "chain") as first:
            daemon.report(first.pid, all=1)
            assert holder.process.wait() == -signal.SIGKILL
            with Target(str(program), "chain") as second:
                second.settle()
                report = daemon.report(second.pid, all=1)
    mapped = [site for site in report["callsites"] if site["mapped"] == STACKS_MAGIC]
    assert ["innermost" in functions(site) for site in mapped] == [True], mapped
