# SPDX-License-Identifier: BSD-2-Clause
"""The daemon's own processes, as /proc shows them: those that unwind, what starts them, what opens pagemaps."""
import os

from memprov import MIB, Agent, child_named, family, open_files, until


def launcher_of(daemon):
    return child_named(daemon, "memprov-launch")


def pagemap_server(daemon):
    return child_named(daemon, "memprov-pagemap")


def symbolizer(daemon, agent):
    """The process that unwinds the agent's stacks, and those of others that may do what it may: it has
    the agent's program open once there has been one to unwind."""
    def found():
        with Agent() as other:  # known stacks need no symbolizer
            other.map(MIB)
            daemon.report(other.pid)
        program = os.readlink(f"/proc/{agent.pid}/exe")
        return [pid for pid in family(daemon)[2:] if program in open_files(pid)]

    child, = until(found, "a symbolizer")
    return child
