# SPDX-License-Identifier: BSD-2-Clause
"""What the sampler pays for a process, against reading its smaps."""
import re

import peers
from page import Goal, Section, table
from programs import output
from reports import SPARE_MIB, available_mib, target

SIZES = [(200, 0), (20_000, 0), (64_000, 0), (200, 8192)]
MANY = 20_000
PROGRAM = peers.BENCH / "bench_sample"


def run(rounds):
    rows, goals = [], []
    for vmas, mib in SIZES if PROGRAM.exists() else []:
        if available_mib() < mib + SPARE_MIB:
            continue
        what = f"{vmas:,} VMAs" + (f", {mib >> 10} GiB resident" if mib else "")
        with target(vmas, mib) as process:
            smaps, sample, with_pss, ratio, ratio_with_pss = map(float, re.search(
                r"smaps ([\d.]+) ms, sample ([\d.]+) ms \(with PSS ([\d.]+) ms\), "
                r"ratio ([\d.]+) \(with PSS ([\d.]+)\)",
                output([PROGRAM, process.pid])).groups())
        rows.append([what, smaps, sample, f"{ratio:.2f}", with_pss, f"{ratio_with_pss:.2f}"])
        if vmas >= MANY:
            goals.append(Goal(f"a sample of {what}, against reading smaps", 0.4, ratio))
    if not rows:
        return [], {}
    return [Section("The sample", ["CPU time, ms; medians of 11.", table(
        ["process", "read() of smaps", "sample", "ratio", "sample with PSS", "ratio"], rows)],
        goals)], {}
