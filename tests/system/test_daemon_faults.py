# SPDX-License-Identifier: BSD-2-Clause
"""The whole daemon, while one of its system calls fails: at its start, which it then refuses with a line or survives; and
as it runs, when requests are answered or refused, and all is exact again afterwards. What fails is decided by a library
before the C library (tests/faults/calls.c); single rooms are tested so by test_faults.

FAULTS=all tests/run-system build tests/system/test_daemon_faults.py -s: each call of the start, and not some of them.
"""
import contextlib
import errno
import http.client
import mmap
import os
import random
import struct

import pytest

from memprov import MIB, ROOT, Agent, Daemon, NotStarted, check_sums, region_at, until

pytestmark = pytest.mark.plain  # a sanitizer wants to be the first library
LIBRARY = ROOT / "build" / "faults.so"
PLAN = struct.Struct("32s64siIIIIII")  # struct fault_plan, of plan.h
SHORT = -1
TIMES = 1  # of a call's occurrences at the start, that are tried
CANNOT_TRACE = 3
ALL = os.environ.get("FAULTS") == "all"


class Plan:
    """What fails next, in a file that the daemon has mapped."""

    def __init__(self, path):
        path.write_bytes(bytes(PLAN.size))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), PLAN.size)
        self.prefix = ("/usr/bin/env", f"LD_PRELOAD={LIBRARY}", f"MEMPROV_FAULT_PLAN={path}")

    def set(self, call, err=errno.EIO, nth=1, for_ever=False, file=""):
        self.memory[:] = PLAN.pack(b"", b"", 0, 0, 0, 0, 1, 0, 0)
        self.memory[:] = PLAN.pack(call.encode(), file.encode(), err, nth, for_ever, 0, 0, 0, 0)

    def clear(self):
        """How often it was called, and failed."""
        *_, seen, failed = PLAN.unpack(self.memory[:])
        self.memory[:] = bytes(PLAN.size)
        return seen, failed


@pytest.fixture
def plan(tmp_path):
    return Plan(tmp_path / "plan")


@pytest.fixture(scope="module")
def faulty(bpf, tmp_path_factory):
    directory = tmp_path_factory.mktemp("faulty")
    plan = Plan(directory / "plan")
    with Daemon("--history", directory / "history.db", prefix=plan.prefix) as daemon:
        yield daemon, plan


def is_exact(daemon):
    """A mapping of this moment has its creator and its size, and sums add up."""
    with Agent() as agent:
        at = agent.map(MIB)
        agent.call("fill", at, MIB, 1)
        answer = daemon.get("/debug/memory", pid=agent.pid, format="json", all=1)
        if answer.status != 200:
            return False
        check_sums(answer.json)
        region = region_at(answer.json, at)
        return region["rss"] == MIB and region["tid"] == agent.pid


# --- at the start -----------------------------------------------------------------------------------

START = {
    "bpf": (errno.EPERM, errno.ENOMEM, errno.E2BIG),
    "perf_event_open": (errno.EPERM, errno.EMFILE, errno.ENOMEM),
    "openat2": (errno.EMFILE, errno.ENOMEM),
    "socket": (errno.EMFILE, errno.ENOBUFS),
    "bind": (errno.EADDRINUSE, errno.EACCES),
    "listen": (errno.EADDRINUSE,),
    "socketpair": (errno.EMFILE,),
    "epoll_create1": (errno.EMFILE, errno.ENOMEM),
    "eventfd": (errno.EMFILE,),
    "memfd_create": (errno.EMFILE,),
    "inotify_init1": (errno.EMFILE,),
    "pthread_create": (errno.EAGAIN,),
    "fork": (errno.EAGAIN,),
    "mmap": (errno.ENOMEM,),
    "open": (errno.EMFILE, errno.ENFILE),
    "openat": (errno.EMFILE,),
    "open64": (errno.EMFILE, errno.EIO),
    "read": (errno.EIO, errno.EINTR, SHORT),
    "write": (errno.EIO, errno.EINTR, SHORT),
    "ioctl": (errno.EPERM, errno.ENOMEM),
    "pwrite64": (errno.ENOSPC, errno.EIO),
    "pread64": (errno.EIO, SHORT),
}


def start(plan, *options):
    """None: it refused, with a line that says what it cannot do. Else the daemon."""
    try:
        return Daemon(*options, prefix=plan.prefix)
    except NotStarted as refused:
        last = refused.stderr.splitlines()[-1]
        assert refused.code == (CANNOT_TRACE if "cannot trace" in last else 1), (refused.code, refused.stderr)
        assert last.startswith("memprov: "), refused.stderr
        return None


@pytest.mark.seconds(3600 if ALL else 300)
@pytest.mark.parametrize("call", START)
def test_at_the_start(bpf, plan, tmp_path, call):
    options = ("--history", str(tmp_path / "history.db"))
    plan.set(call, nth=1 << 31)  # which none reaches: they are counted
    with start(plan, *options) as daemon:
        assert is_exact(daemon)
        seen, _ = plan.clear()
    assert seen, "it makes no such call"
    numbers = range(1, seen + 1)
    for nth in numbers if ALL else random.sample(numbers, min(TIMES, seen)):
        for err in START[call] if ALL else random.sample(START[call], 1):
            what = f"{call} {nth} of {seen}: {os.strerror(err) if err > 0 else 'half'}"
            print(what)
            plan.set(call, err, nth)
            daemon = start(plan, *options)
            plan.clear()
            if daemon:
                with daemon:
                    until(lambda: is_exact(daemon), f"an exact report: {what}")


# --- as it runs -------------------------------------------------------------------------------------

RUNNING = {
    "bpf": (errno.EPERM, errno.ENOMEM, errno.EAGAIN),
    "openat2": (errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    "pidfd_open": (errno.EMFILE, errno.ENOMEM),
    "open": (errno.EMFILE, errno.ENOMEM),
    "openat": (errno.EMFILE, errno.ENOMEM),
    "read": (errno.EINTR, errno.EIO, SHORT),
    "pread": (errno.EINTR, SHORT),
    "readlinkat": (errno.ENOMEM,),
    "ioctl": (errno.EINTR, errno.ENOMEM, errno.EPERM),
    "recv": (errno.EINTR, errno.ECONNRESET, SHORT),
    "send": (errno.EINTR, errno.EPIPE, SHORT),
    "recvmsg": (errno.EINTR, errno.ENOMEM, errno.ECONNRESET),
    "sendmsg": (errno.EINTR, errno.ENOBUFS, errno.EPIPE),
    "accept4": (errno.EMFILE, errno.ECONNABORTED, errno.EINTR),
    "epoll_wait": (errno.EINTR,),
    "poll": (errno.EINTR, errno.ENOMEM),
    "socket": (errno.EMFILE, errno.ENOBUFS),
    "mmap": (errno.ENOMEM,),
    "process_vm_readv": (errno.ENOMEM, errno.EPERM),
    "pthread_create": (errno.EAGAIN,),
    "pwrite64": (errno.ENOSPC, errno.EIO, SHORT),
    "pread64": (errno.EIO, SHORT),
    "fdatasync": (errno.EIO,),
    "fsync": (errno.EIO,),
}
ASKED = ("/debug/memory?pid={pid}&format=json&all=1", "/debug/memory?pid={pid}", "/debug/memory", "/debug/memory/processes",
         "/debug/memory/callsites?pid={pid}", "/debug/memory/pprof?pid={pid}", "/debug/memory/flamegraph?pid={pid}",
         "/debug/memory/history?pid={pid}", "/debug/memory/alerts", "/debug/memory/oom", "/metrics", "/readyz", "/")


def ask(daemon, path):
    """What it says: a whole answer, a refusal in one line, or that there is no connection now."""
    try:
        answer = daemon.get(path)
    except TimeoutError:
        raise
    except (OSError, http.client.HTTPException):
        return
    new = path.startswith("/debug/memory/history") and answer.status == 404
    assert answer.status in (200, 500, 503) or new, (path, answer.status, answer.text)
    if answer.status != 200 and path != "/readyz":
        assert answer.text.count("\n") == 1, (path, answer.text)


@pytest.mark.parametrize("call", RUNNING)
def test_as_it_runs(faulty, call):
    daemon, plan = faulty
    with Agent() as agent:
        agent.map(MIB)
        paths = [path.format(pid=agent.pid) for path in ASKED]
        ask(daemon, paths[0])
        for err in RUNNING[call]:
            # What is interrupted is done again until it is not, and what nothing accepts waits.
            for for_ever in (False, True) if err != errno.EINTR and call != "accept4" else (False,):
                print(f"{call}: {os.strerror(err) if err > 0 else 'half'}{', again and again' if for_ever else ''}")
                with contextlib.ExitStack() as stack:
                    stack.callback(plan.clear)
                    for path in paths:
                        plan.set(call, err, for_ever=for_ever)
                        ask(daemon, path)
                assert daemon.process.poll() is None, daemon.stderr()
                until(lambda: is_exact(daemon), "an exact report")
