# SPDX-License-Identifier: BSD-2-Clause
"""Answers for the page that no machine at hand gives: of very many processes and call sites."""
import json

from memprov import MIB


class Answers:
    """The page gets made-up answers for what begins with these paths."""

    def __init__(self, page, answers):
        self.driver = page.driver
        self.id = self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": """
            const answers = %s, real = fetch;
            window.fetch = (path, ...more) => {
              const found = Object.keys(answers).find((start) => path.startsWith(start));
              return found ? Promise.resolve(new Response(answers[found])) : real(path, ...more);
            };""" % json.dumps({start: json.dumps(answer) for start, answer in answers.items()})})["identifier"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": self.id})


def many_processes(n):
    return {"schema": 1, "taken_at": "2026-11-27T09:00:00Z", "unreadable_processes": 0,
            "trend": {"step_ms": 180000, "node": None},
            "processes": [{"pid": 1000 + i, "comm": f"worker-{i}", "rss": (n - i) * MIB, "pss": MIB, "swap": 0,
                           "growth": 0, "largest_name": None, "container": None,
                           "trend": [(n - i) * MIB + j for j in range(20)]} for i in range(n)]}


def many_sites(report, n):
    """A report with n call sites of 30 frames each."""
    def frame(i, j):
        return {"function": f"function_{i if j < 20 else 0}_{j}", "file": None, "line": 0, "inlined": False,
                "module": "/usr/bin/many", "build_id": "ab", "offset": hex(0x1000 + i * 64 + j)}

    sites = [{"id": i + 1, "rss": (n - i) << 12, "mapped": 1 << 20, "regions": 1, "total_mapped": 1, "total_unmapped": 0,
              "first_seen": report["taken_at"], "last_seen": report["taken_at"], "owner": None, "stack_source": "cfi",
              "truncated": False, "stack": [frame(i, j) for j in range(30)]} for i in range(n)]
    return {**report, "callsites": sites}


def many_stacks(report, n):
    frames, stacks = [], []
    for i in range(n):
        stacks.append({"frames": [0, *range(len(frames) + 1, len(frames) + 30)], "bytes": [[0, (n - i) << 12, 1 << 20]]})
        frames += [{"function": f"function_{i}_{j}", "module": "/usr/bin/many"} for j in range(30)]
    return {"schema": 1, "taken_at": report["taken_at"], "pid": report["pid"], "comm": "many", "by": "map",
            "totals": report["totals"], "classes": ["heap"], "frames": frames, "stacks": stacks, "touched": []}
