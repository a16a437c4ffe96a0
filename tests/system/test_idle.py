# SPDX-License-Identifier: BSD-2-Clause
"""What the daemon costs when nothing happens: 200 processes that sleep."""
import os
import pathlib
import subprocess
import time

import pytest

from memprov import MIB, Daemon, smaps

PROCESSES = 200
SECONDS = 20


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def events(daemon):
    return sum(value for name, value in daemon.metrics().items()
               if name.startswith("memprov_events_total"))


def cpu_share(daemon):
    """Of one core, over a time in which (nearly) nothing happened on the whole machine."""
    for _ in range(2):
        happened = events(daemon)
        before, began = cpu_seconds(daemon.pid), time.monotonic()
        time.sleep(SECONDS)
        share = (cpu_seconds(daemon.pid) - before) / (time.monotonic() - began)
        happened = events(daemon) - happened
        if happened < 100 * SECONDS:
            return share
    raise AssertionError(f"the machine is never idle: {happened:.0f} events in {SECONDS} s")


@pytest.mark.plain
def test_idle(bpf, capsys):
    sleepers = [subprocess.Popen(["/bin/sleep", "1000"]) for _ in range(PROCESSES)]
    try:
        with Daemon() as daemon:
            daemon.report()
            share = cpu_share(daemon)
            metrics = daemon.metrics()
            vmas = smaps(daemon.pid)
            rss = sum(v.rss for v in vmas)
            ring = sum(v.rss for v in vmas if v.name == "anon_inode:bpf-map")
            maps = metrics["memprov_bpf_map_bytes"]
            with capsys.disabled():
                print(f"\nidle with {PROCESSES} processes: {share:.2%} of a core; RSS "
                      f"{rss / MIB:.1f} MiB, of which the ring {ring / MIB:.1f} MiB (its data is "
                      f"mapped twice); BPF maps {maps / MIB:.1f} MiB")
            assert len(daemon.report(all=1)["processes"]) >= PROCESSES
            assert maps >= 8 * MIB
            assert share < 0.005
            assert rss < 30 * MIB
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()
