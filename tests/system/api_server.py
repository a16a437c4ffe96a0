# SPDX-License-Identifier: BSD-2-Clause
"""As much of a Kubernetes API server as kubectl asks for to find pods and to forward a port into one: TLS, a bearer token,
the list of resources, pods, and SPDY/3.1 on the connection that it upgrades. A port of a pod is one of this machine."""
import contextlib
import http.server
import json
import socket
import ssl
import struct
import threading
import urllib.parse
import zlib

WORDS = ("options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
         "authorization cache-control connection content-base content-encoding content-language content-length "
         "content-location content-md5 content-range content-type date etag expect expires from host if-match "
         "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
         "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
         "user-agent vary via warning www-authenticate method get status").split() + [
    "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"]
REST = ("100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative "
        "Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 "
        "Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec "
        "00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
        "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset="
        "iso-8859-1,utf-,*,enq=0.")
# SPDY/3, 2.6.10.1
DICTIONARY = b"".join(struct.pack(">I", len(word)) + word.encode() for word in WORDS) + REST.encode()
SYN_STREAM, SYN_REPLY, PING = 1, 2, 6
FIN = 1


class Spdy:
    """One connection of kubectl: its streams come in pairs, for errors and for the bytes of a TCP connection."""

    def __init__(self, connection, ports):
        self.connection, self.ports = connection, ports
        self.inflate, self.deflate = zlib.decompressobj(zdict=DICTIONARY), zlib.compressobj(zdict=DICTIONARY)
        self.tcp, self.lock = {}, threading.Lock()

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.connection.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def control(self, kind, flags, body):
        self.connection.sendall(struct.pack(">HHI", 0x8003, kind, flags << 24 | len(body)) + body)

    def data(self, stream, flags, body=b""):
        with self.lock:
            self.connection.sendall(struct.pack(">II", stream, flags << 24 | len(body)) + body)

    def headers(self, packed):
        plain = self.inflate.decompress(packed)
        words, at = [], 4
        while at < len(plain):
            length, = struct.unpack_from(">I", plain, at)
            words.append(plain[at + 4:at + 4 + length].decode())
            at += 4 + length
        return dict(zip(words[::2], words[1::2]))

    def opened(self, stream, headers):
        with self.lock:
            packed = self.deflate.compress(struct.pack(">I", 0)) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
            self.control(SYN_REPLY, 0, struct.pack(">I", stream) + packed)
        if headers["streamtype"] == "error":
            self.data(stream, FIN)
            return
        self.tcp[stream] = socket.create_connection(("127.0.0.1", self.ports[int(headers["port"])]))
        threading.Thread(target=self.answer, args=(stream, self.tcp[stream]), daemon=True).start()

    def answer(self, stream, tcp):
        with contextlib.suppress(OSError):
            while more := tcp.recv(65536):
                self.data(stream, 0, more)
            self.data(stream, FIN)

    def serve(self):
        with contextlib.suppress(EOFError, OSError):
            while True:
                first, second = struct.unpack(">II", self.read(8))
                flags, body = second >> 24, self.read(second & 0xffffff)
                if not first >> 31:
                    if first in self.tcp:
                        self.tcp[first].sendall(body)
                        if flags & FIN:
                            self.tcp[first].shutdown(socket.SHUT_WR)
                elif first & 0xffff == SYN_STREAM:
                    self.opened(struct.unpack(">I", body[:4])[0], self.headers(body[10:]))
                elif first & 0xffff == PING:
                    with self.lock:
                        self.control(PING, 0, body)
        for tcp in self.tcp.values():
            tcp.close()


def resource(name, kind):
    return {"name": name, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": ["get", "list", "create"]}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, code, what):
        body = json.dumps(what).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, code, reason, message):
        self.send(code, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                         "reason": reason, "code": code})

    def do_GET(self):
        server, url = self.server, urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        words = url.path.strip("/").split("/")
        server.asked.append((self.command, url.path, query))
        if self.headers["Authorization"] != f"Bearer {server.token}":
            return self.refuse(401, "Unauthorized", "Unauthorized")
        if url.path == "/api":
            return self.send(200, {"kind": "APIVersions", "versions": ["v1"]})
        if url.path == "/apis":
            return self.send(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": []})
        if url.path == "/api/v1":
            return self.send(200, {"kind": "APIResourceList", "groupVersion": "v1", "resources": [
                resource("pods", "Pod"), resource("pods/portforward", "PodPortForwardOptions")]})
        if words[:3] != ["api", "v1", "namespaces"] or words[4:5] != ["pods"]:
            return self.refuse(404, "NotFound", "the server could not find the requested resource")
        pods = [pod for pod in server.pods if pod["metadata"]["namespace"] == words[3]]
        if len(words) == 5:
            fields = dict(word.split("=") for word in query.get("fieldSelector", "").split(",") if word)
            labels = dict(word.split("=") for word in query.get("labelSelector", "").split(",") if word)
            return self.send(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [
                pod for pod in pods if labels.items() <= pod["metadata"]["labels"].items()
                and {"spec.nodeName": pod["spec"].get("nodeName"), "status.phase": pod["status"]["phase"]}.items()
                >= fields.items()]})
        found = [pod for pod in pods if pod["metadata"]["name"] == words[5]]
        if not found:
            return self.refuse(404, "NotFound", f'pods "{words[5]}" not found')
        if words[6:] != ["portforward"]:
            return self.send(200, found[0])
        # As servers before Kubernetes 1.31 do: no WebSockets.
        if not self.headers["Upgrade"].startswith("SPDY/3.1"):
            return self.refuse(400, "BadRequest", "unable to upgrade: missing upgrade headers in request")
        self.send_response(101)
        for name, value in (("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"),
                            ("X-Stream-Protocol-Version", "portforward.k8s.io")):
            self.send_header(name, value)
        self.end_headers()
        server.forwards += 1
        Spdy(self.connection, server.ports).serve()
        server.forwards -= 1
        self.close_connection = True

    do_POST = do_GET


def pod(namespace, name, node, phase="Running", **labels):
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"namespace": namespace, "name": name, "labels": labels},
            "spec": {"containers": [{"name": "c", "image": "i"}], **({"nodeName": node} if node else {})},
            "status": {"phase": phase}}


class ApiServer(http.server.ThreadingHTTPServer):
    """Of these pods; `ports` says which port of this machine a port of a pod is."""

    daemon_threads = True

    def __init__(self, cert, key, token, pods, ports):
        super().__init__(("127.0.0.1", 0), Handler)
        self.token, self.pods, self.ports, self.asked, self.forwards = token, pods, ports, [], 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
