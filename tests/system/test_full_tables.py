# SPDX-License-Identifier: BSD-2-Clause
"""Programs that fill what all share keep nothing from another one."""
import contextlib
import os
import shutil

import pytest

from memprov import WORKLOADS, Daemon, Target, functions
from test_fairness import NOBODY

LIMIT = "256M"  # of which call sites may have 20 MiB
PROGRAMS, MAPPINGS, DEPTH = 14, 1000, 100  # of greedy.c: 14 times 1.7 MB of call sites
QUIET = 2000  # of callsites.c: 0.3 MB


def copy_of(program, path):
    """Call sites of a file of another name are others."""
    shutil.copy(os.path.join(WORKLOADS, program), path)
    path.chmod(0o755)
    return str(path)


@pytest.mark.plain  # for the time that it takes
def test_a_user_s_call_sites_leave_room_for_another_s(bpf, tmp_path):
    """Programs of a user fill the table of call sites: another one's are all found."""
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(Daemon("--memory-limit", LIMIT))
        for i in range(PROGRAMS):
            greedy = stack.enter_context(
                Target(copy_of("greedy", tmp_path / f"greedy-{i}"), 16, MAPPINGS, DEPTH, MAPPINGS,
                       user=NOBODY, group=NOBODY, extra_groups=[]))
            assert greedy.line() == "ready"
            daemon.get("/debug/memory", pid=greedy.pid, top=1)
        assert daemon.metrics()['memprov_given_up_total{what="address_spaces"}'] > 0, "the table is not full"
        quiet = stack.enter_context(Target(copy_of("callsites", tmp_path / "quiet"), QUIET))
        assert quiet.line() == "ready"
        report = daemon.report(quiet.pid, all=1)
        assert len([site for site in report["callsites"] if "outer" in functions(site)]) == QUIET
