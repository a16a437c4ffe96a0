# SPDX-License-Identifier: BSD-2-Clause
"""The whole path, from mmap to curl."""
import datetime
import re
import time

from machine import fexit_works
from memprov import (BACKEND, GIVEN, MIB, Target, check_sums, exact_report, region_at,
                     span)


def wall(text):
    assert text.endswith("Z"), text
    return datetime.datetime.fromisoformat(text[:-1] + "+00:00").timestamp()


def section(text, heading):
    """The lines of a section of the text report, by their first words."""
    lines = text.split(heading + "\n", 1)[1].split("\n\n", 1)[0].splitlines()
    return dict(re.fullmatch(r"  (.+?):? +(\d+ [Mk]B)", line).groups() for line in lines)


def test_the_named_region_of_the_readme(daemon):
    before = time.time()
    with Target("named_region") as target:
        address = int(target.line(), 16)
        text = daemon.text(target.pid)
        report = daemon.report(target.pid)
        after = time.time()

        # To the byte: scripts cut this by columns.
        assert ("Named Memory Regions (mmap):\n"
                "  TXMetaCache                                      40 MB\n"
                "  Subtotal:             40 MB\n\n") in text
        assert text.startswith("=== Complete Memory Breakdown ===\n\nNative Runtime:\n")
        row = next(line for line in text.splitlines() if "[anon: TXMetaCache]" in line)
        assert row == f"{address:08x}...    rw-p         40 MB       40 MB        0 MB " \
                      "[anon: TXMetaCache]"

        check_sums(report)
        region = region_at(report, address)
        assert region is report["regions"][0]
        assert span(region) == (address, address + 64 * MIB)
        assert region["rss"] == 40 * MIB
        assert region["name"] == "[anon: TXMetaCache]"
        assert region["name_source"] in GIVEN
        assert region["origin"] == "mmap"
        assert region["tid"] == target.pid
        assert region["thread"] == "named_region"
        assert region["inherited"] is False
        sites = {site["id"]: [frame["function"] for frame in site["stack"]]
                 for site in report["callsites"]}
        assert "main" in sites[region["callsite"]] and "main" in sites[region["named_by"]]
        assert "mmap" in sites[region["callsite"]][0] and "prctl" in sites[region["named_by"]][0]
        assert before - 0.05 <= wall(region["created_at"]) <= after + 0.05
        assert report["breakdown"]["named"] == [
            {"name": "TXMetaCache", "rss": 40 * MIB, "virtual": 64 * MIB, "regions": 1}]
        assert report["tracing"]["state"] == "complete"
        assert report["tracing"]["lost_events"] == 0
        assert report["tracing"]["backend"] == \
            (BACKEND or ("fexit" if fexit_works() else "tracepoint"))
        assert report["schema"] == 1 and report["pid"] == target.pid
        assert report["comm"] == "named_region" and report["exe"].endswith("/named_region")
        assert report["coverage"]["unknown"] == report["coverage"]["predates"] == 0
        assert before - 0.05 <= wall(report["taken_at"]) <= after + 0.05
        assert before - 0.05 <= wall(report["start_time"]) <= after + 0.05
        exact_report(daemon, target.pid)


def test_every_request_sees_what_came_before_it(daemon, agent):
    """Fifty times: map, name, touch, ask. Nothing waits in between."""
    for i in range(50):
        size, name = (i % 5 + 1) * MIB, f"cache number {i}"
        address = agent.map(size)
        agent.name(address, size, name.encode())
        agent.call("fill", address, size // 2, i + 1)
        if i % 2:
            rows = section(daemon.text(agent.pid, unit="kB", top=100),
                           "Named Memory Regions (mmap):")
            assert rows[name] == f"{size // 2048} kB"
            continue
        region = region_at(daemon.report(agent.pid, all=1), address)
        assert span(region) == (address, address + size)
        assert region["name"] == f"[anon: {name}]" and region["rss"] == size // 2


def test_a_region_that_is_gone_is_not_there(daemon, agent):
    """Map, ask, unmap, ask, at the same place: neither stale nor late."""
    address = agent.map(8 * MIB)
    agent.call("munmap", address, 8 * MIB)
    for i in range(25):
        agent.map(8 * MIB, at=address, flags=0x32)
        agent.name(address, 8 * MIB, b"life %d" % i)
        agent.call("fill", address, 4096, 1)
        report = daemon.report(agent.pid, all=1)
        assert [r["name"] for r in report["breakdown"]["named"]] == [f"life {i}"]
        agent.call("munmap", address, 8 * MIB)
        report = daemon.report(agent.pid, all=1)
        assert report["breakdown"]["named"] == []
        assert not [r for r in report["regions"] if span(r)[0] == address]


def test_two_neighbours_of_two_creators(daemon, agent):
    """The kernel makes one VMA of them; each keeps its own creator and its own pages."""
    hole = agent.map(32 * MIB)
    agent.call("munmap", hole, 32 * MIB)
    low, high, size = hole + 8 * MIB, hole + 16 * MIB, 8 * MIB
    worker = agent.thread()
    assert agent.map(size, at=high) == high
    assert agent.map(size, at=low, by=worker) == low
    agent.call("madvise", low, 2 * size, 15)
    agent.call("fill", low, 3 * MIB, 1)
    agent.call("fill", high + 2 * MIB, 5 * MIB, 1)
    report = exact_report(daemon, agent.pid)
    first, second = region_at(report, low), region_at(report, high)
    assert span(first)[1] == span(second)[0] == high
    maps = open(f"/proc/{agent.pid}/maps").read()
    assert not re.search(rf"^{high:x}-|-{high:x} ", maps, re.M), "the kernel did not merge them"
    assert (first["rss"], second["rss"]) == (3145728, 5242880)
    assert first["rss_source"] == second["rss_source"] == "pagemap"
    assert (first["tid"], second["tid"]) == (worker.tid, agent.pid)
    assert (first["private"], second["private"]) == (3145728, 5242880)
    assert first["created_at"] > second["created_at"]
