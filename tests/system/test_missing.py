# SPDX-License-Identifier: BSD-2-Clause
"""What is not there: one line says what, and what to do; and the best report that there can be is given."""
import contextlib
import json
import re
import subprocess

import pytest

from confine import HELD, mounted, only
from machine import fexit_works
from memprov import HANG, MEMPROV, Agent, Daemon, NotStarted, check_sums, smaps
from test_access import get_as_nobody

USER = 61234
NO_TRACEFS = [*mounted("mount -t tmpfs none /sys/kernel/tracing", "mount -t tmpfs none /sys/kernel/debug"),
              *only(name for name in HELD if name != "sys_admin")]
NO_BTF = mounted("mount -t tmpfs none /sys/kernel/btf")
DOCTOR = ("; 'memprov doctor' says what is missing, and 'memprov show PID' reports without "
          "tracing\n")
HIDDEN = mounted("mount -t proc -o hidepid=2 proc /proc")
WARNING = ("memprov: warning: /proc is mounted with hidepid, and CAP_SYS_PTRACE is missing: reports "
           "have only this user's processes\n")
BPF = ["bpf", "perfmon", "sys_admin", "checkpoint_restore", "dac_read_search"]


def run(prefix, *args):
    return subprocess.run([*prefix, MEMPROV, *map(str, args)], capture_output=True, text=True,
                          timeout=HANG)


def doctor_line(prefix, name):
    done = run(prefix, "doctor")
    row = re.search(rf"^(yes|no) +{re.escape(name)} +(.*)\n(?: +means: +(.*)\n)?", done.stdout, re.M)
    return done.returncode, row[1], row[2], row[3]


@pytest.mark.parametrize("prefix, why", [
    (NO_TRACEFS, "tracefs is not mounted at /sys/kernel/tracing, and cannot be (Operation not "
                 "permitted): it takes CAP_SYS_ADMIN"),
    (NO_BTF, "the kernel's types (BTF) are not at /sys/kernel/btf/vmlinux (No such file or "
             "directory): it takes a kernel with CONFIG_DEBUG_INFO_BTF=y, and in a container the "
             "host's /sys")], ids=["tracefs", "BTF"])
def test_no_tracing(bpf, tmp_path, prefix, why):
    line = f"memprov: cannot trace: {why}{DOCTOR}"
    with pytest.raises(NotStarted) as refused:
        Daemon("--backend", "tracepoint", prefix=prefix)
    assert (refused.value.code, refused.value.stderr) == (3, line)
    done = run(prefix, "run", "--backend", "tracepoint", "--", "touch", tmp_path / "ran")
    assert (done.returncode, done.stderr) == (3, line)
    assert not (tmp_path / "ran").exists()
    # The amounts come from smaps alone.
    with Agent() as agent:
        done = run(prefix, "show", agent.pid, "--format", "json", "--all", "--socket", "/nowhere")
        report = json.loads(done.stdout)
        check_sums(report)
        assert report["totals"]["rss"] == sum(vma.rss for vma in smaps(agent.pid)) > 0
        assert report["tracing"]["state"] == "off"


def test_doctor_says_so(bpf):
    code, have, detail, means = doctor_line(NO_BTF, "BTF")
    assert (code, have) == (3, "no") and "No such file" in detail and "no tracing" in means
    code, have, detail, means = doctor_line(NO_TRACEFS, "tracefs")
    assert have == "no" and "neither be mounted" in detail and "no tracing" in means
    # Unless there is fexit, to which tracefs does not matter.
    assert code == (0 if fexit_works() else 3)
    code, have, detail, means = doctor_line([*HIDDEN, *only(BPF, user=USER)], "whole /proc")
    assert (have, detail) == ("no", "/proc is mounted with hidepid") and "hidden" in means
    assert doctor_line([*HIDDEN, *only([*BPF, "sys_ptrace"], user=USER)], "whole /proc")[1] == "yes"


@contextlib.contextmanager
def sleeper(user):
    with subprocess.Popen(["/bin/sleep", "1000"], user=user, group=user, extra_groups=[]) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def test_hidepid(bpf):
    """A daemon that may ptrace sees everything all the same."""
    with Daemon(prefix=[*HIDDEN, *only([*BPF, "sys_ptrace"], user=USER)], user=USER) as daemon, \
            sleeper(0) as others:
        assert daemon.stderr() == ""
        assert daemon.report(others)["totals"]["rss"] > 0


def test_hidepid_hides_in_answers_too(bpf):
    """Whether a process is there is what /proc keeps from other users."""
    prefix = [*HIDDEN, *only([*BPF, "sys_ptrace"], user=USER)]
    with Daemon(prefix=prefix, user=USER) as daemon, sleeper(0) as others, sleeper(65534) as own:
        with subprocess.Popen(["true"]) as gone:
            gone.wait()
        assert get_as_nobody(daemon, f"/debug/memory?pid={own}")[0] == 200
        status, body = get_as_nobody(daemon, f"/debug/memory?pid={gone.pid}")
        assert status == 404
        assert (status, body.replace(str(gone.pid), str(others))) == \
            get_as_nobody(daemon, f"/debug/memory?pid={others}")


def test_hidepid_without_ptrace(bpf):
    """Of what is hidden nothing is known; what is this user's is reported as ever."""
    with Daemon(prefix=[*HIDDEN, *only(BPF, user=USER)], user=USER) as daemon, \
            sleeper(USER) as own, sleeper(0) as others:
        assert daemon.stderr() == WARNING
        report = daemon.report(own, all=1)
        check_sums(report)
        assert report["tracing"]["state"] == "complete" and report["coverage"]["attributed"] > 0
        answer = daemon.get("/debug/memory", pid=others)
        assert (answer.status, answer.text) == (404, (
            f"there is no process {others}, or it has no memory (a zombie, a kernel thread), or it "
            "is hidden: the daemon lacks CAP_SYS_PTRACE, and /proc is mounted with hidepid\n"))
        rows = daemon.get("/debug/memory/processes", format="json", all=1).json["processes"]
        pids = {row["pid"] for row in rows}
        assert own in pids and others not in pids and 1 not in pids
        done = run([*HIDDEN, *only(["dac_read_search"], user=USER)], "show", others, "--socket", "/nowhere")
        assert (done.returncode, done.stderr) == (1, (
            f"memprov: there is no process {others}, or it has no memory (a zombie, a kernel "
            "thread), or it is hidden: /proc is mounted with hidepid, and this takes root, or "
            "CAP_SYS_PTRACE\n"))
