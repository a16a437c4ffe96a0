# SPDX-License-Identifier: BSD-2-Clause
"""Processes that the out-of-memory killer takes: which it was, for which limit, and what it had just before."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from memprov import MIB, SLOWER, WORKLOADS, Daemon, Target, functions, until
from test_fairness import NOBODY
from test_limits import MEMORY_EVENTS, MEMORY_NOW, memory_cgroup

LIMIT = 160 * MIB
AS_NOBODY = ["/usr/bin/setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
PYTHON = """
import time
kept = []
def keep(size):
    kept.append(bytearray(size))
    kept[-1][::4096] = b"x" * len(kept[-1][::4096])
def leak_much():
    keep(3 << 20)
def leak_little():
    keep(1 << 20)
while True:
    leak_much()
    leak_little()
    time.sleep(0.3)  # not faster than reports can be taken, which wait for new stacks
"""


@pytest.fixture
def daemon(bpf):
    """One for each test: reports have a bounded amount of CPU time, which the test before may have spent."""
    with Daemon() as daemon:
        yield daemon


def ooms(daemon):
    return daemon.get("/debug/memory/oom", format="json").json["ooms"]


def of(daemon, pid):
    return [oom for oom in ooms(daemon) if oom["victim"]["pid"] == pid]


def in_cgroup(daemon, group):
    return [oom for oom in ooms(daemon) if oom["cgroup"] == f"/{group.name}"]


def kills(daemon):
    return {scope: daemon.metrics()[f'memprov_oom_kills_total{{scope="{scope}"}}']
            for scope in ("cgroup", "node", "unknown")}


def within(group, *program, **popen):
    """A program that is in the cgroup from its first page on."""
    path = program[0] if "/" in program[0] else os.path.join(WORKLOADS, program[0])
    return Target("/bin/sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh", path, *program[1:], **popen)


def watched(daemon, group):
    """The daemon looks for new cgroups every two seconds, or less often if there are very many."""
    reports = daemon.metrics()["memprov_oom_reports_total"]
    with within(group, "leaks", 20000, LIMIT * 9 // 10) as probe:
        probe.line()
        until(lambda: daemon.metrics()["memprov_oom_reports_total"] > reports, "a report where memory is short")
    until(lambda: int((group / MEMORY_NOW).read_text()) < LIMIT // 10, "its memory to be given back")


# Of which the heap is a small part.
JAVA = ("/usr/bin/java", "-Xmx16m", "-XX:+UseSerialGC", "-XX:MaxDirectMemorySize=1g", "-cp", f"{WORKLOADS}/java",
        "JavaPlaces", "keepers", "7", "1000", "50")


def killed(daemon, program):
    """It, and the entry, after it has grown beyond the limit."""
    with memory_cgroup(LIMIT) as group:
        watched(daemon, group)
        with within(group, *program) as target:
            assert target.process.wait() == -signal.SIGKILL
            oom, = until(lambda: of(daemon, target.pid), "the entry")
            return target, oom


# Reports have 2 s of CPU time at once: sanitized, those of Python take more than that.
@pytest.mark.parametrize("program", [("leaks", 100000), pytest.param(("leaks.go",), marks=pytest.mark.plain),
                                     pytest.param((sys.executable, "-c", PYTHON), marks=pytest.mark.plain),
                                     pytest.param(JAVA, marks=pytest.mark.plain)],
                         ids=["c", "go", "python", "java"])
def test_the_victim_s_last_report(daemon, program):
    target, oom = killed(daemon, program)
    assert oom["scope"] == "cgroup" and oom["limit"] == LIMIT
    assert oom["cgroup"].startswith("/memprov-test-")
    comm = pathlib.Path(program[0]).name
    assert oom["victim"]["comm"] == comm[:15] and oom["victim"]["container"] is None
    assert oom["victim"]["oom_score_adj"] == 0
    assert oom["trigger"] == {"pid": target.pid, "comm": comm[:15]}
    report = oom["report"]
    assert report["pid"] == target.pid and report["schema"] == 1
    # At the limit a program stands still, for seconds if the disk is slow, while the kernel takes its files' pages.
    assert report["age_ms"] >= 0
    assert report["age_ms"] < 2000 * SLOWER or report["totals"]["rss"] >= 0.98 * oom["victim"]["rss"]
    # Files that it maps may be charged to another cgroup.
    assert 0.9 * oom["victim"]["rss"] <= report["totals"]["rss"] <= oom["victim"]["rss"] * 1.1
    text = daemon.get(f"/debug/memory/oom/{oom['id']}").text
    assert f"Its last report, {report['age_ms']} ms before:" in text and "=== Complete Memory Breakdown ===" in text
    one = daemon.get(f"/debug/memory/oom/{oom['id']}", format="json").json
    assert one == {"schema": 1, "ooms": [oom]}
    brief = daemon.get("/debug/memory/oom", format="json", reports=0).json["ooms"]
    assert {**oom, "report": {"age_ms": report["age_ms"]}} in brief
    if program[0] == "leaks":
        most, second = report["callsites"][:2]
        assert "leak_much" in functions(most) and "leak_little" in functions(second)
        # By turns 3 MiB and 1 MiB, touched page by page.
        assert second["rss"] <= most["rss"] / 3 <= second["rss"] + MIB


@pytest.mark.plain
def test_the_method_of_java_that_leaked(daemon):
    """It is on top. On a busy machine stacks may find no room where they wait, and then nothing is known; and another
    try may find the CPU time spent that reports have."""
    def owners():
        _, oom = killed(daemon, JAVA)
        sites = oom["report"]["callsites"] if oom["report"] else []
        names = [site["owner"]["function"] for site in sites if site["owner"]]
        return names and (names, sites[0])

    names, top = until(owners, "a report with stacks")
    assert names[:2] == ["JavaPlaces.leak", "JavaPlaces.cache"] and top["owner"]["function"] == "JavaPlaces.leak"
    assert top["stack_source"] == "cfi" and not top["truncated"]


def killed_beside(daemon):
    """The entry, and the process that had no memory left. Nothing if the killer took that one, too, as it may before the
    memory of the first is given back; or if reports of what was there before had left no CPU time for the victim's."""
    with memory_cgroup(LIMIT) as group, contextlib.ExitStack() as stack:
        watched(daemon, group)
        reports = daemon.metrics()["memprov_oom_reports_total"]
        big = stack.enter_context(within(group, "leaks", 20000, LIMIT // 20 * 17))
        assert big.line() == "full"
        until(lambda: daemon.metrics()["memprov_oom_reports_total"] > reports, "its report")
        pathlib.Path(f"/proc/{big.pid}/oom_score_adj").write_text("1000")
        small = stack.enter_context(within(group, "leaks", 20000, LIMIT // 2))
        assert big.process.wait() == -signal.SIGKILL
        oom, = until(lambda: of(daemon, big.pid), "the entry")
        return (oom, small.pid) if small.line() == "full" and oom["report"] else None


@pytest.mark.plain  # for the same reason
def test_the_trigger_is_another(daemon):
    """What the killer likes best is not what had no memory left."""
    oom, small = until(lambda: killed_beside(daemon), "a kill of one of them")
    assert oom["trigger"] == {"pid": small, "comm": "leaks"}
    assert oom["victim"]["oom_score_adj"] == 1000
    assert [other["pid"] for other in oom["others"]] == [small]
    assert oom["others"][0]["comm"] == "leaks" and oom["others"][0]["rss"] > 0
    assert oom["report"]["totals"]["rss"] >= 0.9 * oom["victim"]["rss"]


def test_none_is_missed(daemon):
    """A hundred in a row, too fast for a report of each; the last ones are kept."""
    before = kills(daemon)
    with memory_cgroup(8 * MIB) as group:
        for _ in range(100):
            with within(group, "leaks", 0) as target:
                assert target.process.wait() == -signal.SIGKILL
        assert "oom_kill 100\n" in (group / MEMORY_EVENTS).read_text()
        until(lambda: sum(kills(daemon).values()) == sum(before.values()) + 100, "all of them counted")
    after = kills(daemon)
    assert after["cgroup"] == before["cgroup"] + 100 and after["unknown"] == 0
    kept = ooms(daemon)
    assert len(kept) == 64 and [oom["id"] for oom in kept] == list(range(kept[0]["id"], kept[0]["id"] - 64, -1))
    assert daemon.get(f"/debug/memory/oom/{kept[-1]['id'] - 1}").status == 404


def test_each_in_its_own_cgroup(daemon):
    """Cgroups that are full at the same time, whose processes are gone before anything could be asked of them."""
    with contextlib.ExitStack() as stack:
        groups = [stack.enter_context(memory_cgroup(LIMIT // 10)) for _ in range(3)]
        for _ in range(5):
            targets = [stack.enter_context(within(group, "leaks", 0)) for group in groups]
            for target in targets:
                target.process.wait()
            for group, target in zip(groups, targets):
                oom, = until(lambda: of(daemon, target.pid), "the entry")
                assert (oom["scope"], oom["cgroup"], oom["limit"]) == ("cgroup", f"/{group.name}", LIMIT // 10)


def test_of_another_user(daemon):
    """Entries have addresses and names, as reports have."""
    with memory_cgroup(8 * MIB) as group:
        with within(group, "leaks", 0) as ours:
            assert ours.process.wait() == -signal.SIGKILL
        with within(group, *AS_NOBODY, os.path.join(WORKLOADS, "leaks"), 0) as theirs:
            assert theirs.process.wait() == -signal.SIGKILL
        our_id, = [oom["id"] for oom in until(lambda: of(daemon, ours.pid), "our entry")]
        until(lambda: of(daemon, theirs.pid), "their entry")

    def as_nobody(path):
        return subprocess.run(["curl", "-s", f"http://127.0.0.1:{daemon.port}{path}"], user=NOBODY, group=NOBODY,
                              extra_groups=[], capture_output=True, text=True, check=True).stdout

    rows = as_nobody("/debug/memory/oom").splitlines()[2:]
    assert all(row.split()[3] != str(ours.pid) for row in rows)
    assert as_nobody(f"/debug/memory/oom/{our_id}") == \
        f"not allowed to read entry {our_id}: the process was another user's\n"


@pytest.mark.parametrize("path, status, words", [
    ("/debug/memory/oom/x", 400, "the path ends with x; takes the number of an entry"),
    ("/debug/memory/oom/0", 400, "takes the number"),
    ("/debug/memory/oom/18446744073709551615", 404, "there is no entry"),
    ("/debug/memory/oom/1/2", 404, "no route"),
    ("/debug/memory/oom/", 404, "/debug/memory/oom/ID"),
    ("/debug/memory/oom?pid=1", 400, "pid"),
    ("/debug/memory/oom?format=pprof", 400, "format"),
])
def test_bad_requests(daemon, path, status, words):
    answer = daemon.request("GET", path)
    assert answer.status == status and words in answer.text, answer.text


def test_entries_survive_a_restart(bpf, tmp_path):
    file = tmp_path / "history.db"
    with memory_cgroup(LIMIT) as group:
        with Daemon("--history", str(file)) as daemon:
            watched(daemon, group)
            with within(group, "leaks", 100000) as target:
                target.process.wait()
                first, = until(lambda: of(daemon, target.pid), "the entry")
        assert first["report"] is not None
        with Daemon("--history", str(file)) as daemon:
            assert in_cgroup(daemon, group) == [first]
            with within(group, "leaks", 0) as target:
                target.process.wait()
            second, = until(lambda: of(daemon, target.pid), "the second one")
            assert second["id"] > first["id"]
    with Daemon("--history", str(file)) as daemon:
        assert in_cgroup(daemon, group) == [second, first]
