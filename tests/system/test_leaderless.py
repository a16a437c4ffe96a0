# SPDX-License-Identifier: BSD-2-Clause
"""A main thread that has exited while others live on: the kernel shows nothing of its process's memory,
files and namespaces in /proc/PID any more, and everything in the directory of a thread."""
import json
import os
import pathlib
import shutil

from containers import Container, libraries
from memprov import (HANG, MEMPROV, MIB, WORKLOADS, Daemon, Target, check_sums, children, functions, region_at,
                     site_at, until)
from test_access import NOBODY, get_as_nobody

LEADERLESS = os.path.join(WORKLOADS, "leaderless")
# Of tests/workloads/leaderless.c; what libc calls the rest is its own business.
STACK = ["allocate", "deflateInit2_", "from_jit", "jitted_function", "outer_1", "outer_2", "outer_3", "serve"]


class Leaderless(Target):
    def __init__(self, kind="gone", prefix=()):
        super().__init__(*(["/usr/bin/env", *prefix] if prefix else []), LEADERLESS, kind, cwd="/")
        self.kind = kind

    def map(self):
        """The tid that mapped, and where. The thread has exited by the time of the next one."""
        self.tell("")
        tid, address = self.line().split()
        if self.kind == "gone":
            assert state(self.pid) == "Z"
        return int(tid), int(address, 16)

    def close(self):
        super().close()
        pathlib.Path(f"/tmp/perf-{self.pid}.map").unlink(missing_ok=True)


def state(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def stack_at(report, address):
    site, region = site_at(report, address)
    assert site, region
    assert not site["truncated"], site
    return [(frame["function"], os.path.basename(frame["module"] or "")) for frame in site["stack"]
            if not frame["inlined"]]


def check_made(report, made):
    for tid, address in made:
        region = region_at(report, address)
        assert (region["tid"], region["rss"], region["origin"]) == (tid, MIB, "mmap"), region
        site, _ = site_at(report, address)
        assert not site["truncated"], site
        names = functions(site)
        assert names[1:1 + len(STACK)] == STACK, names


def test_stacks_equal_those_of_a_process_with_a_leader(daemon):
    stacks = {}
    for kind in ("alive", "gone"):
        with Leaderless(kind) as target:
            made = [target.map() for _ in range(4)]
            report = daemon.report(target.pid, all=1)
            check_sums(report)
            check_made(report, made)
            # The map is read again for code that is new to it.
            made.append(target.map())
            check_made(daemon.report(target.pid, all=1), made)
            assert len({tid for tid, _ in made}) == 5
            assert (report["exe"], report["comm"]) == (LEADERLESS, "leaderless")
            stacks[kind] = stack_at(report, made[0][1])
    assert stacks["gone"] == stacks["alive"]
    assert [module for _, module in stacks["gone"][:3]] == ["libc.so.6", "leaderless", "libz.so.1.2.13"]


def test_what_was_mapped_before_tracing_is_seen_and_what_follows_has_its_stack(bpf):
    with Leaderless() as target:
        before = target.map()[1]
        with Daemon() as daemon:
            made = [target.map() for _ in range(2)]
            report = daemon.report(target.pid, all=1)
            check_sums(report)
            check_made(report, made)
            assert region_at(report, before)["origin"] == "predates"


def listed(daemon, pid):
    rows = daemon.get("/debug/memory/processes", format="json", all=1).json["processes"]
    return next((row for row in rows if row["pid"] == pid), None)


def threads(pid):
    return {int(tid) for tid in os.listdir(f"/proc/{pid}/task")} - {pid}


def rss_of(pid, tid):
    """As the kernel counts it, of a thread."""
    return int(pathlib.Path(f"/proc/{pid}/task/{tid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_lists_and_metrics_show_its_memory_as_it_grows(daemon):
    with Leaderless() as target:
        for _ in range(3):
            for _ in range(4):
                target.map()
            until(lambda: len(threads(target.pid)) == 1, "the last thread but one to exit")
            row = listed(daemon, target.pid)
            assert row["rss"] == rss_of(target.pid, *threads(target.pid))
            assert row["pss"] > 4 * MIB
        assert row["rss"] > 12 * MIB
        name = f'memprov_process_resident_bytes{{pid="{target.pid}"'
        values = [value for key, value in daemon.metrics().items() if key.startswith(name)]
        assert sum(values) == row["rss"], values
        in_node = next(row for row in daemon.report(all=1)["processes"] if row["pid"] == target.pid)
        assert in_node["rss"] == row["rss"]


def test_its_owner_may_read_it_and_others_may_not(daemon):
    with Leaderless(prefix=NOBODY) as theirs, Leaderless() as of_root:
        made = [theirs.map() for _ in range(2)]
        of_root.map()
        status, body = get_as_nobody(daemon, f"/debug/memory?pid={theirs.pid}&format=json&all=1")
        assert status == 200, body
        check_made(json.loads(body), made)
        status, body = get_as_nobody(daemon, f"/debug/memory?pid={of_root.pid}&format=json")
        assert status == 403, body
        for path in ("/debug/memory", "/debug/memory/processes"):
            status, body = get_as_nobody(daemon, path + "?format=json")
            shown = {row["pid"] for row in json.loads(body)["processes"]}
            assert theirs.pid in shown and of_root.pid not in shown


class LeaderlessContainer(Container):
    """With the libraries that the program and pthread_exit load at run time, and a /tmp to write to."""

    readonly = False

    def fill(self):
        words = super().fill()
        libc = next(lib for lib in libraries(self.program) if "libc.so" in lib)
        for name in ("libz.so.1", "libgcc_s.so.1"):
            library = os.path.join(os.path.dirname(libc), name)
            shutil.copy(library, self.root / library.lstrip("/"))
        return words

    map = Leaderless.map
    kind = "gone"


def test_in_a_container(daemon):
    """Process 1 of its pid namespace: its perf map is called after that, in its own root."""
    with LeaderlessContainer("/memprov-leaderless", program="leaderless", argv=["gone"],
                             limit=64 * MIB) as target:
        made = [target.map() for _ in range(3)]
        for parameters in ({"pid": target.pid}, {"container": target.id, "nspid": 1}):
            report = daemon.report(**parameters, all=1)
            assert report["pid"] == target.pid
            assert report["container"]["id"] == target.id
            assert (report["cgroup"]["path"], report["cgroup"]["limit"]) == \
                (f"/memprov-leaderless/{target.id}", 64 * MIB)
            assert report["exe"] == "/app/leaderless"
            # The program knows itself by the numbers of its own pid namespace.
            check_made(report, [(region_at(report, address)["tid"], address) for _, address in made])
        group = daemon.report(container=target.id)
        assert [row["pid"] for row in group["processes"]] == [target.pid]
        assert group["totals"]["rss"] >= 3 * MIB
        assert listed(daemon, target.pid)["container"]["id"] == target.id


def comm(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().rstrip("\n")


def is_traced(tid):
    return "\nTracerPid:\t0\n" not in pathlib.Path(f"/proc/{tid}/status").read_text()


def test_run_shows_it(bpf, tmp_path):
    """Its end is that of the last thread, if that lives until `run` has seized it."""
    out = tmp_path / "report.json"
    with Target(MEMPROV, "run", "--format", "json", "-o", out, "--", LEADERLESS, "gone") as run:
        made = []
        for _ in range(3):
            run.tell("")
            tid, address = run.line().split()
            made.append((int(tid), int(address, 16)))
        pid, = [pid for pid in children(run.pid) if comm(pid) == "leaderless"]
        last = until(lambda: threads(pid) - {tid for tid, _ in made}, "the last thread")
        until(lambda: threads(pid) == last and all(map(is_traced, last)), "it to be seized, and the others to have exited")
        run.process.stdin.close()
        assert run.process.wait(HANG) == 0
    check_made(json.loads(out.read_text())["end"], made)
