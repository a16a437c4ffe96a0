# SPDX-License-Identifier: BSD-2-Clause
"""What the daemon keeps of its privileges, and what it does without each."""
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import pytest

import memprov
from memprov import MEMPROV, MIB, SLOWER, Agent, Daemon, children, until

# As user/privilege.c has them.
USED = ["bpf", "perfmon", "sys_resource", "sys_admin", "sys_ptrace", "checkpoint_restore",
        "dac_read_search", "setuid", "setgid", "setpcap", "sys_chroot", "kill", "net_bind_service"]
NUMBERS = {"dac_read_search": 2, "kill": 5, "setgid": 6, "setuid": 7, "setpcap": 8,
           "net_bind_service": 10, "sys_chroot": 18, "sys_ptrace": 19, "sys_admin": 21,
           "sys_resource": 24, "perfmon": 38, "bpf": 39, "checkpoint_restore": 40}


def status(pid, field):
    return re.search(rf"^{field}:\s+(\S+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1]


def mask(names):
    return sum(1 << NUMBERS[name] for name in names)


HELD = [name for name in USED if int(status(os.getpid(), "CapPrm"), 16) & mask([name])]


class Without(Daemon):
    """A daemon begun with the given capabilities only, as root or as another user."""

    def __init__(self, capabilities, *args, user=0):
        directory = tempfile.mkdtemp(prefix="memprov-caps-")
        os.chmod(directory, 0o755)
        os.chown(directory, user, user)
        names = ",".join("+" + name for name in capabilities) or "-all"
        keep = [f"--bounding-set=-all,{names}", f"--inh-caps=-all,{names}"]
        if user:
            keep += ["--reuid", str(user), "--regid", str(user), "--clear-groups",
                     f"--ambient-caps=-all,{names}"]
        wrapper = pathlib.Path(directory) / "memprov"
        wrapper.write_text("#!/bin/sh\nexec setpriv " + " ".join(keep) + f" {MEMPROV} \"$@\"\n")
        wrapper.chmod(0o755)
        real, memprov.MEMPROV = memprov.MEMPROV, str(wrapper)
        try:
            super().__init__("--socket", directory + "/sock", *args)
        finally:
            memprov.MEMPROV = real


def has_call_sites(daemon, agent):
    """Of a mapping of now: the one that a symbolizer died of has none."""
    start = agent.map(8 * MIB)
    report = daemon.report(agent.pid, all=1)
    memprov.check_sums(report)
    return memprov.region_at(report, start)["callsite"]


def test_only_what_is_used_is_kept(bpf):
    """In every thread, for good; and the child that parses hostile files has none at all, also the
    one that takes its place."""
    with Daemon() as daemon, Agent() as agent:
        for task in pathlib.Path(f"/proc/{daemon.pid}/task").iterdir():
            for field in ("CapEff", "CapPrm", "CapBnd"):
                assert int(status(task.name, field), 16) == mask(HELD), (task.name, field)
            assert status(task.name, "NoNewPrivs") == "1"
        first = children(daemon.pid)
        assert len(first) == 1
        os.kill(first[0], signal.SIGKILL)
        until(lambda: has_call_sites(daemon, agent), 20 * SLOWER, "call sites")
        until(lambda: children(daemon.pid) not in ([], first) and
              status(children(daemon.pid)[0], "Seccomp") == "2", 20 * SLOWER, "another child")
        child = children(daemon.pid)[0]
        for field in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"):
            assert int(status(child, field), 16) == 0, field
        assert status(child, "Uid") == "65534"


@pytest.mark.parametrize("missing", USED)
def test_without_one(bpf, missing):
    """The others do what they can: a report with its call sites, or one line that says what lacks."""
    rest = [name for name in HELD if name != missing]
    try:
        daemon = Without(rest)
    except AssertionError as why:
        text = str(why)
        assert missing in ("bpf", "perfmon", "sys_admin", "setuid", "setgid"), text
        assert "exit 3" in text or "exit 1" in text, text
        assert re.search(r"CAP_|doctor|--unwind none", text), text
        return
    with daemon, Agent() as agent:
        assert int(status(daemon.pid, "CapEff"), 16) & mask([missing]) == 0
        until(lambda: has_call_sites(daemon, agent), 20 * SLOWER, "call sites")


def test_as_another_user(bpf):
    """No root anywhere: capabilities alone."""
    user = 61234
    names = ["bpf", "perfmon", "sys_admin", "sys_ptrace", "checkpoint_restore", "dac_read_search"]
    with Without(names, user=user) as daemon, Agent() as agent:
        assert status(daemon.pid, "Uid") == str(user)
        assert int(status(daemon.pid, "CapEff"), 16) == mask(names)
        until(lambda: has_call_sites(daemon, agent), 20 * SLOWER, "call sites")
