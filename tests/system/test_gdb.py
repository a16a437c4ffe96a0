# SPDX-License-Identifier: BSD-2-Clause
"""Stacks of programs that others built, without frame pointers, beside gdb's at the same syscalls."""
import bisect
import contextlib
import functools
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from memprov import HANG, Daemon

pytestmark = pytest.mark.plain

SCRIPT = pathlib.Path(__file__).with_name("gdb_stacks.py")
PT_GNU_EH_FRAME = 0x6474e550
ENOUGH = 0.99  # of the stacks are gdb's to the last frame; the others say that they are truncated

JAVA = """
public class Grow {
    public static void main(String[] a) throws Exception {
        java.util.List<byte[]> keep = new java.util.ArrayList<>();
        for (int i = 0; i < 64; i++) keep.add(new byte[1 << 20]);
        Thread[] t = new Thread[4];
        for (int i = 0; i < 4; i++) { t[i] = new Thread(() -> { byte[] b = new byte[1 << 20]; }); t[i].start(); }
        for (Thread x : t) x.join();
        System.out.println(keep.size());
    }
}
"""
PYTHON = """
import json, threading, mmap, zlib, sqlite3, decimal
keep = [bytearray(1 << 20) for _ in range(40)] + [dict.fromkeys(range(20000)) for _ in range(10)]
m = mmap.mmap(-1, 1 << 22)
t = [threading.Thread(target=lambda: keep.append(json.dumps(list(range(30000))))) for _ in range(4)]
[x.start() for x in t]; [x.join() for x in t]
"""
NODE = """
const keep = []; for (let i = 0; i < 40; i++) keep.push(Buffer.alloc(1 << 20, 1), new Array(200000).fill(i));
console.log(keep.length)
"""


SQL = """
create table t as select i, repeat('x', 200) as s from generate_series(1, 60000) i;
set work_mem = '64MB';
select count(*) from (select s, i from t order by i desc) x;
create index on t (i);
"""


class Program:
    """words: what gdb runs; load: what is done to it meanwhile, until it ends."""

    def __init__(self, words, load=None, stdin="", user=None):
        self.words = words
        self.load = load
        self.stdin = stdin
        self.user = user


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def connect(port):
    for _ in range(300):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), timeout=HANG)
        time.sleep(0.1)
    raise AssertionError(f"no process listens on {port}")


def load_redis(port):
    """Keys with large values, and the end."""
    with connect(port) as s:
        for i in range(20):
            s.sendall(b"*3\r\n$3\r\nSET\r\n$3\r\nk%02d\r\n$300000\r\n%s\r\n" % (i, b"x" * 300000))
            assert s.recv(100) == b"+OK\r\n"
        s.sendall(b"SHUTDOWN NOSAVE\r\n")
        s.recv(100)


def load_nginx(port, pid_file):
    with connect(port) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        s.recv(10000)
    os.kill(int(pid_file.read_text()), signal.SIGQUIT)


def program(name, tmp):
    if name == "redis":
        port = free_port()
        return Program(["/usr/bin/redis-server", "--port", str(port), "--save", ""],
                       lambda: load_redis(port))
    if name == "nginx":
        port = free_port()
        (tmp / "nginx.conf").write_text(
            f"daemon off; master_process off; error_log stderr; pid {tmp}/nginx.pid; events {{}} "
            f"http {{ access_log off; server {{ listen 127.0.0.1:{port}; }} }}")
        return Program(["/usr/sbin/nginx", "-c", str(tmp / "nginx.conf")],
                       lambda: load_nginx(port, tmp / "nginx.pid"))
    if name == "postgres":
        data = init_database(tmp)
        return Program([postgres(), "--single", "-j", "-D", str(data), "postgres"],
                       stdin=SQL.replace(";\n", ";\n\n"), user="postgres")
    text, suffix, words = {"python": (PYTHON, "grow.py", ["/usr/bin/python3"]),
                           "node": (NODE, "grow.js", ["/usr/bin/node"]),
                           "java": (JAVA, "Grow.java", ["/usr/bin/java", "-Xmx256m"])}[name]
    (tmp / suffix).write_text(text)
    return Program([*words, str(tmp / suffix)])


def postgres():
    return str(next(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres")))


def init_database(tmp):
    data = tmp / "pg"
    for directory in (tmp, tmp.parent, tmp.parent.parent):
        directory.chmod(0o755)
    data.mkdir()
    shutil.chown(data, "postgres")
    shutil.chown(tmp, "postgres")
    subprocess.run([str(pathlib.Path(postgres()).with_name("initdb")), "-D", str(data)],
                   user="postgres", check=True, capture_output=True, cwd="/")
    return data


@functools.lru_cache(None)
def segments(path):
    """(address, offset in the file, size) of what is loaded of an ELF file."""
    with open(path, "rb") as file:
        head = file.read(64)
        offset, = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        file.seek(offset)
        table = file.read(size * count)
    rows = [struct.unpack_from("<IIQQQQ", table, i * size) for i in range(count)]
    return [(row[3], row[2], row[5]) for row in rows if row[0] == 1]


def of_ours(frame, first):
    """Where the frame is: a file and an offset in it; or an address."""
    if frame["language"]:  # of Java's gdb knows nothing
        return None, None
    offset = int(frame["offset"], 16) + (0 if first else 1)
    if not frame["module"]:
        return None, offset
    if frame["module"].startswith("["):
        return frame["module"], offset
    for address, in_file, size in segments(frame["module"]):
        if address <= offset <= address + size:
            return frame["module"], offset - address + in_file
    raise AssertionError(f"{frame} is in no segment of its module")


def of_gdb(pc, maps):
    """The same of gdb's; None where it has left all code: then it guesses."""
    for lo, hi, perms, offset, name in maps:
        if lo <= pc - 1 < hi and "x" in perms:
            if name.startswith("/") and not name.startswith("/memfd:"):
                return name, pc - lo + offset
            return name or None, pc - lo if name else pc
    return None


@functools.cache
def described(path):
    """The functions that have call frame information: beginnings, and ends, by address in the file's own numbering."""
    data = pathlib.Path(path).read_bytes()
    offset, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    rows = [struct.unpack_from("<IIQQQQ", data, offset + i * size) for i in range(count)]
    heads = [(row[2], row[3]) for row in rows if row[0] == PT_GNU_EH_FRAME]
    if not heads:
        return [], []
    at, address = heads[0]
    assert data[at:at + 4] == b"\x01\x1b\x03\x3b"  # pcrel, udata4, and a table of pairs that count from here
    n, = struct.unpack_from("<I", data, at + 8)
    begins, ends = [], []
    for begin, entry in struct.iter_unpack("<ii", data[at + 12:at + 12 + 8 * n]):
        length, = struct.unpack_from("<I", data, at + entry + 12)  # behind length, CIE and beginning
        begins.append(address + begin)
        ends.append(address + begin + length)
    return begins, ends


def is_described(place):
    """Whether gdb is told how to leave a frame there: else it guesses by the function's first instructions. V8's own
    code in libnode has nothing."""
    path, in_file = place
    if not path or not path.startswith("/"):
        return True
    begins, ends = described(path)
    address = next(address - offset + in_file for address, offset, size in segments(path)
                   if offset <= in_file - 1 < offset + size) - 1
    i = bisect.bisect(begins, address) - 1
    return i >= 0 and address < ends[i]


def evaluations(frames, ours, theirs, names):
    """With one place for the functions of Python that one call of the interpreter's loop runs: they stand for it."""
    kept = [place for i, place in enumerate(ours)
            if frames[i]["language"] != "python" or not i or frames[i - 1]["language"] != "python"]
    loops = iter(frame for i, frame in enumerate(frames)
                 if frame["language"] != "python" or not i or frames[i - 1]["language"] != "python")
    for i, frame in enumerate(loops):
        if frame["language"] == "python" and i < len(theirs):
            if (names[i] or "") != "_PyEval_EvalFrameDefault":
                return kept, theirs
            kept[i] = theirs[i]
    return kept, theirs


def compare(row):
    """None when the two are the same, "truncated", or what differs. Through code that was made at
    run time, or says nothing of its frames, gdb guesses: what it says is believed up to there."""
    site = row["site"]
    if not site:
        return "no call site"
    frames = [frame for frame in site["stack"] if not frame["inlined"]]
    ours = [of_ours(frame, i == 0) for i, frame in enumerate(frames)]
    theirs = [of_gdb(pc, row["maps"]) for pc, *_ in row["gdb"]]
    if any(frame["language"] == "python" for frame in frames):
        ours, theirs = evaluations(frames, ours, theirs, [name for _, name, _ in row["gdb"]])
    for i, (place, other) in enumerate(zip(ours, theirs)):
        if other is None or other[0] is None:
            theirs = theirs[:i]
            break
        if place != other:
            return f"frame {i} is {place}, and not {other}"
        if i and not is_described(other):
            theirs = theirs[:i + 1]
            break
    if site["truncated"]:
        return "truncated"
    if len(ours) < len(theirs) and theirs[len(ours)] is not None:
        return "ended early"
    return None


@pytest.fixture(scope="module")
def tracing(bpf):
    with Daemon() as daemon:
        yield daemon


@pytest.mark.parametrize("name", ["redis", "python", "node", "java", "nginx", "postgres"])
def test_stacks_equal_those_of_gdb(tracing, tmp_path, name):
    target = program(name, tmp_path)
    out = tmp_path / "stacks.json"
    # Another user may not enter this directory, but may read a file there that is open.
    script = os.open(SCRIPT, os.O_RDONLY)
    gdb = ["gdb", "-nx", "-batch", "-ex", f"python exec(open('/proc/self/fd/{script}').read())", "--args",
           *target.words]
    environment = dict(os.environ, STACKS_OUT=str(out), STACKS_MAX="120",
                       STACKS_DAEMON=f"http://{tracing.host}:{tracing.port}")
    if target.load:
        threading.Thread(target=target.load, daemon=True).start()
    done = subprocess.run(gdb, env=environment, capture_output=True, text=True, cwd="/",
                          timeout=HANG, user=target.user, input=target.stdin, pass_fds=[script])
    os.close(script)
    rows = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    assert len(rows) >= 15, done.stdout[-2000:] + done.stderr[-2000:]
    results = [compare(row) for row in rows]
    wrong = [(hex(row["address"]), result, row["gdb"], row["site"])
             for row, result in zip(rows, results) if result not in (None, "truncated")]
    same = results.count(None)
    print(f"{name}: {len(rows)} stacks, {same} as gdb's, {results.count('truncated')} truncated")
    assert not wrong, (len(wrong), wrong[0])
    assert same >= ENOUGH * len(rows), [row["site"] for row, r in zip(rows, results)
                                        if r == "truncated"][:2]
