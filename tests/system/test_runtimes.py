# SPDX-License-Identifier: BSD-2-Clause
"""Real programs of each runtime, under load, then stopped: every figure is the one of smaps."""
import os
import socket
import subprocess
import threading

import pytest

from memprov import (MIB, Target, check_sums, check_tiling, exact_report, smaps, stopped,
                     until)

JAVA = """
public class Load {
    static volatile Object keep;
    public static void main(String[] args) throws Exception {
        byte[][] held = new byte[32][];
        for (int i = 0; i < held.length; i++) { held[i] = new byte[1 << 20]; held[i][i] = 1; }
        for (int t = 0; t < 2; t++)
            new Thread(() -> { while (true) { keep = new byte[10000]; Thread.yield(); } }).start();
        Thread.sleep(300);
        System.out.println("ready");
        while (true) { keep = held; Thread.sleep(1000); }
    }
}
"""

NODE = """
const held = [];
for (let i = 0; i < 20000; i++) held.push({i, text: 'x'.repeat(100) + i});
const buffers = Array.from({length: 16}, () => Buffer.alloc(1 << 20, 1));
setInterval(() => { for (let i = 0; i < 1000; i++) held[i] = {i, text: 'y'.repeat(i)}; }, 1);
setTimeout(() => console.log('ready'), 200);
"""

GO = """
package main

import (
	"fmt"
	"net/http"
	"time"
)

var held [][]byte

func main() {
	for i := 0; i < 32; i++ {
		held = append(held, make([]byte, 1<<20))
		held[i][i] = 1
	}
	go http.ListenAndServe("127.0.0.1:0", nil)
	for t := 0; t < 2; t++ {
		go func() {
			for {
				held[0] = make([]byte, 20000)
				time.Sleep(50 * time.Microsecond)
			}
		}()
	}
	time.Sleep(200 * time.Millisecond)
	fmt.Println("ready")
	select {}
}
"""

PYTHON = """
import mmap, threading, time
held = [bytes(1000) * 5 for _ in range(5000)]
cache = mmap.mmap(-1, 8 << 20)
cache.write(b'x' * (3 << 20))
def churn():
    while True:
        held[:100] = [bytearray(2000) for _ in range(100)]
        time.sleep(0.001)
threading.Thread(target=churn, daemon=True).start()
time.sleep(0.2)
print('ready', flush=True)
time.sleep(1000)
"""


def java(tmp):
    (tmp / "Load.java").write_text(JAVA)
    return ["/usr/bin/java", "-Xmx128m", str(tmp / "Load.java")]


def node(tmp):
    return ["/usr/bin/node", "-e", NODE]


def go(tmp):
    (tmp / "load.go").write_text(GO)
    subprocess.run(["/usr/bin/go", "build", "-o", str(tmp / "load"), "load.go"], cwd=tmp,
                   check=True, env={**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off",
                                    "GO111MODULE": "off", "GOPATH": str(tmp / "path"),
                                    "GOCACHE": "/tmp/memprov-test-gocache"})
    return [str(tmp / "load")]


def python(tmp):
    return ["/usr/bin/python3", "-c", PYTHON]


HEADINGS = {"java": "Java Runtime:", "node": "Node.js Runtime:", "go": "Go Runtime:",
            "python": "Python Runtime:", "native": "Native Runtime:"}


def check_program(daemon, pid, runtime, binary):
    """While it runs, sums hold; stopped, all of it is what smaps says. The report."""
    for _ in range(3):
        report = daemon.report(pid, all=1)
        check_sums(report)
        check_tiling(report)
    with stopped(pid):
        text = daemon.text(pid)
        resident = sum(vma.rss for vma in smaps(pid))
    # awk '{print $3}' goes on working
    rss = next(line for line in text.splitlines() if line.startswith("RSS (Resident)"))
    assert int(rss.split()[2]) == resident // MIB
    assert text.split("\n")[2] == HEADINGS[runtime]
    report = exact_report(daemon, pid)
    assert report["runtime"] == runtime
    rows = {row["name"]: row["rss"] for row in report["breakdown"]["file_backed"]}
    assert rows[f"Binary {binary}"] > 0
    assert rows["Shared Libraries"] > 0 or runtime == "go"
    assert report["breakdown"]["runtime"]["stack"] > 0
    # Everything is witnessed: by an event, or because exec made it.
    assert report["tracing"]["state"] == "complete"
    assert report["coverage"]["unknown"] == 0, [
        r for r in report["regions"] if r["origin"] == "unknown"]
    assert report["coverage"]["predates"] == 0
    assert report["totals"]["rss"] > 4 * MIB
    return report


@pytest.mark.parametrize("program, runtime, binary", [
    (java, "java", "java"), (node, "node", "node"), (go, "go", "load"),
    (python, "python", "python3.11"),
])
def test_runtime(daemon, tmp_path, program, runtime, binary):
    argv = program(tmp_path)
    with Target(*argv, stderr=subprocess.STDOUT) as target:
        assert target.line() == "ready"
        check_program(daemon, target.pid, runtime, binary)


def ask_redis(path, *commands):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
        for command in commands:
            s.sendall(command.encode() + b"\r\n")
            reply = s.recv(65536)
            assert reply[:1] in b"+:$", reply


def test_redis(daemon, tmp_path):
    path = tmp_path / "redis.sock"
    with Target("/usr/bin/redis-server", "--port", "0", "--unixsocket", path, "--save", "",
                "--appendonly", "no", "--dir", tmp_path) as target:
        until(path.exists, "redis to listen")
        ask_redis(path, *(f"SETRANGE blob:{i} {MIB} x" for i in range(24)))
        over = threading.Event()

        def load():
            while not over.is_set():
                ask_redis(path, *(f"SET key:{i} {'v' * (i % 100 + 1)}" for i in range(1, 200)))

        loader = threading.Thread(target=load)
        loader.start()
        try:
            report = check_program(daemon, target.pid, "native", "redis-check-rdb")
        finally:
            over.set()
            loader.join()
        assert report["totals"]["rss"] > 24 * MIB
        assert report["comm"] == "redis-server"
