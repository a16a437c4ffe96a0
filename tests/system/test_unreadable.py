# SPDX-License-Identifier: BSD-2-Clause
"""Processes that keep readers of their memory map waiting: they are left out, told so, and no other
waits for them."""
import contextlib
import os
import re

import pytest

from hanging_fs import HangingFs
from memprov import (HANG, MIB, Agent, Daemon, Target, UnixConnection, functions, region_at, task_states,
                     until)

MEMORY = "/debug/memory"
FIRST_USER = 70000


@pytest.fixture
def fs(bpf, tmp_path):
    files, mount = tmp_path / "files", tmp_path / "mount"
    files.mkdir()
    mount.mkdir()
    (files / "file").write_bytes(b"x" * 4096)
    with HangingFs(files, mount) as fs:
        yield fs


class Holder(Target):
    """It holds its mmap_lock while the file system hangs."""

    def __init__(self, fs, **popen):
        # By a descriptor: another user cannot go where the file system is.
        fd = os.open(os.path.join(fs.mountpoint, "file"), os.O_RDONLY)
        super().__init__("holds_map", f"/dev/fd/{fd}", pass_fds=[fd], **popen)
        os.close(fd)
        assert self.line() == "ready"

    def hold(self):
        self.tell("")

    def wait_held(self):
        # The thread that waits for the page, and the one that waits to write.
        until(lambda: task_states(self.pid).count("D") == 2, "the lock to be held")


def ask(daemon, path, unix=False):
    """An answer within the limit."""
    connection = UnixConnection(daemon.socket, HANG) if unix else daemon.connection(HANG)
    return daemon.request("GET", path, connection)


def gauge(daemon, name):
    text = ask(daemon, "/metrics").text
    return next(int(line.split()[1]) for line in text.splitlines()
                if line.startswith(f"memprov_{name} "))


def check_others(daemon, agent, at, unreadable):
    """Everything but the holders is answered, and says how many they are."""
    for unix in (False, True):
        answer = ask(daemon, f"{MEMORY}?pid={agent.pid}&format=json&all=1", unix)
        assert answer.status == 200, answer.text
        assert region_at(answer.json, at)["rss"] == MIB
        for path in (MEMORY, MEMORY + "/processes"):
            node = ask(daemon, path + "?format=json&all=1", unix)
            assert node.status == 200, node.text
            assert node.json["unreadable_processes"] == unreadable
            assert agent.pid in [row["pid"] for row in node.json["processes"]]
        metrics = ask(daemon, "/metrics", unix)
        assert metrics.status == 200
        assert f'pid="{agent.pid}"' in metrics.text
    assert ask(daemon, "/readyz").status == 200


def check_refused(daemon, pid):
    answer = ask(daemon, f"{MEMORY}?pid={pid}&format=json")
    assert answer.status == 503, answer.text
    assert answer.json["error"] == {
        "code": "unreadable",
        "message": f"process {pid} cannot be read: it keeps readers of its memory map waiting; "
                   "other requests are refused until it lets go"}


def test_a_process_that_holds_its_map(fs):
    with Daemon() as daemon, Agent() as agent, Holder(fs) as holder:
        at = agent.map(MIB)
        agent.call("fill", at, MIB, 1)
        assert daemon.get(MEMORY, pid=holder.pid).status == 200
        before = daemon.report()["unreadable_processes"]
        with fs.hangs():
            holder.hold()
            holder.wait_held()
            for _ in range(3):
                check_others(daemon, agent, at, before + 1)
                check_refused(daemon, holder.pid)
            assert gauge(daemon, "unreadable_processes") == 1
        assert holder.line() == "free"
        until(lambda: daemon.get(MEMORY, pid=holder.pid).status == 200, "the process to be readable again")
        until(lambda: gauge(daemon, "stuck_readers") == 0, "the readers to be back")
        assert gauge(daemon, "unreadable_processes") == 0


@pytest.mark.plain
def test_many_processes_that_hold_their_maps(fs):
    """Of one user, more than there are threads in reserve: half of it stays for all others."""
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(Daemon())
        agent = stack.enter_context(Agent())
        at = agent.map(MIB)
        agent.call("fill", at, MIB, 1)
        holders = [stack.enter_context(Holder(fs)) for _ in range(24)]
        with fs.hangs():
            for holder in holders:
                holder.hold()
            for holder in holders:
                holder.wait_held()
            until(lambda: ask(daemon, MEMORY + "?format=json").status == 200, "an answer")
            assert ask(daemon, "/readyz").status == 200
            assert gauge(daemon, "stuck_readers") <= 12
            for holder in holders:
                answer = ask(daemon, f"{MEMORY}?pid={holder.pid}&format=json")
                assert (answer.status, answer.json["error"]["code"]) == (503, "unreadable")
        for holder in holders:
            assert holder.line() == "free"
        until(lambda: gauge(daemon, "stuck_readers") == 0, "the readers to be back")
        for holder in holders:
            until(lambda: daemon.get(MEMORY, pid=holder.pid).status == 200, "a report")


def holder_is_told(daemon, holder):
    return ask(daemon, f"{MEMORY}?pid={holder.pid}&format=json").status == 503


def test_new_call_sites_beside_one_that_holds_its_map(fs):
    """Its own stacks wait for it, and nobody else's."""
    with Daemon() as daemon, Holder(fs) as holder, Target("stacks", "chain") as quiet:
        with fs.hangs():
            holder.hold()
            holder.wait_held()
            # A report wants its stacks at once, and reads its map: so the unwinder does.
            until(lambda: holder_is_told(daemon, holder), "the process to be unreadable")
            with Agent() as other:
                at = other.map(MIB)
                other.call("fill", at, MIB, 1)
                for pid, function in ((quiet.pid, "innermost"), (other.pid, "main")):
                    report = ask(daemon, f"{MEMORY}?pid={pid}&format=json&all=1").json
                    found = [site for site in report["callsites"] if function in functions(site)]
                    assert found, report["callsites"]
                    assert [site["truncated"] for site in found] == [False] * len(found)
            assert holder.process.poll() is None and task_states(holder.pid).count("D") == 2
        assert holder.line() == "free"
        until(lambda: gauge(daemon, "stuck_readers") == 0, "the readers to be back")
        # Behind that its own stacks are unwound, too.
        until(lambda: any("main" in functions(site) or "hold" in functions(site)
                          for site in daemon.report(holder.pid, all=1)["callsites"]), "its call sites")


@pytest.mark.plain
def test_so_many_users_that_nobody_is_left(fs):
    """Each user may have one thread stuck, whatever the others have: with more users than there are
    threads, /readyz says that work is left undone, and for how long it is."""
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(Daemon())
        holders = [stack.enter_context(Holder(fs, user=FIRST_USER + i)) for i in range(24)]
        assert ask(daemon, "/readyz").status == 200
        with fs.hangs():
            for holder in holders:
                holder.hold()
            for holder in holders:
                holder.wait_held()
            untaken = [daemon.connection(HANG) for _ in holders]
            for connection, holder in zip(untaken, holders):
                connection.request("GET", f"{MEMORY}?pid={holder.pid}")
            until(lambda: ask(daemon, "/readyz").status == 503, "the daemon not to be ready")
            answer = ask(daemon, "/readyz?format=json")
            assert (answer.status, answer.json["error"]["code"]) == (503, "not_ready")
            stuck, processes, work = re.fullmatch(
                r"not ready: (\d+) threads are stuck in (\d+) processes that keep their readers "
                r"waiting, and none is left for the ([a-z ]+)", answer.json["error"]["message"]).groups()
            # The reserve, and at least the one whose work is left.
            assert 17 <= int(stuck) and 17 <= int(processes) <= int(stuck), answer.text
            assert work in ("sampler", "sweeper", "report", "unwinder"), work
            assert ask(daemon, "/healthz").status == 200
        for holder in holders:
            assert holder.line() == "free"
        until(lambda: ask(daemon, "/readyz").status == 200, "the daemon to be ready again")
        for connection in untaken:
            assert connection.getresponse().status in (200, 503)
            connection.close()
        until(lambda: gauge(daemon, "stuck_readers") == 0, "the readers to be back")
        for holder in holders:
            assert ask(daemon, f"{MEMORY}?pid={holder.pid}").status == 200
