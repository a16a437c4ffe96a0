# SPDX-License-Identifier: BSD-2-Clause
"""How much of what real programs have is known: the share of memory that has a call site, and what
the JVM says of itself."""
import re
import subprocess

import pytest

import test_gdb
from memprov import MIB, Daemon, Target, children, span


def check_anonymous(report):
    """At least 99 % of what is anonymous and nobody but the process made."""
    rows = [r for r in report["regions"]
            if not r["inode"] and r["origin"] not in ("stack", "kernel", "exec")]
    resident = sum(r["rss"] for r in rows)
    missing = [r for r in rows if r["callsite"] is None and r["rss"]]
    print(f"{report['comm']}: {resident / MIB:.1f} MiB, "
          f"{sum(r['rss'] for r in missing)} B without a call site")
    assert resident > 100000
    assert sum(r["rss"] for r in missing) <= 0.01 * resident, missing[:3]


@pytest.mark.parametrize("name", ["redis", "python", "node", "java", "nginx"])
def test_anonymous_memory_has_call_sites(daemon, tmp_path, name):
    port = test_gdb.free_port()
    if name == "redis":
        argv = ["/usr/bin/redis-server", "--port", port, "--save", ""]
    elif name == "nginx":
        (tmp_path / "nginx.conf").write_text(
            f"pid {tmp_path}/nginx.pid; daemon off; error_log stderr; events {{}} http {{ "
            f"access_log off; server {{ listen 127.0.0.1:{port}; }} }}")
        argv = ["/usr/sbin/nginx", "-c", tmp_path / "nginx.conf"]
    else:
        text, file, words = {
            "python": (test_gdb.PYTHON + "\nprint('ready', flush=True); import time\n"
                       "time.sleep(100)", "grow.py", ["/usr/bin/python3"]),
            "node": (test_gdb.NODE + "; setInterval(() => {}, 1000)", "grow.js",
                     ["/usr/bin/node"]),
            "java": (test_gdb.JAVA.replace("size());\n    }", "size());\n"
                                           "        Thread.sleep(100000);\n    }"),
                     "Grow.java", ["/usr/bin/java", "-Xmx256m"])}[name]
        (tmp_path / file).write_text(text)
        argv = [*words, tmp_path / file]
    with Target(*argv) as target:
        pids = [target.pid]
        if name == "redis":
            with test_gdb.connect(port) as s:
                for i in range(60):
                    s.sendall(b"*3\r\n$3\r\nSET\r\n$3\r\nk%02d\r\n$300000\r\n%s\r\n" %
                              (i, b"x" * 300000))
                    assert s.recv(100) == b"+OK\r\n"
        elif name == "nginx":
            for _ in range(20):
                with test_gdb.connect(port) as s:
                    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    s.recv(10000)
            pids += children(target.pid)
            assert len(pids) > 1
        else:
            target.line(60)
        for pid in pids:
            report = daemon.report(pid, all=1)
            assert report["tracing"]["state"] == "complete"
            check_anonymous(report)


def test_what_is_left_behind_has_call_sites(daemon):
    """Of a process that maps, forks and ends, or runs another program, before its stacks are
    unwound: nobody can read its map any more, but its child has the same."""
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
        check_anonymous(report)


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
    it."""
    graph = daemon.get("/debug/memory/flamegraph", pid=pid, format="json").json
    found = {what: [0, 0] for what in ("heap", "metaspace", "code", "GC")}
    for stack in graph["stacks"]:
        frames = [graph["frames"][i] for i in stack["frames"]]
        names = "|".join(frame.get("function") or frame.get("note") or "?" for frame in frames)
        for number, resident, mapped in stack["bytes"]:
            what = graph["classes"][number]
            if what == "metadata":
                what = "code" if "CodeHeap::" in names else \
                    "metaspace" if "metaspace::" in names else "GC"
            # Tables grow by pieces that are too small for a copied stack.
            small = what == "GC" and re.fullmatch(r"truncated(\|__mmap64)*", names)
            if small or "os::pd_commit_memory" in names:
                found[what][0] += resident
                found[what][1] += mapped
    return found


@pytest.fixture(scope="module")
def roomy(bpf):
    """A daemon that has room for all stacks of a JVM that starts, however long it waits for a CPU."""
    with Daemon("--ring-size", "64M") as daemon:
        yield daemon


@pytest.mark.parametrize("collector", ["G1", "Serial", "Parallel", "Shenandoah"])
def test_java_agrees_with_its_own_account(roomy, tmp_path, collector):
    (tmp_path / "Sleep.java").write_text(SLEEP)
    with Target("/usr/bin/java", "-XX:NativeMemoryTracking=summary", "-XX:+AlwaysPreTouch",
                f"-XX:+Use{collector}GC", "-Xms128m", "-Xmx128m",
                tmp_path / "Sleep.java") as target:
        assert target.line(60) == "ready"
        native_memory(target.pid)  # starts a thread of its own
        theirs = native_memory(target.pid)
        report = roomy.report(target.pid, all=1)
        by_hotspot = committed_by_hotspot(roomy, target.pid)
    # HotSpot counts its guard pages as committed, which nobody touches. They lie below the stacks.
    stacks = {span(r)[0] for r in report["regions"] if (r["name"] or "").startswith("[stack: ")}
    guards = sum(hi - lo for r in report["regions"] for lo, hi in [span(r)]
                 if hi in stacks and r["perms"] == "---p" and hi - lo == 16384)
    # Metaspace, and tables of collectors, are committed ahead of their use.
    ours = {"heap": by_hotspot["heap"][0], "code": by_hotspot["code"][0],
            "metaspace": by_hotspot["metaspace"][1], "GC": by_hotspot["GC"][1],
            "stack": report["breakdown"]["runtime"]["stack"] + guards}
    expected = {"heap": theirs["Java Heap"]["mmap"], "code": theirs["Code"]["mmap"],
                "metaspace": theirs["Metaspace"]["mmap"] + theirs["Class"]["mmap"],
                "GC": theirs["GC"]["mmap"], "stack": theirs["Thread"]["stack"]}
    print({what: (ours[what] // 1024, expected[what] // 1024) for what in ours})
    for what in ours:
        assert 0.95 < ours[what] / expected[what] < 1.05, (what, ours, expected)
