# SPDX-License-Identifier: BSD-2-Clause
"""Programs with less than root has: capabilities, another user, file systems that are not there; and
what the kernel says of them."""
import os
import pathlib
import re

NUMBERS = {"dac_read_search": 2, "kill": 5, "setgid": 6, "setuid": 7, "setpcap": 8,
           "net_bind_service": 10, "sys_chroot": 18, "sys_ptrace": 19, "sys_admin": 21,
           "sys_resource": 24, "perfmon": 38, "bpf": 39, "checkpoint_restore": 40}


def status(pid, field):
    return re.search(rf"^{field}:\s+(\S+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1]


def mask(names):
    return sum(1 << NUMBERS[name] for name in names)


# This machine may itself lack some, and none can be given that is not there.
HELD = [name for name in NUMBERS if int(status(os.getpid(), "CapPrm"), 16) & mask([name])]


def only(capabilities, user=0):
    """Words that make a program have these capabilities and no others."""
    names = ",".join("+" + name for name in capabilities)
    sets = f"-all,{names}" if names else "-all"
    words = ["setpriv", f"--bounding-set={sets}", f"--inh-caps={sets}"]
    if user:
        words += ["--reuid", str(user), "--regid", str(user), "--clear-groups",
                  f"--ambient-caps={sets}"]
    return words


def mounted(*commands):
    """Words that run a program in a mount namespace of its own, after these commands."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
            "\n".join([*commands, 'exec "$@"']), "sh"]
