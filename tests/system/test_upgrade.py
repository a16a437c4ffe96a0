# SPDX-License-Identifier: BSD-2-Clause
"""One daemon after another, or over it: the same port, socket and history."""
import contextlib
import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from memprov import MIB, ROOT, Agent, Daemon, NotStarted, Target, check_sums, exact_report, known_site, region_at, until
from test_attacks import Opened
from test_history import ERRORS, grown, integrity, seen, touch
from test_life import bpf_ids, existing_ids

PROCESSES = 1000


@pytest.fixture
def file(bpf, tmp_path):
    return tmp_path / "history.db"


def like(daemon, file):
    """The words that make another daemon take what this one has."""
    return ("--listen", f"{daemon.host}:{daemon.port}", "--socket", daemon.socket, "--history", file)


def points(file):
    with contextlib.closing(sqlite3.connect(file)) as db:
        return db.execute("SELECT count(*) FROM point").fetchone()[0]


def refused(*words):
    with pytest.raises(NotStarted) as caught:
        Daemon(*words)
    return caught.value.code, caught.value.stderr


# --- both at once -------------------------------------------------------------------------------


@pytest.mark.plain
def test_a_second_one_ends_with_a_line_and_the_first_goes_on(file):
    with Daemon("--history", file) as first, Agent() as agent:
        start, ours = agent.map(MIB), bpf_ids(first.pid)
        port, socket, history = zip(*[iter(like(first, file))] * 2)
        address = port[1]
        assert refused(*like(first, file)) == \
            (1, f"memprov: cannot listen on --listen {address}: Address already in use\n")
        assert refused(*socket, *history) == \
            (1, f"memprov: cannot listen on --socket {first.socket}: another process answers on it\n")
        # What the first has is all there: its programs, its listeners, its file.
        assert bpf_ids(first.pid) == ours <= existing_ids()
        assert region_at(exact_report(first, agent.pid), start)["tid"] == agent.pid
        assert first.get_unix("/readyz").status == 200
        assert first.metrics()[ERRORS % "in_use"] == 0
        seen(first, lambda h: h["points"], "a point in the file")
    assert integrity(file) == "ok"
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name]


@pytest.mark.plain
def test_a_file_that_the_one_before_still_holds_is_waited_for(file):
    """An ending daemon closes its port first: its successor can start before the file is free."""
    file.touch()
    with open(file) as held, Opened([os.fsencode(file)]) as opened:
        fcntl.flock(held, fcntl.LOCK_EX)

        def let_go():
            until(opened.take, "the file to be opened")
            fcntl.flock(held, fcntl.LOCK_UN)

        other = threading.Thread(target=let_go)
        other.start()
        with Daemon("--history", file) as daemon, Agent() as agent:
            other.join()
            touch(agent, 16 * MIB)
            seen(daemon, grown(16), "16 MiB", pid=agent.pid)
            assert daemon.metrics()[ERRORS % "in_use"] == 0
            assert "history" not in daemon.stderr()
    assert points(file) > 0


# --- one after the other ------------------------------------------------------------------------


def test_an_end_under_load_leaves_nothing_out(file):
    """SIGTERM among storms, with clients on every worker: what was observed last is in the file, and a successor has the
    same port, socket and file at once. Daemon.stop() asserts the exit code, and that the socket is gone."""
    paths = ["/debug/memory?all=1&format=json", "/debug/memory/flamegraph", "/debug/memory/processes"]
    with Agent() as agent:
        first = Daemon("--history", file)
        again, directory = like(first, file), os.path.dirname(first.socket)
        with contextlib.ExitStack() as stack:
            for storm in (("churn", 2), ("spawn_storm", 200, 1000),
                          (sys.executable, ROOT / "tests" / "system" / "greedy_client.py", first.port, 16, *paths,
                           "--", first.socket, 8, *paths)):
                stack.enter_context(Target(*storm, stderr=subprocess.DEVNULL))  # its clients are hung up on
            touch(agent, 32 * MIB)
            until(lambda: first.get_unix(f"/debug/memory?pid={agent.pid}").status == 200, "a report, which history observes")
            first.stop()
        assert points_of(file, agent.pid)[-1] > 32 * MIB
        os.mkdir(directory)
        with Daemon(*again) as second:
            second.socket = first.socket
            start = agent.map(MIB)
            assert region_at(exact_report(second, agent.pid), start)["origin"] == "mmap"
            seen(second, grown(32), "what the first one wrote", pid=agent.pid)
            assert second.metrics()[ERRORS % "in_use"] == 0
        os.rmdir(directory)
    assert integrity(file) == "ok"


def points_of(file, pid):
    with contextlib.closing(sqlite3.connect(file)) as db:
        return [rss for rss, in db.execute("SELECT point.rss FROM point JOIN series ON series.id = point.series "
                                           "WHERE series.pid = ? ORDER BY point.span, point.at", [pid])]


@pytest.mark.plain
def test_killed_among_a_thousand_processes(file):
    """What a daemon knows again when it says that it is ready, and what it never will."""
    with Target("forks", PROCESSES) as parent, Agent() as agent:
        last = int(parent.line())
        first = Daemon("--history", file)
        old = touch(agent, 16 * MIB)
        assert region_at(first.report(agent.pid, all=1), old)["origin"] == "mmap"
        seen(first, grown(16), "16 MiB", pid=agent.pid)
        again, directory = like(first, file), os.path.dirname(first.socket)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        began = time.monotonic()
        with Daemon(*again) as second:
            print(f"ready {time.monotonic() - began:.2f} s after its start")
            second.socket = first.socket
            rows = second.get("/debug/memory/processes", format="json", all=1).json["processes"]
            assert sum(row["comm"] == "forks" for row in rows) == PROCESSES + 1
            for pid in (parent.pid, last):
                report = exact_report(second, pid)
                assert report["tracing"]["state"] == "since_attach"
                assert report["coverage"]["unknown"] == report["coverage"]["attributed"] == 0
            # Amounts are exact, names and creators of before are gone, what comes has both.
            new = agent.map(MIB)
            report = exact_report(second, agent.pid)
            assert [region_at(report, at)["origin"] for at in (old, new)] == ["predates", "mmap"]
            assert known_site(second, agent.pid, new)["owner"]["function"]
            check_sums(second.report())
            seen(second, lambda h: len(h["points"]) > 1 and h["points"][0]["rss"] > 16 * MIB, "both lives", pid=agent.pid)
        first.clean()
        assert not os.path.exists(directory)
    assert integrity(file) == "ok"
    assert sorted(path.name for path in file.parent.glob("*aside*")) == []
