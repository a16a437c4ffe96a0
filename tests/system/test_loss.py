# SPDX-License-Identifier: BSD-2-Clause
"""Events that are lost are counted; what they spoke of is unknown, never wrong; and it heals."""
import os
import random
import signal

import pytest

from memprov import (GIVEN, MIB, PAGE, WORKLOADS, Agent, Daemon, Target, check_sums, exact_report, region_at, span,
                     task_states, until)
from shadow import Shadow

LOST = 'memprov_events_lost_total{cause="ring_full"}'
FIXED = 0x32
RING = "256k"  # what others on the machine do in an instant finds room


def pause(daemon):
    os.kill(daemon.pid, signal.SIGSTOP)
    until(lambda: set(task_states(daemon.pid)) == {"T"}, "the daemon to stop")


def go_on(daemon):
    os.kill(daemon.pid, signal.SIGCONT)


def check_nothing_wrong(report, shadow):
    """Where a creator or a name is shown, it is the right one."""
    check_sums(report)
    for region in report["regions"]:
        start, end = span(region)
        inside = [p for p in shadow.pieces if p.start < end and p.end > start]
        if region["tid"] is not None and inside:
            assert {p.creator.tid for p in inside} == {region["tid"]}, (region, inside)
            assert inside[0].start <= start and end <= inside[-1].end, (region, inside)
        if region["name_source"] in GIVEN and (region["name"] or "").startswith("[anon: "):
            assert {f"[anon: {p.name.decode()}]" for p in inside if p.name} == {region["name"]} \
                and all(p.name for p in inside), (region, inside)


def storm(agent, by, n=10000):
    """More than the ring has room for, however small the records become when it fills."""
    at = agent.map(MIB, by=by)
    for _ in range(n // 2):
        agent.call("munmap", at, MIB, by=by)
        agent.map(MIB, at=at, flags=FIXED, by=by)
    return at


def test_a_ring_that_overflows(bpf):
    with Daemon("--ring-size", RING) as daemon, Agent() as agent:
        metrics = daemon.metrics()
        assert metrics['memprov_ring_buffer_bytes{state="size"}'] == 256 * 1024
        assert metrics["memprov_bpf_map_bytes"] > 256 * 1024
        worker = agent.thread()
        safe, stale = agent.map(4 * MIB), agent.map(4 * MIB)
        agent.name(safe, 4 * MIB, b"safe")
        agent.name(stale, 4 * MIB, b"stale")
        tracing = daemon.report(agent.pid)["tracing"]
        assert (tracing["state"], tracing["lost_events"]) == ("complete", 0)
        pause(daemon)
        storm(agent, worker)
        # Lost: the range has another creator and no name now.
        agent.map(4 * MIB, at=stale, flags=FIXED, by=worker)
        agent.call("fill", stale, MIB, 1)
        go_on(daemon)
        report = exact_report(daemon, agent.pid)
        assert report["tracing"]["state"] == "resynced"
        lost_events = report["tracing"]["lost_events"]
        assert lost_events > 0
        metrics = daemon.metrics()
        assert metrics[LOST] >= lost_events
        assert metrics['memprov_resyncs_total{cause="ring_full"}'] > 0
        region = region_at(report, stale)
        assert region["tid"] in (worker.tid, None) and region["name"] is None, region
        assert region["origin"] == ("mmap" if region["tid"] else "unknown")
        assert report["coverage"]["unknown"] >= MIB or region["tid"]
        region = region_at(report, safe)
        assert region["tid"] in (agent.pid, None)
        assert region["name"] in ("[anon: safe]", None)
        # From here on, all is known again.
        new = agent.map(2 * MIB, by=worker)
        agent.name(new, 2 * MIB, b"new")
        agent.call("fill", new, MIB, 1)
        report = exact_report(daemon, agent.pid)
        region = region_at(report, new)
        assert (region["tid"], region["name"], region["origin"]) == \
            (worker.tid, "[anon: new]", "mmap")
        assert region["rss"] == MIB
        assert report["tracing"]["lost_events"] == lost_events


def test_each_lost_event_counts_once(bpf):
    """A lost mremap spoke of two ranges, and counted as two."""
    moves, fill = 2500, 1500
    with Daemon("--ring-size", "64k") as daemon, Agent() as agent:
        at = agent.map(4 * PAGE)
        before = daemon.report(agent.pid)["tracing"]["lost_events"]
        pause(daemon)
        storm(agent, None, fill)
        for _ in range(moves // 2):
            agent.call("mremap", at, PAGE, PAGE, 3, at + 2 * PAGE)
            agent.call("mremap", at + 2 * PAGE, PAGE, PAGE, 3, at)
        go_on(daemon)
        lost = daemon.report(agent.pid)["tracing"]["lost_events"] - before
        # The ring was full by then: each move lost its beginning and its end.
        assert 2 * moves < lost <= 2 * moves + fill + 1


def test_loss_at_random(bpf):
    """Whatever happens while the ring is full, nothing that is shown is wrong."""
    rng = random.Random(7)
    with Daemon("--ring-size", RING) as daemon, Agent() as agent:
        makers = [None, agent.thread(), agent.thread()]
        shadow = Shadow()
        base = agent.map(1024 * PAGE)
        agent.call("munmap", base, 1024 * PAGE)

        def change():
            by = rng.choice(makers)
            at, size = base + rng.randrange(960) * PAGE, rng.randint(1, 64) * PAGE
            tid = by.tid if by else agent.pid
            what = rng.randrange(6)
            if what < 3:
                agent.map(size, at=at, flags=FIXED, by=by)
                shadow.mapped(at, size, tid)
            elif what == 3:
                agent.call("munmap", at, size, by=by)
                shadow.unmapped(at, size)
            elif what == 4:
                name = b"name %d" % rng.randrange(5)
                agent.name(at, size, name, by=by)
                shadow.named(at, size, name)
            elif shadow.pieces:
                p = rng.choice(shadow.pieces)
                agent.call("fill", p.start, p.end - p.start, 1)

        for round_ in range(6):
            for _ in range(30):
                change()
            if round_ == 0:
                shadow.check(daemon, agent.pid)
            pause(daemon)
            for _ in range(5000):
                change()
            go_on(daemon)
            report = exact_report(daemon, agent.pid)
            assert report["tracing"]["state"] == "resynced"
            check_nothing_wrong(report, shadow)
            # What is new is known, also between what is not.
            agent.map(16 * PAGE, at=base + 500 * PAGE, flags=FIXED, by=makers[1])
            shadow.mapped(base + 500 * PAGE, 16 * PAGE, makers[1].tid)
            report = exact_report(daemon, agent.pid)
            check_nothing_wrong(report, shadow)
            assert region_at(report, base + 500 * PAGE)["tid"] == makers[1].tid


def test_processes_born_and_changed_while_events_are_lost(bpf):
    quiet = os.path.join(WORKLOADS, "quiet").encode() + b"\0"
    with Daemon("--ring-size", RING) as daemon, Agent() as agent:
        at = agent.map(4 * MIB)
        agent.name(at, 4 * MIB, b"of the parent")
        dying = agent.fork()
        daemon.report(dying.pid)
        pause(daemon)
        storm(agent, None)
        born = agent.fork()
        new = agent.map(4 * MIB, by=born)
        spawned = agent.call("spawn", quiet)
        agent.call("kill", dying.pid, 9)
        agent.call("wait4", dying.pid, 0, 0, 0)
        until(lambda: open(f"/proc/{spawned}/comm").read() == "quiet\n" and
              task_states(spawned) == ["S"], "the child")
        go_on(daemon)

        report = exact_report(daemon, born.pid)
        assert report["tracing"]["state"] == "resynced"
        for address, tid in ((at, agent.pid), (new, born.pid)):
            assert region_at(report, address)["tid"] in (tid, None)
        report = exact_report(daemon, spawned)
        assert report["comm"] == "quiet"
        assert {r["tid"] for r in report["regions"]} <= {spawned, None}
        assert {r["name"] for r in report["breakdown"]["named"]} <= {"quiet"}
        assert daemon.get("/debug/memory", pid=dying.pid).status == 404
        # All of them are watched from now on.
        for by, pid in ((born, born.pid), (None, agent.pid)):
            fresh = agent.map(MIB, by=by)
            report = exact_report(daemon, pid)
            assert region_at(report, fresh)["tid"] == pid


@pytest.mark.plain
def test_processes_that_die_while_events_are_lost_leave_nothing(bpf):
    """4,096 processes can be noted as having lost something. One that died unseen keeps no place: all the others would be
    unknown from then on, whatever is lost."""
    with Daemon("--ring-size", RING) as daemon, Agent() as quiet:
        quiet.map(4 * MIB)
        for _ in range(4):
            pause(daemon)
            with Target("spawn_storm", 1000, 2) as spawner:
                assert spawner.line() == "2000"
            go_on(daemon)
            until(lambda: daemon.report(quiet.pid)["tracing"]["state"], "what was lost to be told")
        metrics = daemon.metrics()
        assert metrics['memprov_events_lost_total{cause="ring_full"}'] > 4 * 2000
        assert metrics['memprov_events_lost_total{cause="who_table_full"}'] == 0
        tracing = daemon.report(quiet.pid)["tracing"]
        assert (tracing["state"], tracing["lost_events"]) == ("complete", 0)
