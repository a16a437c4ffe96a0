# SPDX-License-Identifier: BSD-2-Clause
"""Frames of CPython: programs that map memory say which functions they are in, and the report says the same."""
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import textwrap
import time

import pytest

from containers import Container
from memprov import HANG, MIB, ROOT, WORKLOADS, Daemon, Target, known_site, site_at, until

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


def dropped(daemon):
    return daemon.metrics()["memprov_stacks_dropped_total"]


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


SIMPLE = """
    import mmap
    from witness import keep, where

    def grow(n):
        keep(mmap.mmap(-1, n), where())

    grow(1 << 20)
"""


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


def check_simple(daemon, target):
    said = witnessed(target)
    assert [frame[0] for frame in said[0][1]] == ["grow", "<module>"]
    right, count = compare(daemon, target, said)
    assert (right, count) == (2, 2)


# The first process of a file may map before its interpreter is known, and this one goes on.
REPEATED = SIMPLE.replace("grow(1 << 20)", "while input():\n        grow(1 << 20)")


def check_repeated(daemon, target):
    def has_frames():
        target.tell("once more")
        address, frames = json.loads(target.line())
        assert [frame[0] for frame in frames] == ["grow", "<module>"]
        return python_frames(known_site(daemon, target.pid, address)) == [tuple(frame) for frame in frames]

    until(has_frames, "frames")


@undropped
def test_in_a_virtual_environment(daemon, program, tmp_path):
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    with Target(f"{tmp_path}/venv/bin/python", program(SIMPLE)) as target:
        check_simple(daemon, target)


def test_in_a_container(daemon, program, tmp_path):
    """In PID and mount namespaces of its own, where its threads have other numbers."""
    path = program(REPEATED)
    mounts = [{"destination": at, "source": source, "type": "bind", "options": ["bind", "ro"]}
              for at, source in (("/usr/lib/python3.11", "/usr/lib/python3.11"), ("/program", str(path.parent)),
                                 ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"))]
    for directory in [path.parent, *path.parent.parents][:3]:
        os.chmod(directory, 0o755)
    with Container("/memprov-python", program="/usr/bin/python3.11", argv=["/program/" + path.name], mounts=mounts,
                   env=["PYTHONHOME=/usr", "PYTHONDONTWRITEBYTECODE=1"],
                   paths=("usr/lib/python3.11", "program")) as target:
        check_repeated(daemon, target)


EMBED = """
#include <Python.h>

static PyObject *call_twice(PyObject *self, PyObject *function)
{
	PyObject *first = PyObject_CallNoArgs(function);

	Py_XDECREF(first);
	return first ? PyObject_CallNoArgs(function) : NULL;
}

static PyMethodDef methods[] = {{"call_twice", call_twice, METH_O, ""}, {}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "between", "", -1, methods};

static PyObject *init(void)
{
	return PyModule_Create(&module);
}

int main(int argc, char **argv)
{
	FILE *file = fopen(argv[1], "r");

	PyImport_AppendInittab("between", init);
	Py_Initialize();
	PyRun_SimpleString("import sys; sys.path.insert(0, sys.argv[0] if sys.argv else '')");
	PyRun_SimpleFile(file, argv[1]);
	return 0;
}
"""

EMBEDDED = """
    import sys
    sys.path.insert(0, DIRECTORY)
    import between, mmap
    from witness import keep, where

    def inner():
        keep(mmap.mmap(-1, 1 << 16), where())

    def outer():
        between.call_twice(inner)

    input()
    outer()
"""


def build_embedding(tmp_path, *link):
    source, built = tmp_path / "embed.c", f"{tmp_path}/embed"
    source.write_text(EMBED)
    subprocess.run(["gcc", "-O1", "-g", "-I/usr/include/python3.11", source, "-o", built, *link], check=True)
    return built


CONFIG = next(pathlib.Path("/usr/lib/python3.11").glob("config-*"))
STATIC = [CONFIG / "libpython3.11-pic.a", "-lm", "-lz", "-lexpat", "-Wl,-export-dynamic"]
FIXED = ["-no-pie", CONFIG / "libpython3.11.a", *STATIC[1:]]


# By its name the library is known at once; the program that has all of it itself, by its first stack.
@pytest.mark.parametrize("link", [["-lpython3.11"], STATIC, FIXED], ids=["shared", "static", "fixed"])
@undropped
def test_embedded_in_a_program(daemon, program, tmp_path, link):
    """With a function of C between two of Python."""
    built = build_embedding(tmp_path, *link)
    path = program(EMBEDDED.replace("DIRECTORY", repr(str(tmp_path))))
    with Target(built, path) as target:
        target.settle()
        daemon.report(target.pid)
        taken = daemon.metrics()['memprov_python_stacks_total{result="taken"}']
        target.tell("")
        said = witnessed(target)
        assert compare(daemon, target, said) == (6, 6)
        site = known_site(daemon, target.pid, said[0][0])
        names = [frame["function"] for frame in site["stack"]]
        assert names.index("inner") < names.index("call_twice") < names.index("outer") < names.index("main")
        assert site["owner"]["function"] == "inner"
        assert daemon.metrics()['memprov_python_stacks_total{result="taken"}'] > taken


def test_without_symbols_of_the_interpreter(daemon, program, tmp_path):
    """Then its runtime is not found, and nothing is guessed."""
    built = build_embedding(tmp_path, *STATIC[:-1])
    stripped = tmp_path / "python-stripped"
    subprocess.run(["strip", "-o", stripped, built], check=True)
    with Target(str(stripped), program("held = bytearray(32 << 20)")) as target:
        assert target.line() == "done"
        site = until(lambda: next((site for site in daemon.report(target.pid)["callsites"]
                                   if site["mapped"] > 32 * MIB), None), "the call site")
        assert not python_frames(site) and len(site["stack"]) > 10
        assert site["owner"] is None or site["owner"]["module"] == str(stripped)


def test_by_frame_pointers(bpf, program):
    """Then the native stack of Debian's ends at once, and what is known of Python stands behind it."""
    with Daemon("--unwind", "fp") as daemon:
        with Target(PYTHON, "-c", "import mmap, time\nwhile 1: mmap.mmap(-1, 1 << 16); time.sleep(.01)"):
            until(lambda: daemon.metrics()['memprov_python_stacks_total{result="taken"}'], "the first frames")
        with Target(PYTHON, program(SIMPLE)) as target:
            said = witnessed(target)
            site = known_site(daemon, target.pid, said[0][0])
            assert compare(daemon, target, said) == (2, 2)
            assert site["truncated"] and site["stack_source"] == "fp"
            assert [bool(frame.get("language")) for frame in site["stack"]][-2:] == [True, True]


def test_it_ran_before_the_daemon(bpf, program):
    """The sweep finds its interpreter, some time after the daemon is ready."""
    with Target(PYTHON, program(REPEATED)) as target, Daemon() as daemon:
        check_repeated(daemon, target)


def begin_liar(daemon, program):
    """When its first process maps something, its interpreter may not be known yet."""
    def known():
        before = daemon.metrics()['memprov_python_stacks_total{result="taken"}']
        target = Target(str(program))
        assert target.line() == "ready"
        target.tell("plain")
        address = int(target.line())
        if daemon.metrics()['memprov_python_stacks_total{result="taken"}'] > before and \
                python_frames(known_site(daemon, target.pid, address)) == [("lie", "lie.py", 7)]:
            return target
        target.close()
        return None

    return until(known, "its structures to be believed")


@pytest.fixture
def liar(daemon, tmp_path):
    shutil.copy(f"{WORKLOADS}/python_liar", tmp_path / "python3-liar")
    with begin_liar(daemon, tmp_path / "python3-liar") as target:
        yield target


@pytest.mark.parametrize("minor", [11, 12, 13, 14])
def test_versions(daemon, tmp_path, minor):
    """Debian 12 has 3.11 alone. What others have where is known from their sources, and a program that has the same."""
    program = tmp_path / f"python3.{minor}"
    subprocess.run(["gcc", f"-DMINOR={minor}", ROOT / "tests/workloads/python_liar.c", "-o", program], check=True)
    with begin_liar(daemon, program) as target:
        target.tell("deep")
        site = known_site(daemon, target.pid, int(target.line()))
        assert python_frames(site) == 128 * [("lie", "lie.py", 7)] and site["truncated"]


@pytest.mark.parametrize("minor", [10, 15])
def test_versions_that_are_not_known(daemon, tmp_path, minor):
    program = tmp_path / f"python3.{minor}"
    subprocess.run(["gcc", f"-DMINOR={minor}", ROOT / "tests/workloads/python_liar.c", "-o", program], check=True)
    for _ in range(2):
        with Target(str(program)) as target:
            assert target.line() == "ready"
            target.tell("plain")
            site = known_site(daemon, target.pid, int(target.line()))
            assert "main" in [frame["function"] for frame in site["stack"]] and not python_frames(site)


@pytest.mark.parametrize("how, frames", [("circle", 128), ("deep", 128), ("nowhere", 1)])
def test_frames_without_end_are_cut(daemon, liar, how, frames):
    before = daemon.metrics()['memprov_python_stacks_total{result="cut"}']
    liar.tell(how)
    site = known_site(daemon, liar.pid, int(liar.line()))
    assert python_frames(site) == frames * [("lie", "lie.py", 7)]
    assert site["truncated"]
    assert daemon.metrics()['memprov_python_stacks_total{result="cut"}'] > before


def test_what_is_too_large_is_not_known(daemon, liar):
    liar.tell("huge")
    (name, file, line), = python_frames(known_site(daemon, liar.pid, int(liar.line())))
    assert (name[:3], len(name.encode()) >= 3, file, line) == ("lie", True, "lie.py", None)


def test_bytes_changed_at_random(daemon, liar):
    """Whatever they say, the mapping has its native stack, and the daemon goes on."""
    for seed in range(200):
        liar.tell(f"flip {seed}")
        address = int(liar.line())
    site = known_site(daemon, liar.pid, address)
    assert "main" in [frame["function"] for frame in site["stack"]]
    assert daemon.metrics()['memprov_events_lost_total{cause="malformed"}'] == 0
