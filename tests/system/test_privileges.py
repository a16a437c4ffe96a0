# SPDX-License-Identifier: BSD-2-Clause
"""What the daemon keeps of its privileges, and what it does without each."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from confine import HELD, mask, mounted, only, status
from memprov import (MEMPROV, MIB, ROOT, Agent, Daemon, NotStarted, check_sums, children, region_at, stopped, until)
from symbolizers import launcher_of, pagemap_server, symbolizer

# As user/tracer/privilege.c has them.
OF_DAEMON = ["bpf", "sys_ptrace", "checkpoint_restore", "dac_read_search"]
OF_LAUNCHER = ["sys_admin", "setuid", "setgid", "setpcap", "sys_chroot", "kill"]
OF_PAGEMAP_SERVER = ["sys_admin", "sys_ptrace", "dac_read_search"]
# Where one is missing, another one does some of its work.
STANDS_IN = {"bpf": "sys_admin", "checkpoint_restore": "sys_admin", "sys_ptrace": "perfmon"}
NOBODY = 65534
OWN_USERS = range(0x70000000, 0x7FFE0000)


def all_but(*missing):
    return [name for name in HELD if name not in missing]


def caps(pid, field="CapEff"):
    return int(status(pid, field), 16)


def doctor(*prefix):
    """Its lines for capabilities: {"CAP_BPF": (have it, what it is for, what breaks without), …}"""
    out = subprocess.run([*prefix, MEMPROV, "doctor"], capture_output=True, text=True).stdout
    rows = re.findall(r"^(yes|no) +(CAP_\w+) +(.*)\n(?: +means: +(.*)\n)?", out, re.M)
    return {name: (have == "yes", use, means) for have, name, use, means in rows}


def can_scan():
    """Else the zero page takes CAP_SYS_ADMIN."""
    out = subprocess.run([MEMPROV, "doctor"], capture_output=True, text=True).stdout
    return bool(re.search(r"^yes +PAGEMAP_SCAN", out, re.M))


def kept(missing=None):
    """What the running daemon has when that one is missing."""
    names = {*OF_DAEMON, STANDS_IN.get(missing), None if can_scan() else "sys_admin"} - {None}
    return mask(name for name in names if name in HELD and name != missing)


def call_site(daemon, agent, named=True):
    """Of a new mapping, with the names of its functions if they are to be had. On a machine with much
    to do a stack may be left out for good, because others have more of them than the unwinder's queue
    holds, or be given up for taking too long; so each try has a mapping of its own."""
    known = {}

    def is_known():
        start = agent.map(8 * MIB)
        report = daemon.report(agent.pid, all=1)
        check_sums(report)
        number = region_at(report, start)["callsite"]
        known.update({site["id"]: site for site in report["callsites"]}, id=number)
        return number and (not named or functions(known[number])[0] == "syscall")

    until(is_known, "a call site")
    return known[known["id"]]


def functions(site):
    return [frame["function"] for frame in site["stack"]]


@pytest.mark.plain
def test_only_what_is_used_is_kept(bpf):
    """In every thread, for good; and the child that parses hostile files has none at all, also the
    one that takes its place."""
    with Daemon() as daemon, Agent() as agent:
        for task in pathlib.Path(f"/proc/{daemon.pid}/task").iterdir():
            for field in ("CapEff", "CapPrm", "CapBnd"):
                assert caps(task.name, field) == kept(), (task.name, field)
            assert caps(task.name, "CapInh") == 0
            assert status(task.name, "NoNewPrivs") == "1"
        launcher = launcher_of(daemon)
        opener = pagemap_server(daemon)
        for pid, names in ((launcher, OF_LAUNCHER), (opener, OF_PAGEMAP_SERVER)):
            for field in ("CapEff", "CapPrm", "CapBnd"):
                assert caps(pid, field) == mask(n for n in names if n in HELD), (pid, field)
            assert status(pid, "NoNewPrivs") == "1"
        first = symbolizer(daemon, agent)
        os.kill(first, signal.SIGKILL)
        until(lambda: first not in children(launcher), "its end")
        child = symbolizer(daemon, agent)
        assert launcher_of(daemon) == launcher
        until(lambda: status(child, "Seccomp") == "2", "its filter")
        for field in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"):
            assert caps(child, field) == 0, field
        assert int(status(child, "Uid")) in OWN_USERS
        pids = (launcher, child, opener)
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "all to be gone")


def test_no_process_outlives_a_killed_daemon(bpf):
    daemon = Daemon()
    with Agent() as agent:
        pids = [symbolizer(daemon, agent), launcher_of(daemon), pagemap_server(daemon)]
    daemon.kill()
    # Another process reaps an orphan: it may stay as a zombie.
    until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids), "all to be gone")


def says(daemon, words):
    """Readiness, metrics and the log about the launcher: it serves, unless there are words."""
    ready = daemon.get("/readyz")
    return ((ready.status, words in ready.text) == (503, True) if words else ready.status == 200) and \
        daemon.metrics()["memprov_symbolizer_launcher_up"] == (not words) and words in daemon.stderr()


def test_a_launcher_that_was_killed(bpf):
    """Then no symbolizer is started any more, which is said, and all the rest goes on."""
    with Daemon() as daemon, Agent() as agent:
        launcher = launcher_of(daemon)
        started = children(launcher)
        os.kill(launcher, signal.SIGKILL)
        for symbolizer in started:
            os.kill(symbolizer, signal.SIGKILL)
        frame = call_site(daemon, agent, named=False)["stack"][0]
        assert frame["function"] is None and "libc" in frame["module"] and frame["offset"]
        until(lambda: says(daemon, "the launcher has ended"), "the daemon to say so")
        assert daemon.stderr().count("launcher") == 1


def test_a_launcher_that_does_not_answer(bpf):
    """Call sites are module and offset while it does not, at once but for the first, and have names when it does."""
    with Daemon() as daemon, Agent() as agent:
        launcher = launcher_of(daemon)
        with stopped(launcher):
            for symbolizer in children(launcher):
                os.kill(symbolizer, signal.SIGKILL)
            frame = call_site(daemon, agent, named=False)["stack"][0]
            assert frame["function"] is None and "libc" in frame["module"] and frame["offset"]
            until(lambda: says(daemon, "the launcher does not answer"), "the daemon to say so")
        call_site(daemon, agent)
        until(lambda: says(daemon, ""), "the daemon to be ready again")


@pytest.mark.parametrize("missing", HELD)
def test_without_one(bpf, missing):
    """The others do what they can."""
    # Without CAP_SYS_ADMIN tracefs must be there.
    tracefs = mounted("mountpoint -q /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing")
    with Daemon(prefix=[*tracefs, *only(all_but(missing))]) as daemon, Agent() as agent:
        assert caps(daemon.pid) == kept(missing)
        if missing == "sys_ptrace" and not perfmon_reads(agent.pid):
            answer = daemon.get("/debug/memory", pid=agent.pid)
            assert (answer.status, answer.text) == (403, not_allowed(agent.pid))
            return
        # Its libraries cannot be opened, or no child reads them.
        nameless = missing in ("sys_ptrace", "setuid", "setgid")
        site = call_site(daemon, agent, named=not nameless)
        assert not nameless or set(functions(site)) == {None}


def perfmon_reads(pid):
    """Since Linux 6.14."""
    return not subprocess.run([*only(["perfmon"]), "grep", "-q", "Rss", f"/proc/{pid}/smaps"],
                              stderr=subprocess.DEVNULL).returncode


def not_allowed(pid):
    return (f"not allowed to read process {pid}: the daemon lacks the right to ptrace it "
            "(Permission denied)\n")


def test_without_any_that_reads_others(bpf):
    """CAP_SYS_ADMIN would, too, and is given up."""
    with Daemon(prefix=only(all_but("sys_ptrace", "perfmon"))) as daemon, Agent() as agent:
        answer = daemon.get("/debug/memory", pid=agent.pid)
        assert (answer.status, answer.text) == (403, not_allowed(agent.pid))
        report = daemon.report("self", all=1)
        check_sums(report)
        assert report["totals"]["rss"] > MIB


@pytest.mark.plain
@pytest.mark.parametrize("missing", [["bpf", "sys_admin"], ["perfmon", "sys_admin"]],
                         ids=lambda names: "+".join(names))
def test_without_tracing(bpf, missing):
    """One line that says what lacks; and reports from smaps."""
    with pytest.raises(NotStarted) as refused:
        Daemon(prefix=only(all_but(*missing)))
    assert refused.value.code == 3
    assert refused.value.stderr == (
        "memprov: cannot trace: the kernel does not load BPF programs for us (Operation not "
        "permitted): it takes root, or CAP_BPF and CAP_PERFMON; 'memprov doctor' says what is "
        "missing, and 'memprov show PID' reports without tracing\n")
    out = subprocess.run([*only(all_but(*missing)), MEMPROV, "show", "--socket", "/nowhere"],
                         capture_output=True, text=True)
    assert out.returncode == 0 and "=== Totals ===" in out.stdout
    assert re.search("^No call sites: ", out.stdout, re.M)


def test_as_another_user(bpf):
    """No root anywhere: capabilities alone."""
    user = 61234
    names = [*OF_DAEMON, "perfmon", "sys_admin"]
    with Daemon(prefix=only(names, user=user), user=user) as daemon, Agent() as agent:
        assert status(daemon.pid, "Uid") == str(user)
        assert caps(daemon.pid) == kept()
        call_site(daemon, agent)


def test_file_capabilities(bpf, tmp_path):
    """As the user nobody, by the file's capabilities: with the very command of docs/privileges.md."""
    command = re.search(r"^ +(setcap .*)$", (ROOT / "docs" / "privileges.md").read_text(), re.M)[1]
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    program = shutil.copy(MEMPROV, tmp_path / "memprov")
    program.chmod(0o755)
    subprocess.run(["sh", "-ec", f"PATH=$PATH:/sbin:/usr/sbin; {command}"], cwd=tmp_path, check=True)
    user = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    with Daemon(prefix=user, user=NOBODY, program=program) as daemon, Agent() as agent:
        assert status(daemon.pid, "Uid") == str(NOBODY)
        assert caps(daemon.pid) == kept()
        launcher = launcher_of(daemon)
        assert caps(launcher) == 0
        call_site(daemon, agent)
        assert status(children(launcher)[0], "Seccomp") == "2"


def test_doctor_and_the_documents_say_the_same():
    """The table in the code, that in docs/privileges.md and that in the README."""
    none, table = doctor(*only([])), {}
    assert all(not have and means for have, _, means in none.values())
    documents = (ROOT / "docs" / "privileges.md").read_text()
    for name, use, means in re.findall(r"^\| (CAP_\w+) \| (.*?) \| .*? \| (.*) \|$", documents, re.M):
        table[name] = (False, use, means)
    assert none == table
    readme = (ROOT / "README.md").read_text()
    assert set(re.findall(r"^\| (CAP_\w+) \|", readme, re.M)) == set(table)
    here = doctor()
    assert {name for name, row in here.items() if row[0]} == {"CAP_" + n.upper() for n in HELD}
