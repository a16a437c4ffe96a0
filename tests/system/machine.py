# SPDX-License-Identifier: BSD-2-Clause
"""What is the machine's, and not one test's: what it can do, its huge pages, and turns to change such things."""
import contextlib
import fcntl
import os
import pathlib
import re
import subprocess
import tempfile

from memprov import MEMPROV

HUGE = 2 << 20
NUMBER = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


def fexit_works():
    """Whether a daemon that may choose attaches by fexit here."""
    doctor = subprocess.run([MEMPROV, "doctor"], capture_output=True, text=True)
    return bool(re.search(r"attach backend +fexit", doctor.stdout))


@contextlib.contextmanager
def alone(what):
    """The plain and the sanitized tests run side by side: of those that change the same thing of the machine, one at
    a time."""
    with open(os.path.join(tempfile.gettempdir(), f"memprov-test-{what}.lock"), "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def add(n):
    with alone("huge-pages"):
        before = int(NUMBER.read_text())
        NUMBER.write_text(str(max(before + n, 0)))
        return int(NUMBER.read_text()) - before


@contextlib.contextmanager
def reserved(size):
    """Huge pages, given back at the end. Others may reserve some meanwhile, so what there was is not put back, but as
    much taken away as was added."""
    n = size // HUGE
    got = add(n)
    try:
        assert got >= n, f"of {n} huge pages the kernel found memory for {got}"
        yield
    finally:
        add(-got)
