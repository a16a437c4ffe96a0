# SPDX-License-Identifier: BSD-2-Clause
"""What becomes of names when mappings are resized, moved, cut and extended: as by a kernel that takes
them. tests/workloads/name_operations.c says what that is."""
import re

import pytest

from memprov import MIB, Target, exact_report, span

BRACKETS = re.compile(r"\[(anon|anon_shmem):(.*)\]$")


@pytest.fixture
def operations(daemon):
    """The process, its child, and for each range what it is, where, and its name."""
    with Target("name_operations") as target:
        ranges = {}
        while not (line := target.line()).startswith("ready "):
            place, name = line.split("\t")
            start, end, what = place.split(" ", 2)
            ranges[what] = (int(start), int(end), None if name == "-" else name)
        assert len(ranges) == 29
        yield target.pid, int(line.split()[1]), ranges


def regions_in(report, start, end):
    regions = [r for r in report["regions"] if span(r)[0] < end and span(r)[1] > start]
    assert sum(min(span(r)[1], end) - max(span(r)[0], start) for r in regions) == end - start
    return regions


def kernels_own(pid):
    """What the kernel calls each mapping, in our words: start, end, name."""
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            where, *_, name = line.rstrip("\n").split(None, 5) + [""] * (len(line.split(None, 5)) < 6)
            start, end = (int(n, 16) for n in where.split("-"))
            yield start, end, BRACKETS.sub(r"[\1: \2]", name) or None


@pytest.mark.parametrize("child", [False, True])
def test_every_range_is_called_what_the_kernel_would_call_it(daemon, operations, child):
    pid, child_pid, ranges = operations
    pid = child_pid if child else pid
    report = exact_report(daemon, pid)
    for what, (start, end, name) in ranges.items():
        names = {r["name"] for r in regions_in(report, start, end)}
        assert names == {name}, (what, names)
    own = list(kernels_own(pid))
    if any(name and name.startswith("[anon: ") for *_, name in own):
        for what, (start, end, name) in ranges.items():
            names = {n for lo, hi, n in own if lo < end and hi > start}
            assert names == {name}, (what, names, "by the kernel itself")
        for start, end, name in own:
            regions = regions_in(report, start, end)
            assert {r["name"] for r in regions} == {name}, (hex(start), name, regions)
        sources = {r["name_source"] for r in report["regions"] if (r["name"] or "").startswith("[anon")}
        assert sources == {"kernel"}


def test_what_mremap_adds(daemon, operations):
    """Six MiB of one name, by the call site that gave it; four of them by mmap, two by mremap."""
    pid, _, ranges = operations
    report = exact_report(daemon, pid)
    start, end, _ = ranges["grown and moved"]
    regions = regions_in(report, start, end)
    assert [(r["origin"], span(r)) for r in regions] == \
        [("mmap", (start, start + 4 * MIB)), ("mremap", (start + 4 * MIB, end))]
    assert regions[0]["callsite"] != regions[1]["callsite"]
    assert regions[0]["named_by"] == regions[1]["named_by"] is not None
    assert {"name": "grown", "rss": 6 * MIB, "virtual": 6 * MIB, "regions": 2} in \
        report["breakdown"]["named"]
