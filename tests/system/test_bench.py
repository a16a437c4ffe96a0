# SPDX-License-Identifier: BSD-2-Clause
"""`make bench` measures what it says: its programs count right, and its contests take turns."""
import re
import subprocess
import sys

import pytest

from memprov import MIB, ROOT, Target, smaps

sys.path.insert(0, str(ROOT / "tests" / "bench"))
import peers  # noqa: E402
from contest import DoesNotRun, contest  # noqa: E402


@pytest.mark.parametrize("program", ["bench/run", "soak/run"])
def test_all_of_its_parts_can_be_had(program):
    """They share the tests' helpers, and are run by hand."""
    subprocess.run([ROOT / "tests" / program, "--help"], check=True, capture_output=True)


class Fake(peers.Peer):
    def __init__(self, name, log, works=True):
        super().__init__(name)
        self.log, self.works = log, works

    def start(self, stack):
        if not self.works:
            raise DoesNotRun("no headers")
        self.log.append(f"+{self.name}")
        stack.callback(self.log.append, f"-{self.name}")
        return lambda argv: [self.name, *argv]


def test_tracers_take_turns():
    log = []
    costs = iter([10, 30, 11, 31, 90, 37])
    results = contest([Fake("a", log), Fake("broken", log, works=False), Fake("b", log)], 3,
                      lambda wrap: {"ns": next(costs), "argc": len(wrap(["x"]))})
    assert log == ["+a", "-a", "+b", "-b"] * 3
    assert results.peers() == ["a", "b"] and results.refused == {"broken": "no headers"}
    assert results.median("a", "ns") == 11 and results.median("a", "argc") == 2
    # Against the other of the same round: 20, 20, -53.
    assert results.against("b", "a", "ns", lambda b, a: b - a) == 20


def test_a_storm_counts_its_events(daemon):
    def counted():
        metrics = daemon.metrics()
        return sum(metrics[f'memprov_events_total{{type="{kind}"}}'] for kind in ("mmap", "munmap"))

    before = counted()
    shown = subprocess.run([peers.BENCH / "bench_storm", "pairs", "2", "100000", "0.2"],
                           capture_output=True, text=True, check=True).stdout
    produced, took_ns = map(int, shown.split())
    assert took_ns >= 0.2e9 and produced >= 200
    assert produced <= counted() - before


def test_the_target_times_its_own_mmap():
    with Target(str(peers.BENCH / "bench_target"), 2000, 1) as target:
        assert target.line() == "ready"
        maps = open(f"/proc/{target.pid}/maps").read()
        assert maps.count("\n") >= 2000
        target.tell("begin")
        target.tell("end")
        n, median, p99, p999, worst = map(int, target.line().split())
        assert n >= 1 and 0 < median <= p99 <= p999 <= worst


def test_a_pair_is_made_by_functions_that_can_be_followed():
    """Else frame pointers would be compared with nothing."""
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", peers.BENCH / "bench_pairs"],
                          capture_output=True, text=True, check=True).stdout
    parts = re.findall(r"<measure[^>]*>:\n(.*?)\n\n", code, re.S)
    assert any(re.search(r"mov +(%rsp,%rbp|x29, sp)", part) for part in parts), parts


def test_faults_are_of_each_page():
    with Target(str(peers.BENCH / "bench_faults"), 16, "hold") as target:
        assert target.line() == "ready"
        kept = next(vma for vma in smaps(target.pid) if vma.end - vma.start >= 16 * MIB and vma.perms == "rw-p")
        assert kept.rss == kept.end - kept.start
    fastest, middle = map(float, subprocess.run([peers.BENCH / "bench_faults", "16", "3"], capture_output=True, text=True,
                                                check=True).stdout.split())
    assert 0 < fastest <= middle
