# SPDX-License-Identifier: BSD-2-Clause
"""What the system tests share: the daemon, its targets, and a reader of smaps of their own.

Nothing here knows the C code: smaps is parsed anew, and sums are made anew, so that a mistake
there does not meet the same mistake here.
"""
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEMPROV = os.environ.get("MEMPROV", str(ROOT / "build" / "memprov"))
WORKLOADS = os.environ.get("WORKLOADS", str(ROOT / "build" / "workloads"))
# AddressSanitizer multiplies memory and time: there only what is right counts, not how much.
SANITIZED = bool(os.environ.get("SANITIZED"))
SLOWER = int(os.environ.get("SLOWER", 4 if SANITIZED else 1))
# No test says how fast the machine is: what takes longer than this does not end.
HANG = 120 * SLOWER
PATIENCE = 3  # seconds that a request waits for stacks (user/report/snapshot.h)
TRIES = 5
# Which backend every daemon is told to use; nothing: its own choice.
BACKEND = os.environ.get("MEMPROV_BACKEND")

# What a region's name has come from that was given by prctl: the kernel, if it keeps names, else the attempt.
GIVEN = ("kernel", "prctl")

PAGE = os.sysconf("SC_PAGESIZE")
MIB = 1 << 20


# --- the daemon ---------------------------------------------------------------------------------


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)


class NotStarted(AssertionError):
    """With the exit code, and what was said on standard error."""

    def __init__(self, message, code, stderr):
        super().__init__(message)
        self.code, self.stderr = code, stderr


class Daemon:
    """`memprov serve` on a free port and a socket of its own. As a context, it is stopped at the
    end, and must then have ended in time, with 0, and without a word from a sanitizer. The words of
    prefix are a program that becomes it, as the user."""

    def __init__(self, *args, wait_ready=True, prefix=(), user=0, program=None):
        self.dir = tempfile.mkdtemp(prefix="memprov-test-")
        os.chown(self.dir, user, user)
        self.socket = os.path.join(self.dir, "memprov.sock")
        self.stderr_path = os.path.join(self.dir, "stderr")
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                [*prefix, program or MEMPROV, "serve", "--listen", "127.0.0.1:0", "--socket", self.socket,
                 *(["--backend", BACKEND] if BACKEND else []), *args],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr)
        self.pid = self.process.pid
        first = read_line(self.process.stdout)
        match = re.search(r"https?://\[?([0-9.:]+?)\]?:(\d+)/", first)
        if not match:
            self.process.kill()
            code, stderr = self.process.wait(), self.stderr()
            self.clean()
            raise NotStarted(f"no address in {first!r}, exit {code}: {stderr}", code, stderr)
        self.host, self.port = match[1], int(match[2])
        if wait_ready:
            self.wait_ready()

    def wait_ready(self):
        until(lambda: self.get("/readyz").status == 200, "the daemon to be ready")

    def stderr(self):
        return pathlib.Path(self.stderr_path).read_text(errors="replace")

    def connection(self, timeout=HANG):
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def request(self, method, path, connection=None, headers=None):
        connection = connection or self.connection()
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers or {})
            return Answer(connection.getresponse())

    def get(self, path, **parameters):
        if parameters:
            path += "?" + urllib.parse.urlencode(parameters)
        return self.request("GET", path)

    def get_unix(self, path):
        return self.request("GET", path, UnixConnection(self.socket, HANG))

    def report(self, pid=None, **parameters):
        """The JSON report of a process, or of the node. One that took as long as a request waits for stacks lacks some:
        on a busy machine it is asked for again."""
        if pid is not None:
            parameters["pid"] = pid
        for _ in range(TRIES):
            begin = time.monotonic()
            answer = self.get("/debug/memory", format="json", **parameters)
            assert answer.status == 200, answer.text
            if time.monotonic() - begin < PATIENCE:
                break
        return answer.json

    def text(self, pid=None, **parameters):
        if pid is not None:
            parameters["pid"] = pid
        answer = self.get("/debug/memory", **parameters)
        assert answer.status == 200, answer.text
        return answer.text

    def metrics(self):
        """{'memprov_events_total{type="mmap"}': 12.0, …}"""
        answer = self.get("/metrics")
        assert answer.status == 200, answer.text
        rows = (line.rsplit(" ", 1) for line in answer.text.splitlines() if line[0] != "#")
        return {name: float(value) for name, value in rows}

    def stop(self, sig=signal.SIGTERM):
        """Ends it."""
        if self.process.returncode is not None:
            return
        self.process.send_signal(sig)
        try:
            code = self.process.wait(HANG)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{sig!r} did not end the daemon: {self.stderr()}")
        stderr, left = self.stderr(), os.path.exists(self.socket)
        self.clean()
        assert code == 0, f"exit {code}: {stderr}"
        assert "Sanitizer" not in stderr and "runtime error" not in stderr, stderr
        assert not left, "the socket file was left behind"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.clean()

    def clean(self):
        self.process.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind and self.process.poll() is not None:
            print(f"the daemon ended with {self.process.returncode}: {self.stderr()}")
        if kind:
            self.kill()
        else:
            self.stop()


# --- targets ------------------------------------------------------------------------------------


class Target:
    """A program of known behaviour, killed at the end with all its children."""

    def __init__(self, *argv, **popen):
        if "/" not in argv[0]:
            argv = (os.path.join(WORKLOADS, argv[0]), *argv[1:])
        with contextlib.ExitStack() as stack:
            if "user" in popen:  # which may not enter where the tree is, but may execute an open file
                program = stack.enter_context(open(argv[0], "rb")).fileno()
                popen |= {"executable": f"/proc/self/fd/{program}", "pass_fds": (*popen.get("pass_fds", ()), program)}
            self.process = subprocess.Popen(
                [str(word) for word in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                start_new_session=True, **popen)
        self.pid = self.process.pid

    def settle(self):
        """Until its main thread sleeps: from then on it touches nothing more."""
        def asleep():
            stat = pathlib.Path(f"/proc/{self.pid}/stat").read_text()
            return stat.rsplit(")", 1)[1].split()[0] == "S"

        until(asleep, "the target to sleep")

    def line(self, timeout=HANG):
        return read_line(self.process.stdout, timeout).rstrip("\n")

    def tell(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        with contextlib.suppress(BrokenPipeError):
            self.close()


class Refused(Exception):
    pass


class Agent(Target):
    """tests/workloads/agent.c: makes the system calls that it is told to make, by a thread or a
    forked child of it if wanted."""

    def __init__(self, **popen):
        super().__init__("agent", **popen)
        assert self.line() == "ready"
        self.workers = 0

    def call(self, name, *args, by=None):
        """The result of the call, by the main thread or a worker; raises Refused."""
        words = [":" + a.hex() if isinstance(a, bytes) else str(a) for a in args]
        prefix = "" if by is None else f"@{by.index} "
        self.tell(prefix + " ".join([name, *words]))
        result, error = self.line().split()
        if int(error):
            raise Refused(f"{name}: {os.strerror(int(error))}")
        return int(result)

    def worker(self, kind):
        self.workers += 1
        return Worker(self.workers, self.call(kind))

    def thread(self):
        return self.worker("thread")

    def fork(self):
        return self.worker("fork")

    def map(self, size, at=0, flags=0, prot=3, fd=-1, offset=0, by=None):
        return self.call("mmap", at, size, prot, flags or MAP_PRIVATE | MAP_ANONYMOUS, fd, offset,
                         by=by)

    def name(self, start, size, name, by=None):
        """True when the kernel took the name too."""
        try:
            self.call("prctl", 0x53564D41, 0, start, size, name + b"\0", by=by)
        except Refused:
            return False
        return True


class Worker:
    """A thread of the agent, or a child of it."""

    def __init__(self, index, number):
        self.index = index
        self.tid = self.pid = number


MAP_SHARED, MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS = 1, 2, 0x10, 0x20
MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP = 1, 2, 4
MADV_DONTNEED, MADV_NOHUGEPAGE = 4, 15


def read_line(stream, timeout=HANG):
    """A line, unbuffered, so that what poll() says is true."""
    line, end = b"", time.monotonic() + timeout
    ready = select.poll()  # select() takes no descriptor above 1023
    ready.register(stream, select.POLLIN)
    while not line.endswith(b"\n"):
        left = end - time.monotonic()
        if left <= 0 or not ready.poll(left * 1000):
            raise AssertionError(f"no line within {timeout} s, only {line!r}")
        byte = os.read(stream.fileno(), 1)
        if not byte:
            break
        line += byte
    return line.decode()


def until(condition, what):
    """Asks again and again; what the condition gave when it held."""
    end = time.monotonic() + HANG
    while not (holds := condition()):
        assert time.monotonic() < end, f"waited {HANG} s in vain for {what}"
        time.sleep(0.02)
    return holds


def patiently(ask):
    """What a daemon answers that may be too busy for a while."""
    end = time.monotonic() + HANG
    while True:
        try:
            return ask()
        except (AssertionError, OSError, http.client.HTTPException):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


# --- what the kernel says -----------------------------------------------------------------------

HEADER = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ([r-][w-][x-][sp]) ([0-9a-f]+) ([0-9a-f]+):"
                    r"([0-9a-f]+) (\d+) *(.*)")
AMOUNT = re.compile(r"(\w+): +(\d+) kB")


class Vma:
    def __init__(self, match):
        self.start, self.end = int(match[1], 16), int(match[2], 16)
        self.perms = match[3]
        self.offset = int(match[4], 16)
        self.inode = int(match[7])
        self.name = match[8].replace("\\012", "\n")
        self.kb = {}

    def bytes(self, *fields):
        return sum(self.kb[field] for field in fields) * 1024

    @property
    def rss(self):
        return self.bytes("Rss")

    def __eq__(self, other):
        return self.__dict__ == other.__dict__

    def __repr__(self):
        return f"{self.start:x}-{self.end:x} {self.perms} {self.name!r} {self.kb}"


def smaps(pid):
    vmas = []
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_bytes().split(b"\n"):
        line = line.decode("utf-8", "surrogateescape")
        match = HEADER.fullmatch(line)
        if match:
            vmas.append(Vma(match))
            continue
        match = AMOUNT.fullmatch(line)
        if match:
            vmas[-1].kb[match[1]] = int(match[2])
    return vmas


def task_states(pid):
    states = []
    for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            states.append(stat.read_text().rpartition(")")[2].split()[0])
    return states


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: set(task_states(pid)) == {"T"}, f"{pid} to stop")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def status_kb(pid, field):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M)[1])


# --- what a report must be ----------------------------------------------------------------------


def span(region):
    return int(region["start"], 16), int(region["end"], 16)


def breakdown_sum(report):
    b = report["breakdown"]
    return (sum(b["runtime"].values()) + sum(row["rss"] for row in b["named"]) +
            sum(row["rss"] for row in b["file_backed"]) + sum(b["anonymous"].values()) +
            b["other"])


def check_sums(report):
    """What holds for every report, whatever the target does."""
    rss = report["totals"]["rss"]
    assert breakdown_sum(report) == rss, report["breakdown"]
    assert sum(report["coverage"].values()) == rss, report["coverage"]
    b = report["breakdown"]
    totals = {name: n for name, n in report["totals"].items() if name != "ksm" or n is not None}  # null before Linux 6.8
    amounts = [*totals.values(), *report["coverage"].values(), *b["runtime"].values(),
               *b["anonymous"].values(), b["other"], *(row["rss"] for row in b["named"]),
               *(row["rss"] for row in b["file_backed"])]
    assert all(isinstance(n, int) and n >= 0 for n in amounts), report


def check_tiling(report):
    """The regions (asked for with all=1) never overlap, and add up to the totals."""
    regions = sorted(report["regions"], key=span)
    reached = 0
    for region in regions:
        start, end = span(region)
        assert reached <= start < end, (hex(reached), region)
        reached = end
        for field in ("rss", "pss", "private", "shared", "swap"):
            assert region[field] >= 0, region
        assert region["rss"] <= end - start, region
    assert sum(r["rss"] for r in regions) == report["totals"]["rss"]
    assert sum(r["pss"] for r in regions) == report["totals"]["pss"]
    return regions


class SharingMoved(AssertionError):
    """Figures differ that other processes move, too, by coming and going: PSS, and what of the
    resident is private and what is shared."""


def same_sharing(ours, theirs, *context):
    if ours != theirs:
        raise SharingMoved(f"{ours} is not {theirs}: {context}")


def check_against(report, vmas, sharing=True):
    """Every figure of the report is the one of smaps, VMA by VMA; with those of sharing, or without."""
    assert report["consistency"] == "exact"
    check_sums(report)
    regions = check_tiling(report)
    totals = report["totals"]
    assert totals["rss"] == sum(v.rss for v in vmas)
    if sharing:
        same_sharing(totals["pss"], sum(v.bytes("Pss") for v in vmas), "all of it")
    assert totals["virtual"] == sum(v.bytes("Size") for v in vmas)
    assert totals["swap"] == sum(v.bytes("Swap") for v in vmas)
    left = iter(regions)
    for vma in vmas:
        parts, reached = [], vma.start
        while reached < vma.end:
            part = next(left, None)
            assert part, f"no region at {reached:x} of {vma}"
            parts.append(part)
            assert span(part)[0] == reached, (f"{reached:x}", vma, part)
            reached = span(part)[1]
            assert part["perms"] == vma.perms, (vma, part)
            assert part["inode"] == vma.inode, (vma, part)
            if vma.inode:
                assert part["offset"] == vma.offset + span(part)[0] - vma.start, (vma, part)
            # A part of a VMA has a figure of its own only where pages were counted.
            whole = span(part) == (vma.start, vma.end)
            assert part["rss_source"] == ("smaps" if whole or not vma.rss and not vma.kb["Swap"]
                                          else "pagemap"), (vma, part)
        assert reached == vma.end, (vma, parts)
        for field, line in (("rss", "Rss"), ("swap", "Swap")):
            assert sum(p[field] for p in parts) == vma.bytes(line), (field, vma, parts)
        for field, lines in (("pss", ["Pss"]), ("private", ["Private_Clean", "Private_Dirty"]),
                             ("shared", ["Shared_Clean", "Shared_Dirty"])) if sharing else ():
            same_sharing(sum(p[field] for p in parts), vma.bytes(*lines), field, vma, parts)
        kept = KEPT.fullmatch(vma.name or "")
        if kept:
            name = readable(f"[{kept[1]}: {kept[2]}]")
            assert {(p["name"], p["name_source"]) for p in parts} == \
                {(name, "kernel") if kept[2] else (None, "none")}, (vma, parts)
        elif vma.name and \
                not any(p["name_source"] == "prctl" for p in parts):
            assert {p["name"] for p in parts} == {readable(vma.name)}, (vma, parts)
    assert next(left, None) is None


# As the kernel shows a name that it keeps.
KEPT = re.compile(r"\[(anon|anon_shmem): *(.*)\]")


def readable(name):
    """JSON carries no bytes that are not UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def without_sharing(vmas):
    """What others do not move."""
    return [(v.start, v.end, v.perms, v.name, {field: kb for field, kb in v.kb.items() if not
             field.startswith(("Pss", "SwapPss", "Private", "Shared"))}) for v in vmas]


def exact_report(daemon, pid, **parameters):
    """The report of a process, checked against smaps while it is stopped. Only where others came
    and went meanwhile it is looked at again: what is wrong is wrong every time. Where they come and go
    all the time, all is checked but what they move."""
    moved, end = None, time.monotonic() + HANG
    with stopped(pid):
        for attempt in itertools.count():
            assert time.monotonic() < end, f"it never stood still, or is wrong: {moved}"
            before = smaps(pid)
            report = daemon.report(pid, all=1, **parameters)
            after = smaps(pid)
            if without_sharing(after) != without_sharing(before) or (after != before and attempt < 2):
                continue
            try:
                check_against(report, before, sharing=after == before)
                return report
            except SharingMoved as reason:
                moved = reason


def region_at(report, address):
    """The one region that holds an address."""
    found = [r for r in report["regions"] if span(r)[0] <= address < span(r)[1]]
    assert len(found) == 1, (hex(address), found)
    return found[0]


def sites_of(report):
    return {site["id"]: site for site in report["callsites"]}


def site_at(report, address):
    region = next(r for r in report["regions"] if span(r)[0] <= address < span(r)[1])
    return sites_of(report).get(region["callsite"]), region


def known_site(daemon, pid, address):
    """The call site of what is mapped there, from the first report that has it: of a stack that is still
    being unwound a report says nothing, and on a busy machine that takes its time."""
    return until(lambda: site_at(daemon.report(pid, all=1), address)[0], "the call site")


def functions(site):
    """Of the frames that the machine has: without inlined ones."""
    return [frame["function"] for frame in site["stack"] if not frame["inlined"]]


def by_owner(sites):
    """RSS of call sites, or of touch sites, by the function that owns it."""
    sums = {}
    for site in sites:
        name = (site["owner"] or {}).get("function")
        sums[name] = sums.get(name, 0) + site["rss"]
    return sums


def family(daemon):
    """The daemon, its launcher, and the processes that unwind."""
    first = child_named(daemon, "memprov-launch")
    return [daemon.pid, first, *children(first)]


def child_named(daemon, comm):
    child, = [pid for pid in children(daemon.pid) if pathlib.Path(f"/proc/{pid}/comm").read_text() == f"{comm}\n"]
    return child


def open_files(pid):
    """What its descriptors lead to; nothing when it has gone."""
    paths = set()
    with contextlib.suppress(OSError):
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                paths.add(os.readlink(fd))
    return paths


def children(pid):
    """Of all its threads."""
    return [int(word) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children")
            for word in path.read_text().split()]
