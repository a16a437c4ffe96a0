# SPDX-License-Identifier: BSD-2-Clause
"""Kinds of memory told apart: each under its own heading, whatever it is called."""
import os
import platform
import shutil

import pytest

from memprov import (MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, MIB, PAGE, check_sums, exact_report,
                     readable, region_at, span)

LIBZ = f"/usr/lib/{platform.machine()}-linux-gnu/libz.so.1"


def rows(report):
    return {row["name"]: row["rss"] for row in report["breakdown"]["file_backed"]}


def path_argument(path):
    return os.fsencode(path) + b"\0"


class Change:
    """What a step adds to the breakdown."""

    def __init__(self, daemon, agent):
        self.daemon, self.agent = daemon, agent
        self.before = exact_report(daemon, agent.pid)

    def check(self, address, expected, grows):
        """The region at the address has the expected fields; the category grew by its RSS."""
        after = exact_report(self.daemon, self.agent.pid)
        region = region_at(after, address)
        for field, value in expected.items():
            assert region[field] == value, (field, region)
        assert region["rss"] > 0 or grows is None
        assert region["tid"] == self.agent.pid
        grown = {name: size - self.sizes(self.before).get(name, 0)
                 for name, size in self.sizes(after).items()
                 if size > self.sizes(self.before).get(name, 0)}
        assert grown == ({grows: region["rss"]} if grows else {}), (grown, region)
        return after

    def sizes(self, report):
        """Rows of files without the names that large ones have."""
        b = report["breakdown"]
        sizes = {"heap": b["runtime"]["heap"], "stack": b["runtime"]["stack"],
                 "metadata": b["runtime"]["metadata"], "other": b["other"], **b["anonymous"]}
        for row in b["named"]:
            sizes["named"] = sizes.get("named", 0) + row["rss"]
        for row in b["file_backed"]:
            for kind in ("Shared Libraries", "Binary", "Other Files", "Shared Memory"):
                if row["name"].startswith(kind):
                    sizes[kind] = sizes.get(kind, 0) + row["rss"]
        return sizes


@pytest.fixture
def change(daemon, agent):
    # Whatever of the libraries it will need is in memory then.
    agent.map(PAGE)
    return Change(daemon, agent)


def test_memfd(change, agent):
    fd = agent.call("memfd_create", b"a cache\0", 0)
    agent.call("ftruncate", fd, MIB)
    at = agent.map(MIB, fd=fd, flags=MAP_SHARED)
    agent.call("fill", at, 20 * PAGE, 1)
    change.check(at, {"name": "/memfd:a cache (deleted)", "origin": "mmap", "perms": "rw-s",
                      "rss": 20 * PAGE}, "Shared Memory")


def test_shared_anonymous(change, agent):
    at = agent.map(MIB, flags=MAP_SHARED | MAP_ANONYMOUS)
    agent.call("fill", at, 7 * PAGE, 1)
    change.check(at, {"origin": "mmap", "rss": 7 * PAGE}, "Shared Memory")


def test_system_v(change, agent):
    segment = agent.call("shmget", 0, MIB, 0o1600)
    at = agent.call("shmat", segment, 0, 0)
    agent.call("shmctl", segment, 0, 0)
    agent.call("fill", at, 9 * PAGE, 1)
    change.check(at, {"name": "/SYSV00000000 (deleted)", "origin": "shmat", "rss": 9 * PAGE},
                 "Shared Memory")


def test_dev_shm(change, agent):
    path = f"/dev/shm/memprov-test-{os.getpid()}"
    fd = agent.call("openat", -100, path_argument(path), 0o102, 0o600)
    try:
        agent.call("ftruncate", fd, MIB)
        at = agent.map(MIB, fd=fd, flags=MAP_SHARED)
        agent.call("fill", at, 9 * PAGE, 1)
        change.check(at, {"name": path, "name_source": "file", "rss": 9 * PAGE}, "Shared Memory")
    finally:
        os.unlink(path)


@pytest.mark.parametrize("shared", [False, True])
def test_dev_zero(change, agent, shared):
    """Private, it is anonymous memory; shared, it is shared memory. Both show as /dev/zero."""
    fd = agent.call("openat", -100, b"/dev/zero\0", 2)
    at = agent.map(MIB, fd=fd, flags=MAP_SHARED if shared else MAP_PRIVATE)
    agent.call("fill", at, 9 * PAGE, 1)
    report = change.check(at, {"origin": "mmap", "rss": 9 * PAGE},
                          "Shared Memory" if shared else "read_write")
    assert region_at(report, at)["name"].startswith("/dev/zero")


def map_file(agent, path, flags=MAP_PRIVATE, prot=1, size=None):
    fd = agent.call("openat", -100, path_argument(path), 2 if flags == MAP_SHARED else 0)
    size = size or max(PAGE, os.path.getsize(path))
    at = agent.map(size, fd=fd, flags=flags, prot=prot)
    agent.call("close", fd)
    agent.call("look", at, size)
    return at


def test_a_data_file_with_lib_in_its_name(change, agent, tmp_path):
    path = tmp_path / "libfoo-data.bin"
    path.write_bytes(os.urandom(MIB))
    at = map_file(agent, path)
    change.check(at, {"name": str(path), "name_source": "file", "rss": MIB}, "Other Files")


def test_a_library_by_another_name(change, agent, tmp_path):
    path = tmp_path / "plugin.7"
    shutil.copy(LIBZ, path)
    at = map_file(agent, path)
    change.check(at, {"name": str(path), "name_source": "file"}, "Shared Libraries")


def test_permissions(change, agent):
    """Read-only, executable, and none at all."""
    for prot, grows in ((1, "read_only"), (5, "executable"), (7, "executable"),
                        (3, "read_write")):
        step = Change(change.daemon, agent)
        at = agent.map(MIB)
        agent.call("fill", at, 5 * PAGE, 1)
        agent.call("mprotect", at, MIB, prot)
        step.check(at, {"rss": 5 * PAGE, "name": None, "name_source": "none"}, grows)


def test_prot_none(change, agent):
    """A reservation: large, and nothing of it resident. (A header "---p" once ended a parser.)"""
    at = agent.map(1 << 36, prot=0, flags=MAP_PRIVATE | MAP_ANONYMOUS | 0x4000)
    report = change.check(at, {"perms": "---p", "rss": 0}, None)
    assert report["totals"]["virtual"] >= 1 << 36
    # A guard in the middle of memory in use: what lies behind it is not lost.
    at = agent.map(3 * MIB)
    agent.call("fill", at, 3 * MIB, 1)
    agent.call("mprotect", at + MIB, MIB, 0)
    step = Change(change.daemon, agent)
    regions = [region_at(step.before, at + n * MIB) for n in range(3)]
    assert [r["perms"] for r in regions] == ["rw-p", "---p", "rw-p"]
    assert sum(r["rss"] for r in regions) == 3 * MIB
    assert {r["tid"] for r in regions} == {agent.pid}


HARD_FILES = ["with spaces in it", "new\nline", "gone (deleted)", "[heap]", "[stack]", "colon: 7",
              "Rss:     4 kB", "7f0000000000-7f0000001000 rw-p 00000000 00:00 0", "back\\slash",
              "-dash", "/memfd:x"[1:], "quote\"<tag>", "ünï✓", "a" * 255, "\x1b[31mred\x07",
              os.fsdecode(b"bad\xff\xfeutf8"), "SYSV00000000", "Size: 4 kB\nRss: 9999 kB"]


@pytest.mark.parametrize("name", HARD_FILES, ids=ascii)
def test_files_with_hard_names(change, daemon, agent, tmp_path, name):
    path = os.path.join(tmp_path, name)
    with open(path, "wb") as f:
        f.write(os.urandom(16 * PAGE))
    at = map_file(agent, path)
    # An escape of the kernel's that a name may contain itself cannot be told from a newline.
    change.check(at, {"name": readable(path), "name_source": "file", "rss": 16 * PAGE},
                 "Other Files")
    text = daemon.text(agent.pid, top=10000)
    lines = [line for line in text.splitlines() if line.startswith(f"{at:08x}...")]
    assert len(lines) == 1
    assert all(c == "\n" or ord(c) >= 32 and not 0x7F <= ord(c) < 0xA0 for c in text)
    assert text.count("=== Totals ===") == 1


def test_a_deleted_file(change, agent, tmp_path):
    path = tmp_path / "short-lived"
    path.write_bytes(os.urandom(16 * PAGE))
    at = map_file(agent, path)
    path.unlink()
    change.check(at, {"name": f"{path} (deleted)", "rss": 16 * PAGE}, "Other Files")


def test_a_deleted_library(change, agent, tmp_path):
    """As after an upgrade: still a library."""
    path = tmp_path / "libz.so.1"
    shutil.copy(LIBZ, path)
    at = map_file(agent, path)
    path.unlink()
    change.check(at, {"name": f"{path} (deleted)"}, "Shared Libraries")


def test_writes_to_a_private_file(change, agent, tmp_path):
    """Pages of their own by now, and still of the file."""
    path = tmp_path / "data"
    path.write_bytes(os.urandom(16 * PAGE))
    at = map_file(agent, path, prot=3)
    agent.call("fill", at, 8 * PAGE, 1)
    change.check(at, {"rss": 16 * PAGE, "inode": path.stat().st_ino}, "Other Files")


def test_large_files_are_named(daemon, agent, tmp_path):
    """More than a tenth of RSS: a row of its own."""
    for name, size in (("large", 8 * MIB), ("small", 64 * 1024)):
        (tmp_path / name).write_bytes(os.urandom(size))
        map_file(agent, tmp_path / name)
    report = exact_report(daemon, agent.pid)
    check_sums(report)
    assert rows(report)[f"Other Files {tmp_path}/large"] == 8 * MIB
    assert rows(report)["Other Files"] == 64 * 1024


def test_directories_of_small_files(daemon, agent, tmp_path):
    """None is a tenth of RSS, and together they are nearly all of it."""
    def add(name, size):
        path = os.path.join(os.fsencode(tmp_path), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(os.urandom(size))
        map_file(agent, os.fsdecode(path))
        return os.fsdecode(path)

    for n in range(40):
        add(b"db/%04d/seg" % n, MIB // 2)
    for n in range(20):
        add(b"logs\xff\x1b/%d" % n, MIB // 2)
    for n in range(20):
        os.unlink(add(b"gone/%d" % n, MIB // 2))
    for n in range(30):
        fd = agent.call("memfd_create", b"ring-%d\0" % n, 0)
        agent.call("ftruncate", fd, MIB // 2)
        agent.call("fill", agent.map(MIB // 2, fd=fd, flags=MAP_SHARED), MIB // 2, 1)
    add(b"alone", 64 * 1024)
    report = exact_report(daemon, agent.pid)
    check_sums(report)
    found = {name: size for name, size in rows(report).items() if name[0] in "OS" and "(" in name}
    logs = readable(f"{tmp_path}/logs" + os.fsdecode(b"\xff\x1b"))
    assert found == {f"Other Files {tmp_path}/db/ (40 files)": 20 * MIB,
                     f"Other Files {logs}/ (20 files)": 10 * MIB,
                     f"Other Files {tmp_path}/gone/ (20 files)": 10 * MIB,
                     "Shared Memory /memfd:ring-N (30 files)": 15 * MIB}
    assert rows(report)["Other Files"] == 64 * 1024
    text = daemon.text(agent.pid)
    assert f"  Other Files {tmp_path}/db/ (40 files)" in text
    assert all(c == "\n" or ord(c) >= 32 for c in text)
    assert str(tmp_path) not in daemon.get("/metrics").text


def test_the_parts_of_a_file(daemon, agent, tmp_path):
    """Mapped in pieces that the kernel makes one VMA of: offsets go on."""
    path = tmp_path / "data"
    path.write_bytes(os.urandom(16 * PAGE))
    hole = agent.map(16 * PAGE)
    fd = agent.call("openat", -100, path_argument(path), 0)
    worker = agent.thread()
    agent.map(8 * PAGE, at=hole, flags=0x12, prot=1, fd=fd)
    agent.map(8 * PAGE, at=hole + 8 * PAGE, flags=0x12, prot=1, fd=fd, offset=8 * PAGE, by=worker)
    agent.call("madvise", hole, 16 * PAGE, 1)
    agent.call("look", hole, 3 * PAGE)
    report = exact_report(daemon, agent.pid)
    first, second = region_at(report, hole), region_at(report, hole + 8 * PAGE)
    assert span(first)[1] == span(second)[0] == hole + 8 * PAGE
    assert (first["tid"], second["tid"]) == (agent.pid, worker.tid)
    assert (first["offset"], second["offset"]) == (0, 8 * PAGE)
