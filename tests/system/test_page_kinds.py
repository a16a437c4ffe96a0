# SPDX-License-Identifier: BSD-2-Clause
"""What the kernel counts beside RSS: hugetlb, memory freed lazily, KSM, transparent huge pages."""
import contextlib
import os
import pathlib
import pwd
import re
import subprocess

import pytest

from machine import HUGE, reserved
from memprov import (MAP_ANONYMOUS, MAP_PRIVATE, MEMPROV, MIB, PAGE, Refused,
                     Target, check_sums, exact_report, region_at, smaps, until)

MAP_HUGETLB = 0x40000
MADV_FREE, MADV_MERGEABLE, MADV_HUGEPAGE = 8, 12, 14
KINDS = {"lazyfree": "LazyFree", "ksm": "KSM", "anon_huge_pages": "AnonHugePages",
         "shmem_pmd_mapped": "ShmemPmdMapped", "file_pmd_mapped": "FilePmdMapped"}


@pytest.fixture(scope="module")
def huge_pages():
    with reserved(96 * MIB):
        yield


@pytest.fixture
def hugetlbfs(tmp_path):
    subprocess.run(["mount", "-t", "hugetlbfs", "none", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def unwound_report(daemon, pid):
    """A report in which what was mapped has call sites: however long the stacks take."""
    reports = []

    def unwound():
        reports.append(exact_report(daemon, pid))
        return all(r["callsite"] for r in reports[-1]["regions"] if r["origin"] == "mmap")

    until(unwound, "the stacks")
    return reports[-1]


def check_kinds(report, vmas):
    """Every kind of the report is smaps' own."""
    for key, line in KINDS.items():
        assert report["totals"][key] == sum(vma.bytes(line) for vma in vmas), key
    assert report["totals"]["hugetlb"] == sum(
        vma.bytes("Shared_Hugetlb", "Private_Hugetlb") for vma in vmas)


def total_lines(text):
    """{label: (amount in MB, remark)} of Totals."""
    block = text.split("=== Totals ===\n")[1].split("\n\n")[0]
    return {line.split(":")[0]: re.search(r": +(\d+) MB *(.*)", line).groups()
            for line in block.splitlines()}


# --- hugetlb ------------------------------------------------------------------------------------

POOLS = {"private_pool": 8, "shared_buffers": 16, "system_v": 8, "sealed_memfd": 4,
         "hugetlbfs_file": 2}


@pytest.fixture
def hugetlb(daemon, huge_pages, hugetlbfs):
    with Target("hugetlb", hugetlbfs / "pool") as target:
        assert target.line() == "ready"
        yield target


def test_each_pool_has_its_call_site(daemon, hugetlb):
    report = unwound_report(daemon, hugetlb.pid)
    check_sums(report)
    check_kinds(report, smaps(hugetlb.pid))
    assert report["totals"]["hugetlb"] == 38 * MIB
    assert report["totals"]["rss"] < 8 * MIB
    sites = {s["owner"]["function"]: s for s in report["callsites"] if s["hugetlb"]}
    assert {name: site["hugetlb"] // MIB for name, site in sites.items()} == POOLS
    assert all(site["rss"] == 0 for site in sites.values())
    for site in sites.values():
        regions = [r for r in report["regions"] if r["callsite"] == site["id"]]
        assert [r["hugetlb"] for r in regions] == [site["hugetlb"]]
    # They come first, as what is held counts.
    assert {r["callsite"] for r in report["regions"][:5]} == {s["id"] for s in sites.values()}


def test_hugetlb_as_text(daemon, hugetlb):
    text = daemon.text(hugetlb.pid)
    assert total_lines(text)["HugeTLB"][0] == "38"
    rss = re.search(r"^RSS \(Resident\): +(\d+) MB$", text, re.M)
    assert int(rss[1]) < 8
    assert re.search(r"rw-s +0 MB +0 MB +0 MB /memfd:pool \(deleted\)  \(HugeTLB 4 MB\)$", text,
                     re.M)
    block = re.search(r"^#1 .*\n  OWNER shared_buffers", text, re.M)[0]
    assert "  HUGETLB         16 MB  REGIONS 1" in block
    assert "HugeTLB" not in daemon.text(os.getpid())


def test_hugetlb_of_the_node(daemon, hugetlb):
    report = daemon.report(all=1)
    row = next(r for r in report["processes"] if r["pid"] == hugetlb.pid)
    assert row["hugetlb"] == 38 * MIB
    assert report["totals"]["hugetlb"] >= 38 * MIB
    assert int(total_lines(daemon.text())["HugeTLB"][0]) >= 38
    line = next(l for l in daemon.get("/debug/memory/processes", all=1).text.splitlines()
                if l.split()[0] == str(hugetlb.pid))
    assert line.split()[-6:-4] == ["38", "MB"], line
    assert daemon.metrics()[
        f'memprov_process_hugetlb_bytes{{pid="{hugetlb.pid}",comm="hugetlb"}}'] == 38 * MIB
    metrics = daemon.get("/metrics").body
    check = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True)
    assert (check.returncode, check.stdout + check.stderr) == (0, b"")
    top = subprocess.run([MEMPROV, "top", "--once", "--all", "--socket", daemon.socket],
                         capture_output=True, text=True, check=True).stdout
    assert "   HUGETLB " in top.splitlines()[1]
    assert re.search(rf"^ +{hugetlb.pid} +\d+ MB +\d+ MB +0 MB +38 MB ", top, re.M)


def test_hugetlb_without_a_daemon(hugetlb, tmp_path):
    show = subprocess.run([MEMPROV, "show", "--socket", tmp_path / "none", str(hugetlb.pid)],
                          capture_output=True, text=True, check=True).stdout
    assert total_lines(show)["HugeTLB"][0] == "38"


def test_hugetlb_that_grew(daemon, agent, huge_pages, tmp_path):
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file in files:
        file.write_bytes(daemon.get("/debug/memory", pid=agent.pid, format="json", all=1).body)
        at = agent.map(4 * MIB, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)
        agent.call("fill", at, 4 * MIB, 1)
    diff = subprocess.run([MEMPROV, "diff", *files], capture_output=True, text=True, check=True)
    assert re.search(r"^HugeTLB: +\+4 MB +0 MB +4 MB$", diff.stdout, re.M), diff.stdout


def test_hugetlb_of_parts_and_of_children(daemon, agent, huge_pages):
    """One VMA, divided by the names of its parts; then a child that shares its pages."""
    at = agent.map(8 * MIB, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)
    agent.call("fill", at, 2 * MIB, 1)
    agent.call("fill", at + 4 * MIB, 4 * MIB, 1)
    with contextlib.suppress(Refused):
        agent.call("prctl", 0x53564D41, 0, at, 4 * MIB, b"upper\0")
    report = exact_report(daemon, agent.pid)
    assert region_at(report, at)["hugetlb"] + (
        0 if region_at(report, at) == region_at(report, at + 4 * MIB) else
        region_at(report, at + 4 * MIB)["hugetlb"]) == 6 * MIB
    agent.call("mprotect", at, 2 * MIB, 1)
    report = exact_report(daemon, agent.pid)
    assert region_at(report, at)["hugetlb"] == 2 * MIB
    assert region_at(report, at + 6 * MIB)["hugetlb"] <= 4 * MIB
    child = agent.fork()
    for pid in (agent.pid, child.pid):
        report = exact_report(daemon, pid)
        check_kinds(report, smaps(pid))
        assert report["totals"]["hugetlb"] == 6 * MIB
        assert region_at(report, at)["inherited"] == (pid == child.pid)


def postgres_binaries():
    return next(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture
def postgres(daemon, tmp_path):
    """Debian's, with its shared buffers in huge pages or not at all."""
    user, bin_ = pwd.getpwnam("postgres"), postgres_binaries()
    data = pathlib.Path(f"/tmp/memprov-pg-{os.getpid()}")
    as_user = {"user": user.pw_uid, "group": user.pw_gid, "cwd": "/"}
    data.mkdir()
    os.chown(data, user.pw_uid, user.pw_gid)
    try:
        with reserved(192 * MIB):
            subprocess.run([bin_ / "initdb", "-D", data, "--no-sync", "-A", "trust"], check=True,
                           stdout=subprocess.DEVNULL, **as_user)
            with Target(str(bin_ / "postgres"), "-D", data, "-k", data, "-h", "", "-c", "huge_pages=on",
                        "-c", "shared_buffers=64MB", **as_user) as target:
                def psql(query):
                    return subprocess.run([bin_ / "psql", "-h", data, "-d", "postgres", "-qAtc", query],
                                          capture_output=True, text=True, **as_user)
                until(lambda: psql("select 1").returncode == 0, "PostgreSQL")
                target.psql = psql
                yield target
    finally:
        subprocess.run(["rm", "-rf", data], check=True)


def test_postgres_with_huge_pages(daemon, postgres):
    postgres.psql("create table t as select generate_series(1, 300000) n; select sum(n) from t")

    def seen():
        report = exact_report(daemon, postgres.pid)
        return report, sum(v.bytes("Shared_Hugetlb", "Private_Hugetlb")
                           for v in smaps(postgres.pid))

    until(lambda: (lambda r, kernel: r["totals"]["hugetlb"] == kernel)(*seen()), "it to rest")
    report, kernel = seen()
    assert kernel >= HUGE
    site = next(s for s in report["callsites"] if s["hugetlb"])
    assert site["hugetlb"] == report["totals"]["hugetlb"]
    assert site["mapped"] >= 64 * MIB
    assert site["owner"]["module"].endswith("/postgres")
    assert total_lines(daemon.text(postgres.pid))["HugeTLB"]


# --- freed lazily, merged, huge -----------------------------------------------------------------


def fill(agent, size, advice=None, flags=0):
    """Memory in VMAs of its own: a page that cannot be touched lies on either side."""
    at = agent.map(size + 4 * MIB, prot=0) + 2 * MIB & -(2 * MIB)
    agent.call("mprotect", at, size, 3)
    agent.call("madvise", at, size, advice or 15)  # MADV_NOHUGEPAGE
    # The last pages wait in a batch of the CPU that filled them, and no call from another CPU reaches them there.
    os.sched_setaffinity(agent.pid, {min(os.sched_getaffinity(agent.pid))})
    agent.call("fill", at, size, 1)
    return at


def free_lazily(agent, at, size):
    """The kernel takes pages off its lists in batches: one more call makes it finish."""
    spare = agent.map(PAGE)
    agent.call("madvise", at, size, MADV_FREE)
    agent.call("madvise", spare, PAGE, MADV_FREE)


def test_freed_lazily(daemon, agent):
    """Half of 16 MiB is freed, and stays in RSS."""
    at = fill(agent, 16 * MIB)
    free_lazily(agent, at, 8 * MIB)
    report = unwound_report(daemon, agent.pid)
    check_kinds(report, smaps(agent.pid))
    region = region_at(report, at)
    assert (region["rss"], region["lazyfree"]) == (16 * MIB, 8 * MIB)
    assert report["totals"]["lazyfree"] == 8 * MIB
    assert report["totals"]["rss"] >= 16 * MIB
    site = next(s for s in report["callsites"] if s["id"] == region["callsite"])
    assert site["lazyfree"] == 8 * MIB
    text = daemon.text(agent.pid)
    assert total_lines(text)["LazyFree"] == (
        "8", "in RSS; freed by MADV_FREE, and taken when the kernel needs memory")
    assert "[anonymous]  (LazyFree 8 MB)" in text
    assert re.search(r"RSS +16 MB  MAPPED +\d+ MB  LAZYFREE +8 MB  REGIONS", text)
    rows = daemon.get("/debug/memory/processes", format="json", all=1).json["processes"]
    row = next(r for r in rows if r["pid"] == agent.pid)
    assert row["lazyfree"] == 8 * MIB
    assert daemon.metrics()[
        f'memprov_process_lazyfree_bytes{{pid="{agent.pid}",comm="agent"}}'] == 8 * MIB


def test_freed_lazily_in_parts(daemon, agent):
    """The kernel knows it of the VMA alone: of its parts it does not, and nothing is guessed."""
    at = fill(agent, 8 * MIB)
    agent.name(at, 4 * MIB, b"first")
    if len([v for v in smaps(agent.pid) if at <= v.start < at + 8 * MIB]) > 1:
        pytest.fail("this kernel takes names: make the parts by another call")
    free_lazily(agent, at, 4 * MIB)
    report = exact_report(daemon, agent.pid)
    assert [region_at(report, at + n * MIB)["rss"] for n in (0, 4)] == [4 * MIB] * 2
    assert [region_at(report, at + n * MIB)["lazyfree"] for n in (0, 4)] == [None, None]
    assert report["totals"]["lazyfree"] == 4 * MIB
    # All that is resident is: that of its parts, too.
    free_lazily(agent, at, 8 * MIB)
    report = exact_report(daemon, agent.pid)
    assert [region_at(report, at + n * MIB)["lazyfree"] for n in (0, 4)] == [4 * MIB] * 2


def test_transparent_huge_pages(daemon, agent):
    at = fill(agent, 8 * MIB, MADV_HUGEPAGE)
    vma = next(v for v in smaps(agent.pid) if v.start == at)
    report = exact_report(daemon, agent.pid)
    check_kinds(report, smaps(agent.pid))
    assert region_at(report, at)["anon_huge_pages"] == vma.bytes("AnonHugePages")
    enabled = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    assert ("[never]" in enabled) == (vma.bytes("AnonHugePages") == 0)
    # Page by page where a VMA is divided, also in the middle of a huge page.
    agent.name(at, 3 * MIB, b"first")
    report = exact_report(daemon, agent.pid)
    assert [region_at(report, at + n * MIB)["rss"] for n in (0, 3)] == [3 * MIB, 5 * MIB]
    parts = [region_at(report, at + n * MIB)["anon_huge_pages"] for n in (0, 3)]
    assert sum(parts) == vma.bytes("AnonHugePages")
    if sum(parts) == 8 * MIB:
        assert parts == [3 * MIB, 5 * MIB]
        assert total_lines(daemon.text(agent.pid))["AnonHugePages"][0] == "8"


@pytest.fixture
def ksm():
    control = pathlib.Path("/sys/kernel/mm/ksm")
    before = {name: (control / name).read_text() for name in ("run", "pages_to_scan", "sleep_millisecs")}
    for name, value in (("pages_to_scan", "5000"), ("sleep_millisecs", "1"), ("run", "1")):
        (control / name).write_text(value)
    yield
    for name, value in before.items():
        (control / name).write_text(value)


def test_merged_pages(daemon, agent, ksm):
    at = fill(agent, 2 * MIB)
    agent.call("madvise", at, 2 * MIB, MADV_MERGEABLE)

    def merged():
        return next(v for v in smaps(agent.pid) if v.start == at).bytes("KSM")

    until(lambda: merged() == 2 * MIB, "the kernel to merge equal pages")
    report = exact_report(daemon, agent.pid)
    assert region_at(report, at)["ksm"] == report["totals"]["ksm"] == 2 * MIB
    assert total_lines(daemon.text(agent.pid))["KSM"][0] == "2"
