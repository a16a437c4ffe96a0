# SPDX-License-Identifier: BSD-2-Clause
"""Frames of CPython: programs that map memory say which functions they are in, and the report says the same."""
import json
import os
import shutil
import subprocess
import sysconfig
import textwrap

import pytest

from memprov import MIB, Daemon, Target, known_site, region_at, site_at, until

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

PROGRAMS = {
    "functions": """
        import mmap
        from witness import keep, where

        class Cache:
            def grow(self, n):
                keep(mmap.mmap(-1, n), where())

            @classmethod
            def make(cls):
                return (lambda cache: cache.grow(1 << 16))(cls())

            @property
            def size(self):
                keep(bytearray(1 << 20), where())

        def outer():
            def inner(depth):
                if depth:
                    return inner(depth - 1)
                keep(
                    mmap.mmap(-1, 1 << 20), where())
            inner(30)

        def several_lines():
            keep(mmap.mmap(
                -1,
                1 << 17), where(lines_above=2))
            try:
                raise ValueError
            except ValueError:
                keep(bytearray(3 << 20), where())
            finally:
                keep(bytearray(4 << 20), where())

        def größe():
            [keep(bytearray(1 << 20), where()) for _ in range(2)]
            {keep(bytearray(1 << 20), where()) for _ in range(2)}

        Cache.make()
        Cache().size
        outer()
        several_lines()
        größe()
        keep(mmap.mmap(-1, 1 << 20), where())
    """,
    "generators": """
        import asyncio, mmap
        from witness import keep, where

        def produce(n):
            for _ in range(n):
                keep(mmap.mmap(-1, 1 << 16), where())
                yield 1

        def delegate():
            yield from produce(2)

        async def leaf():
            keep(bytearray(1 << 20), where())
            await asyncio.sleep(0)
            keep(bytearray(1 << 20), where())

        async def stream():
            for _ in range(2):
                yield keep(mmap.mmap(-1, 1 << 16), where())

        async def main():
            await asyncio.gather(leaf(), leaf())
            async for _ in stream():
                pass

        sum(delegate())
        sum(x for x in produce(2))
        asyncio.run(main())
    """,
    "callbacks": """
        import ctypes, functools, mmap, re
        from witness import keep, where

        def key(x):
            keep(mmap.mmap(-1, 1 << 16), where())
            return x

        def add(x, y):
            keep(bytearray(1 << 20), where())
            return x + y

        def replace(match):
            keep(mmap.mmap(-1, 1 << 16), where())
            return "b"

        COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

        @COMPARE
        def compare(x, y):
            keep(mmap.mmap(-1, 1 << 16), where())
            return 0

        class Meta(type):
            def __new__(meta, name, bases, namespace):
                keep(mmap.mmap(-1, 1 << 16), where())
                return super().__new__(meta, name, bases, namespace)

        class Made(metaclass=Meta):
            keep(mmap.mmap(-1, 1 << 16), where())

            def __eq__(self, other):
                keep(mmap.mmap(-1, 1 << 16), where())
                return True

            def __del__(self):
                keep(mmap.mmap(-1, 1 << 16), where())

        sorted([3, 1], key=key)
        functools.reduce(add, [1, 2, 3])
        re.sub("a", replace, "aa")
        ctypes.CDLL(None).qsort((ctypes.c_int * 2)(2, 1), 2, 4, compare)
        Made() in [Made()]
    """,
    "threads": """
        import concurrent.futures, mmap, threading, time
        from witness import keep, where

        lock = threading.Lock()

        def grow(i):
            time.sleep(0.01)
            with lock:
                keep(mmap.mmap(-1, 1 << 16), where())

        class Worker(threading.Thread):
            def run(self):
                grow(0)

        for thread in [threading.Thread(target=grow, args=(i,)) for i in range(20)] + [Worker()]:
            thread.start()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(grow, range(8)))
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join()
    """,
    "numpy": """
        import numpy
        from witness import held, tell, where

        def keep(array, frames):
            held.append(array)
            tell(array.ctypes.data, frames)
            return 1

        def zeros(n):
            keep(numpy.zeros(n), where())

        def multiply(n):
            a = numpy.zeros((n, n))
            keep(a @ a, where())
            keep(a + a, where())
            keep(numpy.sqrt(a), where())

        def inside(row):
            return keep(numpy.empty(1 << 17), where())

        def scalar(x):
            return keep(numpy.arange(1 << 17), where())

        zeros(1 << 18)
        multiply(512)
        numpy.apply_along_axis(inside, 1, numpy.ones((2, 3)))
        numpy.vectorize(scalar)(numpy.arange(2))
        numpy.frompyfunc(scalar, 1, 1)(numpy.arange(2))
    """,
    "flask": """
        import mmap
        import flask
        from witness import keep, where

        app = flask.Flask(__name__)

        @app.route("/grow")
        def grow():
            keep(mmap.mmap(-1, 1 << 20), where())
            return flask.render_template_string("{{ more() }}", more=more)

        def more():
            keep(bytearray(1 << 20), where())
            return "done"

        @app.before_request
        def before():
            keep(bytearray(1 << 20), where())

        for _ in range(3):
            assert app.test_client().get("/grow").data == b"done"
    """,
    "code_that_goes": """
        import mmap, sys, types
        from witness import keep, where

        import planted

        def run(i):
            # The same sizes, so that each is where the one before was.
            source = "\\n" * (i % 7) + f"def made{i:04}():\\n" + "  0\\n" * (i % 3) + "  keep(mmap.mmap(-1, 1 << 16), where())\\n"
            code = compile(source + f"made{i:04}()\\n", f"<made {i % 5:04}>", "exec")
            exec(code, {"keep": keep, "where": where, "mmap": mmap})

        for i in range(100):
            run(i)
    """,
    "subinterpreters": '''
        import _xxsubinterpreters, mmap, sys
        from witness import held, keep, where

        source = f"""if 1:
            import sys
            sys.path.insert(0, {sys.path[0]!r})
            from witness import keep, where
            import mmap
            def grow(n):
                keep(mmap.mmap(-1, n), where())
            grow(1 << 16)
        """

        def inside():
            # With a state in each of them, of which one is this thread's for the moment.
            interpreters = [_xxsubinterpreters.create() for _ in range(3)]
            for interpreter in interpreters:
                _xxsubinterpreters.run_string(interpreter, source)
            held.append(interpreters)
            keep(mmap.mmap(-1, 1 << 16), where())

        inside()
    ''',
    "forks": """
        import mmap, multiprocessing, os
        from witness import keep, where

        def grow():
            keep(mmap.mmap(-1, 1 << 20), where())

        grow()
        if os.fork() == 0:
            os.execv("/bin/true", ["true"])
        os.wait()
        grow()
    """,
    "deep": """
        import mmap
        from witness import keep, where

        def down(n):
            if n:
                return list(map(down, [n - 1]))
            keep(mmap.mmap(-1, 1 << 20), where())

        down(20)
    """,
}


@pytest.fixture(scope="module")
def daemon(bpf):
    """That knows the interpreter already: what its first process does at its start may be seen before it is."""
    with Daemon() as daemon:
        with Target(PYTHON, "-c", "import mmap, time\nwhile 1: mmap.mmap(-1, 1 << 16); time.sleep(.01)"):
            until(lambda: daemon.metrics()['memprov_python_stacks_total{result="taken"}'], "the first frames")
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


def compare(daemon, target, said):
    """How many frames the report has right, and how many there are."""
    known_site(daemon, target.pid, said[-1][0])
    report = daemon.report(target.pid, all=1)
    right = count = 0
    for address, frames in said:
        expected = [tuple(frame) for frame in frames]
        site, _ = site_at(report, address)
        found = python_frames(site) if site else []
        if found != expected:
            print("expected", *expected, "found", *found, sep="\n   ")
        right += sum(a == b for a, b in zip(found, expected))
        count += max(len(expected), len(found))
    return right, count


# So that malloc maps what is large, always.
ENVIRONMENT = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_frame_is_the_one_that_was_there(daemon, program, name):
    with Target(PYTHON, program(PROGRAMS[name]), env=ENVIRONMENT) as target:
        said = witnessed(target)
        right, count = compare(daemon, target, said)
        assert (right, len(said) > 0) == (count, True)
