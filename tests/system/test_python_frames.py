# SPDX-License-Identifier: BSD-2-Clause
"""Frames of CPython: programs that map memory say which functions they are in, and the report says the same."""
import json
import re

import pytest

from memprov import MIB, Target, known_site, until
from python_witness import (ENVIRONMENT, PYTHON, SIMPLE, check_simple, compare, daemon, program, python_frames, site_of,
                            undropped, witnessed)

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


@pytest.mark.parametrize("name", PROGRAMS)
@undropped
def test_every_frame_is_the_one_that_was_there(daemon, program, name):
    with Target(PYTHON, program(PROGRAMS[name]), env=ENVIRONMENT) as target:
        said = witnessed(target)
        right, count = compare(daemon, target, said)
        assert (right, len(said) > 0) == (count, True)


@undropped
def test_the_function_of_the_program_owns(daemon, program):
    """Not the interpreter, nor numpy's C, nor what runs threads and imports, nor a comprehension."""
    source = """
        import mmap, threading
        import numpy
        from witness import held, keep, tell, where

        def by_numpy():
            held.append(numpy.zeros(1 << 18))
            tell(held[-1].ctypes.data, "by_numpy")

        def by_import():
            import planted

        def by_comprehension():
            return [keep(bytearray(1 << 20), "by_comprehension") for _ in range(1)]

        class Worker(threading.Thread):
            def run(self):
                keep(mmap.mmap(-1, 1 << 16), "Worker.run")

        by_numpy()
        by_comprehension()
        worker = Worker()
        worker.start()
        worker.join()
        by_import()
        keep(mmap.mmap(-1, 1 << 16), "<module>")
    """
    path = program(source)
    (path.parent / "planted.py").write_text("import mmap\nfrom witness import keep\n"
                                            "keep(mmap.mmap(-1, 1 << 16), 'by_import')\n")
    with Target(PYTHON, path, env=ENVIRONMENT) as target:
        said = witnessed(target)
        assert [site_of(daemon, target.pid, address)["owner"]["function"] for address, _ in said] == \
            [name for _, name in said]


def test_first_touches_have_them(daemon, program):
    """Two functions fill what a third has mapped."""
    source = """
        import mmap
        space = mmap.mmap(-1, 64 << 20)

        def fill_most():
            for page in range(0, 48 << 20, 4096):
                space[page] = 1

        def fill_some():
            for page in range(48 << 20, 64 << 20, 4096):
                space[page] = 1

        fill_most()
        fill_some()
    """
    with Target(PYTHON, program(source)) as target:
        assert target.line() == "done"

        def shares():
            sites = daemon.report(target.pid, all=1)["touch"]["sites"]
            found, variance = {}, 0
            for site in sites:
                name = site["owner"] and site["owner"]["function"]
                found[name] = found.get(name, 0) + site["rss"] / MIB
                variance += (site["rss_error"] / MIB) ** 2
            both = found.get("fill_most", 0) + found.get("fill_some", 0)
            return (found, both, variance ** 0.5) if both > 60 else None

        found, both, error = until(shares, "the samples' stacks")
        # A machine that has much else to sample has less of this.
        assert abs(found["fill_most"] / both - 0.75) < max(0.05, 4 * error / both), (found, error)


def test_in_forked_children(daemon, program):
    """They have the same interpreter at the same place, and those that exec another program have none."""
    source = """
        import mmap, os
        from witness import keep, where

        def grow():
            print(os.getpid(), flush=True)
            keep(mmap.mmap(-1, 1 << 20), where())

        def child():
            grow()
            if os.fork() == 0:
                grow()
                input()

        if os.fork() == 0:
            child()
            input()
        os.wait()
    """
    with Target(PYTHON, program(source)) as target:
        for functions in (["grow", "child", "<module>"],) * 2:
            pid, (address, frames) = int(target.line()), json.loads(target.line())
            assert [function for function, _, _ in frames] == functions
            assert python_frames(known_site(daemon, pid, address)) == [tuple(frame) for frame in frames]


@undropped
def test_every_format_has_them(daemon, program):
    path = program(SIMPLE.replace("mmap.mmap(-1, n)", "bytearray(4 * n)"))
    with Target(PYTHON, path) as target:
        check_simple(daemon, target)
        text = daemon.text(target.pid)
        assert f"  OWNER grow in {path}\n" in text
        assert re.search(rf"^    grow +{path}:6\n    <module> +{path}:8$", text, re.M), text
        folded = daemon.get("/debug/memory", format="folded", pid=target.pid).text
        assert re.search(r";<module>;grow;.*mmap\w* \d+$", folded, re.M), folded
        flame = daemon.get("/debug/memory/flamegraph", format="json", pid=target.pid).json
        assert {"function": "grow", "module": str(path)} in flame["frames"]
