# SPDX-License-Identifier: BSD-2-Clause
"""A user asks for what is theirs, and it becomes a set-user-ID program meanwhile: of that they get
nothing, however the two meet."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from memprov import PAGE, WORKLOADS, Target
from test_access import NOBODY

TRIES, MAPPINGS, LONGEST_US = 36, 20000, 60000
ASK = """
import http.client, sys
for path in sys.stdin:
    c = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=60)
    c.connect()
    c.request("GET", path.strip())
    print("asked", flush=True)
    r = c.getresponse()
    body = r.read()
    print(r.status, len(body), flush=True)
    sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()
"""


@pytest.fixture(scope="module")
def secret():
    """A program that a user may run as root. Not in pytest's directory, which others may not enter."""
    directory = pathlib.Path("/var/tmp/memprov-other-program")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o755)
    program = directory / "secret-of-root"
    shutil.copy(os.path.join(WORKLOADS, "then_exec"), program)
    os.chmod(program, 0o4755)
    ids = subprocess.run(["/usr/bin/env", *NOBODY, "findmnt", "-no", "OPTIONS", "-T", str(program)],
                         capture_output=True, text=True).stdout
    assert "nosuid" not in ids, "no set-user-ID programs there"
    yield program
    shutil.rmtree(directory)


@pytest.fixture
def user(daemon):
    with Asker(daemon) as asker:
        yield asker


class Asker:
    """A user without rights that asks for its own processes."""

    def __init__(self, daemon):
        self.process = subprocess.Popen(
            ["/usr/bin/env", *NOBODY, "/usr/bin/python3", "-c", ASK, daemon.host, str(daemon.port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")

    def ask(self, path):
        self.process.stdin.write(path.encode() + b"\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"asked\n"

    def answer(self):
        status, length = self.process.stdout.readline().split()
        return int(status), self.process.stdout.read(int(length)).decode()

    def get(self, path):
        self.ask(path)
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def becomes(secret, shared=0):
    return Target("/usr/bin/env", *NOBODY, os.path.join(WORKLOADS, "then_exec"), MAPPINGS, shared,
                  secret, 10, 0, cwd="/")


@pytest.mark.seconds(180)
@pytest.mark.parametrize("shared", (0, 1), ids=("alone", "with its memory shared"))
@pytest.mark.parametrize("path", ("/debug/memory?pid={}&format=json&all=1", "/debug/memory?format=json",
                                  "/debug/memory/processes?format=json"), ids=("report", "node", "list"))
def test_nothing_is_shown_of_a_program_that_came_meanwhile(user, secret, path, shared):
    one = "pid" in path
    tries = TRIES if one else TRIES // 3
    for i in range(tries):
        with becomes(secret, shared) as target:
            assert target.line() == "ready"
            user.ask(path.format(target.pid))
            target.tell(str(i * LONGEST_US // tries))
            status, body = user.answer()
            assert target.line() == "ready"
            assert os.readlink(f"/proc/{target.pid}/exe") == str(secret)
            assert "secret" not in body, (i, status)
            if one:
                assert status in (200, 403, 410), (status, body)
                # What was answered is what it was when it was theirs, whole.
                assert status != 200 or len(json.loads(body)["regions"]) > 2 * MAPPINGS, i
    if one:
        with becomes(secret, shared) as target:
            target.tell("0")
            assert [target.line(), target.line()] == ["ready", "ready"]
            assert user.get(path.format(target.pid))[0] == 403


def test_a_sample_of_an_earlier_program_is_not_for_the_owner_of_the_next(daemon, user, secret):
    """The node's samples are root's: one of a set-user-ID program is not shown to the user when the
    process has become theirs again."""
    then_exec, path = os.path.join(WORKLOADS, "then_exec"), "/debug/memory/processes?format=json"
    with Target("/usr/bin/env", *NOBODY, secret, 10, 0, "/usr/bin/setpriv", *NOBODY[1:], then_exec, 10, 0,
                cwd="/") as target:
        assert target.line() == "ready"

        def row(body):
            return next((row for row in json.loads(body)["processes"] if row["pid"] == target.pid), None)

        assert row(daemon.get(path + "&all=1").body)
        status, body = user.get(path)
        assert status == 200 and row(body) is None
        target.tell("0")
        assert target.line() == "ready"
        assert os.readlink(f"/proc/{target.pid}/exe") == then_exec
        target.settle()
        pages = int(pathlib.Path(f"/proc/{target.pid}/statm").read_text().split()[1])
        status, body = user.get(path)
        assert status == 200 and row(body)["rss"] == pages * PAGE
