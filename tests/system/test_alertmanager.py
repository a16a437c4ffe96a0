# SPDX-License-Identifier: BSD-2-Clause
"""Alerts for Alertmanagers: Debian's, and servers that behave badly. build/notify drives the notifier without a daemon
around it, and with times of its own: milliseconds in place of minutes."""
import base64
import contextlib
import http.server
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import threading
import time
import urllib.request

import pytest

from certificates import Authority
from confine import mounted
from memprov import HANG, MEMPROV, MIB, Daemon, children, read_line, status_kb, stopped, until
from symbolizers import launcher_of
from test_seccomp import SOCKET_INET, call, logged

NOTIFY = pathlib.Path(MEMPROV).parent / "notify"
HOUR = "3600000"


# --- what the tests drive -----------------------------------------------------------------------


class Notifier:
    """As a context, it must end by itself, and without a word from a sanitizer."""

    def __init__(self, tmp_path, *args, prefix=(), env=None):
        self.stderr_path = tmp_path / f"notify-{time.monotonic_ns()}.stderr"
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                [*prefix, NOTIFY, "--seccomp", "enforce", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=stderr, env={**os.environ, **(env or {})})
        self.pid = self.process.pid
        assert read_line(self.process.stdout) == "ready\n", self.stderr()

    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    def ask(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return read_line(self.process.stdout).strip()

    def evaluated(self, *names):
        assert self.ask(" ".join(["evaluated", *names])) == "ok"

    def stats(self):
        return {name: int(value) for name, value in (word.split("=") for word in self.ask("stats").split())}

    def until(self, name, at_least=1):
        return until(lambda: (stats := self.stats())[name] >= at_least and stats, f"{name} to be {at_least}")

    def stop(self, code=0):
        self.process.stdin.close()
        assert self.process.wait(HANG) == code, self.stderr()
        self.process.stdout.close()
        assert "Sanitizer" not in self.stderr() and "runtime error" not in self.stderr(), self.stderr()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.returncode is None and not kind:
            self.stop()
        elif self.process.returncode is None:
            self.process.kill()
            self.process.wait()


class Alertmanager:
    """Debian's. What it notifies of arrives at a web hook of the test's: (status, alertname)."""

    def __init__(self, tmp_path, web=None, prefix=""):
        self.dir, self.prefix, self.process = tmp_path / "alertmanager", prefix, None
        self.dir.mkdir()
        self.port = free_port()
        self.notified = []
        self.hook = Server(self.hear)
        (self.dir / "config.yml").write_text(json.dumps({
            "route": {"receiver": "hook", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s",
                      "repeat_interval": "1h"},
            "receivers": [{"name": "hook", "webhook_configs": [
                {"url": self.hook.url, "send_resolved": True}]}]}))
        self.web = []
        if web:
            (self.dir / "web.yml").write_text(json.dumps(web))
            self.web = [f"--web.config.file={self.dir}/web.yml"]
        self.url = f"http{'s' if web else ''}://127.0.0.1:{self.port}{prefix}"
        self.context = None

    def hear(self, request):
        for alert in json.loads(request.body)["alerts"]:
            self.notified.append((alert["status"], alert["labels"]["alertname"]))
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    def start(self):
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["prometheus-alertmanager", f"--config.file={self.dir}/config.yml", *self.web,
                 f"--storage.path={self.dir}/data", f"--web.listen-address=127.0.0.1:{self.port}",
                 f"--web.route-prefix={self.prefix or '/'}", "--cluster.listen-address="],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self.answers, "the Alertmanager")

    def answers(self):
        assert self.process.poll() is None, (self.dir / "log").read_text()
        with contextlib.suppress(OSError):
            return self.alerts() is not None

    def alerts(self):
        """{alertname: what it knows of it}; what has ended is not among them."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=HANG, context=self.context) as answer:
            return {alert["labels"]["alertname"]: alert for alert in json.load(answer)}

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(HANG)
            self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.stop()
        self.hook.close()


def free_port():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        return free.getsockname()[1]


class Request:
    def __init__(self, head, body):
        self.line, *lines = head.split("\r\n")
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
        self.body = body

    def names(self):
        return [alert["labels"]["alertname"] for alert in json.loads(self.body)]


class Server:
    """What it answers to each request is up to the test: bytes, or a generator of them; None: nothing, for ever.
    Afterwards it closes the connection."""

    def __init__(self, answer, context=None):
        self.answer, self.requests, self.context, self.open = answer, [], context, []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.open.append(connection)
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                more = connection.recv(1 << 16)
                if not more:
                    return
                data += more
            head, body = data.split(b"\r\n\r\n", 1)
            length = int(re.search(rb"(?i)^content-length: *(\d+)", head, re.M)[1])
            while len(body) < length:
                body += connection.recv(1 << 16)
            request = Request(head.decode(), body)
            self.requests.append(request)
            answer = self.answer(request) if callable(self.answer) else self.answer
            if answer is None:
                return
            for piece in [answer] if isinstance(answer, bytes) else answer:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # accept() would keep it open
        self.listener.close()
        for connection in self.open:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def status(code, more=""):
    return f"HTTP/1.1 {code} Said\r\n{more}Content-Length: 3\r\n\r\nno\n".encode()


def endless(first, piece):
    yield first
    while True:
        yield piece


# --- an Alertmanager ----------------------------------------------------------------------------


def test_an_alert_from_its_beginning_to_its_end(tmp_path):
    with Alertmanager(tmp_path, prefix="/am") as alertmanager:
        alertmanager.start()
        with Notifier(tmp_path, "--resend", "500", alertmanager.url + "/") as notifier:
            notifier.evaluated("leak", "cache")
            first = until(lambda: (known := alertmanager.alerts()).keys() == {"leak", "cache"} and known, "both")
            assert first["leak"]["labels"] == {"alertname": "leak", "comm": '"red\\is"\n'}
            assert first["leak"]["annotations"] == {"summary": "memory grows"}
            assert first["leak"]["generatorURL"] == "http://127.0.0.1:6060/debug/memory/alerts"
            # It is repeated, and that keeps it alive: its end is always four repeats away.
            until(lambda: alertmanager.alerts()["leak"]["startsAt"] == first["leak"]["startsAt"] and
                  alertmanager.alerts()["leak"]["endsAt"] > after(first["leak"]["endsAt"], 4), "repeats")
            until(lambda: len(alertmanager.notified) == 2, "the notifications")
            # One is said to have ended, the other is not spoken of any more: that is an end, too.
            notifier.evaluated("cache!")
            until(lambda: alertmanager.alerts() == {}, "the ends")
            until(lambda: len(alertmanager.notified) == 4, "the notifications")
            assert sorted(alertmanager.notified) == [
                ("firing", "cache"), ("firing", "leak"), ("resolved", "cache"), ("resolved", "leak")]
            # And it may begin again.
            notifier.evaluated("leak")
            until(lambda: alertmanager.alerts().keys() == {"leak"}, "it again")
            stats = notifier.stats()
            assert (stats["failed"], stats["dropped"], stats["kept"]) == (0, 0, 2)
        assert notifier.stderr() == ""


def after(text, seconds):
    moment = time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + seconds
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(moment))


def test_an_alert_of_a_daemon_that_is_gone_ends(tmp_path):
    with Alertmanager(tmp_path) as alertmanager:
        alertmanager.start()
        with Notifier(tmp_path, "--resend", "500", alertmanager.url) as notifier:
            notifier.evaluated("leak")
            until(lambda: alertmanager.alerts().keys() == {"leak"}, "it")
            with stopped(notifier.pid):
                until(lambda: alertmanager.alerts() == {}, "its end")


def test_an_alertmanager_that_is_away(tmp_path):
    """Nothing waits for it and nothing grows; when it is back it hears what goes on, and what has ended meanwhile."""
    with Alertmanager(tmp_path) as alertmanager:
        alertmanager.start()
        with Notifier(tmp_path, "--resend", "500", "--retry-max", "300", alertmanager.url) as notifier:
            notifier.evaluated("early")
            until(lambda: alertmanager.notified == [("firing", "early")], "it")
            alertmanager.stop()
            notifier.evaluated("early", "late")
            notifier.until("connect", 3)
            notifier.evaluated("early!", "late")
            notifier.until("connect", notifier.stats()["connect"] + 3)
            alertmanager.start()
            until(lambda: alertmanager.alerts().keys() == {"late"}, "what goes on")
            until(lambda: ("resolved", "early") in alertmanager.notified, "what has ended")
            assert notifier.stats()["dropped"] == 0
        said = notifier.stderr().splitlines()
        assert len(said) == 2, said
        assert re.fullmatch(rf"alertmanager {alertmanager.url} takes no alerts \(connect: .*\)", said[0])
        assert said[1] == f"alertmanager {alertmanager.url} takes alerts again"


# --- what is bounded ----------------------------------------------------------------------------


def test_nothing_grows(tmp_path):
    """While it is away: 5,000 alerts of 1 KiB each time, five times as often as before."""
    with Notifier(tmp_path, "--retry-max", "50", f"http://127.0.0.1:{free_port()}") as notifier:
        def evaluate(times):
            for _ in range(times):
                assert notifier.ask("many 5000 1024") == "ok"
            notifier.until("connect", notifier.stats()["connect"] + 3)
            return status_kb(notifier.pid, "VmRSS")

        before = evaluate(10)
        stats = notifier.stats()
        # A bound of their number, and each that finds no room is counted, each time.
        assert stats["kept"] == 1000 and stats["dropped"] == 10 * 4000 and stats["sent"] == 0
        assert evaluate(50) - before < 4 * 1024
        assert notifier.stats()["kept"] == 1000


def test_the_bytes_are_bounded(tmp_path):
    with Notifier(tmp_path, f"http://127.0.0.1:{free_port()}") as notifier:
        assert notifier.ask("many 3 70000") == "ok"
        assert notifier.stats()["kept"] == 0 and notifier.stats()["dropped"] == 3
        assert notifier.ask("many 1000 60000") == "ok"
        assert 4 * MIB // 60100 - 1 <= notifier.stats()["kept"] <= 4 * MIB // 60000
        # What goes on takes the room of what has ended.
        notifier.evaluated()
        kept = notifier.stats()["kept"]
        assert notifier.ask("many 1000 50000") == "ok"
        assert notifier.stats()["kept"] >= kept


def test_batches_are_bounded(tmp_path):
    with Server(OK) as server, Notifier(tmp_path, "--resend", HOUR, server.url) as notifier:
        assert notifier.ask("many 1000 10") == "ok"
        notifier.until("sent", 1000)
        assert [len(request.names()) for request in server.requests] == [64] * 15 + [40]
        assert len({name for request in server.requests for name in request.names()}) == 1000


def test_one_that_hangs_keeps_nothing_from_the_others(tmp_path):
    """Nor from what evaluates; and not even from ending."""
    with Server(None) as hanging, Server(OK) as other:
        with Notifier(tmp_path, "--timeout", HOUR, "--resend", HOUR, hanging.url, other.url) as notifier:
            notifier.evaluated("first")
            until(lambda: hanging.requests, "the request that hangs")
            for number in range(1000):
                notifier.evaluated(f"leak{number}")
            until(lambda: any("leak999" in request.names() for request in other.requests), "the last one")
            assert len(hanging.requests) == 1
            assert notifier.stats()["failed"] == 0


# --- servers that behave badly ------------------------------------------------------------------


BAD = {
    "500": (status(500), "busy"), "503": (status(503), "busy"), "429": (status(429), "busy"),
    "hang": (None, "timeout"),
    "closes": (b"", "broken"),
    "half": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "broken"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "broken"),
    "endless body": (lambda request: endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536), "broken"),
    "endless headers": (lambda request: endless(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 1000), "broken"),
    "endless header": (lambda request: endless(b"HTTP/1.1 200 OK\r\nX-More: ", b"more" * 1000), "broken"),
    "endless 100": (lambda request: endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), "broken"),
}


@pytest.mark.parametrize("answer, cause", BAD.values(), ids=BAD.keys())
def test_a_request_that_fails_is_made_again(tmp_path, answer, cause):
    with Server(answer) as server:
        timeout = "300" if cause == "timeout" else HOUR
        with Notifier(tmp_path, "--timeout", timeout, "--retry-max", "200", "--retry-min", "50", "--resend", HOUR,
                      server.url) as notifier:
            notifier.evaluated("leak")
            stats = notifier.until(cause, 3)
            assert stats["sent"] == 0 and stats["failed"] == stats[cause], stats
            assert status_kb(notifier.pid, "VmRSS") < 100 * 1024 or "asan" in str(NOTIFY)
            server.answer = OK
            if cause != "timeout":
                notifier.until("sent")
                assert {tuple(request.names()) for request in server.requests} == {("leak",)}
                stats = notifier.stats()
                assert sum(stats[name] for name in ("resolve", "connect", "tls", "timeout", "broken", "busy",
                                                    "refused")) == stats[cause]


@pytest.mark.parametrize("code", [302, 307, 400, 401, 404, 413])
def test_what_is_refused_is_sent_again_only_when_it_is_repeated(tmp_path, code):
    with Server(OK) as elsewhere, Server(status(code, f"Location: {elsewhere.url}\r\n")) as server:
        with Notifier(tmp_path, "--resend", HOUR, "--retry-max", "10", server.url) as notifier:
            notifier.evaluated("first")
            notifier.until("refused")
            notifier.evaluated("first", "second")
            stats = notifier.until("refused", 2)
            assert [request.names() for request in server.requests] == [["first"], ["second"]]
            assert (stats["sent"], stats["failed"]) == (0, 2)
        assert f"takes no alerts (refused: it answers {code})" in notifier.stderr()
        assert elsewhere.requests == []


def test_it_waits_as_long_as_it_is_asked_to(tmp_path):
    """Retry-After, up to the longest wait: of the one that asks for it there is one request, of the other there are three."""
    answers = [status(429, "Retry-After: 3000\r\n"), status(429)]
    with Server(answers[0]) as patient, Server(answers[1]) as other:
        with Notifier(tmp_path, "--retry-min", "1", "--retry-max", HOUR, patient.url, other.url) as notifier:
            notifier.evaluated("leak")
            until(lambda: len(patient.requests) and len(other.requests) >= 3, "requests")
            assert len(patient.requests) == 1


# --- how it asks --------------------------------------------------------------------------------


def test_what_is_asked(tmp_path):
    with Server(OK) as server, Server(OK) as proxy:
        url = f"http://me:%40%3apass@127.0.0.1:{server.port}/prefix//"
        environment = {name: proxy.url for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY")}
        with Notifier(tmp_path, "--resend", HOUR, url, env=environment) as notifier:
            notifier.evaluated("leak")
            notifier.until("sent")
        request, = server.requests
        assert request.line == "POST /prefix/api/v2/alerts HTTP/1.1"
        assert request.headers["authorization"] == "Basic " + base64.b64encode(b"me:@:pass").decode()
        assert request.headers["content-type"] == "application/json"
        assert "expect" not in request.headers
        assert proxy.requests == []


def test_no_password_is_in_the_log(tmp_path):
    with Server(status(401)) as server, Notifier(tmp_path, f"http://me:secret@127.0.0.1:{server.port}") as notifier:
        notifier.evaluated("leak")
        notifier.until("refused")
    assert f"alertmanager http://127.0.0.1:{server.port} takes no" in notifier.stderr()
    assert "secret" not in notifier.stderr()


@pytest.mark.parametrize("wrong", [None, "another CA", "another name", "expired", "no TLS"])
def test_tls(tmp_path, wrong):
    ours, foreign = Authority(tmp_path, "ours"), Authority(tmp_path, "foreign")
    cert, key = ours.sign("server", usage="serverAuth", days="-1" if wrong == "expired" else "30",
                          address="127.0.0.2" if wrong == "another name" else "127.0.0.1")
    ca = foreign if wrong == "another CA" else ours
    web = {"tls_server_config": {"cert_file": str(cert), "key_file": str(key)}}
    with Alertmanager(tmp_path, web=None if wrong == "no TLS" else web) as alertmanager:
        if wrong != "no TLS":
            alertmanager.context = ours.context()
            if wrong:
                alertmanager.context.check_hostname = False
                alertmanager.context.verify_mode = 0
        alertmanager.start()
        url = alertmanager.url.replace("http:", "https:")
        with Notifier(tmp_path, "--retry-max", "100", "--ca", str(ca.cert), url) as notifier:
            notifier.evaluated("leak")
            if not wrong:
                until(lambda: alertmanager.alerts().keys() == {"leak"}, "it")
                return
            stats = notifier.until("tls", 2)
            assert stats["failed"] == stats["tls"] and stats["sent"] == 0
            assert alertmanager.alerts() == {}
        assert f"alertmanager {url} takes no alerts (tls: " in notifier.stderr()


def test_the_systems_authorities_do_not_know_ours(tmp_path):
    """Without --alertmanager-ca it is they who vouch."""
    ours = Authority(tmp_path, "ours")
    cert, key = ours.sign("server", usage="serverAuth", address="127.0.0.1")
    with Alertmanager(tmp_path, {"tls_server_config": {"cert_file": str(cert), "key_file": str(key)}}) as alertmanager:
        alertmanager.context = ours.context()
        alertmanager.start()
        with Notifier(tmp_path, alertmanager.url) as notifier:
            notifier.evaluated("leak")
            notifier.until("tls")
        # And these are looked for where they are.
        files = mounted(f"mount --bind {ours.cert} /etc/ssl/certs/ca-certificates.crt")
        with Notifier(tmp_path, alertmanager.url, prefix=files) as notifier:
            notifier.evaluated("leak")
            notifier.until("sent")


# --- names --------------------------------------------------------------------------------------


class Dns:
    """A server for A records, at an address of its own; and words with which a program asks it."""

    def __init__(self, tmp_path, names, modules="files dns"):
        self.names, self.asked = names, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        address = f"127.60.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
        self.socket.bind((address, 53))
        (tmp_path / "resolv.conf").write_text(f"nameserver {address}\nsearch svc.example\noptions attempts:1\n")
        (tmp_path / "nsswitch.conf").write_text(f"hosts: {modules}\n")
        self.prefix = mounted(*(f"mount --bind {tmp_path}/{name} /etc/{name}"
                                for name in ("resolv.conf", "nsswitch.conf")))
        self.thread = threading.Thread(target=self.answer, daemon=True)
        self.thread.start()

    def answer(self):
        while True:
            query, client = self.socket.recvfrom(512)
            if not query:
                return
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            kind = struct.unpack_from("!H", query, at + 1)[0]
            name = ".".join(labels)
            self.asked.append(name)
            if self.names is None:  # it is not heard of
                continue
            address = self.names.get(name)
            found = address is not None and kind == 1
            reply = query[:2] + struct.pack("!HHHHH", 0x8180 if address else 0x8183, 1, found, 0, 0)
            reply += query[12:at + 5]
            if found:
                reply += b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 4) + socket.inet_aton(address)
            self.socket.sendto(reply, client)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


@pytest.mark.parametrize("name", ["alertmanager", "alertmanager.svc.example", "alertmanager.svc.example.",
                                  "ALERTmanager"])
def test_names_are_asked_of_the_dns(tmp_path, name):
    """Behind the filter of system calls, and anew each time: it may be elsewhere. A module that is a library of its own
    cannot be loaded there, and is passed over."""
    addresses = {"alertmanager.svc.example": "127.0.0.1", "ALERTmanager.svc.example": "127.0.0.1"}
    with Dns(tmp_path, addresses, "hesiod [!UNAVAIL=return] files dns") as dns, Server(OK) as server:
        with Notifier(tmp_path, "--resend", "100", "--retry-max", "100", f"http://{name}:{server.port}",
                      prefix=dns.prefix) as notifier:
            notifier.evaluated("leak")
            until(lambda: len(server.requests) >= 2, "requests")
            dns.names = {key: "127.61.61.61" for key in dns.names}
            notifier.until("connect", 2)
            dns.names = {}
            notifier.until("resolve", 2)
            dns.names = addresses
            notifier.until("sent", notifier.stats()["sent"] + 2)


def test_a_dns_that_does_not_answer(tmp_path):
    """Keeps neither what evaluates nor another Alertmanager; that it waits for it is known at the end."""
    with Dns(tmp_path, None) as dns, Server(OK) as server:
        with Notifier(tmp_path, "http://nowhere.example:9093", server.url, prefix=dns.prefix) as notifier:
            notifier.evaluated("leak")
            until(lambda: dns.asked, "the question")
            for number in range(100):
                notifier.evaluated(f"leak{number}")
            until(lambda: any("leak99" in request.names() for request in server.requests), "the last one")
            notifier.process.stdin.close()
            assert notifier.process.wait(HANG) in (0, 3)  # it may just have given up


# --- behind the filter of system calls ----------------------------------------------------------


def test_nothing_is_called_that_is_not_allowed(tmp_path):
    """Connecting, TLS, names, an Alertmanager that is away: there is nothing to tell of it."""
    ours = Authority(tmp_path, "ours")
    cert, key = ours.sign("server", usage="serverAuth", address="127.0.0.1")
    with Dns(tmp_path, {"away.svc.example": "127.0.0.1"}) as dns, Alertmanager(
            tmp_path, {"tls_server_config": {"cert_file": str(cert), "key_file": str(key)}}) as alertmanager:
        alertmanager.context = ours.context()
        alertmanager.start()
        with Notifier(tmp_path, "--seccomp", "log", "--ca", str(ours.cert), "--resend", "100", "--retry-max", "100",
                      alertmanager.url, f"http://away:{free_port()}", "http://unknown", "http://localhost:1",
                      prefix=dns.prefix) as notifier:
            notifier.evaluated("leak")
            for name in ("sent", "connect", "resolve"):
                notifier.until(name, 3)
            assert logged(notifier.pid) == set()
        assert logged(notifier.pid) == set()


def test_only_a_daemon_that_has_an_alertmanager_may_connect(bpf):
    """And only its own process has loaded what that takes."""
    def libraries(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return set(re.findall(r"lib(?:curl|ldap|ssh2)[^/\n]*$", pathlib.Path(f"/proc/{pid}/maps").read_text(), re.M))

    with Daemon() as daemon:
        assert libraries(daemon.pid) == set()
    with Daemon("--alertmanager", f"http://127.0.0.1:{free_port()}") as daemon:
        assert call(daemon.pid, SOCKET_INET)[0] > 0
        assert libraries(daemon.pid)
        until(lambda: not any(map(libraries, children(launcher_of(daemon)))), "children that have none, once past their exec")
        metrics = daemon.metrics()
        assert {name: value for name, value in metrics.items() if name.startswith("memprov_notifications_")} == {
            f'memprov_notifications_total{{result="{result}"}}': 0 for result in ("sent", "failed", "dropped")}
        assert len([name for name in metrics if name.startswith("memprov_notification_failures_total{")]) == 7


@pytest.mark.parametrize("text, error", [
    (None, "memprov: cannot read --alertmanager-ca {path}: No such file or directory\n"),
    ("", "memprov: cannot read --alertmanager-ca {path}: No data available\n"),
    ("no PEM\n", "memprov: --alertmanager-ca holds no certificate in PEM: {any}\n")])
def test_a_file_without_authorities(bpf, tmp_path, text, error):
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    done = subprocess.run([MEMPROV, "serve", "--listen", "127.0.0.1:0", "--socket", tmp_path / "socket", "--alertmanager",
                           "https://localhost", "--alertmanager-ca", path], capture_output=True, text=True, timeout=HANG)
    pattern = re.escape(error.format(path=path, any="ANY")).replace("ANY", ".*")
    assert done.returncode == 1 and re.fullmatch(pattern, done.stderr), done.stderr
