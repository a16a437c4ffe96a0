# SPDX-License-Identifier: BSD-2-Clause
"""Targets that mean harm: by their files, by their names, by what they do. They get their answer, or a
refusal; all other processes are traced as always, and nothing of the host is read for these."""
import contextlib
import ctypes
import html.parser
import json
import os
import re
import shutil
import signal
import struct
import subprocess

import pytest

from containers import libraries
from hanging_fs import HangingFs
from memprov import (HANG, MIB, WORKLOADS, Agent, Target, check_sums, exact_report, family,
                     readable, region_at, until)
from symbolizers import symbolizer
from pprof import Profile, go
from test_pprof import folded

MADE_CODE = os.path.join(WORKLOADS, "made_code")


# --- the others ---------------------------------------------------------------------------------


def check_others(daemon):
    """A process that has nothing to do with it: its mapping is there at once, with its creator."""
    assert daemon.get("/healthz").text == "ok\n"
    with Agent() as agent:
        at = agent.map(4 * MIB)
        agent.call("fill", at, MIB, 1)
        report = exact_report(daemon, agent.pid)
        region = region_at(report, at)
        assert (region["tid"], region["origin"], region["rss"]) == (agent.pid, "mmap", MIB)
        assert report["tracing"]["lost_events"] == 0
        assert report["tracing"]["state"] == "complete"
        until(lambda: site_at(daemon.report(agent.pid, all=1), at), "its call site")


def site_at(report, address):
    """The call site of what is mapped there; None while its stack waits to be unwound."""
    region = region_at(report, address)
    return next((s for s in report["callsites"] if s["id"] == region["callsite"]), None)


# --- files that lead to the host ----------------------------------------------------------------


class Opened:
    """Which of some files were opened for reading, by the kernel's word."""

    IN_OPEN = 0x20

    def __init__(self, paths):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self.fd >= 0, os.strerror(ctypes.get_errno())
        self.paths = {libc.inotify_add_watch(self.fd, bytes(path), self.IN_OPEN): path
                      for path in paths}
        assert min(self.paths) > 0, os.strerror(ctypes.get_errno())

    def take(self):
        """Those of now; each is told of once."""
        with contextlib.suppress(BlockingIOError):
            events = os.read(self.fd, 65536)
            return {self.paths[watch] for watch, _, _, _ in struct.iter_unpack("iIII", events)}
        return set()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        os.close(self.fd)


class Canaries:
    """Files of the host that would say what they are: the names in them would be in reports."""

    def __init__(self, directory):
        self.root = directory / "root"
        self.by_id, self.by_link, self.perf_map, self.library = (
            directory / name for name in ("by-id", "by-link.debug", "perf.map", "library"))
        self.program = directory / "made_code"
        for path, name in ((self.by_id, "by_id"), (self.by_link, "by_link")):
            subprocess.run(["objcopy", "--strip-debug", "--redefine-sym", f"main=canary_{name}",
                            MADE_CODE, path], check=True)
            subprocess.run(["objcopy", "--only-keep-debug", path], check=True)
        shutil.copy(MADE_CODE, self.library)
        # The program itself has no names.
        subprocess.run(["objcopy", "--strip-all", f"--add-gnu-debuglink={self.by_link}", MADE_CODE,
                        self.program], check=True)
        notes = subprocess.run(["readelf", "-n", MADE_CODE], capture_output=True, text=True).stdout
        build_id = re.search(r"Build ID: ([0-9a-f]+)", notes)[1]
        self.id_path = f"usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug"
        self.perf_map.write_text("")

    def say_code(self, range_):
        """The perf map is known when the program has said where its code is."""
        start, end = (int(word, 16) for word in range_.split())
        self.perf_map.write_text(f"{start:x} {end - start:x} canary_code\n")

    @property
    def paths(self):
        return [self.by_id, self.by_link, self.perf_map, self.library]


# How a file of the root becomes one of the host, or something else than a file.
def absolute(place, canary):
    place.symlink_to(canary)


def upwards(place, canary):
    place.symlink_to("../" * 30 + str(canary).lstrip("/"))


def through_proc(place, canary):
    """A link that is none: the kernel leads through it to the root of another process."""
    place.symlink_to(f"/proc/{os.getpid()}/root{canary}")


def fifo(place, canary):
    os.mkfifo(place, 0o666)


def own_file(place, canary):
    """No attack: its own file."""
    shutil.copy(canary, place)


@pytest.fixture
def canaries(tmp_path):
    return Canaries(tmp_path)


@contextlib.contextmanager
def planted(canaries, lead, debug_files=("by_id", "by_link")):
    """A program in a root of its own in which everything that a symbolizer might look for leads
    elsewhere, and what is opened of that from then on."""
    root = canaries.root
    for place, source in (("app/made_code", canaries.program),
                          *((lib, lib) for lib in libraries(MADE_CODE))):
        put = root / place.lstrip("/")
        put.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, put)
    # The kernel tells the path of its program from our root; its debug file is looked for below there,
    # in its own.
    app = root / str(root).lstrip("/") / "app"
    for place, canary in ((root / canaries.id_path, canaries.by_id),
                          (app / canaries.by_link.name, canaries.by_link)):
        place.parent.mkdir(parents=True, exist_ok=True)
        if canary.stem.replace("-", "_") in debug_files:
            lead(place, canary)
    for name in ("proc", "tmp"):
        (root / name).mkdir(exist_ok=True)
    # Not pivoted: from here, ".." leads out of it.
    with Target("/usr/bin/unshare", "-m", "/bin/sh", "-c",
                f"mount --bind {root} {root} && cd {root} && mount --rbind /proc proc && "
                "exec chroot . /app/made_code") as target:
        canaries.say_code(target.line())
        perf_map = root / "tmp" / f"perf-{target.pid}.map"
        with Opened(canaries.paths) as opened:
            lead(perf_map, canaries.perf_map)
            if lead is not own_file:
                (root / "app/made_code").unlink()
                lead(root / "app/made_code", canaries.library)
            opened.take()
            yield target, opened


def names_of_growth(daemon, target):
    """It maps something by the code that it made; the functions that its report shows, innermost first.
    While very much is mapped on the machine not every stack is copied whole, or unwound in time: then it
    maps again."""
    def grow():
        target.tell("")
        address = int(target.line(), 16)
        report = daemon.report(target.pid, all=1)
        check_sums(report)
        site = site_at(report, address)
        names = [frame["function"] for frame in site["stack"]] if site else []
        return names if len(names) > 3 else None

    return until(grow, "a stack of more than three functions")


def test_a_process_that_runs_as_nobody(daemon, agent):
    """The symbolizer has a user of its own, and another one each time."""
    users = set()
    for _ in range(2):
        child = symbolizer(daemon, agent)
        users.add(os.stat(f"/proc/{child}").st_uid)
        for call in (f"os.kill({child}, 9)", f"os.setpriority(os.PRIO_PROCESS, {child}, 19)",
                     f"resource.prlimit({child}, resource.RLIMIT_CPU, (1, 1))"):
            done = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", "/usr/bin/python3",
                                   "-c", f"import os, resource\n{call}"], capture_output=True, cwd="/")
            assert b"PermissionError" in done.stderr, (call, done)
        os.kill(child, signal.SIGKILL)
        until(lambda: child not in family(daemon), "its end")
    assert len(users) == 2 and not users & {0, 65534}


def test_its_own_files_are_read(daemon, canaries):
    """Or the next test would show nothing."""
    with planted(canaries, own_file) as (target, opened):
        names = names_of_growth(daemon, target)
        assert names[1] == "canary_code" and "canary_by_id" in names, names
        assert not opened.take()
    shutil.rmtree(canaries.root)
    with planted(canaries, own_file, ["by_link"]) as (target, opened):
        assert "canary_by_link" in names_of_growth(daemon, target)
    # The host's can be seen to be read.
    with Opened(canaries.paths) as opened:
        canaries.perf_map.read_bytes()
        assert opened.take() == {canaries.perf_map}


@pytest.mark.parametrize("lead", [absolute, upwards, through_proc, fifo])
def test_files_that_lead_to_the_host(daemon, canaries, lead):
    """Perf map, debug files, the program itself: none of the host's is opened, and no name of it is
    shown. A FIFO is not waited for."""
    with planted(canaries, lead) as (target, opened):
        names = names_of_growth(daemon, target)
        assert not [name for name in names if name and "canary" in name], names
        assert not opened.take()
        check_others(daemon)


# --- files that do not answer -------------------------------------------------------------------


def test_a_file_system_that_hangs(daemon, tmp_path):
    """The program, its debug file and its perf map are on a server that does not answer: its report comes
    all the same, and so do all others."""
    files, mount = tmp_path / "files", tmp_path / "mount"
    files.mkdir()
    mount.mkdir()
    subprocess.run(["objcopy", "--only-keep-debug", MADE_CODE, files / "made.debug"], check=True)
    subprocess.run(["objcopy", "--strip-all", f"--add-gnu-debuglink={files}/made.debug", MADE_CODE,
                    files / "made"], check=True)
    with HangingFs(files, mount) as fs, Target(
            "/usr/bin/unshare", "-m", "/bin/sh", "-c",
            f"mount --bind {mount} /tmp && exec /tmp/made") as target:
        start, end = (int(word, 16) for word in target.line().split())
        (files / f"perf-{target.pid}.map").write_text(f"{start:x} {end - start:x} made_code\n")
        target.tell("")
        target.line()
        with fs.hangs():
            # A process that opens a file of it waits.
            reader = subprocess.Popen(["/bin/cat", mount / "made.debug"], stdout=subprocess.DEVNULL)
            names = names_of_growth(daemon, target)
            assert "made_code" not in names, names
            check_others(daemon)
            for path in ("/debug/memory", "/debug/memory/processes", "/metrics"):
                assert daemon.get(path).status == 200
            assert reader.poll() is None, "the file system did not hang"
        assert reader.wait(HANG) == 0


# --- names --------------------------------------------------------------------------------------

NAMES = [b'"quoted" \\ back\\', b"new\nline\r\ttab", b"\xff\xfe\xc3( not UTF-8", b"n" * 80,
         "\u202eright\u200fto left".encode(), b"<img src=x onerror=alert(1)>",
         b"<!--<script>", b"\x1b[2J\x1b]0;title\x07\x7f", b"semi;colon; 12 34",
         b"%s%n{$(id)}`id`", b'a"} 1\nmemprov_forged 1', b"# TYPE x gauge", b" ",
         "\u20ac".encode() * 26, b"\xc2\x9b31m\xe2\x80\xa8", b"@DATA@"]
RESIDENT = 24 * MIB  # of each: the metrics name the largest processes


class DataOf(html.parser.HTMLParser):
    """The JSON in a page, as a browser would find it."""

    def __init__(self, page):
        super().__init__()
        self.inside, self.data = False, ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.inside = tag == "script" and ("id", "data") in attributes

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        self.data += data if self.inside else ""


def check_lines(text):
    """Nothing steers a terminal, or makes lines that are not ours."""
    assert all(c == "\n" or ord(c) >= 32 and not 0x7F <= ord(c) < 0xA0 for c in text), text
    assert not re.search("[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]", text), text


@pytest.fixture
def called(daemon, tmp_path):
    """A process for each name: its program, its thread and a region of it are called so."""
    with contextlib.ExitStack() as stack:
        agents = []
        for name in NAMES:
            path = os.path.join(bytes(tmp_path), name)
            shutil.copy(os.path.join(WORKLOADS, "agent"), path)
            agent = Agent.__new__(Agent)
            Target.__init__(agent, os.fsdecode(path))
            stack.enter_context(agent)
            assert agent.line() == "ready"
            agent.workers = 0
            worker = agent.thread()
            agent.call("prctl", 15, name[:15] + b"\0", by=worker)
            at = agent.map(RESIDENT, by=worker)
            agent.name(at, RESIDENT, name[:79])
            agent.call("fill", at, RESIDENT, 1)
            agents.append(agent)
        yield agents


def test_names_in_every_format(daemon, called, tmp_path):
    """Each format stays one, to a parser of its own."""
    text = daemon.text(top=10000)
    check_lines(text)
    assert text.count("=== Totals ===") == 1
    listed = daemon.get("/debug/memory/processes", all=1).text
    check_lines(listed)
    rows = {row["pid"]: row
            for row in daemon.get("/debug/memory/processes", format="json", all=1).json["processes"]}
    for agent, name in zip(called, NAMES):
        comm = readable(os.fsdecode(name[:15]))
        assert rows[agent.pid]["comm"] == comm
        # Go and glibc put a space before theirs; it is not shown.
        assert rows[agent.pid]["largest_name"] == readable(os.fsdecode(name[:79])).lstrip(" ")
        assert sum(line.split()[0] == str(agent.pid) for line in listed.splitlines()[1:]) == 1
        check_formats(daemon, agent.pid, comm, name)
    node = tmp_path / "node.pb.gz"
    node.write_bytes(daemon.get("/debug/memory/pprof").body)
    comms = {s["labels"]["pid"]: s["labels"]["comm"] for s in Profile(node.read_bytes()).samples}
    assert len({comms[str(agent.pid)] for agent in called}) == len(NAMES)
    raw = go("-raw", node)
    assert all(f"pid:[{agent.pid}]" in raw for agent in called)
    check_metrics(daemon, called)


def check_formats(daemon, pid, comm, name):
    report = daemon.report(pid, all=1)
    check_sums(report)
    assert report["comm"] == comm and report["exe"].endswith(readable(os.fsdecode(name)))
    assert comm in {r["thread"] for r in report["regions"]}
    for path in ("/debug/memory", "/debug/memory/callsites"):
        text = daemon.get(path, pid=pid, all=1).text
        check_lines(text)
        assert text.count("=== Top ") == len(re.findall("^=== Top ", text, re.M))
        rows = folded(daemon.get(path, pid=pid, format="folded").text)
        assert sum(n for _, n in rows) >= RESIDENT and len({frames[0] for frames, _ in rows}) == 1
    sites = daemon.get("/debug/memory/callsites", pid=pid, all=1, format="json").json["callsites"]
    assert any(report["exe"] == frame["module"] for s in sites for frame in s["stack"])
    profile = Profile(daemon.get("/debug/memory/pprof", pid=pid).body)
    assert profile.total("inuse_space") >= RESIDENT
    page = daemon.get("/debug/memory/flamegraph", pid=pid).text
    graph = json.loads(DataOf(page).data)
    assert graph["comm"] == comm
    assert sum(b[1] for s in graph["stacks"] for b in s["bytes"]) == graph["totals"]["rss"]


def check_metrics(daemon, called):
    text = daemon.get("/metrics").body
    lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, b"", b"")
    for line in text.decode().splitlines():
        assert line.startswith(("# HELP memprov_", "# TYPE memprov_", "memprov_")), line
    assert b"\nmemprov_forged" not in text
    for agent in called:
        assert f'memprov_process_proportional_bytes{{pid="{agent.pid}"'.encode() in text


# --- what it does -------------------------------------------------------------------------------


def test_a_process_that_forks_and_renames_itself(daemon):
    """All the time, and nothing else: no name holds for longer than an instant."""
    events = 'memprov_events_total{type="fork"}'
    before = daemon.metrics()
    with Target("renamer") as renamer:
        assert renamer.line() == "running"

        def has_forked():
            check_others(daemon)
            for path in ("/debug/memory/processes", "/debug/memory/pprof", "/metrics"):
                assert daemon.get(path, **({"format": "json"} if "proc" in path else {})).status \
                    == 200
            check_sums(daemon.report())
            return daemon.metrics()[events] - before[events] > 3000

        until(has_forked, "three thousand forks")
    # The dead are not kept.
    until(lambda: "renamer" not in {r["comm"] for r in daemon.report(all=1)["processes"]},
          "it to be gone")
