# SPDX-License-Identifier: BSD-2-Clause
"""Programs that take as much of the daemon's memory as they can, and one that takes little.

ATTACK_SECONDS=300 tests/run-system build tests/system/test_memory_limit.py -s: five minutes of it. It prints how long a
report of the quiet one takes, too, in the attack's pauses and in between: what is no test, since it depends on what else
the machine does.
"""
import contextlib
import json
import os
import random
import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from memprov import MIB, PAGE, Agent, Daemon, Target, check_sums, exact_report, region_at, status_kb, stopped, until
from test_fairness import CLIENT, NOBODY
from test_limits import MANIFEST, memory_limit

SECONDS = int(os.environ.get("ATTACK_SECONDS", 10))
ATTACKERS = 50
GIVEN_BACK_SECONDS = 11  # what is not used is after ten
ATTACK_FOR, PAUSE_FOR = 6, 3
# Pages, mappings, depth of the call chain, kept: ledgers; known stacks by frame pointers; copied
# stacks and call sites.
GREED = [(1, 60000, 0, 60000), (1, 2000, 100, 2000), (16, 500, 60, 500)]
REPORTS = ["/debug/memory?pid={}&format=json&all=1", "/debug/memory?pid={}", "/debug/memory/pprof?pid={}",
           "/debug/memory/flamegraph?pid={}", "/debug/memory?pid={}&format=folded",
           "/debug/memory/callsites?pid={}&format=json&all=1"]


class Quiet(Agent):
    """A hundred mappings, each with a creation of its own."""

    def __init__(self):
        super().__init__()
        self.at = [self.map(2 * PAGE) for _ in range(100)]
        for at in self.at:
            self.name(at, 2 * PAGE, b"quiet")

    def check(self, daemon):
        report = exact_report(daemon, self.pid)
        assert report["tracing"]["state"] == "complete" and not report["tracing"]["lost_events"]
        assert report["coverage"]["unknown"] == 0
        for at in self.at:
            region = region_at(report, at)
            assert region["origin"] == "mmap" and region["tid"] == self.pid, region
            assert region["name"] == "[anon: quiet]"


@contextlib.contextmanager
def asking(daemon, pids, statuses):
    """Another user asks for its processes, the attackers, as large as the reports come, on six connections at
    once."""
    paths = [path.format(pid) for pid in random.sample(pids, 10) for path in REPORTS]
    random.shuffle(paths)
    with Target("/usr/bin/python3", "-c", CLIENT, str(daemon.port), 6, *paths, user=NOBODY, group=NOBODY,
                extra_groups=[]) as client:
        assert client.line() == "ready"
        yield client
        client.tell("")
        statuses.update(int(status) if status.isdigit() else status for status in json.loads(client.line(120)))


def time_report(daemon, pid, times):
    """On a connection of its own, as all are."""
    begin = time.monotonic()
    assert daemon.get("/debug/memory", pid=pid, format="json", all=1).status == 200
    times.append(time.monotonic() - begin)


def attack_for(seconds, attackers, quiet, daemon, times):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        some = random.sample(attackers, 3)
        for attacker in some:
            attacker.tell("again")
        for _ in range(5):
            time_report(daemon, quiet.pid, times)
        for attacker in some:
            assert attacker.line(120) == "ready"
        quiet.check(daemon)


def pause_for(seconds, quiet, daemon, times):
    end = time.monotonic() + seconds
    time.sleep(seconds / 3)  # what has begun ends
    while time.monotonic() < end:
        time_report(daemon, quiet.pid, times)
    quiet.check(daemon)


@pytest.mark.plain
def test_what_reports_took_goes_back(bpf):
    """Whichever threads made them."""
    with Daemon() as daemon, Target("many_vmas", 30000) as target, ThreadPoolExecutor(8) as pool:
        target.line()
        daemon.text(target.pid)
        time.sleep(GIVEN_BACK_SECONDS)
        before = status_kb(daemon.pid, "VmRSS")
        answers = pool.map(lambda _: daemon.get("/debug/memory", pid=target.pid, format="json", all=1).status, range(24))
        assert {200} <= set(answers) <= {200, 503}  # a small machine has no memory for eight at once
        assert status_kb(daemon.pid, "VmHWM") > before + (32 << 10)
        until(lambda: status_kb(daemon.pid, "VmRSS") < before + (10 << 10), "the memory to be given back")


@pytest.mark.plain
@pytest.mark.seconds(240 + 4 * SECONDS)
def test_fifty_attackers(bpf):
    limit = int(re.search(r"limits: \{.*memory: (\d+)Mi\}", MANIFEST.read_text())[1]) * MIB
    with memory_limit(limit) as (inside, figures), contextlib.ExitStack() as stack:
        with inside():
            daemon = stack.enter_context(Daemon())
        quiet = stack.enter_context(Quiet())
        quiet.check(daemon)
        assert daemon.metrics()["memprov_memory_limit_bytes"] == limit // 5 * 4 - limit // 5 * 2
        attackers = []
        for i in range(ATTACKERS):
            attackers.append(stack.enter_context(
                Target("greedy", *GREED[i % len(GREED)], user=NOBODY, group=NOBODY, extra_groups=[])))
            assert attackers[-1].line(120) == "ready"
        end, statuses, times = time.monotonic() + SECONDS, set(), {True: [], False: []}
        with asking(daemon, [attacker.pid for attacker in attackers], statuses) as client:
            while time.monotonic() < end:
                attack_for(ATTACK_FOR, attackers, quiet, daemon, times[True])
                with stopped(client.pid):
                    pause_for(PAUSE_FOR, quiet, daemon, times[False])
        quiet.check(daemon)
        check_sums(daemon.report())
        metrics = daemon.metrics()
        peak, (most, killed) = status_kb(daemon.pid, "VmHWM") * 1024, figures()
        given_up = {k: v for k, v in metrics.items() if "given_up" in k}
        for attacked, those in times.items():
            print(f"{'attacked' if attacked else 'in a pause'}: {len(those)} reports, median "
                  f"{statistics.median(those) * 1000:.1f} ms, 95 % below "
                  f"{statistics.quantiles(those, n=20)[-1] * 1000:.1f} ms")
        print(f"resident {peak / MIB:.0f} MiB at most, the cgroup {most / MIB:.0f} of "
              f"{limit / MIB:.0f} MiB; {statuses}; {given_up}")
        assert killed == 0 and daemon.process.poll() is None
        assert peak < 0.8 * limit
        assert statuses <= {200, 503} and 200 in statuses
        assert metrics['memprov_given_up_total{what="address_spaces"}'] > 0
        assert sum(v for k, v in metrics.items() if k.startswith("memprov_memory_bytes")) <= \
            metrics["memprov_memory_limit_bytes"]
        # Told once, not for each.
        assert daemon.stderr().count("memory is short") == 1 or SECONDS > 60
