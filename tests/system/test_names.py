# SPDX-License-Identifier: BSD-2-Clause
"""Names given by prctl(PR_SET_VMA_ANON_NAME), which this kernel may refuse: read all the same."""
import contextlib
import os
import pathlib
import tempfile
import time

import pytest

from memprov import (GIVEN, MAP_PRIVATE, MIB, PAGE, SANITIZED, Agent, Daemon, Refused, Target, check_sums,
                     exact_report, region_at, span, until)

SIZE = 16 * PAGE
UNREADABLE = 'memprov_events_lost_total{cause="name_unreadable"}'


def named(agent, pointer, at=0, size=SIZE):
    """A fresh mapping, named by the string at `pointer`. Where it is."""
    at = at or agent.map(size)
    try:
        agent.call("prctl", 0x53564D41, 0, at, size, pointer)
    except Refused:
        pass
    return at


def name_of(daemon, agent, address):
    """When no name is still being read: while one is, the report says so, by its consistency."""
    def settled():
        report = daemon.report(agent.pid, all=1)
        return report if report["consistency"] == "exact" else None

    region = region_at(until(settled, "all names to be read"), address)
    assert (region["name"] is None) == (region["name_source"] == "none"), region
    assert region["name"] is None or region["name_source"] in GIVEN, region
    return region["name"]


def check_counted(daemon, n, action):
    """The action adds n to the names that could not be read. Others on the machine may add to them
    too; then more is not wrong."""
    def growth(action):
        before = daemon.metrics()[UNREADABLE]
        action()
        return daemon.metrics()[UNREADABLE] - before

    for _ in range(10):
        grown = growth(action)
        assert grown >= n
        if grown == n:
            return
    assert growth(lambda: time.sleep(1)) > 0, f"{grown:.0f} names counted, not {n}"


def file_page(agent, tmp_path, content):
    """The address of the file's page in the agent: mapped, never touched, and out of the page
    cache."""
    path = tmp_path / "strings"
    path.write_bytes(content)
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    fd = agent.call("openat", -100, bytes(path) + b"\0", 0)
    page = agent.map(len(content), fd=fd, flags=MAP_PRIVATE, prot=1)
    agent.call("madvise", page, len(content), 4)
    return page


@pytest.mark.parametrize("again", range(5))
def test_a_constant_in_a_page_that_was_never_touched(daemon, agent, tmp_path, again):
    page = file_page(agent, tmp_path, b"ConstantOfAFile\0".ljust(PAGE, b"\0"))
    # Others right behind it, so that the answer has to wait for the one that is being read.
    at = named(agent, page)
    assert name_of(daemon, agent, at) == "[anon: ConstantOfAFile]"
    exact_report(daemon, agent.pid)


def test_many_late_names_at_once(daemon, agent, tmp_path):
    pages = 32
    content = b"".join((b"late-%d\0" % i).ljust(PAGE, b"\0") for i in range(pages))
    page = file_page(agent, tmp_path, content)
    agent.call("madvise", page, pages * PAGE, 1)  # MADV_RANDOM: no page brings its neighbours
    at = [named(agent, page + i * PAGE) for i in range(pages)]
    report = daemon.report(agent.pid, all=1)
    for i in range(pages):
        assert region_at(report, at[i])["name"] == f"[anon: late-{i}]"


def test_a_process_that_floods_does_not_take_the_names_of_others(daemon, tmp_path):
    """Names that cannot be read, without end: the good ones of another are read all the same.
    A sanitized daemon is slower than the flood: then it rests a little after every hundred."""
    with Target("name_flood", 500 if SANITIZED else 0) as flood:
        assert flood.line() == "running"
        for i in range(5):
            with Agent() as agent:
                page = file_page(agent, tmp_path, (b"late %d\0" % i).ljust(PAGE, b"\0"))
                at = named(agent, page)
                assert name_of(daemon, agent, at) == f"[anon: late {i}]"


def test_more_names_than_can_wait(bpf, tmp_path):
    """What is lost is counted, and the process says so; what was called otherwise before has no
    name then, because it may have another one. Others lose none."""
    total = 6000
    with Daemon() as daemon, Target("stuck_name", total) as stuck:
        at = int(stuck.line())
        until(lambda: daemon.metrics()[UNREADABLE] > 0, "names to be lost")
        report = daemon.report(stuck.pid, all=1)
        check_sums(report)
        # 1 to 64 are being read, 256 wait, and the rest is lost.
        assert report["tracing"]["state"] == "resynced"
        lost = report["tracing"]["lost_events"]
        assert total - 256 - 64 <= lost <= total - 256 - 1
        assert daemon.metrics()[UNREADABLE] >= lost
        assert region_at(report, at)["name"] is None
        with Agent() as agent:
            page = file_page(agent, tmp_path, b"Mine".ljust(PAGE, b"\0"))
            assert name_of(daemon, agent, named(agent, page)) == "[anon: Mine]"
            assert exact_report(daemon, agent.pid)["tracing"]["state"] == "complete"
        stuck.tell("go")
        assert stuck.line() == "came"
        report = exact_report(daemon, stuck.pid)
        # The last one was among the lost ones, and those before it are no more its name.
        assert region_at(report, at)["name"] is None
        assert report["tracing"]["lost_events"] == lost


def test_a_name_that_cannot_be_waited_for(bpf, monkeypatch):
    """Its text is on a page that never comes: the names of others are read all the same, the report says
    that it does not know yet, and the daemon can be stopped. At last it comes."""
    # LeakSanitizer stops all threads first: it would wait for those that cannot be waited for.
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
    with Daemon() as daemon, contextlib.ExitStack() as stack:
        stuck = [stack.enter_context(Target("stuck_name")) for _ in range(3)]
        at = [int(target.line()) for target in stuck]
        for target, address in zip(stuck, at):
            report = daemon.report(target.pid, all=1)
            check_sums(report)
            assert report["consistency"] == "racing"
            assert region_at(report, address)["name"] == "[anon: before]"
            assert region_at(report, address)["rss"] == SIZE
        with Agent() as agent, tempfile.TemporaryDirectory() as place:
            for i in range(10):
                page = file_page(agent, pathlib.Path(place), (b"late %d\0" % i).ljust(PAGE, b"\0"))
                address = named(agent, page)
                assert name_of(daemon, agent, address) == f"[anon: late {i}]"
                exact_report(daemon, agent.pid)
        stuck[0].tell("go")
        assert stuck[0].line() == "came"
        report = exact_report(daemon, stuck[0].pid)
        assert region_at(report, at[0])["name"] == "[anon: at last]"
        assert report["tracing"]["state"] == "complete"
        # The others are still on a page that never comes.
        daemon.stop()


def test_a_late_name_that_ends_with_the_last_mapped_page(daemon, agent, tmp_path):
    text = b"the last bytes of a file\0"
    page = file_page(agent, tmp_path, text.rjust(PAGE, b"."))
    assert name_of(daemon, agent, named(agent, page + PAGE - len(text))) == \
        "[anon: the last bytes of a file]"


def test_a_name_that_ends_at_a_pages_end(daemon, agent):
    text = b"at the very end\0"
    pages = agent.map(2 * PAGE)
    agent.call("munmap", pages + PAGE, PAGE)
    agent.call("poke", pages + PAGE - len(text), text)
    assert name_of(daemon, agent, named(agent, pages + PAGE - len(text))) == \
        "[anon: at the very end]"


def test_a_name_over_two_pages(daemon, agent):
    text = b"half of it on the next page\0"
    pages = agent.map(2 * PAGE)
    agent.call("poke", pages + PAGE - 10, text)
    assert name_of(daemon, agent, named(agent, pages + PAGE - 10)) == \
        "[anon: half of it on the next page]"


def test_a_name_whose_second_page_is_not_in_memory(daemon, agent, tmp_path):
    content = (b"." * (PAGE - 5) + b"begun here, ended on another page\0").ljust(2 * PAGE, b"\0")
    page = file_page(agent, tmp_path, content)
    agent.call("madvise", page, 2 * PAGE, 1)
    agent.call("look", page, 1)
    assert name_of(daemon, agent, named(agent, page + PAGE - 5)) == \
        "[anon: begun here, ended on another page]"


def test_the_limit_of_80_bytes(daemon, agent):
    def set_one(size, expected):
        at = agent.map(SIZE)
        agent.name(at, SIZE, b"n" * size)
        assert name_of(daemon, agent, at) == expected

    check_counted(daemon, 0, lambda: set_one(79, f"[anon: {'n' * 79}]"))
    check_counted(daemon, 1, lambda: set_one(80, None))
    check_counted(daemon, 1, lambda: set_one(4000, None))


def test_a_pointer_to_nothing(daemon, agent):
    def set_one(pointer):
        assert name_of(daemon, agent, named(agent, pointer)) is None

    check_counted(daemon, 1, lambda: set_one(PAGE))  # below what can be mapped
    check_counted(daemon, 1, lambda: set_one(-PAGE))  # the kernel's

    # And one that runs into nothing: a page, and room for the mapping away from it.
    hole = agent.map(4 * SIZE)
    agent.call("munmap", hole, 4 * SIZE)
    pointer = agent.map(PAGE, at=hole + 2 * SIZE, flags=0x32) + PAGE - 4
    agent.call("poke", pointer, b"open")

    def run_into_nothing():
        at = agent.map(SIZE, at=hole, flags=0x32)
        assert name_of(daemon, agent, named(agent, pointer, at)) is None

    check_counted(daemon, 1, run_into_nothing)


def test_a_name_that_cannot_be_read_changes_nothing(daemon, agent):
    at = agent.map(SIZE)
    agent.name(at, SIZE, b"a good one")
    named(agent, PAGE, at)
    assert name_of(daemon, agent, at) == "[anon: a good one]"


def test_a_part_of_a_range(daemon, agent):
    at = agent.map(16 * MIB)
    agent.call("madvise", at, 16 * MIB, 15)
    agent.name(at + 4 * MIB, 2 * MIB, b"the middle")
    agent.call("fill", at + 3 * MIB, 2 * MIB, 1)
    report = exact_report(daemon, agent.pid)
    left, middle, right = (region_at(report, at + n * MIB) for n in (0, 4, 6))
    assert span(left) == (at, at + 4 * MIB)
    assert span(middle) == (at + 4 * MIB, at + 6 * MIB)
    assert span(right) == (at + 6 * MIB, at + 16 * MIB)
    assert (left["rss"], middle["rss"], right["rss"]) == (MIB, MIB, 0)
    assert left["name"] is None and right["name"] is None
    assert middle["name"] == "[anon: the middle]"
    assert report["breakdown"]["named"] == [
        {"name": "the middle", "rss": MIB, "virtual": 2 * MIB, "regions": 1}]


def test_several_ranges_at_once(daemon, agent):
    """One call over two mappings with a hole between them, and one that was there before us."""
    at = agent.map(3 * MIB)
    agent.call("munmap", at, 3 * MIB)
    agent.map(MIB, at=at, flags=0x32)
    agent.map(MIB, at=at + 2 * MIB, flags=0x32)
    agent.name(at, 3 * MIB, b"both")
    agent.call("fill", at, PAGE, 1)
    report = exact_report(daemon, agent.pid)
    assert report["breakdown"]["named"] == [
        {"name": "both", "rss": PAGE, "virtual": 2 * MIB, "regions": 2}]
    assert not [r for r in report["regions"] if span(r)[0] < at + 2 * MIB and span(r)[1] > at + MIB]
    # What is mapped into the hole later is not called so.
    agent.map(MIB, at=at + MIB, flags=0x32)
    report = exact_report(daemon, agent.pid)
    assert region_at(report, at + MIB)["name"] is None
    assert region_at(report, at)["name"] == region_at(report, at + 2 * MIB)["name"] == \
        "[anon: both]"


def test_names_change_and_go(daemon, agent):
    at = agent.map(4 * MIB)
    agent.name(at, 4 * MIB, b"one")
    agent.name(at + MIB, MIB, b"two")
    agent.name(at + MIB, MIB, b"two again")
    assert name_of(daemon, agent, at + MIB) == "[anon: two again]"
    named(agent, 0, at + 2 * MIB, MIB)
    report = exact_report(daemon, agent.pid)
    assert [region_at(report, at + n * MIB)["name"] for n in range(4)] == \
        ["[anon: one]", "[anon: two again]", None, "[anon: one]"]
    named(agent, 0, at, 4 * MIB)
    report = exact_report(daemon, agent.pid)
    assert report["breakdown"]["named"] == []
    assert span(region_at(report, at)) == (at, at + 4 * MIB), "one mapping is one region again"


def test_a_new_mapping_has_no_old_name(daemon, agent):
    at = agent.map(MIB)
    agent.name(at, MIB, b"old")
    agent.map(MIB, at=at, flags=0x32)
    assert name_of(daemon, agent, at) is None
    agent.name(at, MIB, b"moves along")
    new = agent.call("mremap", at, MIB, 2 * MIB, 1)
    assert name_of(daemon, agent, new) == "[anon: moves along]"


HARD_NAMES = [b"with spaces in it", b'"quoted"', b"<b>&amp;</b>", "ünï\u2713\U0001f600".encode(),
              b"ctl\x01\x1b[31mred\x7f", b"new\nline\r\ttab", b"back\\slash\\n", b"",
              b"\xff\xfebad", b"\xe2\x80\xaereversed", b"=== Totals ===", b"%s%n{}$(id)"]


@pytest.mark.parametrize("name", HARD_NAMES)
def test_hard_names(daemon, agent, name):
    at = agent.map(MIB)
    agent.name(at, MIB, name)
    agent.call("fill", at, 5 * PAGE, 1)
    report = daemon.report(agent.pid, all=1)
    check_sums(report)
    expected = f"[anon: {name.decode('utf-8', 'replace')}]" if name else None
    assert region_at(report, at)["name"] == expected
    text = daemon.text(agent.pid, unit="kB", top=10000)
    assert all(c == "\n" or ord(c) >= 32 and not 0x7F <= ord(c) < 0xA0 for c in text), text
    assert "\u202e" not in text
    lines = [line for line in text.splitlines() if line.startswith(f"{at:08x}...")]
    assert len(lines) == 1
    assert lines[0][18:38].split() == ["rw-p", "20", "kB"]
    if name:
        heading = text.split("Named Memory Regions (mmap):\n")[1].split("\n")
        assert heading[0].endswith(f"{20:10} kB") and heading[1] == "  Subtotal:             20 kB"
    # The report's own lines cannot be forged.
    assert text.count("\n=== Totals ===\n") == 1


def test_names_on_metrics(daemon, agent):
    at = agent.map(MIB)
    agent.name(at, MIB, b'quote" back\\ new\nline 0x7f12345678 7')
    agent.call("fill", at, MIB, 1)
    answer = daemon.get("/metrics")
    for line in answer.text.splitlines():
        assert line.startswith(("# HELP memprov_", "# TYPE memprov_", "memprov_")), line
    assert "0x7f12345678" not in answer.text
