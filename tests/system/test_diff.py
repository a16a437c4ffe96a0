# SPDX-License-Identifier: BSD-2-Clause
"""memprov diff: real reports of programs that grow, and files that are no reports."""
import json
import os
import subprocess

import pytest

from memprov import HANG, MEMPROV, MIB, Agent, Target, until

LISTS = ("callsites", "names", "categories")


def run(*args, **more):
    return subprocess.run([MEMPROV, "diff", *map(str, args)], capture_output=True, text=True,
                          timeout=HANG, **more)


def good(*args, **more):
    done = run(*args, **more)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def difference(*args, **more):
    """As JSON, its sums checked."""
    diff = json.loads(good(*args, "--format", "json", **more))
    rss = diff["totals"]["rss"]
    assert rss["growth"] == rss["b"] - rss["a"]
    for name in LISTS:
        part = diff[name]
        parts = [*part["rows"], part["others"], part["rest"]]
        for side in ("a", "b"):
            assert sum(row[side] or 0 for row in parts) == rss[side], (name, side)
        assert sum(row["growth"] for row in parts) == rss["growth"]
        growth = [row["growth"] for row in part["rows"]]
        assert growth == sorted(growth, reverse=True)
    return diff


def one_line(done, code, *words):
    assert done.returncode == code, done
    assert done.stdout == "" and done.stderr.startswith("memprov: diff: "), done
    assert done.stderr.count("\n") == 1, done
    for word in words:
        assert str(word) in done.stderr, done.stderr


def save(daemon, path, pid=None, **parameters):
    """Where others keep the machine busy, stacks may come late."""
    def is_told():
        report = daemon.report(pid, **{"all": 1, **parameters})
        path.write_text(json.dumps(report))
        return all(r["callsite"] for r in report["regions"] if r["origin"] == "mmap")

    until(is_told, "all call sites")
    return path


def filled(agent, size):
    address = agent.map(size)
    agent.call("fill", address, size, 1)
    return address


def has_function(row, name):
    return any(frame["function"] == name for frame in row["stack"])


@pytest.fixture
def grown(daemon, agent, tmp_path):
    """Two reports of one process: 8 MiB more by mmap of which 4 have a name, and 2 MiB gone."""
    kept, gone = filled(agent, 3 * MIB), filled(agent, 2 * MIB)
    agent.name(gone, 2 * MIB, b"Leaving")
    a = save(daemon, tmp_path / "a.json", agent.pid)
    cache = filled(agent, 8 * MIB)
    agent.name(cache, 4 * MIB, b"Cache")
    agent.call("munmap", gone, 2 * MIB)
    b = save(daemon, tmp_path / "b.json", agent.pid)
    return a, b, kept


def test_a_process_that_grows(grown):
    a, b, _ = grown
    diff = difference(a, b)
    # One line of the agent maps all of it.
    row = diff["callsites"]["rows"][0]
    assert has_function(row, "system_call")
    assert (row["change"], row["matched_by"]) == ("grown", "location")
    assert row["growth"] == 6 * MIB
    assert diff["callsites"]["a_lists_all"] and diff["callsites"]["b_lists_all"]
    names = {r["name"]: r for r in diff["names"]["rows"]}
    assert (names["Cache"]["change"], names["Cache"]["growth"]) == ("new", 4 * MIB)
    assert (names["Leaving"]["change"], names["Leaving"]["growth"]) == ("gone", -2 * MIB)
    categories = {r["name"]: r["growth"] for r in diff["categories"]["rows"]}
    assert categories["Named Regions"] == 2 * MIB
    assert categories["Anonymous Read-Write"] == 4 * MIB

    text = good(a, b)
    for line in (str(a), str(b), "grown    system_call in", "new      Cache", "gone     Leaving"):
        assert line in text, text
    assert "+6 MB" in text.split("=== By Call Site ===")[1]


def test_the_other_way_round(grown):
    a, b, _ = grown
    back, forth = difference(b, a), difference(a, b)
    assert back["totals"]["rss"]["growth"] == -forth["totals"]["rss"]["growth"]
    assert back["callsites"]["rows"][-1]["change"] == "shrunk"


def test_no_difference(grown):
    a = grown[0]
    diff = difference(a, a)
    assert all(diff[name]["rows"] == [] for name in LISTS)
    everything = difference(a, a, "--all")
    assert {r["change"] for r in everything["callsites"]["rows"]} <= {"same"}
    assert everything["categories"]["rows"]


def test_fail_over(grown):
    a, b, _ = grown
    growth = difference(a, b)["totals"]["rss"]["growth"]
    assert run(a, b, "--fail-over", growth).returncode == 0
    done = run(a, b, "--fail-over", growth - 1)
    assert done.returncode == 1
    assert done.stdout.startswith("=== Growth"), "the difference is shown all the same"
    assert str(growth) in done.stderr and done.stderr.count("\n") == 1
    assert run(a, b, "--fail-over", "1M").returncode == 1
    assert run(a, b, "--fail-over", "1G").returncode == 0
    assert run(b, a, "--fail-over", "0").returncode == 0
    assert run(a, a, "--fail-over", "0").returncode == 0


def test_another_run_of_the_program(daemon, tmp_path):
    """Other addresses, other ids: the same call sites."""
    files = []
    for name, size in (("a.json", 4 * MIB), ("b.json", 10 * MIB)):
        with Agent() as agent:
            filled(agent, size)
            files.append(save(daemon, tmp_path / name, agent.pid))
    rows = difference(*files)["callsites"]["rows"]
    row = rows[0]
    assert (row["change"], row["matched_by"], row["growth"]) == ("grown", "location", 6 * MIB)
    assert not any(r["change"] in ("new", "gone") and has_function(r, "system_call")
                   for r in rows)


def build_agent(path, *flags):
    source = os.path.join(os.path.dirname(__file__), "../workloads/agent.c")
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-g", "-pthread", *flags, source, "-o",
                    path], check=True)


class BuiltAgent(Agent):
    def __init__(self, path):
        Target.__init__(self, str(path))
        assert self.line() == "ready"
        self.workers = 0


def test_another_build_of_the_program(daemon, tmp_path):
    """Its code has moved, and its build id is another: the functions tell."""
    files = []
    for name, size, flags in (("a", 4 * MIB, ["-O1"]), ("b", 10 * MIB, ["-O1", "-Wl,-z,noseparate-code",
                                                                     "-falign-functions=256"])):
        build_agent(tmp_path / name, *flags)
        with BuiltAgent(tmp_path / name) as agent:
            filled(agent, size)
            files.append(save(daemon, tmp_path / f"{name}.json", agent.pid))
    row = difference(*files)["callsites"]["rows"][0]
    assert (row["change"], row["matched_by"], row["growth"]) == ("grown", "functions", 6 * MIB)
    assert "(matched by functions: 1 in A, 1 in B)" in good(*files)


def test_lists_of_the_node(daemon, tmp_path, agent):
    """Whole, also where some mapping has no call site; cut, they say so."""
    def save_node(name, **parameters):
        path = tmp_path / name
        path.write_text(daemon.get("/debug/memory", format="json", **parameters).text)
        return path

    filled(agent, 2 * MIB)
    whole, cut = save_node("whole", all=1), save_node("cut", top=1)
    agent.map(8 * MIB)
    diff = difference(whole, save_node("after", all=1))
    assert diff["callsites"]["a_lists_all"] and diff["callsites"]["b_lists_all"]
    assert not {row["change"] for row in diff["callsites"]["rows"]} & {"unlisted_in_a", "unlisted_in_b"}
    assert json.loads(whole.read_text())["callsites_left_out"] == 0 < json.loads(cut.read_text())["callsites_left_out"]
    assert not difference(cut, whole)["callsites"]["a_lists_all"]


def test_lists_that_were_cut(daemon, tmp_path, agent):
    """What a report left out is not called new."""
    filled(agent, 2 * MIB)
    a = save(daemon, tmp_path / "a.json", agent.pid, all=0, top=1)
    filled(agent, 4 * MIB)
    b = save(daemon, tmp_path / "b.json", agent.pid)
    # A without its call site: as if others had been larger.
    report = json.loads(a.read_text())
    report["callsites_left_out"] += len(report["callsites"])
    report["callsites"], report["regions"] = [], []
    a.write_text(json.dumps(report))
    diff = difference(a, b)
    assert not diff["callsites"]["a_lists_all"]
    row = diff["callsites"]["rows"][0]
    assert (row["change"], row["a"]) == ("unlisted_in_a", None)
    assert "save reports with --all" in good(a, b)


def test_the_machine(daemon, tmp_path):
    a = save(daemon, tmp_path / "a.json")
    with Agent() as agent:
        filled(agent, 16 * MIB)
        b = save(daemon, tmp_path / "b.json")
    diff = difference(a, b, "--all")
    row = next(r for r in diff["processes"]["rows"] if r["name"] == "agent")
    assert row["growth"] >= 16 * MIB
    assert "=== By Process Name ===" in good(a, b)
    process = save(daemon, tmp_path / "p.json", os.getpid())
    one_line(run(a, process), 1, "whole machine")


def test_a_run(bpf, tmp_path):
    """Reports of `memprov run` are compared at their peaks."""
    files, peaks = [], []
    for size in (20, 60):
        files.append(tmp_path / f"{size}.json")
        subprocess.run([MEMPROV, "run", "--all", "--format", "json", "-o", files[-1], "--", "/usr/bin/python3",
                        "-c", f"import time; x = b'x' * ({size} << 20); time.sleep(1)"], check=True)
        peaks.append(json.loads(files[-1].read_text())["peak"]["totals"]["rss"])
    rss = difference(*files)["totals"]["rss"]
    assert [rss["a"], rss["b"]] == peaks
    assert "at its peak" in good(*files)


def test_standard_input_and_a_file(grown, tmp_path):
    a, b, _ = grown
    text = good(a, "-", input=b.read_text())
    assert "B: -: agent" in text
    out = tmp_path / "out.txt"
    assert good(a, b, "-o", out) == ""
    assert out.read_text() == good(a, b)
    assert difference("-", b, input=a.read_text()) and good(a, b, "--unit", "kB")


def test_top(grown):
    a, b, _ = grown
    diff = difference(a, b, "--top", "1")
    assert all(len(diff[name]["rows"]) <= 1 for name in LISTS)
    assert diff["categories"]["others"]["b"] > 0


@pytest.mark.parametrize("content, word", [
    ("", "empty"), ("<html>", "not JSON"), ("{}", "not a report"), ("[1]", "not a report"),
    ('{"schema":2,"version":"9.0"}', "schema 2"), ('{"schema":1,"version":"1"}', "totals"),
    ("\0\0\0", "NUL"), ("[" * 100000, "not JSON"), ('"\x1b[2J', "not JSON")])
def test_bad_files(grown, tmp_path, content, word):
    bad = tmp_path / "bad.json"
    bad.write_text(content)
    one_line(run(grown[0], bad), 1, bad, word)
    one_line(run(bad, grown[1]), 1, bad, word)
    one_line(run("-", grown[1], input=content), 1, "standard input", word)


def test_a_file_that_is_cut_off(grown, tmp_path):
    text = grown[0].read_text()
    bad = tmp_path / "bad.json"
    ends = [int(len(text) * part) for part in (0.01, 0.5, 0.999)]
    # Within a word, and before the digits of a number.
    ends += [text.index("null") + 3, text.index("true") + 1]
    for end in ends:
        bad.write_text(text[:end])
        one_line(run(grown[0], bad), 1, bad, "cut off")


def test_files_that_cannot_be_read(grown, tmp_path):
    one_line(run(grown[0], tmp_path / "none"), 1, tmp_path / "none", "No such file")
    one_line(run(tmp_path, grown[0]), 1, tmp_path, "Is a directory")
    one_line(run("/dev/zero", grown[0]), 1, "/dev/zero", "larger than 256 MB")
    done = run(tmp_path / "a\x1b[2J\nb", grown[0])
    one_line(done, 1, "a\\x1b[2J\\nb")
    done = run(*grown[:2], "-o", "/dev/full")
    assert done.returncode == 1 and "/dev/full" in done.stderr


def test_usage(grown):
    a, b, _ = grown
    for args in ([], [a], [a, b, a], ["-", "-"], [a, b, "--fail-over", "much"],
                 [a, b, "--format", "folded"], [a, b, "--pid", "1"]):
        done = run(*args)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done
