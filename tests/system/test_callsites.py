# SPDX-License-Identifier: BSD-2-Clause
"""Call sites end to end: stacks that programs know of themselves, what has none, and the routes."""
import os
import pathlib
import re
import subprocess
import time

import pytest

import test_gdb
from memprov import (MIB, PAGE, SANITIZED, WORKLOADS, Agent, Daemon, Target, check_sums, span,
                     status_kb, stopped, until)

FIRST_PAGES, CHAINS, BASE = 64, 216, 6  # of tests/workloads/chains.c
INLINES = os.path.join(WORKLOADS, "inlines")


def sites_of(report):
    return {site["id"]: site for site in report["callsites"]}


def site_at(report, address):
    region = next(r for r in report["regions"] if span(r)[0] <= address < span(r)[1])
    return sites_of(report).get(region["callsite"]), region


def functions(site):
    """Of the frames that the machine has: without inlined ones."""
    return [frame["function"] for frame in site["stack"] if not frame["inlined"]]


def children(pid):
    return [int(word) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children")
            for word in path.read_text().split()]


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- stacks that are known to be others' --------------------------------------------------------


def chain_of(number):
    """Innermost first, between mmap and the thread's function."""
    digits, rest = [], number
    for _ in range(3):
        digits.append(rest % BASE)
        rest //= BASE
    walk = [name for digit in digits for name in ("next", "step_" + "abcdef"[digit])]
    return ["map_pages", *walk, "next", *["deeper"] * (1 + number % 4), "run"]


def test_recognised_stacks_are_their_own(daemon):
    """216 chains through one wrapper, again and again, from 4 threads at depths and frame sizes that
    differ: what was recognised must be what it is."""
    rounds = 400
    with Target("chains", 4, rounds) as target:
        assert target.line() == "mapped"
        report = daemon.report(target.pid, all=1)
    sites, checked, seen = sites_of(report), 0, set()
    for region in report["regions"]:
        lo, hi = span(region)
        number = (hi - lo) // PAGE - FIRST_PAGES
        if region["perms"] != "r--p" or region["inode"] or not 0 <= number < CHAINS:
            continue
        site = sites.get(region["callsite"])
        if not site or site["stack_source"] != "cfi":
            continue  # others' storms share the limits
        names = functions(site)
        assert names[1:names.index("run") + 1] == chain_of(number), (number, names)
        assert not site["truncated"], site
        checked += 1
        seen.add(number)
    assert checked >= 2 * CHAINS, (checked, 4 * rounds)
    assert len(seen) >= CHAINS / 2, len(seen)
    # Equal stacks are one call site.
    assert len([s for s in report["callsites"] if "run" in functions(s)]) == len(seen)


def test_a_storm_is_throttled(bpf):
    """Then stacks are taken by frame pointers, counted, and no event is lost for copies."""
    with Daemon() as daemon:
        with Target("churn", 4) as target:
            target.line()
            before = daemon.metrics()
            until(lambda: daemon.metrics()['memprov_events_total{type="mmap"}'] >
                  before['memprov_events_total{type="mmap"}'] + 100000, 50, "a hundred thousand")
            after = daemon.metrics()
        assert after['memprov_stacks_total{source="fp_throttled"}'] > 0
        if not SANITIZED:
            assert after['memprov_events_lost_total{cause="ring_full"}'] == 0


# --- names --------------------------------------------------------------------------------------


def addr2line(module, address):
    """[(function, file, line)], innermost first."""
    lines = subprocess.run(["addr2line", "-i", "-f", "-C", "-e", module, hex(address)], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    places = [re.sub(r" \(discriminator \d+\)$", "", line).rsplit(":", 1) for line in lines[1::2]]
    return [(name, file, int(line) if line.isdigit() else 0)
            for name, (file, line) in zip(lines[::2], places)]


def test_inlined_functions_are_those_of_addr2line(daemon):
    with Target(INLINES) as target:
        target.line()
        report = daemon.report(target.pid, all=1)
    checked = inlined = 0
    for site in report["callsites"]:
        groups, group = [], []
        for frame in site["stack"]:
            group.append(frame)
            if not frame["inlined"]:
                groups.append(group)
                group = []
        assert not group, site
        for group in groups:
            if group[0]["module"] != INLINES or not group[0]["file"]:
                continue
            theirs = addr2line(INLINES, int(group[0]["offset"], 16))
            ours = [(f["function"], f["file"], f["line"]) for f in group]
            assert [(name, os.path.realpath(file), line) for name, file, line in ours] == \
                [(name, os.path.realpath(file), line) for name, file, line in theirs]
            checked += 1
            inlined += len(group) - 1
    assert checked >= 5 and inlined >= 4, (checked, inlined)


@pytest.mark.parametrize("binary", ["grower.go", "grower.go-full"])
def test_go_functions(daemon, binary):
    """Also of a program that was linked with -ldflags "-s -w"."""
    path = os.path.join(WORKLOADS, binary)
    sections = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True).stdout
    assert (".symtab" in sections) == binary.endswith("-full")
    with Target(path, "a", "b") as target:
        assert re.fullmatch(r"\d+ \d+", target.line())
        report = daemon.report(target.pid, all=1)
    names = [functions(site) for site in report["callsites"]]
    heap = [stack for stack in names if "runtime.(*mheap).grow" in stack]
    assert heap, names
    for site in report["callsites"]:
        assert all(frame["function"] for frame in site["stack"] if frame["module"] == path), site
    # Beyond the switch to the system stack is another stack: it says so.
    for site in report["callsites"]:
        if functions(site)[-1].startswith("runtime.systemstack"):
            assert site["truncated"], site
    assert report["breakdown"]["runtime"]["heap"] >= 6 * MIB


# --- what every part of a report says -----------------------------------------------------------


def test_who_named_it_is_not_who_mapped_it(agent, daemon):
    worker = agent.thread()
    at = agent.map(MIB)
    agent.call("fill", at, MIB, 1)
    agent.name(at, MIB, b"given", by=worker)
    report = daemon.report(agent.pid, all=1)
    site, region = site_at(report, at)
    namer = sites_of(report)[region["named_by"]]
    assert region["callsite"] != region["named_by"]
    assert "main" in functions(site) and "start_thread" not in functions(site)
    assert "start_thread" in functions(namer) and "main" not in functions(namer)
    assert region["tid"] == agent.pid and region["thread"] == "agent"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", region["created_at"])
    assert site["first_seen"] <= region["created_at"] <= site["last_seen"]


def test_totals_and_inheritance(agent, daemon):
    blocks = [agent.map(MIB) for _ in range(5)]
    agent.call("fill", blocks[0], MIB, 1)
    for block in blocks[1:3]:
        agent.call("munmap", block, MIB)
    site, region = site_at(daemon.report(agent.pid, all=1), blocks[0])
    assert (site["regions"], site["mapped"]) == (3, 3 * MIB)
    assert (site["total_mapped"], site["total_unmapped"]) == (5 * MIB, 2 * MIB)
    assert site["rss"] == MIB and not region["inherited"]
    child = agent.fork()
    inherited, region = site_at(daemon.report(child.pid, all=1), blocks[0])
    assert region["inherited"] and region["tid"] == agent.pid
    assert inherited["stack"] == site["stack"] and inherited["regions"] == 3


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


def test_routes(agent, daemon):
    at = agent.map(MIB)
    agent.call("fill", at, MIB, 1)
    daemon.report(agent.pid)  # reads the vdso, which makes a page of it resident
    with stopped(agent.pid):
        check_routes(daemon, agent.pid)


def check_routes(daemon, pid):
    whole = daemon.report(pid, all=1)
    check_sums(whole)
    with_site = sum(r["rss"] for r in whole["regions"] if r["callsite"] is not None)
    assert sum(site["rss"] for site in whole["callsites"]) == with_site
    assert with_site <= whole["coverage"]["attributed"]
    path = "/debug/memory/callsites"
    only = daemon.get(path, pid=pid, format="json", all=1).json
    assert only["callsites"] == whole["callsites"]
    large = daemon.get(path, pid=pid, format="json", min="1M").json["callsites"]
    assert large == [site for site in whole["callsites"] if site["rss"] >= MIB]
    text = daemon.get(path, pid=pid, min="1M").text
    assert text.startswith("=== Top 20 Call Sites (resident) ===") and text.count("\n#") == 1
    for word in ("RSS", "MAPPED", "REGIONS", "FIRST SEEN", "LAST SEEN", "OWNER system_call"):
        assert word in text, text
    folded = daemon.get(path, pid=pid, format="folded").text
    assert sum(int(line.rsplit(" ", 1)[1]) for line in folded.splitlines()) == \
        whole["totals"]["rss"]
    assert any(";main;serve;obey;system_call;" in line for line in folded.splitlines())
    report = daemon.text(pid)
    assert report.index("=== Top 20 Call Sites (resident) ===") < report.index("=== Coverage ===")


@pytest.mark.parametrize("how, source", [("none", None), ("fp", "fp"), ("cfi", "cfi")])
def test_unwind(bpf, how, source):
    with Daemon("--unwind", how, "--stack-min", "2M") as daemon, Agent() as agent:
        small, large = agent.map(MIB), agent.map(4 * MIB)
        report = daemon.report(agent.pid, all=1)
        site, _ = site_at(report, large)
        if not source:
            assert not report["callsites"] and site is None
            return
        assert site["stack_source"] == source
        assert site_at(report, small)[0]["stack_source"] == "fp"
        # The C library has no frame pointers: there a list ends, and says so.
        assert (functions(site)[-1] == "_start") == (source == "cfi")
        assert site["truncated"] == (source == "fp")


# --- how much has a call site -------------------------------------------------------------------


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


# --- hostile files, and the child's life --------------------------------------------------------


def shared_object(tmp):
    """A library with one function, which maps so much as it is told."""
    source = tmp / "grow.c"
    source.write_text("#include <sys/mman.h>\n"
                      "void *library_grow(unsigned long n) { void *p = mmap(0, n, 3, 0x22, -1, 0);"
                      " __asm__ volatile(\"\" ::: \"memory\"); return p; }\n")
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", tmp / "libgrow.so", source], check=True)
    return tmp / "libgrow.so"


GROW = """if True:
    import ctypes, sys
    library = ctypes.CDLL(sys.argv[1])
    library.library_grow.restype = ctypes.c_void_p
    print("loaded", flush=True)
    sys.stdin.readline()
    print(library.library_grow(ctypes.c_ulong(0x345000)), flush=True)
    sys.stdin.readline()"""


def truncate(path):
    """In its section headers: without its code and data the process would not live."""
    with open(path, "r+b") as file:
        file.seek(40)
        os.truncate(path, int.from_bytes(file.read(8), "little") + 100)


def many_sections(path):
    with open(path, "r+b") as file:  # e_shoff, e_shentsize, e_shnum, e_shstrndx
        file.seek(40)
        file.write((64).to_bytes(8, "little"))
        file.seek(58)
        file.write(b"\x40\x00\xff\xff\xff\xfe")


def looping(path):
    """All sections are the same piece of noise."""
    with open(path, "r+b") as file:
        data = bytearray(file.read())
        begin = int.from_bytes(data[40:48], "little")
        for i in range(begin, len(data) - 40, 64):
            data[i + 24:i + 40] = (0).to_bytes(8, "little") + len(data).to_bytes(8, "little")
        file.seek(0)
        file.write(data)


def sparse(path):
    os.truncate(path, 10 << 30)


def fifo(path):
    path.unlink()
    os.mkfifo(path)


def device(path):
    path.unlink()
    os.mknod(path, 0o20666, os.makedev(1, 5))  # /dev/zero


def link(path):
    path.unlink()
    path.symlink_to("/proc/kcore")


def replaced(path):
    """By a good library in which everything lies elsewhere."""
    other = path.with_name("other.so")
    source = path.with_name("other.c")
    source.write_text("void library_wrong(void) {}\n" * 1 + "int library_other[10000];\n")
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", other, source], check=True)
    other.rename(path)


@pytest.mark.parametrize("damage", [truncate, many_sections, looping, sparse, fifo, device, link,
                                    replaced])
def test_hostile_files(daemon, agent, tmp_path, damage):
    """Done to a library after it was loaded: the answer comes, says at least where in which module,
    and everybody else's is as always."""
    library = shared_object(tmp_path)
    control = agent.map(MIB)
    with Target("/usr/bin/python3", "-c", GROW, library) as target:
        assert target.line() == "loaded"
        damage(library)
        target.tell("grow")
        at = int(target.line())
        began = time.monotonic()
        report = daemon.report(target.pid, all=1)
        took = time.monotonic() - began
        site, _ = site_at(report, at)
        assert site and site["stack"], site
        # The mapping keeps what was there; of what was changed in place nobody knows the rest.
        frames = [f for f in site["stack"] if f["module"] and f["module"].startswith(str(library))]
        if damage in (fifo, device, link, replaced):
            assert frames[0]["function"] == "library_grow", site
        for frame in frames:
            assert int(frame["offset"], 16) < 65536 and frame["function"] in (None, "library_grow")
        assert site["stack"][0]["module"].startswith("/"), site["stack"][0]
        # of other processes
        other, _ = site_at(daemon.report(agent.pid, all=1), control)
        assert functions(other)[-1] == "_start" and "serve" in functions(other)
    print(f"{damage.__name__}: {took:.2f} s, {functions(site)[:4]}, truncated {site['truncated']}")
    assert took < 2 * max(1, os.getloadavg()[0])


def open_files(pid):
    paths = set()
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            paths.add(os.readlink(fd))
        except OSError:
            pass
    return paths


def test_three_hundred_programs(bpf, tmp_path):
    """The child's memory is bounded, and nothing is kept of programs that have ended."""
    source = tmp_path / "one.c"
    source.write_text("#include <stdlib.h>\n#include <unistd.h>\nstatic char pad[PAD] = {1};\n"
                      "int main(void) { char *p = malloc(3 << 20); p[1 << 20] = 1; "
                      "__asm__ volatile(\"\" :: \"r\"(p), \"r\"(pad) : \"memory\"); "
                      "pause(); }\n")
    subprocess.run(["gcc", "-g", "-O2", "-DPAD=100000", "-o", tmp_path / "one", source], check=True)
    good = (tmp_path / "one").read_bytes()
    with Daemon() as daemon:
        child, = children(daemon.pid)
        programs, most = [], 0
        try:
            for i in range(300):
                path = tmp_path / f"program-{i:03}"
                path.write_bytes(good)
                path.chmod(0o755)
                programs.append(subprocess.Popen([path]))
            for i in range(0, 300, 7):
                report = daemon.report(programs[i].pid, all=1)
                names = [functions(site) for site in report["callsites"]]
                assert any("main" in stack and "__libc_malloc" in stack for stack in names), names
                most = max(most, status_kb(child, "VmHWM"))
            daemon.report()
        finally:
            for program in programs:
                program.kill()
                program.wait()
        print(f"child: VmHWM {status_kb(child, 'VmHWM')} kB, VmPeak {status_kb(child, 'VmPeak')} kB,"
              f" VmData {status_kb(child, 'VmData')} kB; daemon: VmRSS "
              f"{status_kb(daemon.pid, 'VmRSS')} kB")
        if not SANITIZED:
            assert most < 256 * 1024
        for pid in (daemon.pid, child):
            until(lambda pid=pid: not [path for path in open_files(pid) if "program-" in path], 3,
                  "their files to be let go")
        assert children(daemon.pid) == [child], "the child was replaced"


# --- code that is made, files that go -----------------------------------------------------------


def test_a_replaced_library_is_read_through_the_mapping(daemon, tmp_path):
    library = shared_object(tmp_path)
    with Target("/usr/bin/python3", "-c", GROW, library) as target:
        assert target.line() == "loaded"
        replaced(library)
        target.tell("grow")
        site, _ = site_at(daemon.report(target.pid, all=1), int(target.line()))
    assert functions(site)[1] == "library_grow"
    assert functions(site)[-1] == "_start" and not site["truncated"]


def test_perf_map_in_another_mount_namespace(daemon, tmp_path):
    """Of node in a namespace with a /tmp of its own, where nobody else sees its map."""
    script = tmp_path / "jit.js"
    script.write_text("function hotLeaf(keep, i) { keep.push(Buffer.alloc(1 << 21, i)); return 1; }\n"
                      "function hotLoop(keep) { let n = 0; for (let i = 0; i < 60; i++) "
                      "n += hotLeaf(keep, i); return n; }\n"
                      "const keep = []; hotLoop(keep); hotLoop(keep);\n"
                      "console.log('ready ' + process.pid); setInterval(() => {}, 1000);\n")
    with Target("/usr/bin/unshare", "-m", "/bin/sh", "-c",
                f"mkdir -p {tmp_path}/own && cp {script} {tmp_path}/own && "
                f"mount --bind {tmp_path}/own /tmp && exec node --perf-basic-prof "
                "--interpreted-frames-native-stack /tmp/jit.js") as target:
        assert target.line(30).startswith("ready")
        assert not os.path.exists(f"/tmp/perf-{target.pid}.map")
        report = daemon.report(target.pid, all=1)
    names = {name for site in report["callsites"] for name in functions(site) if name}
    assert [name for name in names if "hotLoop" in name], sorted(names)[:50]


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


def test_java_agrees_with_its_own_account(daemon, tmp_path):
    (tmp_path / "Sleep.java").write_text(SLEEP)
    with Target("/usr/bin/java", "-XX:NativeMemoryTracking=summary", "-XX:+AlwaysPreTouch",
                "-Xms128m", "-Xmx128m", tmp_path / "Sleep.java") as target:
        assert target.line(60) == "ready"
        native_memory(target.pid)  # starts a thread of its own
        theirs = native_memory(target.pid)
        report = daemon.report(target.pid, all=1)
    sites, ours = sites_of(report), {"heap": 0, "metaspace": 0, "code": 0}
    for region in report["regions"]:
        site = sites.get(region["callsite"])
        if not site or region["inode"]:
            continue
        text = "\n".join(name or "?" for name in functions(site))
        for what, frame in (("heap", "HeapRegionManager::commit_regions"), ("code", "CodeHeap::"),
                            ("metaspace", "metaspace::VirtualSpaceNode::commit_range")):
            lo, hi = span(region)
            # Metaspace is committed ahead of its use.
            size = hi - lo if what == "metaspace" else region["rss"]
            ours[what] += size if frame in text else 0
    # HotSpot counts its guard pages as committed, which nobody touches. They lie below the stacks.
    stacks = {span(r)[0] for r in report["regions"] if (r["name"] or "").startswith("[stack: ")}
    guards = sum(hi - lo for r in report["regions"] for lo, hi in [span(r)]
                 if hi in stacks and r["perms"] == "---p" and hi - lo == 16384)
    ours["stack"] = report["breakdown"]["runtime"]["stack"] + guards
    # What G1 keeps beside its heap is committed by the same calls, region by region.
    beside = theirs["GC"]["mmap"]
    expected = {"heap": theirs["Java Heap"]["mmap"], "code": theirs["Code"]["mmap"],
                "metaspace": theirs["Metaspace"]["mmap"] + theirs["Class"]["mmap"],
                "stack": theirs["Thread"]["stack"]}
    print({what: (ours[what] // 1024, expected[what] // 1024) for what in ours}, beside // 1024)
    for what in ours:
        assert 0.95 < ours[what] / expected[what] < 1.05, (what, ours, expected)
