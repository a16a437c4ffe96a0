# SPDX-License-Identifier: BSD-2-Clause
"""Programs that take as much of the daemon's memory as they can, and one that takes little.

ATTACK_SECONDS=300 tests/run-system build tests/system/test_memory_limit.py: five minutes of it.
"""
import contextlib
import os
import random
import re
import socket
import threading
import time

import pytest

from memprov import MIB, PAGE, Agent, Daemon, Target, check_sums, exact_report, region_at, status_kb
from test_limits import MANIFEST, memory_limit

SECONDS = int(os.environ.get("ATTACK_SECONDS", 10))
ATTACKERS = 50
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


def ask(daemon, pids, end, statuses):
    """Reports of attackers, as large as they come; some of them are not taken."""
    untaken = []
    while time.monotonic() < end:
        path = random.choice(REPORTS).format(random.choice(pids))
        if random.random() < 0.2:
            client = socket.create_connection((daemon.host, daemon.port))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            untaken.append(client)
        else:
            statuses.add(daemon.get(path).status)
    for client in untaken:
        client.close()


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
            attackers.append(stack.enter_context(Target("greedy", *GREED[i % len(GREED)])))
            assert attackers[-1].line(120) == "ready"
        end, statuses = time.monotonic() + SECONDS, set()
        threads = [threading.Thread(target=ask, args=(daemon, [a.pid for a in attackers], end, statuses))
                   for _ in range(6)]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            for attacker in random.sample(attackers, 3):
                attacker.tell("again")
                assert attacker.line(120) == "ready"
            quiet.check(daemon)
        for thread in threads:
            thread.join()
        quiet.check(daemon)
        check_sums(daemon.report())
        metrics = daemon.metrics()
        peak, (most, killed) = status_kb(daemon.pid, "VmHWM") * 1024, figures()
        given_up = {k: v for k, v in metrics.items() if "given_up" in k}
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
