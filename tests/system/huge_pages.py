# SPDX-License-Identifier: BSD-2-Clause
"""Huge pages of hugetlb for a test, given back at the end. Others may reserve some meanwhile, so what
there was is not put back, but as much taken away as was added."""
import contextlib
import pathlib

from memprov import alone

HUGE = 2 << 20
NUMBER = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


def add(n):
    before = int(NUMBER.read_text())
    NUMBER.write_text(str(max(before + n, 0)))
    return int(NUMBER.read_text()) - before


@contextlib.contextmanager
def reserved(size):
    n = size // HUGE
    with alone("huge-pages"):
        got = add(n)
        try:
            assert got >= n, f"of {n} huge pages the kernel found memory for {got}"
            yield
        finally:
            add(-got)
