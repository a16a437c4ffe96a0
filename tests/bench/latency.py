# SPDX-License-Identifier: BSD-2-Clause
"""How long a program waits for its own mmap while another process reads its memory map."""
import contextlib
import statistics
import subprocess
import threading
import time

import peers
from memprov import Daemon
from page import Goal, Section, table
from reports import SPARE_MIB, available_mib, target

SECONDS = 4
EVERY_SECONDS = 0.1  # a report, where they are not made without pause
SIZES = [(20_000, 0), (64_000, 0), (44, 8192)]


@contextlib.contextmanager
def again_and_again(function, every=0):
    """In a thread of its own; every so many seconds, or without a pause."""
    stopping = threading.Event()

    def loop():
        while not stopping.is_set():
            began = time.monotonic()
            function()
            stopping.wait(max(0, began + every - time.monotonic()))

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def read_smaps(pid):
    with open(f"/proc/{pid}/smaps", "rb", buffering=0) as smaps:
        while smaps.read(1 << 16):
            pass


@contextlib.contextmanager
def samples(pid):
    process = subprocess.Popen([peers.BENCH / "bench_sample", str(pid), "forever"])
    try:
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


READERS = {
    "no reader": lambda pid, daemon: contextlib.nullcontext(),
    "read() of smaps": lambda pid, daemon: again_and_again(lambda: read_smaps(pid)),
    "memprov's reports": lambda pid, daemon: again_and_again(lambda: daemon.text(pid)),
    "ten reports a second": lambda pid, daemon: again_and_again(lambda: daemon.text(pid), EVERY_SECONDS),
    "memprov's samples": lambda pid, daemon: samples(pid),
}


def measure(process, daemon, reader):
    """Median, 99th and 99.9th percentile and worst, in nanoseconds."""
    with reader(process.pid, daemon):
        process.tell("begin")
        time.sleep(SECONDS)
        process.tell("end")
        return tuple(map(int, process.line().split()))[1:]


def run(rounds):
    rows, goals = [], []
    with Daemon() as daemon:
        for vmas, mib in SIZES:
            if available_mib() < mib + SPARE_MIB:
                continue
            what, measured = f"{vmas:,} VMAs" + (f", {mib >> 10} GiB resident" if mib else ""), {}
            with target(vmas, mib) as process:
                for _ in range(rounds):
                    for name, reader in READERS.items():
                        measured.setdefault(name, []).append(measure(process, daemon, reader))
            rows += [[f"{what}: {name}",
                      *(f"{statistics.median(column) / 1000:,.1f}" for column in zip(*values)),
                      f"{max(worst for *_, worst in values) / 1000:,.1f}"]
                     for name, values in measured.items()]
            _, p99, p999, _ = (statistics.median(column) / 1e6 for column in zip(*measured["ten reports a second"]))
            goals += [Goal(f"mmap, {what}, ten reports a second: 99 %", 0.3, p99, "{:.2f} ms"),
                      Goal(f"mmap, {what}, ten reports a second: 99.9 %", 1.0, p999, "{:.2f} ms")]
    return [Section("The target's own mmap while it is read",
                    [f"1,000 a second for {SECONDS} s, while its map is read without pause; µs; medians of {rounds} "
                     "rounds, and the worst of all.",
                     table(["process, reader", "median", "99 %", "99.9 %", "worst", "worst of all"], rows)], goals)], {}
