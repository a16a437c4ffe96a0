# SPDX-License-Identifier: BSD-2-Clause
"""Where CPython is: in virtual environments and containers, in other programs; of several versions; and where what looks
like one lies."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from containers import Container
from memprov import MIB, ROOT, WORKLOADS, Daemon, Target, known_site, until
from python_witness import (PYTHON, SIMPLE, check_simple, compare, daemon, program, python_frames, undropped,
                            witnessed)

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


def test_behind_one_that_ended_too_soon(bpf, tmp_path):
    """Its file was asked about, of a process that is gone; the next one asks again, and not only a second later."""
    path = tmp_path / "python3"

    def asked_twice():
        shutil.copy(PYTHON, path)
        before, start = questions(), time.monotonic()
        os.kill(daemon.pid, signal.SIGSTOP)
        subprocess.run([path, "-c", ""], check=True)
        os.kill(daemon.pid, signal.SIGCONT)
        until(lambda: questions() > before, "the question")
        time.sleep(0.1)
        subprocess.run([path, "-c", ""], check=True)
        soon = time.monotonic() < start + 0.9
        path.unlink()
        return soon and questions() == before + 2

    def questions():
        daemon.report(os.getpid())
        return daemon.metrics()['memprov_events_total{type="interpreter"}']

    with Daemon() as daemon:
        until(asked_twice, "the second question")


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
