# SPDX-License-Identifier: BSD-2-Clause
"""The whole node is short of memory, which the machine that the tests run on must not be: in virtual machines only
(tests/vm/checks), with cgroup v2 and CONFIG_PSI."""
import contextlib
import pathlib
import re
import signal
import time

from memprov import MIB, Daemon, Target, until
from test_limits import memory_cgroup
from test_oom import kills, of, within

MEMINFO = pathlib.Path("/proc/meminfo")
PRESSURE = pathlib.Path("/proc/pressure/memory")


def memory(name):
    return int(re.search(rf"^{name}: *(\d+) kB", MEMINFO.read_text(), re.M)[1]) * 1024


def pressure():
    """The percentage of the last ten seconds in which some process waited for memory."""
    return float(re.search(r"some avg10=([0-9.]+)", PRESSURE.read_text())[1])


def expendable(target):
    pathlib.Path(f"/proc/{target.pid}/oom_score_adj").write_text("1000")
    return target


def test_the_node_has_no_memory_left(bpf):
    with Daemon() as daemon, Target("leaks", 50000) as target:
        before = kills(daemon)
        assert expendable(target).process.wait() == -signal.SIGKILL
        oom, = until(lambda: of(daemon, target.pid), "the entry")
        assert (oom["scope"], oom["limit"]) == ("node", memory("MemTotal"))
        assert kills(daemon) == {**before, "node": before["node"] + 1}
        # Taken from four fifths of the limit on. Emulated, the first report may take the time of the next ones.
        assert 0.7 * oom["victim"]["rss"] <= oom["report"]["totals"]["rss"] <= 1.1 * oom["victim"]["rss"]


def test_pressure_while_there_is_memory(bpf):
    """A process is kept waiting, by a bound that kills nothing. The largest one is reported, but not once and again: what
    reports may cost is for those that come near a limit."""
    with Daemon() as daemon, contextlib.ExitStack() as stack:
        def reports():
            return daemon.metrics()["memprov_oom_reports_total"]

        big = stack.enter_context(Target("leaks", 0, memory("MemTotal") // 4))
        assert big.line() == "full"
        assert memory("MemAvailable") > memory("MemTotal") / 3
        until(lambda: pressure() < 5, "the pressure of before to be over")
        assert reports() == 0
        group = stack.enter_context(memory_cgroup(512 * MIB))
        (group / "memory.high").write_text(str(8 * MIB))
        stack.enter_context(within(group, "leaks", 0))
        until(lambda: reports() > 0, "a report")
        time.sleep(5)
        seen, pressed = reports(), 0
        for _ in range(15):
            time.sleep(1)
            pressed += pressure() >= 10
        assert pressed >= 3 and memory("MemAvailable") > memory("MemTotal") / 3
        assert reports() == seen
