# SPDX-License-Identifier: BSD-2-Clause
"""Running what is measured, and looking at what runs."""
import json
import pathlib
import subprocess
import tempfile

from contest import DoesNotRun
from peers import complaint

HOT_SPOTS = 15  # lines of a profile


def output(argv, **options):
    """What it prints. Programs that are measured work; one that does not was kept from it by its tracer."""
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, **options)
    if done.returncode:
        raise DoesNotRun(complaint(done.stdout + done.stderr))
    return done.stdout


def cpu_ns(pid):
    """CPU time of a process's living threads, to the nanosecond."""
    return sum(int(path.read_text().split()[0])
               for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))


def hot_spots(pid, seconds):
    """Where a process spends its CPU time, as perf sees it."""
    with tempfile.TemporaryDirectory() as directory:
        data = f"{directory}/perf.data"
        subprocess.run(["perf", "record", "-q", "-F", "997", "-e", "cpu-clock", "-p", str(pid),
                        "-o", data, "--", "sleep", str(seconds)], capture_output=True)
        shown = subprocess.run(["perf", "report", "-i", data, "--stdio", "-q", "--sort",
                                "dso,symbol", "--percent-limit", "1"], capture_output=True, text=True)
    lines = [line.rstrip(" -") for line in shown.stdout.splitlines() if line.strip()]
    return "\n".join(lines[:HOT_SPOTS])


class BpfTime:
    """How long BPF programs run, by name: {name: (runs, ns a run)} of what ran inside the block."""
    SWITCH = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")

    def __enter__(self):
        self.was = self.SWITCH.read_text()
        self.SWITCH.write_text("1")
        return self

    def __exit__(self, *what):
        self.SWITCH.write_text(self.was)

    @staticmethod
    def programs():
        shown = json.loads(subprocess.run(["/usr/sbin/bpftool", "-j", "prog", "show"],
                                          capture_output=True, check=True).stdout)
        return {row["name"]: (row["run_cnt"], row["run_time_ns"] / row["run_cnt"])
                for row in shown if row.get("run_cnt")}
