# SPDX-License-Identifier: BSD-2-Clause
"""What the kernel still does for a daemon that has started: system calls are made inside it."""
import errno
import os
import pathlib
import re
import signal
import subprocess

import pytest

from confine import status
from memprov import HANG, WORKLOADS, Agent, Daemon, family, until
from symbolizers import symbolizer

# Of x86-64, as a line for inject.
GETSID = "124,0"  # harmless, and nothing calls it
MMAP_CODE = "9,0,4096,5,34,-1,0"
SOCKET_INET = "41,2,1,0"
EXECVE = "59,0,0,0"
MOUNT = "165,0,0,0,0,0"
NO_CORE = ["prlimit", "--core=0"]
ROUTES = [("/debug/memory", ("text", "json", "pprof", "folded")), ("/", ()), ("/metrics", ()),
          ("/debug/memory/callsites", ("text", "json")), ("/debug/memory/pprof", ()),
          ("/debug/memory/flamegraph", ("html", "json")), ("/healthz", ()), ("/readyz", ()),
          ("/debug/memory/processes", ("text", "json"))]


def call(pid, *calls):
    """Their results, -errno where they fail; fewer when the process did not outlive them."""
    out = subprocess.run([os.path.join(WORKLOADS, "inject"), str(pid), *calls], capture_output=True,
                         text=True, timeout=HANG, check=True).stdout
    return [int(line) for line in out.split()]


def use(daemon, agent):
    """Everything that anybody may ask, and a symbolizer that dies."""
    for path, formats in ROUTES:
        for words in ([], *([("format", value)] for value in formats)):
            asked = {**dict(words), **({"pid": agent.pid} if "/memory" in path else {})}
            if path.endswith("processes"):
                asked.pop("pid")
            answer = daemon.get(path, **asked)
            assert answer.status == 200, (path, asked, answer.text)
    assert daemon.get_unix("/debug/memory").status == 200
    os.kill(symbolizer(daemon, agent), signal.SIGKILL)
    agent.name(agent.map(1 << 20), 1 << 20, b"late")
    daemon.report(agent.pid)
    until(lambda: daemon.metrics()["memprov_symbolizer_restarts_total"] == 1,
          "another symbolizer")


def logged(pid):
    """The system calls of that process that the kernel's log tells of, by their numbers."""
    log = subprocess.run(["dmesg"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(rf"type=1326 .* pid={pid} .* syscall=(\d+) ", log))


def test_what_is_not_listed(bpf):
    """In no thread is it done: it fails as if there were no such call, and the daemon goes on."""
    with Daemon() as daemon:
        tasks = list(pathlib.Path(f"/proc/{daemon.pid}/task").iterdir())
        assert len(tasks) > 10
        for task in tasks:
            assert status(task.name, "Seccomp") == "2"
            assert status(task.name, "NoNewPrivs") == "1"
        # The last two are listed, but with other arguments.
        assert call(daemon.pid, GETSID, MMAP_CODE, SOCKET_INET) == [-errno.ENOSYS] * 3
        assert daemon.report()["tracing"]["state"] != "off"


@pytest.mark.parametrize("number", [EXECVE, MOUNT], ids=["execve", "mount"])
def test_what_only_an_attacker_calls(bpf, number):
    daemon = Daemon(prefix=NO_CORE)
    try:
        all_of_it = family(daemon)
        assert call(daemon.pid, number) == []
        assert daemon.process.wait(HANG) == -signal.SIGSYS
        # Another process reaps an orphan: it may stay as a zombie.
        until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in all_of_it),
              "its children to be gone")
    finally:
        daemon.kill()


def test_log(bpf):
    """Everything is done, and told. Of what the daemon does by itself, from its start to its end, there
    is nothing to tell, so what it enforces by default keeps it from nothing."""
    with Daemon("--seccomp", "log") as daemon, Agent() as agent:
        assert status(daemon.pid, "Seccomp") == "2"
        use(daemon, agent)
        assert logged(daemon.pid) == set()
        assert call(daemon.pid, GETSID) == [os.getsid(daemon.pid)]
        until(lambda: len(logged(daemon.pid)) == 1, "a line in the kernel's log")
    assert len(logged(daemon.pid)) == 1


def test_off(bpf):
    with Daemon("--seccomp", "off") as daemon:
        assert status(daemon.pid, "Seccomp") == "0"
        assert status(daemon.pid, "NoNewPrivs") == "1"
