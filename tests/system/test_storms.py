# SPDX-License-Identifier: BSD-2-Clause
"""A storm takes no event from others, and costs a fixed part of a CPU: what goes beyond its share is its own."""
import contextlib
import os
import pathlib
import time

import pytest

from memprov import Agent, Daemon, Target, exact_report, functions, region_at, sites_of, until
from test_fairness import NOBODY

STORMS = 8
THROTTLED = 'memprov_events_lost_total{cause="throttled"}'
MAPS = 200
TICKS = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def storms(**popen):
    """Processes that map and unmap as fast as they can."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Target("churn", 1, **popen)) for _ in range(STORMS)]


def cpu_seconds(pid):
    """Of the daemon and its children."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    own = (int(stat[11]) + int(stat[12])) / TICKS
    children = [int(child) for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children")
                for child in task.read_text().split()]
    return own + sum(cpu_seconds(child) for child in children)


def keep(quiet, n):
    """Where it has mapped and touched 64 KiB each time, not faster than the reader gets a CPU."""
    kept = []
    for _ in range(n):
        kept.append(quiet.map(64 * 1024))
        quiet.call("fill", kept[-1], 64 * 1024, 1)
        quiet.call("munmap", quiet.map(64 * 1024), 64 * 1024)
        time.sleep(0.005)
    return kept


def check_quiet(daemon, quiet, kept):
    """No event of its own is lost, nothing of its memory is unknown, and every stack leads to its end."""
    def has_sites():
        report = daemon.report(quiet.pid, all=1)
        return all(region_at(report, at)["callsite"] for at in kept)

    until(has_sites, "its call sites")  # the process that unwinds waits for a CPU, too
    report = exact_report(daemon, quiet.pid)
    assert (report["tracing"]["state"], report["tracing"]["lost_events"]) == ("complete", 0)
    assert report["coverage"]["unknown"] == 0
    sites = sites_of(report)
    for at in kept:
        region = region_at(report, at)
        assert (region["origin"], region["tid"]) == ("mmap", quiet.pid), region
        site = sites[region["callsite"]]
        assert (site["stack_source"], site["truncated"]) == ("cfi", False), site
        assert "main" in functions(site), site


@pytest.mark.plain
def test_a_quiet_process_beside_eight_storms(bpf):
    with Daemon() as daemon, Agent() as quiet, storms() as others:
        until(lambda: daemon.metrics().get(THROTTLED, 0) > 1000, "storms beyond their share")
        kept = keep(quiet, MAPS)
        check_quiet(daemon, quiet, kept)
        # What was lost is the storms' own, and each says so of itself.
        for other in others:
            tracing = daemon.report(other.pid)["tracing"]
            assert tracing["state"] == "resynced" and tracing["lost_events"] > 0, tracing


def agent_numbered(stack, pid):
    """An agent with that pid: asks for the next one until nothing else of the machine takes it."""
    while True:
        pathlib.Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        agent = stack.enter_context(Agent())
        if agent.pid == pid:
            return agent


def test_the_next_process_of_a_number_has_its_whole_share(bpf):
    with Daemon() as daemon, contextlib.ExitStack() as stack:
        with Target("churn", 1) as storm:
            until(lambda: daemon.metrics().get(THROTTLED, 0) > 1000, "a storm beyond its share")
        next_one = agent_numbered(stack, storm.pid)
        check_quiet(daemon, next_one, [next_one.map(64 * 1024) for _ in range(20)])


def cost(daemon, seconds):
    """CPU time per second."""
    began, before = time.monotonic(), cpu_seconds(daemon.pid)
    time.sleep(seconds)
    return (cpu_seconds(daemon.pid) - before) / (time.monotonic() - began)


@pytest.mark.plain
def test_storms_cost_a_part_of_a_cpu(bpf):
    """Less what everything else on the machine costs."""
    with Daemon() as daemon:
        others = cost(daemon, 5)
        with storms():
            until(lambda: daemon.metrics().get(THROTTLED, 0) > 1000, "storms beyond their share")
            before = daemon.metrics()[THROTTLED]
            beside_storms = cost(daemon, 15)
            throttled = daemon.metrics()[THROTTLED] - before
    print(f"{100 * beside_storms:.1f} % of a CPU, {100 * others:.1f} % without; {throttled:.0f} events throttled")
    assert throttled > 10000
    assert beside_storms - others < 0.1


def following(daemon):
    """CPU seconds that reading events and unwinding stacks has taken."""
    metrics = daemon.metrics()
    return sum(metrics[f'memprov_following_cpu_seconds_total{{what="{what}"}}'] for what in ("events", "stacks"))


@pytest.mark.plain
def test_the_cpu_limit_is_kept(bpf):
    """By storms of events and of processes, each of which has a share. What is neither loses nothing."""
    behind = {"preexec_fn": lambda: os.nice(19)}  # what others leave of the CPUs is enough for a storm
    with Daemon("--cpu-limit", "1") as daemon, Agent() as quiet, storms(**behind), \
            Target("spawn_storm", 500, 120, **behind), Target("spawn_storm", 500, 120, **behind):
        until(lambda: daemon.metrics()["memprov_storm_pressure"] > 0, "pressure")
        began, before = time.monotonic(), following(daemon)
        time.sleep(20)
        share = (following(daemon) - before) / (time.monotonic() - began)
        pressure = daemon.metrics()["memprov_storm_pressure"]
        with Agent(user=NOBODY, group=NOBODY, extra_groups=[]) as young:
            check_quiet(daemon, young, keep(young, 20))
        check_quiet(daemon, quiet, keep(quiet, MAPS))
    print(f"{100 * share:.2f} % of a CPU, pressure {pressure:.0f}")
    assert share < 0.015


def test_a_storm_that_ends_is_known_again(bpf):
    """Throttled or not: what a process does once it has calmed down is seen."""
    with Daemon() as daemon, Agent() as agent:
        at = agent.map(64 * 1024)
        with storms():
            until(lambda: daemon.metrics().get(THROTTLED, 0) > 1000, "storms beyond their share")
        new = agent.map(64 * 1024)
        agent.call("fill", new, 64 * 1024, 1)
        check_quiet(daemon, agent, [at, new])
