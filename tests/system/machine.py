# SPDX-License-Identifier: BSD-2-Clause
"""What is the machine's, and not one test's: what it can do, and its huge pages."""
import contextlib
import pathlib
import re
import subprocess

from memprov import MEMPROV

HUGE = 2 << 20
NUMBER = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


def fexit_works():
    """Whether a daemon that may choose attaches by fexit here."""
    doctor = subprocess.run([MEMPROV, "doctor"], capture_output=True, text=True)
    return bool(re.search(r"attach backend +fexit", doctor.stdout))


def add(n):
    before = int(NUMBER.read_text())
    NUMBER.write_text(str(max(before + n, 0)))
    return int(NUMBER.read_text()) - before


@contextlib.contextmanager
def reserved(size):
    """Huge pages, given back at the end: as many as were added, because a test may reserve some while another one of its
    fixtures has some."""
    n = size // HUGE
    got = add(n)
    try:
        assert got >= n, f"of {n} huge pages the kernel found memory for {got}"
        yield
    finally:
        add(-got)
