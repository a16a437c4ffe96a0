# SPDX-License-Identifier: BSD-2-Clause
"""The tracers that memprov is compared with: how each is started, and how it is known to trace."""
import json
import mmap
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from contest import DoesNotRun
from memprov import ROOT, Daemon

BENCH = ROOT / "build" / "bench"
CALLS = "mmap,munmap,mremap,brk,shmat,shmdt,prctl"
# What memprov attaches to.
EVENTS = ["sys_exit_mmap", "sys_enter_munmap", "sys_enter_mremap", "sys_exit_mremap", "sys_exit_brk",
          "sys_exit_shmat", "sys_enter_shmdt", "sys_exit_prctl"]

# The same data for the same calls, summed in the kernel. It cannot read a call's arguments at its exit.
BPFTRACE = """
tracepoint:syscalls:sys_enter_mmap { @length[tid] = args->len; }
tracepoint:syscalls:sys_exit_mmap /@length[tid]/ {
  if (args->ret > 0) { @mapped[pid, comm, ustack] = sum(@length[tid]); }
  delete(@length[tid]);
}
tracepoint:syscalls:sys_enter_munmap { @unmapped[pid] = sum(args->len); }
tracepoint:syscalls:sys_enter_mremap { @grown[tid] = args->new_len; }
tracepoint:syscalls:sys_exit_mremap /@grown[tid]/ {
  if (args->ret > 0) { @mapped[pid, comm, ustack] = sum(@grown[tid]); }
  delete(@grown[tid]);
}
tracepoint:syscalls:sys_exit_brk { @heap[pid, comm, ustack] = max(args->ret); }
tracepoint:syscalls:sys_exit_shmat { @attached[pid, comm, ustack] = count(); }
tracepoint:syscalls:sys_enter_shmdt { @detached[pid] = count(); }
tracepoint:syscalls:sys_exit_prctl { @prctl[pid, comm, ustack] = count(); }
"""


# --- when a tracer is ready ---------------------------------------------------------------------


def says(text):
    """It has written that."""
    def check(process, directory):
        return text in (directory / "log").read_text(errors="replace")
    return check


def programs_on_events():
    """The owners: a process id for each BPF program on a perf event."""
    shown = subprocess.run(["/usr/sbin/bpftool", "-j", "perf", "show"], capture_output=True)
    return [row["pid"] for row in json.loads(shown.stdout or "[]")]


def attached(n):
    """The kernel knows of so many programs on perf events of it."""
    def check(process, directory):
        return programs_on_events().count(process.pid) >= n
    return check


def acknowledges(process, directory):
    """perf: it is told to begin, and says that it has."""
    with open(directory / "control", "r+b", buffering=0) as control:
        control.write(b"enable\n")
        with open(directory / "ack", "rb", buffering=0) as ack:
            return ack.read(4).startswith(b"ack")


def sees_us(process, directory):
    """Calls of ours are in its output."""
    for _ in range(200):
        mmap.mmap(-1, mmap.PAGESIZE).close()
    return (directory / "out").exists() and (directory / "out").stat().st_size > 0


# --- the tracers --------------------------------------------------------------------------------


def complaint(text):
    """The first line that sounds like one, or the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    complaints = [line for line in lines if re.search("(?i)error|unable|cannot|denied|fail", line)]
    return (complaints or lines[-1:] or ["it says nothing"])[0]


class Peer:
    """start() begins to trace, until the stack is left, and returns what makes the command line of
    the program that is measured."""

    def __init__(self, name, package=None):
        self.name = name
        self.package = package

    def start(self, stack):
        return list


class Memprov(Peer):
    def __init__(self, name, *options):
        super().__init__(name)
        self.options = options

    def start(self, stack):
        stack.enter_context(Daemon(*self.options))
        return list


class Tracer(Peer):
    """Traces the whole node. In its arguments, @DIR@ is a directory of its own."""

    def __init__(self, name, package, argv, ready, fifos=()):
        super().__init__(name, package)
        self.argv, self.ready, self.fifos = argv, ready, fifos

    def start(self, stack):
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for fifo in self.fifos:
            os.mkfifo(directory / fifo)
        argv = [str(word).replace("@DIR@", str(directory)) for word in self.argv]
        if not shutil.which(argv[0]):
            raise DoesNotRun(f"{argv[0]} is not there")
        with open(directory / "log", "wb") as log:
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=log, stderr=log)
        stack.callback(self.stop, process)
        end = time.monotonic() + 30
        while not self.ready(process, directory):
            if process.poll() is not None or time.monotonic() > end:
                raise DoesNotRun(complaint((directory / "log").read_text(errors="replace")))
            time.sleep(0.05)
        return list

    @staticmethod
    def stop(process):
        process.send_signal(signal.SIGINT)
        process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Wrapper(Peer):
    """Starts what it traces, and traces nothing else."""

    def __init__(self, name, package, wrap):
        super().__init__(name, package)
        self.wrap = wrap

    def start(self, stack):
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        return lambda argv: self.wrap([str(word) for word in argv], directory)


def strace(argv, directory):
    return ["strace", "-f", "-e", "trace=memory", "-o", f"{directory}/out", *argv]


def memleak(argv, directory):
    return ["memleak-bpfcc", "-c", " ".join(argv), "1"]


def perf_record(name, *graph):
    events = ",".join(f"syscalls:{event}" for event in EVENTS)
    return Tracer(name, "linux-perf",
                  ["perf", "record", *graph, "-a", "-e", events, "-o", "@DIR@/out", "-D", "-1",
                   "--control", "fifo:@DIR@/control,@DIR@/ack"], acknowledges, ("control", "ack"))


NONE = Peer("none")
EMPTY = Tracer("empty program", None, [BENCH / "bench_empty"], says("ready"))
MEMPROV_NONE = Memprov("memprov --unwind none", "--unwind", "none")
MEMPROV_FP = Memprov("memprov --unwind fp", "--unwind", "fp")
MEMPROV = Memprov("memprov")  # cfi
TRACE_BPF = Tracer("bpftrace", "bpftrace", ["bpftrace", "-e", BPFTRACE],
                   attached(BPFTRACE.count("tracepoint:")))
RECORD = perf_record("perf record -g", "-g")
RECORD_COPIES = perf_record("perf record --call-graph dwarf", "--call-graph", "dwarf")
TRACE = Tracer("perf trace", "linux-perf", ["perf", "trace", "-a", "-e", CALLS, "-o", "@DIR@/out"],
               sees_us)
STRACE = Wrapper("strace -f -e trace=memory", "strace", strace)
MEMLEAK = Wrapper("memleak (bcc)", "bpfcc-tools", memleak)
OURS = [EMPTY, MEMPROV_NONE, MEMPROV_FP, MEMPROV]
OTHERS = [TRACE_BPF, RECORD, RECORD_COPIES, TRACE, STRACE, MEMLEAK]
