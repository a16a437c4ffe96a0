# SPDX-License-Identifier: BSD-2-Clause
"""What touched memory first, wherever call sites are shown: as call sites, folded, as a flame graph, in a profile and
in a difference, each of which adds up to what the report has."""
import contextlib
import json
import subprocess

import pytest

from memprov import MEMPROV, MIB, functions, until
from pprof import Profile
from test_touch import check_touch, tell, touchers


@contextlib.contextmanager
def touched(daemon, *commands):
    """A program whose samples are all known, and its report."""
    with touchers("map anon 64 small", *commands) as target:
        until(lambda: daemon.report(target.pid, all=1)["touch"]["samples"] > 0, "samples")
        yield target


def report_of(daemon, pid):
    report = daemon.report(pid, all=1)
    check_touch(report)
    return report


def ask(daemon, path, **parameters):
    answer = daemon.get(path, **parameters)
    assert answer.status == 200, answer.body
    return answer


def test_each_view_adds_up(daemon):
    with touched(daemon, "touch first 0 32", "touch second 32 48") as target:
        touch = report_of(daemon, target.pid)["touch"]
        assert touch["sampled"] > 0

        lines = ask(daemon, "/debug/memory", pid=target.pid, format="folded", by="touch").text.splitlines()
        assert sum(int(line.rsplit(" ", 1)[1]) for line in lines) == touch["resident"]
        assert any("touch_first" in line for line in lines)
        by_map = ask(daemon, "/debug/memory", pid=target.pid, format="folded").text
        assert by_map == ask(daemon, "/debug/memory", pid=target.pid, format="folded", by="map").text
        assert "touch_first" not in by_map

        graph = ask(daemon, "/debug/memory/flamegraph", pid=target.pid, format="json", by="touch").json
        assert graph["by"] == "touch"
        assert sum(bytes_ for stack in graph["touched"] for _, bytes_ in stack["bytes"]) == touch["resident"]
        assert sum(row[1] for stack in graph["stacks"] for row in stack["bytes"]) == graph["totals"]["rss"]

        sites = ask(daemon, "/debug/memory/callsites", pid=target.pid, format="json", by="touch", all=1).json
        assert "callsites" not in sites
        assert sum(site["rss"] for site in sites["touch"]["sites"]) == sites["touch"]["sampled"]
        assert any("touch_first" in functions(site) for site in sites["touch"]["sites"])
        text = ask(daemon, "/debug/memory/callsites", pid=target.pid, by="touch").text
        assert "Touched By (resident, sampled)" in text and "touch_first" in text and " ± " in text


def test_a_profile_has_what_was_touched(daemon):
    with touched(daemon, "touch first 0 32") as target:
        touch = report_of(daemon, target.pid)["touch"]
        profile = Profile(ask(daemon, "/debug/memory/pprof", pid=target.pid).body)
        place = [name for name, _ in profile.types].index("touched_space")
        assert sum(sample["values"][place] for sample in profile.samples) == touch["resident"]


def test_a_difference_tells_what_touched_more(daemon, tmp_path):
    with touched(daemon, "touch first 0 8") as target:
        saved = [tmp_path / "before.json", tmp_path / "after.json"]
        saved[0].write_text(json.dumps(report_of(daemon, target.pid)))
        tell(target, "touch second 8 40")
        after = report_of(daemon, target.pid)
        saved[1].write_text(json.dumps(after))
        second = [site for site in after["touch"]["sites"] if "touch_second" in functions(site)]
        difference = json.loads(subprocess.run([MEMPROV, "diff", "--format", "json", *saved], check=True,
                                               capture_output=True).stdout)
        most = difference["touched"]["rows"][0]
        assert "touch_second" in [frame["function"] for frame in most["stack"]]
        assert most["growth"] == sum(site["rss"] for site in second)
        assert abs(most["growth"] - 32 * MIB) < 4 * sum(site["rss_error"] for site in second)
        text = subprocess.run([MEMPROV, "diff", *saved], check=True, capture_output=True).stdout.decode()
        assert "=== By First Touch ===" in text


@pytest.mark.parametrize("path", ["/debug/memory/pprof", "/debug/memory/processes", "/metrics"])
def test_where_there_is_no_choice(daemon, path):
    answer = daemon.get(path, by="touch")
    assert answer.status == 400 and "by" in answer.text
    assert "map or touch" in daemon.get("/debug/memory", by="tuch").text
