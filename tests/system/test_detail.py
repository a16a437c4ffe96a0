# SPDX-License-Identifier: BSD-2-Clause
"""A report of the largest regions says of these what smaps says; the text without reading it."""
import itertools
import re
import time

import pytest
from memprov import HANG, SharingMoved, Target, same_sharing, smaps, span, stopped, until

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


@pytest.mark.parametrize("top", [1, 20, 500])
def test_the_regions_that_are_shown(daemon, top):
    """Programs of many VMAs, with libraries that others share."""
    with Target("many_vmas", 3000) as target:
        target.line()
        settled(target.pid, lambda vmas: check_shown(daemon.report(target.pid, top=top), vmas, top))


def rows(text):
    """[(address, rss, private, shared)] of the text's regions, kB."""
    section = text.split("Memory Regions ===\n\n")[1].split("\n\n")[0]
    return [(row[0], int(row[2]), int(row[4]), int(row[6]))
            for row in (line.split() for line in section.splitlines()[2:])]


def test_the_text(daemon):
    """It has no PSS, so the pages alone tell what is shared."""
    def check(vmas):
        text = daemon.text(target.pid, unit="kB")
        expected = regions_of([vma for vma in vmas if vma.rss], 20)
        assert int(re.search(r"RSS \(Resident\): +(\d+) kB", text)[1]) * 1024 == sum(v.rss for v in vmas)
        for row, vma in itertools.zip_longest(rows(text), expected):
            assert row[:2] == (f"{vma.start:08x}...", vma.rss >> 10)
            same_sharing(row[2:], tuple(vma.bytes(f"{what}_Clean", f"{what}_Dirty") >> 10
                                        for what in ("Private", "Shared")), vma)

    with Target("many_vmas", 3000) as target:
        target.line()
        settled(target.pid, check)


def reads_of(daemon):
    """Bytes that the daemon has read in all."""
    with open(f"/proc/{daemon.pid}/io") as io:
        return int(re.search(r"rchar: (\d+)", io.read())[1])


def test_smaps_is_not_read(daemon):
    """What a text report reads grows with maps, whose lines are a tenth of the records of smaps."""
    with Target("many_vmas", 3000) as target:
        target.line()
        daemon.text(target.pid)
        with open(f"/proc/{target.pid}/maps", "rb") as maps, open(f"/proc/{target.pid}/smaps", "rb") as records:
            assert 8 * len(maps.read()) < (whole := len(records.read()))

        def is_less():
            before = reads_of(daemon)
            daemon.text(target.pid)
            return reads_of(daemon) - before < whole / 2

        # Samples are read, too, and what others do.
        until(is_less, "a report that reads less than smaps")
