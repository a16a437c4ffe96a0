# SPDX-License-Identifier: BSD-2-Clause
"""Which user may read which process: a local user gets its own processes, and nothing else."""
import json
import os
import subprocess

import pytest

from memprov import Daemon

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
GET = """
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]))
c.request("GET", sys.argv[3])
r = c.getresponse()
print(r.status)
sys.stdout.write(r.read().decode())
"""


def get_as_nobody(daemon, path):
    """Status and body, as a user without rights gets them."""
    out = subprocess.run([*NOBODY, "/usr/bin/python3", "-c", GET, daemon.host, str(daemon.port), path],
                         stdout=subprocess.PIPE, check=True, text=True, cwd="/").stdout
    status, body = out.split("\n", 1)
    return int(status), body


@pytest.fixture
def theirs():
    """A process of the user's own."""
    process = subprocess.Popen([*NOBODY, "sleep", "600"], cwd="/")
    yield process
    process.kill()
    process.wait()


def test_own_process_is_shown_and_others_are_not(daemon, agent, theirs):
    for form in ("text", "json"):
        status, body = get_as_nobody(daemon, f"/debug/memory?pid={theirs.pid}&format={form}")
        assert status == 200 and len(body) > 500
        for pid in (agent.pid, daemon.pid, 1, "self"):
            status, body = get_as_nobody(daemon, f"/debug/memory?pid={pid}&format={form}")
            assert status == 403, body
            assert body.count("\n") == 1 and "0x" not in body and "/usr" not in body
    assert json.loads(body)["error"]["code"] == "forbidden"


def test_the_page_is_for_all_and_its_data_is_not(daemon, agent, theirs):
    status, body = get_as_nobody(daemon, "/")
    assert status == 200 and str(agent.pid) not in body
    assert get_as_nobody(daemon, f"/debug/memory/flamegraph?pid={theirs.pid}")[0] == 200
    for form in ("html", "json"):
        status, body = get_as_nobody(daemon,
                                     f"/debug/memory/flamegraph?pid={agent.pid}&format={form}")
        assert status == 403 and body.count("\n") == 1 and "<" not in body
    status, body = get_as_nobody(daemon, "/debug/memory/flamegraph?format=json")
    assert status == 200
    assert json.loads(body)["totals"]["rss"] < daemon.report()["totals"]["rss"]


def test_lists_leave_out_other_users_processes(daemon, agent, theirs):
    for path in ("/debug/memory", "/debug/memory/processes"):
        status, body = get_as_nobody(daemon, path + "?format=json")
        assert status == 200
        shown = {row["pid"] for row in json.loads(body)["processes"]}
        assert theirs.pid in shown
        assert not shown & {agent.pid, daemon.pid, 1}
        everything = {row["pid"] for row in daemon.get(path, format="json", all=1).json["processes"]}
        assert {agent.pid, daemon.pid, theirs.pid} <= everything
    status, body = get_as_nobody(daemon, "/metrics")
    assert status == 200
    assert f'pid="{theirs.pid}"' in body and f'pid="{agent.pid}"' not in body


def test_zombies_are_not_unreadable(daemon):
    """They have no memory that could be read, whoever asks. A container whose first process waits for none has many."""
    def unreadable():
        paths = ("/debug/memory", "/debug/memory/processes")
        bodies = [get_as_nobody(daemon, f"{path}?format=json")[1] for path in paths]
        return [json.loads(body)["unreadable_processes"] for body in bodies] + \
            [daemon.get(path, format="json").json["unreadable_processes"] for path in paths]

    before = unreadable()
    zombies = [subprocess.Popen(["/bin/true"]) for _ in range(50)]
    for process in zombies:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    counted = [now - then for now, then in zip(unreadable(), before)]
    for process in zombies:
        process.wait()
    # Others come and go meanwhile.
    assert max(counted) < 25, counted


def test_a_process_that_is_not_dumpable_is_root_s(daemon):
    """As after a set-user-ID exec: the kernel would refuse ptrace, so we refuse too."""
    code = ("import ctypes, time; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n"  # PR_SET_DUMPABLE
            "print('ready', flush=True); time.sleep(600)")
    with subprocess.Popen([*NOBODY, "/usr/bin/python3", "-c", code], cwd="/",
                          stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            status, body = get_as_nobody(daemon, f"/debug/memory?pid={process.pid}")
            assert status == 403, body
            assert daemon.get("/debug/memory", pid=process.pid).status == 200
        finally:
            process.kill()


def test_over_ipv6_too(bpf, theirs):
    with Daemon("--listen", "[::1]:0") as daemon:
        assert get_as_nobody(daemon, f"/debug/memory?pid={theirs.pid}")[0] == 200
        assert get_as_nobody(daemon, "/debug/memory?pid=1")[0] == 403


def test_the_metrics_listener_shows_no_process_to_ask_about(bpf):
    with Daemon("--metrics-listen", "127.0.0.1:0") as daemon:
        line = daemon.process.stdout.readline().decode()
        daemon.port = int(line.rsplit(":", 1)[1].split("/")[0])
        assert daemon.get("/metrics").status == 200
        for path in ("/", "/debug/memory", "/debug/memory?pid=1", "/debug/memory/processes"):
            assert daemon.get(path).status == 404


USER = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None)
what = sys.argv[1]
if what == "group":
    os.setgroups([]); os.setresgid(65534, 65533, 65534)
else:
    os.setgroups([]); os.setresgid(65534, 65534, 65534)
if what == "capability":
    libc.prctl(8, 1)  # PR_SET_KEEPCAPS
os.setresuid(65534, 65534, 0 if what == "saved" else 65534)
libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, which the change of user took away
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("what, status", [("plain", 200), ("saved", 403), ("group", 403),
                                          ("capability", 403)])
def test_a_user_does_not_read_a_process_with_more_rights(daemon, what, status):
    """The kernel lets no user trace a process of its own that has more rights."""
    with subprocess.Popen(["/usr/bin/python3", "-c", USER, what], stdout=subprocess.PIPE,
                          cwd="/") as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            assert get_as_nobody(daemon, f"/debug/memory?pid={process.pid}")[0] == status
            kernel = subprocess.run([*NOBODY, "cat", f"/proc/{process.pid}/maps"], cwd="/",
                                    capture_output=True)
            assert (kernel.returncode == 0) == (status == 200)
        finally:
            process.kill()
