# SPDX-License-Identifier: BSD-2-Clause
"""How much of what real programs have is known: the share of memory that has a call site, and what
the JVM says of itself."""
import contextlib
import itertools
import os
import re
import signal
import subprocess
import time

import pytest

import test_gdb
from memprov import HANG, MIB, TRIES, Daemon, Target, children, span, until


def without_call_site(report):
    """Of the anonymous memory that the process itself made: what has none, and all of it, in bytes."""
    rows = [r for r in report["regions"]
            if not r["inode"] and r["origin"] not in ("stack", "kernel", "exec")]
    return sum(r["rss"] for r in rows if r["callsite"] is None), sum(r["rss"] for r in rows)


def is_known(report):
    """At least 99 % of it have one."""
    missing, resident = without_call_site(report)
    print(f"{report['comm']}: {resident / MIB:.1f} MiB, {missing} B without a call site")
    assert resident > 100000
    return missing <= 0.01 * resident


def later_report(daemon, pid):
    """On a busy machine stacks take longer than a request waits for them."""
    for _ in range(TRIES):
        report = daemon.report(pid, all=1)
        if not without_call_site(report)[0]:
            break
        time.sleep(1)
    return report


def load_redis(tmp):
    port = test_gdb.free_port()
    with Target("/usr/bin/redis-server", "--port", port, "--save", "") as target:
        with test_gdb.connect(port) as s:
            for i in range(60):
                s.sendall(b"*3\r\n$3\r\nSET\r\n$3\r\nk%02d\r\n$300000\r\n%s\r\n" %
                          (i, b"x" * 300000))
                assert s.recv(100) == b"+OK\r\n"
        yield [target.pid]


def load_nginx(tmp):
    """The master and its worker."""
    port = test_gdb.free_port()
    (tmp / "nginx.conf").write_text(
        f"pid {tmp}/nginx.pid; daemon off; error_log stderr; events {{}} http {{ "
        f"access_log off; server {{ listen 127.0.0.1:{port}; }} }}")
    with Target("/usr/sbin/nginx", "-c", tmp / "nginx.conf") as target:
        for _ in range(20):
            with test_gdb.connect(port) as s:
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                s.recv(10000)
        workers = children(target.pid)
        assert workers
        yield [target.pid, *workers]


def load_postgres(tmp):
    """The postmaster, what it starts by itself, and the backend of a session."""
    port, data = test_gdb.free_port(), test_gdb.init_database(tmp)
    programs = os.path.dirname(test_gdb.postgres())
    address = ["-h", "127.0.0.1", "-p", port]
    with Target(f"{programs}/postgres", "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1",
                "-c", f"unix_socket_directories={tmp}", user="postgres", cwd="/",
                stderr=subprocess.DEVNULL) as target:
        until(lambda: not subprocess.run([f"{programs}/pg_isready", "-q", *map(str, address)],
                                         cwd="/").returncode, "postgres to be ready")
        with Target(f"{programs}/psql", "-XqAt", *address, "-U", "postgres", cwd="/") as session:
            session.tell(test_gdb.SQL + "select pg_backend_pid();")
            assert session.line() == "60000"
            backend = int(session.line())
            started = children(target.pid)
            assert backend in started and len(started) > 4
            try:
                yield [target.pid, *started]
            finally:  # killed, it would leave its shared memory behind
                target.process.send_signal(signal.SIGQUIT)
                target.process.wait(HANG)


def load_script(tmp, file, text, *words):
    (tmp / file).write_text(text)
    with Target(*words, tmp / file) as target:
        target.line()
        yield [target.pid]


def load_python(tmp):
    return load_script(tmp, "grow.py", test_gdb.PYTHON + "\nprint('ready', flush=True)\n"
                       "import time; time.sleep(100)", "/usr/bin/python3")


def load_node(tmp):
    return load_script(tmp, "grow.js", test_gdb.NODE + "; setInterval(() => {}, 1000)",
                       "/usr/bin/node")


def load_java(tmp):
    text = test_gdb.JAVA.replace("size());\n    }", "size());\n        Thread.sleep(100000);\n    }")
    return load_script(tmp, "Grow.java", text, "/usr/bin/java", "-Xmx256m")


@pytest.mark.parametrize("load", [load_redis, load_nginx, load_postgres, load_python,
                                  *(pytest.param(load, marks=pytest.mark.plain) for load in (load_node, load_java))])
def test_anonymous_memory_has_call_sites(daemon, tmp_path, load):
    """What has found no room where stacks wait has no call site for good: then another process is tried."""
    tries = itertools.count()

    def all_known():
        directory = tmp_path.with_name(f"{tmp_path.name}-{next(tries)}")
        directory.mkdir()
        with contextlib.contextmanager(load)(directory) as pids:
            reports = [later_report(daemon, pid) for pid in pids]
        assert {report["tracing"]["state"] for report in reports} == {"complete"}
        return all([is_known(report) for report in reports])

    until(all_known, "a process whose call sites are known")


def test_a_child_keeps_the_call_sites_of_its_parent(daemon):
    """Of a process that maps, forks and ends, or runs another program, before its stacks are
    unwound: its map can no longer be read, but its child has the same."""
    script = """if True:
        import os, sys, time
        keep = [bytearray(3 << 20) for _ in range(20)]
        if os.fork():
            if sys.argv[1] == "end":
                os._exit(0)
            os.execv("/bin/sleep", ["sleep", "100"])
        print(os.getpid(), flush=True)
        time.sleep(100)"""
    for how in ("end", "exec"):
        with Target("/usr/bin/python3", "-c", script, how) as target:
            report = daemon.report(int(target.line()), all=1)
        assert is_known(report)


# --- Java ---------------------------------------------------------------------------------------

SLEEP = """
public class Sleep { public static void main(String[] a) throws Exception {
  Thread[] t = new Thread[24];
  for (int i = 0; i < 24; i++) { t[i] = new Thread(() -> { try { Thread.sleep(1000000); }
    catch (Exception e) {} }); t[i].start(); }
  System.out.println("ready"); Thread.sleep(1000000); } }
"""


def native_memory(pid):
    """{category: {"mmap" or "stack": committed bytes}}"""
    text = subprocess.run(["jcmd", str(pid), "VM.native_memory", "summary"], check=True,
                          capture_output=True, text=True).stdout
    found, category = {}, None
    for line in text.splitlines():
        match = re.match(r"-\s+(.+?) \(reserved=", line)
        category = match[1] if match else category
        match = re.search(r"\((mmap|stack): reserved=\d+KB, committed=(\d+)KB", line)
        if match and category:
            found.setdefault(category, {})[match[1]] = int(match[2]) * 1024
    return found


def committed_by_hotspot(daemon, pid):
    """{what for: [resident, mapped]}, as the classes of memory tell, and the stacks that committed
    it. "small" is metadata in pieces that are too small for a copied stack: its reservation tells."""
    graph = daemon.get("/debug/memory/flamegraph", pid=pid, format="json").json
    found = {what: [0, 0] for what in ("heap", "metaspace", "code", "GC", "small")}
    for stack in graph["stacks"]:
        frames = [graph["frames"][i] for i in stack["frames"]]
        names = "|".join(frame.get("function") or frame.get("note") or "?" for frame in frames)
        for number, resident, mapped in stack["bytes"]:
            what = graph["classes"][number]
            if what == "metadata":
                what = "code" if "CodeHeap::" in names else \
                    "metaspace" if "metaspace::" in names else \
                    "small" if re.fullmatch(r"truncated(\|__mmap64)+", names) else "GC"
            # ZGC commits its heap by mapping pieces of a memfd.
            commits = "os::pd_commit_memory" in names or "ZPhysicalMemory" in names
            # The guard pages of a thread's stack are committed too, and are no class of memory.
            if what in found and (what == "small" or commits):
                found[what][0] += resident
                found[what][1] += mapped
    return found


@pytest.fixture(scope="module")
def roomy(bpf):
    """A daemon that has room for all stacks of a JVM that starts, however long it waits for a CPU."""
    with Daemon("--ring-size", "64M") as daemon:
        yield daemon


@pytest.mark.plain
@pytest.mark.parametrize("collector", ["G1", "Serial", "Parallel", "Shenandoah", "Z"])
def test_java_agrees_with_its_own_account(roomy, tmp_path, collector):
    (tmp_path / "Sleep.java").write_text(SLEEP)
    with Target("/usr/bin/java", "-XX:NativeMemoryTracking=summary", "-XX:+AlwaysPreTouch",
                f"-XX:+Use{collector}GC", "-Xms128m", "-Xmx128m",
                tmp_path / "Sleep.java") as target:
        assert target.line() == "ready"
        native_memory(target.pid)  # starts a thread of its own

        def accounts():
            """All of a time in which it committed nothing: its compilers go on for a while."""
            theirs = native_memory(target.pid)
            ours = later_report(roomy, target.pid), committed_by_hotspot(roomy, target.pid)
            return (theirs, *ours) if native_memory(target.pid) == theirs else None

        theirs, report, by_hotspot = until(accounts, "the JVM to rest")
    # HotSpot counts its guard pages as committed, though nothing touches them. They lie below the stacks.
    stacks = {span(r)[0] for r in report["regions"] if (r["name"] or "").startswith("[stack: ")}
    guards = sum(hi - lo for r in report["regions"] for lo, hi in [span(r)]
                 if hi in stacks and r["perms"] == "---p" and hi - lo == 16384)
    if collector == "Z":
        # Each page is mapped three times, for the colours of pointers: RSS counts every view that
        # has been touched, PSS the page once.
        views = [r for r in report["regions"] if (r["name"] or "").startswith("/memfd:java_heap")]
        assert len(views) == 3
        assert sum(r["rss"] for r in views) == by_hotspot["heap"][0]
        by_hotspot["heap"][0] = sum(r["pss"] for r in views)
    assert report["breakdown"]["runtime"]["heap"] >= theirs["Java Heap"]["mmap"]
    assert not [row for row in report["breakdown"]["file_backed"]
                if row["name"].startswith("Shared Memory")]
    # Metaspace, and tables of collectors, are committed ahead of their use.
    ours = {"heap": by_hotspot["heap"][0], "code": by_hotspot["code"][0],
            "metaspace": by_hotspot["metaspace"][1], "GC": by_hotspot["GC"][1],
            "code and GC": sum(by_hotspot[what][1] for what in ("code", "GC", "small")),
            "stack": report["breakdown"]["runtime"]["stack"] + guards}
    expected = {"heap": theirs["Java Heap"]["mmap"], "code": theirs["Code"]["mmap"],
                "metaspace": theirs["Metaspace"]["mmap"] + theirs["Class"]["mmap"],
                "GC": theirs["GC"]["mmap"], "stack": theirs["Thread"]["stack"],
                "code and GC": theirs["Code"]["mmap"] + theirs["GC"]["mmap"]}
    print({what: (ours[what] // 1024, expected[what] // 1024) for what in ours})
    for what in ours:
        off = 0.01 if what == "code and GC" else 0.05
        assert abs(ours[what] - expected[what]) < off * expected[what], (what, ours, expected)
