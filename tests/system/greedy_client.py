# SPDX-License-Identifier: BSD-2-Clause
"""A client that asks on many connections at once, without pause. As a program:
greedy_client.py ADDRESS CONNECTIONS PATH …, where an address is a port or the path of a unix socket, and
"--" comes before the next address. At a line on stdin, it prints how often each status was answered."""
import collections
import json
import selectors
import socket
import sys


class Connection:
    """Asks for one path after another."""

    def __init__(self, address, paths):
        self.address, self.paths, self.asked, self.socket = address, paths, 0, None

    def open(self, selector):
        if self.address.isdigit():
            self.socket = socket.create_connection(("127.0.0.1", int(self.address)))
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(self.address)
        self.head = b""
        path = self.paths[self.asked % len(self.paths)]
        self.asked += 1
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        selector.register(self.socket, selectors.EVENT_READ, self)

    def take(self, selector, statuses):
        try:
            data = self.socket.recv(65536)
        except OSError:
            data = b""
        self.head = self.head or data
        if data:
            return
        statuses[self.head.split(b" ")[1].decode() if self.head else "none"] += 1
        selector.unregister(self.socket)
        self.socket.close()
        self.open(selector)


def main(*words):
    selector, statuses = selectors.DefaultSelector(), collections.Counter()
    selector.register(sys.stdin, selectors.EVENT_READ)
    connections = []
    while words:
        end = words.index("--") if "--" in words else len(words)
        address, n, *paths = words[:end]
        connections += [Connection(address, paths) for _ in range(int(n))]
        words = words[end + 1:]
    for connection in connections:
        connection.open(selector)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if key.data:
                key.data.take(selector, statuses)
            elif sys.stdin.readline():
                print(json.dumps(statuses), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
