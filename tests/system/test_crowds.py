# SPDX-License-Identifier: BSD-2-Clause
"""Very many clients at once, good ones and bad ones: they are answered, refused or cut off, tracing goes
on, and afterwards all is as before."""
import collections
import contextlib
import http.client
import itertools
import resource
import selectors
import socket
import threading
import time

import pytest

from memprov import (MIB, SANITIZED, SLOWER, Agent, Daemon, Target, check_sums, region_at, smaps, until)
from pprof import Profile

LOST = "memprov_events_lost_total"


def lost(daemon):
    return sum(value for name, value in daemon.metrics().items() if name.startswith(LOST))


def check_tracing(daemon):
    """A mapping of now is shown with its creator, to who asks by the socket."""
    with Agent() as agent:
        at = agent.map(2 * MIB)
        agent.call("fill", at, MIB, 1)
        report = daemon.get_unix(f"/debug/memory?pid={agent.pid}&format=json&all=1").json
        region = region_at(report, at)
        assert (region["tid"], region["rss"], region["origin"]) == (agent.pid, MIB, "mmap")
        assert report["tracing"]["lost_events"] == 0


@pytest.fixture
def many_files():
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, max(20000, old[1])))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, old)


# --- ten thousand connections -------------------------------------------------------------------


class Crowd:
    """Connections that say nothing, or a little now and then, or ask; and what became of them."""

    SAYS = {"silent": b"", "drip": b"G", "asks": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"}

    def __init__(self, daemon):
        self.daemon, self.became = daemon, collections.Counter()
        self.selector, self.kinds = selectors.DefaultSelector(), itertools.cycle(self.SAYS)

    def open_one(self):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", self.daemon.port))
        self.selector.register(s, selectors.EVENT_WRITE, next(self.kinds))

    @property
    def open(self):
        return len(self.selector.get_map())

    def look(self, seconds=0):
        """What has happened to them."""
        for key, _ in self.selector.select(seconds):
            try:
                if key.events == selectors.EVENT_WRITE:
                    key.fileobj.send(self.SAYS[key.data])
                    self.selector.modify(key.fileobj, selectors.EVENT_READ, key.data)
                    continue
                answer = key.fileobj.recv(4096)
            except OSError:
                answer = b""
            # An answer, and then it is kept open as good clients are; or the end.
            self.became[key.data, answer.split(b" ")[1:2] == [b"200"]] += 1
            self.selector.unregister(key.fileobj)
            key.fileobj.close()

    def drip(self):
        for key in list(self.selector.get_map().values()):
            if key.data == "drip" and key.events == selectors.EVENT_READ:
                with contextlib.suppress(OSError):
                    key.fileobj.send(b"E")


def test_ten_thousand_connections(bpf, many_files):
    """However many wait, who comes and asks gets in; and nobody waits for longer than 15 seconds."""
    with Daemon("--metrics-listen", "127.0.0.1:0") as daemon:
        line = daemon.process.stdout.readline().decode()
        metrics = int(line.split("http://127.0.0.1:")[1].split("/")[0])

        def health(port):
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as c:
                c.request("GET", "/healthz")
                return c.getresponse().status

        def gets_in():
            # Whoever is slow to ask may be taken for one of them.
            with contextlib.suppress(OSError):
                return health(daemon.port) == 200
            return False

        crowd = Crowd(daemon)
        for i in range(10000):
            crowd.open_one()
            if i % 20 == 0:
                crowd.look()
            if i % 1000 == 999:
                until(gets_in, 2 * SLOWER, "an answer in the crowd")
                assert health(metrics) == 200
                check_tracing(daemon)
        # A byte now and then would hold a connection for ever.
        began = time.monotonic()
        while crowd.open and time.monotonic() - began < 20 * SLOWER:
            crowd.look(0.5)
            crowd.drip()
            assert gets_in()
        assert crowd.open == 0 and sum(crowd.became.values()) == 10000
        print(crowd.became)
        assert crowd.became["asks", True] > 1000
        assert lost(daemon) == 0


# --- clients that take nothing ------------------------------------------------------------------


def resident(daemon):
    return sum(vma.rss for vma in smaps(daemon.pid))


def test_slow_readers(bpf):
    """They ask for much and do not take it: what is kept for them has a limit, others are served, and
    when they have gone so has the memory."""
    with Daemon() as daemon, Target("many_vmas", "10000") as target, contextlib.ExitStack() as stack:
        assert target.line() == "ready"
        request = f"GET /debug/memory?pid={target.pid}&all=1&format=json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        large = len(daemon.get("/debug/memory", pid=target.pid, all=1, format="json").body)
        before, statuses = resident(daemon), collections.Counter()
        for _ in range(3 * 64 * MIB // large // 2):
            s = stack.enter_context(socket.socket())
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.settimeout(50 * SLOWER)
            s.connect(("127.0.0.1", daemon.port))
            s.sendall(request.encode())
            # When the first bytes are there the answer is complete, and kept.
            statuses[s.recv(12)] += 1
        kept = resident(daemon) - before
        print(statuses, f"{large} bytes each, {kept / MIB:.0f} MiB kept")
        assert set(statuses) == {b"HTTP/1.1 200", b"HTTP/1.1 503"}
        assert statuses[b"HTTP/1.1 200"] <= 64 * MIB // large
        assert SANITIZED or kept < 96 * MIB
        check_tracing(daemon)
        check_sums(daemon.report(target.pid))
        stack.close()
        if not SANITIZED:
            # Free memory goes back to the kernel every ten seconds.
            until(lambda: resident(daemon) - before < 16 * MIB, 15, "the memory to be gone")
