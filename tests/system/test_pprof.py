# SPDX-License-Identifier: BSD-2-Clause
"""Profiles: that strict readers take them, that they say what the other formats say."""
import contextlib
import html
import http.client
import os
import re
import socket
import subprocess
import time

import pytest

from memprov import HANG, MEMPROV, MIB, SLOWER, Target, check_sums, smaps, stopped, until
from pprof import Profile, go, go_env

MEMORY = "/debug/memory"
PPROF = "/debug/memory/pprof"
PR_SET_VMA_NAMES = [
    b'"quoted" and \\backslash\\', b"two\nlines", b"\xff\xfe not UTF-8 \xc3(", b"x" * 79,
    "right to left \u202e\u200f mark".encode(), b"semi;colons; and 12", b"<img src=x onerror=1>",
    "na\u00efve \u20ac".encode(), b"tab\tand\x1b[2J",
]


def profile(daemon, pid=None, path=PPROF, **parameters):
    if pid is not None:
        parameters["pid"] = pid
    answer = daemon.get(path, **parameters)
    assert answer.status == 200, answer.text
    return Profile(answer.body)


@contextlib.contextmanager
def settled(daemon, pid):
    """The process is stopped, and what its stacks and names lead to is known: a name that is read
    makes a page resident."""
    def look():
        return sum(v.rss for v in smaps(pid)), profile(daemon, pid).samples

    def is_still():
        before = look()
        time.sleep(0.2)
        return look() == before

    with stopped(pid):
        daemon.report(pid)  # whose stacks are unwound at once: else not before it has lived for a second
        until(is_still, "the process to be still")
        yield


def url(daemon, pid):
    return f"http://{daemon.host}:{daemon.port}{PPROF}?pid={pid}"


def folded(text):
    """As flamegraph.pl and speedscope take lines apart: [(frames, amount)]."""
    rows = []
    for line in text.splitlines():
        theirs = re.fullmatch(r"(.*)\s+?(\d+(?:\.\d*)?)", line, re.A)
        ours = re.fullmatch(r"(.*) (\d+)", line, re.A)
        assert theirs and ours and theirs.groups() == ours.groups(), line
        # flamegraph.pl: then there would be two amounts
        assert not re.fullmatch(r"(.*)\s+?(\d+(?:\.\d*)?)", ours[1], re.A), line
        frames = ours[1].split(";")
        assert len(frames) > 1 and all(frames), line
        rows.append((frames, int(ours[2])))
    return rows


def metric_of(daemon, name, pid):
    return sum(value for series, value in daemon.metrics().items()
               if series.startswith(f'memprov_{name}{{pid="{pid}"'))


def test_every_format_says_the_same(daemon, agent):
    """One process that stands still, with names that break things."""
    for i, name in enumerate(PR_SET_VMA_NAMES):
        at = agent.map((8 + i) * MIB)
        agent.name(at, (8 + i) * MIB, name)
        agent.call("fill", at, (4 + i) * MIB, 1)
    with settled(daemon, agent.pid):
        rss = sum(v.rss for v in smaps(agent.pid))
        report = daemon.report(agent.pid, all=1)
        check_sums(report)
        assert report["totals"]["rss"] == rss
        assert sum(r["rss"] for r in report["regions"]) == rss

        text = daemon.text(agent.pid, unit="kB")
        assert int(re.search(r"^RSS \(Resident\): +(\d+) kB$", text, re.M)[1]) == rss // 1024

        p = profile(daemon, agent.pid)
        assert p.total("inuse_space") == rss
        assert p.total("mapped_space") == report["totals"]["virtual"]
        assert p.total("inuse_objects") == len(report["regions"])

        rows = folded(daemon.get(MEMORY, pid=agent.pid, format="folded").text)
        assert sum(amount for _, amount in rows) == rss

        assert metric_of(daemon, "process_resident_bytes", agent.pid) == rss
        assert metric_of(daemon, "process_proportional_bytes", agent.pid) == \
            pytest.approx(report["totals"]["pss"], rel=0.1)

        graph = daemon.get("/debug/memory/flamegraph", pid=agent.pid, format="json").json
        for place, total in ((1, "rss"), (2, "virtual")):
            assert sum(b[place] for s in graph["stacks"] for b in s["bytes"]) == \
                report["totals"][total]
        listed = daemon.get("/debug/memory/processes", format="json", all=1).json["processes"]
        assert next(row["rss"] for row in listed if row["pid"] == agent.pid) == rss

        # Stack by stack: folded has one line for each call site, and so have the others.
        by_stack = {}
        for s in p.samples:
            key = tuple(s["stack"])
            by_stack[key] = by_stack.get(key, 0) + s["values"][1]
        assert sorted(v for v in by_stack.values() if v) == sorted(amount for _, amount in rows)
        sites = {tuple(f["function"] for f in site["stack"]): site["rss"]
                 for site in report["callsites"]}
        for stack, amount in sites.items():
            if all(stack):
                assert by_stack.get(stack, 0) == amount or stack + ("[truncated]",) in by_stack

        # Name by name.
        by_region = {}
        for s in p.samples:
            region = s["labels"]["region"]
            by_region[region] = by_region.get(region, 0) + s["values"][1]
        for row in report["breakdown"]["named"]:
            assert by_region[shown(row["name"])] == row["rss"], row
        assert len(report["breakdown"]["named"]) == len(PR_SET_VMA_NAMES)
        assert all(s["labels"]["pid"] == str(agent.pid) for s in p.samples)
        assert {s["labels"]["comm"] for s in p.samples} == {"agent"}


def shown(name):
    """A name as profiles have it: what would steer a terminal is spelled out."""
    name = name.replace("\n", "\\n").replace("\t", "\\t").replace("\x1b", "\\x1b")
    return name.replace("\u202e", "\\u202e").replace("\u200f", "\\u200f")


def test_the_node(daemon, agent):
    at = agent.map(32 * MIB)
    agent.name(at, 32 * MIB, b"of the agent")
    agent.call("fill", at, 32 * MIB, 1)
    p = profile(daemon)
    report = daemon.report()
    assert p.total("inuse_space") == pytest.approx(report["totals"]["rss"], rel=0.2)
    ours = [s for s in p.samples if s["labels"]["pid"] == str(agent.pid)]
    assert sum(s["values"][1] for s in ours) == pytest.approx(
        sum(v.rss for v in smaps(agent.pid)), rel=0.02)
    assert [s["values"] for s in ours if s["labels"]["region"] == "of the agent"] == \
        [[1, 32 * MIB, 32 * MIB, 0]]
    assert len({s["labels"]["pid"] for s in p.samples}) >= 2
    assert [p.strings[m["filename"]] for m in p.mappings][0] == "[node]"
    # The daemon is not hurt by what it keeps for that, and the other reports are as before.
    check_sums(daemon.report())


def test_the_same_everywhere(daemon, agent, tmp_path):
    """The routes, and show, through the daemon and without."""
    with settled(daemon, agent.pid):
        bodies = [daemon.get(PPROF, pid=agent.pid), daemon.get(MEMORY, pid=agent.pid, format="pprof"),
                  daemon.get(MEMORY + "/callsites", pid=agent.pid, format="pprof"),
                  daemon.get(PPROF, pid=agent.pid, format="pprof")]
        for answer in bodies:
            assert answer.headers["Content-Type"] == "application/octet-stream"
            assert answer.headers["Content-Disposition"] == 'attachment; filename="memprov.pb.gz"'
            assert answer.headers["Cache-Control"] == "no-store"
        out = tmp_path / "p.pb.gz"
        command = [MEMPROV, "show", "--pid", str(agent.pid), "--format", "pprof"]
        subprocess.run([*command, "--socket", daemon.socket, "-o", str(out)], check=True)
        piped = subprocess.run([*command, "--socket", daemon.socket], check=True,
                               capture_output=True).stdout
        alone = Profile(subprocess.run([*command, "--socket", str(tmp_path / "none")], check=True,
                                       capture_output=True).stdout)
        profiles = [Profile(b) for b in [*(a.body for a in bodies), out.read_bytes(), piped]]
        assert all(p.samples == profiles[0].samples for p in profiles)
        assert {s["stack"][0] for s in alone.samples} == \
            {"[unknown]", "[exec and kernel]"}
        assert alone.total("inuse_space") == profiles[0].total("inuse_space")


def test_errors_are_text_or_json(daemon):
    answer = daemon.get(PPROF, pid=4194304)
    assert answer.status == 404 and answer.headers["Content-Type"].startswith("text/plain")
    answer = daemon.get(PPROF, pid=4194304, format="json")
    assert answer.status == 404 and answer.json["error"]["code"] == "no_such_process"
    for query in ("pid=x", "top=5", "format=folded", "seconds=3"):
        answer = daemon.get(f"{PPROF}?{query}")
        assert answer.status == 400 and answer.text.count("\n") == 1
    assert daemon.request("HEAD", PPROF + "?pid=self").body == b""


def test_small_call_sites(daemon):
    with Target("stacks", "chain") as target:
        until(lambda: len(profile(daemon, target.pid).samples) > 3, "call sites")
        whole, most = profile(daemon, target.pid), profile(daemon, target.pid, min="1G")
        assert whole.total("inuse_space") == most.total("inuse_space") > 0
        assert all(s["stack"][0].startswith("[") for s in most.samples)
        rows = folded(daemon.get(MEMORY, pid=target.pid, format="folded", min="1G").text)
        assert sum(amount for _, amount in rows) == whole.total("inuse_space")
        assert "[smaller call sites]" in [frames[-1] for frames, _ in rows]


def test_no_bytes_on_a_terminal(daemon):
    """script(1) has a terminal for it."""
    done = subprocess.run(
        ["script", "-qec", f"{MEMPROV} show --format pprof --socket {daemon.socket}", "/dev/null"],
        capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "give -o FILE" in done.stdout, done
    done = subprocess.run(["script", "-qec", f"{MEMPROV} run --format pprof -- true", "/dev/null"],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "give -o FILE" in done.stdout, done


def test_run(bpf, tmp_path):
    """run writes the peak, which here is the end."""
    program = ["/usr/bin/python3", "-c", "import os; b = b'x' * (64 << 20); os._exit(0)"]
    out = tmp_path / "peak"
    subprocess.run([MEMPROV, "run", "--format", "pprof", "-o", out, "--", *program], check=True)
    p = Profile(out.read_bytes())
    assert p.total("inuse_space") >= 64 * MIB
    assert max(s["values"][1] for s in p.samples) >= 64 * MIB
    subprocess.run([MEMPROV, "run", "--format", "folded", "-o", out, "--", *program], check=True)
    rows = folded(out.read_text())
    assert sum(amount for _, amount in rows) >= 64 * MIB
    assert {frames[0] for frames, _ in rows} == {"python3"}


# --- go tool pprof --------------------------------------------------------------------------------


@pytest.fixture
def inlined(daemon):
    """A C++ program with inlined functions, whose stacks are known by now."""
    with Target("inlines") as target:
        until(lambda: any("main" in at["names"] and len(at["lines"]) > 1
                          for at in profile(daemon, target.pid).locations), "inlined frames")
        yield target


def test_go_reads_it(daemon, inlined, tmp_path):
    file = tmp_path / "p.pb.gz"
    with stopped(inlined.pid):
        file.write_bytes(daemon.get(PPROF, pid=inlined.pid).body)
        rss = sum(v.rss for v in smaps(inlined.pid))
    p = Profile(file.read_bytes())
    top = go("-top", "-unit=B", "-nodefraction=0", file)
    assert f"100% of {rss}B total" in top and "File: inlines" in top and "Type: inuse_space" in top
    assert "Type: inuse_space" in go("-top", url(daemon, inlined.pid))
    traces = go("-traces", file)
    assert "(inline)" in traces and "region:" in traces and "thread:  inlines" in traces
    raw = go("-raw", file)
    assert raw.count("M=") >= len([at for at in p.locations if at["mapping"]])
    for kind, _ in p.types:
        assert f"Type: {kind}" in go("-top", f"-sample_index={kind}", file)
    rooted = go("-traces", "-tagroot=region", file)
    assert re.search(r"\S+ +\[exec and kernel\]\n +\S*/inlines\n", rooted), rooted
    assert "0, 0% of" in go("-top", "-unit=B", f"-diff_base={file}", file)
    assert go("-comments", file).startswith("memprov ")


def test_go_finds_growth(daemon, agent, tmp_path):
    """What two profiles of one process have in common goes away, wherever it is."""
    before, after = tmp_path / "before", tmp_path / "after"
    agent.call("fill", agent.map(8 * MIB), 8 * MIB, 1)
    before.write_bytes(daemon.get(PPROF, pid=agent.pid).body)
    at = agent.map(16 * MIB)
    agent.name(at, 16 * MIB, b"grown")
    agent.call("fill", at, 16 * MIB, 1)
    after.write_bytes(daemon.get(PPROF, pid=agent.pid).body)
    out = go("-traces", f"-base={before}", after)
    amounts = [float(n) for n in re.findall(r"^ +(-?[\d.]+)MB ", out, re.M)]
    assert 16.0 in amounts and all(abs(n) < 1 for n in amounts if n != 16.0), out
    assert re.search(r"region: +grown\n(.*\n)*? +16MB ", out), out


def test_go_as_a_web_page(daemon, inlined, tmp_path):
    file = tmp_path / "p.pb.gz"
    file.write_bytes(daemon.get(PPROF, pid=inlined.pid).body)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    page = subprocess.Popen(
        ["go", "tool", "pprof", f"-http=127.0.0.1:{port}", "-no_browser", str(file)],
        env=go_env(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True)

    def get(path):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)) as c:
            c.request("GET", path)
            answer = c.getresponse()
            return answer.status, answer.read().decode()

    def is_up():
        with contextlib.suppress(OSError):
            return get("/ui/top")[0] == 200
        return False

    try:
        until(is_up, "pprof's page")
        # The graph alone needs graphviz, which is no dependency of ours.
        for path in ("/ui/top", "/ui/flamegraph", "/ui/peek?f=mmap"):
            status, text = get(path)
            assert status == 200 and "mmap" in text, (path, status)
    finally:
        os.killpg(page.pid, 9)
        page.wait()


# --- many call sites ------------------------------------------------------------------------------


# Debian has flamegraph.pl in the package of a Perl profiler.
FLAMEGRAPH_PL = "/usr/share/perl5/Devel/NYTProf/flamegraph.pl"


def test_flamegraph_pl_reads_it(daemon, inlined):
    with stopped(inlined.pid):
        text = daemon.text(inlined.pid, format="folded")
        rss = sum(v.rss for v in smaps(inlined.pid))
    drawn = subprocess.run(["perl", FLAMEGRAPH_PL], input=text, capture_output=True, text=True,
                           timeout=HANG, check=True)
    assert "Ignored" not in drawn.stderr, drawn.stderr
    frames = {html.unescape(name): int(amount.replace(",", "")) for name, amount in
              re.findall(r"<title>(.*) \(([\d,]+) samples, [\d.]+%\)</title>", drawn.stdout)}
    assert frames["all"] == rss
    main = sum(amount for stack, amount in folded(text) if "main" in stack)
    assert frames["main"] == main > 0


def test_five_thousand_call_sites(daemon):
    wanted = 500 if SLOWER > 1 else 5000
    with Target("callsites", wanted, 250) as target:
        def sites():
            return len({tuple(s["ids"]) for s in profile(daemon, target.pid).samples
                        if "outer" in s["stack"]})

        # Not more at once than find room where stacks wait: on a busy machine that is not unwound by itself.
        while (line := target.line()) != "ready":
            until(lambda: sites() >= int(line), f"{line} call sites")
            target.tell("")
        until(lambda: sites() >= wanted, f"{wanted} call sites")
        with stopped(target.pid):
            answer = daemon.get(PPROF, pid=target.pid)
            p = Profile(answer.body)
            assert p.total("inuse_space") == sum(v.rss for v in smaps(target.pid))
        assert len(answer.body) < 2 * MIB
