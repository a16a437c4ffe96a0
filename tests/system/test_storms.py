# SPDX-License-Identifier: BSD-2-Clause
"""A storm takes no event from others: what finds no room is its own."""
import contextlib
import time

from memprov import Agent, Daemon, Target, region_at, until

STORMS = 8
LOST = 'memprov_events_lost_total{cause="ring_full"}'
MAPS = 200


@contextlib.contextmanager
def storms():
    """Processes that map and unmap as fast as they can."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Target("churn", 1)) for _ in range(STORMS)]


def test_a_quiet_process_beside_eight_storms(bpf):
    """No event of its own is lost, and nothing of its memory is unknown."""
    with Daemon() as daemon, Agent() as quiet, storms() as others:
        until(lambda: daemon.metrics()[LOST] > 1000, "storms that overflow the ring")
        kept = []
        for _ in range(MAPS):
            kept.append(quiet.map(64 * 1024))
            quiet.call("fill", kept[-1], 64 * 1024, 1)
            quiet.call("munmap", quiet.map(64 * 1024), 64 * 1024)
            time.sleep(0.005)
        report = daemon.report(quiet.pid, all=1)
        assert (report["tracing"]["state"], report["tracing"]["lost_events"]) == ("complete", 0)
        assert report["coverage"]["unknown"] == 0
        for at in kept:
            region = region_at(report, at)
            assert (region["origin"], region["tid"]) == ("mmap", quiet.pid), region
        # What was lost is the storms' own, and each says so of itself.
        assert any(daemon.report(other.pid)["tracing"]["lost_events"] for other in others)
