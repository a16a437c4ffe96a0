# SPDX-License-Identifier: BSD-2-Clause
"""The samples of all processes: that they are right, as old as they say, and cheap."""
import pathlib
import re
import subprocess
import time

import pytest

from memprov import (MADV_DONTNEED, MADV_NOHUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, MIB, PAGE, ROOT,
                     Agent, Daemon, Target, smaps, stopped, until)

MAP_NORESERVE = 0x4000


def rows(daemon):
    answer = daemon.get("/debug/memory/processes", format="json")
    assert answer.status == 200, answer.text
    return {row["pid"]: row for row in answer.json["processes"]}


def resident(pid):
    return sum(vma.rss for vma in smaps(pid))


def fill(agent, size, flags=0):
    address = agent.map(size, flags=flags)
    agent.call("madvise", address, size, MADV_NOHUGEPAGE)
    agent.call("fill", address, size, 1)
    return address


def test_growth(daemon):
    with Agent() as agent:
        before = rows(daemon)[agent.pid]
        address = fill(agent, 24 * MIB)
        with stopped(agent.pid):
            grown = rows(daemon)[agent.pid]
            assert grown["rss"] == resident(agent.pid) >= before["rss"] + 24 * MIB
            node = next(row for row in daemon.report(all=1)["processes"]
                        if row["pid"] == agent.pid)
        assert grown["growth"] - before["growth"] == grown["rss"] - before["rss"]
        assert node["growth"] == grown["growth"] and node["rss"] == grown["rss"]
        assert grown["growth_since"] == before["growth_since"]
        # It has no event of this, only less memory.
        agent.call("madvise", address, 20 * MIB, MADV_DONTNEED)
        shrunk = rows(daemon)[agent.pid]
        assert shrunk["rss"] == grown["rss"] - 20 * MIB
        assert shrunk["growth"] == grown["growth"] - 20 * MIB
        agent.call("munmap", address, 24 * MIB)
        assert rows(daemon)[agent.pid]["growth"] == grown["growth"] - 24 * MIB


def test_another_program_begins_anew(daemon):
    with Target("/bin/sh", "-c", "read line; exec sleep 100") as target:
        before = rows(daemon)[target.pid]
        target.tell("go on")
        comm = pathlib.Path(f"/proc/{target.pid}/comm")
        until(lambda: comm.read_text() == "sleep\n", "the exec")
        target.settle()
        after = rows(daemon)[target.pid]
        assert after["comm"] == "sleep"
        assert after["growth_since"] > before["growth_since"]
        with stopped(target.pid):
            assert after["rss"] - after["growth"] <= resident(target.pid)


# Plain: where a sample takes more than 10 ms, which sanitizers bring about, an old one may do.
@pytest.mark.plain
def test_ages_are_true(daemon):
    with Agent() as agent:
        began = time.monotonic()
        fill(agent, MIB)
        row = rows(daemon)[agent.pid]
        asked = time.monotonic()
        assert row["age_ms"] <= (asked - began) * 1000 + 1
        # Nothing changes, so it is not read again.
        until(lambda: rows(daemon)[agent.pid]["age_ms"] >= 500, "an older sample")
        row = rows(daemon)[agent.pid]
        assert 500 <= row["age_ms"] <= (time.monotonic() - began) * 1000 + 1
        assert row["pss_age_ms"] >= row["age_ms"]
        changed = time.monotonic()
        fill(agent, MIB)
        assert rows(daemon)[agent.pid]["age_ms"] <= (time.monotonic() - changed) * 1000 + 1
        text = daemon.get("/debug/memory/processes").text
        assert text.splitlines()[0].split()[-1] == "AGE"
        assert re.search(rf"^ *{agent.pid} agent .* \d+ s$", text, re.M), text


def test_a_sample_is_what_smaps_says(daemon):
    """Of all kinds of memory; and the metrics are the same."""
    with Agent() as agent:
        named = fill(agent, 6 * MIB)
        agent.name(named, 6 * MIB, b"sampled cache")
        fill(agent, 3 * MIB, MAP_SHARED | MAP_ANONYMOUS)
        holes = agent.map(4 * MIB)
        for page in range(0, 4 * MIB, 3 * PAGE):
            agent.call("fill", holes + page, PAGE, 1)
        agent.map(1 << 40, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
        with stopped(agent.pid):
            row, vmas = rows(daemon)[agent.pid], smaps(agent.pid)
            series = daemon.metrics()
        assert row["rss"] == sum(vma.rss for vma in vmas)
        assert abs(row["pss"] - sum(vma.bytes("Pss") for vma in vmas)) < MIB
        assert row["swap"] == sum(vma.bytes("Swap") for vma in vmas)
        mine = f'pid="{agent.pid}",comm="agent"'
        groups = [value for name, value in series.items()
                  if name.startswith("memprov_process_resident_bytes{" + mine)]
        if groups:  # one of the largest of this machine
            assert sum(groups) == row["rss"]
            named = f'memprov_named_region_resident_bytes{{{mine},name="sampled cache"}}'
            assert series[named] == 6 * MIB
            taken = series[f"memprov_process_sampled_timestamp_seconds{{{mine}}}"]
            assert 0 <= time.time() - taken < 60


def test_processes_that_are_gone_are_not_listed(daemon):
    with Agent() as agent:
        assert agent.pid in rows(daemon)
    assert agent.pid not in rows(daemon)


# --- what it costs ------------------------------------------------------------------------------


def sampler_seconds(daemon):
    """CPU time of the thread that samples."""
    for task in pathlib.Path(f"/proc/{daemon.pid}/task").iterdir():
        if (task / "comm").read_text() == "sampler\n":
            return int((task / "schedstat").read_text().split()[0]) / 1e9
    raise AssertionError("there is no such thread")


@pytest.mark.plain
def test_at_most_one_percent(bpf):
    """500 processes that all change, and a larger one: more than it can keep up with. It goes on sampling,
    and however long that takes it stays within what it may use of the CPU, once it has met them all: before that history
    has no sums."""
    with Target("breathe", 500) as many, Target("many_vmas", 5000) as large, Daemon() as daemon:
        assert many.line() == large.line() == "ready"
        until(lambda: daemon.get("/debug/memory/history").status == 200, "the node's first sum")
        before, began = sampler_seconds(daemon), time.monotonic()
        until(lambda: sampler_seconds(daemon) - before > 0.15, "the samples of a quarter of a minute")
        used, took = sampler_seconds(daemon) - before, time.monotonic() - began
    print(f"500 processes that change, one of 5,000 VMAs: {used:.3f} s of CPU in {took:.1f} s")
    # What may have been saved up, and a sample of the large one.
    assert used < 0.01 * took + 0.05


@pytest.mark.plain
def test_a_sample_reads_less_than_smaps(bpf):
    """Of what the kernel would have to write. (How long it takes: tests/bench/sample.py.)"""
    with Target("many_vmas", 20000) as target:
        assert target.line() == "ready"
        target.settle()
        bench = subprocess.run([ROOT / "build" / "bench" / "bench_sample", str(target.pid), "1"],
                               capture_output=True, text=True, check=True)
    print(bench.stdout)
    smaps_bytes, sample_bytes = map(int, re.search(r"(\d+) bytes read, (\d+) by the sample",
                                                   bench.stdout).groups())
    assert 20000 * PAGE / 8 < smaps_bytes
    assert sample_bytes < smaps_bytes / 5
