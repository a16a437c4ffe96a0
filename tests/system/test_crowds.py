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

from memprov import (HANG, MIB, SANITIZED, Agent, Answer, Daemon, Target, check_sums, region_at, smaps,
                     until)
from pprof import Profile


def check_tracing(daemon):
    """A mapping of now is shown with its creator, when it is our turn."""
    with Agent() as agent:
        at = agent.map(2 * MIB)
        agent.call("fill", at, MIB, 1)
        answers = []

        def answered():
            answers.append(daemon.get_unix(f"/debug/memory?pid={agent.pid}&format=json&all=1"))
            return answers[-1].status != 503

        until(answered, "an answer")
        report = answers[-1].json
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


@pytest.mark.plain
def test_ten_thousand_connections(bpf, many_files):
    """However many wait, a new client that asks gets in, and a client that does not ask is cut off."""
    with Daemon("--metrics-listen", "127.0.0.1:0") as daemon:
        line = daemon.process.stdout.readline().decode()
        metrics = int(line.split("http://127.0.0.1:")[1].split("/")[0])

        def health(port):
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)) as c:
                c.request("GET", "/healthz")
                return c.getresponse().status

        def gets_in():
            # A client that is slow to ask may be taken for one of them.
            with contextlib.suppress(OSError):
                return health(daemon.port) == 200
            return False

        crowd = Crowd(daemon)
        for i in range(10000):
            crowd.open_one()
            if i % 20 == 0:
                crowd.look()
            if i % 1000 == 999:
                until(gets_in, "an answer in the crowd")
                assert health(metrics) == 200
                check_tracing(daemon)
        # A byte now and then would hold a connection for ever.
        def all_were_told():
            crowd.look(0.5)
            crowd.drip()
            until(gets_in, "an answer in the crowd")
            return not crowd.open

        until(all_were_told, "the end of all that drip")
        assert sum(crowd.became.values()) == 10000
        print(crowd.became)
        assert crowd.became["asks", True] > 1000


# --- clients that take nothing ------------------------------------------------------------------


def resident(daemon):
    """Less the call sites: they are those of the whole machine, and come with or without clients."""
    return sum(vma.rss for vma in smaps(daemon.pid)) - daemon.metrics()["memprov_callsites_bytes"]


def test_slow_readers(bpf):
    """They ask for much and do not take it: what is kept for them has a limit, others are served, and
    when they have gone so has the memory."""
    with Daemon() as daemon, Target("many_vmas", "10000") as target, contextlib.ExitStack() as stack:
        assert target.line() == "ready"
        request = f"GET /debug/memory?pid={target.pid}&all=1&format=json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        large = len(daemon.get("/debug/memory", pid=target.pid, all=1, format="json").body)
        before, statuses = resident(daemon), collections.Counter()
        clients = []
        for _ in range(3 * 64 * MIB // large // 2):
            clients.append(stack.enter_context(socket.socket()))
            clients[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            clients[-1].settimeout(HANG)
            clients[-1].connect(("127.0.0.1", daemon.port))
            clients[-1].sendall(request.encode())
        for client in clients:
            # When the first bytes are there the answer is complete, and kept.
            statuses[client.recv(12)] += 1
        kept = resident(daemon) - before
        print(statuses, f"{large} bytes each, {kept / MIB:.0f} MiB kept")
        assert set(statuses) == {b"HTTP/1.1 200", b"HTTP/1.1 503"}
        assert statuses[b"HTTP/1.1 200"] <= 64 * MIB // large
        assert SANITIZED or kept < 128 * MIB
        check_tracing(daemon)
        check_sums(daemon.report(target.pid))
        stack.close()
        if not SANITIZED:
            # Free memory goes back to the kernel every ten seconds.
            until(lambda: resident(daemon) - before < 32 * MIB, "the memory to be gone")


# --- a hundred clients --------------------------------------------------------------------------


def check_report(answer):
    check_sums(answer.json)
    assert answer.json["breakdown"]["named"][0]["rss"] == 40 * MIB


def check_profile(answer):
    assert Profile(answer.body).total("inuse_space") > 40 * MIB


def check_folded(answer):
    assert sum(int(line.rsplit(" ", 1)[1]) for line in answer.text.splitlines()) > 40 * MIB


# Path, its status, and what else must hold.
QUESTIONS = 2 * 13  # of each client
ASKED = [
    ("/debug/memory?pid={pid}&format=json", 200, check_report),
    ("/debug/memory?pid={pid}", 200, lambda answer: "TXMetaCache" in answer.text),
    ("/debug/memory?pid={pid}&format=folded", 200, check_folded),
    ("/debug/memory/pprof?pid={pid}", 200, check_profile),
    ("/debug/memory/callsites?pid={pid}&format=json", 200, lambda answer: answer.json["callsites"]),
    ("/debug/memory/flamegraph?pid={pid}", 200, lambda answer: answer.text.endswith("</html>\n")),
    ("/debug/memory/processes?format=json", 200, lambda answer: answer.json["processes"]),
    ("/debug/memory?format=json", 200, lambda answer: check_sums(answer.json) is None),
    ("/metrics", 200, lambda answer: "memprov_build_info" in answer.text),
    ("/healthz", 200, lambda answer: answer.text == "ok\n"),
    ("/", 200, lambda answer: "memprov" in answer.text),
    ("/debug/memory?pid=nonsense", 400, lambda answer: "nonsense" in answer.text),
    ("/debug/memory?pid=4194304&format=json", 404, lambda answer: answer.json["error"]),
]


class Client(threading.Thread):
    """Asks one thing after the other; `failed` says what was not as it should be."""

    def __init__(self, daemon, pid, number, questions):
        super().__init__()
        self.daemon_, self.pid = daemon, pid
        self.asked = itertools.islice(itertools.cycle(ASKED), number, number + questions)
        # Half of them stay, the others come anew each time.
        self.connection = daemon.connection() if number % 2 else None
        self.failed, self.answers = None, collections.Counter()

    def ask(self, path):
        if not self.connection:
            return self.daemon_.get(path)
        self.connection.request("GET", path)
        return Answer(self.connection.getresponse())

    def run(self):
        for path, status, holds in self.asked:
            try:
                answer = self.ask(path.format(pid=self.pid))
                self.answers[path, answer.status] += 1
                if answer.status == 503:
                    assert answer.headers["Retry-After"] and answer.text.count("\n") == 1
                else:
                    assert answer.status == status, (path, answer.status, answer.text[:200])
                    # Here it is we who would be too slow.
                    assert self.answers[path, status] % 4 != 1 or holds(answer) is not False, path
            except Exception as why:
                self.failed = (path, why)
                break
        if self.connection:
            self.connection.close()


def unexplained(daemon):
    """Resident, less what is known of the machine's processes, which come and go."""
    metrics = daemon.metrics()
    known = sum(v for k, v in metrics.items() if k.startswith("memprov_memory_bytes") and "reports" not in k)
    return sum(vma.rss for vma in smaps(daemon.pid)) - known


@pytest.mark.plain
def test_a_hundred_clients(bpf):
    """Of every route, while another maps and unmaps without pause, and is read: no error but 503, what is
    mapped meanwhile is known, and afterwards the memory is what it was."""
    with Daemon() as daemon, Target("named_region") as target, Target("churn", "1") as churn:
        target.line()
        assert churn.line() == "running"
        for path, _, _ in ASKED:
            daemon.get(path.format(pid=target.pid))
        before = unexplained(daemon)
        clients = [Client(daemon, target.pid, number, QUESTIONS) for number in range(100)]
        for client in clients:
            client.start()
        while any(client.is_alive() for client in clients):
            check_tracing(daemon)
            time.sleep(0.5)
        for client in clients:
            client.join()
        assert [client.failed for client in clients if client.failed] == []
        answers = sum((client.answers for client in clients), collections.Counter())
        print(f"{sum(answers.values())} answers, "
              f"{sum(n for (_, status), n in answers.items() if status == 503)} of them 503")
        assert all(answers[path, status] for path, status, _ in ASKED), answers
        # Free memory goes back to the kernel every ten seconds.
        until(lambda: unexplained(daemon) - before < 16 * MIB, "the memory to be gone")
        print(f"{before / MIB:.1f} MiB before, {unexplained(daemon) / MIB:.1f} after")
