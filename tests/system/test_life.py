# SPDX-License-Identifier: BSD-2-Clause
"""How the daemon begins and ends, and what it makes of processes that come and go."""
import collections
import contextlib
import http.client
import json
import os
import pathlib
import re
import select
import signal
import subprocess

import pytest

from memprov import (MIB, PAGE, SANITIZED, Agent, Daemon, Target, check_sums, check_tiling, exact_report,
                     region_at, smaps, span, stopped, until)

BPFTOOL = "/usr/sbin/bpftool"


def bpf_ids(pid):
    """The BPF objects that a process holds: {("prog", 7), …}."""
    ids = set()
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            ids |= {(kind, int(number)) for kind, number in
                    re.findall(r"^(prog|map|link)_id:\s+(\d+)$", info.read_text(), re.M)}
    return ids


def existing_ids():
    ids = set()
    for kind in ("prog", "map", "link"):
        listed = subprocess.run([BPFTOOL, "-j", kind, "list"], capture_output=True, text=True)
        ids |= {(kind, row["id"]) for row in json.loads(listed.stdout or "[]")}
    return ids


def resident(pid):
    """The daemon's resident bytes, without and with the ring buffer that it has mapped."""
    vmas = smaps(pid)
    ring = sum(v.rss for v in vmas if v.name == "anon_inode:bpf-map")
    return sum(v.rss for v in vmas) - ring, ring


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_and_nothing_stays(bpf, sig):
    mounts = pathlib.Path("/proc/mounts").read_text()
    with Daemon() as daemon, Agent() as agent:
        agent.map(MIB)
        daemon.report(agent.pid)
        ours = bpf_ids(daemon.pid)
        assert {kind for kind, _ in ours} >= {"prog", "map"}
        assert ours <= existing_ids()
        daemon.stop(sig)
        until(lambda: not ours & existing_ids(), "BPF objects to go")
    assert pathlib.Path("/proc/mounts").read_text() == mounts


def test_it_ends_while_requests_run(bpf):
    """Not only after the last of them: of 60, each of which takes a while, some have no report."""
    with Target("many_vmas", "60000") as target, Daemon() as daemon, contextlib.ExitStack() as stack:
        assert target.line() == "ready"
        with stopped(daemon.pid):
            asked = []
            for _ in range(60):
                asked.append(stack.enter_context(contextlib.closing(daemon.connection())))
                asked[-1].request("GET", f"/debug/memory?pid={target.pid}&format=json")
        until(lambda: select.select([connection.sock for connection in asked], [], [], 0)[0],
              "the first answer")
        daemon.stop()
        got = collections.Counter()
        for connection in asked:
            try:
                got[connection.getresponse().status] += 1
            except (OSError, http.client.HTTPException):
                got["hung up"] += 1
        print(got)
        assert set(got) <= {200, 503, "hung up"} and 0 < got[200] < 60, got


def test_it_ends_before_it_is_ready(bpf):
    for _ in range(3):
        Daemon(wait_ready=False).stop()


def test_killed_and_started_again(bpf):
    """What was mapped before is known to be older; what comes is known."""
    with Agent() as agent:
        old = agent.map(4 * MIB)
        first = Daemon()
        ours = bpf_ids(first.pid)
        between = agent.map(4 * MIB)
        assert region_at(first.report(agent.pid, all=1), between)["origin"] == "mmap"
        first.process.kill()
        first.process.wait()
        assert os.path.exists(first.socket)
        until(lambda: not ours & existing_ids(), "BPF objects to go")
        # The same socket again: the dead one's file is no obstacle. (The last --socket counts.)
        with Daemon("--socket", first.socket) as second:
            second.socket = first.socket
            assert second.get_unix("/healthz").status == 200
            new = agent.map(4 * MIB)
            report = exact_report(second, agent.pid)
            origins = [region_at(report, at)["origin"] for at in (old, between, new)]
            assert origins == ["predates", "predates", "mmap"]
        first.clean()


def test_processes_older_than_the_daemon(bpf):
    with Agent() as agent:
        at, gone = agent.map(8 * MIB), agent.map(8 * MIB)
        agent.name(at, 8 * MIB, b"unseen")
        agent.call("fill", at, 8 * MIB, 1)
        heap = agent.call("brk", 0)
        agent.call("brk", heap + MIB)
        child = agent.fork()
        with Daemon() as daemon:
            report = exact_report(daemon, agent.pid)
            assert report["tracing"]["state"] == "since_attach"
            assert region_at(report, at)["origin"] == "predates"
            for field in ("tid", "thread", "created_at", "name", "callsite"):
                assert region_at(report, at)[field] is None, field
            assert report["coverage"]["predates"] > 8 * MIB
            assert report["coverage"]["attributed"] == report["coverage"]["unknown"] == 0
            # Events cut into it as into all others.
            agent.call("munmap", gone + 2 * MIB, MIB)
            new = agent.map(MIB, at=at + 3 * MIB, flags=0x32)
            agent.name(at, MIB, b"seen")
            agent.call("brk", heap + 2 * MIB)
            agent.call("fill", new, MIB, 1)
            report = exact_report(daemon, agent.pid)
            assert region_at(report, new)["tid"] == agent.pid
            assert span(region_at(report, new)) == (new, new + MIB)
            assert region_at(report, at)["name"] == "[anon: seen]"
            assert region_at(report, at)["origin"] == "predates"
            assert region_at(report, at + 4 * MIB)["origin"] == "predates"
            assert region_at(report, heap + MIB + PAGE)["origin"] == "brk"
            assert region_at(report, heap)["origin"] == "predates"
            assert report["coverage"]["unknown"] == 0
            # A child from before, and one from now.
            assert region_at(exact_report(daemon, child.pid), at)["origin"] == "predates"
            young = agent.fork()
            report = exact_report(daemon, young.pid)
            assert region_at(report, at)["origin"] == "predates"
            assert region_at(report, new)["tid"] == agent.pid
            assert region_at(report, new)["inherited"] is True
            assert report["coverage"]["unknown"] == 0


def test_processes_that_come_and_go(bpf):
    """300 a second for five seconds: the dead are gone, and the memory for them too."""
    with Daemon() as daemon:
        with Target("spawn_storm", "300", "1") as storm:
            storm.line()  # tables and buffers have the size that they need
        before, _ = resident(daemon.pid)
        with Target("spawn_storm", "300", "5") as storm:
            assert storm.line() == "1500"
            def listed():
                return daemon.get("/debug/memory/processes", format="json", all=1).json["processes"]

            rows = listed()
            # Others on the machine may end just now; they are not there a second time.
            gone = [row["pid"] for row in rows if not os.path.exists(f"/proc/{row['pid']}")]
            assert not set(gone) & {row["pid"] for row in listed()}
            assert not [row for row in rows if row["comm"] == "true"]
            report = exact_report(daemon, storm.pid)
            assert report["tracing"]["lost_events"] == 0
            assert report["coverage"]["unknown"] == 0
        metrics = daemon.metrics()
        # Each end was seen, if none was lost; the sweep of /proc had none to find.
        lost = metrics['memprov_events_lost_total{cause="ring_full"}']
        assert metrics['memprov_events_total{type="exec"}'] + lost >= 1800
        assert metrics['memprov_resyncs_total{cause="dead_process"}'] <= lost
        # Free memory goes back to the kernel every ten seconds.
        if not SANITIZED:
            until(lambda: resident(daemon.pid)[0] - before < 4 * MIB, "the memory to be gone")


@pytest.mark.plain
def test_a_thousand_children(bpf):
    """Without stacks, of which those of the whole machine are in what it holds."""
    with Daemon("--unwind", "none") as daemon:
        before, _ = resident(daemon.pid)
        with Target("forks", "1000") as parent:
            last = int(parent.line())
            report = exact_report(daemon, last)
            assert report["coverage"]["unknown"] == 0
            assert sum(r["inherited"] and r["tid"] == parent.pid
                       for r in report["regions"]) >= 1000
            after, _ = resident(daemon.pid)
            print(f"daemon: {before >> 10} kB before, {after >> 10} kB with 1,000 children")
            assert after - before < 20 * MIB
            children = [row for row in daemon.get("/debug/memory/processes", format="json",
                                                  all=1).json["processes"]
                        if row["comm"] == "forks"]
            assert len(children) == 1001
        until(lambda: "forks" not in {row["comm"] for row in daemon.report(all=1)["processes"]},
              "the children to be gone")


@pytest.mark.plain
def test_sixty_thousand_vmas(daemon):
    with Target("many_vmas", "60000") as target:
        assert target.line() == "ready"
        report = exact_report(daemon, target.pid)
        assert len(report["regions"]) >= 60000
        made = [r for r in report["regions"] if r["rss"] == PAGE and r["origin"] == "mmap" and
                r["name"] is None]
        assert len(made) >= 60000 and {r["tid"] for r in made} == {target.pid}
        answer = daemon.get("/debug/memory", pid=target.pid, format="json")
        # 20 regions, and 20 call sites with their stacks.
        assert len(answer.json["regions"]) == 20 and len(answer.json["callsites"]) <= 40
        assert len(answer.body) < 60000
        check_sums(answer.json)
        assert len(daemon.text(target.pid)) < 30000
        assert len(daemon.report(target.pid, top=10000)["regions"]) == 10000


def test_reading_what_changes_all_the_time(daemon):
    """Eight threads map and unmap as fast as they can. Each answer adds up by itself; when they
    stop, the next one is exact."""
    with Target("churn", "8") as target:
        assert target.line() == "running"
        kinds = set()
        for _ in range(30 if SANITIZED else 100):
            report = daemon.report(target.pid, all=1)
            kinds.add(report["consistency"])
            check_sums(report)
            check_tiling(report)
        assert kinds <= {"exact", "racing"}
        target.tell("stop")
        assert target.line() == "stopped"
        report = exact_report(daemon, target.pid)
        assert report["consistency"] == "exact"
        # It is a storm, and where the machine is slow, goes beyond its share: then it is told so.
        if report["tracing"]["lost_events"]:
            assert report["tracing"]["state"] == "resynced"
        else:
            assert report["coverage"]["unknown"] == 0
            assert report["tracing"]["state"] == "complete", report["tracing"]


def test_a_number_that_is_used_again(daemon):
    """A new process with the number of a dead one has nothing of it."""
    with Agent() as agent:
        at = agent.map(4 * MIB)
        agent.name(at, 4 * MIB, b"of the dead")
        daemon.report(agent.pid)
        pid = agent.pid
    last = pathlib.Path("/proc/sys/kernel/ns_last_pid")
    for _ in range(20):
        last.write_text(str(pid - 1))
        with Target("quiet") as target:
            if target.pid != pid:
                continue
            until(lambda: daemon.report(pid)["breakdown"]["named"] != [], "its mapping")
            report = exact_report(daemon, pid)
            assert [row["name"] for row in report["breakdown"]["named"]] == ["quiet"]
            assert report["comm"] == "quiet"
            assert report["coverage"]["unknown"] == 0
            return
    raise AssertionError("the number never came again")
