# SPDX-License-Identifier: BSD-2-Clause
"""Threads that take each other's CPU in the middle of a BPF program, which fexit allows on kernels that preempt.

There is more to see on tests/run-vm 6.12-built, and with APPEND=preempt=full tests/run-vm 6.1, where fexit loses events
and is not what memprov takes by itself; everywhere else nothing may be lost.
"""
import os
import re
import subprocess

from memprov import BACKEND, MEMPROV, Daemon, Target, check_sums, region_at, until

PREEMPTED = 'memprov_events_lost_total{cause="preempted"}'
RING_FULL = 'memprov_events_lost_total{cause="ring_full"}'
THROTTLED = 'memprov_events_lost_total{cause="throttled"}'
# Those of CONFIG_PREEMPT_DYNAMIC say PREEMPT_DYNAMIC however they were booted.
ALWAYS = re.search(r" PREEMPT(_RT)?( |$)", os.uname().version)


def test_what_it_takes_by_itself(bpf):
    told = subprocess.run([MEMPROV, "doctor"], capture_output=True, text=True).stdout
    backend = re.search("attach backend +(.*)", told)[1]
    assert not ALWAYS or backend.startswith("tracepoint, not fexit: "), backend


def test_more_threads_than_cpus(bpf):
    with Daemon("--ring-size", "64M") as daemon, Target("churn", "8") as other, \
            Target("churn", "8", "keep") as target:
        assert other.line() == target.line() == "running"
        until(lambda: daemon.metrics()['memprov_events_total{type="mmap"}'] > 100000, "a hundred thousand events")
        target.tell("stop")
        kept = {}
        for line in iter(target.line, "stopped"):
            address, tid = line.split()
            kept[int(address, 16)] = int(tid)
        other.tell("stop")
        assert other.line() == "stopped"
        report = daemon.report(target.pid, all=1)
        metrics = daemon.metrics()
        backend = report["tracing"]["backend"]
        mmaps = metrics['memprov_events_total{type="mmap"}']
        print(f"{backend}: {mmaps:.0f} mmaps; lost: {metrics[PREEMPTED]:.0f} preempted, "
              f"{metrics[RING_FULL]:.0f} ring full, {metrics[THROTTLED]:.0f} throttled")
        check_sums(report)
        makers = {address: region_at(report, address)["tid"] for address in kept}
        wrong = {hex(a): (tid, kept[a]) for a, tid in makers.items() if tid not in (None, kept[a])}
        assert not wrong, wrong
        # What the kernel left out is of nobody, and told to all.
        if not report["tracing"]["lost_events"] and not metrics[PREEMPTED]:
            assert report["tracing"]["state"] == "complete"
            assert makers == kept
        else:
            assert report["tracing"]["state"] == "resynced"
        assert len(kept) == 8 * 16
        assert BACKEND == "fexit" or not metrics[PREEMPTED]
