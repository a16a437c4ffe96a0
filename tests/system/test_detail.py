# SPDX-License-Identifier: BSD-2-Clause
"""A report of the largest regions says of these what smaps says, without reading it."""
import itertools
import os
import pathlib
import re
import signal
import time

import pytest
from memprov import (HANG, MADV_NOHUGEPAGE, MIB, PAGE, Agent, Daemon, SharingMoved, Target, region_at, same_sharing,
                     smaps, span, stopped, until)
from symbolizers import pagemap_server

MADV_HUGEPAGE = 14
MANY = 3000  # VMAs: for few, smaps is read

# What a small process has of pages that others map, too, smaps rounds down in each VMA.
ROUNDING = 1024


def regions_of(vmas, n):
    return sorted(vmas, key=lambda vma: (-vma.rss, vma.start))[:n]


def check_shown(report, vmas, top):
    """The regions that are whole VMAs; the others are parts, which test_names and test_path see to."""
    assert report["totals"]["rss"] == sum(vma.rss for vma in vmas)
    assert report["totals"]["swap"] == sum(vma.bytes("Swap") for vma in vmas)
    assert report["totals"]["virtual"] == sum(vma.bytes("Size") for vma in vmas)
    pss = sum(vma.bytes("Pss") for vma in vmas)
    if not pss <= report["totals"]["pss"] <= pss + ROUNDING * len(vmas):
        raise SharingMoved("pss", report["totals"]["pss"], pss)
    expected = regions_of(vmas, top)
    assert [span(region) for region in report["regions"]] == [(vma.start, vma.end) for vma in expected]
    for region, vma in zip(report["regions"], expected):
        assert region["rss"] == vma.rss and region["swap"] == vma.bytes("Swap"), (region, vma)
        for field, lines in (("pss", ["Pss"]), ("private", ["Private_Clean", "Private_Dirty"]),
                             ("shared", ["Shared_Clean", "Shared_Dirty"])):
            same_sharing(region[field], vma.bytes(*lines), field, vma)


def settled(pid, check):
    """What other processes move is looked at again; the rest is wrong every time."""
    moved, end = None, time.monotonic() + HANG
    with stopped(pid):
        for _ in itertools.count():
            assert time.monotonic() < end, f"it never stood still, or is wrong: {moved}"
            before = smaps(pid)
            try:
                return check(before)
            except SharingMoved as difference:
                moved = difference


@pytest.mark.parametrize("top", [1, 20, 500, None])
def test_the_regions_that_are_shown(daemon, top):
    """Programs of many VMAs, with libraries that others share."""
    parameters = {"top": top} if top else {"all": 1}
    with Target("many_vmas", MANY) as target:
        target.line()
        settled(target.pid, lambda vmas: check_shown(daemon.report(target.pid, **parameters), vmas, top))


def rows(text):
    """[(address, rss, private, shared)] of the text's regions, kB."""
    section = text.split("Memory Regions ===\n\n")[1].split("\n\n")[0]
    return [(row[0], int(row[2]), int(row[4]), int(row[6]))
            for row in (line.split() for line in section.splitlines()[2:])]


def check_text(text, vmas):
    expected = regions_of([vma for vma in vmas if vma.rss], 20)
    assert int(re.search(r"RSS \(Resident\): +(\d+) kB", text)[1]) * 1024 == sum(v.rss for v in vmas)
    for row, vma in itertools.zip_longest(rows(text), expected):
        assert row[:2] == (f"{vma.start:08x}...", vma.rss >> 10)
        same_sharing(row[2:], tuple(vma.bytes(f"{what}_Clean", f"{what}_Dirty") >> 10
                                    for what in ("Private", "Shared")), vma)


def test_the_text(daemon):
    """It has no PSS, so the pages alone tell what is shared."""
    with Target("many_vmas", MANY) as target:
        target.line()
        settled(target.pid, lambda vmas: check_text(daemon.text(target.pid, unit="kB"), vmas))


def map_apart(agent, size):
    """Whole huge pages, which no neighbour merges with."""
    start = agent.map(size + 4 * MIB)
    aligned = (start // (2 * MIB) + 1) * 2 * MIB
    agent.call("munmap", start, aligned - start)
    agent.call("munmap", aligned + size, start + 4 * MIB - aligned)
    return aligned


def test_pages_that_a_child_shares(daemon):
    """Huge ones, too, of which the kernel says that all are what the first one is."""
    with Agent() as agent:
        many = agent.map(MANY * PAGE)
        for i in range(0, MANY, 2):
            agent.call("mprotect", many + i * PAGE, PAGE, 1)
        huge, small = map_apart(agent, 4 * MIB), map_apart(agent, 2 * MIB)
        agent.call("madvise", huge, 4 * MIB, MADV_HUGEPAGE)
        agent.call("madvise", small, 2 * MIB, MADV_NOHUGEPAGE)
        agent.call("fill", huge, 4 * MIB, 1)
        agent.call("fill", small, 2 * MIB, 1)
        child = agent.fork()
        agent.call("fill", huge, 1, 2, by=child)
        agent.call("fill", small, 1, 2, by=child)
        found = {vma.start: vma for vma in smaps(agent.pid)}
        assert [found[at].bytes("Private_Clean", "Private_Dirty") for at in (huge, small)] == [PAGE, PAGE]
        enabled = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
        assert ("[never]" in enabled) == (found[huge].bytes("AnonHugePages") == 0)
        reports = [daemon.report(agent.pid, top=20), daemon.report(agent.pid, all=1)]
        text = daemon.text(agent.pid, unit="kB")
        for at in (huge, small):
            vma = found[at]
            expected = vma.bytes("Pss"), vma.bytes("Private_Clean", "Private_Dirty"), vma.bytes("Shared_Dirty")
            for region in (region_at(report, at) for report in reports):
                assert (region["pss"], region["private"], region["shared"]) == expected
            assert [row[2:] for row in rows(text) if row[0] == f"{at:08x}..."] == [(PAGE >> 10, expected[2] >> 10)]


@pytest.mark.plain
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_the_process_that_opens_pagemaps_does_not_answer(bpf, number):
    """Then smaps is read."""
    with Daemon() as daemon, Target("many_vmas", MANY) as target:
        target.line()
        os.kill(pagemap_server(daemon), number)
        settled(target.pid, lambda vmas: check_shown(daemon.report(target.pid, top=20), vmas, 20))


def reads_of(daemon):
    """Bytes that the daemon has read in all."""
    with open(f"/proc/{daemon.pid}/io") as io:
        return int(re.search(r"rchar: (\d+)", io.read())[1])


@pytest.mark.parametrize("parameters", [{"format": "text"}, {"format": "json"}, {"format": "text", "all": 1},
                                        {"format": "json", "all": 1}], ids=["text", "json", "text-all", "json-all"])
def test_smaps_is_not_read(daemon, parameters):
    """What such a report reads grows with maps, whose lines are a tenth of the records of smaps."""
    with Target("many_vmas", MANY) as target:
        target.line()
        daemon.get("/debug/memory", pid=target.pid, **parameters)
        with open(f"/proc/{target.pid}/maps", "rb") as maps, open(f"/proc/{target.pid}/smaps", "rb") as records:
            assert 8 * len(maps.read()) < (whole := len(records.read()))

        def is_less():
            before = reads_of(daemon)
            assert daemon.get("/debug/memory", pid=target.pid, **parameters).status == 200
            return reads_of(daemon) - before < whole / 2

        # Samples are read, too, and what others do.
        until(is_less, "a report that reads less than smaps")
