# SPDX-License-Identifier: BSD-2-Clause
"""What a pair of mmap and munmap costs more, and a system call that no memory tracer watches."""
import contextlib
import operator
import re

import peers
from contest import contest
from page import Goal, Section, ratio, show_ratio, table
from programs import BpfTime, output

# PAIRS and PAUSE_MS of bench_pairs. Every stack is copied up to 10,000 a second; paced is below that.
FULL_SPEED = 1000, 0
PACED = 100, 12

PEERS = [peers.NONE, *peers.OURS, *peers.OTHERS]
WITH_PROGRAMS = [peers.MEMPROV_NONE, peers.MEMPROV_FP, peers.MEMPROV, peers.TRACE_BPF]


def ns(argv):
    return float(re.search(r"([\d.]+) ns for", output(argv))[1])


def measure(wrap):
    return {"pair": ns(wrap([peers.BENCH / "bench_pairs", *FULL_SPEED])),
            "paced": ns(wrap([peers.BENCH / "bench_pairs", *PACED])),
            "unrelated": ns(wrap([peers.BENCH / "bench_syscall"]))}


def program_times(refused):
    """What the programs themselves take of it, by the kernel's own clock."""
    rows = []
    for peer in WITH_PROGRAMS:
        if peer.name in refused:
            continue
        with contextlib.ExitStack() as stack:
            wrap = peer.start(stack)
            with BpfTime() as time:
                output(wrap([peers.BENCH / "bench_pairs", *PACED]))
                ran = time.programs()
        rows += [[peer.name, name, runs, f"{per_run:,.0f}"]
                 for name, (runs, per_run) in sorted(ran.items(), key=lambda row: -row[1][0])
                 if re.search("mmap|munmap", name)]
    return table(["peer", "program", "runs", "ns a run"], rows)


def run(rounds):
    results = contest(PEERS, rounds, measure)

    def added(peer, figure):
        return results.against(peer, "none", figure, operator.sub)

    def against(peer, base, figure):
        if base in results.refused:
            return None
        return ratio(added(peer, figure), added(base, figure))

    bpftrace = peers.TRACE_BPF.name

    def row(peer, figure, base):
        return [f"{results.median(peer, figure):,.0f}", f"{results.spread(peer, figure):.0%}",
                *(["", ""] if peer == "none" else
                  [f"{added(peer, figure):,.0f}", show_ratio(against(peer, base, figure))])]

    columns = ["ns", "spread", "added", f"× {bpftrace}'s"]
    pairs = table(["tracer", *columns, *(f"paced: {c}" for c in columns)],
                  [[p, *row(p, "pair", bpftrace), *row(p, "paced", bpftrace)]
                   for p in results.peers()])
    unrelated = table(["tracer", "ns", "spread", "added", "× empty program's"],
                      [[p, *row(p, "unrelated", peers.EMPTY.name)] for p in results.peers()])

    def goal(what, limit, peer, base, figure):
        if base.name in results.refused:
            return []
        return [Goal(what, limit, against(peer.name, base.name, figure))]

    return [Section(
        "A pair of mmap and munmap",
        [f"1 MiB, untouched, 16 frames deep; the median of {rounds} rounds, and how far they lie apart. At full "
         "speed memprov copies no more than 10,000 stacks a second on a CPU and takes frame pointers of the rest; "
         "paced (8,000 pairs a second) it copies them all.",
         pairs, "What the BPF programs take of that, paced (`kernel.bpf_stats_enabled`):",
         program_times(results.refused)],
        [*goal("a pair, frame pointers, against bpftrace", 0.6, peers.MEMPROV_FP, peers.TRACE_BPF, "pair"),
         *goal("a pair, frame pointers, against perf record -g", 0.25, peers.MEMPROV_FP, peers.RECORD, "pair"),
         *goal("a pair, stack copied, against bpftrace", 1.0, peers.MEMPROV, peers.TRACE_BPF, "paced")]),
        Section(
        "A system call that is none of its business",
        ["getppid. The empty program is one that returns 0, on one syscall tracepoint that no call reaches; the others "
         "have some at the beginning of calls and some at their end.",
         unrelated],
        [*goal("getppid, against an empty program", 1.1, peers.MEMPROV, peers.EMPTY, "unrelated"),
         *goal("getppid, against bpftrace", 1.1, peers.MEMPROV, peers.TRACE_BPF, "unrelated")]),
    ], results.refused
