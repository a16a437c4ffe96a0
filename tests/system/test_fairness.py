# SPDX-License-Identifier: BSD-2-Clause
"""Clients that ask for more than can be done: they crowd out nobody but themselves."""
import contextlib
import http.client
import json
import os
import pathlib
import uuid

import pytest

from memprov import HANG, MIB, Agent, Daemon, Target, region_at, until

NOBODY = 65534
MEMORY = "/debug/memory"
CLIENT = pathlib.Path(__file__).with_name("greedy_client.py").read_text()  # others may not enter this directory


@contextlib.contextmanager
def container_cgroup():
    """A cgroup with a container's name, of the hierarchy that sockets are told of."""
    unified = next(line.split()[1] for line in open("/proc/mounts") if line.split()[2] == "cgroup2")
    top = pathlib.Path(unified, "kubepods")
    made = [top] if not top.exists() else []
    made += [top / f"pod{uuid.uuid4()}"]
    made += [made[-1] / os.urandom(32).hex()]
    for path in made:
        path.mkdir()
    try:
        yield made[-1]
    finally:
        for path in reversed(made):
            until(lambda: not (path / "cgroup.procs").read_text(), "the cgroup to be empty")
            path.rmdir()


@contextlib.contextmanager
def another_user():
    yield {"user": NOBODY, "group": NOBODY, "extra_groups": []}


@contextlib.contextmanager
def root_in_a_container():
    with container_cgroup() as cgroup:
        yield {"preexec_fn": lambda: (cgroup / "cgroup.procs").write_text(str(os.getpid()))}


@pytest.mark.parametrize("who", [another_user, pytest.param(root_in_a_container, marks=pytest.mark.plain)])
def test_one_source_fills_everything(bpf, who):
    """A user, or a container of root's, with 240 connections on all listeners: root's reports and the
    metrics are answered, each time; and it gets what is left."""
    with Daemon("--metrics-listen", "127.0.0.1:0") as daemon, Agent() as agent, who() as popen:
        line = daemon.process.stdout.readline().decode()
        metrics = int(line.split("http://127.0.0.1:")[1].split("/")[0])
        os.chmod(daemon.dir, 0o755)
        os.chmod(daemon.socket, 0o666)
        at = agent.map(MIB)
        agent.call("fill", at, MIB, 1)
        reports = (MEMORY, MEMORY + "/processes", MEMORY + "?format=json&all=1")
        words = [str(daemon.port), 120, *reports, "/metrics", "--", metrics, 40, "/metrics", "--",
                 daemon.socket, 80, *reports, "/metrics"]

        def ask(path, port=None, unix=False):
            if unix:
                return daemon.get_unix(path)
            connection = http.client.HTTPConnection("127.0.0.1", port or daemon.port, timeout=HANG)
            return daemon.request("GET", path, connection)

        with Target("/usr/bin/python3", "-c", CLIENT, *words, **popen) as greedy:
            assert greedy.line() == "ready"
            for _ in range(10):
                for unix in (False, True):
                    answer = ask(f"{MEMORY}?pid={agent.pid}&format=json&all=1", unix=unix)
                    assert answer.status == 200, answer.text
                    assert region_at(answer.json, at)["rss"] == MIB
                for where in ({}, {"unix": True}, {"port": metrics}):
                    answer = ask("/metrics", **where)
                    assert answer.status == 200, answer.text
                    assert "\nmemprov_build_info{" in answer.text
            greedy.tell("")
            statuses = json.loads(greedy.line())
        assert statuses.get("503", 0) > 0, f"it was never too much: {statuses}"
        assert statuses.get("200", 0) > 0, statuses
        assert set(statuses) <= {"200", "503", "none"}, statuses
