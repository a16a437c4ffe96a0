# SPDX-License-Identifier: BSD-2-Clause
"""The symbolizer's children are processes that map memory, too: to unwind their stacks takes no further children."""
import pathlib

from memprov import MIB, Agent, Daemon, family, functions


def children(daemon):
    """The launcher's: pid and start time."""
    launcher = next(pid for pid in family(daemon) if pathlib.Path(f"/proc/{pid}/comm").read_text() == "memprov-launch\n")
    return {(pid, pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
            for pid in pathlib.Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()}


def test_children_need_no_children(bpf):
    """Of two daemons, each of which sees the other's children: there are as many as there are domains."""
    with Daemon() as one, Daemon() as other, Agent() as agent:
        at = agent.map(MIB)
        agent.call("fill", at, MIB, 1)
        for daemon in (one, other):
            assert any("main" in functions(site) for site in daemon.report(agent.pid, all=1)["callsites"])
        before = {daemon: children(daemon) for daemon in (one, other)}
        for daemon in (one, other):
            assert before[daemon]
            for pid, _ in before[one] | before[other]:  # their stacks are wanted now
                assert daemon.get("/debug/memory", pid=pid, format="json").status == 200
        for daemon in (one, other):
            assert children(daemon) == before[daemon]
            # A daemon does look into its own.
            sites = [site for pid, _ in before[daemon] for site in daemon.report(int(pid), all=1)["callsites"]]
            assert any("main" in functions(site) or "_start" in functions(site) for site in sites), sites
