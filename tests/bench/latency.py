# SPDX-License-Identifier: BSD-2-Clause
"""How long a program waits for its own mmap while somebody reads its memory map."""
import contextlib
import statistics
import threading
import time

from memprov import Daemon
from page import Section, table
from reports import target

SECONDS = 2
SIZES = [20_000, 64_000]


@contextlib.contextmanager
def again_and_again(function):
    """In a thread of its own."""
    stopping = threading.Event()

    def loop():
        while not stopping.is_set():
            function()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def read_smaps(pid, daemon):
    with open(f"/proc/{pid}/smaps", "rb", buffering=0) as smaps:
        while smaps.read(1 << 16):
            pass


def ask(pid, daemon):
    assert daemon.get("/debug/memory", pid=pid).status == 200


READERS = {"nobody": None, "read() of smaps": read_smaps, "memprov's reports": ask}


def measure(process, daemon, reader):
    """Median, 99th percentile and worst, in nanoseconds."""
    with contextlib.ExitStack() as stack:
        if reader:
            stack.enter_context(again_and_again(lambda: reader(process.pid, daemon)))
        process.tell("begin")
        time.sleep(SECONDS)
        process.tell("end")
        return tuple(map(int, process.line().split()))[1:]


def run(rounds):
    rows = []
    with Daemon() as daemon:
        for vmas in SIZES:
            measured = {}
            with target(vmas, 0) as process:
                for _ in range(rounds):
                    for name, reader in READERS.items():
                        measured.setdefault(name, []).append(measure(process, daemon, reader))
            rows += [[f"{vmas:,} VMAs, {name}",
                      *(f"{statistics.median(column) / 1000:,.1f}" for column in zip(*values)),
                      f"{max(worst for *_, worst in values) / 1000:,.1f}"]
                     for name, values in measured.items()]
    return [Section("The target's own mmap while it is read",
                    [f"1,000 a second for {SECONDS} s, while somebody reads without pause; µs; medians of {rounds} "
                     "rounds, and the worst of all.",
                     table(["process, reader", "median", "99 %", "worst", "worst of all"], rows)])], {}
