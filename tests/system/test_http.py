# SPDX-License-Identifier: BSD-2-Clause
"""What the daemon answers, to good clients, bad clients and very many of them."""
import concurrent.futures
import base64
import contextlib
import gzip
import hashlib
import http.client
import os
import pathlib
import re
import socket
import stat
import subprocess

import pytest

from memprov import (HANG, MEMPROV, MIB, Agent, Answer, Daemon, Target, check_sums, smaps, stopped, task_states,
                     until)

MEMORY = "/debug/memory"
PROCESSES = "/debug/memory/processes"
FLAMEGRAPH = "/debug/memory/flamegraph"

# path, query, and what the message must name
BAD = [(MEMORY, query, word) for query, word in [
    ("pid=0", "pid"), ("pid=-1", "pid"), ("pid=4194305", "pid"),
    ("pid=99999999999999999999", "pid"),
    ("pid=abc", "pid"), ("pid=1x", "pid"), ("pid=", "pid"), ("pid", "pid"), ("pid=1.0", "pid"),
    ("pid=+1", "pid"), ("pid=%201", "pid"), ("pid=0x10", "pid"), ("pid=1%00", "pid"),
    ("pid=SELF", "pid"), ("pid=self&pid=self", "pid"), ("pid=1&pid=1", "pid"),
    ("top=0", "top"), ("top=10001", "top"), ("top=x", "top"), ("top=", "top"), ("top=-5", "top"),
    ("top=5&top=6", "top"),
    ("all=2", "all"), ("all=yes", "all"), ("all=", "all"), ("all=1&all=1", "all"),
    ("format=xml", "format"), ("format=JSON", "format"), ("format=", "format"),
    ("format=text&format=text", "format"),
    ("unit=GB", "unit"), ("unit=kb", "unit"), ("unit=MB&unit=kB", "unit"),
    ("min=x", "min"), ("min=1T", "min"), ("min=-1", "min"), ("min=99999999999999999999", "min"),
    ("min=1k&min=1k", "min"),
    ("pdi=1", "pdi"), ("=1", ""), ("a%0Ab=1", "a"), ("%3Cscript%3E=1", "script"),
    ("x" * 3000 + "=1", "xxx"), ("pid=" + "9" * 3000, "pid"),
]] + [(PROCESSES, "pid=1", "pid"), (PROCESSES, "top=0", "top"), ("/healthz", "top=5", "top"),
      ("/metrics", "pid=1", "pid"), ("/readyz", "x=1", "x"), ("/", "pid=1", "pid"),
      (FLAMEGRAPH, "format=text", "html"), (FLAMEGRAPH, "unit=MB", "unit"),
      (FLAMEGRAPH, "pid=0", "pid"), (FLAMEGRAPH, "min=x", "min"), (MEMORY, "format=html", "json")]


@pytest.mark.parametrize("path, query, word", BAD, ids=lambda v: v[:30] if v else "none")
def test_bad_parameters(daemon, path, query, word):
    answer = daemon.get(f"{path}?{query}")
    assert answer.status == 400, answer.text
    assert word in answer.text
    assert answer.text.endswith("\n") and answer.text.count("\n") == 1
    assert answer.text[:-1].isprintable()
    assert len(answer.text) < 400
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("query, status, code", [
    ("pid=abc&format=json", 400, "bad_parameter"), ("format=json&top=0", 400, "bad_parameter"),
    ("pid=2&format=json", 404, "no_such_process"), ("nonsense=%22%0a&format=json", 400,
                                                    "bad_parameter")])
def test_errors_as_json(daemon, query, status, code):
    answer = daemon.get(f"{MEMORY}?{query}")
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json) == ["error"] and list(answer.json["error"]) == ["code", "message"]
    assert answer.json["error"]["code"] == code
    assert answer.json["error"]["message"] and "\n" not in answer.json["error"]["message"]


@pytest.mark.parametrize("path", ["/nothing", "/debug/memory/", "/debug", "//debug/memory",
                                  "/debug/memory/../memory", "/healthz/", "/%00"])
def test_no_such_route(daemon, path):
    answer = daemon.get(path)
    assert answer.status == 404
    assert answer.text.count("\n") == 1 and "/debug/memory" in answer.text
    assert daemon.get(path + "?format=json").json["error"]["code"] == "no_such_route"


def test_no_such_process(daemon):
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    zombie = subprocess.Popen(["/bin/true"])
    until(lambda: task_states(zombie.pid) == ["Z"], "a zombie")
    for pid in (gone.pid, zombie.pid, 2, 4194304):  # 2: kthreadd
        answer = daemon.get(MEMORY, pid=pid)
        assert answer.status == 404, (pid, answer.text)
        assert str(pid) in answer.text and answer.text.count("\n") == 1
    zombie.wait()


def test_a_thread_is_no_process(daemon, agent):
    """Though procfs has a directory of it for those that ask."""
    agent.thread()
    tids = {int(tid) for tid in os.listdir(f"/proc/{agent.pid}/task")} - {agent.pid}
    for tid in tids:
        answer = daemon.get("/debug/memory", pid=tid, format="json")
        assert (answer.status, answer.json["error"]["code"]) == (404, "no_such_process")
        done = subprocess.run([MEMPROV, "show", str(tid), "--socket", "/nowhere"], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and f"no process {tid}" in done.stderr, done
    assert tids and daemon.report(pid=agent.pid)["tracing"]["state"] == "complete"
    listed = {row["pid"] for row in daemon.get("/debug/memory/processes", format="json", all=1).json["processes"]}
    assert agent.pid in listed and not tids & listed


def test_a_process_that_may_not_be_read(daemon):
    """Here root may not read every process; where it may, there is nothing to refuse."""
    try:
        smaps(1)
        expected = 200
    except PermissionError:
        expected = 403
    answer = daemon.get(MEMORY, pid=1)
    assert answer.status == expected
    if expected == 403:
        assert answer.text.count("\n") == 1 and "1" in answer.text
        assert daemon.get(MEMORY, pid=1, format="json").json["error"]["code"] == "forbidden"


def has_open(pid, path):
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(fd) == path:
                return True
    return False


def test_a_process_that_exits_while_it_is_read(daemon):
    """It is killed when the daemon has its maps open, and is stopped."""
    statuses = set()
    for _ in range(40):
        with Target("many_vmas", "60000") as target:
            assert target.line() == "ready"
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                answer = pool.submit(daemon.get, MEMORY, pid=target.pid, format="json")
                while not answer.done() and not has_open(daemon.pid, f"/proc/{target.pid}/maps"):
                    pass
                with stopped(daemon.pid):
                    target.process.kill()
                    target.process.wait()
                answer = answer.result()
            statuses.add(answer.status)
            assert answer.status in (200, 404, 410), answer.text
            if answer.status == 200:
                check_sums(answer.json)
            if answer.status == 410:
                assert answer.json["error"]["code"] == "process_exited"
                assert str(target.pid) in answer.json["error"]["message"]
                return
    raise AssertionError(f"never 410, only {statuses}")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "NONSENSE"])
@pytest.mark.parametrize("path", [MEMORY, "/healthz", "/metrics", "/", FLAMEGRAPH])
def test_other_methods(daemon, method, path):
    answer = daemon.request(method, path)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_body_is_not_taken(daemon):
    head = f"POST {MEMORY} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    assert raw(daemon, (head % 1000).encode() + b"x" * 1000).startswith(b"HTTP/1.1 405 ")
    # It hangs up on a large one; the answer may get lost with what is still on its way.
    answer = raw(daemon, (head % MIB).encode() + b"x" * MIB)
    assert not answer or answer.startswith(b"HTTP/1.1 405 ")
    assert daemon.get("/healthz").status == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", MEMORY, PROCESSES, "/no",
                                  "/", FLAMEGRAPH + "?pid=self", MEMORY + "?pid=self", MEMORY + "?pid=x"])
def test_head(daemon, path):
    get, head = daemon.get(path), daemon.request("HEAD", path)
    assert head.status == get.status, get.text
    assert head.body == b""
    for name in ("Content-Type", "Cache-Control"):
        assert head.headers[name] == get.headers[name]
    assert int(head.headers["Content-Length"]) > 0


@pytest.mark.parametrize("path, kind", [
    (MEMORY + "?pid=self", "text/plain; charset=utf-8"), (MEMORY, "text/plain; charset=utf-8"),
    (MEMORY + "?pid=self&format=text", "text/plain; charset=utf-8"),
    (MEMORY + "?pid=self&format=json", "application/json"),
    (MEMORY + "?format=json", "application/json"),
    (PROCESSES, "text/plain; charset=utf-8"), (PROCESSES + "?format=json", "application/json"),
    ("/", "text/html; charset=utf-8"), (FLAMEGRAPH, "text/html; charset=utf-8"),
    (FLAMEGRAPH + "?format=html&pid=self", "text/html; charset=utf-8"),
    (FLAMEGRAPH + "?format=json&pid=self", "application/json"),
    ("/metrics", "text/plain; version=0.0.4; charset=utf-8")])
def test_headers(daemon, path, kind):
    answer = daemon.get(path)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.body.endswith(b"\n")


def hash_of(page, element):
    text = page.split(f"<{element}>")[1].split(f"</{element}>")[0]
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@pytest.mark.parametrize("path, fetches", [("/", "'self'"), (FLAMEGRAPH + "?pid=self", None),
                                           (FLAMEGRAPH, None)])
def test_pages(daemon, path, fetches):
    """A browser lets them run what they were built with, and nothing else."""
    answer = daemon.get(path)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    words = [part.split() for part in answer.headers["Content-Security-Policy"].split("; ")]
    policy = {name: values for name, *values in words}
    expected = {"default-src": ["'none'"], "img-src": ["data:"], "base-uri": ["'none'"],
                "form-action": ["'none'"], "frame-ancestors": ["'none'"],
                "script-src": [f"'sha256-{hash_of(answer.text, 'script')}'"],
                "style-src": [f"'sha256-{hash_of(answer.text, 'style')}'"]}
    if fetches:
        expected["connect-src"] = [fetches]
    assert policy == expected
    # The same in the document, for when it is saved.
    inner = answer.headers["Content-Security-Policy"].replace("; frame-ancestors 'none'", "")
    assert f'<meta http-equiv="Content-Security-Policy" content="{inner}">' in answer.text
    assert not re.search(r"(src|href)=.?(https?:)?//", answer.text)
    assert "@DATA@" not in answer.text


def test_other_sites_get_nothing(daemon):
    """A page from elsewhere may ask, and its browser keeps the answer from it: no header lets it read."""
    origin = {"Origin": "http://evil.example", "Access-Control-Request-Method": "GET"}
    for method, path in (("GET", MEMORY + "?pid=self"), ("OPTIONS", MEMORY), ("GET", "/")):
        headers = daemon.request(method, path, headers=origin).headers
        assert not [name for name in headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("accepted, gzipped", [
    ("gzip", True), ("deflate, GZIP;q=0.5", True), ("br, gzip", True), ("gzip;q=0", False),
    ("gzip; q=0.000", False), ("gzipped", False), ("identity", False), ("", False)])
def test_the_page_is_compressed_for_clients_that_accept_gzip(daemon, accepted, gzipped):
    plain = daemon.get("/")
    assert "Content-Encoding" not in plain.headers and plain.headers["Vary"] == "Accept-Encoding"
    answer = daemon.request("GET", "/", headers={"Accept-Encoding": accepted})
    assert answer.headers["Content-Encoding"] == ("gzip" if gzipped else None)
    assert (gzip.decompress(answer.body) if gzipped else answer.body) == plain.body


def test_the_largest_name(daemon, agent):
    for size, name in ((3, b"small"), (5, b"large"), (4, b"medium")):
        at = agent.map(size * MIB)
        agent.name(at, size * MIB, name)
        agent.call("fill", at, size * MIB, 1)
    rows = {r["pid"]: r for r in daemon.get(PROCESSES, format="json").json["processes"]}
    assert rows[agent.pid]["largest_name"] == "large"
    with Agent() as other:
        rows = {r["pid"]: r for r in daemon.get(PROCESSES, format="json").json["processes"]}
        assert rows[other.pid]["largest_name"] is None


def test_health(daemon):
    for path in ("/healthz", "/readyz"):
        answer = daemon.get(path)
        assert (answer.status, answer.text) == (200, "ok\n")


def test_good_parameters(daemon, agent):
    for i in range(30):
        at = agent.map(64 * 1024 * (i + 1))
        agent.name(at, 64 * 1024 * (i + 1), b"row %d" % i)
        agent.call("fill", at, 64 * 1024 * (i + 1), 1)
    report = daemon.report(agent.pid)
    assert len(report["regions"]) == 20
    assert [r["rss"] for r in report["regions"]] == \
        sorted((r["rss"] for r in report["regions"]), reverse=True)
    assert len(daemon.report(agent.pid, top=3)["regions"]) == 3
    assert len(daemon.report(agent.pid, top=10000)["regions"]) == \
        len(daemon.report(agent.pid, all=1)["regions"]) > 30
    assert len(daemon.report(agent.pid, all=0)["regions"]) == 20
    check_sums(daemon.report(agent.pid, top=1))
    assert "=== Top 20 Memory Regions ===" in daemon.text(agent.pid)
    text = daemon.text(agent.pid, top=3)
    assert text.count("[anon: row ") == 3 and "=== Top 3 Memory Regions ===" in text
    assert "=== Totals ===" in text
    kilobytes = next(line for line in daemon.text(agent.pid, unit="kB").splitlines()
                     if line.startswith("RSS (Resident)"))
    assert kilobytes.split()[3] == "kB" and int(kilobytes.split()[2]) > 29 * 1024
    assert daemon.get(MEMORY, pid=agent.pid, min="1M").status == 200
    assert daemon.report("self")["pid"] == daemon.pid
    assert daemon.get(f"{MEMORY}?pid={agent.pid}&").status == 200


def is_readable(pid):
    with contextlib.suppress(OSError):
        return bool(smaps(pid))
    return False


def test_the_node(daemon):
    """Sums over the processes, without kernel threads."""
    with Target("named_region", "on the node") as target:
        target.line()
        target.settle()
        older = [pid for pid in filter(str.isdigit, os.listdir("/proc")) if is_readable(pid)]
        report = daemon.report(all=1)
        check_sums(report)
        assert report["pid"] is None and report["comm"] is None
        rows = {row["pid"]: row for row in report["processes"]}
        assert rows[target.pid]["comm"] == "named_region"
        assert rows[target.pid]["rss"] == sum(v.rss for v in smaps(target.pid))
        assert sum(row["rss"] for row in report["processes"]) == report["totals"]["rss"]
        assert sum(row["pss"] for row in report["processes"]) == report["totals"]["pss"]
        assert 2 not in rows
        assert {"name": "on the node", "rss": 40 * MIB, "virtual": 64 * MIB, "regions": 1} in \
            report["breakdown"]["named"]

        def lacks():
            rows = {row["pid"] for row in daemon.report(all=1)["processes"]}
            return [pid for pid in older if int(pid) not in rows and is_readable(pid)]

        # Every process that we can read is there, if it did not keep its readers waiting.
        until(lambda: not lacks(), "every process")
        text = daemon.text()
        assert "=== Top 20 Processes ===" in text and "named_region" in text

        listed = daemon.get(PROCESSES, format="json", all=1).json
        assert [r["rss"] for r in listed["processes"]] == \
            sorted((r["rss"] for r in listed["processes"]), reverse=True)
        assert rows[target.pid]["rss"] == next(
            r["rss"] for r in listed["processes"] if r["pid"] == target.pid)
        assert str(target.pid) in daemon.get(PROCESSES, all=1).text


def test_top_of_the_processes(daemon):
    """A parameter that is taken is obeyed."""
    assert len(daemon.get(PROCESSES, format="json", top=1).json["processes"]) == 1


def test_pid_of_the_command_line(bpf, agent):
    """--pid: what is described when a request names no other."""
    with Daemon("--pid", str(agent.pid)) as daemon:
        assert daemon.report()["pid"] == agent.pid
        assert daemon.report("self")["pid"] == daemon.pid


def test_metrics_listener(bpf):
    """It has no address, no path and no report."""
    with Daemon("--metrics-listen", "127.0.0.1:0") as daemon:
        line = daemon.process.stdout.readline().decode()
        port = int(line.split("http://127.0.0.1:")[1].split("/")[0])

        def get(path):
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as c:
                c.request("GET", path)
                response = c.getresponse()
                return response.status, response.read().decode()

        assert get("/healthz") == get("/readyz") == (200, "ok\n")
        assert get(MEMORY + "?pid=self")[0] == get(PROCESSES)[0] == get("/")[0] == 404
        assert get(FLAMEGRAPH)[0] == get("/page.html")[0] == 404
        status, text = get("/metrics")
        assert status == 200 and "memprov_events_total" in text
        assert "0x" not in text and "/usr/" not in text


def test_unix_socket(daemon, agent):
    mode = os.stat(daemon.socket)
    assert stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o600
    answer = daemon.get_unix(f"{MEMORY}?pid={agent.pid}&format=json")
    assert answer.status == 200 and answer.json["pid"] == agent.pid
    assert daemon.get_unix("/healthz").text == "ok\n"
    assert daemon.get_unix("/x").status == 404
    refused = subprocess.run(
        ["setpriv", "--reuid", "65534", "--clear-groups", "/usr/bin/python3", "-c",
         "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])", daemon.socket],
        capture_output=True, text=True)
    assert "PermissionError" in refused.stderr


def raw(daemon, data):
    """Sends bytes, and reads until the daemon closes."""
    with socket.create_connection(("127.0.0.1", daemon.port), HANG) as s:
        with contextlib.suppress(OSError):
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while chunk := s.recv(65536):
                answer += chunk
    return answer


@pytest.mark.parametrize("data, statuses", [
    (b"GET /" + b"x" * MIB + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
     (b"414", b"431", b"")),
    (b"GET /debug/memory?pid=" + b"1" * MIB + b" HTTP/1.1\r\nConnection: close\r\n\r\n",
     (b"414", b"431", b"")),
    (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * MIB + b"\r\n\r\n", (b"431", b"")),
    (b"\x00\x01\x02\x03\r\n\r\n" * 100, (b"400", b"")),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500, (b"400", b"")),
    (b"GET\r\n\r\n", (b"400", b"")),
], ids=["long path", "long query", "long header", "zeros", "tls", "no path"])
def test_broken_requests(daemon, data, statuses):
    answer = raw(daemon, data)
    assert answer.split(b" ")[1:2] in [[status] for status in statuses if status] or \
        (answer == b"" and b"" in statuses), answer[:200]
    assert daemon.get("/healthz").status == 200


def test_too_many_slow_requests(daemon):
    """More than can wait: some are refused at once, the others are answered; none is lost. All have come
    before the daemon sees the first."""
    with Target("many_vmas", "20000") as target, contextlib.ExitStack() as stack:
        assert target.line() == "ready"
        with stopped(daemon.pid):
            asked = []
            for _ in range(120):
                asked.append(stack.enter_context(contextlib.closing(daemon.connection())))
                asked[-1].request("GET", f"{MEMORY}?pid={target.pid}&format=json")
        answers = [Answer(connection.getresponse()) for connection in asked]
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {200, 503}, statuses
    refused = next(answer for answer in answers if answer.status == 503)
    assert refused.json["error"]["code"] == "too_busy"
    assert refused.headers["Retry-After"] == "1"
    assert daemon.get("/healthz").status == 200


def test_clients_that_hang_up(daemon):
    """Before the answer is there."""
    with Target("many_vmas", "30000") as target:
        assert target.line() == "ready"
        request = f"GET {MEMORY}?pid={target.pid}&all=1 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", daemon.port)) as s:
                s.sendall(request)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        until(lambda: daemon.get(MEMORY, pid=target.pid).status == 200, "an answer")
    assert daemon.get("/readyz").status == 200


def test_one_connection_many_requests(daemon):
    with contextlib.closing(daemon.connection()) as connection:
        for path, status in (("/healthz", 200), (MEMORY + "?pid=x", 400), ("/no", 404),
                             (MEMORY + "?pid=self", 200), ("/healthz", 200)) * 10:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            assert response.status == status


def test_a_stopped_target_can_be_read(daemon, agent):
    with stopped(agent.pid):
        check_sums(daemon.report(agent.pid))
