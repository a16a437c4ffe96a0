# SPDX-License-Identifier: BSD-2-Clause
"""The symbolizer's children are processes that map memory, too: to unwind their stacks takes no further children, and
harms nothing that other processes are told."""
import contextlib
import os
import pathlib
import subprocess
import tempfile

import pytest

from memprov import MIB, Agent, Daemon, Target, family, functions, known_site, until

OF_CHILDREN = range(0x70000000, 0x70000000 + 0x0FFE0000)  # users: WIRE_IDS of user/wire/wire.h


def children(daemon):
    """The launcher's: pid and start time."""
    launcher = next(pid for pid in family(daemon) if pathlib.Path(f"/proc/{pid}/comm").read_text() == "memprov-launch\n")
    return {(pid, pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
            for pid in pathlib.Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()}


def domains():
    """Of all processes that are no symbolizer's child: which may be together (user/proc/domain.h), about."""
    found = set()
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = dict(line.split(":", 1) for line in (path / "status").read_text(errors="replace").splitlines())
            if int(status["Uid"].split()[1]) not in OF_CHILDREN:
                found.add((status["Uid"], status["Gid"], status["CapPrm"], os.readlink(path / "ns/mnt")))
    return found


def test_children_need_no_children(bpf):
    """Of two daemons, each of which sees the other's children: there are as many as there are domains."""
    with Daemon() as one, Daemon() as other, Agent() as agent:
        at = agent.map(MIB)
        agent.call("fill", at, MIB, 1)
        for daemon in (one, other):
            known_site(daemon, agent.pid, at)
        for _ in range(4):  # their stacks are wanted now; what a child needed, its child would need, too
            for daemon in (one, other):
                for pid in family(one) + family(other):
                    daemon.get("/debug/memory", pid=pid, format="json")
        for daemon in (one, other):
            assert 0 < len(children(daemon)) <= len(domains())
            # A daemon does look into its own.
            answers = [daemon.get("/debug/memory", pid=pid, format="json", all=1) for pid, _ in children(daemon)]
            sites = [site for answer in answers if answer.status == 200 for site in answer.json["callsites"]]
            assert any("main" in functions(site) or "_start" in functions(site) for site in sites), sites


MAPPER = """\
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	if (argc > 1 && chroot(argv[1]))
		return 1;
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF) {
		printf("%p\\n", mmap(0, 1 << 20, 3, 0x22, -1, 0));
		fflush(stdout);
	}
}
"""


@pytest.fixture
def mapper():
    """The program, as one that needs libc and as one that has it; where all may go."""
    with tempfile.TemporaryDirectory(prefix="memprov-mapper-") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        (directory / "mapper.c").write_text(MAPPER)
        for program, flags in (("dynamic", []), ("static", ["-static"])):
            subprocess.run(["gcc", "-g", "-O1", *flags, "-o", directory / program, directory / "mapper.c"], check=True)
        yield directory


def as_user(uid, *more):
    """Of whose domain there are no other processes."""
    return ["/usr/bin/setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", *more]


def names_of_mapping(daemon, target):
    assert target.line() == "ready"
    target.tell("")
    return functions(known_site(daemon, target.pid, int(target.line(), 16)))


FROM_A_DEBUG_FILE = "__libc_start_call_main"  # libc's symbol table has no such name


def test_what_a_child_cannot_find_below_its_own_root_others_have(bpf, mapper):
    """Its stacks are unwound by itself, and may be the first ones that run through libc."""
    user = as_user(4711)
    with Daemon() as daemon, Target(*user, f"{mapper}/static") as first, Target(*user, f"{mapper}/dynamic") as second:
        assert "main" in names_of_mapping(daemon, first)

        def is_unwound():
            """Each child's stacks; children of others' domains may end meanwhile."""
            answers = [daemon.get("/debug/memory", pid=pid, format="json", all=1) for pid, _ in children(daemon)]
            return all(any(len(site["stack"]) > 2 for site in answer.json["callsites"])
                       for answer in answers if answer.status == 200)

        until(is_unwound, "the children's own stacks")
        assert FROM_A_DEBUG_FILE in names_of_mapping(daemon, second)


def test_what_is_not_below_another_root_others_have(bpf, mapper):
    """Of two processes that differ in nothing but their root, the one without debug files is the first."""
    user = as_user(4712, "--inh-caps", "+sys_chroot", "--ambient-caps", "+sys_chroot")
    with Daemon() as daemon, Target(*user, f"{mapper}/dynamic", mapper) as first, \
            Target(*user, f"{mapper}/dynamic") as second:
        assert FROM_A_DEBUG_FILE not in names_of_mapping(daemon, first)
        assert FROM_A_DEBUG_FILE in names_of_mapping(daemon, second)
