# SPDX-License-Identifier: BSD-2-Clause
"""Programs in Python that map memory, and say in the same line which functions they are in."""
import functools
import json
import os
import textwrap
import time

import pytest

from memprov import HANG, Daemon, Target, known_site, site_at, until

PYTHON = "/usr/bin/python3"

# Said in the same line that maps: function, file and line of every frame, from the innermost on.
WITNESS = """
import ctypes, json, mmap, sys

held = []

def where(lines_above=0):
    frame, frames = sys._getframe(1), []
    while frame:
        frames.append((frame.f_code.co_qualname, frame.f_code.co_filename, frame.f_lineno - lines_above))
        frame, lines_above = frame.f_back, 0
    return frames

def tell(address, frames):
    sys.stdout.write(json.dumps([address, frames]) + "\\n")
    sys.stdout.flush()

def keep(what, frames):
    held.append(what)
    tell(ctypes.addressof(ctypes.c_char.from_buffer(what)), frames)

def pages(n=1 << 20):
    return mmap.mmap(-1, n)
"""

SIMPLE = """
    import mmap
    from witness import keep, where

    def grow(n):
        keep(mmap.mmap(-1, n), where())

    grow(1 << 20)
"""


def knows_python(daemon):
    """Whether the first mapping of a process has its frames."""
    with Target(PYTHON, "-c", "import ctypes, mmap; a = mmap.mmap(-1, 1 << 20);"
                "print(ctypes.addressof(ctypes.c_char.from_buffer(a)), flush=True); input()") as target:
        return python_frames(known_site(daemon, target.pid, int(target.line())))


@pytest.fixture(scope="module")
def daemon(bpf):
    """That knows the interpreter already: what its first process does at its start may be seen before it is."""
    with Daemon() as daemon:
        until(lambda: knows_python(daemon), "a process whose first mapping has frames")
        yield daemon


@pytest.fixture
def program(tmp_path):
    def write(source, name="program.py"):
        (tmp_path / "witness.py").write_text(WITNESS)
        (tmp_path / "planted.py").write_text("import mmap\nfrom witness import keep, where\n"
                                             "keep(mmap.mmap(-1, 1 << 16), where())\n"
                                             "class Body:\n    keep(mmap.mmap(-1, 1 << 16), where())\n")
        path = tmp_path / name
        path.write_text(textwrap.dedent(source) + '\nprint("done", flush=True)\ninput()\n')
        return path
    return write


def witnessed(target):
    """What it said until it was done: address and frames."""
    said = []
    while (line := target.line()) != "done":
        assert line, "it has ended"
        said.append(json.loads(line))
    return said


def python_frames(site):
    return [(frame["function"], frame["file"], frame["line"]) for frame in site["stack"] if frame.get("language")]


def dropped(daemon):
    """Stacks that found no room, and those whose frames found none."""
    metrics = daemon.metrics()
    return metrics["memprov_stacks_dropped_total"] + metrics['memprov_python_stacks_total{result="lost"}']


def undropped(test):
    """Once more, with a program of its own, if stacks found no room meanwhile: then some mapping has no call site."""
    @functools.wraps(test)
    def again(daemon, *args, **kwargs):
        end = time.monotonic() + HANG
        while True:
            daemon.dropped_before = dropped(daemon)
            try:
                return test(daemon, *args, **kwargs)
            except AssertionError:
                if dropped(daemon) == daemon.dropped_before or time.monotonic() > end:
                    raise

    return again


def site_of(daemon, pid, address):
    """Its call site; in a test that is undropped."""
    def found():
        site, _ = site_at(daemon.report(pid, all=1), address)
        assert site or dropped(daemon) == getattr(daemon, "dropped_before", 0), "it was dropped"
        return site

    return until(found, "the call site")


def compare(daemon, target, said):
    """How many frames the report has right, and how many there are."""
    right = count = 0
    for address, frames in said:
        expected = [tuple(frame) for frame in frames]
        found = python_frames(site_of(daemon, target.pid, address))
        if found != expected:
            print("expected", *expected, "found", *found, sep="\n   ")
        right += sum(a == b for a, b in zip(found, expected))
        count += max(len(expected), len(found))
    return right, count


# So that malloc maps what is large, always.
ENVIRONMENT = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}


def check_simple(daemon, target):
    said = witnessed(target)
    assert [frame[0] for frame in said[0][1]] == ["grow", "<module>"]
    right, count = compare(daemon, target, said)
    assert (right, count) == (2, 2)
