# SPDX-License-Identifier: BSD-2-Clause
"""Which clients may ask from elsewhere: tokens, certificates, Host headers, and what is refused at start."""
import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess

import pytest

from certificates import Authority
from memprov import HANG, MEMPROV, Daemon

SECRET = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
ROUTES = ("/debug/memory", "/debug/memory?pid=self&format=json", "/debug/memory/callsites?pid=self",
          "/debug/memory/processes")


def elsewhere():
    """An address of this machine that is not loopback: the connection's other end is then not
    loopback either."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as s:
        try:
            s.connect(("192.0.2.1", 9))
            return s.getsockname()[0]
        except OSError:
            return None


@pytest.fixture(scope="module")
def address():
    """Without a network there is an address in the loopback interface that is none of 127/8."""
    found = elsewhere()
    if found:
        yield found
        return
    subprocess.run(["ip", "addr", "add", "192.0.2.77/32", "dev", "lo"], check=True)
    yield "192.0.2.77"
    subprocess.run(["ip", "addr", "del", "192.0.2.77/32", "dev", "lo"], check=True)


class Remote(Daemon):
    """A daemon on all addresses, asked by the one that is not loopback."""

    def __init__(self, address, *args, context=None):
        self.context = None
        super().__init__("--listen", "0.0.0.0:0", *args, wait_ready=False)
        self.host, self.context = address, context

    def connection(self, timeout=HANG):
        if self.context:
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout,
                                               context=self.context)
        return super().connection(timeout)

    def ask(self, path, token=None, **headers):
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.request("GET", path, headers=headers)


def refused_at_start(*args):
    out = subprocess.run([MEMPROV, "serve", "--socket", "/tmp/memprov-test-never.sock", *args],
                         capture_output=True, text=True, timeout=HANG)
    assert out.returncode in (1, 2), out
    assert out.stderr.startswith("memprov: ") and out.stderr.count("\n") == 1, out.stderr
    return out.returncode, out.stderr


# --- tokens -------------------------------------------------------------------------------------


def test_a_non_loopback_bind_is_refused(tmp_path):
    for listen in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0"):
        code, why = refused_at_start("--listen", listen)
        assert code == 2 and "--token-file" in why and "--tls-client-ca" in why
    config = tmp_path / "config"
    config.write_text("listen = 0.0.0.0:0\n")
    assert refused_at_start("--config", str(config))[0] == 2


@pytest.mark.parametrize("text, word", [("", "16 to 512"), ("short\n", "16 to 512"),
                                        ("x" * 600, "16 to 512"), ("two words, long enough", "spaces"),
                                        (None, "No such file")])
def test_a_bad_token_file_is_refused(bpf, tmp_path, text, word):
    path = tmp_path / "token"
    if text is not None:
        path.write_text(text)
    code, why = refused_at_start("--listen", "127.0.0.1:0", "--token-file", str(path))
    assert code == 1 and str(path) in why and word in why


def test_tokens(bpf, tmp_path, address):
    path = tmp_path / "token"
    path.write_text(SECRET + "\n")
    with Remote(address, "--token-file", str(path)) as daemon:
        assert daemon.ask("/healthz").status == 200
        for route in ROUTES:
            assert daemon.ask(route, SECRET).status == 200, route
            for wrong in (None, "", SECRET[:-1], SECRET + "0", SECRET[:16], OTHER, SECRET.upper()):
                answer = daemon.ask(route, wrong)
                assert answer.status == 401, (route, wrong, answer.text)
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert "0x" not in answer.text and "/usr" not in answer.text
        assert daemon.ask("/debug/memory", Authorization=f"Basic {SECRET}").status == 401
        assert daemon.ask("/metrics").status == 401
        assert json.loads(daemon.ask(ROUTES[1]).body)["error"]["code"] == "unauthorized"
        # Exchanged while it runs, as kubelet does it: by a link.
        (tmp_path / "new").write_text(OTHER)
        os.replace(tmp_path / "new", path)
        assert daemon.ask("/debug/memory", SECRET).status == 401
        assert daemon.ask("/debug/memory", OTHER).status == 200
        path.write_text("")
        assert daemon.ask("/debug/memory", "").status == 401
        assert daemon.ask("/debug/memory", OTHER).status == 401
        assert "unencrypted" in daemon.stderr()


def test_a_token_does_not_take_from_local_users(bpf, tmp_path):
    """Over loopback it is the uid that counts, and a right token counts more."""
    from test_access import get_as_nobody
    path = tmp_path / "token"
    path.write_text(SECRET)
    with Daemon("--token-file", str(path)) as daemon:
        assert get_as_nobody(daemon, "/debug/memory?pid=1")[0] == 403
        assert daemon.get("/debug/memory", pid=daemon.pid).status == 200
        answer = daemon.request("GET", "/debug/memory", headers={"Authorization": "Bearer wrong"})
        assert answer.status == 401


def test_a_token_may_be_required_of_local_callers(bpf, tmp_path):
    """Root's too; the unix socket, which is root's alone, goes without."""
    path, config = tmp_path / "token", tmp_path / "config"
    path.write_text(SECRET)
    config.write_text(f"token-file = {path}\nrequire-token = yes\n")
    for args in (("--token-file", str(path), "--require-token"), ("--config", str(config))):
        with Daemon(*args, wait_ready=False) as daemon:
            for route in ROUTES:
                answer = daemon.request("GET", route)
                assert answer.status == 401 and "Bearer TOKEN" in answer.text, answer.text
                right = {"Authorization": f"Bearer {SECRET}"}
                assert daemon.request("GET", route, headers=right).status == 200
            assert daemon.get_unix("/debug/memory?pid=self").status == 200
    config.write_text("require-token = perhaps\n")
    code, why = refused_at_start("--config", str(config))
    assert code == 2 and "yes or no" in why


# --- Host ---------------------------------------------------------------------------------------


def test_a_changed_host_header(bpf):
    with Daemon("--host-names", "memprov.example,node1", "--metrics-listen", "127.0.0.1:0") as daemon:
        for host in ("localhost", "127.0.0.1:6060", "[::1]:1", "memprov.example", "NODE1:80",
                     "10.0.0.1"):
            assert daemon.request("GET", "/debug/memory?pid=self", headers={"Host": host}).status == 200
        for host in ("evil.example", "localhost.evil.example:6060", "127.0.0.1.evil.example", "node",
                     "x\u00e9".encode().decode("latin-1")):
            for route in (*ROUTES, "/healthz", "/metrics", "/nothing"):
                answer = daemon.request("GET", route, headers={"Host": host})
                assert answer.status == 403, (host, route)
                assert "--host-names" in answer.text
        # No page may read an answer, whatever it is called.
        answer = daemon.request("GET", "/debug/memory?pid=self", headers={"Origin": "http://localhost"})
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
        assert daemon.request("OPTIONS", "/debug/memory").status == 405
        # Two Host headers: the better one does not save the other.
        with contextlib.closing(socket.create_connection((daemon.host, daemon.port))) as s:
            s.sendall(b"GET /debug/memory HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n"
                      b"Connection: close\r\n\r\n")
            assert s.makefile("rb").readline().split()[1] in (b"400", b"403")


def raw(daemon, request):
    with contextlib.closing(socket.create_connection((daemon.host, daemon.port))) as s:
        s.sendall(request)
        return s.makefile("rb").read()


def test_a_request_that_names_no_host(daemon):
    """Or one that it folds over two lines, which servers read in different ways."""
    get = b"GET /debug/memory?pid=self HTTP/1.%d\r\n%sConnection: close\r\n\r\n"
    for minor, headers in [(1, b""), (0, b""), (1, b"Host:\r\n localhost\r\n"),
                           (1, b"Host: local\r\n host\r\n"),
                           (1, b"X: y\r\n Host: localhost\r\n"),
                           (1, b"Host: localhost\r\nHost: localhost\r\n")]:
        answer = raw(daemon, get % (minor, headers))
        assert answer.split()[1] == b"400", (headers, answer)
        assert answer.count(b"Host header") == 1 and b"0x" not in answer
    assert raw(daemon, get % (1, b"Host: localhost\r\n")).split()[1] == b"200"


def test_pages_of_other_sites(daemon):
    """A browser says which page makes a request, and keeps what is not for others from them."""
    for route in (*ROUTES, "/", "/healthz", "/metrics"):
        for site, status in [("cross-site", 403), ("same-site", 403), ("same-origin", 200),
                             ("none", 200), ("anything", 403)]:
            answer = daemon.request("GET", route, headers={"Sec-Fetch-Site": site})
            assert answer.status == status, (route, site)
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert status == 200 or "another site" in answer.text


# --- certificates -------------------------------------------------------------------------------


def test_certificates(bpf, tmp_path, address):
    ours, foreign = Authority(tmp_path, "ours"), Authority(tmp_path, "foreign")
    cert, key = ours.sign("server", usage="serverAuth", address=address)
    tls = ["--tls-cert", str(cert), "--tls-key", str(key)]
    good = ours.sign("good")
    with Remote(address, *tls, "--tls-client-ca", str(ours.cert), context=ours.context(good)) as daemon:
        for route in ROUTES:
            assert daemon.ask(route).status == 200
        for pair, status, word in [(None, 401, "certificate"),
                                   (ours.sign("expired", days="-1"), 403, "expired"),
                                   (foreign.sign("stranger"), 403, "no CA"),
                                   (ours.sign("a-server", usage="serverAuth"), 403, "not for clients")]:
            daemon.context = ours.context(pair)
            for route in ROUTES:
                try:
                    answer = daemon.ask(route)
                except (ssl.SSLError, ConnectionError):
                    continue  # refused already in the handshake
                assert answer.status == status and word in answer.text, (pair, answer.text)
        # Not TLS: nothing.
        daemon.context = None
        with pytest.raises((http.client.HTTPException, OSError)):
            daemon.ask("/healthz")
        daemon.context = ours.context(good)
        assert daemon.ask("/healthz").status == 200


@pytest.mark.parametrize("missing", ["cert", "key", "client-ca", "pair"])
def test_bad_certificate_files_are_refused(bpf, tmp_path, missing):
    ours = Authority(tmp_path, "ours")
    cert, key = ours.sign("server", usage="serverAuth")
    if missing == "pair":
        key = ours.key
    args = {"cert": cert, "key": key, "client-ca": ours.cert}
    if missing in args:
        args[missing] = tmp_path / "junk"
        args[missing].write_text("junk\n")
    words = [word for name, path in args.items() for word in (f"--tls-{name}", str(path))]
    code, why = refused_at_start("--listen", "127.0.0.1:0", *words)
    assert code == 1 and "--tls-" in why
