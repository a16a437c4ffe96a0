# SPDX-License-Identifier: BSD-2-Clause
"""Which process asks: by more than its uid, as the kernel's own check would have it."""
import contextlib
import json
import pathlib
import socket
import subprocess

import pytest

from memprov import HANG, Target, children, until
from test_access import GET, NOBODY, theirs  # noqa: F401 (a fixture)

PYTHON = "/usr/bin/python3"
NO_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
SANDBOX = [*NOBODY, "unshare", "--user"]
# As a container that shares the network: with PIDs of its own, and its own view of /proc.
CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]

UNIX = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(f"GET {sys.argv[2]} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n".encode())
answer = s.makefile("rb").read().decode()
print(answer.split()[1])
sys.stdout.write(answer.split("\\r\\n\\r\\n", 1)[1])
"""


def split(out):
    status, body = out.split("\n", 1)
    return int(status), body


def ask(prefix, daemon, path, *, code=GET, words=None):
    """Status and body, as a process gets them that is started behind the prefix."""
    words = words or [daemon.host, str(daemon.port)]
    return split(subprocess.run([*prefix, PYTHON, "-c", code, *words, path], stdout=subprocess.PIPE,
                                check=True, text=True, cwd="/").stdout)


def ask_unix(prefix, daemon, path):
    return ask(prefix, daemon, path, code=UNIX, words=[daemon.socket])


def kernel_lets(prefix, pid):
    return subprocess.run([*prefix, "cat", f"/proc/{pid}/maps"], cwd="/", capture_output=True,
                          check=False).returncode == 0


def shown(daemon, prefix):
    """The processes of a caller's list."""
    status, body = ask(prefix, daemon, "/debug/memory/processes?format=json")
    assert status == 200, body
    return {row["pid"] for row in json.loads(body)["processes"]}


def start_sleep(prefix):
    return Target("/usr/bin/env", *prefix, "sleep", "600", cwd="/")


def wait_for_exec(pid):
    """Until then it is the prefix, which may read more."""
    until(lambda: pathlib.Path(f"/proc/{pid}/comm").read_text() == "sleep\n", "sleep")


@contextlib.contextmanager
def sleeper(prefix):
    """A sleep in the place of the prefix, which does not fork."""
    with start_sleep(prefix) as target:
        wait_for_exec(target.pid)
        yield target


def asleep_below(target):
    """The sleep that a prefix which forks has started."""
    until(lambda: children(target.pid), "a child")
    pid, = children(target.pid)
    wait_for_exec(pid)
    return pid


BOUND = """
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
s.bind(("127.0.0.1", 0))
s.connect((sys.argv[1], int(sys.argv[2])))
print(s.getsockname()[1], flush=True)
sys.stdin.readline()
s.sendall(f"GET {sys.argv[3]} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n".encode())
answer = s.makefile("rb").read().decode()
print(answer.split()[1])
sys.stdout.write(answer.split("\\r\\n\\r\\n", 1)[1])
"""


@pytest.mark.parametrize("whose, status", [("root's", 403), ("theirs", 200)])
def test_a_socket_bound_to_an_interface(daemon, agent, theirs, whose, status):  # noqa: F811
    """The kernel's table does not show it without the interface's index, and names a listener on
    the same port in its place: root's."""
    pid = agent.pid if whose == "root's" else theirs.pid
    words = [*NOBODY, PYTHON, "-c", BOUND, daemon.host, str(daemon.port), f"/debug/memory?pid={pid}"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          cwd="/") as attacker, socket.socket() as service:
        port = int(attacker.stdout.readline())
        service.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        service.bind(("0.0.0.0", port))
        service.listen()
        out, _ = attacker.communicate("go\n", timeout=HANG)
    assert split(out)[0] == status, out


def test_root_without_capabilities_does_not_read_the_node(daemon, agent):
    """As a container's root that shares the network: the kernel lets it read no process that can do
    more than it."""
    with sleeper(NO_CAPABILITIES) as own:
        assert kernel_lets(NO_CAPABILITIES, own.pid) and not kernel_lets(NO_CAPABILITIES, agent.pid)
        for asker in (ask, ask_unix):
            for pid in (agent.pid, daemon.pid, 1, "self"):
                status, body = asker(NO_CAPABILITIES, daemon, f"/debug/memory?pid={pid}")
                assert status == 403 and body.count("\n") == 1, body
            assert asker(NO_CAPABILITIES, daemon, f"/debug/memory?pid={own.pid}")[0] == 200
            assert asker([], daemon, f"/debug/memory?pid={agent.pid}")[0] == 200
        listed = shown(daemon, NO_CAPABILITIES)
        assert own.pid in listed and not listed & {agent.pid, daemon.pid, 1}
        assert {own.pid, agent.pid, daemon.pid} <= shown(daemon, [])


def test_a_sandbox_does_not_read_what_is_outside(daemon, theirs):  # noqa: F811
    """In a user namespace its user is the same to the network, and to the kernel's check is not."""
    with sleeper(SANDBOX) as inside:
        assert not kernel_lets(SANDBOX, theirs.pid)
        assert kernel_lets(NOBODY, inside.pid)
        assert ask(SANDBOX, daemon, f"/debug/memory?pid={theirs.pid}")[0] == 403
        assert ask(NOBODY, daemon, f"/debug/memory?pid={inside.pid}")[0] == 200
        assert ask(NOBODY, daemon, f"/debug/memory?pid={theirs.pid}")[0] == 200
        assert not shown(daemon, SANDBOX) & {theirs.pid, inside.pid}
        assert {theirs.pid, inside.pid} <= shown(daemon, NOBODY)


@pytest.mark.parametrize("user", [NOBODY, []], ids=["nobody", "root"])
def test_a_container_reads_what_it_can_see(daemon, user):
    """Others of its user run outside of its PID namespace, and it cannot even name them."""
    prefix = [*CONTAINER, *user]
    with sleeper(user) as outside, start_sleep(prefix) as container:
        inside = asleep_below(container)
        code = ("import http.client, os, sys, time\n"
                "pid = os.fork()\n"
                "if not pid: time.sleep(600)\n" + GET)
        assert ask(prefix, daemon, f"/debug/memory?pid={outside.pid}", code=code)[0] == 403
        assert ask(prefix, daemon, f"/debug/memory?pid={inside}", code=code)[0] == 403
        assert not shown(daemon, prefix) & {outside.pid, inside, 1}
        enter = ["nsenter", "-t", str(inside), "-p", "-m", *user]
        assert ask(enter, daemon, f"/debug/memory?pid={inside}")[0] == 200
        assert ask(enter, daemon, f"/debug/memory?pid={outside.pid}")[0] == 403
        assert ask(user, daemon, f"/debug/memory?pid={inside}")[0] == 200
        assert inside in shown(daemon, enter)


GONE = """
import os, socket, sys
gone, tell = os.pipe()
connects = os.fork()
if not connects:
    os.close(tell)
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    if os.fork():
        os._exit(0)
    os.read(gone, 1)
    s.sendall(f"GET {sys.argv[2]} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n".encode())
    answer = s.makefile("rb").read().decode()
    print(answer.split()[1])
    sys.stdout.write(answer.split("\\r\\n\\r\\n", 1)[1])
    sys.exit()
os.waitpid(connects, 0)
"""


def test_the_process_that_connected_has_ended(daemon, agent):
    """Its number may be another's by now."""
    status, body = ask([], daemon, f"/debug/memory?pid={agent.pid}", code=GONE, words=[daemon.socket])
    assert status == 403 and "has it open" in body, body


SHARED = """
import os, socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
if os.fork():
    os.wait()
else:
    os.setresuid(65534, 65534, 65534)
    s.sendall(f"GET {sys.argv[3]} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n".encode())
    answer = s.makefile("rb").read().decode()
    print(answer.split()[1])
    sys.stdout.write(answer.split("\\r\\n\\r\\n", 1)[1])
"""


def test_a_socket_of_root_s_in_a_user_s_process(daemon, agent):
    """That root left it to the user is root's affair; but a process of the user alone is not root."""
    path = f"/debug/memory?pid={agent.pid}"
    assert ask([], daemon, path, code=SHARED)[0] == 200
    alone = SHARED.replace("if os.fork():\n    os.wait()", "if False: pass")
    status, body = ask([], daemon, path, code=alone)
    assert status == 403 and "has it open" in body, body
