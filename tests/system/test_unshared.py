# SPDX-License-Identifier: BSD-2-Clause
"""A process whose anonymous pages are no other's is reported without smaps and smaps_rollup; whatever makes that wrong
for it is found out. Each has more memory than what is read from smaps because that is as fast
(user/proc/unshared.c)."""
import pathlib

import pytest

from machine import reserved
from memprov import (MADV_DONTNEED, MADV_NOHUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, MIB, PAGE, Agent, Daemon,
                     exact_report, region_at, smaps, stopped, until)
from test_detail import reads_of
from test_page_kinds import MADV_HUGEPAGE, MADV_MERGEABLE, check_kinds, fill, free_lazily, ksm  # noqa: F401

LARGE = 80 * MIB
MFD_HUGETLB = 4


@pytest.fixture
def large(daemon):
    """It begins beside the daemon, so all of it is known."""
    with Agent() as agent:
        fill(agent, LARGE)
        yield agent


def cut(agent, n):
    """VMAs of a page, by turns writable and not."""
    many = agent.map(n * PAGE)
    agent.call("fill", many, n * PAGE, 1)
    for i in range(0, n, 2):
        agent.call("mprotect", many + i * PAGE, PAGE, 1)


def reads_smaps(daemon, agent, **parameters):
    """Else it reads maps, which is a tenth of it, and what comes to that."""
    whole = len(pathlib.Path(f"/proc/{agent.pid}/smaps").read_bytes())

    def least():
        def once():
            before = reads_of(daemon)
            daemon.report(agent.pid, **parameters)
            return reads_of(daemon) - before

        return min(once() for _ in range(10))  # samples are read, too

    return least() > whole / 2


def check(daemon, agent):
    report = exact_report(daemon, agent.pid)
    check_kinds(report, smaps(agent.pid))
    return report


def test_every_kind_of_memory(daemon, large):
    """To the byte, VMA by VMA, and smaps is not read."""
    memfd = large.call("memfd_create", b"unshared\0", 0)
    large.call("ftruncate", memfd, 4 * MIB)
    for flags, fd in ((MAP_SHARED | MAP_ANONYMOUS, -1), (MAP_SHARED, memfd), (MAP_SHARED, memfd), (MAP_PRIVATE, memfd)):
        at = large.map(4 * MIB, flags=flags, fd=fd)
        large.call("fill", at, MIB, 1)
        large.call("look", at + 2 * MIB, MIB)
    program = large.call("openat", -100, b"/usr/bin/python3\0", 0)
    at = large.map(2 * MIB, flags=MAP_PRIVATE, fd=program)
    large.call("fill", at, 16 * PAGE, 1)  # copies
    large.call("look", at + MIB, MIB // 2)
    fill(large, 8 * MIB, MADV_HUGEPAGE)
    at = large.map(2 * MIB)
    large.call("look", at, MIB)  # the zero page
    at = fill(large, 4 * MIB)
    large.call("madvise", at + MIB, MIB, MADV_DONTNEED)
    large.call("mprotect", at + 2 * MIB, MIB, 0)
    cut(large, 500)
    check(daemon, large)
    assert not reads_smaps(daemon, large, top=20) and not reads_smaps(daemon, large, all=1)


def test_it_has_forked(daemon, large):
    """What its child has of its pages is shared, also when the child has gone on to another program."""
    child = large.fork()
    large.call("madvise", large.map(PAGE, by=child), PAGE, MADV_NOHUGEPAGE, by=child)
    with stopped(child.pid):
        report = check(daemon, large)
        assert sum(region["shared"] for region in report["regions"]) >= LARGE
        assert report["totals"]["pss"] < report["totals"]["rss"] - LARGE // 3
        check(daemon, child)


def test_it_forks_meanwhile(daemon, large):
    """Each report is of one moment: before, or after."""
    cut(large, 500)
    assert not reads_smaps(daemon, large)
    large.fork()
    report = daemon.report(large.pid, all=1)
    assert sum(region["shared"] for region in report["regions"]) >= LARGE
    assert reads_smaps(daemon, large)


@pytest.mark.plain
def test_before_the_daemon(bpf):
    """It may have been forked from anything."""
    with Agent() as agent:
        fill(agent, LARGE)
        cut(agent, 500)
        with Daemon() as daemon:
            exact_report(daemon, agent.pid)
            assert reads_smaps(daemon, agent)


def test_freed_lazily(daemon, large):
    cut(large, 500)
    assert not reads_smaps(daemon, large)
    at = fill(large, 16 * MIB)
    free_lazily(large, at, 8 * MIB)
    report = check(daemon, large)
    assert report["totals"]["lazyfree"] == region_at(report, at)["lazyfree"] == 8 * MIB


def test_merged_pages(daemon, large, ksm):  # noqa: F811
    at = fill(large, 2 * MIB)
    large.call("madvise", at, 2 * MIB, MADV_MERGEABLE)

    def merged():
        return next(v for v in smaps(large.pid) if v.start == at).bytes("KSM")

    until(lambda: merged() == 2 * MIB, "the kernel to merge equal pages")
    assert check(daemon, large)["totals"]["ksm"] == 2 * MIB


def test_hugetlb(daemon, large):
    """One huge page, whose VMA looks like any other memfd's."""
    with reserved(2 * MIB):
        memfd = large.call("memfd_create", b"pool\0", MFD_HUGETLB)
        large.call("ftruncate", memfd, 2 * MIB)
        at = large.map(2 * MIB, flags=MAP_SHARED, fd=memfd)
        large.call("fill", at, 2 * MIB, 1)
        assert check(daemon, large)["totals"]["hugetlb"] == 2 * MIB
        large.call("munmap", at, 2 * MIB)
        large.call("close", memfd)


def test_much_shared_memory(daemon, large):
    """More than is worth to be looked at page by page."""
    at = large.map(160 * MIB, flags=MAP_SHARED | MAP_ANONYMOUS)
    large.call("fill", at, 160 * MIB, 1)
    check(daemon, large)
