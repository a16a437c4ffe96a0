# SPDX-License-Identifier: BSD-2-Clause
"""The processes that unwind, as /proc shows them."""
import os

from memprov import MIB, Agent, family, open_files, until


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
