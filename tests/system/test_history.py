# SPDX-License-Identifier: BSD-2-Clause
"""History: what a daemon remembers, what of it is still there after the worst, and what it says."""
import contextlib
import datetime
import json
import random
import sqlite3
import subprocess
import time

import pytest

from containers import Container, Pod
from memprov import HANG, MEMPROV, MIB, Agent, Daemon, NotStarted, until
from test_access import get_as_nobody, theirs  # noqa: F401
from test_seccomp import logged

ROUTE = "/debug/memory/history"
ERRORS = 'memprov_history_errors_total{cause="%s"}'


def history(daemon, **parameters):
    answer = daemon.get(ROUTE, format="json", **parameters)
    assert answer.status == 200, answer.text
    return answer.json


def seen(daemon, condition, what, **parameters):
    """The history once it fulfils the condition: what is observed is written every 10 s."""
    def look():
        answer = daemon.get(ROUTE, format="json", **parameters)
        return answer.json if answer.status == 200 and condition(answer.json) else None

    return until(look, what)


def touch(agent, size):
    """So much more of it is resident."""
    start = agent.map(size)
    agent.call("fill", start, size, 1)
    return start


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def grown(mib):
    return lambda h: h["points"] and h["points"][-1]["rss"] > mib * MIB


def mapped_by(daemon, agent, size, **parameters):
    """The call site of the most, once it has so much."""
    def has_it(answer):
        return answer["callsites"] and answer["callsites"][0]["points"][-1]["rss"] == size

    return seen(daemon, has_it, f"who mapped {size} bytes", pid=agent.pid, **parameters)["callsites"][0]


def integrity(file):
    """What a reader with nothing to do with us finds."""
    with contextlib.closing(sqlite3.connect(file)) as db:
        return db.execute("PRAGMA integrity_check").fetchone()[0]


@pytest.fixture
def file(tmp_path, bpf):
    return tmp_path / "history.db"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, of a megabyte."""
    mountpoint = tmp_path / "disk"
    mountpoint.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", mountpoint], check=True)
    yield mountpoint
    subprocess.run(["umount", mountpoint], check=True)


@pytest.mark.plain
def test_a_process_that_grows(daemon, agent):
    start = moment(daemon.report(agent.pid)["start_time"])
    touch(agent, 32 * MIB)
    # Before its stack is unwound, a mapping has no call site in history either.
    mapped_by(daemon, agent, 32 * MIB)
    touch(agent, 64 * MIB)
    found = seen(daemon, grown(96), "96 MiB", pid=agent.pid)

    assert (found["schema"], found["pid"], found["comm"]) == (1, agent.pid, "agent")
    assert abs((moment(found["start_time"]) - start).total_seconds()) < 1
    assert found["step_s"] == 10
    times = [moment(p["at"]) for p in found["points"]]
    assert times == sorted(set(times))
    for point in found["points"]:
        assert list(point) == ["at", "rss", "pss", "swap", "heap", "stack", "metadata", "named", "file",
                               "anonymous", "other"]
        assert sum(list(point.values())[4:]) == point["rss"]
        assert 0 < point["pss"] <= point["rss"]
    # By who mapped: one place, which has all of it.
    site = mapped_by(daemon, agent, 96 * MIB)
    assert [f["function"] for f in site["stack"]][0].startswith("syscall")
    assert mapped_by(daemon, agent, 96 * MIB, step="1s")["points"][0]["rss"] == 32 * MIB
    # By who touched: a sample of a page is enough for all of a mapping.
    seen(daemon, lambda h: sum(s["points"][-1]["rss"] for s in h["callsites"]) > 90 * MIB, "who touched it",
         pid=agent.pid, by="touch")


@pytest.mark.plain
def test_the_difference_is_that_of_two_reports(daemon, agent, tmp_path):
    """Reports are moments of history, to the byte."""
    for _ in range(3):
        touch(agent, 8 * MIB)
    a = daemon.report(agent.pid, all=1)
    for _ in range(2):
        touch(agent, 24 * MIB)
    b = daemon.report(agent.pid, all=1)

    def both():
        answer = daemon.get("/debug/memory/diff", pid=agent.pid, all=1, **{"from": a["taken_at"], "to": b["taken_at"]})
        if answer.status != 200:
            return None
        totals = answer.json["totals"]["rss"]
        return answer.json if (totals["a"], totals["b"]) == (a["totals"]["rss"], b["totals"]["rss"]) else None

    ours = until(both, "the moments of both reports")
    for name, report in (("a", a), ("b", b)):
        (tmp_path / name).write_text(json.dumps(report))
    done = subprocess.run([MEMPROV, "diff", "--all", "--format", "json", tmp_path / "a", tmp_path / "b"],
                          capture_output=True, text=True, timeout=HANG, check=True)
    theirs = json.loads(done.stdout)

    def rows(diff, name):
        return sorted((row.get("name"), json.dumps(row.get("stack")), row["change"], row["a"], row["b"], row["growth"])
                      for row in diff[name]["rows"] if row["a"] or row["b"])

    assert list(ours) == list(theirs)
    for name in ("callsites", "touched", "names", "categories"):
        assert rows(ours, name) == rows(theirs, name), name
        assert ours[name]["rest"] == theirs[name]["rest"], name
    for name in ("rss", "pss", "swap", "virtual"):
        assert ours["totals"][name] == theirs["totals"][name]
    assert ours["callsites"]["rows"][0]["growth"] == 48 * MIB


@pytest.mark.plain
def test_a_process_that_is_gone(daemon):
    with Agent() as gone:
        touch(gone, 16 * MIB)
        found = seen(daemon, grown(16), "16 MiB", pid=gone.pid)
    assert daemon.get("/debug/memory", pid=gone.pid).status == 404
    assert history(daemon, pid=gone.pid)["points"][-1]["rss"] > 16 * MIB
    again = history(daemon, pid=gone.pid, start_time=found["start_time"])
    assert again["start_time"] == found["start_time"]
    answer = daemon.get(ROUTE, pid=gone.pid, start_time="2020-01-01T00:00:00Z")
    assert (answer.status, answer.text) == (404, f"there is no history of process {gone.pid} that started then\n")

    # The node's has it as long as it was there, and no longer.
    def ended():
        points = {p["at"]: p for p in history(daemon, pid=gone.pid)["points"]}
        node = history(daemon)["points"][-1]["at"]
        return max(points) < node

    until(ended, "its end")


@pytest.mark.plain
def test_a_container_and_its_pod(bpf, tmp_path):
    pod = Pod(tmp_path, "prod", "web-0")
    with Daemon("--pod-logs", tmp_path) as daemon, Container(pod.cgroup) as one, Container(pod.cgroup) as two:
        for container, name in ((one, "nginx"), (two, "sidecar")):
            pod.link(name, container.id)
            touch(container, 16 * MIB)
        seen(daemon, grown(16), "the container", container=one.id)
        seen(daemon, grown(16), "the container by the beginning of its id", container=two.id[:12])
        both = seen(daemon, grown(32), "the pod", pod="prod/web-0")
        assert both["pid"] is None and both["comm"] is None
        assert both["callsites"][0]["points"][-1]["rss"] == 32 * MIB
        assert daemon.get("/debug/memory/diff", pod="prod/web-0").json["totals"]["rss"]["b"] >= 32 * MIB
        for selector, code in (({"pod": "prod/x"}, "no_such_pod"), ({"container": "f" * 64}, "no_such_container")):
            answer = daemon.get(ROUTE, format="json", **selector)
            assert (answer.status, answer.json["error"]["code"]) == (404, code)


def test_parameters(daemon):
    def refused(route=ROUTE, **parameters):
        answer = daemon.get(route, **{name.rstrip("_"): value for name, value in parameters.items()})
        assert answer.status == 400 and answer.text.count("\n") == 1, answer.text
        return answer.text.rstrip("\n")

    times = "takes a time such as 2026-11-22T21:31:07Z, an age such as -2h or -1h30m, or now"
    assert refused(from_="yesterday") == f"from: 'yesterday' is not understood; {times}"
    assert refused(to="2026-02-30T00:00:00Z") == f"to: '2026-02-30T00:00:00Z' is not understood; {times}"
    assert refused(from_="-9999w") == f"from: '-9999w' is out of range; {times}"
    assert refused(step="0s") == "step: '0s' is out of range; takes a duration such as 10s, 5m, 2h30m or 14d"
    assert refused(from_="-1h", to="-2h") == "from: it is not before to; takes an earlier time, such as -2h"
    assert refused(start_time="now") == "start_time: takes the pid, too: pid=N&start_time=TIME"
    assert refused(pid=1, pod="a/b") == "pid and pod exclude each other; takes one of them"
    assert refused(from_="-2w", step="1s").startswith("step: there are more than 20000 ")
    assert refused("/debug/memory/diff", step="1s").startswith("no place for the parameter 'step'; this route takes ")
    for place in (ROUTE, "/debug/memory/diff"):
        assert daemon.get(place, pod="a/b").text == "there is no history of pod a/b\n"
    seen(daemon, lambda history: len(history["callsites"]) > 1, "call sites", all=1, top=1)
    assert len(daemon.get(ROUTE, format="json", top=1).json["callsites"]) == 1
    assert daemon.get(ROUTE, **{"from": "-3000d", "format": "json"}).json["step_s"] == 13200
    assert daemon.get(ROUTE, pid="self", start_time="now").text.startswith("there is no history of process ")
    error = daemon.get(ROUTE, format="json", step="x").json["error"]
    assert error["code"] == "bad_parameter" and error["message"].startswith("step: 'x' ")


def test_who_may_read_it(daemon, agent, theirs):  # noqa: F811
    seen(daemon, lambda h: h["points"], "theirs", pid=theirs.pid)
    seen(daemon, lambda h: h["points"], "ours", pid=agent.pid)
    assert get_as_nobody(daemon, f"{ROUTE}?pid={theirs.pid}")[0] == 200
    for route in (f"{ROUTE}?pid={agent.pid}", ROUTE, f"/debug/memory/diff?pid={agent.pid}"):
        status, body = get_as_nobody(daemon, route)
        assert status == 403 and body.count("\n") == 1 and "agent" not in body, body
    theirs.kill()
    theirs.wait()
    # It is gone, and still its user's.
    assert get_as_nobody(daemon, f"{ROUTE}?pid={theirs.pid}")[0] == 200


@pytest.mark.plain
def test_a_restart_keeps_what_was_written(file):
    with Agent() as agent:
        with Daemon("--history", file) as daemon:
            touch(agent, 16 * MIB)
            before = seen(daemon, grown(16), "16 MiB", pid=agent.pid)["points"]
        touch(agent, 32 * MIB)
        with Daemon("--history", file) as daemon:
            after = seen(daemon, grown(48), "48 MiB", pid=agent.pid)
            metrics = daemon.metrics()
    assert {json.dumps(p) for p in before[:-1]} <= {json.dumps(p) for p in after["points"]}
    # Of the time in between nothing is said.
    assert all(p["rss"] < 32 * MIB or p["rss"] > 48 * MIB for p in after["points"])
    assert 0 < metrics["memprov_history_bytes"] <= metrics["memprov_history_limit_bytes"] == 256 * MIB
    assert not any(value for name, value in metrics.items() if "history_errors" in name)
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    assert integrity(file) == "ok"


@pytest.mark.seconds(900)
@pytest.mark.plain
def test_killed_in_the_middle_of_writing(file):
    """The first write is a second after the start: before it, in it, after it."""
    points = 0
    for _ in range(20):
        daemon = Daemon("--history", file, wait_ready=False)
        time.sleep(random.uniform(0.8, 1.6))
        daemon.kill()
        assert integrity(file) == "ok"
        with contextlib.closing(sqlite3.connect(file)) as db:
            with contextlib.suppress(sqlite3.OperationalError):  # not even the tables yet
                now = db.execute("SELECT count(*) FROM point").fetchone()[0]
                assert now >= points
                points = now
    assert points > 0
    assert sorted(p.name for p in file.parent.glob("*aside*")) == []


def make_random(file):
    file.write_bytes(random.randbytes(50_000))


def make_newer(file):
    with Daemon("--history", file):
        until(lambda: file.exists() and file.stat().st_size, "a file")
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA user_version = 99")


def make_foreign(file):
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE bookmarks(url TEXT)")


@pytest.mark.parametrize("make, cause", [(make_random, "damaged"), (make_newer, "newer"), (make_foreign, "foreign")])
def test_a_file_that_is_not_ours_is_kept(file, make, cause):
    make(file)
    bytes_before = file.read_bytes()
    with Daemon("--history", file) as daemon:
        until(lambda: daemon.metrics()[ERRORS % cause] == 1, "the count")
        seen(daemon, lambda h: h["points"], "a point of the node")
        assert daemon.stderr().count("history: ") == 1
        kept = list(file.parent.glob("*.aside-*"))
        assert [p.read_bytes() for p in kept] == [bytes_before]
        assert f"{file} is" in daemon.stderr() and f"it is kept as {kept[0]}" in daemon.stderr()
        assert daemon.report(daemon.pid)["totals"]["rss"] > 0
    assert integrity(file) == "ok"


@pytest.mark.plain
def test_a_disk_that_is_full(small_disk, bpf):
    file, filler = small_disk / "history.db", small_disk / "filler"
    with Agent() as agent, Daemon("--history", file, "--touch", "off", "--unwind", "none") as daemon:
        until(lambda: daemon.metrics()["memprov_history_bytes"], "the first write")
        with contextlib.suppress(OSError), open(filler, "wb") as f:
            while True:
                f.write(bytes(4096))
                f.flush()

        def full():
            touch(agent, MIB)
            return daemon.metrics()[ERRORS % "full"] >= 2

        until(full, "the disk to be full")
        assert daemon.stderr().count("history: ") == 1, daemon.stderr()
        assert daemon.report(agent.pid)["totals"]["rss"] > 0
        assert daemon.get(ROUTE).status in (200, 404)
        filler.unlink()
        size = daemon.report(agent.pid)["totals"]["rss"] // MIB
        seen(daemon, grown(size - 1), "writing to go on", pid=agent.pid)
    assert integrity(file) == "ok"


@pytest.mark.plain
def test_a_disk_that_was_full_before(small_disk, bpf):
    with contextlib.suppress(OSError), open(small_disk / "filler", "wb") as f:
        while True:
            f.write(bytes(4096))
            f.flush()
    with Agent() as agent, Daemon("--history", small_disk / "history.db") as daemon:
        touch(agent, 16 * MIB)
        seen(daemon, grown(16), "16 MiB, in memory", pid=agent.pid)
        assert daemon.metrics()[ERRORS % "full"] == 1
        assert "until the next start it is kept in memory only" in daemon.stderr()


@pytest.mark.plain
def test_a_disk_that_is_read_only(small_disk, bpf):
    file = small_disk / "history.db"
    with Daemon("--history", file) as daemon:
        until(lambda: daemon.metrics()["memprov_history_bytes"], "the first write")
    before = file.read_bytes()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with Agent() as agent, Daemon("--history", file) as daemon:
        touch(agent, 16 * MIB)
        seen(daemon, grown(16), "16 MiB, in memory", pid=agent.pid)
        assert daemon.metrics()[ERRORS % "read_only"] == 1
        assert daemon.stderr().count("history: ") == 1
    assert file.read_bytes() == before


def test_two_daemons_with_one_file(file):
    with Daemon("--history", file) as one, Daemon("--history", file) as two:
        until(lambda: two.metrics()[ERRORS % "in_use"] == 1, "the count")
        seen(one, lambda h: h["points"], "a point in the file")
        seen(two, lambda h: h["points"], "a point in memory")
    assert integrity(file) == "ok"


def test_no_system_call_that_is_not_listed(file):
    """Told by the kernel's log, of all that the thread and its readers do with a file."""
    with Daemon("--history", file, "--seccomp", "log") as daemon, Agent() as agent:
        touch(agent, 16 * MIB)
        seen(daemon, grown(16), "16 MiB", pid=agent.pid)
        assert daemon.get("/debug/memory/diff", pid=agent.pid).status == 200
        pid = daemon.pid
    assert not logged(pid)


def test_in_memory_there_is_history_too(daemon):
    assert daemon.metrics()["memprov_history_limit_bytes"] <= 16 * MIB
    found = seen(daemon, lambda h: h["points"], "a point of the node")
    assert found["pid"] is None and found["start_time"] is None and found["comm"] is None


@pytest.mark.plain
def test_the_command(daemon, agent):
    def run(*args):
        return subprocess.run([MEMPROV, "history", "--socket", daemon.socket, *map(str, args)], capture_output=True,
                              text=True, timeout=HANG)

    touch(agent, 32 * MIB)
    seen(daemon, lambda h: grown(32)(h) and h["callsites"], "32 MiB", pid=agent.pid)
    done = run(agent.pid)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"=== Resident Memory of Process {agent.pid} (agent) ==="
    assert lines[2].split() == ["AT", "RSS", "PSS", "SWAP"]
    assert lines[-1] == "" and "█" in done.stdout
    assert json.loads(run("--format", "json", "--from", "-10m", "--step", "1m", agent.pid).stdout)["step_s"] == 60
    assert run("--by", "touch", "--unit", "kB").stdout.startswith("=== Resident Memory of the Node ===")
    for words, code, says in (
            (["--from", "x"], 2, "memprov: --from: 'x' is not understood; takes a time such as"),
            (["--step", "x"], 2, "memprov: --step: 'x' is not understood; takes a duration such as"),
            (["--pod", "a"], 2, "memprov: history: pod: 'a' "),
            (["--from", "-1m", "--to", "-2m"], 2, "memprov: history: from: it is not before to"),
            (["--all", "--pod", "a/b"], 1, "memprov: history: there is no history of pod a/b"),
            (["--pod", "a/b"], 1, "memprov: history: there is no history of pod a/b"),
            (["--socket", "/nowhere"], 1, "memprov: history: no daemon answers on /nowhere")):
        done = run(*words)
        assert (done.returncode, done.stdout) == (code, "") and done.stderr.startswith(says), done


def test_options(tmp_path):
    for option, value, says in (("--history-keep", "1m", "out of range; takes a duration from 1h to 10 years"),
                                ("--history-keep", "x", "not understood; takes a duration"),
                                ("--history-size", "10", "out of range; takes a number of bytes from 1M")):
        with pytest.raises(NotStarted) as refused:
            Daemon(option, value)
        assert refused.value.code == 2 and f"memprov: {option}: '{value}' is {says}" in refused.value.stderr
    config = tmp_path / "config"
    config.write_text("history-size = x\n")
    with pytest.raises(NotStarted) as refused:
        Daemon("--config", config)
    assert f"{config}:1: history-size: 'x' is not a number" in refused.value.stderr
