# SPDX-License-Identifier: BSD-2-Clause
"""The page that a run makes, in Markdown."""
import dataclasses
import datetime
import os
import pathlib
import platform
import re
import subprocess


@dataclasses.dataclass
class Goal:
    what: str
    limit: float
    value: float | None  # None: what it is measured against is lost in the noise
    form: str = "{:.2f} ×"

    @property
    def reached(self):
        return self.value is not None and self.value <= self.limit

    def row(self):
        limit = "≤ " + self.form.format(self.limit)
        if self.value is None:
            return [self.what, limit, "-", "not to be measured"]
        return [self.what, limit, self.form.format(self.value), "yes" if self.reached else "**no**"]


def ratio(ours, theirs):
    """None: nothing can be said, because the others' part is not above zero."""
    return ours / theirs if theirs > 0 else None


def show_ratio(value):
    return "-" if value is None else f"{value:.2f}"


@dataclasses.dataclass
class Section:
    title: str
    body: list  # paragraphs, tables, listings
    goals: list = dataclasses.field(default_factory=list)


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def listing(text):
    return "```\n" + text.rstrip() + "\n```"


def version(package):
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True,
                           text=True)
    return f"{package} {shown.stdout}" if shown.returncode == 0 else f"{package} (not installed)"


def machine():
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    memory = int(re.search(r"MemTotal: +(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return [f"{os.cpu_count()} × {model[1] if model else platform.machine()}, {memory >> 20} GiB, "
            f"Linux {platform.release()}",
            f"memprov at {commit.stdout.strip() or '?'}, "
            f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC"]


def render(sections, refused, facts):
    goals = [goal.row() for section in sections for goal in section.goals]
    out = ["# What it costs: a run of `make bench`", "\n".join(f"- {fact}" for fact in facts)]
    if goals:
        out += ["## The goals", table(["figure", "goal", "this run", "reached"], goals)]
    for section in sections:
        out += [f"## {section.title}", *section.body]
    if refused:
        out += ["## What does not run on this machine",
                table(["peer", "what it says"],
                      [[peer, reason.replace("|", "\\|")] for peer, reason in refused.items()])]
    return "\n\n".join(out) + "\n"
