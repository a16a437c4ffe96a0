# SPDX-License-Identifier: BSD-2-Clause
"""The machine gives less than the daemon would like: CPU, room in the ring, memory."""
import contextlib
import os
import pathlib
import re
import tempfile
import threading

import pytest

from memprov import MIB, PAGE, Agent, Daemon, Target, check_sums, exact_report, until
from test_loss import go_on, pause

PAIRS = 150_000  # of each of two threads
RING = 8 * MIB  # the default
SMALLEST = 64   # bytes of it that an event takes at least
MANIFEST = pathlib.Path("deploy/kubernetes/base/daemonset.yaml")


def test_without_cpu_under_a_storm(bpf):
    """Stopped while two threads map more than it has room for: they come to their end, each event is
    either received or counted as lost, and then it heals."""
    with Daemon("--unwind", "none") as daemon, Target("pairs", 2, PAIRS) as target, Agent() as agent:
        at = agent.map(4 * MIB)
        agent.name(at, 4 * MIB, b"before")
        assert daemon.report(target.pid)["tracing"]["state"] == "complete"
        pause(daemon)
        target.tell("go")
        target.line()
        go_on(daemon)
        report = daemon.report(target.pid)
        lost = report["tracing"]["lost_events"]
        print(f"{lost} of {4 * PAIRS} events lost")
        # A thread has some further calls; others on the machine take room in the ring, too.
        assert 4 * PAIRS - RING // SMALLEST <= lost <= 4 * PAIRS + 100
        metrics = daemon.metrics()
        assert sum(metrics[f'memprov_events_lost_total{{cause="{cause}"}}'] for cause in ("ring_full", "throttled")) >= lost
        assert report["tracing"]["state"] == "resynced"
        check_sums(report)
        # What came before the storm is known as ever, and so is what comes after it.
        new = agent.map(4 * MIB)
        agent.name(new, 4 * MIB, b"after")
        names = {row["name"] for row in exact_report(daemon, agent.pid)["breakdown"]["named"]}
        assert names == {"before", "after"}


# Of the memory controller, which is in one of the hierarchies: of cgroup v1 where there is one.
CGROUPS = pathlib.Path("/sys/fs/cgroup")
V1 = (CGROUPS / "memory").is_dir()
MEMORY_MAX, MEMORY_NOW, MEMORY_PEAK, MEMORY_EVENTS = \
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control") if V1 else \
    ("memory.max", "memory.current", "memory.peak", "memory.events")


@contextlib.contextmanager
def memory_cgroup(size):
    """The directory of a cgroup that may have so much memory."""
    group = pathlib.Path(tempfile.mkdtemp(dir=CGROUPS / "memory" if V1 else CGROUPS, prefix="memprov-test-"))
    (group / MEMORY_MAX).write_text(str(size))
    try:
        yield group
    finally:
        until(lambda: not (group / "cgroup.procs").read_text(), "the cgroup to be empty")
        group.rmdir()


@contextlib.contextmanager
def memory_limit(size):
    """What is started within it is in a cgroup of its own, which may have so much memory."""
    mine = re.search(":memory:(.*)" if V1 else "^0::(.*)", pathlib.Path("/proc/self/cgroup").read_text(), re.M)[1]
    home = pathlib.Path(f"{CGROUPS}/memory{mine}" if V1 else f"{CGROUPS}{mine}")

    @contextlib.contextmanager
    def inside():
        (group / "cgroup.procs").write_text(str(os.getpid()))
        try:
            yield
        finally:
            (home / "cgroup.procs").write_text(str(os.getpid()))

    def figures():
        return (int((group / MEMORY_PEAK).read_text()),
                int(re.search(r"oom_kill (\d+)", (group / MEMORY_EVENTS).read_text())[1]))

    with memory_cgroup(size) as group:
        yield inside, figures


@pytest.mark.plain
def test_within_the_memory_of_the_manifest(bpf):
    """What a pod of the DaemonSet may have is enough for the largest that the node has to offer."""
    limit = int(re.search(r"limits: \{.*memory: (\d+)Mi\}", MANIFEST.read_text())[1]) * MIB
    with memory_limit(limit) as (inside, figures), contextlib.ExitStack() as stack:
        with inside():
            daemon = stack.enter_context(Daemon())
        large = [stack.enter_context(Target("many_vmas", 60000)) for _ in range(3)]
        busy = [stack.enter_context(Target("churn", 4)), stack.enter_context(Target("callsites", 1000))]
        for target in large + busy:
            assert target.line()
        answers = []

        def ask(pid):
            answers.append(daemon.report(pid))

        threads = [threading.Thread(target=ask, args=(target.pid,)) for target in large + busy]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check_sums(daemon.report())
        for report in answers:
            check_sums(report)
        assert len(answers) == 5
        assert sum(report["totals"]["virtual"] >= 60000 * PAGE for report in answers) >= 3
        with Agent() as agent:
            agent.name(agent.map(4 * MIB), 4 * MIB, b"mine")
            report = exact_report(daemon, agent.pid)
            assert [row["name"] for row in report["breakdown"]["named"]] == ["mine"]
        assert daemon.process.poll() is None
        most, killed = figures()
        print(f"{most / MIB:.0f} MiB of {limit / MIB:.0f} MiB at most")
        assert killed == 0
        assert most > 16 * MIB, "it was not in the cgroup"
